"""Slips at the keyboard: outputs named as another format, abbreviated values, remedies in the library's words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Run, opened, photo
from oracles import jpegtran, pillow

import jpegjax

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def exif_of(orientation: int) -> bytes:
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + orientation.to_bytes(2, "big") + bytes(6)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("decode x.jpg -o y.jpg", "-o y.jpg: decode writes png, ppm, bmp, tiff, npy, not .jpg"),
        ("decode x.jpg -o y.WebP", "-o y.WebP: decode writes png, ppm"),
        ("encode x.png -o y.png", "-o y.png: encode writes JPEG files, .jpg, not .png"),
        ("transcode x.jpg -outf y.ppm", "-o y.ppm: transcode writes JPEG files"),
        ("encode x.png -o y.jpg --codec dft", "-o y.jpg: --codec writes .jxj files"),
        ("encode x.png -o y.jpg --predictor 3", "pass lossless=True; here: --lossless"),
        ("encode x.png -q=75 -o y.jpg", "a value needs a space: -q 75"),
        ("transcode x.jpg -o y.jpg -S 2x", "--size 2x: must be a number such as 50000, 50k"),
        ("transcode x.jpg -o y.jpg -copy q", "keep=['q']: must be"),
    ],
)
def test_refused_without_a_file(run: Run, line: str, complaint: str) -> None:
    photo().save("x.png")
    Path("x.jpg").write_bytes(pillow(photo()))
    answer = run(*line.split())
    assert answer.code == 2 and complaint in answer.err and not list(Path().glob("y*"))


def test_names_that_promise_nothing_are_taken(run: Run) -> None:
    photo().save("x.png")
    assert run("encode", "x.png", "-o", "y.bak", "--quiet").code == 0
    assert run("decode", "y.bak", "-o", "z.raw", "--quiet").code == 0 and opened("z.raw").format == "PNG"
    for name, kind in (("tif", "TIFF"), ("PGM", "PPM"), ("pnm", "PPM")):
        assert run("decode", "y.bak", "-f", name, "-o", f"z.{name}x", "--quiet").code == 0
        assert opened(f"z.{name}x").format == kind
    assert run("decode", "y.bak", "-f", "png", "-o", "z.jpg", "--quiet").code == 0  # who says so twice may


def test_a_file_in_the_way_of_a_folder_is_said(run: Run) -> None:
    photo().save("x.png")
    answer = run("encode", "x.png", "-o", "x.png/y.jpg")
    assert answer.code == 1 and "x.png/y.jpg: Not a directory" in answer.err


def test_remedies_are_flags(run: Run) -> None:
    Path("x.jpg").write_bytes(pillow(photo()))
    answer = run("transcode", "x.jpg", "-rot", "180", "-perf", "-o", "y.jpg")
    assert answer.code == 1 and answer.err.rstrip().endswith("; here: --trim, no --perfect")


@pytest.mark.needs("jpegtran")
@pytest.mark.parametrize("typed", ["n", "non", "A", "al", "c", "comm"])
def test_what_to_copy_may_be_cut_as_for_jpegtran(run: Run, typed: str) -> None:
    data = pillow(photo(), comment=b"hello", exif=exif_of(1))
    Path("x.jpg").write_bytes(data)
    assert run("transcode", "-cop", typed, "x.jpg", "-o", "y.jpg", "-q").err == ""
    assert Path("y.jpg").read_bytes() == jpegtran(data, "-optimize", "-copy", typed)


def test_size_takes_thousands(run: Run) -> None:
    data = pillow(photo(0, (300, 200)), quality=95)
    Path("x.jpg").write_bytes(data)
    for size, most in (("8k", 8000), ("8", 8192), ("0.01M", 10_000), ("8Ki", 8192)):
        assert run("transcode", "x.jpg", "-S", size, "-o", f"{size}.jpg", "--quiet").code == 0
        assert most * 0.7 < len(Path(f"{size}.jpg").read_bytes()) <= most


def test_a_turn_that_is_left_out_is_said_whoever_told_it(run: Run) -> None:
    plain = np.asarray(photo())
    told = {
        "exif": jpegjax.encode(plain, exif=exif_of(6)), "xmp": jpegjax.encode(plain, xmp=XMP),
        "both": jpegjax.encode(plain, exif=exif_of(6), xmp=XMP),
    }  # fmt: skip
    for name, data in told.items():
        Path(f"{name}.jpg").write_bytes(data)
        for kept in ("all", "exif", "xmp", "none", "exif,xmp", "comments"):
            answer = run("transcode", f"{name}.jpg", "--copy", kept, "-o", "y.jpg", "--overwrite")
            lost = jpegjax.info(Path("y.jpg").read_bytes()).metadata.orientation is None
            assert ("orientation 6 left out and not applied" in answer.err) == lost, (name, kept)
    assert "left out" not in run("transcode", "xmp.jpg", "-s", "--exif-transpose", "--no-trim", "-o", "z.jpg").err


def test_into_a_pipe_notes_are_lines_and_what_was_asked_for_is_none(run: Run) -> None:
    Path("p.jpg").write_bytes(pillow(photo()))
    assert run("decode", "p.jpg", "--scale", "1/2", redirected=True).err == ""
    Path("x.jpg").write_bytes(jpegjax.encode(np.asarray(photo()), exif=exif_of(6)))
    lines = run("decode", "x.jpg", "--crop", "9x9+1+1", redirected=True).err.splitlines()
    assert lines == [
        "jpegjax: x.jpg: EXIF orientation 6 not applied (--exif-transpose)",
        "jpegjax: x.jpg: EXIF left out (ppm holds none)",
    ]


def test_the_protocol_takes_cmyk_when_told() -> None:
    inks = np.asarray(photo().convert("CMYK"))
    codec = jpegjax.codecs.get("jpeg")
    assert codec.encode(inks, mode="CMYK", quality=90) == jpegjax.encode(inks, mode="CMYK", quality=90)
    with pytest.raises(ValueError, match="CMYK"):
        codec.encode(inks)
    with pytest.raises(ValueError, match="mode='RGBA': must be"):
        codec.encode(inks, mode="RGBA")


def test_an_empty_word_is_no_folder(run: Run) -> None:
    Path("x.jpg").write_bytes(data := pillow(photo()))
    for line in (
        ["transcode", "--in-place", ""],
        ["decode", "", "-o", "out"],
        ["info", ""],
        ["encode", "", "-o", "out"],
    ):
        answer = run(*line)
        assert answer.code == 1 and "'': no such file or folder" in answer.err, line
    assert Path("x.jpg").read_bytes() == data and [p.name for p in Path().iterdir()] == ["x.jpg"]


def test_limits_name_the_flag_that_lifts_them(run: Run) -> None:
    Path("x.jpg").write_bytes(pillow(photo(), progressive=True))
    for limit, flag in (
        ("--limit-pixels", "--limit-pixels"),
        ("--limit-memory", "--limit-memory"),
        ("--maxscans", "--maxscans"),
    ):
        answer = run("decode", "x.jpg", limit, "2k" if limit == "--limit-memory" else "2", "-o", "y.png")
        assert answer.code == 1 and answer.err.rstrip().endswith(f"; here: {flag}")


@pytest.mark.parametrize("flags", [["--huffman"], ["--max", "30", "-T", "99"], ["-s", "--huffman", "-T", "99"]])
def test_of_a_file_that_stays_nothing_else_is_said(run: Run, flags: list[str]) -> None:
    data = jpegjax.encode(np.asarray(photo()), arithmetic=True)
    Path("x.jpg").write_bytes(data)
    answer = run("transcode", "--in-place", "x.jpg", *flags)
    assert answer.code == 0 and Path("x.jpg").read_bytes() == data
    assert "stays as it is" in answer.err and "turned into" not in answer.err and "with loss" not in answer.err
