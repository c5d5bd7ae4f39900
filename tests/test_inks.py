"""CMYK and YCCK as RGB: by the plain formula, which is Pillow's, and through an ICC profile. Oracles: Pillow, LittleCMS."""

from __future__ import annotations

import io
from pathlib import Path

import jax
import numpy as np
import pytest
from command_line import Run
from pictures import picture
from PIL import Image, ImageCms
from scripts import low_frequencies

import jpegjax
from jpegjax.types import ColorSpace, Process

ENGINES = ("host", "xla")


def theirs(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def formula(inks: np.ndarray, largest: int) -> np.ndarray:
    """In float64, as the docstring says it."""
    light = largest - inks[..., 3:].astype(float)
    return (light - np.floor(inks[..., :3] * light / largest + 0.5)).astype(inks.dtype)


def files() -> dict[str, bytes]:
    inks = picture(37, 53, 4)
    made = {
        "4:4:4": jpegjax.encode(inks, mode="CMYK"),
        "4:2:0": jpegjax.encode(inks, mode="CMYK", subsampling="4:2:0", quality=40),
        "progressive": jpegjax.encode(inks, mode="CMYK", progressive=True),
        "arithmetic": jpegjax.encode(inks, mode="CMYK", arithmetic=True),
        "restarts": jpegjax.encode(inks, mode="CMYK", restart_rows=1),
        "apart": jpegjax.encode(inks, mode="CMYK", subsampling="4:1:0"),
        "noise": jpegjax.encode(np.random.default_rng(3).integers(0, 256, (21, 30, 4)).astype(np.uint8), mode="CMYK"),
        "1x1": jpegjax.encode(inks[:1, :1], mode="CMYK"),
    }
    for factors in ((1, 1), (2, 1), (2, 2)):
        sampling = [factors, (1, 1), (1, 1), factors]
        for progressive in (False, True):
            process = Process.PROGRESSIVE if progressive else Process.BASELINE
            source = low_frequencies(ColorSpace.YCCK, sampling, process=process)
            name = f"YCCK {factors}{' progressive' if progressive else ''}"
            made[name] = jpegjax.write_coefficients(source, progressive=progressive)
    return made


FILES = files()


COMPILED = ("4:4:4", "YCCK (2, 2)")
"""Of the xla engine by default: each frame is a program to compile."""
EACH = [
    pytest.param(name, engine, marks=() if engine == "host" or name in COMPILED else pytest.mark.slow)
    for name in FILES
    for engine in ENGINES
]


@pytest.mark.parametrize(("name", "engine"), EACH)
def test_rgb_is_pillows(name: str, engine: str) -> None:
    wanted = formula(jpegjax.decode(FILES[name]), 255) if name == "arithmetic" else theirs(FILES[name])
    assert np.array_equal(jpegjax.decode(FILES[name], mode="RGB", engine=engine), wanted)


@pytest.mark.parametrize("engine", ENGINES)
def test_lists_of_all_kinds(engine: str) -> None:
    rgb, grey = jpegjax.encode(picture(20, 30)), jpegjax.encode(picture(20, 30, 1))
    several = [rgb, FILES["4:4:4"], grey, *[FILES["YCCK (2, 2)"]] * 3]
    found = jpegjax.decode(several, mode="RGB", engine=engine)
    for data, pixels in zip(several, found, strict=True):
        assert np.array_equal(pixels, theirs(data))


def test_pixels_stay_on_the_device() -> None:
    for name in ("4:4:4",):
        found = jpegjax.decode([FILES[name]] * 5, mode="RGB", device="cpu")
        assert all(isinstance(x, jax.Array) and np.array_equal(x, theirs(FILES[name])) for x in found)


@pytest.mark.parametrize("engine", ENGINES)
def test_parts_and_scales_are_those_of_the_inks(engine: str) -> None:
    for name in ("4:4:4", "4:2:0", "progressive", "restarts", "YCCK (2, 2)"):
        for options in (
            {"scale": "1/2"},
            {"scale": "3/8"},
            {"crop": (3, 5, 20, 9)},
            {"scale": 2, "crop": (1, 2, 30, 40)},
        ):
            inks = jpegjax.decode(FILES[name], engine=engine, **options)
            assert np.array_equal(jpegjax.decode(FILES[name], mode="RGB", engine=engine, **options), formula(inks, 255))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("bits", "options"), [(12, {"precision": 12}), (16, {"lossless": True}), (8, {"lossless": True})]
)
def test_deep_and_lossless_inks(bits: int, options: dict, engine: str) -> None:
    inks = np.random.default_rng(bits).integers(0, 1 << bits, (19, 23, 4)).astype(np.uint16 if bits > 8 else np.uint8)
    data = jpegjax.encode(inks, mode="CMYK", **options)
    found = jpegjax.decode(data, mode="RGB", engine=engine)
    assert np.array_equal(found, formula(jpegjax.decode(data), (1 << bits) - 1)) and found.dtype == inks.dtype


def test_all_inks_at_8_bits_are_as_pillow_has_them() -> None:
    """Every value of an ink over every value of black."""
    c, k = np.meshgrid(np.arange(256), np.arange(256))
    inks = np.stack([c, c[::-1], 255 - c, k], -1).astype(np.uint8)
    data = jpegjax.encode(inks, mode="CMYK", lossless=True)
    known = np.asarray(Image.frombytes("CMYK", (256, 256), inks.tobytes()).convert("RGB"))
    assert np.array_equal(jpegjax.decode(data, mode="RGB"), known)


def profile() -> bytes:
    """A press that is darker than the plain formula: LUT profile of CMYK to Lab, made by hand (ICC.1 10.10, mft1)."""
    grid, curve = 2, bytes(range(256))
    nodes = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    lab = bytearray()
    for c, m, y, k in nodes:
        light = 0 if k else max(0, 240 - 60 * (c + m + y))
        lab += bytes([light, 128 + (0 if k else 50 * m - 30 * c), 128 + (0 if k else 60 * y - 40 * c)])
    matrix = b"".join((65_536 if i in (0, 4, 8) else 0).to_bytes(4, "big") for i in range(9))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, grid, 0]) + matrix + curve * 4 + bytes(lab) + curve * 3
    lut += bytes(-len(lut) % 4)
    text = b"text\0\0\0\0public\0" + b"\0"
    white = b"XYZ \0\0\0\0" + b"".join(int(v * 65_536).to_bytes(4, "big") for v in (0.9642, 1.0, 0.8249))
    desc = b"desc\0\0\0\0\0\0\0\x05test\0" + bytes(78)
    desc += bytes(-len(desc) % 4)
    parts = [(b"A2B0", lut), (b"cprt", text + bytes(-len(text) % 4)), (b"wtpt", white), (b"desc", desc)]
    at, table, body = 128 + 4 + 12 * len(parts), b"", b""
    for name, part in parts:
        table += name + (at + len(body)).to_bytes(4, "big") + len(part).to_bytes(4, "big")
        body += part
    head = bytearray(128)
    head[8:12], head[12:24] = b"\x02\x10\0\0", b"prtrCMYKLab "
    head[36:40], head[68:80] = b"acsp", white[8:]
    whole = bytes(head) + len(parts).to_bytes(4, "big") + table + body
    return len(whole).to_bytes(4, "big") + whole[4:]


def managed(inks: Image.Image, icc: bytes) -> np.ndarray:
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    return np.asarray(ImageCms.profileToProfile(inks, source, ImageCms.createProfile("sRGB"), outputMode="RGB"))


@pytest.mark.parametrize("suffix", ["png", "ppm", "bmp"])
def test_files_of_inks_on_the_command_line(run: Run, suffix: str) -> None:
    icc = profile()
    for name, extra in (("bare", {}), ("pressed", {"icc_profile": icc})):
        Path(f"{name}.jpg").write_bytes(jpegjax.encode(picture(37, 53, 4), mode="CMYK", **extra))
        answer = run("decode", f"{name}.jpg", "-o", f"{name}.{suffix}")
        assert answer.code == 0 and "CMYK became RGB by the plain formula" in answer.err
        assert ("--color-managed goes by its ICC profile" in answer.err) is (name == "pressed")
        with Image.open(f"{name}.{suffix}") as image:
            assert np.array_equal(image, theirs(Path(f"{name}.jpg").read_bytes())) and "icc_profile" not in image.info
        by_profile = run("decode", f"{name}.jpg", "-o", f"{name}2.{suffix}", "--color-managed")
        assert by_profile.code == 0
        with Image.open(f"{name}.jpg") as inks, Image.open(f"{name}2.{suffix}") as image:
            wanted = managed(inks, icc) if name == "pressed" else np.asarray(inks.convert("RGB"))
            assert np.array_equal(image, wanted)
            if name == "pressed":
                assert np.abs(wanted.astype(int) - np.asarray(inks.convert("RGB"))).max() > 20
        assert ("it has no ICC profile" in by_profile.err) is (name == "bare")


def test_what_stays_inks_and_what_is_refused(run: Run) -> None:
    Path("x.jpg").write_bytes(jpegjax.encode(picture(9, 9, 4), mode="CMYK", icc_profile=profile()))
    assert run("decode", "x.jpg", "-o", "x.tiff").code == 0
    with Image.open("x.tiff") as image:
        assert image.mode == "CMYK" and image.info["icc_profile"] == profile()
    assert run("decode", "x.jpg", "-o", "r.tiff", "--mode", "RGB").code == 0
    with Image.open("r.tiff") as image:
        assert np.array_equal(image, theirs(Path("x.jpg").read_bytes()))
    assert "--color-managed gives RGB" in run("decode", "x.jpg", "--color-managed", "--mode", "CMYK").err
    broken = profile().replace(b"A2B0", b"XXXX")
    Path("b.jpg").write_bytes(jpegjax.encode(picture(9, 9, 4), mode="CMYK", icc_profile=broken))
    refused = run("decode", "b.jpg", "-o", "b.png", "--color-managed")
    assert refused.code == 1 and "cannot be applied" in refused.err and not Path("b.png").exists()
    deep = picture(9, 9, 4).astype(np.uint16) * 16
    Path("d.jpg").write_bytes(jpegjax.encode(deep, mode="CMYK", precision=12, icc_profile=profile()))
    assert "say --depth 8 too" in run("decode", "d.jpg", "--color-managed").err
    assert run("decode", "d.jpg", "--color-managed", "--depth", "8").code == 0


def test_case_of_others(run: Run, shared: Path) -> None:
    case = shared / "cases" / "cmyk.jpg"
    if not case.is_file():
        pytest.skip("no cases")
    for suffix in ("png", "ppm"):
        assert run("decode", case, "-o", f"x.{suffix}").code == 0
        with Image.open(f"x.{suffix}") as image:
            assert np.array_equal(image, theirs(case.read_bytes()))
