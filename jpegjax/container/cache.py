"""A front to the Reader that remembers headers: files of one encoder differ in little but their data."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict

from ..options import Limits
from .markers import SOS
from .parse import DEFAULT_LIMITS, Reader

__all__ = ["parse_header"]

_CACHE_ENTRIES = 128
_CACHED_HEADER = 8192
_SOS = re.compile(bytes((0xFF, SOS)))
_cache: OrderedDict[tuple[bytes, Limits, bool, bytes | None], Reader] = OrderedDict()
_cache_lock = threading.Lock()


def _header_end(data: bytes | memoryview) -> int:
    """Offset behind the first SOS segment, or what looks like one, within _CACHED_HEADER; 0 for none."""
    found = _SOS.search(data, 2, _CACHED_HEADER)
    if found is None or found.end() + 2 > len(data):
        return 0
    p = found.end()
    end = p + (data[p] << 8 | data[p + 1])
    return end if end <= min(len(data), _CACHED_HEADER) else 0


def parse_header(
    data: bytes | memoryview, limits: Limits = DEFAULT_LIMITS, strict: bool = False, tables: bytes | None = None
) -> Reader:
    """A Reader behind the first scan header, which is its `scan`. Raises like `Reader`, takes `tables` like it.

    Headers seen lately (128 of at most 8 KB) are not parsed again: files of one encoder differ in little but size.
    Thread-safe; the Reader is the caller's own.
    """
    if not isinstance(data, bytes):
        data = memoryview(data).cast("B")
    end = _header_end(data)
    if end:
        key = (bytes(data[:end]), limits, strict, tables)
        with _cache_lock:
            known = _cache.get(key)
            if known is not None:
                _cache.move_to_end(key)
        if known is not None:
            reader = known.copy(data)
            reader.check_pixels(reader.require_frame())
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
