"""Butteraugli at the speed a search needs: numba, one core, float32, the reference's side computed once.

The definition of `jpegjax.metrics.butteraugli` (libjxl 0.7's `butteraugli_main`, at 80 nits). Search only: every reported number
comes from `jpegjax.metrics`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from jpegjax.metrics.visible.distances import (
    _ASYMMETRY,
    _DENSE_BANDS,
    _HIGH,
    _LOW,
    _MIDDLE,
    _NOTICEABLE,
    _SPARSE_BANDS,
)  # fmt: skip

from .bands import LINEAR, eroded, halved, linear_light, spectrum

__all__ = ["Butteraugli"]

_fast = njit(fastmath=True, cache=True, nogil=True)
_F = np.float32


@_fast
def _differences(first, second, malta, padded):
    """How far second is from first, more where it is weaker or stronger: into a plane with four zeros around."""
    height, width = first.shape
    norm, both, one = malta
    for y in range(height):
        u, v, target = first[y], second[y], padded[y + 4, 4:]
        for x in range(width):
            a, b = abs(u[x]), (v[x] if u[x] >= _F(0) else -v[x])
            apart = both * (a - b) + one * (max(_F(0.55) * a - b, _F(0)) - max(b - _F(1.05) * a, _F(0)))
            apart /= norm + _F(0.5) * (a + abs(b))
            target[x] = apart if u[x] >= _F(0) else -apart


@_fast
def _add_sparse_lines(d, total):
    """Squares of sums along 16 lines of five points each, added."""
    for y in range(total.shape[0]):
        r0, r1, r2, r3, r4 = d[y], d[y + 1], d[y + 2], d[y + 3], d[y + 4]
        r5, r6, r7, r8 = d[y + 5], d[y + 6], d[y + 7], d[y + 8]
        target = total[y]
        for x in range(total.shape[1]):
            m = r4[x + 4]
            s = m + r4[x] + r4[x + 2] + r4[x + 6] + r4[x + 8]
            t = s * s
            s = m + r0[x + 4] + r2[x + 4] + r6[x + 4] + r8[x + 4]
            t += s * s
            s = m + r1[x + 1] + r2[x + 2] + r6[x + 6] + r7[x + 7]
            t += s * s
            s = m + r1[x + 7] + r2[x + 6] + r6[x + 2] + r7[x + 1]
            t += s * s
            s = m + r0[x + 5] + r2[x + 5] + r6[x + 3] + r8[x + 3]
            t += s * s
            s = m + r0[x + 3] + r2[x + 3] + r6[x + 5] + r8[x + 5]
            t += s * s
            s = m + r3[x] + r3[x + 2] + r5[x + 6] + r5[x + 8]
            t += s * s
            s = m + r5[x] + r5[x + 2] + r3[x + 6] + r3[x + 8]
            t += s * s
            s = m + r1[x + 2] + r2[x + 3] + r6[x + 5] + r7[x + 6]
            t += s * s
            s = m + r1[x + 6] + r2[x + 5] + r6[x + 3] + r7[x + 2]
            t += s * s
            s = m + r2[x + 1] + r3[x + 2] + r5[x + 6] + r6[x + 7]
            t += s * s
            s = m + r2[x + 7] + r3[x + 6] + r5[x + 2] + r6[x + 1]
            t += s * s
            s = m + r6[x] + r5[x + 2] + r3[x + 6] + r2[x + 8]
            t += s * s
            s = m + r2[x] + r3[x + 2] + r5[x + 6] + r6[x + 8]
            t += s * s
            s = m + r0[x + 2] + r2[x + 3] + r6[x + 5] + r8[x + 6]
            t += s * s
            s = m + r0[x + 6] + r2[x + 5] + r6[x + 3] + r8[x + 2]
            t += s * s
            target[x] += t


@_fast
def _add_dense_lines(d, total):
    """Squares of sums along 16 lines of seven or nine points each, two of them counted twice, added."""
    for y in range(total.shape[0]):
        r0, r1, r2, r3, r4 = d[y], d[y + 1], d[y + 2], d[y + 3], d[y + 4]
        r5, r6, r7, r8 = d[y + 5], d[y + 6], d[y + 7], d[y + 8]
        target = total[y]
        for x in range(total.shape[1]):
            m = r4[x + 4]
            flat = m + r4[x + 3] + r4[x + 5]
            s = flat + r4[x] + r4[x + 1] + r4[x + 2] + r4[x + 6] + r4[x + 7] + r4[x + 8]
            t = s * s
            upright = m + r3[x + 4] + r5[x + 4]
            s = upright + r0[x + 4] + r1[x + 4] + r2[x + 4] + r6[x + 4] + r7[x + 4] + r8[x + 4]
            t += s * s
            falling = m + r3[x + 3] + r5[x + 5]
            s = falling + r1[x + 1] + r2[x + 2] + r6[x + 6] + r7[x + 7]
            t += s * s
            rising = m + r3[x + 5] + r5[x + 3]
            s = rising + r1[x + 7] + r2[x + 6] + r6[x + 2] + r7[x + 1]
            t += s * s
            s = upright + r0[x + 5] + r1[x + 5] + r2[x + 5] + r6[x + 3] + r7[x + 3] + r8[x + 3]
            t += _F(2) * s * s
            s = upright + r0[x + 3] + r1[x + 3] + r2[x + 3] + r6[x + 5] + r7[x + 5] + r8[x + 5]
            t += _F(2) * s * s
            s = flat + r3[x] + r3[x + 1] + r3[x + 2] + r5[x + 6] + r5[x + 7] + r5[x + 8]
            t += _F(2) * s * s
            s = flat + r5[x] + r5[x + 1] + r5[x + 2] + r3[x + 6] + r3[x + 7] + r3[x + 8]
            t += _F(2) * s * s
            s = falling + r1[x + 2] + r2[x + 3] + r6[x + 5] + r7[x + 6]
            t += s * s
            s = rising + r1[x + 6] + r2[x + 5] + r6[x + 3] + r7[x + 2]
            t += s * s
            s = falling + r2[x + 1] + r3[x + 2] + r5[x + 6] + r6[x + 7]
            t += s * s
            s = rising + r2[x + 7] + r3[x + 6] + r5[x + 2] + r6[x + 1]
            t += s * s
            target[x] += t


@_fast
def _distances(bands, others, masks, malta, weights):
    """Butteraugli's map: how far apart two pictures' bands are, under the first one's masks (of low and of other bands)."""
    low, middle, high, highest, activity = bands
    low2, middle2, high2, highest2, activity2 = others
    height, width = activity.shape
    out = np.zeros_like(activity)
    apart = np.zeros((height + 8, width + 8), np.float32)
    for c in range(2):
        _differences(highest[c], highest2[c], malta[0, c], apart)
        _add_dense_lines(apart, out)
        _differences(high[c], high2[c], malta[1, c], apart)
        _add_sparse_lines(apart, out)
        _differences(middle[c], middle2[c], malta[2, c], apart)
        _add_sparse_lines(apart, out)
    for y in range(height):
        target = out[y]
        for c in range(2):
            u, v, m, n = high[c, y], high2[c, y], middle[c, y], middle2[c, y]
            both, one, mid = weights[0, c], weights[1, c], weights[2, c]
            for x in range(width):
                a, b = abs(u[x]), (v[x] if u[x] >= _F(0) else -v[x])
                beyond = max(_F(0.4) * a - b, _F(0)) + max(b - a, _F(0))
                target[x] += both * (a - b) ** 2 + one * beyond * beyond + mid * (m[x] - n[x]) ** 2
        m, n, g, h = middle[2, y], middle2[2, y], activity[y], activity2[y]
        l0, l1, l2, k0, k1, k2 = low[0, y], low[1, y], low[2, y], low2[0, y], low2[1, y], low2[2, y]
        w0, w1, w2, mid = weights[3, 0], weights[3, 1], weights[3, 2], weights[2, 2]
        flat, other = masks[0, y], masks[1, y]
        for x in range(width):
            slow = w0 * (l0[x] - k0[x]) ** 2 + w1 * (l1[x] - k1[x]) ** 2 + w2 * (l2[x] - k2[x]) ** 2
            fast = target[x] + mid * (m[x] - n[x]) ** 2 + _F(10) * (g[x] - h[x]) ** 2
            target[x] = math.sqrt(slow * flat[x] + fast * other[x])
    return out


@_fast
def _norms(fine, coarse):
    """(maximum, mean of the 3-, 6- and 12-norm) of a map to which that of the halved pictures is added."""
    top, sums = _F(0), np.zeros(3)
    for y in range(fine.shape[0]):
        row, below = fine[y], coarse[y // 2]
        a = b = c = _F(0)
        for x in range(fine.shape[1]):
            value = _F(0.85) * row[x] + _F(0.5) * below[x // 2]
            top = max(top, value)
            third = value * value * value
            a += third
            b += third * third
            c += (third * third) ** 2
        sums += np.array((a, b, c), np.float64)
    sums /= fine.size
    return top, (sums[0] ** (1 / 3) + sums[1] ** (1 / 6) + sums[2] ** (1 / 12)) / 3


_WEIGHTS = np.zeros((4, 3), np.float32)
_WEIGHTS[:2, :2] = np.multiply.outer((_ASYMMETRY, 1 / _ASYMMETRY), _HIGH)
_WEIGHTS[2:] = _MIDDLE, _LOW
_LINES = np.stack([_DENSE_BANDS, _SPARSE_BANDS[:2], _SPARSE_BANDS[2:]])


def _masks(activity: np.ndarray) -> np.ndarray:
    """[2, H, W]: what squared differences of the low band, and of the others, are multiplied by."""
    masking = eroded(activity)
    low = 1 + 0.505054525019 / (3.87449418804 * masking + 0.20025578522)
    other = 1 + 2.5485944793 / (0.451936922203 * masking + 0.829591754942)
    return np.square(np.stack([low, other]) / _NOTICEABLE).astype(np.float32)


class Butteraugli:
    """A picture, uint8 [H, W, 3], each side at least 15, that others are compared with."""

    def __init__(self, reference: np.ndarray):
        linear = linear_light(reference, LINEAR)
        self._spectra = [spectrum(linear), spectrum(halved(linear))]
        self._masks = [_masks(bands[4]) for bands in self._spectra]

    def scores(self, image: np.ndarray) -> tuple[float, float]:
        """(the largest distance, the 3-norm as `butteraugli_main` prints it), of an image of the reference's shape."""
        linear = linear_light(image, LINEAR)
        maps = [
            _distances(bands, spectrum(rgb), masks, _LINES, _WEIGHTS)
            for rgb, bands, masks in zip((linear, halved(linear)), self._spectra, self._masks, strict=True)
        ]
        top, three = _norms(*maps)
        return float(top), float(three)
