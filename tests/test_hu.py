"""Hu 2020's experiment on small drawn portraits: components against NumPy, registration, variants from end to end, report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.fft import dctn

from experiments.hu.__main__ import Pieces, shape_errors, still
from experiments.hu.build import Recipe, inside, planes_of_all, textures
from experiments.hu.components import principal, spectra
from experiments.hu.data import Portraits
from experiments.hu.measure import RIVALS, recognised
from experiments.hu.register import affine, grid, principal_moves, register
from experiments.hu.report import claims, write_report
from jpegjax.learned.faces.model import FaceSize

SIZE = FaceSize(24, 20, 3, 0, ((10, 9), (4, 4), (4, 4)), 20, 0, 9, 0, refine=8, blocks=1)
POINTS = grid(24, 20, 3)


def portraits(count: int, seed: int = 0) -> Portraits:
    """Blobs before a slope, moved by up to two pixels, two pictures a person, and nine points that move along."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:24, :20]
    images, marks = [], []
    for _ in range(count):
        dy, dx = draw.uniform(-2, 2, 2)
        near = np.exp(-((rows - 12 - dy) ** 2 + (columns - 10 - dx) ** 2) / 40)
        tint = draw.uniform(60, 200, 3)
        x = 40 + columns[..., None] * 3 * draw.uniform() + near[..., None] * (tint - 60) + draw.normal(size=(24, 20, 3))
        images.append(np.clip(x, 0, 255).astype(np.uint8))
        marks.append((POINTS + np.array([dy, dx]))[:, ::-1])
    return Portraits(np.stack(images), np.arange(count) // 2, np.stack(marks))


def test_components_are_numpys():
    planes = planes_of_all(portraits(12))
    kept = ((6, 5), (2, 2), (2, 2))
    x = spectra(planes, kept)
    whole = dctn(planes[3, 0], norm="ortho")[:6, :5].ravel()
    np.testing.assert_allclose(x[3, :30], whole, atol=1e-2)
    mean, basis = principal(planes, kept, 5, 3, 0.0, 0)
    both = spectra(np.concatenate([planes, planes[..., ::-1]]), kept).astype(np.float64)
    np.testing.assert_allclose(mean, both.mean(0), atol=1e-2)
    values, vectors = np.linalg.eigh(np.cov(both.T, bias=True))
    assert np.abs(np.abs((basis[:3] * vectors[:, ::-1].T[:3]).sum(1)) - 1).max() < 1e-3
    left = np.diag(np.cov(both.T, bias=True)) - (values[::-1][:5, None] * vectors[:, ::-1].T[:5] ** 2).sum(0)
    assert basis[5:].sum(1).tolist() == [1, 1, 1] and set(basis[5:].argmax(1)) == set(np.argsort(-left)[:3])


def test_textures_stand_where_the_shape_says():
    """Of pictures moved by whole pixels, the texture is the same."""
    base = portraits(1).images[0].astype(np.float32)
    planes = np.stack([np.roll(base, move, (0, 1)).transpose(2, 0, 1) for move in ((0, 0), (2, -1))])
    moves = affine(POINTS)
    codes = np.zeros((2, 6))
    codes[1, :2] = 2, -1
    found = textures(planes, principal_moves(POINTS, POINTS + np.tensordot(codes, moves, 1), 2, 1.0), 0)
    np.testing.assert_allclose(found[0][:, 5:-5, 5:-5], found[1][:, 5:-5, 5:-5], atol=0.1)
    mask = inside(still(portraits(2), POINTS), replace(SIZE, height=60, width=60))
    assert mask[5, 5] > 0.9 and mask[50, 50] < 0.01


def test_registration_finds_the_moves():
    """Codes follow where the blobs are, up and down at least: a slope looks like a move aside."""
    found = portraits(16)
    recipe = Recipe(replace(SIZE, margin=2), shrink=0.1, reach=0)
    codes = register(planes_of_all(found), POINTS, affine(POINTS)[:2], recipe, rounds=2, more=1)
    true = (found.landmarks[:, :, ::-1] - POINTS).mean(1)
    assert np.corrcoef(codes[:, 0], true[:, 0])[0, 1] > 0.9


def test_persons_are_apart_and_recognised():
    found = portraits(12)
    folds = found.folds(3)
    assert sum(fold.astype(int) for fold in folds).tolist() == [1] * 12
    assert all(not set(found.persons[fold]) & set(found.persons[~fold]) for fold in folds)
    pictures = np.random.default_rng(0).integers(0, 256, (6, 8, 8))
    assert recognised(pictures, np.arange(6), pictures + 1, np.arange(6)) == 1
    assert recognised(pictures, np.arange(6), pictures[::-1], np.arange(6)) == 0


@pytest.fixture(scope="module")
def pieces(tmp_path_factory) -> dict[str, Any]:
    """A set of drawn portraits through all of the experiment but its real data."""
    fit, test = portraits(24), portraits(4, 1)
    marks = fit.landmarks[..., ::-1]
    shapes = principal_moves(marks.mean(0), marks, 2, 1.0)
    recipes = {
        "still": lambda: (still(fit, POINTS), Recipe(SIZE, plain=8, reach=0)),
        "apart": lambda: (shapes, Recipe(replace(SIZE, shape=2, latents=12, behind=8), 4, 4, reach=0)),
    }
    found = Pieces("colour", (fit, test), recipes, tmp_path_factory.mktemp("hu"), 4, 2)
    for name in found.names():
        found.find(name)
    assert list(found.there()) == found.names()
    return found.there() | {"work": found.work}


def test_all_variants_are_trained_and_measured(pieces):
    costs = {name: pieces[f"colour-{name}"]["left_out"]["cost"] for name in ("still", "apart")}
    refined = pieces["colour-refined"]
    assert refined["chosen"] == min(costs, key=costs.get) and isinstance(refined["gain_db"], float)
    assert refined["nbytes"] == (pieces["work"] / "colour.jxw").stat().st_size
    for name in costs:
        sizes = [(int(target), one["most_nbytes"]) for target, one in pieces[f"colour-{name}"]["curve"].items()]
        assert sizes and all(most <= target for target, most in sizes)
    apart = pieces["colour-apart"]
    pixels = apart["landmarks_px"]
    assert pixels["components"] <= pixels["coded"] < pixels["mean_shape"] and pixels["components"] < 0.05
    assert apart["given"] and apart["unmoved"] and apart["test"] == 2
    row = pieces["colour-curve"]["curve"]["100"]
    assert row["psnr_db"] > 25 and row["most_nbytes"] <= 100 and pieces["colour-curve"]["test"] == 4


def test_others_have_as_many_bytes(pieces):
    for codec in RIVALS:
        found = pieces[f"colour-rival-{codec}"]
        assert found["least_nbytes"] > 0 and found["rows"]
        for target, row in found["rows"].items():
            assert row["most_nbytes"] <= int(target) and row["psnr_db"] > 15


def test_errors_of_shapes_fall_with_components():
    found = portraits(12)
    marks = found.landmarks[..., ::-1]
    one, two = (
        shape_errors(principal_moves(marks.mean(0), marks, count, 0.5), found)["components"] for count in (1, 2)
    )
    assert two < one


def test_reports_are_written(pieces, tmp_path: Path):
    some = {k: v for k, v in pieces.items() if k != "work"}
    some |= {k.replace("colour", "orl"): v for k, v in some.items()} | {
        "orl-identity": {"shares": {"uncoded": 1.0, "100": 0.9}}
    }
    whole = {"command": "c", "commit": "0" * 12, "pieces": some}
    write_report(tmp_path, whole)
    assert {p.name for p in tmp_path.iterdir()} == {"hu.json", "hu.md", "hu.png", "hu.svg"}
    told = json.loads((tmp_path / "hu.json").read_text())
    assert told["literature"] == claims(whole) and told["literature"][0]["system"].startswith("Hu 2020")
    text = (tmp_path / "hu.md").read_text()
    assert "100 bytes 90.0%" in text and "background apart" in text and "JPEG 2000" in text
