"""Byte stuffing and markers inside entropy-coded data (T.81 B.1.1.5, F.1.2.3): SIMD passes over bytes at an address.

Data are an address and byte offsets, so that read-only and writable buffers share one compiled kernel. A marker is an
0xFF followed, after any number of fill bytes 0xFF, by a code 0x01..0xFE; its position is the offset of the 0xFF right
before the code. `FF FF .. 00` is one data byte 0xFF, as libjpeg reads it. `END` is the marker where the data end first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..simd import Int, bitcast_mask, ctz64, kernel, load, load_u8, store, store_u8, vectorized, zero

__all__ = ["END", "PADDING", "find_marker", "locate", "move_bytes", "restart_offsets", "stuff", "unstuff"]

END = 256
"""Stands for a marker code where the data end without one."""

PADDING = 64
"""Bytes that `stuff` and `unstuff` may write past their last byte of output."""

_LANES = 64


@vectorized
def _copy_chunk(source, target) -> Int:
    chunk = load(source, _LANES, 8)
    store(target, chunk)
    return bitcast_mask(chunk.compare("==", -1))


@vectorized
def _scan_chunk(source) -> Int:
    return bitcast_mask(load(source, _LANES, 8).compare("==", -1))


@vectorized
def _clear_padding(target):
    store(target, zero(target, PADDING, 8))


@kernel
def stuff(source: int, count: int, target: int) -> Any:
    """Copy `count` bytes, a 00 after every FF; returns the bytes written.

    source must be readable for count + 64 bytes, target writable for 2 * count + 64.
    """
    read = np.int64(0)
    written = np.int64(0)
    while read < count:
        found = np.int64(_copy_chunk(source + read, target + written))
        left = count - read
        if left < _LANES:
            found &= (np.int64(1) << left) - 1
        if found == 0:
            read += _LANES
            written += min(left, np.int64(_LANES))
        else:
            n = np.int64(ctz64(found)) + 1
            read += n
            written += n
            store_u8(target + written, 0)
            written += 1
    return written


@kernel
def _after_ff(data: int, position: int, end: int) -> tuple[Any, Any]:
    """What the FF at `position` is: (offset behind it, 0) for a data byte, or (marker position, marker code or END)."""
    q = position + 1
    while q < end and load_u8(data + q) == 0xFF:
        q += 1
    if q >= end:
        return end, np.int64(END)
    code = np.int64(load_u8(data + q))
    if code == 0:
        return q + 1, np.int64(0)
    return q - 1, code


@kernel
def unstuff(data: int, position: Any, end: int, target: int, capacity: int) -> tuple[Any, Any, Any]:
    """Copy entropy-coded data from offset `position`, without its stuffing, up to the first marker.

    data[0:end] is readable; target is writable for capacity + 64 bytes, capacity >= 64.
    Returns (bytes written, position, marker): marker 0 where the room ended first (call again from `position`).
    64 zero bytes follow the last byte written.
    """
    written = np.int64(0)
    marker = np.int64(0)
    while marker == 0 and written + _LANES <= capacity:
        if position + _LANES <= end:
            found = np.int64(_copy_chunk(data + position, target + written))
            if found == 0:
                position += _LANES
                written += _LANES
                continue
            n = np.int64(ctz64(found))
            position += n
            written += n
        elif position >= end:
            marker = np.int64(END)
            break
        elif load_u8(data + position) != 0xFF:
            store_u8(target + written, load_u8(data + position))
            position += 1
            written += 1
            continue
        position, marker = _after_ff(data, position, end)
        if marker == 0:
            store_u8(target + written, 0xFF)
            written += 1
    _clear_padding(target + written)
    return written, position, marker


@kernel
def find_marker(data: int, position: Any, end: int) -> tuple[Any, Any]:
    """(position, code) of the first marker at or after offset `position`; (end, END) where there is none."""
    while position < end:
        if position + _LANES <= end:
            found = np.int64(_scan_chunk(data + position))
            if found == 0:
                position += _LANES
                continue
            position += np.int64(ctz64(found))
        elif load_u8(data + position) != 0xFF:
            position += 1
            continue
        position, marker = _after_ff(data, position, end)
        if marker != 0:
            return position, marker
    return end, np.int64(END)


@kernel
def restart_offsets(data: int, position: int, end: int, offsets: np.ndarray) -> tuple[Any, Any, Any]:
    """Where the restart segments of the data from offset `position` start; the first starts at `position` itself.

    offsets: int64 [capacity], written. Returns (segments, position, marker) where marker is the first that is not the
    RSTn due next (T.81 B.2.1, n counts modulo 8) or that found no room.
    """
    count = np.int64(0)
    marker = np.int64(0)
    while count < len(offsets):
        offsets[count] = position
        position, marker = find_marker(data, position, end)
        if marker != 0xD0 + (count & 7):
            return count + 1, position, marker
        count += 1
        position += 2
    return count, position - 2, marker


@kernel
def locate(data: int, position: int, end: int, count: int) -> int:
    """Offset of the data byte that `unstuff` from `position` would write as number `count`, for messages."""
    while position < end and count > 0:
        marker = np.int64(0)
        if load_u8(data + position) == 0xFF:
            position, marker = _after_ff(data, position, end)
        else:
            position += 1
        if marker != 0:
            break
        count -= 1
    return position


@vectorized
def _move_chunk(source, target):
    store(target, load(source, _LANES, 8))


@kernel
def move_bytes(source: int, count: int, target: int) -> None:
    """Copy to a lower address, overlap allowed; reads and writes up to 63 bytes past the end."""
    done = np.int64(0)
    while done < count:
        _move_chunk(source + done, target + done)
        done += _LANES
