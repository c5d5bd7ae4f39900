"""Ultra HDR files that `encode` writes, read back by the library, by Pillow, and by readers of the test's own."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from behind_files import EXTENDED_FTYP, container_xmp, mpf_offsets
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import picture
from PIL import Image, MpoImagePlugin

import jpegjax
from jpegjax import GainMap, GainMapMetadata

IMAGE = picture(48, 64)
MAP = picture(12, 16, 1) if picture(12, 16).ndim == 2 else picture(12, 16)[..., 0]
PLAIN = GainMapMetadata(gain_max=2.5)
HDR = GainMapMetadata(gain_max=3, base_is_hdr=True)
PROFILE = bytes(36) + b"acsp" + bytes(70_000)
CHANNELS = GainMapMetadata(
    gain_max=(1.0, 2.0, 3.0), gain_min=(-0.5, 0.0, 0.25), gamma=(1.0, 1.5, 2.2), offset_sdr=(0.0, 1 / 64, 0.1),
    offset_hdr=0.3, hdr_capacity_min=0.5, hdr_capacity_max=4.0,
)  # fmt: skip


def thousandths(low: int, high: int) -> st.SearchStrategy[float]:
    return st.integers(1000 * low, 1000 * high).map(lambda n: n / 1000)


NUMBERS = thousandths(-6, 6)
METADATA = st.builds(
    lambda low, high, gamma, sdr, hdr, least, most, base: GainMapMetadata(
        gain_max=max(low, high), gain_min=min(low, high), gamma=gamma, offset_sdr=sdr, offset_hdr=hdr, hdr_capacity_min=least,
        hdr_capacity_max=round(least + most, 3), base_is_hdr=base,
    ),
    NUMBERS, NUMBERS, thousandths(1, 8), NUMBERS, NUMBERS, thousandths(0, 4), thousandths(1, 4),
    st.booleans(),
)  # fmt: skip


def parts(data: bytes) -> list[tuple[int, bytes]]:
    """Marker segments of a file up to SOS."""
    found, p = [], 2
    while data[p + 1] != 0xDA:
        (n,) = struct.unpack_from(">H", data, p + 2)
        found.append((data[p + 1], data[p + 4 : p + 2 + n]))
        p += 2 + n
    return found


def iso_numbers(body: bytes) -> list[float]:
    """Fractions of ISO 21496-1's binary metadata behind version and flags."""
    numbers = struct.unpack(f">{(len(body) - 5) // 4}I", body[5:])
    signed = [n - (1 << 32) if n >> 31 else n for n in numbers[::2]]
    return [n / d for n, d in zip(signed, numbers[1::2], strict=True)]


@pytest.mark.parametrize("metadata", [PLAIN, CHANNELS, HDR], ids=["plain", "channels", "HDR"])
@pytest.mark.parametrize("pixels", [MAP, np.stack([MAP, MAP[::-1], MAP[:, ::-1]], -1)], ids=["grey", "colour"])
def test_a_file_has_both_pictures_and_says_so_three_times(metadata: GainMapMetadata, pixels: np.ndarray) -> None:
    data = jpegjax.encode(IMAGE, quality=90, gain_map=GainMap(pixels, metadata, quality=95))
    found = jpegjax.info(data)
    assert not found.warnings and not found.trailers and found.gain_map == metadata
    first, own = found.pictures
    assert own.kind == "gain map" and own.listed_by == ("MPF", "GContainer") and (own.width, own.height) == (16, 12)
    assert np.array_equal(jpegjax.decode(data), jpegjax.decode(jpegjax.encode(IMAGE, quality=90)))
    got = jpegjax.decode(data, picture=1)
    assert got.shape == pixels.shape and np.abs(got.astype(int) - pixels).mean() < 6

    assert mpf_offsets(data) == [(0, first.nbytes), (own.offset, own.nbytes)]
    with MpoImagePlugin.MpoImageFile(io.BytesIO(data)) as image:
        assert image.n_frames == 2 and np.array_equal(np.asarray(image), jpegjax.decode(data))
        image.seek(1)
        assert np.array_equal(np.asarray(image), got)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (64, 48)

    head = dict(re.findall(rb'Item:(Length|Semantic)="(\w+)"', data[: first.nbytes]))
    assert head == {b"Semantic": b"GainMap", b"Length": str(own.nbytes).encode()}
    behind = data[own.offset :]
    assert behind[:4] == b"\xff\xd8\xff\xe0"
    isos = [body[28:] for code, body in parts(behind) if body.startswith(b"urn:iso:std:iso:ts:21496:-1\0")]
    channels = [metadata.gain_max] if isinstance(metadata.gain_max, float) else list(metadata.gain_max)
    numbers = iso_numbers(isos[0])
    assert (
        len(isos) == 1
        and isos[0][4] & 0x80 == (0x80 if len(channels) == 3 else 0)
        and len(numbers) == 2 + 5 * len(channels)
    )
    headroom = [metadata.hdr_capacity_min, metadata.hdr_capacity_max]
    assert numbers[:2] == (headroom[::-1] if metadata.base_is_hdr else headroom) and numbers[3::5] == channels
    assert [body[28:] for code, body in parts(data) if body.startswith(b"urn:iso")] == [bytes(4)]
    xmp = next(body for code, body in parts(behind) if body.startswith(b"http://ns.adobe.com/xap/1.0/\0")).decode()
    capacity = re.search(r'hdrgm:HDRCapacityMax="([^"]+)"', xmp)
    assert capacity and float(capacity[1]) == metadata.hdr_capacity_max and 'hdrgm:Version="1.0"' in xmp
    assert f'BaseRenditionIsHDR="{metadata.base_is_hdr}"' in xmp


@settings(max_examples=40)
@given(METADATA)
def test_metadata_come_back_by_either_form(metadata: GainMapMetadata) -> None:
    data = jpegjax.encode(IMAGE, gain_map=GainMap(MAP, metadata))
    assert jpegjax.info(data).gain_map == metadata
    iso = data.rindex(b"urn:iso")
    assert jpegjax.info(data[:iso] + b"xxx" + data[iso + 3 :]).gain_map == metadata  # XMP's alone


def test_lists_have_a_map_each_and_other_metadata_stay() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
    one = GainMap(MAP, PLAIN)
    files = jpegjax.encode(
        [IMAGE, IMAGE[..., 0], IMAGE], gain_map=[one, one, None], exif=exif, icc_profile=PROFILE, comment="c"
    )
    assert [len(jpegjax.info(f).pictures) for f in files] == [2, 2, 1]
    for file in files:
        metadata = jpegjax.info(file).metadata
        assert (metadata.exif, metadata.icc_profile, metadata.comments) == (exif, PROFILE, (b"c",))
    alone = jpegjax.encode(IMAGE, exif=exif, icc_profile=PROFILE, comment="c")
    assert files[2] == alone and jpegjax.encode(IMAGE, gain_map=None) == jpegjax.encode(IMAGE)
    progressive = jpegjax.encode(IMAGE, gain_map=one, progressive=True)
    assert len(jpegjax.info(progressive).pictures) == 2
    cmyk = jpegjax.encode(np.concatenate([IMAGE, IMAGE[..., :1]], -1), gain_map=one, mode="CMYK")
    assert jpegjax.info(cmyk).gain_map == PLAIN


def test_the_callers_xmp_takes_up_the_directory() -> None:
    one = GainMap(MAP, PLAIN)
    mine = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/jpeg"/></rdf:RDF></x:xmpmeta>'
    )
    data = jpegjax.encode(IMAGE, gain_map=one, xmp=mine)
    assert not jpegjax.info(data).warnings and b'dc:format="image/jpeg"' in jpegjax.info(data).metadata.xmp
    old = container_xmp(
        [("GainMap", "image/jpeg", 999), ("MotionPhoto", "video/mp4", 7)],
        'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'dc:format="x"',
    ).encode()
    again = jpegjax.encode(IMAGE, gain_map=one, xmp=old)
    found = jpegjax.info(again)
    assert not found.warnings and len(found.pictures) == 2 and found.metadata.xmp.count(b"Item:Length") == 1
    assert b'dc:format="x"' in found.metadata.xmp and found.metadata.xmp.count(b"hdrgm:Version") == 1
    twice = jpegjax.encode(IMAGE, gain_map=one, xmp=found.metadata.xmp)
    assert not jpegjax.info(twice).warnings and jpegjax.info(twice).gain_map == PLAIN


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: GainMap(MAP.astype(float), PLAIN), TypeError, "dtype float64; must be uint8"),
        (lambda: GainMap([[1]], PLAIN), TypeError, "must be an array of uint8, not list"),
        (lambda: GainMap(MAP[None, None], PLAIN), ValueError, r"shape .* must be \[h, w\]"),
        (lambda: GainMap(MAP[:0], PLAIN), ValueError, "each side must be 1"),
        (lambda: GainMap(MAP, {"gain_max": 1}), TypeError, "must be a GainMapMetadata, not dict"),
        (lambda: GainMap(MAP, PLAIN, quality=101), ValueError, "gain_map.quality=101: must be 1..100"),
        (lambda: GainMapMetadata("big"), TypeError, "gain_max='big': must be a number"),
        (lambda: GainMapMetadata((1, 2)), ValueError, "one number or three"),
        (lambda: GainMapMetadata(float("inf")), ValueError, "gain_max=inf: must be finite"),
        (lambda: GainMapMetadata(1, 2), ValueError, "gain_min=2.0: must not be above gain_max=1.0"),
        (lambda: GainMapMetadata(1, gamma=0), ValueError, "gamma=0.0: must be above 0"),
        (lambda: GainMapMetadata(0), ValueError, "hdr_capacity_max=0.0: must be above hdr_capacity_min"),
        (lambda: GainMapMetadata(1, hdr_capacity_min=-1), ValueError, "hdr_capacity_min=-1: must be finite and at least 0"),
        (lambda: GainMapMetadata(1, base_is_hdr=1), TypeError, "base_is_hdr=1"),
        (lambda: jpegjax.encode(IMAGE, gain_map=MAP), TypeError, "gain_map: must be a jpegjax.GainMap, not ndarray"),
        (lambda: jpegjax.encode([IMAGE], gain_map=GainMap(MAP, PLAIN)), TypeError, "a list of jpegjax.GainMap"),
        (lambda: jpegjax.encode([IMAGE], gain_map=[]), ValueError, "0 given for 1 images"),
        (lambda: jpegjax.encode([IMAGE], gain_map=[1]), TypeError, r"gain_map\[0\]: must be a jpegjax.GainMap or None, not int"),
        (lambda: jpegjax.encode(IMAGE, gain_map=GainMap(MAP.T, PLAIN)), ValueError, "12×16 pixels have not the proportions"),
        (lambda: jpegjax.encode(IMAGE, gain_map=GainMap(MAP, PLAIN), target_bytes=900), ValueError, "gain_map and target_bytes"),
        (lambda: jpegjax.encode(IMAGE, gain_map=GainMap(MAP, PLAIN), xmp=b"<x/>"), ValueError, "xmp: it has no rdf:RDF"),
    ],
)  # fmt: skip
def test_errors_name_what_is_wrong(call: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()  # type: ignore[operator]


def test_imwrite_and_a_transcoded_file_keep_the_map(tmp_path: Path) -> None:
    jpegjax.imwrite(tmp_path / "a.jpg", IMAGE, gain_map=GainMap(MAP, PLAIN))
    data = (tmp_path / "a.jpg").read_bytes()
    made = jpegjax.transcode(data + EXTENDED_FTYP, progressive=True)
    assert jpegjax.info(made).gain_map == PLAIN and [t.kind for t in jpegjax.info(made).trailers] == ["video"]
    cut = jpegjax.transcode(data, crop=(32, 0, 32, 32), trailer="drop")
    assert jpegjax.info(cut).gain_map is None
