"""Many files through the engine: read, code, write, in batches that bound memory."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..api.encoding import encode_batch
from ..bulk.local import batches, in_turns, write_whole
from ..container import inspect
from ..container.box import read_box
from ..errors import JpegError, LimitExceeded
from ..jpeg import codec
from ..jpeg.transcode import transcode
from ..options import DecodeOptions, EncodeOptions, Limits, TranscodeOptions
from ..options.scans import check_script
from ..run.engines import pick
from . import boxes, oracle, pictures
from .paths import Job, shown
from .report import Row, Totals, announce_compilation

__all__ = ["DecodeJob", "EncodeJob", "TranscodeJob", "run"]

_BATCH_PIXELS = 32_000_000
_BATCH_FILES = 256


@dataclass(slots=True)
class _Item:
    """A file on its way: where from, what was read, what came of it, and its row."""

    job: Job
    row: Row
    source: Any  # path, or the content
    picture: Any = None
    profile: bytes | None = None
    orientation: int = 1
    result: Any = None
    decoded: Any = None


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """What `jpegjax encode` does with every picture. discard: code and check, but write nothing."""

    options: EncodeOptions
    engine: str = "auto"
    device: Any = None
    background: str | None = None
    transpose: bool = False
    gray: bool = False
    keep_icc: bool = False
    psnr: bool = False
    verify: bool = False
    overwrite: bool = False
    discard: bool = False
    limit_pixels: int | None = Limits().pixels

    verb: ClassVar[str] = "encoded"

    def warm_up(self) -> None:
        plain = replace(self.options, scans=None, target_bytes=None, target_metric=None)
        files = codec.encode(_TINY, plain, self.engine, self.device)
        if self.psnr or self.verify:
            codec.decode(files, _ANY, self.engine, self.device)

    def measure(self, item: _Item) -> int:
        width, height = pictures.size_of(item.source)
        return width * height

    def load(self, item: _Item) -> None:
        item.picture, profile, notes = pictures.load(
            item.source,
            background=self.background,
            transpose=self.transpose,
            gray=self.gray,
            limit_pixels=self.limit_pixels,
            deep=self.options.lossless or self.options.precision == 12,
            rescaled=self.options.precision == 12 and not self.options.lossless,
        )
        if self.options.scans is not None:
            check_script(self.options.scans, codec.plan(item.picture.shape, self.options)[0])
        item.row.height, item.row.width = item.picture.shape[:2]
        item.row.notes += notes
        if profile and self.keep_icc:
            item.profile = profile
        elif profile and not self.options.metadata.icc_profile:
            item.row.notes.append("ICC profile left out (--icc keep)")

    def settings(self, profile: bytes | None) -> EncodeOptions:
        if not profile:
            return self.options
        return replace(self.options, metadata=replace(self.options.metadata, icc_profile=profile))

    def code(self, items: Sequence[_Item], totals: Totals) -> None:
        start = time.perf_counter()
        for profile, group in itertools.groupby(items, key=lambda item: item.profile):
            same = list(group)
            files = encode_batch([i.picture for i in same], self.settings(profile), self.engine, self.device)
            for item, data in zip(same, files, strict=True):
                item.result, item.row.nbytes = data, len(data)
        totals.coding_seconds += time.perf_counter() - start
        if self.psnr or self.verify:
            start = time.perf_counter()
            decoded = codec.decode([item.result for item in items], _ANY, self.engine, self.device)
            totals.decoding_seconds += time.perf_counter() - start
            for item, (pixels, _) in zip(items, decoded, strict=True):
                item.decoded = pixels if isinstance(pixels, JpegError) else np.asarray(pixels)

    def finish(self, item: _Item) -> bytes | None:
        row = item.row
        if isinstance(item.decoded, JpegError):
            row.verdict, row.ok = f"does not decode: {item.decoded}", False
        elif self.verify:
            settings = self.settings(item.profile)
            row.verdict, row.ok = oracle.compare(item.picture, item.result, item.decoded, settings)
        if self.psnr and row.ok:
            deep = item.picture.dtype == np.uint16
            peak = (1 << (self.options.precision or 16)) - 1 if deep else 255
            row.psnr_db = oracle.psnr_db(item.picture, item.decoded, peak)
        return None if self.discard else item.result


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """What `jpegjax decode` does with every file. format: a key of `pictures.FORMATS`. model: of learned streams, one's own."""

    options: DecodeOptions
    format: str = "png"
    engine: str = "auto"
    device: Any = None
    transpose: bool = False
    overwrite: bool = False
    model: Any = None

    verb: ClassVar[str] = "decoded"

    def warm_up(self) -> None:
        tiny = codec.encode(_TINY, EncodeOptions(), self.engine, self.device)
        options = self.options if self.options.crop is None else replace(self.options, crop=(0, 0, 1, 1))
        codec.decode(tiny, options, self.engine, self.device)

    def measure(self, item: _Item) -> int:
        row = item.row
        item.source = item.source.read_bytes() if isinstance(item.source, Path) else item.source
        if boxes.is_box(item.source):
            if self.options.partial or self.options.mode:
                raise ValueError("mode, scale and crop are for JPEG files")
            box = read_box(item.source, self.options.limits)
            row.width, row.height, row.nbytes = box.width, box.height, len(item.source)
            return row.pixels
        found = inspect(item.source, self.options.limits)
        row.width, row.height, row.nbytes = found.width, found.height, found.file_nbytes
        item.profile = found.metadata.icc_profile
        orientation = found.metadata.orientation or 1
        if self.transpose:
            item.orientation = orientation
        elif orientation != 1:
            row.notes.append(f"EXIF orientation {orientation} not applied (--exif-transpose)")
        return int(row.pixels * max(1, self.options.scale**2))

    def load(self, item: _Item) -> None:
        """`measure` has read the file already."""

    def code(self, items: Sequence[_Item], totals: Totals) -> None:
        start = time.perf_counter()
        boxed, plain = ([i for i in items if boxes.is_box(i.source) is own] for own in (True, False))
        results = codec.decode([i.source for i in plain], self.options, self.engine, self.device) if plain else []
        unpacked: list[Any] = [(pixels, ()) for pixels in boxes.unpack([i.source for i in boxed], self.model)]
        totals.coding_seconds += time.perf_counter() - start
        for item, (pixels, found) in zip(plain + boxed, results + unpacked, strict=True):
            if isinstance(pixels, Exception):
                item.row.error = _reason(pixels)
                continue
            item.result = pixels
            if self.options.partial:
                item.row.notes.append(self._part(*pixels.shape[:2]))
            item.row.notes += [f"{message} (byte offset {offset})" for message, offset in found]

    def _part(self, height: int, width: int) -> str:
        """What was decoded: "scale 1/2, crop 62×62+71+71: 62×62 pixels"."""
        x, y, w, h = self.options.crop or (0, 0, 0, 0)
        scale = [] if self.options.scale == 1 else [f"scale {self.options.scale}"]
        crop = [] if self.options.crop is None else [f"crop {w}×{h}+{x}+{y}"]
        return f"{', '.join(scale + crop)}: {width}×{height} pixels"

    def finish(self, item: _Item) -> bytes | memoryview:
        return pictures.save(np.asarray(item.result), self.format, item.profile, item.orientation)


@dataclass(frozen=True, slots=True)
class TranscodeJob:
    """What `jpegjax transcode` does with every file. in_place: damaged files are left alone, as are those that stay."""

    options: TranscodeOptions
    in_place: bool = False
    overwrite: bool = False

    engine: ClassVar[str] = "host"
    device: ClassVar[None] = None
    verb: ClassVar[str] = "transcoded"

    def warm_up(self) -> None:
        transcode(codec.encode(_TINY, EncodeOptions(), "host", None), replace(self.options, crop=None, perfect=False))

    def measure(self, item: _Item) -> int:
        row = item.row
        item.source = item.source.read_bytes() if isinstance(item.source, Path) else item.source
        found = inspect(item.source, self.options.limits)
        row.width, row.height, row.source_nbytes = found.width, found.height, found.file_nbytes
        orientation = found.metadata.orientation or 1
        if orientation != 1 and not self.options.apply_exif_orientation and "exif" not in self.options.keep:
            row.notes.append(f"EXIF orientation {orientation} left out and not applied (--exif-transpose)")
        return row.pixels

    def load(self, item: _Item) -> None:
        """`measure` has read the file already."""

    def code(self, items: Sequence[_Item], totals: Totals) -> None:
        start = time.perf_counter()
        results = transcode([item.source for item in items], self.options)
        totals.coding_seconds += time.perf_counter() - start
        for item, (content, found) in zip(items, results, strict=True):
            notes = [f"{message} (byte offset {offset})" for message, offset in found]
            if isinstance(content, ValueError):
                item.row.error = _reason(content)
            elif self.in_place and notes:
                item.row.error = f"damaged, so not replaced; -o writes what can be saved: {notes[0]}"
            else:
                item.result, item.row.nbytes = content, len(content)
                item.row.notes += notes

    def finish(self, item: _Item) -> bytes | None:
        found = inspect(item.result, _ANY.limits)
        item.row.width, item.row.height = found.width, found.height
        return None if self.in_place and item.result == item.source else item.result


Work = EncodeJob | DecodeJob | TranscodeJob | boxes.BoxJob

_TINY = [np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.uint8)]
_ANY = DecodeOptions(limits=Limits(None, None, None, None))


def _reason(error: Exception) -> str:
    if isinstance(error, LimitExceeded):
        return f"{error}; here: --limit-pixels, --limit-memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _exists(target: Path | None) -> str:
    return f"{shown(target or '')} exists; --overwrite replaces it"


def _open(work: Work, job: Job) -> tuple[_Item, int]:
    """(item, pixels that its header claims); an item with an error claims none."""
    item = _Item(job, Row(job.source.name), job.source.path or b"")
    try:
        if job.target is not None and job.target.is_file() and not work.overwrite:
            raise FileExistsError(_exists(job.target))
        if job.source.path is None:
            item.source = sys.stdin.buffer.read()
        return item, work.measure(item)
    except Exception as error:  # readers of foreign formats raise whatever they like
        item.row.error = _reason(error)
        return item, 0


def _load(work: Work, item: _Item) -> None:
    if item.row.error is None:
        try:
            work.load(item)
        except Exception as error:  # as in _open
            item.row.error = _reason(error)


def _finish(work: Work, item: _Item) -> Row:
    if item.row.error is None:
        try:
            content = work.finish(item)
            if content is not None and item.job.target is not None:
                write_whole(item.job.target, content, work.overwrite)
            elif content is not None:
                sys.stdout.buffer.write(content)
                sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except FileExistsError:
            item.row.error = _exists(item.job.target)
        except (OSError, pictures.Refused) as error:
            item.row.error = _reason(error)
    return item.row


def run(
    work: Work, jobs: Sequence[Job], tick: Callable[[], None], *, rehearse: bool = False
) -> tuple[list[Row], Totals]:
    """Rows in the order of jobs. One batch at a time is read, coded and written, each step on all cores.

    The steps take turns so that the reported speed is that of coding alone. The host engine is loaded and, the first
    time, compiled before the clock starts; xla compiles on the clock, as shapes come, unless it may rehearse the first
    batch.
    """
    totals = Totals(work.verb, pick(work.engine, work.device))
    totals.with_compilation = totals.engine == "xla" and not rehearse
    rows: list[Row] = []
    rehearsal_seconds = 0.0

    def code(batch: Sequence[_Item]) -> None:
        nonlocal rehearsal_seconds
        good = [item for item in batch if item.row.error is None]
        if not good:
            return
        first = not rows and totals.engine == "xla"
        with announce_compilation("xla") if first else contextlib.nullcontext():
            if first and rehearse:
                before = time.perf_counter()
                work.code(good, Totals(work.verb, totals.engine))
                rehearsal_seconds = time.perf_counter() - before
            work.code(good, totals)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, on inputs that it can read
        if totals.engine == "host":
            with announce_compilation("host"):
                work.warm_up()
        start = time.perf_counter()
        groups = batches((_open(work, job) for job in jobs), _BATCH_PIXELS, _BATCH_FILES)
        for row in in_turns(groups, partial(_load, work), code, partial(_finish, work)):
            rows.append(row)
            tick()
        totals.all_seconds = time.perf_counter() - start - rehearsal_seconds
    return rows, totals
