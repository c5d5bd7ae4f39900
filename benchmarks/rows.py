"""One checkout's worker for `against.py`: prepares rows and times them as it is told, one JSON a line on each pipe.

    python benchmarks/rows.py PICTURES.npz        (PYTHONPATH names the checkout)

It stands on public doors, and on `ours.py` for the rest, so that it runs in older checkouts. Requests:
{"prepare": section} → {"cases": {case: pixels}} or {"missing": why}; {"first": case} → {"digest": of the results};
{"time": case, "repeat": n} → {"seconds": [by the clock, of the CPU]}, of one time.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from ours import MODES, TUNES, stage_calls, xla_calls
from peers import over
from photographs import pixels_of, tiled
from PIL import Image
from rounds import one_core, timed

import jpegjax

__all__ = ["SECTIONS", "Row", "digest"]

Images = Sequence[np.ndarray]


@dataclass(frozen=True, slots=True)
class Row:
    """A call, and the items that it is called with, one after the other. pixels: of all items together.

    pinned: on one core. kept: results live until the last one is there.
    """

    call: Callable[[Any], object]
    items: Sequence[Any]
    pixels: int
    pinned: bool = True
    kept: bool = False

    def results(self) -> list[object]:
        with one_core() if self.pinned else contextlib.nullcontext():
            return [self.call(item) for item in self.items]

    def seconds(self, repeat: int) -> tuple[float, float]:
        """By the clock, and of the CPU over all threads, for all items once: the mean of so many times in a row."""
        once = self.results if self.kept else over(self.items, self.call)
        with one_core() if self.pinned else contextlib.nullcontext():
            worked = time.process_time()
            seconds = timed(lambda: [once() for _ in range(repeat)])
            worked = time.process_time() - worked
        return seconds / repeat, worked / repeat


Rows = Iterator[tuple[str, Row]]


def host(function: Callable[..., object], **options: Any) -> Callable[[Any], object]:
    return lambda item: function(item, engine="host", **options)


def encode(images: Images) -> Rows:
    for quality in (75, 90):
        call, pixels = host(jpegjax.encode, quality=quality), pixels_of(images)
        yield f"q{quality} 1 thread", Row(call, images, pixels)
        yield f"q{quality} all cores", Row(call, [list(images)], pixels, pinned=False)


def decode(images: Images) -> Rows:
    for quality in (75, 90):
        files, pixels = jpegjax.encode(list(images), quality=quality, engine="host"), pixels_of(images)
        call = host(jpegjax.decode)
        yield f"q{quality} 1 thread", Row(call, files, pixels)
        yield f"q{quality} 1 thread, kept", Row(call, files, pixels, kept=True)
        yield f"q{quality} all cores", Row(call, [files], pixels, pinned=False)


def coefficients(images: Images) -> Rows:
    for quality in (75, 90):
        files, pixels = jpegjax.encode(list(images), quality=quality, engine="host"), pixels_of(images)
        yield f"q{quality} read, 1 thread", Row(jpegjax.read_coefficients, files, pixels)
        yield f"q{quality} write, 1 thread", Row(jpegjax.write_coefficients, jpegjax.read_coefficients(files), pixels)


def modes(images: Images) -> Rows:
    grey = [np.asarray(Image.fromarray(image).convert("L")) for image in images]
    for name, settings in MODES.items():
        row = Row(host(jpegjax.encode, **settings), grey if name == "grey" else images, pixels_of(images))
        yield f"encode {name}", row
        yield f"decode {name}", Row(host(jpegjax.decode), row.results(), row.pixels)


def latency(images: Images) -> Rows:
    for side in (64, 128, 256, 512):
        row = Row(host(jpegjax.encode), [tiled(images[0], side, side)], side * side, pinned=False)
        yield f"encode {side}×{side}", row
        yield f"decode {side}×{side}", Row(host(jpegjax.decode), row.results(), row.pixels, pinned=False)


def stages(images: Images) -> Rows:
    """The transform half; the entropy half alone is what `coefficients` times."""
    for quality in (75, 90):
        for name, call in stage_calls(images, quality).items():
            if "transform" in name:
                yield f"q{quality} {name}", Row(call, range(len(images)), pixels_of(images))


def xla(images: Images) -> Rows:
    for name, call in xla_calls(images).items():

        def run(_: None, call: Callable[[], Any] = call, kept: bool = "kept" in name) -> object:
            return sorted(call(), key=itemgetter(0)) if kept else call()  # images come as they are complete

        yield f"q75 {name}", Row(run, [None], pixels_of(images), pinned=False)


def tuned(images: Images) -> Rows:
    for name, tune in TUNES.items():
        call, pixels = host(jpegjax.encode, tune=tune), pixels_of(images)
        yield f"q75 {name}, all cores", Row(call, [list(images)], pixels, pinned=False)
        yield f"q75 {name}, one by one, all cores", Row(call, images, pixels, pinned=False)
        yield f"q75 {name}, 1 thread", Row(call, images, pixels)


def transcode(images: Images) -> Rows:
    files, pixels = jpegjax.encode(list(images), engine="host"), pixels_of(images)
    for name, options in (("optimize", {"optimize": True}), ("progressive", {"progressive": True})):
        yield f"{name}, 1 thread", Row(lambda f, o=options: jpegjax.transcode(f, **o), files, pixels)
        yield f"{name}, all cores", Row(lambda f, o=options: jpegjax.transcode(f, **o), [files], pixels, pinned=False)


SECTIONS: dict[str, Callable[[Images], Rows]] = {
    rows.__name__: rows for rows in (encode, decode, coefficients, modes, latency, stages, xla, tuned, transcode)
}


def digest(result: object) -> str:
    """Of bytes, arrays, coefficients and lists of them: equal only where every byte is."""
    found = hashlib.sha256()

    def add(part: object) -> None:
        if isinstance(part, bytes):
            found.update(part)
        elif isinstance(part, np.ndarray):
            found.update(f"{part.dtype} {part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        elif isinstance(part, jpegjax.Coefficients):
            add([*map(np.asarray, part.planes), *map(np.asarray, part.qtables)])
        elif isinstance(part, Sequence):
            for one in part:
                add(one)

    add(result)
    return found.hexdigest()


def main() -> None:
    with np.load(sys.argv[1]) as stored:
        images = [stored[name] for name in stored.files]
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    rows: dict[str, Row] = {}
    gc.disable()
    print(json.dumps({"package": jpegjax.__file__}), file=out, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        answer: dict[str, Any]
        if "prepare" in asked:
            rows.clear()
            gc.collect()
            try:
                rows.update(SECTIONS[asked["prepare"]](images))
                answer = {"cases": {case: row.pixels for case, row in rows.items()}}
            except (ImportError, AttributeError, TypeError) as error:
                answer = {"missing": f"{type(error).__name__}: {error}"}
        elif "first" in asked:
            answer = {"digest": digest(rows[asked["first"]].results())}
        else:
            gc.collect(0)
            answer = {"seconds": rows[asked["time"]].seconds(asked["repeat"])}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
