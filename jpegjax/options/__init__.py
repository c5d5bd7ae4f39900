"""What crosses a door: the options of the public functions, validated when they are made.

Each option stands in one place with its default, its check and the sentence that says what it is.

    choices    names and numbers that can be chosen, as types and as tuples
    checks     how an option is declared; checks that several share
    parse      options that come in several spellings
    scans      scan scripts
    groups     Limits, Restart, Metadata
    encode, decode, transcode
"""

from .checks import about, check_choice, check_int
from .choices import (
    ENGINES,
    FLIPS,
    KINDS,
    MAX_SIDE,
    ROTATIONS,
    SUBSAMPLING,
    TUNES,
    Engine,
    Flip,
    Kind,
    Mode,
    Rotation,
    TargetMetric,
    Tune,
    Upsample,
)
from .decode import DecodeOptions
from .encode import EncodeOptions
from .groups import DEFAULT_LIMITS, NO_METADATA, Limits, Metadata, Restart
from .parse import parse_subsampling
from .transcode import TranscodeOptions

__all__ = [
    "DEFAULT_LIMITS",
    "ENGINES",
    "FLIPS",
    "KINDS",
    "MAX_SIDE",
    "NO_METADATA",
    "ROTATIONS",
    "SUBSAMPLING",
    "TUNES",
    "DecodeOptions",
    "EncodeOptions",
    "Engine",
    "Flip",
    "Kind",
    "Limits",
    "Metadata",
    "Mode",
    "Restart",
    "Rotation",
    "TargetMetric",
    "TranscodeOptions",
    "Tune",
    "Upsample",
    "about",
    "check_choice",
    "check_int",
    "parse_subsampling",
]
