"""`jpegjax encode`: JPEG files of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from ..work import EncodeJob

__all__ = ["encode", "encode_work"]


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
        from .. import pictures

        work = encode_work(context.params)
        suffixes = pictures.offered_suffixes()
        if output is None:
            suffixes -= JPEG_SUFFIXES  # a folder's own JPEG files would be their own outputs
        sources, lost = find(inputs, recursive, lambda path: path.suffix.lower() in suffixes)
        check_name(output, sources, JPEG_SUFFIXES, "encode writes JPEG files, .jpg")
        targets = plan(sources, output, ".jpg")
        settings.no_binary_to_terminal(targets)
    except (UsageError, ValueError, TypeError, NotImplementedError) as error:
        raise usage(error) from None
    raise typer.Exit(run(work, targets, lost, quiet, jobs))


def encode_work(given: Mapping[str, Any]) -> EncodeJob:
    """What flags ask to be done with every picture; as `encode` has them, by name. Errors for what cannot be."""
    g = SimpleNamespace(**given)
    check_choice("--engine", g.engine, ENGINES)
    if g.qtables and g.quality is not None and not g.lossless:
        raise UsageError("--qtables and --quality: give one of them")
    if g.depth is not None and g.precision not in (None, g.depth):
        raise UsageError(f"--depth {g.depth} and --precision {g.precision}: give one of them")
    if g.rgb and g.grayscale:
        raise UsageError("--rgb and --grayscale: give one of them")
    if g.lossless:
        ignored = {
            "--quality": g.quality,
            "--subsampling": g.subsampling,
            "--qtables": g.qtables,
            "--optimize": g.optimize,
        }
        ignored |= {"--qslots": g.qslots, "--smooth": g.smooth > 0}
        settings.say_ignored("--lossless keeps every sample", ignored, g.quiet)
        g.quality = g.subsampling = g.qtables = g.qslots = None
        g.optimize, g.smooth = False, 0
    options = EncodeOptions(
        quality=settings.quality(g.quality),
        subsampling=g.subsampling,
        qtables=settings.qtables(g.qtables),
        qslots=g.qslots,
        color="RGB" if g.rgb else None,
        smoothing=g.smooth,
        optimize=g.optimize,
        progressive=g.progressive,
        arithmetic=g.arithmetic,
        scans=settings.scans(g.scans),
        tune=True if g.tune == "all" else g.tune,
        dering=g.dering,
        refine=g.refine,
        target_bytes=settings.amount("--target-bytes", g.target_bytes),
        target_metric=settings.target_metric(g.target_metric),
        metadata=Metadata(
            icc_profile=settings.file_bytes("--icc", Path(g.icc)) if g.icc and g.icc != "keep" else None,
            comment=g.comment,
        ),
        restart=settings.restart(g.restart),
        precision=g.precision,
        lossless=g.lossless,
        predictor=g.predictor,
        point_transform=g.point_transform,
    )
    from .. import oracle, pictures
    from ..work import EncodeJob
    from ..work.weighing import Maps

    if g.importance is not None and not g.tune:
        raise UsageError("--importance: it steers the trellis of tuned files; give --tune too")
    if g.background is not None:
        pictures.check_color(g.background)
    if g.verify and options.precision == 12:
        raise UsageError("--verify: Pillow neither reads nor writes files of 12 bits")
    if g.verify and (g.scans or g.tune or g.dering or g.target_bytes or g.target_metric):
        unknown = "scan scripts" if g.scans else "--tune" if g.tune else "--dering" if g.dering else "targets"
        raise UsageError(f"--verify: Pillow knows no {unknown}")
    if g.verify and oracle.turbo_version() is None:
        raise UsageError("--verify: this Pillow was not built with libjpeg-turbo")
    return EncodeJob(
        options,
        engine=g.engine,
        device=settings.device(g.device, g.engine),
        background=g.background,
        transpose=g.exif_transpose,
        gray=g.grayscale,
        keep=("icc" if g.icc == "keep" else "none") if g.strip else "all",
        psnr=g.psnr,
        verify=g.verify,
        overwrite=g.overwrite,
        limit_pixels=settings.limits(g.limit_pixels, None).pixels,
        depth=g.depth,
        maps=None if g.importance is None else Maps(g.importance),
    )
