"""The restorer fine-tuned against a discriminator of patches.

    Command: python -m experiments.ruihua.adversarial --folder runs/ruihua
    Time: 8 minutes on two CPU cores (the restorer is trained before)
    Expect: right after its own stage the discriminator tells 0.93 of held-out blocks; 0.82, 0.73 and 0.47 after the stages of
        weights 1, 3 and 10. The generators give 0.1, 0.2 and 0.6 dB of PSNR away: what that buys is in results/ruihua.md

    file ─▶ Seen ─▶ generator ─▶ restored ─┬─▶ pixel loss ────────────────────────────────────────▶ + ─▶ loss
              │                            ├─▶ discriminator, held fixed ─▶ weight · "an original?" ▶ +
              │        held fixed, restored┴─▶ discriminator ─▶ "restored?" ──────────────────────▶ +
              └────────────── original ─────▶ discriminator ─▶ "an original?" ───────────────────▶ +

Generator and discriminator are one module and one loss, and learn in the same step; gradients of either's terms stop at the
other. The discriminator sees the decoded picture beside the candidate, as in Isola et al. 2017 (arXiv:1611.07004), and answers
for each 8×8 block. Its loss is the logistic one, and the generator's its counterpart that does not saturate (Goodfellow et al.
2014). Stages: the discriminator alone, then one stage for each weight of the adversarial term, each from where the one before
ended.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from jpegjax.learned.layers.dense import space_to_depth
from jpegjax.learned.restoring import weights as stored_weights
from jpegjax.learned.restoring.model import Restorer, Seen
from jpegjax.train import FitConfig, FitResult, fit
from jpegjax.train.data import Crops
from jpegjax.train.pictures import Files, Pack, Store, middles_of, split
from jpegjax.train.restoration import kept, loss_of

__all__ = ["WEIGHTS", "Coarse", "Discriminator", "Pair", "evaluation", "pair_loss", "restorer", "stage", "train"]

WEIGHTS = (1.0, 3.0, 10.0)
"""Of the adversarial term, in decibels for a unit of the logistic loss; 0 is the discriminator's own stage."""
HELD = (10, 20, 40)
"""Qualities at which held-out pictures are looked at."""
SIDE = 192


class Discriminator(nnx.Module):
    """Original or restored? A logit for each 8×8 block, above 0 for originals.

    Args:
        width: Channels at half the size; twice and thrice as many at a quarter and an eighth.
    """

    def __init__(self, width: int = 32, *, rngs: nnx.Rngs) -> None:
        shapes = (
            (36, width, (3, 3), 1), (width, 2 * width, (4, 4), 2), (2 * width, 3 * width, (4, 4), 2),
            (3 * width, 1, (3, 3), 1),
        )  # fmt: skip
        self.convolutions = nnx.List(
            [nnx.Conv(a, b, taps, strides=(step, step), rngs=rngs) for a, b, taps, step in shapes]
        )

    def __call__(self, candidate: jax.Array, seen: Seen) -> jax.Array:
        """[N, H/8, W/8] of candidates [N, H, W, 3], planes as the restorer gives them."""
        steps = seen.steps[:, 0].reshape(-1, 8, 8)[:, :4, :4]
        unit = jnp.sqrt(jnp.mean(steps**2, (1, 2)))[:, None, None, None]
        x = jnp.concatenate([candidate / 64, seen.planes / 64, (candidate - seen.planes) / unit], -1)
        x = space_to_depth(x, 2)
        for convolution in self.convolutions[:-1]:
            x = nnx.leaky_relu(convolution(x), 0.2)
        return self.convolutions[-1](x)[..., 0]


class Pair(nnx.Module):
    """generator: a `Restorer`; discriminator."""

    def __init__(self, generator: Restorer, discriminator: Discriminator) -> None:
        self.generator, self.discriminator = generator, discriminator


def pair_loss(weight: float) -> Callable[[Pair, Any, jax.Array], tuple[jax.Array, dict[str, jax.Array]]]:
    """The loss for `fit`: pixels (`gain_loss`, dB) + weight · adversarial of the generator + the discriminator's own."""

    def loss(model: Pair, batch: Any, key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        seen = Seen(batch["planes"], batch["steps"], batch["sampling"])
        restored = model.generator(seen)
        pixels, shown = loss_of(batch, restored)
        graph, state = nnx.split(model.discriminator)
        fixed = nnx.merge(graph, jax.tree.map(lax.stop_gradient, state))
        fooling = jnp.mean(jax.nn.softplus(-fixed(restored, seen)))
        twice = Seen(*(jnp.concatenate([part, part]) for part in seen))
        both = jnp.concatenate([batch["target"], lax.stop_gradient(restored)])
        real, fake = jnp.split(model.discriminator(both, twice), 2)
        telling = jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake))
        found = {"fooling": fooling, "telling": telling, "accuracy": 0.5 * (jnp.mean(real > 0) + jnp.mean(fake <= 0))}
        return pixels + weight * fooling + telling, {**shown, **found}

    return loss


def _sample(pixels: np.ndarray, quality: int) -> Mapping[str, np.ndarray]:
    """Pixels [H, W, 3] as a plain 4:2:0 file keeps them; sides multiples of 16."""
    return kept(pixels, quality=quality, subsampling="4:2:0")


class Coarse(Crops):
    """Crops as plain colour files of qualities 8..45 keep them: {"planes", "steps", "sampling", "target"}, see `Seen`."""

    def sample(self, index: int, random: np.random.Generator) -> Mapping[str, np.ndarray]:
        return _sample(super().sample(index, random)["pixels"], int(random.integers(8, 46)))


def evaluation(store: Store, count: int = 12, side: int = SIDE) -> Callable[[Any], dict[str, float]]:
    """evaluate for `fit`: of middles of held-out pictures the share of blocks that the discriminator tells right, originals and
    restored ones counted alike ("accuracy", and at each quality), and what the generator gains in luma and RGB, dB."""
    stored, middles = {}, middles_of(store, count, side)
    for quality in HELD:
        samples = [_sample(pixels, quality) for pixels in middles]
        stored[quality] = {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
    look = nnx.jit(pair_loss(0.0))

    def evaluate(model: Pair) -> dict[str, float]:
        key = jax.random.key(0)
        found = {q: {n: float(x) for n, x in look(model, batch, key)[1].items()} for q, batch in stored.items()}
        means = {n: float(np.mean([f[n] for f in found.values()])) for n in ("accuracy", "gain_y", "gain_rgb")}
        return means | {f"accuracy{q}": f["accuracy"] for q, f in found.items()}

    return evaluate


def restorer(model: str) -> Restorer:
    """The trained restorer: a model of the package, or a path to weights (.npz). ValueError where there is none."""
    return stored_weights.trainable(stored_weights.file_of(model))


def stage(weight: float) -> str:
    """The run folder of a weight of the adversarial term, below the one of all."""
    return f"weight-{weight:g}"


def train(
    start: Restorer,
    store: Store,
    folder: Path,
    *,
    weights: Sequence[float] = WEIGHTS,
    steps: int = 300,
    alone: int = 200,
    batch: int = 4,
    crop: int = 128,
    learning_rate: float = 1e-3,
    max_seconds: float | None = None,
    width: int = 32,
    side: int = SIDE,
) -> dict[str, FitResult]:
    """Trains stage by stage; each goes on where it was left, if it was.

    Args:
        start: The generator to begin with.
        store: Pictures; those that `split` holds out are not trained on.
        folder: Of the stages' run folders, see `stage`.
        weights: Of the adversarial term, one stage each, in this order.
        steps, alone: Of a stage, and of the discriminator's own before all.
        batch, crop: Pictures a step, and their side, a multiple of 16 pixels.
        learning_rate: The discriminator's; the generator has a fifth of it.
        max_seconds: For each stage.
        width: The discriminator's.
        side: Of the middles of held-out pictures that `evaluation` looks at.
    """
    mine, held = split(store)
    source, evaluate = Coarse(mine, crop, seed=1, threads=min(8, os.cpu_count() or 2)), evaluation(held, side=side)
    model, found = Pair(start, Discriminator(width, rngs=nnx.Rngs(1))), {}
    for weight in (0.0, *weights):
        config = FitConfig(
            folder=folder / stage(weight), steps=steps if weight else alone, batch=batch, learning_rate=learning_rate,
            warmup=20, final_rate=0.1, paces=(("generator", 0.2 if weight else 0.0),), clip=None, ema=0.98,
            max_seconds=max_seconds, devices=1, log_every=50, evaluate_every=1 << 20, checkpoint_every=100, keep=1,
        )  # fmt: skip
        found[stage(weight)] = fit(model, pair_loss(weight), source, config, evaluate=evaluate)
        model = found[stage(weight)].model
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.ruihua.adversarial", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--folder", type=Path, required=True, help="run folder of the stages")
    parser.add_argument("--restorer", default=stored_weights.DEFAULT, help="model of the package, or weights (.npz)")
    parser.add_argument("--data", nargs="+", help="folders and packs; default: $JPEGJAX_SHARED/data/train-*.zip")
    parser.add_argument("--pixels", type=Path, help="decoded pack, made if it is not there; default: beside --folder")
    parser.add_argument("--weights", type=float, nargs="+", default=list(WEIGHTS), help="of the adversarial term")
    parser.add_argument("--steps", type=int, default=300, help="of a stage")
    parser.add_argument("--alone", type=int, default=200, help="of the discriminator before all")
    parser.add_argument("--seconds", type=float, help="most a stage")
    given = parser.parse_args(arguments)
    pixels = given.pixels or given.folder.parent / "pixels"
    shared = Path(os.environ.get("JPEGJAX_SHARED", "shared")) / "data"
    store = (
        Pack(pixels)
        if pixels.exists()
        else Pack.make(Files(*(given.data or sorted(shared.glob("train-*.zip")))), pixels)
    )
    train(
        restorer(given.restorer), store, given.folder, weights=given.weights, steps=given.steps, alone=given.alone,
        max_seconds=given.seconds,
    )  # fmt: skip


if __name__ == "__main__":
    main()
