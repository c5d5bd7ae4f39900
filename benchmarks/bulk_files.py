"""Files for bulk jobs: squares of photographs coded in sixteen ways, files of a conformance set, mutants, and broken ones.

Every good file has a comment of its own, so that no two are the same.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np

import jpegjax

__all__ = ["SIDE", "write_files"]

SIDE, BASE = 128, 4000
"""BASE: different pictures, of which all are copies."""
BROKEN = 300


def base(images: list[np.ndarray]) -> list[bytes]:
    """Different files of squares."""
    draw, squares = np.random.default_rng(0), []
    for i in range(BASE):
        image = images[i % len(images)]
        y, x = (int(draw.integers(0, n - SIDE + 1)) for n in image.shape[:2])
        squares.append(np.ascontiguousarray(image[y : y + SIDE, x : x + SIDE]))
    made: list[bytes] = []
    kinds = list(itertools.product((60, 75, 85, 92), ("4:2:0", "4:4:4"), (False, True)))
    for i, (quality, sampling, optimize) in enumerate(kinds):
        made += jpegjax.encode(squares[i :: len(kinds)], quality=quality, subsampling=sampling, optimize=optimize)
    return made


def own(data: bytes, number: int) -> bytes:
    """The same picture with a comment that no other file has."""
    text = f"picture {number}".encode()
    return data[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + data[2:]


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Some bytes of the scan changed: decoders save what they can."""
    found = bytearray(data)
    for _ in range(draw.randrange(1, 4)):
        found[draw.randrange(len(found) // 2, len(found) - 2)] = draw.randrange(256)
    return bytes(found)


def broken(data: bytes, draw: random.Random) -> bytes:
    """A file of which nothing can be saved."""
    return draw.choice((data[: draw.randrange(2, 150)], b"", draw.randbytes(500), b"\xff\xd8" + draw.randbytes(300)))


def write_files(folder: Path, images: list[np.ndarray], conformance: Path | None, count: int) -> dict[str, int]:
    """The files of the job, in folders of a thousand; how many of each kind."""
    draw, squares = random.Random(1), base(images)
    others = sorted(p for p in conformance.rglob("*.jp*g") if p.stat().st_size < 200_000) if conformance else []
    contents = [p.read_bytes() for p in others]
    kinds = {"squares": 0, "conformance": 0, "mutants": 0, "broken": 0}
    wrong = set(draw.sample(range(count), min(BROKEN, count // 20)))
    for number in range(count):
        content, kind = squares[number % BASE], "squares"
        if contents and number % 20 == 7:
            content, kind = contents[number // 20 % len(contents)], "conformance"
        if number in wrong:
            content, kind = broken(content, draw), "broken"
        elif number % 50 == 3:
            content, kind = mutated(content, draw), "mutants"
        elif content[:2] == b"\xff\xd8":
            content = own(content, number)
        kinds[kind] += 1
        path = folder / f"{number // 1000:03}" / f"{number:06}.jpg"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(content)
    return kinds
