"""What a page of each direction needs from the host: buffers, how to fill them, and where the result goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .pages import Item, Page, Region, neighbours, pack_levels, pack_pixels, unpack_levels, unpack_pixels
from .programs import Spec

__all__ = ["Decode", "Encode"]

Buffers = tuple[np.ndarray, ...]


def _flat(image: np.ndarray) -> np.ndarray:
    """[H, W] or [H, W, C] → [H, W·C] with contiguous rows, no copy where possible."""
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.ndim == 3 and image.strides[1:] != (channels, 1):
        image = np.ascontiguousarray(image)
    if image.ndim == 2 and image.strides[1] != 1:
        image = np.ascontiguousarray(image)
    return image.reshape(image.shape[0], -1)


class Encode:
    """Images uint8 [H, W] or [H, W, 3] → per component int16 [rows, columns, 8, 8]."""

    kind = "encode"

    def __init__(self, spec: Spec, parts: int):
        self.spec, self.parts = spec, parts

    def buffers(self, size: int) -> Buffers:
        spec = self.spec
        pixels = np.zeros((self.parts, 8 * spec.vmax, size, 8 * spec.hmax * spec.channels), np.uint8)
        return pixels, np.full((self.parts, size), 8 * spec.vmax, np.int32)

    def arguments(self, buffers: Buffers, page: Page) -> tuple:
        pixels, rows = buffers
        return pixels.view(np.int32), rows, page.tables

    def pack(self, buffers: Buffers, source: np.ndarray, region: Region) -> None:
        pixels, rows = buffers
        pack_pixels(_flat(source), self.spec, pixels[region.part], rows[region.part], region)

    def target(self, item: Item) -> list[np.ndarray]:
        shapes = [item.frame.blocks(c) for c in range(len(item.frame.components))]
        return [np.empty((*s, 8, 8), np.int16) for s in shapes]

    def unpack(self, target: list[np.ndarray], parts: list[list[np.ndarray]], region: Region) -> None:
        unpack_levels(target, self.spec, [p[region.part].view(np.int16) for p in parts], region)


class Decode:
    """Per component int16 [rows, columns, 8, 8] → images uint8 [H, W] or [H, W, 3]."""

    kind = "decode"

    def __init__(self, spec: Spec, parts: int):
        self.spec, self.parts = spec, parts

    def buffers(self, size: int) -> Buffers:
        levels = [np.zeros((self.parts, v, size, h, 64), np.int16) for h, v in self.spec.sampling]
        return *levels, np.zeros((self.parts, 5, size), np.int32)

    def arguments(self, buffers: Buffers, page: Page) -> tuple:
        return tuple(b.view(np.int32) for b in buffers[:-1]), buffers[-1], page.tables

    def pack(self, buffers: Buffers, source: Sequence[np.ndarray], region: Region) -> None:
        pack_levels(source, self.spec, [b[region.part] for b in buffers[:-1]], region)
        neighbours(buffers[-1][region.part], self.spec, region)

    def target(self, item: Item) -> np.ndarray:
        size = item.frame.height, item.frame.width
        return np.empty((*size, self.spec.channels) if self.spec.channels > 1 else size, np.uint8)

    def unpack(self, target: np.ndarray, parts: list[list[np.ndarray]], region: Region) -> None:
        unpack_pixels(_flat(target), self.spec, parts[0][region.part].view(np.uint8), region)
