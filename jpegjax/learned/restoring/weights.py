"""Weights of the restoration network as a file, in float16."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx

from ...run.forks import check_jax
from .. import shipped
from .model import Restorer, RestorerSize

__all__ = ["DEFAULT", "LoadedRestorer", "available", "file_of", "load", "named", "trainable", "write"]

FORMAT = 1
KIND = "restorer"
DEFAULT = "blind"
"""The model that the package brings."""
_PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True)
class LoadedRestorer:
    """A model that restores. graph, state: as `nnx.split` gives them."""

    name: str
    graph: Any
    state: Any


def write(path: Path, name: str, model: Restorer) -> None:
    """Stores a model under a name. ValueError where a weight is not finite in float16; it is named."""
    about = json.dumps({"kind": KIND, "format": FORMAT, "name": name, "size": asdict(model.size)})
    arrays = {place: np.asarray(leaf[...]).astype(np.float16) for place, leaf in shipped.leaves(model).items()}
    for place, value in arrays.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{place}: weights are not finite")
    shipped.write_arrays(path, {"about": np.frombuffer(about.encode(), np.uint8), **arrays})


def _read(path: Path) -> tuple[str, RestorerSize, dict[str, np.ndarray]]:
    try:
        arrays = shipped.read_arrays(path)
        about = json.loads(arrays.pop("about").tobytes())
        if about["kind"] != KIND:
            raise ValueError(f"they are of a {about['kind']}")
        version, name, size = about["format"], about["name"], RestorerSize(**about["size"])
    except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
        raise ValueError(f"{path}: not weights of a restoration network ({error})") from None
    if version != FORMAT:
        raise ValueError(f"{path}: weights of format {version}; this library reads format {FORMAT}")
    return name, size, arrays


def trainable(path: Path) -> Restorer:
    """The model of a file, to go on training with.

    Raises:
        ValueError: The file holds no such weights, or others than the model needs; they are named.
    """
    return _filled(path)[1]


def _filled(path: Path) -> tuple[str, Restorer]:
    name, size, arrays = _read(path)
    model: Restorer = nnx.eval_shape(lambda: Restorer(size, rngs=nnx.Rngs(0)))
    shipped.fill(path, model, arrays)
    return name, model


def load(path: Path) -> LoadedRestorer:
    """The model of a file. ValueError as for `trainable`."""
    check_jax("restoration")
    name, model = _filled(path)
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
