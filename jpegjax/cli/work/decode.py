"""What `jpegjax decode` does with files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...api.restoring import restorer_of
from ...container import inspect, orientation_of, parse_header
from ...container.behind import chosen
from ...container.box import read_box
from ...errors import CorruptJpeg
from ...jpeg import codec
from ...jpeg.inks import rgb_of_inks
from ...options import DecodeOptions
from ...run.writing import write_file
from .. import boxes, pictures
from ..paths import shown
from ..report import Totals, reason
from ..waiting import clock
from .item import Item

__all__ = ["DecodeJob"]

_RGB_ONLY = ("png", "ppm", "bmp")
_NETWORK = "the restoration network for pictures of these sizes"


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """What `jpegjax decode` does with every file. format: a key of `pictures.FORMATS`. model: of .jxj files, one's own.

    managed: colours by the profiles of the files, to sRGB.
    """

    options: DecodeOptions
    format: str = "png"
    engine: str = "auto"
    device: Any = None
    transpose: bool = False
    overwrite: bool = False
    model: Any = None
    depth: int | None = None
    icc: Path | None = None
    managed: bool = False

    verb: ClassVar[str] = "decoded"
    search: ClassVar[str] = ""

    def programs(self, engine: str) -> str:
        own = ["programs for this device"] if engine == "xla" else []
        return " and ".join([*own, *([_NETWORK] if self.options.restore else [])])

    def measure(self, item: Item) -> int:
        row = item.row
        item.source = item.source.read_bytes() if isinstance(item.source, Path) else item.source
        if boxes.is_box(item.source):
            options = self.options
            if options.partial or options.mode or options.picture or options.restore or options.precise(8):
                raise ValueError("mode, picture, scale, crop, reconstruction, dtype and restore are for JPEG files")
            box = read_box(item.source, self.options.limits)
            row.width, row.height, row.nbytes = box.width, box.height, len(item.source)
            return row.pixels
        own, base = chosen(item.source, self.options.picture, self.transpose)
        found = inspect(own, self.options.limits)
        row.width, row.height, row.nbytes = found.width, found.height, found.file_nbytes
        item.metadata, item.bits = found.metadata, found.precision
        if self.options.restore and found.process.lossless:
            row.notes.append("lossless: nothing to restore")
        elif self.options.restore == "auto" and not found.marked:
            row.notes.append("not marked as encoded for it: not restored")
        orientation = found.metadata.orientation or 1
        if self.transpose:
            item.orientation = self._orientation(own, base, item)
        elif orientation != 1:
            row.notes.append(f"EXIF orientation {orientation} not applied (--exif-transpose)")
        return int(row.pixels * max(1, self.options.scale**2))

    def _orientation(self, own: bytes | memoryview, base: int, item: Item) -> int:
        """How the picture of a file, which begins at byte `base` of it, is turned; damage that hides it is said."""
        reader = parse_header(own, self.options.limits)
        orientation, damaged = orientation_of(reader.data, reader.segments)
        for message, offset in damaged:
            if self.options.strict:
                raise CorruptJpeg(message, base + offset)
            item.row.damage.append(f"{message} (byte offset {base + offset})")
        return orientation

    def load(self, item: Item) -> None:
        """`measure` has read the file already."""

    def code(self, items: Sequence[Item], totals: Totals) -> None:
        restorer = restorer_of(self.engine, self.device) if self.options.restore else None
        if self.options.restore and self.options.restore != "auto":
            from ...learned.restoring import weights

            weights.named()  # before the clock
        start = clock()
        boxed, plain = ([i for i in items if boxes.is_box(i.source) is own] for own in (True, False))
        files = [i.source for i in plain]
        results = codec.decode(files, self.options, self.engine, self.device, restorer) if plain else []
        unpacked: list[Any] = [(pixels, ()) for pixels in boxes.unpack([i.source for i in boxed], self.model)]
        totals.coding_seconds += clock() - start
        for item, (pixels, found) in zip(plain + boxed, results + unpacked, strict=True):
            if isinstance(pixels, Exception):
                item.row.error = reason(pixels)
                continue
            item.result = pixels
            if self.options.partial and item.job.target is not None:  # who pipes a part needs not be told
                item.row.notes.append(self._part(*pixels.shape[:2]))
            item.row.damage += [f"{message} (byte offset {offset})" for message, offset in found]

    def _part(self, height: int, width: int) -> str:
        """What was decoded: "scale 1/2, crop 62×62+71+71: 62×62 pixels"."""
        x, y, w, h = self.options.crop or (0, 0, 0, 0)
        scale = [] if self.options.scale == 1 else [f"scale {self.options.scale}"]
        crop = [] if self.options.crop is None else [f"crop {w}×{h}+{x}+{y}"]
        return f"{', '.join(scale + crop)}: {width}×{height} pixels"

    def finish(self, item: Item) -> bytes | memoryview:
        pixels = np.asarray(item.result)
        bits = 8 * pixels.dtype.itemsize if self.options.dtype in ("uint8", "uint16") else item.bits
        if self.depth is not None and bits > self.depth:
            pixels, bits = pictures.scaled(pixels, (1 << bits) - 1, (1 << self.depth) - 1), self.depth
            item.row.notes.append(f"{item.bits} bits a sample became {bits}")
        if self.icc is not None:
            self._write_profile(self.icc, item)
        beside = self._beside(item) if item.metadata is not None else {}
        pixels = self._colors(pixels, bits, beside, item.row.notes)
        return pictures.save(
            pixels, self.format, bits=bits, orientation=item.orientation, beside=beside, notes=item.row.notes
        )

    def _colors(self, pixels: np.ndarray, bits: int, beside: dict[str, Any], notes: list[str]) -> np.ndarray:
        """CMYK as RGB where the format holds no inks; where it was asked for, any colours as sRGB by their profile."""
        channels = pixels.shape[2] if pixels.ndim == 3 else 1
        profile = beside.get("icc_profile")
        if self.managed and profile and channels > 1:
            del beside["icc_profile"]
            return pictures.to_srgb(pixels, bits, profile)
        if channels == 4 and (self.managed or self.format in _RGB_ONLY):
            how = (
                "it has no ICC profile"
                if self.managed
                else "--color-managed goes by its ICC profile"
                if profile
                else ""
            )
            notes.append(f"CMYK became RGB by the plain formula{f' ({how})' if how else ''}")
            return rgb_of_inks(pixels, (1 << bits) - 1)
        return pixels

    def _beside(self, item: Item) -> dict[str, Any]:
        """The file's metadata, true of the picture as it is written."""
        metadata = item.metadata
        found = {
            "icc_profile": metadata.icc_profile, "exif": metadata.exif, "xmp": metadata.xmp, "dpi": metadata.dpi,
            "comment": metadata.comments,
        }  # fmt: skip
        found = {name: value for name, value in found.items() if value}
        item.row.notes += [f"{message} (byte offset {offset})" for message, offset in metadata.warnings]
        height, width = item.result.shape[:2]
        if self.options.partial or item.orientation != 1:
            swapped = item.orientation >= 5
            size = (height, width) if swapped else (width, height)
            pictures.reshaped(found, *size, item.orientation != 1)
        return found

    def _write_profile(self, path: Path, item: Item) -> None:
        profile = item.metadata.icc_profile if item.metadata is not None else None
        if not profile:
            item.row.notes.append("no ICC profile to write")
            return
        try:
            write_file(path, profile, overwrite=self.overwrite)
        except FileExistsError:
            raise ValueError(f"--icc {shown(path)}: it exists; --overwrite replaces it") from None
