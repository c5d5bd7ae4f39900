"""`jpegjax compare`: rate–distortion curves of codecs over pictures, as JSON, plots and one page."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from ..paths import UsageError, find, shown

__all__ = ["compare"]


def _interval(text: str) -> tuple[str, tuple[float, float]]:
    """("ssimulacra2", (60, 85)) of "ssimulacra2=60..85"."""
    match = re.fullmatch(r"(\w+)=(-?[\d.]+)\.\.(-?[\d.]+)", text)
    try:
        if match and float(match[2]) < float(match[3]):
            return match[1], (float(match[2]), float(match[3]))
    except ValueError:
        pass
    raise UsageError(f"--interval {shown(text)}: must be METRIC=LOW..HIGH, such as ssimulacra2=60..85")


def _rates(text: str) -> list[float]:
    try:
        rates = sorted({float(word) for word in text.split(",")})
    except ValueError:
        rates = []
    if not rates or rates[0] <= 0:
        raise UsageError(f"--rates {shown(text)}: must be bits a pixel above 0 with commas between, such as 0.25,0.5,1")
    return rates


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left, on stderr where that is a terminal."""
    from rich import progress as rich

    from ..report import console

    screen = console(stderr=True)
    if quiet or not screen.is_terminal:
        yield lambda done, total: None
        return
    columns = (
        rich.TextColumn("{task.description}"), rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeElapsedColumn(),
        rich.TextColumn("gone,"), rich.TimeRemainingColumn(), rich.TextColumn("left"),
    )  # fmt: skip
    with rich.Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("compare", total=None)
        start: list[int] = []

        def tell(done: int, total: int) -> None:
            # what an earlier run kept took no time: counted, it would make the rest look quick
            start[:] = start or [done]
            bar.update(task, total=total - start[0], completed=done - start[0])

        yield tell


def _table(comparison: Any, anchor: str | None, intervals: dict[str, tuple[float, float]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from ...report.score import METRICS
    from ..report import console

    screen = console()
    means, deltas = comparison.means(), comparison.bd_rates(anchor, intervals)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("BD-rate %")
    for heading in ("bpp", *(METRICS[name].label for name in comparison.metrics), "enc s/Mpixel", "dec s/Mpixel"):
        table.add_column(heading, justify="right", no_wrap=True)
    for label, row in deltas.items():
        points = means[label]
        if not points:
            continue
        bpp = f"{points[0]['bpp']:.2f}–{points[-1]['bpp']:.2f}"
        cells = ["—" if delta.percent is None else f"{delta.percent:+.1f}" for delta in row.values()]
        speeds = [[point[f"{way}_seconds_per_mpixel"] for point in points] for way in ("encode", "decode")]
        table.add_row(*map(Text, (label, bpp, *cells, *(f"{sum(one) / len(one):.3f}" for one in speeds))))
    screen.print(table)
    first = next(iter(deltas))
    screen.print(
        f"against {anchor or first}, over the range that both curves share; negative is better", soft_wrap=True
    )
    gaps = {(label, name): delta.why for label, row in deltas.items() for name, delta in row.items() if delta.why}
    for (label, name), why in gaps.items():
        screen.print(f"— {label}, {name}: {why}", soft_wrap=True)


def compare(
    inputs: Annotated[list[str], typer.Argument(help="Pictures: files, folders, globs in quotes.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for results; what it holds is not measured again.")],
    codecs: Annotated[
        list[str] | None,
        typer.Option(
            "--codecs", "-c",
            help="jpeg:quality=10-95/5,subsampling=4:2:0,4:4:4,webp,avif:speed=4; see jpegjax codecs. "
            "[default: all installed lossy ones]",
        ),
    ] = None,
    metrics: Annotated[
        str,
        typer.Option(
            "--metrics", "-m",
            help="psnr, psnr_y, psnr_b, psnr_hvs, psnr_hvs_m, ssim, ssim_y, ms_ssim, fsim, fsimc, gmsd, haarpsi, vif, "
            "ssimulacra2, butteraugli, butteraugli_max.",
        ),
    ] = "psnr,psnr_y,ms_ssim,ssimulacra2",
    anchor: Annotated[
        str | None, typer.Option(help="Curve that BD-rates are against. [default: the first]", show_default=False)
    ] = None,
    interval: Annotated[
        list[str] | None, typer.Option(help="Range of a metric for its BD-rates: ssimulacra2=60..85.")
    ] = None,
    plots: Annotated[str, typer.Option(help="Formats of the plots, png,svg; none for no plots.")] = "png,svg",
    slider: Annotated[int, typer.Option(min=0, help="How many pictures the page's slider shows.")] = 2,
    rates: Annotated[str, typer.Option(help="Bits a pixel at which the slider matches codecs.")] = "0.25,0.5,1",
    crop: Annotated[int, typer.Option(min=16, help="Pixels along the longer side that the slider shows.")] = 512,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Look into folders inside folders.")] = False,
    jobs: Annotated[int | None, typer.Option("-j", "--jobs", min=1, help="Threads. [default: all cores]")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No table and no progress bar.")] = False,
) -> None:  # fmt: skip
    """Rate–distortion curves of codecs over pictures: JSON, plots, BD-rates, and one page with a slider.

    Every result is kept in OUT/rows.jsonl as soon as it is measured: interrupt it and run it again to go on.
    """
    try:
        intervals = dict(map(_interval, interval or ()))
        matched = _rates(rates)
        formats = [] if plots == "none" else _formats(plots)
        from ... import codecs as room
        from ... import report
        from .. import waiting
        from ..pictures import picture_suffixes
        from ..report import console, failures

        curves = report.parse_codecs(codecs) if codecs else None
        if anchor is not None and curves is not None and anchor not in [curve.label for curve in curves]:
            raise UsageError(f"--anchor {shown(anchor)}: must be one of {', '.join(curve.label for curve in curves)}")
        suffixes = picture_suffixes()
        sources, lost = find(inputs, recursive, lambda path: path.suffix.lower() in suffixes)
        paths = [source.path for source in sources if source.path]
        if not paths:
            raise typer.Exit(failures([], lost or [(" ".join(inputs), "no pictures")]))
        for how in [] if codecs or quiet else room.missing().values():
            print(f"jpegjax: not compared: {how}", file=sys.stderr)
        command = shown(shlex.join(["jpegjax", *sys.argv[1:]]))
        with (
            waiting.compilations("codecs and metrics for pictures of these sizes", quiet=quiet),
            _progress(quiet) as tell,
        ):
            stage = None if quiet else lambda text: print(f"jpegjax: {text}…", file=sys.stderr, flush=True)
            found = report.compare(paths, curves, metrics, out, jobs=jobs, progress=tell, stage=stage, command=command)
        found.failed[:0] = lost
        if found.rows:
            with nullcontext() if quiet else console(stderr=True).status("drawing plots, matching rates for the page"):
                written = report.write(
                    found,
                    out,
                    anchor=anchor,
                    intervals=intervals,
                    formats=formats,
                    images=slider,
                    rates=matched,
                    crop=crop,
                )
    except KeyboardInterrupt:
        print(f"\njpegjax: interrupted; what was measured is in {shown(out)}, run this again to go on", file=sys.stderr)
        raise typer.Exit(130) from None
    except (UsageError, ValueError, TypeError, ImportError, OSError) as error:
        print(f"jpegjax: {shown(str(error))}", file=sys.stderr)
        raise typer.Exit(2) from None
    if found.rows and not quiet:
        _table(found, anchor, intervals)
        measured = len(found.rows) - found.kept
        print(f"{len(found.pictures)} pictures, {len(found.curves)} curves, {len(found.rows)} results: {measured} measured in "
              f"{found.seconds:.0f} s, {found.kept} kept from before")  # fmt: skip
        print(*(f"  {shown(path)}" for path in written if path.parent == Path(out)), sep="\n")
    raise typer.Exit(failures([], found.failed))


def _formats(text: str) -> Sequence[str]:
    formats = [word for word in text.split(",") if word]
    if not formats or set(formats) - {"png", "svg", "pdf"}:
        raise UsageError(f"--plots {shown(text)}: must be some of png, svg, pdf with commas between, or none")
    return formats
