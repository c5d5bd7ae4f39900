"""What is told of files, and of which: the parts of the evaluation, each one function of its pictures.

pairs: accuracy of the support vector machine by pair of qualities. qualities: first quality by likelihood. network: what it
says by pair. encoders: files of other encoders, other samplings, shifted and scaled pictures. alarms: files that were
compressed once, and real ones. mixed: pairs of the 1,170 tables, by all trained models.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

import jpegjax
from jpegjax import codecs
from jpegjax.forensics.double import THRESHOLD
from jpegjax.forensics.network import History, load
from jpegjax.forensics.steps import first_quality
from jpegjax.forensics.traces import Traces, observe

from . import markov, samples, train
from .pictures import Patches, again, every, joined, kodak, kodak_patches, lossless_patches

__all__ = ["DOWN", "EQUAL", "JUDGED", "UP", "alarms", "encoders", "mixed", "network", "pairs", "qualities"]

UP = ((50, 70), (60, 75), (70, 80), (75, 85), (75, 90), (80, 95), (85, 90), (90, 95))
DOWN = ((70, 50), (75, 60), (80, 70), (85, 70), (90, 60), (90, 75))
FINE = ((95, 80), (98, 90))
"""First qualities of 95 and more, whose steps are 1 and 2: they leave little to find before coarser ones."""
EQUAL = ((75, 75), (90, 90))
JUDGED = ((50, 70), (75, 90), (85, 90), (85, 70), (90, 75), (95, 80), (75, 75))


def _observed(data: bytes) -> Traces:
    return observe(jpegjax.read_coefficients(data))


def judged(model: History, files: Sequence[Traces]) -> np.ndarray:
    """Probabilities [N]."""
    stacked = {name: np.stack([getattr(one, name) for one in files]) for name in Traces._fields}
    found = train.logits(model, stacked | {"double": np.zeros(len(files))})
    return 1 / (1 + np.exp(-found.astype(np.float64)))


def _share(values: Any, digits: int = 4) -> float:
    return round(float(np.mean(values)), digits)


def within(files: Sequence[Traces], quality: int, reach: int = 2) -> list[bool]:
    """Whether the likeliest first quality is within ±reach."""
    return [abs(first_quality(one.evidence) - quality) <= reach for one in files]


def pairs(patches: Patches, wanted: Sequence[tuple[int, int]] = (*UP, *DOWN, *FINE, *EQUAL)) -> dict[str, Any]:
    """By pair "first,second": accuracy of the support vector machine, mean and spread (least, most) over splits."""
    once = {second: markov.features(patches, None, second) for second in {second for _, second in wanted}}
    found = {}
    for first, second in wanted:
        scores = markov.accuracies(once[second], markov.features(patches, first, second), patches.of)
        found[f"{first},{second}"] = {
            "mean": _share(scores), "deviation": round(float(np.std(scores)), 4), "splits": [round(x, 4) for x in scores],
        }  # fmt: skip
        print("svm", first, second, found[f"{first},{second}"], flush=True)
    return found


def kept(folder: Path, name: str, function: Callable[[Any], Sequence[Traces]], items: Sequence[Any]) -> list[Traces]:
    """What the files of items show, one behind the other; made where the folder lacks it, so that any model may judge it."""
    path = folder / f"traces-{name}.npz"
    if not path.exists():
        made = [one for several in samples.parallel(function, items) for one in several]
        np.savez(path, **{field: np.stack([getattr(one, field) for one in made]) for field in Traces._fields})  # type: ignore[arg-type]
    with np.load(path) as stored:
        arrays = [stored[field] for field in Traces._fields]
    return [Traces(*row) for row in zip(*arrays, strict=True)]


def _first_of(given: tuple[np.ndarray, int, int]) -> tuple[bool, bool]:
    files = [_observed(again(*given))]
    return within(files, given[1])[0], within(files, given[1], 0)[0]


def qualities(patches: Patches, wanted: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """By pair: share of patches whose likeliest first quality is within ±2, and exact."""
    found: dict[str, Any] = {}
    for first, second in wanted:
        near, exact = np.mean(samples.parallel(_first_of, [(p, first, second) for p in patches.pixels]), 0)
        found[f"{first},{second}"] = {"files": len(patches.of), "within_2": _share(near), "exact": _share(exact)}
        print("qualities", first, second, found[f"{first},{second}"], flush=True)
    return found


def _both(given: tuple[np.ndarray, int, int]) -> list[Traces]:
    pixels, first, second = given
    return [_observed(again(pixels, None, second)), _observed(again(pixels, first, second))]


def network(folder: Path, patches: Patches, model: History, wanted: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """By pair: shares told as doubly compressed of twice and of once compressed files, and the accuracy at probability ½."""
    found: dict[str, Any] = {}
    items = [(pixels, first, second) for first, second in wanted for pixels in patches.pixels]
    chances = judged(model, kept(folder, "network", _both, items)).reshape(len(wanted), len(patches.of), 2)
    for (first, second), rows in zip(wanted, chances, strict=True):
        once, twice = rows.T
        found[f"{first},{second}"] = {
            "files": rows.size, "told": _share(twice >= THRESHOLD), "false_alarms": _share(once >= THRESHOLD),
            "accuracy_at_half": round((_share(twice >= 0.5) + _share(once < 0.5)) / 2, 4),
        }  # fmt: skip
        print("network", first, second, found[f"{first},{second}"], flush=True)
    return found


Writer = Callable[[np.ndarray, int], bytes]


def _writers() -> dict[str, Writer]:
    """Encoders by name: (pixels, quality) -> file."""

    def pillow(pixels: np.ndarray, quality: int) -> bytes:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=quality)
        return out.getvalue()

    def plain(**how: Any) -> Writer:
        return lambda pixels, quality: jpegjax.encode(pixels, quality=quality, **how)

    found: dict[str, Writer] = {
        "4:2:0": plain(), "libjpeg-turbo (Pillow)": pillow, "4:2:2": plain(subsampling="4:2:2"),
        "4:4:4": plain(subsampling="4:4:4"), "progressive, optimised": plain(progressive=True, optimize=True),
        "arithmetic": plain(arithmetic=True), "tuned": plain(tune=True),
    }  # fmt: skip
    for name in ("mozjpeg", "jpegli"):
        if name in codecs.available():
            found[name] = partial(_outside, name)
    return found


def _outside(name: str, pixels: np.ndarray, quality: int) -> bytes:
    return codecs.get(name).encode(pixels, quality=quality)


def _shifted(pixels: np.ndarray, down: int, across: int) -> np.ndarray:
    return np.ascontiguousarray(pixels[down:, across:])


def _scaled(pixels: np.ndarray, scale: float) -> np.ndarray:
    size = (round(scale * pixels.shape[1]), round(scale * pixels.shape[0]))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


BETWEEN: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "cut by 8 and 16 pixels": partial(_shifted, down=8, across=16),
    "cut by 4 and 4 pixels": partial(_shifted, down=4, across=4),
    "cut by 3 and 5 pixels": partial(_shifted, down=3, across=5),
    "scaled to 0.9": partial(_scaled, scale=0.9),
}


class Case(NamedTuple):
    """What was done with a patch. place: which encoder is no plain one, "both" or "first", or "between" them."""

    place: str
    what: str
    first: int
    second: int


def _case(given: tuple[Case, np.ndarray]) -> list[Traces]:
    """Of the patch compressed once, by the last encoder, and twice."""
    (place, what, first, second), pixels = given
    writers = _writers()
    plain, other = writers["4:2:0"], writers.get(what, writers["4:2:0"])
    before, after = {"both": (other, other), "first": (other, plain), "between": (plain, plain)}[place]
    change = BETWEEN.get(what, np.asarray)
    again = np.asarray(jpegjax.decode(before(pixels, first)))
    return [_observed(after(change(x), second)) for x in (pixels, again)]


def encoders(
    folder: Path, patches: Patches, model: History, wanted: Sequence[tuple[int, int]] = ((75, 90), (90, 75))
) -> list[Any]:
    """Rows: what was done, pair, share told as doubly compressed, first quality within ±2, false alarms of the last encoder."""
    names = _writers()
    places = [("both", name) for name in names]
    places += [("first", name) for name in ("tuned", "mozjpeg", "jpegli") if name in names]
    places += [("between", name) for name in BETWEEN]
    cases = [Case(place, what, *of) for place, what in places for of in wanted]
    found = kept(folder, "encoders", _case, [(case, pixels) for case in cases for pixels in patches.pixels])
    told = (judged(model, found) >= THRESHOLD).reshape(len(cases), len(patches.of), 2)
    rows = []
    for k, case in enumerate(cases):
        twice = found[1::2][k * len(patches.of) : (k + 1) * len(patches.of)]
        rows.append({
            "place": case.place, "what": case.what, "pair": [case.first, case.second], "files": told[k].size,
            "told": _share(told[k, :, 1]), "within_2": _share(within(twice, case.first)),
            "false_alarms": _share(told[k, :, 0]),
        })  # fmt: skip
        print("encoders", rows[-1], flush=True)
    return rows


def _once(given: tuple[int, int]) -> list[Traces]:
    picture, table = given
    return [_observed(jpegjax.encode(kodak()[picture], qtables=[samples.tables()[table]] * 2))]


def _read(path: str) -> list[Traces]:
    """What a real file shows; nothing where its history cannot be read."""
    try:
        return [_observed(Path(path).read_bytes())]
    except jpegjax.JpegError:
        return []


def alarms(folder: Path, model: History, count: int = 300) -> dict[str, Any]:
    """Of once compressed Kodak pictures, by real tables, and of real files: how many are told as doubly compressed."""
    random = np.random.default_rng(5)
    items = [(i % 24, int(random.integers(1, len(samples.tables())))) for i in range(count)]
    found: dict[str, Any] = {"made": _alarms(model, kept(folder, "made", _once, items))}
    for name in ("bccd", "kangaroo"):
        paths = sorted(map(str, (samples.SHARED / "data" / name).rglob("*.jp*g")))
        files = kept(folder, name, _read, paths)
        found[name] = {**_alarms(model, files), "left_out": len(paths) - len(files)}
    print("alarms", found, flush=True)
    return found


def _alarms(model: History, files: Sequence[Traces]) -> dict[str, Any]:
    chances = judged(model, files)
    told = chances >= THRESHOLD
    firsts = [first_quality(one.evidence) for one, is_told in zip(files, told, strict=True) if is_told]
    values, counts = np.unique(np.array(firsts, int), return_counts=True)
    return {
        "files": len(files), "told": int(told.sum()), "above_half": int((chances >= 0.5).sum()),
        "first": {str(q): int(n) for q, n in zip(values, counts, strict=True)},
    }  # fmt: skip


def _mixed_pair(given: tuple[np.ndarray, int, int]) -> tuple[Traces, Traces]:
    pixels, first, second = given
    files = samples.pair(samples.Recipe(pixels, samples.tables()[first], samples.tables()[second], ("4:2:0", "4:2:0")))
    return _observed(files[0]), _observed(files[1])


def mixed(folder: Path, times: int = 3) -> dict[str, Any]:
    """Accuracy on Kodak's patches of pairs of tables, drawn evenly from the 1,170, by each trained model; and of held-out tables.

    Of each sort of model, evidence and histograms: accuracy, share of twice and of once compressed files told right, at
    probability ½; mean and deviation over seeds.
    """
    patches, random = kodak_patches(), np.random.default_rng(11)
    held = np.flatnonzero(samples.held_tables())
    sets = {}
    for name, pool in (("all tables", np.arange(1, len(samples.tables()))), ("held-out tables", held)):
        drawn = []
        for pixels in np.concatenate([patches.pixels] * (times if name == "all tables" else max(1, times // 2))):
            first, second = random.choice(pool, 2, replace=False)
            if not np.array_equal(samples.tables()[first], samples.tables()[second]):
                drawn.append((pixels, int(first), int(second)))
        made = kept(folder, name.replace(" ", "-"), _mixed_pair, drawn)
        sets[name] = made[::2], made[1::2]
    found: dict[str, Any] = {}
    for name, (once, twice) in sets.items():
        for sort in (train.EVIDENCE, train.HISTOGRAMS):
            scores = []
            for seed in train.SEEDS:
                path = folder / f"{train.name_of(sort, seed)}.npz"
                if path.exists():
                    model = load(path)
                    right = np.mean(judged(model, twice) >= 0.5), np.mean(judged(model, once) < 0.5)
                    scores.append((np.mean(right), *right))
            mean, spread = np.mean(scores, 0).round(4).tolist(), np.std(scores, 0).round(4).tolist()
            label = "evidence" if sort.evidence else "histograms"
            found.setdefault(name, {"files": len(once) + len(twice)})[label] = {
                "seeds": len(scores), "accuracy": mean[0], "deviation": spread[0], "twice": mean[1], "once": mean[2],
            }  # fmt: skip
    print("mixed", found, flush=True)
    return found


def calibration(model: History, data: Mapping[str, np.ndarray]) -> list[Any]:
    """By tenths of probability of held-out files: files, mean probability, share twice compressed."""
    chances = 1 / (1 + np.exp(-train.logits(model, data).astype(np.float64)))
    rows = []
    for k in range(10):
        mine = (chances >= k / 10) & ((chances < (k + 1) / 10) | (k == 9))
        if mine.any():
            rows.append({"files": int(mine.sum()), "said": _share(chances[mine]), "true": _share(data["double"][mine])})
    return rows


def everything(folder: Path, model: History) -> dict[str, Callable[[], Any]]:
    """All parts, in the order of their tables."""

    def machines() -> dict[str, Any]:
        return pairs(joined(kodak_patches(), lossless_patches(1)))

    def first_of(wanted: Sequence[tuple[int, int]]) -> dict[str, Any]:
        return qualities(joined(every(kodak_patches(), 3), every(lossless_patches(1), 4)), wanted)

    return {
        "svm": machines,
        "finer": lambda: first_of(UP),
        "coarser": lambda: first_of((*DOWN, *FINE, *EQUAL)),
        "network": lambda: network(folder, every(kodak_patches(), 3), model, JUDGED),
        "mixed": lambda: mixed(folder),
        "alarms": lambda: alarms(folder, model),
        "encoders": lambda: encoders(folder, every(kodak_patches(), 12), model),
        "calibration": lambda: calibration(model, samples.piece(folder, "held", 0)),
    }
