"""Scan scripts, as cjpeg's -scans files write them and as libjpeg allows them.

text or scans ──▶ parse_script ──▶ script, right in itself ──▶ check_script ──▶ right for a frame too
"""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from .types import Frame, Scan

__all__ = ["MAX_MCU_BLOCKS", "check_script", "is_progressive", "parse_script"]

_MOST_COMPONENTS = 255
MAX_MCU_BLOCKS = 10
"""Blocks of an interleaved MCU (T.81 B.2.3)."""

_WHOLE = (0, 63)
_NUMBERS = r"\s*[0-9]{1,9}(?:(?:\s+|\s*[^0-9\s:]\s*)[0-9]{1,9})*\s*"  # one mark may stand between two of them
_ENTRY = re.compile(f"({_NUMBERS})(?::({_NUMBERS}))?")


def is_progressive(script: Sequence[Scan]) -> bool:
    """Whether a script makes a progressive file: like libjpeg's, by its first scan."""
    return tuple(script[0].spectral) != _WHOLE


def _wrong(number: int, trouble: str) -> ValueError:
    return ValueError(f"scans: scan {number}: {trouble}")


def _read(text: str) -> list[Scan]:
    """The scans of a script's text. ValueError names the first that cannot be read."""
    *entries, rest = re.sub(r"#[^\n]*", "", text).split(";")
    script = []
    for number, entry in enumerate([*entries, rest] if rest.strip() else entries, 1):
        match = _ENTRY.fullmatch(entry)
        groups = match.groups() if match else ("", "")
        components, band = ([int(digits) for digits in re.findall("[0-9]+", part or "")] for part in groups)
        if not components or len(band) not in (0, 4):
            shown = " ".join(entry.split())
            shown = shown if len(shown) <= 60 else shown[:57] + "..."
            raise _wrong(number, f"{shown!r}: must be component numbers, then ': Ss-Se, Ah, Al' or nothing")
        first, last, high, low = band or (*_WHOLE, 0, 0)
        script.append(Scan(tuple(components), spectral=(first, last), approximation=(high, low)))
    return script


def _plain(scan: Any, number: int) -> Scan:
    """A scan with what a script tells of it, in integers."""
    if not isinstance(scan, Scan):
        raise TypeError(f"scans: scan {number}: must be a jpegjax.types.Scan, not {type(scan).__name__}")
    try:
        components = tuple([operator.index(c) for c in scan.components])
        (first, last), (high, low) = (map(operator.index, pair) for pair in (scan.spectral, scan.approximation))
    except (TypeError, ValueError) as error:
        message = "components must be integers, spectral (Ss, Se) and approximation (Ah, Al) pairs of them"
        raise type(error)(f"scans: scan {number}: {message}") from None
    return Scan(components, spectral=(first, last), approximation=(high, low))


def parse_script(value: Any) -> tuple[Scan, ...]:
    """The scans, without tables and restarts, of a script's text or of a sequence of `Scan`.

    Text is what cjpeg -scans reads: scans that end with ";", each one to four component numbers from 0, and for
    progressive files ": Ss-Se, Ah, Al"; blanks or one mark such as a comma between numbers, comments after "#".
    Checked as far as no frame is needed: TypeError and ValueError, which tell the scan's number, counted from 1.
    """
    if isinstance(value, str):
        script = _read(value)
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        script = [_plain(scan, number) for number, scan in enumerate(value, 1)]
    else:
        raise TypeError(f"scans: must be a script's text or a sequence of scans, not {type(value).__name__}")
    if not script:
        raise ValueError("scans: the script has no scan")
    highest = max((c for scan in script for c in scan.components), default=0)
    _check(tuple(script), min(highest + 1, _MOST_COMPONENTS), 12)
    return tuple(script)


@lru_cache(maxsize=64)
def _check(script: tuple[Scan, ...], count: int, precision: int) -> None:
    """What libjpeg asks of a script (jcmaster.c, validate_script) for so many components of so many bits."""
    progressive = is_progressive(script)
    known = [[-1] * 64 for _ in range(count)]  # the last Al of each coefficient
    for number, scan in enumerate(script, 1):
        if not 1 <= len(scan.components) <= 4:
            raise _wrong(number, f"{len(scan.components)} components; must be 1 to 4")
        for c in scan.components:
            if not 0 <= c < count:
                raise _wrong(number, f"component {c}; the picture's are 0..{count - 1}")
        if any(b <= a for a, b in zip(scan.components, scan.components[1:], strict=False)):
            raise _wrong(number, f"components {', '.join(map(str, scan.components))}; must rise")
        _check_band(scan, number, progressive, 13 if precision == 12 else 10)
        first, last = scan.spectral
        high, low = scan.approximation
        for c in scan.components:
            before = known[c]
            if not progressive and before[0] >= 0:
                raise _wrong(number, f"component {c} is sent twice")
            if first > 0 and before[0] < 0:
                raise _wrong(number, f"AC of component {c} before its DC (Ss-Se 0-0)")
            for k in range(first, last + 1):
                if before[k] < 0 and high:
                    raise _wrong(number, f"Ah={high}, but coefficient {k} of component {c} was not sent yet; must be 0")
                if before[k] >= 0 and (high, low) != (before[k], before[k] - 1):
                    sent = f"coefficient {k} of component {c} was sent up to bit {before[k]}"
                    wanted = f"must be Ah={before[k]}, Al={before[k] - 1}" if before[k] else "that is all of it"
                    raise _wrong(number, f"Ah={high}, Al={low}, but {sent}; {wanted}")
                before[k] = low
    for c in range(count):
        if known[c][0] < 0:
            raise ValueError(f"scans: no scan sends {'the DC of ' if progressive else ''}component {c}")


def _check_band(scan: Scan, number: int, progressive: bool, most: int) -> None:
    first, last = scan.spectral
    high, low = scan.approximation
    if not progressive:
        if (scan.spectral, scan.approximation) != (_WHOLE, (0, 0)):
            text = f"Ss-Se {first}-{last}, Ah={high}, Al={low}"
            raise _wrong(number, f"{text}; after a first scan of 0-63 all must be 0-63, 0, 0 (sequential)")
    elif not 0 <= first <= last <= 63:
        raise _wrong(number, f"Ss-Se {first}-{last}; must be within 0..63 and not fall")
    elif not (0 <= high <= most and 0 <= low <= most):
        raise _wrong(number, f"Ah={high}, Al={low}; must be 0..{most}")
    elif first == 0 and last > 0:
        raise _wrong(number, f"Ss-Se {first}-{last}; progressive scans have DC (0-0) or AC (from 1), not both")
    elif first > 0 and len(scan.components) > 1:
        raise _wrong(number, f"AC of {len(scan.components)} components; a scan of AC has one")


def check_script(script: tuple[Scan, ...], frame: Frame) -> tuple[Scan, ...]:
    """The script, which `parse_script` made; ValueError where libjpeg would refuse it for this frame.

    Like libjpeg, progressive ones may leave out AC coefficients and low bits, but not the first scan of a DC.
    """
    _check(script, len(frame.components), frame.precision)
    for number, scan in enumerate(script, 1):
        blocks = sum(frame.components[c].h * frame.components[c].v for c in scan.components)
        if len(scan.components) > 1 and blocks > MAX_MCU_BLOCKS:
            raise _wrong(number, f"an MCU of {blocks} blocks; may hold at most {MAX_MCU_BLOCKS} (T.81 B.2.3)")
    return script
