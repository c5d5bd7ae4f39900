"""What crosses a door: the options of the public functions, validated when they are made.

Each option stands in one place with its default, its check and the sentence that says what it is.

    choices    names and numbers that can be chosen, as types and as tuples
    checks     how an option is declared; checks that several share
    parse      options that come in several spellings
    scans      scan scripts
    groups     Limits, Restart, Metadata
    gain_map   GainMap, GainMapMetadata
    encode, decode, transcode

Each class loads on first use: the limits, which are a default of every door, come with the package.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from .choices import (
    ENGINES,
    ERRORS,
    FLIPS,
    JPEG_SUFFIXES,
    KINDS,
    MAX_SIDE,
    ROTATIONS,
    SUBSAMPLING,
    TRAILERS,
    TUNES,
    Color,
    EncodeColor,
    Engine,
    Errors,
    Flip,
    Kind,
    Mode,
    Reconstruction,
    Restore,
    Rotation,
    StreamType,
    TargetMetric,
    Thumbnail,
    Trailers,
    Tune,
    Upsample,
)
from .groups import DEFAULT_LIMITS, NO_METADATA, Limits, Metadata, Restart

if TYPE_CHECKING:
    from .checks import about, check_choice, check_int, check_number
    from .decode import DecodeOptions
    from .encode import EncodeOptions
    from .gain_map import GainMap, GainMapMetadata
    from .parse import parse_subsampling
    from .transcode import TranscodeOptions

__all__ = [
    "DEFAULT_LIMITS",
    "ENGINES",
    "ERRORS",
    "FLIPS",
    "JPEG_SUFFIXES",
    "KINDS",
    "MAX_SIDE",
    "NO_METADATA",
    "ROTATIONS",
    "SUBSAMPLING",
    "TRAILERS",
    "TUNES",
    "Color",
    "DecodeOptions",
    "EncodeColor",
    "EncodeOptions",
    "Engine",
    "Errors",
    "Flip",
    "GainMap",
    "GainMapMetadata",
    "Kind",
    "Limits",
    "Metadata",
    "Mode",
    "Reconstruction",
    "Restart",
    "Restore",
    "Rotation",
    "StreamType",
    "TargetMetric",
    "Thumbnail",
    "Trailers",
    "TranscodeOptions",
    "Tune",
    "Upsample",
    "about",
    "check_choice",
    "check_int",
    "check_number",
    "parse_subsampling",
]

_LATER = {
    "DecodeOptions": "decode",
    "EncodeOptions": "encode",
    "GainMap": "gain_map",
    "GainMapMetadata": "gain_map",
    "TranscodeOptions": "transcode",
    "about": "checks",
    "check_choice": "checks",
    "check_int": "checks",
    "check_number": "checks",
    "parse_subsampling": "parse",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = value
    return value
