"""What one file shows: histograms of luma blocks that are not clipped, its table, and what they say of first steps.

    coefficients ─┬─▶ planes ─▶ blocks without clipped pixels ─┐
                  └────────────────────────────────────────────┴─▶ histograms ─▶ evidence for each first step

Where the first decoder clipped pixels at black or white, coefficients left their comb; such blocks are looked over, or, where
there are hardly others, those that are clipped most.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import UnsupportedJpeg
from ..types import Coefficients, ColorSpace
from .features import FREQUENCIES, histograms
from .steps import step_evidence

__all__ = ["MIN_BLOCKS", "MOST_BLOCKS", "Traces", "clipped", "observe"]

MIN_BLOCKS = 64
"""Luma blocks that a picture must have, 64×64 pixels; with fewer, histograms say nothing."""
MOST_BLOCKS = 2048
"""Blocks that evidence counts for at most: of larger pictures histograms are scaled, as the model's error does not shrink."""
_CLIPPED = 1.5
"""Distance from 0 and 255 within which a pixel may have been clipped."""


class Traces(NamedTuple):
    """Of one file.

    Attributes:
        shares: float32 [63, 64], `histograms` divided by the number of blocks.
        evidence: float32 [63, 128], `step_evidence`, of at most `MOST_BLOCKS` blocks.
        table: float32 [64], the file's luma steps, natural order.
        blocks: float32 scalar array, blocks that were looked at.
    """

    shares: np.ndarray
    evidence: np.ndarray
    table: np.ndarray
    blocks: np.ndarray


def clipped(coefficients: Coefficients) -> np.ndarray:
    """Share of each luma block's pixels that are near black or white in any colour: float32 [rows, columns], 0..1.

    Blocks that reach beyond the picture, where an encoder fills in what it likes, count as 1.
    """
    from ..jpeg.host import component_planes

    planes = component_planes(coefficients)[0]
    rows, columns = planes.shape[0] // 8, planes.shape[1] // 8
    shown = planes[: 8 * rows, : 8 * columns]
    if planes.shape[2] == 3:
        y, cb, cr = shown[..., 0], shown[..., 1] - 128, shown[..., 2] - 128
        shown = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], -1)
    outside = (shown.min(-1) < _CLIPPED) | (shown.max(-1) > 255 - _CLIPPED)
    found = np.ones(coefficients.planes[0].shape[1:3], np.float32)
    found[:rows, :columns] = outside.reshape(rows, 8, columns, 8).mean((1, 3), dtype=np.float32)
    return found


def observe(coefficients: Coefficients) -> Traces:
    """What a picture's luma shows.

    Args:
        coefficients: Of one grey or YCbCr picture with 8 bits a sample.

    Raises:
        UnsupportedJpeg: Other colours or bits, luma that is not sampled most finely, or less than 64 luma blocks.
    """
    frame = coefficients.frame
    if frame.color not in (ColorSpace.GRAY, ColorSpace.YCBCR):
        raise UnsupportedJpeg(f"history is read from luma, of grey and YCbCr files; this one is {frame.color.value}")
    if frame.precision != 8:
        raise UnsupportedJpeg(f"history is read from files of 8 bits a sample; this one has {frame.precision}")
    first = frame.components[0]
    if (first.h, first.v) != (frame.hmax, frame.vmax):
        raise UnsupportedJpeg("history is read from luma at full size; this file has it subsampled")
    blocks = np.asarray(coefficients.planes[0])[0]
    count = blocks.shape[0] * blocks.shape[1]
    if count < MIN_BLOCKS:
        raise UnsupportedJpeg(
            f"history needs {MIN_BLOCKS} blocks of 8×8 pixels; a picture of {frame.width}×{frame.height} has {count}"
        )
    table = np.asarray(coefficients.qtables[0]).reshape(64)
    shares = clipped(coefficients)
    looked = blocks[shares <= np.partition(shares.ravel(), MIN_BLOCKS - 1)[MIN_BLOCKS - 1]]
    counts = histograms(looked[None])
    scaled = counts * min(1.0, MOST_BLOCKS / len(looked))
    return Traces(
        (counts / len(looked)).astype(np.float32),
        step_evidence(scaled, table[FREQUENCIES]),
        table.astype(np.float32),
        np.asarray(len(looked), np.float32),
    )
