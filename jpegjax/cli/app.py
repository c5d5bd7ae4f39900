"""The verbs and their flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import ENGINES, DecodeOptions, EncodeOptions, Metadata, TranscodeOptions, check_choice
from . import settings
from .flags import (
    Codec,
    Device,
    Engine,
    Inputs,
    Jobs,
    LimitMemory,
    LimitPixels,
    Model,
    Optimize,
    Output,
    Overwrite,
    Quiet,
    Recursive,
    Region,
    Restart,
    Scale,
    Scans,
    Strict,
    TargetBytes,
    TargetMetric,
    Tune,
    Upright,
    Version,
    said,
)
from .paths import BOX_SUFFIX, JPEG_SUFFIXES, UsageError, find, in_place, plan, shown
from .run import run, usage
from .verbs.codecs import codecs
from .verbs.compare import compare
from .verbs.demo import demo
from .verbs.info import info
from .verbs.train import train

__all__ = ["app"]

app: typer.Typer = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

_FORMATS = ("png", "ppm", "bmp", "tiff", "npy")


@app.callback(invoke_without_command=False)
def _root(version: Version = False) -> None:
    """JPEG files, byte-identical to libjpeg-turbo's: encode, decode, transcode, look inside."""


@app.command()
def encode(
    context: typer.Context,
    inputs: Inputs,
    output: Output = None,
    quality: Annotated[
        str | None, typer.Option("-q", "--quality", help=said("quality", "Two as 75,60. [default: 75]"))
    ] = None,
    codec: Codec = None,
    model: Model = None,
    subsampling: Annotated[
        str | None,
        typer.Option("--subsampling", "--sample", help=said("subsampling", "[default: 4:2:0]")),
    ] = None,
    optimize: Optimize = False,
    tune: Tune = None,
    target_bytes: TargetBytes = None,
    target_metric: TargetMetric = None,
    progressive: Annotated[
        bool | None,
        typer.Option("--progressive/--baseline", help=said("progressive", "[default: baseline; tuned, the smaller]")),
    ] = None,
    scans: Scans = None,
    precision: Annotated[
        int | None, typer.Option(help=said("precision", "Pictures are scaled to 12. [default: 8]"))
    ] = None,
    lossless: Annotated[bool, typer.Option("--lossless", help=said("lossless", "16-bit grey stays so."))] = False,
    predictor: Annotated[int | None, typer.Option(help=said("predictor"))] = None,
    point_transform: Annotated[int, typer.Option(help=said("point_transform"))] = 0,
    restart: Restart = None,
    grayscale: Annotated[
        bool, typer.Option("--grayscale", "--greyscale", help="Grey files of colour pictures.")
    ] = False,
    qtables: Annotated[Path | None, typer.Option(help=said("qtables", "A file as for cjpeg."))] = None,
    comment: Annotated[str | None, typer.Option(help=said("comment", kind=Metadata))] = None,
    icc: Annotated[
        str | None, typer.Option(help=said("icc_profile", "A file, or 'keep' for each input's own.", Metadata))
    ] = None,
    background: Annotated[
        str | None, typer.Option(help="Colour under transparent pixels; without it they are refused.")
    ] = None,
    exif_transpose: Upright = False,
    psnr: Annotated[bool, typer.Option("--psnr", help="Decode again and report PSNR.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare bytes and decoded pixels with libjpeg-turbo's.")
    ] = False,
    recursive: Recursive = False,
    overwrite: Overwrite = False,
    engine: Engine = "auto",
    device: Device = None,
    jobs: Jobs = None,
    limit_pixels: LimitPixels = None,
    quiet: Quiet = False,
) -> None:
    """Make JPEG files of pictures of any format that Pillow reads."""
    try:
        if codec is not None or model is not None:
            from .boxes import encode_boxes

            raise typer.Exit(run(*encode_boxes(context), quiet, jobs))
        check_choice("--engine", engine, ENGINES)
        if qtables and quality is not None:
            raise UsageError("--qtables and --quality: give one of them")
        if lossless and quality is not None:
            raise UsageError("--lossless and --quality: give one of them")
        options = EncodeOptions(
            quality=settings.quality(quality),
            subsampling=subsampling,
            qtables=settings.qtables(qtables),
            optimize=optimize,
            progressive=progressive,
            scans=settings.scans(scans),
            tune=True if tune == "all" else tune,
            target_bytes=target_bytes,
            target_metric=settings.target_metric(target_metric),
            metadata=Metadata(
                icc_profile=settings.file_bytes("--icc", Path(icc)) if icc and icc != "keep" else None, comment=comment
            ),
            restart=settings.restart(restart),
            precision=precision,
            lossless=lossless,
            predictor=predictor,
            point_transform=point_transform,
        )
        from . import oracle, pictures
        from .work import EncodeJob

        if background is not None:
            pictures.check_color(background)
        if verify and options.precision == 12:
            raise UsageError("--verify: Pillow neither reads nor writes files of 12 bits")
        if verify and (scans or tune or target_bytes or target_metric):
            raise UsageError(
                f"--verify: Pillow knows no {'scan scripts' if scans else '--tune' if tune else 'targets'}"
            )
        if verify and oracle.turbo_version() is None:
            raise UsageError("--verify: this Pillow was not built with libjpeg-turbo")
        suffixes = pictures.picture_suffixes()
        if output is None:
            suffixes -= JPEG_SUFFIXES  # a folder's own JPEG files would be their own outputs
        sources, lost = find(inputs, recursive, lambda path: path.suffix.lower() in suffixes)
        targets = plan(sources, output, ".jpg")
        settings.no_binary_to_terminal(targets)
        work = EncodeJob(
            options,
            engine=engine,
            device=settings.device(device, engine),
            background=background,
            transpose=exif_transpose,
            gray=grayscale,
            keep_icc=icc == "keep",
            psnr=psnr,
            verify=verify,
            overwrite=overwrite,
            limit_pixels=settings.limits(limit_pixels, None).pixels,
        )
    except (UsageError, ValueError, TypeError, NotImplementedError) as error:
        raise usage(error) from None
    raise typer.Exit(run(work, targets, lost, quiet, jobs))


@app.command()
def decode(
    inputs: Inputs,
    output: Output = None,
    format: Annotated[
        str | None, typer.Option("-f", "--format", help="png, ppm, bmp, tiff or npy. [default: -o's suffix, else png]")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Weights (.npz) that .jxj files were written with.")] = None,
    mode: Annotated[str | None, typer.Option(help=said("mode", kind=DecodeOptions))] = None,
    grayscale: Annotated[bool, typer.Option("--grayscale", "--greyscale", help="Short for --mode L.")] = False,
    scale: Scale = "1",
    crop: Region = None,
    upsample: Annotated[str, typer.Option(help=said("upsample", kind=DecodeOptions))] = "fancy",
    exif_transpose: Upright = False,
    strict: Strict = False,
    recursive: Recursive = False,
    overwrite: Overwrite = False,
    engine: Engine = "auto",
    device: Device = None,
    jobs: Jobs = None,
    limit_pixels: LimitPixels = None,
    limit_memory: LimitMemory = None,
    quiet: Quiet = False,
) -> None:
    """Turn JPEG files into pictures."""
    try:
        check_choice("--engine", engine, ENGINES)
        if grayscale and mode not in (None, "L"):
            raise UsageError(f"--grayscale and --mode {shown(mode)}: give one of them")
        options = DecodeOptions(
            mode="L" if grayscale else mode,
            scale=scale,
            crop=settings.region(crop),
            upsample=upsample,
            apply_exif_orientation=exif_transpose,
            strict=strict,
            limits=settings.limits(limit_pixels, limit_memory),
        )
        if format is None:
            named = Path(output).suffix.lower().lstrip(".") if output else ""
            format = {"tif": "tiff", "pgm": "ppm", "pnm": "ppm"}.get(named, named if named in _FORMATS else "png")
        check_choice("--format", format, _FORMATS)
        loaded = None
        if model is not None:
            from ..learned import weights

            loaded = weights.load(weights.file_of(model))
        from .work import DecodeJob

        suffixes = JPEG_SUFFIXES | {BOX_SUFFIX}
        sources, lost = find(inputs, recursive, lambda path: path.suffix.lower() in suffixes)
        targets = plan(sources, output, f".{format}")
        settings.no_binary_to_terminal(targets)
        if engine == "auto" and sources and all(s.path and s.path.suffix.lower() == BOX_SUFFIX for s in sources):
            engine = "xla"  # what reads them; the kernels for JPEG are not needed
        work = DecodeJob(options, format, engine, settings.device(device, engine), exif_transpose, overwrite, loaded)
    except (UsageError, ValueError, TypeError, NotImplementedError) as error:
        raise usage(error) from None
    raise typer.Exit(run(work, targets, lost, quiet, jobs))


@app.command()
def transcode(
    inputs: Inputs,
    output: Annotated[
        str | None, typer.Option("-o", "--output", "--outfile", help="File, folder, or - for stdout.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--in-place", help="Replace each input, at once and as a whole; damaged ones stay.")
    ] = False,
    rotate: Annotated[int, typer.Option(help=said("rotate", kind=TranscodeOptions))] = 0,
    flip: Annotated[str | None, typer.Option(help="horizontal or vertical; after --rotate.")] = None,
    transpose: Annotated[bool, typer.Option("--transpose", help="Mirror about the main diagonal.")] = False,
    transverse: Annotated[bool, typer.Option("--transverse", help="Mirror about the other diagonal.")] = False,
    crop: Annotated[str | None, typer.Option(help=said("crop", "Written WxH+X+Y.", TranscodeOptions))] = None,
    trim: Annotated[bool, typer.Option("--trim", help=said("trim", kind=TranscodeOptions))] = False,
    perfect: Annotated[bool, typer.Option("--perfect", help=said("perfect", kind=TranscodeOptions))] = False,
    grayscale: Annotated[
        bool, typer.Option("--grayscale", "--greyscale", help=said("grayscale", kind=TranscodeOptions))
    ] = False,
    optimize: Annotated[bool, typer.Option("--optimize/--no-optimize", help=said("optimize"))] = True,
    progressive: Annotated[
        bool | None, typer.Option("--progressive/--baseline", help=said("progressive", kind=TranscodeOptions))
    ] = None,
    arithmetic: Annotated[bool, typer.Option("--arithmetic", help=said("arithmetic"))] = False,
    scans: Scans = None,
    restart: Restart = None,
    copy: Annotated[str, typer.Option(help=said("keep", "With commas between.", TranscodeOptions))] = "all",
    icc: Annotated[Path | None, typer.Option(help=said("icc_profile", kind=TranscodeOptions))] = None,
    strip_all: Annotated[bool, typer.Option("-s", "--strip-all", help="Short for --copy none.")] = False,
    exif_transpose: Upright = False,
    strict: Strict = False,
    recursive: Recursive = False,
    overwrite: Overwrite = False,
    jobs: Jobs = None,
    limit_pixels: LimitPixels = None,
    limit_memory: LimitMemory = None,
    quiet: Quiet = False,
) -> None:
    """Make JPEG files of JPEG files without loss: turn, crop, optimise, strip; byte-identical to jpegtran's."""
    try:
        asked = ((flip, flip is not None), ("transpose", transpose), ("transverse", transverse))
        mirrors = [name for name, on in asked if on]
        if len(mirrors) > 1:
            raise UsageError("--flip, --transpose, --transverse: give one of them")
        if replace and output is not None:
            raise UsageError("--in-place and -o: give one of them")
        options = TranscodeOptions(
            rotate=rotate,
            flip=mirrors[0] if mirrors else None,
            crop=settings.crop(crop),
            trim=trim,
            perfect=perfect,
            grayscale=grayscale,
            optimize=optimize,
            progressive=progressive,
            arithmetic=arithmetic,
            scans=settings.scans(scans),
            keep=settings.copied(copy, strip_all),
            icc_profile=settings.file_bytes("--icc", icc) if icc else None,
            apply_exif_orientation=exif_transpose,
            strict=strict,
            restart=settings.restart(restart),
            limits=settings.limits(limit_pixels, limit_memory),
        )
        from .work import TranscodeJob

        sources, lost = find(inputs, recursive, lambda path: path.suffix.lower() in JPEG_SUFFIXES)
        if output is None and not replace and any(source.path for source in sources):
            raise UsageError("transcode writes no file beside its input: give -o FILE, -o FOLDER or --in-place")
        targets = in_place(sources) if replace else plan(sources, output, ".jpg")
        settings.no_binary_to_terminal(targets)
        work = TranscodeJob(options, replace, replace or overwrite)
    except (UsageError, ValueError, TypeError, NotImplementedError) as error:
        raise usage(error) from None
    raise typer.Exit(run(work, targets, lost, quiet, jobs))


app.command()(info)
app.command()(demo)
app.command()(codecs)
app.command()(compare)
app.command()(train)
