"""Stdin and stdout as files: what comes in there, what goes out, and what they are."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

__all__ = ["content", "lost_on_a_device", "read_stdin", "redirected", "stdout_is_closed", "typed", "write_stdout"]


def redirected() -> bool:
    """Whether stdout leads to a file, a pipe or the like."""
    return not stdout_is_closed() and not sys.stdout.isatty()


def stdout_is_closed() -> bool:
    return sys.stdout is None or sys.__stdout__ is None


def typed() -> bool:
    """Whether stdin is a terminal, or closed: nothing to read a picture from unasked."""
    return sys.stdin is None or sys.stdin.closed or sys.stdin.isatty()


def lost_on_a_device() -> bool:
    """Whether stdout is a device such as /dev/null, which keeps nothing."""
    try:
        return stat.S_ISCHR(os.fstat(sys.stdout.fileno()).st_mode) and not sys.stdout.isatty()
    except (OSError, ValueError, AttributeError):
        return False


def read_stdin() -> bytes:
    """All of it. ValueError where there is nothing; OSError as reading goes."""
    if sys.stdin is None or sys.stdin.closed:
        raise ValueError("stdin is closed")
    data = sys.stdin.buffer.read()
    if not data:
        raise ValueError("nothing came in")
    return data


def content(path: Path) -> Path | bytes:
    """The path itself of a file, and what comes out of a pipe, once and for all. ValueError for devices, which have no end."""
    mode = os.stat(path).st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise ValueError("a device, not a file")
    if not stat.S_ISFIFO(mode):
        return path
    data = path.read_bytes()
    if not data:
        raise ValueError("nothing came in")
    return data


def write_stdout(content: bytes | memoryview) -> None:
    """OSError as writing goes: BrokenPipeError where the reader has left."""
    left = memoryview(content).cast("B")
    while left:  # unbuffered (PYTHONUNBUFFERED), a write may stop early without an error
        left = left[sys.stdout.buffer.write(left) or 0 :]
    sys.stdout.buffer.flush()
