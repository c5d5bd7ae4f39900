"""One file by path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

from ..options import JPEG_SUFFIXES
from ..run.writing import write_file
from ..types import Array, Device
from .decoding import decode
from .encoding import encode
from .inputs import Source

if TYPE_CHECKING:
    import jax
    import numpy.typing as npt

    from .keywords import DecodeKeywords, EncodeKeywords

__all__ = ["imread", "imwrite"]


@overload
def imread(path: Source, *, device: None = None, **options: Unpack[DecodeKeywords]) -> npt.NDArray[Any]: ...
@overload
def imread(path: Source, *, device: Device, **options: Unpack[DecodeKeywords]) -> jax.Array: ...
def imread(path: Source, **options: Any) -> Any:
    """Pixels of one JPEG file.

    Args:
        path: Where it lies, or its content as `decode` takes it.
        options: As for `decode`.

    Returns:
        An array as `decode` gives it: uint8 [H, W] or [H, W, 3] of most files.

    Raises:
        OSError: The file cannot be read.
        JpegError: The file cannot be decoded; kinds and other errors as for `decode`.
    """
    if isinstance(path, (list, tuple)):
        raise TypeError("path: imread takes one file; decode takes lists")
    return decode(path, **options)


def imwrite(path: str | os.PathLike[str], image: Array, **options: Unpack[EncodeKeywords]) -> None:
    """Write one image as a JPEG file, which is replaced as a whole or not at all.

    Links are followed; a file that is replaced hands down mode, owner and attributes. Devices, pipes and files of several
    hard links are written through.

    Args:
        path: Where the file shall lie: .jpg, .jpeg, .jpe, .jfif, .jif or no suffix.
        image: [H, W], [H, W, 1], [H, W, 3], or CMYK, as `encode` takes it.
        options: As for `encode`.

    Raises:
        OSError: The file cannot be written; it names the path.
        TypeError: Several images are given; other errors as for `encode`.
        ValueError: The path has the suffix of another format; other errors as for `encode`.
    """
    suffix = Path(os.fsdecode(path)).suffix
    if suffix and suffix.lower() not in JPEG_SUFFIXES:
        raise ValueError(
            f"path={str(path)!r}: imwrite writes JPEG files, to .jpg or .jpeg; for {suffix} take another library, such as "
            "PIL.Image.fromarray(image).save(path)"
        )
    if isinstance(image, (list, tuple)) or getattr(image, "ndim", 2) == 4:
        raise TypeError("image: imwrite takes one image; encode takes batches")
    write_file(path, encode(image, **options))
