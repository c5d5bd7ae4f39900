"""Files that need a plug-in, or another program first, are named and counted; transparency that is none is no trouble."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, photo
from oracles import pillow
from PIL import Image

import jpegjax
from jpegjax.cli.pictures import Refused, foreign, load, offered_suffixes


def boxes(brand: bytes, *others: bytes) -> bytes:
    body = brand + bytes(4) + b"".join(others)
    return struct.pack(">I", 8 + len(body)) + b"ftyp" + body + bytes(60)


def tiff(*tags: tuple[int, int]) -> bytes:
    """A grey TIFF of 8 × 8, as the preview of a raw file is, with more tags of bytes."""
    entries = [(256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 8), (279, 64), *tags]
    packed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries))
    return struct.pack("<2sHI", b"II", 42, 72) + bytes(64) + struct.pack("<H", len(entries)) + packed + bytes(4)


FILES = {
    "a.heic": (boxes(b"heic", b"mif1"), "pip install pillow-heif"),
    "b.HEIF": (boxes(b"mif1", b"heic"), "pip install pillow-heif"),
    "c.hif": (boxes(b"heix"), "pip install pillow-heif"),
    "phone.jpg": (boxes(b"heic"), "pip install pillow-heif"),
    "d.jxl": (b"\xff\x0a" + bytes(40), "pip install pillow-jxl-plugin"),
    "e.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "pip install pillow-jxl-plugin"),
    "f.cr2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(40), "develop it first"),
    "g.tif": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(40), "develop it first"),
    "h.CR3": (boxes(b"crx "), "develop it first"),
    "i.nef": (tiff(), "develop it first"),
    "j.arw": (tiff(), "develop it first"),
    "k.dng": (tiff(), "develop it first"),
    "l.tif": (tiff((50_706, 0x0401)), "develop it first"),
    "m.raf": (b"FUJIFILMCCD-RAW 0201" + bytes(40), "develop it first"),
    "n.orf": (b"IIRO\x08\0\0\0" + bytes(40), "develop it first"),
    "o.rw2": (b"IIU\0\x18\0\0\0" + bytes(40), "develop it first"),
    "p.pdf": (b"%PDF-1.7\n" + bytes(40), "pdftoppm -png"),
    "q.svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "rsvg-convert"),
    "r.svg": (b"<svg/>", "rsvg-convert"),
    "s.svgz": (b"\x1f\x8b" + bytes(20), "rsvg-convert"),
    "t.heic": (b"no picture at all", "pip install pillow-heif"),
    "u.avif": (boxes(b"avif"), "damaged AVIF|pip install pillow-avif-plugin"),
}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without plug-ins, whatever is installed here."""
    monkeypatch.setattr(foreign, "find_spec", lambda name: None)


@pytest.mark.parametrize("name", FILES)
def test_each_is_named_with_what_helps(bare: None, tmp_path: Path, name: str) -> None:
    content, words = FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused, match=words):
        load(tmp_path / name)
    if name not in ("i.nef", "j.arw", "k.dng", "s.svgz", "t.heic"):  # these are known by their names
        with pytest.raises(Refused, match=words):
            load(content)


def test_plain_pictures_are_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "x.tif").write_bytes(tiff())
    assert load(tmp_path / "x.tif").pixels.shape == (8, 8)
    (tmp_path / "drawing.png").write_bytes(pillow(photo()))
    assert foreign.kind_of(tmp_path / "drawing.png") is None
    (tmp_path / "shared.heic").write_bytes(pillow(photo()))  # a JPEG file by its bytes
    assert load(tmp_path / "shared.heic").pixels.shape == (35, 50, 3)


def test_folders_count_what_cannot_be_read(bare: None, run: Run) -> None:
    Path("in").mkdir()
    photo().save("in/ok.png")
    Path("in/notes.txt").write_text("not a picture")
    for name in ("a.heic", "d.jxl", "i.nef", "p.pdf"):
        Path("in", name).write_bytes(FILES[name][0])
    answer = run("encode", "in", "-o", "out")
    assert answer.code == 1 and "4 of 5 failed" in answer.err and "pip install pillow-heif" in answer.err
    assert [path.name for path in Path("out").iterdir()] == ["ok.jpg"]
    assert {".heic", ".avif", ".jxl", ".nef", ".png"} <= offered_suffixes()


def test_a_plug_in_that_is_there_is_loaded(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for pillow-heif: to open a file it must be registered first, as the real one."""
    (tmp_path / "pillow_heif.py").write_text(
        "from PIL import Image, ImageFile\n"
        "class Stub(ImageFile.ImageFile):\n"
        "    format = 'HEIF'\n"
        "    def _open(self):\n"
        "        self._size, self._mode = (4, 3), 'L'\n"
        "        self.tile = [ImageFile._Tile('raw', (0, 0, 4, 3), 0, ('L', 0, 1))]\n"
        "def register_heif_opener():\n"
        "    Image.register_open('HEIF', Stub, lambda head: head[4:8] == b'ftyp')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    Image.init()
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    Path("x.heic").write_bytes(boxes(b"heic"))
    assert run("encode", "x.heic", "-o", "x.jpg").code == 0
    assert jpegjax.info("x.jpg").width == 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA", "RGBa"])
def test_opaque_throughout_is_no_transparency(run: Run, mode: str) -> None:
    plain = photo().quantize(32) if mode in ("P", "PA") else photo()
    name = "x.tif" if mode in ("PA", "RGBa") else "x.png"
    if mode == "P":
        plain.save(name, transparency=bytes([255] * 32))
    elif mode == "RGBa":
        pytest.importorskip("tifffile").imwrite(
            name, np.dstack([photo(), np.full((35, 50), 255, np.uint8)]), photometric="rgb", extrasamples=["assocalpha"]
        )
    else:
        plain.convert(mode).save(name)
    assert run("encode", name, "-o", "x.jpg", "--strip").code == 0
    wanted = photo().convert("L") if mode == "LA" else plain.convert("RGB")
    assert Path("x.jpg").read_bytes() == pillow(wanted)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "L", "RGB"])
def test_one_clear_pixel_is_enough_to_ask(run: Run, mode: str) -> None:
    if mode in ("RGBA", "LA"):
        picture, clear = photo().convert(mode), {}
        picture.putpixel((3, 4), (*picture.getpixel((3, 4))[:-1], 254))
    else:
        picture = photo().quantize(32) if mode == "P" else photo().convert(mode)
        value = picture.getpixel((3, 4))
        clear = {"transparency": value}
    picture.save("x.png", **clear)
    refused = run("encode", "x.png", "-o", "x.jpg")
    assert refused.code == 1 and "has transparency, which JPEG lacks: say --background COLOR" in refused.err
    assert run("encode", "x.png", "-o", "x.jpg", "--background", "white").code == 0
    out = io.BytesIO()
    picture.save(out, "PNG", **clear)
    over = Image.open(out).convert("RGBA")
    white = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    assert Path("x.jpg").read_bytes() == pillow(white.convert("L" if mode in ("LA", "L") else "RGB"))
