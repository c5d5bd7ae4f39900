"""Weights that the package brings: files NAME.npz in a folder models/ beside the code that reads them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from flax import nnx

__all__ = ["file_of", "leaves", "names"]

_FOLDER = "models"


def names(package: str) -> list[str]:
    """Names of the models that a package brings."""
    folder = resources.files(package) / _FOLDER
    return sorted(p.name.removesuffix(".npz") for p in folder.iterdir() if p.name.endswith(".npz"))


def file_of(model: str, package: str) -> Path:
    """The file of a model of a package, or the path that it is. ValueError where there is none."""
    if not model.endswith(".npz") and model not in names(package):
        raise ValueError(f"model={model!r}: must be one of {', '.join(names(package))}, or a path to weights (.npz)")
    return Path(model) if model.endswith(".npz") else Path(str(resources.files(package) / _FOLDER / f"{model}.npz"))


def leaves(model: nnx.Module) -> dict[str, Any]:
    """Parameters by path."""
    return {"/".join(map(str, path)): leaf for path, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param))}
