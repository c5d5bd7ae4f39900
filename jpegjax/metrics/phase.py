"""Phase congruency: where Fourier components agree in phase, there is a feature, whatever its contrast (Kovesi 1999).

With the parameters of FSIM: 4 scales from wavelength 6 doubling, 4 orientations, log-Gabor bandwidth .55, angular σ of
45° / 1.2, noise threshold at k = 2.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

__all__ = ["LogGabor", "congruency_of", "log_gabor", "phase_congruency", "responses", "root"]

SCALES, ORIENTATIONS = 4, 4
SHORTEST, BANDWIDTH = 6.0, 0.55
SPREAD = np.pi / ORIENTATIONS / 1.2
CUTOFF, ORDER = 0.45, 15
NOISE_SIGMAS, NOISE_SHRINK = 2.0, 1.7
EPSILON = 1e-4


class LogGabor(NamedTuple):
    """Filters for planes of one size, in the order of an unshifted FFT, NumPy float32."""

    radial: np.ndarray
    """`[scale, h, w]`: log-Gabor in frequency, times a low-pass that rounds off the corners; 0 at frequency 0."""
    angular: np.ndarray
    """`[orientation, h, w]`: one-sided Gaussian in angle, so that responses are complex: even + i odd."""
    noise: np.ndarray
    """`[orientation]`: energy of noise over the root of the median squared response at the finest scale."""


@lru_cache(maxsize=8)
def log_gabor(height: int, width: int) -> LogGabor:
    """The filters of `[height, width]` planes; both 2 or more."""
    y, x = np.meshgrid(
        *(np.fft.ifftshift((np.arange(n) - n // 2) / (n - n % 2)) for n in (height, width)), indexing="ij"
    )
    radius, theta = np.hypot(x, y), np.arctan2(-y, x)
    radius[0, 0] = 1
    low_pass = 1 / (1 + (radius / CUTOFF) ** (2 * ORDER))
    centres = 1 / (SHORTEST * 2.0 ** np.arange(SCALES))[:, None, None]
    radial = np.exp(-np.square(np.log(radius / centres)) / (2 * np.log(BANDWIDTH) ** 2)) * low_pass
    radial[:, 0, 0] = 0
    turned = theta - np.arange(ORIENTATIONS)[:, None, None] * np.pi / ORIENTATIONS
    distance = np.abs(np.arctan2(np.sin(turned), np.cos(turned)))
    angular = np.exp(-np.square(distance) / (2 * SPREAD**2))
    noise = np.array([_noise(radial * wedge) for wedge in angular])
    return LogGabor(*(part.astype(np.float32) for part in (radial, angular, noise)))


def _noise(filters: np.ndarray) -> float:
    """Threshold for noise whose median squared response at the finest scale is 1 (Kovesi's estimate); filters `[scale, h, w]`.

    The squared response to Gaussian noise is exponentially distributed, its mean is its median / log 2; the energy
    summed over scales has a Rayleigh distribution.
    """
    power = 1 / np.log(2) / np.square(filters[0]).sum()
    kernels = np.fft.ifft2(filters).real * np.sqrt(filters[0].size)
    tau = np.sqrt(power * np.square(kernels.sum(0)).sum())
    return float((tau * np.sqrt(np.pi / 2) + NOISE_SIGMAS * tau * np.sqrt(2 - np.pi / 2)) / NOISE_SHRINK)


def root(x: jax.Array) -> jax.Array:
    """Square root of x ≥ 0 with a finite slope everywhere; 1e-6 at 0."""
    return jnp.sqrt(jnp.maximum(x, 1e-12))


def _median(values: jax.Array, count: Any) -> jax.Array:
    """Median over the first `count` of the last axis of float32 ≥ 0, the others being infinite; found bit by bit: such floats
    are ordered as their bits are, and 31 counts are faster than a sort.

    Its slope is the mean slope of the values within a tenth of it, as a quantile of many values moves; that of
    the one value in the middle would change from step to step.
    """
    held = lax.stop_gradient(values)
    bits = lax.bitcast_convert_type(held, jnp.int32)

    def ranked(rank: Any) -> jax.Array:
        def narrow(i: jax.Array, found: jax.Array) -> jax.Array:
            candidate = found | (jnp.int32(1 << 30) >> i)
            below = (bits < candidate[..., None]).sum(-1, dtype=jnp.int32)
            return jnp.where(below <= rank, candidate, found)

        found = lax.fori_loop(0, 31, narrow, jnp.zeros(values.shape[:-1], jnp.int32))
        return lax.bitcast_convert_type(found, jnp.float32)

    median = (ranked((count - 1) // 2) + ranked(count // 2)) / 2
    near = jnp.abs(held - median[..., None]) <= median[..., None] / 10
    moved = jnp.where(near, values - held, 0).sum(-1) / jnp.maximum(near.sum(-1, dtype=jnp.float32), 1)
    return median + moved


def _scaled(spectrum: jax.Array, gain: jax.Array) -> jax.Array:
    return lax.complex(spectrum.real * gain, spectrum.imag * gain)


def _energy(response: jax.Array, noise: jax.Array, count: Any) -> tuple[jax.Array, jax.Array]:
    """(energy above the noise, amplitude) `[..., P]` of complex responses `[..., scale, P]`, of which the first `count` count."""
    # scale by scale: XLA makes one loop of it, but of reductions over the scales several slow ones
    scales = [response[..., s, :] for s in range(SCALES)]
    even, odd = [r.real for r in scales], [r.imag for r in scales]
    squares = [jnp.square(e) + jnp.square(o) for e, o in zip(even, odd, strict=True)]
    even_sum, odd_sum, amplitude = sum(even), sum(odd), sum(map(root, squares), jnp.float32(0))
    strength = root(jnp.square(even_sum) + jnp.square(odd_sum)) + EPSILON
    mean_even, mean_odd = even_sum / strength, odd_sum / strength
    across = sum(jnp.abs(e * mean_odd - o * mean_even) for e, o in zip(even, odd, strict=True))
    finest = squares[0]
    if not isinstance(count, int):
        finest = jnp.where(np.arange(finest.shape[-1]) < count, finest, jnp.inf)
    floor = noise * root(_median(finest, count))
    energy = even_sum * mean_even + odd_sum * mean_odd - across
    return jnp.maximum(energy - floor[..., None], 0), amplitude


def phase_congruency(planes: jax.Array, filters: LogGabor) -> jax.Array:
    """Phase congruency, 0..1, of planes `[..., h, w]` (samples 0..255: the constants that keep divisions finite are absolute)."""
    *batch, height, width = planes.shape
    spectrum = _scaled(jnp.fft.fft2(planes)[..., None, :, :], jnp.asarray(filters.radial))
    count = height * width

    def orientation(sums: tuple[jax.Array, jax.Array], given: tuple[jax.Array, jax.Array]) -> tuple[tuple, None]:
        wedge, noise = given
        response = jnp.fft.ifft2(_scaled(spectrum, wedge))
        energy, amplitude = _energy(response.reshape(*batch, SCALES, count), noise, count)
        return (sums[0] + energy, sums[1] + amplitude), None

    start = (jnp.zeros((*batch, count), jnp.float32),) * 2
    (energy, amplitude), _ = lax.scan(orientation, start, (jnp.asarray(filters.angular), jnp.asarray(filters.noise)))
    return (energy / (amplitude + EPSILON)).reshape(planes.shape)


def responses(planes: np.ndarray, filters: LogGabor, length: int) -> np.ndarray:
    """Complex64 `[orientation, N, scale, length]` of NumPy planes `[N, h, w]`, pixels in a row, zeros behind them.

    NumPy's FFT compiles nothing, whatever the size.
    """
    n, height, width = planes.shape
    found = np.zeros((ORIENTATIONS, n, SCALES, length), np.complex64)
    spectrum = np.fft.fft2(planes)[:, None] * filters.radial
    for one, wedge in zip(found, filters.angular, strict=True):
        one[..., : height * width] = np.fft.ifft2(spectrum * wedge).reshape(n, SCALES, -1)
    return found


def congruency_of(response: jax.Array, noise: jax.Array, count: Any) -> jax.Array:
    """Phase congruency `[N, P]` of what `responses` gives, of which the first `count` count."""

    def orientation(sums: tuple[jax.Array, jax.Array], given: tuple[jax.Array, jax.Array]) -> tuple[tuple, None]:
        energy, amplitude = _energy(*given, count)
        return (sums[0] + energy, sums[1] + amplitude), None

    start = (jnp.zeros((response.shape[1], response.shape[3]), jnp.float32),) * 2
    (energy, amplitude), _ = lax.scan(orientation, start, (response, noise))
    return energy / (amplitude + EPSILON)
