"""Whole files against Pillow: same coefficients, same bytes; damaged progressive files, same pixels."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFile

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


def picture(width: int, height: int, noise: float = 12.0) -> Image.Image:
    """Slopes, edges and texture: RGB."""
    rng = np.random.default_rng(width * 1000 + height)
    y, x = np.mgrid[:height, :width]
    red = 128 + 90 * np.sin(x / 17.0) + 40 * ((x // 24 + y // 20) % 2)
    green = y * 255 / max(height, 2) + 30 * np.cos(x * y / 900.0)
    blue = 255 - x * 255 / max(width, 2)
    image = np.stack([red, green, blue], -1) + rng.normal(0, noise, (height, width, 3))
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def save(image: Image.Image, sampling: str, quality: int, **options: object) -> bytes:
    """Pillow's file; options by our names."""
    names = {"restart_rows": "restart_marker_rows", "restart_blocks": "restart_marker_blocks"}
    keywords = {names.get(k, k): v for k, v in options.items()}
    if sampling == "L":
        image = image.convert("L")
    else:
        keywords["subsampling"] = sampling
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, **keywords)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def _room_for_noise(monkeypatch):
    """Pillow guesses the size of optimised files, and fails where they are larger."""
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 1 << 22)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_files_are_pillows(size, sampling):
    image = picture(*size)
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
    expected = save(picture(400, 300, noise), "4:4:4", 100, progressive=True)
    reader, planes, _ = decode_image(expected)
    assert encode_image(planes, reader.frame, reader.qtables, EncodeOptions(progressive=True)) == expected


def test_longest_runs():
    """More blocks without AC coefficients than one end-of-band run holds."""
    image = Image.new("L", (8 * 260, 8 * 130), 90)
    image.putpixel((2000, 1030), 255)
    expected = save(image, "L", 75, progressive=True)
    reader, planes, _ = decode_image(expected)
    assert encode_image(planes, reader.frame, reader.qtables, EncodeOptions(progressive=True)) == expected


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_other_components(mode):
    image = picture(70, 45).convert(mode)
    for form in FORMS:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=80, **form)
        reader, planes, _ = decode_image(stream.getvalue())
        options = EncodeOptions(quality=80, **form)
        assert encode_image(planes, reader.frame, reader.qtables, options) == stream.getvalue()


def test_planes_must_fit():
    reader, planes, _ = decode_image(save(picture(33, 16), "4:2:0", 75))
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
        for cut in _cuts(save(picture(*size), sampling, quality, progressive=True, **restart), rng):
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
        save(picture(60, 45), sampling, 70, **form, **restart)
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
    reader, planes, _ = decode_image(save(picture(40, 40), "4:2:0", 75))
    scans = save(picture(40, 40), "L", 75)
    head = encode_image(planes, reader.frame, reader.qtables, EncodeOptions())
    luma = scans[scans.index(b"\xff\xc4") :]
    frame_end = head.index(b"\xff\xc4")
    result, got, warnings = decode_image(head[:frame_end] + luma)
    assert [m for m, _ in warnings if "component" in m]
    assert not got[1].any() and not got[2].any()
    assert all(q is not None for q in result.qtables)


def test_memory_limit_stops_before_allocation():
    data = save(picture(64, 64), "4:4:4", 75)
    with pytest.raises(LimitExceeded, match=r"Limits\.memory"):
        decode_image(data, Limits(memory=30_000))
    decode_image(data, Limits(memory=64 * 64 * 9))


def test_frame_process_gives_way_to_the_options():
    data = save(picture(40, 30), "4:2:0", 75, progressive=True)
    reader, planes, _ = decode_image(data)
    plain = save(picture(40, 30), "4:2:0", 75)
    assert encode_image(planes, reader.frame, reader.qtables, EncodeOptions()) == plain
    other = replace(reader.frame, process=parse_header(plain).frame.process)
    assert encode_image(planes, other, reader.qtables, EncodeOptions(progressive=True)) == data
