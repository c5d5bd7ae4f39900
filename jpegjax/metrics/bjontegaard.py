"""Bjøntegaard deltas: how far apart two rate–distortion curves lie. NumPy float64 on the host."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

__all__ = ["BjontegaardDelta", "bd_psnr", "bd_rate"]

Curve = Iterable[tuple[float, float]]


class BjontegaardDelta(float):
    """A delta, a number as any other, that knows the interval [low, high] that it is the mean over."""

    low: float
    high: float

    def __new__(cls, value: float, low: float, high: float) -> BjontegaardDelta:
        self = super().__new__(cls, value)
        self.low, self.high = float(low), float(high)
        return self

    def __reduce__(self) -> tuple[type, tuple[float, float, float]]:
        return type(self), (float(self), self.low, self.high)

    def __repr__(self) -> str:
        return f"{float(self):+.2f} over [{self.low:.6g}, {self.high:.6g}]"


def bd_rate(anchor: Curve, test: Curve, *, interval: tuple[float, float] | None = None) -> BjontegaardDelta:
    """Mean difference in rate at equal quality, in percent: −10 says that `test` needs 10 % fewer bits than `anchor`.

    The logarithm of the rate is interpolated over quality by monotone cubics (PCHIP, Fritsch and Carlson, as the VCEG's
    later tools and JVET do) and averaged over a range of qualities.

    Args:
        anchor: Curve of (bpp, quality) to compare with, in any order; rate in any unit, above 0; quality in any scale, higher
            is better (put MS-SSIM into decibels first). Two points make a curve; four or more are customary.
        test: Curve to judge.
        interval: Range (low, high) of qualities to average over; by default the common one.

    Returns:
        A float that holds the range of qualities as `low` and `high`.

    Raises:
        ValueError: The curves share no range of qualities, or do not both cover interval (nothing is extrapolated); a curve has
            fewer than two points, NaN, infinity or a rate that is not positive; or more bits do not give more quality.
    """
    (rates_a, quality_a), (rates_t, quality_t) = _curve("anchor", anchor), _curve("test", test)
    low, high = _common(quality_a, quality_t, interval, "quality")
    gap = _mean(quality_t, np.log(rates_t), low, high) - _mean(quality_a, np.log(rates_a), low, high)
    return BjontegaardDelta(100 * np.expm1(gap), low, high)


def bd_psnr(anchor: Curve, test: Curve, *, interval: tuple[float, float] | None = None) -> BjontegaardDelta:
    """Mean difference in quality at equal rate, in units of quality: +1 says that `test` is 1 dB better than `anchor`.

    As `bd_rate`, the other way round: quality over the logarithm of the rate.

    Args:
        anchor: Curve of (bpp, quality) to compare with, in any order; rate in any unit, above 0; quality in any scale, higher
            is better (put MS-SSIM into decibels first). Two points make a curve; four or more are customary.
        test: Curve to judge.
        interval: Range (low, high) of rates to average over; by default the common one.

    Returns:
        A float that holds the range of rates as `low` and `high`.

    Raises:
        ValueError: The curves share no range of rates, or do not both cover interval (nothing is extrapolated); a curve has
            fewer than two points, NaN, infinity or a rate that is not positive; or more bits do not give more quality.
    """
    (rates_a, quality_a), (rates_t, quality_t) = _curve("anchor", anchor), _curve("test", test)
    low, high = _common(rates_a, rates_t, interval, "rate")
    ends = float(np.log(low)), float(np.log(high))
    gap = _mean(np.log(rates_t), quality_t, *ends) - _mean(np.log(rates_a), quality_a, *ends)
    return BjontegaardDelta(gap, low, high)


def _curve(name: str, points: Curve) -> tuple[np.ndarray, np.ndarray]:
    """(rates, qualities), both strictly increasing."""
    array = np.array(list(points), np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or len(array) < 2:
        raise ValueError(f"{name} must be two or more points (bpp, quality); its shape is {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity (a lossless point has no place on the curve)")
    if (array[:, 0] <= 0).any():
        raise ValueError(f"{name} has a rate of {array[:, 0].min()}; rates must be above 0")
    rates, quality = array[np.lexsort(array.T[::-1])].T
    for i in np.flatnonzero((np.diff(rates) <= 0) | (np.diff(quality) <= 0)):
        a, b = (f"({rates[j]:.6g}, {quality[j]:.6g})" for j in (i, i + 1))
        raise ValueError(f"{name} does not rise from {a} to {b}: more bits must give more quality")
    return rates, quality


def _common(a: np.ndarray, b: np.ndarray, interval: tuple[float, float] | None, what: str) -> tuple[float, float]:
    low, high = float(max(a[0], b[0])), float(min(a[-1], b[-1]))
    spans = f"anchor spans {a[0]:.6g}..{a[-1]:.6g}, test {b[0]:.6g}..{b[-1]:.6g}"
    if interval is None:
        if not low < high:
            raise ValueError(f"the curves have no {what} in common, and nothing is extrapolated: {spans}")
        return low, high
    first, last = (float(end) for end in interval)
    if not first < last:
        raise ValueError(f"interval is {interval}; it must be (low, high) with low < high")
    if first < low or last > high:
        raise ValueError(
            f"interval {first:.6g}..{last:.6g} of {what} is not covered, and nothing is extrapolated: {spans}"
        )
    return first, last


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Derivatives at the knots that keep the cubics monotone (Fritsch and Carlson 1980, Fritsch and Butland 1984)."""
    h, d = np.diff(x), np.diff(y) / np.diff(x)
    if len(x) == 2:
        return np.repeat(d, 2)
    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    turns = d[:-1] * d[1:] <= 0
    safe = np.where(turns, 1.0, d[:-1]), np.where(turns, 1.0, d[1:])
    inside = np.where(turns, 0.0, (w1 + w2) / (w1 / safe[0] + w2 / safe[1]))
    return np.array([_end(h[0], h[1], d[0], d[1]), *inside, _end(h[-1], h[-2], d[-1], d[-2])])


def _end(h0: float, h1: float, d0: float, d1: float) -> float:
    """Three-point derivative at an end, bent so that the curve neither turns nor overshoots."""
    slope = ((2 * h0 + h1) * d0 - h0 * d1) / (h0 + h1)
    if slope * d0 <= 0:
        return 0.0
    return 3 * d0 if d0 * d1 <= 0 and abs(slope) > 3 * abs(d0) else slope


def _mean(x: np.ndarray, y: np.ndarray, low: float, high: float) -> float:
    """Mean of the interpolant through (x, y) over [low, high]."""
    h, d, slopes = np.diff(x), np.diff(y) / np.diff(x), _slopes(x, y)
    quadratic = (3 * d - 2 * slopes[:-1] - slopes[1:]) / h
    cubic = (slopes[:-1] + slopes[1:] - 2 * d) / h**2

    def integral(t: np.ndarray) -> np.ndarray:  # from the left knot of each piece
        return t * (y[:-1] + t * (slopes[:-1] / 2 + t * (quadratic / 3 + t * cubic / 4)))

    upper, lower = np.clip(high - x[:-1], 0, h), np.clip(low - x[:-1], 0, h)
    return float((integral(upper) - integral(lower)).sum() / (high - low))
