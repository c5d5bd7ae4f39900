"""What the restoration network is trained on: crops as real files keep them, beside the crops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import api
from ...annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from ...learned.restoring.model import block_steps
from ...ops.color import FORWARD
from ...types import Coefficients
from ..data import Crops
from ..pictures import Store
from .drawings import drawing

__all__ = ["Quantised", "planes_of", "target_of"]

TUNES = ("psnr", "psnr", True, "ssimulacra2", "ms-ssim", "butteraugli")
SAMPLINGS = ("4:2:0", "4:4:4", "4:2:2", "4:4:0")
_OF_SAMPLINGS = (0.6, 0.25, 0.12, 0.03)


def _grown(plane: np.ndarray, axis: int) -> np.ndarray:
    """Twice as many samples along an axis by the triangle filter: 3/4 of the nearer, 1/4 of the farther."""
    x = np.moveaxis(plane, axis, 0)
    before, after = np.concatenate([x[:1], x[:-1]]), np.concatenate([x[1:], x[-1:]])
    both = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], 1)
    return np.moveaxis(both.reshape(2 * len(x), *x.shape[1:]), 0, axis)


def planes_of(found: Coefficients) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(planes, steps, sampling) as `Seen` has them, of one picture whose sides are multiples of its MCU's."""
    c = np.asarray(_COSINES)
    frame, planes, steps = found.frame, [], []
    for plane, table, part in zip(found.planes, found.qtables, frame.components, strict=True):
        values = np.asarray(plane[0], np.float32) * np.asarray(table, np.float32).reshape(8, 8)
        tiles = c.T @ values @ c
        rows, columns = tiles.shape[:2]
        samples = tiles.transpose(0, 2, 1, 3).reshape(8 * rows, 8 * columns)
        down, across = frame.vmax // part.v, frame.hmax // part.h
        for axis, factor in enumerate((down, across)):
            samples = _grown(samples, axis) if factor == 2 else np.repeat(samples, factor, axis)
        planes.append(samples[: frame.height, : frame.width])
        steps.append(block_steps(np.asarray(table), down, across))
    last = frame.components[-1]
    sampling = np.array([frame.vmax // last.v, frame.hmax // last.h], np.int32)
    if len(planes) == 1:
        planes += [np.zeros_like(planes[0])] * 2
        steps += [np.zeros(64, np.float32)] * 2
    return np.stack(planes, -1), np.stack(steps), sampling


_COSINES = np.array(
    [[np.sqrt((1 if k == 0 else 2) / 8) * np.cos(np.pi * (2 * x + 1) * k / 16) for x in range(8)] for k in range(8)],
    np.float32,
)


class Quantised(Crops):
    """Crops as files keep them: {"planes", "steps", "sampling", "target"}, see `Seen`; target as planes.

    An eighth are drawings, three in ten grey; three fifths plain files of qualities 4..98 (some with tables of their own), the
    others tuned ones. The seed decides everything.

    Args:
        store, size, seed, threads: As for `Crops`; size a multiple of 16.
        drawn: Share of drawings.
    """

    def __init__(self, store: Store, size: int, seed: int = 0, threads: int = 2, drawn: float = 0.125) -> None:
        super().__init__(store, size, seed, threads)
        if size % 16:
            raise ValueError(f"size={size}: must be a multiple of 16 pixels")
        self.drawn = drawn

    def about(self) -> dict[str, Any]:
        return {**super().about(), "drawn": self.drawn}

    def sample(self, index: int, random: np.random.Generator) -> Mapping[str, np.ndarray]:
        pixels = super().sample(index, random)["pixels"]
        if random.random() < self.drawn:
            pixels = drawing(self.size, random)
        if random.random() < 0.5:
            pixels = np.ascontiguousarray(pixels.transpose(1, 0, 2))
        settings = _settings(random)
        if random.random() < 0.3:
            pixels = np.rint(pixels @ FORWARD[0]).astype(np.uint8)
            settings.pop("subsampling")
        file = api.encode(pixels, **settings)
        planes, steps, sampling = planes_of(api.read_coefficients(file))
        return {"planes": planes, "steps": steps, "sampling": sampling, "target": target_of(pixels)}


def _settings(random: np.random.Generator) -> dict[str, Any]:
    """Keywords of `encode`."""
    quality = int(random.integers(4, 99))
    found: dict[str, Any] = {"quality": quality, "subsampling": str(random.choice(SAMPLINGS, p=_OF_SAMPLINGS))}
    if random.random() < 0.4:
        return found | {"tune": TUNES[int(random.integers(len(TUNES)))]}
    if random.random() < 0.2:
        tilt, steps = random.normal(0, 0.05), np.add.outer(np.arange(8), np.arange(8))
        bend = np.exp(tilt * steps + random.normal(0, 0.15, (8, 8)) + random.normal(0, 0.3))
        tables = [quality_table(t, quality).reshape(8, 8) * bend for t in (LUMA_QUANTIZATION, CHROMA_QUANTIZATION)]
        found["qtables"] = np.clip(np.rint(tables), 1, 255).astype(np.uint16)
        found.pop("quality")
    return found


def target_of(pixels: np.ndarray) -> np.ndarray:
    """Y, Cb, Cr less 128 of a picture, float32 [H, W, 3]; zeros for the chroma of grey ones."""
    if pixels.ndim == 2:
        return np.stack([pixels - np.float32(128)] + [np.zeros(pixels.shape, np.float32)] * 2, -1)
    planes = pixels.astype(np.float32) @ FORWARD.T.astype(np.float32)
    planes[..., 0] -= 128
    return planes
