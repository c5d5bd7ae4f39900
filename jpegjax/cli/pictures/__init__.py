"""Pictures of other formats, in and out: through Pillow, and by readers and writers of our own where they are deep."""

from .load import Loaded, check_color, load, offered_suffixes, picture_suffixes, size_of
from .managed import to_srgb
from .metadata import described, reshaped
from .raster import Refused, scaled
from .save import FORMATS, save

__all__ = [
    "FORMATS", "Loaded", "Refused", "check_color", "described", "load", "offered_suffixes", "picture_suffixes",
    "reshaped", "save", "scaled", "size_of", "to_srgb",
]  # fmt: skip
