"""Lists of small pictures go through the kernels together: what comes out is what single calls give, damage and all."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import jpegjax
from jpegjax.jpeg import host
from jpegjax.jpeg.host import SMALL_PIXELS, groups

SHAPES = [(1, 1), (7, 9), (64, 64, 3), (17, 33, 3), (1, 40, 3), (64, 64), (128, 128, 3), (129, 128, 3)]


def _picture(shape: tuple[int, ...], seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    plane = 128 + 60 * np.sin(x / (3 + seed % 5)) + 50 * np.cos(y / 7)
    noisy = np.dstack([plane, plane * 0.7, 255 - plane]) + rng.normal(0, 3 + 20 * (seed % 3), (*shape[:2], 3))
    picture = np.clip(noisy, 0, 255).astype(np.uint8)
    return picture if len(shape) == 3 else picture[..., 0].copy()


def _mixed(n: int) -> list[np.ndarray]:
    return [_picture(SHAPES[i * 5 % len(SHAPES)], i) for i in range(n)]


def _alone(function: Any, items: list[Any], **options: Any) -> list[tuple[Any, list[str]]]:
    """What single calls give, or the message, each with its warnings."""
    found = []
    for item in items:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            result = function(item, errors="return", **options)
        found.append((result, [str(w.message) for w in said]))
    return found


def _kinds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the groups that are worked on together, as they come."""
    sizes: list[int] = []
    plain = groups.run_parallel

    def counted(run: Any, parts: Any) -> Any:
        sizes.extend(map(len, parts))
        return plain(run, parts)

    monkeypatch.setattr(groups, "run_parallel", counted)
    return sizes


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quality": 100, "subsampling": "4:4:4"},
        {"quality": 20, "subsampling": "4:2:2", "comment": "small"},
        {"quality": 1, "subsampling": "4:4:0", "dpi": (72, 72)},
        {"restart_rows": 1},
        {"restart_blocks": 3, "subsampling": "4:1:1"},
        {"color": "RGB", "quality": 90},
        {"color": "grey"},
        {"qtables": [np.arange(1, 65)] * 2},
        {"optimize": True},
        {"smoothing": 10},
    ],
    ids=repr,
)
def test_lists_of_files_are_those_of_single_calls(options: dict[str, Any]) -> None:
    images = [x for x in _mixed(50) if x.ndim == 3 or options.get("color") != "RGB"]
    files = jpegjax.encode(images, engine="host", **options)
    assert files == [jpegjax.encode(image, engine="host", **options) for image in images]
    for mode in (None, "L"):
        pixels = jpegjax.decode(files, mode=mode, engine="host")
        for got, data in zip(pixels, files, strict=True):
            np.testing.assert_array_equal(got, jpegjax.decode(data, mode=mode, engine="host"))
            assert got.flags.writeable


def test_small_pictures_of_one_kind_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = _kinds(monkeypatch)
    images = [_picture((64, 64, 3), i) for i in range(64)] + [_picture((128, 1 + SMALL_PIXELS // 128), 1)] * 3
    files = jpegjax.encode(images, engine="host")
    assert sum(sizes) == 67
    assert sizes.count(1) >= 3
    assert max(sizes) > 1
    sizes.clear()
    jpegjax.decode(files, engine="host")
    assert sum(sizes) == 67
    assert max(sizes) > 1
    sizes.clear()
    jpegjax.encode(images, optimize=True, engine="host")
    assert sizes == [1] * 67


def test_noise_takes_more_room_than_is_kept_for_it() -> None:
    rng = np.random.default_rng(5)
    images = [rng.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(40)]
    options: Any = {"quality": 100, "subsampling": "4:4:4", "engine": "host"}
    files = jpegjax.encode(images, **options)
    assert files == [jpegjax.encode(image, **options) for image in images]
    assert len(files[0]) > images[0].size // 4


def test_views_and_batches_are_pictures_too() -> None:
    wide = np.stack([_picture((32, 64, 3), i) for i in range(20)])
    want = [jpegjax.encode(np.ascontiguousarray(x[:, ::2]), engine="host") for x in wide]
    assert jpegjax.encode(wide[:, :, ::2], engine="host") == want
    assert jpegjax.encode([x[:, ::2] for x in wide], engine="host") == want
    assert [x.tolist() for x in jpegjax.decode([memoryview(f) for f in want], engine="host")] == [
        x.tolist() for x in jpegjax.decode(want, engine="host")
    ]


def _damaged(files: list[bytes]) -> list[bytes]:
    """Every third file with a fault of its own behind an unchanged header, or of the header itself."""
    out = list(files)
    for i in range(0, len(files), 3):
        data = files[i]
        start = data.index(b"\xff\xda") + 4
        middle = (start + len(data)) // 2
        out[i] = [
            data[:-2],
            data[:middle],
            data[:middle] + b"\xff\xd9",
            data[:middle] + bytes([255, 0xD3]) + data[middle:],
            data[:middle] + bytes(40) + data[middle:],
            data[:-2] + b"ab" + data[-2:],
            data[: start - 4],
            b"",
            data[:2] + b"\xff\xfe\x00\x04ab" + data[2:],
            data[:middle] + b"\xff\xdc\x00\x04\x00\x08" + data[middle:],
        ][i // 3 % 10]
    return out


@pytest.mark.parametrize(
    "options", [{}, {"strict": True}, {"mode": "L", "upsample": "nearest"}, {"color": "RGB"}], ids=repr
)
def test_damaged_files_among_others_are_told_as_alone(options: dict[str, Any]) -> None:
    images = [_picture((64, 64, 3) if i % 7 else (33, 20, 3), i) for i in range(60)]
    files = _damaged(jpegjax.encode(images, engine="host"))
    alone = _alone(jpegjax.decode, files, engine="host", **options)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        together = jpegjax.decode(files, errors="return", engine="host", **options)
    assert [str(w.message) for w in said] == [f"data[{i}]: {m}" for i, (_, found) in enumerate(alone) for m in found]
    failed = 0
    for i, (got, (want, _)) in enumerate(zip(together, alone, strict=True)):
        if isinstance(want, Exception):
            failed += 1
            assert type(got) is type(want)
            assert str(got).endswith(str(want))
            assert str(got).startswith(f"item {i}: ")
        else:
            np.testing.assert_array_equal(got, want)
    assert failed >= 4


def test_limits_hold_for_small_pictures_in_lists() -> None:
    files = jpegjax.encode([_picture((64, 64, 3), i) for i in range(12)], engine="host")
    for limits in (jpegjax.Limits(pixels=4095), jpegjax.Limits(memory=12_287)):
        alone = [r for r, _ in _alone(jpegjax.decode, files, limits=limits, engine="host")]
        together = jpegjax.decode(files, limits=limits, errors="return", engine="host")
        assert [str(e) for e in together] == [f"item {i}: {e}" for i, e in enumerate(alone)]
        assert all(isinstance(e, jpegjax.LimitExceeded) for e in together)
    assert len(jpegjax.decode(files, limits=jpegjax.Limits(pixels=4096, memory=12_288), engine="host")) == 12


def test_what_is_no_picture_stands_in_its_place() -> None:
    images: list[Any] = [_picture((64, 64, 3), i) for i in range(12)]
    images[3], images[7] = images[3].astype(np.float32), np.zeros((0, 64, 3), np.uint8)
    files = jpegjax.encode(images, errors="return", engine="host")
    assert [i for i, f in enumerate(files) if isinstance(f, Exception)] == [3, 7]
    for i, file in enumerate(files):
        if i not in (3, 7):
            assert file == jpegjax.encode(images[i], engine="host")


def test_a_group_that_fails_is_coded_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [_picture((16, 16, 3), i) for i in range(9)]
    want = [jpegjax.encode(image, engine="host") for image in images]

    def refuse(*_: Any) -> list[bytes]:
        raise ValueError("a coefficient of one of them")

    monkeypatch.setattr(host.PlainCoder, "encode", refuse)
    assert jpegjax.encode(images, engine="host") == want


def test_single_calls_remember_no_more_than_their_options_say() -> None:
    """Options that are made anew for each call, and such as differ in one thing, one after another and again."""
    image = _picture((40, 24, 3), 3)
    tables = [[np.full(64, k, np.uint16)] for k in range(1, 30)]
    first = [jpegjax.encode(image, qtables=t, engine="host") for t in tables]
    assert [jpegjax.read_coefficients(f).qtables[0][0, 0] for f in first] == list(range(1, 30))
    assert [jpegjax.encode(image, qtables=t, engine="host") for t in tables] == first
    file = jpegjax.encode(image, engine="host")
    for _ in range(2):
        assert jpegjax.decode(file, mode="L", engine="host").shape == (40, 24)
        assert jpegjax.decode(file, engine="host").shape == (40, 24, 3)
        assert jpegjax.decode(file, scale=1 / 2, engine="host").shape == (20, 12, 3)
        assert jpegjax.decode(file, crop=(1, 2, 3, 4), engine="host").shape == (4, 3, 3)
        rgb = jpegjax.decode(file, color="RGB", engine="host")
        assert (rgb != jpegjax.decode(file, engine="host")).any()
        with pytest.raises(jpegjax.LimitExceeded):
            jpegjax.decode(file, limits=jpegjax.Limits(pixels=9), engine="host")
        with pytest.raises(jpegjax.CorruptJpeg):
            jpegjax.decode(file[:-40], strict=True, engine="host")
        with pytest.warns(jpegjax.JpegWarning):
            jpegjax.decode(file[:-40], engine="host")


def test_what_is_said_of_a_single_picture_has_no_number() -> None:
    with pytest.raises(ValueError, match=r"^color='rgb'"):
        jpegjax.encode(_picture((8, 8), 1), color="RGB", engine="host")
    with pytest.raises(ValueError, match=r"^device="):
        jpegjax.encode(_picture((8, 8), 1), engine="host", device="cpu")
