"""The drawn pictures of the tuning experiments: experiments/tuning/graphics.py."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pictures import waves

from experiments.tuning import graphics, pictures
from experiments.tuning.drawn import apart, training

pytest.importorskip("matplotlib")
SIDES = (False, True)


@pytest.fixture(scope="module")
def drawn():
    return {side: graphics.drawings(side, waves(512, 512, 3)) for side in SIDES}


@pytest.mark.parametrize("side", SIDES)
def test_drawings_are_pictures_of_their_kinds(drawn, side):
    for graphic in drawn[side]:
        assert graphic.pixels.dtype == np.uint8
        assert graphic.pixels.ndim == 3
        assert graphic.pixels.shape[2] == 3
        assert min(graphic.pixels.shape[:2]) >= 256
        assert max(graphic.pixels.shape[:2]) <= 768
        assert graphic.pixels.std() > 5, graphic.name
    kinds = Counter(graphic.kind for graphic in drawn[side])
    assert set(kinds) == set(graphics.KINDS)
    assert min(kinds.values()) >= 4


def test_they_are_the_same_every_time(drawn):
    for side, again in ((s, graphics.drawings(s, waves(512, 512, 3))) for s in SIDES):
        for first, second in zip(drawn[side], again, strict=True):
            np.testing.assert_array_equal(first.pixels, second.pixels, err_msg=first.name)


def test_the_sides_share_neither_names_nor_words_nor_fonts(drawn):
    assert not {g.name for g in drawn[False]} & {g.name for g in drawn[True]}
    assert not set(training._WORDS) & set(apart._WORDS)

    def fonts(module: object) -> set[str]:
        tree = ast.parse(Path(str(module.__file__)).read_text())  # type: ignore[attr-defined]
        texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        return {t for t in texts if t == "Pillow" or (t.startswith(("DejaVu", "STIX", "cm")) and " " not in t)}

    assert len(fonts(training)) >= 4
    assert len(fonts(apart)) >= 5
    assert not fonts(training) & fonts(apart)


def test_real_drawings_stand_on_their_side_of_the_split():
    for files, side in ((training.REAL, False), (apart.REAL, True)):
        assert {pictures.is_validation(file) for file in files} == {side}


def test_both_sets_are_whole(shared, monkeypatch):
    monkeypatch.setenv("JPEGJAX_SHARED", str(shared))
    for side in SIDES:
        found = graphics.graphics(apart=side)
        assert len(found) >= 16
        assert len({g.name for g in found}) == len(found)
