"""Arithmetic on int16 lanes with int32 sums: what the forward and the inverse transform share."""

from __future__ import annotations

from collections.abc import Sequence

from ..simd import Vec, constant, madd, pack_i8, pack_i16, unpack_high, unpack_low

__all__ = ["descaled", "dot", "less", "pairs", "plus", "sample_rows", "transposed"]


def pairs(a: Vec, b: Vec) -> tuple[Vec, Vec]:
    """a and b interleaved, ready for `madd` with (coefficient of a, coefficient of b)."""
    return unpack_low(a, b), unpack_high(a, b)


def dot(pair: Sequence[Vec], ca: int, cb: int) -> tuple[Vec, Vec]:
    """ca·a + cb·b in int32."""
    weights = constant(pair[0], [ca, cb] * (pair[0].lanes // 2))
    return madd(pair[0], weights), madd(pair[1], weights)


def plus(a: tuple[Vec, Vec], b: tuple[Vec, Vec] | int) -> tuple[Vec, Vec]:
    return (a[0] + b[0], a[1] + b[1]) if isinstance(b, tuple) else (a[0] + b, a[1] + b)


def less(a: tuple[Vec, Vec], b: tuple[Vec, Vec]) -> tuple[Vec, Vec]:
    return a[0] - b[0], a[1] - b[1]


def descaled(x: tuple[Vec, Vec], n: int) -> Vec:
    """(x >> n) as int16, saturating; the caller has added the rounding 2^(n-1)."""
    return pack_i16(x[0] >> n, x[1] >> n)


def transposed(rows: list[Vec]) -> list[Vec]:
    """The 8×8 transposes of the int16 blocks in the 128-bit halves of eight registers."""
    a = [f(rows[i], rows[i + 1]) for i in (0, 2, 4, 6) for f in (unpack_low, unpack_high)]
    a = [v.bitcast(32) for v in a]
    b = [f(a[i], a[i + 2]) for i in (0, 1, 4, 5) for f in (unpack_low, unpack_high)]
    b = [v.bitcast(64) for v in b]
    return [f(b[i], b[i + 4]).bitcast(16) for i in range(4) for f in (unpack_low, unpack_high)]


def sample_rows(y: list[Vec]) -> list[Vec]:
    """Eight int16 columns of two blocks to rows of eight uint8, clamped to int8, 128 added.

    Four registers of 64-bit lanes: two rows of the first block, the same two of the second.
    """
    packed = [pack_i8(y[k], y[k + 4]) for k in range(4)]
    low01, high01 = unpack_low(packed[0], packed[1]).bitcast(16), unpack_high(packed[0], packed[1]).bitcast(16)
    low23, high23 = unpack_low(packed[2], packed[3]).bitcast(16), unpack_high(packed[2], packed[3]).bitcast(16)
    halves = [(f(low01, low23).bitcast(32), f(high01, high23).bitcast(32)) for f in (unpack_low, unpack_high)]
    return [(g(left, right).bitcast(8) ^ 128).bitcast(64) for left, right in halves for g in (unpack_low, unpack_high)]
