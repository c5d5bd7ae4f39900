"""The functions people call."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .container import JpegInfo, inspect
from .errors import JpegError, JpegWarning
from .jpeg.simulate import simulate
from .options import ENGINES, MAX_SIDE, DecodeOptions, EncodeOptions, Limits, check_choice
from .types import Coefficients, register_pytree

__all__ = [
    "decode", "encode", "imread", "imwrite", "info", "read_coefficients", "simulate", "transcode", "write_coefficients",
]  # fmt: skip

Source = bytes | bytearray | memoryview | str | os.PathLike | BinaryIO


def _is_jax(x: Any) -> bool:
    return type(x).__module__.startswith(("jax", "jaxlib"))


def _image(x: Any, name: str, precision: int | None, lossless: bool) -> Any:
    """An image as a C-contiguous NumPy array or a JAX array [H, W], [H, W, 3] or [H, W, 4].

    It is uint8, or uint16 for a precision above 8 bits; lossless ones may be either, and None is then the dtype's.
    """
    if not _is_jax(x):
        if isinstance(x, (str, bytes, bytearray, list, tuple, os.PathLike)) or not hasattr(x, "__array__"):
            raise TypeError(f"{name}: must be a NumPy or JAX array of uint8, not {type(x).__name__}")
        x = np.asarray(x)
    wide = x.dtype == np.uint16 if lossless or precision is None else precision > 8
    dtype, bits = (np.uint16, 16) if wide else (np.uint8, 8)
    precision = precision or bits
    largest = (1 << min(precision, bits)) - 1
    if x.dtype != dtype:
        wanted = "; for uint16 pass precision=12 or lossless=True" if precision == 8 and x.dtype == np.uint16 else ""
        raise TypeError(f"{name}: dtype {x.dtype}; must be {np.dtype(dtype)} (values 0..{largest}){wanted}")
    if x.ndim == 3 and x.shape[2] == 1:
        x = x[:, :, 0]
    if x.ndim not in (2, 3) or (x.ndim == 3 and x.shape[2] not in (3, 4)):
        raise ValueError(
            f"{name}: shape {x.shape}; must be [H, W], [H, W, 1], [H, W, 3] or [H, W, 4] (grey, RGB, CMYK)"
        )
    if not all(1 <= side <= MAX_SIDE for side in x.shape[:2]):
        raise ValueError(f"{name}: {x.shape[1]}×{x.shape[0]} pixels; each side must be 1..{MAX_SIDE}")
    if precision < bits and int(x.max()) > largest:
        raise ValueError(f"{name}: values up to {int(x.max())}; precision={precision} holds 0..{largest}")
    return x if _is_jax(x) else np.ascontiguousarray(x)


def _images(images: Any, precision: int | None, lossless: bool) -> tuple[list[Any], bool]:
    """(images, whether the caller gave a single one)."""
    if isinstance(images, (list, tuple)):
        return [_image(x, f"images[{i}]", precision, lossless) for i, x in enumerate(images)], False
    if getattr(images, "ndim", None) == 4:
        if images.shape[3] not in (1, 3, 4):
            raise ValueError(
                f"images: shape {images.shape}; a batch must be [N, H, W, 1], [N, H, W, 3] or [N, H, W, 4]"
            )
        return [_image(x, f"images[{i}]", precision, lossless) for i, x in enumerate(images)], False
    return [_image(images, "images", precision, lossless)], True


def _bytes(data: Any, name: str) -> bytes | memoryview:
    """The bytes of a file given as bytes, buffer, path or binary file object."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        view = memoryview(data)
        return view.cast("B") if view.contiguous else view.tobytes()
    if isinstance(data, (str, os.PathLike)):
        return Path(data).read_bytes()
    if hasattr(data, "read"):
        content = data.read()
        if isinstance(content, (bytes, bytearray, memoryview)):
            return _bytes(content, name)
        raise TypeError(f"{name}: the file object must be opened in binary mode")
    if isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.ndim == 1:
        return np.ascontiguousarray(data).data
    raise TypeError(f"{name}: must be bytes, a buffer, a path or a binary file, not {type(data).__name__}")


def _tables(tables: Any) -> bytes | None:
    return None if tables is None else bytes(_bytes(tables, "tables"))


def _sources(data: Any) -> tuple[list[bytes | memoryview], bool]:
    if isinstance(data, (list, tuple)):
        return [_bytes(d, f"data[{i}]") for i, d in enumerate(data)], False
    return [_bytes(data, "data")], True


def _warn(found: Sequence[tuple[str, int]], single: bool, index: int) -> None:
    for message, offset in found:
        where = "" if single else f"data[{index}]: "
        warnings.warn(f"{where}{message} (byte offset {offset})", JpegWarning, stacklevel=3)


def encode(
    images: Any,
    *,
    quality: int | tuple[int, int] = 75,
    subsampling: Any = None,
    qtables: Any = None,
    optimize: bool = False,
    progressive: bool | None = None,
    arithmetic: bool = False,
    scans: Any = None,
    restart_rows: int = 0,
    restart_blocks: int = 0,
    tune: Any = None,
    target_bytes: int | None = None,
    target_metric: Any = None,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    comment: bytes | str | None = None,
    dpi: tuple[int, int] | None = None,
    precision: int | None = None,
    lossless: bool = False,
    predictor: int | None = None,
    point_transform: int = 0,
    engine: str = "auto",
    device: Any = None,
) -> bytes | list[bytes]:
    """JPEG files of images, byte-identical to libjpeg-turbo's (cjpeg, Pillow) with the same settings.

    images: uint8, values 0..255, NumPy or JAX: one image [H, W], [H, W, 1], [H, W, 3] (RGB) or [H, W, 4] (CMYK, 255 full
        ink, stored inverted behind an Adobe marker as Pillow does) gives bytes; a list of images, or a batch
        [N, H, W, C], gives a list. Sides 1..65,535.
    quality: IJG quality 1..100 (T.81 Annex K tables, scaled), or a pair of them for luma and chroma (cjpeg -quality 75,60).
    subsampling: "4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:1:0", cjpeg's "2x2" or "2x2,1x1,1x1", or three (h, v)
        pairs. None is "4:2:0" for RGB and "4:4:4" for CMYK, where C takes the first factors and K 1x1. Grey ignores it.
    qtables: one to four tables of 64 steps 1..65535 in natural order, used as they are in place of quality's; component
        i takes table min(i, last). Steps above 255 make the file extended sequential.
    optimize: Huffman tables fitted to each file. progressive: libjpeg's default scan script (implies optimize); None is
        False, or with `tune` whichever is smaller.
    scans: in place of the default script, the text of a script as cjpeg -scans reads it ("0; 1 2;" or "0: 1-5, 0, 2; …"),
        or a sequence of `types.Scan`, of which components, spectral and approximation count. Its first scan decides
        whether the file is progressive. Checked as libjpeg does: bits that it never sends are lost.
    restart_rows, restart_blocks: a restart marker every so many MCU rows or MCUs; 0 for none.
    icc_profile, exif, xmp: bytes to embed (exif with its leading b"Exif\\0\\0"). comment: bytes, or str as UTF-8.
    dpi: (x, y) dots an inch, 1..65,535.
    precision: bits a sample, 8 unless given. With 12, images are uint16 0..4095, files extended sequential or progressive,
        Huffman tables always fitted, and quality's steps not held to 255 (cjpeg -precision 12).
    lossless: keep every sample (cjpeg -lossless; SOF3): RGB stays RGB, nothing is subsampled, the table is always fitted,
        quality and optimize do not count; progressive, arithmetic, scans, qtables, restart_blocks and other samplings
        are refused. Images are uint8 or uint16, precision 2..16 bits that hold all values, by default those of the dtype.
        predictor: 1..7 (T.81 table H.1), None for the one that makes the smallest file, by every 2nd to 8th row in
        pictures above 2^18 samples. point_transform: low bits 0..15 to drop from every sample, below precision.
    engine: "host" (CPU kernels), "xla" (any JAX device), or "auto": host on CPU, xla on accelerators or where a device
        is named. device: a jax.Device, platform name, Mesh or Sharding for xla; all local devices by default.

    tune: "psnr", "ms-ssim", "ssimulacra2", or True for all of them in fair shares: smaller files of about the quality that
        plain ones have, no longer libjpeg's bytes; every decoder reads them. Own tables, trellis quantisation, the best
        scans; subsampling None is the tune's choice. Grey and RGB of 8 bits, not with qtables or lossless.

    target_bytes: a size that no file exceeds; it is the largest found below, within 1 %. quality then does not count.
    target_metric: ("ssimulacra2", 80), or "psnr", "ssim" or "ms-ssim" as `jpegjax.metrics` has them, and a value that every
        file reaches; it is the smallest found, within 0.3 of SSIMULACRA2, 0.05 dB of PSNR and 0.1 dB of -10·log10(1 - SSIM).
        Both targets encode each image at most eight times; without tune by Annex K's tables at fractional qualities.

    TypeError and ValueError name the argument, its value and what is allowed; also the range of targets within reach.
    """
    options = EncodeOptions(
        quality, subsampling, qtables, optimize, progressive, arithmetic, restart_rows, restart_blocks, tune, target_bytes,
        target_metric, icc_profile, exif, xmp, comment, dpi, precision, lossless, predictor, point_transform, scans,
    )  # fmt: skip
    check_choice("engine", engine, ENGINES)
    batch, single = _images(images, options.precision, options.lossless)
    from .jpeg.targets import encode as encode_batch

    files = encode_batch(batch, options, engine, device)
    return files[0] if single else files


def decode(
    data: Source | Sequence[Source],
    *,
    mode: str | None = None,
    scale: Any = 1,
    crop: tuple[int, int, int, int] | None = None,
    upsample: str = "fancy",
    apply_exif_orientation: bool = False,
    strict: bool = False,
    limits: Limits = Limits(),
    tables: Source | None = None,
    engine: str = "auto",
    device: Any = None,
) -> Any:
    """Pixels of JPEG files, identical to libjpeg-turbo's (islow IDCT, fancy upsampling).

    data: bytes, buffer, path or binary file; a list of them gives a list.
    mode: None as the file is, "L" grey (luma) or "RGB"; "CMYK" only for files that are CMYK or YCCK, which in turn become
        nothing else (as in libjpeg: UnsupportedJpeg). upsample: "fancy" (triangle filter) or "nearest" (djpeg -nosmooth).
    scale: k/8 with k = 1..16 as a number or a string such as "3/8", by inverse DCTs of other sizes as djpeg -scale does
        it; each side is ⌈side·k/8⌉. Not for lossless files (UnsupportedJpeg).
    crop: (x, y, width, height) of a region of the result, which is then decode(...)[y : y + height, x : x + width]
        exactly, but only what the region needs is transformed and kept (the coefficients of progressive, arithmetic and
        multi-scan files are all read). Damage elsewhere may go unnoticed. ValueError where it does not fit.
    apply_exif_orientation: turn the picture upright as its EXIF orientation says; damaged EXIF is a JpegWarning.
    strict: damage raises CorruptJpeg; otherwise what can be saved is decoded, with a JpegWarning for each trouble.
    limits: bounds on pixels, scans and memory, see `Limits`.
    tables: an abbreviated stream of quantisation and Huffman tables alone (T.81 B.5), for data that come without them.
    engine, device: as for `encode`; where a device is named the pixels stay there as jax.Array.

    Returns uint8 [H, W] (grey), [H, W, 3] (RGB) or [H, W, 4] (CMYK, inverted as Pillow does, so that 255 is full ink);
    uint16 for files of more than 8 bits, values 0..2^bits - 1. Raises CorruptJpeg, UnsupportedJpeg or LimitExceeded, all
    JpegError, with the byte offset.
    """
    options = DecodeOptions(mode, scale, upsample, apply_exif_orientation, strict, limits, _tables(tables), crop)
    check_choice("engine", engine, ENGINES)
    files, single = _sources(data)
    from .jpeg import codec
    from .jpeg.upright import upright

    results = codec.decode(files, options, engine, device)
    images = []
    for i, (pixels, found) in enumerate(results):
        if apply_exif_orientation and not isinstance(pixels, Exception):
            pixels, damaged = upright(pixels, files[i], options)
            found = [*found, *damaged]
        if isinstance(pixels, Exception):
            if not single:
                pixels.add_note(f"in data[{i}]")
            raise pixels
        _warn(found, single, i)
        images.append(pixels)
    return images[0] if single else images


def info(data: Source, *, limits: Limits = Limits(), tables: Source | None = None) -> JpegInfo:
    """What a file's markers say: size, process, sampling, tables, quality estimate, scans, metadata, bytes of each part.

    No image data is decoded. Damage behind the first scan header is a warning in the answer.
    tables: as for `decode`. Raises CorruptJpeg, UnsupportedJpeg or LimitExceeded as `decode` does.
    """
    return inspect(_bytes(data, "data"), limits, _tables(tables))


def read_coefficients(
    data: Source | Sequence[Source], *, strict: bool = False, limits: Limits = Limits(), tables: Source | None = None
) -> Coefficients | list[Coefficients]:
    """Quantised DCT coefficients of JPEG files, without decoding to pixels.

    data, strict, limits, tables, errors and warnings: as for `decode`. A single file gives
    `Coefficients` with N = 1, a list a list. Planes are NumPy int16 [1, rows, columns, 8, 8] in natural order, real blocks only.
    """
    register_pytree()
    options = DecodeOptions(strict=strict, limits=limits, tables=_tables(tables))
    files, single = _sources(data)
    from .jpeg import codec

    out = []
    for i, (found, noted) in enumerate(codec.read(files, options)):
        if isinstance(found, JpegError):
            if not single:
                found.add_note(f"in data[{i}]")
            raise found
        _warn(noted, single, i)
        out.append(found)
    return out[0] if single else out


def write_coefficients(
    coefficients: Coefficients | Sequence[Coefficients],
    *,
    optimize: bool = False,
    progressive: bool = False,
    arithmetic: bool = False,
    scans: Any = None,
    restart_rows: int = 0,
    restart_blocks: int = 0,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    comment: bytes | str | None = None,
    dpi: tuple[int, int] | None = None,
) -> bytes | list[bytes]:
    """JPEG files of quantised coefficients: the inverse of `read_coefficients`.

    coefficients: planes int16 (or integers in its range) as `Coefficients` says, NumPy or JAX; N = 1 gives bytes, more or
    a list of them gives a list. AC within ±1023 and DC differences within ±2047 (±16383 and ±32767 at 12 bits): ValueError
    otherwise, and for planes that do not fit the frame. Options as for `encode`.
    """
    options = EncodeOptions(
        optimize=optimize, progressive=progressive, arithmetic=arithmetic, scans=scans, restart_rows=restart_rows,
        restart_blocks=restart_blocks, icc_profile=icc_profile, exif=exif, xmp=xmp, comment=comment, dpi=dpi,
    )  # fmt: skip
    single = isinstance(coefficients, Coefficients)
    if not single and not isinstance(coefficients, (list, tuple)):
        raise TypeError(f"coefficients: must be jpegjax.Coefficients or a list, not {type(coefficients).__name__}")
    items: Iterable[Any] = [coefficients] if isinstance(coefficients, Coefficients) else coefficients
    one_by_one = []
    for i, c in enumerate(items):
        name = "coefficients" if single else f"coefficients[{i}]"
        if not isinstance(c, Coefficients):
            raise TypeError(f"{name}: must be jpegjax.Coefficients, not {type(c).__name__}")
        if not c.planes or any(getattr(p, "ndim", 0) != 5 for p in c.planes):
            raise ValueError(f"{name}: planes must be arrays [N, rows, columns, 8, 8], one for each component")
        for k in c.frame.components:
            if not (0 <= k.id <= 255 and 1 <= k.h <= 4 and 1 <= k.v <= 4 and 0 <= k.tq <= 3):
                raise ValueError(f"{name}: {k}; identifiers are 0..255, factors 1..4, tables 0..3")
        one_by_one += [c[n] for n in range(c.batch)]
    from .jpeg import codec

    files = codec.write(one_by_one, options)
    return files[0] if single and len(files) == 1 else files


def transcode(
    data: Source | Sequence[Source],
    *,
    rotate: int = 0,
    flip: str | None = None,
    crop: tuple[int, int, int | None, int | None] | None = None,
    trim: bool = False,
    perfect: bool = False,
    grayscale: bool = False,
    optimize: bool = True,
    progressive: bool | None = None,
    arithmetic: bool = False,
    scans: Any = None,
    restart_rows: int = 0,
    restart_blocks: int = 0,
    keep: str | Sequence[str] = "all",
    icc_profile: bytes | None = None,
    apply_exif_orientation: bool = False,
    strict: bool = False,
    limits: Limits = Limits(),
) -> bytes | list[bytes]:
    """JPEG files made of JPEG files without loss, byte-identical to jpegtran's: the quantised coefficients stay.

    data, strict, limits and warnings: as for `decode`. A single file gives bytes, a list a list, coded on all cores.
    apply_exif_orientation, rotate (0, 90, 180 or 270 degrees clockwise), flip ("horizontal", "vertical", "transpose",
        "transverse") and crop are carried out in this order, the turns as one. An applied orientation is set to 1.
    crop: (x, y, width, height) in pixels of the turned picture; width or height None for all that is left. x and y go
        down to the next MCU (8 pixels for grey, 8 × the largest sampling factor for colour), width and height grow by
        as much.
    trim, perfect: a last column or row of MCUs that is not whole cannot be mirrored, and stays where it is; trim cuts
        it off, perfect raises ValueError.
    grayscale: the luma of YCbCr files alone; ValueError for other colour spaces.
    optimize: Huffman tables fitted to each file, else Annex K's. progressive: None as the file is. arithmetic:
        arithmetic coding in place of Huffman's. scans, restart_rows, restart_blocks: as for `encode`; the file's own
        go. A script of scans that leaves out bits makes a file without them.
    keep: which APPn and COM segments stay, as they are and in order: "all", "none", or among "comments", "exif", "icc",
        "xmp" and "other". JFIF and Adobe markers, which say the colour space, are written anew. Like jpegtran, an EXIF
        segment in the first place takes the place of JFIF, and is told the picture's new size.
    icc_profile: a profile to embed in place of the file's.

    Raises CorruptJpeg, UnsupportedJpeg or LimitExceeded, all JpegError; ValueError for a crop outside the picture or a
    script that does not suit it. What follows the end of the picture in a file is left out.
    """
    from .jpeg.transcode import TranscodeOptions
    from .jpeg.transcode import transcode as run

    options = TranscodeOptions(
        rotate, flip, crop, trim, perfect, grayscale, optimize, progressive, arithmetic, restart_rows, restart_blocks,
        keep, icc_profile, apply_exif_orientation, strict, limits, scans,
    )  # fmt: skip
    sources, single = _sources(data)
    files = []
    for i, (file, found) in enumerate(run(sources, options)):
        if isinstance(file, ValueError):
            if not single:
                file.add_note(f"in data[{i}]")
            raise file
        _warn(found, single, i)
        files.append(file)
    return files[0] if single else files


def imread(path: Source, **options: Any) -> Any:
    """`decode` of one file by path: uint8 [H, W] or [H, W, 3]. Options as for `decode`."""
    if isinstance(path, (list, tuple)):
        raise TypeError("path: imread takes one file; decode takes lists")
    return decode(path, **options)


def imwrite(path: str | os.PathLike, image: Any, **options: Any) -> None:
    """`encode` of one image to a file, replaced as a whole or not at all. Options as for `encode`."""
    if isinstance(image, (list, tuple)) or getattr(image, "ndim", 2) == 4:
        raise TypeError("image: imwrite takes one image; encode takes batches")
    content = encode(image, **options)
    assert isinstance(content, bytes)
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
