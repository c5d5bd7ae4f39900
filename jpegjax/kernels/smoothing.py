"""Interblock smoothing of unfinished progressive pictures, as libjpeg-turbo ≥ 2.1 decodes them by default; smoothing of
pixels before a file is made of them (cjpeg -smooth).

Where low AC coefficients are not yet known to full precision, they are estimated from the DC of the 5×5 blocks around
(after T.81 K.8). Complete files and sequential ones are not touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..simd import kernel
from ..types import ZIGZAG, Frame
from .twelve_bit import convert_row, pixels_of, shrink

__all__ = ["Progress", "smooth", "smoothed_strips"]

_LOW = 10  # DC and the nine coefficients that can be estimated
_NATURAL = ZIGZAG[:_LOW].tolist()

Weights = dict[int, np.ndarray]


def _with_mirrors(half: dict[int, list[list[int]]]) -> Weights:
    """Weights by zigzag index; those of transposed coefficients are transposed."""
    mirror = {0: 0, 1: 2, 4: 4, 5: 3, 6: 9, 7: 8}
    weights = {}
    for index, rows in half.items():
        full = np.zeros((5, 5), np.int64)
        margin = (5 - len(rows)) // 2
        full[margin : 5 - margin, 2 - len(rows[0]) // 2 : 3 + len(rows[0]) // 2] = rows
        weights[index] = full
        weights[mirror[index]] = full.T
    return weights


_WITH_AC = _with_mirrors(
    {
        1: [[-7, 50, 0, -50, 7]],
        5: [[-1, 13, -24, 13, -1]],
        4: [[0, -1, 0, 1, 0], [-1, 10, 0, -10, 1], [0, 0, 0, 0, 0], [1, -10, 0, 10, -1], [0, 1, 0, -1, 0]],
    }
)
_DC_ONLY = _with_mirrors(
    {
        0: [[-2, -6, -8, -6, -2], [-6, 6, 42, 6, -6], [-8, 42, 152, 42, -8], [-6, 6, 42, 6, -6], [-2, -6, -8, -6, -2]],
        1: [[-1, -1, 0, 1, 1], [-3, 13, 0, -13, 3], [-3, 38, 0, -38, 3], [-3, 13, 0, -13, 3], [-1, -1, 0, 1, 1]],
        5: [[0, 2, -5, 2, 0], [1, 7, -14, 7, 1], [0, 2, -5, 2, 0]],
        4: [[-1, 0, 0, 0, 1], [0, 9, 0, -9, 0], [0, 0, 0, 0, 0], [0, -9, 0, 9, 0], [1, 0, 0, 0, -1]],
        6: [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
        7: [[1, -3, 1], [0, 0, 0], [-1, 3, -1]],
    }
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a progressive file came.

    bits, previous_bits: per component, Al of each zigzag index 0..9 after its last scan and before that scan; -1 where
    nothing was known. last_good_row: the last MCU row (of all components) that the last scan had data for.
    """

    bits: list[list[int]]
    previous_bits: list[list[int]]
    last_good_row: int


def _neighbours(rows: int, stored: int, v: int) -> np.ndarray:
    """Block rows two above to two below each row, int64 [5, rows], as libjpeg-turbo picks them at the edges."""
    r = np.arange(rows)
    mcu_rows = stored // v
    in_last = r // v == mcu_rows - 1
    # In the last MCU row, both counts are made with the rows that it really has.
    height = np.where(in_last, rows - (mcu_rows - 1) * v, v)
    number, total = r // v * height + r % v, height * mcu_rows
    above = np.where(number > 0, r - 1, r)
    above_2 = np.where(number > 1, r - 2, above)
    below = np.where(number < total - 1, r + 1, r)
    below_2 = np.where(number < total - 2, r + 2, below)
    return np.stack([above_2, above, r, below, below_2])


class _Wanted(NamedTuple):
    """The coefficients to estimate. weights: int64 [n, 25], of the DC around; the others int64 [n], each coefficient's natural
    index, largest magnitude (0: any) and quantisation step. dc_step: of DC, which is the first one or not among them."""

    weights: np.ndarray
    places: np.ndarray
    largest: np.ndarray
    steps: np.ndarray
    dc_step: int


def _wanted(steps: Sequence[int], bits: Sequence[int]) -> _Wanted:
    """What to estimate where `bits` are known, as `Progress` has them. steps: quantisation steps of the zigzag indices."""
    table = _DC_ONLY if all(b == -1 for b in bits[1:]) else _WITH_AC
    listed = [index for index in table if index == 0 or bits[index]]
    weights = np.array([table[index].reshape(25) for index in listed], np.int64).reshape(len(listed), 25)
    columns = [(_NATURAL[k], (1 << bits[k]) - 1 if k and bits[k] > 0 else 0, steps[k]) for k in listed]
    places, largest, chosen = np.array(columns, np.int64).reshape(len(listed), 3).T.copy()
    return _Wanted(weights, places, largest, chosen, steps[0])


@kernel
def _smooth_rows(first, last, plane, dc, around, wanted):
    """Fill in the estimates of block rows first..last-1 of plane, int16 [rows, columns, 64], changed in place.

    dc: int16 [stored rows, columns], as decoded. around: int64 [5, rows], see `_neighbours`.
    """
    columns = dc.shape[1]
    near = np.empty(25, np.int64)
    for row in range(first, last):
        for column in range(columns):
            here, plain = np.int64(dc[row, column]), True
            for i in range(5):
                line = dc[around[i, row]]
                for j in range(5):
                    value = np.int64(line[min(max(column + j - 2, 0), columns - 1)])
                    near[5 * i + j] = value
                    plain &= value == here
            if plain:  # all weights but those of DC add up to zero, those to one
                continue
            block = plane[row, column]
            for n in range(len(wanted.places)):
                place, largest, step = wanted.places[n], wanted.largest[n], wanted.steps[n]
                if place and block[place]:
                    continue
                total = np.int64(0)
                for i in range(25):
                    total += wanted.weights[n, i] * near[i]
                total *= wanted.dc_step
                size = ((step << 7) + abs(total)) // (step << 8)
                if largest:
                    size = min(size, largest)
                block[place] = size if total > 0 else -size


def smooth(
    planes: Sequence[np.ndarray], frame: Frame, qtables: Sequence[np.ndarray | None], progress: Progress
) -> list[np.ndarray]:
    """Planes as the inverse transform should see them: int16 [rows, columns, 8, 8], the given ones, changed in place.

    planes: per component, decoded coefficients with the block rows that only fill an MCU. qtables: per component uint16
    [64] in natural order. Applied, like libjpeg-turbo does, when some DC is known of every component, but not every
    coefficient up to zigzag index 9 to its last bit.
    """
    rows = [frame.blocks(c)[0] for c in range(len(planes))]
    plain = [plane[:n] for plane, n in zip(planes, rows, strict=True)]
    tables = [[0] if q is None else [int(step) for step in q[_NATURAL]] for q in qtables]
    if any(0 in steps for steps in tables) or any(b[0] < 0 for b in progress.bits):
        return plain
    if not any(any(b[1:_LOW]) for b in progress.bits):
        return plain
    for c, plane in enumerate(planes):
        steps, dc = tables[c], plane[..., 0, 0].copy()
        around = _neighbours(rows[c], len(plane), frame.components[c].v)
        good = min(rows[c], (progress.last_good_row + 1) * frame.components[c].v)
        for first, last, bits in ((0, good, progress.bits[c]), (good, rows[c], progress.previous_bits[c])):
            if first < last:
                blocks = plain[c].reshape(rows[c], -1, 64)
                _smooth_rows(first, last, blocks, dc, around, _wanted(steps, bits[:_LOW]))
    return plain


@kernel
def _smooth_row(rows, first, size, smoothing, out, width):
    """One row of `width` samples of cells of size × size pixels from row `first` on, whose neighbours are mixed in.

    rows: int32 [.., size·width], with a row of context on either side. size: 1 or 2, as in `ops.smooth_downsample`.
    """
    member_scale = 65536 - 512 * smoothing if size == 1 else 16384 - 80 * smoothing
    neighbour_scale = 64 * smoothing if size == 1 else 16 * smoothing
    last = size * width - 1
    above, below = rows[first - 1], rows[first + size]
    for x in range(width):
        inner = size * x
        end = inner + size - 1
        left, right = max(inner - 1, 0), min(end + 1, last)
        member, beside = np.int64(0), np.int64(0)
        for i in range(inner, end + 1):
            beside += above[i] + below[i]
            for j in range(first, first + size):
                member += rows[j, i]
        for j in range(first, first + size):
            beside += rows[j, left] + rows[j, right]
        corners = np.int64(above[left]) + above[right] + below[left] + below[right]
        neighbours = size * beside + corners
        out[x] = (member * member_scale + neighbours * neighbour_scale + 32768) >> 16


@kernel
def _load_smoothed(image, top, purpose, largest, sampling, hmax, vmax, padded, smoothing, full, samples):
    """The rows of one MCU row from image row `top` on, as samples int32 [n, 8·vmax, padded] of each component.

    full: int32 [n, vmax + 2, padded]. Rows outside the picture repeat its first or last one.
    """
    height = len(image)
    for g in range(8):
        for j in range(-1, vmax + 1):
            row = min(max(top + g * vmax + j, 0), height - 1)
            convert_row(image[row], purpose, largest, full, j + 1, padded)
        for c in range(len(sampling)):
            h, v = hmax // sampling[c, 0], vmax // sampling[c, 1]
            for k in range(sampling[c, 1]):
                first, out = 1 + k * v, samples[c, g * sampling[c, 1] + k]
                if h == v and h <= 2:
                    _smooth_row(full[c], first, h, smoothing, out, padded // h)
                else:
                    shrink(full[c, first : first + v], h, v, out, padded // h)


def smoothed_strips(image: np.ndarray, frame: Frame, smoothing: int) -> Iterator[np.ndarray] | None:
    """Samples of each MCU row, int32 [n, 8·vmax, padded], in the same array; None where libjpeg smooths no component.

    image: C-contiguous uint8 or uint16 [H, W] or [H, W, channels]. smoothing: 1..100, as in `ops.smooth_downsample`. Rows
    below the picture repeat its last one before they are sampled down, not after.
    """
    pixels = pixels_of(image, frame)
    _, purpose, sampling, hmax, vmax, padded = pixels
    ratios = [(hmax // h, vmax // v) for h, v in sampling.tolist()]
    if not {(1, 1), (2, 2)} & set(ratios):
        return None

    def strips() -> Iterator[np.ndarray]:
        largest = (1 << frame.precision) - 1
        full = np.empty((len(sampling), vmax + 2, padded), np.int32)
        samples = np.empty((len(sampling), 8 * vmax, padded), np.int32)
        for top in range(0, frame.height, 8 * vmax):
            _load_smoothed(
                pixels.image, top, purpose, largest, sampling, hmax, vmax, padded, smoothing, full, samples
            )  # fmt: skip
            yield samples

    return strips()
