"""Lossless decoding: Huffman-coded differences in scan order, then the samples that they and the predictor give.

bytes ──▶ segments.next_segment ──▶ differences of an MCU row ──▶ rows of samples modulo 2^16 ──▶ the target

A group is what undifferences together: all components of a plain interleaved scan, or one component. Damage is treated
as libjpeg-turbo does: bits that are missing read as zero to the end of the row, the rows below it are mid-grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...simd import bswap64, kernel, load_i32, load_u64, shift_right, store_i16
from ...types import Frame, HuffmanSpec, Scan
from ..huffman import LOOKAHEAD, SEARCH, SEARCH_SIZE, decode_lookup, fill_decoder, long_entry
from ..restarts import (
    INSUFFICIENT,
    PAD,
    TARGET,
    SegmentReport,
    close_segment,
    new_state,
    next_segment,
    scratch_for,
)

__all__ = ["Place", "decode_scan", "fill_row", "finish_row", "scan_picture"]

UNIT, H, V = 0, 1, 2  # the group's first sample in an MCU, its samples a row and its rows there
DISTANCE = 3  # from a sample to the one of the same component to its left
WIDTH, ROWS = 4, 5  # of the group, in samples
OFFSET, STRIDE, STEP = 6, 7, 8  # of the first sample in the target, between rows, between samples

Place = tuple[int, int, int]
"""Offset of a component's first sample in the target, samples between its rows, between neighbours in a row."""


class Rule(NamedTuple):
    """How differences become samples: predictor 1..7, prediction of the first sample, point transform, largest sample."""

    predictor: int
    initial: int
    shift: int
    mask: int


class Picture(NamedTuple):
    """Where the samples of a scan go, and what their undifferencing takes.

    groups: int64 [n, 9]. high, wide: MCU rows, MCUs a row; units: samples an MCU. stream: int16, the differences of an MCU
    row in scan order; spare: those of a line. rows: uint16 [groups, 2, longest], two lines with margins. target: uint8 or
    uint16 [any].
    """

    groups: np.ndarray
    high: int
    wide: int
    units: int
    rule: Rule
    stream: np.ndarray
    spare: np.ndarray
    rows: np.ndarray
    target: np.ndarray


_BATCH = 64  # symbols between looks at the end of the data: at most 32 bits each, half of PAD
_PAIR_BITS = 12
_LOOKUP_AT = 4 << _PAIR_BITS  # bytes
_INVALID = 128  # in an entry: no code matches


@kernel(inline=True)
def _next_word(at):
    return np.int64(bswap64(load_u64(at)))


@kernel(inline=True)
def _refill(bits, held, at, word):
    """At least 56 bits, as in `sequential.decode`."""
    bits |= shift_right(word, held)
    at += (63 - held) >> 3
    return bits, held | 56, at, _next_word(at)


@kernel(inline=True)
def _value(rest, size):
    """The value whose `size` bits, 0..15, `rest` starts with (T.81 table H.2)."""
    # A leading 0 tells a negative value.
    return shift_right(shift_right(rest, 1), 63 - size) + (~(rest >> 63) & (1 - (np.int64(1) << size)))


@kernel(inline=True)
def _difference(lookup, bits):
    """(difference, its entry in `decode_lookup`'s table) of the symbol that `bits` start with (T.81 H.2.2)."""
    entry = load_i32(lookup + 4 * shift_right(bits, 64 - LOOKAHEAD))
    if entry == 0:
        entry = long_entry(lookup + 4 * SEARCH, bits, np.int64(15))
        if entry >> 8 & 31 == 17:
            entry |= _INVALID
    # Category 16 has no value bits, so that its size reads as 0; it stands for 32768.
    return _value(bits << (entry >> 8 & 31), entry & 15) | (entry & 16) << 11, entry


@kernel
def _decode_cycle(tables, symbols, bits, held, at, limit, out):
    """`_decode_pairs` where symbol i takes table i modulo their number."""
    word = _next_word(at)
    seen = np.int64(0)
    cycle = tables.size
    done = np.int64(0)
    while done < symbols:
        stop = min(symbols, done + _BATCH // cycle * cycle)
        for i in range(done, stop, cycle):
            for k in range(cycle):
                bits, held, at, word = _refill(bits, held, at, word)
                value, entry = _difference(tables[k] + _LOOKUP_AT, bits)
                store_i16(out + 2 * (i + k), value)
                bits <<= entry >> 16
                held -= entry >> 16
                seen |= entry
        done = stop
        if at > limit:
            at = limit
            word = np.int64(0)
    return bits, held, at, seen & _INVALID != 0


@kernel(inline=True)
def _store_pair(entry, bits, held, out):
    """(bits, held, out) behind the differences of an entry of `_fill_pairs`, one or two."""
    store_i16(out, _value(bits << (entry >> 6 & 31), entry >> 11 & 15))
    store_i16(out + 2, _value(bits << (entry >> 15 & 31), entry >> 20 & 15))
    return bits << (entry & 63), held - (entry & 63), out + (entry >> 24)


@kernel
def _decode_pairs(table, symbols, bits, held, at, limit, out):
    """Differences of `symbols` symbols of one table, to int16 at address `out`.

    Returns the reader and whether a code was invalid. Reads end below limit + half of PAD.
    """
    word = _next_word(at)
    seen = np.int64(0)
    end = out + 2 * symbols
    while out < end:
        stop = min(end - 6, out + 2 * _BATCH)
        while out < stop:
            bits, held, at, word = _refill(bits, held, at, word)
            entry = load_i32(table + 4 * shift_right(bits, 64 - _PAIR_BITS))
            if entry:
                bits, held, out = _store_pair(entry, bits, held, out)
                # No pair is longer than 27 bits, so that a second one needs no refill.
                entry = load_i32(table + 4 * shift_right(bits, 64 - _PAIR_BITS))
                if entry:
                    bits, held, out = _store_pair(entry, bits, held, out)
                    continue
                bits, held, at, word = _refill(bits, held, at, word)
            value, entry = _difference(table + _LOOKUP_AT, bits)
            store_i16(out, value)
            seen |= entry
            bits <<= entry >> 16
            held -= entry >> 16
            out += 2
        while out >= end - 6 and out < end:
            bits, held, at, word = _refill(bits, held, at, word)
            value, entry = _difference(table + _LOOKUP_AT, bits)
            store_i16(out, value)
            seen |= entry
            bits <<= entry >> 16
            held -= entry >> 16
            out += 2
        if at > limit:
            at = limit
            word = np.int64(0)
    return bits, held, at, seen & _INVALID != 0


@kernel
def _fill_pairs(counts, symbols, table):
    """Entries of _PAIR_BITS bits for what is behind them in `table`: the table of `decode_lookup`.

    Bits 0-5: length of both symbols with their values; 6-10, 11-14: where the first value starts and its size; 15-19,
    20-23: those of the second; 24-26: bytes of the differences, 2 or 4. 0: the code is too long, or category 16.
    """
    wide = 1 << _PAIR_BITS
    single = np.empty(wide, np.int64)
    fill_decoder(counts, symbols, _PAIR_BITS, single, np.empty(SEARCH_SIZE, np.int32))
    for i in range(wide):
        length, size = single[i] >> 8, single[i] & 255
        table[i] = 0
        if length == 0 or size > 15:
            continue
        total = length + size
        entry = total | length << 6 | size << 11 | 2 << 24
        if total < _PAIR_BITS:
            second = single[(i << total) & (wide - 1)]
            if second and second & 255 < 16 and second >> 8 <= _PAIR_BITS - total:
                start, more = total + (second >> 8), second & 15
                entry = (start + more) | length << 6 | size << 11 | start << 15 | more << 20 | 4 << 24
        table[i] = entry


@kernel
def _undifference(predictor, n, differences, before, row):
    """A row of samples from int16 [width]; before, row: uint16 [n + width], margins set as `_set_margins` does."""
    width = differences.size
    here = row[n:]
    b = before[n:]
    c = before[:width]
    if predictor == 2:
        for i in range(width):
            here[i] = np.int64(differences[i]) + np.int64(b[i])
    elif predictor == 3:
        for i in range(width):
            here[i] = np.int64(differences[i]) + np.int64(c[i])
    elif predictor >= 6:
        for lane in range(n):
            a = np.int64(row[lane])
            for i in range(lane, width, n):
                above = np.int64(b[i])
                guess = (a + above) >> 1 if predictor == 7 else above + ((a - np.int64(c[i])) >> 1)
                a = (guess + differences[i]) & 0xFFFF
                here[i] = a
    else:
        # What the rows above add is independent of the row's own samples, which then are a running sum.
        if predictor == 4:
            for i in range(width):
                differences[i] += np.int64(b[i]) - np.int64(c[i])
        elif predictor == 5:
            for i in range(width):
                differences[i] += (np.int64(b[i]) - np.int64(c[i])) >> 1
        for lane in range(n):
            a = np.int64(row[lane])
            for i in range(lane, width, n):
                a += differences[i]
                here[i] = a


@kernel
def _set_margins(n, initial, fresh, before, row):
    for i in range(n):
        first = initial if fresh else before[n + i]
        row[i] = first
        before[i] = first


@kernel
def _store_row(row, shift, mask, offset, step, target):
    if step == 1:
        out = target[offset : offset + row.size]
        for i in range(row.size):
            out[i] = (row[i] << shift) & mask
    else:
        for i in range(row.size):
            target[offset + i * step] = (row[i] << shift) & mask


@kernel
def finish_row(picture, y, fresh):
    """MCU row y: samples of all its rows, from the differences of its MCUs. fresh: it starts a segment."""
    groups, _, _, units, rule, stream, spare, rows, target = picture
    for g in range(groups.shape[0]):
        h, v, n, width = groups[g, H], groups[g, V], groups[g, DISTANCE], groups[g, WIDTH]
        for line in range(v):
            r = y * v + line
            if r >= groups[g, ROWS]:
                break
            differences = stream[:width]
            if h != units:
                differences = spare[:width]
                first = groups[g, UNIT] + line * h
                for i in range(width):
                    differences[i] = stream[i // h * units + first + i % h]
            before, row = rows[g, (r + 1) & 1, : n + width], rows[g, r & 1, : n + width]
            start = fresh and line == 0
            _set_margins(n, rule.initial, start, before, row)
            _undifference(1 if start else rule.predictor, n, differences, before, row)
            offset = groups[g, OFFSET] + r * groups[g, STRIDE]
            _store_row(row[n:], rule.shift, rule.mask, offset, groups[g, STEP], target)


@kernel
def fill_row(picture, y):
    """MCU row y in mid-grey, which is what its first prediction says."""
    groups, rule, target = picture.groups, picture.rule, picture.target
    value = (rule.initial << rule.shift) & rule.mask
    for g in range(groups.shape[0]):
        v, step = groups[g, V], groups[g, STEP]
        for r in range(y * v, min(y * v + v, groups[g, ROWS])):
            offset = groups[g, OFFSET] + r * groups[g, STRIDE]
            for i in range(groups[g, WIDTH]):
                target[offset + i * step] = value


@kernel
def _decode(state, picture, tables, restart_rows):
    scratch, symbols = state[TARGET], picture.wide * picture.units
    y = np.int64(0)
    while y < picture.high:
        length, stop = next_segment(state, y, picture.high, restart_rows)
        first = last = y
        fresh = True
        bits = np.int64(0)
        held = used = bad = np.int64(0)
        at = scratch
        missing = state[INSUFFICIENT] != 0
        while y < stop:
            if missing:
                fill_row(picture, y)
            else:
                limit = scratch + length + PAD // 4
                out = np.int64(picture.stream.ctypes.data)
                if tables.size > 1:
                    bits, held, at, invalid = _decode_cycle(tables, symbols, bits, held, at, limit, out)
                else:
                    bits, held, at, invalid = _decode_pairs(tables[0], symbols, bits, held, at, limit, out)
                bad += invalid
                finish_row(picture, y, fresh)
                used = 8 * (at - scratch) - held
                missing = used > 8 * length
                last = y
                fresh = False
            y += 1
        close_segment(state, first * picture.wide, last * picture.wide, used, length, bad)


def _groups(
    frame: Frame, components: tuple[int, ...], planes: Sequence[Place]
) -> tuple[list[list[int]], int, int, int]:
    """(rows of groups, MCU rows, MCUs a row, samples an MCU) of a scan."""
    sizes = [frame.samples(c) for c in components]
    places = [planes[c] for c in components]
    if len(components) == 1:
        (rows, width), (offset, stride, step) = sizes[0], places[0]
        return [[0, 1, 1, 1, width, rows, offset, stride, step]], rows, width, 1
    n = len(components)
    factors = [(frame.components[c].h, frame.components[c].v) for c in components]
    high, wide = -(-frame.height // frame.vmax), -(-frame.width // frame.hmax)
    first = places[0]
    plain = all(f == (1, 1) for f in factors) and (frame.hmax, frame.vmax) == (1, 1)
    if plain and places == [(first[0] + i, first[1], n) for i in range(n)]:
        rows, width = sizes[0]
        return [[0, n, 1, n, width * n, rows, first[0], first[1], 1]], rows, width, n
    groups, unit = [], 0
    for (h, v), (rows, width), (offset, stride, step) in zip(factors, sizes, places, strict=True):
        groups.append([unit, h, v, 1, width, rows, offset, stride, step])
        unit += h * v
    return groups, high, wide, unit


def scan_picture(frame: Frame, scan: Scan, planes: Sequence[Place], target: np.ndarray) -> Picture:
    """Where a scan's samples go. planes: per frame component, where its samples lie in the target."""
    listed, high, wide, units = _groups(frame, scan.components, planes)
    groups, shift = np.array(listed, np.int64), scan.approximation[1]
    rule = Rule(scan.spectral[0], 1 << (frame.precision - shift - 1), shift, (1 << frame.precision) - 1)
    stream, spare = np.empty(wide * units + 1, np.int16), np.empty(wide * units, np.int16)
    rows = np.zeros((len(groups), 2, int((groups[:, DISTANCE] + groups[:, WIDTH]).max())), np.uint16)
    return Picture(groups, high, wide, units, rule, stream, spare, rows, target)


@lru_cache(maxsize=64)
def _table(spec: HuffmanSpec) -> np.ndarray:
    """int32: entries of `_fill_pairs`, then `decode_lookup`'s table."""
    table = np.concatenate([np.empty(1 << _PAIR_BITS, np.int32), decode_lookup(spec)])
    _fill_pairs(np.frombuffer(spec.counts, np.uint8), np.frombuffer(spec.symbols, np.uint8), table)
    table.flags.writeable = False
    return table


def decode_scan(
    frame: Frame, scan: Scan, data: np.ndarray, position: int, planes: Sequence[Place], target: np.ndarray
) -> SegmentReport:
    """Decode a scan of a Huffman-coded lossless frame into `target`, uint8 or uint16 [any].

    data: uint8 [n], the file; position: of the scan's first entropy-coded byte. planes: per frame component, where its
    samples lie in the target; they are 0..2^P - 1. scan: predictor 1..7 as spectral[0], point transform below P as
    approximation[1], a restart interval of whole rows of MCUs.
    """
    picture = scan_picture(frame, scan, planes, target)
    specs = [spec for spec in scan.dc_tables if isinstance(spec, HuffmanSpec)]
    factors = [1 if len(specs) == 1 else frame.components[c].h * frame.components[c].v for c in scan.components]
    tables = [_table(spec) for spec, n in zip(specs, factors, strict=True) for _ in range(n)]
    same = len(set(specs)) == 1
    addresses = np.array([table.ctypes.data for table in (tables[:1] if same else tables)], np.int64)
    scratch = scratch_for(data.size)
    state = new_state(data.ctypes.data, data.size, scratch.ctypes.data, position)
    _decode(state, picture, addresses, scan.restart_interval // picture.wide)
    return SegmentReport(state)
