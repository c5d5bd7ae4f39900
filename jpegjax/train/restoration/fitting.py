"""Training of the restoration network: pictures, what real files of them keep, and the logarithm of the error that is left.

    picture ─▶ encode (plain or tuned, any quality and sampling) ─▶ read_coefficients ─▶ planes, steps ─▶ network ─▶ loss
       └─────────────────────────────────────────────────────────────────────────────────▶ target ──────────────────▲

The loss of a sample is the logarithm of its squared error over the error before, that is, its gain in decibels: all qualities and
pictures count alike. Errors are those of pixels as decoders show them, clamped. Colour counts by RGB and by luma, grey by itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...learned.restoring import weights
from ...learned.restoring.model import STANDARD, Restorer, RestorerSize, Seen
from ...ops.color import FORWARD, ycbcr_to_rgb_float
from ..config import FitConfig
from ..loop import FitResult, fit
from ..pictures import Files, Pack, Store, middles_of, shared_packs, split
from .source import Quantised, kept

__all__ = ["evaluation", "gain_loss", "loss_of", "train_restorer"]

QUALITIES = (10, 30, 50, 75, 90)
"""At which the validation part is looked at."""
SIDE = 256
LUMA_PARTS = "^(tables|luma|cell)/"
"""Parameters that luma depends on."""
CHROMA_SHARES = (0.45, 0.4, 0.12, 0.03)
"""Of samplings, see `SAMPLINGS`, where the chroma stages are trained alone."""


def _shown(planes: jax.Array) -> jax.Array:
    """Pixels [N, H, W, 3], 0..255, of planes: what lies beyond, as in files that overshoot on purpose, decoders clamp."""
    return jnp.clip(ycbcr_to_rgb_float(planes + 128), 0, 255)


def _errors(target: jax.Array, planes: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean squared errors (luma, RGB), each [N], of planes [N, H, W, 3] as they are shown."""
    difference = _shown(target) - _shown(planes)
    luma = difference @ jnp.asarray(FORWARD[0], jnp.float32)
    return jnp.mean(luma**2, (1, 2)), jnp.mean(difference**2, (1, 2, 3))


_SMALL = 0.02
"""Squared error that is as good as none, of pixels 0..255."""


def _changes(target: jax.Array, before: jax.Array, after: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Of errors (luma, RGB) in decibels, each [N], from planes before to planes after."""
    a, b = _errors(target, after), _errors(target, before)
    luma, rgb = (10 * jnp.log10((x + _SMALL) / (y + _SMALL)) for x, y in zip(a, b, strict=True))
    return luma, rgb


def chroma_loss(model: Restorer, batch: Any, key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The loss for `fit` of the chroma stages alone, in decibels of what chroma's errors do to RGB."""
    seen, target = Seen(batch["planes"], batch["steps"], batch["sampling"]), batch["target"]
    planes = seen.planes, model(seen)
    before, after = (jnp.concatenate([target[..., :1], p[..., 1:]], -1) for p in planes)  # as if luma were whole
    loss = jnp.mean(_changes(target, before, after)[1])
    return loss, {"gain_chroma": -loss, "gain_rgb": -jnp.mean(_changes(target, *planes)[1])}


def gain_loss(model: Restorer, batch: Any, key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The loss for `fit`, in decibels: the lower the better, 0 where nothing was gained."""
    return loss_of(batch, model(Seen(batch["planes"], batch["steps"], batch["sampling"])))


def loss_of(batch: Any, restored: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """`gain_loss` of planes that are restored already."""
    luma, rgb = _changes(batch["target"], batch["planes"], restored)
    colour = (batch["steps"][:, 1, 0] > 0).astype(jnp.float32)
    loss = jnp.mean(luma * (1 - 0.5 * colour) + 0.5 * rgb * colour)
    return loss, {"gain_y": -jnp.mean(luma), "gain_rgb": -jnp.sum(rgb * colour) / jnp.maximum(1, jnp.sum(colour))}


def evaluation(store: Store, count: int = 24) -> Callable[[Any], dict[str, float]]:
    """evaluate for `fit`: mean gains in decibels over middles of pictures, plain and tuned, grey and colour; the least."""
    middles = list(middles_of(store, count, SIDE))
    grey = [np.rint(p @ FORWARD[0]).astype(np.uint8) for p in middles]
    sets: dict[str, tuple[list[np.ndarray], Any]] = {f"y{q}": (grey, {"quality": q}) for q in QUALITIES}
    sets |= {f"rgb{q}": (middles, {"quality": q}) for q in QUALITIES}
    sets |= {f"psnr{q}": (middles, {"quality": q, "tune": "psnr", "subsampling": "4:2:0"}) for q in QUALITIES[1:]}
    stored: dict[str, tuple[Any, Any]] = {}
    for name, (pictures, settings) in sets.items():
        each = [kept(p, **settings) for p in pictures]
        batch = {part: np.stack([sample[part] for sample in each]) for part in each[0]}
        target = batch.pop("target")
        stored[name] = Seen(**jax.tree.map(jnp.asarray, batch)), target

    @nnx.jit
    def measure(model: Restorer, seen: Seen, target: jax.Array) -> tuple[jax.Array, jax.Array]:
        before, after = _errors(target, seen.planes), _errors(target, model(seen))
        return tuple(10 * jnp.log10(b / a) for b, a in zip(before, after, strict=True))  # type: ignore[return-value]

    def evaluate(model: Restorer) -> dict[str, float]:
        found, least = {}, []
        for name, (seen, target) in stored.items():
            gains = [
                measure(model, jax.tree.map(lambda part: part[i : i + 8], seen), target[i : i + 8])  # noqa: B023
                for i in range(0, len(target), 8)
            ]
            luma, rgb = (np.concatenate([np.asarray(g[k]) for g in gains]) for k in range(2))
            gain = luma if name.startswith("y") else rgb
            found[name] = float(gain.mean())
            least.append(float(gain.min()))
        return {"gain": float(np.mean(list(found.values()))), "least": min(least), **found}

    return evaluate


def train_restorer(
    name: str,
    config: FitConfig,
    *,
    crop: int,
    data: str | Sequence[str] | None = None,
    start: str | None = None,
    chroma: bool = False,
    size: RestorerSize = STANDARD,
) -> FitResult:
    """Trains the restoration network, and writes its weights as NAME.npz into the run folder.

    Args:
        name: Of the model.
        config: For `fit`; its folder is needed.
        crop: Pixels a side, a multiple of 16.
        data: Folders, packs (.zip) or pictures. Default: data/train-*.zip of $JPEGJAX_SHARED.
        start: A model of the package, or a path to weights (.jxw, .npz), to start from; default: the DCT and random weights.
        chroma: Train the chroma stages alone, luma's as they are, on colour with more drawings and more of 4:4:4.
        size: Of a model that starts so.

    Raises:
        ValueError: No data, a crop that does not fit, no folder, no such model.
    """
    folder = config.folder
    if folder is None:
        raise ValueError("folder: must be given; checkpoints, logs and weights go there")
    model = Restorer(size, rngs=nnx.Rngs(config.seed)) if start is None else weights.trainable(weights.file_of(start))
    paths = [data] if isinstance(data, str) else list(data or shared_packs())
    pack = Pack.make(Files(*paths), folder.parent / "pixels")
    mine, held = split(pack)
    shares: dict[str, Any] = {"drawn": 0.4, "grey": 0.0, "samplings": CHROMA_SHARES} if chroma else {}
    source = Quantised(mine, crop, seed=config.seed, threads=min(8, os.cpu_count() or 2), **shares)
    if chroma:
        config = replace(config, paces=((LUMA_PARTS, 0.0),))
    result = fit(model, chroma_loss if chroma else gain_loss, source, config, evaluate=evaluation(held))
    weights.write(folder / f"{name}.npz", name, result.model)
    return result
