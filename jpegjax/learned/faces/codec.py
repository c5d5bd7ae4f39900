"""Faces to files and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...coding import rans
from ...errors import CorruptStream, JpegError, LimitExceeded
from ...options import Limits
from . import weights
from .model import Faces, FaceSize, step_of
from .search import Candidate, Coded, candidates, code
from .stream import DIGEST, Header, read_stream, write_stream
from .symbols import FLAG
from .weights import LoadedFaces

__all__ = ["checked_landmarks", "decode_all", "encode_one", "fitting", "model_for", "render", "shapes", "written"]

_NBYTES = 64  # of working memory for one sample of a texture


def shapes() -> tuple[tuple[int, ...], ...]:
    """Of the pictures that the package's models take."""
    return tuple(_shape(weights.size_of(name)) for name in weights.available())


def _shape(size: FaceSize) -> tuple[int, ...]:
    return (size.height, size.width) if size.channels == 1 else (size.height, size.width, 3)


def model_for(image: np.ndarray, model: str = "auto") -> LoadedFaces:
    """The model of a name or path, or of the picture's size. ValueError where no model has that, naming those there are."""
    if model != "auto":
        found = weights.named(model)
        if image.shape != _shape(found.size):
            raise ValueError(f"image: shape {image.shape}; faces of model {found.name} are {list(_shape(found.size))}")
        return found
    for name in weights.available():
        if _shape(weights.size_of(name)) == image.shape:
            return weights.named(name)
    known = ", ".join(str(list(one)) for one in shapes())
    raise ValueError(
        f"image: shape {image.shape}; faces must be of the size and framing of a model, which have {known}"
    )


def checked_landmarks(landmarks: Any, points: int) -> np.ndarray | None:
    """Landmarks as float64 [K, 2]. TypeError or ValueError otherwise."""
    if landmarks is None:
        return None
    try:
        found = np.asarray(landmarks, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"landmarks: must be numbers [{points}, 2], (x, y) in pixels") from None
    if found.shape != (points, 2) or not np.isfinite(found).all():
        raise ValueError(f"landmarks: shape {found.shape}; must be finite numbers [{points}, 2], (x, y) in pixels")
    return found


def written(found: LoadedFaces, made: Coded, quality: int) -> bytes:
    """The file of a picture's symbols."""
    coder, size = found.coder, found.size
    parts = [(np.array([made.shown], np.int32), np.array([FLAG], np.uint8))]
    if made.shown:
        parts.append((made.shape, coder.shape))
    parts.append((made.latents, coder.levels[quality - 1]))
    header = Header(size.height, size.width, size.channels, found.digest[:DIGEST], quality)
    return write_stream(header, rans.encode(parts, coder.tables))


def fitting(found: LoadedFaces, tried: Sequence[Candidate], nbytes: int) -> bytes | None:
    """The file of the finest quality that has at most so many bytes, or None."""
    low, high, best = 1, 100, None
    while low <= high:
        middle = (low + high) // 2
        data = written(found, code(found, tried, middle), middle)
        if len(data) <= nbytes:
            low, best = middle + 1, data
        else:
            high = middle - 1
    return best


def encode_one(
    found: LoadedFaces, image: np.ndarray, quality: int, landmarks: Any = None, target_bytes: int | None = None
) -> bytes:
    """The file of a picture.

    Args:
        found: The model.
        image: uint8 of the model's size.
        quality: 1..100.
        landmarks: [K, 2], (x, y) in pixels: where the shape's search begins; None leaves that to the model's guess.
        target_bytes: The most bytes of the file, in place of quality.

    Raises:
        TypeError, ValueError: Landmarks of another shape; a size that not even the lowest quality has.
    """
    tried = candidates(found, image, checked_landmarks(landmarks, found.size.points))
    if target_bytes is None:
        return written(found, code(found, tried, quality), quality)
    data = fitting(found, tried, target_bytes)
    if data is None:
        least = len(written(found, code(found, tried, 1), 1))
        raise ValueError(f"target_bytes={target_bytes}: this picture has {least} bytes at the lowest quality")
    return data


@nnx.jit
def _pixels(model: Faces, shape: jax.Array, latents: jax.Array, step: jax.Array) -> jax.Array:
    return model.pixels(shape, latents, step)


def render(found: LoadedFaces, shape: np.ndarray, latents: np.ndarray, quality: int) -> np.ndarray:
    """Pixels uint8 [H, W] or [H, W, 3] of symbols."""
    step = step_of(quality)
    z = (latents * step).astype(np.float32)
    return np.asarray(_pixels(found.model, jnp.asarray(shape, jnp.float32), jnp.asarray(z), jnp.float32(step)))


def _model_of(header: Header, models: Sequence[LoadedFaces]) -> LoadedFaces:
    """The model that a file is of. CorruptStream where it is not here."""
    here = [*models, *map(weights.named, weights.available())]
    for found in here:
        if found.digest[:DIGEST] == header.digest:
            if _shape(found.size) != (header.height, header.width, 3)[: 2 + (header.channels == 3)]:
                raise CorruptStream(f"a face of {header.height}×{header.width}, which is not its model's size", 7)
            return found
    known = ", ".join(f"{m.name} ({m.digest[:DIGEST].hex()})" for m in here) or "none"
    raise CorruptStream(f"the face is of model {header.digest.hex()}, which is not here; here: {known}", 0)


def _decode(data: bytes | memoryview, models: Sequence[LoadedFaces], limits: Limits) -> np.ndarray:
    header, stream, at = read_stream(data, limits)
    found = _model_of(header, models)
    need = _NBYTES * found.size.channels * found.size.canvas[0] * found.size.canvas[1]
    if limits.memory is not None and need > limits.memory:
        raise LimitExceeded(f"decoding this face takes {need} bytes; Limits.memory is {limits.memory}", 0)
    coder = found.coder
    decoder = rans.Decoder(stream, coder.tables, at)
    flag = int(decoder.read(np.array([FLAG], np.uint8))[0])
    if flag not in (0, 1):
        raise CorruptStream(f"a face with flag {flag}; must be 0 or 1", at)
    shape = decoder.read(coder.shape) if flag else np.zeros(found.size.shape, np.int32)
    latents = decoder.read(coder.levels[header.quality - 1])
    decoder.finish()
    return render(found, shape, latents, header.quality)


def decode_all(
    files: Sequence[bytes | memoryview], models: Sequence[LoadedFaces] = (), *, limits: Limits = Limits()
) -> list[np.ndarray]:
    """Pictures of files: uint8 [H, W] or [H, W, 3] each.

    Args:
        files: Their bytes.
        models: Besides the package's own, those that files may be of.
        limits: For files from strangers.

    Raises:
        CorruptStream, UnsupportedJpeg, LimitExceeded: All JpegError, of the first file that is none; of several with a note.
    """
    images = []
    for i, data in enumerate(files):
        try:
            images.append(_decode(data, models, limits))
        except JpegError as error:
            if len(files) > 1:
                error.add_note(f"file {i} of {len(files)}")
            raise
    return images
