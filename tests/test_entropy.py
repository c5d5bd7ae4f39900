"""Whole files against Pillow: same coefficients, same bytes; damaged progressive files, same pixels."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from oracles import pillow
from pictures import picture, slopes
from PIL import Image

from jpegjax.container import parse_header
from jpegjax.errors import CorruptJpeg, JpegError, LimitExceeded
from jpegjax.jpeg.files import decode_image, encode_image
from jpegjax.jpeg.host import reconstruct
from jpegjax.options import EncodeOptions, Limits, Restart

SIZES = [(1, 1), (8, 8), (9, 17), (3, 100), (33, 16), (64, 64), (227, 149)]
QUALITIES = [1, 25, 75, 95, 100]
SAMPLINGS = ["L", "4:4:4", "4:2:2", "4:2:0"]
RESTARTS = [{}, {"restart_rows": 1}, {"restart_blocks": 3}]
FORMS = [{}, {"optimize": True}, {"progressive": True}]


def save(image: np.ndarray, sampling: str, quality: int, **options: object) -> bytes:
    """Pillow's file; options by our names."""
    names = {"restart_rows": "restart_marker_rows", "restart_blocks": "restart_marker_blocks"}
    keywords = {names.get(k, k): v for k, v in options.items()}
    if sampling == "L":
        image = image if image.ndim == 2 else image[..., 1]
    else:
        keywords["subsampling"] = sampling
    return pillow(image, quality=quality, **keywords)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_files_are_pillows(size, sampling):
    image = slopes(*size[::-1], 12)
    for quality in QUALITIES:
        for restart in RESTARTS:
            first = None
            for form in FORMS:
                expected = save(image, sampling, quality, **form, **restart)
                reader, planes, warnings = decode_image(expected)
                assert not warnings
                if first is None:
                    first = planes
                for plane, other in zip(planes, first, strict=True):
                    np.testing.assert_array_equal(plane, other)
                group = Restart(**{name.removeprefix("restart_"): n for name, n in restart.items()})
                options = EncodeOptions(quality=quality, restart=group, **form)
                assert encode_image(planes, reader.frame, reader.qtables, options) == expected


@pytest.mark.parametrize("noise", [0.5, 80.0])
def test_many_correction_bits(noise):
    """Runs of blocks whose correction bits fill libjpeg's buffer."""
    expected = save(slopes(300, 400, noise), "4:4:4", 100, progressive=True)
    reader, planes, _ = decode_image(expected)
    assert encode_image(planes, reader.frame, reader.qtables, EncodeOptions(progressive=True)) == expected


def test_longest_runs():
    """More blocks without AC coefficients than one end-of-band run holds."""
    image = np.full((8 * 130, 8 * 260), 90, np.uint8)
    image[1030, 2000] = 255
    expected = save(image, "L", 75, progressive=True)
    reader, planes, _ = decode_image(expected)
    assert encode_image(planes, reader.frame, reader.qtables, EncodeOptions(progressive=True)) == expected


@pytest.mark.parametrize("channels", [4, 1])
def test_other_components(channels):
    image = picture(45, 70, channels)
    for form in FORMS:
        expected = pillow(image, quality=80, **form)
        reader, planes, _ = decode_image(expected)
        options = EncodeOptions(quality=80, **form)
        assert encode_image(planes, reader.frame, reader.qtables, options) == expected


def test_planes_must_fit():
    reader, planes, _ = decode_image(save(slopes(16, 33, 12), "4:2:0", 75))
    with pytest.raises(ValueError, match=r"planes\[0\]: shape"):
        encode_image([p[:1] for p in planes], reader.frame, reader.qtables, EncodeOptions())
    for form in FORMS:
        broken = [p.copy() for p in planes]
        broken[1][0, 0, 3, 3] = 1024
        with pytest.raises(ValueError):
            encode_image(broken, reader.frame, reader.qtables, EncodeOptions(**form))
        broken = [p.copy() for p in planes]
        broken[0][0, 0, 0, 0] = -32768
        with pytest.raises(ValueError):
            encode_image(broken, reader.frame, reader.qtables, EncodeOptions(**form))


def _pixels(data: bytes) -> np.ndarray | None:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return np.asarray(image)
    except (OSError, SyntaxError):
        return None


def _cuts(data: bytes, rng: np.random.Generator) -> list[bytes]:
    """The file up to each of its scans, and cut inside, with an EOI behind."""
    markers = [i for i in range(len(data) - 1) if data[i] == 0xFF and data[i + 1] in (0xC4, 0xDA)]
    first = next(i for i in markers if data[i + 1] == 0xDA)
    inside = rng.integers(first + 20, len(data) - 2, 8).tolist()
    return [data[:i] + b"\xff\xd9" for i in [m for m in markers if m > first] + inside]


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", [(1, 1), (9, 17), (24, 56), (64, 64), (227, 149)], ids=str)
def test_unfinished_progressive_files_look_like_pillows(size, sampling):
    rng = np.random.default_rng(size[0])
    compared = 0
    for quality, restart in ((10, {}), (60, {"restart_rows": 1}), (95, {})):
        for cut in _cuts(save(slopes(*size[::-1], 12), sampling, quality, progressive=True, **restart), rng):
            expected = _pixels(cut)
            if expected is None:
                continue
            reader, planes, _ = decode_image(cut, smooth=True)
            got = reconstruct(planes, reader.frame, reader.qtables, mode="L" if sampling == "L" else "RGB")
            np.testing.assert_array_equal(got.reshape(expected.shape), expected)
            compared += 1
    assert compared > 10


def test_progressive_conformance_files(shared):
    """Progressive files that Pillow decodes, damaged ones among them, give its pixels."""
    folder = shared / "conformance"
    compared = 0
    for line in (folder / "golden_pillow.tsv").read_text().splitlines()[2:]:
        fields = line.split("\t")
        if len(fields) != 6 or fields[1] != "ok" or fields[3] not in ("L", "RGB"):
            continue
        data = (folder / fields[0]).read_bytes()
        try:
            reader = parse_header(data, Limits(pixels_per_byte=None))
        except JpegError:
            continue
        if not reader.frame.process.progressive:
            continue
        reader, planes, _ = decode_image(data, reader=reader, smooth=True)
        got = reconstruct(planes, reader.frame, reader.qtables, mode=fields[3])
        assert hashlib.sha256(got.tobytes()).hexdigest()[:32] == fields[5], fields[0]
        compared += 1
    assert compared > 30


def test_mutated_files_end_well():
    rng = np.random.default_rng(7)
    sources = [
        save(slopes(45, 60, 12), sampling, 70, **form, **restart)
        for sampling in ("L", "4:2:0")
        for form in FORMS
        for restart in RESTARTS
    ]
    for i in range(1500):
        data = bytearray(sources[i % len(sources)])
        for position in rng.integers(2, len(data), rng.integers(1, 6)):
            data[position] = rng.integers(256)
        if i % 5 == 0:
            data = data[: rng.integers(4, len(data))]
        try:
            reader, planes, _ = decode_image(bytes(data), Limits(memory=1 << 26), smooth=bool(i & 1))
        except JpegError:
            continue
        for c, plane in enumerate(planes):
            assert plane.shape == (*reader.frame.blocks(c), 8, 8)
            assert plane.flags.c_contiguous


def test_damage_warns_and_strict_raises():
    data = save(picture(64, 64), "4:2:0", 75, progressive=True)
    cut = data[: len(data) * 2 // 3] + b"\xff\xd9"
    _, _, warnings = decode_image(cut)
    assert any("end early" in message for message, _ in warnings)
    assert all(0 <= offset <= len(cut) for _, offset in warnings)
    with pytest.raises(CorruptJpeg):
        decode_image(cut, strict=True)
    decode_image(data, strict=True)


def test_missing_component_is_grey():
    """A non-interleaved file that stops before its last component."""
    reader, planes, _ = decode_image(save(slopes(40, 40, 12), "4:2:0", 75))
    scans = save(slopes(40, 40, 12), "L", 75)
    head = encode_image(planes, reader.frame, reader.qtables, EncodeOptions())
    luma = scans[scans.index(b"\xff\xc4") :]
    frame_end = head.index(b"\xff\xc4")
    result, got, warnings = decode_image(head[:frame_end] + luma)
    assert [m for m, _ in warnings if "component" in m]
    assert not got[1].any() and not got[2].any()
    assert all(q is not None for q in result.qtables)


def test_memory_limit_stops_before_allocation():
    data = save(slopes(64, 64, 12), "4:4:4", 75)
    with pytest.raises(LimitExceeded, match=r"Limits\.memory"):
        decode_image(data, Limits(memory=30_000))
    decode_image(data, Limits(memory=64 * 64 * 9))


def test_frame_process_gives_way_to_the_options():
    data = save(slopes(30, 40, 12), "4:2:0", 75, progressive=True)
    reader, planes, _ = decode_image(data)
    plain = save(slopes(30, 40, 12), "4:2:0", 75)
    assert encode_image(planes, reader.frame, reader.qtables, EncodeOptions()) == plain
    other = replace(reader.frame, process=parse_header(plain).frame.process)
    assert encode_image(planes, other, reader.qtables, EncodeOptions(progressive=True)) == data
