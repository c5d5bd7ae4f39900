"""Weights of face models as files: what is learned in float16, bases as integers times a unit a row, and the coder's integers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...coding.rans import SKIP, Tables
from ...run.forks import check_jax
from .. import shipped
from ..stored import read_about
from .model import QUALITIES, Faces, FaceSize
from .symbols import FLAG, costs

__all__ = ["Coder", "LoadedFaces", "available", "export", "load", "loaded", "named", "size_of", "trainable", "write"]

FORMAT = 1
KIND = "faces"
_PACKAGE = __name__.rpartition(".")[0]
_BITS = 10
"""Of a basis's largest coefficient in a file."""


@dataclass(frozen=True, eq=False)
class Coder:
    """What steers the entropy coder: integers.

    Attributes:
        levels: uint8 [QUALITIES, L]: of each quality the tables of the latents, SKIP for those that it has not.
        shape: uint8 [S]: of the shape's code.
        tables: FLAG tables of levels, and the flag's.
    """

    levels: np.ndarray
    shape: np.ndarray
    tables: Tables

    def check(self, size: FaceSize) -> None:
        """ValueError where this is not of a model of a size."""
        latents = size.latents + size.behind
        if self.levels.shape != (QUALITIES, latents) or self.shape.shape != (size.shape,):
            raise ValueError(f"tables of {self.levels.shape} latents and {self.shape.shape} of shape")
        if len(self.tables) != FLAG + 1 or self.tables.sizes[FLAG] != 2 or self.tables.first[FLAG] != 0:
            raise ValueError(f"{len(self.tables)} tables; must be {FLAG} and one of 0 and 1")
        for found in (self.levels, self.shape):
            if found.dtype != np.uint8 or ((found >= FLAG) & (found != SKIP)).any():
                raise ValueError(f"levels must be uint8 below {FLAG}, or {SKIP}")


@dataclass(frozen=True, eq=False)
class LoadedFaces:
    """A model that codes. digest: SHA-256 of its numbers. costs: of `symbols.costs`."""

    name: str
    size: FaceSize
    digest: bytes
    model: Faces
    coder: Coder
    costs: np.ndarray

    @cached_property
    def still(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the mean shape: means [P], columns [P, L] and their products [L, L], as `Faces.columns` has them."""
        means, columns = jax.device_get(nnx.jit(Faces.columns)(self.model, jnp.zeros(self.size.shape)))
        return means, columns, (columns.T @ columns).astype(np.float64)


def export(model: Faces, coder: Coder) -> dict[str, np.ndarray]:
    """What a file stores, by name. ValueError for weights that float16 does not hold, and for a coder of another model."""
    coder.check(model.size)
    arrays: dict[str, np.ndarray] = {}
    for place, leaf in shipped.leaves(model).items():
        value = np.asarray(leaf[...], np.float32)
        if not np.isfinite(value).all():
            raise ValueError(f"{place}: weights are not finite")
        if place.endswith("/basis"):
            unit = np.maximum(np.abs(value).max(1, keepdims=True, initial=1e-20), 1e-20) / (1 << (_BITS - 1))
            arrays[place] = np.rint(value / unit).astype(np.int16)
            arrays[f"{place}/unit"] = unit[:, 0].astype(np.float32)
        else:
            kind = np.float32 if np.abs(value).max(initial=0) > 1000 else np.float16
            arrays[place] = value.astype(kind)
    return arrays | {
        "coder/levels": coder.levels,
        "coder/shape": coder.shape,
        **{f"tables/{name}": value for name, value in coder.tables.pack().items()},
    }


def _digest(size: FaceSize, arrays: Mapping[str, np.ndarray]) -> bytes:
    found = hashlib.sha256(json.dumps(asdict(size)).encode())
    for name in sorted(arrays):
        value = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {value.dtype.str} {value.shape}".encode())
        found.update(value.tobytes())
    return found.digest()


def write(path: Path, name: str, model: Faces, coder: Coder) -> None:
    """Stores a model under a name. ValueError as `export`."""
    about = json.dumps({"kind": KIND, "format": FORMAT, "name": name, "size": asdict(model.size)})
    shipped.write_arrays(path, {"about": np.frombuffer(about.encode(), np.uint8), **export(model, coder)})


def loaded(name: str, size: FaceSize, arrays: Mapping[str, np.ndarray]) -> LoadedFaces:
    """A model that codes, of exported arrays. ValueError where one is missing, left over or of another shape; it is named."""
    check_jax("learned models")
    digest, left = _digest(size, arrays), dict(arrays)
    try:
        found = Tables.unpack({k: left.pop(f"tables/{k}") for k in ("first", "sizes", "frequencies")})
        coder = Coder(left.pop("coder/levels"), left.pop("coder/shape"), found)
        for place in [k for k in left if k.endswith("/unit")]:
            left[place[: -len("/unit")]] = left[place[: -len("/unit")]] * left.pop(place)[:, None]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{name}: not weights of a face model ({error})") from None
    coder.check(size)
    model: Faces = nnx.eval_shape(lambda: Faces(size, rngs=nnx.Rngs(0)))
    shipped.fill(Path(name), model, left)
    return LoadedFaces(name, size, digest, model, coder, costs(found))


def _read(path: Path) -> tuple[str, FaceSize, dict[str, np.ndarray]]:
    about, arrays = read_about(path, "a face model", KIND)
    if about["format"] != FORMAT:
        raise ValueError(f"{path}: weights of format {about['format']}; this library reads format {FORMAT}")
    try:
        size = FaceSize(**(about["size"] | {"kept": tuple(map(tuple, about["size"]["kept"]))}))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: not weights of a face model ({error})") from None
    return about["name"], size, arrays


def load(path: Path) -> LoadedFaces:
    """The model of a file. ValueError for what is no such file."""
    name, size, arrays = _read(path)
    return loaded(name, size, arrays)


def trainable(path: Path) -> tuple[Faces, Coder]:
    """The model of a file, to go on training with, and its coder. ValueError as `load`."""
    found = load(path)
    return found.model, found.coder


def available() -> list[str]:
    """Names of the models that the package brings."""
    return shipped.names(_PACKAGE)


@cache
def size_of(name: str) -> FaceSize:
    """The size of a model of the package. ValueError where there is none."""
    return _read(shipped.file_of(name, _PACKAGE))[1]


@cache
def named(name: str) -> LoadedFaces:
    """A model of the package, or of a path, loaded once. ValueError where there is none."""
    return load(shipped.file_of(name, _PACKAGE))
