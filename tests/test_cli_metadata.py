"""Profiles, EXIF, XMP, resolution and comments go along on the command line, both ways; what cannot is said. Oracle: Pillow."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, opened, photo
from oracles import pillow
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin, features

import jpegjax
from jpegjax.cli.pictures.png import chunk

RGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GREY = RGB[:16] + b"GRAY" + RGB[20:]
INKS = RGB[:16] + b"CMYK" + RGB[20:]
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    b'tiff:Orientation="6" dc:title="t"/></rdf:RDF></x:xmpmeta>'
)


def tags(orientation: int | None = None) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0131] = "Maker", "Programme"
    if orientation is not None:
        exif[0x0112] = orientation
    exif.get_ifd(0x8769).update({0xA002: 50, 0xA003: 35, 0x9003: "2024:05:06 07:08:09"})
    exif.get_ifd(0x8825).update({1: "N", 2: (Fraction(48), Fraction(8), Fraction(5))})
    return exif


def written(kind: str, mode: str = "RGB", **settings: object) -> bytes:
    out = io.BytesIO()
    photo().convert(mode).save(out, kind, **settings)
    return out.getvalue()


def coded(run: Run, data: bytes, suffix: str, *flags: str) -> tuple[jpegjax.api.JpegInfo, str]:
    """(what the JPEG file says, stderr)."""
    Path(f"in.{suffix}").write_bytes(data)
    answer = run("encode", f"in.{suffix}", "-o", "out.jpg", "--overwrite", *flags)
    assert answer.code == 0, answer.err
    return jpegjax.info("out.jpg"), answer.err


def texts(**words: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for name, word in words.items():
        info.add_text(name, word)
    return info


SOURCES = {
    "png": lambda: written("PNG", icc_profile=RGB, exif=tags(), dpi=(300, 150), pnginfo=texts(Comment="of a PNG")),
    "webp": lambda: written("WEBP", icc_profile=RGB, exif=tags().tobytes(), xmp=XMP, lossless=True),
    "jpg": lambda: pillow(photo(), icc_profile=RGB, exif=tags(), xmp=XMP, dpi=(300, 150), comment=b"of a JPEG"),
    "avif": lambda: written("AVIF", icc_profile=RGB, exif=tags(), xmp=XMP),
    "tif": lambda: written("TIFF", icc_profile=RGB, dpi=(300, 150), exif=tags().tobytes()),
    "gif": lambda: written("GIF", "L", comment=b"of a GIF"),
    "bmp": lambda: written("BMP", dpi=(300, 150)),
}
HOLDS = {
    "png": {"icc", "exif", "dpi", "comment"}, "webp": {"icc", "exif", "xmp"}, "jpg": {"icc", "exif", "xmp", "dpi", "comment"},
    "avif": {"icc", "exif", "xmp"}, "tif": {"icc", "exif", "dpi"}, "gif": {"comment"}, "bmp": {"dpi"},
}  # fmt: skip


@pytest.mark.parametrize("suffix", SOURCES)
def test_metadata_of_every_format_is_kept(run: Run, suffix: str) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    data = SOURCES[suffix]()
    found, said = coded(run, data, suffix, *(() if suffix == "avif" else ("--verify",)))
    metadata, holds = found.metadata, HOLDS[suffix]
    assert "left out" not in said
    assert (metadata.icc_profile == RGB) is ("icc" in holds)
    assert bool(metadata.comments) is ("comment" in holds)
    assert (metadata.density == (1, 300, 150)) is ("dpi" in holds)
    assert (metadata.xmp is not None and b"dc:title" in metadata.xmp) is ("xmp" in holds)
    assert (metadata.exif is not None) is ("exif" in holds)
    if "exif" in holds:
        kept = opened("out.jpg").getexif()
        assert kept[0x010F] == "Maker" and kept.get_ifd(0x8769)[0x9003] == "2024:05:06 07:08:09"
        assert kept.get_ifd(0x8825)[2][0] == 48
    stripped, said = coded(run, data, suffix, "--strip")
    assert not any(
        (stripped.metadata.icc_profile, stripped.metadata.exif, stripped.metadata.xmp, stripped.metadata.comments)
    )
    assert stripped.metadata.density == (0, 1, 1) and "left out" not in said
    only, _ = coded(run, data, suffix, "--strip", "--icc", "keep")
    assert (only.metadata.icc_profile == RGB) is ("icc" in holds) and only.metadata.exif is None


@pytest.mark.parametrize("suffix", ["ppm", "png", "tif"])
def test_bare_pictures_give_cjpegs_bytes(run: Run, suffix: str) -> None:
    coded(run, written({"tif": "TIFF"}.get(suffix, suffix.upper())), suffix, "--verify")
    assert Path("out.jpg").read_bytes() == pillow(photo())


def test_flags_go_before_what_a_picture_has(run: Run) -> None:
    Path("other").write_bytes(GREY[:16] + b"RGB " + GREY[20:-1] + b"!")
    found, _ = coded(run, SOURCES["png"](), "png", "--icc", "other", "--comment", "mine")
    assert found.metadata.icc_profile == Path("other").read_bytes() and found.metadata.comments == (b"mine",)
    assert found.metadata.density == (1, 300, 150)


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_a_turned_picture_says_what_is_so(run: Run, orientation: int) -> None:
    for suffix in ("png", "jpg", "tif"):
        exif = tags(orientation).tobytes()
        settings = {"xmp": XMP} if suffix == "jpg" else {}
        data = written({"tif": "TIFF", "jpg": "JPEG"}.get(suffix, "PNG"), exif=exif, **settings)
        found, _ = coded(run, data, suffix, "--exif-transpose")
        assert (found.metadata.orientation or 1) == 1
        inner = opened("out.jpg").getexif().get_ifd(0x8769)
        assert (inner[0xA002], inner[0xA003]) == (found.width, found.height)
        assert (found.width > found.height) is (orientation < 5)
        assert found.metadata.xmp is None or b'Orientation="1"' in found.metadata.xmp
        if suffix != "tif":
            kept, _ = coded(run, data, suffix)
            assert kept.metadata.orientation == orientation


def test_thumbnails_of_turned_pictures_go() -> None:
    from jpegjax.cli.pictures.metadata import without_thumbnail

    for order in ("<", ">"):
        exif = Image.Exif()
        exif.endian = order
        exif[0x010F] = "Maker"
        exif.get_ifd(1).update({0x0100: 16})
        data = exif.tobytes()
        before, after = Image.Exif(), Image.Exif()
        before.load(data)
        after.load(without_thumbnail(data))
        assert after.get_ifd(1) == {} and after[0x010F] == "Maker"
    assert without_thumbnail(b"Exif\0\0II*\0\xff\0\0\0") == b"Exif\0\0II*\0\xff\0\0\0"


@pytest.mark.parametrize(
    ("make", "flags", "words"),
    [
        (lambda: written("PNG", icc_profile=RGB), ("--grayscale",), "ICC profile of RGB left out: the picture is GRAY"),
        (lambda: written("PNG", icc_profile=INKS), (), "ICC profile of CMYK left out: the picture is RGB"),
        (lambda: written("PNG", "L", icc_profile=RGB), (), "ICC profile of RGB left out: the picture is GRAY"),
        (lambda: written("PNG", pnginfo=texts(Title="t", Author="a")), (), "texts left out: Author, Title"),
        (lambda: written("PNG", exif=b"Exif\0\0II*\0" + bytes(70_000)), (), "EXIF of 70010 bytes"),
        (lambda: written("PNG", pnginfo=texts(Comment="x" * 70_000)), (), "comment of more than 65533 bytes"),
        (lambda: written("PNG", dpi=(90, 90)), ("--lossless",), "resolution left out"),
    ],
    ids=["grey of RGB", "inks", "grey", "texts", "large EXIF", "long comment", "lossless"],
)  # fmt: skip
def test_what_is_dropped_is_said(run: Run, make, flags: tuple[str, ...], words: str) -> None:
    found, said = coded(run, make(), "png", *flags)
    assert words in said
    assert not (found.metadata.icc_profile or found.metadata.exif or found.metadata.comments or found.metadata.dpi)


def test_other_segments_of_jpeg_files_are_named(run: Run) -> None:
    data = pillow(photo())
    photoshop = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\0"
    more = b"\xff\xed" + (len(photoshop) + 2).to_bytes(2, "big") + photoshop + b"\xff\xfe\0\x05one\xff\xfe\0\x05two"
    found, said = coded(run, data[:20] + more + data[20:], "jpg")
    assert found.metadata.comments == (b"one",) and "1 more comments left out" in said and "APP13 left out" in said


def test_folders_are_coded_together_though_each_has_its_own(run: Run) -> None:
    Path("in").mkdir()
    for i in range(12):
        exif = tags()
        exif[0x0131] = f"Programme {i}"
        photo(i).save(f"in/{i}.png", exif=exif)
    assert run("encode", "in", "-o", "out").code == 0
    for i in range(12):
        assert opened(f"out/{i}.jpg").getexif()[0x0131] == f"Programme {i}"
    assert run("encode", "in", "-o", "small", "--target-bytes", "1500").code == 0
    for i in range(12):
        assert Path(f"small/{i}.jpg").stat().st_size <= 1500 and opened(f"small/{i}.jpg").getexif()[0x0131]


def source(**more: object) -> bytes:
    return pillow(photo(), icc_profile=RGB, exif=tags(6), xmp=XMP, dpi=(300, 150), comment="grün".encode(), **more)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("turn", [False, True])
def test_decoded_pictures_keep_metadata(run: Run, suffix: str, turn: bool) -> None:
    Path("x.jpg").write_bytes(source())
    answer = run("decode", "x.jpg", "-o", f"y.{suffix}", *(["--exif-transpose"] if turn else []))
    assert answer.code == 0 and "left out" not in answer.err
    with Image.open(f"y.{suffix}") as picture:
        way = picture.tag_v2.get(0x0112, 1) if suffix == "tiff" else None
        assert picture.info["icc_profile"] == RGB
        assert tuple(round(float(dots)) for dots in picture.info["dpi"]) == (300, 150)
        xmp = picture.tag_v2[700] if suffix == "tiff" else picture.info["xmp"]
        assert (b'Orientation="1"' in xmp) is turn and b"dc:title" in xmp
        comment = picture.tag_v2[270] if suffix == "tiff" else picture.text["Comment"]
        assert comment == "grün" if suffix == "png" else comment.startswith("gr")
        exif = picture.getexif()
        way = exif.get(0x0112, 1) if way is None else way
        assert way == (1 if turn else 6)
        assert exif[0x010F] == "Maker" and exif.get_ifd(0x8769)[0x9003] == "2024:05:06 07:08:09"
        assert exif.get_ifd(0x8825)[2][0] == 48
    found, _ = coded(run, Path(f"y.{suffix}").read_bytes(), suffix)
    assert found.metadata.icc_profile == RGB and found.metadata.density == (1, 300, 150) and found.metadata.xmp
    assert np.array_equal(jpegjax.decode("out.jpg").shape, (50, 35, 3) if turn or suffix == "tiff" else (35, 50, 3))


def test_parts_say_their_size(run: Run) -> None:
    Path("x.jpg").write_bytes(pillow(photo(), exif=tags()))
    assert run("decode", "x.jpg", "-o", "y.png", "--crop", "20x10+3+4").code == 0
    inner = opened("y.png").getexif().get_ifd(0x8769)
    assert (inner[0xA002], inner[0xA003]) == (20, 10)


@pytest.mark.parametrize(("suffix", "left"), [("ppm", "resolution, "), ("npy", "resolution, "), ("bmp", "")])
def test_formats_without_room_say_so(run: Run, suffix: str, left: str) -> None:
    Path("x.jpg").write_bytes(source())
    said = run("decode", "x.jpg", "-o", f"y.{suffix}").err
    assert f"ICC profile, EXIF, XMP, {left}comment left out ({suffix} holds none)" in said
    if suffix == "bmp":
        assert tuple(round(dots) for dots in opened("y.bmp").info["dpi"]) == (300, 150)


def test_deep_pictures_keep_theirs(run: Run) -> None:
    image = np.asarray(photo()).astype(np.uint16) * 16
    Path("x.jpg").write_bytes(
        jpegjax.encode(image, precision=12, icc_profile=RGB, exif=tags().tobytes(), dpi=(300, 150))
    )
    for suffix in ("png", "tiff"):
        assert run("decode", "x.jpg", "-o", f"y.{suffix}").code == 0
        found, said = coded(run, Path(f"y.{suffix}").read_bytes(), suffix, "--precision", "12")
        assert found.metadata.icc_profile == RGB and found.metadata.density == (1, 300, 150) and "left out" not in said
        assert opened(f"y.{suffix}").getexif()[0x010F] == "Maker"


def test_grey_of_colour_and_odd_exif(run: Run) -> None:
    Path("x.jpg").write_bytes(pillow(photo(), icc_profile=RGB, comment=b"\xff\xfe\0"))
    assert (
        "ICC profile of RGB left out: the picture is GRAY" in run("decode", "x.jpg", "-o", "y.png", "--grayscale").err
    )
    assert "icc_profile" not in opened("y.png").info and opened("y.png").text["Comment"] == "ÿþ"
    Path("z.jpg").write_bytes(pillow(photo(), exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0"))
    for suffix in ("png", "tiff"):
        assert run("decode", "z.jpg", "-o", f"z.{suffix}").code == 0
        assert opened(f"z.{suffix}").size == (50, 35)


def test_claims_that_would_be_wrong_are_dropped(run: Run) -> None:
    gain = XMP.replace(b"<rdf:Description ", b'<rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" ')
    found, said = coded(run, pillow(photo(), xmp=gain), "jpg")
    assert found.metadata.xmp is None and "XMP that tells of what stood behind the picture" in said
    out = io.BytesIO()
    photo().save(out, "PNG")
    linear = out.getvalue()[:33] + chunk(b"gAMA", (100_000).to_bytes(4, "big")) + out.getvalue()[33:]
    assert "gamma 1 left out" in coded(run, linear, "png")[1]
    more = TiffImagePlugin.ImageFileDirectory_v2()
    more[33723], more[65000] = b"\x1c\x02\x78\0\1a", "own"
    _, said = coded(run, written("TIFF", tiffinfo=more), "tif")
    assert "TIFF tags left out: 33723 IptcNaaInfo" in said and "65000" in said


def test_damaged_metadata_is_said(run: Run) -> None:
    data = pillow(photo(), icc_profile=RGB)
    at = data.index(b"ICC_PROFILE\0") + 13
    broken = data[:at] + b"\x02" + data[at + 1 :]  # one chunk of two
    found, said = coded(run, broken, "jpg")
    assert found.metadata.icc_profile is None and "ICC profile is damaged" in said
    assert "ICC profile is damaged" in run("decode", "in.jpg", "-o", "y.png").err
    assert "icc_profile" not in opened("y.png").info
