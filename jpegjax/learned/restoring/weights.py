"""Weights of the restoration network as a file, in float16."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flax import nnx

from ...run.forks import check_jax
from .. import shipped
from ..stored import Kind
from .model import Restorer, RestorerSize

__all__ = ["DEFAULT", "LoadedRestorer", "available", "file_of", "load", "named", "trainable", "write"]

DEFAULT = "blind"
"""The model that the package brings."""
_PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True)
class LoadedRestorer:
    """A model that restores. graph, state: as `nnx.split` gives them."""

    name: str
    graph: Any
    state: Any


_STORED = Kind("restorer", "a restoration network", 1, RestorerSize, lambda size, rngs: Restorer(size, rngs=rngs))


def write(path: Path, name: str, model: Restorer) -> None:
    """Stores a model under a name. ValueError where a weight is not finite in float16; it is named."""
    _STORED.write(path, name, model)


def trainable(path: Path) -> Restorer:
    """The model of a file, to go on training with.

    Raises:
        ValueError: The file holds no such weights, or others than the model needs; they are named.
    """
    return _STORED.read(path)[1]


def load(path: Path) -> LoadedRestorer:
    """The model of a file. ValueError as for `trainable`."""
    check_jax("restoration")
    name, model = _STORED.read(path)
    return LoadedRestorer(name, *nnx.split(model))


def available() -> list[str]:
    """Names of the models that the package brings."""
    return shipped.names(_PACKAGE)


def file_of(model: str) -> Path:
    """The file of a model of the package, or the path that it is. ValueError where there is none."""
    return shipped.file_of(model, _PACKAGE)


@cache
def named(name: str = DEFAULT) -> LoadedRestorer:
    """A model of the package, or of a path, loaded once. ValueError where there is none."""
    return load(file_of(name))
