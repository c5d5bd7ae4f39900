"""`transcode --in-place` and outputs side by side: nothing is lost that nobody asked to lose."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, photo
from oracles import pillow
from pictures import picture
from PIL import Image
from streams import with_metadata

import jpegjax
from jpegjax.cli.work.transcode import TranscodeJob

BACK = pillow(photo(1))


def arithmetic(size: int = 64) -> bytes:
    return jpegjax.encode(picture(size, size), arithmetic=True)


def white(page: int = 200) -> bytes:
    return jpegjax.encode(np.full((page, page), 255, np.uint8), arithmetic=True)


def multi_picture() -> bytes:
    out = io.BytesIO()
    photo(1).save(out, "MPO", save_all=True, append_images=[photo(2)])
    return out.getvalue()


TRAILERS = {
    "picture": BACK + BACK,
    "mpo": multi_picture(),
    "video": BACK + b"\0\0\0\x18ftypmp42" + bytes(500),
    "one byte": BACK + b"x",
    "zip": BACK + b"PK\5\6" + bytes(18),
    "after progressive": pillow(photo(2), progressive=True) + BACK,
    "thumbnail": BACK + b"\xff\xff" + BACK,
    "Samsung": BACK + b"\0\0\1\n\x0e\0\0\0Image_UTC_Data1234567890123SEFHj\0\0\0",
}
"""What cameras and people put behind a picture."""


@pytest.mark.parametrize("flags", [(), ("--rotate", "90"), ("--strip-all",), ("--progressive", "--force")], ids=str)
def test_nothing_behind_the_picture_goes(run: Run, flags: tuple[str, ...]) -> None:
    for name, data in TRAILERS.items():
        Path(f"{name}.jpg").write_bytes(data)
    answer = run("transcode", ".", "--in-place", *flags)
    assert answer.code == 0, answer.err
    for name, data in TRAILERS.items():
        now = Path(f"{name}.jpg").read_bytes()
        before, after = jpegjax.info(data), jpegjax.info(now)
        assert [p.kind for p in after.pictures] == [p.kind for p in before.pictures], name
        for part in before.trailers:
            assert data[part.offset : part.offset + part.nbytes] in now, name
    assert run("transcode", ".", "--in-place", "--trailer", "drop").code == 0
    for name in TRAILERS:
        found = jpegjax.info(f"{name}.jpg")
        assert len(found.pictures) == 1 and not found.trailers


def test_what_is_dropped_is_said(run: Run) -> None:
    Path("a.jpg").write_bytes(TRAILERS["video"] + BACK)
    answer = run("transcode", "a.jpg", "-o", "b.jpg", "--trailer", "drop")
    assert answer.code == 0 and "left out behind the picture: video," in answer.err
    turned = run("transcode", "a.jpg", "-o", "c.jpg", "--rotate", "90")
    assert turned.code == 0 and "the video behind the picture is not turned" in turned.err
    Path("v.jpg").write_bytes(TRAILERS["video"])
    wiped = run("transcode", "v.jpg", "-o", "c.jpg", "--overwrite", "-wipe", "16x16+0+0", "--crop", "16x16")
    assert wiped.code == 0 and "is not cropped and wiped with it" in wiped.err
    Path("two.jpg").write_bytes(TRAILERS["mpo"])
    cannot = run("transcode", "two.jpg", "-o", "e.jpg", "-wipe", "16x16+0+0")
    assert cannot.code == 1 and "here: --trailer drop" in cannot.err
    refused = run("transcode", "a.jpg", "-o", "d.jpg", "--trailer", "none")
    assert refused.code == 2 and "'keep', 'drop'" in refused.err


@pytest.mark.parametrize(
    "flags", [(), ("--progressive",), ("-restart", "1"), ("--optimize",), ("--preserve",)], ids=str
)
def test_never_larger_for_nothing(run: Run, flags: tuple[str, ...]) -> None:
    best = [jpegjax.encode(picture(40 + i, 50), tune="psnr", quality=q) for i, q in enumerate((10, 50, 90))]
    best += [
        white(),
        arithmetic(),
        arithmetic(16),
        jpegjax.encode(picture(9, 9), optimize=True),
        jpegjax.transcode(BACK),
    ]
    best += [jpegjax.encode(picture(16, 16), arithmetic=True, progressive=True), with_metadata(True)]
    for i, data in enumerate(best):
        Path(f"{i}.jpg").write_bytes(data)
    assert run("transcode", ".", "--in-place", *flags).code == 0
    for i, data in enumerate(best):
        now = Path(f"{i}.jpg").read_bytes()
        assert len(now) <= len(data) and (now == data or len(now) < len(data)), i
        assert np.array_equal(jpegjax.decode(now), jpegjax.decode(data))
        process = jpegjax.info(now).process
        assert process.arithmetic == jpegjax.info(data).process.arithmetic, i


def test_growth_that_was_asked_for_is_said(run: Run) -> None:
    image = picture(200, 200)
    data = jpegjax.encode(image, tune="psnr", quality=90, progressive=True)
    for name in "abcd":
        Path(f"{name}.jpg").write_bytes(data)
    kept = run("transcode", "a.jpg", "--in-place", "--baseline")
    assert kept.code == 0 and "bytes more if coded so (--force)" in kept.err and Path("a.jpg").read_bytes() == data
    turned = run("transcode", "b.jpg", "--in-place", "--baseline", "--rotate", "90")
    assert turned.code == 0 and "bytes larger than before" in turned.err
    assert Path("b.jpg").read_bytes() == jpegjax.transcode(data, rotate=90, progressive=False)
    forced = run("transcode", "c.jpg", "--in-place", "--baseline", "--force")
    assert forced.code == 0 and "bytes larger than before" in forced.err
    assert Path("c.jpg").read_bytes() == jpegjax.transcode(data, progressive=False)
    bare = run("transcode", "d.jpg", "--in-place", "--baseline", "--strip-all")
    assert bare.code == 0 and Path("d.jpg").read_bytes() == data, "nothing was there to strip"


def test_arithmetic_stays_unless_asked(run: Run) -> None:
    data = arithmetic()
    Path("a.jpg").write_bytes(data)
    assert run("transcode", "a.jpg", "--in-place", "--rotate", "90").code == 0
    assert Path("a.jpg").read_bytes() == jpegjax.transcode(data, rotate=90, arithmetic=True)
    assert jpegjax.transcode(data, rotate=90, arithmetic=None) == Path("a.jpg").read_bytes()
    told = run("transcode", "a.jpg", "-o", "b.jpg")
    assert "arithmetic coding turned into Huffman's" in told.err
    assert run("transcode", "a.jpg", "--in-place", "--huffman", "--force").code == 0
    assert not jpegjax.info("a.jpg").process.arithmetic
    assert not jpegjax.info(jpegjax.transcode(BACK, arithmetic=None)).process.arithmetic


def test_hard_links_stay(run: Run) -> None:
    Path("folder").mkdir()
    Path("folder/a.jpg").write_bytes(BACK)
    os.link("folder/a.jpg", "folder/b.jpeg")
    os.link("folder/a.jpg", "elsewhere.jpg")
    answer = run("transcode", "folder", "--in-place", "--rotate", "90")
    assert answer.code == 0, answer.err
    wanted = jpegjax.transcode(BACK, rotate=90)
    for name in ("folder/a.jpg", "folder/b.jpeg", "elsewhere.jpg"):
        assert Path(name).read_bytes() == wanted, "turned once, under every name"
    assert Path("elsewhere.jpg").stat().st_nlink == 3


@pytest.mark.parametrize("name", ["a.jpeg", "B.JPG", "c.jpe", "d.jfif", "e.Jpeg", "f.jif", "ä ü.JPEG", "photo.v2.jpg"])
def test_names_keep_their_extension(run: Run, name: str) -> None:
    Path("in").mkdir()
    Path("in", name).write_bytes(BACK)
    assert run("transcode", "in", "-o", "out").code == 0
    assert run("transcode", f"in/{name}", "-o", "named/").code == 0
    assert run("transcode", "in", "--in-place").code == 0
    for folder in ("in", "out", "named"):
        assert os.listdir(folder) == [name]
        assert Path(folder, name).read_bytes() == jpegjax.transcode(BACK)


def test_a_clash_fails_its_own_files_only(run: Run) -> None:
    for name in ("x/a.jpg", "y/a.jpg", "x/b.jpg", "y/c.jpg", "z/a.jpg"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(BACK)
    answer = run("transcode", "x/a.jpg", "y/a.jpg", "x/b.jpg", "y/c.jpg", "z/a.jpg", "-o", "out")
    assert answer.code == 1 and "3 of 5 failed" in answer.err and answer.err.count("would become out/a.jpg too") == 3
    assert sorted(os.listdir("out")) == ["b.jpg", "c.jpg"]


def test_inputs_are_no_outputs_under_any_name(run: Run) -> None:
    Path("a.jpg").write_bytes(BACK)
    Path("b.jpg").write_bytes(pillow(photo(2)))
    os.link("a.jpg", "hard.jpg")
    Path("soft.jpg").symlink_to("a.jpg")
    for target in ("a.jpg", "hard.jpg", "soft.jpg", "./a.jpg"):
        answer = run("transcode", "a.jpg", "-o", target, "--overwrite", "--rotate", "90")
        assert answer.code == 1 and "would replace the input" in answer.err
        assert Path("a.jpg").read_bytes() == BACK


def test_times_are_preserved(run: Run) -> None:
    for name in ("a.jpg", "b.jpg"):
        Path(name).write_bytes(BACK)
        os.utime(name, ns=(1_500_000_000_000_000_000, 1_400_000_000_123_456_000))
    assert run("transcode", "a.jpg", "--in-place", "--preserve").code == 0
    assert run("transcode", "b.jpg", "-o", "c.jpg", "-p").code == 0
    assert run("transcode", "b.jpg", "-o", "d.jpg").code == 0
    assert Path("a.jpg").read_bytes() == Path("c.jpg").read_bytes() == jpegjax.transcode(BACK)
    for name, same in (("a.jpg", True), ("c.jpg", True), ("d.jpg", False)):
        assert (Path(name).stat().st_mtime_ns == 1_400_000_000_123_456_000) is same


def test_a_file_that_changed_meanwhile_stays(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.jpg").write_bytes(BACK)
    code = TranscodeJob.code

    def late(self: TranscodeJob, items: list, totals: object) -> None:
        code(self, items, totals)  # type: ignore[arg-type]
        Path("a.jpg").write_bytes(BACK + b"somebody's")

    monkeypatch.setattr(TranscodeJob, "code", late)
    answer = run("transcode", "a.jpg", "--in-place")
    assert answer.code == 1 and "changed while it was transcoded" in answer.err
    assert Path("a.jpg").read_bytes() == BACK + b"somebody's"


def test_what_is_no_file_is_not_replaced(run: Run) -> None:
    os.mkfifo("pipe.jpg")
    Path("a.jpg").write_bytes(BACK)
    answer = run("transcode", "pipe.jpg", "a.jpg", "--in-place")
    assert answer.code == 1 and "no file that could be replaced" in answer.err
    assert Path("a.jpg").read_bytes() == jpegjax.transcode(BACK)


def test_lossless_files_stay(run: Run) -> None:
    data = jpegjax.encode(picture(20, 20), lossless=True)
    Path("a.jpg").write_bytes(data)
    answer = run("transcode", "a.jpg", "--in-place", "--rotate", "90")
    assert answer.code == 1 and "lossless" in answer.err and Path("a.jpg").read_bytes() == data


def test_encoding_over_a_photograph_is_asked_for(run: Run) -> None:
    photo(3).save("a.png")
    Path("a.jpg").write_bytes(TRAILERS["mpo"])
    assert run("encode", "a.png").code == 1 and Path("a.jpg").read_bytes() == TRAILERS["mpo"]
    with Image.open("a.jpg") as kept:
        assert getattr(kept, "n_frames", 1) == 2


def test_unfinished_pictures_stay(run: Run) -> None:
    """Decoders smooth them; coded anew they would pass for finished ones."""
    for i, script in enumerate(
        ("0,1,2: 0-0, 0, 0;", "0 1 2: 0-0, 0, 1;", "0 1 2: 0-0, 0, 0; 0: 1-5, 0, 2; 1: 1-63, 0, 0;")
    ):
        data = jpegjax.encode(picture(40, 40), scans=script)
        Path(f"{i}.jpg").write_bytes(data)
        answer = run("transcode", f"{i}.jpg", "--in-place")
        assert (
            answer.code == 1 and "unfinished progressive scans" in answer.err and Path(f"{i}.jpg").read_bytes() == data
        )
    Path("whole.jpg").write_bytes(jpegjax.encode(picture(40, 40), progressive=True))
    assert run("transcode", "whole.jpg", "--in-place").code == 0


def test_larger_outputs_are_said(run: Run) -> None:
    data = jpegjax.encode(picture(200, 200), tune="psnr", quality=90, progressive=True)
    Path("a.jpg").write_bytes(data)
    Path("b.jpg").write_bytes(BACK[:100])
    answer = run("transcode", "a.jpg", "-o", "b.jpg", "--baseline", "--overwrite")
    assert (
        answer.code == 0
        and "bytes larger than the input" in answer.err
        and "replaces a file of 100 bytes" in answer.err
    )
