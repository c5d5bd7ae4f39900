"""The shipped recipes and the experiment that found them: experiments/tuning."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pictures import waves
from PIL import Image

import jpegjax
from experiments.tuning import model, pictures, scores
from jpegjax.jpeg.tuned.plan import chosen_recipe
from jpegjax.jpeg.tuned.recipe import SAMPLINGS, load_recipe, recipe_sampling
from jpegjax.options import EncodeOptions, parse_subsampling

TUNES = ("psnr", "ms-ssim", "ssimulacra2", "butteraugli", "restored", "all")


@pytest.mark.parametrize("tune", TUNES)
def test_the_shipped_integers_are_what_found_json_makes(tune):
    entry = model.found()[tune]
    for sampling in SAMPLINGS:
        d = model.sampled(entry, sampling)["d"]
        assert len(d) == 100
        for quality in (1, 17, 50, 75, 92, 100):
            shipped = load_recipe(tune, quality, sampling)
            made = model.make_recipe(entry, d[quality - 1], sampling=sampling)
            np.testing.assert_array_equal(shipped.steps, made.steps)
            np.testing.assert_array_equal(shipped.weights, made.weights)
            for name in ("field", "chroma", "compensate", "subsampling"):
                assert getattr(shipped, name) == getattr(made, name)


@pytest.mark.parametrize("tune", TUNES)
def test_more_quality_is_finer_tables_and_more_bytes(tune):
    d = np.array(model.found()[tune]["d"])
    assert (np.diff(d) <= 0).all()
    luma = np.stack([load_recipe(tune, q).steps[0].astype(int) for q in range(1, 101)])
    assert (np.diff(luma.sum(1)) <= 0).all()
    name = True if tune == "all" else tune
    sizes = [len(jpegjax.encode(waves(240, 320, 3), quality=q, tune=name)) for q in (5, 20, 40, 60, 75, 90, 97)]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("tune", TUNES)
@pytest.mark.parametrize("quality", [30, 75, 90])
def test_tuned_files_are_smaller_and_open_in_pillow(tune, quality):
    picture = waves(240, 320, 3)
    file = jpegjax.encode(picture, quality=quality, tune=True if tune == "all" else tune, subsampling="4:2:0")
    plain = jpegjax.encode(picture, quality=quality)
    assert len(file) < len(plain)
    shown = np.asarray(Image.open(io.BytesIO(file)))
    assert shown.shape == picture.shape
    assert np.square(shown.astype(float) - picture).mean() < 250


def test_the_split_depends_on_the_name_alone():
    names = [f"picture_{i}.avif" for i in range(2000)]
    share = np.mean([pictures.is_validation(n) for n in names])
    assert 0.17 < share < 0.23
    assert [pictures.is_validation(n) for n in names] == [pictures.is_validation(n) for n in names]


def test_training_validation_and_kodak_are_disjoint(shared, monkeypatch):
    monkeypatch.setenv("JPEGJAX_SHARED", str(shared))
    training, validation = ({file for _, file in pictures.listing(side)} for side in (False, True))
    assert len(validation) >= 40
    assert len(training) >= 150
    assert not training & validation
    assert not any("kodim" in file.lower() or "kodak" in file.lower() for file in training | validation)


def test_bd_rates_need_coverage():
    def curve(low: float, high: float, bpp: float) -> scores.Curve:
        at = np.linspace(low, high, 8)
        return [
            {"quality": i, "bpp": bpp * 1.1**i, **dict.fromkeys(scores.METRICS, float(q))} for i, q in enumerate(at)
        ]

    found = scores.bd_rates(curve(10, 95, 1.0), curve(10, 95, 0.8))
    assert all(value == pytest.approx(-20) for value in found.values())
    assert scores.bd_rates(curve(10, 95, 1.0), curve(50, 95, 0.8))["ssimulacra2"] is None


def test_every_peer_covers_the_intervals(shared):
    peers = scores.peer_curves(shared / "facts" / "jpeg-peers-kodak.json")
    anchor = peers["turbo"][1]
    rates = {
        name: scores.bd_rates(anchor, peers[name][1])
        for name in ("turbo_opt", "moz", "mozpsnr", "jpegli444", "jpegli420")
    }
    narrow = [value for found in rates.values() for column, value in found.items() if column != "ssimulacra2_wide"]
    assert None not in narrow
    assert rates["mozpsnr"]["psnr"] == pytest.approx(-28.0, abs=0.5)
    assert rates["jpegli420"]["ssimulacra2"] == pytest.approx(-20.8, abs=0.5)
    assert rates["jpegli420"]["ssimulacra2_60_85"] == pytest.approx(-17.0, abs=0.1)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_recipes_are_those_of_the_sampling(sampling):
    assert recipe_sampling(parse_subsampling(sampling)) == sampling
    for recipe in (load_recipe("all", 75, sampling), chosen_recipe(EncodeOptions(tune=True, subsampling=sampling))):
        assert recipe.subsampling == sampling
    grey = chosen_recipe(EncodeOptions(tune=True, subsampling=sampling), channels=1)
    np.testing.assert_array_equal(grey.steps, load_recipe("all", 75).steps)


def test_other_samplings_take_the_nearest_recipe():
    names = {"4:1:1": "4:2:0", "4:1:0": "4:2:0", "4:4:0": "4:4:0", "2x2,2x2,2x2": "4:4:4", "2x2,1x2,1x2": "4:2:2"}
    for given, name in names.items():
        assert recipe_sampling(parse_subsampling(given, 48)) == name
    upright, lying = load_recipe("ssimulacra2", 60, "4:4:0"), load_recipe("ssimulacra2", 60, "4:2:2")
    for name in ("steps", "weights"):
        a, b = (getattr(r, name).reshape(3, 8, 8) for r in (upright, lying))
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1:], b[1:].transpose(0, 2, 1))


@pytest.mark.parametrize("tune", [True, "psnr", "ssimulacra2"])
def test_quality_100_of_full_chroma_is_nearly_the_picture(tune):
    picture = waves(120, 160, 3)
    shown = np.asarray(Image.open(io.BytesIO(jpegjax.encode(picture, quality=100, tune=tune, subsampling="4:4:4"))))
    assert 10 * np.log10(255**2 / np.square(shown.astype(float) - picture).mean()) > 50
