"""Who reads the bits? Markers, frames, scans, tables and metadata of a JPEG stream, both ways."""

from __future__ import annotations

from .cache import header_of, parse_header
from .inspect import JpegInfo, estimate_quality, inspect, subsampling_name
from .metadata import Metadata, orientation_of, read_metadata
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
    "header_of",
    "inspect",
    "orientation_of",
    "parse_header",
    "read_metadata",
    "sos",
    "subsampling_name",
]
