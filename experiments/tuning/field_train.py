"""Trains the network of `field_cnn.py` and sets it against the formula: `python -m experiments.tuning.field_train`.

Exchange rates on crops of the training photographs, about the formula's field; training; exchange rates once more, about the
field of that network mixed with the formula's; training on both; on training pictures apart, how far the field goes from the
formula to the network; then whole files, decoded by Pillow, on photographs of the validation split:
no field, the formula, the network, and both mixed. Kodak is not looked at. Writes
`experiments/results/tuning-field-cnn.json` and `.png`. About 15 minutes on two idle cores, most of them exchange rates.

Found: on validation the network takes 1.1 % off the formula's files at equal SSIMULACRA2 (standard error 0.2), mixed with the
formula 1.2 % (0.1); the formula itself 3.6 % off those without a field. Its floats differ between machines, so the formula ships
until a network in integers does as well.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx

from benchmarks.machine import describe
from jpegjax import metrics
from jpegjax.jpeg.tuned.encode import write_tuned
from jpegjax.kernels.tuned.field import strength_field
from jpegjax.options import EncodeOptions

from . import field_cnn, pictures, scores
from .evaluate import ANCHOR_QUALITIES, RESULTS, pillow
from .model import FOUND, make_recipe

CROP = 256
SHAPE = (384, 512)
"""Of the middles of pictures that files are made of."""
TUNING = 12
"""Training pictures, the first, that only the powers are tuned on."""
STEPS = (1.1, 15.0)
GRID = (14.0, 8.5, 5.2, 3.1, 1.8, 1.0)
"""d of labels, from least to most; d of files."""
RESCALED = ((0.85, 0.0), (1.2, 0.0))
ALONE = ((0.0, 0.6), (0.0, 0.8), (0.0, 1.0))
MIXED = ((0.5, 0.6), (0.5, 0.8), (0.3, 0.8), (0.2, 0.9), (0.3, 1.0))
"""Powers of the formula and of the network that are tried."""
SECOND = (0.7, 0.4)
"""Those about which the second round's labels are made."""
WIN = 0.5
"""Points of BD-rate on validation by which the network must beat the formula to be worth an integer form."""

Field = Callable[[dict[str, Any]], np.ndarray | None]  # log2 of a field


def label(
    tune: dict[str, Any], entries: list[tuple[int, str]], crops: int, seed: int, net: field_cnn.FieldNet | None = None
) -> dict[str, np.ndarray]:
    """`exchange_rates` of random crops at random d, with that "d": [N, ...] each, and "seconds" it took.

    About the formula's field, or about its mixture with a network's, where the exchange is another.
    """
    begin, random, found = time.perf_counter(), np.random.default_rng(seed), []
    for entry in entries:
        (picture,) = pictures.load([entry])
        if min(picture.shape[:2]) < CROP:
            continue
        for _ in range(crops):
            y, x = (random.integers(0, side - CROP + 1) for side in picture.shape[:2])
            d = np.exp(random.uniform(*np.log(STEPS)))
            crop = np.ascontiguousarray(picture[y : y + CROP, x : x + CROP])
            about = None if net is None else mixture(SECOND)(scene(tune, net, crop, d))
            found.append({**field_cnn.exchange_rates(crop, make_recipe(tune, d), about), "d": np.float32(d)})
    stacked = {name: np.stack([x[name] for x in found]) for name in found[0]}
    return {**stacked, "seconds": np.float32(time.perf_counter() - begin)}


def kept(
    folder: Path | None, name: str, make: Callable[[], dict[str, np.ndarray]]
) -> tuple[dict[str, np.ndarray], float]:
    """Labels from a folder's file, made and stored there if it has none, and the seconds that they took."""
    path = None if folder is None else folder / f"{name}.npz"
    if path is not None and path.is_file():
        with np.load(path) as stored:
            data = dict(stored)
    else:
        data = make()
        if path is not None:
            np.savez(path, **data)
    return data, float(data.pop("seconds"))


def level(
    data: dict[str, np.ndarray], fit: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[dict[str, np.ndarray], Any]:
    """Labels with errors and losses over what they come to at their d, 1 on average, and that fit: log-quadratics in d."""
    x = np.log(data["d"])
    if fit is None:
        order = np.array_split(np.argsort(x), 12)
        centres = [x[i].mean() for i in order]
        fit = tuple(np.polyfit(centres, [math.log(data[n][i].mean()) for i in order], 2) for n in ("error", "loss"))
    scaled = {n: data[n] / np.exp(np.polyval(f, x))[:, None, None] for n, f in zip(("error", "loss"), fit, strict=True)}
    return {
        "features": data["features"],
        "formula": data["formula"],
        **{n: v.astype(np.float32) for n, v in scaled.items()},
    }, fit


def explained(net: field_cnn.FieldNet | None, data: dict[str, np.ndarray]) -> float:
    """What a network, or none, leaves of the loss on labels; the best constant is 0, less is better."""
    constant = 1 - math.log(data["loss"].mean() / data["error"].mean())
    if net is None:
        return 0.0
    return float(field_cnn.loss(net, data)) / float(data["loss"].mean()) - constant


def formula_slope(data: dict[str, np.ndarray]) -> tuple[float, float]:
    """(power, what is left) of the formula's best power on labels, which needs no network."""
    best = (0.0, 0.0)
    mean = data["formula"].mean()
    for power in np.arange(0.1, 2.01, 0.1):
        f = power * (data["formula"] - mean)
        f += math.log2(data["loss"].mean() / (np.exp2(f) * data["error"]).mean())
        left = (np.exp2(f) * data["error"] - math.log(2) * f * data["loss"]).mean() / data["loss"].mean()
        best = min(best, (float(left - 1 + math.log(data["loss"].mean() / data["error"].mean())), float(power)))
    return best[1], best[0]


def middles(entries: list[tuple[int, str]], count: int) -> list[np.ndarray]:
    """The middles, `SHAPE`, of the first `count` pictures that are large enough either way round."""
    found = []
    for entry in entries:
        (picture,) = pictures.load([entry])
        if picture.shape[0] > picture.shape[1]:
            picture = picture.transpose(1, 0, 2)
        y, x = ((side - wanted) // 2 for side, wanted in zip(picture.shape[:2], SHAPE, strict=True))
        if min(y, x) >= 0 and len(found) < count:
            found.append(np.ascontiguousarray(picture[y : y + SHAPE[0], x : x + SHAPE[1]]))
    return found


def scene(tune: dict[str, Any], net: field_cnn.FieldNet, image: np.ndarray, d: float) -> dict[str, Any]:
    """What a file needs: planes, recipe, log2 of the formula's field as it ships and of the network's."""
    recipe = make_recipe(tune, d)
    picture, samples, formula = field_cnn.prepare(image, recipe)
    shipped = strength_field(samples[0], *formula.shape, recipe.field)
    features = field_cnn.block_features(samples, formula, recipe)
    return {
        "image": image, "d": d, "recipe": recipe, "picture": picture, "samples": samples,
        "formula": np.log2((np.full(formula.shape, 256) if shipped is None else shipped) / 256),
        "learned": np.asarray(field_cnn.predict(net, features[None], formula[None]))[0],
    }  # fmt: skip


def scenes(tune: dict[str, Any], net: field_cnn.FieldNet, images: Sequence[np.ndarray]) -> list[list[dict[str, Any]]]:
    """By picture and d of GRID."""
    return [[scene(tune, net, image, d) for d in GRID] for image in images]


def measure(rows: list[list[dict[str, Any]]], field: Field) -> np.ndarray:
    """Bits per pixel and SSIMULACRA2 of tuned files with a field: [pictures, d, 2]."""
    found = np.empty((len(rows), len(GRID), 2))
    for i, row in enumerate(rows):
        for j, one in enumerate(row):
            log_field, recipe = field(one), one["recipe"]
            given = None if log_field is None else field_cnn.quantise_field(log_field)
            planes = field_cnn.tuned_levels(one["picture"], one["samples"], recipe, given)
            data = write_tuned(planes, one["picture"].frame, recipe, EncodeOptions(tune=True))
            found[i, j] = point(one["image"], data)
    return found


def point(image: np.ndarray, data: bytes) -> tuple[float, float]:
    """Bits per pixel and SSIMULACRA2 of a file."""
    return 8 * len(data) / (image.shape[0] * image.shape[1]), float(metrics.ssimulacra2(image, scores.decoded(data)))


def rate(anchor: np.ndarray, curves: np.ndarray, interval: tuple[float, float]) -> float:
    """BD-rate in percent of mean curves. Both [pictures, points, 2]."""
    return float(metrics.bd_rate(anchor.mean(0).tolist(), curves.mean(0).tolist(), interval=interval))


def deviation(anchor: np.ndarray, curves: np.ndarray, interval: tuple[float, float]) -> float:
    """The standard error of `rate` over pictures, by jackknife."""
    everyone = np.arange(len(anchor))
    apart = [rate(anchor[everyone != i], curves[everyone != i], interval) for i in everyone]
    return float(np.sqrt(len(everyone) - 1) * np.std(apart))


def mixture(powers: tuple[float, float]) -> Field:
    """The formula's field as it ships and the network's, to these powers; a picture's mean stays the formula's."""

    def field(one: dict[str, Any]) -> np.ndarray:
        usual, learned = one["formula"], one["learned"]
        mean = usual.mean()
        return mean + powers[0] * (usual - mean) + powers[1] * (learned - learned.mean())

    return field


def draw(rows: list[list[dict[str, Any]]], mixed: Field, path: Path) -> None:
    """Photographs, the formula's fields, the network's, and both mixed, in octaves."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(rows), 4, figsize=(17, 3.3 * len(rows)), layout="constrained")
    for line, row in zip(axes, rows, strict=True):
        one = row[2]
        line[0].imshow(one["image"])
        learned = one["learned"] - one["learned"].mean()
        for axis, (name, values) in zip(
            line[1:], (("formula", one["formula"]), ("network", learned), ("both", mixed(one))), strict=True
        ):
            shown = axis.imshow(values, cmap="viridis", vmin=-3, vmax=3)
            axis.set_title(name)
        figure.colorbar(shown, ax=line, label="log₂ field")
        for axis in line:
            axis.set_axis_off()
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.tuning.field_train", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--found", type=Path, default=FOUND, help="numbers of the recipes")
    parser.add_argument("--labels", type=Path, help="folder that keeps the exchange rates")
    parser.add_argument("--crops", type=int, default=4, help="crops a picture and round")
    parser.add_argument("--steps", type=int, default=1000, help="training steps, half as many more in round 2")
    parser.add_argument("--pictures", type=int, default=24, help="validation pictures")
    arguments = parser.parse_args()
    tune = json.loads(arguments.found.read_text())["ssimulacra2"]
    training = pictures.listing(validation=False)
    held, others = training[TUNING::8], [entry for i, entry in enumerate(training[TUNING:]) if i % 8]
    crops, seconds = arguments.crops, {}
    first, seconds["round-1"] = kept(arguments.labels, "round-1", lambda: label(tune, others, crops, 0))
    outer, seconds["held"] = kept(arguments.labels, "held", lambda: label(tune, held, crops, 1))
    inner, fit = level(first)
    outer, _ = level(outer, fit)
    net = field_cnn.FieldNet(rngs=nnx.Rngs(0))
    begin = time.perf_counter()
    field_cnn.train(net, inner, arguments.steps)
    trained = time.perf_counter()
    alone_once = explained(net, outer)
    second, seconds["round-2"] = kept(arguments.labels, "round-2", lambda: label(tune, others, crops, 2, net))
    more, _ = level(second)
    inner = {name: np.concatenate([x, more[name]]) for name, x in inner.items()}
    net = field_cnn.FieldNet(rngs=nnx.Rngs(0))
    begin += time.perf_counter() - trained
    losses = field_cnn.train(net, inner, arguments.steps * 3 // 2)
    trained = time.perf_counter()
    slope, left = formula_slope(outer)
    found: dict[str, Any] = {
        "labels": {"round-1": len(first["d"]), "round-2": len(second["d"]), "held": len(outer["error"])},
        "label_seconds": {name: round(value) for name, value in seconds.items()},
        "parameters": field_cnn.parameter_count(net), "steps": [arguments.steps, arguments.steps * 3 // 2],
        "training_seconds": round(trained - begin, 1),
        "first_and_last_losses": [float(np.mean(losses[:50])), float(np.mean(losses[-50:]))],
        "left_of_the_loss_on_held_crops": {
            "constant": 0.0, f"formula, power {slope:.1f}": left, "network, round 1": alone_once,
            "network": explained(net, outer), "network, on its training crops": explained(net, inner),
        },
    }  # fmt: skip
    print(json.dumps(found, indent=1), flush=True)

    intervals = {name: scores.INTERVALS[name][1:] for name in ("ssimulacra2", "ssimulacra2_60_85")}
    rows = scenes(tune, net, middles(training[:TUNING], TUNING))
    formula = measure(rows, lambda one: one["formula"])
    tried = {}
    for powers in RESCALED + ALONE + MIXED:
        tried[powers] = rate(formula, measure(rows, mixture(powers)), intervals["ssimulacra2"])
        print(f"training pictures: powers {powers}: {tried[powers]:+.2f} against the formula", flush=True)
    alone, mixed = (min(among, key=tried.__getitem__) for among in (ALONE, MIXED))

    images = middles(pictures.listing(validation=True), arguments.pictures)
    rows = scenes(tune, net, images)
    fields: dict[str, Field] = {
        "none": lambda one: None, "formula": lambda one: one["formula"],
        "network": mixture(alone), "both": mixture(mixed),
    }  # fmt: skip
    anchor = np.array([[point(image, pillow(image, quality)) for quality in ANCHOR_QUALITIES] for image in images])
    curves = {name: measure(rows, field) for name, field in fields.items()}
    against_pillow = {f: {n: rate(anchor, c, i) for n, i in intervals.items()} for f, c in curves.items()}
    formula = curves["formula"]
    against = {
        f: {n: (rate(formula, c, i), deviation(formula, c, i)) for n, i in intervals.items()}
        for f, c in curves.items() if f != "formula"
    }  # fmt: skip
    gain = -min(against[name]["ssimulacra2"][0] for name in ("network", "both"))
    verdict = f"the network gains {gain:.2f} points of BD-rate, " + (
        "and wins: field_integer.py makes the form of it that ships"
        if gain > WIN
        else f"not more than {WIN}: the formula ships"
    )
    found |= {
        "powers_of_formula_and_network": {"network": alone, "both": mixed},
        "tuning_percent_against_formula": {str(p): v for p, v in tried.items()},
        "validation_pictures": len(images), "validation_shape": SHAPE, "intervals": intervals,
        "bd_rate_percent_against_pillow": against_pillow,
        "bd_rate_percent_and_standard_error_against_formula": against, "verdict": verdict,
        "mean_curves_bpp_ssimulacra2": {"Pillow": anchor.mean(0).tolist(), **{n: c.mean(0).tolist() for n, c in curves.items()}},
    }  # fmt: skip
    given = [Path(a).name if "/" in a else a for a in sys.argv[1:]]
    command = shlex.join(["python", "-m", "experiments.tuning.field_train", *given])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "tuning-field-cnn.json").write_text(
        json.dumps({**describe(), "command": command, **found}, indent=1) + "\n"
    )
    draw(rows[:3], fields["both"], RESULTS / "tuning-field-cnn.png")
    print(json.dumps({"against Pillow": against_pillow, "against the formula": against, "verdict": verdict}, indent=1))


if __name__ == "__main__":
    main()
