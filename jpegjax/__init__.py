"""jpegjax: byte-exact JPEG files, coefficients and batches on JAX devices and CPUs.

The doors load on first use, so that `import jpegjax` costs milliseconds.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from .errors import (
    CorruptJpeg,
    CorruptStream,
    DeviceMemoryError,
    JpegError,
    JpegWarning,
    LimitExceeded,
    UnsupportedJpeg,
)
from .options import Limits
from .options.gain_map import GainMap, GainMapMetadata
from .run import forks as _forks  # noqa: F401 (before a thread of anyone's is at work in here)
from .types import Coefficients, ColorSpace, Component, Frame, Process

if TYPE_CHECKING:
    from . import codecs as codecs
    from . import forensics as forensics
    from . import metrics as metrics
    from . import report as report
    from .api import (
        decode,
        encode,
        imread,
        imwrite,
        info,
        read_coefficients,
        restore,
        simulate,
        transcode,
        write_coefficients,
    )

__version__ = "0.1.0"

__all__ = [
    "Coefficients",
    "ColorSpace",
    "Component",
    "CorruptJpeg",
    "CorruptStream",
    "DeviceMemoryError",
    "Frame",
    "GainMap",
    "GainMapMetadata",
    "JpegError",
    "JpegWarning",
    "LimitExceeded",
    "Limits",
    "Process",
    "UnsupportedJpeg",
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

_DOORS = {name for name in __all__ if name.lower() == name}
_ROOMS = {"codecs", "forensics", "metrics", "report"}


def __getattr__(name: str) -> Any:
    if name in _DOORS:
        value = getattr(_import_module(f"{__name__}.api"), name)
        globals()[name] = value
        return value
    if name in _ROOMS:
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_DOORS, *_ROOMS})
