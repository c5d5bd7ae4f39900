"""Lists whose items fail: which one it was stands in the message, and where errors are returned the others come out."""

from __future__ import annotations

import gc
import warnings
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import picture

import jpegjax
from jpegjax import CorruptJpeg, JpegWarning, UnsupportedJpeg

ENGINES = ("host", "xla")


def mixed_files(count: int = 12) -> tuple[list[bytes], dict[int, type[Exception]]]:
    """(files, {index: what decoding it raises})."""
    files = [jpegjax.encode(picture(20 + i, 33, 3 if i % 3 else 1)) for i in range(count)]
    files[2] = b"nothing"
    files[5] = files[5][:80]
    files[7] = files[7].replace(b"\xff\xc0", b"\xff\xc5", 1)
    return files, {2: CorruptJpeg, 5: CorruptJpeg, 7: UnsupportedJpeg}


def check(found: list[Any], alone: list[Any], failing: dict[int, type[Exception]]) -> None:
    assert len(found) == len(alone)
    for i, (one, wanted) in enumerate(zip(found, alone, strict=True)):
        if i in failing:
            assert type(one) is failing[i] and str(one).startswith(f"item {i}: "), one
            assert one.__traceback__ is None
        else:
            assert one == wanted if isinstance(wanted, bytes) else np.array_equal(one, wanted)


@pytest.mark.parametrize("engine", ENGINES)
def test_decoding_returns_errors_in_their_places(engine: str) -> None:
    files, failing = mixed_files()
    alone = [None if i in failing else jpegjax.decode(f) for i, f in enumerate(files)]
    check(jpegjax.decode(files, engine=engine, errors="return"), alone, failing)
    with pytest.raises(CorruptJpeg, match=r"^item 2: no JPEG stream.*\(byte offset 0\)$") as raised:
        jpegjax.decode(files, engine=engine)
    assert raised.value.offset == 0 and raised.value.message.startswith("item 2: no JPEG stream")


@pytest.mark.parametrize("engine", ENGINES)
def test_regions_and_orientations_fail_one_by_one(engine: str) -> None:
    files, failing = mixed_files()
    region = {"crop": (3, 20, 9, 6)}
    small = dict.fromkeys((0, 1, 3, 4), ValueError)  # 20 + i < 26 rows
    small |= {2: CorruptJpeg, 5: CorruptJpeg, 7: UnsupportedJpeg}
    alone = [None if i in small else jpegjax.decode(f, **region) for i, f in enumerate(files)]
    found = jpegjax.decode(files, engine=engine, apply_exif_orientation=True, errors="return", **region)
    check(found, alone, small)
    check(jpegjax.decode(files, apply_exif_orientation=True, errors="return", engine=engine),
          [None if i in failing else jpegjax.decode(f) for i, f in enumerate(files)], failing)  # fmt: skip


def test_coefficients_and_transcoding_return_errors_too() -> None:
    files, failing = mixed_files()
    alone = [None if i in failing else jpegjax.transcode(f) for i, f in enumerate(files)]
    check(jpegjax.transcode(files, errors="return"), alone, failing)
    with pytest.raises(CorruptJpeg, match=r"^item 2: "):
        jpegjax.transcode(files)
    read = jpegjax.read_coefficients(files, errors="return")
    written = [None if i in failing else jpegjax.write_coefficients(c) for i, c in enumerate(read)]
    check([c if i in failing else jpegjax.write_coefficients(c) for i, c in enumerate(read)], written, failing)
    with pytest.raises(CorruptJpeg, match=r"^item 2: "):
        jpegjax.read_coefficients(files)
    good = [c for c in read if not isinstance(c, Exception)]
    broken = jpegjax.Coefficients(tuple(p * 3000 for p in good[1].planes), good[1].qtables, good[1].frame)
    found = jpegjax.write_coefficients([good[0], broken, "no", good[2]], errors="return")
    assert [type(one) for one in found] == [bytes, ValueError, TypeError, bytes]
    assert str(found[1]).startswith("item 1: ") and str(found[2]).startswith("coefficients[2]: ")
    assert [found[0], found[3]] == [jpegjax.write_coefficients(c) for c in (good[0], good[2])]
    with pytest.raises(ValueError, match=r"^item 1: "):
        jpegjax.write_coefficients([good[0], broken])


@pytest.mark.parametrize("engine", ENGINES)
def test_encoding_returns_errors_in_their_places(engine: str) -> None:
    images: list[Any] = [picture(20 + i, 33, 3 if i % 4 else 1) for i in range(9)]
    script = "0 1 2;"  # grey pictures lack components 1 and 2
    options = {"scans": script, "engine": engine}
    failing = dict.fromkeys((0, 4, 8), ValueError)
    alone = [None if i in failing else jpegjax.encode(x, scans=script) for i, x in enumerate(images)]
    check(jpegjax.encode(images, errors="return", **options), alone, failing)
    with pytest.raises(ValueError, match=r"^item 0: scans: scan 1: component 1; the picture's are 0..0"):
        jpegjax.encode(images, **options)
    images[1], images[3] = images[1].astype(np.float32), "a path"
    found = jpegjax.encode(images, engine=engine, errors="return")
    assert [type(one) for one in found] == [bytes, TypeError, bytes, TypeError, *[bytes] * 5]
    assert str(found[1]).startswith("images[1]: dtype float32") and str(found[3]).startswith("images[3]: must be")
    assert found[2] == jpegjax.encode(images[2])
    with pytest.raises(TypeError, match=r"^images\[1\]: "):
        jpegjax.encode(images, engine=engine)


CODINGS = [{"lossless": True}, {"target_bytes": 900}, {"arithmetic": True}]


@pytest.mark.parametrize("options", [*CODINGS, pytest.param({"tune": "psnr"}, marks=pytest.mark.slow)])
def test_every_kind_of_encoding_keeps_the_rest(options: dict) -> None:
    images: list[Any] = [picture(16, 16), np.zeros((0, 4), np.uint8), picture(24, 16), picture(120, 160)]
    found = jpegjax.encode(images, errors="return", **options)
    kinds = [bytes, ValueError, bytes, ValueError if "target_bytes" in options else bytes]
    assert [type(one) for one in found] == kinds
    assert found[0] == jpegjax.encode(images[0], **options) and found[2] == jpegjax.encode(images[2], **options)
    if "target_bytes" in options:
        assert str(found[3]).startswith("item 3: target_bytes=900: out of reach")
        with pytest.raises(ValueError, match=r"^item 1: target_bytes=900: out of reach"):
            jpegjax.encode([images[0], images[3]], **options)


def test_one_item_is_not_numbered_and_options_always_raise(tmp_path: Path) -> None:
    error = jpegjax.decode(b"nothing", errors="return")
    assert type(error) is CorruptJpeg and str(error).startswith("no JPEG stream")
    assert type(jpegjax.encode(np.zeros((2, 2)), errors="return")) is TypeError
    found = jpegjax.decode([tmp_path / "none.jpg", jpegjax.encode(picture(8, 8)), 5], errors="return")
    assert [type(one) for one in found] == [FileNotFoundError, np.ndarray, TypeError]
    for door, argument in ((jpegjax.decode, b""), (jpegjax.encode, picture(8, 8)), (jpegjax.transcode, b"")):
        with pytest.raises(ValueError, match="errors='ignore': must be one of 'raise', 'return'"):
            door(argument, errors="ignore")
    with pytest.raises(ValueError, match="quality=101"):
        jpegjax.encode([picture(8, 8)], quality=101, errors="return")
    assert jpegjax.decode([], errors="return") == [] == jpegjax.encode([], errors="return")


def test_damage_still_warns_where_errors_are_returned() -> None:
    whole = jpegjax.encode(picture(40, 40))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = jpegjax.decode([whole, b"", whole[:-40]], errors="return")
    assert type(found[1]) is CorruptJpeg and found[2].shape == (40, 40, 3)
    assert {w.category for w in seen} == {JpegWarning} and str(seen[0].message).startswith("data[2]: ")
    assert {w.filename for w in seen} == {__file__}


def test_returned_errors_keep_no_arrays_alive() -> None:
    class Held(np.ndarray):
        pass

    image = picture(16, 16, 1).view(Held)
    gone = weakref.ref(image)
    found = jpegjax.encode([image], scans="0 1 2;", errors="return")
    del image
    gc.collect()
    assert isinstance(found[0], ValueError) and gone() is None


@pytest.mark.parametrize("function", [jpegjax.decode, jpegjax.read_coefficients, jpegjax.transcode])
@pytest.mark.parametrize(
    ("path", "kind"), [("none.jpg", FileNotFoundError), ("/", IsADirectoryError), ("a\0b", ValueError)]
)
def test_paths_that_cannot_be_read_say_which_item(function: Any, path: str, kind: type[Exception]) -> None:
    good = jpegjax.encode(picture(8, 8))
    for given in ([good, path], [path, good]):
        at = given.index(path)
        with pytest.raises(kind, match=rf"data\[{at}\]: ") as raised:
            function(given)
        assert getattr(raised.value, "filename", path) == path
    for one in jpegjax.decode([good, path], errors="return")[1], jpegjax.decode(path, errors="return"):
        assert isinstance(one, kind) and "data" in str(one) and "item" not in str(one)
        assert not getattr(one, "__notes__", None)


@pytest.mark.parametrize("color", ["RGB", "YCbCr", "grey"])
def test_colours_of_files_do_not_make_inks_of_four_channels(color: Any) -> None:
    with pytest.raises(ValueError, match=r'RGBA drop or blend the alpha .* mode="CMYK"'):
        jpegjax.encode(np.zeros((8, 8, 4), np.uint8), color=color)
