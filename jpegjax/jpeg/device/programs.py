"""The jitted programs: one page of MCUs in, one page out, whatever images the MCUs came from.

A page holds P MCUs, in S segments that have quantisation tables of their own. Inside, the MCU index is the last axis,
so that the rows and columns of an MCU are separate vectors and every step is plain vector arithmetic. In the last step
the index moves back in front of the samples, so that the host only ever copies whole runs of MCUs. Bytes and 16-bit
levels cross as little-endian 32-bit words: a quarter or half of the elements to transpose. With several devices a page
has one part for each; parts know nothing of each other, hence no collectives.

    encode  pixels u8 [8V, P, 8H·C]  ──▶  levels i16 [v, P, h, 64] per component
    decode  pixels u8 [8V, P, 8H·C]  ◀──  levels i16 [v, P, h, 64] per component
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ...ops.color import chroma, luma
from ...ops.dct import fdct_columns, fdct_rows, idct_columns, idct_is_flat, idct_rows
from ...ops.planes import combine
from ...ops.quant import dequantise, quantise_by
from ...ops.sampling import downsample, fancy_columns, fancy_rows
from ...ops.tuned.dering import ROUNDED, dering, is_mixed
from ...run.devices import Devices
from ...run.mesh import Mapped, mapped
from ...types import ColorSpace
from .specs import Spec

SEGMENT = 256  # MCUs that share quantisation tables


def _barred(function: Callable, *args: Any) -> Any:
    """A stage of its own on accelerators: fused with the next, a DCT pass would be computed once for each use."""
    return lax.optimization_barrier(function(*args))


def _branch(flag: jax.Array, function: Callable, *args: Any) -> Any:
    """A stage of its own on CPUs. flag: True, unknown to the compiler.

    XLA's CPU backend drops optimisation barriers before it fuses. It would then fuse the transposes and both DCT passes
    into loops that neither vectorise nor share work, six times slower. A conditional's branch is compiled on its own.
    """
    shapes = jax.eval_shape(function, *args)
    return lax.cond(flag, function, lambda *_: jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes), *args)


def stages(platform: str, tables: jax.Array) -> Callable:
    """What makes a function a stage of its own. tables: quantisation tables [S, components, 64]."""
    return partial(_branch, tables[0, 0, 0] > 0) if platform == "cpu" else _barred


def _split_words(words: jax.Array, count: int) -> jax.Array:
    """int32 [..., n, P] → int32 [..., count·n, P]: the `count` parts of each word, lowest first, sign-extended."""
    bits = 32 // count
    up = bits * (count - 1 - lax.broadcasted_iota(jnp.int32, (count, 1), 0))
    return (words[..., None, :] << up >> (32 - bits)).reshape(*words.shape[:-2], -1, words.shape[-1])


def _join_words(parts: jax.Array, count: int) -> jax.Array:
    """Inverse of `_split_words`, for any integers."""
    bits = 32 // count
    lanes = parts.reshape(*parts.shape[:-2], -1, count, parts.shape[-1]).astype(jnp.int32) & ((1 << bits) - 1)
    return reduce(operator.or_, [lanes[..., i, :] << (bits * i) for i in range(count)])


def _repeat_rows(x: jax.Array, valid: jax.Array) -> jax.Array:
    """[R, C, P] with rows from `valid` [P] on replaced by row valid - 1."""
    index = lax.broadcasted_iota(jnp.int32, (x.shape[0], 1, 1), 0)
    last = reduce(operator.add, [jnp.where(valid == j + 1, x[j], 0) for j in range(x.shape[0])])
    return jnp.where(index < valid, x, last[None])


def colors(spec: Spec, channels: Sequence[jax.Array]) -> list[jax.Array]:
    """A frame's components at full resolution, int32 0..255, of a picture's channels."""
    if spec.color is ColorSpace.YCBCR:
        r, g, b = channels
        return [luma(r, g, b), *chroma(r, g, b)]
    return [255 - part if spec.color is ColorSpace.CMYK else part for part in channels]


def quantised_page(
    platform: str, spec: Spec, pixels: jax.Array, rows: jax.Array, tables: jax.Array
) -> Iterator[jax.Array]:
    """Levels of one page: int16 [v, 8, h, 8, P] of each component. Exact.

    pixels: uint8 [8V, P, 8H·C] as int32 words; columns and rows outside an image repeat its last ones.
    rows: int32 [P], rows of each MCU inside its image, 1..8V. tables: uint16 [S, components, 64].
    """
    stage = stages(platform, tables)
    count, size, (hmax, vmax) = tables.shape[0], rows.shape[0], (spec.hmax, spec.vmax)

    def components(x: jax.Array, rows: jax.Array) -> list[jax.Array]:
        x = (_split_words(x, 4) & 255).reshape(8 * vmax, 8 * hmax, spec.channels, size)
        parts = colors(spec, [x[:, :, c] for c in range(spec.channels)])
        samples = []
        for (h, v), part in zip(spec.sampling, parts, strict=True):
            part = downsample(part, hmax // h, vmax // v, (0, 1))
            if vmax > v:
                part = _repeat_rows(part, (rows + vmax - 1) // vmax * v)
            samples.append(part.astype(jnp.uint8).reshape(v, 8, h, 8, count, size // count))
        return samples

    def reciprocals(tables: jax.Array) -> tuple[jax.Array, jax.Array]:
        q = tables.astype(jnp.float32).transpose(1, 2, 0).reshape(-1, 1, 8, 1, 8, count, 1) * 8
        return 1 / q, q * 0.5 + 0.5

    def overshoot(samples: jax.Array, raw: jax.Array) -> jax.Array:
        return dering(samples, raw, tables[:, 0].T.reshape(1, 8, 1, 8, count, 1), ROUNDED, (1, 3))

    x = stage(lambda p: p.transpose(0, 2, 1), pixels)
    scales, biases = stage(reciprocals, tables)
    parts = zip(spec.sampling, stage(components, x, rows), scales, biases, strict=True)
    for c, ((h, v), samples, scale, bias) in enumerate(parts):
        y = stage(lambda s: fdct_rows(s, 3), samples)
        if c == 0 and spec.dering:
            y = stage(lambda y: fdct_columns(y, 1), y)
            y = lax.cond(is_mixed(samples, (1, 3)).any(), overshoot, lambda _, y: y, samples, y)
            y = stage(quantise_by, y, scale, bias)
        else:
            y = stage(lambda y, s, b: quantise_by(fdct_columns(y, 1), s, b), y, scale, bias)
        yield y.reshape(v, 8, h, 8, size)


def encode_page(platform: str, spec: Spec, pixels: jax.Array, rows: jax.Array, tables: jax.Array) -> tuple[Any, ...]:
    """`quantised_page` as it crosses to the host: int16 [v, P, h, 64] as int32 words, per component."""
    stage = stages(platform, tables)
    levels = []
    for y in quantised_page(platform, spec, pixels, rows, tables):
        y = stage(lambda y: _join_words(y, 2), y)
        v, _, h, _, size = y.shape
        levels.append(stage(lambda y: y.transpose(0, 4, 2, 1, 3), y).reshape(v, size, h, 32))
    return tuple(levels)


def _beside(x: jax.Array, halo: jax.Array, axis: int, step: int) -> jax.Array:
    """x moved by one along `axis` (step -1: each entry's neighbour before, 1: after it), `halo` filling the gap."""
    length = x.shape[axis]
    if step < 0:
        return jnp.concatenate([halo, lax.slice_in_dim(x, 0, length - 1, axis=axis)], axis)
    return jnp.concatenate([lax.slice_in_dim(x, 1, length, axis=axis), halo], axis)


def _interleave(even: jax.Array, odd: jax.Array, axis: int) -> jax.Array:
    shape = list(even.shape)
    shape[axis] *= 2
    return jnp.stack([even, odd], axis + 1).reshape(shape)


def _fancy_rows(x: jax.Array, near: jax.Array, valid: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Vertical half of the triangle filter: (even, odd) rows, [R, C, P] int16, 4 × the samples' scale, not rounded.

    near: int32 [5, P], as `decode_page` has it. valid: rows of true samples from the MCU's first on.
    """
    above, below = near[0], near[1]
    x = x.astype(jnp.int16)
    up = jnp.where(above == lax.iota(jnp.int32, x.shape[-1]), x[0], jnp.take(x[-1], above, axis=-1, mode="clip"))
    down = _beside(x, jnp.take(x[0], below, axis=-1, mode="clip")[None], 0, 1)
    index = lax.broadcasted_iota(jnp.int32, (x.shape[0], 1, 1), 0)
    return fancy_rows(x, _beside(x, up[None], 0, -1), jnp.where(index + 1 < valid, down, x))


def _fancy_columns(x: jax.Array, near: jax.Array, valid: jax.Array, bits: int) -> jax.Array:
    """Horizontal half of the triangle filter: [R, C, P] → int16 [R, 2C, P], samples."""
    x = x.astype(jnp.int16)
    first, last = x[:, :1], x[:, -1:]
    before = _beside(x, jnp.where(near[2] != 0, jnp.roll(last, 1, -1), first), 1, -1)
    after = _beside(x, jnp.roll(first, -1, -1), 1, 1)
    index = lax.broadcasted_iota(jnp.int32, (1, x.shape[1], 1), 1)
    return _interleave(*fancy_columns(x, before, jnp.where(index + 1 < valid, after, x), bits), 1)


def decode_page(platform: str, spec: Spec, levels: tuple[Any, ...], near: jax.Array, tables: jax.Array) -> jax.Array:
    """Pixels of one page: uint8 [8V, P, 8H·C] as int32 words. Exact.

    levels: int16 [v, P, h, 64] as int32 words, per component. tables: uint16 [S, components, 64].
    near: int32 [5, P]: index of the MCU above (its own: none), of the one below, 1 where the MCU before stands to the
        left; rows and columns of the image from the MCU's first on.
    """
    stage = stages(platform, tables)
    count, size, (hmax, vmax) = tables.shape[0], near.shape[1], (spec.hmax, spec.vmax)

    def samples(c: int, level: jax.Array) -> jax.Array:
        h, v = spec.sampling[c]
        steps = tables[:, c].T.reshape(1, 8, 1, 8, count, 1)
        x = stage(lambda x: x.reshape(v, size, h, 8, 4).transpose(0, 3, 2, 4, 1), level)
        shape = v, 8, h, 8, count, size // count
        x = stage(lambda x, s: dequantise(_split_words(x, 2).reshape(shape), s), x, steps)
        flat = stage(lambda x: idct_is_flat(x, (1, 3)), x)
        x = stage(lambda x, flat: idct_columns(x, 1, flat), x, flat)
        return stage(lambda x: idct_rows(x, 3), x).reshape(8 * v, 8 * h, size)

    def full(c: int, x: jax.Array) -> jax.Array:
        h, v = spec.sampling[c]
        across, down = hmax // h, vmax // v
        if not spec.fancy[c]:
            return jnp.repeat(jnp.repeat(x, down, 0), across, 1) if across * down > 1 else x
        if down == 2:
            even, odd = stage(_fancy_rows, x, near, (near[3] * v + vmax - 1) // vmax)
            if across == 1:
                return _interleave((even + 1) >> 2, (odd + 2) >> 2, 0)
            x = _interleave(even, odd, 0)
        return stage(partial(_fancy_columns, bits=2 * down), x, near, (near[4] * h + hmax - 1) // hmax)

    channels = [full(c, samples(c, level)) for c, level in enumerate(levels)]
    pixels = stage(lambda *x: combine([c.astype(jnp.int32) for c in x], spec.color, spec.mode, 2), *channels)
    words = stage(lambda p: _join_words(p.reshape(8 * vmax, -1, size), 4), pixels)
    return stage(lambda p: p.transpose(0, 2, 1), words)


def program(kind: str, spec: Spec, devices: Devices) -> Mapped:
    """`encode_page` or `decode_page`, by the kind "encode" or "decode", with one page's part a device."""
    pages: dict[str, Callable] = {"encode": encode_page, "decode": decode_page}
    return mapped(pages[kind], devices, devices[0].platform, spec)
