"""What is kept while the studio runs: pictures and results, bounded in number and memory."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .bounds import Bounds, Gone

__all__ = ["Picture", "Rect", "Result", "Store"]

Rect = tuple[int, int, int, int]
"""x, y, width, height in pixels of a picture."""


def _name() -> str:
    return secrets.token_urlsafe(9)


@dataclass(eq=False)
class Picture:
    """One picture: its name as shown, uint8 [H, W] or [H, W, 3], bytes of its file, notes of its reader.

    last: (what, pixels) of the view that was made of it last.
    """

    name: str
    pixels: np.ndarray
    nbytes: int
    notes: list[str]
    id: str = field(default_factory=_name)
    last: tuple[Any, np.ndarray] | None = field(default=None, repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)"""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(eq=False)
class Result:
    """A file of a picture, or of what a preview takes of it.

    reference, decoded: uint8 of one shape, of the file. rect: the part of the picture. exact: the whole of it at full size.
    settings: what was asked, as text; used: as encoded. metrics: {name: value, None for infinite}; measured: of which part.
    """

    picture: str
    key: Any
    codec: str
    used: dict[str, Any]
    data: bytes
    suffix: str
    reference: np.ndarray
    decoded: np.ndarray
    rect: Rect
    exact: bool
    encode_seconds: float
    decode_seconds: float
    notes: list[str] = field(default_factory=list)
    metrics: dict[str, float | None] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    inside: dict[str, Any] | None = None
    measured: Rect | None = None
    busy: str | None = None
    id: str = field(default_factory=_name)

    @property
    def nbytes(self) -> int:
        """Of memory that goes when this goes."""
        own = 0 if self.exact else self.reference.nbytes
        return len(self.data) + self.decoded.nbytes + own


class Store:
    """Pictures and results by their names; safe for threads. What was used last stays longest."""

    def __init__(self, bounds: Bounds):
        self.bounds = bounds
        self._lock = threading.Lock()
        self._pictures: OrderedDict[str, Picture] = OrderedDict()
        self._results: OrderedDict[str, Result] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Memory of all that is kept."""
        return sum(p.pixels.nbytes for p in self._pictures.values()) + sum(r.nbytes for r in self._results.values())

    def add(self, picture: Picture) -> Picture:
        """Keep a picture."""
        with self._lock:
            self._pictures[picture.id] = picture
            self._shrink()
        return picture

    def keep(self, result: Result) -> Result:
        """Keep a result, unless its picture is gone (`Gone`)."""
        with self._lock:
            if result.picture not in self._pictures:
                raise Gone("picture")
            self._results[result.id] = result
            self._shrink()
        return result

    def picture(self, name: str) -> Picture:
        """The picture of a name. Gone where there is none."""
        with self._lock:
            if name not in self._pictures:
                raise Gone("picture")
            self._pictures.move_to_end(name)
            return self._pictures[name]

    def result(self, name: str) -> Result:
        """The result of a name. Gone where there is none."""
        with self._lock:
            if name not in self._results:
                raise Gone("result")
            self._results.move_to_end(name)
            return self._results[name]

    def known(self, picture: str, key: Any) -> Result | None:
        """An exact result of a picture that was made before by the same settings."""
        with self._lock:
            for one in reversed(self._results.values()):
                if one.exact and one.picture == picture and one.key == key:
                    self._results.move_to_end(one.id)
                    return one
        return None

    def drop(self, name: str) -> None:
        """Forget a picture and its results."""
        with self._lock:
            self._forget(name)

    def _forget(self, name: str) -> None:
        self._pictures.pop(name, None)
        for one in [r.id for r in self._results.values() if r.picture == name]:
            del self._results[one]

    def _shrink(self) -> None:
        while len(self._pictures) > self.bounds.pictures:
            self._forget(next(iter(self._pictures)))
        while self.nbytes > self.bounds.memory_nbytes and len(self._results) > 1:
            self._results.popitem(last=False)
        while self.nbytes > self.bounds.memory_nbytes and len(self._pictures) > 1:
            self._forget(next(iter(self._pictures)))
