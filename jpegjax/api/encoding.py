"""Images to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

import numpy as np

from ..options import (
    ENGINES,
    ERRORS,
    EncodeColor,
    EncodeOptions,
    Engine,
    Errors,
    GainMap,
    Metadata,
    Mode,
    Restart,
    StreamType,
    TargetMetric,
    Tune,
    check_choice,
)
from ..types import Array, ColorSpace, Device, Scan
from .beside import Importance, as_gain_maps, as_importance, attached
from .inputs import Result, Source, as_images, luma, on_good, settled
from .keeping import kept
from .restoring import network_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..container import JpegInfo
    from .keywords import EncodeKeywords

__all__ = ["encode", "encode_batch", "encode_each"]


@overload
def encode(images: Array, *, errors: Literal["raise"] = "raise", **options: Unpack[EncodeKeywords]) -> bytes: ...
@overload
def encode(
    images: Sequence[Array], *, errors: Literal["raise"] = "raise", **options: Unpack[EncodeKeywords]
) -> list[bytes]: ...
@overload
def encode(images: Array, *, errors: Literal["return"], **options: Unpack[EncodeKeywords]) -> bytes | Exception: ...
@overload
def encode(
    images: Sequence[Array], *, errors: Literal["return"], **options: Unpack[EncodeKeywords]
) -> list[bytes | Exception]: ...
def encode(
    images: Array | Sequence[Array],
    *,
    quality: int | tuple[int, int] | Literal["keep"] = 75,
    subsampling: str | int | Sequence[tuple[int, int]] | None = None,
    qtables: npt.ArrayLike | Mapping[int, npt.ArrayLike] | Literal["keep"] | None = None,
    qslots: str | int | Sequence[int] | None = None,
    color: EncodeColor | ColorSpace | None = None,
    smoothing: int = 0,
    like: Source | JpegInfo | None = None,
    optimize: bool = False,
    progressive: bool | None = None,
    arithmetic: bool = False,
    scans: str | Sequence[Scan] | None = None,
    restart_rows: int = 0,
    restart_blocks: int = 0,
    tune: Tune | None = None,
    dering: bool | None = None,
    refine: int = 0,
    importance: Importance | Sequence[Importance | None] | None = None,
    target_bytes: int | None = None,
    target_metric: tuple[TargetMetric, float] | None = None,
    icc_profile: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    comment: bytes | str | None = None,
    dpi: tuple[float, float] | None = None,
    precision: int | None = None,
    mode: Mode | None = None,
    lossless: bool = False,
    predictor: int | None = None,
    point_transform: int = 0,
    streamtype: StreamType = 0,
    gain_map: GainMap | Sequence[GainMap | None] | None = None,
    errors: Errors = "raise",
    engine: Engine = "auto",
    device: Device | None = None,
) -> Any:
    """JPEG files of images, byte-identical to libjpeg-turbo's (cjpeg, Pillow) with the same settings.

    Args:
        images: One image, or several. uint8, values 0..255, NumPy or JAX: [H, W] or [H, W, 1] (grey), [H, W, 3] (RGB) or
            with mode="CMYK" [H, W, 4] (255 full ink, stored inverted behind an Adobe marker as Pillow does). uint16 where
            precision or lossless says so; any byte order and strides. Sides 1..65,535 pixels.
            Several are a list, whose images may differ in size, or one array [N, H, W, C]. Type checkers take an array for
            one image; `list(batch)` tells them better.
        quality: IJG quality 1..100, or two of them for luma and chroma. It scales the tables of T.81 Annex K, as
            cjpeg -quality 75,60 does.
            "keep" takes tables and sampling of the file `like`, as Pillow's does.
        subsampling: Chroma sampling: 4:4:4, 4:2:2, 4:2:0, 4:4:0, 4:1:1, 4:1:0, cjpeg's 2x2, or auto. Also "2x2,1x1,1x1", or
            three pairs (h, v), 1..4 each, or Pillow's 0, 1, 2 for the first three. None is "4:2:0" for RGB, with tune "auto", and
            "4:4:4" for CMYK, where C takes the first factors and K 1x1. Grey keeps the first factors in its header, where
            they mean nothing. "auto" is 4:4:4 for pictures, such as coloured text, whose chroma has more detail than their
            quality may lose, else 4:2:0; pictures that are to reach a target are judged as at quality 75. "keep" is that of
            `like`.
        qtables: One to four quantisation tables in place of quality's, used as they are. Each 64 steps 1..65,535 in
            natural order; component i takes table min(i, last). Steps above 255 make the file extended sequential.
            "keep" takes those of `like`.
        qslots: Which table each component takes, such as 0,1,1. As cjpeg -qslots has it: the last number counts for all
            components that follow. Of qtables, or of quality's two.
        color: What the file holds: grey, YCbCr or RGB of colour pictures. YCbCr by default; "RGB" as cjpeg -rgb and Pillow's
            keep_rgb, sampled 4:4:4 unless subsampling says otherwise; "grey" is libjpeg's luma.
        smoothing: Smooth pictures of dithered colours first, 0..100. As cjpeg -smooth and Pillow's smooth: each pixel takes
            smoothing/1024 of each of its eight neighbours, where components are sampled 1:1 or 2:2.
        like: A JPEG file, or its `info`, whose tables and sampling "keep" takes, so that pixels of it, changed or not, lose
            as little as can be. Sampling is kept of three components; CMYK and grey are 1x1, as in Pillow.
        optimize: Huffman tables fitted to each file. Otherwise those of Annex K.
        progressive: Progressive scans. By libjpeg's default script, which implies optimize; None is False, or with tune
            whichever is smaller.
        arithmetic: Arithmetic coding in place of Huffman's. Smaller, but most viewers cannot show it.
        scans: Scan script as cjpeg -scans reads it, in place of the default one. Text ("0; 1 2;" or "0: 1-5, 0, 2; …"), or
            a sequence of `types.Scan`, of which components, spectral and approximation count. Its first scan decides
            whether the file is progressive. Checked as libjpeg does: bits that it never sends are lost.
        restart_rows: Restart marker every so many MCU rows, 0 for none. A reader picks a damaged file up again there.
        restart_blocks: Restart marker every so many MCUs, 0 for none.
        tune: Smaller files; no longer libjpeg's bytes, but every decoder reads them. True to ship unseen: chosen on a panel
            of metrics, of photographs and of text, screens and charts. "ssimulacra2", "butteraugli", "psnr" or "ms-ssim"
            for that one, the last two at the others' expense. A quality keeps its meaning in the tune's own metric, in
            SSIMULACRA2 and Butteraugli where the eye is meant. "restored" is for `decode(restore="auto")`: the file is marked
            (APP10), its numbers were found with the network behind it, and a quality means the PSNR of the restored picture;
            other decoders show it as any file, somewhat below that. Own tables, trellis quantisation, the best scans;
            subsampling None is "auto". Grey and RGB of 8 bits.
        dering: Let black and white overshoot, which decoders clamp, so that edges on them ring less. Luma's samples of 0 and
            255 move up to 96 beyond the range where that suits the tables: a third fewer bytes for pages of text at equal
            SSIMULACRA2; pictures without such samples keep their bytes. None is on with tune, else off. Grey and YCbCr of 8 bits.
        refine: Rounds in which a tuned file's picture is looked at and the file aimed anew. 0..64, for tune "psnr", as decoders
            show it, and for "restored", as the network restores it: the slope of the error by every coefficient tells where
            the trellis should aim (analysis by synthesis). Two or three give most of what there is: on photographs 1 % fewer
            bytes at equal PSNR for "psnr", 6 % for "restored", at a tenth and a 150th of the speed; a quality then gives
            some 0.4 and 0.7 dB more and larger files. The slopes are floats: another backend may choose a few levels otherwise;
            within one, files are the same for all batches and devices.
        importance: What errors cost where they fall, of tuned files: a map [H, W] of the image's size, floats from 0 on, finite,
            or bool; NumPy or JAX. 1 is what they cost without a map, 2 twice that; 16 is the most and a 64th the least that
            counts, a block of 8×8 pixels (16×16 of halved chroma) takes the mean of its pixels. Saliency, faces, text,
            a segmentation: what counts little loses detail first (the trellis's λ and so its dead zones, luma's and
            chroma's). Steps of the tables are the quality's, so places that count much gain little by themselves: give them 1
            and all others less, or say the size by target_bytes, which turns what the others give up into quality. For
            several images a list of as many, None for one without.
        target_bytes: The largest file of at most so many bytes. Found within 1 %; quality then does not count.
        target_metric: The smallest file that reaches a value of a metric. ("ssimulacra2", 80), or "psnr", "psnr-hvs-m",
            "ssim", "ms-ssim" or "haarpsi" as `jpegjax.metrics` has them; ("butteraugli", 1.5): at most that distance, by
            the 3-norm. Found within 0.3 of SSIMULACRA2, 2 % of Butteraugli, 0.05 dB of PSNR, 0.1 dB of PSNR-HVS-M and of
            -10·log10(1 - SSIM). Both targets encode each image at most eight times; without tune by Annex K's tables at
            fractional qualities.
        icc_profile: ICC profile to embed. Any bytes, in as many segments as they take.
        exif: EXIF to embed, with or without its leading b"Exif\\0\\0". TIFF data, such as Pillow's image.info["exif"] or
            image.getexif().tobytes().
        xmp: XMP packet to embed. XML, with or without the prefix that it has in files. Above 65,502 bytes its largest
            properties go to an extended packet (XMP part 3, 1.1.3.1).
        comment: Comment to embed; text as UTF-8.
        dpi: Dots an inch (x, y) to embed, 1..65535. JFIF holds integers; others are rounded as Pillow does, halves to even.
        precision: Bits a sample: 8 or 12, lossless 2..16. 8 unless given. With 12, images are uint16 0..4095, files
            extended sequential or progressive, Huffman tables always fitted, and quality's steps not held to 255 (cjpeg
            -precision 12).
        mode: What images hold: L, RGB or CMYK; by default L or RGB by their channels. Four channels without "CMYK" raise: they
            might be RGBA, whose alpha JPEG cannot keep.
        lossless: Keep every sample (T.81 SOF3). As cjpeg -lossless: RGB stays RGB, nothing is subsampled, the Huffman
            table is always fitted, quality and optimize do not count. Images are uint8 or uint16, precision 2..16 bits
            that hold all values, by default those of the dtype.
        predictor: Predictor 1..7 of lossless files, by default the best for each. As T.81 table H.1 numbers them; the best
            is found by every 2nd to 8th row in pictures above 2^18 samples.
        point_transform: Low bits 0..15 that lossless files drop. Fewer than precision.
        streamtype: 0 whole files, 1 a stream of their tables, 2 files without tables. As Pillow's; `decode(tables=...)` joins
            them again. Huffman tables that are fitted to a file stay in it.
        gain_map: A `GainMap` that leads from the picture to its HDR rendition, written behind it (Ultra HDR 1.1). For several
            images a list of as many, None for one without. The file says so three times: by XMP (GContainer, hdrgm), the
            MP Index and ISO 21496-1; `info(file).gain_map` and `decode(file, picture=1)` read it back.
        errors: What becomes of errors that pictures meet: raise the first, or return each in place of its file. Either way
            the message says which item of a list it was. Errors in options are always raised.
        engine: "host" (CPU kernels), "xla" (any JAX device), or "auto": host on CPU, xla on accelerators or where a
            device is named. The files are the same.
        device: A jax.Device, a platform's name, a Mesh or a Sharding for xla; all local devices by default.

    Returns:
        The bytes of a file for one image, a list of them for several.

    Raises:
        TypeError: An argument, or the dtype of an image, is of the wrong type. The message names it and what is allowed.
        ValueError: An argument or a shape is out of range, options contradict one another, or a target is out of reach;
            the message then says what the image's range is.
        DeviceMemoryError: A device's memory has ended, though batches are cut to what it has.
    """
    given = (
        like, quality, subsampling, qtables, qslots, color, smoothing, optimize, progressive, arithmetic, scans, restart_rows,
        restart_blocks, tune, dering, refine, target_bytes, target_metric, icc_profile, exif, xmp, comment, dpi, precision, mode,
        lossless, predictor, point_transform, streamtype,
    )  # fmt: skip
    usual = like is None and _SCALARS.issuperset(map(type, given))
    options: EncodeOptions = (_known_options if usual else _options)(*given)
    check_choice("engine", engine, ENGINES)
    check_choice("errors", errors, ERRORS)
    batch, single = as_images(images, options, errors)
    if options.color is ColorSpace.GRAY:
        batch = [luma(x) if getattr(x, "shape", ())[2:] == (3,) else x for x in batch]
    maps = as_gain_maps(gain_map, batch, single, options)
    weights = as_importance(importance, batch, single, options)
    results = on_good(lambda good: encode_each(good, options, engine, device, errors == "raise", weights), batch)
    if maps is not None:
        results = attached(results, maps, engine, device)
    files = settled(results, single, errors)
    return files[0] if single else files


_SCALARS = {int, bool, str, type(None)}
"""Types whose values are equal only to what means the same: options of them alone are checked once, not for each picture."""


def _options(
    like: Any,
    quality: Any,
    subsampling: Any,
    qtables: Any,
    qslots: Any,
    color: Any,
    smoothing: Any,
    optimize: Any,
    progressive: Any,
    arithmetic: Any,
    scans: Any,
    restart_rows: Any,
    restart_blocks: Any,
    tune: Any,
    dering: Any,
    refine: Any,
    target_bytes: Any,
    target_metric: Any,
    icc_profile: Any,
    exif: Any,
    xmp: Any,
    comment: Any,
    dpi: Any,
    precision: Any,
    mode: Any,
    lossless: Any,
    predictor: Any,
    point_transform: Any,
    streamtype: Any,
) -> EncodeOptions:
    """The options of `encode`'s arguments."""
    given = kept(like, quality, subsampling, qtables, qslots)
    return EncodeOptions(
        **given._asdict(),
        color=color,
        smoothing=smoothing,
        optimize=optimize,
        progressive=progressive,
        arithmetic=arithmetic,
        scans=scans,
        restart=Restart(rows=restart_rows, blocks=restart_blocks),
        tune=tune,
        dering=dering,
        refine=refine,
        target_bytes=target_bytes,
        target_metric=target_metric,
        metadata=Metadata(icc_profile=icc_profile, exif=exif, xmp=xmp, comment=comment, dpi=dpi),
        precision=precision,
        mode=mode,
        lossless=lossless,
        predictor=predictor,
        point_transform=point_transform,
        streamtype=streamtype,
    )


_known_options: Any = lru_cache(maxsize=256, typed=True)(_options)


def encode_each(
    images: Any, options: EncodeOptions, engine: str, device: Any, stop: bool = False,
    importance: Sequence[np.ndarray | None] | None = None,
) -> list[Result]:  # fmt: skip
    """Files of images, uint8 or uint16 [H, W], [H, W, 3] or [H, W, 4], or of one JAX array of them, by options that are read
    already.

    What a picture meets stands in place of its file. stop: once one has failed, others may be left out, as None. importance:
    of `as_importance`, one for each image.
    """
    targets = options.target_bytes is not None or options.target_metric is not None
    network = network_of(options.tune) if options.refine else None
    given = list(images) if targets else images
    return [(file, ()) for file in _coder(targets).encode(given, options, engine, device, stop, network, importance)]


@cache
def _coder(targets: bool) -> Any:
    """The module of plain codings, or of those to targets, imported at the first call."""
    if targets:
        from ..jpeg import targets as found

        return found
    from ..jpeg import codec

    return codec


def encode_batch(images: Sequence[Any], options: EncodeOptions, engine: str, device: Any) -> list[bytes]:
    """`encode_each` whose first error is raised."""
    return settled(encode_each(images, options, engine, device, True), len(images) == 1, "raise")
