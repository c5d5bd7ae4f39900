"""Training on under a constraint: modules that `train.fit` trains in place of the model, with the same loss.

    tied = Pruned(model, {"first/kernel": 0.08}, begin=0, end=2000)
    loss = lambda tied, batch, key: tied.run(plain_loss, batch, key)
    model = fit(tied, loss, data, config).model.dense()

`run` calls a loss with the model as it would be stored: pruned weights are 0, clustered ones are a centroid. What the model
changes in its own state (averages of batch normalisation, counters) stays. A centroid's gradient is the sum of those of its
weights (Han, Mao and Dally 2016, "Deep Compression", section 3.3), and masked weights get none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .codebooks import Clustered
from .pruning import cubic_density

__all__ = ["Pruned", "Shared", "kernels", "named"]


def named(model: nnx.Module) -> dict[str, Any]:
    """Parameters by path, such as "first/kernel"."""
    return {"/".join(map(str, path)): leaf for path, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param))}


def kernels(model: nnx.Module) -> dict[str, Any]:
    """The parameters of two or more dimensions by path: what is worth compressing."""
    return {path: leaf for path, leaf in named(model).items() if leaf.ndim > 1}


def _check_names(model: nnx.Module, given: Mapping[str, Any]) -> None:
    missing = sorted(given.keys() - named(model).keys())
    if missing:
        raise ValueError(f"{missing[0]}: no such parameter; there are {', '.join(sorted(named(model)))}")


class _Tied(nnx.Module):
    """A model whose parameters are seen through `_seen`."""

    def __init__(self, model: nnx.Module) -> None:
        self.model = model

    def _seen(self, path: str, value: Any) -> Any:
        raise NotImplementedError

    def _merged(self) -> Any:
        parts: Any = nnx.split(self.model, nnx.Param, ...)
        graph, params, rest = parts
        flat = [
            (path, leaf.replace(self._seen("/".join(map(str, path)), leaf[...])))
            for path, leaf in nnx.to_flat_state(params)
        ]
        return nnx.merge(graph, nnx.from_flat_state(flat), jax.tree.map(lambda x: x, rest))

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """function(model as it would be stored, *arguments)."""
        model = self._merged()
        found = function(model, *arguments)
        nnx.update(self.model, nnx.state(model, nnx.Not(nnx.Param)))
        return found

    def dense(self) -> Any:
        """A model of the same kind with the weights as they would be stored."""
        return self._merged()


class Chosen(nnx.Variable):
    """Which weights stay, or which centroid each has: chosen, not trained."""


class Counter(nnx.Variable):
    """Calls of `run`, int32."""


class Pruned(_Tied):
    """The largest weights by magnitude stay, fewer and fewer of them: gradual pruning (Zhu and Gupta 2017).

    Args:
        model: What is pruned; used and changed, not copied.
        densities: Share of weights that stay in the end, above 0 and up to 1, of the parameters with these paths.
        begin, end: Calls of `run` between which the density falls from 1 by a cubic.
        every: Calls from one choice of weights to the next; the last one is at `end`.

    Raises:
        ValueError: For a path that the model has not, or a density out of range.
    """

    def __init__(
        self, model: nnx.Module, densities: Mapping[str, float], *, begin: int = 0, end: int = 1, every: int = 50
    ) -> None:
        super().__init__(model)
        _check_names(model, densities)
        for path, density in densities.items():
            if not 0 < density <= 1:
                raise ValueError(f"{path}: a density of {density}; must be above 0 and at most 1")
        self.densities = tuple(sorted(densities.items()))
        self.begin, self.end, self.every = begin, end, every
        values = named(model)
        self.masks = nnx.Dict({path: Chosen(jnp.ones(values[path].shape, bool)) for path in densities})
        self.calls = Counter(jnp.zeros((), jnp.int32))

    def _seen(self, path: str, value: Any) -> Any:
        return jnp.where(self.masks[path][...], value, 0) if path in self.masks else value

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """As said above; counts, and chooses the weights that stay anew where it is time."""
        calls = self.calls[...]
        due = ((calls - self.begin) % self.every == 0) & (calls >= self.begin) & (calls < self.end)
        values = named(self.model)
        for path, final in self.densities:
            value = jax.lax.stop_gradient(values[path][...])
            density = cubic_density(calls, self.begin, self.end, final)
            self.masks[path][...] = jax.lax.cond(
                due | (calls == self.end), _largest, lambda v, d, mask: mask, value, density, self.masks[path][...]
            )
        self.calls[...] = calls + 1
        return super().run(function, *arguments)


def _largest(value: jax.Array, density: jax.Array, mask: jax.Array) -> jax.Array:
    """Which are the `density` share of largest magnitude; equal ones at the edge stay together."""
    sizes = jnp.abs(value)
    ordered = jnp.sort(sizes.ravel())
    kept = jnp.clip(jnp.round(density * value.size).astype(jnp.int32), 1, value.size)
    return (sizes >= ordered[value.size - kept]) & (sizes > 0)


class Shared(_Tied):
    """Parameters that share few values: those of the codebooks are trained, the indexes stay.

    Args:
        model: Used and changed, not copied; its own values under these paths are not looked at.
        books: Of the parameters with these paths their codebook and indexes, as `kmeans` and `linear` make them.

    Raises:
        ValueError: For a path that the model has not, or indexes of another shape.
    """

    def __init__(self, model: nnx.Module, books: Mapping[str, Clustered]) -> None:
        super().__init__(model)
        _check_names(model, books)
        values = named(model)
        for path, book in books.items():
            if book.indexes.shape != values[path].shape:
                raise ValueError(f"{path}: indexes of shape {book.indexes.shape} for one of {values[path].shape}")
        self.centroids = nnx.Dict({p: nnx.Param(jnp.asarray(b.codebook)) for p, b in books.items()})
        self.indexes = nnx.Dict({p: Chosen(jnp.asarray(b.indexes)) for p, b in books.items()})
        self.moves = nnx.Dict({p: Chosen(jnp.asarray(b.codebook != 0)) for p, b in books.items()})

    def _seen(self, path: str, value: Any) -> Any:
        if path not in self.centroids:
            return value
        book = jnp.where(self.moves[path][...], self.centroids[path][...], 0)  # pruned weights stay pruned
        return book[self.indexes[path][...]]
