"""Pictures encoded for a person who waits: a preview of what the screen shows, or the exact file; a quality, or a size."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import codecs
from ..codecs import Codec
from .bounds import Bounds, Refused
from .codecs import settings_of, suffix_of, sweep_span
from .store import Picture, Rect, Result, Store
from .views import fit_rect, reduced_picture

__all__ = ["Asked", "Maker", "encoded"]

_TRIALS = 9
_AT_ONCE_SECONDS = 0.2
_VIEW_SECONDS = 1.5e-8  # a pixel of a decoded picture that is brought to the screen's size
_SMALL_PIXELS = 600_000
_GRID = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """A codec, its settings as {name: text}, and a size in bytes that takes the place of the sweep's value."""

    codec: str
    words: tuple[tuple[str, str], ...]
    target_nbytes: int | None = None

    @classmethod
    def of(cls, body: Any) -> Asked:
        """What the page sent. Refused where it is not of that form."""
        if not isinstance(body, dict) or not isinstance(body.get("codec"), str):
            raise Refused("codec: must be a name")
        words, target = body.get("settings", {}), body.get("target")
        if not isinstance(words, dict) or not all(isinstance(v, str) for v in words.values()):
            raise Refused("settings: must be texts by name")
        if target is not None and (type(target) is not int or not 1 <= target <= 1 << 40):
            raise Refused("target: must be a number of bytes")
        return cls(body["codec"], tuple(sorted(words.items())), target)

    @property
    def pace_key(self) -> Any:
        """What is the same for all values of the sweep."""
        codec = codecs.get(self.codec)
        return self.codec, tuple(one for one in self.words if one[0] != codec.sweep), self.target_nbytes is None


def encoded(
    codec: Codec, pixels: np.ndarray, settings: dict[str, Any], target: int | None
) -> tuple[bytes, dict[str, Any]]:
    """(a file, the settings that made it). target: at most so many bytes, by the codec's own search, or by halving its sweep.

    ValueError where no value of the sweep makes a file so small.
    """
    if target is None:
        return codec.encode(pixels, **settings), settings
    if "target_bytes" in codec.settings:
        used = {name: value for name, value in settings.items() if name != codec.sweep} | {"target_bytes": target}
        return codec.encode(pixels, **used), used
    span = sweep_span(codec)
    if span is None:
        raise ValueError(f"{codec.name} has no quality that could be changed to reach a size")
    low, high, whole = span
    first, last = (codec.grid[0], codec.grid[-1]) if len(codec.grid) > 1 else (low, high)
    small, large = (low, high) if first < last else (high, low)  # values of the smallest and of the largest file
    best: tuple[bytes, dict[str, Any]] | None = None

    def trial(value: float) -> bool:
        nonlocal best
        used = settings | {str(codec.sweep): round(value) if whole else value}
        data = codec.encode(pixels, **used)
        if len(data) <= target and (best is None or len(data) >= len(best[0])):
            best = data, used
        return len(data) <= target

    if not trial(small):
        raise ValueError(f"{codec.name}: no value of {codec.sweep} makes a file of {target} bytes or less")
    if trial(large):
        small = large
    for _ in range(_TRIALS):
        if abs(large - small) <= (1 if whole else 1e-3 * abs(high - low)) or (best and len(best[0]) >= 0.99 * target):
            break
        middle = _between(small, large, whole)
        if trial(middle):
            small = middle
        else:
            large = middle
    assert best is not None
    return best


def _between(a: float, b: float, whole: bool) -> float:
    """The middle; of ratios the geometric one, since files shrink by factors there."""
    if whole:
        return float((int(a) + int(b)) // 2)
    if min(a, b) > 0 and max(a, b) / min(a, b) > 8:
        return math.sqrt(a * b)
    return (a + b) / 2


class Maker:
    """Makes results and keeps them; remembers how fast each way of encoding was."""

    def __init__(self, store: Store, bounds: Bounds):
        self.store, self.bounds = store, bounds
        self._seconds: dict[Any, float] = {}  # a pixel

    def quick(self, picture: Picture, asked: Asked) -> bool:
        """Whether the exact file will be there about as soon as a preview."""
        pixels = picture.pixels.shape[0] * picture.pixels.shape[1]
        pace = self._seconds.get(asked.pace_key)
        return pixels <= _SMALL_PIXELS or (pace is not None and (pace + _VIEW_SECONDS) * pixels <= _AT_ONCE_SECONDS)

    def exact(self, picture: Picture, asked: Asked) -> Result:
        """The file of the whole picture; the one that is kept, if it was made before."""
        known = self.store.known(picture.id, asked)
        if known is not None:
            return known
        result = self._make(picture, picture.pixels, asked, asked.target_nbytes, (0, 0, *picture.size), True)
        count = picture.pixels.shape[0] * picture.pixels.shape[1]
        seconds = (result.encode_seconds + result.decode_seconds) / count
        self._seconds[asked.pace_key] = min(seconds, 2 * self._seconds.get(asked.pace_key, math.inf))
        if len(self._seconds) > 500:
            self._seconds.clear()
        return self.store.keep(result)

    def preview(
        self, picture: Picture, asked: Asked, rect: tuple[float, float, float, float], out: tuple[int, int]
    ) -> Result:
        """The file of what is seen: a rectangle at full size where the screen shows every pixel, else at the screen's size.

        A target becomes the share that the preview has of all pixels.
        """
        count = picture.pixels.shape[0] * picture.pixels.shape[1]
        full = out[0] >= rect[2] and out[1] >= rect[3]
        part = fit_rect(rect, picture.size, _GRID if full else 1)
        shrink = min(1.0, math.sqrt(self.bounds.preview_pixels / (out[0] * out[1])))
        size = part[2:] if full else (max(1, round(out[0] * shrink)), max(1, round(out[1] * shrink)))
        if full and part[2] * part[3] > 2 * self.bounds.preview_pixels:
            raise Refused("the view is larger than a preview may be")
        pixels = reduced_picture(picture, part, (size[0], size[1]))
        target = None
        if asked.target_nbytes is not None:
            target = max(1, asked.target_nbytes * pixels.shape[0] * pixels.shape[1] // count)
        return self.store.keep(self._make(picture, pixels, asked, target, part, False))

    def _make(
        self, picture: Picture, pixels: np.ndarray, asked: Asked, target: int | None, rect: Rect, exact: bool
    ) -> Result:
        codec = codecs.get(asked.codec)
        settings = settings_of(codec, dict(asked.words))
        start = time.perf_counter()
        data, used = encoded(codec, pixels, settings, target)
        middle = time.perf_counter()
        decoded = np.asarray(codec.decode(data))
        end = time.perf_counter()
        notes = []
        if decoded.ndim > pixels.ndim:
            notes.append("this codec has no grey: it was encoded as colour")
            pixels = np.repeat(pixels[:, :, None], 3, axis=2)
        elif decoded.ndim < pixels.ndim:
            notes.append("encoded as grey: compared with a grey that was made colour")
            decoded = np.repeat(decoded[:, :, None], 3, axis=2)
        if decoded.shape != pixels.shape or decoded.dtype != np.uint8:
            raise Refused(f"{codec.name} gave {decoded.dtype} {decoded.shape} for uint8 {pixels.shape}: not shown")
        return Result(
            picture.id, asked, codec.name, used, data, suffix_of(codec, data), pixels, decoded, rect, exact,
            middle - start, end - middle, notes,
        )  # fmt: skip
