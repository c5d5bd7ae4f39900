"""What is to be compared: curves, each a codec with fixed settings and one setting swept over values."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import codecs as room
from ..codecs import Codec

__all__ = ["Curve", "default_curves", "parse_codecs", "parse_metrics"]

_RANGE = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)(?:/(\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class Curve:
    """One codec, its fixed settings (those that differ from the defaults), and the values of the setting that it sweeps."""

    codec: Codec
    fixed: Mapping[str, Any] = field(default_factory=dict)
    values: Sequence[Any] = (None,)

    @property
    def label(self) -> str:
        """Name of the curve: the codec and what is set differently."""
        words = [name if value is True else f"{name}={value}" for name, value in self.fixed.items()]
        return " ".join([self.codec.name, *words])

    def settings(self, value: Any) -> dict[str, Any]:
        """What `encode` is called with for one value of the sweep."""
        return {**self.fixed, self.codec.sweep: value} if self.codec.sweep and value is not None else dict(self.fixed)

    def check(self) -> Curve:
        """The curve with all settings as its codec takes them; TypeError or ValueError where it does not take them."""
        checked = [self.codec.check(self.settings(value)) for value in self.values]
        sweep = self.codec.sweep
        values = tuple(dict.fromkeys(one.get(sweep) if sweep else None for one in checked))
        defaults = {name: one.default for name, one in self.codec.settings.items()}
        fixed = {name: value for name, value in checked[0].items() if name != sweep and value != defaults[name]}
        return Curve(self.codec, fixed, values)


def default_curves() -> list[Curve]:
    """Every installed codec that has a grid of rates and takes any picture."""
    made = (room.get(name) for name in room.available())
    return [Curve(codec, {}, tuple(codec.grid)) for codec in made if codec.grid and not codec.shapes]


def _numbers(name: str, word: str) -> list[str]:
    """ "10-95/5" as "10", "15", … "95"; any other word as itself. The step is 1 where it is left out."""
    match = _RANGE.fullmatch(word)
    if not match:
        return [word]
    low, high, step = (float(part) if part else 1.0 for part in match.groups())
    if step <= 0 or low > high:
        raise ValueError(f"{name}={word}: a range is low-high or low-high/step, with low ≤ high and a step above 0")
    count = int((high - low) / step + 1e-9) + 1
    return [f"{low + i * step:.10g}" for i in range(count)]


def parse_codecs(text: str | Iterable[str]) -> list[Curve]:
    """Curves of a specification such as "jpeg:quality=10-95/5,subsampling=4:2:0,4:4:4,webp,avif:speed=4".

    Args:
        text: Codecs and their settings with commas between them, or several such texts; a codec's first setting follows a
            colon. A setting takes one value or several, with commas, or a range low-high/step. Several values of the setting
            that the codec sweeps make points of one curve; several of any other make a curve each. A codec without values
            for its sweep takes its grid.

    Returns:
        One `Curve` for each combination.

    Raises:
        ValueError: A codec, a setting or a value that there is not.
        TypeError: A setting that there is not, or a value of the wrong type.
        MissingCodec: A codec that is not installed.
    """
    chosen: list[tuple[Codec, dict[str, list[str]]]] = []
    setting = None
    words = [word for part in ([text] if isinstance(text, str) else text) for word in part.split(",") if word.strip()]
    for word in map(str.strip, words):
        head, colon, rest = word.partition(":")
        if head in room.names() or (colon and "=" in rest and "=" not in head):
            chosen.append((room.get(head), {}))
            setting, word = None, rest
            if not rest:
                continue
        if not chosen:
            room.get(word.partition("=")[0])  # raises: no such codec
        codec, given = chosen[-1]
        name, equals, value = word.partition("=")
        if equals:
            setting = name.strip()
            if setting not in codec.settings:
                codec.check({setting: None})  # raises: no such setting
        elif setting is None:
            room.get(word)
        given.setdefault(str(setting), []).extend(_numbers(f"{codec.name}: {setting}", value if equals else word))
    if not chosen:
        raise ValueError(f"no codec given; there are: {', '.join(room.names())}")
    curves = {}
    for codec, given in chosen:
        parsed = {
            name: [codec.settings[name].parse(f"{codec.name}: {name}", word) for word in values]
            for name, values in given.items()
        }
        values = parsed.pop(codec.sweep, list(codec.grid)) if codec.sweep else []
        for combination in itertools.product(*parsed.values()):
            curve = Curve(codec, dict(zip(parsed, combination, strict=True)), tuple(values) or (None,)).check()
            curves[curve.label] = curve
    return list(curves.values())


def parse_metrics(text: str | Iterable[str]) -> list[str]:
    """Names of metrics, each once, of a text with commas or a sequence. ValueError for none, or one that there is not."""
    from .score import METRICS

    names = [name.strip() for part in ([text] if isinstance(text, str) else text) for name in part.split(",")]
    names = list(dict.fromkeys(filter(None, names)))
    unknown = [name for name in names if name not in METRICS]
    if unknown or not names:
        what = f"metric={unknown[0]!r}: must be one of" if unknown else "no metric given; there are"
        raise ValueError(f"{what} {', '.join(METRICS)}")
    return names
