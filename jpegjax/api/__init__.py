"""The functions people call."""

from ..jpeg.simulate import simulate
from .coefficients import read_coefficients, write_coefficients
from .decoding import decode, info
from .encoding import encode
from .files import imread, imwrite
from .inputs import Source as Source
from .restoring import restore
from .transcoding import transcode

__all__ = [
    "decode",
    "encode",
    "imread",
    "imwrite",
    "info",
    "read_coefficients",
    "restore",
    "simulate",
    "transcode",
    "write_coefficients",
]
