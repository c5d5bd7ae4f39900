"""Damaged, hostile and random streams: a JpegError that says where, or a warning; never more."""

from __future__ import annotations

import struct
from functools import partial

import pytest
from effort import LIMIT, growth, spent
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import BASE, SOF, SOS, UNLIMITED, entropy_end, patched, pillow_file, scans

from jpegjax import CorruptJpeg, JpegError, LimitExceeded, Limits, UnsupportedJpeg
from jpegjax.annex_k import STANDARD_DC_LUMA
from jpegjax.container import EOI, Reader, dht, inspect, parse_header
from jpegjax.types import HuffmanSpec

BAD = {
    "empty": (b"", CorruptJpeg, "nothing"),
    "no SOI": (b"\x89PNG\r\n", CorruptJpeg, "SOI"),
    "SOI alone": (b"\xff\xd8", CorruptJpeg, "no frame"),
    "tables only": (BASE[:SOF] + EOI, CorruptJpeg, "tables alone"),
    "no scan": (BASE[:SOS] + EOI, CorruptJpeg, "no scan"),
    "cut SOS": (BASE[: SOS + 7], CorruptJpeg, "end inside a SOS"),
    "second SOI": (b"\xff\xd8" + BASE, CorruptJpeg, "SOI"),
    "second SOF": (BASE[:SOF] + BASE[SOF : SOF + 19] + BASE[SOF:], CorruptJpeg, "second frame"),
    "SOS first": (BASE[:SOF] + BASE[SOS:], CorruptJpeg, "before any frame"),
    "width 0": (patched(SOF + 7, 0, 0), CorruptJpeg, "empty"),
    "height 0": (patched(SOF + 5, 0, 0), CorruptJpeg, "DNL"),
    "precision": (patched(SOF + 4, 9), CorruptJpeg, "9 bits"),
    "sampling 0": (patched(SOF + 11, 0x02), CorruptJpeg, "0×2"),
    "sampling 5": (patched(SOF + 11, 0x25), CorruptJpeg, "2×5"),
    "MCU of 18 blocks": (patched(SOF + 11, 0x44), CorruptJpeg, "18 blocks"),
    "SOF length": (patched(SOF + 3, 18), CorruptJpeg, "SOF0 segment has length 18"),
    "component count": (patched(SOF + 9, 2), CorruptJpeg, "2 components"),
    "lossless": (patched(SOF + 1, 0xC3), CorruptJpeg, "lossless scan has Ss=0"),
    "hierarchical": (patched(SOF + 1, 0xC5), UnsupportedJpeg, "SOF5"),
    "JPEG-LS": (patched(SOF + 1, 0xF7), UnsupportedJpeg, "JPEG-LS"),
    "reserved marker": (patched(SOF + 1, 0x02), CorruptJpeg, "FF02"),
    "missing table": (patched(SOF + 12, 3), CorruptJpeg, "quantisation table 3"),
    "table 77": (patched(SOF + 12, 77), CorruptJpeg, "quantisation table 77"),
    "scan component": (patched(SOS + 5, 9), CorruptJpeg, "component 9"),
    "scan component twice": (patched(SOS + 7, 1), CorruptJpeg, "component 1"),
    "scan of none": (patched(SOS + 4, 0), CorruptJpeg, "names 0"),
    "Huffman selector": (patched(SOS + 6, 0x30), CorruptJpeg, "DC Huffman table 3"),
    "DHT index": (BASE[:SOS] + dht(0, 5, STANDARD_DC_LUMA) + BASE[SOS:], CorruptJpeg, "0x05"),
    "DHT total": (BASE[:SOS] + dht(0, 0, HuffmanSpec(b"\xff" * 16, bytes(40))) + BASE[SOS:], CorruptJpeg, "codes"),
    "over-subscribed": (
        BASE[:SOS] + dht(0, 0, HuffmanSpec(bytes([3] + [0] * 15), b"abc")) + BASE[SOS:], CorruptJpeg, "length 1"),
    "all ones": (
        BASE[:SOS] + dht(0, 0, HuffmanSpec(bytes([2] + [0] * 15), b"\0\1")) + BASE[SOS:], CorruptJpeg, "length 1"),
    "DC symbol": (
        BASE[:SOS] + dht(0, 0, HuffmanSpec(bytes([1] + [0] * 15), b"\x20")) + BASE[SOS:], CorruptJpeg, "symbol 32"),
    "DQT index": (BASE[:SOS] + b"\xff\xdb\0\x43\4" + bytes(64) + BASE[SOS:], CorruptJpeg, "table 4"),
    "DQT length": (BASE[:SOS] + b"\xff\xdb\0\x42\0" + bytes(63) + BASE[SOS:], CorruptJpeg, "ends inside table 0"),
    "DRI length": (BASE[:SOS] + b"\xff\xdd\0\5\0\0\0" + BASE[SOS:], CorruptJpeg, "length 5"),
    "DAC bounds": (BASE[:SOS] + b"\xff\xcc\0\4\0\x01" + BASE[SOS:], CorruptJpeg, "L=1 > U=0"),
    "DHT length 1": (BASE[:SOS] + b"\xff\xc4\0\1" + BASE[SOS:], CorruptJpeg, "length 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_headers_say_what_and_where(name):
    data, kind, words = BAD[name]
    for read in (lambda: parse_header(data), lambda: Reader(memoryview(data)).next_scan()):
        with pytest.raises(kind) as caught:
            read()
        assert type(caught.value) is kind and words in caught.value.message
        assert 0 <= caught.value.offset <= len(data) and f"offset {caught.value.offset}" in str(caught.value)


WARNED = {
    "junk before a marker": (BASE[:SOF] + b"junk\xff\0" + BASE[SOF:], "6 bytes skipped"),
    "no EOI": (BASE[:-2], "without EOI"),
    "cut behind the scan": (BASE[:-2] + b"\xff\xfe\0", "end inside a COM"),
    "second scan": (BASE[:-2] + BASE[SOS:], "another scan"),
    "bad table behind the scan": (BASE[:-2] + b"\xff\xc4\0\5abc" + EOI, "stray bytes"),
    "sequential band": (BASE[:SOS] + BASE[SOS : SOS + 12] + b"\5" + BASE[SOS + 13 :], "sequential scan"),
    "JFIF 2": (patched(11, 2), "JFIF version 2"),
}


@pytest.mark.parametrize("name", WARNED)
def test_damage_is_a_warning_or_strictly_an_error(name):
    data, words = WARNED[name]
    reader = Reader(data)
    assert reader.next_scan() is not None
    reader.resume(entropy_end(data, reader.position, False))
    assert reader.next_scan() is None
    assert len(reader.warnings) == 1 and words in reader.warnings[0][0]
    with pytest.raises(CorruptJpeg, match=words):
        scans(data, strict=True)


def test_limits_stop_bombs_before_anything_is_allocated():
    bomb = patched(SOF + 5, *struct.pack(">HH", 62_994, 65_284))
    with pytest.raises(LimitExceeded, match=r"65284×62994.*Limits\.pixels is .*pixels=None") as caught:
        parse_header(bomb)
    assert caught.value.offset == SOF
    with pytest.raises(LimitExceeded, match=r"pixels_per_byte"):
        parse_header(bomb, Limits(pixels=None))
    assert parse_header(bomb, UNLIMITED).frame.height == 62_994


def test_pixels_per_byte_is_checked_for_each_file_of_a_cached_header():
    large = patched(SOF + 5, *struct.pack(">HH", 4000, 4000))
    assert parse_header(large + bytes(100_000)).frame.width == 4000
    with pytest.raises(LimitExceeded, match="pixels_per_byte"):
        parse_header(large)


def test_scan_limit():
    data = pillow_file(progressive=True)
    reader = Reader(data, Limits(scans=3))
    found = 0
    with pytest.raises(LimitExceeded, match=r"Limits\.scans"):
        while reader.next_scan():
            found += 1
            reader.resume(data.find(b"\xff\xc4", reader.position))
    assert found == 3


@pytest.mark.parametrize("filler", [b"\xff\0", b"\xff", b"\0", b"\xff\xd0", b"\xff\xff\0", b"\xff\xfe\0\2"], ids=repr)
def test_floods_take_linear_time(filler):
    def read(data):
        reader = Reader(data, UNLIMITED)
        assert reader.next_scan() is not None and len(reader.warnings) <= 101

    small, large = (BASE[:SOF] + filler * (nbytes // len(filler)) + BASE[SOF:] for nbytes in (500_000, 4_000_000))
    assert growth(read, small, large) < 24


def ended(data):
    try:
        scans(data)
    except JpegError as error:
        assert error.offset is not None


def test_conformance_files_end_in_scans_or_errors(shared):
    folder = shared / "conformance"
    names = [row.split("\t")[0] for row in (folder / "golden_pillow.tsv").read_text().splitlines()[2:]]
    for name in names:
        assert spent(ended, (folder / name).read_bytes()) < LIMIT, name


def drain(data: bytes) -> None:
    for read in (scans, inspect, parse_header, partial(scans, strict=True), partial(parse_header, strict=True)):
        try:
            read(data)
        except JpegError as error:
            assert 0 <= error.offset <= len(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_only_raise_jpeg_errors(data):
    drain(data)
    drain(b"\xff\xd8" + data)


MARKERS = st.sampled_from([0xC0, 0xC1, 0xC2, 0xC4, 0xCC, 0xDA, 0xDB, 0xDD, 0xD9, 0xD8, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(MARKERS, st.binary(max_size=40)), max_size=12))
def test_random_segments_only_raise_jpeg_errors(segments):
    drain(b"\xff\xd8" + b"".join(b"\xff" + bytes([m]) + struct.pack(">H", len(b) + 2) + b for m, b in segments))


PROGRESSIVE = pillow_file(progressive=True, exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0")


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([BASE, PROGRESSIVE]), st.data())
def test_mutated_headers_only_raise_jpeg_errors(data, draw):
    mutant = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 6))):
        at = draw.draw(st.integers(0, len(mutant) - 1))
        if draw.draw(st.booleans()):
            mutant[at] = draw.draw(st.integers(0, 255))
        else:
            del mutant[at : at + draw.draw(st.integers(1, 8))]
    drain(bytes(mutant))
