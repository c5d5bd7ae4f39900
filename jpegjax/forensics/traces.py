"""What one file shows: histograms of luma blocks that are not clipped, its table, and what they say of first steps.

    coefficients ─┬─▶ planes ─▶ blocks without clipped pixels ─┐
                  └────────────────────────────────────────────┴─▶ histograms ─▶ evidence for each first step

Where the first decoder clipped pixels at black or white, coefficients left their comb; such blocks are looked over.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import UnsupportedJpeg
from ..types import Coefficients, ColorSpace
from .features import FREQUENCIES, histograms
from .steps import step_evidence

__all__ = ["MIN_BLOCKS", "MOST_BLOCKS", "Traces", "observe", "unclipped"]

MIN_BLOCKS = 64
"""Luma blocks that a picture must have, 64×64 pixels; with fewer, histograms say nothing."""
MOST_BLOCKS = 2048
"""Blocks that evidence counts for at most: of larger pictures histograms are scaled, as the model's error does not shrink."""
_CLIPPED = 1.5
"""Distance from 0 and 255 within which a pixel may have been clipped."""


class Traces(NamedTuple):
    """Of one file.

    Attributes:
        shares: float32 [20, 64], `histograms` divided by the number of blocks.
        evidence: float32 [20, 128], `step_evidence`, of at most `MOST_BLOCKS` blocks.
        table: float32 [64], the file's luma steps, natural order.
        blocks: float32 scalar array, blocks that were looked at.
    """

    shares: np.ndarray
    evidence: np.ndarray
    table: np.ndarray
    blocks: np.ndarray


def unclipped(coefficients: Coefficients) -> np.ndarray:
    """Which luma blocks of a picture have no pixel near black or white in any colour: bool [rows, columns].

    Blocks beyond the right and lower edges are cut to whole ones.
    """
    from ..jpeg.host import component_planes

    planes = component_planes(coefficients)[0]
    rows, columns = planes.shape[0] // 8, planes.shape[1] // 8
    blocks = planes[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8, planes.shape[2])
    y = blocks[..., 0]
    shown = [y]
    if planes.shape[2] == 3:
        cb, cr = blocks[..., 1] - 128, blocks[..., 2] - 128
        shown = [y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb]
    inside = [(x.min((1, 3)) > _CLIPPED) & (x.max((1, 3)) < 255 - _CLIPPED) for x in shown]
    found = np.zeros(coefficients.planes[0].shape[1:3], bool)
    found[:rows, :columns] = np.all(inside, 0)
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
    inside = unclipped(coefficients)
    looked = blocks[inside] if inside.sum() >= MIN_BLOCKS else blocks.reshape(-1, 8, 8)
    counts = histograms(looked[None])
    scaled = counts * min(1.0, MOST_BLOCKS / len(looked))
    return Traces(
        (counts / len(looked)).astype(np.float32),
        step_evidence(scaled, table[FREQUENCIES]),
        table.astype(np.float32),
        np.asarray(len(looked), np.float32),
    )
