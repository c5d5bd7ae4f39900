"""What `jpegjax encode` does with pictures."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ...api.encoding import encode_each
from ...errors import JpegError
from ...jpeg import codec
from ...options import EncodeOptions, Limits
from ...options.scans import check_script
from .. import oracle, pictures
from ..report import Totals, reason
from .item import ANY, TINY, Item

__all__ = ["EncodeJob"]


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """What `jpegjax encode` does with every picture. discard: code and check, but write nothing."""

    options: EncodeOptions
    engine: str = "auto"
    device: Any = None
    background: str | None = None
    transpose: bool = False
    gray: bool = False
    keep_icc: bool = False
    psnr: bool = False
    verify: bool = False
    overwrite: bool = False
    discard: bool = False
    limit_pixels: int | None = Limits().pixels
    depth: int | None = None

    verb: ClassVar[str] = "encoded"

    def warm_up(self) -> None:
        plain = replace(self.options, scans=None, target_bytes=None, target_metric=None)
        files = codec.encode(TINY, plain, self.engine, self.device)
        if self.psnr or self.verify:
            codec.decode(files, ANY, self.engine, self.device)

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
        )
        item.picture, item.bits, profile = loaded.pixels, loaded.bits, loaded.icc_profile
        if self.options.scans is not None:
            check_script(self.options.scans, codec.plan(item.picture.shape, self.options)[0])
        item.row.height, item.row.width = item.picture.shape[:2]
        item.row.notes += loaded.notes
        if profile and self.keep_icc:
            item.profile = profile
            try:
                self.settings(item)
            except ValueError as error:
                item.profile = None
                item.row.notes.append(f"left out: {error}")
        elif profile and not self.options.metadata.icc_profile:
            item.row.notes.append("ICC profile left out (--icc keep)")

    def settings(self, item: Item) -> EncodeOptions:
        options = self.options
        if item.profile:
            options = replace(options, metadata=replace(options.metadata, icc_profile=item.profile))
        if item.bits % 8 and options.precision is None:
            options = replace(options, precision=item.bits)  # otherwise the dtype tells
        return options

    def code(self, items: Sequence[Item], totals: Totals) -> None:
        start = time.perf_counter()
        for settings, group in itertools.groupby(items, key=self.settings):
            same = list(group)
            files = encode_each([i.picture for i in same], settings, self.engine, self.device)
            for item, (data, _) in zip(same, files, strict=True):
                if isinstance(data, Exception):
                    item.row.error = reason(data)
                else:
                    item.result, item.row.nbytes = data, len(data)
        totals.coding_seconds += time.perf_counter() - start
        if self.psnr or self.verify:
            start = time.perf_counter()
            coded = [item for item in items if item.result is not None]
            decoded = codec.decode([item.result for item in coded], ANY, self.engine, self.device) if coded else []
            totals.decoding_seconds += time.perf_counter() - start
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
