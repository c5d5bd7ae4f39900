"""Thin files: ordinary baseline JPEG files, grey or colour, without their low frequencies.

    Coefficients ──drop──▶ Coefficients ──write──▶ bytes: any decoder opens them, and shows blocks with detail in them
    Coefficients, Dropped ◀───────────────read──── bytes

Dropped are the first coefficients of the zigzag in every block. The DC of some blocks stays, as anchors of the recovery; in the
blocks between, DC repeats the one coded before it, whose difference of zero takes a bit or two. A comment of seven bytes tells
what is missing, and counts like all bytes of the file.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

import jpegjax
from jpegjax.types import ZIGZAG, Coefficients, Frame

__all__ = ["ANCHORS", "Dropped", "anchored", "drop", "read", "thinned", "write"]

ANCHORS = ("none", "quarter", "half", "all")
"""Which blocks keep their DC: none (one mean for all), every second of every second row, every second, all."""
_MARK = b"thin\0"


@dataclass(frozen=True)
class Dropped:
    """What a thin file lacks.

    Attributes:
        count: How many coefficients of the zigzag, DC the first, 1..64.
        anchors: Which blocks keep their DC, one of `ANCHORS`.
    """

    count: int
    anchors: str = "half"

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 64:
            raise ValueError(f"count={self.count}: must be 1..64 coefficients")
        if self.anchors not in ANCHORS:
            raise ValueError(f"anchors={self.anchors!r}: must be one of {', '.join(ANCHORS)}")

    def mask(self, rows: int, columns: int) -> np.ndarray:
        """Whether a coefficient is missing: bool [rows, columns, 8, 8], natural order."""
        missing = np.zeros((rows, columns, 64), bool)
        missing[..., ZIGZAG[: self.count]] = True
        missing[..., 0] = ~anchored(self.anchors, rows, columns)
        return missing.reshape(rows, columns, 8, 8)


def anchored(anchors: str, rows: int, columns: int) -> np.ndarray:
    """Which blocks of a plane keep their DC: bool [rows, columns]. Small planes without any block of a pattern keep the first."""
    r, c = np.ogrid[:rows, :columns]
    found = {
        "none": np.zeros((rows, columns), bool),
        "quarter": (r % 2 == 1) & (c % 2 == 1),
        "half": (r + c) % 2 == 0,
        "all": np.ones((rows, columns), bool),
    }[anchors]
    if anchors != "none" and not found.any():
        found[0, 0] = True
    return found


def _coding_order(frame: Frame, c: int) -> np.ndarray:
    """Flat indices of component c's blocks in the order that one interleaved scan codes them (T.81 A.2.3)."""
    rows, columns = frame.blocks(c)
    if len(frame.components) == 1:
        return np.arange(rows * columns)
    k = frame.components[c]
    r, q = np.mgrid[:rows, :columns]
    return np.lexsort((q.ravel() % k.h, r.ravel() % k.v, q.ravel() // k.h, r.ravel() // k.v))


def _held(dc: np.ndarray, order: np.ndarray, stays: np.ndarray) -> np.ndarray:
    """DC [N, blocks] with the last one that stays, in coding order, in place of those that do not; one mean where none stays."""
    if not stays.any():
        return np.broadcast_to(np.rint(dc.mean(1, keepdims=True)).astype(dc.dtype), dc.shape)
    kept = stays[order]
    source = np.maximum.accumulate(np.where(kept, np.arange(len(order)), -1))
    source[source < 0] = kept.argmax()  # before the first
    held = np.empty_like(dc)
    held[:, order] = dc[:, order[source]]
    return held


def drop(coefficients: Coefficients, dropped: Dropped) -> Coefficients:
    """The same pictures without what is dropped: AC are 0, DC between anchors repeats the anchor coded before."""
    planes = []
    for c, plane in enumerate(coefficients.planes):
        n, rows, columns = plane.shape[:3]
        left = np.where(dropped.mask(rows, columns), 0, np.asarray(plane)).reshape(n, rows * columns, 64)
        dc = np.asarray(plane)[..., 0, 0].reshape(n, -1)
        stays = anchored(dropped.anchors, rows, columns).ravel()
        left[..., 0] = _held(dc, _coding_order(coefficients.frame, c), stays)
        planes.append(left.reshape(plane.shape))
    return Coefficients(tuple(planes), coefficients.qtables, coefficients.frame)


def write(coefficients: Coefficients, dropped: Dropped) -> bytes:
    """A thin baseline file of one picture, its Huffman tables fitted to it.

    Raises:
        ValueError: There is more than one picture.
    """
    if coefficients.batch != 1:
        raise ValueError(f"coefficients: of {coefficients.batch} pictures, must be of one")
    told = _MARK + bytes([dropped.count, ANCHORS.index(dropped.anchors)])
    return jpegjax.write_coefficients(drop(coefficients, dropped), optimize=True, comment=told)


def read(data: bytes) -> tuple[Coefficients, Dropped]:
    """Coefficients of a thin file, and which of them are missing.

    Raises:
        ValueError: The file has no comment that tells it, or a wrong one.
        jpegjax.JpegError: It is no JPEG file.
    """
    for comment in jpegjax.info(data).metadata.comments:
        if comment.startswith(_MARK):
            told = comment[len(_MARK) :]
            if len(told) != 2 or told[1] >= len(ANCHORS):
                raise ValueError(f"comment {comment!r}: must end in a number of coefficients and one of the anchors")
            return jpegjax.read_coefficients(data), Dropped(told[0], ANCHORS[told[1]])
    raise ValueError("no thin file: there is no comment that says what is missing")


def thinned(plain: bytes, share: float = 0.6, anchors: str = "half", least: int = 1) -> tuple[bytes, Dropped, int]:
    """The thin file that lacks the fewest coefficients and has at most a share of the plain file's bytes.

    Args:
        plain: A baseline file. What counts as its bytes is the smaller of it and of one with fitted Huffman tables.
        share: Of those bytes, 0..1.
        anchors: One of `ANCHORS`.
        least: Coefficients that are dropped at least.

    Returns:
        (the file, what it lacks, bytes of the plain file).

    Raises:
        ValueError: Not even without all coefficients is it small enough.
    """
    coefficients: Any = jpegjax.read_coefficients(plain)
    nbytes = min(len(plain), len(jpegjax.write_coefficients(coefficients, optimize=True)))
    for count in itertools.chain(range(least, 64, 1), (64,)):
        dropped = Dropped(count, anchors)
        data = write(coefficients, dropped)
        if len(data) <= share * nbytes:
            return data, dropped, nbytes
    raise ValueError(f"share={share:g}: without any coefficient there are still {len(data)} of {nbytes} bytes")
