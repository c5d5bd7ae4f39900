"""Orientation on the command line: EXIF of any integer type, or XMP; strict is as strict as the library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Run, opened
from oracles import pillow
from pictures import picture
from streams import with_segments
from test_orientation import DAMAGED, tiff_of, with_exif, with_xmp, xmp_of

import jpegjax

RGB = picture(32, 48)


@pytest.mark.parametrize("data", [with_exif(tiff_of([6, 1], 8)), with_xmp(xmp_of("6"))], ids=["SSHORT", "XMP"])
def test_every_verb_turns_upright_once(run: Run, data: bytes) -> None:
    Path("x.jpg").write_bytes(data)
    wanted = jpegjax.decode(data, apply_exif_orientation=True)
    assert run("decode", "x.jpg", "-o", "x.png", "--exif-transpose", "--strict").code == 0
    assert np.array_equal(np.asarray(opened("x.png")), wanted)
    assert run("transcode", "x.jpg", "-o", "y.jpg", "--exif-transpose", "--strict").code == 0
    assert jpegjax.info("y.jpg").metadata.orientation == 1 and opened("y.jpg").size == (32, 48)
    assert run("encode", "x.jpg", "-o", "z.jpg", "--exif-transpose").code == 0
    assert opened("z.jpg").size == (32, 48) and jpegjax.info("z.jpg").metadata.orientation in (1, None)
    again = run("decode", "y.jpg", "-o", "again.png", "--exif-transpose")
    assert again.code == 0 and opened("again.png").size == (32, 48)
    assert "orientation 6 not applied" in run("decode", "x.jpg", "-o", "flat.png").err


@pytest.mark.parametrize("body", [DAMAGED["count 0"], DAMAGED["xmp cut off"]], ids=["EXIF", "XMP"])
def test_damage_that_hides_it_is_said_by_both_verbs(run: Run, body: bytes) -> None:
    Path("x.jpg").write_bytes(with_xmp(body) if body.startswith(b"<") else with_exif(body))
    for verb, name in (("decode", "x.png"), ("transcode", "y.jpg")):
        saved = run(verb, "x.jpg", "-o", name, "--exif-transpose", "--overwrite")
        assert "is damaged" in saved.err and Path(name).exists()
        strict = run(verb, "x.jpg", "-o", name, "--exif-transpose", "--strict", "--overwrite")
        assert strict.code == 1 and "is damaged" in strict.err
        assert run(verb, "x.jpg", "-o", name, "--strict", "--overwrite").code == 0


def test_thumbnail_is_a_flag(run: Run) -> None:
    Path("x.jpg").write_bytes(with_segments(pillow(RGB), (0xE1, b"Exif\0\0" + tiff_of([1]))))
    assert run("transcode", "x.jpg", "-o", "y.jpg", "--rotate", "90", "--thumbnail", "update").code == 0
    assert Path("y.jpg").read_bytes() == jpegjax.transcode("x.jpg", rotate=90, thumbnail="update")
    assert "thumbnail='none': must be one of" in run("transcode", "x.jpg", "-o", "z.jpg", "--thumbnail", "none").err
