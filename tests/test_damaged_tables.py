"""Damaged tables between scans: what libjpeg-turbo shows with a warning is shown alike; what stops it costs the later scans."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import picture
from PIL import Image, features

import jpegjax
from jpegjax import CorruptJpeg, JpegWarning, UnsupportedJpeg

QUIET = {
    "DQT behind its use": b"\xff\xdb\0\x43\0" + bytes(range(1, 65)),
    "DQT of zeros": b"\xff\xdb\0\x43\0" + bytes(64),
    "empty DQT": b"\xff\xdb\0\2",
    "empty DHT": b"\xff\xc4\0\2",
    "DHT without codes, not used": b"\xff\xc4\0\x13\x03" + bytes(16),
    "DAC": b"\xff\xcc\0\4\x0f\x10",
    "empty DAC": b"\xff\xcc\0\2",
}  # fmt: skip
FATAL = {
    "DHT of table 4": b"\xff\xc4\0\x14\4" + bytes([1] + [0] * 15) + b"\0",
    "DHT of too many codes": b"\xff\xc4\0\x13\0" + bytes([255] * 16),
    "DHT with stray bytes": b"\xff\xc4\0\5abc",
    "DQT of table 4": b"\xff\xdb\0\x43\4" + bytes(range(1, 65)),
    "DQT that ends early": b"\xff\xdb\0\x20\0" + bytes(29),
    "DRI of five": b"\xff\xdd\0\5\0\2\0",
    "DAC of L > U": b"\xff\xcc\0\4\0\1",
    "DAC of table 64": b"\xff\xcc\0\4\x40\1",
    "a second frame": b"\xff\xc0\0\x0b\x08\0\x08\0\x08\1\1\x11\0",
    "JPEG-LS": b"\xff\xf7\0\x0b\x08\0\x08\0\x08\1\1\x11\0",
}  # fmt: skip


def files() -> dict[str, bytes]:
    image = picture(40, 33)
    return {
        "progressive": jpegjax.encode(image, progressive=True),
        "restarts": jpegjax.encode(image, progressive=True, subsampling="4:4:4", restart_blocks=3),
        "arithmetic": jpegjax.encode(image, progressive=True, arithmetic=True),
        "apart": jpegjax.encode(image, optimize=True, scans="0; 1; 2;"),
        "arithmetic apart": jpegjax.encode(image, arithmetic=True, scans="0; 1; 2;"),
    }


def headers(data: bytes) -> list[int]:
    """Offsets of the scan headers; none of these files has FF DA in its tables."""
    return [i for i in range(len(data) - 1) if data[i : i + 2] == b"\xff\xda"]


def pillow(data: bytes) -> np.ndarray | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
                return np.asarray(image)
        except (OSError, SyntaxError):
            return None


def ours(data: bytes) -> np.ndarray | jpegjax.JpegError:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JpegWarning)
        try:
            return jpegjax.decode(data)
        except jpegjax.JpegError as error:
            return error


@pytest.mark.parametrize("kind", QUIET)
def test_tables_that_change_nothing(kind):
    for data in files().values():
        for at in [*headers(data)[1:], len(data) - 2]:
            bad = data[:at] + QUIET[kind] + data[at:]
            assert np.array_equal(ours(bad), pillow(bad))


@pytest.mark.parametrize("kind", FATAL)
def test_scans_before_a_fatal_table_are_shown(kind):
    """libjpeg-turbo gives up here; what it has read until then is the picture of a file that ends there."""
    for name, data in files().items():
        seen = 0
        for i, at in enumerate(headers(data)[1:], 1):
            bad = data[:at] + FATAL[kind] + data[at:]
            assert pillow(bad) is None
            with pytest.raises((CorruptJpeg, UnsupportedJpeg)) as caught:
                jpegjax.decode(bad, strict=True)
            assert caught.value.offset == at
            if "apart" in name:
                assert isinstance(ours(bad), CorruptJpeg | UnsupportedJpeg)  # components without a scan: no picture yet
                continue
            with pytest.warns(JpegWarning, match=rf"nothing is read behind scan {i}: .*byte offset {at}\)"):
                found = jpegjax.decode(bad)
            assert np.array_equal(found, ours(data[:at] + b"\xff\xd9"))
            seen += 1
        assert seen == (0 if "apart" in name else len(headers(data)) - 1)


@given(seed=st.integers(0, 1 << 32), which=st.sampled_from(sorted(files())))
@settings(max_examples=60)
def test_whatever_pillow_shows_is_shown(seed, which):
    if tuple(map(int, (features.version("libjpeg_turbo") or "0").split(".")[:2])) < (3, 0):
        pytest.skip("recovery is compared with libjpeg-turbo 3")
    draw = np.random.default_rng(seed)
    data = bytearray(files()[which])
    first = headers(bytes(data))[0]
    tables = [i for i in range(first, len(data) - 3) if data[i] == 0xFF and data[i + 1] in (0xC4, 0xCC, 0xDB, 0xDD)]
    if not tables:
        return
    at = int(draw.choice(tables))
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    match draw.integers(3):
        case 0:
            data[at + int(draw.integers(2, 2 + length))] ^= 1 << int(draw.integers(8))
        case 1:
            del data[at + int(draw.integers(0, length)) : at + 2 + length]
        case _:
            data[at : at + 2 + length] = data[at : at + 2 + length] * 2
    wanted = pillow(bytes(data))
    if wanted is not None:
        assert np.array_equal(ours(bytes(data)), wanted)
