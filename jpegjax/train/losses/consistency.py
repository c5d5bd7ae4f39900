"""Networks that see the same in a picture as in its JPEG file: a loss for `fit` over any model, and layers that know the tables.

    images ──┬──────────────────────▶ model ──▶ scores, features ──▶ task loss ──────────────╮
             ╰─▶ simulate, quality ─▶ model ──▶ scores, features ──▶ task loss ──────────────┼─▶ loss
                 by chance                        ╰── distances to the others', stopped there ─╯

Wan et al., "Feature consistency training with JPEG compressed images", IEEE Transactions on Circuits and Systems for Video
Technology 30(12), 2020: both pictures are learned from, features of some layers are drawn together, and a residual mapping
that knows the quality turns features of a file into those of its picture. `score_distance` holds softened scores together
instead, as networks learn from others (Hinton, Vinyals and Dean 2015, arXiv:1503.02531): here from themselves, who saw the
picture. `TableNorm` is the normalisation of Ma et al.,
"Picking up quantization steps for compressed image classification", the same journal 33(4), 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION
from ...api import simulate
from ...ops.quant import quality_table
from ..state import Loss

__all__ = [
    "ResidualMapping",
    "TableNorm",
    "consistent",
    "feature_distance",
    "jpeg_pairs",
    "log_steps",
    "score_distance",
]

UNCOMPRESSED = 0
"""Stands for the quality of a picture that no file was made of."""

Forward = Callable[[Any, jax.Array, jax.Array], tuple[jax.Array, Sequence[jax.Array]]]
"""(model, images [N, H, W, C] 0..255, qualities int32 [N]) -> (scores [N, …], features of some layers, each [N, …])."""
Augment = Callable[[jax.Array, jax.Array], jax.Array]
"""(key, pictures float32 0..255 [N, …]) -> pictures."""
Task = Callable[[jax.Array, Any], jax.Array]
"""(scores [N, …], batch) -> the loss of each picture, [N]."""


def log_steps(quality: jax.Array) -> jax.Array:
    """Binary logarithms of the steps that libjpeg has at a quality, float32 [N, 128]: luma's and chroma's tables.

    quality: int32 [N], 1..100, or 0 for pictures that no file was made of, whose steps count as 1.
    """
    steps = [
        quality_table(jnp.asarray(base), jnp.maximum(quality, 1)) for base in (LUMA_QUANTIZATION, CHROMA_QUANTIZATION)
    ]
    found = jnp.log2(jnp.concatenate([x.reshape(len(quality), 64) for x in steps], 1).astype(jnp.float32))
    return jnp.where(quality[:, None] == UNCOMPRESSED, 0.0, found)


def jpeg_pairs(
    key: jax.Array, images: jax.Array, quality: tuple[int, int] = (5, 95), subsampling: str = "4:2:0"
) -> tuple[jax.Array, jax.Array]:
    """Each picture behind JPEG of a quality of its own, by chance.

    Args:
        key: Of the choice.
        images: uint8, or float 0..255, [N, H, W] or [N, H, W, 3].
        quality: First and last quality, each as likely as the others.
        subsampling: Of the files, as `simulate` takes it.

    Returns:
        (float32 0..255, what libjpeg's decoder shows; qualities int32 [N]). No gradient flows through.
    """
    chosen = jax.random.randint(key, (len(images),), quality[0], quality[1] + 1)
    shown = simulate(jnp.asarray(images, jnp.float32), chosen, subsampling=subsampling)
    return jax.lax.stop_gradient(shown), chosen


def feature_distance(wanted: jax.Array, seen: jax.Array) -> jax.Array:
    """Mean squared difference of features [N, …] by the mean square of those wanted, a scalar: 0 for the same ones.

    No gradient flows into `wanted`.
    """
    wanted = jax.lax.stop_gradient(wanted.astype(jnp.float32))
    return jnp.mean((wanted - seen) ** 2) / (jnp.mean(wanted**2) + 1e-8)


def score_distance(wanted: jax.Array, seen: jax.Array, temperature: float = 2.0) -> jax.Array:
    """Mean divergence of class probabilities (Kullback–Leibler, nats) by temperature², scores [N, classes]: 0 for the same ones.

    Scores are divided by the temperature before; times its square, gradients keep their size. None flows into `wanted`.
    """
    wanted = jax.nn.log_softmax(jax.lax.stop_gradient(wanted.astype(jnp.float32)) / temperature)
    seen = jax.nn.log_softmax(seen.astype(jnp.float32) / temperature)
    return temperature**2 * (jnp.exp(wanted) * (wanted - seen)).sum(-1).mean()


class ResidualMapping(nnx.Module):
    """Features of a JPEG file towards those of its picture, by what the tables say: x + gain(steps) · (1×1, ReLU, 1×1)(x).

    Starts as the identity, and is one for pictures that no file was made of. x: float [N, …, channels]; quality: as for
    `log_steps`. (Wan et al. 2020, III-C, with the tables' steps in place of the quality's number.)
    """

    def __init__(self, channels: int, hidden: int | None = None, *, rngs: nnx.Rngs) -> None:
        hidden = channels if hidden is None else hidden
        self.inner = nnx.Linear(channels, hidden, rngs=rngs)
        self.outer = nnx.Linear(hidden, channels, kernel_init=nnx.initializers.zeros, rngs=rngs)
        self.gain = nnx.Linear(128, channels, use_bias=False, rngs=rngs)

    def __call__(self, x: jax.Array, quality: jax.Array) -> jax.Array:
        gain = self.gain(log_steps(quality) / 8)
        gain = gain.reshape(len(x), *[1] * (x.ndim - 2), -1)
        return x + gain * self.outer(jax.nn.relu(self.inner(x)))


class TableNorm(nnx.Module):
    """Batch normalisation that knows the tables (QABN, Ma et al. 2023): several of them, mixed picture by picture.

    Their shares are a softmax of a layer of the logarithms of the steps, so that pictures of unlike qualities are held to
    statistics and gains of their own. The paper's sample weights by meta-learning (QAC) are not part of it.

    x: float [N, …, channels]; quality: as for `log_steps`.
    """

    def __init__(self, channels: int, norms: int = 2, *, momentum: float = 0.9, rngs: nnx.Rngs) -> None:
        self.norms = nnx.List([nnx.BatchNorm(channels, momentum=momentum, rngs=rngs) for _ in range(norms)])
        self.share = nnx.Linear(128, norms, rngs=rngs)

    def __call__(self, x: jax.Array, quality: jax.Array) -> jax.Array:
        share = jax.nn.softmax(self.share(log_steps(quality) / 8)).reshape(len(x), *[1] * (x.ndim - 1), -1)
        return sum((norm(x) * share[..., i] for i, norm in enumerate(self.norms)), start=jnp.zeros_like(x))


def consistent(
    forward: Forward,
    task: Task,
    *,
    weight: float = 1.0,
    score_weight: float = 0.0,
    temperature: float = 2.0,
    quality: tuple[int, int] = (5, 95),
    subsampling: str = "4:2:0",
    augment: Augment | None = None,
    images: str = "images",
) -> Loss:
    """A loss for `fit`: a picture and its JPEG file are both learned from, and what layers see in them is drawn together.

    Args:
        forward: The model's scores and features. It is called once, with the pictures and then their files behind them; of
            the pictures the qualities are 0.
        task: The loss of each picture by its scores.
        weight: Of the sum of `feature_distance` over the layers; 0 and no score_weight leave files as mere augmentation.
        score_weight, temperature: Of `score_distance`, for scores [N, classes].
        quality, subsampling: Of the files, as `jpeg_pairs` has them.
        augment: What is done to the pictures before files are made of them, such as mirroring.
        images: The batch's field that has the pictures, uint8 or float 0..255.

    Returns:
        The loss. It logs "clean" and "coded", the task's mean of pictures and files, and "distance", the sum, and "scores", what
        score_distance is, where that has a weight.

    Raises:
        ValueError: quality is no range within 1..100, a weight is negative, or temperature is not positive.
    """
    if not 1 <= quality[0] <= quality[1] <= 100:
        raise ValueError(f"quality={quality!r}: must be the first and the last of a range within 1..100")
    for name, value in (("weight", weight), ("score_weight", score_weight)):
        if not (value >= 0 and np.isfinite(value)):
            raise ValueError(f"{name}={value!r}: must be 0 or more")
    if not (temperature > 0 and np.isfinite(temperature)):
        raise ValueError(f"temperature={temperature!r}: must be more than 0")

    def loss(model: Any, batch: Any, key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        chance, kept = jax.random.split(key)
        pictures = jnp.asarray(batch[images], jnp.float32)
        pictures = pictures if augment is None else augment(kept, pictures)
        coded, qualities = jpeg_pairs(chance, pictures, quality, subsampling)
        count = len(pictures)
        none = jnp.full(count, UNCOMPRESSED, qualities.dtype)
        scores, features = forward(model, jnp.concatenate([pictures, coded]), jnp.concatenate([none, qualities]))
        clean, behind = task(scores[:count], batch).mean(), task(scores[count:], batch).mean()
        distance = sum((feature_distance(f[:count], f[count:]) for f in features), start=jnp.float32(0))
        value = 0.5 * (clean + behind) + (weight * distance if weight else 0)
        logged = {"clean": clean, "coded": behind, "distance": distance}
        if score_weight:
            logged["scores"] = score_distance(scores[:count], scores[count:], temperature)
            value += score_weight * logged["scores"]
        return value, logged

    return loss
