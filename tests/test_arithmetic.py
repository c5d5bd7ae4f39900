"""Arithmetic coding: T.81's test sequence, libjpeg-turbo's bytes and pixels, any script and conditioning, damage."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import cjpeg, pillow_pixels
from pictures import slopes
from PIL import Image, ImageFile
from scripts import damaged, random_frame, random_planes, random_script

import jpegjax
from jpegjax import JpegError, JpegWarning, Limits, Process
from jpegjax.coding.arithmetic.coder import (
    STATES,
    decode_bit,
    decode_even,
    encode_bit,
    encode_even,
    finish_code,
    start_code,
    start_decode,
)
from jpegjax.container import Reader, header
from jpegjax.errors import CorruptJpeg, LimitExceeded
from jpegjax.jpeg.files import decode_image, sequential_script, write_scans
from jpegjax.simd import kernel
from jpegjax.types import ColorSpace, Component, Conditioning, Frame, Scan

SAMPLINGS = {"4:4:4": "1x1", "4:2:2": "2x1", "4:2:0": "2x2", "4:4:0": "1x2", "4:1:1": "4x1", "4:1:0": "4x2"}


@pytest.fixture(autouse=True)
def _whole_file_at_once(monkeypatch):
    """Pillow hands libjpeg pieces of a file, but libjpeg's arithmetic decoder cannot stop in the middle."""
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 1 << 24)


@kernel
def _encode(bits, bins, words, out):
    start = np.int64(out.ctypes.data)
    encoder = start_code(start)
    for i in range(len(bits)):
        if bins[i] < 0:
            encoder = encode_even(encoder, np.int64(bits[i]))
        else:
            encoder = encode_bit(encoder, np.int64(words.ctypes.data) + 4 * bins[i], np.int64(bits[i]))
    return finish_code(encoder, start) - start


@kernel
def _decode(data, size, bins, words, bits):
    start = np.int64(data.ctypes.data)
    decoder = start_decode(start, start + size)
    for i in range(len(bits)):
        if bins[i] < 0:
            bits[i], decoder = decode_even(decoder, start + size)
        else:
            bits[i], decoder = decode_bit(decoder, start + size, np.int64(words.ctypes.data) + 4 * bins[i])


def _code(bits: np.ndarray, bins: np.ndarray) -> np.ndarray:
    out = np.empty(4 * bits.size + 64, np.uint8)
    words = np.full(256, STATES[0], np.uint32)
    return out[: _encode(bits, bins, words, out)].copy()


def test_sequence_of_the_standard():
    """T.81 K.4.1: 256 decisions of one context; there the code has FF 00 for FF, and ends with FF D9."""
    given_ = bytes.fromhex("00020051000000C00352872AAAAAAAAA82C02000FCD79EF674EAABF7697EE74C")
    coded = bytes.fromhex("655B5144F7969D517855BFFF00FC5184C7CEF93900287D46708ECBC0F6FFD900")
    bits = np.unpackbits(np.frombuffer(given_, np.uint8))
    code = _code(bits, np.zeros(bits.size, np.int64)).tobytes()
    assert code.replace(b"\xff", b"\xff\0") + b"\xff\xd9\0" == coded


@given(st.integers(0, 1 << 30), st.sampled_from([0.5, 0.1, 0.003]), st.integers(0, 3000))
@settings(max_examples=60, deadline=None)
def test_decisions_round_trip(seed, share, count):
    rng = np.random.default_rng(seed)
    bits, bins = (rng.random(count) < share).astype(np.uint8), rng.integers(-1, 7, count)
    code = _code(bits, bins)
    assert not code.size or code[-1]
    back = np.empty(count, np.uint8)
    _decode(np.append(code, np.zeros(64, np.uint8)), code.size, bins, np.full(256, STATES[0], np.uint32), back)
    np.testing.assert_array_equal(back, bits)


def test_states_stay_among_themselves():
    used = np.r_[0:113, 128:241]
    following = np.concatenate([STATES[used] >> 24, STATES[used] >> 16 & 255])
    assert set(following) <= set(used) and STATES[0] & 0x7FFF == 0x5A1D
    assert np.array_equal(STATES[used[:113]] ^ STATES[used[113:]], np.full(113, 0x80808000, np.uint32))


@pytest.mark.needs("cjpeg")
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (17, 9), (100, 3), (64, 64), (131, 77)], ids=str)
def test_files_are_cjpegs(size, progressive):
    mode = ["-progressive"] if progressive else []
    for n, (sampling, factors) in enumerate({"L": "", **SAMPLINGS}.items()):
        for quality, noise in ((1, 40), (50, 0), (75, 8), (95, 20), (100, 120)):
            image = slopes(*size[::-1], noise, n)
            if sampling == "L":
                image = np.ascontiguousarray(image[..., 0])
            for restart, words in (({}, []), ({"restart_blocks": 3}, ["3B"]), ({"restart_rows": 1}, ["1"])):
                given_ = ["-sample", factors] if factors else []
                given_ += ["-restart", *words] if words else []
                expected = cjpeg(image, "-arithmetic", "-baseline", "-quality", str(quality), *mode, *given_)
                settings_ = {"subsampling": sampling} if factors else {}
                options = {"quality": quality, "arithmetic": True, "progressive": progressive, **restart, **settings_}
                assert jpegjax.encode(image, engine="host", **options) == expected, options
            np.testing.assert_array_equal(jpegjax.decode(expected, engine="host", strict=True), pillow_pixels(expected))


def test_libjpeg_turbos_own_md5(shared):
    with Image.open(shared / "conformance/libjpeg-turbo__libjpeg-turbo/testimages/testorig.ppm") as image:
        rgb = np.asarray(image)
    for engine in ("host", "xla"):
        data = jpegjax.encode(rgb, arithmetic=True, engine=engine)
        assert hashlib.md5(data).hexdigest() == "e986fb0a637a8d833d96e8a6d6d84ea1"
        data = jpegjax.encode(rgb, arithmetic=True, progressive=True, subsampling="4:4:4", engine=engine)
        assert hashlib.md5(data).hexdigest() == "0a8f1c8f66e113c3cf635df0a475a617"
        assert jpegjax.info(data).process is Process.PROGRESSIVE_ARITHMETIC
    given_ = (shared / "conformance/libjpeg-turbo__libjpeg-turbo/testimages/testimgari.jpg").read_bytes()
    expected = jpegjax.encode(rgb, engine="host")
    assert hashlib.md5(expected).hexdigest() == "9a68f56bc76e466aa7e52f415d0f4a5f"
    coefficients = jpegjax.read_coefficients(given_, strict=True)
    assert jpegjax.write_coefficients(coefficients) == expected
    assert jpegjax.transcode(expected, arithmetic=True) == jpegjax.encode(rgb, arithmetic=True, engine="host")


def test_pixels_of_conformance_files(shared):
    folder, compared = shared / "conformance", 0
    for line in (folder / "golden_pillow.tsv").read_text().splitlines()[2:]:
        path, strict, *rest = line.split("\t")
        if strict != "ok" or rest[1] not in ("L", "RGB"):
            continue
        data = (folder / path).read_bytes()
        process = jpegjax.info(data, limits=Limits(None, None, None, None)).process
        if process not in (Process.EXTENDED_ARITHMETIC, Process.PROGRESSIVE_ARITHMETIC):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if "fuzz" in path else "error", JpegWarning)
            pixels = jpegjax.decode(data, mode=rest[1], engine="host")
        assert hashlib.sha256(pixels.tobytes()).hexdigest()[:32] == rest[3], path
        compared += 1
    assert compared > 75


@pytest.mark.parametrize("kind", ["extended", "progressive"])
def test_coefficients_of_conformance_files_are_those_of_their_huffman_twins(kind, shared):
    """jpegsuite has most pictures in either coding, 12-bit ones among them."""
    folder, compared = shared / "conformance/robert-ancell__jpegsuite/jpeg", 0
    for path in sorted((folder / f"{kind}_arithmetic").glob("*.jpg")):
        twins = (folder / other / path.name for other in (f"{kind}_huffman", "extended_huffman", "baseline"))
        twin = next((t for t in twins if t.exists()), None)
        if twin is None:
            continue
        ours, theirs = (jpegjax.read_coefficients(p.read_bytes(), strict=True) for p in (path, twin))
        for plane, other in zip(ours.planes, theirs.planes, strict=True):
            np.testing.assert_array_equal(plane, other, err_msg=path.name)
        compared += 1
    assert compared >= 45


FACTORS = [
    [(1, 1)],
    [(2, 2), (1, 1), (1, 1)],
    [(1, 2), (1, 1), (1, 2)],
    [(2, 1), (1, 1), (1, 1), (2, 1)],
]


def _conditioned(draw, scan: Scan) -> Scan:
    """Other conditioning in other slots; components may share one, which then has one value."""
    count = len(scan.components)
    dc, ac = (draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)) for _ in range(2))
    upper = draw(st.lists(st.integers(0, 15), min_size=4, max_size=4))
    lower = [draw(st.integers(0, u)) for u in upper]
    kx = draw(st.lists(st.integers(1, 63), min_size=4, max_size=4))
    return replace(
        scan,
        dc_tables=tuple(Conditioning(s, upper[s] << 4 | lower[s]) for s in dc),
        ac_tables=tuple(Conditioning(s, kx[s]) for s in ac),
    )


@given(
    data=st.data(),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    factors=st.sampled_from(FACTORS),
    seed=st.integers(0, 1000),
    density=st.sampled_from([0.0, 0.02, 0.2, 1.0]),
    spread=st.sampled_from([1, 4, 300]),
    progressive=st.booleans(),
    wide=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_any_script_and_conditioning_round_trips(data, size, factors, seed, density, spread, progressive, wide):
    frame = random_frame(*size, factors)
    process = Process.PROGRESSIVE_ARITHMETIC if progressive else Process.EXTENDED_ARITHMETIC
    frame = replace(frame, process=process, precision=12 if wide else 8)
    planes = random_planes(frame, seed, density, spread)
    if wide:
        planes = [p * np.int16(16) for p in planes]
    if progressive:
        script = data.draw(random_script(len(factors)))
    else:
        script = sequential_script(frame) if data.draw(st.booleans()) else [Scan((c,)) for c in range(len(factors))]
        script = [replace(s, restart_interval=data.draw(st.sampled_from([0, 1, 5]))) for s in script]
    script = [_conditioned(data.draw, s) for s in script]
    stream = header(frame, [np.full(64, 16, np.uint16)] * len(factors)) + write_scans(planes, frame, script)
    reader, decoded, notes = decode_image(stream, strict=True)
    assert not notes and reader.scans == len(script)
    for plane, other in zip(planes, decoded, strict=True):
        np.testing.assert_array_equal(plane, other)


def test_pillow_reads_any_conditioning():
    frame = replace(random_frame(61, 43, FACTORS[1]), process=Process.EXTENDED_ARITHMETIC)
    planes, table = random_planes(frame, 3, 0.1, 6), [np.full(64, 5, np.uint16)] * 3
    plain = replace(frame, process=Process.BASELINE)
    expected = pillow_pixels(header(plain, table) + write_scans(planes, plain, sequential_script(plain)))
    dc = Conditioning(3, 0x52), Conditioning(1, 0x30), Conditioning(1, 0x30)
    ac = Conditioning(2, 1), Conditioning(2, 1), Conditioning(0, 40)
    script = [Scan((0, 1, 2), dc, ac, restart_interval=4)]
    np.testing.assert_array_equal(pillow_pixels(header(frame, table) + write_scans(planes, frame, script)), expected)


def test_dense_blocks_outgrow_the_first_guess_of_their_size():
    frame = Frame(400, 400, (Component(1, 1, 1),), Process.EXTENDED_ARITHMETIC, color=ColorSpace.GRAY)
    planes = [np.random.default_rng(1).integers(-1023, 1024, (50, 50, 8, 8)).astype(np.int16)]
    stream = header(frame, [np.ones(64, np.uint16)]) + write_scans(planes, frame, sequential_script(frame))
    assert len(stream) > 200_000
    np.testing.assert_array_equal(decode_image(stream, strict=True)[1][0], planes[0])


@pytest.mark.parametrize("process", [Process.EXTENDED_ARITHMETIC, Process.PROGRESSIVE_ARITHMETIC])
@pytest.mark.parametrize(("at", "value"), [((3, 3), 1024), ((3, 3), -32768), ((0, 0), 2048), ((0, 0), -32768)])
def test_coefficients_out_of_range(process, at, value):
    frame = Frame(8, 8, (Component(1, 1, 1),), process, color=ColorSpace.GRAY)
    planes = [np.zeros((1, 1, 8, 8), np.int16)]
    planes[0][0, 0][at] = value
    script = sequential_script(frame)
    if process.progressive:
        script = [Scan((0,), spectral=(0, 0)), Scan((0,), spectral=(1, 63))]
    with pytest.raises(ValueError, match="out of range"):
        write_scans(planes, frame, script)


def test_scans_that_the_process_forbids():
    frame = replace(random_frame(16, 16, FACTORS[1]), process=Process.PROGRESSIVE_ARITHMETIC)
    for scan in (Scan((0, 1), spectral=(1, 5)), Scan((0,), spectral=(0, 5)), Scan((0,), (), (), (1, 5), (3, 1))):
        with pytest.raises(ValueError, match="scan"):
            write_scans(random_planes(frame, 0, 0.1, 2), frame, [scan])


def _sources() -> list[bytes]:
    found = []
    for sampling, width, height, quality in (("4:2:0", 70, 45, 75), ("4:4:4", 33, 20, 90), ("4:2:2", 100, 30, 30)):
        for progressive in (False, True):
            for restart in ({}, {"restart_blocks": 3}, {"restart_rows": 1}):
                options = {"quality": quality, "subsampling": sampling, "progressive": progressive, **restart}
                found.append(jpegjax.encode(slopes(height, width), arithmetic=True, engine="host", **options))
    return found


def test_damaged_scans_look_like_libjpegs():
    rng, sources, compared = np.random.default_rng(5), _sources(), 0
    for i in range(700):
        data = sources[i % len(sources)]
        data = damaged(data, rng, data.index(b"\xff\xda") + 14)
        try:
            expected = pillow_pixels(data)
        except (OSError, SyntaxError):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", JpegWarning)
            np.testing.assert_array_equal(jpegjax.decode(data, engine="host"), expected)
        compared += 1
    assert compared > 500


def test_damaged_files_end_well():
    rng, sources = np.random.default_rng(6), _sources()
    for i in range(1000):
        data = damaged(sources[i % len(sources)], rng, 2)
        try:
            reader, planes, _ = decode_image(data, Limits(memory=1 << 26), smooth=bool(i & 1))
        except JpegError:
            continue
        for c, plane in enumerate(planes):
            assert plane.shape == (*reader.frame.blocks(c), 8, 8)


def test_bad_codes_warn_and_strict_raises():
    data = jpegjax.encode(slopes(64, 64), arithmetic=True, engine="host")
    at = data.index(b"\xff\xda") + 14
    for noise in (b"\xff\0" * 20, b"\xff\0" * 500):
        broken = data[:at] + noise + b"\xff\xd9"
        _, _, notes = decode_image(broken)
        assert any("invalid arithmetic code" in message for message, _ in notes)
        assert all(0 <= offset <= len(broken) for _, offset in notes)
        with pytest.raises(CorruptJpeg, match="arithmetic"):
            decode_image(broken, strict=True)


def test_zeros_at_the_end_of_a_segment_need_not_be_there():
    """T.81 D.1.8: nothing is missing where a decoder must go on with zeros."""
    for value in (0, 200):
        data = jpegjax.encode(np.full((64, 64), value, np.uint8), arithmetic=True, engine="host")
        reader = Reader(data)
        reader.next_scan()
        assert len(data) - reader.position < 12
        np.testing.assert_array_equal(jpegjax.decode(data, engine="host", strict=True), pillow_pixels(data))


def test_bytes_left_over_warn():
    data = jpegjax.encode(slopes(40, 40), arithmetic=True, engine="host")
    _, _, notes = decode_image(data[:-2] + bytes(20) + data[-2:])
    assert [message for message, _ in notes] == ["bytes left over before a marker"]


def test_work_on_a_bomb_of_scans_is_bounded():
    frame = Frame(7200, 7200, (Component(1, 1, 1),), Process.PROGRESSIVE_ARITHMETIC, color=ColorSpace.GRAY)
    planes = [np.zeros((900, 900, 8, 8), np.int16)]
    script = [Scan((0,), spectral=(0, 0)), Scan((0,), spectral=(1, 63), approximation=(0, 1))]
    script += [Scan((0,), spectral=(1, 63), approximation=(1, 0))]
    head = header(frame, [np.ones(64, np.uint16)])
    body = write_scans(planes, frame, script)
    last = body[body.rindex(b"\xff\xcc") : -2]
    with pytest.raises(LimitExceeded):
        decode_image(head + body[:-2] + last * 600 + b"\xff\xd9")
