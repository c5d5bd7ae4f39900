"""What can go wrong with a file, as types; and calls whose errors are results, so that those for other items go on."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

__all__ = [
    "CorruptJpeg",
    "CorruptStream",
    "DeviceMemoryError",
    "JpegError",
    "JpegWarning",
    "LimitExceeded",
    "UnsupportedJpeg",
    "attempted",
    "caught",
    "forget_locals",
]


class JpegError(ValueError):
    """A file that cannot be decoded.

    Attributes:
        message: What is wrong.
        offset: Byte offset of the trouble in the file, or None.
    """

    message: str
    offset: int | None

    def __init__(self, message: str, offset: int | None = None) -> None:
        self.message, self.offset = message, offset
        super().__init__(message if offset is None else f"{message} (byte offset {offset})")

    def __reduce__(self) -> tuple[type[JpegError], tuple[str, int | None]]:
        return type(self), (self.message, self.offset)


class CorruptJpeg(JpegError):
    """The file breaks the standard so that no picture can be saved from it."""


class CorruptStream(JpegError):
    """A file of one of this library's own formats (DFT, learned) that is damaged, cut, or made by a model that is not here."""


class UnsupportedJpeg(JpegError):
    """The file is valid, but of a process or layout that this library does not decode."""


class LimitExceeded(JpegError):
    """Decoding would take more pixels, scans or memory than `Limits` allows."""


class DeviceMemoryError(MemoryError):
    """The memory of a JAX device has ended, though batches are cut to what it says that it has.

    Attributes:
        device: Which one.
        nbytes: How much more was asked for, or None where it did not say.
        details: What it said in place of that.
    """

    device: str
    nbytes: int | None
    details: str | None

    def __init__(self, device: str, nbytes: int | None = None, details: str | None = None) -> None:
        self.device, self.nbytes, self.details = device, nbytes, details
        wanted = details or ("" if nbytes is None else f"no room for {nbytes / 1e6:,.1f} MB more")
        super().__init__(
            f"{device}: out of memory{': ' if wanted else ''}{wanted}; take fewer or smaller pictures at once, more devices "
            '(device=), or engine="host"'
        )

    def __reduce__(self) -> tuple[type[DeviceMemoryError], tuple[str, int | None, str | None]]:
        return type(self), (self.device, self.nbytes, self.details)


class JpegWarning(UserWarning):
    """The file is damaged; what could be saved was decoded. With `strict=True` it is a `CorruptJpeg` instead."""


def forget_locals(error: BaseException) -> None:
    """Empty the frames behind an error that becomes a value: they hold arrays until the garbage collector runs."""
    seen: BaseException | None = error
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen = seen.__context__


def attempted(function: Callable[[Any], Any], stop: bool = False) -> Callable[[Any], Any]:
    """The function, but what it refuses is an error in place of its result. stop: after one, later calls do nothing."""
    failed: list[bool] = []

    def run(item: Any) -> Any:
        if stop and failed:
            return None
        try:
            return function(item)
        except (TypeError, ValueError) as error:
            failed.append(True)
            forget_locals(error)
            return error

    return run


def caught(function: Callable[..., tuple[Any, Any]], *kinds: type[Exception]) -> Callable[..., tuple[Any, Any]]:
    """The function, but an error of these kinds is the first of its two results, with no notes as the second."""

    def run(*arguments: Any) -> tuple[Any, Any]:
        try:
            return function(*arguments)
        except kinds as error:
            forget_locals(error)
            return error, []

    return run
