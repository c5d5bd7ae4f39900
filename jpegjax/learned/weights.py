"""Trained weights as a file: what steers the entropy coder in integers, all else in float16.

    Light, as trained ──▶ export ──▶ arrays ──▶ write ──▶ one .jxw ──▶ load: a model that codes

Integer layers keep int8 kernels and a row of int32 biases for each quality; nothing of them is computed from floats again.
A file's digest, over names, types, shapes and bytes of all arrays, is what streams name their model by. A file with a base holds
a decoder alone, in place of the base's, and reads and writes the same streams.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..coding.rans import Tables
from ..run.forks import check_jax
from . import shipped
from .layers.dense import KNOTS, Knots
from .layers.integers import ACTIVATION, EXACT, WEIGHT, IntegerDense, IntegerDepthwise, Rows
from .light import LEVELS, SYNTHESIS, Light, LightSize
from .parts import Loaded
from .published import saved
from .stored import read_about
from .tables import LEVELS as LEVELS_OF_A_PART
from .tables import REACH, fitted, thresholds

__all__ = ["Loaded", "available", "export", "file_of", "load", "named", "read", "trainable", "write"]

FORMAT, FORMAT_ON_BASE = 1, 2
_QUALITIES = np.arange(1, 101)
_PACKAGE = __name__.rpartition(".")[0]


def _modules(model: nnx.Module, kind: Any) -> list[tuple[str, Any]]:
    """Modules of a kind inside a model, by path."""
    return [("/".join(map(str, path)), m) for path, m in nnx.iter_modules(model) if isinstance(m, kind)]


def _rows(knots: Knots | Rows, unit: float) -> np.ndarray:
    """A vector of integers for each quality 1..100: int32 [100, C]."""
    values = np.asarray(knots(jnp.asarray(_QUALITIES, jnp.float32)), np.float64)[:, 0, 0, :]
    return np.rint(values * unit).astype(np.int32)


def _check_exact(name: str, kernel: np.ndarray, bias: np.ndarray | int) -> None:
    """ValueError unless no sum of activations 0..255 can reach 2^24."""
    largest = 255 * np.abs(kernel.astype(np.int64)).sum(0) + np.abs(bias).max()
    if largest.max() >= EXACT:
        raise ValueError(
            f"{name}: filter {int(largest.argmax())} may reach {int(largest.max())}; below 2^24 sums are exact"
        )


def export(model: Light, counts: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The arrays of a trained model's file.

    Args:
        model: As it comes from training.
        counts: How often symbols of each size came under each table, see `tables.fitted`; default: tables of Gaussians.

    Raises:
        ValueError: Weights are not finite, or an integer sum might not be exact: the filter is named.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, dense in _modules(model, IntegerDense):
        arrays[f"{name}/bias"] = _rows(dense.bias, WEIGHT * ACTIVATION)
    arrays["hyper/level"] = _rows(model.hyper.level, LEVELS)
    for name, layer in _modules(model, (IntegerDense, IntegerDepthwise)):
        kernel = np.rint(np.clip(np.asarray(layer.kernel[...], np.float32) * WEIGHT, -127, 127)).astype(np.int8)
        _check_exact(name, kernel, arrays.get(f"{name}/bias", 0))
        arrays[f"{name}/kernel"] = kernel
    integers = tuple(arrays)
    for path, leaf in shipped.leaves(model).items():
        if not path.startswith(integers):
            value = np.asarray(leaf[...], np.float32)
            arrays[path] = value if path.endswith("table") else value.astype(np.float16)
            if not np.isfinite(arrays[path]).all():
                raise ValueError(f"{path}: weights are not finite")
    if counts is None:
        counts = np.zeros((LEVELS_OF_A_PART * len(model.parts), REACH + 1), np.int64)
    return arrays | {f"tables/{name}": value for name, value in fitted(counts).pack().items()}


def _digest(arrays: dict[str, np.ndarray]) -> bytes:
    """SHA-256 of arrays, in the order of their names."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        value = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {value.dtype.str} {value.shape}".encode())
        found.update(value.tobytes())
    return found.digest()


def write(path: Path, name: str, size: LightSize, arrays: dict[str, np.ndarray], base: str | None = None) -> None:
    """Stores exported arrays under a name, with what the model is made of; as `shipped.write_arrays`.

    base: a model of the package whose arrays these are but for `SYNTHESIS`, which alone is stored. ValueError where they are not.
    """
    about: dict[str, Any] = {"format": FORMAT, "name": name, "size": asdict(size)}
    if base is not None:
        whole = read(file_of(base)).arrays
        about |= {"format": FORMAT_ON_BASE, "base": base, "base_digest": _digest(whole).hex()}
        other = [
            k for k in arrays if not _is_synthesis(k) and (k not in whole or not np.array_equal(arrays[k], whole[k]))
        ]
        if other:
            raise ValueError(f"{name}: {', '.join(other)}: not as in {base}, on which only the decoder may differ")
        arrays = {k: v for k, v in arrays.items() if _is_synthesis(k)}
    shipped.write_arrays(path, {"about": np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays})


def _is_synthesis(array: str) -> bool:
    return array.partition("/")[0] in SYNTHESIS


class Stored(NamedTuple):
    """What a file of weights holds. digest: of what streams depend on."""

    name: str
    size: LightSize
    arrays: dict[str, np.ndarray]
    digest: bytes


def read(path: Path) -> Stored:
    """Inverse of `write`. ValueError for what is no such file, one of a later format, or one whose base is another."""
    about, arrays = read_about(path, "a learned codec")
    version, base, name = about["format"], about.get("base"), about["name"]
    try:
        size = LightSize(**about["size"])
    except TypeError as error:
        raise ValueError(f"{path}: not weights of a learned codec ({error})") from None
    if version not in (FORMAT, FORMAT_ON_BASE):
        raise ValueError(
            f"{path}: weights of format {version}; this library reads formats {FORMAT} and {FORMAT_ON_BASE}"
        )
    if base is None:
        return Stored(name, size, arrays, _digest(arrays))
    below = read(file_of(base))
    if below.digest.hex() != about["base_digest"]:
        raise ValueError(f"{path}: a decoder for {base} of another digest than the one that this library brings")
    kept = {k: v for k, v in below.arrays.items() if not _is_synthesis(k)}
    return Stored(name, size, kept | arrays, below.digest)


def _shell(size: LightSize) -> Light:
    """A model without weights, its integer layers with rows by quality in place of knots."""
    model: Light = nnx.eval_shape(lambda: Light(size, rngs=nnx.Rngs(0)))
    for _, dense in _modules(model, IntegerDense):
        dense.bias = Rows(np.zeros((100, dense.bias.table.shape[1]), np.float32))
    model.hyper.level = Rows(np.zeros((100, size.hyper), np.float32))
    return model


def build(name: str, size: LightSize, arrays: dict[str, np.ndarray], digest: bytes | None = None) -> Loaded:
    """A model that codes, of exported arrays. digest: of what streams depend on; None for all of them.

    Raises:
        ValueError: An array is missing, left over, or of another shape than this size has; it is named.
    """
    check_jax("learned models")
    model = _shell(size)
    rows = {f"{path}/bias" for path, _ in _modules(model, IntegerDense)} | {"hyper/level"}
    kernels = {f"{path}/kernel" for path, _ in _modules(model, (IntegerDense, IntegerDepthwise))}
    state = nnx.state(model, nnx.Param)
    flat, left = nnx.to_flat_state(state), {n for n in arrays if not n.startswith("tables/")}
    made = []
    for parts, leaf in flat:
        path = "/".join(map(str, parts))
        stored = path.removesuffix("/table") if path.removesuffix("/table") in rows else path
        unit = LEVELS if stored == "hyper/level" else WEIGHT * ACTIVATION if stored in rows else WEIGHT
        if stored not in arrays or arrays[stored].shape != leaf.shape:
            found = f"shape {arrays[stored].shape}" if stored in arrays else "not there"
            raise ValueError(f"{name}: {stored} is {found}; this model needs shape {leaf.shape}")
        value = arrays[stored].astype(np.float32)
        made.append((parts, leaf.replace(jnp.asarray(value / unit if stored in rows | kernels else value))))
        left.discard(stored)
    if left:
        raise ValueError(f"{name}: {', '.join(sorted(left))}: no such weights in this model")
    nnx.update(model, nnx.from_flat_state(made))
    graph, state = nnx.split(model)
    tables = Tables.unpack({n.removeprefix("tables/"): v for n, v in arrays.items() if n.startswith("tables/")})
    cut = jnp.asarray(thresholds(tables, LEVELS_OF_A_PART))[None]
    own = _digest(arrays)
    return Loaded(name, (digest or own)[:4], own[:4], graph, jax.tree.map(jnp.asarray, state), (tables,), cut)


def trainable(path: Path) -> Light:
    """A model to train on, of a file of weights: inverse of `export`, up to rounding.

    Raises:
        ValueError: As `read` and `build`.
    """
    size, arrays = read(path)[1:3]
    loaded = build(str(path), size, arrays)
    model = Light(size, rngs=nnx.Rngs(0))
    coded = nnx.merge(loaded.graph, loaded.state)
    near = np.maximum(0, 1 - np.abs((_QUALITIES[:, None] - 1) * ((KNOTS - 1) / 99) - np.arange(KNOTS)))
    own, paces = shipped.leaves(model), {path: knots.pace for path, knots in _modules(model, Knots)}
    for name, leaf in shipped.leaves(coded).items():
        value = np.asarray(leaf[...], np.float64)
        if value.shape != own[name].shape:
            value = np.linalg.lstsq(near, value, rcond=None)[0] / paces[name.removesuffix("/table")]
        own[name][...] = jnp.asarray(value, jnp.float32)
    return model


def load(path: Path) -> Loaded:
    """A model that codes, of a file of weights, `published.save`'s too. ValueError as `read` and `build`."""
    if saved.is_saved(path):
        return saved.load(path)
    return build(*read(path))


def available() -> list[str]:
    """Names of the models that the package brings."""
    return shipped.names(_PACKAGE)


def file_of(model: str) -> Path:
    """The file of a model of the package, or the path that it is. ValueError where there is none."""
    return shipped.file_of(model, _PACKAGE)


@cache
def named(name: str) -> Loaded:
    """A model of the package, loaded once. ValueError where there is none of that name."""
    return load(file_of(name))
