"""Sequential Huffman coding against Pillow's files and a decoder that reads bit by bit."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from baseline import Parsed, bit_by_bit, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from jpegjax.annex_k import STANDARD_AC_CHROMA, STANDARD_AC_LUMA, STANDARD_DC_CHROMA, STANDARD_DC_LUMA
from jpegjax.coding import stuffing
from jpegjax.coding.geometry import ADDRESS, FIRST_ROW, LAST, V, scan_geometry
from jpegjax.coding.sequential.decode import (
    DECODE_SCRATCH,
    MARKER,
    POSITION,
    decode_mcus,
    decode_rows,
    decode_scan,
    decode_state,
    decode_tables,
    finish_decode,
    restart_segments,
    scan_warnings,
)
from jpegjax.coding.sequential.encode import (
    ERROR,
    WRITTEN,
    encode_rows,
    encode_scan,
    encode_state,
    encode_tables,
    finish_encode,
    row_bytes,
    scratch_bytes,
)
from jpegjax.errors import CorruptJpeg
from jpegjax.types import ZIGZAG, Component, Frame, HuffmanSpec

STANDARD = ((STANDARD_DC_LUMA, STANDARD_DC_CHROMA), (STANDARD_AC_LUMA, STANDARD_AC_CHROMA))
SAMPLINGS = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "4:1:1": (4, 1), "grey": None}


def check_both_ways(data: bytes) -> None:
    file = Parsed(data)
    state = file.decode()
    assert scan_warnings(state) == []
    assert (state[POSITION], state[MARKER]) == (len(data) - 2, 0xD9)
    tables = encode_tables(file.dc, file.ac)
    assert encode_scan(*file.geometry, tables, file.interval) == data[file.start : -2]


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 16), (33, 17), (64, 64), (227, 149)], ids=str)
def test_pillows_scans(size, sampling):
    for options in (
        {"quality": 75}, {"quality": 1}, {"quality": 100, "optimize": True},
        {"quality": 50, "restart_marker_blocks": 1}, {"quality": 90, "restart_marker_blocks": 2},
        {"quality": 95, "restart_marker_blocks": 3, "optimize": True}, {"quality": 25, "restart_marker_rows": 1},
    ):  # fmt: skip
        check_both_ways(sample(size, sampling, **options))


@pytest.mark.parametrize("quality", range(3, 100, 8))
def test_pillows_qualities(quality):
    check_both_ways(sample((131, 70), quality=quality, seed=quality))


def test_decodes_what_reads_bit_by_bit():
    for sampling in SAMPLINGS:
        file = Parsed(sample((37, 26), sampling, quality=92, optimize=True))
        file.decode()
        for ours, theirs in zip(file.planes, bit_by_bit(file), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_last_indices_bound_the_coefficients():
    file = Parsed(sample((90, 61), quality=60))
    scan = file.geometry[0]
    lasts = [np.full(p.shape[:2], 200, np.uint8) for p in file.planes]
    scan[:, LAST] = [a.ctypes.data for a in lasts]
    file.decode()
    for plane, last in zip(file.planes, lasts, strict=True):
        zigzag = plane[..., ZIGZAG] != 0
        true = np.where(zigzag.any(-1), 63 - zigzag[..., ::-1].argmax(-1), 0)
        assert (last >= true).all() and (last < 64).all()
        assert (last == true).mean() > 0.9


def test_rows_into_strips():
    file = Parsed(sample((90, 61), quality=80, restart_marker_blocks=4))
    file.decode()
    scan, rows, wide = file.geometry
    state, scratch = decode_state(file.data, file.start, file.interval), np.empty(DECODE_SCRATCH, np.uint8)
    parts = file.frame.components
    strips = [np.empty((part.v, plane.shape[1], 64), np.int16) for part, plane in zip(parts, file.planes, strict=True)]
    tables = decode_tables(file.dc, file.ac)
    for row in range(rows):
        scan[:, ADDRESS] = [s.ctypes.data for s in strips]
        scan[:, FIRST_ROW] = row * scan[:, V]
        assert decode_rows(scan, wide, row, row + 1, tables.addresses, state, scratch) == 0
        for strip, plane, part in zip(strips, file.planes, parts, strict=True):
            real = plane[row * part.v : (row + 1) * part.v]
            np.testing.assert_array_equal(strip[: len(real)], real)
    assert finish_decode(state) == len(file.data) - 2


@pytest.mark.parametrize("options", [{"restart_marker_blocks": 3}, {"restart_marker_rows": 1}], ids=str)
def test_restart_segments_apart(options):
    file = Parsed(sample((150, 90), quality=85, **options))
    file.decode()
    whole = [p.copy() for p in file.planes]
    scan, rows, wide = file.geometry
    offsets = restart_segments(file.data, file.start, file.interval, rows * wide)
    assert len(offsets) == -(-rows * wide // file.interval)
    tables, scratch = decode_tables(file.dc, file.ac), np.empty(DECODE_SCRATCH, np.uint8)
    for i in reversed(range(len(offsets))):
        state = decode_state(file.data, int(offsets[i]), file.interval, i & 7)
        end = min((i + 1) * file.interval, rows * wide)
        assert decode_mcus(scan, wide, i * file.interval, end, tables.addresses, state, scratch) == 0
    for ours, theirs in zip(file.planes, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for damaged in (file.bytes[: offsets[2]], file.bytes.replace(b"\xff\xd1", b"\xff\xd3", 1)):
        data = np.frombuffer(damaged, np.uint8)
        assert restart_segments(data, file.start, file.interval, rows * wide) is None


def planes_of(blocks: np.ndarray) -> tuple[list[np.ndarray], tuple[np.ndarray, int, int]]:
    planes = [np.ascontiguousarray(blocks[None])]
    frame = Frame(8, 8 * len(blocks), (Component(1, 1, 1),))
    return planes, scan_geometry(frame, (0,), planes)


ALL_AC = HuffmanSpec(bytes([0] * 8 + [255, 0, 0, 0, 0, 0, 0, 0]), bytes(range(255)))
ALL_DC = HuffmanSpec(bytes([0, 0, 0, 0, 16] + [0] * 11), bytes(range(16)))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_block_comes_back(data):
    precision = data.draw(st.sampled_from([8, 12]))
    most = (1 << precision + 2) - 1
    values = st.sampled_from([0] * 30 + [1, -1, 2, -3, 64, -127, 127, 128, -128, -129, 255, -512, most, -most])
    blocks = np.array(data.draw(st.lists(st.lists(values, min_size=64, max_size=64), min_size=1, max_size=5)), np.int16)
    blocks[:, 0] = data.draw(st.lists(st.integers(-most // 2, most // 2), min_size=len(blocks), max_size=len(blocks)))
    if data.draw(st.booleans()):
        blocks[:, 1:63] = 0
    planes, geometry = planes_of(blocks)
    specs = ((ALL_DC,), (ALL_AC,)) if precision == 12 else ((STANDARD_DC_LUMA,), (STANDARD_AC_LUMA,))
    coded = encode_scan(*geometry, encode_tables(*specs, precision))
    planes[0][:] = 99
    state = decode_scan(*geometry, decode_tables(*specs), np.frombuffer(coded + b"\xff\xd9", np.uint8), 0)
    assert scan_warnings(state) == []
    np.testing.assert_array_equal(planes[0][0], blocks)


@pytest.mark.parametrize("where,value", [(5, 1024), (5, -1024), (63, -32768), (0, 2048), (0, -32768)])
def test_coefficients_out_of_range(where, value):
    blocks = np.zeros((3, 64), np.int16)
    blocks[1, where] = value
    _alive, (scan, rows, wide) = planes_of(blocks)
    tables, state = encode_tables((STANDARD_DC_LUMA,), (STANDARD_AC_LUMA,)), encode_state()
    scratch, out = np.empty(scratch_bytes(scan, wide), np.uint8), np.empty(row_bytes(scan, wide), np.uint8)
    assert encode_rows(scan, wide, 0, rows, tables.addresses, state, scratch, out) == -1
    assert state[ERROR] == 1
    with pytest.raises(ValueError, match="out of the process's range"):
        encode_scan(scan, rows, wide, tables)


@pytest.mark.parametrize("dc,ac", [(b"\0", b"\0\1"), (b"\0\1", b"\0"), (b"\0\1", b"\1\2")], ids=["dc", "ac", "end"])
def test_symbols_without_a_code(dc, ac):
    def spec(symbols):
        return HuffmanSpec(bytes([0, len(symbols)] + [0] * 14), symbols)

    blocks = np.zeros((2, 64), np.int16)
    blocks[1, 0], blocks[0, 1] = 1, 1
    _alive, geometry = planes_of(blocks)
    assert encode_scan(*geometry, encode_tables((spec(b"\0\1"),), (spec(b"\0\1"),)))
    with pytest.raises(ValueError, match="no code"):
        encode_scan(*geometry, encode_tables((spec(dc),), (spec(ac),)))


@pytest.mark.parametrize("interval", [0, 1, 3])
def test_little_room(interval):
    file = Parsed(sample((227, 149), quality=100))
    file.decode()
    scan, rows, wide = file.geometry
    tables = encode_tables(file.dc, file.ac)
    whole = encode_scan(scan, rows, wide, tables, interval)
    scratch, state = np.empty(scratch_bytes(scan, wide), np.uint8), encode_state(interval, 5)
    out, row, calls = np.arange(5, dtype=np.uint8), 0, 0
    guard = 0xA5
    while row < rows:
        room = np.full(out.size + 16, guard, np.uint8)
        room[: out.size] = out
        row = encode_rows(scan, wide, row, rows, tables.addresses, state, scratch, room[:-16])
        assert (room[-16:] == guard).all()
        out = np.concatenate([room[: state[WRITTEN]], np.empty(calls * 997 % 30_011, np.uint8)])
        calls += 1
    assert finish_encode(state, out[: state[WRITTEN] + 1]) == -1
    out = np.concatenate([out[: state[WRITTEN]], np.empty(2, np.uint8)])
    assert out[5 : finish_encode(state, out)].tobytes() == whole
    assert calls > 5 and out[:5].tolist() == [0, 1, 2, 3, 4]


def test_row_bound_holds():
    blocks = np.full((40, 64), -1023, np.int16)
    blocks[::2] = 1023
    frame = Frame(8, 320, (Component(1, 1, 1),))
    longest = HuffmanSpec(bytes([0] * 15 + [100]), bytes([10, 11]) + bytes(n for n in range(100) if n not in (10, 11)))
    planes = [blocks[None]]
    geometry = scan_geometry(frame, (0,), planes)
    coded = encode_scan(*geometry, encode_tables((longest,), (longest,)), 1)
    assert len(coded) <= row_bytes(geometry[0], 40)


def mutated(data: bytes, start: int, rng: np.random.Generator) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(start, len(damaged)))
        kind = rng.integers(0, 6)
        if kind == 0:
            damaged[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            damaged[at] = int(rng.choice([0, 0xFF, 0xD0, 0xD3, 0xD9, 0x01]))
        elif kind == 2:
            del damaged[at : at + int(rng.integers(1, 40))]
        elif kind == 3:
            damaged[at:at] = rng.integers(0, 256, int(rng.integers(1, 9)), np.uint8).tobytes()
        elif kind == 4:
            damaged[at:at] = b"\xff" * int(rng.integers(1, 3)) + bytes([int(rng.integers(0, 256))])
        else:
            del damaged[max(at, start + 1) :]
        if len(damaged) <= start:
            damaged += b"\0"
    return bytes(damaged)


def test_damage_is_met_as_by_libjpeg():
    """Corrupt scans give the blocks of the decoder that reads bit by bit, and end where it ends or later."""
    rng = np.random.default_rng(5)
    sources = [
        sample((40, 30), "4:2:0", quality=85),
        sample((40, 30), "4:2:0", quality=85, restart_marker_blocks=1),
        sample((33, 20), "4:4:4", quality=97, optimize=True, restart_marker_blocks=2),
        sample((64, 24), "grey", quality=70, restart_marker_blocks=3),
    ]
    seen = set()
    for n in range(400):
        source = sources[n % len(sources)]
        file = Parsed(mutated(source, Parsed(source).start, rng))
        state = file.decode()
        seen |= {message for message, _, offset in scan_warnings(state) if 0 <= offset <= len(file.bytes)}
        for ours, theirs in zip(file.planes, bit_by_bit(file), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert len(seen) == 5


def test_many_mutations_stay_inside():
    rng = np.random.default_rng(6)
    source = sample((300, 200), quality=100, restart_marker_blocks=50)
    for _ in range(300):
        file = Parsed(mutated(source, Parsed(source).start, rng))
        state = file.decode()
        assert state[POSITION] <= len(file.bytes)


@pytest.mark.parametrize("counts,symbols", [([3], 3), ([2], 2), ([1, 1, 1], 2), ([0] * 15 + [255], 9)], ids=str)
def test_no_prefix_codes(counts, symbols):
    spec = HuffmanSpec(bytes(counts + [0] * (16 - len(counts))), bytes(range(symbols)))
    with pytest.raises(CorruptJpeg, match="prefix code"):
        decode_tables((STANDARD_DC_LUMA,), (spec,))
    with pytest.raises(CorruptJpeg, match="DC"):
        decode_tables((HuffmanSpec(bytes([0, 1] + [0] * 14), b"\x10"),), (STANDARD_AC_LUMA,))


def test_empty_tables_decode_to_zeros():
    empty = HuffmanSpec(bytes(16), b"")
    planes, geometry = planes_of(np.full((5, 64), 7, np.int16))
    state = decode_scan(*geometry, decode_tables((empty,), (empty,)), np.arange(1, 90, dtype=np.uint8), 0)
    assert not planes[0].any()
    assert "invalid Huffman code" in {message for message, *_ in scan_warnings(state)}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 0xD0, 0xD9, 0xFF, 0xFF, 0x55]), max_size=200), st.integers(0, 70))
def test_stuffing(values, plain):
    values = [0x33] * plain + values
    source = np.array(values + [0] * 64, np.uint8)
    target = np.empty(2 * source.size + 64, np.uint8)
    written = stuffing.stuff(source.ctypes.data, len(values), target.ctypes.data)
    stuffed = bytes(values).replace(b"\xff", b"\xff\0")
    assert target[:written].tobytes() == stuffed
    data = np.frombuffer(stuffed + b"\xff\xff\xd9\0", np.uint8)
    back = np.full(source.size + 192, 9, np.uint8)
    count, position, marker = stuffing.unstuff(data.ctypes.data, 0, data.size, back.ctypes.data, back.size - 64)
    assert (back[:count].tolist(), position, marker) == (values, len(stuffed) + 1, 0xD9)
    assert not back[count : count + 64].any()
    assert stuffing.find_marker(data.ctypes.data, 0, data.size) == (len(stuffed) + 1, 0xD9)
    assert stuffing.unstuff(data.ctypes.data, 0, len(stuffed), back.ctypes.data, back.size - 64)[2] == stuffing.END
    for n in range(0, len(values), 7):
        at = stuffing.locate(data.ctypes.data, 0, data.size, n)
        assert stuffed[:at].replace(b"\xff\0", b"\xff") == bytes(values[:n])


def test_little_room_for_unstuffing():
    values = bytes(range(256)) * 3
    stuffed = values.replace(b"\xff", b"\xff\xff\0") + b"\xff\xd9"
    data, out, position, marker = np.frombuffer(stuffed, np.uint8), bytearray(), 0, 0
    while marker == 0:
        target = np.empty(100 + 64, np.uint8)
        count, position, marker = stuffing.unstuff(data.ctypes.data, position, data.size, target.ctypes.data, 100)
        out += target[:count].tobytes()
    assert bytes(out) == values and stuffed[position:] == b"\xff\xd9"


PORTABLE = """
import hashlib, sys
sys.path.insert(0, {folder!r})
from baseline import Parsed, sample
from jpegjax.coding.sequential.encode import encode_scan, encode_tables
from jpegjax.simd import has_avx2
digest = hashlib.sha256()
for sampling in ("4:2:0", "grey"):
    file = Parsed(sample((83, 59), sampling, quality=93, restart_marker_blocks=5))
    file.decode()
    for plane in file.planes:
        digest.update(plane.tobytes())
    digest.update(encode_scan(*file.geometry, encode_tables(file.dc, file.ac), 3))
print(has_avx2(), digest.hexdigest())
"""


def test_portable_path_gives_the_same(pytestconfig):
    script = PORTABLE.format(folder=os.path.dirname(__file__))
    portable = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}
    portable["NUMBA_CACHE_DIR"] = str(pytestconfig.cache.mkdir("portable"))  # else the two would overwrite each other
    runs = []
    for target in ({}, portable):
        done = subprocess.run([sys.executable, "-c", script], env=os.environ | target, capture_output=True, check=True)
        runs.append(done.stdout.decode().split())
    assert runs[0][1] == runs[1][1]
    assert runs[1][0] == "False"
