"""PSNR, MS-SSIM and SSIMULACRA2 at the speed a search needs: numba, one core, the reference's side computed once.

The same definitions as `jpegjax.metrics`, except that SSIMULACRA2's weights below 0.02 of its 108 are left out (they move a
score by less than 0.02 below 85). Search only: every reported number comes from `jpegjax.metrics`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numba import njit

from jpegjax.metrics.structure import SCALE_WEIGHTS
from jpegjax.metrics.xyb import _WEIGHTS

__all__ = ["Reference", "fast_curve"]

_fast = njit(fastmath=True, cache=True, nogil=True)
_F = np.float32
_SCALES = 5  # the sixth has no weight worth its time
_WEIGHT = np.array(_WEIGHTS).reshape(3, 6, 2, 3)  # channel, scale, norm, map
_WEIGHT = np.where(_WEIGHT < 0.02, 0, _WEIGHT)
_BIAS = _F(0.0037930732552754493)
_ROOT_BIAS = _F(0.0037930732552754493 ** (1 / 3))
_SRGB = np.arange(256) / 255
_LINEAR = np.where(_SRGB <= 0.04045, _SRGB / 12.92, ((_SRGB + 0.055) / 1.055) ** 2.4).astype(np.float32)
_FOURTH_ROOT = np.linspace(0.24, 1.02, 200)
_P3, _P2, _P1, _P0 = np.polyfit(_FOURTH_ROOT, _FOURTH_ROOT ** (4 / 3), 3, w=_FOURTH_ROOT ** (-4 / 3)).astype(np.float32)


def _blur_taps(sigma: float = 1.5) -> np.ndarray:
    """libjxl's recursive Gaussian as taps, centre first: three cosines with unit gain and variance sigma²."""
    radius = round(3.2795 * sigma + 0.2546)
    offset = np.arange(1 - radius, radius)
    omega = np.pi / (2 * radius) * np.array([1, 3, 5])
    cosines = np.cos(np.outer(offset, omega))
    moments = np.stack([np.ones_like(offset), offset**2]) @ cosines
    amplitude = np.exp(-0.5 * (sigma * omega) ** 2) / radius
    amplitude += np.linalg.pinv(moments) @ ([1, sigma**2] - moments @ amplitude)
    return (cosines @ amplitude)[radius - 1 :].astype(np.float32)


_WINDOW = np.exp(-0.5 * (np.arange(6) / 1.5) ** 2)
_WINDOW = (_WINDOW / (2 * _WINDOW.sum() - 1)).astype(np.float32)
_BLUR = np.append(_blur_taps(), _F(0))


@_fast
def _windows(source, taps, middle, out):
    """Means of whole 11×11 windows by symmetric taps, centre first; written out, as LLVM vectorises no loop over taps."""
    t0, t1, t2, t3, t4, t5 = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5]
    for y in range(source.shape[0]):
        a, target = source[y], middle[y]
        for x in range(out.shape[1]):
            near = t0 * a[x + 5] + t1 * (a[x + 4] + a[x + 6]) + t2 * (a[x + 3] + a[x + 7])
            target[x] = near + t3 * (a[x + 2] + a[x + 8]) + t4 * (a[x + 1] + a[x + 9]) + t5 * (a[x] + a[x + 10])
    for y in range(out.shape[0]):
        a, b, c, d, e, f = middle[y], middle[y + 1], middle[y + 2], middle[y + 3], middle[y + 4], middle[y + 5]
        g, h, i, j, k = middle[y + 6], middle[y + 7], middle[y + 8], middle[y + 9], middle[y + 10]
        target = out[y]
        for x in range(out.shape[1]):
            near = t0 * f[x] + t1 * (e[x] + g[x]) + t2 * (d[x] + h[x])
            target[x] = near + t3 * (c[x] + i[x]) + t4 * (b[x] + j[x]) + t5 * (a[x] + k[x])


def _blur(plane: np.ndarray) -> np.ndarray:
    """With zeros beyond the edges."""
    height, width = plane.shape
    padded = np.zeros((height + 10, width + 10), np.float32)
    padded[5:-5, 5:-5] = plane
    out = np.empty_like(plane)
    _windows(padded, _BLUR, np.empty((height + 10, width), np.float32), out)
    return out


def _window(plane: np.ndarray) -> np.ndarray:
    out = np.empty((plane.shape[0] - 10, plane.shape[1] - 10), np.float32)
    _windows(plane, _WINDOW, np.empty((plane.shape[0], plane.shape[1] - 10), np.float32), out)
    return out


@_fast
def _halve(planes):
    channels, height, width = planes.shape
    out = np.empty((channels, (height + 1) // 2, (width + 1) // 2), np.float32)
    for c in range(channels):
        for y in range(out.shape[1]):
            below = min(2 * y + 1, height - 1)
            for x in range(out.shape[2]):
                right = min(2 * x + 1, width - 1)
                a, b = (
                    planes[c, 2 * y, 2 * x] + planes[c, 2 * y, right],
                    planes[c, below, 2 * x] + planes[c, below, right],
                )
                out[c, y, x] = _F(0.25) * (a + b)
    return out


@njit(inline="always", fastmath=True, cache=True)
def _cube_root(x):
    """A cubic in the fourth root, then Halley's step: 1e-7 over the range of XYB."""
    t = math.sqrt(math.sqrt(x))
    y = _P0 + t * (_P1 + t * (_P2 + t * _P3))
    cube = y * y * y
    return y * (cube + _F(2) * x) / (_F(2) * cube + x)


@_fast
def _linear(image, table):
    out = np.empty((3, image.shape[0], image.shape[1]), np.float32)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                out[c, y, x] = table[image[y, x, c]]
    return out


@_fast
def _xyb(rgb, chroma):
    """X, Y and B - Y as SSIMULACRA2 scales them; Y alone unless chroma."""
    out = np.zeros_like(rgb)
    for y in range(rgb.shape[1]):
        red, green, blue = rgb[0, y], rgb[1, y], rgb[2, y]
        for x in range(rgb.shape[2]):
            long = _cube_root(_F(0.30) * red[x] + _F(0.622) * green[x] + _F(0.078) * blue[x] + _BIAS) - _ROOT_BIAS
            middle = _cube_root(_F(0.23) * red[x] + _F(0.692) * green[x] + _F(0.078) * blue[x] + _BIAS) - _ROOT_BIAS
            bright = _F(0.5) * (long + middle)
            out[1, y, x] = bright + _F(0.01)
            if chroma:
                short = (
                    _F(0.24342268924547819) * red[x]
                    + _F(0.20476744424496821) * green[x]
                    + _F(0.5518098665095536) * blue[x]
                )
                out[0, y, x] = _F(7) * (long - middle) + _F(0.42)
                out[2, y, x] = _cube_root(short + _BIAS) - _ROOT_BIAS - bright + _F(0.55)
    return out


def _pyramid(image: np.ndarray):
    rgb = _linear(image, _LINEAR)
    for scale in range(_SCALES):
        if scale:
            rgb = _halve(rgb)
        yield scale, _xyb(rgb, scale > 0)


@_fast
def _similarity(mean1, variance1, mean2, square2, square_difference):
    """1-norm and 4-norm of SSIMULACRA2's structural errors."""
    height, width = mean1.shape
    first = fourth = 0.0
    for y in range(height):
        a = b = _F(0)
        for x in range(width):
            apart = (mean2[y, x] - mean1[y, x]) ** 2
            variances = variance1[y, x] + square2[y, x] - mean2[y, x] ** 2 + _F(0.0009)
            error = max(apart + (_F(1) - apart) * (square_difference[y, x] - apart) / variances, _F(0))
            a += error
            b += (error * error) ** 2
        first += a
        fourth += b
    return first / (height * width), (fourth / (height * width)) ** 0.25


@_fast
def _edges(plane1, mean1, plane2, mean2):
    """1-norms and 4-norms of SSIMULACRA2's ringing and blur."""
    height, width = mean1.shape
    sums = np.zeros(4)
    for y in range(height):
        a = b = c = d = _F(0)
        for x in range(width):
            ours, theirs = abs(plane1[y, x] - mean1[y, x]), abs(plane2[y, x] - mean2[y, x])
            error = (theirs - ours) / (_F(1) + ours)
            ringing, blur = max(error, _F(0)), max(-error, _F(0))
            a += ringing
            b += (ringing * ringing) ** 2
            c += blur
            d += (blur * blur) ** 2
        sums += np.array((a, b, c, d), np.float64)
    sums /= height * width
    sums[1], sums[3] = sums[1] ** 0.25, sums[3] ** 0.25
    return sums


@_fast
def _luma(image):
    out = np.empty((1, image.shape[0], image.shape[1]), np.float32)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            r, g, b = image[y, x, 0], image[y, x, 1], image[y, x, 2]
            out[0, y, x] = _F(0.299) * r + _F(0.587) * g + _F(0.114) * b - _F(128)
    return out


@_fast
def _structure(mean1, variance1, mean2, square2, square_difference, last):
    """Mean of SSIM's contrast and structure, with luminance at the last scale."""
    total = 0.0
    for y in range(mean1.shape[0]):
        row = _F(0)
        for x in range(mean1.shape[1]):
            a, b = mean1[y, x], mean2[y, x]
            both = variance1[y, x] + square2[y, x] - b * b + _F(58.5225)
            value = (both - square_difference[y, x] + (b - a) ** 2) / both
            if last:
                a, b = a + _F(128), b + _F(128)
                value *= (_F(2) * a * b + _F(6.5025)) / (a * a + b * b + _F(6.5025))
            row += value
        total += row
    return total / mean1.size


class Reference:
    """A picture, uint8 [H, W, 3], each side at least 176, and what scores need of it."""

    def __init__(self, image: np.ndarray):
        self.image = image
        self._features = {}
        for scale, planes in _pyramid(image):
            for c in range(3):
                if _WEIGHT[c, scale].any():
                    plane = planes[c].copy()
                    mean = _blur(plane)
                    self._features[c, scale] = plane, mean, _blur(plane**2) - mean * mean
        self._luma = []
        luma = _luma(image)
        for scale in range(5):
            luma = _halve(luma) if scale else luma
            mean = _window(luma[0])
            self._luma.append((luma[0], mean, _window(luma[0] ** 2) - mean * mean))

    def scores(self, image: np.ndarray) -> np.ndarray:
        """PSNR over RGB in dB, MS-SSIM of luma in dB, SSIMULACRA2."""
        error = np.square(self.image.astype(np.int32) - image).mean()
        psnr = 10 * math.log10(255**2 / max(error, 1e-9))
        return np.array([psnr, -10 * math.log10(max(1 - self.ms_ssim(image), 1e-9)), self.ssimulacra2(image)])

    def ms_ssim(self, image: np.ndarray) -> float:
        """MS-SSIM of luma, 0..1."""
        luma, product = _luma(image), 1.0
        for scale, (plane, mean, variance) in enumerate(self._luma):
            luma = _halve(luma) if scale else luma
            p = luma[0]
            found = _structure(mean, variance, _window(p), _window(p * p), _window((p - plane) ** 2), scale == 4)
            product *= max(found, 1e-9) ** SCALE_WEIGHTS[scale]
        return product

    def ssimulacra2(self, image: np.ndarray) -> float:
        """SSIMULACRA2 v2.1, at most 100."""
        total = 0.0
        for scale, planes in _pyramid(image):
            for c in range(3):
                weight = _WEIGHT[c, scale]
                if not weight.any():
                    continue
                plane, mean, variance = self._features[c, scale]
                blurred = _blur(planes[c])
                if weight[:, 0].any():
                    norms = _similarity(mean, variance, blurred, _blur(planes[c] ** 2), _blur((planes[c] - plane) ** 2))
                    total += weight[0, 0] * norms[0] + weight[1, 0] * norms[1]
                if weight[:, 1:].any():
                    ringing, ringing4, blur, blur4 = _edges(plane, mean, planes[c], blurred)
                    total += weight[:, 1] @ (ringing, ringing4) + weight[:, 2] @ (blur, blur4)
        total *= 0.9562382616834844
        error = 2.326765642916932 * total - 0.020884521182843837 * total**2 + 6.248496625763138e-5 * total**3
        return 100 - 10 * max(error, 0.0) ** 0.6276336467831387


def fast_curve(
    references: Sequence[Reference], encode: Callable[[np.ndarray, Any], bytes], settings: Iterable[Any]
) -> np.ndarray:
    """[settings, (bpp, PSNR, MS-SSIM in dB, SSIMULACRA2)]: means over pictures of files that Pillow decodes."""
    from PIL import Image

    rows = []
    for setting in settings:
        points = []
        for reference in references:
            data = encode(reference.image, setting)
            bpp = 24 * len(data) / reference.image.size
            points.append([bpp, *reference.scores(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))])
        rows.append(np.mean(points, 0))
    return np.array(rows)
