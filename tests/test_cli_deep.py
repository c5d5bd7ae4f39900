"""Pictures of more than 8 bits keep their bits on the command line, or it says so. Oracles: imagecodecs, tifffile, Pillow."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from command_line import Run
from PIL import Image, features
from streams import icc_profile

import jpegjax
from jpegjax.cli.pictures import Refused, load, save
from jpegjax.cli.pictures.png import chunk

PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def deep(height: int, width: int, channels: int, largest: int = 65_535) -> np.ndarray:
    """Waves in every bit, [H, W] or [H, W, channels]."""
    y, x, c = np.ogrid[:height, :width, :channels]
    samples = ((y * 1_237 + x * 811 + c * 7_919) * (1 + (x + y) % 3) % (largest + 1)).astype(np.uint16)
    return samples[..., 0] if channels == 1 else samples


def filtered(samples: np.ndarray, first: int) -> bytes:
    """Rows of a PNG by filters first, first + 1, … in turn (PNG 9.2, written as the formulas stand there)."""
    octets = samples.astype(">u2").view(np.uint8).reshape(len(samples), -1).astype(int)
    out, above, n = b"", np.zeros(octets.shape[1], int), 2 * samples.shape[2]
    for y, row in enumerate(octets):
        kind = (first + y) % 5
        left = np.concatenate([np.zeros(n, int), row[:-n]])
        corner = np.concatenate([np.zeros(n, int), above[:-n]])
        p = left + above - corner
        a, b, c = abs(p - left), abs(p - above), abs(p - corner)
        paeth = np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))
        guess = (0, left, above, (left + above) // 2, paeth)[kind]
        out += bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes()
        above = row
    return out


def png(samples: np.ndarray, interlaced: bool = False, first: int = 0, extra: bytes = b"") -> bytes:
    cube = samples if samples.ndim == 3 else samples[..., None]
    height, width, channels = cube.shape
    grids = PASSES if interlaced else ((0, 0, 1, 1),)
    parts = [cube[y::down, x::right] for y, x, down, right in grids]
    stream = zlib.compress(b"".join(filtered(part, first) for part in parts if part.size))
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, interlaced)
    idat = b"".join(chunk(b"IDAT", stream[i : i + 700]) for i in range(0, len(stream), 700))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + idat + chunk(b"IEND", b"")


def pnm(samples: np.ndarray, largest: int, plain: bool = False, comment: bytes = b"") -> bytes:
    kind = (3 if samples.ndim == 3 else 2) + (0 if plain else 3)
    head = b"P%d\n%s%d %d\n%d\n" % (kind, comment, samples.shape[1], samples.shape[0], largest)
    body = " ".join(map(str, samples.ravel())).encode() if plain else samples.astype(">u2").tobytes()
    return head + body


def kept(data: bytes) -> np.ndarray:
    return load(data, precision=None, lossless=True).pixels


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 17), (33, 20)])
def test_png_of_16_bits_is_read_whole(size: tuple[int, int], channels: int, interlaced: bool) -> None:
    samples = deep(*size, channels)
    if channels in (2, 4):
        samples[..., -1] = 65_535
    for first in range(5 if size == (9, 17) else 1):
        data = png(samples, interlaced, first)
        assert np.array_equal(imagecodecs.png_decode(data).reshape(samples.shape), samples)
        colors = (
            samples[..., : channels - 1].squeeze(-1)
            if channels == 2
            else samples[..., :3]
            if channels == 4
            else samples
        )
        assert np.array_equal(kept(data), colors)


def test_clear_pictures_of_16_bits() -> None:
    samples = deep(5, 6, 4)
    with pytest.raises(Refused, match="transparency"):
        kept(png(samples))
    got = load(png(samples), precision=None, lossless=True, background="#ff0080").pixels
    a, below = samples[..., 3:] / 65_535, np.array([65_535, 0, 128 * 257])
    assert abs(got - (samples[..., :3] * a + below * (1 - a))).max() <= 0.5
    key = png(deep(5, 6, 3), extra=chunk(b"tRNS", deep(5, 6, 3)[2, 3].astype(">u2").tobytes()))
    shown = load(key, precision=None, lossless=True, background="white").pixels
    differ = (shown != deep(5, 6, 3)).any(-1)
    assert differ.sum() == 1 and (shown[2, 3] == 65_535).all()
    eight = Image.fromarray((samples >> 8).astype(np.uint8))
    out = io.BytesIO()
    eight.save(out, "PNG")
    below = Image.new("RGBA", eight.size, (255, 0, 128, 255))
    assert np.array_equal(
        load(out.getvalue(), background="#ff0080").pixels,
        np.asarray(Image.alpha_composite(below, eight).convert("RGB")),
    )


@pytest.mark.parametrize("compression", ["none", "lzw", "adobe_deflate", "zstd"])
@pytest.mark.parametrize("tile", [None, (32, 16)])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb", "separated"])
def test_tiff_of_16_bits_is_read_whole(compression: str, tile: tuple[int, int] | None, photometric: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    samples = deep(45, 70, {"rgb": 3, "separated": 4}.get(photometric, 1))
    for order in "<>":
        for apart in ("contig", "separate") if samples.ndim == 3 else (None,):
            for predictor in (False, True) if compression != "none" else (False,):
                out = io.BytesIO()
                content = np.moveaxis(samples, -1, 0) if apart == "separate" else samples
                tifffile.imwrite(
                    out, np.ascontiguousarray(content), photometric=photometric, planarconfig=apart, tile=tile,
                    compression=compression, predictor=predictor, byteorder=order, rowsperstrip=None if tile else 13,
                    metadata=None,
                )  # fmt: skip
                if photometric == "miniswhite" and order == ">":
                    continue  # Pillow does not know these
                got = kept(out.getvalue())
                assert np.array_equal(got, 65_535 - samples if photometric == "miniswhite" else samples)


@pytest.mark.parametrize("largest", [256, 1_000, 1_023, 4_095, 65_534, 65_535])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("plain", [False, True])
def test_pnm_of_any_depth(largest: int, channels: int, plain: bool) -> None:
    samples = deep(7, 9, channels, largest)
    data = pnm(samples, largest, plain, b"# by formula\n")
    loaded = load(data, precision=None, lossless=True)
    top = (1 << largest.bit_length()) - 1
    assert loaded.bits == largest.bit_length()
    assert np.array_equal(loaded.pixels, (samples.astype(int) * top + largest // 2) // largest)
    assert bool(loaded.notes) is (top != largest)
    twelve = load(data, precision=12).pixels
    assert np.array_equal(twelve, (samples.astype(int) * 4_095 + largest // 2) // largest)
    with pytest.raises(Refused, match="--precision 12, --lossless, or --depth 8"):
        load(data)
    eight = load(data, depth=8)
    assert np.array_equal(eight.pixels, (samples.astype(int) * 255 + largest // 2) // largest) and eight.notes


def test_damaged_deep_files_are_refused_by_name() -> None:
    whole = png(deep(9, 8, 3))
    broken = bytearray(whole)
    broken[60] ^= 255
    for data, words in [
        (whole[:-20], "PNG"),
        (bytes(broken), "PNG"),
        (png(deep(2, 8, 3)).replace(struct.pack(">II", 8, 2), struct.pack(">II", 8, 3)), "PNG"),
        (pnm(deep(4, 5, 3), 65_535)[:-1], "PNM: 59 samples of 60"),
        (pnm(deep(4, 5, 1), 300), "maxval 300"),
        (pnm(deep(4, 5, 1), 65_535, True) + b" x", "is no digit"),
        (b"P5 60000 60000 65535\n", "0 samples"),
    ]:
        with pytest.raises((Refused, OSError, SyntaxError), match=words if words != "PNG" else "."):
            kept(data)


def test_what_reads_no_deep_png_does_not_wait_for_numba() -> None:
    code = "import sys, jpegjax.cli.boxes; print('numba' in sys.modules, 'PIL.ImageCms' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.filterwarnings("ignore")  # Pillow's, which the command line keeps quiet too
def test_mutants_end_in_pixels_or_one_of_few_errors() -> None:
    tifffile, rng = pytest.importorskip("tifffile"), np.random.default_rng(1)
    sources = [
        png(deep(9, 17, 3)),
        png(deep(9, 17, 4), True),
        pnm(deep(7, 9, 3), 65_535),
        pnm(deep(7, 9, 3), 1_000, True),
    ]
    for how in ({}, {"compression": "lzw", "predictor": True}, {"tile": (16, 16), "compression": "zlib"}):
        out = io.BytesIO()
        tifffile.imwrite(out, deep(40, 50, 3), photometric="rgb", metadata=None, **how)
        sources.append(out.getvalue())
    ends = set()
    for i in range(700):
        data = bytearray(sources[i % len(sources)])
        for at in rng.integers(0, min(len(data), 400), rng.integers(1, 5)):
            data[at] = rng.integers(0, 256)
        try:
            load(bytes(data[: len(data) if i % 5 else rng.integers(1, len(data))]), background="white", depth=8,
                 limit_pixels=1 << 22)  # fmt: skip
            ends.add("pixels")
        except (Refused, OSError, SyntaxError, ValueError) as error:
            ends.add(type(error).__name__)
    assert {"pixels", "Refused", "OSError"} <= ends


@pytest.mark.parametrize("bits", [2, 7, 9, 10, 12, 13, 15, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", ["png", "tiff", "ppm"])
def test_one_scale_both_ways(bits: int, channels: int, suffix: str) -> None:
    """White is white in every format, and comes back as it was."""
    top = (1 << bits) - 1
    samples = deep(20, 31, channels, top)
    samples.flat[:2] = 0, top
    samples = samples.astype(np.uint8) if bits < 8 else samples
    data = save(samples, suffix, bits=bits, orientation=1, notes=[])
    if suffix != "ppm" and channels * bits != 48:
        with Image.open(io.BytesIO(data)) as picture:
            seen = np.asarray(picture)
        assert seen.max() == (255 if seen.dtype == np.uint8 else 65_535)
    if suffix == "png" and bits > 8:
        assert imagecodecs.png_decode(data).max() == 65_535
        assert (b"sBIT" in data) is (bits < 16)
    loaded = load(data, precision=bits, lossless=True)
    assert loaded.bits == bits and np.array_equal(loaded.pixels, samples)


def test_written_files_are_what_others_read() -> None:
    tifffile = pytest.importorskip("tifffile")
    for channels in (1, 3, 4):
        samples = deep(37, 53, channels)
        tiff = save(samples, "tiff", bits=16, beside={"icc_profile": icc_profile(200)}, notes=[])
        assert np.array_equal(tifffile.imread(io.BytesIO(tiff)), samples)
        assert Image.open(io.BytesIO(tiff)).info["icc_profile"] == icc_profile(200)
        if channels < 4:
            assert np.array_equal(
                imagecodecs.png_decode(save(samples, "png", bits=16, orientation=1, notes=[])), samples
            )
            turned = imagecodecs.png_decode(save(samples, "png", bits=16, orientation=6, notes=[]))
            assert np.array_equal(turned, np.rot90(samples, -1))


@pytest.mark.parametrize("name", ["a.png", "a.ppm", "a.tif"])
def test_deep_colour_on_the_command_line(run: Run, name: str) -> None:
    samples = deep(24, 33, 3)
    suffix = {"a.tif": "tiff"}.get(name, name[2:])
    Path(name).write_bytes(save(samples, suffix, bits=16, orientation=1, notes=[]))
    refused = run("encode", name)
    assert (
        refused.code == 1 and "--precision 12, --lossless, or --depth 8" in refused.err and not Path("a.jpg").exists()
    )
    assert run("encode", name, "--lossless", "--psnr").code == 0
    assert np.array_equal(jpegjax.decode("a.jpg"), samples)
    assert run("encode", name, "--precision", "12", "--lossless", "-o", "l.jpg").code == 0
    twelve = ((samples.astype(int) * 4_095 + 32_767) // 65_535).astype(np.uint16)
    assert np.array_equal(jpegjax.decode("l.jpg"), twelve)
    assert run("encode", name, "--precision", "12", "-o", "p.jpg").code == 0
    assert Path("p.jpg").read_bytes() == jpegjax.encode(twelve, precision=12)
    said = run("encode", name, "--depth", "8", "-o", "e.jpg")
    assert said.code == 0 and "16 bits a sample became 8" in said.err
    eight = ((samples.astype(int) * 255 + 32_767) // 65_535).astype(np.uint8)
    assert Path("e.jpg").read_bytes() == jpegjax.encode(eight)
    for back in ("png", "ppm", "tiff"):
        assert run("decode", "l.jpg", "-o", f"back.{back}", "--overwrite").code == 0
        assert (
            run("encode", f"back.{back}", "--lossless", "--precision", "12", "-o", "again.jpg", "--overwrite").code == 0
        )
        assert np.array_equal(jpegjax.decode("again.jpg"), twelve)
    assert "BMP holds 8: say --depth 8" in run("decode", "l.jpg", "-f", "bmp").err
    assert "12 bits a sample became 8" in run("decode", "l.jpg", "-f", "bmp", "--depth", "8").err
    assert "give one of them" in run("encode", name, "--depth", "8", "--precision", "12", "-o", "x.jpg").err


def test_readers_that_drop_bits_are_found_out(run: Run) -> None:
    """JPEG 2000 and SGI of 16 bits in colour: Pillow gives 8."""
    samples = deep(40, 40, 3)
    Path("a.jp2").write_bytes(imagecodecs.jpeg2k_encode(samples, level=0))
    head = struct.pack(">hBBHHHHii", 474, 0, 2, 3, 40, 40, 3, 0, 65_535).ljust(512, b"\0")
    Path("b.sgi").write_bytes(head + np.moveaxis(samples, -1, 0)[:, ::-1].astype(">u2").tobytes())
    Image.fromarray(np.ones((8, 8), np.float32)).save("f.tif")
    Image.fromarray(np.ones((8, 8), np.int32)).save("i.tif")
    for name in ("a.jp2", "b.sgi"):
        for flags in ((), ("--lossless",), ("--precision", "12")):
            assert "say --depth 8 for what it keeps" in run("encode", name, *flags).err
        assert "16 bits a sample became 8, by its reader" in run("encode", name, "--depth", "8").err
    for name in ("f.tif", "i.tif"):
        assert "convert it to 8 or 16 bits" in run("encode", name, "--lossless").err
    grey = deep(40, 40, 1, 4_095)
    Path("g.jp2").write_bytes(imagecodecs.jpeg2k_encode(grey, level=0, bitspersample=12, reversible=True))
    assert np.array_equal(load(Path("g.jp2"), precision=12).pixels, grey)
    pairs = grey.reshape(-1, 2).astype(int)
    packed = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], 1).astype(
        np.uint8
    )
    tags = {256: 40, 257: 40, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 40, 279: packed.size}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = struct.pack("<2sHI", b"II", 42, 8 + packed.size)
    data = head + packed.tobytes() + struct.pack("<H", len(tags)) + entries + bytes(4)
    assert np.array_equal(load(data, precision=12).pixels, grey)


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_avif_is_known_by_its_boxes(bits: int) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    data = imagecodecs.avif_encode(deep(64, 64, 3, (1 << bits) - 1), bitspersample=bits)
    with pytest.raises(Refused, match=f"{bits} bits a sample, of which its reader keeps 8"):
        kept(data)
    assert load(data, depth=8).notes == [f"{bits} bits a sample became 8, by its reader"]


def test_comparisons_refuse_deep_pictures_too(tmp_path: Path) -> None:
    from jpegjax.report.measured import load as read

    samples = deep(20, 24, 3)
    for suffix in ("png", "tiff", "ppm"):
        (tmp_path / f"x.{suffix}").write_bytes(save(samples, suffix, bits=16, notes=[]))
        with pytest.raises(ValueError, match="more than 8 bits a sample"):
            read(tmp_path / f"x.{suffix}")
        (tmp_path / f"y.{suffix}").write_bytes(save((samples >> 8).astype(np.uint8), suffix, bits=8, notes=[]))
        assert np.array_equal(read(tmp_path / f"y.{suffix}"), samples >> 8)


def test_cases_of_others(run: Run, shared: Path) -> None:
    folder = shared / "cases"
    if not (folder / "grey12.jpg").is_file():
        pytest.skip("no cases")
    for name in ("rgb16.png", "rgb16.ppm"):
        assert run("encode", folder / name, "-o", "x.jpg").code == 1
        assert run("encode", folder / name, "-o", "x.jpg", "--lossless", "--overwrite").code == 0
        assert jpegjax.decode("x.jpg").dtype == np.uint16
    assert run("decode", folder / "grey12.jpg", "-o", "g.png").code == 0
    with Image.open("g.png") as picture:
        assert np.asarray(picture).max() > 65_000
    assert run("encode", "g.png", "--precision", "12", "--lossless", "-o", "g.jpg").code == 0
    assert np.array_equal(jpegjax.decode("g.jpg"), jpegjax.decode(folder / "grey12.jpg"))
