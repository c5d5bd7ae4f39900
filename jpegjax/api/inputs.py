"""What callers hand in: images as arrays, files as bytes, buffers, paths or open files; one of them or a list."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeVar

import numpy as np

from ..errors import JpegError, JpegWarning
from ..options import MAX_SIDE, Errors
from ..types import ColorSpace, array_of, is_traced

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..options import EncodeOptions

__all__ = [
    "Many",
    "S",
    "Source",
    "as_bytes",
    "as_files",
    "as_images",
    "as_tables",
    "luma",
    "named",
    "on_good",
    "settled",
]

Source: TypeAlias = "bytes | bytearray | memoryview | npt.NDArray[np.uint8] | str | os.PathLike[str] | BinaryIO"
"""A file: its bytes, a buffer or uint8 [nbytes] of them, a path, or a file opened in binary mode."""

S = TypeVar("S", bound=Source)
E = TypeVar("E", bound=Exception)
Many: TypeAlias = "list[S] | tuple[S, ...]"
"""Several files."""

Result: TypeAlias = "tuple[Any, Sequence[tuple[str, int]]]"
"""What was made of an item, or the error that it met; (message, byte offset) of what was damaged."""


def _is_jax(x: Any) -> bool:
    return type(x).__module__.startswith(("jax", "jaxlib"))


def _image(x: Any, name: str, options: EncodeOptions) -> Any:
    """An image as a C-contiguous NumPy array or a JAX array [H, W], [H, W, 3] or [H, W, 4].

    It is uint8, or uint16 for a precision above 8 bits; lossless ones may be either, and None is then the dtype's.
    """
    x, precision = array_of(name, x), options.precision
    if is_traced(x):
        raise TypeError(
            f"{name}: a traced array (inside jit, grad or vmap) has no values to encode; call encode outside, or through "
            "jax.pure_callback; simulate is JPEG that can be traced"
        )
    wide = x.dtype == np.uint16 if options.lossless or precision is None else precision > 8
    dtype, bits = (np.uint16, 16) if wide else (np.uint8, 8)
    precision = precision or bits
    largest = (1 << min(precision, bits)) - 1
    if x.dtype != dtype:
        wanted = "; for uint16 pass precision=12 or lossless=True" if precision == 8 and x.dtype == np.uint16 else ""
        raise TypeError(f"{name}: dtype {x.dtype}; must be {np.dtype(dtype)} (values 0..{largest}){wanted}")
    if x.ndim == 3 and x.shape[2] == 1:
        x = x[:, :, 0]
    _check_shape(x.shape, name, options.mode, told=options.color in (ColorSpace.CMYK, ColorSpace.YCCK))
    if precision < bits and int(x.max()) > largest:
        raise ValueError(f"{name}: values up to {int(x.max())}; precision={precision} holds 0..{largest}")
    return x if _is_jax(x) else np.ascontiguousarray(x)


def _check_shape(shape: tuple[int, ...], name: str, mode: str | None, told: bool) -> None:
    """ValueError for what is no image of this mode. shape: without a last axis of 1. told: whether a file's colours are."""
    channels = {2: 1, 3: shape[-1]}.get(len(shape), 0)
    if channels not in (1, 3, 4):
        raise ValueError(f'{name}: shape {shape}; must be [H, W], [H, W, 1], [H, W, 3], or [H, W, 4] with mode="CMYK"')
    if channels == 4 and mode is None and not told:
        raise ValueError(
            f"{name}: shape {shape}, four channels: of RGBA drop or blend the alpha ({name}[..., :3]), which JPEG lacks; "
            'CMYK say by mode="CMYK"'
        )
    if mode is not None and channels != {"L": 1, "RGB": 3, "CMYK": 4}[mode]:
        raise ValueError(f"{name}: shape {shape}, {channels} channels; mode={mode!r} has {'134'['LRC'.index(mode[0])]}")
    if not all(1 <= side <= MAX_SIDE for side in shape[:2]):
        raise ValueError(f"{name}: {shape[1]}×{shape[0]} pixels; each side must be 1..{MAX_SIDE}")


def _read(function: Callable[..., Any], errors: Errors, *arguments: Any) -> Any:
    """What the function gives, or where errors are returned what it met."""
    try:
        return function(*arguments)
    except (OSError, TypeError, ValueError) as error:
        if errors == "raise":
            raise
        return error


def _is_whole(batch: Any, options: EncodeOptions) -> bool:
    """Whether a batch [N, H, W, C] can stay in one array: JAX's, of 8 bits, its images in order."""
    if not _is_jax(batch) or is_traced(batch) or batch.dtype != np.uint8 or options.lossless or not len(batch):
        return False
    try:
        channels = batch.shape[3:] if batch.shape[3] > 1 else ()
        told = options.color in (ColorSpace.CMYK, ColorSpace.YCCK)
        _check_shape((*batch.shape[1:3], *channels), "images", options.mode, told)
    except ValueError:  # of each image
        return False
    return options.precision in (8, None)


def as_images(images: Any, options: EncodeOptions, errors: Errors = "raise") -> tuple[Any, bool]:
    """(images, whether the caller gave a single one); where errors are returned, one in place of each that is no image.

    A batch of 8 bits that is JAX's comes back as it is, or [N, H, W] of [N, H, W, 1], rather than cut in images.
    """

    def several(items: Sequence[Any]) -> list[Any]:
        return [_read(_image, errors, x, f"images[{i}]", options) for i, x in enumerate(items)]

    if isinstance(images, (list, tuple)) and not (images and isinstance(images[0], (list, tuple, int, float))):
        return several(images), False
    found = _read(array_of, errors, "images", images)
    if getattr(found, "ndim", None) == 4:
        if found.shape[3] not in (1, 3, 4):
            raise ValueError(
                f"images: shape {found.shape}; a batch must be [N, H, W, 1], [N, H, W, 3] or [N, H, W, 4] (CMYK)"
            )
        return several(found) if not _is_whole(found, options) else found[..., 0] if found.shape[
            3
        ] == 1 else found, False
    return [found if isinstance(found, Exception) else _read(_image, errors, found, "images", options)], True


def luma(image: Any) -> Any:
    """libjpeg's grey of an image [H, W, 3], uint8 or uint16, NumPy or JAX, in its dtype."""
    r, g, b = (image[..., i].astype(np.uint32) for i in range(3))
    return ((19595 * r + 38470 * g + 7471 * b + 32768) >> 16).astype(image.dtype)


def _content(path: str | os.PathLike[str], name: str) -> bytes:
    """The bytes of a file; what the system or Python has against its path says which argument, or item of it, that was."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise type(error)(error.errno, f"{name}: {error.strerror}", error.filename) from None
    except ValueError as error:  # a NUL in it, or what the system's encoding lacks
        raise ValueError(f"{name}: no path: {error}") from None


def as_bytes(data: Any, name: str) -> bytes | memoryview:
    """The bytes of a file given as bytes, buffer, path or binary file object."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        view = memoryview(data)
        return view.cast("B") if view.contiguous else view.tobytes()
    if isinstance(data, (str, os.PathLike)):
        return _content(data, name)
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


def as_files(data: Any, errors: Errors = "raise", names: Sequence[str] | None = None) -> tuple[list[Any], bool]:
    """(files, whether the caller gave a single one); where errors are returned, one in place of each that is no file.

    names: of several, for messages.
    """
    if isinstance(data, (list, tuple)):
        names = names or [f"data[{i}]" for i in range(len(data))]
        return [_read(as_bytes, errors, d, name) for d, name in zip(data, names, strict=True)], False
    return [_read(as_bytes, errors, data, "data")], True


def on_good(run: Callable[[Any], Iterable[Result]], items: Any) -> list[Result]:
    """run(items) with items that are errors left out of the call, and in their places in what it gives. items: or one array."""
    if _is_jax(items):
        return list(run(items))
    results = iter(run([item for item in items if not isinstance(item, Exception)]))
    return [(item, ()) if isinstance(item, Exception) else next(results) for item in items]


def named(error: E, name: str) -> E:
    """The error, whose message says which file or item of a list it is about, if it did not yet."""
    text = error.args[0] if error.args else None
    told = any(str(part).startswith(("images[", "data[", "coefficients[", name)) for part in error.args)
    if not isinstance(text, str) and not told:
        error.add_note(name)
    elif not told:
        error.args = (f"{name}: {text}", *error.args[1:])
        if isinstance(error, JpegError):
            error.message = f"{name}: {error.message}"
    return error


def settled(results: Iterable[Result], single: bool, errors: Errors) -> list[Any]:
    """What a door hands back of results; warns of what was damaged.

    The first error is raised, or each stays in its place, without the frames that would keep arrays alive.
    """
    out = []
    for i, (value, found) in enumerate(results):
        if isinstance(value, Exception):
            if not single:
                named(value, f"item {i}")
            if errors == "raise":
                raise value
            value.__context__ = value.__cause__ = None
            value = value.with_traceback(None)
        for message, offset in found:
            where = "" if single else f"data[{i}]: "
            warnings.warn(f"{where}{message} (byte offset {offset})", JpegWarning, stacklevel=3)
        out.append(value)
    return out
