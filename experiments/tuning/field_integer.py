"""The integer network of `jpegjax.kernels.tuned.network`, trained on the labels of `field_cnn.py` as it will be executed.

Activations are integers 0..255 that stand for 64ths, weights integers of up to ±127 that stand for 64ths too: both are
rounded in training, and the gradient passes through the rounding.

`python -m experiments.tuning.field_integer --labels <folder of field_train>` trains it, tunes how much of it counts on training
pictures, writes `jpegjax/jpeg/tuned/data/field_network.npz`, and sets the engine's files with it against those without on
the validation split: "integer" in `experiments/results/tuning-field-cnn.json`. About 10 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import jpegjax
from jpegjax.jpeg.tuned.encode import encode_tuned
from jpegjax.kernels.tuned.network import FEATURES, WIDTH, Network
from jpegjax.options import EncodeOptions

from . import field_cnn, pictures, scores
from .evaluate import ANCHOR_QUALITIES, RESULTS, pillow
from .field_train import GRID, SHAPE, TUNING, deviation, explained, level, middles, rate
from .model import FOUND, make_recipe

__all__ = [
    "DATA",
    "IntegerNet",
    "as_network",
    "curves",
    "export",
    "integer_features",
    "integer_labels",
    "rates",
    "train",
]

DATA = Path(jpegjax.__file__).parent / "jpeg" / "tuned" / "data" / "field_network.npz"

POWERS = ((0.6, 0.5), (0.5, 0.7), (0.3, 0.9))
"""Of the formula and of the network, that are tried."""
_METRICS = ("psnr", "ms_ssim_db", "ssimulacra2")
ONE = 64
"""What stands for 1, of activations and weights."""


def integer_features(features: np.ndarray) -> np.ndarray:
    """uint8 [..., 66] as the engine sees them, of `field_cnn.block_features`: 64 of luma's DCT, the formula, the step."""
    x = np.asarray(features, np.float64)
    sizes = 16 * (2 * x[..., :63] + 2)
    dc = (512 * 8 * x[..., 63:64] + 8192) / 64
    formula = (512 * x[..., 68:69] + 1024) / 8
    step = (256 * (2 * x[..., 69:70] + 10) - 1536) / 8
    found = np.concatenate([dc, sizes, formula, step], -1)
    return np.clip(np.floor(found + 1e-3), 0, 255).astype(np.uint8)


def _through(x: jax.Array, fixed: jax.Array) -> jax.Array:
    """fixed, with the gradient of x."""
    return x + jax.lax.stop_gradient(fixed - x)


def _weights(w: jax.Array) -> jax.Array:
    return _through(w, jnp.clip(jnp.rint(w * ONE), -127, 127) / ONE)


def _activation(x: jax.Array) -> jax.Array:
    """0..255 of ONE, floored."""
    clipped = jnp.clip(x, 0, 255 / ONE)
    return _through(clipped, jnp.floor(clipped * ONE) / ONE)


class IntegerNet(nnx.Module):
    """uint8 features [N, R, C, F] and the formula's log2 field [N, R, C] ──▶ log2 of the cost [N, R, C]."""

    def __init__(self, layers: int = 2, *, rngs: nnx.Rngs):
        self.embed = nnx.Linear(FEATURES, WIDTH, rngs=rngs)
        self.mix = nnx.List([nnx.Conv(WIDTH, WIDTH, (3, 3), padding="VALID", rngs=rngs) for _ in range(layers)])
        for conv in self.mix:  # starts as the identity and something
            kernel = np.array(conv.kernel[...]) / 2
            kernel[1, 1] += np.eye(WIDTH)
            conv.kernel[...] = jnp.asarray(kernel)
        self.out = nnx.Linear(WIDTH, 1, kernel_init=nnx.initializers.zeros, rngs=rngs)
        self.slope = nnx.Param(jnp.ones(()))

    def correction(self, features: jax.Array) -> jax.Array:
        """What is added to slope · formula."""
        x = features.astype(jnp.float32) / ONE
        x = _activation(x @ _weights(self.embed.kernel[...]) + self.embed.bias[...])
        for conv in self.mix:
            padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
            found = jax.lax.conv_general_dilated(
                padded, _weights(conv.kernel[...]), (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = _activation(found + conv.bias[...])
        return (x @ _weights(self.out.kernel[...]) + self.out.bias[...])[..., 0]

    def __call__(self, features: jax.Array, formula: jax.Array) -> jax.Array:
        return self.slope[...] * formula + self.correction(features)


def export(net: IntegerNet, powers: tuple[float, float]) -> dict[str, np.ndarray]:
    """The arrays of `DATA`. powers: of the formula and of the network."""
    found = {}
    for i, layer in enumerate([net.embed, *net.mix, net.out]):
        kernel = np.asarray(layer.kernel[...], np.float64)
        found[f"w{i}"] = np.clip(np.rint(kernel.reshape(-1, kernel.shape[-1]) * ONE), -127, 127).astype(np.int8)
        found[f"b{i}"] = np.rint(np.asarray(layer.bias[...], np.float64) * ONE * ONE).astype(np.int32)
    fixed = {"slope": float(net.slope[...]), "power": powers[0], "share": powers[1]}
    return found | {name: np.int32(round(ONE * value)) for name, value in fixed.items()}


def as_network(arrays: dict[str, np.ndarray]) -> Network:
    """What the engine runs. ValueError: a sum could reach 2^24, where float32 is no longer exact."""
    layers = tuple((arrays[f"w{i}"], arrays[f"b{i}"]) for i in range(sum(name.startswith("w") for name in arrays)))
    return Network(layers, *(int(arrays[name]) for name in ("power", "share", "slope")))


def integer_labels(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Labels with the features of the engine."""
    features = np.concatenate([integer_features(crop[None]) for crop in data["features"]])
    return {**data, "features": features}


def train(inner: dict[str, np.ndarray], steps: int, rate: float = 4e-3) -> IntegerNet:
    """A network trained on labels with the engine's features."""
    net = IntegerNet(rngs=nnx.Rngs(0))
    field_cnn.train(net, inner, steps, rate=rate)  # type: ignore[arg-type]
    return net


def measure(image: np.ndarray, data: bytes) -> tuple[float, ...]:
    """Bits per pixel and _METRICS of a file."""
    found = scores.score(image, scores.decoded(data))
    return 8 * len(data) / (image.shape[0] * image.shape[1]), *(found[name] for name in _METRICS)


def curves(tune: dict[str, Any], images: Sequence[np.ndarray], network: Network | None) -> np.ndarray:
    """`measure` of the engine's files at d of GRID and 0.7, [pictures, d, 4]."""
    recipes = [replace(make_recipe(tune, d), network=network) for d in (*GRID, 0.7)]
    return np.array([[measure(x, encode_tuned(x, r, EncodeOptions(tune=True))) for r in recipes] for x in images])


def rates(anchor: np.ndarray, found: np.ndarray) -> dict[str, tuple[float, float]]:
    """BD-rate in percent and its standard error, by interval of `scores`, or what both cover of it. Both as `curves`."""
    result = {}
    for name, (metric, low, high) in scores.INTERVALS.items():
        if metric not in _METRICS:
            continue
        pair = [x[:, :, [0, 1 + _METRICS.index(metric)]] for x in (anchor, found)]
        ends = [x.mean(0)[:, 1] for x in pair]
        room = 0.1 * (high - low)  # pictures left out one by one move the ends
        low = max(low, *(float(x.min()) + room for x in ends))
        high = min(high, *(float(x.max()) - room for x in ends))
        result[name] = (rate(*pair, (low, high)), deviation(*pair, (low, high)))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.tuning.field_integer", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--labels", type=Path, required=True, help="folder in which field_train keeps the exchange rates"
    )
    parser.add_argument("--steps", type=int, default=1500, help="training steps")
    parser.add_argument("--pictures", type=int, default=20, help="validation pictures")
    parser.add_argument("--keep", action="store_true", help="train nothing: measure the network that is there")
    arguments = parser.parse_args()
    tune = json.loads(FOUND.read_text())["ssimulacra2"]
    path, training = RESULTS / "tuning-field-cnn.json", pictures.listing(validation=False)
    stored = json.loads(path.read_text())
    result: dict[str, Any] = stored.get("integer", {}) if arguments.keep else {}
    if not arguments.keep:
        first, second, held = (integer_labels(_stored(arguments.labels, n)) for n in ("round-1", "round-2", "held"))
        inner, fit = level(first)
        more, outer = level(second)[0], level(held, fit)[0]
        begin = time.perf_counter()
        net = train({name: np.concatenate([x, more[name]]) for name, x in inner.items()}, arguments.steps)
        result |= {
            "training_seconds": round(time.perf_counter() - begin, 1), "steps": arguments.steps,
            "parameters": field_cnn.parameter_count(net), "left_of_the_loss_on_held_crops": explained(net, outer),
        }  # fmt: skip
        np.savez_compressed(DATA, **export(net, POWERS[0]))
        print(json.dumps(result, indent=1), flush=True)
        images = middles(training[:TUNING], TUNING)
        plain, tried = curves(tune, images, None), {}
        for powers in POWERS:
            tried[powers] = rates(plain, curves(tune, images, as_network(export(net, powers))))["ssimulacra2"][0]
            print(f"training pictures: powers {powers}: {tried[powers]:+.2f} against the formula", flush=True)
        chosen = min(tried, key=tried.__getitem__)
        np.savez_compressed(DATA, **export(net, chosen))
        result |= {"powers": chosen, "tuning_percent_against_formula": {str(p): v for p, v in tried.items()}}
    with np.load(DATA) as arrays:
        network = as_network(dict(arrays))
    images = middles(pictures.listing(validation=True), arguments.pictures)
    anchor = np.array([[measure(x, pillow(x, q)) for q in ANCHOR_QUALITIES] for x in images])
    plain, learned = curves(tune, images, None), curves(tune, images, network)
    result |= {
        "validation_pictures": len(images), "validation_shape": SHAPE, "bd_rate_percent_and_standard_error": {
            "against the formula": rates(plain, learned), "formula against Pillow": rates(anchor, plain),
            "network against Pillow": rates(anchor, learned),
        },
        "mean_curves_bpp_psnr_msssim_ssimulacra2": {"formula": plain.mean(0).tolist(), "network": learned.mean(0).tolist()},
    }  # fmt: skip
    given = [Path(a).name if "/" in a else a for a in sys.argv[1:]]
    command = shlex.join(["python", "-m", "experiments.tuning.field_integer", *given])
    result["measured_again_by" if arguments.keep else "command"] = command
    path.write_text(json.dumps({**stored, "integer": result}, indent=1) + "\n")
    print(json.dumps(result["bd_rate_percent_and_standard_error"], indent=1))


def _stored(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Labels that are there. FileNotFoundError: they are not."""
    with np.load(folder / f"{name}.npz") as stored:
        return {n: x for n, x in stored.items() if n != "seconds"}


if __name__ == "__main__":
    main()
