"""Learning rules on one small network: back-propagation with momentum, AdamW, and Levenberg–Marquardt (optimistix)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from jpegjax.learned.perceptron.network import Perceptron, PerceptronSize, hidden, shown

from .train import decibels, kept, klt, scaled, trained

__all__ = ["compared", "levenberg_marquardt"]


def levenberg_marquardt(
    size: PerceptronSize, blocks: np.ndarray, steps: int, seed: int = 0
) -> tuple[Perceptron, dict[str, Any]]:
    """(the network of least squares over all blocks [N, n²], {"seconds", "steps"}); the Jacobian has N·n² rows."""
    import lineax
    import optimistix

    began = time.monotonic()
    x = scaled(blocks)
    model = Perceptron(size, rngs=nnx.Rngs(seed))

    def errors(weights: Any, _: Any) -> Any:
        return shown(size, weights, hidden(size, weights, x)) - x

    solver = optimistix.LevenbergMarquardt(1e-6, 1e-6, linear_solver=lineax.QR())
    found = optimistix.least_squares(errors, solver, model.weights, max_steps=steps, throw=False)
    for name, value in found.value.items():
        getattr(model, name)[...] = jnp.asarray(value)
    done = int(found.stats["num_steps"])
    return model, {"seconds": round(time.monotonic() - began, 1), "steps": done}


def compared(
    blocks: np.ndarray, seen: Sequence[np.ndarray], transfer: str, units: int, count: int, steps: tuple[int, int, int]
) -> dict[str, Any]:
    """{rule: {"seconds", "steps", "psnr" on pictures' blocks, "training" on the same few}}, "klt": that of the few."""
    size = PerceptronSize(round(blocks.shape[1] ** 0.5), units, transfer, mean=False)
    few = blocks[np.random.default_rng(0).permutation(len(blocks))[:count]]
    rows, middle = klt(few, units)
    errors = [[np.mean(((x - middle) - (x - middle) @ rows.T @ rows) ** 2) for x in parts] for parts in (seen, [few])]
    scores = {name: round(decibels(e), 3) for name, e in zip(("psnr", "training"), errors, strict=True)}
    report: dict[str, Any] = {"block": size.block, "units": units, "blocks": count, "klt": scores}
    for rule, rate, many in (("momentum", 0.3, steps[0]), ("adamw", 3e-3, steps[1])):
        model, told = trained(size, few, steps=many, nested=False, rate=rate, optimizer=rule)
        report[rule] = {"seconds": told["seconds"], "steps": many, "curve": told["curve"]} | _scores(model, seen, few)
    model, told = levenberg_marquardt(size, few, steps[2])
    return report | {"levenberg-marquardt": told | _scores(model, seen, few)}


def _scores(model: Perceptron, seen: Sequence[np.ndarray], few: np.ndarray) -> dict[str, float]:
    return {"psnr": round(kept(model, seen), 3), "training": round(kept(model, [few]), 3)}
