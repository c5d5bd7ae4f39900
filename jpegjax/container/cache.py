"""A front to the Reader that remembers headers: files of one encoder differ in little but their data."""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from dataclasses import replace

from ..errors import UnsupportedJpeg
from ..options import Limits
from ..types import ColorSpace
from .markers import SOS
from .parse import DEFAULT_LIMITS, Reader

__all__ = ["header_of", "parse_header"]

_CACHE_ENTRIES = 128
_CACHED_HEADER = 8192
_COMPONENTS = {
    ColorSpace.GRAY: 1, ColorSpace.YCBCR: 3, ColorSpace.RGB: 3, ColorSpace.CMYK: 4, ColorSpace.YCCK: 4,
}  # fmt: skip
_SOS = re.compile(bytes((0xFF, SOS)))
_cache: OrderedDict[tuple[bytes, Limits, bool, bytes | None], Reader] = OrderedDict()
_cache_lock = threading.Lock()


def _fresh_lock() -> None:
    global _cache_lock
    _cache_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fresh_lock)  # a thread that is not in the child may have held it


def _header_end(data: bytes | memoryview) -> int:
    """Offset behind the first SOS segment, or what looks like one, within _CACHED_HEADER; 0 for none."""
    found = _SOS.search(data, 2, _CACHED_HEADER)
    if found is None or found.end() + 2 > len(data):
        return 0
    p = found.end()
    end = p + (data[p] << 8 | data[p + 1])
    return end if end <= min(len(data), _CACHED_HEADER) else 0


def header_of(data: bytes | memoryview) -> bytes:
    """All up to the data of the first scan, which `parse_header` reads alike in all files; b"" where it is long, or odd."""
    return bytes(data[: _header_end(data)])


def parse_header(
    data: bytes | memoryview,
    limits: Limits = DEFAULT_LIMITS,
    strict: bool = False,
    tables: bytes | None = None,
    color: ColorSpace | None = None,
) -> Reader:
    """A Reader behind the first scan header, which is its `scan`. Raises like `Reader`, takes `tables` like it.

    color: what the components are, whatever the file says; UnsupportedJpeg where it has not as many.
    Headers seen lately (128 of at most 8 KB) are not parsed again: files of one encoder differ in little but size.
    Thread-safe; the Reader is the caller's own.
    """
    reader = _parsed(data if isinstance(data, bytes) else memoryview(data).cast("B"), limits, strict, tables)
    if color is None:
        return reader
    frame = reader.require_frame()
    count, wanted = len(frame.components), _COMPONENTS[color]
    if count != wanted:
        message = f"color={color.value!r} takes {wanted} components; the file has {count}"
        raise UnsupportedJpeg(message, reader.frame_offset)
    reader.frame = replace(frame, color=color)
    return reader


def _parsed(data: bytes | memoryview, limits: Limits, strict: bool, tables: bytes | None) -> Reader:
    end = _header_end(data)
    if end:
        key = (bytes(data[:end]), limits, strict, tables)
        with _cache_lock:
            known = _cache.get(key)
            if known is not None:
                _cache.move_to_end(key)
        if known is not None:
            reader = known.copy(data)
            reader.budget.check_pixels(reader.require_frame(), reader.frame_offset)
            reader.budget.charge(0, end)
            return reader
    reader = Reader(data, limits, strict, tables)
    reader.next_scan()
    if end and reader.position == end and reader.lines_offset is None:
        stored = reader.copy(key[0])
        with _cache_lock:
            _cache[key] = stored
            while len(_cache) > _CACHE_ENTRIES:
                _cache.popitem(last=False)
    return reader
