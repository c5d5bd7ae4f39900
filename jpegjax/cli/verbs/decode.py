"""`jpegjax decode`: pictures of JPEG files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import typer

from ...options import ENGINES, DecodeOptions, check_choice
from .. import settings
from ..flags import (
    Depth,
    Device,
    Engine,
    Inputs,
    Jobs,
    LimitMemory,
    LimitPixels,
    MaxScans,
    Output,
    Overwrite,
    Quiet,
    Recursive,
    Region,
    Scale,
    Strict,
    Upright,
    said,
)
from ..paths import BOX_SUFFIX, JPEG_SUFFIXES, UsageError, check_name, find, plan, shown, to_stdout
from ..run import run, usage

__all__ = ["FORMATS", "decode", "decode_options", "format_named"]

FORMATS = ("png", "ppm", "bmp", "tiff", "npy")
_ALSO = {"tif": "tiff", "pgm": "ppm", "pnm": "ppm"}
_SUFFIXES = frozenset(f".{name}" for name in (*FORMATS, *_ALSO))


def _format_of(output: str | None) -> str:
    """What -o's suffix says, png where it says nothing."""
    named = Path(output).suffix.lower().lstrip(".") if output else ""
    return _ALSO.get(named, named if named in FORMATS else "png")


def format_named(format: str) -> str:
    """One of FORMATS; ValueError for others."""
    format = _ALSO.get(format.lower(), format.lower())
    check_choice("--format", format, FORMATS)
    return format


def decode(
    context: typer.Context,
    inputs: Inputs = None,
    output: Output = None,
    format: Annotated[
        str | None,
        typer.Option(
            "-f", "--format", help="png, ppm, bmp, tiff or npy. [default: -o's suffix, else png; ppm to stdout]"
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Weights (.jxw, .npz) that .jxj files were written with.")] = None,
    mode: Annotated[str | None, typer.Option(help=said("mode", kind=DecodeOptions))] = None,
    grayscale: Annotated[bool, typer.Option("--grayscale", "--greyscale", help="Short for --mode L.")] = False,
    color: Annotated[str | None, typer.Option(help=said("color", kind=DecodeOptions))] = None,
    icc: Annotated[Path | None, typer.Option(help="Write the ICC profile of the one input to a file.")] = None,
    color_managed: Annotated[
        bool,
        typer.Option("--color-managed", help="CMYK and RGB to sRGB by each file's ICC profile, as far as it has one."),
    ] = False,
    depth: Depth = None,
    picture: Annotated[int, typer.Option(help=said("picture", kind=DecodeOptions))] = 0,
    scale: Scale = "1",
    crop: Region = None,
    upsample: Annotated[str, typer.Option(help=said("upsample", kind=DecodeOptions))] = "fancy",
    reconstruction: Annotated[str, typer.Option(help=said("reconstruction", kind=DecodeOptions))] = "midpoint",
    dtype: Annotated[
        str | None, typer.Option(help=said("dtype", "float32 is for npy; white of uint16 is 65535.", DecodeOptions))
    ] = None,
    restore: Annotated[
        str | None,
        typer.Option(help=said("restore", "--restore, --restore=auto or --restore=consistent.", DecodeOptions)),
    ] = None,
    exif_transpose: Upright = False,
    strict: Strict = False,
    recursive: Recursive = False,
    overwrite: Overwrite = False,
    engine: Engine = "auto",
    device: Device = None,
    jobs: Jobs = None,
    limit_pixels: LimitPixels = None,
    limit_memory: LimitMemory = None,
    maxscans: MaxScans = None,
    quiet: Quiet = False,
) -> None:
    """Turn JPEG files into pictures."""
    try:
        options = decode_options(context.params)
        if format is not None:
            format = format_named(format)
        loaded = None
        if model is not None:
            from ..boxes import weights_of

            loaded = weights_of(model)
        from ..work import DecodeJob

        suffixes = JPEG_SUFFIXES | {BOX_SUFFIX}
        sources, lost = find(inputs, recursive, lambda path: path.suffix.lower() in suffixes)
        if format is None:
            check_name(output, sources, _SUFFIXES, f"decode writes {', '.join(FORMATS)}")
            format = "ppm" if to_stdout(sources, output) else _format_of(output)
        if options.dtype == "float32" and format != "npy":
            raise UsageError(f"--dtype float32: {format} does not hold floats, say --format npy")
        if icc is not None and len(sources) != 1:
            raise UsageError(f"--icc {shown(icc)}: the profile of one input; {len(sources)} are given")
        targets = plan(sources, output, f".{format}")
        settings.no_binary_to_terminal(targets)
        if engine == "auto" and sources and all(s.path and s.path.suffix.lower() == BOX_SUFFIX for s in sources):
            engine = "xla"  # what reads them; the kernels for JPEG are not needed
        work = DecodeJob(
            options,
            format,
            engine,
            settings.device(device, engine),
            exif_transpose,
            overwrite,
            loaded,
            depth,
            icc,
            color_managed,
        )
    except (UsageError, ValueError, TypeError, NotImplementedError) as error:
        raise usage(error) from None
    raise typer.Exit(run(work, targets, lost, quiet, jobs))


def decode_options(given: Mapping[str, Any]) -> DecodeOptions:
    """The options that flags ask for; as `decode` has them, by name. Errors for what cannot be."""
    g = SimpleNamespace(**given)
    check_choice("--engine", g.engine, ENGINES)
    if g.grayscale and g.mode not in (None, "L"):
        raise UsageError(f"--grayscale and --mode {shown(g.mode)}: give one of them")
    if g.color_managed and (g.grayscale or g.mode not in (None, "RGB")):
        raise UsageError("--color-managed gives RGB: leave --mode and --grayscale out")
    if g.dtype is not None and g.depth is not None:
        raise UsageError(f"--dtype {shown(g.dtype)} and --depth {g.depth}: give one of them")
    if g.dtype not in (None, "uint8") and g.color_managed:
        raise UsageError(f"--dtype {shown(g.dtype)} and --color-managed, which takes 8 bits: leave one out")
    return DecodeOptions(
        mode="L" if g.grayscale else None if g.color_managed else g.mode,
        color=g.color,
        picture=g.picture,
        scale=g.scale,
        crop=settings.region(g.crop),
        upsample=g.upsample,
        reconstruction=g.reconstruction,
        dtype=g.dtype,
        restore=settings.restore(g.restore),
        apply_exif_orientation=g.exif_transpose,
        strict=g.strict,
        limits=settings.limits(g.limit_pixels, g.limit_memory, scans=g.maxscans),
    )
