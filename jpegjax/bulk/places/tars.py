"""Tars of samples, read as a stream and written as a whole (WebDataset)."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Iterator

from .entries import Entry, key_of
from .storage import Place

__all__ = ["TarWriter", "samples"]

_LARGEST = 1 << 31
"""Bytes of a member; what claims more is not read."""

Member = tuple[str, bytes]


def samples(place: Place, name: str) -> Iterator[list[Member] | Exception]:
    """Members (name, content) of each sample in turn; at a place where the tar cannot be read any further, why."""
    key, members = None, list[Member]()
    try:
        with place.open(name) as file, tarfile.open(fileobj=file, mode="r|*") as tar:
            for info in tar:
                if not info.isfile():
                    continue
                if key is not None and key_of(info.name) != key and members:
                    yield members
                    members = []
                key = key_of(info.name)
                if info.size > _LARGEST:
                    yield ValueError(f"{info.name}: a member of {info.size} bytes; {_LARGEST} are the most")
                    continue
                found = tar.extractfile(info)
                members.append((info.name, found.read() if found else b""))
                tar.members.clear()  # type: ignore[attr-defined] # it would keep them all
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        if members:
            yield members
        yield OSError(f"damaged or unreadable tar: {error}")
        return
    if members:
        yield members


class TarWriter:
    """One tar, made beside its place and put there at once. The same members give the same bytes."""

    def __init__(self, place: Place, name: str) -> None:
        self.place, self.name = place, f"{name}.tar"
        self.folder = place.scratch()
        self.path = os.path.join(self.folder, "tar")
        self.tar = tarfile.open(self.path, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def add(self, entry: Entry, output: str, content: bytes | None) -> None:
        if content is not None:
            self._member(output, content)
        if entry.passed or content is not None:
            for name, other in entry.beside or () if isinstance(entry.beside, list) else ():
                self._member(name, other)

    def _member(self, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), 0o644
        self.tar.addfile(info, io.BytesIO(content))

    def commit(self) -> None:
        self.tar.close()
        self.place.put(self.name, self.path)
        self.abort()

    def abort(self) -> None:
        self.tar.close()
        shutil.rmtree(self.folder, ignore_errors=True)
