"""Codecs as the page shows them, and what it says in words as settings that they take. Nothing here names a single codec."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from .. import codecs
from ..codecs import Codec, MissingCodec, Setting
from .bounds import Refused

__all__ = ["described", "settings_of", "suffix_of", "sweep_span"]

_LONGEST = 2000
_FILE = re.compile(r"[/\\~\0]|\.\s*[A-Za-z_]")
"""What makes a text a path or the name of a file; numbers such as 0.5 are neither."""
_MAGIC = (
    (b"\xff\xd8\xff\xf7", ".jls"), (b"\xff\xd8", ".jpg"), (b"\xff\x4f\xff\x51", ".j2k"), (b"\xff\x0a", ".jxl"),
    (b"\0\0\0\x0cJXL ", ".jxl"), (b"RIFF", ".webp"), (b"\0\0\0\x0cjP  ", ".jp2"),
)  # fmt: skip


def suffix_of(codec: Codec, data: bytes) -> str:
    """Of a file that a codec wrote, by the codec or by the file's first bytes."""
    if codec.suffix:
        return codec.suffix
    if data[4:12] == b"ftypavif":
        return ".avif"
    return next((suffix for start, suffix in _MAGIC if data.startswith(start)), ".bin")


def _word(value: Any) -> str:
    """A value as `Setting.parse` reads it."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(_word, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _told_span(setting: Setting) -> tuple[float, float] | None:
    """The range that a setting has, or that its sentence begins with."""
    if setting.span:
        return setting.span
    match = re.match(r"(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)\b", setting.allowed)
    return (float(match[1]), float(match[2])) if match else None


def sweep_span(codec: Codec) -> tuple[float, float, bool] | None:
    """(low, high, whether integers) of the setting that trades rate for quality."""
    if codec.sweep is None or (span := _told_span(codec.settings[codec.sweep])) is None:
        return None
    return (
        span[0],
        span[1],
        all(isinstance(one, int) for one in (*codec.grid, *(codec.settings[codec.sweep].span or ()))),
    )


def _setting(name: str, setting: Setting, whole: bool) -> dict[str, Any]:
    span = _told_span(setting)
    said = [word.strip() for word in re.split("[,;]", setting.allowed)]
    words = [word for word in said if re.fullmatch(r"[\w:+-]{1,15}", word)]
    return {
        "name": name, "about": setting.about, "default": _word(setting.default), "range": setting.range,
        "span": span, "integer": whole and span is not None,
        "choices": None if setting.choices is None else [_word(one) for one in setting.choices],
        "words": words, "free": len(words) < len(said) and "path" not in setting.allowed,
    }  # fmt: skip


@cache
def described() -> list[dict[str, Any]]:
    """Every codec that there is: name, about, version, settings; `missing` says how to get one that is not installed."""
    shown: list[dict[str, Any]] = []
    for name in codecs.names():
        try:
            codec = codecs.get(name)
        except MissingCodec as error:
            shown.append({"name": name, "missing": str(error)})
            continue
        span = sweep_span(codec)
        grid = [float(one) for one in codec.grid]
        rising = len(grid) < 2 or grid[-1] > grid[0]
        settings = []
        for setting, one in codec.settings.items():
            ends = one.span or ()
            whole = span is not None and span[2] if setting == codec.sweep else all(type(end) is int for end in ends)
            settings.append(_setting(setting, one, whole))
        shown.append({
            "name": name, "about": codec.about, "version": codec.version, "settings": settings,
            "sweep": codec.sweep if span else None, "rising": rising, "grid": grid,
        })  # fmt: skip
    return shown


def _value(codec: Codec, name: str, text: str) -> Any:
    setting = codec.settings[name]
    if setting.span is None and setting.choices is None and _FILE.search(text):
        raise Refused(f"{codec.name}: {name}: words and numbers only; the page opens no files by name")
    label = f"{codec.name}: {name}"
    parsed = setting.parse(label, text)
    if isinstance(parsed, str) and "," in parsed and setting.choices is None:
        several = tuple(setting.parse(label, word.strip()) for word in parsed.split(","))
        for trial in (parsed, several):
            try:
                return codec.check({name: trial})[name]
            except (TypeError, ValueError):
                continue
        codec.check({name: parsed})  # raises
    return parsed


def settings_of(codec: Codec, words: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of {name: text} as the page sends them, checked; empty text is the default.

    Raises:
        Refused: Not a text, too long, or one that might name a file.
        TypeError: A setting that there is not, or a value of the wrong type.
        ValueError: A value that is out of range.
    """
    made = {}
    for name, text in words.items():
        if not isinstance(text, str) or len(text) > _LONGEST:
            raise Refused(f"{codec.name}: {name}: must be a text of at most {_LONGEST} characters")
        if name not in codec.settings:
            codec.check({name: None})  # raises: no such setting
        if text.strip():
            made[name] = _value(codec, name, text.strip())
    return codec.check(made)
