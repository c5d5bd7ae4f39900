"""Tuned files: what decoders see, how large they are, and the chroma and scans behind them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from oracles import pillow, pillow_pixels, psnr
from pictures import astronaut
from PIL import Image
from streams import icc_profile

import jpegjax
from jpegjax.jpeg import files as entropy
from jpegjax.jpeg.tuned import encode as tuned
from jpegjax.jpeg.tuned.encode import encode_tuned, tuned_planes
from jpegjax.jpeg.tuned.plan import tuned_frame
from jpegjax.jpeg.tuned.planes import Picture
from jpegjax.jpeg.tuned.recipe import NO_FIELD, Recipe, load_recipe
from jpegjax.jpeg.tuned.scans import best_script
from jpegjax.kernels.tuned.chroma import fit_plane
from jpegjax.ops.tuned.chroma import fit_plane as fit_plane_on_device
from jpegjax.options import EncodeOptions

TUNES = ("psnr", "ms-ssim", "ssimulacra2", "butteraugli", True)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return astronaut()


def measured(tune: str | bool, image: np.ndarray, data: bytes) -> float:
    """The quality of a file by what it was tuned for, the all-round tune's by SSIMULACRA2."""
    if tune == "psnr":
        return psnr(image, pillow_pixels(data))
    from jpegjax import metrics

    return float((metrics.ms_ssim if tune == "ms-ssim" else metrics.ssimulacra2)(image, pillow_pixels(data)))


@pytest.mark.parametrize("tune", ["psnr", *(pytest.param(tune, marks=pytest.mark.slow) for tune in TUNES[1:])])
def test_tuned_files_are_much_smaller_than_plain_ones_of_equal_quality(photo, tune: str | bool) -> None:
    image = np.ascontiguousarray(photo[:256, 100:484])
    for quality in (45, 90):
        plain = pillow(image, quality=quality)
        points = []
        for q in range(quality - 30, min(quality + 20, 100), 6):
            data = jpegjax.encode(image, quality=q, tune=tune)
            points.append((measured(tune, image, data), len(data)))
        qualities, sizes = zip(*sorted(points), strict=True)
        target = measured(tune, image, plain)
        assert qualities[0] < target < qualities[-1]
        size = np.exp(np.interp(target, qualities, np.log(sizes)))
        assert size < {"psnr": 0.8, "ms-ssim": 0.92, "ssimulacra2": 0.87, "butteraugli": 0.87, True: 0.87}[tune] * len(
            plain
        )


def test_false_is_no_tune(photo) -> None:
    plain = jpegjax.encode(photo)
    assert (
        plain
        == pillow(photo)
        == jpegjax.encode(photo, tune=False)
        == jpegjax.encode(photo, tune=None, progressive=None)
    )
    assert jpegjax.encode(photo, tune=True) == jpegjax.encode(photo, tune=True, progressive=True) != plain


SIZES = [(1, 1), (7, 3), (8, 8), (16, 17), (33, 1), (1, 50), (65, 47), (130, 129)]


@pytest.mark.parametrize("sampling", ["4:2:0", "4:4:4", "4:2:2", "4:4:0", "4:1:1", "1x1,2x2,1x1", "grey"])
@pytest.mark.parametrize("tune", ["psnr", "ssimulacra2"])
def test_any_size_and_sampling_decodes_alike_everywhere(photo, tune: str, sampling: str) -> None:
    for height, width in SIZES:
        image = np.ascontiguousarray(photo[90 : 90 + height, 180 : 180 + width])
        options: dict = {"subsampling": sampling}
        if sampling == "grey":
            image, options = np.ascontiguousarray(image[..., 1]), {}
        for progressive in (False, True, None):
            data = jpegjax.encode(image, tune=tune, quality=85, progressive=progressive, **options)
            pixels = jpegjax.decode(data)
            assert (pixels == pillow_pixels(data)).all()
            assert pixels.shape == image.shape
            if sampling in ("4:4:4", "grey"):
                assert np.abs(image.astype(int) - pixels).mean() < 6


def test_options_reach_the_file(photo) -> None:
    image = np.ascontiguousarray(photo[:150, :203])
    data = jpegjax.encode(
        image,
        tune="psnr",
        quality=(80, 60),
        restart_rows=1,
        comment="tuned",
        dpi=(300, 300),
        icc_profile=icc_profile(200),
        xmp=b"<x/>",
    )
    picture = Image.open(io.BytesIO(data))
    assert picture.info["comment"] == b"tuned" and picture.info["dpi"] == (300, 300)
    assert picture.info["icc_profile"] == icc_profile(200)
    assert data.count(b"\xff\xd0") > 1
    assert (jpegjax.decode(data, strict=True) == np.asarray(picture)).all()
    luma, chroma = load_recipe("psnr", 80).steps[0], load_recipe("psnr", 60).steps[1:]
    tables = jpegjax.read_coefficients(data).qtables
    assert [t.reshape(64).tolist() for t in tables] == [luma.tolist(), *chroma.tolist()]
    custom = jpegjax.encode(image, tune="psnr", scans="0 1 2: 0-0, 0, 0; 0: 1-63, 0, 0; 1: 1-63, 0, 0; 2: 1-63, 0, 0;")
    assert len(jpegjax.info(custom).scans) == 4 and (jpegjax.decode(custom) == pillow_pixels(custom)).all()


@pytest.mark.parametrize("progressive", [False, True, None])
def test_arithmetic_files_hold_their_coefficients(photo, progressive: bool | None) -> None:
    image = np.ascontiguousarray(photo[:150, :203])
    options = EncodeOptions(tune=True, arithmetic=True, progressive=progressive)
    recipe = load_recipe("psnr", 75)
    data = encode_tuned(image, recipe, options)
    planes = tuned_planes(image, tuned_frame(*image.shape, recipe, options), recipe)
    for plane, read in zip(planes, jpegjax.read_coefficients(data).planes, strict=True):
        assert (plane == read[0]).all()
    assert len(data) < len(encode_tuned(image, recipe, replace(options, arithmetic=False)))


@pytest.mark.parametrize("tune", ["psnr", "ssimulacra2"])
@pytest.mark.parametrize("cores", [2, 3, 16])
def test_threads_do_not_change_a_byte(photo, tune: str, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe(tune, 75)
    alone = encode_tuned(photo, recipe)
    monkeypatch.setattr(tuned, "spare_cores", lambda: cores)
    monkeypatch.setattr(tuned, "_PART_PIXELS", 1 << 10)
    assert encode_tuned(photo, recipe) == alone


def test_batches_are_single_images(photo) -> None:
    images = [np.ascontiguousarray(photo[k : k + 100 + k]) for k in range(0, 60, 20)]
    assert jpegjax.encode(images, tune=True) == [jpegjax.encode(image, tune=True) for image in images]


def triangle_fit(x: np.ndarray) -> np.ndarray:
    """[n] to scale-64 [⌈n/2⌉] by the specified taps, edges repeated."""
    n = -(-len(x) // 2)
    at = lambda i: x[np.clip(i, 0, len(x) - 1)]  # noqa: E731
    i = 2 * np.arange(n)
    return sum(tap * (at(i - 2 * k) + at(i + 1 + 2 * k)) for k, tap in enumerate((42, -13, 4, -1)))


def held(fitted: np.ndarray, x: np.ndarray, down: bool) -> np.ndarray:
    """Samples between the least and the greatest that the triangle filter shows each at, and what their contrast lacks to 96."""
    h, w = x.shape
    rows = 2 * np.arange(len(fitted))[:, None] + np.arange(-1, 3) if down else np.arange(h)[:, None]
    columns = 2 * np.arange(fitted.shape[1])[:, None] + np.arange(-1, 3)
    seen = x[np.clip(rows, 0, h - 1)][:, :, np.clip(columns, 0, w - 1)]
    low, high = seen.min((1, 3)), seen.max((1, 3))
    margin = np.maximum(96 - (high - low), 0)
    return np.clip(np.clip(fitted, low - margin, high + margin), 0, 255)


@pytest.mark.parametrize("contrast", [20, 90, 110, 255])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (37, 50), (64, 33)])
def test_least_squares_chroma_is_the_specified_filter(height: int, width: int, contrast: int) -> None:
    rng = np.random.default_rng(width)
    x = rng.integers(0, contrast + 1, (height, width)) if height > 2 else np.full((height, width), contrast)
    columns = -(-width // 16) * 8
    plane = np.full((height + 1, width + 100), 77, np.uint8)
    plane[:height, :width] = x
    across = np.stack([triangle_fit(row) for row in x.astype(int)])
    for down, want in ((False, across + 32 >> 6), (True, np.stack([triangle_fit(c) for c in across.T]).T + 2048 >> 12)):
        out = np.zeros((len(want), columns + 64), np.uint8)
        fit_plane(plane, height, width, down, out, columns)
        assert (out[:, : want.shape[1]] == held(want, x, down)).all()
        even = np.pad(x, ((0, height % 2 * down), (0, width % 2)), "edge")
        assert (np.asarray(fit_plane_on_device(even, down)) == held(want, x, down)).all()
        assert contrast > 20 or (held(want, x, down) == np.clip(want, 0, 255)).all()


@pytest.mark.parametrize("side", [128, 129])
def test_tiny_files_have_one_table_for_chroma(photo, side: int) -> None:
    """By 65 bytes smaller, and as near to the picture as with two."""
    image = np.ascontiguousarray(photo[60 : 60 + 128, 150 : 150 + side])
    options = EncodeOptions(tune=True, quality=75, subsampling="4:2:0", progressive=False)
    data = jpegjax.encode(image, tune=True, quality=75, subsampling="4:2:0", progressive=False)
    assert len(Image.open(io.BytesIO(data)).quantization) == (2 if side == 128 else 3)
    apart = encode_tuned(image, load_recipe("all", 75), options)
    if side == 128:
        assert 30 < len(apart) - len(data) < 100
        assert psnr(image, pillow_pixels(data)) > psnr(image, pillow_pixels(apart)) - 0.05
    else:
        assert data == apart


def test_a_shared_table_is_the_geometric_mean() -> None:
    recipe = load_recipe("all", 40)
    shared, (cb, cr) = recipe.sharing(), recipe.steps[1:].astype(float)
    assert (shared.steps[1] == shared.steps[2]).all() and (shared.steps[0] == recipe.steps[0]).all()
    assert np.abs(shared.steps[1] - np.sqrt(cb * cr)).max() <= 0.5
    cost, before = (r.weights[1:] / r.steps[1:].astype(float) ** 2 for r in (shared, recipe))
    np.testing.assert_allclose(cost, before, atol=0.51 / shared.steps[1].min() ** 2)


@pytest.mark.parametrize("tune", [True, "psnr"])
def test_saturated_edges_show_no_third_colour(tune: str | bool) -> None:
    """Thin red on blue: what rings is clamped to green that neither has. Unheld, 11 and 12 of it in the mean."""
    image = np.zeros((96, 160, 3), np.uint8)
    image[..., 2] = 255
    for x in range(5, 150, 7):
        image[10 + x % 5 : 86, x : x + 1 + x % 3] = 255, 0, 0
    image[20::9, 8:140] = 255, 0, 0
    shown = pillow_pixels(jpegjax.encode(image, tune=tune, quality=90, subsampling="4:2:0"))
    assert shown[..., 1].mean() < 7


def test_least_squares_chroma_serves_the_decoder(photo) -> None:
    """At 4:2:0 with the finest tables, what decoders make of it is nearer the original than the box's is."""
    found = []
    for chroma in ("box", "lsq"):
        recipe = Recipe.from_floats(np.ones((3, 64)), np.full((3, 64), 100), chroma=chroma, passes=1)
        found.append(psnr(photo, pillow_pixels(encode_tuned(photo, recipe))))
    assert found[1] > found[0] + 0.8


def test_compensation_aims_luma_at_what_decoded_chroma_leaves(photo) -> None:
    """Against the chroma planes that libjpeg itself decodes."""
    image = np.ascontiguousarray(photo[100:201, 60:215])
    recipe = replace(load_recipe("psnr", 60), compensate=(61, 30))
    options = EncodeOptions(tune=True)
    frame = tuned_frame(*image.shape, recipe, options)
    planes = tuned_planes(image, frame, recipe)
    tables = [recipe.steps[c] for c in range(3)]
    picture = Image.open(io.BytesIO(entropy.encode_image(planes, frame, tables, EncodeOptions(optimize=True))))
    picture.draft("YCbCr", None)
    decoded = np.asarray(picture).astype(int)
    assert picture.mode == "YCbCr"
    aimed = Picture(image, frame)
    y, cb, cr = aimed.planes[:, :101, :155].astype(int)
    aimed.compensate(planes[1:], tables[1:], recipe.compensate)
    assert recipe.compensate == (61, 30)
    want = np.clip(y - (61 * (decoded[..., 1] - cb) + 30 * (decoded[..., 2] - cr) + 128 >> 8), 0, 255)
    want = np.where((y == 0) | (y == 255), y, want)
    assert (aimed.planes[0, :101, :155] == want).all()
    assert (aimed.planes[0, :101, 155:160] == want[:, -1:]).all() and (aimed.planes[0, 101:112, :155] == want[-1]).all()


def test_the_script_is_the_best_of_its_candidates(photo) -> None:
    recipe, options = load_recipe("ssimulacra2", 80), EncodeOptions(tune=True)
    frame = tuned_frame(*photo.shape, recipe, options)
    planes = tuned_planes(photo, frame, recipe)
    tables = [recipe.steps[c] for c in range(3)]

    def size(script: object) -> int:
        return len(entropy.encode_image(planes, frame, tables, EncodeOptions(scans=script, progressive=script is None)))

    best = size(best_script(planes, frame))
    dc, chroma = "0: 0-0, 0, 0; 1 2: 0-0, 0, 0;", "1: 1-63, 0, 0; 2: 1-63, 0, 0;"
    lumas = "0: 1-63, 0, 0;", "0: 1-9, 0, 0; 0: 10-63, 0, 0;", "0: 1-2, 0, 0; 0: 3-9, 0, 0; 0: 10-63, 0, 0;"
    fine = "0: 1-1, 0, 0; 0: 2-2, 0, 0; 0: 3-9, 0, 0; 0: 10-20, 0, 0; 0: 21-44, 0, 0; 0: 45-63, 0, 0;"
    refined = "0: 1-2, 0, 1; 0: 3-63, 0, 1; 0: 1-63, 1, 0;"
    assert best <= 1.001 * min(size(dc + chroma + luma) for luma in (*lumas, fine, refined))
    assert best < size("0 1 2: 0-0, 0, 0;" + chroma + lumas[2]) - 50
    assert best < 0.985 * size(None)


@pytest.mark.parametrize("sampling", ["4:2:0", "4:2:2", "4:4:4"])
@pytest.mark.parametrize("side", [8, 40, 72, 150, 256])
def test_dc_goes_by_the_smaller_scans(photo, sampling: str, side: int) -> None:
    """Luma's DC by itself, row by row, or all of it MCU by MCU, whichever makes the smaller file."""
    image = np.ascontiguousarray(photo[: side - 3, :side])
    recipe, options = load_recipe("psnr", 60), EncodeOptions(tune=True, progressive=True, subsampling=sampling)
    frame = tuned_frame(*image.shape, recipe, options)
    planes = tuned_planes(image, frame, recipe)
    ac = "".join(f"{c}: 1-63, 0, 0;" for c in range(3))
    tables = [recipe.steps[c] for c in range(3)]

    def size(dc: str) -> int:
        return len(entropy.encode_image(planes, frame, tables, EncodeOptions(scans=dc + ac)))

    together, alone = size("0 1 2: 0-0, 0, 0;"), size("0: 0-0, 0, 0; 1 2: 0-0, 0, 0;")
    chosen = best_script(planes, frame)[0].components
    assert {(0, 1, 2): together, (0,): alone}[chosen] <= min(together, alone) + 4
    assert chosen == (0,) or sampling != "4:2:0" or side < 256


def test_bands_follow_the_recipe_and_pay(photo) -> None:
    """A trellis that knows the bands of the scans makes the smaller file of the same quality."""
    banded = load_recipe("ms-ssim", 75)
    curves = []
    for recipe_of in (lambda q: load_recipe("ms-ssim", q), lambda q: replace(load_recipe("ms-ssim", q), bands=(63,))):
        points = [
            (psnr(photo, pillow_pixels(d)), np.log(len(d)))
            for d in (encode_tuned(photo, recipe_of(q)) for q in (45, 60, 75))
        ]
        curves.append(tuple(zip(*points, strict=True)))
    (db, size), (db1, size1) = curves
    assert len(banded.bands) > 1
    assert np.interp(db[1], db, size) < np.interp(db[1], db1, size1) - 0.003


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": np.zeros((3, 64), int)}, r"steps: values 0..0; must be 1..255"),
        ({"steps": np.ones((3, 64))}, r"steps: float64 \(3, 64\); must be integers"),
        ({"weights": np.full((3, 64), 8192)}, r"weights: values 8192..8192; must be 0..8191"),
        ({"rates": np.ones((2, 255), int)}, r"rates: int64 \(2, 255\)"),
        ({"field": (64, 0, 1, 0, 0, 0, 0, 0, 0)}, r"field="),
        ({"field": (64, 1, 255, 255, 0, 0, 0, 0, 0)}, r"their sum over c below 128"),
        ({"compensate": (0, 256)}, r"compensate=\(0, 256\): must be two gains 0..255"),
        ({"field": (64, 234, 0, 0, 0, 0, 0, 0, 0)}, r"one weight must be above 0"),
        ({"chroma": "sharp"}, r"chroma='sharp': must be 'box' or 'lsq'"),
        ({"passes": 0}, r"passes=0"),
        ({"bands": (8,)}, r"bands=\(8,\): must rise from 1 or more to 63"),
    ],
)
def test_wrong_recipes_are_refused(changes: dict, message: str) -> None:
    recipe = Recipe.from_floats(np.full((3, 64), 16), np.full((3, 64), 8))
    assert recipe.field == NO_FIELD
    with pytest.raises(ValueError, match=message):
        replace(recipe, **changes)


def test_recipes_between_qualities_lie_between() -> None:
    for tune in ("psnr", "ms-ssim", "ssimulacra2", "butteraugli", "restored", "all"):
        coarse, fine = (load_recipe(tune, q).steps.astype(int).sum() for q in (10, 95))
        assert coarse > 2 * fine
        middle = [load_recipe(tune, q).steps.astype(int) for q in (60, 60.5, 61)]
        assert (
            (middle[1] <= np.maximum(middle[0], middle[2]) + 1) & (middle[1] >= np.minimum(middle[0], middle[2]) - 1)
        ).all()


def test_the_command_line(photo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from jpegjax.cli import main

    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as end:
            main(["encode", *arguments, str(tmp_path / "in.png")])
        return end.value.code

    Image.fromarray(photo).save(tmp_path / "in.png")
    for tune, flag in ((True, "all"), ("psnr", "psnr")):
        out = tmp_path / f"{flag}.jpg"
        assert run("--tune", flag, "-o", str(out), "--quiet") == 0
        assert out.read_bytes() == jpegjax.encode(photo, tune=tune)
    for arguments, complaint in (
        (["--tune", "x"], "tune='x'"),
        (["--tune", "all", "--verify"], "Pillow knows no --tune"),
    ):
        assert run(*arguments, "-o", str(tmp_path / "x.jpg")) == 2 and complaint in capsys.readouterr().err
