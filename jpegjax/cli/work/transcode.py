"""What `jpegjax transcode` does with files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ...container import JpegInfo, inspect, parse_header
from ...container.behind import Picture, Trailer
from ...container.metadata import finer_kind, is_jfif
from ...jpeg.transcode import transcode
from ...options import TranscodeOptions
from ..report import Totals, reason
from ..waiting import clock
from .item import ANY, Item
from .lossy import NO_AIM, Aim, coded_again

__all__ = ["TranscodeJob"]


@dataclass(frozen=True, slots=True)
class TranscodeJob:
    """What `jpegjax transcode` does with every file.

    in_place: damaged files are left alone, as are those that would grow for nothing.
    force: write those that grow. preserve: outputs have their input's times.
    """

    options: TranscodeOptions
    in_place: bool = False
    overwrite: bool = False
    force: bool = False
    preserve: bool = False
    frugal: bool = False
    threshold: int = 0
    aim: Aim = NO_AIM
    rehearsal: bool = False

    engine: ClassVar[str] = "host"
    device: ClassVar[None] = None
    verb: ClassVar[str] = "transcoded"
    search: ClassVar[str] = ""

    def programs(self, engine: str) -> str:
        return ""

    def measure(self, item: Item) -> int:
        row, path = item.row, item.source
        if isinstance(path, Path):
            status = os.stat(path)
            item.source = path.read_bytes()
            item.times = (status.st_atime_ns, status.st_mtime_ns) if self.preserve else None
            item.before, item.durable = (status, True) if self.in_place else (None, False)
        item.found = found = inspect(item.source, self.options.limits)
        row.width, row.height, row.source_nbytes = found.width, found.height, found.file_nbytes
        coding = "P" if found.process.progressive else "A" if found.process.arithmetic else "N"
        row.kind = f"{found.precision * len(found.components)}bit,{coding}"
        if self.in_place and _unfinished(found):
            raise ValueError("unfinished progressive scans, which decoders smooth and whole ones not; so not replaced")
        row.notes += self._behind(found)
        if found.process.arithmetic and self.options.arithmetic is False:
            row.notes.append("arithmetic coding turned into Huffman's (--arithmetic keeps it)")
        return row.pixels

    def _behind(self, found: JpegInfo) -> list[str]:
        """What a user should know of the things behind the picture."""
        parts: list[Picture | Trailer] = [*found.pictures[1:], *found.trailers]
        if self.options.trailer == "drop" and parts:
            kinds = Counter(part.kind for part in parts)
            named = ", ".join(f"{n} × {kind}" if n > 1 else kind for kind, n in kinds.items())
            return [f"left out behind the picture: {named}, {found.sizes.trailing} bytes"]
        options = self.options
        upright = options.apply_exif_orientation and (found.metadata.orientation or 1) != 1
        done = ["turned"] if upright or options.rotate or options.flip else []
        done += [word for word, asked in (("cropped", options.crop), ("wiped", options.wipe)) if asked is not None]
        if done and any(part.kind == "video" for part in parts):
            return [f"the video behind the picture is not {' and '.join(done)} with it"]
        return []

    def load(self, item: Item) -> None:
        """`measure` has read the file already."""

    def code(self, items: Sequence[Item], totals: Totals) -> None:
        start = clock()
        results = transcode([item.source for item in items], self.options)
        for item, (content, found) in zip(items, results, strict=True):
            damage = [f"{message} (byte offset {offset})" for message, offset in found]
            if isinstance(content, ValueError):
                item.row.error = reason(content)
            elif self.in_place and damage:
                item.row.error = f"damaged, so not replaced; -o writes what can be saved: {damage[0]}"
            else:
                item.result = content
                item.row.damage += damage
                self._aim(item)
                item.row.nbytes = len(item.result)
        totals.coding_seconds += clock() - start

    def _aim(self, item: Item) -> None:
        """Code a file again with loss where that was asked for."""
        if self.aim == NO_AIM:
            return
        start = item.result
        try:
            item.result, said = coded_again(bytes(item.source), item.found, start, self.options, self.aim)
            item.row.notes += [said] if said else []
        except ValueError as error:
            item.row.error = reason(error)

    def finish(self, item: Item) -> bytes | None:
        found = inspect(item.result, ANY.limits)
        item.row.width, item.row.height = found.width, found.height
        content = self._replacement(item) if self.in_place or self.frugal else item.result
        item.row.kept = content is None or item.result == item.source
        before, after = (one.metadata.orientation or 1 for one in (item.found, found))
        if before != after and not (item.row.kept or self.options.apply_exif_orientation):
            item.row.notes.append(f"orientation {before} left out and not applied (--exif-transpose)")
        if content is None and not self.in_place:
            content = item.source  # elsewhere it has yet to be
        if content is not None and not self.in_place:
            self._say_larger(item, len(content))
        return None if self.rehearsal else content

    def _say_larger(self, item: Item, nbytes: int) -> None:
        """Notes on an output that is larger than its input, or than the file that it replaces."""
        target = item.job.target
        if nbytes > len(item.source) and not self._other_content(item):
            item.row.notes.append(f"{nbytes - len(item.source)} bytes larger than the input")
        if target is not None and target.is_file() and target.stat().st_size < nbytes:
            item.row.notes.append(f"replaces a file of {target.stat().st_size} bytes")

    def _replacement(self, item: Item) -> bytes | None:
        """What takes the input's place; None where it stays."""
        row, grown = item.row, len(item.result) - len(item.source)
        if item.result == item.source:
            return None
        least = -len(item.source) * self.threshold / 100
        if not self.force and (grown >= 0 or grown > least) and not self._other_content(item):
            more = f"{grown} bytes more if coded so (--force)" if grown > 0 else f"only {-grown} bytes less"
            row.notes = [
                f"stays as it is: {more}" if grown else "stays as it is"
            ]  # what was said of the new one is not so
            row.nbytes, row.width, row.height = len(item.source), item.found.width, item.found.height
            return None
        if grown > 0:
            row.notes.append(f"{grown} bytes larger than before")
        if self.in_place and item.before is not None and _changed(item.before, item.job.target):
            row.error = "changed while it was transcoded, so not replaced"
            return None
        return item.result

    def _other_content(self, item: Item) -> bool:
        """Whether the picture or its metadata were to become others, rather than the same in fewer bytes."""
        options, found = self.options, item.found
        turned = options.apply_exif_orientation and (found.metadata.orientation or 1) != 1
        segments = parse_header(item.source, ANY.limits).segments
        named = [(code, bytes(item.source[at + 4 : stop])) for code, at, stop in segments]
        stripped = any(not is_jfif(*one) and finer_kind(*one) not in options.keep for one in named)
        asked = (
            options.rotate,
            options.flip,
            options.crop,
            options.roll,
            options.wipe,
            options.drop,
            options.icc_profile,
        )
        gray = options.grayscale and len(found.components) > 1
        return bool(turned or gray or any(asked) or (stripped and not self.threshold))


def _unfinished(found: JpegInfo) -> bool:
    """Whether scans leave out bits of low frequencies, so that libjpeg smooths the picture where it is shown."""
    bits = {c: [-1] * 64 for c in range(len(found.components))} if found.process.progressive else {}
    for scan in found.scans if bits else ():
        first, last = scan.spectral
        for c in scan.components:
            bits[c][first : last + 1] = [scan.approximation[1]] * (last + 1 - first)
    return any(left[:10] != [0] * 10 for left in bits.values())


def _changed(before: os.stat_result, path: Path | None) -> bool:
    after = os.stat(path or "")
    return any(getattr(before, n) != getattr(after, n) for n in ("st_dev", "st_ino", "st_size", "st_mtime_ns"))
