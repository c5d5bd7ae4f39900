"""Bombs, small files that claim much or make a decoder repeat itself, cost little work. Limits, wrong values."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from effort import LIMIT, spent
from streams import icc_profile, pillow_file

import jpegjax
from jpegjax import Coefficients, ColorSpace, Component, Frame, JpegError, JpegWarning, LimitExceeded, Limits, Process
from jpegjax.annex_k import STANDARD_AC_LUMA
from jpegjax.container import EOI, dht, dri, header, sos
from jpegjax.types import HuffmanSpec

ONE = HuffmanSpec(bytes([1] + [0] * 15), b"\0")  # one code, 0: no bits, or the end of a block
LONG_RUN = HuffmanSpec(bytes([1] + [0] * 15), b"\xe0")  # one code, 0: 14 bits follow that count blocks to pass over
NEVER = HuffmanSpec(bytes([0] * 15 + [1]), b"\0")  # sixteen bits long: almost nothing matches


def head(side: int, components: int = 1, process: Process = Process.BASELINE) -> bytes:
    color = ColorSpace.GRAY if components == 1 else ColorSpace.YCBCR
    frame = Frame(side, side, tuple(Component(i + 1, 1, 1) for i in range(components)), process, color=color)
    return header(frame, [np.full(64, 1, np.uint16)] * components) + dht(0, 0, ONE) + dht(1, 0, ONE)


def padded(data: bytes, side: int) -> bytes:
    """With as many bytes as Limits.pixels_per_byte asks for."""
    return data + bytes(max(0, side * side // 1000 - len(data)))


def progressive_scans(side: int, count: int) -> bytes:
    """Refinements of every coefficient of a blank picture, in a few bytes each."""
    runs = -(-((side // 8) ** 2) // 32767)
    bits = ("0" + "1" * 14) * runs
    bits += "1" * (-len(bits) % 8)
    body = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    parts = [head(side, process=Process.PROGRESSIVE), dht(1, 0, LONG_RUN), sos([(1, 0, 0)], (0, 0))]
    parts += [sos([(1, 0, 0)], (1, 63), (0, 13)) + body]
    parts += [sos([(1, 0, 0)], (1, 63), (1, 0)) + body] * (count - 2)
    return padded(b"".join(parts) + EOI, side)


def sequential_scans(side: int, count: int) -> bytes:
    return padded(head(side, 3) + (sos([(1, 0, 0)]) + b"\0") * count + EOI, side)


def restarts(side: int, process: Process, marker: bytes | None) -> bytes:
    """A restart marker every MCU: the right one, or always the same."""
    blocks = (side // 8) ** 2
    body = b"".join(b"\0" + (b"\xff%c" % (0xD0 + i % 8) if marker is None else marker) for i in range(blocks))
    data = head(side, process=process) + dri(1)
    if process is Process.BASELINE:
        return data + sos([(1, 0, 0)]) + body + EOI
    return data + sos([(1, 0, 0)], (0, 0)) + body + sos([(1, 0, 0)], (1, 63)) + body + EOI


def app(code: int, body: bytes) -> bytes:
    return b"\xff%c" % code + struct.pack(">H", len(body) + 2) + body


def behind_soi(chain: bytes) -> bytes:
    return b"\xff\xd8" + chain + head(100)[2:] + sos([(1, 0, 0)]) + b"\0" + EOI


SECTIONS = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(60_000)

BOMBS = {
    "600 scans": lambda: head(64, process=Process.PROGRESSIVE) + sos([(1, 0, 0)], (0, 0)) * 600 + EOI,
    "499 tiny scans": lambda: head(64, process=Process.PROGRESSIVE)
    + (dht(1, 0, STANDARD_AC_LUMA) + sos([(1, 0, 0)], (0, 0))) * 499
    + EOI,
    "499 refinements of 16 Mpixel": lambda: progressive_scans(4000, 499),
    "499 refinements of 64 Mpixel": lambda: progressive_scans(8000, 499),
    "499 scans of one component": lambda: sequential_scans(4000, 499),
    "499 scans of 36 Mpixel": lambda: sequential_scans(6000, 499),
    "bad codes": lambda: head(3200) + dht(0, 0, NEVER) + dht(1, 0, NEVER) + sos([(1, 0, 0)]) + b"U" * 960_000 + EOI,
    "restarts": lambda: restarts(4000, Process.BASELINE, None),
    "wrong restarts": lambda: restarts(4000, Process.BASELINE, b"\xff\xd1"),
    "restarts far ahead": lambda: restarts(4000, Process.BASELINE, b"\xff\xd4"),
    "restarts that are missing": lambda: restarts(4000, Process.BASELINE, b""),
    "progressive restarts": lambda: restarts(4000, Process.PROGRESSIVE, None),
    "wrong progressive restarts": lambda: restarts(4000, Process.PROGRESSIVE, b"\xff\xd1"),
    "50,000 Huffman tables": lambda: behind_soi(dht(1, 1, STANDARD_AC_LUMA) * 50_000),
    "400 EXIF segments": lambda: behind_soi(app(0xE1, b"Exif\0\0" + bytes(65_000)) * 400),
    "EXIF of 65,535 entries": lambda: behind_soi(app(0xE1, SECTIONS)),
    "400,000 comments": lambda: behind_soi(app(0xFE, b"") * 400_000),
    "64,000 ICC parts": lambda: behind_soi(b"".join(app(0xE2, b"ICC_PROFILE\0%c\xff" % i) for i in range(250)) * 256),
    "four million fill bytes": lambda: behind_soi(b"\xff" * 4_000_000),
    "four million stuffed bytes": lambda: head(4000) + sos([(1, 0, 0)]) + b"\xff\0" * 2_000_000 + EOI,
}  # fmt: skip


def outcome(function, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JpegWarning)
        try:
            return function(data, **options)
        except JpegError as error:
            assert 0 <= error.offset <= len(data)
            return error


@pytest.fixture(scope="module", autouse=True)
def warm_kernels() -> None:
    for options in ({}, {"progressive": True}, {"restart_marker_blocks": 1}):
        jpegjax.decode(pillow_file(**options))
        jpegjax.decode(pillow_file("L", **options))


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_end_soon(name):
    data = BOMBS[name]()
    for function in (jpegjax.decode, jpegjax.read_coefficients, jpegjax.info):
        units = spent(outcome, function, data)
        assert units < LIMIT, f"{function.__name__} took {units:.0f} units of work"
    if name.startswith("499 ") and "tiny" not in name:
        assert isinstance(outcome(jpegjax.decode, data), LimitExceeded)


def test_honest_scans_pass():
    """What real encoders write stays far below the bounds on work: every coefficient bit in a scan of its own."""
    frame = Frame(40, 40, (Component(1, 1, 1),), Process.PROGRESSIVE, color=ColorSpace.GRAY)
    data = header(frame, [np.full(64, 1, np.uint16)]) + dht(0, 0, ONE) + dht(1, 0, ONE)
    data += sos([(1, 0, 0)], (0, 0)) + bytes(4)
    data += b"".join(sos([(1, 0, 0)], (k, k), (0, 0)) + bytes(4) for k in range(1, 64)) + EOI
    assert (outcome(jpegjax.decode, data) == 128).all()


CLAIMS = b"\xff\xd8\xff\xdb\0\x43\0" + bytes([1] * 64) + b"\xff\xc0\0\x0b\x08" + struct.pack(">HH", 65_284, 62_994)
CLAIMS += b"\x01\x01\x11\x00\xff\xda\0\x08\x01\x01\0\0?\0" + bytes(22) + EOI

PEAK = """
import sys
import jpegjax
from mutations import peak_nbytes
data = sys.stdin.buffer.read()
jpegjax.read_coefficients(bytes.fromhex(sys.argv[1]))
before = peak_nbytes()
for function in (jpegjax.decode, jpegjax.read_coefficients, jpegjax.info):
    for limits in (jpegjax.Limits(), jpegjax.Limits(pixels=None), jpegjax.Limits(None, None, 1 << 30, None, None)):
        try:
            function(data, limits=limits)
        except jpegjax.LimitExceeded as error:
            assert error.offset is not None
        else:
            assert function is jpegjax.info and limits.pixels_per_byte is None, (function, limits)
print(peak_nbytes() - before)
"""


def test_a_stub_that_claims_four_gigapixels_allocates_nothing():
    assert len(CLAIMS) == 118
    here = Path(__file__).resolve().parent
    path = os.pathsep.join([str(here.parent), str(here)])
    environment = {**os.environ, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-W", "error", "-c", PEAK, pillow_file("L", (8, 8)).hex()]
    done = subprocess.run(command, input=CLAIMS, capture_output=True, env=environment, check=False, timeout=600)
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) < 1 << 24


@pytest.mark.parametrize("engine", ["host", "xla"])
@pytest.mark.parametrize("progressive", [False, True])
def test_each_limit_is_kept_and_can_be_lifted(engine, progressive):
    data = pillow_file(size=(300, 200), progressive=progressive)
    tight = {"pixels": 59_999, "memory": 100_000, **({"scans": 9} if progressive else {})}
    for name, value in tight.items():
        with pytest.raises(LimitExceeded, match=f"Limits.{name}") as caught:
            jpegjax.decode(data, limits=Limits(**{name: value}), engine=engine)
        assert 0 < caught.value.offset < len(data) and f"{name}=None" in str(caught.value)
        if name != "memory":
            with pytest.raises(LimitExceeded, match=name):
                jpegjax.read_coefficients(data, limits=Limits(**{name: value}))
    wide = jpegjax.decode(data, limits=Limits(None, None, None, None, None), engine=engine)
    assert np.array_equal(wide, jpegjax.decode(data, limits=Limits(60_000, 10, 1 << 20, 10), engine=engine))


@pytest.mark.parametrize("name", ["pixels", "scans", "memory", "pixels_per_byte", "steps_per_byte"])
def test_limits_are_whole_numbers(name):
    for value, kind in ((-1, ValueError), (1.5, TypeError), ("9", TypeError), (True, TypeError)):
        with pytest.raises(kind, match=f"{name}="):
            Limits(**{name: value})


IMAGE = np.zeros((9, 11, 3), np.uint8)
REFUSED = [
    ({"qtables": []}, ValueError, r"qtables: must be 1 to 4"),
    ({"qtables": [[1] * 64, [1] * 63]}, ValueError, r"qtables: must be 1 to 4"),
    ({"qtables": [[1.5] * 64]}, TypeError, r"qtables: must hold integers"),
    ({"qtables": [[70_000] * 64]}, ValueError, r"qtables: steps 70000..70000 given; must be 1..65535"),
    ({"restart_blocks": 65_536}, ValueError, r"restart_blocks=65536: must be 0..65535"),
    ({"comment": "\ud800"}, ValueError, r"comment: not valid Unicode"),
    ({"comment": bytes(65_534)}, ValueError, r"comment: 65534 bytes .* at most 65533"),
    ({"exif": b"II*\0" + bytes(65_524)}, ValueError, r"exif: 65534 bytes"),
    ({"icc_profile": icc_profile(255 * 65_519 + 1)}, ValueError, r"icc_profile: 16707346 bytes; at most 16707345"),
    ({"dpi": (72,)}, ValueError, r"dpi=\(72,\): must be a pair"),
    ({"dpi": (72, "72")}, TypeError, r"dpi\[1\]='72': must be a number 1..65535, not str"),
    ({"dpi": (72, True)}, TypeError, r"dpi\[1\]=True"),
    ({"dpi": (0.5, 72)}, ValueError, r"dpi\[0\]=0.5: must be 1..65535 when rounded"),
    ({"dpi": (72, 65_535.5)}, ValueError, r"dpi\[1\]=65535.5: must be 1..65535"),
    ({"dpi": (float("nan"), 72)}, ValueError, r"dpi\[0\]=nan: must be 1..65535"),
    ({"device": "abacus"}, ValueError, r"device='abacus'"),
    ({"device": 5}, TypeError, r"device=5: must be None"),
]


@pytest.mark.parametrize(("options", "kind", "message"), REFUSED, ids=[next(iter(r[0])) for r in REFUSED])
def test_encode_names_what_does_not_fit(options, kind, message):
    with pytest.raises(kind, match=message):
        jpegjax.encode(IMAGE, **options)


def planes_with(value: int, k: int) -> Coefficients:
    c = jpegjax.read_coefficients(jpegjax.encode(IMAGE, subsampling="4:4:4"))
    planes = [p.copy() for p in c.planes]
    planes[1].reshape(-1, 64)[0, k] = value
    return Coefficients(tuple(planes), c.qtables, c.frame)


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}], ids=str)
def test_coefficients_without_a_code_are_refused(options):
    for value, k in ((1024, 1), (-1024, 63), (32_767, 5), (-32_768, 9), (9000, 0), (-9000, 0)):
        with pytest.raises(ValueError, match="range"):
            jpegjax.write_coefficients(planes_with(value, k), **options)
    for value, k in ((1023, 1), (-1023, 63), (2047, 0), (-2047, 0)):
        c = planes_with(value, k)
        again = jpegjax.read_coefficients(jpegjax.write_coefficients(c, **options))
        assert all(np.array_equal(a, b) for a, b in zip(c.planes, again.planes, strict=True))


def test_coefficients_that_do_not_fit_are_refused():
    c = planes_with(0, 0)
    one, grey = c.frame.components[0], (Component(1, 1, 1),)
    cases = [
        (None, TypeError, "coefficients: must be"),
        ([c, 5], TypeError, r"coefficients\[1\]: must be jpegjax.Coefficients"),
        (Coefficients((), (), c.frame), ValueError, "planes must be arrays"),
        (Coefficients(([1], [2], [3]), c.qtables, c.frame), ValueError, "planes must be arrays"),
        (Coefficients(c.planes[:2], c.qtables, c.frame), ValueError, "2 planes, 3 tables, 3 components"),
        (Coefficients(c.planes, c.qtables, Frame(9, 11, grey)), ValueError, "1 components"),
        (Coefficients(c.planes, c.qtables, Frame(9, 70_000, c.frame.components)), ValueError, "the frame needs"),
        (Coefficients(tuple(p.astype(float) for p in c.planes), c.qtables, c.frame), TypeError, "dtype float64"),
        (Coefficients(c.planes, tuple(q * 0 for q in c.qtables), c.frame), ValueError, "steps 1..65535"),
    ]
    for field, value in (("id", 256), ("h", 0), ("v", 5), ("tq", 4)):
        wrong = Component(**{**{n: getattr(one, n) for n in ("id", "h", "v", "tq")}, field: value})
        bad = Coefficients(c.planes, c.qtables, Frame(9, 11, (wrong, *c.frame.components[1:])))
        cases.append((bad, ValueError, "factors 1..4, tables 0..3"))
    for coefficients, kind, message in cases:
        with pytest.raises(kind, match=message):
            jpegjax.write_coefficients(coefficients)
