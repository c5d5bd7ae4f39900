"""Who reads the bits? Markers, frames, scans, tables and metadata of a JPEG stream, both ways."""

from __future__ import annotations

from .cache import parse_header
from .inspect import JpegInfo, estimate_quality, inspect, subsampling_name
from .metadata import Metadata, read_metadata, read_orientation
from .parse import Reader
from .write import EOI, SOI, dac, dht, dri, header, sos

__all__ = [
    "EOI",
    "SOI",
    "JpegInfo",
    "Metadata",
    "Reader",
    "dac",
    "dht",
    "dri",
    "estimate_quality",
    "header",
    "inspect",
    "parse_header",
    "read_metadata",
    "read_orientation",
    "sos",
    "subsampling_name",
]
