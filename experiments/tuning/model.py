"""A tune's recipes from a few numbers: tables, weights and field as functions of d, the step of luma's lowest frequencies.

`found.json` holds the numbers that `search.py` found; `make_recipes.py` turns them into the integers that ship.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jpegjax.jpeg.tuned.recipe import Recipe, load_network

__all__ = ["CHROMA", "FOUND", "Numbers", "found", "make_recipe", "move", "sampled"]

Numbers = Mapping[str, float]
FOUND = Path(__file__).parent / "found.json"

_V, _U = np.divmod(np.arange(64), 8)
_R = (_U + _V) / 14  # 0..1 along the diagonal
_TILT = (_U - _V) / 7  # horizontal against vertical frequencies
_MIXED = _U * _V / 49  # diagonal against both
_STRETCH = {"4:2:0": (1, 1), "4:2:2": (1, 2), "4:4:4": (2, 2)}
"""Horizontal and vertical frequencies of chroma that are one of 4:2:0's, by sampling. So many times less is the area that an
error of one reaches, and so many times coarser, under the root, are the steps for errors of equal energy."""

CHROMA = "bc", "ba", "bp", "bdc", "rc", "ra", "rdc", "c_t", "ca_t", "mc", "mce", "mc_t", "mcdc"
"""Numbers that may differ between samplings."""
_CALM = 1.5
"""A picture whose mean log2 of c / (c + variances) is minus this has the field of all."""


def found() -> dict[str, Any]:
    """By tune: {"numbers": Numbers, "chroma": "lsq" or "box", "passes", "middle": d about which the shape turns, "moves": what
    gradients add, "network": whether it takes part in the field, "d": by quality, "bd_rate_training", "samplings": {sampling:
    {"numbers": those of chroma that differ from 4:2:0's, "d", "bd_rate_training"}}}."""
    return json.loads(FOUND.read_text())


def move(moves: Mapping[str, Any] | None, d: float) -> np.ndarray | float:
    """What gradients add to the logarithms of the steps at d, [3, 64]; moves: {"log_d": [n], "log_steps": [n, 3, 64]}."""
    if moves is None:
        return 0.0
    order = np.argsort(moves["log_d"])
    knots, steps = np.array(moves["log_d"])[order], np.array(moves["log_steps"])[order]
    at = float(np.interp(math.log(d), knots, np.arange(len(knots))))
    low = min(int(at), len(knots) - 2)
    return steps[low] * (low + 1 - at) + steps[low + 1] * (at - low)


def sampled(tune: Mapping[str, Any], sampling: str) -> dict[str, Any]:
    """The entry of a tune for a sampling: 4:2:0's with what differs."""
    own = tune.get("samplings", {}).get(sampling, {})
    return {**tune, **own, "numbers": {**tune["numbers"], **own.get("numbers", {})}}


def _reach(sampling: str) -> np.ndarray:
    """_R of chroma in 4:2:0's frequencies: 0..1 for it, to 2 for 4:4:4."""
    across, down = _STRETCH[sampling]
    return (across * _U + down * _V) / 14


def _steps(n: Numbers, d: float, t: float, sampling: str) -> np.ndarray:
    """Unrounded tables [3, 64] of Y, Cb and Cr."""
    reach, coarser = _reach(sampling), math.sqrt(math.prod(_STRETCH[sampling]))
    steps = np.empty((3, 64))
    slope = n["la"] * math.exp(n["la_t"] * t)
    steps[0] = d * (1 + slope * _R ** n["lp"]) * np.exp(n["las"] * _TILT + n["lpr"] * _MIXED)
    steps[0, 0] = d * math.exp(n["ldc"])
    for c, which in ((1, "b"), (2, "r")):
        scale = coarser * d * math.exp(n[which + "c"] + n["c_t"] * t)
        steps[c] = scale * (1 + n[which + "a"] * math.exp(n["ca_t"] * t) * reach ** n["bp"])
        steps[c, 0] = scale * math.exp(n[which + "dc"])
    return steps


def _weights(n: Numbers, t: float, sampling: str) -> np.ndarray:
    """Bits that a squared error of one step is worth, [3, 64]."""
    weights = np.empty((3, 64))
    luma = n["ml"] + n["ml_t"] * t
    chroma = n["mc"] + (n["ml_t"] + n["mc_t"]) * t
    weights[0] = 2 ** (luma + (n["me"] + n["me_t"] * t) * _R)
    weights[1:] = 2 ** (chroma + n["mce"] * _reach(sampling))
    weights[:, 0] = 2 ** np.array([luma + n["mdc"], *[chroma + n["mcdc"]] * 2])
    return weights


def _field(n: Numbers, t: float) -> tuple[int, ...] | None:
    """`Recipe.field`: power in 64ths, c of four variances, weights of the four scales with the largest 255."""
    if "fp" not in n:
        return None
    w = np.array([1.0, *(math.exp(n[f"fw{s}"]) for s in (1, 2, 3))])
    power = round(min(max(64 * (n["fp"] + n["fp_t"] * t), 0), 255))
    c, ws = round(4 * math.exp(n["fc"])), np.rint(255 * w / w.max())
    middle = round(256 * (math.log2(ws.sum() * 2**24 / c) - _CALM))
    drawn = round(min(max(128 + 16 * n["fg"], 1), 255)) if "fg" in n else 0
    return power, c, *(int(x) for x in ws), round(min(max(64 * n["p2"], 0), 255)), middle, drawn


def make_recipe(
    tune: Mapping[str, Any], d: float, rates: Any = None, dc_rates: Any = None, sampling: str = "4:2:0"
) -> Recipe:
    """The recipe of a tune (an entry of `found`) at d. rates, dc_rates: bits of the first pass, as `Recipe.from_floats`."""
    n = defaultdict(float, sampled(tune, sampling)["numbers"])
    t = math.log2(d / tune["middle"]) / 2
    moved = np.broadcast_to(move(tune.get("moves"), d), (3, 64)).copy()
    moved[1:] *= sampling == "4:2:0"  # frequencies of no other
    exact = _steps(n, d, t, sampling) * np.exp(moved)
    steps = np.clip(np.rint(exact), 1, 255)
    weights = _weights(n, t, sampling) * (steps / exact) ** 2  # rounding a step must not change what its error costs
    field = _field(n, t)
    others: dict[str, Any] = {} if field is None else {"field": field}
    if "kb" in n:
        others["compensate"] = round(256 * 0.476 * n["kb"]), round(256 * 0.229 * n["kr"])
    if tune.get("network"):
        others["network"] = load_network()
    others |= {"chroma": tune["chroma"], "passes": tune["passes"], "subsampling": sampling}
    return Recipe.from_floats(steps, weights, rates, dc_rates, **others)
