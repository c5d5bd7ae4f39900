"""Where pictures come from: files in folders and zip packs, read each time; or one file of decoded pixels, memory-mapped.

A store has names and `read(i)`. `split` parts one by a hash of its names, so that a picture stays on its side whatever else comes
or goes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol

import numpy as np

from ..run.writing import write_file

__all__ = ["Files", "Pack", "Part", "Store", "Unreadable", "split"]

SUFFIXES = frozenset({".avif", ".jpg", ".jpeg", ".png"})
_MAGIC = b"jjxpack1"
_DEEP = "more than 8 bits a sample; 8-bit ones are needed"
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


class Unreadable(ValueError):
    """A picture that cannot be decoded; says which and why."""


class Store(Protocol):
    """Pictures by number."""

    names: Sequence[str]

    def read(self, index: int) -> np.ndarray:
        """Pixels uint8 [height, width, 3], RGB, not to be written to. `Unreadable` where there are none."""


class Files:
    """AVIF, JPEG and PNG files: single ones, those in and below folders, and those in zip packs, in the order of their names.

    Grey becomes RGB; transparency is dropped; EXIF orientation is not applied. PNG and JPEG files of more than 8 bits a sample
    are `Unreadable`; of such AVIF files the reader keeps 8.

    Args:
        paths: Files, folders and packs. A picture's name is its path below the folder or inside the pack.

    Raises:
        FileNotFoundError: A path does not exist.
        ValueError: A pack is no zip file, or there is no picture at all.
    """

    suffixes: ClassVar[frozenset[str]] = SUFFIXES

    def __init__(self, *paths: str | Path) -> None:
        found = sorted(
            (entry for path in paths for entry in _entries(Path(path), self.suffixes)), key=lambda entry: entry[0]
        )
        if not found:
            raise ValueError(
                f"no pictures in {', '.join(map(str, paths)) or 'no path at all'}; there must be files named "
                f"{', '.join(sorted('*' + s for s in self.suffixes))}, or zip packs of them"
            )
        self.names: Sequence[str] = [name for name, _, _ in found]
        self.sizes: Sequence[int] = [size for _, size, _ in found]
        self._places = [place for _, _, place in found]
        self._packs: dict[Path, zipfile.ZipFile] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packs": {}}  # a process opens its own

    def __len__(self) -> int:
        return len(self.names)

    def where(self, index: int) -> str:
        """A picture's place, for messages."""
        path, member = self._places[index]
        return f"{path}: {member}" if member else str(path)

    def content(self, index: int) -> bytes:
        """A file's bytes. OSError or zipfile.BadZipFile where it cannot be read."""
        path, member = self._places[index]
        if not member:
            return path.read_bytes()
        pack = self._packs.get(path)
        if pack is None:
            pack = self._packs.setdefault(path, zipfile.ZipFile(path))
        return pack.read(member)

    def read(self, index: int) -> np.ndarray:
        from PIL import Image

        try:
            return _decode(self.content(index))
        except (OSError, ValueError, SyntaxError, zipfile.BadZipFile, Image.DecompressionBombError) as error:
            raise Unreadable(f"{self.where(index)}: cannot be read: {error}") from error


Place = tuple[Path, str]
"""A file, and of a zip pack the member."""


def _entries(path: Path, suffixes: frozenset[str]) -> Iterator[tuple[str, int, Place]]:
    """(name, size in bytes, place) of each picture."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file, folder or pack to train on")
    if path.is_dir():
        for file in path.rglob("*"):
            if file.suffix.lower() in suffixes and file.is_file():
                yield file.relative_to(path).as_posix(), file.stat().st_size, (file, "")
    elif path.suffix.lower() == ".zip":
        try:
            with zipfile.ZipFile(path) as pack:
                members = pack.infolist()
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path}: no zip pack: {error}") from None
        for info in members:
            if Path(info.filename).suffix.lower() in suffixes:
                yield info.filename, info.file_size, (path, info.filename)
    else:
        yield path.name, path.stat().st_size, (path, "")


def _of_8_bits(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype != np.uint8:
        raise ValueError(_DEEP)
    return pixels


def _decode(data: bytes) -> np.ndarray:
    from PIL import Image

    if data.startswith(b"\xff\xd8"):
        from ..api import decode

        return _of_8_bits(np.asarray(decode(data, mode="RGB", engine="host")))
    if data.startswith(b"\x89PNG") and data[24:25] == b"\x10":  # Pillow drops the low bits of colours without a word
        raise ValueError(_DEEP)
    with Image.open(io.BytesIO(data)) as picture:
        if picture.mode not in _MODES:
            raise ValueError(f"pixels of mode {picture.mode}; 8-bit ones are needed")
        return np.asarray(picture.convert("RGB"))


class Pack:
    """One file of decoded pixels, memory-mapped: reading costs a copy of what is cut out.

    Layout: the pictures' bytes one behind the other, an index in JSON, its length (8 bytes, little-endian), "jjxpack1".

    Args:
        path: A file that `make` wrote.

    Raises:
        ValueError: It is no such file, or cut.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self.path.open("rb") as file:
            nbytes = file.seek(0, os.SEEK_END)
            file.seek(max(0, nbytes - 16))
            tail = file.read()
            length = int.from_bytes(tail[:8], "little")
            if tail[8:] != _MAGIC or length > nbytes - 16:
                raise ValueError(f"{path}: no pack of pixels, or cut; delete it and make it again")
            file.seek(nbytes - 16 - length)
            index = json.loads(file.read(length))
        self.names: Sequence[str] = index["names"]
        self.made_of: str = index["made_of"]
        self._shapes: list[tuple[int, int]] = [(h, w) for h, w in index["shapes"]]
        sizes = [3 * h * w for h, w in self._shapes]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).tolist()
        self._pixels = np.memmap(self.path, np.uint8, "r")

    def read(self, index: int) -> np.ndarray:
        shape = *self._shapes[index], 3
        return np.asarray(self._pixels[self._starts[index] : self._starts[index + 1]]).reshape(shape)

    @classmethod
    def make(cls, files: Files, path: str | Path) -> Pack:
        """Decode all pictures into a file, or open it where it was made of the same names and sizes before.

        Unreadable pictures are named in a warning each and left out.

        Raises:
            ValueError: No picture can be read, or the file was made of other pictures.
        """
        path = Path(path)
        listed = json.dumps([list(files.names), list(files.sizes)])
        made_of = hashlib.sha256(listed.encode()).hexdigest()
        if path.exists():
            old = cls(path)
            if old.made_of != made_of:
                raise ValueError(f"{path}: was made of other pictures; delete it, or give another path")
            return old
        path.parent.mkdir(parents=True, exist_ok=True)
        lost: list[Unreadable] = []
        try:
            write_file(path, lambda out: _write_pack(files, out, made_of, lost))
        finally:
            for error in lost:
                warnings.warn(f"{error}; it is left out", stacklevel=2)
        return cls(path)


def _write_pack(files: Files, out: BinaryIO, made_of: str, lost: list[Unreadable]) -> None:
    """Pixels of all pictures, and where each lies; those that cannot be read go to `lost`."""

    def read(i: int) -> np.ndarray | Unreadable:
        try:
            return files.read(i)
        except Unreadable as error:
            return error

    names, shapes, chunk = [], [], 64
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files.names), chunk):  # in chunks, so that few wait in memory
            these = range(start, min(start + chunk, len(files.names)))
            for i, pixels in zip(these, pool.map(read, these), strict=True):
                if isinstance(pixels, Unreadable):
                    lost.append(pixels)
                    continue
                names.append(files.names[i])
                shapes.append(pixels.shape[:2])
                out.write(np.ascontiguousarray(pixels).data)
        if not names:
            raise ValueError(f"none of the {len(files.names)} pictures can be read, {files.names[0]!r} among them")
        index = json.dumps({"names": names, "shapes": shapes, "made_of": made_of}).encode()
        out.write(index + len(index).to_bytes(8, "little") + _MAGIC)


class Part:
    """Some pictures of a store."""

    def __init__(self, store: Store, chosen: Sequence[int]) -> None:
        self._store, self._chosen = store, chosen
        self.names: Sequence[str] = [store.names[i] for i in chosen]

    def read(self, index: int) -> np.ndarray:
        return self._store.read(self._chosen[index])


def split(store: Store, share: float = 0.05) -> tuple[Part, Part]:
    """(for training, for validation): a picture is held out if the hash of its file name falls in the lowest share of all.

    The rule: the first 8 bytes of SHA-256 of the name without folders, as a big-endian fraction of 2^64, below `share`.
    """
    held = [_fraction(name) < share for name in store.names]
    return Part(store, [i for i, out in enumerate(held) if not out]), Part(
        store, [i for i, out in enumerate(held) if out]
    )


def _fraction(name: str) -> float:
    digest = hashlib.sha256(name.rpartition("/")[2].encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def middles_of(store: Store, count: int, side: int) -> np.ndarray:
    """Middles of the first pictures of a store that are large enough, uint8 [N, side, side, 3]."""
    found = []
    for index in range(len(store.names)):
        picture = store.read(index)
        y, x = ((length - side) // 2 for length in picture.shape[:2])
        if min(y, x) >= 0:
            found.append(picture[y : y + side, x : x + side])
        if len(found) == count:
            break
    if not found:
        raise ValueError(
            f"data: of {len(store.names)} pictures in this part, none has {side}×{side} pixels; give more data"
        )
    return np.stack(found)


def shared_packs() -> list[str]:
    """Paths of data/train-*.zip of $JPEGJAX_SHARED. ValueError where there are none."""
    folder = Path(os.environ.get("JPEGJAX_SHARED", "shared")) / "data"
    found = sorted(map(str, folder.glob("train-*.zip")))
    if not found:
        raise ValueError(
            f"data: give data=FOLDER or data=PACK.zip; there is no train-*.zip in {folder} ($JPEGJAX_SHARED)"
        )
    return found
