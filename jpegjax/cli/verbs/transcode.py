"""`jpegjax transcode`: JPEG files of JPEG files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import typer

from ...options import TranscodeOptions
from .. import settings
from ..flags import (
    Inputs,
    Jobs,
    LimitMemory,
    LimitPixels,
    MaxScans,
    Overwrite,
    Quiet,
    Recursive,
    Restart,
    Scans,
    Strict,
    Upright,
    said,
)
from ..paths import JPEG_SUFFIXES, UsageError, check_name, find, in_place, plan, to_stdout
from ..run import run, usage

__all__ = ["transcode", "transcode_options"]


def transcode(
    context: typer.Context,
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
    dest: Annotated[
        str | None,
        typer.Option("-d", "--dest", metavar="FOLDER", help="-o FOLDER/, with copies of files that would not shrink."),
    ] = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Short for -o -.")] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read stdin, as the input - does.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Larger files too, where --in-place or --dest keeps the old.")
    ] = False,
    preserve: Annotated[
        bool, typer.Option("-p", "--preserve", help="Outputs have their input's access and modification times.")
    ] = False,
    preserve_perms: Annotated[
        bool, typer.Option("-P", "--preserve-perms", help="Accepted: owner and permissions are always kept.")
    ] = False,
    noaction: Annotated[
        bool, typer.Option("-n", "--noaction", help="Write nothing, say what would come of it.")
    ] = False,
    max_quality: Annotated[
        int | None,
        typer.Option(
            "-m",
            "--max",
            min=0,
            max=100,
            help="LOSSY: code files of a higher quality again at this one; metadata and sampling stay.",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            "-S",
            "--size",
            metavar="KB|PERCENT%",
            help="LOSSY: code files again at the highest quality that takes at most so much; also as 50k, 1.5M.",
        ),
    ] = None,
    threshold: Annotated[
        int | None,
        typer.Option(
            "-T", "--threshold", min=0, max=99, help="Keep the old file where less than so many percent are saved."
        ),
    ] = None,
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
    strip: Annotated[
        list[str] | None,
        typer.Option(
            help="Leave out com, exif, icc, iptc, xmp, adobe or jfxx; --strip-exif and its like are short for it."
        ),
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(help="What --strip-all leaves: as --strip; --keep-exif and its like.")
    ] = None,
    exif_transpose: Upright = False,
    thumbnail: Annotated[str | None, typer.Option(help=said("thumbnail", kind=TranscodeOptions))] = None,
    strict: Strict = False,
    recursive: Recursive = False,
    overwrite: Overwrite = False,
    jobs: Jobs = None,
    limit_pixels: LimitPixels = None,
    limit_memory: LimitMemory = None,
    maxscans: MaxScans = None,
    maxmemory: Annotated[
        str | None, typer.Option(metavar="N", help="Refuse files that need more kbytes; with M, Mbytes.")
    ] = None,
    csv: Annotated[bool, typer.Option("-b", "--csv", help="A line on stdout for each file, as jpegoptim's.")] = False,
    totals: Annotated[bool, typer.Option("--totals", help="One line on all files in place of the table.")] = False,
    quiet: Quiet = False,
) -> None:
    """Make JPEG files of JPEG files without loss, but for --max and --size: turn, crop, optimise, strip; byte-identical to
    jpegtran's."""
    try:
        ways = (("--in-place", replace), ("-o", output is not None), ("--dest", dest is not None), ("--stdout", stdout))
        if sum(given for _, given in ways) > 1:
            raise UsageError(f"{' and '.join(way for way, given in ways if given)}: give one of them")
        output = "-" if stdout else output if dest is None else os.path.join(dest, "")
        options = transcode_options(context.params)
        from ..work import TranscodeJob

        inputs = [*(inputs or ()), "-"] if stdin else inputs
        sources, lost = find(inputs, recursive, lambda path: path.suffix.lower() in JPEG_SUFFIXES)
        nowhere = output is None and not replace and bool(sources)
        if nowhere and not noaction and not to_stdout(sources, None):
            raise UsageError("transcode writes no file beside its input: give -o FILE, -o FOLDER or --in-place")
        check_name(output, sources, JPEG_SUFFIXES, "transcode writes JPEG files, .jpg")
        beside = replace or (nowhere and noaction and all(source.path for source in sources))
        targets = in_place(sources) if beside else plan(sources, output, None)
        if not noaction:
            settings.no_binary_to_terminal(targets)
        work = TranscodeJob(
            options,
            in_place=beside,
            overwrite=beside or overwrite or noaction,
            force=force,
            preserve=preserve,
            frugal=dest is not None or threshold is not None,
            threshold=threshold or 0,
            aim=settings.aim(max_quality, size),
            rehearsal=noaction,
        )
    except (UsageError, ValueError, TypeError, NotImplementedError) as error:
        raise usage(error) from None
    raise typer.Exit(run(work, targets, lost, quiet, jobs, csv=csv, totals=totals))


def transcode_options(given: Mapping[str, Any]) -> TranscodeOptions:
    """The options that flags ask for; as `transcode` has them, by name. Errors for what cannot be."""
    g = SimpleNamespace(**given)
    asked = ((g.flip, g.flip is not None), ("transpose", g.transpose), ("transverse", g.transverse))
    mirrors = [name for name, on in asked if on]
    if len(mirrors) > 1:
        raise UsageError("--flip, --transpose, --transverse: give one of them")
    kept = settings.kinds("--keep", g.keep)
    if kept and not g.strip_all:
        raise UsageError("--keep: says what --strip-all leaves; --copy says what stays otherwise")
    return TranscodeOptions(
        rotate=g.rotate,
        flip=mirrors[0] if mirrors else None,
        crop=settings.geometry("--crop", g.crop),
        roll=settings.roll(g.roll),
        wipe=settings.geometry("--wipe", g.wipe),
        drop=settings.dropped(g.drop),
        trim=g.trim,
        perfect=g.perfect,
        grayscale=g.grayscale,
        optimize=g.optimize,
        progressive=g.progressive,
        arithmetic=None if g.arithmetic is None and (g.replace or g.dest is not None) else bool(g.arithmetic),
        scans=settings.scans(g.scans),
        trailer=g.trailer,
        keep=settings.copied(g.copy, g.strip_all, kept),
        strip=settings.kinds("--strip", g.strip),
        icc_profile=settings.file_bytes("--icc", g.icc) if g.icc else None,
        apply_exif_orientation=g.exif_transpose,
        thumbnail=g.thumbnail,
        strict=g.strict,
        restart=settings.restart(g.restart),
        limits=settings.limits(g.limit_pixels, g.limit_memory, scans=g.maxscans, maxmemory=g.maxmemory),
    )
