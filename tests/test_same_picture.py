"""What is coded anew without loss shows the same picture to any decoder, or is an error: identifiers and selectors gone wrong."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import picture
from PIL import Image

import jpegjax
from jpegjax import CorruptJpeg, UnsupportedJpeg

CODINGS: list[dict] = [
    {},
    {"optimize": False},
    {"progressive": True},
    {"arithmetic": True},
    {"arithmetic": True, "progressive": True},
    {"restart_rows": 1},
    {"scans": "0;1;2;"},
    {"scans": "1 2;0;", "keep": "none"},
    {"crop": (0, 0, None, None), "progressive": True},
]
SOF, SOS, DQT = (0xC0, 0xC1, 0xC2), 0xDA, 0xDB


def markers(data: bytes) -> list[tuple[int, int, int]]:
    """(code, offset, offset of the end) of every segment with a length."""
    found, p = [], 2
    while (p := data.find(b"\xff", p)) >= 0 and p + 4 <= len(data):
        if data[p + 1] in (0, 0xFF, *range(0xD0, 0xDA)):
            p += 1
            continue
        stop = p + 2 + int.from_bytes(data[p + 2 : p + 4], "big")
        found.append((data[p + 1], p, stop))
        p = stop
    return found


def changed(
    data: bytes,
    ids: Sequence[int] = (1, 2, 3),
    selectors: Sequence[int] = (0, 1, 1),
    scans: int = 3,
    tables: Sequence[int] = (0, 1),
) -> bytes:
    """A YCbCr file with other identifiers and table selectors; of its scans and tables only so many."""
    out = bytearray(data)
    heads = 0
    for code, at, stop in markers(data):
        if code in SOF:
            for c in range(3):
                out[at + 10 + 3 * c], out[at + 12 + 3 * c] = ids[c], selectors[c]
        elif code == SOS:
            for p in range(at + 5, at + 5 + 2 * data[at + 4], 2):
                out[p] = ids[data[p] - 1]
            heads += 1
            if heads == scans:
                behind = [a for other, a, _ in markers(data) if a > stop]
                if behind:
                    out[behind[0] :] = b"\xff\xd9"
                break
    for code, at, stop in reversed(markers(bytes(out))):
        if code == DQT and out[at + 4] not in tables:
            del out[at:stop]
    return bytes(out)


def seen(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The pixels that we show, and Pillow's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = np.asarray(jpegjax.decode(data))
        with Image.open(io.BytesIO(data)) as image:
            return ours, np.asarray(image)


def anew(data: bytes, options: dict) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jpegjax.transcode(data, **options)


def check(data: bytes, options: dict) -> None:
    for old, new in zip(seen(data), seen(anew(data, options)), strict=True):
        assert np.array_equal(old, new), options


@pytest.fixture(scope="module")
def joined() -> list[bytes]:
    image = picture(40, 56)
    return [jpegjax.encode(image, subsampling=s, quality=q) for s, q in (("4:2:0", 75), ("4:4:4", 50), ("4:2:2", 95))]


@pytest.fixture(scope="module")
def apart(joined: list[bytes]) -> list[bytes]:
    return [jpegjax.transcode(data, **how) for data in joined for how in ({"scans": "0;1;2;"}, {"progressive": True})]


@pytest.mark.parametrize("options", CODINGS, ids=str)
@pytest.mark.parametrize("ids", [(1, 1, 1), (1, 2, 2), (1, 2, 1), (0, 0, 7), (82, 82, 66)], ids=str)
def test_repeated_identifiers(joined: list[bytes], ids: tuple[int, int, int], options: dict) -> None:
    for data in joined:
        check(changed(data, ids), options)


@pytest.mark.parametrize("ids", [(1, 1, 1), (1, 2, 2), (1, 2, 1), (0, 0, 7), (82, 82, 66)], ids=str)
def test_repeated_identifiers_of_progressive_scans(apart: list[bytes], ids: tuple[int, int, int]) -> None:
    """Some components' scans go to others; decoders smooth what is left, which no file with all its scans would show."""
    for data in apart[1::2]:
        for options in CODINGS:
            with pytest.raises(UnsupportedJpeg, match="identifiers of components repeat"):
                anew(changed(data, ids), options)


@pytest.mark.parametrize("options", CODINGS, ids=str)
@pytest.mark.parametrize("selectors", [(0, 1, 12), (0, 1, 255), (0, 1, 2), (0, 1, 3), (0, 1, 0), (0, 12, 4)], ids=str)
def test_selectors_that_no_scan_uses(apart: list[bytes], selectors: tuple[int, int, int], options: dict) -> None:
    for data in apart[::2]:
        check(changed(data, selectors=selectors, scans=1 + (selectors[1] == 1)), options)


def test_coefficients_of_such_files_are_written_too(joined: list[bytes], apart: list[bytes]) -> None:
    for data in (changed(joined[0], (5, 5, 5)), changed(apart[0], selectors=(0, 1, 12), scans=2)):
        for progressive in (False, True):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                coefficients = jpegjax.read_coefficients(data)
            again = jpegjax.write_coefficients(coefficients, progressive=progressive)
            for old, new in zip(seen(data), seen(again), strict=True):
                assert np.array_equal(old, new)


def test_tables_that_are_used_and_missing_are_errors(joined: list[bytes], apart: list[bytes]) -> None:
    for data in (*joined, *apart):
        for broken in (changed(data, tables=(0,)), changed(data, tables=(1,)), changed(data, selectors=(0, 1, 2))):
            with pytest.raises(CorruptJpeg, match="never defined"):
                anew(broken, {})


@settings(max_examples=60, deadline=None)
@given(
    ids=st.tuples(*[st.integers(0, 4)] * 3),
    selectors=st.tuples(*[st.integers(0, 5)] * 3),
    scans=st.integers(1, 3),
    apart_=st.booleans(),
    options=st.sampled_from(CODINGS),
)
def test_any_identifiers_and_selectors(ids, selectors, scans, apart_, options) -> None:  # type: ignore[no-untyped-def]
    """Where the file decodes, what is made of it shows the same; where it does not, nothing is made of it."""
    base = jpegjax.encode(picture(24, 24), subsampling="4:2:0")
    data = changed(jpegjax.transcode(base, scans="0;1;2;") if apart_ else base, ids, selectors, scans)
    try:
        before = seen(data)
    except CorruptJpeg:
        with pytest.raises(CorruptJpeg):
            anew(data, options)
        return
    ours, pillows = seen(anew(data, options))
    assert np.array_equal(ours, before[0]) and np.array_equal(pillows, ours)


@pytest.mark.parametrize("name", ["dupids", "transcode_bad_dqt_in", "src420_scans"])
def test_files_that_failed(shared, name: str) -> None:  # type: ignore[no-untyped-def]
    path = shared / "cases" / f"{name}.jpg"
    if not path.is_file():
        pytest.skip("no such case")
    for options in CODINGS:
        check(path.read_bytes(), options)
