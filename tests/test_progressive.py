"""Huffman tables and progressive scans on coefficients that no encoder would make, through any legal script."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scripts import random_frame, random_planes, random_script

from jpegjax.annex_k import STANDARD_AC_CHROMA, STANDARD_AC_LUMA, STANDARD_DC_CHROMA, STANDARD_DC_LUMA
from jpegjax.coding.huffman import LOOKAHEAD, decode_lookup, encode_codes, optimal_spec
from jpegjax.coding.progressive.encode import default_script
from jpegjax.container import header
from jpegjax.errors import CorruptJpeg
from jpegjax.jpeg.files import decode_image, sequential_script, write_scans
from jpegjax.types import Frame, HuffmanSpec, Scan

STANDARD = [STANDARD_DC_LUMA, STANDARD_DC_CHROMA, STANDARD_AC_LUMA, STANDARD_AC_CHROMA]


def _lengths(spec: HuffmanSpec) -> dict[int, int]:
    lengths = [n for n, count in enumerate(spec.counts, 1) for _ in range(count)]
    return dict(zip(spec.symbols, lengths, strict=True))


@pytest.mark.parametrize("spec", STANDARD)
def test_standard_codes_decode_to_their_symbols(spec):
    codes, lookup = encode_codes(spec), decode_lookup(spec)
    for symbol, length in _lengths(spec).items():
        code = int(codes[symbol])
        assert code & 255 == length
        if length <= LOOKAHEAD:
            assert lookup[code >> 8 << (LOOKAHEAD - length)] & 0xFFFF == length << 8 | symbol
    assert np.count_nonzero(codes) == len(spec.symbols)


def test_known_codes():
    """T.81 table K.5: 0/0 is 1010, 0/1 is 00, F/A is sixteen bits with a last 0."""
    codes = encode_codes(STANDARD_AC_LUMA)
    assert [int(codes[s]) for s in (0x00, 0x01, 0xFA)] == [0b1010 << 8 | 4, 0b00 << 8 | 2, 0xFFFE << 8 | 16]


@pytest.mark.parametrize(
    ("counts", "symbols", "dc"),
    [
        ([2], b"\0\1", False),
        ([0] * 7 + [255], bytes(range(255)), True),
        ([0, 2], b"\1\1", False),
        ([0, 3], b"\1\2", False),
        ([1, 1, 1, 2], bytes(5), False),
        ([0] * 15 + [255, 255][:1], b"", False),
    ],
)
def test_bad_tables(counts, symbols, dc):
    spec = HuffmanSpec(bytes(counts + [0] * (16 - len(counts))), symbols)
    with pytest.raises(CorruptJpeg, match="Huffman table"):
        encode_codes(spec, dc)


@given(st.lists(st.integers(0, 1 << 20), min_size=256, max_size=256), st.integers(1, 256))
@settings(max_examples=60, deadline=None)
def test_optimal_tables_are_prefix_codes(values, used):
    counts = np.array(values[:used] + [0] * (256 - used), np.int64)
    spec = optimal_spec(counts)
    lengths = _lengths(spec)
    assert sorted(lengths) == np.flatnonzero(counts).tolist()
    assert sum(2.0**-n for n in lengths.values()) < 1
    assert all(1 <= n <= 16 for n in lengths.values())
    by_count = sorted(lengths, key=lambda s: -counts[s])
    assert [lengths[s] for s in by_count] == sorted(lengths[s] for s in by_count) or max(lengths.values()) == 16
    encode_codes(spec)


def test_skewed_counts_stay_within_sixteen_bits():
    counts = np.zeros(257, np.int64)
    counts[:28] = [int(1.6**i) + i for i in range(28)]
    lengths = _lengths(optimal_spec(counts))
    assert max(lengths.values()) == 16
    assert sum(2.0**-n for n in lengths.values()) < 1


@given(
    data=st.data(),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    factors=st.sampled_from([[(1, 1)], [(2, 2), (1, 1), (1, 1)], [(2, 1), (1, 1), (1, 1)], [(1, 2), (1, 1), (1, 2)]]),
    seed=st.integers(0, 1000),
    density=st.sampled_from([0.0, 0.02, 0.2, 1.0]),
    spread=st.sampled_from([1, 4, 300]),
)
@settings(max_examples=60, deadline=None)
def test_any_script_round_trips(data, size, factors, seed, density, spread):
    frame = random_frame(*size, factors)
    planes = random_planes(frame, seed, density, spread)
    script = data.draw(random_script(len(factors)))
    table = [np.full(64, 16, np.uint16)] * len(factors)
    stream = header(frame, table) + write_scans(planes, frame, script)
    reader, decoded, warnings = decode_image(stream, strict=True)
    assert not warnings and reader.scans == len(script)
    for plane, other in zip(planes, decoded, strict=True):
        np.testing.assert_array_equal(plane, other)


@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    seed=st.integers(0, 1000),
    density=st.sampled_from([0.0, 0.1, 1.0]),
    spread=st.sampled_from([1, 300]),
    optimize=st.booleans(),
    apart=st.booleans(),
    restart=st.sampled_from([0, 1, 5]),
)
@settings(max_examples=40, deadline=None)
def test_sequential_scans_round_trip(size, seed, density, spread, optimize, apart, restart):
    frame = random_frame(*size, [(2, 2), (1, 1), (1, 1)])
    frame = Frame(frame.height, frame.width, frame.components)
    planes = random_planes(frame, seed, density, spread)
    script = [Scan((c,)) for c in range(3)] if apart else list(sequential_script(frame))
    script = [Scan(s.components, restart_interval=restart) for s in script]
    stream = header(frame, [np.full(64, 16, np.uint16)] * 3) + write_scans(planes, frame, script, optimize=optimize)
    _, decoded, _ = decode_image(stream, strict=True)
    for plane, other in zip(planes, decoded, strict=True):
        np.testing.assert_array_equal(plane, other)


def test_pillow_decodes_any_script():
    """Another decoder agrees on the planes of an unusual script: same pixels as of the sequential file."""
    frame = random_frame(61, 43, [(2, 2), (1, 1), (1, 1)])
    planes = random_planes(frame, 3, 0.1, 6)
    table = [np.full(64, 5, np.uint16)] * 3
    script = [Scan((c,), spectral=(0, 0), approximation=(0, 3), restart_interval=7) for c in range(3)]
    for level in (2, 1, 0):
        script.append(Scan((0, 2), spectral=(0, 0), approximation=(level + 1, level)))
        script.append(Scan((1,), spectral=(0, 0), approximation=(level + 1, level), restart_interval=2))
    for c in range(3):
        for level in (4, 3, 2, 1, 0):
            high = 0 if level == 4 else level + 1
            bands = [(1, 63)] if level % 2 else [(1, 1), (2, 40), (41, 63)]
            script += [Scan((c,), spectral=b, approximation=(high, level), restart_interval=c * 3) for b in bands]
    progressive = header(frame, table) + write_scans(planes, frame, script)
    plain = Frame(frame.height, frame.width, frame.components)
    sequential = header(plain, table) + write_scans(planes, plain, sequential_script(plain), optimize=False)
    pixels = []
    for data in (progressive, sequential):
        with Image.open(io.BytesIO(data)) as image:
            pixels.append(np.asarray(image))
    np.testing.assert_array_equal(*pixels)


def test_scans_that_the_process_forbids():
    frame = random_frame(16, 16, [(1, 1), (1, 1), (1, 1)])
    planes = random_planes(frame, 0, 0.1, 2)
    for scan in (
        Scan((0, 1), spectral=(1, 5)),
        Scan((1, 0), spectral=(0, 0)),
        Scan((0,), spectral=(0, 5)),
        Scan((0,), spectral=(6, 5)),
        Scan((0,), spectral=(1, 64)),
        Scan((0,), spectral=(1, 5), approximation=(3, 1)),
        Scan((0,), spectral=(1, 5), approximation=(0, 14)),
    ):
        with pytest.raises(ValueError, match="scan"):
            write_scans(planes, frame, [scan])


def test_default_scripts_cover_every_bit():
    for factors in ([(1, 1)], [(2, 2), (1, 1), (1, 1)]):
        frame = random_frame(8, 8, factors)
        known = -np.ones((len(factors), 64), int)
        for scan in default_script(frame):
            first, last = scan.spectral
            for c in scan.components:
                assert (np.maximum(known[c, first : last + 1], 0) == scan.approximation[0]).all()
                known[c, first : last + 1] = scan.approximation[1]
        assert (known == 0).all()


def test_a_bomb_of_tiny_scans_is_cheap():
    """As many scans as may be that each claim every block of a large picture, in a few bytes."""
    frame = random_frame(8 * 900, 8 * 900, [(1, 1)])
    planes = [np.zeros((900, 900, 8, 8), np.int16)]
    script = [Scan((0,), spectral=(0, 0), approximation=(0, 1)), Scan((0,), spectral=(1, 63), approximation=(0, 1))]
    script += [Scan((0,), spectral=(1, 63), approximation=(1, 0))] * 78
    stream = header(frame, [np.ones(64, np.uint16)]) + write_scans(planes, frame, script)
    _, decoded, warnings = decode_image(stream)
    assert len(stream) < 400_000
    assert not decoded[0].any()
    assert "out of order" in warnings[0][0]
