"""The tuned encoder's programs: pictures to raw blocks in coding order, and blocks to levels.

    transform  pixels of n pictures of one bucket ──▶ raw blocks [K, 64], field [K]
    quantise   raw blocks, tables, rates ──▶ levels [K, 64], counts of symbols

Blocks of all components of all pictures stand behind one another in coding order, each component from a segment of its
own on. The second program therefore knows nothing of pictures: it depends on K alone. Each device has a part of its own,
and parts know nothing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import groupby
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...kernels.tuned.importance import ONE
from ...kernels.tuned.network import Network
from ...ops.blocks import merge_blocks, split_blocks
from ...ops.color import chroma, luma
from ...ops.dct import fdct_islow, idct_islow
from ...ops.quant import dequantise
from ...ops.sampling import downsample, upsample
from ...ops.tuned.chroma import compensate_luma, fit_plane
from ...ops.tuned.dering import CHOSEN, dering, is_mixed
from ...ops.tuned.field import held, still_cells, to_field, unit_logs
from ...ops.tuned.network import field_correction
from ...ops.tuned.trellis import ac_counts, dc_counts, trellis_ac, trellis_dc

__all__ = ["END", "SEGMENT", "VALID", "Blocks", "Coded", "Layout", "Pictures", "page_size", "quantise", "transform"]

SEGMENT = 64
"""Blocks that share a table."""
END, VALID = 1, 2
_PAGES = {"cpu": 32}
_ACCELERATOR_PAGE = 512
"""Segments in work at a time."""


def page_size(platform: str) -> int:
    """Segments in work at a time."""
    return _PAGES.get(platform, _ACCELERATOR_PAGE)


@dataclass(frozen=True, slots=True)
class Layout:
    """What `transform` depends on besides the shapes of its arguments.

    sampling: (h, v) of all components, (1, 1) for a component alone. group: the components to transform.
    lsq: fit chroma to the decoder's filter. adaptive: compute the field. compensate: change luma by the coded chroma.
    narrow: at most two columns of chroma, which decoders do not filter. network: what takes part in the field. dering: let
        luma overshoot. weighted: blocks have factors of their own.
    """

    sampling: tuple[tuple[int, int], ...]
    group: tuple[int, ...]
    lsq: bool
    adaptive: bool
    compensate: bool
    narrow: bool
    network: Network | None
    dering: bool
    weighted: bool

    def ratio(self, c: int) -> tuple[int, int]:
        """Full-resolution columns and rows for one sample of component c."""
        (h, v), (hmax, vmax) = self.sampling[c], map(max, zip(*self.sampling, strict=True))
        return hmax // h, vmax // v


class Pictures(NamedTuple):
    """n pictures of one bucket. pixels: uint8 [n, H, W, C], edges repeated. sides, blocks: int32 [n, 2], the true height and
    width, and luma's rows and columns of blocks. parameters: int32 [n, 13], nine of the field, two of
    `compensate_luma`, two of `field_correction`. steps: uint16 [n, 64], luma's."""

    pixels: Any
    sides: Any
    blocks: Any
    parameters: Any
    steps: Any


class Coded(NamedTuple):
    """Chroma as coded: levels int16 [K, 64], where they belong int32 [K], steps uint16 [n, 2, 64]."""

    levels: Any
    order: Any
    steps: Any


class Blocks(NamedTuple):
    """Where blocks stand and with what they are quantised.

    order: int32 [K], index among all raw blocks, beyond them for none. previous: int32 [K], for DC's prediction. table: int32
    [K / SEGMENT]. flags: uint8 [K], END of a row of MCUs, VALID blocks. turns: int32 [], log2 of the most blocks a row.
    steps, weights: uint16 [T, 64]. bands: int32 [T, N]. All as `trellis_ac` and `trellis_dc` take them.
    """

    order: Any
    previous: Any
    table: Any
    flags: Any
    turns: Any
    steps: Any
    weights: Any
    bands: Any


def _full(pixels: jax.Array) -> jax.Array:
    """Components at full resolution, int32 [C, H, W], of uint8 [H, W, C]."""
    parts = pixels.astype(jnp.int32).transpose(2, 0, 1)
    return parts if len(parts) == 1 else jnp.stack([luma(*parts), *chroma(*parts)])


def _samples(layout: Layout, c: int, planes: jax.Array, sides: jax.Array) -> jax.Array:
    """Samples of components like c, from full resolution [..., H, W]."""
    h, v = layout.ratio(c)
    if h * v == 1:
        return planes
    fit = layout.lsq and (h, v) in ((2, 1), (2, 2))
    small = fit_plane(planes, v == 2) if fit else downsample(planes, h, v)
    return held(small, (sides[0] + v - 1) // v, small.shape[-1])


def _enlarged(layout: Layout, c: int, blocks: jax.Array, steps: jax.Array, sides: jax.Array) -> jax.Array:
    """Components like c as a decoder has them, at full resolution. blocks: int16 [..., R, C, 8, 8], steps: [..., 64]."""
    h, v = layout.ratio(c)
    samples = merge_blocks(idct_islow(dequantise(blocks, steps.reshape(*steps.shape[:-1], 1, 1, 8, 8))))
    true = held(samples, (sides[0] + v - 1) // v, (sides[1] + h - 1) // h)
    return upsample(true, h, v, not (h == 2 and layout.narrow))


def _runs(layout: Layout, group: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The group in runs of components of one sampling, which are worked on as one."""
    return [tuple(same) for _, same in groupby(group, key=lambda c: layout.sampling[c])]


def _grid(layout: Layout, c: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of blocks of component c in a bucket of pixels [.., H, W, C]."""
    h, v = layout.ratio(c)
    return shape[-3] // (8 * v), shape[-2] // (8 * h)


def _field(layout: Layout, luma: jax.Array, picture: Pictures) -> jax.Array:
    """int32 [R, C] of luma [8R, 8C]."""
    size = picture.blocks[0], picture.blocks[1]
    logs = unit_logs(luma, *size, picture.parameters[:8])
    network, learned = layout.network, None
    if network is not None:
        raw = fdct_islow(split_blocks(luma))
        learned = field_correction(network.layers, raw, logs, *size, *picture.parameters[11:])
    return to_field(logs, still_cells(luma), *size, picture.parameters[:9], learned, network.share if network else 0)


def _picture(layout: Layout, picture: Pictures, coded: tuple, steps: jax.Array | None) -> tuple[Any, ...]:
    """(raw int16 [blocks, 64] of all components in work, field int32 [blocks], luma's samples int32 [luma's blocks, 8, 8])."""
    planes, sides = _full(picture.pixels), picture.sides
    raws, fields, ringing = [], [], jnp.zeros((0, 8, 8), jnp.int32)
    for run in _runs(layout, layout.group):
        samples = _samples(layout, run[0], planes[run[0] : run[-1] + 1], sides)
        field = None
        if run[0] == 0 and layout.adaptive:
            field = _field(layout, samples[0], picture).reshape(-1)
        if run[0] == 0 and layout.compensate:
            assert steps is not None
            parts = zip(_runs(layout, (1, 2)), coded, strict=True)
            large = jnp.concatenate(
                [_enlarged(layout, same[0], b, steps[same[0] - 1 : same[-1]], sides) for same, b in parts]
            )
            changed = compensate_luma(*planes, *large, *picture.parameters[9:11])
            samples = held(changed, sides[0], sides[1])[None]
        blocks = split_blocks(samples)
        if run[0] == 0 and layout.dering:
            ringing = blocks[0].reshape(-1, 8, 8)
        raws.append(fdct_islow(blocks).astype(jnp.int16).reshape(-1, 64))
        plain = jnp.full(len(raws[-1]), 256, jnp.int32)
        fields.append(plain if field is None else plain.at[: len(field)].set(field))
    return jnp.concatenate(raws), jnp.concatenate(fields), ringing


def _deringed(raw: jax.Array, samples: jax.Array, steps: jax.Array) -> jax.Array:
    """raw int16 [n, blocks, 64] with the first blocks, those of samples [n, luma's blocks, 8, 8], deringed if any is mixed."""
    first = raw[:, : samples.shape[1]].reshape(samples.shape)

    def changed() -> jax.Array:
        return dering(samples, first, steps.reshape(-1, 1, 8, 8), CHOSEN).astype(jnp.int16)

    luma = lax.cond(is_mixed(samples).any(), changed, lambda: first)
    return raw.at[:, : samples.shape[1]].set(luma.reshape(*samples.shape[:2], 64))


def transform(
    layout: Layout, pictures: Pictures, order: jax.Array, coded: Coded | None, factors: jax.Array | None
) -> tuple[Any, ...]:
    """(raw blocks int16 [K, 64] in coding order, their field int32 [K]).

    factors: uint16 [n, blocks] of the group's components behind one another, as `Plan.factors`; None where not weighted.
    """
    shape = pictures.pixels.shape
    chroma_blocks: tuple[jax.Array, ...] = ()
    if coded is not None:
        runs = [(len(run), *_grid(layout, run[0], shape)) for run in _runs(layout, (1, 2))]
        sizes = np.cumsum([0, *map(prod, runs)])
        raster = jnp.zeros((shape[0] * sizes[-1], 64), jnp.int16).at[coded.order].set(coded.levels, mode="drop")
        raster = raster.reshape(shape[0], -1, 64)
        parts = zip(sizes, sizes[1:], runs, strict=False)
        chroma_blocks = tuple(raster[:, a:b].reshape(shape[0], *run, 8, 8) for a, b, run in parts)
    steps = None if coded is None else coded.steps
    raw, field, samples = jax.vmap(partial(_picture, layout))(pictures, chroma_blocks, steps)
    raw = _deringed(raw, samples, pictures.steps) if samples.size else raw
    if factors is not None:
        field = jnp.clip((field * factors.astype(jnp.int32) + ONE // 2) >> 8, 1, 65_535)
    raw, field = raw.reshape(-1, 64), field.reshape(-1)
    return raw.at[order].get(mode="clip"), field.at[order].get(mode="clip")


def quantise(
    platform: str, raw: jax.Array, field: jax.Array, blocks: Blocks, ac_rates: jax.Array, dc_rates: jax.Array,
    used: jax.Array, counting: jax.Array,
) -> tuple[Any, ...]:  # fmt: skip
    """(levels int16 [K, 64], counts int32 [T, N, 256] and [T, 12]; zeros unless `counting`), of the first `used` segments."""
    shape = blocks.table.shape[0], SEGMENT
    x, field, flags = raw.reshape(*shape, 64), field.reshape(shape), blocks.flags.reshape(shape)
    end, valid = (flags & END) > 0, (flags & VALID) > 0
    valid &= lax.broadcasted_iota(jnp.int32, shape, 0) < used
    previous = blocks.previous.reshape(shape)
    page = min(page_size(platform), shape[0])
    bounds = {"page": page, "used": used}
    ac = trellis_ac(x, blocks.table, field, blocks.steps, blocks.weights, blocks.bands, ac_rates, **bounds)
    dc = trellis_dc(
        x[..., 0], blocks.table, field, blocks.steps[:, 0], blocks.weights[:, 0], dc_rates, previous, end, blocks.turns
    )

    def counts() -> tuple[jax.Array, jax.Array]:
        each = ac_counts(ac, valid, blocks.table, blocks.bands, **bounds), dc_counts(dc, previous, valid)
        empty = (jnp.zeros((blocks.steps.shape[0], *c.shape[1:]), jnp.int32) for c in each)
        a, d = (e.at[blocks.table].add(c) for e, c in zip(empty, each, strict=True))
        return a, d

    def none() -> tuple[jax.Array, jax.Array]:
        return jnp.zeros_like(ac_rates, jnp.int32), jnp.zeros_like(dc_rates, jnp.int32)

    return ac.at[..., 0].set(dc).reshape(-1, 64), *lax.cond(counting, counts, none)
