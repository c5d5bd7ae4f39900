"""Small networks as files: their weights in float16, and what they are and how large, so that a file alone makes the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from flax import nnx

from . import shipped

__all__ = ["Kind", "read_about"]

Model = TypeVar("Model", bound=nnx.Module)


def read_about(path: Path, what: str, kind: str | None = None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(what a file of weights says of itself, its arrays), of `shipped.write_arrays` with a JSON object as bytes "about".

    Raises:
        ValueError: No such file, none of this kind, or "name", "format" or "size" is missing: not weights of `what`.
    """
    try:
        arrays = shipped.read_arrays(path)
        about = json.loads(arrays.pop("about").tobytes())
        if kind is not None and about["kind"] != kind:
            raise ValueError(f"they are of a {about['kind']}")
        _ = about["format"], about["name"], dict(about["size"])
    except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
        raise ValueError(f"{path}: not weights of {what} ({error})") from None
    return about, arrays


@dataclass(frozen=True)
class Kind(Generic[Model]):
    """Models of one kind as files.

    name: the kind in files. what: how people call it, with its article. format: of what is written and read. size: a dataclass of
    numbers, and made: a model of it, which has it as `size`.
    """

    name: str
    what: str
    format: int
    size: type
    made: Callable[[Any, nnx.Rngs], Model]

    def write(self, path: Path, name: str, model: Model) -> None:
        """Stores a model under a name. ValueError where a weight is not finite in float16; it is named."""
        size: Any = model.size  # type: ignore[attr-defined]
        about = json.dumps({"kind": self.name, "format": self.format, "name": name, "size": asdict(size)})
        arrays = {place: np.asarray(leaf[...]).astype(np.float16) for place, leaf in shipped.leaves(model).items()}
        for place, value in arrays.items():
            if not np.isfinite(value).all():
                raise ValueError(f"{place}: weights are not finite")
        shipped.write_arrays(path, {"about": np.frombuffer(about.encode(), np.uint8), **arrays})

    def read(self, path: Path) -> tuple[str, Model]:
        """(name, model) of a file, weights in float32.

        Raises:
            ValueError: It holds no such weights, is of another format, or has other arrays than its size needs; they are named.
        """
        about, arrays = read_about(path, self.what, self.name)
        if about["format"] != self.format:
            raise ValueError(f"{path}: weights of format {about['format']}; this library reads format {self.format}")
        try:
            size = self.size(**about["size"])
        except TypeError as error:
            raise ValueError(f"{path}: not weights of {self.what} ({error})") from None
        model: Model = nnx.eval_shape(lambda: self.made(size, nnx.Rngs(0)))
        shipped.fill(path, model, arrays)
        return about["name"], model
