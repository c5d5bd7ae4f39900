"""`jpegjax transcode`: JPEG files of JPEG files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...options import TranscodeOptions
from .. import settings
from ..flags import (
    Inputs,
    Jobs,
    LimitMemory,
    LimitPixels,
    Overwrite,
    Quiet,
    Recursive,
    Restart,
    Scans,
    Strict,
    Upright,
    said,
)
from ..paths import JPEG_SUFFIXES, UsageError, find, in_place, plan, to_stdout
from ..run import run, usage

__all__ = ["transcode"]


def transcode(
    inputs: Inputs = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            "--outfile",
            help="File, folder, or - for stdout. [default: stdout for one input, redirected]",
        ),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--in-place", help="Replace each input, at once; damaged ones stay, and those that would grow."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="--in-place: even by a larger file.")] = False,
    preserve: Annotated[
        bool, typer.Option("-p", "--preserve", help="Outputs have their input's access and modification times.")
    ] = False,
    rotate: Annotated[int, typer.Option(help=said("rotate", kind=TranscodeOptions))] = 0,
    flip: Annotated[str | None, typer.Option(help="horizontal or vertical; after --rotate.")] = None,
    transpose: Annotated[bool, typer.Option("--transpose", help="Mirror about the main diagonal.")] = False,
    transverse: Annotated[bool, typer.Option("--transverse", help="Mirror about the other diagonal.")] = False,
    crop: Annotated[
        str | None,
        typer.Option(help=said("crop", "Written WxH+X+Y; larger ones, f and r as jpegtran's.", TranscodeOptions)),
    ] = None,
    roll: Annotated[str | None, typer.Option(help=said("roll", "Written +X+Y.", TranscodeOptions))] = None,
    wipe: Annotated[str | None, typer.Option(help=said("wipe", "Written WxH+X+Y.", TranscodeOptions))] = None,
    drop: Annotated[
        tuple[str, str] | None, typer.Option(metavar="+X+Y FILE", help=said("drop", kind=TranscodeOptions))
    ] = None,
    trim: Annotated[
        bool | None,
        typer.Option(
            "--trim/--no-trim",
            help=said("trim", "--exif-transpose wants one of the two for such pictures.", TranscodeOptions),
        ),
    ] = None,
    perfect: Annotated[bool, typer.Option("--perfect", help=said("perfect", kind=TranscodeOptions))] = False,
    grayscale: Annotated[
        bool, typer.Option("--grayscale", "--greyscale", help=said("grayscale", kind=TranscodeOptions))
    ] = False,
    optimize: Annotated[bool, typer.Option("--optimize/--no-optimize", help=said("optimize"))] = True,
    progressive: Annotated[
        bool | None, typer.Option("--progressive/--baseline", help=said("progressive", kind=TranscodeOptions))
    ] = None,
    arithmetic: Annotated[
        bool | None,
        typer.Option(
            "--arithmetic/--huffman", help="How to code. [default: Huffman, or as each file is with --in-place]"
        ),
    ] = None,
    scans: Scans = None,
    restart: Restart = None,
    trailer: Annotated[str, typer.Option(help=said("trailer", kind=TranscodeOptions))] = "keep",
    copy: Annotated[str, typer.Option(help=said("keep", "With commas between.", TranscodeOptions))] = "all",
    icc: Annotated[Path | None, typer.Option(help=said("icc_profile", kind=TranscodeOptions))] = None,
    strip_all: Annotated[bool, typer.Option("-s", "--strip-all", help="Short for --copy none.")] = False,
    exif_transpose: Upright = False,
    thumbnail: Annotated[str | None, typer.Option(help=said("thumbnail", kind=TranscodeOptions))] = None,
    strict: Strict = False,
    recursive: Recursive = False,
    overwrite: Overwrite = False,
    jobs: Jobs = None,
    limit_pixels: LimitPixels = None,
    limit_memory: LimitMemory = None,
    maxscans: Annotated[int | None, typer.Option(min=1, help="Refuse files of more scans. [default: 500]")] = None,
    maxmemory: Annotated[
        str | None, typer.Option(metavar="N", help="Refuse files that need more kbytes; with M, Mbytes.")
    ] = None,
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
            crop=settings.geometry("--crop", crop),
            roll=settings.roll(roll),
            wipe=settings.geometry("--wipe", wipe),
            drop=settings.dropped(drop),
            trim=trim,
            perfect=perfect,
            grayscale=grayscale,
            optimize=optimize,
            progressive=progressive,
            arithmetic=arithmetic or (None if replace and arithmetic is None else False),
            scans=settings.scans(scans),
            trailer=trailer,
            keep=settings.copied(copy, strip_all),
            icc_profile=settings.file_bytes("--icc", icc) if icc else None,
            apply_exif_orientation=exif_transpose,
            thumbnail=thumbnail,
            strict=strict,
            restart=settings.restart(restart),
            limits=settings.limits(limit_pixels, limit_memory, scans=maxscans, maxmemory=maxmemory),
        )
        from ..work import TranscodeJob

        sources, lost = find(inputs, recursive, lambda path: path.suffix.lower() in JPEG_SUFFIXES)
        if output is None and not replace and sources and not to_stdout(sources, None):
            raise UsageError("transcode writes no file beside its input: give -o FILE, -o FOLDER or --in-place")
        targets = in_place(sources) if replace else plan(sources, output, None)
        settings.no_binary_to_terminal(targets)
        work = TranscodeJob(options, replace, replace or overwrite, force, preserve)
    except (UsageError, ValueError, TypeError, NotImplementedError) as error:
        raise usage(error) from None
    raise typer.Exit(run(work, targets, lost, quiet, jobs))
