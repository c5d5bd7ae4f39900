"""Options that go together wherever they go: limits, restarts, metadata to embed."""

import math
from dataclasses import dataclass
from numbers import Real
from typing import Annotated, Any

import numpy as np

from .checks import Option, check_bytes, check_int, check_options, integer
from .choices import MAX_SIDE

__all__ = ["DEFAULT_LIMITS", "NO_METADATA", "NO_RESTART", "Limits", "Metadata", "Restart"]

_LARGEST = 1 << 62
EXIF_PREFIX = b"Exif\0\0"
XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"


def _limit(name: str, value: Any) -> int | None:
    return None if value is None else check_int(name, value, 0, _LARGEST)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may cost before `LimitExceeded` stops it. Integers from 0; None lifts a limit.

    Args:
        pixels: Width × height that a header may claim, and that may be asked for by `scale` and `crop`.
        scans: Scans that a progressive or multi-scan file may hold.
        memory: Bytes for pixels and coefficients together.
        pixels_per_byte: Claimed pixels per byte of file, checked above 4 Mpixel. Huffman coding spends at least one bit a
            block, so that a complete file holds at most 512; files beyond the limit are bombs or cut to a stub. Arithmetic
            coding needs no bytes for a blank page: `steps_per_byte` bounds it.
        steps_per_byte: Steps of entropy decoding per byte of file, beyond 100 million that any file may take. A step is a
            block that a scan passes over or a decision of arithmetic coding, some nanoseconds; real files stay far below,
            and pages of one colour take one a block and scan. Coding anew counts too in `transcode`, and samples scaled up or
            of inks made RGB.

    Raises:
        TypeError: A limit is neither an integer nor None.
        ValueError: A limit is negative or above 2^62.
    """

    pixels: Annotated[int | None, Option("Most pixels of a picture, None for no limit.", _limit)] = 1 << 28
    scans: Annotated[int | None, Option("Most scans of a file, None for no limit.", _limit)] = 500
    memory: Annotated[int | None, Option("Most bytes of memory for a file, None for no limit.", _limit)] = 2 << 30
    pixels_per_byte: Annotated[int | None, Option("Most pixels a byte of file, None for no limit.", _limit)] = 1024
    steps_per_byte: Annotated[
        int | None, Option("Most steps of decoding a byte of file, None for no limit.", _limit)
    ] = 64

    def __post_init__(self) -> None:
        check_options(self)


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Restart:
    """How often a restart marker stands, so that a damaged file can be picked up again: by rows or by MCUs."""

    rows: Annotated[
        int, Option("Restart marker every so many MCU rows, 0 for none.", integer(0, MAX_SIDE), "restart_rows")
    ] = 0
    blocks: Annotated[
        int, Option("Restart marker every so many MCUs, 0 for none.", integer(0, MAX_SIDE), "restart_blocks")
    ] = 0

    def __post_init__(self) -> None:
        check_options(self)
        if self.rows and self.blocks:
            raise ValueError("restart_rows and restart_blocks: give one of them, not both")

    def interval(self, columns: int) -> int:
        """MCUs between restart markers where a row has `columns` of them, at most 65,535; 0 for none."""
        return min(self.blocks or self.rows * columns, MAX_SIDE)


NO_RESTART = Restart()


def _comment(name: str, value: Any) -> Any:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{name}: not valid Unicode: {error}") from None
    return check_bytes(name, value)


def _exif(name: str, value: Any) -> bytes:
    """EXIF with its prefix, which may be missing: Pillow and others hand it out either way."""
    tiff = bytes(check_bytes(name, value)).removeprefix(EXIF_PREFIX)
    if value and not tiff.startswith((b"II*\0", b"MM\0*")):
        raise ValueError(f"{name}: must be TIFF data, b'II*\\0…' or b'MM\\0*…', with or without b'Exif\\0\\0' before it "
                         f"(Exif 2.32, 4.5.2); {_start(tiff)}")  # fmt: skip
    return EXIF_PREFIX + tiff if value else b""


def _xmp(name: str, value: Any) -> bytes:
    """An XMP packet without the prefix that it may come with."""
    packet = bytes(check_bytes(name, value)).removeprefix(XMP_PREFIX)
    if value and not packet.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"<"):
        raise ValueError(f"{name}: must be an XMP packet, which is XML and begins with '<', with or without "
                         f"{XMP_PREFIX!r} before it (XMP part 1); {_start(packet)}")  # fmt: skip
    return packet


def _start(value: bytes) -> str:
    return f"these {len(value)} bytes begin with {value[:8]!r}"


def _dpi(name: str, value: Any) -> tuple[int, int]:
    try:
        x, y = value
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}={value!r}: must be a pair (x, y) of numbers 1..65535") from None
    return _dots(f"{name}[0]", x), _dots(f"{name}[1]", y)


def _dots(name: str, value: Any) -> int:
    """A density as JFIF holds it, rounded to the nearest integer (halves to even) as Pillow does."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r}: must be a number 1..65535, not {type(value).__name__}")
    dots = float(value)
    if not math.isfinite(dots) or not 1 <= round(dots) <= 65_535:
        raise ValueError(f"{name}={value!r}: must be 1..65535 when rounded")
    return round(dots)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is embedded beside the picture. False where there is nothing."""

    icc_profile: Annotated[bytes | None, Option("ICC profile to embed.", check_bytes)] = None
    exif: Annotated[bytes | None, Option('EXIF to embed, with or without its leading b"Exif\\0\\0".', _exif)] = None
    xmp: Annotated[bytes | None, Option("XMP packet to embed.", _xmp)] = None
    comment: Annotated[Any, Option("Comment to embed; text as UTF-8.", _comment)] = None
    dpi: Annotated[tuple[float, float] | None, Option("Dots an inch (x, y) to embed, 1..65535.", _dpi)] = None

    def __post_init__(self) -> None:
        check_options(self)

    def __bool__(self) -> bool:
        return bool(self.icc_profile or self.exif or self.xmp or self.comment or self.dpi)


NO_METADATA = Metadata()
