"""Trained perceptrons as a file, in float16: NAME.jxw, and the decoder alone, as a stream may bring it along."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...errors import CorruptStream
from .. import compress, shipped
from .network import UNIT, Perceptron, PerceptronSize, hidden

__all__ = [
    "DEFAULT", "DIGEST", "LoadedPerceptron", "available", "file_of", "load", "measured", "named", "packed", "unpacked", "write",
]  # fmt: skip

FORMAT = 1
KIND = "perceptron"
DEFAULT = "linear8"
"""The model that encoders take."""
DIGEST = 4
"""Bytes of a model's digest in a stream."""
_DECODER = ("decoder", "decoder_bias", "centre", "reach", "grain")
"""What decoding needs."""
_MOST = 1 << 20  # bytes of the weights in a stream, in memory: 16×16 blocks and as many units take half of it
_PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True)
class LoadedPerceptron:
    """A model that codes.

    arrays: float16; `network.Weights`, and of each unit, [k]: centre, where level 0 is; reach, the largest distance from there
    that is expected; grain, what it has to move for one grey level of change, as the root of the block's summed squares. Of a
    stream's own weights the encoder is not there. digest: of all that the decoder needs.
    """

    name: str
    size: PerceptronSize
    arrays: Mapping[str, np.ndarray]
    digest: bytes


def _shapes(size: PerceptronSize) -> dict[str, tuple[int, ...]]:
    return {**size.shapes, **dict.fromkeys(("centre", "reach", "grain"), (size.units,))}


def _checked(arrays: Mapping[str, Any], wanted: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The arrays; ValueError where one is missing, left over, of another shape or type, not finite, or not above 0."""
    if arrays.keys() != wanted.keys():
        raise ValueError(f"there are arrays {', '.join(sorted(arrays))}; needed are {', '.join(sorted(wanted))}")
    for name, shape in wanted.items():
        value = arrays[name]
        if not isinstance(value, np.ndarray) or value.dtype != np.float16 or value.shape != shape:
            raise ValueError(f"{name}: must be float16 {shape}")
        if not np.isfinite(value).all():
            raise ValueError(f"{name}: weights are not finite")
        if name in ("reach", "grain") and not (value > 0).all():
            raise ValueError(f"{name}: must be above 0")
    return {name: arrays[name] for name in wanted}


def _digest(size: PerceptronSize, arrays: Mapping[str, np.ndarray]) -> bytes:
    found = hashlib.sha256(json.dumps(asdict(size), sort_keys=True).encode())
    for name in _DECODER:
        found.update(np.ascontiguousarray(arrays[name]).astype("<f2").tobytes())
    return found.digest()[:DIGEST]


def made(name: str, size: PerceptronSize, arrays: Mapping[str, Any]) -> LoadedPerceptron:
    """The model of arrays, all or those of the decoder. ValueError for arrays that are no such model's."""
    shapes = _shapes(size)
    wanted = shapes if "encoder" in arrays else {key: shapes[key] for key in _DECODER}
    held = _checked(arrays, wanted)
    return LoadedPerceptron(name, size, held, _digest(size, held))


def measured(name: str, model: Perceptron, blocks: Any, weighting: np.ndarray | None = None) -> LoadedPerceptron:
    """A trained network with its units' centres, reaches and grains.

    Args:
        name: Of the model.
        model: As it comes from training.
        blocks: uint8 [N, n²], of the pictures that it was trained on: reaches are those of 999 of 1000.
        weighting: float [n², n²], symmetric: what squared errors e weigh, eᵀ·weighting·e, where grains shall heed it.

    Raises:
        ValueError: A weight is not finite in float16.
    """
    size = model.size
    arrays: dict[str, Any] = {key: np.asarray(value).astype(np.float16) for key, value in model.weights.items()}
    x = (jnp.asarray(blocks, jnp.float32) - UNIT) / UNIT
    a = np.asarray(hidden(size, {key: jnp.asarray(value, jnp.float32) for key, value in arrays.items()}, x))
    centre = np.median(a, 0)
    moves = arrays["decoder"].astype(np.float64) * (
        0.5 if size.output == "sigmoid" else 1
    )  # at most, for curved outputs
    if size.mean:
        moves = np.concatenate([np.ones((1, size.samples)), moves])
    weighed = moves if weighting is None else moves @ weighting
    grain = 1 / (UNIT * np.sqrt(np.maximum((weighed * moves).sum(1), 1e-8)))
    reach = np.maximum(np.quantile(np.abs(a - centre), 0.999, axis=0), 1e-4)
    arrays |= {"centre": centre, "reach": reach, "grain": grain}
    return made(name, size, {key: value.astype(np.float16) for key, value in arrays.items()})


def packed(model: LoadedPerceptron, units: int) -> bytes:
    """The decoder of a model's first units, as a stream brings it along."""
    return compress.pack(first(model, units).arrays)


def first(model: LoadedPerceptron, units: int) -> LoadedPerceptron:
    """The decoder of a model's first units alone; the others' centres are in its bias."""
    size, held = model.size, model.arrays
    dense = units - size.mean
    small = PerceptronSize(size.block, units, size.hidden, size.output, size.mean)
    lost = held["decoder"][dense:].astype(np.float64)
    middle = 0.5 if size.hidden == "sigmoid" else 0.0
    bias = held["decoder_bias"] + (held["centre"][units:].astype(np.float64) - middle) @ lost
    arrays = {name: held[name][:units] for name in ("centre", "reach", "grain")}
    return made(
        model.name, small, {**arrays, "decoder": held["decoder"][:dense], "decoder_bias": bias.astype(np.float16)}
    )


def unpacked(size: PerceptronSize, data: bytes | memoryview, offset: int) -> LoadedPerceptron:
    """Inverse of `packed`, of a known size. offset: of the data in the file. Raises CorruptStream, LimitExceeded."""
    arrays = compress.unpack(data, max_nbytes=_MOST)
    try:
        if not isinstance(arrays, dict) or "encoder" in arrays:
            raise ValueError("they are no decoder's")
        return made("", size, arrays)
    except ValueError as error:
        raise CorruptStream(f"the stream's own weights: {error}", offset) from None


def write(path: Path, model: LoadedPerceptron) -> None:
    """Stores a model."""
    about = json.dumps({"kind": KIND, "format": FORMAT, "name": model.name, "size": asdict(model.size)})
    shipped.write_arrays(path, {"about": np.frombuffer(about.encode(), np.uint8), **model.arrays})


def load(path: Path) -> LoadedPerceptron:
    """Inverse of `write`. ValueError for what is no such file, or has other arrays than its size needs; they are named."""
    try:
        arrays = shipped.read_arrays(path)
        about = json.loads(arrays.pop("about").tobytes())
        if about["kind"] != KIND:
            raise ValueError(f"they are of a {about['kind']}")
        if about["format"] != FORMAT:
            raise ValueError(f"format {about['format']}; this library reads format {FORMAT}")
        return made(about["name"], PerceptronSize(**about["size"]), arrays)
    except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
        raise ValueError(f"{path}: not weights of a perceptron ({error})") from None


def available() -> list[str]:
    """Names of the models that the package brings."""
    return shipped.names(_PACKAGE)


def file_of(model: str) -> Path:
    """The file of a model of the package, or the path that it is. ValueError where there is none."""
    return shipped.file_of(model, _PACKAGE)


@cache
def named(name: str = DEFAULT) -> LoadedPerceptron:
    """A model of the package, or of a path, loaded once. ValueError where there is none."""
    return load(file_of(name))
