"""All Huffman scans of an image with the best tables, in one kernel: many files at a time do not wait for one another.

planes + script ──▶ encode_scans ──▶ DHT…, DRI, SOS, data │ … │ EOI
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..simd import kernel
from ..types import Frame, Scan
from .geometry import ADDRESS, COLUMNS, FIELDS, ROWS, H, V
from .huffman import best_lengths, fill_codes
from .progressive.encode import ac_first, ac_refine, dc_refine
from .stuffing import PADDING
from .symbols import (
    AC_SLOT,
    DC_SLOT,
    SLOTS,
    check_progressive,
    check_range,
    code_bits,
    emit,
    fill_masks,
    histogram,
    sequential,
)

__all__ = ["encode_scans"]

TABLE, IDENTIFIER = FIELDS, FIELDS + 1  # columns of the table of components behind those of `geometry`
COUNT, SCANNED, FIRST, LAST_INDEX, HIGH, LOW, INTERVAL = 0, 1, 5, 6, 7, 8, 9  # columns of the table of scans
LARGEST_DC, LARGEST_AC, SKEWED = 0, 1, 2  # what `_encode` reports
_SYMBOLS, _START = np.int64(256), np.int64(1 << 15)  # of this type, so that `np.empty` is not compiled for each size


@kernel
def _room(buffer, used, more):
    """The buffer, or a larger copy, with `more` bytes behind the first `used`."""
    if used + more <= buffer.size:
        return buffer
    larger = np.empty(max(2 * buffer.size, used + more), np.uint8)
    for i in range(used):
        larger[i] = buffer[i]
    return larger


@kernel
def _put_marker(out, at, code, length):
    out[at], out[at + 1], out[at + 2], out[at + 3] = 0xFF, code, length >> 8, length & 255
    return at + 4


@kernel
def _put_tables(scan, picked, uses_dc, uses_ac, counts, codes, out, at):
    """DHT segments of the best tables, their codes in the slots of `codes`; the end of `out`, or -1 for skewed counts.

    picked: the scan components' rows of the table of components.
    """
    n = scan[COUNT]
    lengths, symbols, sixteen = np.empty(33, np.int64), np.empty(_SYMBOLS, np.uint8), np.empty(_SYMBOLS, np.uint8)[:16]
    codes[:] = 0
    for i in range(n):
        for kind in range(2):
            if not (uses_ac if kind else uses_dc):
                continue
            first = DC_SLOT if kind == 0 else AC_SLOT
            total = np.zeros(256, np.int64)
            known = False
            for j in range(n):
                if picked[j, TABLE] == picked[i, TABLE]:
                    known |= j < i
                    for k in range(256):
                        total[k] += counts[(first + j) * 256 + k]
            if known:
                continue
            listed = best_lengths(total, lengths, symbols)
            if listed < 0:
                return np.int64(-1)
            for k in range(16):
                sixteen[k] = lengths[k + 1]
            at = _put_marker(out, at, np.int64(0xC4), 19 + listed)
            out[at] = kind << 4 | picked[i, TABLE]
            for k in range(16):
                out[at + 1 + k] = sixteen[k]
            for k in range(listed):
                out[at + 17 + k] = symbols[k]
            at += 17 + listed
            for j in range(i, n):
                if picked[j, TABLE] == picked[i, TABLE]:
                    fill_codes(sixteen, symbols, codes[(first + j) * 256 : (first + j) * 256 + 256])
    return at


@kernel
def _put_header(scan, picked, uses_dc, uses_ac, out, at):
    """An SOS segment (T.81 B.2.3)."""
    n = scan[COUNT]
    at = _put_marker(out, at, np.int64(0xDA), 6 + 2 * n)
    out[at] = n
    for i in range(n):
        table = picked[i, TABLE]
        out[at + 1] = picked[i, IDENTIFIER]
        out[at + 2] = (table << 4 if uses_dc else 0) | (table if uses_ac else 0)
        at += 2
    out[at + 1], out[at + 2], out[at + 3] = scan[FIRST], scan[LAST_INDEX], scan[HIGH] << 4 | scan[LOW]
    return at + 4


@kernel
def _encode(components, script, mcus_high, mcus_wide, sequential_only, progressive, dc_bits, ac_bits, seen):
    """The bytes of all scans; fewer than two where `seen` tells why not.

    components: int64 [n, FIELDS + 2]; script: int64 [scans, INTERVAL + 1]. dc_bits, ac_bits: of the largest magnitudes.
    sequential_only: None, for numba to leave out the progressive half, or anything else.
    """
    n = components.shape[0]
    starts = np.zeros(n + 1, np.int64)
    for c in range(n):
        starts[c + 1] = starts[c] + components[c, ROWS] * components[c, COLUMNS]
    masks = np.empty((starts[n], 4), np.uint64)
    shifts, some = np.empty(n, np.int64), np.zeros(n, np.int64)
    for c in range(n):
        shifts[c] = -1
    words, raw, out = np.empty(_START, np.uint32), np.empty(_START, np.uint8), np.empty(_START, np.uint8)
    codes = np.zeros(SLOTS * 256, np.uint32)
    at = interval = np.int64(0)
    for s in range(script.shape[0]):
        scan = script[s]
        count, first, last, shift = scan[COUNT], scan[FIRST], scan[LAST_INDEX], scan[LOW]
        high, wide = mcus_high, mcus_wide
        picked = np.empty((count, components.shape[1]), np.int64)
        offsets = np.empty(count, np.int64)
        per_mcu = np.int64(0)
        for i in range(count):
            c = scan[SCANNED + i]
            for k in range(components.shape[1]):
                picked[i, k] = components[c, k]
            offsets[i] = starts[c]
            if count == 1:
                high, wide = picked[i, ROWS], picked[i, COLUMNS]
                picked[i, H] = picked[i, V] = 1
            per_mcu += picked[i, H] * picked[i, V]
            if (last > 0 or not progressive) and shifts[c] != shift:
                part = masks[starts[c] : starts[c + 1]]
                some[c], shifts[c] = fill_masks(picked[i, ADDRESS], len(part), shift, part), shift
        mcus, restart = high * wide, scan[INTERVAL]
        held = np.int64(0)
        for i in range(count):
            held += some[scan[SCANNED + i]]
        segments = np.empty((mcus + restart - 1) // restart + 1 if restart else 2, np.int64)
        need = segments.size + 9 * mcus * per_mcu + 3 * held if progressive else 5 * mcus * per_mcu + held
        if need > words.size:
            words = np.empty(need, np.uint32)
        here = masks[offsets[0] : offsets[0] + mcus] if count == 1 else masks[:0]
        if sequential_only is None:
            used = sequential(picked, high, wide, restart, shift, masks, offsets, words, segments, seen)
        elif first > 0 and scan[HIGH]:
            used = ac_refine(mcus, restart, here, first, last, words, segments)
        elif first > 0:
            used = ac_first(picked[0, ADDRESS], mcus, restart, here, first, last, shift, words, segments, seen)
        elif scan[HIGH]:
            used = dc_refine(picked, high, wide, restart, shift, words, segments)
        else:
            used = sequential(picked, high, wide, restart, shift, masks[:0], offsets, words, segments, seen)
        if seen[LARGEST_DC] >> dc_bits or seen[LARGEST_AC] >> ac_bits:
            return out[:0]
        pair = np.zeros((2, SLOTS * 256), np.int64)
        value_bits = histogram(words[:used], pair)
        counts = pair[0]
        for k in range(counts.size):
            counts[k] += pair[1, k]
        uses_dc, uses_ac = first == 0 and scan[HIGH] == 0, last > 0
        out = _room(out, at, np.int64(8 * 300))
        at = _put_tables(scan, picked, uses_dc, uses_ac, counts, codes, out, at)
        if at < 0:
            seen[SKEWED] = 1
            return out[:0]
        if restart != interval:
            at = _put_marker(out, at, np.int64(0xDD), np.int64(4))
            out[at], out[at + 1] = restart >> 8, restart & 255
            at, interval = at + 2, restart
        at = _put_header(scan, picked, uses_dc, uses_ac, out, at)
        size = (code_bits(counts, codes) + value_bits) // 8 + segments.size
        if size + PADDING > raw.size:
            raw = np.empty(size + PADDING, np.uint8)
        out = _room(out, at, 2 * size + 2 * segments.size + PADDING + 2)
        at += emit(words[:used], segments, codes, raw, out[at:])
    out[at], out[at + 1] = 0xFF, 0xD9
    return out[: at + 2]


@lru_cache(maxsize=64)
def _script_table(script: tuple[Scan, ...], progressive: bool) -> np.ndarray:
    table = np.zeros((len(script), INTERVAL + 1), np.int64)
    for row, scan in zip(table, script, strict=True):
        if progressive:
            check_progressive(scan)
        row[COUNT] = len(scan.components)
        row[SCANNED : SCANNED + row[COUNT]] = scan.components
        row[FIRST:] = *scan.spectral, *scan.approximation, scan.restart_interval
    return table


def encode_scans(
    planes: Sequence[np.ndarray], frame: Frame, script: Sequence[Scan], slots: Sequence[int]
) -> memoryview:
    """The file's part from the first DHT to EOI, each scan with its own best Huffman tables.

    planes: per component, C-contiguous int16 [rows, columns, 8, 8] in natural order, real blocks only. script: scans of
    at most four components; sequential ones of 0..63 whole. slots: 0 or 1 per component, the tables that it uses.
    Raises ValueError for scans that a progressive frame must not have, and for coefficients that have no category.
    """
    progressive = frame.process.progressive
    components = np.zeros((len(planes), FIELDS + 2), np.int64)
    for c, (row, k) in enumerate(zip(components, frame.components, strict=True)):
        row[ADDRESS] = planes[c].ctypes.data
        row[ROWS], row[COLUMNS] = frame.blocks(c)
        row[H], row[V], row[TABLE], row[IDENTIFIER] = k.h, k.v, slots[c], k.id
    seen = np.zeros(3, np.int64)
    table = _script_table(tuple(script), progressive)
    only = 0 if progressive else None
    out = _encode(components, table, *frame.mcus, only, progressive, frame.precision + 3, frame.precision + 2, seen)
    check_range(int(seen[LARGEST_DC]), int(seen[LARGEST_AC]), frame.precision)
    if seen[SKEWED]:
        raise ValueError("counts: too skewed for a Huffman code of 32 bits")
    return out.data
