"""What a small network adds to the field of masking, in integers: the same on every machine.

8·DCT of luma, the formula's logarithm, luma's steps ──▶ 0..255 ──▶ 1×1 ──▶ 3×3 layers ──▶ 1×1 ──▶ log2 of a factor

Weights are integers to ±127 and activations 0..255, both 64ths, and no sum reaches 2^24: int16 products here and float32
matrix products on devices are exact in any order. Trained by `experiments.tuning.field_train`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...run.memory import address
from ...simd import kernel, load, madd, maximum, minimum, store, vectorized
from ...simd.vectors import Int, Vec

__all__ = ["FEATURES", "LOG", "WIDTH", "Network", "integer_log"]

FEATURES, WIDTH = 66, 16
"""Inputs of a block and channels of each layer."""
LOG = np.floor(256 * np.log2(1 + (np.arange(128) + 0.5) / 128) + 0.5).astype(np.int64)
_EXACT = 1 << 24
_GROUP = 4  # blocks that are worked on together
_SHIFT, _OUT_SHIFT = 6, 4


def integer_log(value: int) -> int:
    """log2 of an integer above 0, 8 fractional bits, as the kernels take it."""
    n = value.bit_length() - 1
    return 256 * n + int(LOG[(value >> (n - 7) if n >= 7 else value << (7 - n)) & 127])


@lru_cache(maxsize=1)
def _sizes() -> np.ndarray:
    """16 log2(1 + |x| / 8) of a coefficient's magnitude x, uint8 [32769]."""
    logs = np.array([integer_log(x + 8) for x in range(32_769)])
    return np.minimum((logs - 768) >> 4, 255).astype(np.uint8)


def _dot(rows: list[Int], pairs: int, step: int, weights: Int, bias: Int, out: Int) -> None:
    """Layer outputs, int16 0..255, of `_GROUP` blocks in a row. rows: addresses of `pairs` int32 of two inputs each, which
    next to one another in all are what a block sees; the next block's are `step` bytes on."""
    sums = [[load(bias + half, 8, 32) for half in (0, 32)] for _ in range(_GROUP)]
    for i, row in enumerate(rows):
        for pair in range(pairs):
            at = weights + 64 * (i * pairs + pair)
            across = [load(at, 16, 16), load(at + 32, 16, 16)]
            for block, own in enumerate(sums):
                two = load(row + (block * step + 4 * pair), 1, 32).shuffle([0] * 8).bitcast(16)
                own[:] = [total + madd(two, w) for total, w in zip(own, across, strict=True)]
    for block, own in enumerate(sums):
        for half, total in enumerate(own):
            store(out + (block * 2 * WIDTH + 16 * half), _clipped(total))


def _clipped(total: Vec) -> Vec:
    return minimum(maximum(total >> _SHIFT, 0), 255).truncate(16)


@vectorized
def _embed_4(features, weights, bias, out):
    """1×1 of 4 blocks."""
    _dot([features], FEATURES // 2, 2 * FEATURES, weights, bias, out)


@vectorized
def _mix_4(above, pitch, weights, bias, out):
    """3×3 of 4 blocks: `above` is the block above and to the left of the first."""
    _dot([above, above + pitch, above + pitch + pitch], 3 * WIDTH // 2, 2 * WIDTH, weights, bias, out)


@kernel
def _fill_features(raw, logs, middle, step, sizes, features):
    """int16 [blocks, FEATURES] of 8·DCT int16 [blocks, 64] and logarithms int64 [blocks]."""
    for block in range(len(logs)):
        features[block, 0] = min(max((raw[block, 0] + 8192) >> 6, 0), 255)
        for k in range(1, 64):
            features[block, k] = sizes[abs(np.int64(raw[block, k]))]
        e = min(max(logs[block] - middle, -1024), 1023)
        features[block, 64] = (e + 1024) >> 3
        features[block, 65] = step


@kernel
def _repeat_edges(plane, columns):
    """The first and last of int16 [rows + 2, columns + slack, WIDTH]'s real rows and columns once more, outside them."""
    for row in range(1, plane.shape[0] - 1):
        for i in range(plane.shape[2]):
            plane[row, 0, i] = plane[row, 1, i]
            plane[row, columns + 1, i] = plane[row, columns, i]
    plane[0] = plane[1]
    plane[-1] = plane[-2]


@kernel
def _run_embed(features, weights, bias, plane, pitch, rows, columns):
    """All blocks' first activations. Addresses; plane: of block (0, 0), `pitch` bytes a row."""
    for row in range(rows):
        for x in range(0, columns, _GROUP):
            block = row * columns + x
            _embed_4(features + 2 * FEATURES * block, weights, bias, plane + row * pitch + 2 * WIDTH * x)


@kernel
def _run_mix(source, weights, bias, plane, pitch, rows, columns):
    """A 3×3 layer. Addresses: source of the block above and to the left of (0, 0)."""
    for row in range(rows):
        for x in range(0, columns, _GROUP):
            at = row * pitch + 2 * WIDTH * x
            _mix_4(source + at, pitch, weights, bias, plane + at)


@kernel
def _run_out(plane, weights, bias, out):
    """The last layer, int64 [rows, columns]."""
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            total = np.int64(bias)
            for i in range(WIDTH):
                total += np.int64(plane[row + 1, column + 1, i]) * weights[i]
            out[row, column] = total >> _OUT_SHIFT


@dataclass(frozen=True, eq=False)
class Network:
    """Layers of weights int8 [inputs, outputs] and biases int32 [outputs]: FEATURES to WIDTH, any number of 3×3 layers
    [9·WIDTH, WIDTH] by row, column and channel, and WIDTH to 1.

    power, share: 64ths of the formula's field and of the network's, in log2. slope: 64ths of the formula that the
    network counts as its own.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    power: int
    share: int
    slope: int

    def __post_init__(self) -> None:
        inputs = [FEATURES, *[9 * WIDTH] * (len(self.layers) - 2), WIDTH]
        outputs = [WIDTH] * (len(self.layers) - 1) + [1]
        for i, ((w, b), shape) in enumerate(zip(self.layers, zip(inputs, outputs, strict=True), strict=True)):
            if w.shape != shape or b.shape != shape[1:] or w.dtype != np.int8 or b.dtype != np.int32:
                raise ValueError(f"layer {i}: {w.dtype} {w.shape}, {b.dtype} {b.shape}; must be int8 {shape} and int32")
            if (255 * np.abs(w.astype(np.int64)).sum(0) + np.abs(b.astype(np.int64))).max() >= _EXACT:
                raise ValueError(f"layer {i}: sums could reach 2^24, where float32 is no longer exact")

    # networks are few; cached_property's lock could be held by another thread when a process forks
    @lru_cache(maxsize=4)  # noqa: B019
    def _pairs(self) -> list[np.ndarray]:
        """int16 [inputs / 2, outputs, 2] of the weights of all layers but the last."""
        return [
            np.ascontiguousarray(w.astype(np.int16).reshape(-1, 2, WIDTH).transpose(0, 2, 1))
            for w, _ in self.layers[:-1]
        ]

    def effective_power(self, power: int) -> int:
        """64ths of the formula's field in all, where `Recipe.field` has `power`."""
        return (self.power * power + self.share * self.slope + 32) >> 6

    def inputs(self, field: tuple[int, ...], steps: np.ndarray) -> tuple[int, int]:
        """What the network knows of a recipe: the middle of the formula's logarithms, and luma's mean step, 0..255.

        field: `Recipe.field`, power not 0. steps: [64].
        """
        _, c, *weights, _, _, _ = field
        middle = integer_log(sum(weights) * ((1 << 24) // c)) - 896
        return middle, min((integer_log(int(steps.astype(np.int64).sum())) - 1536) >> 3, 255)

    def correction(self, raw: np.ndarray, logs: np.ndarray, middle: int, step: int) -> np.ndarray:
        """log2 of the cost that is not the formula's, 8 fractional bits, int64 [rows, columns].

        raw: 8·DCT of luma, int16 [rows, columns, 8, 8]. logs: the formula's logarithms, int64 [rows, columns].
        middle, step: of `inputs`.
        """
        rows, columns = logs.shape
        features = np.empty((rows * columns + _GROUP, FEATURES), np.int16)
        _fill_features(raw.reshape(-1, 64), logs.reshape(-1), middle, step, _sizes(), features)
        planes = [np.empty((rows + 2, columns + 2 + _GROUP, WIDTH), np.int16) for _ in range(2)]
        pitch = planes[0].strides[0]
        here, there = planes
        inside = pitch + 2 * WIDTH
        for i, (weights, (_, bias)) in enumerate(zip(self._pairs(), self.layers, strict=False)):
            if i == 0:
                _run_embed(
                    address(features), address(weights), address(bias), address(here) + inside, pitch, rows, columns
                )
            else:
                _run_mix(address(here), address(weights), address(bias), address(there) + inside, pitch, rows, columns)
                here, there = there, here
            _repeat_edges(here, columns)
        out = np.empty((rows, columns), np.int64)
        weights, bias = self.layers[-1]
        _run_out(here, weights[:, 0].astype(np.int64), int(bias[0]), out)
        return out
