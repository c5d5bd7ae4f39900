"""Tables by gradient: `python -m experiments.tuning.gradient --tune ssimulacra2`.

From the tables of `found.json`, small steps of Adam on the logarithms of all 192 steps at each of three d, through
`jpegjax.simulate` (smooth) and its estimate of the bits, on crops of training pictures. The loss is the local BD-rate:
log bits − slope · metric, the slope from how both change with d. The real encoder then says whether the moved tables are
better, at several lengths of the move. Writes `experiments/results/tuning-gradient-<tune>.json`; with --keep, where a move
wins, also `found.json`.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from typing import Any

import numpy as np

from .evaluate import RESULTS
from .model import FOUND, found, make_recipe, move
from .objective import Crop, training
from .search import GRID, Objective, goal

STEPS = 30
BATCH = 4
RATE = 0.01
AT = 1, 2, 3  # of GRID: the d whose tables are moved; between and beyond them moves are interpolated


def metric(tune: str, reference: Any, image: Any) -> Any:
    """[N] of the tune's own metric, for autodiff: PSNR and MS-SSIM in dB."""
    import jax.numpy as jnp

    from jpegjax import metrics
    from jpegjax.metrics import ssimulacra2

    if tune == "psnr":
        return metrics.psnr(reference, image)
    if tune == "ms-ssim":
        return -10 * jnp.log10(1 - metrics.ms_ssim(reference, image))
    return ssimulacra2(reference, image)


def moves(tune: str, images: np.ndarray) -> tuple[np.ndarray, list[list[float]]]:
    """Moves of log steps [len(AT), 3, 64], and the loss by step for each."""
    import jax
    import jax.numpy as jnp
    import optax

    import jpegjax

    entry = found()[tune]

    def terms(log_steps: Any, batch: Any) -> tuple[Any, Any]:
        shown, bits = jpegjax.simulate(batch, qtables=jnp.exp(log_steps), forward="smooth", bits=True)
        return jnp.log(bits).mean(), metric(tune, batch, shown).mean()

    both = jax.jit(terms)
    value = jax.jit(jax.value_and_grad(lambda t, batch, slope: (lambda r, m: r - slope * m)(*terms(t, batch))))
    generator = np.random.default_rng(0)
    all_moves, losses = [], []
    for at in AT:
        d = GRID[tune][at]
        start = np.log(make_recipe(entry, d).steps.astype(np.float32))
        probe = jnp.asarray(images[: 2 * BATCH], jnp.float32)
        finer, coarser = (both(start + shift, probe) for shift in (-0.1, 0.1))
        slope = float((finer[0] - coarser[0]) / (finer[1] - coarser[1]))
        optimiser = optax.adam(RATE)
        steps = jnp.asarray(start)
        state, seen = optimiser.init(steps), []
        for _ in range(STEPS):
            batch = jnp.asarray(images[generator.choice(len(images), BATCH, replace=False)], jnp.float32)
            loss, slant = value(steps, batch, slope)
            slant -= slant.mean()  # not the length of d itself
            if tune == "ms-ssim":  # blind to chroma, whose bits it would save down to none
                slant = slant.at[1:].set(0)
            update, state = optimiser.update(slant, state)
            steps = jnp.maximum(optax.apply_updates(steps, update), 0.0)
            seen.append(round(float(loss), 4))
        all_moves.append(np.asarray(steps) - start)
        losses.append(seen)
        print(f"d {d:g}: loss {np.mean(seen[:5]):.4f} → {np.mean(seen[-5:]):.4f}", flush=True)
    return np.array(all_moves), losses


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.tuning.gradient", description=__doc__.split("\n")[0])
    parser.add_argument("--tune", choices=tuple(GRID), required=True)
    parser.add_argument("--keep", action="store_true", help="store a winning move in found.json")
    arguments = parser.parse_args()
    started = time.monotonic()
    objective = Objective(arguments.tune)
    images = np.stack([Crop(picture).image for picture in training()["photographs"]])
    found_moves, losses = moves(arguments.tune, images)
    knots = [math.log(GRID[arguments.tune][at]) for at in AT]
    before = np.array([move(objective.entry.get("moves"), math.exp(k)) * np.ones((3, 64)) for k in knots])
    results, best = {}, (math.inf, 0.0)
    for length in (0.0, 0.25, 0.5, 1.0):
        log_steps = (before + length * found_moves).tolist()
        objective.entry = {**objective.entry, "moves": {"log_d": knots, "log_steps": log_steps}}
        rates = objective.rates(objective.entry["numbers"])
        results[f"{length:g}"] = {m: round(x, 2) for m, x in rates["photographs"].items()}
        best = min(best, (goal(arguments.tune, rates), length))
        print(f"move × {length:g}: BD-rates", results[f"{length:g}"], flush=True)
    path = RESULTS / f"tuning-gradient-{arguments.tune}.json"
    about = {"tune": arguments.tune, "steps": STEPS, "rate": RATE, "seconds": round(time.monotonic() - started)}
    path.write_text(json.dumps({**about, "losses": losses, "bd_rate_training_by_length": results}, indent=1) + "\n")
    if arguments.keep and best[1]:
        stored = found()
        rounded = np.round(before + best[1] * found_moves, 3).tolist()
        stored[arguments.tune]["moves"] = {"log_d": knots[::-1], "log_steps": rounded[::-1]}
        FOUND.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
