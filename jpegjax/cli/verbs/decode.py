"""`jpegjax decode`: pictures of JPEG files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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

__all__ = ["decode"]

_FORMATS = ("png", "ppm", "bmp", "tiff", "npy")
_ALSO = {"tif": "tiff", "pgm": "ppm", "pnm": "ppm"}
_SUFFIXES = frozenset(f".{name}" for name in (*_FORMATS, *_ALSO))


def _format_of(output: str | None) -> str:
    """What -o's suffix says, png where it says nothing."""
    named = Path(output).suffix.lower().lstrip(".") if output else ""
    return _ALSO.get(named, named if named in _FORMATS else "png")


def decode(
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
        check_choice("--engine", engine, ENGINES)
        if grayscale and mode not in (None, "L"):
            raise UsageError(f"--grayscale and --mode {shown(mode)}: give one of them")
        if color_managed and (grayscale or mode not in (None, "RGB")):
            raise UsageError("--color-managed gives RGB: leave --mode and --grayscale out")
        if dtype is not None and depth is not None:
            raise UsageError(f"--dtype {shown(dtype)} and --depth {depth}: give one of them")
        if dtype not in (None, "uint8") and color_managed:
            raise UsageError(f"--dtype {shown(dtype)} and --color-managed, which takes 8 bits: leave one out")
        options = DecodeOptions(
            mode="L" if grayscale else None if color_managed else mode,
            color=color,
            picture=picture,
            scale=scale,
            crop=settings.region(crop),
            upsample=upsample,
            reconstruction=reconstruction,
            dtype=dtype,
            restore=settings.restore(restore),
            apply_exif_orientation=exif_transpose,
            strict=strict,
            limits=settings.limits(limit_pixels, limit_memory, scans=maxscans),
        )
        if format is not None:
            format = _ALSO.get(format.lower(), format.lower())
            check_choice("--format", format, _FORMATS)
        loaded = None
        if model is not None:
            from ..boxes import weights_of

            loaded = weights_of(model)
        from ..work import DecodeJob

        suffixes = JPEG_SUFFIXES | {BOX_SUFFIX}
        sources, lost = find(inputs, recursive, lambda path: path.suffix.lower() in suffixes)
        if format is None:
            check_name(output, sources, _SUFFIXES, f"decode writes {', '.join(_FORMATS)}")
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
