"""A network of 3.5 MFLOP on 32×32 pictures, in three forms, and its losses.

    pixels, in cells of 2×2 ─▶ 24 channels at 16×16 ─▶ 48 at 8×8 ─▶ 96 at 4×4 ─▶ 96, added ─▶ mean ─▶ 10

plain      as it is
mapped     with `ResidualMapping` behind the first three layers
tables     with `TableNorm` in place of batch normalisation
"""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from jpegjax.learned.layers.dense import neighbours, space_to_depth
from jpegjax.train.losses.consistency import ResidualMapping, TableNorm

__all__ = ["Form", "Network", "forward", "task", "turned"]

Form = Literal["plain", "mapped", "tables"]
WIDTHS = (24, 48, 96, 96)
CLASSES, SMOOTHING = 10, 0.1


class Layer(nnx.Module):
    """3×3 convolution, normalisation, ReLU, and perhaps a mapping: [N, H, W, inputs] → [N, H, W, outputs]."""

    def __init__(self, inputs: int, outputs: int, form: Form, last: bool, *, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(nnx.initializers.he_normal()(rngs.params(), (3, 3, inputs, outputs)))
        self.tables = form == "tables"
        self.norm: Any = (
            TableNorm(outputs, rngs=rngs) if self.tables else nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)
        )
        self.mapping = ResidualMapping(outputs, rngs=rngs) if form == "mapped" and not last else None

    def __call__(self, x: jax.Array, quality: jax.Array) -> jax.Array:
        kernel = self.kernel[...]
        if x.shape[-1] <= 12:  # faster on a CPU than XLA's convolution, above all backwards
            x = jnp.concatenate(neighbours(x), -1) @ kernel.reshape(-1, kernel.shape[-1])
        else:
            x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(self.norm(x, quality) if self.tables else self.norm(x))
        return x if self.mapping is None else self.mapping(x, quality)


def _halved(x: jax.Array) -> jax.Array:
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))


class Network(nnx.Module):
    """(pictures float 0..255 [N, 32, 32, 3], qualities) → (scores [N, 10], features of the last layer and the scores).

    Held together in all layers, accuracy fell by four points at a weight of 1: what quantisation took is not to be had early.
    """

    def __init__(self, form: Form, *, rngs: nnx.Rngs) -> None:
        before = (12, *WIDTHS[:-1])
        pairs = list(zip(before, WIDTHS, strict=True))
        self.layers = nnx.List([Layer(a, b, form, i == len(pairs) - 1, rngs=rngs) for i, (a, b) in enumerate(pairs)])
        self.out = nnx.Linear(WIDTHS[-1], CLASSES, rngs=rngs)

    def __call__(self, pictures: jax.Array, quality: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
        x = y = space_to_depth((pictures - 128) / 64, 2)
        for i, layer in enumerate(self.layers):
            y = layer(x, quality)
            x = _halved(y) if i < len(self.layers) - 2 else x + y if x.shape == y.shape else y
        scores = self.out(x.mean((1, 2)))
        return scores, [y, scores]


def forward(model: Network, pictures: jax.Array, quality: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
    """For `consistent`."""
    model.train()
    return model(pictures, quality)


def task(scores: jax.Array, batch: Any) -> jax.Array:
    """Cross-entropy with smoothed labels, of each picture."""
    wanted = optax.smooth_labels(jax.nn.one_hot(batch["labels"], CLASSES), SMOOTHING)
    return optax.softmax_cross_entropy(scores, wanted)


def turned(key: jax.Array, pictures: jax.Array, room: int = 4) -> jax.Array:
    """Pictures mirrored, and moved by up to `room` pixels each way, by chance; what comes in is grey. float32 0..255."""
    first, second = jax.random.split(key)
    mirrored = jax.random.bernoulli(first, shape=(len(pictures), 1, 1, 1))
    pictures = jnp.where(mirrored, pictures[:, :, ::-1], pictures).astype(jnp.float32)
    places = jax.random.randint(second, (len(pictures), 2), 0, 2 * room + 1)
    padded = jnp.pad(pictures, ((0, 0), (room, room), (room, room), (0, 0)), constant_values=128.0)

    def cut(picture: jax.Array, place: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(picture, (place[0], place[1], jnp.int32(0)), pictures.shape[1:])

    return jax.vmap(cut)(padded, places)
