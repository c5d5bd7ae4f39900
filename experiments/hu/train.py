"""From portraits to models: shapes, components and tables, then the refinement by `train.fit` on persons left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jpegjax.learned.faces.model import Faces, Refinement, step_of
from jpegjax.learned.faces.search import LAMBDA, Candidate, code
from jpegjax.learned.faces.symbols import costs
from jpegjax.learned.faces.weights import Coder, LoadedFaces
from jpegjax.train import Arrays, FitConfig, fit

from .build import FOLDS, Recipe, Shapes, built, coder_of, every_of, left_out, planes_of_all
from .data import Portraits

__all__ = ["Trained", "refined", "trained"]

JUDGED = 45
"""The quality at which variants are compared on persons left out."""
REFINED = (15, 30, 45, 60, 80)
"""Qualities whose decoded planes the refinement is trained on."""


@dataclass(frozen=True)
class Trained:
    """A model and its coder; what persons left out cost at `JUDGED`: squared error plus λ bits, and decibels and bytes of it."""

    model: Faces
    coder: Coder
    cost: float
    db: float
    nbytes: float


def trained(portraits: Portraits, shapes: Shapes, recipe: Recipe) -> Trained:
    """A model without refinement."""
    planes = planes_of_all(portraits)
    cases = left_out(portraits, planes, shapes, recipe)
    coder, spread = coder_of(cases, shapes, recipe)
    model = built(planes, shapes, recipe, spread)
    this = LoadedFaces("", model.size, b"", model, coder, costs(coder.tables))
    made = [code(this, one, JUDGED) for one in cases[:: every_of(len(cases))]]
    errors, bits = np.array([m.error for m in made]), np.array([m.bits for m in made])
    cost = float(np.mean(errors + LAMBDA * step_of(JUDGED) ** 2 * bits))
    db = 10 * np.log10(255**2 * planes[0].size / errors)
    return Trained(model, coder, cost, float(db.mean()), float(bits.mean() / 8 + 20))


def _pairs(portraits: Portraits, shapes: Shapes, recipe: Recipe, coder: Coder) -> dict[str, np.ndarray]:
    """Planes, what the coder left of them under models of other persons, and steps; the mean shape alone."""
    planes = planes_of_all(portraits)
    found: dict[str, list[Any]] = {"original": [], "decoded": [], "step": []}
    for own in portraits.folds(FOLDS):
        model = built(planes[~own], shapes.of(~own), recipe)
        this = LoadedFaces("", model.size, b"", model, coder, costs(coder.tables))
        means, columns, gram = this.still
        for i in np.flatnonzero(own):
            x = np.moveaxis(planes[i], 0, -1).reshape(-1) - means
            one = Candidate(
                np.zeros(model.size.shape, np.int32), False, gram, (x @ columns).astype(np.float64), float(x @ x)
            )
            for quality in REFINED:
                z = code(this, [one], quality).latents * step_of(quality)
                shown = (means + columns @ z.astype(np.float32)).reshape(*planes.shape[2:], -1)
                found["original"].append(planes[i])
                found["decoded"].append(np.moveaxis(shown, -1, 0))
                found["step"].append(step_of(quality))
    return {name: np.asarray(values, np.float32) for name, values in found.items()}


def _loss(model: Refinement, batch: Any, key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    planes = batch["decoded"] / 64
    shown = planes + model(planes, batch["step"])
    error = jnp.mean((shown - batch["original"] / 64) ** 2, (1, 2, 3))
    return jnp.mean(jnp.log(error + 1e-4)), {"db": 10 * jnp.log10((255 / 64) ** 2 / error).mean()}


def refined(
    plain: Faces, coder: Coder, portraits: Portraits, shapes: Shapes, recipe: Recipe, folder: Path, steps: int
) -> tuple[Faces, float]:
    """The model with a refinement trained on pictures that models of other persons decoded; a tenth of the persons judge it.

    Returns the model, and decibels that the refinement gives on those persons; where it gives none, the model has none.
    """
    size = recipe.size
    pairs = _pairs(portraits, shapes, recipe, coder)
    persons = np.concatenate([portraits.persons[own].repeat(len(REFINED)) for own in portraits.folds(FOLDS)])
    held = np.isin(persons, np.unique(portraits.persons)[::10])
    judged = {name: jnp.asarray(values[held]) for name, values in pairs.items()}

    @nnx.jit
    def gains(model: Refinement) -> jax.Array:
        before = jnp.mean((judged["decoded"] - judged["original"]) ** 2, (1, 2, 3))
        shown = judged["decoded"] + 64 * model(judged["decoded"] / 64, judged["step"])
        return 10 * jnp.log10(before / jnp.mean((shown - judged["original"]) ** 2, (1, 2, 3))).mean()

    def evaluate(model: Refinement) -> Mapping[str, float]:
        return {"gain": float(gains(model))}

    model = Refinement(size.channels, size.refine, size.blocks, rngs=nnx.Rngs(1))
    config = FitConfig(
        steps=steps, batch=16, learning_rate=2e-3, warmup=min(50, steps // 4), final_rate=0.02, ema=0.99, weight_decay=1e-3,
        folder=folder, checkpoint_every=steps, evaluate_every=max(steps // 8, 1), best="gain", best_is="highest",
    )  # fmt: skip
    result = fit(model, _loss, Arrays({k: v[~held] for k, v in pairs.items()}), config, evaluate=evaluate)
    gain = float(gains(result.model))
    if gain <= 0:
        return plain, gain
    whole = Faces(replace(size), rngs=nnx.Rngs(0))
    for name in ("points", "moves", "spread"):
        getattr(whole, name)[...] = getattr(plain, name)[...]
    whole.face, whole.guess, whole.refine = plain.face, plain.guess, result.model
    if size.behind:
        whole.behind, whole.mask = plain.behind, plain.mask
    return whole, gain
