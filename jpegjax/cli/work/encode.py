"""What `jpegjax encode` does with pictures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...api.encoding import encode_each
from ...container import parse_header
from ...container.write import opening
from ...errors import JpegError
from ...jpeg import codec
from ...jpeg.targets import MOST_ENCODES
from ...options import EncodeOptions, Limits, Metadata
from ...options.scans import check_script
from ...types import ColorSpace
from .. import oracle, pictures
from ..report import Totals, reason
from ..waiting import clock
from .item import ANY, Item
from .weighing import Maps

__all__ = ["EncodeJob"]


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """What `jpegjax encode` does with every picture.

    keep: "all" metadata of the pictures, their "icc" profiles, or "none". discard: code and check, but write nothing. maps: of
    what errors cost.
    """

    options: EncodeOptions
    engine: str = "auto"
    device: Any = None
    background: str | None = None
    transpose: bool = False
    gray: bool = False
    keep: str = "all"
    psnr: bool = False
    verify: bool = False
    overwrite: bool = False
    discard: bool = False
    limit_pixels: int | None = Limits().pixels
    depth: int | None = None
    maps: Maps | None = None

    verb: ClassVar[str] = "encoded"

    def programs(self, engine: str) -> str:
        """What JAX compiles."""
        own = ["programs for this device"] if engine == "xla" else []
        target = self.options.target_metric
        return " and ".join([*own, *([f"{target[0]} for pictures of these sizes"] if target else [])])

    @property
    def search(self) -> str:
        """What takes several files of each picture."""
        if self.options.target_metric:
            name, value = self.options.target_metric
            return f"looking for {name}={value:g}: up to {MOST_ENCODES} files a picture are made, decoded and measured"
        if self.options.target_bytes:
            return f"looking for {self.options.target_bytes:,} bytes: up to {MOST_ENCODES} files a picture are made"
        return ""

    def measure(self, item: Item) -> int:
        width, height = pictures.size_of(item.source)
        return width * height

    def load(self, item: Item) -> None:
        loaded = pictures.load(
            item.source,
            background=self.background,
            transpose=self.transpose,
            gray=self.gray,
            limit_pixels=self.limit_pixels,
            precision=self.options.precision,
            lossless=self.options.lossless,
            depth=self.depth,
            strip=self.keep == "none",
        )
        item.picture, item.bits = loaded.pixels, loaded.bits
        if self.options.scans is not None:
            check_script(self.options.scans, codec.plan(item.picture.shape, self.options)[0])
        item.row.height, item.row.width = item.picture.shape[:2]
        if self.maps is not None:
            item.importance = self.maps.of(_stem(item), item.picture.shape[:2], self.limit_pixels)
        item.row.notes += loaded.notes
        item.metadata = self._metadata(item, loaded.metadata)

    def _metadata(self, item: Item, found: dict[str, Any]) -> Metadata:
        """What the file shall carry: what flags say, else what the picture came with, as far as it fits."""
        if self.keep == "icc":
            found = {name: value for name, value in found.items() if name == "icc_profile"}
        if "dpi" in found and self._color(item) is ColorSpace.RGB:
            del found["dpi"]
            item.row.notes.append("resolution left out: it takes a JFIF marker, which RGB files have not")
        given = self.options.metadata
        chosen = {
            name: getattr(given, name) or found.get(name) for name in ("icc_profile", "exif", "xmp", "comment", "dpi")
        }
        return Metadata(**chosen)

    def _color(self, item: Item) -> ColorSpace:
        if self.options.lossless and item.picture.shape[2:] == (3,):
            return ColorSpace.RGB
        return codec.plan(item.picture.shape, self.options)[0].color

    def settings(self, item: Item) -> EncodeOptions:
        """Of one file, with all its metadata."""
        return replace(self._shared(item), metadata=item.metadata)

    def _shared(self, item: Item) -> EncodeOptions:
        """What is the same for many files, which are coded together."""
        options = replace(self.options, metadata=item.metadata) if self.options.target_bytes else self.options
        if item.bits % 8 and options.precision is None:
            options = replace(options, precision=item.bits)  # otherwise the dtype tells
        return options

    def code(self, items: Sequence[Item], totals: Totals) -> None:
        start = clock()
        for settings, group in itertools.groupby(items, key=self._shared):
            same = list(group)
            importance = None if self.maps is None else [i.importance for i in same]
            files = encode_each([i.picture for i in same], settings, self.engine, self.device, importance=importance)
            for item, (data, _) in zip(same, files, strict=True):
                if isinstance(data, Exception):
                    item.row.error = reason(data)
                else:
                    item.result = _embedded(data, settings.metadata, item.metadata)
                    item.row.nbytes = len(item.result)
        totals.coding_seconds += clock() - start
        if self.psnr or self.verify:
            start = clock()
            coded = [item for item in items if item.result is not None]
            decoded = codec.decode([item.result for item in coded], ANY, self.engine, self.device) if coded else []
            totals.decoding_seconds += clock() - start
            for item, (pixels, _) in zip(coded, decoded, strict=True):
                item.decoded = pixels if isinstance(pixels, JpegError) else np.asarray(pixels)

    def finish(self, item: Item) -> bytes | None:
        row = item.row
        if isinstance(item.decoded, JpegError):
            row.verdict, row.ok = f"does not decode: {item.decoded}", False
        elif self.verify:
            row.verdict, row.ok = oracle.compare(item.picture, item.result, item.decoded, self.settings(item))
        if self.psnr and row.ok:
            row.psnr_db = oracle.psnr_db(item.picture, item.decoded, (1 << item.bits) - 1)
        return None if self.discard else item.result


def _stem(item: Item) -> str:
    return item.source.stem if isinstance(item.source, Path) else ""


def _embedded(data: bytes, held: Metadata, wanted: Metadata) -> bytes:
    """A file that was written with some metadata, with other metadata in their place."""
    if held == wanted:
        return data
    color = parse_header(data, ANY.limits).require_frame().color
    return opening(color, wanted) + data[len(opening(color, held)) :]
