"""The codecs: one protocol, settings with ranges, outside libraries where they are installed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracles import psnr
from pictures import waves
from PIL import Image

import jpegjax
from jpegjax import codecs
from jpegjax.cli import main
from jpegjax.codecs import MissingCodec, Setting

LOSSLESS = {"jpeg-lossless": {}, "jpeg-ls": {"near": 0}, "jpeg2000": {"rate": 1, "reversible": True},
            "jpegxl": {"distance": 0}, "webp": {"lossless": True}}  # fmt: skip
HERE = codecs.available()


def get(name: str) -> codecs.Codec:
    try:
        return codecs.get(name)
    except MissingCodec as error:
        pytest.skip(str(error))


def suited(codec: codecs.Codec) -> np.ndarray:
    """A picture of a shape that it takes."""
    if not codec.shapes:
        return waves(61, 83)
    image = waves(*codec.shapes[0][:2])
    return image if len(codec.shapes[0]) == 3 else np.ascontiguousarray(image[..., 1])


def test_every_codec_is_installed():
    if gone := codecs.missing():
        pytest.skip(f"the tests of {len(gone)} codecs are left out: {'; '.join(gone.values())}")
    assert codecs.names() == HERE


@pytest.mark.parametrize("name", HERE)
def test_rate_and_quality_rise_along_the_grid(name):
    codec = get(name)
    image = suited(codec)
    if not codec.grid:
        assert name in ("jpeg-lossless", "jpeg-ls")
        return
    assert codec.sweep in codec.settings
    ends = [codec.encode(image, **{codec.sweep: value}) for value in (codec.grid[0], codec.grid[-1])]
    low, high = (psnr(image, codec.decode(data)) for data in ends)
    assert len(ends[0]) < len(ends[1]) and low < high


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (9, 31)])
def test_any_size_grey_and_colour(name, shape):
    codec = get(name)
    if codec.shapes:
        with pytest.raises(ValueError, match=re.escape(", ".join(str(list(one)) for one in codec.shapes))):
            codec.encode(waves(*shape))
        return
    for image in (waves(*shape), np.ascontiguousarray(waves(*shape)[:, :, 1])):
        decoded = codec.decode(codec.encode(image))
        assert decoded.dtype == np.uint8 and decoded.shape[:2] == shape and decoded.shape[2:] in ((), (3,))
        assert image.ndim == 2 or decoded.ndim == 3


@pytest.mark.parametrize("name", [name for name in LOSSLESS if name in HERE])
def test_lossless_settings_keep_every_sample(name):
    codec, image = get(name), waves(61, 83)
    np.testing.assert_array_equal(codec.decode(codec.encode(image, **LOSSLESS[name])), image)


def test_ours_takes_every_option_of_encode_and_equals_it():
    image, codec = waves(61, 83), codecs.get("jpeg")
    options = {"quality": (80, 60), "subsampling": "4:2:2", "progressive": True, "restart_rows": 1, "engine": "host"}
    data = codec.encode(image, **options)
    assert data == jpegjax.encode(image, **options)
    np.testing.assert_array_equal(codec.decode(data), jpegjax.decode(data))
    assert codec.encode(image) == jpegjax.encode(image) == get("libjpeg-turbo").encode(image)


def test_mozjpeg_equals_its_own_command_line(shared):
    """The files of mozjpeg's cjpeg 4.1.5 on Kodak, whose sampling changes at qualities 80 and 90."""
    codec = get("mozjpeg")
    facts, kodak = shared / "facts" / "jpeg-peers-kodak.json", shared / "data" / "kodak" / "kodim05.png"
    if not facts.is_file() or not kodak.is_file():
        pytest.skip("no Kodak images or figures of peers")
    image = np.array(Image.open(kodak))
    points = {row[0]: row for row in json.loads(facts.read_text())["codecs"]["moz"]["images"]["kodim05"]}
    for quality in (30, 80, 90):
        data = codec.encode(image, quality=quality)
        assert round(8 * len(data) / (768 * 512), 4) == points[quality][1]
        assert psnr(image, codec.decode(data)) == pytest.approx(points[quality][2], abs=6e-4)


@pytest.mark.parametrize("name", HERE)
def test_wrong_settings_and_images_are_named(name):
    codec = get(name)
    with pytest.raises(TypeError, match=f"{re.escape(name)}: no setting 'qualty'; there are:"):
        codec.encode(waves(61, 83), qualty=5)
    for bad in (waves(61, 83).astype(np.float32), [[1, 2]], "x.png"):
        with pytest.raises(TypeError, match="image"):
            codec.encode(bad)
    for shape in ((3, 3, 2), (2, 3, 3, 3, 1), (0, 4)):
        with pytest.raises((ValueError, TypeError), match="image"):
            codec.encode(np.zeros(shape, np.uint8))
    for data in (b"", b"no such file", codec.encode(suited(codec))[:40]):
        with pytest.raises((ValueError, jpegjax.JpegError)):
            codec.decode(data)


@pytest.mark.parametrize("name", HERE)
def test_values_out_of_range_are_refused(name):
    codec = get(name)
    for setting, spec in codec.settings.items():
        bad = [spec.span[0] - 1, spec.span[1] + 1] if spec.span else ["nonsense"] if spec.choices else []
        for value in bad:
            with pytest.raises(ValueError, match=f"{re.escape(name)}: {setting}=.*must be"):
                codec.check({setting: value})
        assert spec.check(setting, spec.default) == spec.default and spec.range
    with pytest.raises((ValueError, TypeError)):
        codec.check({codec.sweep or "predictor": 10**9})


def test_settings_parse_words():
    assert Setting(75, "", span=(1, 100)).parse("q", "30") == 30
    assert Setting(1.0, "", span=(0.0, 25.0)).parse("d", "2") == 2.0
    assert Setting(False, "", choices=(False, True)).parse("o", "True") is True
    assert Setting(None, "", choices=(None, 1)).parse("p", "1") == 1
    assert Setting(None, "", allowed="words").parse("t", "psnr") == "psnr"
    for spec, word in ((Setting(75, "", span=(1, 100)), "101"), (Setting(75, "", span=(1, 100)), "high"),
                       (Setting(False, "", choices=(False, True)), "yes")):  # fmt: skip
        with pytest.raises(ValueError, match=r"s=.*must be"):
            spec.parse("s", word)
    for value in (2.5, True, None, "7"):
        with pytest.raises(TypeError, match=r"s=.*must be an integer 1..100"):
            Setting(75, "", span=(1, 100)).check("s", value)


def test_unknown_codec():
    with pytest.raises(ValueError, match="codec='jpg': must be one of jpeg, "):
        codecs.get("jpg")


def without(modules: str, code: str) -> str:
    """What code prints in a Python that lacks some modules."""
    block = f"import sys\nfor name in {modules!r}.split(): sys.modules[name] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", block + code], capture_output=True, text=True, check=True, timeout=600,
        cwd=Path(jpegjax.__file__).parents[1],
    )  # fmt: skip
    return done.stdout


def test_missing_codecs_are_named_with_the_pip_line():
    code = """
from jpegjax import codecs
print(*codecs.available())
for how in codecs.missing().values(): print(how)
from jpegjax.cli import main
try: main(["codecs", "jpegxl"])
except SystemExit as done: print(done.code)
"""
    lines = without("imagecodecs jpeglib pyjpegli", code).splitlines()
    assert not {"jpegxl", "jpeg-ls", "mozjpeg", "jpegli"} & set(lines[0].split()) and "jpeg" in lines[0].split()
    for name, library in (
        ("jpegxl", "imagecodecs"),
        ("jpeg-ls", "imagecodecs"),
        ("mozjpeg", "jpeglib"),
        ("jpegli", "pyjpegli"),
    ):
        how = next(line for line in lines[1:] if line.startswith(f"{name}:"))
        assert f"pip install {library}" in how and "jpegjax[codecs]" in how
    assert "not available here:" in lines and lines[-1] == "0"


def test_command_line_lists_them(capsys):
    with pytest.raises(SystemExit) as done:
        main(["codecs"])
    out = capsys.readouterr().out
    assert done.value.code == 0
    for name in codecs.available():
        codec = codecs.get(name)
        assert name in out and codec.version in out and all(setting in out for setting in codec.settings)
    with pytest.raises(SystemExit) as done:
        main(["codecs", "--json", "jpeg"])
    assert done.value.code == 0
    shown = json.loads(capsys.readouterr().out)["available"]["jpeg"]
    assert shown["settings"]["quality"]["default"] == 75 and shown["sweep"] == "quality"
    with pytest.raises(SystemExit) as done:
        main(["codecs", "jpg"])
    assert done.value.code == 2 and "no codec jpg" in capsys.readouterr().err
