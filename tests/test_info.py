"""What `info` says of files: scans, tables and sizes against Pillow, a second reader and the bytes themselves."""

from __future__ import annotations

import dataclasses
import json
import re
import tracemalloc

import numpy as np
import pytest
from effort import growth, spent
from streams import BASE, SOS, UNLIMITED, pillow_file, scans

import jpegjax
from jpegjax import JpegError, Limits
from jpegjax.container import EOI, JpegInfo, dri

GRAY = np.random.default_rng(5).integers(0, 256, (40, 56), np.uint8)
RGB = np.random.default_rng(6).integers(0, 256, (40, 56, 3), np.uint8)
FILES = {
    "baseline": pillow_file(),
    "grey": pillow_file("L"),
    "CMYK": pillow_file("CMYK", dpi=(30, 31)),
    "progressive": pillow_file(progressive=True),
    "restarts": pillow_file(restart_marker_blocks=3),
    "progressive restarts": pillow_file(progressive=True, restart_marker_blocks=2),
    "metadata": pillow_file(comment=b"c", exif=b"Exif\0\0abc", icc_profile=bytes(70_000), xmp=b"<x>"),
    "arithmetic": jpegjax.encode(RGB, arithmetic=True),
    "progressive arithmetic": jpegjax.encode(RGB, arithmetic=True, progressive=True),
    "lossless": jpegjax.encode(RGB, lossless=True, predictor=4),
    "12 bits": jpegjax.encode(GRAY.astype(np.uint16) << 4, precision=12),
}


def total(found: JpegInfo) -> int:
    return sum(found.sizes.as_dict().values())


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_scans_are_the_readers(data: bytes) -> None:
    found, read = jpegjax.info(data), scans(data)
    assert len(found.scans) == len(read) and not [w for w in found.warnings if "EXIF" not in w[0]]
    for part, (scan, position) in zip(found.scans, read, strict=True):
        assert (part.components, part.spectral, part.approximation) == (
            scan.components, scan.spectral, scan.approximation)  # fmt: skip
        assert part.restart_interval == scan.restart_interval
        assert data[part.offset : part.offset + 2] == b"\xff\xda"
        end = position + part.nbytes
        assert data[end] == 0xFF and (data[end + 1] == 0xD9 or data[end + 1] in (0xC4, 0xCC, 0xDA, 0xDD))
    assert found.sizes.entropy == sum(part.nbytes for part in found.scans) and total(found) == len(data)
    assert found.sizes.trailing == found.sizes.unread == 0


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_it_is_json_and_a_few_lines(data: bytes) -> None:
    found = jpegjax.info(data)
    d = json.loads(json.dumps(found.as_dict()))
    assert sum(d["sizes"].values()) == d["file_nbytes"] == len(data)
    assert [s["nbytes"] for s in d["scans"]] == [s.nbytes for s in found.scans]
    lines = str(found).splitlines()
    assert len(lines) < 24 and max(map(len, lines)) < 200
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.width = 1  # type: ignore[misc]


def test_the_answer_for_a_photograph_reads_like_this() -> None:
    data = pillow_file(comment=b"a comment", dpi=(300, 300), restart_marker_blocks=3) + b"behind"
    assert str(jpegjax.info(data)) == "\n".join([
        "40×24, 8-bit baseline, ycbcr 4:2:0, quality 75",
        f"{len(data):,} bytes ({len(data) / 120:.3f} bpp)",
        f"parts: headers 61, quantisation tables 138, Huffman tables 432, comments 13, entropy-coded {len(data) - 650}, "
        "behind the end 6",
        "quantisation tables: 0 (steps 5–61), 1 (steps 9–50)",
        "Huffman tables: DC 0 (12 codes), AC 0 (162 codes), DC 1 (12 codes), AC 1 (162 codes)",
        "restart markers every 3 MCUs",
        f"1 scan: components 1 2 3, coefficients 0–63, {len(data) - 650} bytes at 628",
        "1 APPn segment: APP0 JFIF, 18 bytes at 2",
        "300×300 dpi",
        f"behind: unknown, 6 bytes at {len(data) - 6}",
        "comment: a comment",
    ])  # fmt: skip


def test_sizes_of_parts() -> None:
    sizes = jpegjax.info(FILES["metadata"]).sizes
    assert (sizes.exif, sizes.icc, sizes.xmp, sizes.comments) == (13, 70_036, 36, 5)
    assert (sizes.qtables, sizes.huffman_tables) == (2 * 69, 2 * 33 + 2 * 183)
    other = BASE[:20] + b"\xff\xe5\0\x06four\xff\xe1\0\x06four" + BASE[20:]
    assert jpegjax.info(other).sizes.other == 16


def test_huffman_tables_are_told_in_order() -> None:
    found = jpegjax.info(FILES["progressive"]).huffman_tables
    data = FILES["progressive"]
    starts = [m.start() for m in re.finditer(rb"\xff\xc4", data)]
    assert [t.offset for t in found] == starts
    assert [("AC" if data[p + 4] & 16 else "DC", data[p + 4] & 15, sum(data[p + 5 : p + 21])) for p in starts] == [
        (t.kind, t.slot, t.value) for t in found
    ]


def test_conditioning_is_told() -> None:
    d = jpegjax.info(FILES["arithmetic"]).as_dict()
    assert d["huffman_tables"] == []
    told = [(t["kind"], t["slot"], t.get("lower"), t.get("upper"), t.get("kx")) for t in d["conditioning"]]
    assert told == [("DC", 0, 0, 1, None), ("AC", 0, None, None, 5), ("DC", 1, 0, 1, None), ("AC", 1, None, None, 5)]
    assert "DC 0 (lower 0 upper 1)" in str(jpegjax.info(FILES["arithmetic"]))
    assert "predictor 4" in str(jpegjax.info(FILES["lossless"]))


def test_intervals_that_change_between_scans() -> None:
    data = FILES["progressive"]
    second = [m.start() for m in re.finditer(rb"\xff\xda", data)][1]
    found = jpegjax.info(data[:second] + dri(7) + data[second:])
    assert [s.restart_interval for s in found.scans] == [0] + [7] * 9
    assert "restarts every 7 MCUs" in str(found)


@pytest.mark.parametrize("name", ["baseline", "progressive", "metadata", "arithmetic"])
def test_a_truncated_file_gives_what_is_there(name: str) -> None:
    data = FILES[name]
    first = data.index(b"\xff\xda")
    start = first + 2 + data[first + 3]
    for end in [start, start + 1, *range(start + 2, len(data), 37), len(data) - 1]:
        found = jpegjax.info(data[:end])
        assert total(found) == end and found.scans and found.warnings
        assert re.search("the data end (without EOI|inside a [A-Z]+ segment)", found.warnings[-1][0])


def test_damage_behind_the_first_scan_is_a_warning() -> None:
    data = FILES["progressive"]
    second = [m.start() for m in re.finditer(rb"\xff\xda", data)][1]
    unknown = data[: second + 5] + b"\x77" + data[second + 6 :]
    found = jpegjax.info(unknown)
    assert len(found.scans) == 9 and "names component 119" in found.warnings[0][0]
    assert found.warnings[0][1] == second and total(found) == len(data)
    stray = jpegjax.info(data[:second] + b"stray" + data[second:])
    assert len(stray.scans) == 10 and stray.scans[0].nbytes == jpegjax.info(data).scans[0].nbytes
    refused = jpegjax.info(data[:second] + b"\xff\xf7" + data[second:])
    assert len(refused.scans) == 1 and "SOF55 has no place here" in refused.warnings[0][0]
    assert refused.sizes.unread == len(data) + 2 - second == total(refused) - second


def test_scans_are_bounded_by_limits() -> None:
    data = FILES["progressive"]
    found = jpegjax.info(data, limits=Limits(scans=3))
    assert len(found.scans) == 3 and "more than 3 scans" in found.warnings[0][0] and total(found) == len(data)
    many = BASE[:-2] + BASE[SOS : SOS + 14] * 600 + EOI
    assert len(jpegjax.info(many).scans) == 500 and len(jpegjax.info(many, limits=UNLIMITED).scans) == 601
    assert "… and 581 more" in str(jpegjax.info(many, limits=UNLIMITED))


@pytest.mark.parametrize(
    "filling",
    [b"\xff", b"\xff\0", b"\xff\xd0", b"\0", b"\xff\x05", b"\xff\xe0\0\2", b"\xff\xc4\0\x13" + bytes(17), b"\xff\xfe"],
    ids=repr,
)
def test_hostile_files_take_linear_time_and_little_memory(filling: bytes) -> None:
    files = [BASE[: SOS + 14] + filling * (nbytes // len(filling)) + EOI for nbytes in (1 << 19, 1 << 22)]
    for data in files:
        found = jpegjax.info(data)
        assert total(found) == len(data) and len(str(found)) < 10_000
    assert growth(jpegjax.info, *files) < 24


def test_hostile_files_take_little_memory() -> None:
    for filling in (b"\xff\xc4\0\x13" + bytes(17), BASE[SOS : SOS + 14]):
        data = BASE[: SOS + 14] + filling * 12_000 + EOI
        tracemalloc.start()
        found = jpegjax.info(data, limits=UNLIMITED)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total(found) == len(data) and peak < 20e6


def test_any_byte_may_be_wrong() -> None:
    rng = np.random.default_rng(1)
    for name in ("metadata", "progressive", "arithmetic", "lossless"):
        data = FILES[name][:3000]
        for _ in range(400):
            damaged = bytearray(data)
            damaged[int(rng.integers(2, len(data)))] = int(rng.integers(256))
            try:
                found = jpegjax.info(damaged)
            except JpegError:
                continue
            assert total(found) == len(damaged) and str(found) and json.dumps(found.as_dict())


def test_it_is_fast() -> None:
    data = pillow_file(size=(400, 320), quality=90, progressive=True)
    assert 90_000 < len(data) < 200_000
    assert spent(lambda: [jpegjax.info(data) for _ in range(20)]) < 10  # some 0.2 ms a file, half a unit in all
