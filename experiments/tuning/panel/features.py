"""FSIMc at the speed a search needs: NumPy's FFT and numba, one core, the reference's side computed once.

The definition of `jpegjax.metrics.fsimc`, within 1e-4 of its values. Search only: every reported number comes from there.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from jpegjax.metrics.features import CHROMA_WEIGHT, T1, T2, T3, T4, VIEWED, _averaged, _gradient, opponents
from jpegjax.metrics.phase import EPSILON, log_gabor

__all__ = ["Features"]

_fast = njit(fastmath=True, cache=True, nogil=True)
_F = np.float32


@_fast
def _sums(responses, strength, amplitude, finest):
    """Energy of complex responses [scale, h, w] of one orientation; their amplitude; the finest one's square."""
    scales, height, width = responses.shape
    for y in range(height):
        for x in range(width):
            even = odd = size = _F(0)
            for s in range(scales):
                r = responses[s, y, x]
                square = r.real * r.real + r.imag * r.imag
                even, odd, size = even + r.real, odd + r.imag, size + math.sqrt(max(square, _F(1e-12)))
                if s == 0:
                    finest[y, x] = square
            length = math.sqrt(max(even * even + odd * odd, _F(1e-12))) + _F(EPSILON)
            a, b = even / length, odd / length
            across = _F(0)
            for s in range(scales):
                r = responses[s, y, x]
                across += abs(r.real * b - r.imag * a)
            strength[y, x] = even * a + odd * b - across
            amplitude[y, x] += size


@_fast
def _add_above(strength, floor, total):
    for y in range(total.shape[0]):
        for x in range(total.shape[1]):
            total[y, x] += max(strength[y, x] - floor, _F(0))


@_fast
def _compared(congruency1, gradient1, chroma1, congruency2, gradient2, chroma2):
    """1 less the mean of dissimilarity, weighted by the larger congruency; evenly where there is none."""
    lost = weights = evenly = 0.0
    sign = _F(math.cos(math.pi * CHROMA_WEIGHT))
    for y in range(congruency1.shape[0]):
        for x in range(congruency1.shape[1]):
            a, b = congruency1[y, x], congruency2[y, x]
            weight = max(a, b)
            alike = _F(1) - (a - b) ** 2 / (a * a + b * b + _F(T1))
            a, b = gradient1[y, x], gradient2[y, x]
            alike *= _F(1) - (a - b) ** 2 / (a * a + b * b + _F(T2))
            a, b = chroma1[0, y, x], chroma2[0, y, x]
            both = _F(1) - (a - b) ** 2 / (a * a + b * b + _F(T3))
            a, b = chroma1[1, y, x], chroma2[1, y, x]
            both *= _F(1) - (a - b) ** 2 / (a * a + b * b + _F(T4))
            power = max(abs(both), _F(1e-3)) ** _F(CHROMA_WEIGHT)
            alike *= power * sign if both < 0 else power
            lost += (_F(1) - alike) * weight
            evenly += _F(1) - alike
            weights += weight
    return 1 - (lost / weights if weights > 0 else evenly / congruency1.size)


class Features:
    """A picture, uint8 [H, W, 3], and what FSIMc needs of it."""

    def __init__(self, reference: np.ndarray):
        self._factor = max(1, int(min(reference.shape[:2]) / VIEWED + 0.5))
        self._maps = self._seen(reference)

    def score(self, image: np.ndarray) -> float:
        """FSIMc of uint8 [H, W, 3], at most 1."""
        return float(_compared(*self._maps, *self._seen(image)))

    def _seen(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Phase congruency and gradients [h, w], I and Q [2, h, w]."""
        luma, chroma = opponents(_averaged(image[None], self._factor, np), True)
        plane = np.ascontiguousarray(luma[0])
        filters = log_gabor(*plane.shape)
        spectrum = np.fft.fft2(plane) * filters.radial
        energy, amplitude = np.zeros_like(plane), np.zeros_like(plane)
        strength, finest = np.empty_like(plane), np.empty_like(plane)
        for wedge, noise in zip(filters.angular, filters.noise, strict=True):
            _sums(np.fft.ifft2(spectrum * wedge), strength, amplitude, finest)
            _add_above(strength, _F(noise * math.sqrt(max(np.median(finest), 1e-12))), energy)
        return energy / (amplitude + _F(EPSILON)), _gradient(plane, np), np.ascontiguousarray(chroma[:, 0])
