"""`jpegjax encode`: JPEG files of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...options import ENGINES, EncodeOptions, Metadata, check_choice
from .. import settings
from ..flags import (
    Arithmetic,
    Codec,
    Depth,
    Device,
    Engine,
    Inputs,
    Jobs,
    LimitPixels,
    Model,
    Optimize,
    Output,
    Overwrite,
    Quiet,
    Recursive,
    Restart,
    Scans,
    TargetBytes,
    TargetMetric,
    Tune,
    Upright,
    said,
)
from ..paths import JPEG_SUFFIXES, UsageError, check_name, find, plan
from ..run import run, usage

__all__ = ["encode"]


def encode(
    context: typer.Context,
    inputs: Inputs = None,
    output: Output = None,
    quality: Annotated[
        str | None, typer.Option("-q", "--quality", help=said("quality", "Two as 75,60. [default: 75]"))
    ] = None,
    codec: Codec = None,
    model: Model = None,
    subsampling: Annotated[
        str | None,
        typer.Option("--subsampling", "--sample", help=said("subsampling", "[default: 4:2:0; tuned, auto]")),
    ] = None,
    optimize: Optimize = False,
    tune: Tune = None,
    dering: Annotated[
        bool | None, typer.Option("--dering/--no-dering", help=said("dering", "[default: with --tune]"))
    ] = None,
    refine: Annotated[int, typer.Option("--refine", help=said("refine", "With --tune psnr or restored."))] = 0,
    importance: Annotated[
        Path | None,
        typer.Option(
            help="With --tune: a grey picture of the input's size, or a folder of such by name: where it is white errors cost"
            " what they do without, where darker less, down to a 64th."
        ),
    ] = None,
    target_bytes: TargetBytes = None,
    target_metric: TargetMetric = None,
    progressive: Annotated[
        bool | None,
        typer.Option("--progressive/--baseline", help=said("progressive", "[default: baseline; tuned, the smaller]")),
    ] = None,
    arithmetic: Arithmetic = False,
    scans: Scans = None,
    precision: Annotated[
        int | None, typer.Option(help=said("precision", "Pictures are scaled to it. [default: 8]"))
    ] = None,
    lossless: Annotated[bool, typer.Option("--lossless", help=said("lossless", "16 bits stay so."))] = False,
    depth: Depth = None,
    predictor: Annotated[int | None, typer.Option(help=said("predictor"))] = None,
    point_transform: Annotated[int, typer.Option(help=said("point_transform"))] = 0,
    restart: Restart = None,
    grayscale: Annotated[
        bool, typer.Option("--grayscale", "--greyscale", help="Grey files of colour pictures.")
    ] = False,
    rgb: Annotated[bool, typer.Option("--rgb", help="Files that hold RGB as it is, in place of YCbCr.")] = False,
    qtables: Annotated[Path | None, typer.Option(help=said("qtables", "A file as for cjpeg."))] = None,
    qslots: Annotated[str | None, typer.Option(help=said("qslots"))] = None,
    smooth: Annotated[int, typer.Option("--smooth", help=said("smoothing"))] = 0,
    comment: Annotated[str | None, typer.Option(help=said("comment", kind=Metadata))] = None,
    icc: Annotated[
        str | None,
        typer.Option(help=said("icc_profile", "A file; with --strip, 'keep' for each input's own.", Metadata)),
    ] = None,
    strip: Annotated[
        bool, typer.Option("--strip", help="Leave out the inputs' ICC profiles, EXIF, XMP, resolution and comments.")
    ] = False,
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
            from ..boxes import encode_boxes

            raise typer.Exit(run(*encode_boxes(context), quiet, jobs))
        check_choice("--engine", engine, ENGINES)
        if qtables and quality is not None and not lossless:
            raise UsageError("--qtables and --quality: give one of them")
        if depth is not None and precision not in (None, depth):
            raise UsageError(f"--depth {depth} and --precision {precision}: give one of them")
        if rgb and grayscale:
            raise UsageError("--rgb and --grayscale: give one of them")
        if lossless:
            given = {"--quality": quality, "--subsampling": subsampling, "--qtables": qtables, "--optimize": optimize}
            given |= {"--qslots": qslots, "--smooth": smooth > 0}
            settings.say_ignored("--lossless keeps every sample", given, quiet)
            quality = subsampling = qtables = qslots = None
            optimize, smooth = False, 0
        options = EncodeOptions(
            quality=settings.quality(quality),
            subsampling=subsampling,
            qtables=settings.qtables(qtables),
            qslots=qslots,
            color="RGB" if rgb else None,
            smoothing=smooth,
            optimize=optimize,
            progressive=progressive,
            arithmetic=arithmetic,
            scans=settings.scans(scans),
            tune=True if tune == "all" else tune,
            dering=dering,
            refine=refine,
            target_bytes=settings.amount("--target-bytes", target_bytes),
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
        from .. import oracle, pictures
        from ..work import EncodeJob
        from ..work.weighing import Maps

        if importance is not None and not tune:
            raise UsageError("--importance: it steers the trellis of tuned files; give --tune too")
        if background is not None:
            pictures.check_color(background)
        if verify and options.precision == 12:
            raise UsageError("--verify: Pillow neither reads nor writes files of 12 bits")
        if verify and (scans or tune or dering or target_bytes or target_metric):
            unknown = "scan scripts" if scans else "--tune" if tune else "--dering" if dering else "targets"
            raise UsageError(f"--verify: Pillow knows no {unknown}")
        if verify and oracle.turbo_version() is None:
            raise UsageError("--verify: this Pillow was not built with libjpeg-turbo")
        suffixes = pictures.offered_suffixes()
        if output is None:
            suffixes -= JPEG_SUFFIXES  # a folder's own JPEG files would be their own outputs
        sources, lost = find(inputs, recursive, lambda path: path.suffix.lower() in suffixes)
        check_name(output, sources, JPEG_SUFFIXES, "encode writes JPEG files, .jpg")
        targets = plan(sources, output, ".jpg")
        settings.no_binary_to_terminal(targets)
        work = EncodeJob(
            options,
            engine=engine,
            device=settings.device(device, engine),
            background=background,
            transpose=exif_transpose,
            gray=grayscale,
            keep=("icc" if icc == "keep" else "none") if strip else "all",
            psnr=psnr,
            verify=verify,
            overwrite=overwrite,
            limit_pixels=settings.limits(limit_pixels, None).pixels,
            depth=depth,
            maps=None if importance is None else Maps(importance),
        )
    except (UsageError, ValueError, TypeError, NotImplementedError) as error:
        raise usage(error) from None
    raise typer.Exit(run(work, targets, lost, quiet, jobs))
