"""A small Flax network that predicts what an error in each luma block costs, in place of the formula of masking.

blocks ──▶ log |DCT|, chroma, masking formula, log step ──▶ 1×1, two residual 3×3, 1×1 ──▶ + slope · formula ──▶ log2 cost

Trained on exchange rates. A file is made with a field twice and half as strong; by block that saves E of the error as the
trellis weighs it, and changes SSIMULACRA2 by D: the metric's gradient through the decoder of `jpegjax.simulate`, times the
change of the picture. The trellis is at its best where its weight is D/E in every block; D alone is noise with heavy tails and
either sign, so the network minimises Σ 2^f E − ln 2 · f D, the likelihood of a Poisson rate, linear in D, whose minimum is
2^f = mean D / mean E of blocks that look alike.

It wins over the formula by 1.2 points of BD-rate (`experiments/results/tuning-field-cnn.json`), but in floats: the formula
ships.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jpegjax import metrics
from jpegjax.jpeg.tuned.encode import raw_blocks, run_trellis
from jpegjax.jpeg.tuned.plan import Plan, tuned_frame
from jpegjax.jpeg.tuned.planes import Picture
from jpegjax.jpeg.tuned.recipe import Recipe
from jpegjax.kernels.tuned.field import strength_field
from jpegjax.ops.simulate import coded_pixels, rounded_samples, scaled_dct
from jpegjax.options import EncodeOptions
from jpegjax.train import Arrays, FitConfig, fit

__all__ = [
    "FEATURES", "FieldNet", "block_features", "exchange_rates", "loss", "parameter_count", "predict", "prepare",
    "quantise_field", "train", "tuned_levels",
]  # fmt: skip

FEATURES = 64 + 4 + 2
"""Channels of a block: 64 of luma's DCT, mean and spread of Cb and Cr, the formula, luma's mean step."""
_420 = ((2, 2), (1, 1), (1, 1))


def prepare(image: np.ndarray, recipe: Recipe) -> tuple[Picture, list[np.ndarray], np.ndarray]:
    """The planes of a picture, each component's samples, and the logarithm of the formula's field.

    image: uint8 [H, W, 3]. Last: float32 [rows, columns], log2 of what the formula says an error costs, no mean taken off,
    within ±4 of the middle of its range.
    """
    picture = Picture(image, tuned_frame(*image.shape, recipe, EncodeOptions(tune=True)))
    samples = [picture.component(c, recipe.chroma) for c in range(3)]
    _, c, *weights, _, _ = recipe.field
    middle = round(256 * (math.log2(sum(weights) * 2**24 / c) - 3.5))
    field = strength_field(samples[0], *picture.frame.blocks(0), (64, c, *weights, 64, middle, 0))
    assert field is not None
    return picture, samples, np.log2(field.astype(np.float32) / 256)


def tuned_levels(
    picture: Picture, samples: list[np.ndarray], recipe: Recipe, field: np.ndarray | None
) -> list[np.ndarray]:
    """The levels of `encode.tuned_planes` with a field of one's own, uint16 [rows, columns], 256 is 1.

    picture, samples: as `prepare` gives them. recipe: without compensation, else ValueError.
    """
    if any(recipe.compensate):
        raise ValueError(f"compensate={recipe.compensate}: must be (0, 0)")
    frame = picture.frame
    raws = {c: raw_blocks(samples[c], *frame.blocks(c)) for c in range(3)}
    planes = [np.empty_like(raw) for raw in raws.values()]
    run_trellis(Plan(frame, recipe), raws, planes, field)
    return planes


def quantise_field(log_field: np.ndarray) -> np.ndarray:
    """2^log_field as the trellis takes it: uint16, 256 is 1, 1/16..16."""
    return np.clip(np.rint(256 * np.exp2(log_field)), 16, 4096).astype(np.uint16)


@jax.jit
def _features(luma: jax.Array, chroma: jax.Array, formula: jax.Array, log_step: jax.Array) -> jax.Array:
    dct = scaled_dct(luma, jnp.ones((8, 8))).transpose(0, 2, 1, 3).reshape(*formula.shape, 64)
    sizes = (jnp.log2(1 + jnp.abs(dct[..., 1:])) - 2) / 2
    spreads = (jnp.log2(1 + jnp.std(chroma, (2, 4))) - 1) / 2
    colour = jnp.moveaxis(jnp.concatenate([jnp.mean(chroma, (2, 4)) / 32, spreads]), 0, -1)
    return jnp.concatenate(
        [sizes, dct[..., :1] / 512, colour, jnp.stack([formula / 2, log_step + 0 * formula], -1)], -1
    )


def block_features(samples: list[np.ndarray], formula: np.ndarray, recipe: Recipe) -> jax.Array:
    """float32 [R, C, FEATURES] of about unit size. samples, formula: as `prepare` gives them."""
    rows, columns = formula.shape
    luma = samples[0][: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8).astype(np.float32) - 128
    chroma = np.stack([x[: 4 * rows, : 4 * columns] for x in samples[1:]]).astype(np.float32) - 128
    log_step = np.log2(recipe.steps[0].mean(), dtype=np.float32) / 2 - 2
    return _features(luma, chroma.reshape(2, rows, 4, columns, 4), formula, log_step)


class FieldNet(nnx.Module):
    """[N, R, C, FEATURES] and the formula's log2 field [N, R, C] ──▶ log2 of the cost [N, R, C]."""

    def __init__(self, width: int = 32, *, rngs: nnx.Rngs):
        self.embed = nnx.Linear(FEATURES, width, rngs=rngs)
        self.mix = nnx.List([nnx.Conv(width, width, (3, 3), padding="VALID", rngs=rngs) for _ in range(2)])
        self.out = nnx.Linear(width, 1, kernel_init=nnx.initializers.zeros, rngs=rngs)
        self.slope = nnx.Param(jnp.ones(()))

    def __call__(self, features: jax.Array, formula: jax.Array) -> jax.Array:
        x = nnx.gelu(self.embed(features))
        for conv in self.mix:
            x = x + nnx.gelu(conv(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")))
        return self.slope[...] * formula + self.out(x)[..., 0]


@nnx.jit
def predict(net: FieldNet, features: jax.Array, formula: jax.Array) -> jax.Array:
    """log2 of the cost, [N, R, C]."""
    return net(features, formula)


def parameter_count(net: FieldNet) -> int:
    """Numbers that training moves."""
    return sum(x.size for x in jax.tree.leaves(nnx.state(net, nnx.Param)))


@jax.jit
def _losses(image: jax.Array, tables: tuple[jax.Array, ...], ends: jax.Array, chroma: list[jax.Array]) -> jax.Array:
    """What SSIMULACRA2 loses by block, [R, C], from luma's levels ends[0] to ends[1]: the mean of its slopes at both.

    Exact where the loss is quadratic in the errors, which change sign where a level falls to zero. image: [H, W, 3], floats.
    ends: [2, R, 8, C, 8], floats; chroma: [1, R, 8, C, 8] each.
    """
    luma = _decoded(ends, tables[0])
    others = [jnp.tile(_decoded(x, t), (2, 1, 1, 1, 1)) for x, t in zip(chroma, tables[1:], strict=True)]
    references = jnp.stack([image, image])

    def score(amount: jax.Array) -> jax.Array:
        moved = luma + amount[:, :, None, :, None] * (luma[1] - luma[0])
        shown = coded_pixels([moved, *others], tables, _420, image.shape[:2], 1, False)  # exponent 1: no rounding
        return metrics.ssimulacra2(references, shown).sum()

    _, rows, _, columns, _ = ends.shape
    return -jax.grad(score)(jnp.zeros((2, rows, columns))).mean(0)


def _decoded(levels: jax.Array, table: jax.Array) -> jax.Array:
    """Samples centred at 0 of levels [N, R, 8, C, 8]: the transpose of `scaled_dct`, which is linear, on levels · step²."""
    scaled = levels * jnp.square(table)[None, None, :, None, :]
    return jax.linear_transpose(lambda x: scaled_dct(x, table), levels)(scaled)[0]


def exchange_rates(image: np.ndarray, recipe: Recipe, log_field: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """What training needs of a crop, uint8 [H, W, 3] of whole MCUs: {"features", "formula", "error", "loss"}.

    log_field: log2 of the field about which the exchange is made; that of the recipe by default. error: by block, of the
    error in luma as the trellis weighs it, in bits, what the stronger field saves; loss: of SSIMULACRA2, what the weaker
    one costs.
    """
    picture, samples, formula = prepare(image, recipe)
    rows, columns = picture.frame.blocks(0)
    if log_field is None:
        field = strength_field(samples[0], rows, columns, recipe.field)
        log_field = np.zeros((rows, columns)) if field is None else np.log2(field / 256)
    made = [tuned_levels(picture, samples, recipe, quantise_field(log_field + octave)) for octave in (1, -1)]
    ends, *chroma = (np.concatenate(x).reshape(-1, *x[0].shape).astype(np.float32) for x in zip(*made, strict=True))
    strong, weak = ends = ends.transpose(0, 1, 3, 2, 4)
    chroma = [x[:1].transpose(0, 1, 3, 2, 4) for x in chroma]
    tables = tuple(jnp.asarray(t, jnp.float32).reshape(8, 8) for t in recipe.steps)
    lost = _losses(jnp.asarray(image, jnp.float32), tables, ends, chroma)
    blocks = rounded_samples(jnp.asarray(image, jnp.float32)[None], _420)
    exact = np.asarray(scaled_dct(blocks[0], tables[0]))[0]
    weight = recipe.weights[0].reshape(8, 8)[:, None] / 64
    error = (weight * (np.square(exact - weak) - np.square(exact - strong))).sum((1, 3))
    return {
        "features": np.asarray(block_features(samples, formula, recipe)), "formula": formula,
        "error": error.astype(np.float32), "loss": np.asarray(lost),
    }  # fmt: skip


def loss(net: FieldNet, batch: dict[str, jax.Array]) -> jax.Array:
    """Mean of 2^f E − ln 2 · f D over blocks. batch: "features", "formula", "error" E, "loss" D."""
    f = net(batch["features"], batch["formula"])
    return jnp.mean(jnp.exp2(f) * batch["error"] - math.log(2) * f * batch["loss"])


class Drawn(Arrays):
    """Crops drawn anew for each batch, which is mirrored by chance, upside down and left to right."""

    def stream(self, start: int, batch: int, process: int = 0, processes: int = 1) -> Iterator[dict[str, np.ndarray]]:
        mine = slice(process * batch // processes, (process + 1) * batch // processes)
        for number in count(start):
            random = np.random.default_rng((self.seed, number))
            chosen = random.integers(0, len(self), batch)[mine]
            y, x = 1 - 2 * random.integers(0, 2, 2)
            yield {name: values[chosen][:, ::y, ::x] for name, values in self.arrays.items()}


def train(
    net: FieldNet, data: dict[str, np.ndarray], steps: int, *, batch: int = 8, rate: float = 2e-3, seed: int = 0
) -> list[float]:
    """Train on crops [N, ...] by AdamW on a cosine, flipped by chance; leaves the average of weights in net.

    Loss by step. data: as `loss` takes it, of crops of one size.
    """
    settings = FitConfig(
        steps=steps,
        batch=batch,
        learning_rate=rate,
        weight_decay=1e-2,
        ema=0.99,
        log_every=1,
        devices=1,
        progress=False,
    )
    done = fit(net, lambda net, part, key: (loss(net, part), {}), Drawn(data, seed), settings)
    nnx.update(net, nnx.state(done.model, nnx.Param))
    return [line["loss"] for line in done.history]
