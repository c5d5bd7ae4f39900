"""The library's own learned codec: one light model for all rates.

    pixels ─▶ 8×8 DCT of YCbCr ─┬─▶ linear: 16×16 DCT ────────▶ + ─▶ · gain(quality) ─▶ y ─▶ hyper analysis ─▶ z
              (a trained layer) └─▶ blocks, two 8×8 to one ──▶ ┘
    z ─▶ integers: features, levels of half of y ─▶ with that half's symbols: levels of the other half
    z ─▶ floats:   features, means  of half of y ─▶ with that half's values:  means  of the other half
    y ─▶ / gain(quality) ─┬─▶ linear: 8×8 DCTs ──▶ + ─▶ inverse DCT and colour (a trained layer) ─▶ pixels
                          └─▶ blocks ────────────▶ ┘

The linear paths start as the DCT, so that training begins at JPEG's transform (auxiliary transforms halve the training time:
AuxT, Li et al. 2025). y has one place for 16×16 pixels, z for 64×64. The two halves of y are a checkerboard over rows, columns
and channels at once (He et al. 2021, arXiv:2103.15306; Li et al. 2023, arXiv:2302.14402). What the entropy coder is steered by
is integers (`integers`): symbols are round(y − mean), tables have no mean, so floats never steer it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..ops.color import FORWARD, INVERSE
from .layers.dense import Block, Dense, Depthwise, Knots, depth_to_space, hard_swish, space_to_depth
from .layers.density import SCALES, dead_zone, level_of, scale_of, trained_bits
from .layers.integers import ACTIVATION, WEIGHT, IntegerDense, IntegerDepthwise, Rows, activate, magnitude
from .layers.quantise import round_through
from .parts import SKIP, indexes_of

__all__ = ["STANDARD", "SYNTHESIS", "Light", "LightSize", "Trained", "rate_weight"]

LEVELS = 8
"""Levels of the scale grid to 1.0 of the integer network's output."""
_SUMS = WEIGHT * ACTIVATION // LEVELS
"""Units of an integer sum to a level."""


@dataclass(frozen=True, slots=True)
class LightSize:
    """Channels and blocks.

    Args:
        width: Channels at 8×8 pixels.
        latents: Channels of y.
        hyper: Channels of z.
        features: Channels of what z is turned into.
        hidden: Channels inside the networks that predict means and levels.
        encoder, decoder: Blocks at 8×8 pixels.
        deep: Channels of the decoder's block at 16×16 pixels.
        decoded: Channels of the decoder at 8×8 pixels; None for `width`.
    """

    width: int = 128
    latents: int = 384
    hyper: int = 96
    features: int = 96
    hidden: int = 160
    encoder: int = 3
    decoder: int = 5
    deep: int = 192
    decoded: int | None = None


STANDARD = LightSize()
"""Of the models that the package brings."""


SYNTHESIS = ("split", "deep", "deep_scale", "deep_block", "up", "up_scale", "decoder", "out", "back")
"""Parts of the model that nothing but decoded pixels depends on: others in their place read the same streams."""


class Trained(NamedTuple):
    """What training sees. pixels: [N, H, W, 3], 0..1, not clipped. bits: [N], of y and z."""

    pixels: jax.Array
    bits: jax.Array


def rate_weight(quality: np.ndarray) -> np.ndarray:
    """λ of a quality 1..100: squared error (pixels 0..1, mean over samples) · λ + bits a pixel is the loss; 60..24000."""
    return 60 * 400 ** ((quality - 1) / 99)


def _log_gain(quality: np.ndarray) -> np.ndarray:
    """Logarithm of 1 / step: the step at which λ's slope is a uniform quantiser's at a high rate, D = step² / 12."""
    return 0.5 * np.log(rate_weight(quality) / 26)


def _cosines(n: int) -> np.ndarray:
    """The orthonormal DCT-II, [frequency, sample]."""
    k, x = np.mgrid[:n, :n]
    return np.sqrt(np.where(k == 0, 1, 2) / n) * np.cos(np.pi * (2 * x + 1) * k / (2 * n))


def _front() -> np.ndarray:
    """[8·8·3 samples RGB, 8·8·3 coefficients YCbCr]: colour and the 8×8 DCT as one matrix."""
    c = _cosines(8)
    return np.einsum("vy,ux,dc->yxcvud", c, c, np.asarray(FORWARD)).reshape(192, 192)


def _back() -> np.ndarray:
    """Inverse of `_front`."""
    c = _cosines(8)
    return np.einsum("vy,ux,cd->vudyxc", c, c, np.asarray(INVERSE)).reshape(192, 192)


def _deviations() -> np.ndarray:
    """About the standard deviation of each coefficient of the 16×16 DCT of YCbCr in photographs 0..1, [768]: fitted powers."""
    v, u, d = np.mgrid[:16, :16, :3]
    f = 1 + np.hypot(v, u)
    return np.where(d == 0, 2.3 * f**-1.5, 0.7 * f**-1.75).ravel()


def _likely(latents: int) -> np.ndarray:
    """Which of the 768 coefficients of `_deviations` y starts as, the largest first."""
    return np.argsort(-_deviations(), kind="stable")[:latents]


def _merge(latents: int) -> np.ndarray:
    """[2·2 blocks' 8×8 coefficients, latents]: coefficients of the 16×16 DCT, which spans the same space."""
    c8, c16 = _cosines(8), _cosines(16)
    halves = np.stack([c16[:, :8] @ c8.T, c16[:, 8:] @ c8.T], 1)  # [16 frequencies, half, 8 frequencies]
    whole = np.einsum("vas,ubt,de->abstevud", halves, halves, np.eye(3)).reshape(768, 16, 16, 3)
    return whole.reshape(768, 768)[:, _likely(latents)]


class Hyper(nnx.Module):
    """z from y, and from z what both halves of y share: features in integers and in floats."""

    def __init__(self, size: LightSize, *, rngs: nnx.Rngs) -> None:
        h, f = size.hyper, size.features
        self.down = nnx.List(
            [Dense(size.latents, f, rngs=rngs), Dense(4 * f, f, rngs=rngs), Dense(4 * f, h, rngs=rngs, gain=6)]
        )
        self.blocks = nnx.List([Block(f, rngs=rngs) for _ in range(2)])
        self.mean = Knots(h)
        self.level: Knots | Rows = Knots(h, lambda q: np.full(q.shape, level_of(np.ones(1)) / LEVELS), 4)
        self.up = Dense(h, f, rngs=rngs)
        self.spread = Dense(f, 16 * f, rngs=rngs)
        self.smooth = Block(f, rngs=rngs)
        self.integer = nnx.List([IntegerDense(2 * h, f, rngs=rngs, gain=2), IntegerDense(f, 16 * f, rngs=rngs, gain=2)])
        self.integer_mix = IntegerDepthwise(f)
        self.integer_out = IntegerDense(f, f, rngs=rngs, gain=2)

    def analyse(self, y: jax.Array) -> jax.Array:
        """z, [N, H/64, W/64, hyper], before its mean is taken off."""
        x = self.down[0](jnp.sign(y) * jnp.log1p(jnp.abs(y)))
        for down, block in zip(list(self.down)[1:], self.blocks, strict=True):
            x = down(space_to_depth(block(x), 2))
        return x

    def levels(self, quality: jax.Array) -> jax.Array:
        """Levels of z's tables, [N, 1, 1, hyper], not rounded."""
        return self.level(quality) * LEVELS

    def features(self, z: jax.Array) -> jax.Array:
        """What means are made from, [N, H/16, W/16, features]."""
        x = hard_swish(self.up(jnp.sign(z) * jnp.log1p(jnp.abs(z))))
        return self.smooth(depth_to_space(self.spread(x), 4))

    def integer_features(self, symbols: jax.Array, quality: jax.Array) -> jax.Array:
        """What levels are made from: activations [N, H/16, W/16, features] of z's symbols."""
        signs = jnp.concatenate([magnitude(jnp.maximum(symbols, 0)), magnitude(jnp.minimum(symbols, 0))], -1)
        x = activate(self.integer[1](activate(self.integer[0](signs, quality)), quality))
        return activate(self.integer_out(activate(self.integer_mix(depth_to_space(x, 4))), quality))


class Prior(nnx.Module):
    """Means and levels of y's two halves."""

    def __init__(self, size: LightSize, *, rngs: nnx.Rngs) -> None:
        y, f, h = size.latents, size.features, size.hidden
        self.means = nnx.List([Dense(f, y, rngs=rngs, gain=0.1), Dense(h, y, rngs=rngs, gain=0.1)])
        self.near = nnx.List([Depthwise(y), Depthwise(y, centre=0.0)])
        self.hidden = Dense(y + f, h, rngs=rngs)

        spread = np.log(0.6 * _deviations()[_likely(y)])

        def start(quality: np.ndarray) -> np.ndarray:
            return level_of(np.exp(_log_gain(quality)[:, None] + spread)) / LEVELS

        self.level_hidden = nnx.List([IntegerDense(f, h, rngs=rngs, gain=2), IntegerDense(y + f, h, rngs=rngs, gain=2)])
        self.levels = nnx.List([IntegerDense(h, y, rngs=rngs, gain=0.3, start=start, pace=8) for _ in range(2)])
        self.level_near = IntegerDepthwise(y)

    def mean(self, features: jax.Array, known: jax.Array | None = None) -> jax.Array:
        """Means of one half before the gain, [N, H/16, W/16, latents]; of the other where the first's values, also before
        the gain, are known, zeros between."""
        if known is None:
            return self.means[0](features)
        x = hard_swish(self.hidden(jnp.concatenate([4 * self.near[0](known), features], -1)))
        return self.near[1](known) + self.means[1](x)

    def level(self, features: jax.Array, quality: jax.Array, known: jax.Array | None = None) -> jax.Array:
        """Levels, not rounded, 0..63 where they are in range; `known`: the first half's symbols, zeros between."""
        half, x = 0, features
        if known is not None:
            half, x = 1, jnp.concatenate([activate(self.level_near(magnitude(known))), features], -1)
        sums = self.levels[half](activate(self.level_hidden[half](x, quality)), quality)
        return sums * (1 / _SUMS)


class Light(nnx.Module):
    """The model. quality: [N], 1..100, everywhere: real numbers in training, integers of an exported model."""

    pitches, parts, streams, margin = (64, 16), (0, 1, 1), (0, 0, 0), 128

    def __init__(self, size: LightSize = STANDARD, *, rngs: nnx.Rngs) -> None:
        c, y, shown = size.width, size.latents, size.decoded or size.width
        self.size = size
        self.channels = size.hyper, y
        merge = _merge(y)
        self.front = Dense(192, 192, rngs=rngs, weights=_front())
        self.merge = Dense(768, y, rngs=rngs, weights=merge)
        self.stem = Dense(192, c, rngs=rngs)
        self.stem_scale = Knots(c)
        self.encoder = nnx.List([Block(c, rngs=rngs) for _ in range(size.encoder)])
        self.down = Dense(4 * c, y, rngs=rngs, gain=0.01)
        self.gain = Knots(y, _log_gain, 3)
        self.ungain = Knots(y, lambda q: -_log_gain(q), 3)
        self.split = Dense(y, 768, rngs=rngs, weights=merge.T)
        self.deep = Dense(y, size.deep, rngs=rngs)
        self.deep_scale = Knots(size.deep)
        self.deep_block = Block(size.deep, rngs=rngs)
        self.up = Dense(size.deep, 4 * shown, rngs=rngs)
        self.up_scale = Knots(shown)
        self.decoder = nnx.List([Block(shown, rngs=rngs) for _ in range(size.decoder)])
        self.out = Dense(shown, 192, rngs=rngs, gain=0.01)
        self.back = Dense(192, 192, rngs=rngs, weights=_back())
        self.hyper = Hyper(size, rngs=rngs)
        self.prior = Prior(size, rngs=rngs)

    def analyse(self, pixels: jax.Array, quality: jax.Array) -> jax.Array:
        """y, [N, H/16, W/16, latents], of pixels [N, H, W, 3] in 0..1."""
        d = self.front(space_to_depth(pixels - 0.5, 8))
        x = self.stem(4 * d) * jnp.exp(self.stem_scale(quality)).astype(d.dtype)
        for block in self.encoder:
            x = block(x)
        y = self.merge(space_to_depth(d, 2)) + self.down(space_to_depth(x, 2))
        return y.astype(jnp.float32) * jnp.exp(self.gain(quality))

    def synthesise(self, y: jax.Array, quality: jax.Array) -> jax.Array:
        """Pixels [N, H, W, 3], about 0..1, of y."""
        kind = y.dtype
        v = y * jnp.exp(self.ungain(quality)).astype(kind)
        x = self.deep_block(self.deep(4 * v) * jnp.exp(self.deep_scale(quality)).astype(kind))
        x = depth_to_space(self.up(x), 2) * jnp.exp(self.up_scale(quality)).astype(kind)
        for block in self.decoder:
            x = block(x)
        d = depth_to_space(self.split(v), 2) + self.out(x)
        return depth_to_space(self.back(d), 8) + 0.5

    def __call__(self, pixels: jax.Array, quality: jax.Array, key: jax.Array | None = None) -> Trained:
        """Training: rounding passes gradients for the pixels; bits as `trained_bits` counts them.

        Analysis and synthesis compute in the pixels' type, the entropy model in float32. Without a key: what coding gives,
        with the bits of the Gaussians.
        """
        y, bits = self.quantised(pixels, quality, key)
        return Trained(self.synthesise(y.astype(pixels.dtype), quality).astype(jnp.float32), bits)

    def quantised(
        self, pixels: jax.Array, quality: jax.Array, key: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """(y as the decoder has it, float32; bits [N]) in training."""
        keys = (None, None) if key is None else jax.random.split(key)
        y = self.analyse(pixels, quality)
        z = self.hyper.analyse(y) - self.hyper.mean(quality)
        symbols, level = round_through(z), clip_level(self.hyper.levels(quality))
        total = jnp.sum(trained_bits(z, symbols, scale_of(level), keys[0]), (1, 2, 3))
        features = self.hyper.features(symbols + self.hyper.mean(quality))
        integers = self.hyper.integer_features(symbols, quality)
        first = first_half(y.shape)
        step = jnp.exp(self.ungain(quality))
        mean, level = self.prior.mean(features) / step, self.prior.level(integers, quality)
        known = dead_zone(y - mean, level) * first
        mean = jnp.where(first, mean, self.prior.mean(features, (known + mean * first) * step) / step)
        level = clip_level(jnp.where(first, level, self.prior.level(integers, quality, known)))
        symbols = dead_zone(y - mean, level)
        total += jnp.sum(trained_bits(y - mean, symbols, scale_of(level), keys[1]), (1, 2, 3))
        return symbols + mean, total

    # What `codec` calls, once the model is exported. Maps are z's and y's; symbols are integers in float32.

    def floats(self, pixels: jax.Array, quality: jax.Array) -> tuple[jax.Array, jax.Array]:
        """z without its mean, and y, of pixels uint8 [N, H, W, 3]."""
        y = self.analyse(pixels.astype(jnp.float32) * (1 / 255), quality)
        return self.hyper.analyse(y) - self.hyper.mean(quality), y

    def indexes(self, part: int, symbols: tuple[jax.Array, jax.Array], quality: jax.Array) -> jax.Array:
        """Tables of a part's symbols, uint8, SKIP for what it does not hold: z, then y's first half, then the other."""
        z, y = symbols
        if part == 0:
            return jnp.broadcast_to(indexes_of(self.hyper.levels(quality), part), z.shape)
        first, features = first_half(y.shape), self.hyper.integer_features(z, quality)
        if part == 1:
            return jnp.where(first == 1, indexes_of(self.prior.level(features, quality), part), SKIP)
        return jnp.where(first == 1, SKIP, indexes_of(self.prior.level(features, quality, y * first), part))

    def means(self, part: int, symbols: tuple[jax.Array, jax.Array], quality: jax.Array, kind: Any) -> jax.Array:
        """What is taken off the floats of a part; in the second half, the first half's too. kind: dtype of the sums."""
        z, y = symbols
        if part == 0:
            return jnp.zeros_like(z)
        step = jnp.exp(self.ungain(quality)).astype(kind)
        features = self.hyper.features((z + self.hyper.mean(quality)).astype(kind))
        mean = self.prior.mean(features) / step
        if part == 1:
            return mean
        first = first_half(y.shape).astype(kind)
        known = (y.astype(kind) + mean) * first * step
        return jnp.where(first == 1, mean, self.prior.mean(features, known) / step)

    def pixels(self, symbols: tuple[jax.Array, jax.Array], quality: jax.Array, kind: Any) -> jax.Array:
        """Pixels uint8 [N, H, W, 3] of all symbols. kind: float32 or bfloat16."""
        y = symbols[1].astype(kind) + self.means(2, symbols, quality, kind)
        x = self.synthesise(y, quality).astype(jnp.float32)
        return jnp.clip(jnp.round(x * 255), 0, 255).astype(jnp.uint8)


def first_half(shape: tuple[int, ...]) -> jax.Array:
    """Which of y's values are coded first, float32 [1, H, W, C]: a checkerboard over rows, columns and channels."""
    h, w, c = (jnp.arange(n) for n in shape[1:])
    return ((h[:, None, None] + w[:, None] + c) % 2 == 0).astype(jnp.float32)[None]


@jax.custom_vjp
def clip_level(level: jax.Array) -> jax.Array:
    """Into the grid; beyond its ends the gradient passes only where it leads back."""
    return jnp.clip(level, 0, SCALES - 1)


def _clip_backward(level: jax.Array, g: jax.Array) -> tuple[jax.Array]:
    return (jnp.where((level < 0) & (g > 0) | (level > SCALES - 1) & (g < 0), 0, g),)


clip_level.defvjp(lambda level: (clip_level(level), level), _clip_backward)
