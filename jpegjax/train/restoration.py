"""Training of the restoration network: pictures, what real files of them keep, and the logarithm of the error that is left.

    picture ─▶ encode (plain or tuned, any quality and sampling) ─▶ read_coefficients ─▶ planes, steps ─▶ network ─▶ loss
       └─────────────────────────────────────────────────────────────────────────────────▶ target ──────────────────▲

The loss of a sample is the logarithm of its squared error over the error before, that is, its gain in decibels: all qualities and
pictures count alike. Colour counts by RGB and by luma, grey by itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from .. import api
from ..annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from ..learned.restoring import weights
from ..learned.restoring.model import STANDARD, Restorer, RestorerSize, Seen, block_steps
from ..ops.color import FORWARD, INVERSE
from ..types import Coefficients
from .config import FitConfig
from .data import Crops
from .drawings import drawing
from .loop import FitResult, fit
from .pictures import Files, Pack, Store, split

__all__ = ["Quantised", "gain_loss", "planes_of", "target_of", "train_restorer"]

TUNES = ("psnr", "psnr", True, "ssimulacra2", "ms-ssim", "butteraugli")
SAMPLINGS = ("4:2:0", "4:4:4", "4:2:2", "4:4:0")
_OF_SAMPLINGS = (0.6, 0.25, 0.12, 0.03)
QUALITIES = (10, 30, 50, 75, 90)
"""At which the validation part is looked at."""
SIDE = 256


def _grown(plane: np.ndarray, axis: int) -> np.ndarray:
    """Twice as many samples along an axis by the triangle filter: 3/4 of the nearer, 1/4 of the farther."""
    x = np.moveaxis(plane, axis, 0)
    before, after = np.concatenate([x[:1], x[:-1]]), np.concatenate([x[1:], x[-1:]])
    both = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], 1)
    return np.moveaxis(both.reshape(2 * len(x), *x.shape[1:]), 0, axis)


def planes_of(found: Coefficients) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(planes, steps, sampling) as `Seen` has them, of one picture whose sides are multiples of its MCU's."""
    c = np.asarray(_COSINES)
    frame, planes, steps = found.frame, [], []
    for plane, table, part in zip(found.planes, found.qtables, frame.components, strict=True):
        values = np.asarray(plane[0], np.float32) * np.asarray(table, np.float32).reshape(8, 8)
        tiles = c.T @ values @ c
        rows, columns = tiles.shape[:2]
        samples = tiles.transpose(0, 2, 1, 3).reshape(8 * rows, 8 * columns)
        down, across = frame.vmax // part.v, frame.hmax // part.h
        for axis, factor in enumerate((down, across)):
            samples = _grown(samples, axis) if factor == 2 else np.repeat(samples, factor, axis)
        planes.append(samples[: frame.height, : frame.width])
        steps.append(block_steps(np.asarray(table), down, across))
    last = frame.components[-1]
    sampling = np.array([frame.vmax // last.v, frame.hmax // last.h], np.int32)
    if len(planes) == 1:
        planes += [np.zeros_like(planes[0])] * 2
        steps += [np.zeros(64, np.float32)] * 2
    return np.stack(planes, -1), np.stack(steps), sampling


_COSINES = np.array(
    [[np.sqrt((1 if k == 0 else 2) / 8) * np.cos(np.pi * (2 * x + 1) * k / 16) for x in range(8)] for k in range(8)],
    np.float32,
)


class Quantised(Crops):
    """Crops as files keep them: {"planes", "steps", "sampling", "target"}, see `Seen`; target as planes.

    An eighth are drawings, three in ten grey; three fifths plain files of qualities 4..98 (some with tables of their own), the
    others tuned ones. The seed decides everything.

    Args:
        store, size, seed, threads: As for `Crops`; size a multiple of 16.
        drawn: Share of drawings.
    """

    def __init__(self, store: Store, size: int, seed: int = 0, threads: int = 2, drawn: float = 0.125) -> None:
        super().__init__(store, size, seed, threads)
        if size % 16:
            raise ValueError(f"size={size}: must be a multiple of 16 pixels")
        self.drawn = drawn

    def about(self) -> dict[str, Any]:
        return {**super().about(), "drawn": self.drawn}

    def sample(self, index: int, random: np.random.Generator) -> Mapping[str, np.ndarray]:
        pixels = super().sample(index, random)["pixels"]
        if random.random() < self.drawn:
            pixels = drawing(self.size, random)
        if random.random() < 0.5:
            pixels = np.ascontiguousarray(pixels.transpose(1, 0, 2))
        settings = _settings(random)
        if random.random() < 0.3:
            pixels = np.rint(pixels @ FORWARD[0]).astype(np.uint8)
            settings.pop("subsampling")
        file = api.encode(pixels, **settings)
        planes, steps, sampling = planes_of(api.read_coefficients(file))
        return {"planes": planes, "steps": steps, "sampling": sampling, "target": target_of(pixels)}


def _settings(random: np.random.Generator) -> dict[str, Any]:
    """Keywords of `encode`."""
    quality = int(random.integers(4, 99))
    found: dict[str, Any] = {"quality": quality, "subsampling": str(random.choice(SAMPLINGS, p=_OF_SAMPLINGS))}
    if random.random() < 0.4:
        return found | {"tune": TUNES[int(random.integers(len(TUNES)))]}
    if random.random() < 0.2:
        tilt, steps = random.normal(0, 0.05), np.add.outer(np.arange(8), np.arange(8))
        bend = np.exp(tilt * steps + random.normal(0, 0.15, (8, 8)) + random.normal(0, 0.3))
        tables = [quality_table(t, quality).reshape(8, 8) * bend for t in (LUMA_QUANTIZATION, CHROMA_QUANTIZATION)]
        found["qtables"] = np.clip(np.rint(tables), 1, 255).astype(np.uint16)
        found.pop("quality")
    return found


def target_of(pixels: np.ndarray) -> np.ndarray:
    """Y, Cb, Cr less 128 of a picture, float32 [H, W, 3]; zeros for the chroma of grey ones."""
    if pixels.ndim == 2:
        return np.stack([pixels - np.float32(128)] + [np.zeros(pixels.shape, np.float32)] * 2, -1)
    planes = pixels.astype(np.float32) @ FORWARD.T.astype(np.float32)
    planes[..., 0] -= 128
    return planes


def _errors(planes: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean squared errors (luma, RGB), each [N], of differences of planes [N, H, W, 3]."""
    moments = jnp.einsum("nhwc,nhwd->ncd", planes, planes) / (planes.shape[1] * planes.shape[2])
    return moments[:, 0, 0], jnp.einsum("ncd,cd->n", moments, jnp.asarray(INVERSE.T @ INVERSE / 3, jnp.float32))


_SMALL = 0.02
"""Squared error that is as good as none, of pixels 0..255."""


def gain_loss(model: Restorer, batch: Any, key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The loss for `fit`, in decibels: the lower the better, 0 where nothing was gained."""
    seen = Seen(batch["planes"], batch["steps"], batch["sampling"])
    before, after = _errors(batch["target"] - seen.planes), _errors(batch["target"] - model(seen))
    luma, rgb = (10 * jnp.log10((a + _SMALL) / (b + _SMALL)) for a, b in zip(after, before, strict=True))
    colour = (seen.steps[:, 1, 0] > 0).astype(jnp.float32)
    loss = jnp.mean(luma * (1 - 0.5 * colour) + 0.5 * rgb * colour)
    return loss, {"gain_y": -jnp.mean(luma), "gain_rgb": -jnp.sum(rgb * colour) / jnp.maximum(1, jnp.sum(colour))}


def _middles(store: Store, count: int) -> list[np.ndarray]:
    found = []
    for index in range(len(store.names)):
        picture = store.read(index)
        y, x = ((side - SIDE) // 2 for side in picture.shape[:2])
        if min(y, x) >= 0:
            found.append(picture[y : y + SIDE, x : x + SIDE])
        if len(found) == count:
            break
    return found


def evaluation(store: Store, count: int = 24) -> Callable[[Any], dict[str, float]]:
    """evaluate for `fit`: mean gains in decibels over middles of pictures, plain and tuned, grey and colour; the least."""
    middles = _middles(store, count)
    grey = [np.rint(p @ FORWARD[0]).astype(np.uint8) for p in middles]
    sets: dict[str, tuple[list[np.ndarray], Any]] = {f"y{q}": (grey, {"quality": q}) for q in QUALITIES}
    sets |= {f"rgb{q}": (middles, {"quality": q}) for q in QUALITIES}
    sets |= {f"psnr{q}": (middles, {"quality": q, "tune": "psnr", "subsampling": "4:2:0"}) for q in QUALITIES[1:]}
    stored = {}
    for name, (pictures, settings) in sets.items():
        seen = [planes_of(api.read_coefficients(api.encode(p, **settings))) for p in pictures]
        stored[name] = (
            Seen(*(np.stack(part) for part in zip(*seen, strict=True))), np.stack([target_of(p) for p in pictures]),
        )  # fmt: skip

    @nnx.jit
    def measure(model: Restorer, seen: Seen, target: jax.Array) -> tuple[jax.Array, jax.Array]:
        before, after = _errors(target - seen.planes), _errors(target - model(seen))
        return tuple(10 * jnp.log10(b / a) for b, a in zip(before, after, strict=True))  # type: ignore[return-value]

    def evaluate(model: Restorer) -> dict[str, float]:
        found, least = {}, []
        for name, (seen, target) in stored.items():
            gains = [
                measure(model, Seen(*(part[i : i + 8] for part in seen)), target[i : i + 8])
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
    size: RestorerSize = STANDARD,
) -> FitResult:
    """Trains the restoration network, and writes its weights as NAME.npz into the run folder.

    Args:
        name: Of the model.
        config: For `fit`; its folder is needed.
        crop: Pixels a side, a multiple of 16.
        data: Folders, packs (.zip) or pictures. Default: data/train-*.zip of $JPEGJAX_SHARED.
        start: A model of the package, or a path to weights (.npz), to start from; default: the DCT and random weights.
        size: Of a model that starts so.

    Raises:
        ValueError: No data, a crop that does not fit, no folder, no such model.
    """
    if config.folder is None:
        raise ValueError("folder: must be given; checkpoints, logs and weights go there")
    model = Restorer(size, rngs=nnx.Rngs(config.seed)) if start is None else weights.trainable(weights.file_of(start))
    paths = [data] if isinstance(data, str) else list(data or _shared())
    pack = Pack.make(Files(*paths), config.folder.parent / "pixels")
    mine, held = split(pack)
    source = Quantised(mine, crop, seed=config.seed, threads=min(8, os.cpu_count() or 2))
    result = fit(model, gain_loss, source, config, evaluate=evaluation(held))
    weights.write(config.folder / f"{name}.npz", name, result.model)
    return result


def _shared() -> list[str]:
    folder = Path(os.environ.get("JPEGJAX_SHARED", "shared")) / "data"
    found = sorted(map(str, folder.glob("train-*.zip")))
    if not found:
        raise ValueError(
            f"data: give data=FOLDER or data=PACK.zip; there is no train-*.zip in {folder} ($JPEGJAX_SHARED)"
        )
    return found
