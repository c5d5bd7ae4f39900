"""Training of learned codecs: bits a pixel + λ · distortion, on random crops, at random qualities.

Distortion is the mean squared error of pixels 0..1, or 1 − MS-SSIM (RGB). λ comes from the quality (`light.rate_weight`) and
spans a factor of 400, so each sample's loss is divided by √λ, that all rates count about alike.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...learned import weights
from ...learned.codec import count_symbols
from ...learned.light import STANDARD, Light, LightSize, rate_weight
from ...metrics import bd_rate, ms_ssim
from ..config import FitConfig
from ..data import Crops
from ..loop import FitResult, fit
from ..pictures import Files, Pack, Store, middles_of, shared_packs, split

__all__ = ["Metric", "evaluation", "light_config", "rate_distortion", "train_light", "write_weights"]

Metric = Literal["mse", "ms-ssim"]
QUALITIES = (5, 20, 35, 50, 65, 80, 95)
"""At which the validation part is looked at."""
FITTED = (1, 15, 30, 45, 60, 75, 90, 100)
"""At which symbols are counted."""
SIDE = 256
"""Of its crops."""
_MIDDLE = 1200.0  # λ whose loss counts as it is
_MS_SSIM = 1 / 48.75  # λ of 1 − MS-SSIM to that of the squared error: 2.4 to 0.0018 · 255², as CompressAI pairs them
_JPEG = (3, 6, 10, 15, 25, 40, 55, 70, 80, 88, 93, 96)


def rate_distortion(metric: Metric) -> Callable[[Light, Any, jax.Array], tuple[jax.Array, dict[str, jax.Array]]]:
    """The loss for `fit`. Batches: {"pixels": uint8 [N, s, s, 3]}; qualities are spread evenly over a batch, at random."""

    def loss(model: Light, batch: Any, key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        pixels = batch["pixels"].astype(jnp.float32) * (1 / 255)
        count, height, width, _ = pixels.shape
        at, noise = jax.random.split(key)
        quality = 1 + 99 * (jnp.arange(count) + jax.random.uniform(at, (count,))) / count
        found = model(pixels.astype(model.front.kernel.dtype), quality, noise)
        bpp = found.bits / (height * width)
        error = jnp.mean((found.pixels - pixels) ** 2, (1, 2, 3))
        weight = rate_weight(quality)
        if metric == "mse":
            distortion = weight * error
        else:
            distortion = _MS_SSIM * weight * (1 - ms_ssim(pixels, found.pixels, 1.0, channel="rgb"))
        return jnp.mean((distortion + bpp) * (weight / _MIDDLE) ** -0.5), {
            "bpp": jnp.mean(bpp),
            "psnr": -10 * jnp.mean(jnp.log10(error)),
        }

    return loss


def _score(reference: jax.Array, decoded: jax.Array, metric: Metric) -> jax.Array:
    """Decibels of each picture, of pixels 0..1."""
    decoded = jnp.clip(decoded, 0, 1)
    if metric == "mse":
        return -10 * jnp.log10(jnp.mean((reference - decoded) ** 2, (1, 2, 3)))
    return -10 * jnp.log10(1 - ms_ssim(reference, decoded, 1.0, channel="rgb"))


def _jpeg_curve(pictures: np.ndarray, metric: Metric) -> list[tuple[float, float]]:
    """(bits a pixel, decibels) of optimised 4:2:0 JPEG files by Pillow."""
    from PIL import Image

    points, reference = [], jnp.asarray(pictures, jnp.float32) / 255
    for quality in _JPEG:
        nbytes, decoded = 0, []
        for picture in pictures:
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "JPEG", quality=quality, optimize=True)
            nbytes += file.tell()
            decoded.append(np.asarray(Image.open(file)))
        score = _score(reference, jnp.asarray(np.stack(decoded), jnp.float32) / 255, metric)
        points.append((8 * nbytes / pictures[..., 0].size, float(score.mean())))
    return points


def evaluation(
    pictures: np.ndarray, metric: Metric
) -> tuple[Callable[[Light], dict[str, float]], Callable[[Any], Any]]:
    """(evaluate, pictures) for `fit`: bits of its symbols under the Gaussians, BD-rate against JPEG; two pictures at quality 30.

    pictures: uint8 [N, SIDE, SIDE, 3].
    """
    anchor = _jpeg_curve(pictures, metric)

    @nnx.jit
    def measure(model: Light, pixels: jax.Array, quality: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        reference = pixels.astype(jnp.float32) / 255
        found = model(reference, quality)
        return found.bits / SIDE**2, _score(reference, found.pixels, metric), jnp.clip(found.pixels, 0, 1)

    def run(model: Light, quality: float) -> tuple[float, float, np.ndarray]:
        parts = [
            measure(model, jnp.asarray(p), jnp.full(len(p), quality))
            for p in np.array_split(pictures, -(-len(pictures) // 8))
        ]
        bits, score, pixels = (np.concatenate([np.asarray(p[k]) for p in parts]) for k in range(3))
        return float(bits.mean()), float(score.mean()), pixels

    def evaluate(model: Light) -> dict[str, float]:
        points = [run(model, quality)[:2] for quality in QUALITIES]
        found = {f"bpp_{q}": bpp for q, (bpp, _) in zip(QUALITIES, points, strict=True)}
        found |= {f"db_{q}": score for q, (_, score) in zip(QUALITIES, points, strict=True)}
        try:
            return {"bd_rate": float(bd_rate(anchor, points)), **found}
        except ValueError:  # untrained: more bits do not give more quality yet
            return {"bd_rate": float("inf"), **found}

    def samples(model: Light) -> dict[str, np.ndarray]:
        decoded = np.rint(255 * run(model, 30.0)[2][:2]).astype(np.uint8)
        return {f"{i}": np.concatenate([pictures[i], decoded[i]], 1) for i in range(2)}

    return evaluate, samples


def light_config(*, folder: str, evaluate_every: int, **given: Any) -> FitConfig:
    """What trainings of the light codec share; given: more of `FitConfig`'s fields."""
    return FitConfig(
        folder=Path(folder), evaluate_every=evaluate_every, checkpoint_every=evaluate_every, best="bd_rate", final_rate=0.03,
        paces=((r"^(front|back|merge|split)/", 0.1),), **given,
    )  # fmt: skip


def train_light(
    name: str,
    metric: Metric,
    config: FitConfig,
    *,
    crop: int,
    data: str | Sequence[str] | None = None,
    start: str | None = None,
    size: LightSize = STANDARD,
    middles: int = 96,
) -> FitResult:
    """Trains the light codec, and writes its weights as NAME.npz into the run folder.

    Args:
        name: Of the model, as streams call it.
        metric: "mse" or "ms-ssim".
        config: For `fit`; its folder is needed.
        crop: Pixels a side, a multiple of 64; MS-SSIM needs 192 at least.
        data: Folders, packs (.zip) or pictures. Default: data/train-*.zip of $JPEGJAX_SHARED.
        start: A model of the package, or a path to weights (.jxw, .npz), to start from; default: the DCT and random weights.
        size: Of a model that starts so.
        middles: Pictures that tables are fitted to at the end.

    Raises:
        ValueError: No data, a crop that does not fit, no folder.
    """
    if config.folder is None:
        raise ValueError("folder: must be given; checkpoints, logs and weights go there")
    least = 64 if metric == "mse" else 192
    if crop % 64 or crop < least:
        raise ValueError(f"crop={crop}: must be a multiple of 64 from {least}")
    paths = [data] if isinstance(data, str) else list(data or shared_packs())
    pack = Pack.make(Files(*paths), config.folder.parent / "pixels")
    mine, held = split(pack)
    evaluate, samples = evaluation(middles_of(held, 24, SIDE), metric)
    model = Light(size, rngs=nnx.Rngs(config.seed)) if start is None else weights.trainable(weights.file_of(start))
    result = fit(
        model,
        rate_distortion(metric),
        Crops(mine, crop, seed=config.seed, threads=min(8, os.cpu_count() or 2)),
        config,
        evaluate=evaluate,
        pictures=samples,
    )
    write_weights(config.folder / f"{name}.npz", name, result.model, mine, middles)
    return result


def write_weights(path: Path, name: str, model: Light, store: Store, count: int = 96) -> None:
    """Exports a model, its tables fitted to symbols of the middles of the first `count` large enough pictures of a store."""
    plain = weights.build(name, model.size, weights.export(model))
    counts = count_symbols(list(middles_of(store, count, SIDE)), FITTED, plain)
    weights.write(path, name, model.size, weights.export(model, counts))
