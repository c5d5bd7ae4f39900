"""Files of a given size or a given quality: the quality number is searched for, in 1/256 steps.

A tune's recipes are made for such fractions; files without tune take the tables of T.81 Annex K on the IJG scale, their
entries rounded at different places so that few change at a time. Where one change is still too much, weights or the
entries of higher frequencies are refined alone. Over log(scale) both log(bytes) and the metrics are
nearly straight, so that secants through the nearest points land after a few files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION
from ..options import DecodeOptions, EncodeOptions
from ..types import ColorSpace
from . import codec

if TYPE_CHECKING:
    from .tuned.synthesis import Network

__all__ = ["MOST_ENCODES", "encode"]

MOST_ENCODES = 8
"""Files that are made of a picture at most; none but what says a target's range if it cannot be reached comes on top."""
_ONE = 256  # steps of a quality
_FIRST, _LAST = _ONE, 100 * _ONE
_FLOOR = 6  # percent of the scale: finer tables than that are mostly ones
_STRENGTH = 64  # steps of a doubled weight
_NEAR = 16  # qualities, in 256ths, between which something finer makes the difference


def _place(step: int) -> float:
    """Where a quality, in 256ths, lies on the axis over which values are nearly straight: -log2 of the IJG percentage."""
    quality = step / _ONE
    return -math.log2((5000 / quality if quality < 50 else 200 - 2 * quality) + _FLOOR)


def _step(place: float) -> int:
    """The quality, in 256ths, nearest to a place."""
    scale = max(2.0**-place - _FLOOR, 0.0)
    quality = (200 - scale) / 2 if scale <= 100 else 5000 / scale
    return min(max(round(quality * _ONE), _FIRST), _LAST)


def _tables(step: int, finer: int) -> tuple[np.ndarray, np.ndarray]:
    """(luma, chroma) tables of a quality in 256ths, higher frequencies of one that is `finer` by so many more."""
    rounding = 0.25 + 0.5 * (np.arange(64) * 0.6180339887 % 1)  # about ½
    percents = [2.0 ** -_place(n) - _FLOOR for n in (step, min(step + finer, _LAST))]
    percent = np.where(np.add.outer(np.arange(8), np.arange(8)).reshape(64) <= 2, *percents)
    luma, chroma = (
        np.clip(np.floor(base * (percent / 100) + shift), 1, 255).astype(np.uint16)
        for base, shift in ((LUMA_QUANTIZATION, rounding), (CHROMA_QUANTIZATION, rounding[::-1]))
    )
    return luma, chroma


@dataclass(frozen=True, slots=True)
class _Goal:
    """What is aimed at, in units that rise by about `slope` a unit of `_place`.

    bottom, top: what is good enough, one of them the target itself; below: files must not exceed the target, rather than
    reach it. first: where to look first.
    """

    bottom: float
    top: float
    below: bool
    slope: float
    first: float

    @property
    def aim(self) -> float:
        near, far = (self.top, self.bottom) if self.below else (self.bottom, self.top)
        return near + 0.4 * (far - near)

    def allows(self, value: float) -> bool:
        return value <= self.top if self.below else value >= self.bottom


@dataclass(frozen=True, slots=True)
class _Scale:
    """How a metric's values become nearly straight, and how much above a target is good enough.

    slope: about as much do straight values rise a unit of `_place`. usual: that of photographs at quality 75.
    """

    straight: Callable[[float], float]
    enough: Callable[[float], float]
    slope: float
    usual: float


def _decibels(similarity: float) -> float:
    return -10 * math.log10(max(1 - similarity, 1e-9))


def _tenth_decibel(similarity: float) -> float:
    return 1 - (1 - similarity) * 10**-0.01


_SCALES = {
    "ssimulacra2": _Scale(lambda score: -math.log2(max(100 - score, 0.01)), lambda score: score + 0.3, 0.6, -4.7),
    "butteraugli": _Scale(lambda distance: -math.log2(max(distance, 1e-3)), lambda distance: 0.98 * distance, 0.55, 0),
    "psnr": _Scale(float, lambda value: value + 0.05, 3, 34),
    "psnr-hvs-m": _Scale(float, lambda value: value + 0.1, 6.4, 49),
    "ssim": _Scale(_decibels, _tenth_decibel, 2.5, 11),
    "ms-ssim": _Scale(_decibels, _tenth_decibel, 3, 17),
    "haarpsi": _Scale(_decibels, _tenth_decibel, 3.5, 15),
}
_USUAL_BPP, _BITS_SLOPE = 1.2, 0.75
_WHOLE = 0.99  # of a target size is near enough


def _goal(image: Any, options: EncodeOptions) -> _Goal:
    usual = _place(75 * _ONE)
    if options.target_metric is None:
        assert options.target_bytes is not None
        top = math.log2(options.target_bytes)
        expected = math.log2(image.shape[0] * image.shape[1] * _USUAL_BPP / 8 * (1 if image.ndim == 3 else 0.85))
        return _Goal(top + math.log2(_WHOLE), top, True, _BITS_SLOPE, usual + (top - expected) / _BITS_SLOPE)
    name, value = options.target_metric
    scale = _SCALES[name]
    bottom = scale.straight(value)
    top = scale.straight(scale.enough(value))
    return _Goal(bottom, top, False, scale.slope, usual + (bottom - scale.usual) / scale.slope)


@dataclass(frozen=True, slots=True)
class _Axis:
    """Steps first..last to look among. trial: what a step means. place, step: to an axis over which values are nearly straight,
    and back. rise: of values a unit of that axis, roughly. least: steps too near to one another to look between. most: how
    many to try."""

    first: int
    last: int
    trial: Callable[[int], tuple[int, int]]
    place: Callable[[int], float]
    step: Callable[[float], int]
    rise: float
    least: int
    most: int


def _approach(goal: _Goal, axis: _Axis, found: dict[int, float], at: int) -> Generator[tuple[int, int], float, None]:
    """Trials, each answered by its value, until one is good enough, or there are no more between those that are not."""
    place, rise = axis.place, axis.rise
    before, stale = False, 1.0
    while True:
        if at not in found:
            found[at] = yield axis.trial(at)
        above = found[at] > goal.top
        if any(goal.bottom <= value <= goal.top for value in found.values()):
            return
        under = max((n for n, value in found.items() if value < goal.bottom), key=lambda n: found[n], default=None)
        over = min((n for n, value in found.items() if value > goal.top), key=lambda n: found[n], default=None)
        if under is not None and over is not None:
            if abs(over - under) <= axis.least or len(found) == axis.most:
                return
            # an end that stays counts for less each time, or values that bend keep the search on one side (Illinois rule)
            stale = stale / 2 if above is before else 1.0
            short, past = goal.aim - found[under], found[over] - goal.aim
            short, past = (short * stale, past) if above else (short, past * stale)
            part = short / (short + past)
            x = place(under) + min(max(part, 0.1), 0.9) * (place(over) - place(under))
        else:
            end = over if under is None else under
            assert end is not None
            x = place(end) + (goal.aim - found[end]) / rise
            rise /= 2  # farther, where that does not do
        before = above
        low, high = axis.first if under is None else under + 1, axis.last if over is None else over - 1
        at = min(max(axis.step(x), low), high)
        if low > high or at in found:
            return


def _search(goal: _Goal, tuned: bool) -> Generator[tuple[int, int], float, None]:
    """(quality in 256ths, how much finer) to try, each answered by the value of its file.

    finer: 64ths of weight doublings where there are weights, else 256ths of quality for higher frequencies alone.
    """
    found: dict[int, float] = {}
    axis = _Axis(_FIRST, _LAST, lambda n: (n, 0), _place, _step, goal.slope, _NEAR, MOST_ENCODES - 3)
    yield from _approach(goal, axis, found, _step(goal.first))
    under = [n for n, value in found.items() if value < goal.bottom]
    if not under or len(under) == len(found) or any(goal.bottom <= value <= goal.top for value in found.values()):
        return
    # a change of one entry of a table may do too much: at the coarser of two neighbours something finer makes the difference
    best = max(under, key=lambda n: found[n])
    axis = replace(axis, first=0, trial=lambda n: (best, n), least=1, most=MOST_ENCODES)
    if tuned:
        axis = replace(axis, place=lambda n: n / _STRENGTH, step=lambda x: round(x * _STRENGTH))
        axis = replace(axis, last=4 * _STRENGTH, rise=goal.slope / 6)
    else:
        axis = replace(axis, place=lambda n: _place(best + n), step=lambda x: _step(x) - best)
        axis = replace(axis, last=_LAST - best, rise=goal.slope / 2)
    yield from _approach(goal, axis, {0: found[best]}, 0)


class _Picture:
    """The search for one picture's file: `wanted` is to be made next, None once there is nothing more to try."""

    def __init__(self, image: Any, options: EncodeOptions, importance: np.ndarray | None):
        self.image, self.options, self.importance = image, options, importance
        self.goal = _goal(image, options)
        self.trials = _search(self.goal, bool(options.tune))
        self.wanted: tuple[int, int] | None = next(self.trials)
        self.values: dict[tuple[int, int], float] = {}
        self.best: tuple[bool, int, bytes] | None = None  # not good enough, what to have least of, the file
        self.reference: Any = None
        self.error: Exception | None = None  # what ended the search

    def take(self, result: bytes | Exception) -> None:
        """What became of the file that was wanted."""
        if isinstance(result, Exception):
            self.error, self.wanted = result, None
        else:
            self.answer(result)

    def answer(self, data: bytes) -> None:
        assert self.wanted is not None
        value = self.values[self.wanted] = self.value(data)
        if self.goal.allows(value):
            far = not self.goal.bottom <= value <= self.goal.top
            trial = far, -len(data) if self.goal.below else len(data), data
            self.best = trial if self.best is None else min(self.best, trial)
        try:
            self.wanted = self.trials.send(value)
        except StopIteration:
            self.wanted = None
        if len(self.values) == MOST_ENCODES:
            self.wanted = None

    @property
    def impossible(self) -> bool:
        """Whether the smallest or the largest file lies on the wrong side of the target."""
        smallest, largest = self.values.get((_FIRST, 0), -math.inf), self.values.get((_LAST, 0), math.inf)
        return self.best is None or smallest > self.goal.top or largest < self.goal.bottom

    def value(self, data: bytes) -> float:
        """log2 of the bytes, or the metric after `_Scale.straight`."""
        if self.options.target_metric is None:
            return math.log2(len(data))
        name, _ = self.options.target_metric
        return _SCALES[name].straight(self.metric(data))

    def metric(self, data: bytes) -> float:
        from .. import metrics

        name, _ = self.options.target_metric
        ((decoded, _),) = codec.decode([data], DecodeOptions(), "host", None)
        function = getattr(metrics, name.replace("-", "_"))
        peak = (1 << (self.options.precision or 8)) - 1
        if self.reference is None:
            self.reference = np.asarray(self.image)
            if name in ("ssimulacra2", "butteraugli"):
                self.reference = getattr(metrics, f"{name}_reference")(self.reference, peak)
        return float(function(self.reference, decoded, peak))


def _encode(
    pictures: Sequence[_Picture], options: EncodeOptions, engine: str, device: Any, network: Network | None
) -> list[Any]:
    """The files that pictures want next."""
    images = [picture.image for picture in pictures]
    wanted = [picture.wanted or (_FIRST, 0) for picture in pictures]
    if not options.tune:
        count = 1 if options.color is ColorSpace.RGB else 2
        plans = [
            codec.plan(i.shape, replace(options, qtables=_tables(*w)[:count]))
            for i, w in zip(images, wanted, strict=True)
        ]
        return codec.encode_planned(images, plans, options, engine, device)
    from .tuned.plan import chosen_sampling
    from .tuned.recipe import load_recipe

    tune = options.tune if isinstance(options.tune, str) else "all"
    samplings = [chosen_sampling(options, 1 if image.ndim == 2 else image.shape[2]) for image in images]
    recipes = [
        load_recipe(tune, n / _ONE, sampling).strengthened(2 ** (strength / _STRENGTH))
        for (n, strength), sampling in zip(wanted, samplings, strict=True)
    ]
    importance = [picture.importance for picture in pictures]
    return codec.encode_recipes(images, recipes, options, engine, device, network=network, importance=importance)


def _refusal(picture: _Picture, engine: str, device: Any, network: Network | None) -> Exception:
    """ValueError that says what can be reached."""
    ends: list[float] = []
    plain = replace(picture.options, target_bytes=None, target_metric=None)
    for step in (_FIRST, _LAST):
        picture.wanted = step, 0
        (data,) = _encode([picture], plain, engine, device, network)
        if isinstance(data, Exception):
            return data
        ends.append(len(data) if picture.options.target_metric is None else picture.metric(data))
    name = "target_bytes" if picture.options.target_metric is None else "target_metric"
    value = getattr(picture.options, name)
    aim = value if name == "target_bytes" else value[1]
    nearest = min(ends, key=lambda end: abs(end - aim))
    low, high, near = (f"{x:,}" if isinstance(x, int) else f"{x:.4g}" for x in (*ends, nearest))
    return ValueError(f"{name}={value!r}: out of reach; qualities 1 to 100 give {low} to {high}; the nearest is {near}")


def encode(
    images: Sequence[Any],
    options: EncodeOptions,
    engine: str,
    device: Any,
    stop: bool = False,
    network: Network | None = None,
    importance: Sequence[np.ndarray | None] | None = None,
) -> list[Any]:
    """Files of images as `codec.encode` makes them, options.target_bytes or target_metric reached by each alone, or errors.

    target_bytes: the largest file found of at most so many bytes, within 1 % where the picture has such files.
    target_metric: the smallest found that reaches the value, within 0.3 of SSIMULACRA2, 2 % of Butteraugli, 0.05 dB of PSNR,
    0.1 dB of PSNR-HVS-M or of -10·log10(1 - SSIM). At most `MOST_ENCODES` files are made of a picture, batches in step with
    one another. ValueError where no quality reaches the target, or all exceed it, with the range that can be reached. stop,
    network, importance: as for `codec.encode`.
    """
    if options.picks_sampling:
        from .tuned.sampling import each_sampled

        return each_sampled(
            images,
            options,
            lambda some, fixed, own: _encode_all(some, fixed, engine, device, stop, network, own),
            importance,
        )
    return _encode_all(images, options, engine, device, stop, network, importance)


def _encode_all(
    images: Sequence[Any], options: EncodeOptions, engine: str, device: Any, stop: bool, network: Network | None,
    importance: Sequence[np.ndarray | None] | None,
) -> list[Any]:  # fmt: skip
    """`encode` in the sampling that the options have."""
    plain = replace(options, target_bytes=None, target_metric=None)
    maps = [None] * len(images) if importance is None else importance
    pictures = [_Picture(image, options, own) for image, own in zip(images, maps, strict=True)]
    for picture in pictures:
        if options.target_metric is not None and picture.image.ndim == 3 and picture.image.shape[2] == 4:
            picture.take(ValueError("target_metric: no metric takes CMYK"))
    while active := [picture for picture in pictures if picture.wanted is not None]:
        if stop and any(picture.error for picture in pictures):
            break
        for picture, data in zip(active, _encode(active, plain, engine, device, network), strict=True):
            picture.take(data)
    for picture in pictures:
        if stop and any(picture.error for picture in pictures):
            break
        if picture.error is None and picture.impossible:
            picture.error = _refusal(picture, engine, device, network)
    return [picture.error or (picture.best and picture.best[2]) for picture in pictures]
