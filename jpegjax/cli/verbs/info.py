"""`jpegjax info`: what files are and what takes their bytes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Annotated

import typer

from ..flags import Inputs, Recursive
from ..paths import BOX_SUFFIX, JPEG_SUFFIXES, UsageError, find, shown
from ..run import usage

__all__ = ["info"]


def info(
    inputs: Inputs = None,
    recursive: Recursive = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Also whether the file was compressed before, and its first quality.")
    ] = False,
) -> None:
    """Say what JPEG files are and what takes their bytes, without decoding them."""
    from ...container import inspect
    from ...errors import JpegWarning, UnsupportedJpeg
    from .. import boxes, pipes, report

    try:
        sources, lost = find(inputs, recursive, lambda path: path.suffix.lower() in JPEG_SUFFIXES | {BOX_SUFFIX})
    except UsageError as error:
        raise usage(error) from None
    rows = []
    for source in sources:
        try:
            data = pipes.content(source.path) if source.path else pipes.read_stdin()
            data = data.read_bytes() if isinstance(data, Path) else data
            if boxes.is_box(data):
                fields = boxes.described(data)
                lines = [f"{name.replace('_', ' ')}: {value}" for name, value in fields.items()]
                if history:
                    raise UnsupportedJpeg("--history is read from JPEG files")
            else:
                found = inspect(data)
                fields, lines = found.as_dict(), str(found).splitlines()
                if history:
                    from ...forensics import double_jpeg

                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", JpegWarning)  # the lines above name all damage
                        past = double_jpeg(data)
                    fields["history"] = past.as_dict()
                    lines.append(f"history: {past}")
        except Exception as error:  # a file fails by itself, whatever it holds
            rows.append(report.Row(source.name, error=report.reason(error)))
            continue
        rows.append(report.Row(source.name))
        if as_json:
            print(json.dumps({"file": source.name, **fields}))
        else:
            print(source.name, *(f"  {shown(line)}" for line in lines), sep="\n")
    raise typer.Exit(report.failures(rows, lost))
