"""The bands of `jpegjax.metrics.visible.bands` in numba: one core, float32, in the order that suits a cache."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from jpegjax.metrics.visible.bands import _DARK, _HIGH, _LIGHT, _LOW, _MASKING, _MIDDLE, _SHARP, _taps

__all__ = ["LINEAR", "eroded", "halved", "linear_light", "spectrum"]

_fast = njit(fastmath=True, cache=True, nogil=True)
_inline = njit(inline="always", fastmath=True, cache=True)
_F = np.float32
_SRGB = np.arange(256) / 255
LINEAR = np.where(_SRGB <= 0.04045, _SRGB / 12.92, ((_SRGB + 0.055) / 1.055) ** 2.4).astype(np.float32)
"""Linear light of sRGB samples."""
_MIX = np.concatenate([80 * _LIGHT, _DARK[:, 0]], 1)  # of white at 80 nits
_SIGMAS = _SHARP, _LOW, _MIDDLE, _HIGH, _MASKING


def _fours(sigma: float) -> np.ndarray:
    """Taps, centre first, zeros up to a multiple of four each side."""
    taps = _taps(sigma)
    return np.pad(taps, (0, -(len(taps) - 1) % 4))


_SHARP_TAPS, _LOW_TAPS, _MIDDLE_TAPS, _HIGH_TAPS, _MASKING_TAPS = map(_fours, _SIGMAS)


@_fast
def _add_across(row, taps, target):
    """target[x] = sum of symmetric taps over row[x ...], which starts reach before it."""
    reach = taps.size - 1
    centre = taps[0]
    middle = row[reach:]
    for x in range(target.size):
        target[x] = centre * middle[x]
    for k in range(1, reach + 1, 4):
        a, b, c, d = taps[k], taps[k + 1], taps[k + 2], taps[k + 3]
        left, right = row[reach - k - 3 :], row[reach + k :]
        for x in range(target.size):
            target[x] += (
                a * (left[x + 3] + right[x])
                + b * (left[x + 2] + right[x + 1])
                + c * (left[x + 1] + right[x + 2])
                + d * (left[x] + right[x + 3])
            )


@_fast
def _add_down(rows, y, taps, target):
    """target[x] = sum of symmetric taps over rows y ... of rows, which start reach above it."""
    reach = taps.size - 1
    centre, middle = taps[0], rows[y + reach]
    for x in range(target.size):
        target[x] = centre * middle[x]
    for k in range(1, reach + 1, 4):
        a, b, c, d = taps[k], taps[k + 1], taps[k + 2], taps[k + 3]
        up, down = y + reach - k, y + reach + k
        a0, b0, c0, d0 = rows[up], rows[up - 1], rows[up - 2], rows[up - 3]
        a1, b1, c1, d1 = rows[down], rows[down + 1], rows[down + 2], rows[down + 3]
        for x in range(target.size):
            target[x] += a * (a0[x] + a1[x]) + b * (b0[x] + b1[x]) + c * (c0[x] + c1[x]) + d * (d0[x] + d1[x])


@_fast
def _gains(length, taps):
    """1 / sum of the taps that lie inside, by position."""
    reach = taps.size - 1
    out = np.empty(length, np.float32)
    for x in range(length):
        total = taps[0]
        for k in range(1, reach + 1):
            total += (taps[k] if x >= k else _F(0)) + (taps[k] if x + k < length else _F(0))
        out[x] = _F(1) / total
    return out


@_fast
def _blur(plane, taps, mirrored, out):
    """Separable blur; at the edges what lies inside is renormalised, or the plane is mirrored."""
    height, width = plane.shape
    reach = taps.size - 1
    across, down = _gains(width, taps), _gains(height, taps)
    if mirrored:
        across[:], down[:] = 1, 1
    row = np.zeros(width + 2 * reach, np.float32)
    rows = np.zeros((height + 2 * reach, width), np.float32)
    for y in range(height):
        row[reach : reach + width] = plane[y]
        if mirrored:
            for k in range(2):
                row[reach - 1 - k] = plane[y, k]
                row[reach + width + k] = plane[y, width - 1 - k]
        target = rows[reach + y]
        _add_across(row, taps, target)
        for x in range(width):
            target[x] *= across[x]
    if mirrored:
        for k in range(2):
            rows[reach - 1 - k] = rows[reach + k]
            rows[reach + height + k] = rows[reach + height - 1 - k]
    for y in range(height):
        target = out[y]
        _add_down(rows, y, taps, target)
        gain = down[y]
        for x in range(width):
            target[x] *= gain


@_fast
def linear_light(image, table):
    """float32 [3, H, W] of uint8 [H, W, 3], by a table."""
    out = np.empty((3, image.shape[0], image.shape[1]), np.float32)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                out[c, y, x] = table[image[y, x, c]]
    return out


@_fast
def halved(planes):
    """Means of 2×2 pixels, an odd last row or column repeated."""
    channels, height, width = planes.shape
    out = np.empty((channels, (height + 1) // 2, (width + 1) // 2), np.float32)
    for c in range(channels):
        for y in range(out.shape[1]):
            top, bottom = planes[c, 2 * y], planes[c, min(2 * y + 1, height - 1)]
            for x in range(out.shape[2]):
                right = min(2 * x + 1, width - 1)
                out[c, y, x] = _F(0.25) * (top[2 * x] + top[right] + bottom[2 * x] + bottom[right])
    return out


@_inline
def _gamma(v):
    """19.245 ln(v + 9.971) - 23.160, the logarithm by libjxl's rational function of the mantissa."""
    bits = _F(v + _F(9.9710635769299145)).view(np.int32)
    exponent = (bits - np.int32(0x3F2AAAAB)) >> np.int32(23)
    m = np.int32(bits - (exponent << np.int32(23))).view(np.float32) - _F(1)
    above = (_F(7.4245873327820566e-01) * m + _F(1.4287160470083755)) * m + _F(-1.8503833400518310e-06)
    below = (_F(1.7409343003366853e-01) * m + _F(1.0096718572241148)) * m + _F(9.9032814277590719e-01)
    return _F(19.245013259874995 * math.log(2)) * (above / below + _F(exponent)) - _F(23.16046239805755)


@_fast
def _opsin(rgb, blurred, mix):
    """X, Y, B of linear light: absorbances scaled by the slope of the response to the blurred picture."""
    out = np.empty_like(rgb)
    for c in range(3):
        for y in range(rgb.shape[1]):
            r, g, b = rgb[0, y], rgb[1, y], rgb[2, y]
            rr, gg, bb = blurred[0, y], blurred[1, y], blurred[2, y]
            target = out[c, y]
            m0, m1, m2, m3 = mix[c]
            for x in range(rgb.shape[2]):
                before = max(m0 * rr[x] + m1 * gg[x] + m2 * bb[x] + m3, m3)
                slope = max(_gamma(before) / before, _F(1e-4))
                target[x] = max((m0 * r[x] + m1 * g[x] + m2 * b[x] + m3) * slope, m3)
    for y in range(rgb.shape[1]):
        first, second = out[0, y], out[1, y]
        for x in range(rgb.shape[2]):
            a, b = first[x], second[x]
            first[x], second[x] = a - b, a + b
    return out


@_inline
def _shrunk(x, w):
    """Nearer to 0 by w, 0 within w of it."""
    return max(x - w, _F(0)) + min(x + w, _F(0))


@_inline
def _grown(x, w):
    """Farther from 0 by w, or twice x if that is less."""
    return x + min(max(x, -w), w)


@_inline
def _clamped(x, top):
    """Beyond top at a lower slope."""
    inside = min(max(x, -top), top)
    return inside + _F(0.724216145665) * (x - inside)


@_fast
def _bands(xyb):
    """low [3], middle [3], high [2], highest [2] and the activity for masking, blurred."""
    _, height, width = xyb.shape
    low, middle = np.empty_like(xyb), np.empty_like(xyb)
    high, highest = np.empty_like(xyb[:2]), np.empty_like(xyb[:2])
    rest = np.empty_like(xyb)
    for c in range(3):
        _blur(xyb[c], _LOW_TAPS, False, low[c])
        for y in range(height):
            a, b, d = xyb[c, y], low[c, y], rest[c, y]
            for x in range(width):
                d[x] = a[x] - b[x]
        _blur(rest[c], _MIDDLE_TAPS, False, middle[c])
    for y in range(height):
        a, b, c = low[0, y], low[1, y], low[2, y]
        for x in range(width):
            a[x] *= _F(32.2217497012)
            c[x] = _F(47.504615728) * (c[x] - _F(0.362267051518) * b[x])
            b[x] *= _F(13.7697791434)
        x0, x1, y0, y1 = rest[0, y], middle[0, y], rest[1, y], middle[1, y]
        for x in range(width):
            bright = y0[x] - y1[x]
            y0[x] = bright
            y1[x] = _grown(y1[x], _F(0.1))
            x0[x] = (x0[x] - x1[x]) * (_F(46 * (1 - 0.653020556257)) / (bright * bright + _F(46)) + _F(0.653020556257))
            x1[x] = _shrunk(x1[x], _F(0.29))
    for c in range(2):
        _blur(rest[c], _HIGH_TAPS, False, high[c])
    for y in range(height):
        x0, x1, x2 = rest[0, y], high[0, y], highest[0, y]
        y0, y1, y2 = rest[1, y], high[1, y], highest[1, y]
        activity = rest[2, y]
        for x in range(width):
            x2[x] = _shrunk(x0[x] - x1[x], _F(0.04))
            x1[x] = _shrunk(x1[x], _F(1.5))
            bright = _clamped(y1[x], _F(28.4691806922))
            y2[x] = _clamped(y0[x] - bright, _F(5.19175294647)) * _F(2.69313763794)
            y1[x] = _grown(bright * _F(2.155), _F(0.132))
            a, b = _F(2.5) * (x1[x] + x2[x]), _F(0.4) * (y1[x] + y2[x])
            activity[x] = math.sqrt(
                _F(6.19424080439) * math.sqrt(a * a + b * b) + _F(6.19424080439 * 12.61050594197)
            ) - _F(math.sqrt(6.19424080439 * 12.61050594197))
    blurred = np.empty_like(rest[2])
    _blur(rest[2], _MASKING_TAPS, False, blurred)
    return low, middle, high, highest, blurred


@_fast
def eroded(plane):
    """A weighted mean of the three smallest of a value, its double, and its eight neighbours at distance 3."""
    height, width = plane.shape
    padded = np.full((height + 6, width + 6), _F(1e30))
    padded[3 : 3 + height, 3 : 3 + width] = plane
    out = np.empty_like(plane)
    for y in range(height):
        for x in range(width):
            a = plane[y, x]
            b, c = _F(2) * a, _F(2) * a
            for dy in range(0, 7, 3):
                for dx in range(0, 7, 3):
                    if dy != 3 or dx != 3:
                        v = padded[y + dy, x + dx]
                        a, v = min(a, v), max(a, v)
                        b, v = min(b, v), max(b, v)
                        c = min(c, v)
            out[y, x] = _F(0.45) * a + _F(0.3) * b + _F(0.25) * c
    return out


def spectrum(linear: np.ndarray) -> tuple[np.ndarray, ...]:
    """Low [3], middle [3], high [2] and highest [2] bands [C, H, W] and activity [H, W] of linear light [3, H, W]."""
    blurred = np.empty_like(linear)
    for c in range(3):
        _blur(linear[c], _SHARP_TAPS, True, blurred[c])
    return _bands(_opsin(linear, blurred, _MIX))
