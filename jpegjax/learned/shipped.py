"""Files of weights: NAME.jxw, packed, or NAME.npz; those that the package brings are in a folder models/ beside their readers.

Both hold the same arrays bit for bit; a packed file (`learned.compress`) is some 10 % smaller. Readers look at the bytes, not the
name.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..run.writing import write_file
from . import compress

__all__ = ["check_model", "chosen", "file_of", "fill", "is_path", "leaves", "names", "read_arrays", "write_arrays"]

T = TypeVar("T")

_FOLDER = "models"
_SUFFIXES = (".jxw", ".npz")


def is_path(model: str) -> bool:
    """Whether this is a path to weights, not a name of a model."""
    return model.endswith(_SUFFIXES)


def check_model(model: Any) -> str:
    """The name or path of a model, as somebody gave it. TypeError for what is no text."""
    if not isinstance(model, str):
        raise TypeError(f"model={model!r}: must be a name or a path, as text")
    return model


def chosen(model: Any, load: Callable[[Path], T], named: Callable[[str], T]) -> T:
    """The model of a path, read anew, or of a name. TypeError for what is no text, and what the readers raise."""
    return load(Path(model)) if is_path(check_model(model)) else named(model)


def names(package: str) -> list[str]:
    """Names of the models that a package brings."""
    folder = resources.files(package) / _FOLDER
    return sorted({p.name[: -len(_SUFFIXES[0])] for p in folder.iterdir() if is_path(p.name)})


def file_of(model: str, package: str) -> Path:
    """The file of a model of a package, or the path that it is. ValueError where there is none."""
    if is_path(model):
        return Path(model)
    if model not in names(package):
        raise ValueError(
            f"model={model!r}: must be one of {', '.join(names(package))}, or a path to weights (.jxw, .npz)"
        )
    folder = Path(str(resources.files(package) / _FOLDER))
    return next(path for suffix in _SUFFIXES if (path := folder / f"{model}{suffix}").exists())


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Stores arrays by name: packed, or as NumPy's compressed file where the path ends in .npz."""
    if path.suffix != ".npz":
        write_file(path, compress.pack(arrays))
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_file(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Inverse of `write_arrays`, of either kind. ValueError (CorruptStream), OSError or EOFError for other files."""
    data = path.read_bytes()
    if not compress.is_packed(data):
        with np.load(path) as stored:
            return {name: stored[name] for name in stored.files}
    arrays = compress.unpack(data)
    if not isinstance(arrays, dict) or not all(isinstance(x, np.ndarray) for x in arrays.values()):
        raise ValueError("packed weights that are no arrays by name")
    return arrays


def leaves(model: nnx.Module) -> dict[str, Any]:
    """Parameters by path."""
    return compress.named(model)


def fill(path: Path, model: nnx.Module, arrays: dict[str, np.ndarray]) -> None:
    """Gives a model without weights (`nnx.eval_shape`) those of a file, in float32.

    Raises:
        ValueError: An array is missing, left over, or of another shape than this model's; it is named.
    """
    made = []
    for parts, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param)):
        place = "/".join(map(str, parts))
        value = arrays.get(place)
        if value is None or value.shape != leaf.shape:
            found = "not there" if value is None else f"shape {value.shape}"
            raise ValueError(f"{path}: {place} is {found}; this model needs shape {leaf.shape}")
        made.append((parts, leaf.replace(jnp.asarray(value, jnp.float32))))
    if left := sorted(arrays.keys() - leaves(model).keys()):
        raise ValueError(f"{path}: {', '.join(left)}: no such weights in this model")
    nnx.update(model, nnx.from_flat_state(made))
