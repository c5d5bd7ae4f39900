"""The command line and files of the library's own container: pictures in, pictures out, what they are, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, photo
from oracles import psnr
from PIL import Image

from jpegjax import codecs
from jpegjax.learned.perceptron import weights


def test_a_photo_there_and_back(run: Run, tmp_path: Path):
    photo(1).save(tmp_path / "photo.png")
    done = run("encode", "photo.png", "--codec", "learned", "-q", "80", "--psnr")
    assert done.code == 0 and "photo.png" in done.err and (tmp_path / "photo.jxj").is_file()
    assert run("decode", "photo.jxj", "-o", "back.png").code == 0
    first, back = (np.asarray(Image.open(tmp_path / name).convert("RGB")) for name in ("photo.png", "back.png"))
    assert psnr(first, back) > 20
    data = (tmp_path / "photo.jxj").read_bytes()
    assert data == codecs.get("learned").encode(first, quality=80)
    told = json.loads(run("info", "--json", "photo.jxj").out)
    assert told["codec"] == "learned" and told["model"] == "light" and told["quality"] == 80
    assert "model: light" in run("info", "photo.jxj").out.decode()


def test_folders_and_both_kinds_of_files(run: Run, folder: Path):
    assert run("encode", "photos", "-r", "-o", "small", "--codec", "dft", "-q", "50", "--quiet").code == 0
    assert run("encode", "photos/a.png", "-o", "small/b2.jpg", "--quiet").code == 0
    done = run("decode", "small", "-r", "-o", "out", "--quiet")
    assert done.code == 0
    names = sorted(str(p.relative_to(folder.parent / "out")) for p in (folder.parent / "out").rglob("*.png"))
    assert names == ["a.png", "b.png", "b2.png", "inner/a.png"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tune", "psnr", "--codec", "learned"), "--tune is for JPEG files, not for --codec"),
        (("--codec", "webp"), "--codec webp: must be one of dft, learned, perceptron, u-system"),
        (("--codec", "learned", "-q", "0"), "--quality=0: must be an integer 1..100"),
        (("--codec", "learned", "-q", "high"), "--quality=high: must be a number 1..100"),
        (("--model", "nobody"), "model='nobody': must be one of light"),
        (("--codec", "dft", "--model", "light"), "--model: --codec dft has no such setting"),
    ],
)
def test_what_cannot_be_is_said(run: Run, tmp_path: Path, words: tuple[str, ...], message: str):
    photo(1).save(tmp_path / "photo.png")
    done = run("encode", "photo.png", *words)
    assert done.code == 2 and message in done.err and not (tmp_path / "photo.jxj").exists()


@pytest.mark.slow
def test_weights_of_ones_own(run: Run, tmp_path: Path):
    from flax import nnx

    from jpegjax.learned import published

    photo(1).save(tmp_path / "photo.png")
    model = published.Factorized(8, 12, 3, rngs=nnx.Rngs(0))
    published.save(tmp_path / "own.npz", published.export(model, "own"))
    assert run("encode", "photo.png", "--model", "own.npz", "-q", "3", "--quiet").code == 0
    done = run("decode", "photo.jxj", "-o", "back.png")
    assert done.code == 1 and "the stream is of model own" in done.err
    assert run("decode", "photo.jxj", "-o", "back.png", "--model", "own.npz", "--quiet").code == 0
    done = run("decode", "photo.jxj", "-o", "again.png", "--model", "gone")
    assert done.code == 2 and "model='gone': must be one of light" in done.err


def test_block_networks(run: Run, tmp_path: Path):
    photo(1).save(tmp_path / "photo.png")
    assert run("encode", "photo.png", "--codec", "perceptron", "-q", "70", "--model", "linear8", "--quiet").code == 0
    told = json.loads(run("info", "--json", "photo.jxj").out)
    assert told["codec"] == "perceptron" and told["model"] == "linear8" and told["step"] == pytest.approx(9.6)
    assert run("decode", "photo.jxj", "-o", "back.png", "--quiet").code == 0
    first, back = (np.asarray(Image.open(tmp_path / name).convert("RGB")) for name in ("photo.png", "back.png"))
    np.testing.assert_array_equal(
        back, codecs.get("perceptron").decode(codecs.get("perceptron").encode(first, quality=70))
    )
    model = weights.named("linear8")
    weights.write(
        tmp_path / "own.jxw", replace(model, name="own", arrays={**model.arrays, "centre": 2 * model.arrays["centre"]})
    )
    assert run("encode", "photo.png", "--codec", "perceptron", "--model", "own.jxw", "--overwrite", "--quiet").code == 0
    done = run("decode", "photo.jxj", "-o", "x.png")
    assert done.code == 1 and "a file of model own" in done.err
    assert run("decode", "photo.jxj", "-o", "x.png", "--model", "own.jxw", "--quiet").code == 0


def test_damaged_files_are_listed(run: Run, tmp_path: Path):
    photo(1).save(tmp_path / "photo.png")
    run("encode", "photo.png", "--codec", "dft", "--quiet")
    data = (tmp_path / "photo.jxj").read_bytes()
    (tmp_path / "cut.jxj").write_bytes(data[:-9])
    (tmp_path / "other.jxj").write_bytes(b"nothing")
    done = run("decode", "cut.jxj", "photo.jxj", "-o", "out/", "--quiet")
    assert done.code == 1 and "checksum does not match" in done.err and (tmp_path / "out" / "photo.png").is_file()
    assert run("info", "cut.jxj").code == 1
    done = run("decode", "photo.jxj", "-o", "x.png", "--scale", "1/2")
    assert done.code == 1 and "reconstruction, dtype and restore are for JPEG files" in done.err
