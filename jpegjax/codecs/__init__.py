"""One protocol for every codec: ours, and the outside ones that they are compared with.

    codec = codecs.get("jpeg")
    data = codec.encode(image, quality=75)
    pixels = codec.decode(data)

Libraries load when their codec is asked for.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from .protocol import Codec, MissingCodec, Setting

__all__ = ["Codec", "MissingCodec", "Setting", "available", "get", "missing", "names"]

# Which module makes each codec; ours first.
_MADE_BY = {
    "jpeg": "jpeg", "jpeg+restore": "jpeg", "jpeg-lossless": "jpeg", "dft": "transforms", "u-system": "transforms",
    "learned": "learned", "perceptron": "perceptron", "faces": "faces",
    "libjpeg-turbo": "pillow", "mozjpeg": "outside", "jpegli": "outside", "jpeg2000": "pillow", "jpegxl": "outside",
    "jpeg-ls": "outside", "webp": "pillow", "avif": "pillow",
}  # fmt: skip


def names() -> list[str]:
    """All codecs that there are, installed or not."""
    return list(_MADE_BY)


@cache
def get(name: str) -> Codec:
    """The codec of a name.

    Args:
        name: One of `names()`.

    Returns:
        A `Codec`: its encode and decode, and which settings it takes.

    Raises:
        ValueError: There is no such codec.
        MissingCodec: What it needs is not installed; the message holds the pip line.
    """
    if name not in _MADE_BY:
        raise ValueError(f"codec={name!r}: must be one of {', '.join(_MADE_BY)}")
    return import_module(f"{__name__}.{_MADE_BY[name]}").codec(name)


def available() -> list[str]:
    """Names of the codecs that are installed, ours first.

    Returns:
        What `get` takes. Looking loads the libraries of all codecs.
    """
    gone = missing()
    return [name for name in _MADE_BY if name not in gone]


def missing() -> dict[str, str]:
    """The codecs that are not installed.

    Returns:
        {name: what it needs, and the pip line}.
    """
    gone = {}
    for name in _MADE_BY:
        try:
            get(name)
        except MissingCodec as error:
            gone[name] = str(error)
    return gone
