"""Files to images, and what files say of themselves."""

from __future__ import annotations

from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from ..container import JpegInfo, inspect
from ..container.behind import chosen
from ..options import (
    ENGINES,
    ERRORS,
    Color,
    DecodeOptions,
    Engine,
    Errors,
    Limits,
    Mode,
    Reconstruction,
    Restore,
    Upsample,
    check_choice,
    check_int,
)
from ..types import ColorSpace, Device
from .inputs import Many, S, Source, as_bytes, as_files, as_tables, on_good, settled

if TYPE_CHECKING:
    import jax
    import numpy.typing as npt

    from .keywords import DecodeKeywords

__all__ = ["decode", "info"]


@overload
def decode(
    data: Source, *, device: None = None, errors: Literal["raise"] = "raise", **options: Unpack[DecodeKeywords]
) -> npt.NDArray[Any]: ...
@overload
def decode(
    data: Many[S], *, device: None = None, errors: Literal["raise"] = "raise", **options: Unpack[DecodeKeywords]
) -> list[npt.NDArray[Any]]: ...
@overload
def decode(
    data: Source, *, device: Device, errors: Literal["raise"] = "raise", **options: Unpack[DecodeKeywords]
) -> jax.Array: ...
@overload
def decode(
    data: Many[S], *, device: Device, errors: Literal["raise"] = "raise", **options: Unpack[DecodeKeywords]
) -> list[jax.Array]: ...
@overload
def decode(
    data: Source, *, device: None = None, errors: Literal["return"], **options: Unpack[DecodeKeywords]
) -> npt.NDArray[Any] | Exception: ...
@overload
def decode(
    data: Many[S], *, device: None = None, errors: Literal["return"], **options: Unpack[DecodeKeywords]
) -> list[npt.NDArray[Any] | Exception]: ...
@overload
def decode(
    data: Source, *, device: Device, errors: Literal["return"], **options: Unpack[DecodeKeywords]
) -> jax.Array | Exception: ...
@overload
def decode(
    data: Many[S], *, device: Device, errors: Literal["return"], **options: Unpack[DecodeKeywords]
) -> list[jax.Array | Exception]: ...
def decode(
    data: Source | Many[S],
    *,
    mode: Mode | None = None,
    scale: float | str | Fraction = 1,
    crop: tuple[int, int, int, int] | None = None,
    upsample: Upsample = "fancy",
    reconstruction: Reconstruction = "midpoint",
    restore: Restore = False,
    dtype: npt.DTypeLike | None = None,
    apply_exif_orientation: bool = False,
    strict: bool = False,
    limits: Limits = Limits(),
    tables: Source | None = None,
    color: Color | ColorSpace | None = None,
    picture: int = 0,
    errors: Errors = "raise",
    engine: Engine = "auto",
    device: Device | None = None,
) -> Any:
    """Pixels of JPEG files, identical to libjpeg-turbo's (islow IDCT, fancy upsampling) but for reconstruction and dtype.

    Args:
        data: One file or several: its bytes, a buffer, a path, or a file opened in binary mode. Several are a list.
        mode: L for grey, RGB for colour, CMYK; by default as the file is. "L" is the luma. "CMYK" is only for files that are CMYK
            or YCCK; their "RGB" is K' − C·K'/255 and so on, K' = 255 − K, to the nearest, as Pillow's convert("RGB") has it
            (plain: no profile counts), and they have no "L".
        scale: Size k/8 of the picture, k = 1..16, such as 1/2 or 3/8. A number or a string; by inverse DCTs of other sizes
            as djpeg -scale does it. Each side is ⌈side·k/8⌉. Not for lossless files.
        crop: Only a region (x, y, width, height) of the scaled, upright picture. That is exactly
            decode(...)[y : y + height, x : x + width], but only what the region needs is transformed and kept (the
            coefficients of progressive, arithmetic and multi-scan files are all read). Damage elsewhere may go unnoticed.
        upsample: How chroma grows: fancy, or nearest as djpeg -nosmooth. Fancy is libjpeg's triangle filter.
        reconstruction: Where in its bin a coefficient is taken to be: midpoint, or laplacian. The latter is the centroid by
            the file's own statistics (Price and Rabbani 2000), nearer to zero; less so, or not at all, where they show an
            encoder that did more than round. Pixels are made in floats and rounded once: not libjpeg's, but nearer to the
            picture that was encoded. Lossless files have no bins and stay as they are.
        restore: Let a network put back what quantisation took: true, auto (marked files) or consistent. As `restore` does it:
            one model for all tables and samplings; "auto" restores only files that were encoded for it (their mark says so),
            "consistent" keeps every coefficient within its quantisation cell. For 8-bit grey and YCbCr files; lossless ones
            stay as they are. The network runs by JAX whatever the engine; pixels differ by at most 1/255 between backends.
        dtype: uint8, uint16 or float32; by default the file's own integers. NumPy's dtypes of these names too. Pixels are made
            in floats, but for uint8 of 8-bit files with midpoints, which are libjpeg's. float32 is 0..255 for 8-bit files,
            0..2^bits - 1 for others, clipped to that and not rounded; uint16 is scaled so that white is 65535, uint8 so that
            it is 255. Engines differ by at most 1/255 of white.
        apply_exif_orientation: Turn the picture upright as its EXIF orientation says, or else its XMP. The first value of any
            integer type; 0 and numbers above 8 mean that it is upright. Damage that hides it is a JpegWarning.
        strict: Damage is an error, rather than a warning beside what can be saved. The error is CorruptJpeg, the
            warnings are JpegWarning.
        limits: What a file may cost at most. Bounds on pixels, scans and memory, see `Limits`.
        tables: Abbreviated stream of tables for files without them. Quantisation and Huffman tables alone (T.81 B.5).
        color: What the file's components are, whatever it says: grey, YCbCr, RGB, CMYK or YCCK. Such as a stream out of a
            PDF whose /ColorTransform says so; or as `info(data).color` has it. By default what libjpeg takes them for by
            JFIF, Adobe's marker and the components' identifiers; lossless ones are RGB unless Adobe's marker denies it.
        picture: Which picture of a file: 0 the first, from 1 on those behind it. They are those that `info` lists: of MPF, gain
            maps, and JPEG files that only follow. Turned upright by its own EXIF, or else by the first one's.
        errors: What becomes of errors that files meet: raise the first, or return each in place of its picture. Either way
            the message says which item of a list it was. Errors in options are always raised.
        engine: "host" (CPU kernels), "xla" (any JAX device), or "auto": host on CPU, xla on accelerators or where a
            device is named. The pixels are the same, floats as nearly as floats are.
        device: A jax.Device, a platform's name, a Mesh or a Sharding for xla; the pixels then stay there as jax.Array.

    Returns:
        For one file an array, for several a list of them: NumPy's, or JAX's where a device is named. uint8 [H, W] (grey),
        [H, W, 3] (RGB) or [H, W, 4] (CMYK, inverted as Pillow does, so that 255 is full ink), values 0..255; uint16 for
        files of more than 8 bits, values 0..2^bits - 1; or as `dtype` says.

    Raises:
        CorruptJpeg: Nothing can be saved, or strict is set and the file is damaged. As all JpegErrors it says at which
            byte, and for lists in which file.
        JpegError: The file has no such picture.
        UnsupportedJpeg: The file is of a process or layout that this library does not decode, or has no such mode or
            scale.
        LimitExceeded: The file would cost more than limits allow.
        ValueError: An argument is out of range, or crop does not fit in the picture.
        TypeError: An argument is of the wrong type.
        DeviceMemoryError: A device's memory has ended, though batches are cut to what it has.
    """
    shown: tuple[Any, ...] = mode, scale, crop, upsample, reconstruction, dtype, restore
    given = *shown, apply_exif_orientation, strict, limits, as_tables(tables), color, picture
    usual = _SCALARS.issuperset(map(type, given))
    options: DecodeOptions = (_known_options if usual else DecodeOptions)(*given)
    check_choice("engine", engine, ENGINES)
    check_choice("errors", errors, ERRORS)
    files, single = as_files(data, errors)
    run, restorer = _codec().decode, None
    if options.restore:
        from .restoring import restorer_of

        restorer = restorer_of(engine, device)
    results = on_good(lambda good: run(good, options, engine, device, restorer), files)
    if apply_exif_orientation:
        from ..jpeg.shown.upright import upright

        results = [upright(*result, file, options) for result, file in zip(results, files, strict=True)]
    images = settled(results, single, errors)
    return images[0] if single else images


@cache
def _codec() -> Any:
    """The codec, imported at the first call."""
    from ..jpeg import codec

    return codec


_SCALARS = {int, float, str, bool, type(None), Limits}
"""Types whose values, of one type, are equal only to what means the same: options of them alone are checked once."""

_known_options: Any = lru_cache(maxsize=256, typed=True)(DecodeOptions)


def info(data: Source, *, limits: Limits = Limits(), tables: Source | None = None, picture: int = 0) -> JpegInfo:
    """What a file's markers say, without decoding its image data.

    Args:
        data: A file: its bytes, a buffer, a path, or a file opened in binary mode.
        limits: What a file may cost at most. See `Limits`.
        tables: Abbreviated stream of tables for files without them. As for `decode`.
        picture: Which picture of a file: 0 the first, from 1 on those behind it. Offsets then count from its own start.

    Returns:
        Size, process, sampling, tables, an estimate of the quality, scans, APPn segments, metadata (EXIF, XMP, ICC profile,
        resolution, orientation, Photoshop's resources, IPTC, comments), and how many bytes each part takes; all pictures of
        the file, gain maps with their metadata, and what else stands behind the first one.
        Damage behind the first scan header is a warning in it. `str` of it is for people, `as_dict()` for JSON.

    Raises:
        CorruptJpeg: There is no picture in the file.
        JpegError: The file has no such picture.
        UnsupportedJpeg: The file is of a process or layout that this library does not decode.
        LimitExceeded: The file claims more than limits allow.
        TypeError: An argument is of the wrong type.
    """
    number = check_int("picture", picture, 0, 1 << 16)
    return inspect(chosen(as_bytes(data, "data"), number)[0], limits, as_tables(tables))
