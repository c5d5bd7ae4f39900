"""How much each luma block's errors count: masking by local variance, in integers.

luma ──▶ variances in Gaussian windows at four scales ──▶ 1/(2σ² + c) ──▶ block means ──▶ power, geometric mean 1
         8·DCT ──▶ network, where the recipe has one ──▶ times its factor, geometric mean 1

The windows are those of SSIM and MS-SSIM (σ 1.5), by sums of 2×2 samples under a binomial window, whose errors SSIM
divides by just that much (Wang, Simoncelli and Bovik 2003; 4·58.5 = 234 is c for 8 bits).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...run.memory import address
from ...simd import clz64, kernel, load, load_i32, madd, store, store_u32, vectorized
from .network import LOG, Network

__all__ = ["strength_field"]

SCALES = 4
_ONE = 1 << 24
_EXP = np.floor(256 * 2 ** (np.arange(256) / 256) + 0.5).astype(np.int64)
_SLACK = 32  # cells or samples behind a row that vectors may touch


@lru_cache(maxsize=8)
def _inverses(c: int) -> np.ndarray:
    """2^24 // (8·variance + c), int32 [16257]."""
    return (_ONE // (8 * np.arange(16_257, dtype=np.int64) + c)).astype(np.int32)


@vectorized
def _cells_16(above, below, sums, squares, smaller):
    """2×32 samples to 16 cells: sums and sums of squares, int32, and rounded averages, uint8."""
    rows = [load(row + half, 16, 8).zero_extend(16) for half in (0, 16) for row in (above, below)]
    for half in (0, 1):
        a, b = rows[2 * half : 2 * half + 2]
        store(squares + 32 * half, madd(a, a) + madd(b, b))
        both = (a + b).bitcast(32)
        total = (both & 65535) + both.shift_right_logical(16)
        store(sums + 32 * half, total)
        store(smaller + 8 * half, ((total + 2) >> 2).truncate(8))


@vectorized
def _variances_8(above, here, below, squares, out):
    """Variances of 8 windows [1 2 1]×[1 2 1]: rows of sums, and how far behind each its squares are."""
    across = []
    for offset in (0, 1):
        rows = [row + squares * offset for row in (above, here, below)]
        columns = [
            load(rows[0] + at, 8, 32) + (load(rows[1] + at, 8, 32) << 1) + load(rows[2] + at, 8, 32) for at in (0, 4, 8)
        ]
        across.append(columns[0] + (columns[1] << 1) + columns[2])
    store(out, ((across[1] << 6) - across[0] * across[0]) >> 12)


@kernel
def _fill_cells(plane, stride, high, wide, sums, span, squares, smaller, smaller_stride):
    """Cells of a plane of 2·high × 2·wide samples: int32 rows of `span` bytes, one cell repeated on each side.

    sums: address of the first row; its cell 0 is at 4. squares: bytes from there to the squares. smaller: address of the
    averages, or 0.
    """
    for row in range(high):
        above, at = plane + 2 * row * stride, sums + row * span
        for x in range(0, wide, 16):
            _cells_16(
                above + 2 * x, above + stride + 2 * x, at + 4 + 4 * x, at + squares + 4 + 4 * x,
                smaller + row * smaller_stride + x,
            )  # fmt: skip
        for part in (at, at + squares):
            store_u32(part, load_i32(part + 4))
            store_u32(part + 4 + 4 * wide, load_i32(part + 4 * wide))


@kernel
def _add_scale(sums, span, squares, high, wide, scale, weight, inverses, variances, total):
    """Add a scale's weighted block means to total int64 [rows, columns]. variances: int32 scratch of a row of cells."""
    rows, columns = total.shape
    out = np.int64(variances.ctypes.data)
    side = 4 >> scale
    means = np.zeros(columns, np.int64)
    for row in range(high):
        here = sums + row * span
        above, below = here - span if row > 0 else here, here + span if row < high - 1 else here
        for x in range(0, wide, 8):
            _variances_8(above + 4 * x, here + 4 * x, below + 4 * x, squares, out + 4 * x)
        if scale < 3:
            at = 0
            for column in range(columns):
                found = np.int64(0)
                for _ in range(side):
                    found += inverses[variances[at]]
                    at += 1
                means[column] += found
            if row % side == side - 1:
                for column in range(columns):
                    total[row // side, column] += weight * (means[column] >> (4 - 2 * scale))
                    means[column] = 0
        else:
            for block_row in range(2 * row, min(2 * row + 2, rows)):
                for column in range(columns):
                    total[block_row, column] += weight * np.int64(inverses[variances[column >> 1]])


@kernel
def _to_logs(total):
    """log2 of the totals, 8 fractional bits, in their place."""
    rows, columns = total.shape
    for row in range(rows):
        for column in range(columns):
            value = max(total[row, column], 1)
            n = 63 - np.int64(clz64(value))
            part = value >> (n - 7) if n >= 7 else value << (7 - n)
            total[row, column] = 256 * n + LOG[part & 127]


@kernel
def _mean(values):
    """Of int64 [rows, columns], rounded down row by row and then once more."""
    rows, columns = values.shape
    total = np.int64(0)
    for row in range(rows):
        found = np.int64(0)
        for column in range(columns):
            found += values[row, column]
        total += found // columns
    return total // rows


@kernel
def _to_powers(logs, power, share, middle, learned, learned_share, field):
    """Logarithms, less their mean, times power / 64, back to uint16 with 8 fractional bits.

    share: 64ths of the mean, less middle, that stay. learned: logarithms of the network, and their 64ths that count.
    """
    rows, columns = logs.shape
    mean = _mean(logs)
    learned_mean = _mean(learned) if learned_share else np.int64(0)
    for row in range(rows):
        for column in range(columns):
            e = power * (logs[row, column] - mean) + share * (mean - middle)
            if learned_share:
                e += learned_share * (learned[row, column] - learned_mean)
            e = min(max(e >> 6, -1024), 1024)
            field[row, column] = min(max((_EXP[e & 255] << 4) >> (4 - (e >> 8)), 16), 4096)


def strength_field(
    plane: np.ndarray, rows: int, columns: int, parameters: tuple[int, ...], network: Network | None = None,
    raw: np.ndarray | None = None, steps: np.ndarray | None = None,
) -> np.ndarray | None:  # fmt: skip
    """What errors in each luma block cost, relative to others: uint16 [rows, columns], 256 is 1; None for no field.

    plane: uint8 [at least 8·rows, stride], C-contiguous, stride at least 8·columns + 32. parameters: (power, c, w0, w1,
    w2, w3, share, middle): the field is (Σ ws · mean 1/(8σs² + c))^(power/64) over its geometric mean, clipped to
    1/16..16; σs² is the variance at scale s. Of the geometric mean's logarithm, less middle / 256, share / 64 stays.
    network: what else counts; it needs raw, 8·DCT of the blocks, int16 [rows, columns, 8, 8], and luma's steps [64].
    """
    power, c, *weights, share, middle = parameters
    if power == 0:
        return None
    total = np.zeros((rows, columns), np.int64)
    stride, high, wide = plane.shape[1], 8 * rows, 8 * columns
    for scale in range(SCALES):
        if scale == SCALES - 1 and (high % 2 or wide % 2):
            plane = np.pad(plane[:high, :wide], ((0, high % 2), (0, wide % 2 + 2 * _SLACK)), "edge")
            stride = plane.shape[1]
        high, wide = -(-high // 2), -(-wide // 2)
        cells = np.empty((2, high, wide + 2 + _SLACK), np.int32)
        smaller = np.empty((high, wide + 2 * _SLACK), np.uint8)
        _fill_cells(
            address(plane), stride, high, wide, address(cells), cells.strides[1], cells.strides[0], address(smaller),
            smaller.shape[1],
        )  # fmt: skip
        if weights[scale]:
            variances = np.empty(wide + _SLACK, np.int32)
            _add_scale(
                address(cells), cells.strides[1], cells.strides[0], high, wide, scale, weights[scale], _inverses(c), variances,
                total,
            )  # fmt: skip
        plane, stride = smaller, smaller.shape[1]
    field = np.empty((rows, columns), np.uint16)
    _to_logs(total)
    if network is None:
        _to_powers(total, power, share, middle, total, 0, field)
    else:
        assert raw is not None and steps is not None
        learned = network.correction(raw, total, *network.inputs(parameters, steps))
        _to_powers(total, network.effective_power(power), share, middle, learned, network.share, field)
    return field
