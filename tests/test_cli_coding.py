"""Coding options on the command line, as cjpeg and djpeg have them: -rgb, -smooth, -qslots, -icc."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Run
from oracles import cjpeg, pillow, pillow_pixels
from pictures import picture
from PIL import Image

import jpegjax


@pytest.mark.needs("cjpeg")
@pytest.mark.parametrize(
    "words",
    [
        "-rgb",
        "-smooth 40",
        "-qslots 1,0",
        "-rgb -sample 2x2 -prog",
        "-grayscale -sample 2x2",
        "-rgb -smo 9 -qs 0,1 -opt",
    ],
)
def test_files_are_cjpegs(run: Run, words: str) -> None:
    image = picture(33, 41)
    Image.fromarray(image).save("p.png")
    answer = run("encode", "p.png", "-o", "out.jpg", *words.split())
    assert answer.code == 0, answer.err
    assert Path("out.jpg").read_bytes() == cjpeg(image, *words.split())


def test_they_are_verified_and_refused_like_others(run: Run) -> None:
    Image.fromarray(picture(20, 20)).save("p.png")
    assert " identical" in run("encode", "p.png", "-o", "a.jpg", "--rgb", "--smooth", "7", "--verify").err
    for words, said in (
        (["--rgb", "--grayscale"], "--rgb and --grayscale: give one of them"),
        (["--qslots", "0,5"], "qslots='0,5': must be numbers of tables 0..3"),
        (["--smooth", "101"], "smoothing=101: must be 0..100"),
    ):
        answer = run("encode", "p.png", "-o", "b.jpg", *words)
        assert answer.code == 2 and said in answer.err
    answer = run("encode", "p.png", "-o", "c.jpg", "--lossless", "--smooth", "5", "--qslots", "1")
    assert answer.code == 0 and "--smooth" in answer.err and "--qslots" in answer.err
    assert np.array_equal(jpegjax.decode("c.jpg"), picture(20, 20))


def test_overshoot_is_on_with_a_tune_unless_refused(run: Run) -> None:
    image = np.where(picture(24, 32) > 99, 255, 0).astype(np.uint8)
    Image.fromarray(image).save("p.png")
    for words, options in (
        (["--dering"], {"dering": True}),
        (["--dering", "--progressive"], {"dering": True, "progressive": True}),
        (["--no-dering", "--tune", "psnr"], {"dering": False, "tune": "psnr"}),
        (["--tune", "psnr"], {"dering": True, "tune": "psnr"}),
    ):
        answer = run("encode", "p.png", "-o", "out.jpg", "--overwrite", *words)
        assert answer.code == 0 and Path("out.jpg").read_bytes() == jpegjax.encode(image, **options), words
    for words, said in (
        (["--dering", "--verify"], "--verify: Pillow knows no --dering"),
        (["--dering", "--rgb"], "dering=True: only grey and YCbCr files can overshoot, not color='rgb'"),
        (["--dering", "--lossless"], "dering=True: lossless files keep every sample"),
    ):
        answer = run("encode", "p.png", "-o", "b.jpg", *words)
        assert answer.code == 2 and said in answer.err


def test_the_profile_goes_to_a_file_and_the_colour_is_the_callers(run: Run) -> None:
    image = picture(20, 20)
    profile = bytes(36) + b"acsp" + bytes(200)
    Path("a.jpg").write_bytes(pillow(image, icc_profile=profile, keep_rgb=True))
    Path("b.jpg").write_bytes(pillow(image))
    assert run("decode", "a.jpg", "-o", "a.png", "-icc", "a.icc").code == 0
    assert Path("a.icc").read_bytes() == profile
    again = run("decode", "a.jpg", "-o", "a2.png", "--icc", "a.icc")
    assert again.code == 1 and "--icc a.icc: it exists; --overwrite replaces it" in again.err
    assert run("decode", "a.jpg", "-o", "a2.png", "--icc", "a.icc", "--overwrite").code == 0
    assert "no ICC profile to write" in run("decode", "b.jpg", "-o", "b.png", "--icc", "b.icc").err
    assert not Path("b.icc").exists()
    several = run("decode", "a.jpg", "b.jpg", "-o", "out", "--icc", "c.icc")
    assert several.code == 2 and "the profile of one input; 2 are given" in several.err
    assert run("decode", "b.jpg", "-o", "c.png", "--color", "RGB").code == 0
    assert np.array_equal(np.asarray(Image.open("c.png")), jpegjax.decode("b.jpg", color="RGB"))
    assert not np.array_equal(pillow_pixels(Path("b.jpg").read_bytes()), np.asarray(Image.open("c.png")))
