"""Butteraugli at the speed a search needs: numba, one core, float32, the reference's side computed once.

The definition of `jpegjax.metrics.butteraugli` (libjxl 0.7's `butteraugli_main`, at 80 nits), in the order that suits a cache.
Search only: every reported number comes from `jpegjax.metrics`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["Butteraugli"]

_fast = njit(fastmath=True, cache=True, nogil=True)
_inline = njit(inline="always", fastmath=True, cache=True)
_F = np.float32
_NITS, _ASYMMETRY, _GOOD = 80.0, 0.8, 17.8 * 0.79079917404
_SRGB = np.arange(256) / 255
_LINEAR = np.where(_SRGB <= 0.04045, _SRGB / 12.92, ((_SRGB + 0.055) / 1.055) ** 2.4).astype(np.float32)
_OPSIN = np.array(
    [
        [0.29956550340058319, 0.63373087833825936, 0.077705617820981968, 1.7557483643287353],
        [0.22158691104574774, 0.69391388044116142, 0.0987313588422, 1.7557483643287353],
        [0.02, 0.02, 0.20480129041026129, 12.226454707163354],
    ],
    np.float32,
)


def _taps(sigma: float) -> np.ndarray:
    """A Gaussian cut at 2.25 sigma, unit gain; centre first, zeros up to a multiple of four each side."""
    reach = max(1, int(2.25 * sigma))
    taps = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    return np.pad(taps / (2 * taps.sum() - 1), (0, -reach % 4)).astype(np.float32)


_SHARP, _LOW, _MIDDLE, _HIGH, _MASK = map(_taps, (1.2, 7.15593339443, 3.22489901262, 1.56416327805, 2.7))


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
def _linear(image, table):
    out = np.empty((3, image.shape[0], image.shape[1]), np.float32)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                out[c, y, x] = table[image[y, x, c]]
    return out


@_fast
def _halve(planes):
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
            m0, m1, m2, m3 = _F(_NITS) * mix[c, 0], _F(_NITS) * mix[c, 1], _F(_NITS) * mix[c, 2], mix[c, 3]
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
        _blur(xyb[c], _LOW, False, low[c])
        for y in range(height):
            a, b, d = xyb[c, y], low[c, y], rest[c, y]
            for x in range(width):
                d[x] = a[x] - b[x]
        _blur(rest[c], _MIDDLE, False, middle[c])
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
        _blur(rest[c], _HIGH, False, high[c])
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
    _blur(rest[2], _MASK, False, blurred)
    return low, middle, high, highest, blurred


@_fast
def _erode(plane):
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


def _malta(sharpness: float, weight: float, asymmetry: float, norm: float) -> tuple[float, float, float]:
    """(norm, weight of differences, weight of what is weaker or stronger) for a band's lines."""
    scale = sharpness / (2 * 3.75 + 1) * norm
    return norm, scale * math.sqrt(0.5 * weight * asymmetry), scale * math.sqrt(0.33 * weight / asymmetry)


_DENSE, _SPARSE = 0.39905817637, 0.611612573796
_MALTA = np.array(
    [
        [_malta(_DENSE, 173.5, _ASYMMETRY, 5.0), _malta(_DENSE, 1.10039032555, _ASYMMETRY, 71.7800275169)],
        [
            _malta(_SPARSE, 6923.99476109, math.sqrt(_ASYMMETRY), 8051.15833247),
            _malta(_SPARSE, 18.7237414387, math.sqrt(_ASYMMETRY), 4498534.45232),
        ],
        [_malta(_SPARSE, 8246.75321353, 1, 1009002.70582), _malta(_SPARSE, 37.0819870399, 1, 130262059.556)],
    ],
    np.float32,
)
_HIGH_WEIGHTS = 0.8 * np.array([400.0, 1.50815703118, 0.0])
_WEIGHTS = np.array(
    [
        _HIGH_WEIGHTS * _ASYMMETRY,
        _HIGH_WEIGHTS / _ASYMMETRY,
        [2150.0, 10.6195433239, 16.2176043152],
        [29.2353797994, 0.844626970982, 0.703646627719],
    ],
    np.float32,
)


def _spectrum(linear: np.ndarray) -> tuple[np.ndarray, ...]:
    blurred = np.empty_like(linear)
    for c in range(3):
        _blur(linear[c], _SHARP, True, blurred[c])
    return _bands(_opsin(linear, blurred, _OPSIN))


def _masks(activity: np.ndarray) -> np.ndarray:
    """[2, H, W]: what squared differences of the low band, and of the others, are multiplied by."""
    eroded = _erode(activity)
    low = 1 + 0.505054525019 / (3.87449418804 * eroded + 0.20025578522)
    other = 1 + 2.5485944793 / (0.451936922203 * eroded + 0.829591754942)
    return np.square(np.stack([low, other]) / _GOOD).astype(np.float32)


class Butteraugli:
    """A picture, uint8 [H, W, 3], each side at least 15, that others are compared with."""

    def __init__(self, reference: np.ndarray):
        linear = _linear(reference, _LINEAR)
        self._spectra = [_spectrum(linear), _spectrum(_halve(linear))]
        self._masks = [_masks(bands[4]) for bands in self._spectra]

    def scores(self, image: np.ndarray) -> tuple[float, float]:
        """(the largest distance, the 3-norm as `butteraugli_main` prints it), of an image of the reference's shape."""
        linear = _linear(image, _LINEAR)
        maps = [
            _distances(bands, _spectrum(rgb), masks, _MALTA, _WEIGHTS)
            for rgb, bands, masks in zip((linear, _halve(linear)), self._spectra, self._masks, strict=True)
        ]
        top, three = _norms(*maps)
        return float(top), float(three)
