"""The two networks, their pictures, their loss and their accuracy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from PIL import Image

from experiments.tuning.pictures import shared
from jpegjax.train import Arrays
from jpegjax.train.losses.consistency import score_distance

__all__ = ["NETWORKS", "ConvNet", "LeNet", "Network", "Pictures", "accuracy", "batches", "halved", "loss", "mean_loss"]


class LeNet(nnx.Module):
    """LeNet-300-100 (LeCun et al. 1998): 784 → 300 → 100 → 10, 266,610 parameters."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(784, 300, rngs=rngs)
        self.second = nnx.Linear(300, 100, rngs=rngs)
        self.last = nnx.Linear(100, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """x: float32 [N, 28, 28, 1] in −0.5..0.5. Logits [N, 10]."""
        x = nnx.relu(self.first(x.reshape(len(x), -1)))
        return self.last(nnx.relu(self.second(x)))


def halved(x: jax.Array) -> jax.Array:
    """The largest of each 2×2 of [N, H, W, C]; on CPUs its gradient takes a third of the time of `nnx.max_pool`'s."""
    count, high, wide, channels = x.shape
    return x.reshape(count, high // 2, 2, wide // 2, 2, channels).max((2, 4))


class ConvNet(nnx.Module):
    """Four convolutions 3×3 with biases, each halved by the largest of 2×2 and rectified; two dense layers.

    32×32×3 → 16×16×16 → 8×8×32 → 4×4×48 → 2×2×96 → 192 → 10: 136,378 parameters, 3.25 M multiplications a picture.
    """

    def __init__(self, rngs: nnx.Rngs) -> None:
        widths = (3, 16, 32, 48, 96)
        start = nnx.initializers.he_normal()
        self.convolutions = nnx.List(
            [nnx.Conv(a, b, (3, 3), kernel_init=start, rngs=rngs) for a, b in itertools.pairwise(widths)]
        )
        self.hidden = nnx.Linear(384, 192, kernel_init=start, rngs=rngs)
        self.last = nnx.Linear(192, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """x: float32 [N, 32, 32, 3] in −0.5..0.5. Logits [N, 10]."""
        for convolution in self.convolutions:
            x = nnx.relu(halved(convolution(x)))
        return self.last(nnx.relu(self.hidden(x.reshape(len(x), -1))))


@dataclass(frozen=True)
class Pictures:
    """uint8 [N, height, width, channels] and their classes 0..9."""

    train: np.ndarray
    train_classes: np.ndarray
    test: np.ndarray
    test_classes: np.ndarray


@cache
def mnist() -> Pictures:
    """60,000 and 10,000 digits, 28×28."""
    with np.load(shared() / "data" / "mnist.npz") as z:
        x, y, a, b = (z[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    return Pictures(x[..., None], y.astype(np.int32), a[..., None], b.astype(np.int32))


@cache
def cifar() -> Pictures:
    """20,000 and 5,000 of CIFAR-10's pictures, 32×32×3."""
    folder = shared() / "data" / "cifar10"

    def tiles(name: str) -> np.ndarray:
        mosaic = np.asarray(Image.open(folder / name))
        high, wide = mosaic.shape[0] // 32, mosaic.shape[1] // 32
        return np.ascontiguousarray(mosaic.reshape(high, 32, wide, 32, 3).swapaxes(1, 2)).reshape(-1, 32, 32, 3)

    with np.load(folder / "labels.npz") as z:
        classes, others = z["y_train"].astype(np.int32), z["y_test"].astype(np.int32)
    train = np.concatenate([tiles(f"train-{k}.webp") for k in (0, 1)])
    return Pictures(train, classes, tiles("test.webp"), others)


@dataclass(frozen=True)
class Network:
    """A network and how it is trained and made small.

    epochs: of training, of pruning (the density falls in the first 60 %), and of tuning centroids. rates: highest learning
    rates of these. densities: share of weights that stay, by parameter. centroids: values of each, zero among them. taught:
    share of the loss of pruning and tuning that is the distance to what the plain network trained on says.
    """

    make: Callable[[nnx.Rngs], nnx.Module]
    pictures: Callable[[], Pictures]
    augment: bool
    batch: int
    epochs: tuple[float, float, float]
    rates: tuple[float, float, float]
    densities: dict[str, float]
    centroids: dict[str, int]
    rank_energy: float
    taught: float = 0.0


NETWORKS = {
    "mnist": Network(
        LeNet, mnist, False, 128, (12, 12, 2), (1e-3, 1e-3, 1e-4),
        {"first/kernel": 0.06, "second/kernel": 0.09, "last/kernel": 0.26},
        {"first/kernel": 32, "second/kernel": 32, "last/kernel": 32}, 0.9,
    ),
    "cifar": Network(
        ConvNet, cifar, True, 128, (30, 12, 3), (2e-3, 2e-3, 2e-4),
        {"convolutions/1/kernel": 0.65, "convolutions/2/kernel": 0.48, "convolutions/3/kernel": 0.31, "hidden/kernel": 0.16,
         "last/kernel": 0.5},
        {f"convolutions/{k}/kernel": 32 for k in range(4)} | {"hidden/kernel": 16, "last/kernel": 32}, 0.9, 0.7,
    ),
}  # fmt: skip


def batches(network: Network, seed: int) -> Arrays:
    """The training pictures, in an order of their own for each seed."""
    pictures = network.pictures()
    return Arrays({"picture": pictures.train, "class": pictures.train_classes}, seed)


def scaled(pictures: jax.Array) -> jax.Array:
    return pictures.astype(jnp.float32) / 255 - 0.5


def augmented(pictures: jax.Array, key: jax.Array) -> jax.Array:
    """Float [N, H, W, C]: moved by up to 4 pixels each way over zeros, half of them mirrored."""
    count, high, wide, channels = pictures.shape
    moves, flips = jax.random.split(key)
    corners = jax.random.randint(moves, (count, 2), 0, 9)
    wider = jnp.pad(pictures, ((0, 0), (4, 4), (4, 4), (0, 0)))
    cut = jax.vmap(lambda p, at: jax.lax.dynamic_slice(p, (at[0], at[1], 0), (high, wide, channels)))(wider, corners)
    mirrored = jax.random.bernoulli(flips, 0.5, (count, 1, 1, 1))
    return jnp.where(mirrored, cut[:, :, ::-1], cut)


def loss(
    model: Any,
    batch: Any,
    key: jax.Array,
    *,
    augment: bool,
    forward: Callable[[Any, jax.Array], jax.Array] | None = None,
    teacher: Any = None,
    taught: float = 0.0,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Mean cross entropy of a batch, and its share of right answers. forward: (model, x) → logits, by default a call.

    teacher: another model, whose probabilities, softened twice, have a share `taught` of the loss (Hinton et al. 2015).
    """
    x = scaled(batch["picture"])
    x = augmented(x, key) if augment else x
    logits = model(x) if forward is None else forward(model, x)
    error = optax.softmax_cross_entropy_with_integer_labels(logits, batch["class"]).mean()
    if teacher is not None:
        error = (1 - taught) * error + taught * score_distance(teacher(x), logits)
    return error, {"right": jnp.mean(logits.argmax(-1) == batch["class"], dtype=jnp.float32)}


@partial(nnx.jit, static_argnames="count")
def _judged(model: Any, pictures: jax.Array, classes: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """Right answers and the sum of cross entropy, part by part of `count`."""

    def part(given: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        logits = model(scaled(given[0]))
        error = optax.softmax_cross_entropy_with_integer_labels(logits, given[1])
        return jnp.sum(logits.argmax(-1) == given[1]), jnp.sum(error)

    shape = (len(pictures) // count, count)
    right, error = jax.lax.map(part, (pictures.reshape(*shape, *pictures.shape[1:]), classes.reshape(shape)))
    return right.sum(), error.sum()


def accuracy(model: Any, pictures: Pictures) -> float:
    """Per cent of the test pictures."""
    right, _ = _judged(model, pictures.test, pictures.test_classes, 500)
    return 100 * float(right) / len(pictures.test)


def mean_loss(model: Any, pictures: Pictures, count: int = 5000) -> float:
    """Cross entropy of the first training pictures: what decisions are made by, so that none sees the test set."""
    return float(_judged(model, pictures.train[:count], pictures.train_classes[:count], 500)[1]) / count
