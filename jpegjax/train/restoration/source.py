"""What the restoration network is trained on: crops as real files keep them, beside the crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ... import api
from ...annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from ...api.restoring import decoded_of
from ...learned.restoring.run import steps_of
from ...ops.color import FORWARD
from ...types import Coefficients
from ..data import Crops
from ..pictures import Store
from .drawings import drawing

__all__ = ["Quantised", "kept", "planes_of", "target_of"]

TUNES = ("psnr", "restored", True, "ssimulacra2", "ms-ssim", "butteraugli")
TUNED = (0.15, 0.6, 0.1, 0.05, 0.05, 0.05)
"""Shares of them among tuned files: those for squared error gain most by restoring."""
REFINED = 0.8
"""Share of files for the network that are refined through it."""
SAMPLINGS = ("4:2:0", "4:4:4", "4:2:2", "4:4:0")
SHARES = (0.6, 0.25, 0.12, 0.03)


def planes_of(found: Coefficients) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(planes, steps, sampling) as `Seen` has them, of one picture."""
    (one,) = decoded_of(found)
    planes = np.zeros((*one.planes.shape[:2], 3), np.float32)
    np.subtract(one.planes, 128, out=planes[..., : one.planes.shape[2]])
    return planes, steps_of(one), np.array(one.sampling, np.int32)


def kept(pixels: np.ndarray, **settings: Any) -> dict[str, np.ndarray]:
    """A sample: a picture as its file keeps it. settings: of `encode`; colour has sides of multiples of 16."""
    planes, steps, sampling = planes_of(api.read_coefficients(api.encode(pixels, **settings)))
    return {"planes": planes, "steps": steps, "sampling": sampling, "target": target_of(pixels)}


class Quantised(Crops):
    """Crops as files keep them: {"planes", "steps", "sampling", "target"}, see `Seen`; target as planes.

    Nearly half are plain files of qualities 4..100 (some with tables of their own), the others are tuned, some of them
    refined through the network that ships; of drawings, an eighth are in black and white. The seed decides everything.

    Args:
        store, size, seed, threads: As for `Crops`; size a multiple of 16.
        drawn, grey: Shares of drawings and of grey pictures.
        samplings: Shares of `SAMPLINGS` in colour.
    """

    def __init__(
        self,
        store: Store,
        size: int,
        seed: int = 0,
        threads: int = 2,
        *,
        drawn: float = 0.2,
        grey: float = 0.3,
        samplings: Sequence[float] = SHARES,
    ) -> None:
        super().__init__(store, size, seed, threads)
        if size % 16:
            raise ValueError(f"size={size}: must be a multiple of 16 pixels")
        self.drawn, self.grey, self.samplings = drawn, grey, tuple(samplings)

    def about(self) -> dict[str, Any]:
        return {**super().about(), "drawn": self.drawn, "grey": self.grey, "samplings": self.samplings}

    def sample(self, index: int, random: np.random.Generator) -> Mapping[str, np.ndarray]:
        pixels = super().sample(index, random)["pixels"]
        if random.random() < self.drawn:
            pixels = drawing(self.size, random)
            if random.random() < 0.125:
                pixels = np.where(pixels @ FORWARD[0] < 128, np.uint8(0), np.uint8(255))[..., None].repeat(3, 2)
        if random.random() < 0.5:
            pixels = np.ascontiguousarray(pixels.transpose(1, 0, 2))
        settings = _settings(random, self.samplings)
        if random.random() < self.grey:
            pixels = np.rint(pixels @ FORWARD[0]).astype(np.uint8)
            settings.pop("subsampling")
        return kept(pixels, **settings)


def _settings(random: np.random.Generator, shares: Sequence[float]) -> dict[str, Any]:
    """Keywords of `encode`."""
    quality = int(random.integers(4, 101))
    found: dict[str, Any] = {"quality": quality, "subsampling": str(random.choice(SAMPLINGS, p=shares))}
    if random.random() < 0.55:
        found["tune"] = TUNES[int(random.choice(len(TUNES), p=TUNED))]
        if found["tune"] == "restored" and random.random() < REFINED:
            found["refine"] = 1
        return found
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
