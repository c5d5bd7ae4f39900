"""The network that tells doubly compressed files: histograms of each frequency, one after the other, then all together.

    63 × (shares 64, evidence 63, step)  ─▶ dense ─▶ dense ─┬─ mean ─┐
                                                            └─ max ──┼─▶ dense ─▶ dense ─▶ logit
    luma table 64, evidence for each IJG quality 100, blocks ────────┘

After DJPEG (Park et al., ECCV 2018), which takes histograms and the table; the evidence (`steps`) is what it would have to learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from ..learned import shipped
from ..learned.stored import Kind
from .features import BINS, FREQUENCIES
from .steps import quality_places

__all__ = ["DEFAULT", "History", "HistorySize", "load", "named", "probability", "write"]

DEFAULT = "double"
"""The model that the package brings."""
_PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class HistorySize:
    """Channels. width: of each frequency; hidden: of all together; evidence: whether it is looked at, or histograms alone."""

    width: int = 64
    hidden: int = 96
    evidence: bool = True


STANDARD = HistorySize()
NEAR = 64
"""Largest first step whose evidence is looked at for itself."""


class History(nnx.Module):
    """The model. scale: what the logit is multiplied by, fitted after training so that probabilities are true ones."""

    def __init__(self, size: HistorySize = STANDARD, *, rngs: nnx.Rngs) -> None:
        self.size = size
        inputs = BINS + 1 + (NEAR - 1) * size.evidence
        self.place = nnx.Param(jnp.zeros((len(FREQUENCIES), size.width), jnp.float32))
        self.first = nnx.Linear(inputs, size.width, rngs=rngs)
        self.second = nnx.Linear(size.width, size.width, rngs=rngs)
        self.whole = nnx.Linear(2 * size.width + 65 + 100 * size.evidence, size.hidden, rngs=rngs)
        self.last = nnx.Linear(size.hidden, size.hidden, rngs=rngs)
        self.out = nnx.Linear(size.hidden, 1, rngs=rngs)
        self.scale = nnx.Param(jnp.ones((), jnp.float32))

    def __call__(self, shares: Any, evidence: Any, table: Any, blocks: Any) -> jax.Array:
        """Logits [N] of double compression, even odds before looking; arguments as `Traces` has them, with a first axis N."""
        steps = jnp.log2(table) / 8
        places = [jnp.sqrt(jnp.asarray(shares, jnp.float32)), steps[:, FREQUENCIES, None]]
        together = [steps, jnp.log2(blocks)[:, None] / 12 - 1]
        if self.size.evidence:
            places.append(jnp.arcsinh(jnp.asarray(evidence, jnp.float32)[..., 1:NEAR]) / 4)
            by_quality = jnp.take_along_axis(
                jnp.asarray(evidence, jnp.float32), jnp.asarray(quality_places())[None], 2
            ).sum(1)
            together.append(jnp.arcsinh(by_quality) / 4)
        x = nnx.gelu(self.first(jnp.concatenate(places, -1)) + self.place[...])
        x = nnx.gelu(self.second(x))
        x = nnx.gelu(self.whole(jnp.concatenate([x.mean(1), x.max(1), *together], -1)))
        x = x + nnx.gelu(self.last(x))
        return self.out(x)[:, 0] * jax.lax.stop_gradient(self.scale[...])


@nnx.jit
def probability(model: History, shares: Any, evidence: Any, table: Any, blocks: Any) -> jax.Array:
    """Probabilities [N], float32, of double compression; arguments as for the model."""
    return nnx.sigmoid(model(shares, evidence, table, blocks))


_STORED = Kind("history", "the history network", 1, HistorySize, lambda size, rngs: History(size, rngs=rngs))


def write(path: Path, name: str, model: History) -> None:
    """Stores a model under a name in float16. ValueError where a weight is not finite in it."""
    _STORED.write(path, name, model)


def load(path: Path) -> History:
    """Inverse of `write`. ValueError for what is no such file, or has other arrays than its size needs; they are named."""
    return _STORED.read(path)[1]


@cache
def named(name: str = DEFAULT) -> History:
    """A model of the package, or of a path, loaded once. ValueError where there is none."""
    return load(shipped.file_of(name, _PACKAGE))
