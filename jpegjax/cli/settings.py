"""Flags as cjpeg and djpeg write them, turned into the library's options."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..options import Limits, Restart
from . import pipes
from .paths import Job, UsageError, shown

if TYPE_CHECKING:
    from .work.lossy import Aim

__all__ = [
    "amount", "at_most", "copied", "crop", "device", "file_bytes", "limits", "no_binary_to_terminal", "qtables", "quality",
    "region", "restart", "restore", "say_ignored", "scans", "target_metric",
]  # fmt: skip


def restart(value: str | None) -> Restart:
    """Restart markers from cjpeg's "N", every so many MCU rows, or "NB", MCUs."""
    if value is None:
        return Restart()
    match = re.fullmatch(r"(\d{1,5})([bB]?)", value)
    if not match:
        raise UsageError(f"--restart {shown(value)}: must be N (MCU rows) or NB (MCUs), such as 1 or 64B")
    return Restart(blocks=int(match[1])) if match[2] else Restart(rows=int(match[1]))


def restore(value: str | None) -> bool | str:
    """What `decode` takes for "yes", which a bare flag means, "auto" and "consistent"."""
    if value not in (None, "yes", "auto", "consistent"):
        raise UsageError(f"--restore={shown(value)}: must be auto or consistent, or stand alone")
    return value == "yes" or value or False


def crop(value: str | None) -> tuple[int, int, int | None, int | None] | None:
    """jpegtran's -crop: "WxH+X+Y" as (X, Y, W, H); each part may be left out."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,5})?(?:[xX](\d{1,5}))?(?:\+(\d{1,5})(?:\+(\d{1,5}))?)?", value)
    if not match or not value:
        raise UsageError(f"--crop {shown(value)}: must be WxH+X+Y in pixels, such as 640x480+16+32")
    width, height, x, y = (None if part is None else int(part) for part in match.groups())
    return x or 0, y or 0, width, height


def region(value: str | None) -> tuple[int, int, int, int] | None:
    """djpeg's -crop: "WxH+X+Y" as (X, Y, W, H)."""
    parts = crop(value)
    if value is None or parts is None:
        return None
    x, y, width, height = parts
    if width is None or height is None:
        raise UsageError(f"--crop {shown(value)}: must be WxH+X+Y in pixels, such as 640x480+16+32")
    return x, y, width, height


def geometry(flag: str, value: str | None) -> str | None:
    """jpegtran's geometry, which the library reads. UsageError for what is none."""
    if value is not None and not re.fullmatch(
        r"(\d{1,5}[fFrR]?)?([xX]\d{1,5}[fFrR]?)?([+-]\d{1,5}([+-]\d{1,5})?)?", value or " "
    ):
        raise UsageError(f"{flag} {shown(value)}: must be WxH+X+Y in pixels, such as 640x480+16+32")
    return value


def dropped(value: tuple[str, str] | None) -> tuple[str, bytes] | None:
    """jpegtran's -drop: "+X+Y" and a file."""
    if value is None:
        return None
    if not re.fullmatch(r"[+-]\d{1,5}[+-]\d{1,5}", value[0]):
        raise UsageError(f"--drop {shown(value[0])}: must be +X+Y in pixels, such as +16+32, and then a file")
    return value[0], file_bytes("--drop", Path(value[1]))


def roll(value: str | None) -> tuple[int, int] | None:
    """ "+X+Y" in pixels to the right and down; -X and -Y to the left and up."""
    if value is None:
        return None
    match = re.fullmatch(r"([+-]\d{1,5})([+-]\d{1,5})", value)
    if not match:
        raise UsageError(f"--roll {shown(value)}: must be +X+Y in pixels, such as +16-32")
    return int(match[1]), int(match[2])


def kinds(flag: str, values: Sequence[str] | None) -> list[str]:
    """Kinds of metadata as jpegoptim names them, several with commas between."""
    words = [word for value in values or () for word in value.split(",")]
    for word in words:
        if word not in _KINDS:
            raise UsageError(f"{flag} {shown(word)}: must be one of {', '.join(_KINDS)}")
    return [_KINDS[word] for word in words]


_KINDS = {k: k for k in ("exif", "icc", "iptc", "xmp", "adobe", "jfxx")} | {"com": "comments"}


def aim(quality: int | None, size: str | None) -> Aim:
    """jpegoptim's --max and --size."""
    from .work.lossy import Aim

    if size is None:
        return Aim(quality=None if quality is None else max(quality, 1))
    quality = None if quality is None else max(quality, 1)
    if not size.endswith("%"):
        nbytes = amount("--size", size, 1024)
        if not nbytes:
            raise UsageError("--size 0: must be 1 or more")
        return Aim(quality, size_nbytes=nbytes)
    if not re.fullmatch(r"[1-9]\d?%", size):
        raise UsageError(f"--size {shown(size)}: must be 1%..99% of each file, or a number of kilobytes")
    return Aim(quality, size_percent=int(size[:-1]))


def copied(value: str, strip_all: bool, kept: Sequence[str] = ()) -> str | list[str]:
    """jpegtran's -copy, or kinds with commas between them; jpegoptim's --strip-all, but for what is kept."""
    if strip_all:
        return list(kept) or "none"
    return value if value in ("all", "none") else value.split(",")


def quality(value: str | None) -> int | tuple[int, int]:
    """cjpeg's -quality: "75", or "75,60" for luma and chroma."""
    text = "75" if value is None else value
    match = re.fullmatch(r"(\d{1,9})(?:,(\d{1,9}))?", text)
    if not match:
        raise UsageError(f"--quality {shown(text)}: must be 1..100, or luma,chroma such as 75,60")
    return (int(match[1]), int(match[2])) if match[2] else int(match[1])


def target_metric(value: str | None) -> tuple[str, float] | None:
    """ "ssimulacra2=80" and its like."""
    if value is None:
        return None
    name, equals, number = value.partition("=")
    try:
        return name, float(number if equals else "")
    except ValueError:
        message = f"--target-metric {shown(value)}: must be a metric and its value, such as ssimulacra2=80 or psnr=40"
        raise UsageError(message) from None


def qtables(path: Path | None) -> list[list[int]] | None:
    """cjpeg's -qtables file: 64 numbers a table in natural order, comments after #. The tables are used as they are."""
    if path is None:
        return None
    lines = file_bytes("--qtables", path).decode("utf-8", "replace").splitlines()
    words = [word for line in lines for word in line.split("#")[0].split()]
    if not all(re.fullmatch(r"\d{1,9}", word) for word in words) or len(words) % 64 or not 1 <= len(words) // 64 <= 4:
        raise UsageError(f"--qtables {shown(path)}: must hold 1 to 4 tables of 64 whole numbers each")
    numbers = [int(word) for word in words]
    return [numbers[i : i + 64] for i in range(0, len(numbers), 64)]


def scans(path: Path | None) -> str | None:
    """The text of cjpeg's and jpegtran's -scans file."""
    return None if path is None else file_bytes("--scans", path).decode("utf-8", "replace")


def file_bytes(flag: str, path: Path) -> bytes:
    """A file that a flag names."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{flag} {shown(path)}: {error.strerror}") from None


def no_binary_to_terminal(jobs: Sequence[Job]) -> None:
    """UsageError where a picture would go to stdout and that is a terminal, or closed."""
    if all(job.target is not None for job in jobs):
        return
    if pipes.stdout_is_closed():
        raise UsageError("stdout is closed: give -o FILE")
    if sys.stdout.isatty():
        raise UsageError("a picture on the terminal helps nobody: redirect stdout or give -o FILE")


def say_ignored(why: str, given: Mapping[str, Any], quiet: bool) -> None:
    """Say on stderr which of the flags that were given mean nothing."""
    names = [name for name, value in given.items() if value]
    if names and not quiet:
        print(f"jpegjax: {why}: {', '.join(names)} not used", file=sys.stderr)


_TIMES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}


def amount(flag: str, value: str | None, unit: int = 1) -> int | None:
    """A number as people write it: 50000, 50k, 1.5M, 64Ki, with B or P behind if they like. unit: of a bare number."""
    if value is None:
        return None
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([kmg]i?)?([bp]|pixels?|bytes?)?", value.strip().lower())
    number = round(Fraction(match[1]) * (_TIMES[match[2] or ""] if match[2] or match[3] else unit)) if match else -1
    if not match or not 0 <= number < 1 << 62 or (number == 0 and Fraction(match[1])):
        raise UsageError(f"{flag} {shown(value)}: must be a number such as 50000, 50k, 1.5M or 64Ki")
    return number


def limits(pixels: str | None, memory: str | None, *, scans: int | None = None, maxmemory: str | None = None) -> Limits:
    """Limits with what the flags change; 0 lifts one. memory: MiB where it is a bare number; maxmemory: thousands of bytes.

    Who names a number of pixels also accepts them from a small file; without a limit on them there is none on steps.
    """
    standard, most = Limits(), amount("--limit-pixels", pixels)
    return Limits(
        pixels_per_byte=standard.pixels_per_byte if most is None else None,
        pixels=standard.pixels if most is None else most or None,
        steps_per_byte=None if most == 0 else standard.steps_per_byte,
        memory=amount("--maxmemory", maxmemory, 1000)
        or (standard.memory if memory is None else amount("--limit-memory", memory, 1 << 20) or None),
        scans=standard.scans if scans is None else scans,
    )


@contextlib.contextmanager
def at_most(jobs: int | None) -> Iterator[None]:
    """Confine this process to so many of its cores; the library sizes its pools by them."""
    if jobs is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:jobs])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def device(name: str | None, engine: str) -> Any:
    """None, or what --device names: "gpu" all GPUs, "gpu:1" one, "cpu:0" the CPU as a JAX device."""
    if name is None:
        return None
    if engine == "host":
        raise UsageError(f"--device {shown(name)}: the host engine has no devices; use --engine xla")
    import jax

    platform, colon, number = name.partition(":")
    try:
        found = jax.devices(platform)
        return found[int(number)] if colon else platform
    except (ValueError, IndexError, RuntimeError) as error:
        raise UsageError(f"--device {shown(name)}: no such device ({str(error).splitlines()[0]})") from None
