"""What callers hand in: images as arrays, files as bytes, buffers, paths or open files; one of them or a list."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeVar

import numpy as np

from ..errors import JpegWarning
from ..options import MAX_SIDE

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Many", "S", "Source", "as_bytes", "as_files", "as_images", "as_tables", "warn"]

Source: TypeAlias = "bytes | bytearray | memoryview | npt.NDArray[np.uint8] | str | os.PathLike[str] | BinaryIO"
"""A file: its bytes, a buffer or uint8 [nbytes] of them, a path, or a file opened in binary mode."""

S = TypeVar("S", bound=Source)
Many: TypeAlias = "list[S] | tuple[S, ...]"
"""Several files."""


def _is_jax(x: Any) -> bool:
    return type(x).__module__.startswith(("jax", "jaxlib"))


def _image(x: Any, name: str, precision: int | None, lossless: bool) -> Any:
    """An image as a C-contiguous NumPy array or a JAX array [H, W], [H, W, 3] or [H, W, 4].

    It is uint8, or uint16 for a precision above 8 bits; lossless ones may be either, and None is then the dtype's.
    """
    if not _is_jax(x):
        if isinstance(x, (str, bytes, bytearray, list, tuple, os.PathLike)) or not hasattr(x, "__array__"):
            raise TypeError(f"{name}: must be a NumPy or JAX array of uint8, not {type(x).__name__}")
        x = np.asarray(x)
    wide = x.dtype == np.uint16 if lossless or precision is None else precision > 8
    dtype, bits = (np.uint16, 16) if wide else (np.uint8, 8)
    precision = precision or bits
    largest = (1 << min(precision, bits)) - 1
    if x.dtype != dtype:
        wanted = "; for uint16 pass precision=12 or lossless=True" if precision == 8 and x.dtype == np.uint16 else ""
        raise TypeError(f"{name}: dtype {x.dtype}; must be {np.dtype(dtype)} (values 0..{largest}){wanted}")
    if x.ndim == 3 and x.shape[2] == 1:
        x = x[:, :, 0]
    if x.ndim not in (2, 3) or (x.ndim == 3 and x.shape[2] not in (3, 4)):
        raise ValueError(
            f"{name}: shape {x.shape}; must be [H, W], [H, W, 1], [H, W, 3] or [H, W, 4] (grey, RGB, CMYK)"
        )
    if not all(1 <= side <= MAX_SIDE for side in x.shape[:2]):
        raise ValueError(f"{name}: {x.shape[1]}×{x.shape[0]} pixels; each side must be 1..{MAX_SIDE}")
    if precision < bits and int(x.max()) > largest:
        raise ValueError(f"{name}: values up to {int(x.max())}; precision={precision} holds 0..{largest}")
    return x if _is_jax(x) else np.ascontiguousarray(x)


def as_images(images: Any, precision: int | None, lossless: bool) -> tuple[list[Any], bool]:
    """(images, whether the caller gave a single one)."""
    if isinstance(images, (list, tuple)):
        return [_image(x, f"images[{i}]", precision, lossless) for i, x in enumerate(images)], False
    if getattr(images, "ndim", None) == 4:
        if images.shape[3] not in (1, 3, 4):
            raise ValueError(
                f"images: shape {images.shape}; a batch must be [N, H, W, 1], [N, H, W, 3] or [N, H, W, 4]"
            )
        return [_image(x, f"images[{i}]", precision, lossless) for i, x in enumerate(images)], False
    return [_image(images, "images", precision, lossless)], True


def as_bytes(data: Any, name: str) -> bytes | memoryview:
    """The bytes of a file given as bytes, buffer, path or binary file object."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        view = memoryview(data)
        return view.cast("B") if view.contiguous else view.tobytes()
    if isinstance(data, (str, os.PathLike)):
        return Path(data).read_bytes()
    if hasattr(data, "read"):
        content = data.read()
        if isinstance(content, (bytes, bytearray, memoryview)):
            return as_bytes(content, name)
        raise TypeError(f"{name}: the file object must be opened in binary mode")
    if isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.ndim == 1:
        return np.ascontiguousarray(data).data
    raise TypeError(f"{name}: must be bytes, a buffer, a path or a binary file, not {type(data).__name__}")


def as_tables(tables: Any) -> bytes | None:
    return None if tables is None else bytes(as_bytes(tables, "tables"))


def as_files(data: Any) -> tuple[list[bytes | memoryview], bool]:
    if isinstance(data, (list, tuple)):
        return [as_bytes(d, f"data[{i}]") for i, d in enumerate(data)], False
    return [as_bytes(data, "data")], True


def warn(found: Sequence[tuple[str, int]], single: bool, index: int) -> None:
    for message, offset in found:
        where = "" if single else f"data[{index}]: "
        warnings.warn(f"{where}{message} (byte offset {offset})", JpegWarning, stacklevel=3)
