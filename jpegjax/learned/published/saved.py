"""Published models that code, as files: weights as they are, medians, and the tables' integers, none made anew when read."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...coding.rans import Tables
from ...run.writing import write_file
from ..parts import Loaded
from .coded import Coded, assemble
from .models import Factorized, Hyperprior, MeanScale, Published

__all__ = ["is_saved", "load", "save"]

_KINDS: dict[str, type[Any]] = {"factorized": Factorized, "hyperprior": Hyperprior, "mean-scale": MeanScale}
_ABOUT = "published"


def _leaves(coded: Coded) -> list[tuple[tuple[Any, ...], Any]]:
    return list(nnx.to_flat_state(nnx.state(coded, nnx.Param)))


def save(path: Path, model: Loaded) -> None:
    """Stores what `published.export` made, for `load` and for `weights.load`."""
    coded: Coded = nnx.merge(model.graph, model.state)
    made: Published = coded.model
    kind = next(name for name, one in _KINDS.items() if type(made) is one)
    width = made.analysis.norms[0].beta.shape[0]
    about = {"kind": kind, "name": model.name, "size": [width, made.latents, made.quality]}
    arrays = {"/".join(map(str, parts)): np.asarray(leaf[...]) for parts, leaf in _leaves(coded)}
    for number, one in enumerate(model.tables):
        arrays |= {f"tables/{number}/{name}": value for name, value in one.pack().items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{_ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8)}, **arrays)  # type: ignore[arg-type]
    write_file(path, buffer.getbuffer())


def is_saved(path: Path) -> bool:
    """Whether a file is one of `save`'s, as far as its list of contents says."""
    return zipfile.is_zipfile(path) and f"{_ABOUT}.npy" in zipfile.ZipFile(path).namelist()


def load(path: Path) -> Loaded:
    """Inverse of `save`: the same digest, so that the same streams are read.

    Raises:
        ValueError: An array is missing or of another shape; the file is named.
    """
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        about = json.loads(arrays.pop(_ABOUT).tobytes())
        medians = arrays["medians"]
        coded: Coded = nnx.eval_shape(lambda: Coded(_KINDS[about["kind"]](*about["size"], rngs=nnx.Rngs(0)), medians))
        channels = coded.model.density.biases[0].shape[0]
        if medians.shape != (channels,):
            raise ValueError(f"medians has shape {medians.shape}, not {(channels,)}")
        flat = []
        for parts, leaf in _leaves(coded):
            value = arrays["/".join(map(str, parts))]
            if value.shape != leaf.shape:
                raise ValueError(f"{'/'.join(map(str, parts))} has shape {value.shape}, not {leaf.shape}")
            flat.append((parts, leaf.replace(jnp.asarray(value))))
        nnx.update(coded, nnx.from_flat_state(flat))
        groups = sorted({int(name.split("/")[1]) for name in arrays if name.startswith("tables/")})
        made = [
            Tables.unpack({n.split("/")[2]: v for n, v in arrays.items() if n.startswith(f"tables/{number}/")})
            for number in groups
        ]
    except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
        raise ValueError(f"{path}: not weights of a published codec ({error})") from None
    return assemble(about["name"], coded, made)
