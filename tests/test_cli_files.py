"""What the command line makes of flags and of inputs of every kind. Oracle: Pillow's libjpeg-turbo."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, opened, photo
from oracles import pillow
from PIL import Image
from streams import icc_profile

import jpegjax
from jpegjax.cli.oracle import turbo_decode


def test_lossless_there_and_back(run: Run) -> None:
    image = photo(4)
    image.save("a.png")
    grey = (np.arange(600).reshape(20, 30) * 109).astype(np.uint16)
    Image.fromarray(grey).save("g.png")
    answer = run("encode", "a.png", "g.png", "--lossless", "--point-transform", "0", "--restart", "3", "-o", "out/")
    assert answer.code == 0 and answer.out == b""
    assert run("encode", "a.png", "--lossless", "--predictor", "2", "--verify").code == 0
    assert np.array_equal(opened("a.jpg"), image)
    assert run("decode", "out/a.jpg", "out/g.jpg", "-o", "back/").code == 0
    assert np.array_equal(opened("back/a.png"), image) and np.array_equal(opened("back/g.png"), grey)
    assert "16-bit lossless, gray" in run("info", "out/g.jpg").out.decode()
    deep = jpegjax.encode(np.stack([grey] * 3, 2), lossless=True)
    Path("deep.jpg").write_bytes(deep)
    assert run("decode", "deep.jpg").code == 0
    assert run("decode", "deep.jpg", "-f", "npy").code == 0
    assert np.array_equal(np.load("deep.npy")[..., 1], grey)


@pytest.mark.parametrize(
    ("flags", "settings"),
    [
        (["-quality", "90", "-sample", "2x1"], {"quality": 90, "subsampling": 1}),
        (["--subsampling", "4:4:4", "--optimize"], {"subsampling": 0, "optimize": True}),
        (["-progressive"], {"progressive": True}),
        (["-restart", "1"], {"restart_marker_rows": 1}),
        (["-restart", "3B"], {"restart_marker_blocks": 3}),
        (["--comment", "grün"], {"comment": "grün".encode()}),
        (["--icc", "profile"], {"icc_profile": icc_profile(200)}),
        (["-qtables", "tables"], {"qtables": [list(range(1, 65)), [7] * 64], "quality": -1}),
    ],
    ids=lambda value: value[0].lstrip("-") if isinstance(value, list) else "",
)
def test_flags_are_cjpegs(run: Run, flags: list[str], settings: dict) -> None:
    photo().save("x.png")
    Path("profile").write_bytes(icc_profile(200))
    Path("tables").write_text("# luma\n" + " ".join(map(str, range(1, 65))) + "\n# chroma\n" + "7 " * 64)
    assert run("encode", "x.png", "-outfile", "y.jpg", *flags, "--verify").code == 0
    assert Path("y.jpg").read_bytes() == pillow(photo(), **settings)


def test_grayscale(run: Run) -> None:
    photo().save("x.png")
    assert run("encode", "x.png", "-grayscale").code == 0
    assert Path("x.jpg").read_bytes() == pillow(photo().convert("L"))


def test_pipes_are_binary_clean(run: Run) -> None:
    out = io.BytesIO()
    photo().save(out, "PNG")
    coded = run("encode", "-", given=out.getvalue())
    assert coded == (0, pillow(photo()), "")
    assert np.array_equal(turbo_decode(coded.out), np.asarray(Image.open(io.BytesIO(coded.out))))
    decoded = run("decode", "-", given=coded.out)
    assert decoded.code == 0 and decoded.out.startswith(b"P6\n50 35\n255\n")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(decoded.out))), turbo_decode(coded.out))
    checked = run("encode", "-", "-o", "-", "--verify", given=out.getvalue())
    assert checked.out == coded.out and " identical" in checked.err


@pytest.mark.parametrize("suffix", ["png", "ppm", "bmp", "tiff", "npy"])
def test_decode_formats_hold_turbos_pixels(run: Run, suffix: str) -> None:
    Path("x.jpg").write_bytes(pillow(photo(), quality=60))
    assert run("decode", "x.jpg", "-f", suffix).code == 0
    pixels = np.load("x.npy") if suffix == "npy" else np.asarray(Image.open(f"x.{suffix}"))
    assert np.array_equal(pixels, turbo_decode(Path("x.jpg").read_bytes()))


def test_decode_names_its_format_by_suffix_keeps_icc_and_turns(run: Run) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Path("x.jpg").write_bytes(pillow(photo(), exif=exif, icc_profile=icc_profile(200)))
    flat = run("decode", "x.jpg", "-o", "y.bmp")
    assert opened("y.bmp").size == (50, 35) and "EXIF orientation 6 not applied" in flat.err
    assert run("decode", "x.jpg", "-o", "z.png", "--exif-transpose", "-nosmooth").code == 0
    assert opened("z.png").size == (35, 50)
    assert opened("z.png").info["icc_profile"] == icc_profile(200)


def test_orientation_and_icc_of_inputs(run: Run) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo().save("x.png", exif=exif, icc_profile=icc_profile(200))
    noted = run("encode", "x.png", "-o", "flat.jpg").err
    assert "EXIF orientation 6 not applied" in noted and "left out" not in noted
    assert Path("flat.jpg").read_bytes() == pillow(photo(), exif=exif, icc_profile=icc_profile(200))
    upright = photo().transpose(Image.Transpose.ROTATE_270)
    exif[0x0112] = 1
    for flags, kept in (
        ((), {"exif": exif, "icc_profile": icc_profile(200)}),
        (("--strip", "--icc", "keep"), {"icc_profile": icc_profile(200)}),
        (("--strip",), {}),
    ):
        assert run("encode", "x.png", "-o", "up.jpg", "--exif-transpose", *flags, "--verify", "--overwrite").code == 0
        assert Path("up.jpg").read_bytes() == pillow(upright, **kept)


def test_modes_are_converted_or_refused_by_name(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "modes"
    folder.mkdir()
    for mode in ("1", "L", "P", "RGB", "RGBA", "LA"):
        picture = photo().convert(mode)
        if mode in ("RGBA", "LA"):
            picture.putalpha(128)
        picture.save(folder / f"{mode}.png")
    photo().convert("CMYK").save(folder / "CMYK.tif")
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(folder / "deep.png")
    answer = run("encode", folder, "-o", "out")
    assert answer.code == 1 and "3 of 8 failed" in answer.err
    assert {p.stem for p in Path("out").iterdir()} == {"1", "L", "P", "RGB", "CMYK"}
    assert Path("out/CMYK.jpg").read_bytes() == pillow(photo().convert("CMYK"))
    for text in ("mode RGBA has transparency", "mode LA has", "more than 8 bits", "--background COLOR"):
        assert text in answer.err
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.save("clear.png")
    assert run("encode", "clear.png", "--background", "#00f", "-q", "100").code == 0
    assert Path("clear.jpg").read_bytes() == pillow(Image.new("RGB", (8, 8), (0, 0, 255)), quality=100)


def test_four_components(run: Run) -> None:
    photo().convert("CMYK").save("inks.tif")
    assert "mode CMYK: convert it" in run("encode", "inks.tif", "--grayscale").err
    assert run("encode", "inks.tif", "--sample", "4:2:0", "--verify").code == 0
    assert Path("inks.jpg").read_bytes() == pillow(photo().convert("CMYK"), subsampling=2)
    assert run("decode", "inks.jpg", "-f", "tiff", "-o", "back.tiff").code == 0
    with Image.open("back.tiff") as back, Image.open("inks.jpg") as known:
        assert back.mode == "CMYK"
        assert back.tobytes() == known.tobytes()


def test_twelve_bits(run: Run) -> None:
    """Pictures are scaled as cjpeg -precision 12 does."""
    deep = np.arange(0, 65_536, 64, dtype=np.uint16).reshape(32, 32)
    Image.fromarray(deep).save("deep.png")
    photo().save("shallow.png")
    assert run("encode", "deep.png", "shallow.png", "-precision", "12", "-q", "95", "--psnr", "-o", "out").code == 0
    scaled = ((deep.astype(int) * 4095 + 32_767) // 65_535).astype(np.uint16)
    assert Path("out/deep.jpg").read_bytes() == jpegjax.encode(scaled, precision=12, quality=95)
    shallow = ((np.asarray(photo()).astype(int) * 4095 + 127) // 255).astype(np.uint16)
    assert Path("out/shallow.jpg").read_bytes() == jpegjax.encode(shallow, precision=12, quality=95)
    assert "12-bit extended sequential" in run("info", "out/deep.jpg").out.decode()
    assert "12 bits" in run("encode", "deep.png", "--precision", "12", "--verify", "-o", "x.jpg").err


def test_quality_of_luma_and_chroma(run: Run) -> None:
    photo().save("x.png")
    assert run("encode", "x.png", "-quality", "75,60", "--verify").code == 0
    assert Path("x.jpg").read_bytes() == jpegjax.encode(np.asarray(photo()), quality=(75, 60))
