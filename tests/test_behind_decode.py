"""Pictures behind the first one are decoded by their number, as Pillow counts them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from behind_files import EXTENDED_FTYP, jpeg, mpo, segment, ultra_hdr, with_segments
from command_line import Run, opened
from PIL import Image

import jpegjax
from jpegjax import CorruptJpeg, JpegError, JpegWarning

FILES = [jpeg(1), jpeg(2, 40, 24), jpeg(3, 16, 40, progressive=True), jpeg(4, grey=True)]
MPO = mpo(FILES)


def exif(orientation: int) -> bytes:
    return segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + bytes([0, orientation]) + bytes(6))


@pytest.mark.parametrize("engine", ["host", "xla"])
def test_every_picture_has_the_pixels_of_its_own_file_and_of_pillow(engine: str) -> None:
    with Image.open(io.BytesIO(MPO)) as image:
        for k, file in enumerate(FILES):
            pixels = jpegjax.decode(MPO, picture=k, engine=engine)
            assert np.array_equal(pixels, jpegjax.decode(file))
            image.seek(k)
            assert np.array_equal(pixels, np.asarray(image))


def test_other_doors_take_it_too(tmp_path: Path) -> None:
    path = tmp_path / "a.mpo"
    path.write_bytes(MPO)
    assert np.array_equal(jpegjax.imread(path, picture=1), jpegjax.decode(FILES[1]))
    assert jpegjax.info(path, picture=2).width == 40 and jpegjax.info(path, picture=0).width == 64
    got, own = jpegjax.read_coefficients(MPO, picture=2), jpegjax.read_coefficients(FILES[2])
    assert got.frame == own.frame and all(np.array_equal(a, b) for a, b in zip(got.planes, own.planes, strict=True))
    assert np.array_equal(
        jpegjax.decode(memoryview(MPO), picture=1, crop=(3, 5, 9, 11)), jpegjax.decode(FILES[1])[5:16, 3:12]
    )
    several = jpegjax.decode([MPO, ultra_hdr("both", FILES[0], FILES[3], EXTENDED_FTYP)], picture=1, mode="L")
    assert np.array_equal(several[1], jpegjax.decode(FILES[3]))


def test_numbers_that_a_file_does_not_have() -> None:
    for door in (jpegjax.decode, jpegjax.info, jpegjax.read_coefficients, jpegjax.imread):
        with pytest.raises(JpegError, match=r"picture=4: the file holds 4 pictures, numbers 0\.\.3"):
            door(MPO, picture=4)
        with pytest.raises(JpegError, match="picture=1: the file holds 1 picture, number 0"):
            door(FILES[0], picture=1)
        with pytest.raises(ValueError, match="picture=-1"):
            door(MPO, picture=-1)
        with pytest.raises(TypeError, match="picture='1'"):
            door(MPO, picture="1")
    with pytest.raises(JpegError, match="item 1: picture=1: the file holds 1 picture"):
        jpegjax.decode([MPO, FILES[0]], picture=1)
    kept = jpegjax.decode([FILES[0], MPO], picture=1, errors="return")
    assert isinstance(kept[0], JpegError) and np.array_equal(kept[1], jpegjax.decode(FILES[1]))
    with pytest.raises(CorruptJpeg, match="not with SOI"):
        jpegjax.decode(b"no picture", picture=1)


def test_offsets_are_those_of_the_whole_file() -> None:
    start = jpegjax.info(MPO).pictures[1].offset
    broken = bytearray(MPO)
    sof = MPO.index(b"\xff\xc0", start)
    broken[sof + 4] = 9
    with pytest.raises(CorruptJpeg, match=f"byte offset {sof}"):
        jpegjax.decode(bytes(broken), picture=1)
    cut = MPO[: start + len(FILES[1]) - 40]
    with pytest.warns(JpegWarning, match="byte offset") as told:
        jpegjax.decode(cut, picture=1)
    offsets = [int(str(one.message).rpartition(" ")[2].rstrip(")")) for one in told]
    assert all(start < offset <= len(cut) for offset in offsets)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_behind_stand_upright_with_the_first(orientation: int) -> None:
    gain_map = jpeg(5, 12, 16, grey=True)
    first = with_segments(FILES[0], exif(orientation))
    alone = jpegjax.decode(with_segments(gain_map, exif(orientation)), apply_exif_orientation=True)
    for crop in (None, (2, 3, 5, 4)):
        got = jpegjax.decode(ultra_hdr("iso", first, gain_map), picture=1, apply_exif_orientation=True, crop=crop)
        assert np.array_equal(got, alone if crop is None else alone[3:7, 2:7])
    own = with_segments(gain_map, exif(3))
    got = jpegjax.decode(ultra_hdr("iso", first, own), picture=1, apply_exif_orientation=True)
    assert np.array_equal(got, jpegjax.decode(gain_map)[::-1, ::-1])


def test_the_command_line_decodes_any_picture(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(ultra_hdr("both", with_segments(FILES[0], exif(6)), FILES[3]))
    assert run("decode", "a.jpg", "-o", "b.png", "--picture", 1).code == 0
    assert np.array_equal(np.asarray(opened("b.png")), jpegjax.decode(FILES[3]))
    assert run("decode", "a.jpg", "-o", "c.png", "--picture", 1, "--exif-transpose").code == 0
    assert opened("c.png").size == (48, 64)
    failed = run("decode", "a.jpg", "-o", "d.png", "--picture", 2)
    assert failed.code == 1 and "the file holds 2 pictures" in failed.err and not (tmp_path / "d.png").exists()
    assert run("decode", "a.jpg", "-o", "d.png", "--picture", "x").code == 2
