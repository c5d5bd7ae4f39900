"""Markers against Pillow: bytes written, headers read."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from PIL import Image
from streams import BASE, SOF, SOS, UNLIMITED, icc_profile, patched, pillow_file, scans

from jpegjax import CorruptJpeg, JpegError, Process, UnsupportedJpeg
from jpegjax.annex_k import (
    CHROMA_QUANTIZATION,
    LUMA_QUANTIZATION,
    STANDARD_AC_CHROMA,
    STANDARD_AC_LUMA,
    STANDARD_DC_CHROMA,
    STANDARD_DC_LUMA,
    quality_table,
)
from jpegjax.container import EOI, Reader, dht, dri, header, inspect, parse_header, sos
from jpegjax.options import Metadata
from jpegjax.types import ColorSpace

PILLOW_OPTIONS = [
    {},
    {"mode": "L"},
    {"mode": "CMYK"},
    {"subsampling": "4:4:4", "quality": 90},
    {"subsampling": "4:2:2", "quality": 1},
    {"optimize": True},
    {"progressive": True},
    {"progressive": True, "mode": "L"},
    {"restart_marker_blocks": 3},
    {"keep_rgb": True},
    {"mode": "CMYK", "dpi": (30, 31)},
    {"comment": b"a comment"},
    {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"},
    {"icc_profile": icc_profile(150)},
    {"icc_profile": icc_profile(153_600)},
    {"dpi": (300, 150)},
    {"xmp": b"<x:xmpmeta/>"},
    {
        "comment": "é".encode(),
        "exif": b"Exif\0\0II*\0",
        "icc_profile": icc_profile(128),
        "xmp": b"<x>",
        "dpi": (96, 96),
    },
    {"qtables": [list(range(1, 65)), [5] * 64, [6] * 64]},
]


@pytest.mark.parametrize("options", PILLOW_OPTIONS, ids=repr)
def test_headers_are_byte_identical_to_pillows(options):
    """Written anew from what was read, up to the first entropy-coded byte."""
    data = pillow_file(**options)
    reader = Reader(data, strict=True)
    scan = reader.next_scan()
    slots = (0,) * len(scan.components) if reader.frame.color is not ColorSpace.YCBCR else (0, 1, 1)
    wanted = {k: options.get(k) for k in ("dpi", "exif", "xmp", "icc_profile", "comment")}
    out = header(reader.frame, reader.qtables, Metadata(**wanted))
    written: set = set()
    for index, slot in zip(scan.components, slots, strict=True):
        for kind, tables in enumerate((scan.dc_tables, scan.ac_tables)):
            spec = tables[index]
            if spec is not None and (kind, slot) not in written:
                written.add((kind, slot))
                out += dht(kind, slot, spec)
    if scan.restart_interval:
        out += dri(scan.restart_interval)
    ids = [reader.frame.components[c].id for c in scan.components]
    ac = 0 if reader.frame.process.progressive else 1
    out += sos([(i, s, s * ac) for i, s in zip(ids, slots, strict=True)], scan.spectral, scan.approximation)
    assert data[: reader.position] == out
    assert data.endswith(EOI)


def test_standard_tables_are_pillows():
    data = pillow_file()
    for kind, slot, spec in [(0, 0, STANDARD_DC_LUMA), (1, 0, STANDARD_AC_LUMA), (0, 1, STANDARD_DC_CHROMA),
                             (1, 1, STANDARD_AC_CHROMA)]:  # fmt: skip
        assert dht(kind, slot, spec) in data


@pytest.mark.parametrize("quality", [1, 24, 25, 49, 50, 51, 75, 99, 100])
def test_quality_tables_are_pillows(quality):
    data = pillow_file(quality=quality)
    tables = Image.open(io.BytesIO(data)).quantization
    assert tables[0] == quality_table(LUMA_QUANTIZATION, quality).tolist()
    assert tables[1] == quality_table(CHROMA_QUANTIZATION, quality).tolist()
    assert (inspect(data).quality, inspect(data).quality_exact) == (quality, True)


def test_steps_above_255_make_16_bit_tables_and_sof1():
    steps = [list(range(200, 264)), list(range(64))]
    steps[1][0] = 9
    data = pillow_file(qtables=steps)
    reader = parse_header(data)
    assert reader.frame.process is Process.EXTENDED
    assert reader.qtables[0].tolist() == steps[0]
    assert data.startswith(header(reader.frame, reader.qtables))


def test_progressive_script():
    read = [(s.components, s.spectral, s.approximation) for s, _ in scans(pillow_file(progressive=True), strict=True)]
    assert read == [
        ((0, 1, 2), (0, 0), (0, 1)), ((0,), (1, 5), (0, 2)), ((2,), (1, 63), (0, 1)), ((1,), (1, 63), (0, 1)),
        ((0,), (6, 63), (0, 2)), ((0,), (1, 63), (2, 1)), ((0, 1, 2), (0, 0), (1, 0)), ((2,), (1, 63), (1, 0)),
        ((1,), (1, 63), (1, 0)), ((0,), (1, 63), (1, 0)),
    ]  # fmt: skip


def test_metadata_comes_back():
    exif = Image.Exif()
    exif[0x0112] = 6
    given = {
        "exif": exif.tobytes(),
        "icc_profile": icc_profile(70_000),
        "xmp": b"<x/>",
        "comment": b"c",
        "dpi": (72, 36),
    }
    m = inspect(pillow_file(**given)).metadata
    assert (m.exif, m.icc_profile, m.xmp, m.comments, m.dpi) == (*list(given.values())[:3], (b"c",), (72, 36))
    assert m.orientation == 6 and m.warnings == ()


@pytest.mark.parametrize("cut", range(6, 26))
def test_damaged_exif_is_a_warning(cut):
    exif = Image.Exif()
    exif[0x0112] = 6
    m = inspect(pillow_file(exif=exif.tobytes()[:cut])).metadata
    assert m.orientation is None and len(m.warnings) == 1


def test_incomplete_icc_is_a_warning():
    data = pillow_file(icc_profile=b"i" * 70_000)
    info = inspect(data.replace(b"ICC_PROFILE\0\2\2", b"ICC_PROFILE\0\3\2"))
    assert info.metadata.icc_profile is None and "ICC" in info.warnings[0][0]


def conformance_files(shared: Path) -> list[Path]:
    folder = shared / "conformance"
    rows = (folder / "golden_pillow.tsv").read_text().splitlines()[2:]
    return [folder / row.split("\t")[0] for row in rows]


@pytest.mark.filterwarnings("ignore")
def test_headers_read_like_pillows_over_the_conformance_files(shared, monkeypatch):
    """Pillow sees the same frame, tables and metadata in every file that both open."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    compared = 0
    for path in conformance_files(shared):
        data = path.read_bytes()
        try:
            with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
                layers, tables, seen = image.layer, image.quantization, dict(image.info)
        except (OSError, SyntaxError, ValueError, IndexError, struct.error, TypeError):
            continue
        try:
            info = inspect(data, UNLIMITED)
        except JpegError:
            continue
        compared += 1
        assert (info.width, info.height) == image.size, path
        assert [(k.id, k.h, k.v, k.tq) for k in info.components] == layers, path
        for k, steps in zip(info.components, info.qtables, strict=True):
            assert (None if steps is None else steps.tolist()) == tables.get(k.tq), path
        m = info.metadata
        if m.icc_profile is not None:
            assert m.icc_profile == seen["icc_profile"], path
        if b"HasExtendedXMP" not in seen.get("xmp", b""):
            assert m.xmp == seen.get("xmp"), path
        assert m.adobe_transform == seen.get("adobe_transform"), path
        assert m.exif == seen.get("exif"), path
        assert m.comments[-1:] == ((seen["comment"],) if "comment" in seen else ()), path
        assert m.density is None or m.density[1:] == seen["jfif_density"], path
        assert str(info) and info.as_dict(), path
    assert compared > 700


@pytest.mark.filterwarnings("ignore")
def test_every_file_that_pillow_decodes_strictly_is_read_or_unsupported(shared):
    for row in (shared / "conformance" / "golden_pillow.tsv").read_text().splitlines()[2:]:
        name, strict, *_ = row.split("\t")
        if strict == "ok":
            data = (shared / "conformance" / name).read_bytes()
            try:
                assert scans(data), name
            except UnsupportedJpeg as error:
                assert "is not decoded" in error.message, name


@pytest.mark.parametrize(
    "data",
    [
        BASE[:SOF] + b"\xff" * 9 + BASE[SOF:],
        BASE[:SOF] + b"\xff\xd3\xff\x01\xff\xff\xd0" + BASE[SOF:],
        BASE[:SOF] + b"\xff\xdc\0\4\0\7" + BASE[SOF:],
        BASE + b"trailing \xff\xd8",
        BASE[:SOF] + b"\xff\xe5\0\0" + BASE[SOF:],
    ],
    ids=["fill bytes", "parameterless markers", "DNL", "trailing data", "APP5 of length 0"],
)
def test_harmless_oddities_pass_strictly(data):
    assert [s for s, _ in scans(data, strict=True)] == [s for s, _ in scans(BASE)]


def test_tables_may_share_a_segment():
    tables = [BASE.index(b"\xff\xdb"), BASE.rindex(b"\xff\xdb", 0, SOF)]
    first, second = (BASE[p + 4 : p + 69] for p in tables)
    joined = BASE[: tables[0]] + b"\xff\xdb" + struct.pack(">H", 132) + first + second + BASE[tables[1] + 69 :]
    specs = BASE[BASE.index(b"\xff\xc4") : SOS]
    shuffled = (
        (1, 1, STANDARD_AC_CHROMA),
        (0, 0, STANDARD_DC_LUMA),
        (0, 1, STANDARD_DC_CHROMA),
        (1, 0, STANDARD_AC_LUMA),
    )
    bodies = b"".join(dht(*table)[4:] for table in shuffled)
    joined = joined.replace(specs, b"\xff\xc4" + struct.pack(">H", len(bodies) + 2) + bodies)
    a, b = Reader(joined, strict=True), Reader(BASE, strict=True)
    assert a.next_scan() == b.next_scan()
    assert all((p == q).all() for p, q in zip(a.qtables, b.qtables, strict=True))


def test_missing_huffman_tables_are_the_standard_ones():
    start = BASE.index(b"\xff\xc4")
    assert Reader(BASE[:start] + BASE[SOS:], strict=True).next_scan() == Reader(BASE).next_scan()
    progressive = pillow_file(progressive=True)
    p = progressive.index(b"\xff\xc4")
    with pytest.raises(CorruptJpeg, match="never defined"):
        Reader(progressive[:p] + progressive[progressive.index(b"\xff\xda") :]).next_scan()


@pytest.mark.parametrize(
    ("ids", "jfif", "adobe", "color", "warned"),
    [
        ((1, 2, 3), False, None, "ycbcr", False),
        ((82, 71, 66), False, None, "rgb", False),
        ((9, 8, 7), False, None, "ycbcr", False),
        ((82, 71, 66), True, 0, "ycbcr", False),
        ((1, 2, 3), False, 0, "rgb", False),
        ((1, 2, 3), False, 1, "ycbcr", False),
        ((1, 2, 3), False, 7, "ycbcr", True),
        ((1,), False, 0, "gray", False),
        ((1, 2), False, None, "unknown", False),
        ((1, 2, 3, 4), True, None, "cmyk", False),
        ((1, 2, 3, 4), False, 0, "cmyk", False),
        ((1, 2, 3, 4), False, 2, "ycck", False),
        ((1, 2, 3, 4), False, 1, "ycck", True),
    ],
)
def test_colour_guess(ids, jfif, adobe, color, warned):
    """libjpeg's rules (jdapimin.c, default_decompress_parms)."""
    parts = [b"\xff\xd8"]
    parts += [b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"] * jfif
    parts += [] if adobe is None else [b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([adobe])]
    parts += [b"\xff\xdb\0\x43\0" + bytes([1] * 64)]
    body = struct.pack(">BHHB", 8, 8, 8, len(ids)) + b"".join(bytes([i, 0x11, 0]) for i in ids)
    parts += [b"\xff\xc0", struct.pack(">H", len(body) + 2), body, sos([(i, 0, 0) for i in ids]), b"\x28\xa0", EOI]
    reader = Reader(b"".join(parts))
    reader.next_scan()
    assert reader.frame.color is ColorSpace(color)
    assert bool(reader.warnings) == warned


def test_a_cached_reader_is_the_callers_own():
    data = pillow_file(progressive=True, comment=b"cached")
    first, second = parse_header(data), parse_header(memoryview(data))
    first.qtables[0][:] = 0
    first.warn("x", 0)
    first.coefficient_bits[0][0] = 9
    third = parse_header(bytearray(data))
    for reader in (second, third):
        assert reader.qtables[0].min() > 0 and not reader.warnings and reader.coefficient_bits[0][0] == 1
        assert reader.scan == Reader(data).next_scan() and reader.metadata.comments == (b"cached",)


@pytest.mark.parametrize("code", [0xC9, 0xCA, 0xC3, 0xCB])
def test_inspect_describes_processes_that_are_not_decoded(code):
    info = inspect(patched(SOF + 1, code))
    assert info.process is Process(code) and "40×24" in str(info) and info.as_dict()["subsampling"] == "4:2:0"


def test_inspect_takes_nothing_but_headers():
    info = inspect(BASE[: SOS + 14])
    assert (info.header_nbytes, info.file_nbytes) == (SOS + 14, SOS + 14)
    assert info.as_dict()["dpi"] == [72, 72] and "comment: c" in str(info)


@pytest.mark.parametrize("kind", ["comment", "exif"])
def test_what_does_not_fit_a_segment_is_refused(kind):
    reader = parse_header(BASE)
    start = {"comment": b"", "exif": b"II*\0"}[kind]
    with pytest.raises(ValueError, match=f"{kind}: .* holds at most 65533"):
        header(reader.frame, reader.qtables, Metadata(**{kind: start + bytes(65_534)}))


def test_rgb_takes_no_dpi():
    reader = parse_header(pillow_file(keep_rgb=True))
    with pytest.raises(ValueError, match=r"dpi=\(72, 72\): .*YCbCr"):
        header(reader.frame, reader.qtables, Metadata(dpi=(72, 72)))
