"""quality="keep": files made again by their own tables and sampling, as Pillow makes them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from oracles import pillow, pillow_pixels
from pictures import picture
from PIL import Image

import jpegjax


def pillows(data: bytes, **options: object) -> bytes:
    """Pillow's file of a JPEG file that it has read."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.save(out, "JPEG", comment=b"", **options)
    return out.getvalue()


FILES = [
    {"quality": 30},
    {"quality": 93, "subsampling": 0},
    {"subsampling": 1, "progressive": True},
    {"subsampling": 2, "quality": 2},
    {"qtables": [[5] * 64]},
    {"qtables": [[5] * 64, [6] * 64, [7] * 64]},
    {"qtables": [list(range(1, 65)), [255] * 64], "subsampling": 0},
]


@pytest.mark.parametrize("options", FILES)
def test_kept_files_are_pillows(options: dict) -> None:
    for channels in (3, 1, 4):
        image = picture(37, 41, channels)
        data = pillow(image, **{k: v for k, v in options.items() if channels == 3 or k != "subsampling"})
        pixels, more = jpegjax.decode(data), {"mode": "CMYK" if channels == 4 else None, "like": data}
        ours = jpegjax.encode(pixels, quality="keep", **more)
        assert ours == pillows(data, quality="keep"), channels
        assert jpegjax.encode(pixels, quality="keep", **(more | {"like": jpegjax.info(data)})) == ours
        listed = jpegjax.encode([pixels], quality="keep", optimize=True, **(more | {"like": io.BytesIO(data)}))
        assert listed == [pillows(data, quality="keep", optimize=True)]
        assert jpegjax.encode(pixels, qtables="keep", **more) == pillows(data, qtables="keep")
        if channels == 3:
            assert jpegjax.encode(pixels, subsampling="keep", quality=50, like=data) == (
                pillows(data, subsampling="keep", quality=50)
            )


def test_nothing_is_lost_of_a_picture_that_is_only_coded_again() -> None:
    image = picture(64, 48) // 2 + 64  # far from black and white, where decoders clamp
    data = jpegjax.encode(image, quality=40, subsampling="4:4:4", color="RGB")
    again = jpegjax.encode(jpegjax.decode(data), quality="keep", like=data, color="RGB")
    assert np.mean(jpegjax.decode(again) != jpegjax.decode(data)) < 0.05


def test_sampling_and_slots_that_pillow_knows_not_are_kept_too() -> None:
    for sampling in ("4:4:0", "4:1:1", "2x2,1x2,2x1"):
        data = jpegjax.encode(picture(33, 40), subsampling=sampling, qslots="1,0,1", quality=60)
        again = jpegjax.encode(jpegjax.decode(data), quality="keep", like=data)
        old, new = jpegjax.info(data), jpegjax.info(again)
        assert [(k.h, k.v) for k in old.components] == [(k.h, k.v) for k in new.components]
        assert all(np.array_equal(a, b) for a, b in zip(old.qtables, new.qtables, strict=True))
        other = jpegjax.info(jpegjax.encode(picture(9, 9), quality="keep", like=data, subsampling="4:2:2"))
        assert other.subsampling == "4:2:2" and np.array_equal(other.qtables[0], old.qtables[0])


def test_files_in_folders_and_pictures_of_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    jpegjax.imwrite(path, picture(20, 20), quality=35)
    first, second = jpegjax.info(path).qtables[:2]
    grey = jpegjax.info(jpegjax.encode(picture(9, 9, 1), quality="keep", like=path))
    assert np.array_equal(grey.qtables[0], first)
    inks = jpegjax.info(jpegjax.encode(picture(9, 9, 4), mode="CMYK", quality="keep", like=path))
    assert np.array_equal(inks.qtables[0], first) and np.array_equal(inks.qtables[3], second)
    jpegjax.imwrite(path, picture(20, 20), quality="keep", like=path.read_bytes(), progressive=True)
    assert jpegjax.info(path).quality == 35
    deep = jpegjax.encode(picture(20, 20).astype(np.uint16), precision=12, quality=3)
    again = jpegjax.encode(jpegjax.decode(deep), precision=12, quality="keep", like=deep)
    assert np.array_equal(jpegjax.info(deep).qtables, jpegjax.info(again).qtables)
    assert pillow_pixels(path.read_bytes()).shape == (20, 20, 3)


def test_what_cannot_be_kept_is_refused() -> None:
    image, data = picture(8, 8), jpegjax.encode(picture(8, 8))
    for options, kind, match in (
        ({"quality": "keep"}, ValueError, "quality='keep': of which file"),
        ({"subsampling": "keep"}, ValueError, "subsampling='keep': of which file"),
        ({"qtables": "keep"}, ValueError, "qtables='keep': of which file"),
        ({"like": data}, ValueError, "like: nothing of it is kept"),
        ({"like": b"no", "quality": "keep"}, jpegjax.CorruptJpeg, "no JPEG stream"),
        ({"like": 3, "quality": "keep"}, TypeError, "like: must be bytes"),
        ({"like": data, "quality": "keep", "qtables": [[1] * 64]}, ValueError, "quality='keep' and qtables"),
        (
            {"like": jpegjax.encode(image, lossless=True), "quality": "keep"},
            ValueError,
            "a lossless file has no tables",
        ),
        ({"like": jpegjax.encode(image, streamtype=2), "quality": "keep"}, ValueError, "not in its header"),
        ({"like": data, "quality": "keep", "tune": True}, ValueError, "tune"),
        ({"like": data, "quality": "keep", "target_bytes": 900}, ValueError, "target_bytes"),
        ({"quality": "high"}, TypeError, "quality='high'"),
    ):
        with pytest.raises(kind, match=match):
            jpegjax.encode(image, **options)
