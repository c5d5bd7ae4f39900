"""`jpegjax demo`: photographs there and back, checked against libjpeg-turbo."""

from __future__ import annotations

from typing import Annotated

import typer

from ...options import ENGINES, EncodeOptions, check_choice
from ..flags import said
from ..paths import UsageError, find, plan
from ..run import usage

__all__ = ["demo"]


def demo(
    folder: Annotated[
        str | None, typer.Argument(help="Pictures to use. [default: the photographs inside scikit-image]")
    ] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", help="Folder to keep the JPEG files in.")] = None,
    quality: Annotated[int, typer.Option("-q", "--quality", help=said("quality"))] = 75,
    engine: Annotated[str, typer.Option(help="host, xla, auto, or both.")] = "both",
) -> None:
    """Encode and decode photographs and check every byte and pixel against libjpeg-turbo."""
    from .. import oracle, pictures, report
    from ..samples import photographs
    from ..work import EncodeJob, run

    try:
        check_choice("--engine", engine, (*ENGINES, "both"))
        options = EncodeOptions(quality=quality)
        version = oracle.turbo_version()
        if version is None:
            raise UsageError("this Pillow was not built with libjpeg-turbo")
        inputs = [folder] if folder else [str(path) for path in photographs()]
        if not inputs:
            raise UsageError('no photographs: install "jpegjax[samples]", or name a folder')
        suffixes = pictures.picture_suffixes()
        sources, lost = find(inputs, True, lambda path: path.suffix.lower() in suffixes)
        jobs = plan(sources, output or "demo/", ".jpg")
    except (UsageError, ValueError, TypeError) as error:
        raise usage(error) from None
    if not jobs:
        raise typer.Exit(report.failures([], lost))
    code, screen = 0, report.console()
    for number, name in enumerate(("host", "xla") if engine == "both" else (engine,)):
        work = EncodeJob(options, name, psnr=True, verify=True, overwrite=True, discard=output is None or number > 0)
        with report.progress(len(jobs), f"{name} engine") as tick:
            rows, totals = run(work, jobs, tick)
        report.show(rows, totals, screen)
        same = sum(not row.failed for row in rows)
        screen.print(
            f"{totals.engine}: {same} of {len(rows)} files and their pixels identical to libjpeg-turbo {version}'s\n"
        )
        code |= report.failures(rows, lost)
    raise typer.Exit(code)
