"""Pictures by the shard: files of a folder, a glob or a list; WebDataset tars; Parquet with a column of images.

    source("photos/**/*.jpg", "auto", accept) ──shards(1000)──▶ Shard, Shard, … ──entries(shard)──▶ Entry, Entry, …

A shard of files is a list of names; of tars one tar; of Parquet some row groups of one file. Entries come as they are read.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any, Protocol

from .entries import Entry, Shard, output_of, safe
from .parquet import ParquetSource
from .storage import Local, is_url, place
from .tars import samples

__all__ = ["KINDS", "Source", "source"]

KINDS = ("files", "list", "tar", "parquet")
_READ_TOGETHER = 32
_READERS = 16
_LOOKED_AT = 1000


class Source(Protocol):
    """Where pictures come from."""

    kind: str

    def shards(self, size: int) -> Iterator[Shard]:
        """All of them, in an order that only their names decide, `size` pictures each where the source can be cut."""

    def entries(self, shard: Shard) -> Iterator[Entry]:
        """The pictures of a shard."""


def expanded(pattern: str) -> list[str]:
    """WebDataset's "photos-{000..120}.tar" as names; others as they are."""
    match = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if not match:
        return [pattern]
    numbers = range(int(match[1]), int(match[2]) + 1)
    whole = [f"{pattern[: match.start()]}{i:0{len(match[1])}}{pattern[match.end() :]}" for i in numbers]
    return [name for one in whole for name in expanded(one)]


def source(
    url: str, kind: str, accept: frozenset[str], column: str | None = None, leave_out: str | None = None
) -> Source:
    """The source of a path, a URL, a glob or a list (.txt, a name a line).

    Args:
        kind: One of KINDS, or "auto": by the suffix; of a folder, by those of its first files.
        accept: Lower-case suffixes of the pictures among a folder's files and a tar's members; none for all.
        column: Of Parquet's images; by default "image", else the only one that holds bytes.
        leave_out: A folder below the source whose files do not count.

    Raises:
        ValueError: A kind that there is not.
        OSError: There is nothing.
        MissingPackage: It needs a package that is not installed.
    """
    if kind not in (*KINDS, "auto"):
        raise ValueError(f"from={kind!r}: must be auto, {', '.join(KINDS)}")
    suffix = PurePosixPath(url.removesuffix(".gz").removesuffix(".zst")).suffix.lower()
    named = {".tar": "tar", ".parquet": "parquet", ".txt": "list"}.get(suffix)
    if kind == "list" or (kind == "auto" and named == "list"):
        return _Listed(url)
    files = _Files(url, frozenset(), leave_out)
    if kind == "auto":
        kind = named or files.kind_of_most()
    if kind == "files":
        return _Files(url, accept, leave_out)
    wanted = frozenset({".parquet"} if kind == "parquet" else {".tar", ".tar.gz", ".tgz"})
    files = _Files(url, wanted, leave_out)
    if kind == "tar":
        return _Tars(files, accept)
    return ParquetSource(files, column)


def _suffix(name: str) -> str:
    lower = name.lower()
    return ".tar.gz" if lower.endswith(".tar.gz") else PurePosixPath(lower).suffix


class _Files:
    """Files of a folder, with those of folders in it, or of a glob, or one file."""

    kind = "files"

    def __init__(self, url: str, accept: frozenset[str], leave_out: str | None = None) -> None:
        self.accept, self.leave_out = accept, leave_out
        self.names: list[str] | None = None
        if "{" in url and ".." in url:
            folder = url.partition("{")[0].rpartition("/")[0]
            self.place = place(folder or ".")
            self.names = [one[len(folder) :].lstrip("/") for one in expanded(url)]
        elif glob.has_magic(url.partition("://")[2] or url):
            folder = re.split(r"[*?\[]", url)[0].rpartition("/")[0]
            self.place = place(folder or ".")
            self.names = self._matches(url, folder or ".")
        elif _is_file(url):
            folder, _, name = url.rpartition("/")
            self.place, self.names = place(folder or "."), [name]
        else:
            self.place = place(url)

    def _matches(self, url: str, folder: str) -> list[str]:
        if isinstance(self.place, Local):
            found = [p for p in glob.glob(url, recursive=True) if os.path.isfile(p)]
            return sorted(os.path.relpath(p, folder) for p in found)
        remote: Any = self.place
        root = remote.root.rstrip("/")
        return sorted(p[len(root) :].lstrip("/") for p in remote.fs.glob(url) if not p.endswith("/"))

    def found(self) -> Iterator[tuple[str, int | None]]:
        """(name, bytes or None) in order."""
        if self.names is not None:
            yield from ((name, None) for name in self.names)
            return
        for name, nbytes in self.place.walk():
            left = self.leave_out is not None and name.startswith(f"{self.leave_out}/")
            if not left and (not self.accept or _suffix(name) in self.accept):
                yield name, nbytes

    def kind_of_most(self) -> str:
        """What most of the first files are."""
        seen: dict[str, int] = {}
        for number, (name, _) in enumerate(self.found()):
            suffix = _suffix(name)
            kind = "parquet" if suffix == ".parquet" else "tar" if suffix in (".tar", ".tar.gz", ".tgz") else "files"
            seen[kind] = seen.get(kind, 0) + 1
            if number == _LOOKED_AT:
                break
        return max(seen, key=lambda kind: seen[kind], default="files")

    def shards(self, size: int) -> Iterator[Shard]:
        yield from _cut(self.found(), size)

    def entries(self, shard: Shard) -> Iterator[Entry]:
        for at in range(0, len(shard.what), _READ_TOGETHER):
            part = shard.what[at : at + _READ_TOGETHER]
            for (name, *output), content in zip(part, self.place.read([name for name, *_ in part]), strict=True):
                yield Entry(name, output[0] if output else output_of(name), content)


def _is_file(url: str) -> bool:
    if not is_url(url):
        return os.path.isfile(url)
    remote: Any = place(url)
    return bool(remote.fs.isfile(remote.root)) if hasattr(remote, "fs") else os.path.isfile(remote.url)


def _cut(found: Iterator[tuple[str, int | None]], size: int) -> Iterator[Shard]:
    """Shards of files, of `size` names each."""
    names: list[list[str]] = []
    total: int | None = 0
    number = 0
    for name, nbytes in found:
        names.append([name])
        total = None if nbytes is None or total is None else total + nbytes
        if len(names) == size:
            yield Shard(number, f"{number:06}", names, size, total)
            number, names, total = number + 1, [], 0
    if names:
        yield Shard(number, f"{number:06}", names, len(names), total)


class _Listed:
    """Files that a list names, a path or URL a line, relative to the list's folder."""

    kind = "list"

    def __init__(self, url: str) -> None:
        folder, _, name = url.rpartition("/")
        self.place, self.name = place(folder or "."), name

    def shards(self, size: int) -> Iterator[Shard]:
        content = self.place.read([self.name])[0]
        if isinstance(content, OSError):
            raise content
        lines = content.decode("utf-8", "surrogateescape").splitlines()
        names = dict.fromkeys(line.strip() for line in lines if line.strip() and not line.startswith("#"))
        yield from _cut(((name, None) for name in names), size)

    def entries(self, shard: Shard) -> Iterator[Entry]:
        def read(name: str) -> bytes | OSError:
            return place(name).read([""])[0] if is_url(name) else self.place.read([name])[0]

        with ThreadPoolExecutor(_READERS) as pool:
            for at in range(0, len(shard.what), _READ_TOGETHER):
                part = shard.what[at : at + _READ_TOGETHER]
                for (name, *output), content in zip(part, pool.map(read, [name for name, *_ in part]), strict=True):
                    yield Entry(name, output[0] if output else output_of(name), content)


class _Tars:
    """Tars of samples: members of one key, which stand together (WebDataset)."""

    kind = "tar"

    def __init__(self, files: _Files, accept: frozenset[str]) -> None:
        self.files, self.accept = files, accept

    def shards(self, size: int) -> Iterator[Shard]:
        for number, (name, nbytes) in enumerate(self.files.found()):
            stem = safe(re.sub(r"(\.tar(\.gz)?|\.tgz)$", "", name))
            yield Shard(number, stem, name, None, nbytes)

    def entries(self, shard: Shard) -> Iterator[Entry]:
        for members in samples(self.files.place, shard.what):
            if isinstance(members, Exception):
                yield Entry(shard.what, shard.name, members)
                continue
            pictures = [m for m in members if not self.accept or PurePosixPath(m[0].lower()).suffix in self.accept]
            others = [(safe(name), content) for name, content in members if (name, content) not in pictures]
            for number, (name, content) in enumerate(pictures):
                yield Entry(f"{shard.what}: {name}", safe(name), content, others if number == 0 else None)
            if not pictures:
                yield Entry(f"{shard.what}: {members[0][0]}", safe(members[0][0]), b"", others, passed=True)
