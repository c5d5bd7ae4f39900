"""Files to quantised coefficients and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from ..options import ERRORS, Color, DecodeOptions, EncodeOptions, Errors, Limits, Metadata, Restart, check_choice
from ..types import Coefficients, ColorSpace, Scan, register_pytree
from .inputs import Many, S, Source, as_files, as_tables, on_good, settled

if TYPE_CHECKING:
    from .keywords import ReadKeywords, WriteKeywords

__all__ = ["read_coefficients", "write_coefficients"]


@overload
def read_coefficients(
    data: Source, *, errors: Literal["raise"] = "raise", **options: Unpack[ReadKeywords]
) -> Coefficients: ...
@overload
def read_coefficients(
    data: Many[S], *, errors: Literal["raise"] = "raise", **options: Unpack[ReadKeywords]
) -> list[Coefficients]: ...
@overload
def read_coefficients(
    data: Source, *, errors: Literal["return"], **options: Unpack[ReadKeywords]
) -> Coefficients | Exception: ...
@overload
def read_coefficients(
    data: Many[S], *, errors: Literal["return"], **options: Unpack[ReadKeywords]
) -> list[Coefficients | Exception]: ...
def read_coefficients(
    data: Source | Many[S],
    *,
    strict: bool = False,
    limits: Limits = Limits(),
    tables: Source | None = None,
    color: Color | ColorSpace | None = None,
    picture: int = 0,
    errors: Errors = "raise",
) -> Any:
    """Quantised DCT coefficients of JPEG files, without decoding to pixels.

    Args:
        data: One file or several: its bytes, a buffer, a path, or a file opened in binary mode. Several are a list.
        strict: Damage is an error, rather than a warning beside what can be saved. As for `decode`.
        limits: What a file may cost at most. See `Limits`.
        tables: Abbreviated stream of tables for files without them. As for `decode`.
        color: What the file's components are, whatever it says: grey, YCbCr, RGB, CMYK or YCCK. As for `decode`.
        picture: Which picture of a file: 0 the first, from 1 on those behind it. As for `decode`.
        errors: What becomes of errors that files meet: raise the first, or return each in its place. As for `decode`.

    Returns:
        `Coefficients` of N = 1 for one file, a list of them for several. Planes are NumPy int16 [1, rows, columns, 8, 8] in
        natural order, real blocks only; tables uint16 [8, 8].

    Raises:
        CorruptJpeg: Nothing can be saved, or strict is set and the file is damaged.
        JpegError: The file has no such picture.
        UnsupportedJpeg: The file is lossless, or of a process or layout that this library does not decode.
        LimitExceeded: The file would cost more than limits allow.
        TypeError: An argument is of the wrong type.
    """
    register_pytree()
    options = DecodeOptions(strict=strict, limits=limits, tables=as_tables(tables), color=color, picture=picture)
    check_choice("errors", errors, ERRORS)
    files, single = as_files(data, errors)
    from ..jpeg import codec

    out = settled(on_good(lambda good: codec.read(good, options), files), single, errors)
    return out[0] if single else out


@overload
def write_coefficients(
    coefficients: Coefficients, *, errors: Literal["raise"] = "raise", **options: Unpack[WriteKeywords]
) -> bytes: ...
@overload
def write_coefficients(
    coefficients: Sequence[Coefficients], *, errors: Literal["raise"] = "raise", **options: Unpack[WriteKeywords]
) -> list[bytes]: ...
@overload
def write_coefficients(
    coefficients: Coefficients, *, errors: Literal["return"], **options: Unpack[WriteKeywords]
) -> bytes | Exception: ...
@overload
def write_coefficients(
    coefficients: Sequence[Coefficients], *, errors: Literal["return"], **options: Unpack[WriteKeywords]
) -> list[bytes | Exception]: ...
def write_coefficients(
    coefficients: Coefficients | Sequence[Coefficients],
    *,
    optimize: bool = False,
    progressive: bool = False,
    arithmetic: bool = False,
    scans: str | Sequence[Scan] | None = None,
    restart_rows: int = 0,
    restart_blocks: int = 0,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    comment: bytes | str | None = None,
    dpi: tuple[float, float] | None = None,
    errors: Errors = "raise",
) -> Any:
    """JPEG files of quantised coefficients: the inverse of `read_coefficients`.

    Args:
        coefficients: `Coefficients` of one image or of N, or a list of them; planes int16, or integers in its range, NumPy
            or JAX. AC within ±1023 and DC differences within ±2047 (±16383 and ±32767 at 12 bits). Type checkers take
            `Coefficients` for one image; `[coefficients]` always gives a list.
        optimize: Huffman tables fitted to each file.
        progressive: Progressive scans. By libjpeg's default script.
        arithmetic: Arithmetic coding in place of Huffman's.
        scans: Scan script as cjpeg -scans reads it, in place of the default one. As for `encode`.
        restart_rows: Restart marker every so many MCU rows, 0 for none.
        restart_blocks: Restart marker every so many MCUs, 0 for none.
        icc_profile: ICC profile to embed. Any bytes, in as many segments as they take.
        exif: EXIF to embed, with or without its leading b"Exif\\0\\0". TIFF data, such as Pillow's image.info["exif"] or
            image.getexif().tobytes().
        xmp: XMP packet to embed. XML, with or without the prefix that it has in files. Above 65,502 bytes its largest
            properties go to an extended packet (XMP part 3, 1.1.3.1).
        comment: Comment to embed; text as UTF-8.
        dpi: Dots an inch (x, y) to embed, 1..65535. JFIF holds integers; others are rounded as Pillow does, halves to even.
        errors: What becomes of errors that images meet: raise the first, or return each in place of its file. Either way
            the message says which file of the list it was to be.

    Returns:
        The bytes of a file for N = 1, a list of them for more images or a list.

    Raises:
        TypeError: An argument is of the wrong type, or a plane or table does not hold integers.
        ValueError: Planes do not fit the frame, values are out of range, or options contradict one another.
    """
    options = EncodeOptions(
        optimize=optimize, progressive=progressive, arithmetic=arithmetic, scans=scans,
        restart=Restart(rows=restart_rows, blocks=restart_blocks),
        metadata=Metadata(icc_profile=icc_profile, exif=exif, xmp=xmp, comment=comment, dpi=dpi),
    )  # fmt: skip
    single = isinstance(coefficients, Coefficients)
    if not single and not isinstance(coefficients, (list, tuple)):
        raise TypeError(f"coefficients: must be jpegjax.Coefficients or a list, not {type(coefficients).__name__}")
    items: Iterable[Any] = [coefficients] if isinstance(coefficients, Coefficients) else coefficients
    check_choice("errors", errors, ERRORS)
    one_by_one: list[Coefficients | Exception] = []
    for i, c in enumerate(items):
        try:
            _check_form(c, "coefficients" if single else f"coefficients[{i}]")
        except (TypeError, ValueError) as error:
            if errors == "raise":
                raise
            one_by_one.append(error)
        else:
            one_by_one += [c[n] for n in range(c.batch)]
    from ..jpeg import codec

    results = on_good(lambda good: [(f, ()) for f in codec.write(good, options, errors == "raise")], one_by_one)
    single = single and len(results) == 1
    files = settled(results, single, errors)
    return files[0] if single else files


def _check_form(c: Any, name: str) -> None:
    if not isinstance(c, Coefficients):
        raise TypeError(f"{name}: must be jpegjax.Coefficients, not {type(c).__name__}")
    if not c.planes or any(getattr(p, "ndim", 0) != 5 for p in c.planes):
        raise ValueError(f"{name}: planes must be arrays [N, rows, columns, 8, 8], one for each component")
    for k in c.frame.components:
        if not (0 <= k.id <= 255 and 1 <= k.h <= 4 and 1 <= k.v <= 4 and 0 <= k.tq <= 3):
            raise ValueError(f"{name}: {k}; identifiers are 0..255, factors 1..4, tables 0..3")
