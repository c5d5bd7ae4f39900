"""libjpeg's accurate integer DCT by its formulas, in int64: the reference that kernels and operations are held to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["forward_islow", "forward_pass", "inverse_islow", "inverse_pass"]


def wrapped(x: np.ndarray, bits: int = 16) -> np.ndarray:
    half = 1 << (bits - 1)
    return ((x + half) & (2 * half - 1)) - half


def forward_pass(x: np.ndarray, n: int, plain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """One 1-D pass over the last axis (Loeffler, Ligtenberg, Moschytz): descaled by n, outputs 0 and 4 by `plain`."""
    s = [x[..., k] + x[..., 7 - k] for k in range(4)]
    d, c, b, a = (x[..., k] - x[..., 7 - k] for k in range(4))
    e0, e3, e1, e2 = s[0] + s[3], s[0] - s[3], s[1] + s[2], s[1] - s[2]
    p, m = (e2 + e3) * 4433, (a + b + c + d) * 9633
    r, q, t, w = m - 16069 * (a + c), m - 3196 * (b + d), -7373 * (a + d), -20995 * (b + c)
    odd = 12299 * d + t + q, 25172 * c + w + r, 16819 * b + w + q, 2446 * a + t + r
    y1, y3, y5, y7, y2, y6 = ((v + (1 << (n - 1))) >> n for v in (*odd, p + 6270 * e3, p - 15137 * e2))
    return np.stack([plain(e0 + e1), y1, y2, y3, plain(e0 - e1), y5, y6, y7], -1)


def forward_islow(samples: np.ndarray) -> np.ndarray:
    """Coefficients, 8 times the orthonormal DCT's, of samples 0..255 [..., 8, 8]."""
    rows = forward_pass(samples.astype(np.int64) - 128, 11, lambda v: v << 2)
    return forward_pass(rows.swapaxes(-1, -2), 15, lambda v: (v + 2) >> 2).swapaxes(-1, -2)


def inverse_pass(x: np.ndarray, n: int, *, lanes: bool) -> np.ndarray:
    """One 1-D pass over the last axis. lanes: as x86-64 SIMD, whose sums wrap and whose results saturate to int16."""
    sums16 = wrapped if lanes else lambda v: v
    x = [x[..., i] for i in range(8)]
    p = (x[2] + x[6]) * 4433
    e = [sums16(x[0] + x[4]) << 13, sums16(x[0] - x[4]) << 13, p - 15137 * x[6], p + 6270 * x[2]]
    z3, z4 = sums16(x[7] + x[3]), sums16(x[5] + x[1])
    m = (z3 + z4) * 9633
    r, s, t, w = m - 16069 * z3, m - 3196 * z4, -7373 * (x[7] + x[1]), -20995 * (x[5] + x[3])
    b = [2446 * x[7] + t + r, 16819 * x[5] + w + s, 25172 * x[3] + w + r, 12299 * x[1] + t + s]
    a = [e[0] + e[3], e[1] + e[2], e[1] - e[2], e[0] - e[3]]
    y = np.stack([a[k] + b[3 - k] for k in range(4)] + [a[k] - b[3 - k] for k in (3, 2, 1, 0)], -1) + (1 << (n - 1))
    return np.clip(wrapped(y, 32) >> n, -32768, 32767) if lanes else y >> n


def inverse_islow(levels: np.ndarray, table: np.ndarray | int = 1) -> np.ndarray:
    """Samples 0..255 of quantised levels [..., 8, 8], as SIMD makes them."""
    x = wrapped(levels.astype(np.int64) * table)
    flat = (levels[..., 1:, :] == 0).all((-1, -2))[..., None, None]
    columns = inverse_pass(x.swapaxes(-1, -2), 11, lanes=True).swapaxes(-1, -2)
    columns = np.where(flat, np.broadcast_to(wrapped(x[..., :1, :] << 2), x.shape), columns)
    return np.clip(inverse_pass(columns, 18, lanes=True), -128, 127) + 128
