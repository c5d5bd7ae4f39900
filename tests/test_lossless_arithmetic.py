"""Lossless arithmetic coding: jpegsuite's files against their Huffman twins, any differences, damage."""

from __future__ import annotations

import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import damaged, random_frame

import jpegjax
from jpegjax import JpegError, JpegWarning, Limits
from jpegjax.coding.arithmetic.coder import finish_code, reset_statistics, scan_parameters, start_code, start_decode
from jpegjax.coding.arithmetic.lossless import decode_lossless_arithmetic, encode_lossless_arithmetic, unit_places
from jpegjax.simd import kernel
from jpegjax.types import Conditioning, Scan

FACTORS = [[(1, 1)], [(2, 2), (1, 1), (1, 1)], [(1, 2), (1, 1), (1, 2)], [(2, 1), (1, 1), (1, 1), (2, 1)]]


def test_lossless_conformance_files_are_their_huffman_twins(shared):
    """jpegsuite: 2 to 16 bits, all predictors, restarts, interleaved or not, DNL."""
    folder, compared = shared / "conformance/robert-ancell__jpegsuite/jpeg", 0
    for path in sorted((folder / "lossless_arithmetic").glob("*.jpg")):
        twin = jpegjax.decode((folder / "lossless_huffman" / path.name).read_bytes())
        np.testing.assert_array_equal(jpegjax.decode(path.read_bytes(), strict=True), twin, err_msg=path.name)
        compared += 1
    assert compared == 44


@kernel
def _lossless_rows(given_, parameters, places, classes, wide, out, back):
    """Rows of differences [n, wide * units] through both coders, to `back`; bytes of the code, or -1."""
    start, row = np.int64(out.ctypes.data), np.int64(2 * given_.shape[1])
    reset_statistics(parameters)
    encoder = start_code(start)
    for y in range(len(given_)):
        at = np.int64(given_.ctypes.data) + y * row
        encoder = encode_lossless_arithmetic(encoder, parameters, places, classes, wide, at)
    stop = finish_code(encoder, start)
    out[stop - start : stop - start + 64] = 0
    reset_statistics(parameters)
    classes[:] = 0
    decoder = start_decode(start, stop)
    for y in range(len(given_)):
        at = np.int64(back.ctypes.data) + y * row
        decoder, valid, _ = decode_lossless_arithmetic(decoder, stop, parameters, places, classes, wide, at)
        if not valid:
            return np.int64(-1)
    return stop - start


@given(
    factors=st.sampled_from(FACTORS),
    seed=st.integers(0, 1000),
    spread=st.sampled_from([0, 1, 20, 40_000]),
    bounds=st.sampled_from([0x10, 0x00, 0x21, 0x75, 0xFF]),
)
@settings(max_examples=30, deadline=None)
def test_lossless_differences_round_trip(factors, seed, spread, bounds):
    frame, components, wide = random_frame(40, 40, factors), tuple(range(len(factors))), 11
    places, classes = unit_places(frame, components, wide)
    tables = (Conditioning(0, bounds),) * len(factors)
    parameters, statistics = scan_parameters(Scan(components, tables))
    noise = np.random.default_rng(seed).laplace(0, spread, (9, wide * len(places)))
    rows = np.clip(np.round(noise), -32768, 32767).astype(np.int16)
    out, back = np.empty(64 * rows.size + 64, np.uint8), np.empty_like(rows)
    used = _lossless_rows(rows, parameters, places, classes, wide, out, back)
    assert 0 <= used < 64 * rows.size and statistics.any()
    np.testing.assert_array_equal(back, rows)


def test_damaged_lossless_files_end_well(shared):
    folder, rng = shared / "conformance/robert-ancell__jpegsuite/jpeg/lossless_arithmetic", np.random.default_rng(8)
    names = ("32x32x16_grayscale", "32x32x8_restarts", "32x32x8_rgb_interleaved", "32x32x8_rgb", "32x32x2_grayscale")
    sources = [(folder / f"{name}.jpg").read_bytes() for name in names]
    for i in range(300):
        data = damaged(sources[i % len(sources)], rng, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", JpegWarning)
            try:
                image = jpegjax.decode(data, limits=Limits(memory=1 << 26))
            except JpegError:
                continue
        assert image.dtype in (np.uint8, np.uint16)
