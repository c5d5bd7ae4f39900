"""What the verbs do with every picture of a bulk job, as the job's processes take it: picklable, by the verbs' own work."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ... import codecs
from ...bulk.manifest import canonical
from ...bulk.work import Outcome
from ...options import Limits
from ...run.engines import pick
from .. import boxes, pictures
from ..paths import Job, Source
from ..report import Row, Totals
from .decode import DecodeJob
from .encode import EncodeJob
from .flow import code_items, load_item
from .item import Item

__all__ = ["MeasureWork", "VerbWork"]


@dataclass(frozen=True, slots=True)
class VerbWork:
    """What a verb does. suffix: of its files. accepts: suffixes of the pictures among a folder's files."""

    job: EncodeJob | DecodeJob | boxes.BoxJob
    suffix: str
    accepts: frozenset[str]

    @property
    def verb(self) -> str:
        return self.job.verb

    def about(self) -> dict[str, Any]:
        saves = not isinstance(self.job, DecodeJob)
        return {"verb": self.verb, "saves": saves, "suffix": self.suffix, "options": canonical(self.job)}

    def begin(self, name: str, content: bytes) -> tuple[Item, int]:
        item = Item(Job(Source(None, Path(name)), None), Row(name), content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, on inputs that it can read
            return item, self.job.measure(item)

    def code(self, pieces: Sequence[Item]) -> list[Outcome]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for item in pieces:
                load_item(self.job, item)
            good = [item for item in pieces if item.row.error is None]
            if good:
                code_items(self.job, good, Totals(self.verb, pick(self.job.engine, self.job.device)))
            return [self._outcome(item) for item in pieces]

    def _outcome(self, item: Item) -> Outcome:
        row = item.row
        if row.error is None:
            content = self.job.finish(item)
            values = {} if row.psnr_db is None else {"psnr_db": float(row.psnr_db)}
            if not row.ok:
                return Outcome(error=f"differs from libjpeg-turbo: {row.verdict}")
            return Outcome(None if content is None else bytes(content), None, row.pixels, list(row.damage), values)
        return Outcome(error=row.error)


@dataclass(frozen=True, slots=True)
class MeasureWork:
    """What a codec makes of every picture, in numbers: bytes, bits a pixel and metrics, a JSON object each; no file is kept.

    metrics: names as `jpegjax compare --metrics` has them.
    """

    codec: str
    settings: dict[str, Any]
    metrics: tuple[str, ...]
    accepts: frozenset[str]
    background: str | None = None
    transpose: bool = False
    limit_pixels: int | None = field(default_factory=lambda: Limits().pixels)

    verb = "measured"
    suffix = ".json"

    def about(self) -> dict[str, Any]:
        release = codecs.get(self.codec).version
        return {"verb": self.verb, "release": release, "options": canonical(self)}

    def begin(self, name: str, content: bytes) -> tuple[tuple[str, bytes], int]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            width, height = pictures.size_of(content)
        return (name, content), width * height

    def code(self, pieces: Sequence[tuple[str, bytes]]) -> list[Outcome]:
        found: list[Outcome] = []
        images: list[np.ndarray] = []
        for _, content in pieces:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    images.append(self._loaded(content))
                found.append(Outcome())
            except Exception as error:  # readers of foreign formats raise whatever they like
                found.append(Outcome(error=str(error) or type(error).__name__))
        codec = codecs.get(self.codec)
        files = codec.encode_batch(images, **self.settings) if images else []
        good = [outcome for outcome in found if outcome.error is None]
        for outcome, image, data, pixels in zip(good, images, files, codec.decode_batch(files), strict=True):
            self._measure(outcome, image, data, pixels)
        return found

    def _loaded(self, content: bytes) -> np.ndarray:
        return pictures.load(
            content,
            background=self.background,
            transpose=self.transpose,
            limit_pixels=self.limit_pixels,
            depth=8,
            strip=True,
        ).pixels

    def _measure(self, outcome: Outcome, image: np.ndarray, data: bytes, pixels: np.ndarray) -> None:
        from ...report.score import measure

        height, width = image.shape[:2]
        values, notes = measure(image, pixels, self.metrics)
        size = {"width": width, "height": height, "nbytes": len(data), "bpp": 8 * len(data) / (height * width)}
        outcome.pixels = height * width
        outcome.content = (json.dumps({**size, **values, "notes": notes}) + "\n").encode()
        outcome.values = {"nbytes": len(data), "bpp": size["bpp"]} | {n: v for n, v in values.items() if v is not None}
