"""How much each luma block's errors count: masking by local variance, in integers.

luma ──▶ variances in Gaussian windows at four scales ──▶ 1/(2σ² + c) ──▶ block means ──▶ power, geometric mean 1
         8·DCT ──▶ network, where the recipe has one ──▶ times its factor, geometric mean 1
         2×2 cells without any contrast ──▶ how drawn a busy block is ──▶ towards one level for all such blocks

Variance hides errors in textures, not on the flat ground between a drawing's strokes: blocks that are busy although many
of their cells are still are text, lines and edges of areas.

The windows are those of SSIM and MS-SSIM (σ 1.5), by sums of 2×2 samples under a binomial window, whose errors SSIM
divides by just that much (Wang, Simoncelli and Bovik 2003; 4·58.5 = 234 is c for 8 bits).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...run.memory import address
from ...simd import clz64, kernel, load, load_i32, madd, store, store_u32, vectorized
from .network import LOG, Network, integer_log

__all__ = ["strength_field"]

SCALES = 4
_ONE = 1 << 24
_EXP = np.floor(256 * 2 ** (np.arange(256) / 256) + 0.5).astype(np.int64)
_STILL = 16  # what 4 Σx² - (Σx)² of a still cell of four samples is at most
_BUSY = 512  # how far below a flat block's the logarithm of a busy one is
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
def _count_still(sums, squares, still):
    """Still cells of each block, 0..16, to uint8 [rows, columns]. sums, squares: int32, cells from column 1 on."""
    for row in range(still.shape[0]):
        for column in range(still.shape[1]):
            n = 0
            for y in range(4 * row, 4 * row + 4):
                for x in range(4 * column + 1, 4 * column + 5):
                    n += 4 * squares[y, x] - sums[y, x] * sums[y, x] <= _STILL
            still[row, column] = n


@kernel
def _mean(values, logs, flat):
    """Of int64 [rows, columns] where logs are below `flat`, rounded down row by row and then once more; `flat` if nowhere."""
    rows, columns = values.shape
    total, rows_in = np.int64(0), 0
    for row in range(rows):
        found, n = np.int64(0), 0
        for column in range(columns):
            if logs[row, column] < flat:
                found += values[row, column]
                n += 1
        if n:
            total += found // n
            rows_in += 1
    return total // rows_in if rows_in else np.int64(flat)


@kernel
def _to_powers(logs, power, share, middle, learned, learned_share, still, drawn, flat, field):
    """Logarithms, less their mean, times power / 64, back to uint16 with 8 fractional bits.

    share: 64ths of the mean, less middle, that stay. learned: logarithms of the network, and their 64ths that count. still:
    uint8 [rows, columns] of `_count_still`. drawn: `Recipe.field`'s, flat: the logarithm of a flat block.
    """
    rows, columns = logs.shape
    mean = _mean(logs, logs, flat)
    learned_mean = _mean(learned, logs, flat) if learned_share else np.int64(0)
    for row in range(rows):
        for column in range(columns):
            e = power * (logs[row, column] - mean) + share * (mean - middle)
            if learned_share:
                e += learned_share * (learned[row, column] - learned_mean)
            e = min(max(e >> 6, -1024), 1024)
            if drawn and logs[row, column] <= flat - _BUSY:
                e += (min(max(np.int64(still[row, column]) - 3, 0), 4) * (16 * (drawn - 128) - e)) >> 2
            field[row, column] = min(max((_EXP[e & 255] << 4) >> (4 - (e >> 8)), 16), 4096)


def strength_field(
    plane: np.ndarray, rows: int, columns: int, parameters: tuple[int, ...], network: Network | None = None,
    raw: np.ndarray | None = None, steps: np.ndarray | None = None,
) -> np.ndarray | None:  # fmt: skip
    """What errors in each luma block cost, relative to others: uint16 [rows, columns], 256 is 1; None for no field.

    plane: uint8 [at least 8·rows, stride], C-contiguous, stride at least 8·columns + 32. parameters: (power, c, w0, w1,
    w2, w3, share, middle, drawn): the field is (Σ ws · mean 1/(8σs² + c))^(power/64) over its geometric mean among blocks
    that are not flat, clipped to 1/16..16; σs² is the variance at scale s. Of the geometric mean's logarithm, less
    middle / 256, share / 64 stays. Busy blocks with still cells go to 2^((drawn - 128) / 16), from 4 of their 16 on a
    quarter a cell; drawn 0 leaves them.
    network: what else counts; it needs raw, 8·DCT of the blocks, int16 [rows, columns, 8, 8], and luma's steps [64].
    """
    power, c, *weights, share, middle, drawn = parameters
    if power == 0 and not drawn:
        return None
    total, still = np.zeros((rows, columns), np.int64), np.zeros((rows, columns), np.uint8)
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
        if scale == 0 and drawn:
            _count_still(cells[0], cells[1], still)
        if weights[scale]:
            variances = np.empty(wide + _SLACK, np.int32)
            _add_scale(
                address(cells), cells.strides[1], cells.strides[0], high, wide, scale, weights[scale], _inverses(c), variances,
                total,
            )  # fmt: skip
        plane, stride = smaller, smaller.shape[1]
    field = np.empty((rows, columns), np.uint16)
    _to_logs(total)
    flat = integer_log(sum(weights) * (_ONE // c))
    if network is None:
        _to_powers(total, power, share, middle, total, 0, still, drawn, flat, field)
    else:
        assert raw is not None and steps is not None
        learned = network.correction(raw, total, *network.inputs(parameters, steps))
        _to_powers(
            total, network.effective_power(power), share, middle, learned, network.share, still, drawn, flat, field
        )
    return field
