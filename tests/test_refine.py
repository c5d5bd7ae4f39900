"""Analysis by synthesis: slopes against finite differences, files that get better, and no seams or neighbours in them."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from command_line import Run
from oracles import psnr
from pictures import astronaut, waves
from PIL import Image

import jpegjax
from jpegjax.api.restoring import decoded_of, network_of
from jpegjax.jpeg.tuned import synthesis
from jpegjax.jpeg.tuned.synthesis import Picture, curvatures, slopes
from jpegjax.learned.restoring import weights
from jpegjax.learned.restoring.run import restored
from jpegjax.metrics import bd_rate
from jpegjax.options import Tune
from jpegjax.run.devices import local_devices

SAMPLINGS = ("4:2:0", "4:4:4", "4:2:2", "4:4:0", "4:1:1", "4:1:0")
IMAGE = (waves(44, 70) * np.float32(0.5) + 64).astype(np.uint8)
"""Colours that nothing clips."""
PHOTOGRAPH = astronaut()[20:212, 140:332]


def picture_of(data: bytes, image: np.ndarray) -> Picture:
    found = jpegjax.read_coefficients(data)
    tables = [np.asarray(q).reshape(8, 8) for q in found.qtables]
    return Picture(image, found.frame, tables, [np.asarray(p[0]).copy() for p in found.planes])


def error_of(picture: Picture, c: int = 0, at: tuple[int, ...] = (0, 0, 0, 0), change: int = 0) -> float:
    """Squared error of the picture as `decode` shows its coefficients in floats, one of them changed, in float64."""
    levels = [p.copy() for p in picture.levels]
    levels[c][at] += change
    found = jpegjax.Coefficients(tuple(p[None] for p in levels), tuple(picture.tables), picture.frame)
    shown = jpegjax.decode(jpegjax.write_coefficients(found), dtype="float32")
    return float(np.square(shown.astype(np.float64) - picture.image).sum())


@pytest.mark.parametrize("sampling", [*SAMPLINGS, "grey"])
def test_slopes_are_those_of_what_decoders_show(sampling: str) -> None:
    """By finite differences through `decode` in floats, exact where the error is a parabola: at corners, edges, any frequency."""
    image = IMAGE[..., 1] if sampling == "grey" else IMAGE
    data = jpegjax.encode(image, quality=60, subsampling=None if sampling == "grey" else sampling)
    picture = picture_of(data, image)
    ((number, found),) = slopes([picture], None, local_devices("cpu"))
    assert number == 0
    for c, part in enumerate(found):
        rows, columns = part.shape[:2]
        assert part.shape == picture.levels[c].shape
        for at in ((0, 0, 0, 0), (rows - 1, columns - 1, 0, 1), (0, columns - 1, 3, 2), (rows - 1, 0, 5, 7)):
            expected = (error_of(picture, c, at, 1) - error_of(picture, c, at, -1)) / 2 / picture.tables[c][at[2:]]
            assert part[at] == pytest.approx(expected, rel=2e-3, abs=0.02 * float(np.abs(part).max()))


@pytest.mark.parametrize("grey", [False, True])
def test_slopes_are_those_of_what_the_network_shows(grey: bool) -> None:
    """By finite differences of what the restorer makes of decoded planes, at the steepest coefficients."""
    image = IMAGE[..., 1] if grey else IMAGE
    picture = picture_of(jpegjax.encode(image, quality=70, tune="psnr", subsampling="4:4:4"), image)
    found = jpegjax.Coefficients(tuple(p[None] for p in picture.levels), tuple(picture.tables), picture.frame)
    ((_, parts),) = slopes([picture], network_of("restored"), local_devices("cpu"))
    (seen,) = decoded_of(found)
    k, x = np.mgrid[:8, :8]
    basis = np.sqrt(np.where(k == 0, 1, 2) / 8) * np.cos(np.pi * (2 * x + 1) * k / 16)

    def error(c: int, at: tuple[int, ...], change: float) -> float:
        row, column, v, u = at
        planes = np.pad(seen.planes, ((0, 48 - 44), (0, 72 - 70), (0, 0)), mode="edge")
        planes[8 * row : 8 * row + 8, 8 * column : 8 * column + 8, c] += change * np.outer(basis[v], basis[u])
        (shown,) = restored(
            [seen._replace(planes=planes[:44, :70])], weights.named(), local_devices("cpu")[:1], dtype="float32"
        )
        return float(np.square(shown.astype(np.float64) - image).sum())

    for c, part in enumerate(parts):
        inner = part[:-1, :-1]
        steep = np.abs(inner).reshape(-1).argsort()[-3:]
        places = [tuple(int(i) for i in np.unravel_index(j, inner.shape)) for j in steep]
        expected = [(error(c, at, 0.1) - error(c, at, -0.1)) / 0.2 for at in places]
        np.testing.assert_allclose([part[at] for at in places], expected, rtol=0.05 if c else 0.1)


def test_curvatures_are_those_of_the_error() -> None:
    """By second differences through `decode`, inside the picture."""
    image = (waves(64, 64) * np.float32(0.5) + 64).astype(np.uint8)
    for sampling in ("4:2:0", "4:2:2", "4:4:4"):
        picture = picture_of(jpegjax.encode(image, quality=80, subsampling=sampling), image)
        middle = error_of(picture)
        for c, bend in enumerate(curvatures(picture.frame)):
            for v, u in ((0, 0), (1, 2), (5, 3)):
                both = sum(error_of(picture, c, (1, 1, v, u), change) for change in (4, -4))
                step = 4 * float(picture.tables[c][v, u])
                assert (both - 2 * middle) / 2 / step**2 == pytest.approx(bend[v, u], rel=0.02)


@pytest.mark.parametrize("restore", [False, True])
def test_windows_have_no_seams(restore: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slopes of a picture of several windows are those of one."""
    image = waves(40, 600)
    picture = picture_of(jpegjax.encode(image, quality=30), image)
    network, devices = network_of("restored") if restore else None, local_devices("cpu")
    ((_, whole),) = slopes([picture], network, devices)
    monkeypatch.setattr(synthesis, "WINDOW", 192)
    ((_, parts),) = slopes([picture], network, devices)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(b, a, atol=1e-3 * np.abs(a).max())


@pytest.mark.parametrize(("tune", "least"), [("psnr", 0.5), ("restored", 3.0)])
def test_files_are_smaller_at_equal_psnr(tune: Tune, least: float) -> None:
    """By so many percent, BD-rate of a photograph's part."""
    curves = []
    for rounds in (0, 2):
        curve = []
        for quality in (20, 45, 70, 90):
            data = jpegjax.encode(PHOTOGRAPH, quality=quality, tune=tune, refine=rounds)
            shown = jpegjax.decode(data, restore=tune == "restored")
            curve.append((float(len(data)), psnr(PHOTOGRAPH, shown)))
        curves.append(curve)
    assert bd_rate(*curves) < -least


def test_every_file_is_one_that_others_read() -> None:
    data = jpegjax.encode(PHOTOGRAPH, quality=60, tune="restored", refine=1)
    assert jpegjax.info(data).marked
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), jpegjax.decode(data))


def test_batches_devices_and_engines_make_the_same_files() -> None:
    """Of several sizes, grey among them; on eight devices, on one, by either engine, to a target or not."""
    images = [waves(33, 47), waves(64, 64)[..., 0], waves(1, 1), waves(33, 47, 1), waves(2, 90)]
    encode = partial(jpegjax.encode, tune="psnr", refine=2)
    assert len(jax.local_devices()) == 8
    together = encode(images)
    assert together == [encode(image) for image in images] == encode(images, engine="xla")
    assert together[:2] == encode(images[:2], device=jax.local_devices()[3])
    assert encode(jax.numpy.asarray(images[0])) == together[0] != jpegjax.encode(images[0], tune="psnr")
    aimed = encode(images[0], target_bytes=700)
    assert 650 < len(aimed) <= 700


def test_what_one_meets_is_its_own() -> None:
    good, bad = waves(16, 16), np.zeros((16, 16, 4), np.uint8)
    files = jpegjax.encode([good, bad], tune="psnr", refine=1, errors="return")
    assert isinstance(files[1], ValueError) and files[0] == jpegjax.encode(good, tune="psnr", refine=1)


@pytest.mark.parametrize("tune", [None, True, "ssimulacra2", "ms-ssim", "butteraugli"])
def test_other_tunes_have_none(tune: Tune | None) -> None:
    with pytest.raises(ValueError, match=r"refine=2: for tune='psnr' and 'restored', .*; tune="):
        jpegjax.encode(IMAGE, tune=tune, refine=2)


@pytest.mark.parametrize(("rounds", "error"), [(-1, ValueError), (65, ValueError), (1.5, TypeError), ("3", TypeError)])
def test_rounds_are_few_integers(rounds: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="refine"):
        jpegjax.encode(IMAGE, tune="psnr", refine=rounds)


def test_the_command_line(run: Run) -> None:
    Image.fromarray(IMAGE).save("a.png")
    done = run("encode", "a.png", "--tune", "psnr", "--refine", "1", "-o", "a.jpg")
    assert done.code == 0 and Path("a.jpg").read_bytes() == jpegjax.encode(IMAGE, tune="psnr", refine=1)
    done = run("encode", "a.png", "--refine", "1", "-o", "b.jpg")
    assert done.code == 2 and "refine=1: for tune='psnr' and 'restored'" in done.err and not Path("b.jpg").exists()
