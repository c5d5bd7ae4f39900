"""Seeded mutations of small valid files; decoding them gives pixels or a JpegError, soon and in little memory.

    python tests/mutations.py SEED COUNT        mutants SEED..SEED+COUNT-1
    python tests/mutations.py FILE…             these files as they are

prints a report as JSON: outcomes, failures, the costliest file (effort.py) and the peak memory of the process. It runs
apart from the tests because a fault in compiled code would end the process; the file at work is then the last on stderr.
"""

from __future__ import annotations

import faulthandler
import json
import random
import resource
import sys
import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
from effort import spent
from pictures import picture
from streams import icc_profile, pillow_file

import jpegjax
from jpegjax import CorruptJpeg, JpegError, JpegWarning
from jpegjax.jpeg.files import write_scans
from jpegjax.types import Scan

__all__ = ["mutant", "peak_nbytes", "probe", "seeds"]

NBYTES = 1 << 30
EXIF = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"
SAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
OTHER_SAMPLINGS = ("4:4:0", "4:1:1", "4:1:0", "3x2", "1x1,2x2,1x1", "2x2,1x2,2x1")
MARKERS = bytes.fromhex("c0c1c2c3c4c9ccd0d3d7d8d9dadbdcdddee0e1e2eefe0100ff")


def _apart(data: bytes) -> bytes:
    """The same picture in one scan a component."""
    c = jpegjax.read_coefficients(data)
    head = data[: data.index(b"\xff\xc4")]
    planes = [np.ascontiguousarray(p[0]) for p in c.planes]
    return head + write_scans(planes, c.frame, [Scan((i,)) for i in range(len(planes))], optimize=False)


@cache
def seeds() -> tuple[bytes, ...]:
    """Valid files of every kind that the library decodes, and CMYK."""
    files = []
    for progressive in (False, True):
        kind = {"progressive": progressive}
        files += [pillow_file("L", (19, 23), **kind), pillow_file("CMYK", (9, 8), **kind)]
        files += [pillow_file("RGB", (37, 21), subsampling=s, **kind) for s in SAMPLINGS]
        files += [jpegjax.encode(picture(30, 41), subsampling=s, **kind) for s in OTHER_SAMPLINGS]
        files += [jpegjax.encode(picture(40, 33), quality=30, restart_blocks=2, **kind)]
        files += [jpegjax.encode(picture(33, 70, 1), quality=90, restart_rows=1, **kind)]
    files += [pillow_file("RGB", (16, 16), optimize=True, keep_rgb=True), pillow_file("L", (1, 1))]
    files += [
        jpegjax.encode(picture(9, 9), qtables=np.full(64, 700), exif=EXIF, icc_profile=icc_profile(140), comment=b"c")
    ]
    files += [_apart(jpegjax.encode(picture(25, 34), subsampling=s)) for s in ("4:4:4", "4:2:0")]
    files += [jpegjax.encode(picture(20, 27), arithmetic=True, progressive=p, restart_rows=1) for p in (False, True)]
    files += [jpegjax.encode(picture(20, 27, n), lossless=True) for n in (1, 3)]
    deep = picture(20, 27).astype(np.uint16) * 16
    files += [jpegjax.encode(deep, precision=12, progressive=p) for p in (False, True)]
    blank = np.zeros((64, 96, 3), np.uint8)
    files += [jpegjax.encode(blank, progressive=True), jpegjax.encode(blank, quality=1)]
    return tuple(files)


def _segments(data: bytes | bytearray) -> list[int]:
    """Offsets of the marker segments up to the first scan."""
    found, p = [], 2
    while p + 4 <= len(data) and data[p] == 0xFF:
        found.append(p)
        if data[p + 1] == 0xDA:
            break
        p += 2 + (data[p + 2] << 8 | data[p + 3])
    return found


def _mutate(data: bytearray, draw: random.Random, other: bytes) -> None:
    kind = draw.randrange(11)
    scan = max(bytes(data).find(b"\xff\xda"), 0)
    at = draw.randrange(scan if draw.random() < 0.6 else 0, len(data))
    if kind == 0:
        data[at] ^= 1 << draw.randrange(8)
    elif kind == 1:
        data[at] = draw.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, draw.randrange(256)))
    elif kind == 2:
        del data[max(at, 4) :]
    elif kind == 3:
        data[at:at] = draw.randbytes(draw.choice((1, 1, 2, 3, 8, 40)))
    elif kind == 4:
        del data[at : at + draw.choice((1, 1, 2, 5, 30))]
    elif kind == 5:
        data[at:at] = bytes((0xFF, draw.choice(MARKERS)))
    elif kind == 6:
        start = draw.choice(_segments(data) or [0])
        data[start + 2 : start + 4] = draw.choice((0, 1, 2, 3, 8, draw.randrange(300), 0xFFFF)).to_bytes(2, "big")
    elif kind == 7:
        frames = [p for p in _segments(data) if 0xC0 <= data[p + 1] <= 0xCF and data[p + 1] != 0xC4]
        if frames:
            field = frames[0] + draw.choice((5, 7))
            side = draw.choice((0, 1, 7, 8, 9, draw.randrange(1, 600), draw.randrange(65536), 65535))
            data[field : field + 2] = side.to_bytes(2, "big")
    elif kind == 8:
        start = draw.choice(_segments(data) or [0])
        length = 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        part = bytes(data[start : start + min(length, 500)])
        goal = draw.choice(_segments(data) or [0])
        data[goal:goal] = part
    elif kind == 9:
        start = draw.randrange(len(other))
        data[at : at + draw.randrange(1, 60)] = other[start : start + draw.randrange(1, 60)]
    else:
        for _ in range(draw.randrange(2, 30)):
            data[draw.randrange(len(data))] = draw.randrange(256)


def mutant(seed: int) -> bytes:
    """Mutant number `seed`: one to four mutations of a valid file."""
    draw = random.Random(seed)
    files = seeds()
    data = bytearray(files[seed % len(files)])
    for _ in range(draw.choice((1, 1, 1, 2, 3, 4))):
        if len(data) > 4:
            _mutate(data, draw, draw.choice(files))
    return bytes(data)


def _attempt(function, data: bytes, **options):
    """(result or JpegError, JpegWarnings); any other warning or exception passes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(data, **options)
        except JpegError as error:
            result = error
    for found in caught:
        assert found.category is JpegWarning, found.message
    return result, [str(found.message) for found in caught]


def probe(data: bytes) -> str:
    """What becomes of a file, in a word; AssertionError where it is more than the promises allow."""
    decoded, noted = _attempt(jpegjax.decode, data)
    strict, none = _attempt(jpegjax.decode, data, strict=True)
    assert not none, "strict decoding warned"
    for error in (decoded, strict):
        if isinstance(error, JpegError):
            assert error.offset is not None and 0 <= error.offset <= len(data), f"offset {error.offset} of {len(data)}"
    if isinstance(decoded, JpegError):
        assert isinstance(strict, JpegError)
    elif noted:
        assert isinstance(strict, CorruptJpeg), f"strict passed {noted}"
    else:
        assert isinstance(strict, np.ndarray) and np.array_equal(decoded, strict), f"strict: {strict!r}"
    del strict
    coefficients, _ = _attempt(jpegjax.read_coefficients, data)
    described, _ = _attempt(jpegjax.info, data)
    if not isinstance(decoded, JpegError):
        assert isinstance(coefficients, JpegError) == described.process.lossless, f"coefficients: {coefficients!r}"
        assert decoded.shape[:2] == (described.height, described.width)
        assert decoded.dtype == (np.uint8 if described.precision <= 8 else np.uint16)
        str(described)
    return type(decoded).__name__ if isinstance(decoded, JpegError) else "warned" if noted else "clean"


def peak_nbytes() -> int:
    """The most memory that this process has had; getrusage alone may tell that of the process that started it."""
    try:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(arguments: list[str]) -> None:
    """The report of the numbered mutants, or of the files named."""
    faulthandler.enable()
    cases = [(n, None) for n in arguments]
    if len(arguments) == 2 and all(a.isdecimal() for a in arguments):
        first, count = map(int, arguments)
        cases = [(str(n), n) for n in range(first, first + count)]
    for data in seeds():
        probe(data)
    found: dict[str, str] = {}
    failures, costliest = [], (0.0, "")

    def attempt(name: str, data: bytes) -> None:
        try:
            found[name] = probe(data)
        except Exception as error:
            found[name] = "failed"
            failures.append(f"{name}: {type(error).__name__}: {error}")

    for name, seed in cases:
        data = Path(name).read_bytes() if seed is None else mutant(seed)
        print(name, file=sys.stderr, flush=True)
        costliest = max(costliest, (spent(attempt, name, data), name))
    report = {
        "files": len(cases), "outcomes": Counter(found.values()), "failures": failures, "costliest": costliest[1],
        "costliest_units": costliest[0], "peak_nbytes": peak_nbytes(),
    }  # fmt: skip
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1:])
