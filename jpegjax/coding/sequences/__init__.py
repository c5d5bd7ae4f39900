"""Runs of numbers as bytes that are not JPEG's: each in the shortest of several ways, both ends knowing how many there are.

symbols 0..255 ──▶ encode ──▶ bytes ──▶ decode        integers of any sign ──▶ encode_integers ──▶ bytes ──▶ decode_integers
`Cursor` reads files forwards, `varint` writes their numbers.
"""

from __future__ import annotations

from ..varints import Cursor, varint
from .integers import decode_integers, encode_integers
from .symbols import decode, encode

__all__ = ["Cursor", "decode", "decode_integers", "encode", "encode_integers", "varint"]
