"""A network's way from training to a file, each stage kept so that a run that was ended goes on."""

from __future__ import annotations

import io
import json
import lzma
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from jpegjax.learned import compress
from jpegjax.train import FitConfig, fit

from . import networks
from .networks import Network

__all__ = ["Run", "plain_nbytes"]


def plain_nbytes(model: nnx.Module) -> int:
    """Bytes of all parameters as they are in memory, float32, without any header."""
    return sum(4 * leaf.size for leaf in compress.named(model).values())


def with_values(model: Any, values: Mapping[str, Any]) -> Any:
    """A copy of a model with other values under some paths."""
    copy = nnx.clone(model)
    for path, leaf in compress.named(copy).items():
        if path in values:
            leaf[...] = jax.numpy.asarray(values[path])
    return copy


class Run:
    """One network from one seed. folder: where finished stages are kept, as packed files."""

    def __init__(self, name: str, seed: int, folder: Path, shorter: float = 1.0) -> None:
        self.name, self.seed, self.folder, self.shorter = name, seed, folder, shorter
        self.network: Network = networks.NETWORKS[name]
        self.pictures = self.network.pictures()

    def _model(self) -> Any:
        return self.network.make(nnx.Rngs(self.seed))

    def kept(self, stage: str, make: Callable[[], Any]) -> Any:
        """A stage's model, made now or read."""
        path = self.folder / f"{self.name}-{self.seed}-{stage}.jxw"
        if not path.exists():
            data = compress.pack(make())
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return compress.restore_into(self._model(), path.read_bytes())

    def fitted(self, model: Any, loss: Any, stage: int) -> Any:
        """What `fit` makes of a model in the epochs of a stage, 0..2."""
        network = self.network
        config = FitConfig(
            steps=self.steps(stage), batch=network.batch, learning_rate=network.rates[stage], devices=1, progress=False,
            seed=self.seed, warmup=0 if stage else self.steps(stage) // 20,
        )  # fmt: skip
        return fit(model, loss, networks.batches(network, 10 * self.seed + stage), config).model

    def steps(self, stage: int) -> int:
        rows = len(self.pictures.train)
        return max(2, round(self.network.epochs[stage] * self.shorter * rows / self.network.batch))

    @property
    def loss(self) -> Callable[..., Any]:
        return partial(networks.loss, augment=self.network.augment)

    def _tied_loss(self) -> Callable[..., Any]:
        taught = self.network.taught
        loss = partial(self.loss, teacher=self.longer(), taught=taught) if taught else self.loss
        return lambda tied, batch, key: tied.run(loss, batch, key)

    def trained(self) -> Any:
        return self.kept("trained", lambda: self.fitted(self._model(), self.loss, 0))

    def pruned(self) -> Any:
        def make() -> Any:
            end = round(0.6 * self.steps(1))
            tied = compress.Pruned(self.trained(), self.network.densities, end=end, every=max(1, end // 40))
            return self.fitted(tied, self._tied_loss(), 1).dense()

        return self.kept("pruned", make)

    def longer(self) -> Any:
        """The trained model trained on as the pruned one is, and not pruned: what the pruned one is to be compared with."""
        return self.kept("longer", lambda: self.fitted(self.trained(), self.loss, 1))

    def books(self, model: Any) -> dict[str, compress.Clustered]:
        values = compress.named(model)
        return {path: compress.kmeans(values[path][...], count) for path, count in self.network.centroids.items()}

    def clustered(self) -> Any:
        model = self.pruned()
        return with_values(model, {path: book.dense() for path, book in self.books(model).items()})

    def tuned(self) -> Any:
        def make() -> Any:
            model = self.pruned()
            return self.fitted(compress.Shared(model, self.books(model)), self._tied_loss(), 2).dense()

        return self.kept("tuned", make)

    def row(self, model: Any) -> dict[str, Any]:
        """Bytes and accuracy of a model as its file gives it back; the reload is checked bit for bit."""
        data = compress.pack(model)
        again = compress.restore_into(self._model(), data)
        for path, leaf in compress.named(model).items():
            if np.asarray(leaf[...]).tobytes() != np.asarray(compress.named(again)[path][...]).tobytes():
                raise AssertionError(f"{path}: the reload differs")
        plain = plain_nbytes(model)
        return {
            "nbytes": len(data),
            "times": round(plain / len(data), 2),
            "accuracy": round(networks.accuracy(again, self.pictures), 3),
        }

    def untrained_rows(self) -> dict[str, dict[str, Any]]:
        """What each reduction alone does to the trained model, nothing trained after it."""
        model = self.trained()
        values = {path: np.asarray(leaf[...]) for path, leaf in compress.kernels(model).items()}
        found = {"trained, packed": self.row(model)}
        ways: dict[str, Callable[[Any], Any]] = {
            "linear, 8 bits": lambda v: compress.linear(v, 8).dense(),
            "linear, 4 bits": lambda v: compress.linear(v, 4).dense(),
            "k-means, 16 values": lambda v: compress.kmeans(v, 16).dense(),
            "k-means, 8 values": lambda v: compress.kmeans(v, 8).dense(),
            "half by magnitude": lambda v: v * compress.magnitude_mask(v, 0.5),
        }
        for name, way in ways.items():
            found[name] = self.row(with_values(model, {path: way(v) for path, v in values.items()}))
        found["low rank"] = self._low_rank_row(model, values, None)
        found["low rank, k-means, 32 values"] = self._low_rank_row(model, values, 32)
        return found | self._allocated(model, values)

    def _low_rank_row(self, model: Any, values: Mapping[str, np.ndarray], count: int | None) -> dict[str, Any]:
        """Factors in the file where they are fewer numbers, their values as they are or clustered; the model their products."""
        tree, dense = {p: np.asarray(leaf[...]) for p, leaf in compress.named(model).items()}, {}
        for path, value in values.items():
            factors = compress.low_rank(value, energy=self.network.rank_energy)
            if factors.left.size + factors.right.size >= value.size:
                tree[path] = value if count is None else compress.kmeans(value, count).dense()
                dense[path] = tree[path]
                continue
            if count is not None:
                left, right = (compress.kmeans(x, count).dense() for x in (factors.left, factors.right))
                factors = compress.Factors(left, right, factors.shape)
            tree[path], dense[path] = factors, factors.dense()
        data = compress.pack(tree)
        found = self.row(with_values(model, dense))
        return {**found, "nbytes": len(data), "times": round(plain_nbytes(model) / len(data), 2)}

    def _allocated(self, model: Any, values: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
        """k-means with as many values as each layer's loss asks for, at the bytes of 8 values everywhere."""
        counts = (2, 3, 4, 6, 8, 12, 16, 32)
        made = {(path, count): compress.kmeans(v, count).dense() for path, v in values.items() for count in counts}
        sizes = {key: len(compress.pack(value)) for key, value in made.items()}

        def measure(path: str, count: int) -> tuple[int, float]:
            changed = with_values(model, {path: made[path, count]})
            return sizes[path, count], networks.mean_loss(changed, self.pictures)

        layers = dict.fromkeys(values, counts)
        choices = compress.sensitivities(layers, measure, networks.mean_loss(model, self.pictures))
        budget = sum(sizes[path, 8] for path in values)
        picked = {path: counts[k] for path, k in compress.allocate(choices, budget).items()}
        row = self.row(with_values(model, {path: made[path, count] for path, count in picked.items()}))
        return {"k-means, values allocated": {**row, "values": picked}}

    def others(self, model: Any) -> dict[str, int]:
        """Bytes of the same weights in other files: NumPy's compressed one, and that of LZMA at its best."""
        arrays = {path: np.asarray(leaf[...]) for path, leaf in compress.named(model).items()}
        zipped, plain = io.BytesIO(), io.BytesIO()
        np.savez_compressed(zipped, **arrays)  # type: ignore[arg-type]
        np.savez(plain, **arrays)  # type: ignore[arg-type]
        return {
            "npz, compressed": len(zipped.getvalue()),
            "lzma": len(lzma.compress(plain.getvalue(), preset=9 | lzma.PRESET_EXTREME)),
        }

    def measured(self) -> dict[str, Any]:
        """All rows of this seed, and the table of its smallest file; kept like the stages."""
        path = self.folder / f"{self.name}-{self.seed}-measured.json"
        if not path.exists():
            path.write_text(json.dumps(self._measured()))
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def _measured(self) -> dict[str, Any]:
        tuned = self.tuned()
        rows = self.untrained_rows() | {
            "pruned": self.row(self.pruned()),
            "pruned, clustered": self.row(self.clustered()),
            "pruned, clustered, tuned": self.row(tuned),
        }
        table = compress.shown(compress.contents(compress.pack(tuned)))
        return {"plain_nbytes": plain_nbytes(tuned), "rows": rows, "table": table, "others": self.others(tuned)}
