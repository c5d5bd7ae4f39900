"""The published codecs beside CompressAI's on this CPU: a training step, and a picture to bytes and back.

    pip install torch compressai
    python benchmarks/learned.py [FOLDER] [--rounds 9] [--quick] [--output benchmarks/results/learned.json]

`hyperprior` at qualities 3 and 6, the same weights in both: CompressAI's initial ones, the last layers of both sides scaled
so that y has a standard deviation of 2 and the mean of its scales is near. Step: a batch of 8 crops of 256², Adam, gradients
clipped, everything to new weights. Encode + decode: 768×512, uint8 pixels to bytes and back (theirs: float planes), rANS
included. Both in float32, with their defaults (all cores). First call: ours, with compilation.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx
from machine import describe
from photographs import pictures
from reports import RESULTS, flags, save
from rounds import Race, processor_seconds, race

from jpegjax.learned import published
from jpegjax.learned.codec import decode_all, encode_all

QUALITIES = (3, 6)
SPREAD = 2.0


def _theirs(quality: int) -> Any:
    import torch
    from compressai.zoo import bmshj2018_hyperprior

    torch.manual_seed(0)
    return bmshj2018_hyperprior(quality, pretrained=False)


def pair(quality: int, pixels: np.ndarray) -> tuple[Any, published.Hyperprior]:
    """CompressAI's model and ours, of the same weights, made such that a picture costs about as much as with trained ones."""
    import torch

    theirs = _theirs(quality).eval()
    with torch.no_grad():
        y = theirs.g_a(_planes(pixels))
        theirs.g_a[-1].weight *= SPREAD / y.std()
        theirs.g_a[-1].bias *= 0
        theirs.h_s[-2].bias += SPREAD
        theirs.entropy_bottleneck._update_quantiles()
    theirs.update(force=True)
    ours = published.hyperprior(quality, rngs=nnx.Rngs(0))
    published.load_compressai(ours, {name: value.numpy() for name, value in theirs.state_dict().items()})
    return theirs, ours


def _planes(pixels: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def our_step(model: published.Hyperprior, batch: np.ndarray) -> Callable[[], float]:
    graph, weights = nnx.split(model)
    optimiser, loss = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-4)), published.rate_distortion()

    @jax.jit
    def step(weights: Any, state: Any, pixels: jax.Array, key: jax.Array) -> tuple[Any, Any, jax.Array]:
        def value(w: Any) -> tuple[jax.Array, Any]:
            return loss(nnx.merge(graph, w), {"pixels": pixels}, key)

        (found, _), slopes = jax.value_and_grad(value, has_aux=True)(weights)
        change, state = optimiser.update(slopes, state, weights)
        return optax.apply_updates(weights, change), state, found

    kept = [weights, optimiser.init(weights), jax.random.key(0)]

    def call() -> float:
        kept[2] = jax.random.fold_in(kept[2], 1)
        kept[0], kept[1], found = step(*kept[:2], batch, kept[2])
        return float(found)

    return call


def their_step(model: Any, batch: np.ndarray, weight: float) -> Callable[[], float]:
    import torch

    model.train()
    optimiser = torch.optim.Adam(model.parameters(), 1e-4)

    def call() -> float:
        pixels = _planes(batch).float() / 255
        optimiser.zero_grad()
        made = model(pixels)
        bits = sum(-torch.log2(mass).sum() for mass in made["likelihoods"].values())
        loss = weight * torch.mean((made["x_hat"] - pixels) ** 2) + bits / pixels[:, 0].numel()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        return float(loss.detach())

    return call


def coding(quality: int, picture: np.ndarray, rounds: int) -> Race:
    import torch

    pixels = picture[None].astype(np.float32) / 255
    theirs, ours = pair(quality, pixels)
    model = published.export(ours, "hyperprior")
    start = time.perf_counter()
    files = encode_all([picture], quality, model)
    decode_all(files, [model])
    first = time.perf_counter() - start
    planes = _planes(pixels)

    def their_pixels() -> tuple[dict[str, Any], np.ndarray]:
        with torch.no_grad():
            found = theirs.compress(planes)
            return found, theirs.decompress(**{k: found[k] for k in ("strings", "shape")})["x_hat"].numpy()

    found, made = their_pixels()
    apart = np.abs(decode_all(files, [model])[0] / 255 - np.clip(made.transpose(0, 2, 3, 1), 0, 1)).mean()
    calls = {"jpegjax": lambda: decode_all(encode_all([picture], quality, model), [model]), "compressai": their_pixels}
    return race(
        "learned", f"hyperprior {quality}: encode and decode", picture.shape[0] * picture.shape[1], calls, rounds=rounds,
        first_call_seconds=first, mean_difference=float(apart),
        nbytes={"jpegjax": len(files[0]), "compressai": sum(len(s[0]) for s in found["strings"])},
        cpu_seconds={name: min(processor_seconds(call) for _ in range(3)) for name, call in calls.items()},
    )  # fmt: skip


def training(quality: int, batch: np.ndarray, rounds: int) -> Race:
    theirs, ours = pair(quality, batch[:1].astype(np.float32) / 255)
    mine = our_step(ours, batch)
    start = time.perf_counter()
    mine()
    first = time.perf_counter() - start
    calls = {"jpegjax": mine, "compressai": their_step(theirs, batch, published.weight(quality))}
    return race(
        "learned", f"hyperprior {quality}: training step", batch[..., 0].size, calls, rounds=rounds, first_call_seconds=first,
        cpu_seconds={name: min(processor_seconds(call) for _ in range(2)) for name, call in calls.items()},
    )  # fmt: skip


def main() -> None:
    parser = flags(__doc__, 9, quick=True)
    given = parser.parse_args()
    warnings.filterwarnings("ignore", module="torch|compressai")
    source, found = pictures(given.folder)
    usable = [p for p in found if min(p.shape[:2]) >= 256]
    side = 64 if given.quick else 256
    rng = np.random.default_rng(0)
    batch = np.stack([_crop(usable[i % len(usable)], side, side, rng) for i in range(2 if given.quick else 8)])
    picture = _crop(usable[0], 128, 192, rng) if given.quick else _fit(usable[0])
    rounds = 1 if given.quick else given.rounds
    races = []
    for quality in QUALITIES[: 1 if given.quick else None]:
        for made in (coding(quality, picture, rounds), training(quality, batch, max(1, rounds // 2))):
            races.append(made)
            seconds = made.as_dict()["seconds"]
            print(
                f"{made.case:34} jpegjax {seconds['jpegjax']:7.3f} s   compressai {seconds['compressai']:7.3f} s   "
                f"{made.ratio('compressai'):5.2f} times as fast",
                flush=True,
            )
    output = given.output or (None if given.quick else RESULTS / "learned.json")
    if output:
        save({**describe(), "source": source, "results": [made.as_dict() for made in races]}, output)


def _crop(picture: np.ndarray, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    y, x = (int(rng.integers(0, have - want + 1)) for have, want in zip(picture.shape, (height, width), strict=False))
    return picture[y : y + height, x : x + width]


def _fit(picture: np.ndarray) -> np.ndarray:
    """512×768, by reflection where the picture is smaller."""
    rows, columns = (max(0, want - have) for want, have in zip((512, 768), picture.shape, strict=False))
    return np.pad(picture, ((0, rows), (0, columns), (0, 0)), mode="symmetric")[:512, :768]


if __name__ == "__main__":
    main()
