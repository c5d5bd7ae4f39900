"""One way to read, write and list: a local folder by the system's own calls, any other URL by fsspec.

    place("photos"), place("s3://bucket/photos"), place("memory://photos")

A write is whole or not there: locally by a rename, elsewhere by one put, which object stores show once it has ended.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO, Protocol

from ...run.writing import write_file

__all__ = ["STATE", "Local", "MissingPackage", "Place", "Remote", "is_url", "needed", "place"]

STATE = "_jpegjax"
"""Folder below a target that holds a job's manifest, records and summary. Readers of data sets pass names with a "_" by."""


_READERS = 32
"""Requests of a store at a time, of one process."""


class MissingPackage(ImportError):
    """A package that a kind of place needs is not installed; the message holds the pip line."""


def needed(package: str, what: str, pip: str = "'jpegjax[cluster]'") -> Any:
    """The module of a package. MissingPackage where it is not installed. what: that needs it, for the message."""
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingPackage(f"{what}: needs {error.name or package}; pip install {pip}") from None


def is_url(text: str) -> bool:
    return "://" in text


class Place(Protocol):
    """A folder, wherever it is. Names are relative to it, with "/" between their parts."""

    url: str

    def read(self, names: Sequence[str]) -> list[bytes | OSError]:
        """Contents of files, side by side where that is faster, or what was met in place of one."""

    def open(self, name: str) -> BinaryIO:
        """A file to read from, seekable. OSError where there is none."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Files, each whole or not at all, over those that are there."""

    def put(self, name: str, path: str) -> None:
        """A local file's content as a file here, at once; the local file is gone afterwards."""

    def walk(self) -> Iterator[tuple[str, int]]:
        """(name, bytes) of all files below, by name; those of jobs and hidden ones left out."""

    def listed(self, folder: str) -> list[str]:
        """Names of what is in a folder, without it; none where there is no such folder."""

    def remove(self, folder: str) -> None:
        """A folder and all that is in it, if it is there."""

    def scratch(self) -> str:
        """A local folder for files on their way to `put`; the caller removes it."""


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == STATE


class Local:
    """A local folder."""

    def __init__(self, folder: str) -> None:
        self.url = folder
        self._made: set[str] = set()

    def path(self, name: str) -> str:
        return os.path.join(self.url, name)

    def read(self, names: Sequence[str]) -> list[bytes | OSError]:
        return [_content(self.path(name)) for name in names]

    def open(self, name: str) -> BinaryIO:
        return open(self.path(name), "rb")

    def make_folder_of(self, path: str) -> None:
        folder = os.path.dirname(path)
        if folder not in self._made:
            os.makedirs(folder or ".", exist_ok=True)
            self._made.add(folder)

    def write(self, files: Mapping[str, bytes]) -> None:
        for name, content in files.items():
            path = self.path(name)
            self.make_folder_of(path)
            write_file(path, content, durable=True)

    def put(self, name: str, path: str) -> None:
        target = self.path(name)
        self.make_folder_of(target)
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        os.replace(path, target)

    def walk(self) -> Iterator[tuple[str, int]]:
        root = self.url
        if not os.path.isdir(root):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), root)
        yield from self._below("")

    def _below(self, folder: str) -> Iterator[tuple[str, int]]:
        with os.scandir(self.path(folder)) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if _hidden(entry.name):
                continue
            name = f"{folder}{entry.name}"
            if entry.is_dir():
                if not entry.is_symlink():  # or a link to a folder above goes on for ever
                    yield from self._below(f"{name}/")
            elif entry.is_file():
                yield name, entry.stat().st_size

    def listed(self, folder: str) -> list[str]:
        try:
            return os.listdir(self.path(folder))
        except FileNotFoundError:
            return []

    def remove(self, folder: str) -> None:
        shutil.rmtree(self.path(folder), ignore_errors=True)

    def scratch(self) -> str:
        folder = self.path(f"{STATE}/staging/{secrets.token_hex(8)}")
        os.makedirs(folder)
        return folder


def _content(path: str) -> bytes | OSError:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except (OSError, ValueError) as error:  # a NUL in a name
        return error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error))


class Remote:
    """What fsspec reaches: s3, gs, az, http, hf, memory and more, with its settings and credentials from where it finds them."""

    def __init__(self, url: str) -> None:
        core = needed("fsspec.core", url)
        try:
            self.fs, self.root = core.url_to_fs(url)
        except ImportError as error:
            raise MissingPackage(f"{url}: {error}") from None
        self.url = url

    def path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}" if name else self.root

    def read(self, names: Sequence[str]) -> list[bytes | OSError]:
        paths = [self.path(name) for name in names]
        if len(paths) < 2:
            return [self._content(path) for path in paths]
        with ThreadPoolExecutor(min(_READERS, len(paths))) as pool:
            return list(pool.map(self._content, paths))

    def _content(self, path: str) -> bytes | OSError:
        try:
            return bytes(self.fs.cat_file(path))  # not `cat`, to which a name with a "[" in it is a pattern
        except OSError as error:
            return error
        except Exception as error:  # clients raise their own
            return OSError(f"{path}: {error}")

    def open(self, name: str) -> BinaryIO:
        return self.fs.open(self.path(name), "rb")

    def write(self, files: Mapping[str, bytes]) -> None:
        for folder in {os.path.dirname(self.path(name)) for name in files}:
            self._make(folder)
        self.fs.pipe({self.path(name): bytes(content) for name, content in files.items()})

    def _make(self, folder: str) -> None:
        with suppress(OSError, NotImplementedError):  # object stores have none
            self.fs.makedirs(folder, exist_ok=True)

    def put(self, name: str, path: str) -> None:
        self._make(os.path.dirname(self.path(name)))
        self.fs.put_file(path, self.path(name))
        os.unlink(path)

    def walk(self) -> Iterator[tuple[str, int]]:
        root = self.root.rstrip("/")
        found = self.fs.find(root, detail=True)
        if not found:
            raise FileNotFoundError(errno.ENOENT, "nothing there", self.url)
        for path in sorted(found):
            name = path[len(root) :].lstrip("/")
            if name and not any(_hidden(part) for part in name.split("/")):
                yield name, found[path].get("size") or 0

    def listed(self, folder: str) -> list[str]:
        with suppress(AttributeError):
            self.fs.invalidate_cache()
        try:
            found = self.fs.ls(self.path(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [path.rstrip("/").rsplit("/", 1)[-1] for path in found]

    def remove(self, folder: str) -> None:
        with suppress(FileNotFoundError):
            self.fs.rm(self.path(folder), recursive=True)

    def scratch(self) -> str:
        import tempfile

        return tempfile.mkdtemp(prefix="jpegjax-bulk-")

    @property
    def private(self) -> bool:
        """Whether only this process sees what is there."""
        protocol = self.fs.protocol
        return "memory" in (protocol if isinstance(protocol, (tuple, list)) else (protocol,))


def place(url: str) -> Place:
    """The place of a path or URL. MissingPackage where a URL needs one that is not installed."""
    if url.startswith("file://"):
        url = url.removeprefix("file://")
    return Remote(url) if is_url(url) else Local(url)
