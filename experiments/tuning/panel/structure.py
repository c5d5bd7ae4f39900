"""PSNR-HVS-M, GMSD, HaarPSI, VIF, SSIM and MS-SSIM over RGB at the speed a search needs: numba, one core.

The same definitions as `jpegjax.metrics`, within 1e-3 of its values. Search only: every reported number comes from there.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from experiments.tuning.fast import _halve, _structure, _window
from jpegjax.metrics.details import NOISE, VIF_TAPS
from jpegjax.metrics.hvs import DCT, MASKING, SENSITIVITY
from jpegjax.metrics.structure import SCALE_WEIGHTS, gaussian

__all__ = ["Panel"]

_fast = njit(fastmath=True, cache=True, nogil=True)
_F = np.float32
_NOISE = _F(NOISE)


_VIF_TAPS = [gaussian(taps, taps / 5) for taps in VIF_TAPS]


@_fast
def _channels(image):
    """float32 [3, H, W]: R, G and B less 128."""
    out = np.empty((3, image.shape[0], image.shape[1]), np.float32)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                out[c, y, x] = _F(image[y, x, c]) - _F(128)
    return out


@_fast
def _opponents(rgb):
    """float32 [3, H, W]: luma, I and Q of R, G and B less 128 each."""
    out = np.empty_like(rgb)
    for y in range(rgb.shape[1]):
        for x in range(rgb.shape[2]):
            r, g, b = rgb[0, y, x] + _F(128), rgb[1, y, x] + _F(128), rgb[2, y, x] + _F(128)
            out[0, y, x] = _F(0.299) * r + _F(0.587) * g + _F(0.114) * b
            out[1, y, x] = _F(0.596) * r - _F(0.274) * g - _F(0.322) * b
            out[2, y, x] = _F(0.211) * r - _F(0.523) * g + _F(0.312) * b
    return out


@_fast
def _viewed(planes, before, behind):
    """2×2 means of each second sample, with zeros around: beyond odd ends too, as MATLAB's conv2 has it."""
    channels, height, width = planes.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    out = np.zeros((channels, rows + before + behind, columns + before + behind), np.float32)
    for c in range(channels):
        for y in range(rows):
            for x in range(columns):
                total = planes[c, 2 * y, 2 * x]
                right, below = 2 * x + 1 < width, 2 * y + 1 < height
                if right:
                    total += planes[c, 2 * y, 2 * x + 1]
                if below:
                    total += planes[c, 2 * y + 1, 2 * x]
                if right and below:
                    total += planes[c, 2 * y + 1, 2 * x + 1]
                out[c, y + before, x + before] = _F(0.25) * total
    return out


@_fast
def _blocks(luma, basis, masking):
    """(8×8 DCT of whole blocks, how much each block masks) for PSNR-HVS-M."""
    rows, columns = luma.shape[0] // 8, luma.shape[1] // 8
    out, masks = np.empty((rows, columns, 8, 8), np.float32), np.empty((rows, columns), np.float32)
    half = np.empty((8, 8), np.float32)
    for r in range(rows):
        for c in range(columns):
            block = luma[8 * r : 8 * r + 8, 8 * c : 8 * c + 8]
            half[:] = _F(0)
            for u in range(8):
                for k in range(8):
                    weight = basis[u, k]
                    for x in range(8):
                        half[u, x] += weight * block[k, x]
            energy = masked = _F(0)
            for u in range(8):
                for v in range(8):
                    total = _F(0)
                    for k in range(8):
                        total += basis[v, k] * half[u, k]
                    out[r, c, u, v] = total
                    if u + v:
                        energy += total * total
                        masked += total * total * masking[u, v]
            quarters = _F(0)
            for q in range(4):
                top, left = 4 * (q // 2), 4 * (q % 2)
                base = block[top, left]
                first = second = _F(0)
                for y in range(4):
                    for x in range(4):
                        apart = block[top + y, left + x] - base
                        first += apart
                        second += apart * apart
                quarters += second - first * first / _F(16)
            share = quarters * _F(16 / 15) / (energy * _F(64 / 63)) if energy > _F(1e-6) else _F(0)
            masks[r, c] = math.sqrt(max(masked * share, _F(0))) / _F(32)
    return out, masks


@_fast
def _masked_error(dct1, masks1, dct2, masks2, sensitivity, masking):
    total = 0.0
    for r in range(masks1.shape[0]):
        for c in range(masks1.shape[1]):
            mask, block = max(masks1[r, c], masks2[r, c]), _F(0)
            for u in range(8):
                for v in range(8):
                    error = abs(dct1[r, c, u, v] - dct2[r, c, u, v])
                    if u + v:
                        error = max(error - mask / masking[u, v], _F(0))
                    block += (error * sensitivity[u, v]) ** 2
            total += block
    return total / dct1.size


@_fast
def _prewitt(padded):
    """Gradient magnitude of a plane that has zeros around."""
    out = np.empty((padded.shape[0] - 2, padded.shape[1] - 2), np.float32)
    for y in range(out.shape[0]):
        above, here, below = padded[y], padded[y + 1], padded[y + 2]
        for x in range(out.shape[1]):
            dx = above[x + 2] - above[x] + here[x + 2] - here[x] + below[x + 2] - below[x]
            dy = below[x] - above[x] + below[x + 1] - above[x + 1] + below[x + 2] - above[x + 2]
            out[y, x] = math.sqrt(dx * dx + dy * dy) * _F(1 / 3)
    return out


@_fast
def _deviation(a, b):
    """Standard deviation of the similarity of two maps of gradients."""
    first = second = 0.0
    for y in range(a.shape[0]):
        one = two = _F(0)
        for x in range(a.shape[1]):
            p, q = a[y, x], b[y, x]
            apart = (p - q) ** 2 / (p * p + q * q + _F(170))
            one += apart
            two += apart * apart
        first += one
        second += two
    return math.sqrt(max(second - first * first / a.size, 0.0) / (a.size - 1))


@_fast
def _haar(padded):
    """Sizes of Haar coefficients [2 orientations, 3 scales, h, w] of a plane with 3 zeros before and 4 behind."""
    height, width = padded.shape[0] - 7, padded.shape[1] - 7
    out = np.empty((2, 3, height, width), np.float32)
    sums = padded.copy()  # of `size`² samples, from the sample on
    for scale in range(3):
        size = 1 << scale
        start = 4 - size
        for y in range(height):
            top, bottom = sums[y + start], sums[y + start + size]
            for x in range(width):
                a, b, c, d = top[x + start], top[x + start + size], bottom[x + start], bottom[x + start + size]
                out[0, scale, y, x] = abs(a + b - c - d) * _F(0.5 / size)
                out[1, scale, y, x] = abs(a - b + c - d) * _F(0.5 / size)
        if scale < 2:
            for y in range(sums.shape[0] - size):
                top, bottom = sums[y], sums[y + size]
                for x in range(sums.shape[1] - size):
                    top[x] = top[x] + top[x + size] + bottom[x] + bottom[x + size]
    return out


@_fast
def _means(padded):
    """Sizes of 2×2 means [h, w] of a plane with 3 zeros before and 4 behind."""
    out = np.empty((padded.shape[0] - 7, padded.shape[1] - 7), np.float32)
    for y in range(out.shape[0]):
        top, bottom = padded[y + 3], padded[y + 4]
        for x in range(out.shape[1]):
            out[y, x] = abs(top[x + 3] + top[x + 4] + bottom[x + 3] + bottom[x + 4]) * _F(0.25)
    return out


@njit(inline="always", fastmath=True, cache=True)
def _alike(a, b):
    return (_F(2) * a * b + _F(30)) / (a * a + b * b + _F(30))


@_fast
def _haar_similarity(haar1, i1, q1, haar2, i2, q2):
    lost = weights = 0.0
    for y in range(i1.shape[0]):
        row = weight = _F(0)
        for x in range(i1.shape[1]):
            both = _F(0)
            for o in range(2):
                w = max(haar1[o, 2, y, x], haar2[o, 2, y, x])
                both += w
                alike = _alike(haar1[o, 0, y, x], haar2[o, 0, y, x]) + _alike(haar1[o, 1, y, x], haar2[o, 1, y, x])
                row += w / (_F(1) + math.exp(_F(2.1) * alike))
            alike = _alike(i1[y, x], i2[y, x]) + _alike(q1[y, x], q2[y, x])
            row += _F(0.5) * both / (_F(1) + math.exp(_F(2.1) * alike))
            weight += _F(1.5) * both
        lost += row
        weights += weight
    lost = lost / weights if weights > 0 else 1 / (1 + math.exp(4.2))
    return (math.log((1 - lost) / lost) / 4.2) ** 2


@_fast
def _covariance(a, b, taps):
    """Of whole windows, about each window's centre first along rows and then along columns: flat windows give exactly 0."""
    count, reach = taps.size, taps.size // 2
    height, width = a.shape[0], a.shape[1] - count + 1
    mean1, mean2 = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    inner = np.zeros((height, width), np.float32)
    for y in range(height):
        one, two, both = mean1[y], mean2[y], inner[y]
        for k in range(count):
            weight, shift = taps[k], k
            for x in range(width):
                p, q = a[y, x + shift] - a[y, x + reach], b[y, x + shift] - b[y, x + reach]
                one[x] += weight * p
                two[x] += weight * q
                both[x] += weight * p * q
        for x in range(width):
            both[x] -= one[x] * two[x]
            one[x] += a[y, x + reach]
            two[x] += b[y, x + reach]
    out = np.zeros((height - count + 1, width), np.float32)
    first, second = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(out.shape[0]):
        both = out[y]
        first[:] = _F(0)
        second[:] = _F(0)
        for k in range(count):
            weight = taps[k]
            for x in range(width):
                p, q = mean1[y + k, x] - mean1[y + reach, x], mean2[y + k, x] - mean2[y + reach, x]
                first[x] += weight * p
                second[x] += weight * q
                both[x] += weight * (inner[y + k, x] + p * q)
        for x in range(width):
            both[x] -= first[x] * second[x]
    return out


@_fast
def _information(variance1, variance2, covariance):
    """Nats that an image keeps of its reference."""
    total = 0.0
    for y in range(variance1.shape[0]):
        row = _F(0)
        for x in range(variance1.shape[1]):
            a, b, c = variance1[y, x], variance2[y, x], covariance[y, x]
            if a >= _F(1e-10) and b >= _F(1e-10) and c > 0:
                gain = c / (a + _F(1e-10))
                row += math.log(_F(1) + gain * gain * a / (max(b - gain * c, _F(1e-10)) + _NOISE))
        total += row
    return total


@_fast
def _square_apart(a, b):
    """(b², (b - a)²)"""
    square, apart = np.empty_like(a), np.empty_like(a)
    for y in range(a.shape[0]):
        for x in range(a.shape[1]):
            square[y, x] = b[y, x] * b[y, x]
            apart[y, x] = (b[y, x] - a[y, x]) ** 2
    return square, apart


@_fast
def _lower(plane, taps):
    """Each second whole window's mean."""
    reach = taps.size - 1
    half = np.zeros(((plane.shape[0] - reach + 1) // 2, plane.shape[1]), np.float32)
    for y in range(half.shape[0]):
        for k in range(taps.size):
            for x in range(half.shape[1]):
                half[y, x] += taps[k] * plane[2 * y + k, x]
    out = np.zeros((half.shape[0], (plane.shape[1] - reach + 1) // 2), np.float32)
    for y in range(out.shape[0]):
        for k in range(taps.size):
            for x in range(out.shape[1]):
                out[y, x] += taps[k] * half[y, 2 * x + k]
    return out


class Panel:
    """A picture, uint8 [H, W, 3], each side at least 161, and what metrics outside a search's aim need of it."""

    def __init__(self, reference: np.ndarray):
        self._rgb = []
        rgb = _channels(reference)
        opponents = _opponents(rgb)
        for scale in range(5):
            rgb = _halve(rgb) if scale else rgb
            self._rgb.append([self._moments(plane) for plane in rgb])
        self._luma = self._moments(opponents[0] - _F(128))
        self._blocks = _blocks(opponents[0], DCT, MASKING)
        self._gradient = _prewitt(_viewed(opponents[:1], 1, 1)[0])
        self._haar = self._wavelets(opponents)
        self._vif, self._information = [], 0.0
        plane = opponents[0]
        for scale, taps in enumerate(_VIF_TAPS):
            plane = _lower(plane, taps) if scale else plane
            variance = _covariance(plane, plane, taps)
            self._vif.append((plane, variance))
            self._information += np.log1p(np.where(variance < 1e-10, 0, variance) / _NOISE).sum(dtype=np.float64)

    @staticmethod
    def _moments(plane: np.ndarray):
        mean = _window(plane)
        return plane, mean, _window(plane * plane) - mean * mean

    @staticmethod
    def _wavelets(opponents: np.ndarray):
        y, i, q = _viewed(opponents, 3, 4)
        return _haar(y), _means(i), _means(q)

    def scores(self, image: np.ndarray) -> dict[str, float]:
        """Of uint8 [H, W, 3]: psnr_hvs_m in dB, gmsd (lower is better), haarpsi, vif, ssim of luma, ms_ssim_rgb."""
        rgb = _channels(image)
        opponents = _opponents(rgb)
        luma = opponents[0]
        error = _masked_error(*self._blocks, *_blocks(luma, DCT, MASKING), SENSITIVITY, MASKING)
        return {
            "psnr_hvs_m": 10 * math.log10(255**2 / max(error, 1e-9)),
            "gmsd": _deviation(self._gradient, _prewitt(_viewed(opponents[:1], 1, 1)[0])),
            "haarpsi": _haar_similarity(*self._haar, *self._wavelets(opponents)),
            "vif": self._kept(luma),
            "ssim": self._similarity(self._luma, luma - _F(128), True),
            "ms_ssim_rgb": self._ms_ssim(rgb),
        }

    def _kept(self, plane: np.ndarray) -> float:
        kept = 0.0
        for scale, (taps, (ours, variance)) in enumerate(zip(_VIF_TAPS, self._vif, strict=True)):
            plane = _lower(plane, taps) if scale else plane
            kept += _information(variance, _covariance(plane, plane, taps), _covariance(ours, plane, taps))
        return float(kept / self._information) if self._information else 1.0

    @staticmethod
    def _similarity(reference, plane: np.ndarray, last: bool) -> float:
        ours, mean, variance = reference
        square, apart = _square_apart(ours, plane)
        return _structure(mean, variance, _window(plane), _window(square), _window(apart), last)

    def _ms_ssim(self, rgb: np.ndarray) -> float:
        products = np.ones(3)
        for scale, references in enumerate(self._rgb):
            rgb = _halve(rgb) if scale else rgb
            found = [self._similarity(*both, scale == 4) for both in zip(references, rgb, strict=True)]
            products *= np.maximum(found, 1e-9) ** SCALE_WEIGHTS[scale]
        return float(products.mean())
