"""What a file may cost: work is bounded by its bytes and a base, whatever its tables, scans and directories say."""

from __future__ import annotations

import gc
import struct
import warnings
import weakref
from contextlib import suppress

import numpy as np
import pytest
from bombs import arithmetic_scans, frame, scan, whole
from effort import LIMIT, spent
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import picture
from streams import UNLIMITED

import jpegjax
from jpegjax import CorruptJpeg, JpegError, JpegWarning, LimitExceeded, Limits
from jpegjax.container import budget, dht, parse_header
from jpegjax.container.budget import Budget
from jpegjax.container.metadata import exif
from jpegjax.jpeg import files
from jpegjax.types import HuffmanSpec

_FREE = budget._FREE_STEPS


def exif_of(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    """An EXIF body of one directory at offset 8 with these (tag, type, count, value)."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    return b"Exif\0\0" + head + b"".join(struct.pack(order + "HHII", *entry) for entry in entries) + bytes(4)


def test_directories_that_point_at_themselves_are_walked_once(monkeypatch):
    visited = []
    walk = exif.directory
    monkeypatch.setattr(exif, "directory", lambda *a: (visited.append(entry) or entry for entry in walk(*a)))
    for order in "<>":
        for step in (0, 12, 5):  # one directory, neighbours, overlapping ones
            body = exif_of(*((0x8769, 4, 1, 8 + step * i) for i in range(5000)), order=order)
            exif.resized_exif(exif.upright_exif(body), 7, 9)
    assert len(visited) <= 6 * 3 * 5200  # the first directory for each of the two, and the one inside


CODES = [b"", b"\0\1\2\3\4\5" * 10, b"\xa5" * 100, b"\xfe\xdc\xba" * 100, b"\x80" * 300]
DOORS = {
    "decode": jpegjax.decode,
    "half": lambda data: jpegjax.decode(data, scale=0.5),
    "corner": lambda data: jpegjax.decode(data, crop=(0, 0, 9, 9)),
    "read": jpegjax.read_coefficients,
    "transcode": jpegjax.transcode,
    "info": jpegjax.info,
}


def outcome(function, data):
    """What a door gives, or its JpegError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JpegWarning)
        try:
            return function(data)
        except JpegError as error:
            assert error.offset is None or 0 <= error.offset <= len(data)
            return error


def steps_of(data: bytes) -> int:
    """The steps that a file's coefficients take, without limits."""
    reader = parse_header(data, UNLIMITED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JpegWarning)
        return files.decode_image(data, UNLIMITED, False, reader)[0].budget.steps


@pytest.fixture
def budgets(monkeypatch) -> list[Budget]:
    """The budgets of the files read since, with 2^18 free steps in place of 2^26."""
    made = []
    begin = Budget.__init__

    def noted(self, *given):
        begin(self, *given)
        made.append(self)

    monkeypatch.setattr(Budget, "__init__", noted)
    monkeypatch.setattr(budget, "_FREE_STEPS", 1 << 18)
    return made


def ends_within(function, data: bytes, budgets: list[Budget]) -> bool:
    """Whether steps were the reason; they go beyond what is allowed by no more than a restart segment's start and an MCU."""
    budgets.clear()
    found = outcome(function, data)
    allowed = (1 << 18) + 64 * len(data)
    assert max(b.steps for b in budgets) < allowed + 20_000
    assert not isinstance(found, LimitExceeded) or "Limits.steps_per_byte is 64" in str(found)
    return isinstance(found, LimitExceeded)


@pytest.mark.parametrize("door", DOORS)
def test_arithmetic_scans_that_need_no_bytes_are_stopped(door, budgets):
    """Missing data read as zeros without end, and each may hold many decisions."""
    stopped = [
        ends_within(DOORS[door], arithmetic_scans(400, scans, code, components), budgets)
        for code in CODES
        for components in (1, 3)
        for scans in (10, 200)
    ]
    assert any(stopped) == (door != "info")


def test_arithmetic_samples_that_need_no_bytes_are_stopped(budgets):
    stopped = 0
    for code in CODES:
        for components in (1, 3):
            head = frame(0xCB, 500, 500, [(1, 1)] * components)
            stopped += ends_within(jpegjax.decode, whole(head, scan(range(1, components + 1), (1, 0)), code), budgets)
    assert stopped > 5  # the others hold an invalid code, which ends a segment


def test_restarts_that_are_missing_are_counted(budgets):
    for code in (0xC9, 0xCA):
        head = frame(code, 600, 600) + b"\xff\xdd\0\4\0\1" + scan([1], (0, 63 if code == 0xC9 else 0))
        assert ends_within(jpegjax.decode, whole(head, bytes(50)), budgets)


def test_scans_of_the_same_samples_are_counted(budgets):
    table = dht(0, 0, HuffmanSpec(bytes([1] + [0] * 15), b"\0"))
    twice = [table, *[scan([1], (0, 0)) + b"\0"] * 400]
    assert ends_within(jpegjax.decode, whole(frame(0xC2, 400, 400), *twice), budgets)
    again = [scan([1]) + b"\0", scan([2]) + b"\0"] * 10
    assert ends_within(jpegjax.decode, whole(frame(0xC0, 400, 400, [(1, 1)] * 3), *again), budgets)


@pytest.mark.slow
@pytest.mark.parametrize("door", DOORS)
def test_bombs_of_arithmetic_coding_take_little_time(door):
    for code in CODES:
        for side, scans, components in ((2000, 400, 1), (9000, 100, 3), (16_000, 100, 1)):
            data = arithmetic_scans(side, scans, code, components)
            units = spent(outcome, DOORS[door], data)
            assert units < LIMIT, f"{side} {scans} {components} {code[:4]}: {units:.0f} units of work"


@given(code=st.binary(max_size=60), scans=st.integers(1, 30), side=st.integers(1, 90), lacking=st.integers(0, 4))
@settings(max_examples=20)
def test_steps_are_counted_alike_wherever_they_stop(code, scans, side, lacking):
    """A file passes if and only if its steps fit, and none goes on far beyond."""
    data = arithmetic_scans(side, scans, code.replace(b"\xff", b""))
    steps = steps_of(data)
    assert steps >= (scans + 2) * (-(-side // 8)) ** 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(budget, "_FREE_STEPS", steps - lacking)
        found = outcome(lambda d: jpegjax.read_coefficients(d, limits=Limits(steps_per_byte=0)), data)
    assert isinstance(found, LimitExceeded) == (lacking > 0)


def test_the_case_that_was_found(shared):
    path = shared / "cases" / "bomb_arithprog_2000sq_500scans.jpg"
    if not path.is_file():
        pytest.skip("not among the shared files")
    for door in DOORS.values():
        assert spent(outcome, door, path.read_bytes()) < LIMIT


# What we write, we read.

PAGES = {
    "blank": lambda h, w, c: np.full((h, w, c), 254, np.uint8),
    "dark": lambda h, w, c: np.zeros((h, w, c), np.uint8),
    "rows": lambda h, w, c: np.broadcast_to(np.where(np.arange(h) // 3 % 2, 20, 230)[:, None, None], (h, w, c)),
    "columns": lambda h, w, c: np.broadcast_to(np.where(np.arange(w) % 8 < 4, 20, 230)[None, :, None], (h, w, c)),
    "chequered": lambda h, w, c: np.broadcast_to(np.where(np.indices((h, w)).sum(0) % 2, 0, 255)[..., None], (h, w, c)),
    "ramp": lambda h, w, c: np.broadcast_to((np.arange(w) % 256)[None, :, None], (h, w, c)),
    "one dot": lambda h, w, c: np.pad(np.full((1, 1, c), 9), ((h - 1, 0), (w - 1, 0), (0, 0)), constant_values=255),
}  # fmt: skip
CODINGS = [
    {}, {"optimize": True}, {"progressive": True}, {"arithmetic": True}, {"arithmetic": True, "progressive": True},
    {"precision": 12, "arithmetic": True}, {"precision": 12, "progressive": True}, {"lossless": True},
    {"arithmetic": True, "restart_blocks": 1}, {"optimize": True, "restart_rows": 1}, {"progressive": True, "restart_blocks": 7},
    {"arithmetic": True, "progressive": True, "restart_blocks": 3}, {"tune": True}, {"quality": 1, "optimize": True},
    {"quality": 100, "arithmetic": True}, {"quality": 100, "arithmetic": True, "progressive": True},
]  # fmt: skip


def read_back(page: np.ndarray, options: dict) -> int:
    """The bytes of a page's file, which every door takes within default limits."""
    data = jpegjax.encode(page, **options)
    pixels = jpegjax.decode(data, strict=True)
    assert pixels.shape == page.shape
    if not options.get("lossless"):
        jpegjax.read_coefficients(data, strict=True)
    return len(data)


def page_of(kind: str, height: int, width: int, grey: bool, options: dict) -> np.ndarray:
    page = np.ascontiguousarray(PAGES[kind](height, width, 1 if grey else 3)).astype(np.uint8)
    page = page.astype(np.uint16) * 16 if options.get("precision") == 12 else page
    return page[..., 0] if grey else page


@given(
    kind=st.sampled_from(sorted(PAGES)), options=st.sampled_from(CODINGS), grey=st.booleans(),
    height=st.integers(1, 300), width=st.integers(1, 300),
)  # fmt: skip
@settings(max_examples=25)
def test_what_is_written_is_read(kind, options, grey, height, width):
    read_back(page_of(kind, height, width, grey, options), options)


def test_large_pages_of_few_bytes_are_read(monkeypatch):
    """Beyond the size up to which pixels a byte are not looked at, here a smaller one."""
    monkeypatch.setattr(budget, "_FREE_PIXELS", 100_000)
    for options in [o for o in CODINGS if "restart_blocks" not in o]:
        for kind in ("blank", "chequered", "rows"):
            read_back(page_of(kind, 400, 400, True, options), options)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(PAGES))
@pytest.mark.parametrize("options", CODINGS, ids=str)
def test_pages_of_64_megapixels_are_read(kind, options):
    read_back(page_of(kind, 8000, 8000, True, options), options)


def test_the_page_that_was_refused(shared):
    path = shared / "cases" / "arithmetic_flat_2100x2100.jpg"
    if not path.is_file():
        pytest.skip("not among the shared files")
    assert jpegjax.decode(path.read_bytes()).shape == (2100, 2100)


def test_every_blank_page_fits_the_free_steps():
    """The largest picture whose coefficients fit in memory, by the script of the most scans, takes a step a block and scan."""
    for options in ({"progressive": True}, {}):
        for channels in (1, 3, 4):
            for sampling in ("4:4:4", "4:2:0"):
                page = np.full((64, 64, channels), 200, np.uint8)
                page = page[..., 0] if channels == 1 else page
                extra = {} if channels == 1 else {"subsampling": sampling, "mode": "RGB" if channels == 3 else "CMYK"}
                data = jpegjax.encode(page, arithmetic=True, **options, **extra)
                planes = jpegjax.read_coefficients(data).planes
                blocks = sum(p.shape[1] * p.shape[2] for p in planes)
                pixels = min(1 << 28, (2 << 30) // (128 * blocks // 4096 + channels))
                segments = 64 * 10
                assert (steps_of(data) - segments) * pixels / 4096 < _FREE, (options, channels, sampling)


def test_refused_files_leave_no_arrays_behind():
    """The frames behind an error refer to it, so that only the garbage collector would free what they hold."""
    data = jpegjax.encode(picture(64, 64), progressive=True)
    lent = []
    allocate = files._allocate

    def watched(*given):
        planes = allocate(*given)
        lent.extend(weakref.ref(plane) for plane in planes)
        return planes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_allocate", watched)
        gc.disable()
        try:
            for function in (jpegjax.transcode, jpegjax.decode, jpegjax.read_coefficients):
                with suppress(CorruptJpeg):  # pytest.raises would hold the error
                    function(data[:-300], strict=True)
            alive = [ref() is not None for ref in lent]
        finally:
            gc.enable()
    assert alive == [False] * 9


@pytest.mark.parametrize(
    "options", [{}, {"rotate": 90}, {"flip": "horizontal", "progressive": True}, {"arithmetic": True}], ids=str
)
def test_coding_anew_is_charged(options, monkeypatch):
    """A tiny file of a large picture: what is read may still be too much to turn and to write."""
    data = jpegjax.encode(np.full((800, 800), 128, np.uint8), arithmetic=True)
    monkeypatch.setattr(budget, "_FREE_STEPS", 100 * 100 + 64 * 3)
    limits = Limits(steps_per_byte=0)
    assert jpegjax.decode(data, limits=limits).shape == (800, 800)
    with pytest.raises(LimitExceeded, match=r"Limits\.steps_per_byte is 0"):
        jpegjax.transcode(data, limits=limits, **options)
    monkeypatch.setattr(budget, "_FREE_STEPS", 100 * 100 * 20)
    jpegjax.transcode(data, limits=limits, **options)


def test_memory_counts_what_is_held_at_a_time():
    grey = jpegjax.encode(np.full((800, 800), 128, np.uint8), progressive=True)
    planes = 100 * 100 * 128
    for function, options, most in (
        (jpegjax.decode, {"mode": "RGB"}, planes + 3 * 640_000),
        (jpegjax.decode, {"crop": (0, 0, 8, 8)}, planes + 16 * 16),
        (jpegjax.decode, {"scale": 2}, planes + 4 * 640_000),
        (jpegjax.transcode, {}, 200 * 100 * 100),
        (jpegjax.transcode, {"rotate": 90}, 2 * planes),
        (jpegjax.transcode, {"crop": (0, 0, 80, 80)}, planes + 100 * 128),
    ):
        with pytest.raises(LimitExceeded, match=r"Limits\.memory"):
            function(grey, limits=Limits(memory=most // 10 * 9), **options)


def test_deep_samples_are_charged(monkeypatch):
    """Scaled up, a small file of 12 bits asks for more than what its blocks cost."""
    data = jpegjax.encode(np.full((400, 400), 2000, np.uint16), precision=12, arithmetic=True)
    monkeypatch.setattr(budget, "_FREE_STEPS", 2500 + 64 + 400 * 400 // 6 + 1000)
    limits = Limits(steps_per_byte=0)
    assert jpegjax.decode(data, limits=limits).shape == (400, 400)
    with pytest.raises(LimitExceeded, match=r"Limits\.steps_per_byte is 0"):
        jpegjax.decode(data, limits=limits, scale=2)


def test_samples_scaled_up_and_inks_to_rgb_are_charged(monkeypatch):
    data = jpegjax.encode(np.full((400, 400, 4), 200, np.uint8), mode="CMYK", arithmetic=True)
    huffman = jpegjax.encode(np.full((400, 400, 3), 200, np.uint8), subsampling="4:4:4")
    limits = Limits(steps_per_byte=0)
    for steps, file, options in (
        (4 * 2500 + 64, data, {}), (4 * 640_000 // 6, data, {"scale": 2}), (80_000, data, {"mode": "RGB"}),
        (3 * 640_000 // 6, huffman, {"scale": 2}), (3 * 422_500 // 6, huffman, {"scale": "13/8"}),
    ):  # fmt: skip
        monkeypatch.setattr(budget, "_FREE_STEPS", steps * 21 // 20 + 12_000)
        jpegjax.decode(file, limits=limits, **options)
        if options:
            monkeypatch.setattr(budget, "_FREE_STEPS", steps * 19 // 20)
            with pytest.raises(LimitExceeded, match=r"Limits\.steps_per_byte is 0"):
                jpegjax.decode(file, limits=limits, **options)
