"""The command line: `jpegjax encode|decode|transcode|info|demo`. Each verb imports what is heavy itself."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["main"]

# Spelling of cjpeg, djpeg, jpegtran and jpegoptim for what this program has, so that their command lines run unchanged.
_CJPEG = {
    "-outfile": "--output", "-quality": "--quality", "-sample": "--subsampling", "-optimize": "--optimize",
    "-optimise": "--optimize", "-progressive": "--progressive", "-restart": "--restart", "-grayscale": "--grayscale",
    "-greyscale": "--grayscale", "-qtables": "--qtables", "-icc": "--icc", "-nosmooth": "--upsample=nearest",
    "-bmp": "--format=bmp", "-pnm": "--format=ppm", "-strict": "--strict", "-rgb": "--mode=RGB",
    "-arithmetic": "--arithmetic", "-copy": "--copy", "-crop": "--crop", "-flip": "--flip", "-perfect": "--perfect",
    "-rotate": "--rotate", "-transpose": "--transpose", "-transverse": "--transverse", "-trim": "--trim",
    "-precision": "--precision", "-scale": "--scale", "-scans": "--scans",
    "--all-normal": "--baseline", "--all-progressive": "--progressive", "--strip-none": "--copy=all",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 when all went well, 1 when a file failed, 2 for wrong usage."""
    from .app import app

    words = [_CJPEG.get(word, word) for word in (sys.argv[1:] if arguments is None else arguments)]
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    code: Any = 1
    try:
        try:
            app(words or ["--help"], prog_name="jpegjax")
        except SystemExit as left:
            code = left.code
        sys.stdout.flush()
    except OSError as error:  # what is printed cannot be: a full disk, a reader that has left
        code = code or 1
        if not isinstance(error, BrokenPipeError):
            print(f"jpegjax: {error.filename or 'stdout'}: {error.strerror or error}", file=sys.stderr)
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter says it again
    sys.exit(code)
