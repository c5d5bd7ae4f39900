"""Images × codecs × settings × metrics: every combination measured once, on all cores, and kept as soon as it is."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shlex
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..bulk.journal import Journal, row_key
from .curves import Delta, Point, bd_table, mean_points
from .plan import Curve, default_curves, parse_codecs, parse_metrics
from .score import DEFAULT_METRICS, measure

__all__ = ["Comparison", "Picture", "compare", "load"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Picture:
    """An image to compare with: its name, the digest of its file or samples, and where it comes from."""

    name: str
    digest: str
    source: Path | np.ndarray = field(repr=False, compare=False)

    def pixels(self) -> np.ndarray:
        """uint8 [H, W] or [H, W, 3]. ValueError where it cannot be read as that."""
        return load(self.source)


@dataclass
class Comparison:
    """What was measured. rows: one a picture and setting, in the order of the plan; failed: (name, why)."""

    pictures: list[Picture]
    curves: list[Curve]
    metrics: list[str]
    rows: list[dict[str, Any]]
    runs: dict[int, dict[str, Any]]
    failed: list[tuple[str, str]]
    kept: int = 0
    seconds: float = 0.0

    def means(self) -> dict[str, list[Point]]:
        """For each curve its points, averaged over the pictures."""
        return mean_points(self.rows, self.curves)

    def bd_rates(
        self, anchor: str | None = None, intervals: Mapping[str, tuple[float, float]] | None = None
    ) -> dict[str, dict[str, Delta]]:
        """BD-rates {curve: {metric: Delta}} against a curve, the first one unless named; see `curves.bd_table`."""
        return bd_table(self.rows, self.curves, self.metrics, anchor, intervals)


def _is_deep(picture: Any) -> bool:
    """Whether a picture that is not loaded yet has more than 8 bits a sample, of which Pillow would drop the low ones."""
    told = [word for tile in picture.tile for word in (tile[3] if isinstance(tile[3], tuple) else (tile[3],))]
    deep = any(isinstance(word, str) and ";16" in word for word in told)
    return deep or (picture.format == "PPM" and any(isinstance(word, int) and word > 255 for word in told))


def load(source: Path | np.ndarray) -> np.ndarray:
    """Samples of a picture, uint8 [H, W] or [H, W, 3]. ValueError where it is none, or has transparency or deeper samples."""
    if not isinstance(source, Path):
        pixels = np.asarray(source)
        if pixels.dtype != np.uint8 or not pixels.size or pixels.shape[2:] not in ((), (3,)) or pixels.ndim < 2:
            raise ValueError(f"{pixels.dtype} {pixels.shape}; must be uint8 [H, W] or [H, W, 3]")
        return np.ascontiguousarray(pixels)
    from PIL import Image

    try:
        with Image.open(source) as picture:
            if picture.has_transparency_data:
                raise ValueError("has transparency: flatten it first")
            if picture.mode not in ("L", "RGB", "1", "P", "YCbCr"):
                raise ValueError(f"mode {picture.mode}: convert it to RGB or grey of 8 bits first")
            if _is_deep(picture):
                raise ValueError("more than 8 bits a sample: convert it to 8 bits first")
            return np.array(picture.convert("L" if picture.mode in ("L", "1") else "RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(str(error).replace(f" {str(source)!r}", "")) from None


def _text(name: str | os.PathLike[str]) -> str:
    """A file's name as it can be written in UTF-8, which the system does not ask of names."""
    return os.fsencode(name).decode("utf-8", "replace")


def _pictures(images: Iterable[Any] | Mapping[str, Any]) -> tuple[list[Picture], list[tuple[str, str]]]:
    """(pictures, each with a name of its own; what cannot be read, with the reason)."""
    if isinstance(images, (str, os.PathLike)):
        images = [images]
    sources: dict[str, Path | np.ndarray]
    if isinstance(images, Mapping):
        sources = {str(name): np.asarray(image) for name, image in images.items()}
    else:
        paths = list(dict.fromkeys(map(Path, images)))
        stems = Counter(_text(path.stem) for path in paths)
        sources = {}
        for path in paths:
            name = _text(path.stem) if stems[_text(path.stem)] == 1 else _text(path)
            same = sum(name == other.partition(" (")[0] for other in sources)
            sources[f"{name} ({same + 1})" if name in sources else name] = path
    found, lost = [], []
    for name, source in sources.items():
        try:
            content = (
                source.read_bytes() if isinstance(source, Path) else str(source.shape).encode() + load(source).tobytes()
            )
        except (OSError, ValueError) as error:
            lost.append((name, getattr(error, "strerror", None) or str(error)))
        else:
            found.append(Picture(name, hashlib.blake2b(content, digest_size=10).hexdigest(), source))
    return found, lost


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _describe_run(command: str, releases: Iterable[str], workers: int) -> dict[str, Any]:
    """What made a set of rows: command, versions, machine, and how the seconds in them were taken."""
    versions = {"python": platform.python_version(), "jpegjax": __version__}
    for package in ("jax", "jaxlib", "numpy", "numba"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "command": command,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": versions | {"codecs": sorted(set(releases))},
        "machine": {
            "cpu": _processor(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "seconds": f"wall clock of one call after an untimed one, {workers} at a time beside their metrics",
    }


class _Worker:
    """What the threads share: pictures in use, codecs that have had their first call, and the journal."""

    def __init__(self, journal: Journal, run: int, metrics: Sequence[str]):
        self.journal, self.run, self.metrics = journal, run, metrics
        self.pixels = lru_cache(maxsize=4)(lambda picture: picture.pixels())
        self._warm: dict[Any, threading.Lock] = defaultdict(threading.Lock)
        self._done: set[Any] = set()

    def warm_up(self, curve: Curve, settings: Mapping[str, Any], pixels: np.ndarray) -> None:
        """One untimed round trip of a curve, and one of the metrics, for each shape, so that no compilation is in the seconds."""
        key = (curve.label, pixels.shape)
        with self._warm[key]:
            if key not in self._done:
                decoded = np.asarray(curve.codec.decode(curve.codec.encode(pixels, **settings)))
                self._done.add(key)
                if decoded.shape == pixels.shape:
                    with self._warm[pixels.shape]:
                        if pixels.shape not in self._done:
                            self._done.add(pixels.shape)
                            measure(pixels, decoded, self.metrics)

    def __call__(self, picture: Picture, curve: Curve, value: Any) -> None:
        pixels, settings = self.pixels(picture), curve.settings(value)
        self.warm_up(curve, settings, pixels)
        start = time.perf_counter()
        data = curve.codec.encode(pixels, **settings)
        middle = time.perf_counter()
        decoded = np.asarray(curve.codec.decode(data))
        end = time.perf_counter()
        reference = pixels
        if decoded.ndim > reference.ndim:  # a codec that knows no grey
            reference = np.repeat(reference[:, :, None], 3, axis=2)
        old = self.journal.rows.get(row_key(picture.digest, curve.codec.name, curve.codec.version, settings))
        if old:  # measured before, by other metrics
            scores, notes = measure(reference, decoded, [name for name in self.metrics if not _has(old, [name])])
            self.journal.add({**old, "metrics": old["metrics"] | scores, **_notes([*old.get("notes", ()), *notes])})
            return
        scores, notes = measure(reference, decoded, self.metrics)
        self.journal.add({
            "run": self.run, "image": picture.name, "digest": picture.digest, "height": pixels.shape[0],
            "width": pixels.shape[1], "codec": curve.codec.name, "version": curve.codec.version, "settings": settings,
            "nbytes": len(data), "bpp": 8 * len(data) / (pixels.shape[0] * pixels.shape[1]), "metrics": scores,
            "encode_seconds": round(middle - start, 6), "decode_seconds": round(end - middle, 6),
            **_notes(notes),
        })  # fmt: skip


def _curves(codecs: Any) -> list[Curve]:
    if codecs is None:
        return default_curves()
    given = [codecs] if isinstance(codecs, (str, Curve)) else list(codecs)
    curves = [curve for one in given for curve in ([one.check()] if isinstance(one, Curve) else parse_codecs(one))]
    if not curves:
        raise ValueError("codecs: none given")
    return list({curve.label: curve for curve in curves}.values())


def compare(
    images: Iterable[Any] | Mapping[str, Any],
    codecs: str | Iterable[str | Curve] | None = None,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    out: str | os.PathLike[str] | None = None,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    stage: Callable[[str], None] | None = None,
    command: str | None = None,
) -> Comparison:
    """Encode, decode and measure every image with every codec and setting, on all cores.

    Before the first row, every codec and metric has had a call of each shape that is not timed: what is compiled by one
    would slow down the others beside it.

    A picture that a codec fails on is listed in `failed` and has no rows, so that all means are over the same pictures.
    Interrupted, the rows in work are finished and kept, and KeyboardInterrupt goes on.

    Args:
        images: Paths, or {name: uint8 array [H, W] or [H, W, 3]}. One that cannot be read is listed in `failed`, the rest
            goes on.
        codecs: Specifications as `parse_codecs` reads them ("jpeg:quality=10-95/5,webp"), or `Curve`s; None for every
            installed lossy codec over its own grid of rates.
        metrics: Names of `score.METRICS`, in a list or with commas between.
        out: Folder whose rows.jsonl keeps every row as soon as it is measured. What is in there already, for the same
            picture, codec, version and settings, is not measured again. None keeps rows in memory.
        jobs: Threads, all cores by default.
        progress: Called with (rows done, rows in all) at the start and after each row.
        stage: Told in words what is done before the first row.
        command: What to note as the command; this program's own by default.

    Returns:
        A `Comparison`. A row of it is {run, image, digest, height, width, codec, version, settings, nbytes, bpp, metrics,
        encode_seconds, decode_seconds}; `run` numbers an entry of `runs`, which holds command, versions and machine; a metric
        that is None is infinite (equal images), one that is missing does not exist for so small a picture (notes say so).

    Raises:
        ValueError: No images; codecs, settings or metrics that there are not.
        TypeError: A setting of the wrong type.
        MissingCodec: A codec that is not installed.
    """
    began = time.perf_counter()
    curves, names = _curves(codecs), parse_metrics(metrics)
    pictures, failed = _pictures(images)
    if not pictures and not failed:
        raise ValueError("images: none given")
    workers = jobs or os.cpu_count() or 1
    journal = Journal(None if out is None else Path(out))
    plan = [(picture, curve, value) for picture in pictures for curve in curves for value in curve.values]
    keys = [row_key(p.digest, c.codec.name, c.codec.version, c.settings(value)) for p, c, value in plan]
    pending = [
        job for job, key in zip(plan, keys, strict=True)
        if key not in journal.rows or not _has(journal.rows[key], names)
    ]  # fmt: skip
    tell = progress or (lambda done, total: None)
    tell(len(plan) - len(pending), len(plan))
    if pending:
        releases = (curve.codec.version for curve in curves)
        run = journal.begin(_describe_run(command or shlex.join(sys.argv), releases, workers))
        work = _Worker(journal, run, names)
        (stage or (lambda text: None))(
            f"first calls of {len(curves)} codecs and {len(names)} metrics, which are not timed"
        )
        try:
            _warm_all(work, pending, workers)
            failed += _run(work, pending, workers, lambda n: tell(len(plan) - n, len(plan)))
        finally:
            journal.close()
    rows = [
        journal.rows[key] | {"image": picture.name, "curve": curve.label, "value": value}
        for key, (picture, curve, value) in zip(keys, plan, strict=True)
        if key in journal.rows
    ]
    lost = {name for name, _ in failed}
    pictures = [picture for picture in pictures if picture.name not in lost]
    rows = [row for row in rows if row["image"] not in lost]
    kept = len(plan) - len(pending)
    return Comparison(pictures, curves, names, rows, journal.runs, failed, kept, time.perf_counter() - began)


def _notes(notes: list[str]) -> dict[str, list[str]]:
    return {"notes": notes} if notes else {}


def _has(row: dict[str, Any], metrics: Sequence[str]) -> bool:
    noted = {note.partition(":")[0] for note in row.get("notes", ())}
    return all(name in row["metrics"] or name in noted for name in metrics)


def _warm_all(work: _Worker, pending: Sequence[tuple[Picture, Curve, Any]], workers: int) -> None:
    """The first call of every curve for every shape. What fails here fails again, and is told, when its turn comes."""
    first = {(picture, curve.label): (curve, value) for picture, curve, value in reversed(pending)}
    by_picture: dict[Picture, list[tuple[Curve, Any]]] = defaultdict(list)
    for (picture, _), one in reversed(first.items()):
        by_picture[picture].append(one)

    def try_one(pixels: np.ndarray, curve: Curve, value: Any) -> None:
        with contextlib.suppress(Exception):
            work.warm_up(curve, curve.settings(value), pixels)

    with ThreadPoolExecutor(workers, thread_name_prefix="compare") as pool:
        for picture, ones in by_picture.items():
            try:
                pixels = work.pixels(picture)
            except (ValueError, OSError):
                continue
            for _ in pool.map(lambda one, pixels=pixels: try_one(pixels, *one), ones):
                pass


def _run(
    work: _Worker, pending: Sequence[tuple[Picture, Curve, Any]], workers: int, left: Callable[[int], None]
) -> list[tuple[str, str]]:
    """Work through the plan; (name of a picture, why) for what failed. The first failure of a picture drops the rest of it."""
    failed: dict[str, str] = {}
    remaining = iter(pending)
    open_jobs = len(pending)
    with ThreadPoolExecutor(workers, thread_name_prefix="compare") as pool:
        running: dict[Any, tuple[Picture, Curve, Any]] = {}
        while True:
            while len(running) < 2 * workers and (job := next(remaining, None)):
                if job[0].name in failed:
                    open_jobs -= 1
                else:
                    running[pool.submit(work, *job)] = job
            if not running:
                return list(failed.items())
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                picture, curve, _ = running.pop(future)
                open_jobs -= 1
                left(open_jobs)
                error = future.exception()
                if isinstance(error, (ValueError, TypeError, OSError, RuntimeError)):
                    where = (
                        "" if isinstance(picture.source, Path) and not _readable(work, picture) else f"{curve.label}: "
                    )
                    failed.setdefault(picture.name, f"{where}{error}")
                elif error:
                    raise error


def _readable(work: _Worker, picture: Picture) -> bool:
    try:
        return bool(work.pixels(picture).size)
    except ValueError:
        return False
