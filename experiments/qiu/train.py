"""Trains the network that refines recovered pictures.

Command: python -m experiments.qiu.train folder=runs/qiu
Time: about 12 minutes on two idle CPU cores, three of them for recovering crops
Expect: gain_db 3.4 after 5,000 steps on the held-out part of the training photographs, 2.7 after 2,000: what the network adds to
    boundary continuity, in dB, mean over qualities 30, 50, 70 and 90, files of at most 60 % of the plain ones' bytes

The photographs are those of data/train-*.zip of $JPEGJAX_SHARED, none of which is in Kodak, LIVE1, Classic5 or Set12; 5 % are
held out by a hash of their names. Random crops of luma, some of chroma, get a quality, anchors and a number of missing
coefficients by chance, are recovered once, and kept in the run folder.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from PIL import Image

import jpegjax
from jpegjax.annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from jpegjax.ops.blocks import merge_blocks, split_blocks
from jpegjax.run.writing import write_file
from jpegjax.train import Arrays, Files, FitConfig, FitResult, fit, split
from jpegjax.train.pictures import Store
from jpegjax.types import Coefficients

from . import thin
from .network import DEPTH, WIDTH, Refiner, refined_blocks, save
from .recover import recover_blocks

__all__ = ["crops", "evaluation", "loss", "run"]

QUALITIES = (30, 50, 70, 90)
"""At which the held-out part is looked at."""
LOWEST, HIGHEST = 25, 95
"""Qualities trained for."""
SHARES = {"half": 0.7, "all": 0.15, "quarter": 0.15}
"""How often anchors are trained."""
CHROMA_SHARE = 0.125
"""Of crops that are of chroma, at half the picture's size."""
GROUP = 32
"""Crops that share a quality, anchors and a number of missing coefficients."""
HELD_SIDE = 256


def usual_count(quality: float) -> float:
    """About how many coefficients have to go at a quality for 60 % of the bytes, with half of the DC kept."""
    return 7 + 0.05 * (quality - 20)


def plane_of(picture: np.ndarray, chroma: int = 0) -> np.ndarray:
    """Luma of a picture uint8 [H, W, 3], or its chroma 1 or 2 at half its size: uint8 [h, w]."""
    plane = Image.fromarray(picture).convert("YCbCr").getchannel(chroma)
    return np.asarray(plane.reduce(2) if chroma else plane)


def plane_crops(store: Store, size: int, count: int, random: np.random.Generator, chroma: int = 0) -> np.ndarray:
    """Random crops of planes of random pictures, uint8 [count, size, size]; no picture twice before all were there."""
    found: list[np.ndarray] = []
    while len(found) < count:
        before = len(found)
        for index in random.permutation(len(store.names)):
            if len(found) == count:
                break
            plane = plane_of(store.read(int(index)), chroma)
            if min(plane.shape) >= size:
                y, x = (random.integers(0, side - size + 1) for side in plane.shape)
                found.append(plane[y : y + size, x : x + size])
        if len(found) == before:
            raise ValueError(f"data: no picture has a plane of {size}×{size} samples")
    return np.stack(found)


def quantised(planes: np.ndarray, quality: int, chroma: bool = False) -> Coefficients:
    """Coefficients of the JPEG files of planes uint8 [N, H, W] by the luma's or the chroma's table of a quality."""
    table = quality_table(CHROMA_QUANTIZATION if chroma else LUMA_QUANTIZATION, quality).reshape(8, 8)
    each = jpegjax.read_coefficients(jpegjax.encode(list(planes), qtables=[table]))
    return Coefficients((np.concatenate([c.planes[0] for c in each]),), each[0].qtables, each[0].frame)


def crops(store: Store, size: int, count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """What is trained on: "recovered" float16 and "original" uint8 [count, size, size], "table" float32 [count, 8, 8],
    "lost" uint8 [count], how many coefficients are missing, "kept" bool [count, size/8, size/8], whose DC is not."""
    random = np.random.default_rng(seed)
    found: dict[str, list[np.ndarray]] = {name: [] for name in ("original", "recovered", "table", "lost", "kept")}
    for start in range(0, count, GROUP):
        chroma = int(random.integers(1, 3)) if random.random() < CHROMA_SHARE else 0
        original = plane_crops(store, size, min(GROUP, count - start), random, chroma)
        quality = int(random.integers(LOWEST, HIGHEST + 1))
        lost = int(np.clip(np.rint(random.normal(usual_count(quality), 2)), 3, 20))
        anchors = str(random.choice(list(SHARES), p=list(SHARES.values())))
        plain, dropped = quantised(original, quality, chroma > 0), thin.Dropped(lost, anchors)
        blocks = recover_blocks(thin.drop(plain, dropped).planes[0], plain.qtables[0], dropped)
        kept = thin.anchored(anchors, size // 8, size // 8)
        found["original"].append(original)
        found["recovered"].append(np.asarray(merge_blocks(jnp.asarray(blocks)), np.float16))
        found["table"].append(np.broadcast_to(plain.qtables[0].astype(np.float32), (len(original), 8, 8)))
        found["lost"].append(np.full(len(original), lost, np.uint8))
        found["kept"].append(np.broadcast_to(kept, (len(original), *kept.shape)))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def loss(model: Refiner, batch: Mapping[str, jax.Array], key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Minus the mean PSNR over pictures, in bels, of crops of which half are mirrored, and half upside down."""
    recovered, original, kept = (
        batch["recovered"].astype(jnp.float32),
        batch["original"].astype(jnp.float32),
        batch["kept"],
    )
    for axis, flip in zip((1, 2), jax.random.bernoulli(key, shape=(2, len(original))), strict=True):
        recovered, original, kept = (
            jnp.where(flip[:, None, None], jnp.flip(x, axis), x) for x in (recovered, original, kept)
        )
    place = np.empty(64, np.int32)
    place[thin.ZIGZAG] = np.arange(64)
    lost = place < batch["lost"].astype(jnp.int32)[:, None]
    missing = jnp.broadcast_to(lost[:, None, None], (*kept.shape, 64)).at[..., 0].set(~kept)
    blocks = split_blocks(recovered)
    refined = model(blocks, batch["table"], missing.reshape(blocks.shape))

    def bels(pixels: jax.Array) -> jax.Array:
        error = jnp.mean((pixels - split_blocks(original)) ** 2, (1, 2, 3, 4))
        return -jnp.mean(jnp.log10((error + 0.01) / 255**2))

    found = bels(refined)
    return -found, {"psnr_db": 10 * found, "gain_db": 10 * (found - bels(blocks))}


def evaluation(pictures: np.ndarray, share: float = 0.6) -> Callable[[Refiner], dict[str, float]]:
    """For `fit`: mean PSNR of thin files of uint8 [N, H, W], at each quality and what that is more than by continuity alone."""
    cases = []
    for quality in QUALITIES:
        for picture in pictures:
            data, dropped, _ = thin.thinned(jpegjax.encode(picture, quality=quality), share)
            coefficients, _ = thin.read(data)
            blocks = recover_blocks(np.asarray(coefficients.planes[0]), coefficients.qtables[0], dropped)
            cases.append((quality, split_blocks(jnp.asarray(picture)[None]), blocks, coefficients.qtables[0], dropped))

    def decibels(reference: Any, blocks: np.ndarray) -> float:
        error = np.clip(np.rint(blocks), 0, 255) - np.asarray(reference, np.float32)
        return float(-10 * np.log10(np.mean(error**2) / 255**2))

    def evaluate(model: Refiner) -> dict[str, float]:
        scores: dict[int, list[tuple[float, float]]] = {quality: [] for quality in QUALITIES}
        for quality, reference, blocks, table, dropped in cases:
            refined = refined_blocks(model, blocks, table, dropped)
            scores[quality].append((decibels(reference, blocks), decibels(reference, refined)))
        means = {quality: np.mean(found, 0) for quality, found in scores.items()}
        gain = float(np.mean([after - before for before, after in means.values()]))
        return {"gain_db": gain, **{f"psnr_db_{quality}": float(after) for quality, (_, after) in means.items()}}

    return evaluate


def kept_crops(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """A file's arrays, made and stored there if there is none."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = dict(make())
        write_file(path, lambda out: np.savez(out, **arrays))
    with np.load(path) as stored:
        return dict(stored)


def run(
    *,
    folder: str = "runs/qiu",
    data: str | None = None,
    steps: int = 5000,
    batch: int = 6,
    crop: int = 160,
    count: int = 4096,
    held: int = 8,
    width: int = WIDTH,
    depth: int = DEPTH,
    learning_rate: float = 2e-3,
    evaluate_every: int = 500,
    max_seconds: float | None = None,
    seed: int = 0,
) -> FitResult:
    """Trains, and writes the weights as qiu.npz into the run folder.

    Args:
        folder: Of checkpoints, logs, recovered crops and weights.
        data: Folder or pack of photographs. Default: data/train-*.zip of $JPEGJAX_SHARED.
        steps: Updates.
        batch: Crops a step.
        crop: Pixels a side, a multiple of 8.
        count: Crops that are recovered.
        held: Held-out pictures that are looked at.
        width: Channels of the network.
        depth: Its residual blocks.
        learning_rate: The highest.
        evaluate_every: Steps from one evaluation to the next.
        max_seconds: Stop after so many.
        seed: Of crops, weights and order.
    """
    shared = Path(os.environ.get("JPEGJAX_SHARED", "shared")) / "data"
    mine, apart = split(Files(*([data] if data else sorted(shared.glob("train-*.zip")))))
    arrays = kept_crops(Path(folder) / f"crops-{crop}-{count}-{seed}.npz", lambda: crops(mine, crop, count, seed))
    pictures = plane_crops(apart, HELD_SIDE, held, np.random.default_rng(1))
    result = fit(
        Refiner(width, depth, rngs=nnx.Rngs(seed)),
        loss,
        Arrays(arrays, seed),
        FitConfig(
            steps=steps, batch=batch, learning_rate=learning_rate, warmup=min(100, steps // 2), final_rate=0.01, ema=0.998,
            folder=Path(folder), checkpoint_every=evaluate_every, evaluate_every=evaluate_every, best="gain_db",
            best_is="highest", max_seconds=max_seconds, devices=1, seed=seed,
        ),
        evaluate=evaluation(pictures),
    )  # fmt: skip
    save(Path(folder) / "qiu.npz", result.model)
    return result


def _given(words: list[str]) -> dict[str, Any]:
    """NAME=VALUE on the command line, of the type that `run` has it in."""
    kinds = {name: kind for name, kind in run.__annotations__.items() if name != "return"}
    found: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in kinds:
            raise SystemExit(f"{name}: no such setting; there are: {', '.join(kinds)}")
        found[name] = next((t(value) for t in (int, float) if t.__name__ in kinds[name]), value)
    return found


if __name__ == "__main__":
    began = time.monotonic()
    print(run(**_given(sys.argv[1:])).evaluation, f"{time.monotonic() - began:.0f} s")
