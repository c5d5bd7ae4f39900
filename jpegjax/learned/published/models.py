"""The published codecs of one rate each: `factorized`, `hyperprior` and `mean-scale`, as wide as CompressAI has them.

    pixels ─▶ analysis: 5×5 convolutions of stride 2, GDN ─▶ y ─┬────────────────────────▶ + ─▶ synthesis, its mirror ─▶ pixels
                                                               ├─▶ hyper analysis ─▶ z    ▲
    z ─▶ hyper synthesis ─┬─ in integers: levels of y's tables  │                          │
                          └─ in floats:   means of y (mean-scale only) ───────────────────┘

J. Ballé, D. Minnen, S. Singh, S. J. Hwang and N. Johnston, "Variational image compression with a scale hyperprior", 2018,
arXiv:1802.01436 (`factorized`, `hyperprior`); D. Minnen, J. Ballé and G. Toderici, "Joint autoregressive and hierarchical
priors", 2018, arXiv:1809.02736 (`mean-scale`: without the autoregressive part). What differs from them: scales come from an
integer reading of the hyper synthesis (`integers`; ReLU and a clip, also where the paper's leaks), so that streams decode
anywhere, and medians are solved for where CompressAI learns them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..layers.convolution import (
    Convolution,
    Normalisation,
    Transposed,
    convolve,
    convolve_transposed,
    in_bands,
    inner_rows,
)
from ..layers.density import SCALE_MIN, gaussian_bits, scale_grid
from ..layers.factorised import FactorisedDensity
from ..layers.integers import ACTIVATION, LARGEST, WEIGHT, IntegerConvolution, activate
from ..layers.quantise import add_noise, at_least, round_through
from ..light import Trained

__all__ = [
    "QUALITIES", "Factorized", "Hyperprior", "MeanScale", "Published", "factorized", "hyperprior", "mean_scale",
    "rate_distortion", "weight",
]  # fmt: skip

QUALITIES = range(1, 9)
_MSE = (0.0018, 0.0035, 0.0067, 0.0130, 0.0250, 0.0483, 0.0932, 0.1800)
_MS_SSIM = (2.40, 4.58, 8.73, 16.64, 31.73, 60.50, 115.37, 220.00)
_SMALL, _LARGE = (128, 192), (192, 320)
_BAND = 8
"""Rows of the second and of the last but one layer that are made together."""
_UNIT = WEIGHT * ACTIVATION
"""Units of an integer sum to 1.0 of a scale."""


class Analysis(nnx.Module):
    """y from pixels, [N, H, W, 3] → float32 [N, H/16, W/16, latents]; the last layer is always in float32."""

    def __init__(self, width: int, latents: int, *, rngs: nnx.Rngs) -> None:
        ends = (3, width, width, width, latents)
        self.down = nnx.List([Convolution(a, b, rngs=rngs) for a, b in pairwise(ends)])
        self.norms = nnx.List([Normalisation(width) for _ in range(3)])

    def __call__(self, x: jax.Array) -> jax.Array:
        for down, norm in zip(self.down, self.norms, strict=False):
            x = norm(down(x))
        return self.down[-1](x.astype(jnp.float32))

    def in_bands(self, pixels: jax.Array) -> jax.Array:
        """The same, forwards alone and faster: two layers in bands, so that what is between them stays in cache."""
        height = pixels.shape[1]

        def stage(x: jax.Array, start: jax.Array) -> jax.Array:
            inner = self.norms[0](self.down[0].within(x[:, :-3]))
            return self.down[1].within(inner_rows(inner, start // 2 - 2, height // 2))

        x = self.norms[1](in_bands(pixels, math.gcd(height, 4 * _BAND), 6, stage))
        return self.down[3](self.norms[2](self.down[2](x)).astype(jnp.float32))


class Synthesis(nnx.Module):
    """Pixels from y, [N, H/16, W/16, latents] → float32 [N, H, W, 3]; the last layer is always in float32."""

    def __init__(self, width: int, latents: int, *, rngs: nnx.Rngs) -> None:
        ends = (latents, width, width, width, 3)
        self.up = nnx.List([Transposed(a, b, rngs=rngs) for a, b in pairwise(ends)])
        self.norms = nnx.List([Normalisation(width, inverse=True) for _ in range(3)])

    def __call__(self, x: jax.Array) -> jax.Array:
        for up, norm in zip(self.up, self.norms, strict=False):
            x = norm(up(x))
        return self.up[-1](x.astype(jnp.float32))

    def in_bands(self, y: jax.Array) -> jax.Array:
        """The same, forwards alone and faster."""
        x = y
        for up, norm in zip(list(self.up)[:2], self.norms, strict=False):
            x = norm(up(x))
        height = x.shape[1]

        def stage(x: jax.Array, start: jax.Array) -> jax.Array:
            inner = self.norms[2](self.up[2].within(x)[:, 1:-1])
            return self.up[3].within(inner_rows(inner, 2 * start - 1, 2 * height).astype(jnp.float32))

        return in_bands(x, math.gcd(height, _BAND), 2, stage)


class HyperAnalysis(nnx.Module):
    """z from what is known of y, [N, H/16, W/16, latents] → [N, H/64, W/64, width]. slope: of negative values."""

    def __init__(self, width: int, latents: int, slope: float, *, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([
            Convolution(latents, width, rngs=rngs, size=3, stride=1),
            Convolution(width, width, rngs=rngs),
            Convolution(width, width, rngs=rngs),
        ])  # fmt: skip
        self.slope = slope

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in list(self.layers)[:-1]:
            x = jax.nn.leaky_relu(layer(x), self.slope)
        return self.layers[-1](x)


class HyperSynthesis(nnx.Module):
    """What the coder is told of y from z, [N, H/64, W/64, width] → [N, H/16, W/16, outputs]; one set of weights, read twice.

    Args:
        ends: Channels of z, behind the first and second layer, and of the result.
        slope: Of negative values in floats; in integers there are none.
        rngs: Where weights come from.
    """

    def __init__(self, ends: tuple[int, int, int, int], slope: float, *, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([
            IntegerConvolution(ends[0], ends[1], rngs=rngs, up=True, unit=1),
            IntegerConvolution(ends[1], ends[2], rngs=rngs, up=True),
            IntegerConvolution(ends[2], ends[3], rngs=rngs),
        ])  # fmt: skip
        self.slope = slope

    def sums(self, symbols: jax.Array) -> jax.Array:
        """The integer reading, of z's symbols, float32; in 4096ths."""
        x = activate(self.layers[0](jnp.clip(symbols, -LARGEST, LARGEST)) * ACTIVATION)
        return self.layers[2](activate(self.layers[1](x)))

    def floats(self, z: jax.Array) -> jax.Array:
        """The published reading, without an activation behind the last layer."""
        first, second, last = self.layers
        for layer in (first, second):
            z = jax.nn.leaky_relu(convolve_transposed(z, layer.kernel[...]) + layer.bias[...], self.slope)
        return convolve(z, last.kernel[...]) + last.bias[...]


class Published(nnx.Module):
    """What all three have.

    Args:
        width: CompressAI's N, channels inside.
        latents: Its M, channels of y.
        coded: Channels that the factorised density describes.
        quality: 1..8, of the rate.
        rngs: Where weights come from.
    """

    align: int

    def __init__(self, width: int, latents: int, coded: int, quality: int, *, rngs: nnx.Rngs) -> None:
        self.latents, self.quality = latents, quality
        self.analysis = Analysis(width, latents, rngs=rngs)
        self.synthesis = Synthesis(width, latents, rngs=rngs)
        self.density = FactorisedDensity(coded, rngs=rngs)

    def __call__(self, pixels: jax.Array, key: jax.Array) -> Trained:
        """Training: noise stands in for rounding. pixels: [N, H, W, 3], 0..1, in the type to compute with."""
        raise NotImplementedError


class Factorized(Published):
    """bmshj2018-factorized: each channel of y has a density of its own."""

    align = 16

    def __init__(self, width: int, latents: int, quality: int, *, rngs: nnx.Rngs) -> None:
        super().__init__(width, latents, latents, quality, rngs=rngs)

    def __call__(self, pixels: jax.Array, key: jax.Array) -> Trained:
        y = add_noise(self.analysis(pixels), key)
        bits = jnp.sum(self.density.bits(y), (1, 2, 3))
        return Trained(self.synthesis(y.astype(pixels.dtype)), bits)


class Hyperprior(Published):
    """bmshj2018-hyperprior: z tells the scales of y, and has the densities."""

    align = 64

    def __init__(self, width: int, latents: int, quality: int, *, rngs: nnx.Rngs) -> None:
        super().__init__(width, latents, width, quality, rngs=rngs)
        self.hyper_analysis = HyperAnalysis(width, latents, 0.0, rngs=rngs)
        self.hyper_synthesis = HyperSynthesis((width, width, width, latents), 0.0, rngs=rngs)

    def hyper(self, y: jax.Array) -> jax.Array:
        """z of y."""
        return self.hyper_analysis(jnp.abs(y))

    def means(self, symbols: jax.Array, medians: jax.Array) -> jax.Array:
        """Of y, from z's symbols: a number that fits all, here 0."""
        return jnp.zeros((), jnp.float32)

    def levels(self, symbols: jax.Array) -> jax.Array:
        """Which table each value of y has, uint8 [N, H/16, W/16, latents], of z's symbols: the scale's nearest, by ratio."""
        sums = self.hyper_synthesis.sums(symbols)[..., : self.latents]
        level = jnp.zeros(sums.shape, jnp.uint8)
        for threshold in _thresholds():
            level += (sums >= threshold).astype(jnp.uint8)
        return level

    def __call__(self, pixels: jax.Array, key: jax.Array) -> Trained:
        key_z, key_y = jax.random.split(key)
        y = self.analysis(pixels)
        z, medians = self.hyper(y), self.density.medians()
        bits = jnp.sum(self.density.bits(add_noise(z, key_z)), (1, 2, 3))
        symbols = round_through(z - medians)
        scales = at_least(self.hyper_synthesis.sums(symbols)[..., : self.latents] * (1 / _UNIT), SCALE_MIN)
        means = self.means(symbols, medians)
        noisy = add_noise(y, key_y)
        bits += jnp.sum(gaussian_bits(noisy - means, scales), (1, 2, 3))
        return Trained(self.synthesis(noisy.astype(pixels.dtype)), bits)


class MeanScale(Hyperprior):
    """mbt2018-mean: z tells the means of y too."""

    def __init__(self, width: int, latents: int, quality: int, *, rngs: nnx.Rngs) -> None:
        super().__init__(width, latents, quality, rngs=rngs)
        self.hyper_analysis = HyperAnalysis(width, latents, 0.01, rngs=rngs)
        self.hyper_synthesis = HyperSynthesis((width, latents, latents * 3 // 2, latents * 2), 0.01, rngs=rngs)

    def hyper(self, y: jax.Array) -> jax.Array:
        return self.hyper_analysis(y)

    def means(self, symbols: jax.Array, medians: jax.Array) -> jax.Array:
        return self.hyper_synthesis.floats(symbols + medians)[..., self.latents :]


def _thresholds() -> list[float]:
    """Sums from which the next table is nearer: whole numbers."""
    grid = scale_grid()
    return np.ceil(np.sqrt(grid[1:] * grid[:-1]) * _UNIT).tolist()


def _size(quality: int, last_small: int) -> tuple[int, int]:
    if quality not in QUALITIES:
        raise ValueError(f"quality={quality}: the published models have 1..8")
    return _SMALL if quality <= last_small else _LARGE


def factorized(quality: int, *, rngs: nnx.Rngs) -> Factorized:
    """bmshj2018-factorized, untrained. quality: 1..8, CompressAI's. Raises ValueError for another."""
    return Factorized(*_size(quality, 5), quality, rngs=rngs)


def hyperprior(quality: int, *, rngs: nnx.Rngs) -> Hyperprior:
    """bmshj2018-hyperprior, untrained. quality: 1..8, CompressAI's. Raises ValueError for another."""
    return Hyperprior(*_size(quality, 5), quality, rngs=rngs)


def mean_scale(quality: int, *, rngs: nnx.Rngs) -> MeanScale:
    """mbt2018-mean, untrained. quality: 1..8, CompressAI's. Raises ValueError for another."""
    return MeanScale(*_size(quality, 4), quality, rngs=rngs)


def weight(quality: int, metric: str = "mse") -> float:
    """λ of a quality 1..8: of 255² times the squared error, or of 1 − MS-SSIM, beside bits a pixel."""
    return 255**2 * _MSE[quality - 1] if metric == "mse" else _MS_SSIM[quality - 1]


Similarity = Callable[[jax.Array, jax.Array], jax.Array]
Loss = Callable[[Any, Mapping[str, jax.Array], jax.Array], tuple[jax.Array, dict[str, jax.Array]]]


def rate_distortion(similarity: Similarity | None = None, *, dtype: Any = jnp.float32) -> Loss:
    """What a model is trained for: λ · distortion + bits a pixel, λ that of the model's quality.

    Args:
        similarity: [N] of two batches float32 [N, H, W, 3] in 0..1, 1 for equal ones, such as `metrics.ms_ssim` with
            data_range=1 and channel="rgb". Default: the squared error instead.
        dtype: What the networks compute with; entropy model and loss are in float32.

    Returns:
        (model, {"pixels": uint8 [N, H, W, 3]}, key) → (loss, {"bpp", "mse"}, and "similarity" if there is one).
    """

    def loss(model: Any, batch: Mapping[str, jax.Array], key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        pixels = jnp.asarray(batch["pixels"]).astype(jnp.float32) / 255
        made = model(pixels.astype(dtype), key)
        bpp = jnp.mean(made.bits) / (pixels.shape[1] * pixels.shape[2])
        found = {"bpp": bpp, "mse": jnp.mean((made.pixels - pixels) ** 2)}
        if similarity is None:
            return weight(model.quality) * found["mse"] + bpp, found
        found["similarity"] = jnp.mean(similarity(pixels, made.pixels))
        return weight(model.quality, "ms-ssim") * (1 - found["similarity"]) + bpp, found

    return loss
