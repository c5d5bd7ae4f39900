"""What files hold and by which tables: RGB kept as it is, grey of any factors, tables by slots, streams apart."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from oracles import cjpeg, pillow, pillow_pixels
from pictures import deep_picture, picture

import jpegjax
from jpegjax import ColorSpace

ENGINES = ("host", "xla")
SIZES = [(1, 1), (7, 9), (16, 16), (17, 33), (40, 70)]
CODINGS = [
    ({}, ()),
    ({"optimize": True}, ("-optimize",)),
    ({"progressive": True}, ("-progressive",)),
    ({"arithmetic": True}, ("-arithmetic",)),
    ({"arithmetic": True, "progressive": True}, ("-arithmetic", "-progressive")),
    ({"restart_blocks": 3}, ("-restart", "3B")),
    ({"restart_rows": 1, "quality": 90}, ("-restart", "1", "-quality", "90")),
    ({"quality": (80, 40)}, ("-quality", "80,40")),
]


SAMPLINGS = [None, "2x2", "2x1", "1x2", "4x1", "2x2,1x2,2x1", "1x1,2x2,1x1", "4x2"]
PLACES = [*(("host", sampling) for sampling in SAMPLINGS), ("xla", None), ("xla", "2x2,1x2,2x1")]


@pytest.mark.needs("cjpeg")
@pytest.mark.parametrize(("engine", "sampling"), PLACES)
def test_rgb_is_kept_as_cjpeg_keeps_it(engine: str, sampling: str | None) -> None:
    words = () if sampling is None else ("-sample", sampling)
    for (height, width), (options, more) in zip(SIZES * 2, CODINGS, strict=False):
        image = picture(height, width)
        ours = jpegjax.encode(image, color="RGB", subsampling=sampling, engine=engine, **options)
        assert ours == cjpeg(image, "-rgb", *more, *words), (height, width, options)


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}, {"quality": 95}])
def test_rgb_is_kept_as_pillow_keeps_it(options: dict) -> None:
    for height, width in SIZES:
        image = picture(height, width)
        data = jpegjax.encode(image, color="RGB", **options)
        assert data == pillow(image, keep_rgb=True, **options)
        assert np.array_equal(jpegjax.decode(data), pillow_pixels(data))
        assert jpegjax.info(data).color is ColorSpace.RGB


@pytest.mark.slow
def test_rgb_of_12_bits_is_the_same_on_both_engines() -> None:
    deep = deep_picture(33, 41)
    files = [jpegjax.encode(deep, color="RGB", precision=12, subsampling="2x2", engine=e) for e in ENGINES]
    assert files[0] == files[1] and jpegjax.info(files[0]).color is ColorSpace.RGB
    near = jpegjax.decode(jpegjax.encode(deep, color="RGB", precision=12, quality=100))
    assert np.abs(near.astype(int) - deep).max() <= 8


def test_rgb_of_large_pictures_and_targets() -> None:
    large = picture(300, 1100)
    assert jpegjax.encode(large, color="RGB", restart_rows=1) == pillow(large, keep_rgb=True, restart_marker_rows=1)
    aimed = jpegjax.encode(picture(90, 90), color="RGB", target_bytes=9000)
    assert len(aimed) <= 9000 and jpegjax.info(aimed).color is ColorSpace.RGB
    assert len({c.tq for c in jpegjax.info(aimed).components}) == 1
    with pytest.raises(ValueError, match="dpi="):
        jpegjax.encode(large, color="RGB", dpi=(72, 72))


@pytest.mark.needs("cjpeg")
@pytest.mark.parametrize("engine", ENGINES)
def test_grey_keeps_the_factors_that_were_asked_for(engine: str) -> None:
    image = picture(37, 53)
    grey = picture(37, 53, 1)
    for h, v in product(range(1, 5), repeat=2):
        name = f"{h}x{v}"
        options, words = CODINGS[(h + 4 * v) % len(CODINGS)]
        assert jpegjax.encode(grey, subsampling=name, engine=engine, **options) == cjpeg(grey, *words, "-sample", name)
        ours = jpegjax.encode(image, color="grey", subsampling=name, engine=engine, **options)
        assert ours == cjpeg(image, "-grayscale", *words, "-sample", name), name
        assert np.array_equal(jpegjax.decode(ours), pillow_pixels(ours))
    assert jpegjax.encode(grey, subsampling="4:2:2", engine=engine) == pillow(grey, subsampling=1)
    with pytest.raises(ValueError, match="an MCU may hold at most 10 blocks"):
        jpegjax.encode(image, subsampling="4x4")


def test_grey_of_colour_is_libjpegs_luma_at_every_depth() -> None:
    image = picture(19, 30)
    data = jpegjax.encode(image, color="grey")
    assert jpegjax.info(data).color is ColorSpace.GRAY
    lossless = jpegjax.decode(jpegjax.encode(image, color="grey", lossless=True))
    assert np.array_equal(lossless, jpegjax.decode(jpegjax.encode(image, lossless=True), mode="L"))
    wide = picture(19, 30).astype(np.uint16) * 257
    grey = jpegjax.decode(jpegjax.encode(wide, color="grey", lossless=True))
    assert np.array_equal(grey, jpegjax.decode(jpegjax.encode(wide, lossless=True), mode="L"))
    assert jpegjax.encode([image, image[..., 0]], color="grey")[1] == jpegjax.encode(image[..., 0])


@pytest.mark.needs("cjpeg")
@pytest.mark.parametrize("engine", ENGINES)
def test_each_component_takes_its_slot(engine: str) -> None:
    slots = ["0", "1", "0,1", "1,0", "0,0,1", "0,1,0", "1,1,0"]
    for i, name in enumerate(slots):
        image = picture(20 + i, 33)
        options, words = CODINGS[i % len(CODINGS)]
        color, more = ({"color": "RGB"}, ("-rgb",)) if i % 2 else ({}, ())
        ours = jpegjax.encode(image, qslots=name, engine=engine, **options, **color)
        assert ours == cjpeg(image, *words, *more, "-qslots", name), name
        numbers = [int(n) for n in name.split(",")]
        assert jpegjax.encode(image, qslots=numbers, **options, **color) == ours
    grey = picture(9, 9, 1)
    assert jpegjax.encode(grey, qslots=1) == cjpeg(grey, "-qslots", "1")


def test_slots_of_own_tables_and_what_is_refused() -> None:
    tables = [np.full(64, 3 * i + 2) for i in range(4)]
    data = jpegjax.encode(picture(9, 9), qtables=tables, qslots="3,0,2")
    assert [q[0] for q in jpegjax.info(data).qtables] == [11, 2, 8]
    inks = jpegjax.encode(picture(9, 9, 4), mode="CMYK", qtables=tables, qslots=(1, 3))
    assert [q[0] for q in jpegjax.info(inks).qtables] == [5, 11, 11, 11]
    for wrong, kind, match in (
        ("0,2", ValueError, r"qslots=\(0, 2\): tables are 0\.\.1; give more of them as qtables"),
        ("0,x", ValueError, "must be numbers of tables 0..3"),
        (4, ValueError, "must be numbers"),
        ((), ValueError, "must be numbers"),
        (0.5, TypeError, "must be numbers"),
    ):
        with pytest.raises(kind, match=match):
            jpegjax.encode(picture(8, 8), qslots=wrong)
    with pytest.raises(ValueError, match="qslots: tuned files have none"):
        jpegjax.encode(picture(8, 8), qslots="1", tune=True)
    with pytest.raises(ValueError, match="qslots: lossless files have none"):
        jpegjax.encode(picture(8, 8), qslots="1", lossless=True)


def test_colors_that_cannot_be_written_are_refused() -> None:
    rgb, grey, inks = picture(8, 8), picture(8, 8, 1), picture(8, 8, 4)
    for image, color in ((grey, "RGB"), (grey, "YCbCr"), (inks, "RGB"), (rgb, "CMYK"), (inks, "grey")):
        with pytest.raises(ValueError, match=r"color=|channels"):
            jpegjax.encode(image, color=color, mode="CMYK" if image is inks else None)
    with pytest.raises(ValueError, match="color='YCCK': files are written as"):
        jpegjax.encode(inks, color="YCCK", mode="CMYK")
    for options in ({"tune": True, "color": "RGB"}, {"lossless": True, "color": "YCbCr"}):
        with pytest.raises(ValueError, match="color: "):
            jpegjax.encode(rgb, **options)
    assert jpegjax.encode(inks, color="CMYK") == jpegjax.encode(inks, mode="CMYK")
    assert jpegjax.encode(rgb, color="YCbCr") == jpegjax.encode(rgb)
    found = jpegjax.encode([rgb, grey, rgb], color="RGB", errors="return")
    assert [type(one) for one in found] == [bytes, ValueError, bytes] and str(found[1]).startswith("item 1: color=")


STREAMS = [
    {},
    {"quality": 30},
    {"optimize": True},
    {"progressive": True},
    {"restart_blocks": 2},
    {"subsampling": "4:4:4"},
    {"qtables": [[7] * 64]},
    {"qtables": [[7] * 64, [300] * 64]},
    {"qtables": [[7] * 64, [8] * 64, [9] * 64]},
]


@pytest.mark.parametrize("engine", ENGINES)
def test_tables_and_images_apart_are_pillows(engine: str) -> None:
    for i, options in enumerate(STREAMS):
        image = picture(20 + i, 31, 3 if i % 4 else 1)
        theirs = {"restart_marker_blocks": 2} if "restart_blocks" in options else dict(options)
        tables, alone = (jpegjax.encode(image, streamtype=t, engine=engine, **options) for t in (1, 2))
        assert tables == pillow(image, streamtype=1, **theirs), options
        assert alone == pillow(image, streamtype=2, **theirs), options
        whole = jpegjax.encode(image, streamtype=0, **options)
        assert np.array_equal(jpegjax.decode(alone, tables=tables), jpegjax.decode(whole))


def test_streams_of_arithmetic_rgb_and_inks_join_again() -> None:
    for image, options in (
        (picture(20, 31), {"arithmetic": True}),
        (picture(20, 31), {"arithmetic": True, "progressive": True}),
        (picture(20, 31), {"color": "RGB", "restart_rows": 1}),
        (picture(20, 31, 4), {"subsampling": "2x1", "mode": "CMYK"}),
        (deep_picture(20, 31), {"precision": 12}),
        (picture(20, 31), {"qslots": "1,0", "scans": "0; 1; 2;"}),
    ):
        tables, alone, whole = (jpegjax.encode(image, streamtype=t, **options) for t in (1, 2, 0))
        assert b"\xff\xdb" not in alone[:200] and len(alone) < len(whole)
        assert np.array_equal(jpegjax.decode(alone, tables=tables), jpegjax.decode(whole))
    for options in ({"tune": True}, {"lossless": True}, {"target_bytes": 900}):
        with pytest.raises(ValueError, match="streamtype"):
            jpegjax.encode(picture(8, 8), streamtype=1, **options)
    with pytest.raises(ValueError, match="streamtype=3: must be one of 0, 1, 2"):
        jpegjax.encode(picture(8, 8), streamtype=3)
