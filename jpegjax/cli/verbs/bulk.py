"""`jpegjax bulk`: a verb over millions of pictures, by the shard; it goes on where it was."""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Annotated, Any

import typer

from ..flags import LimitMemory, LimitPixels, MaxScans, Strict
from ..paths import UsageError, shown
from ..run import usage
from .decode import decode, decode_options, format_named
from .encode import encode, encode_work
from .transcode import transcode, transcode_options

__all__ = ["bulk"]

bulk: typer.Typer = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__
)

_ELSEWHERE = {
    "context", "inputs", "output", "recursive", "overwrite", "jobs", "importance", "verify", "replace", "dest", "stdout", "stdin",
    "force", "preserve", "preserve_perms", "noaction", "max_quality", "size", "threshold", "csv", "totals", "quiet",
}  # fmt: skip
"""Flags of the verbs that say where pictures are, or are for one run at a desk."""
_LINE_SECONDS = 30.0


def _places(
    origin: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="Folder, glob, list (.txt), tars (photos-{000..120}.tar) or Parquet; a path or any fsspec URL."
        ),
    ],
    target: Annotated[str, typer.Option("-o", "--output", help="Folder or URL for what is made, and the job's records.")],
    kind: Annotated[str, typer.Option("--from", help="What SOURCE is: auto, files, list, tar or parquet.")] = "auto",
    to: Annotated[str | None, typer.Option(help="What is made: files, tar or parquet. [default: as SOURCE]")] = None,
    column: Annotated[str | None, typer.Option(help="Of Parquet's images. [default: image, or the one of bytes]")] = None,
    shard_size: Annotated[
        int, typer.Option(min=1, help="Pictures that are done as a whole; a tar, or whole row groups, of those.")
    ] = 1000,
    runner: Annotated[str, typer.Option(help="local, processes on this machine; or ray, a cluster.")] = "local",
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes, or Ray's actors at most; 0: in this process. [default: one a core]")
    ] = None,
    cpus: Annotated[float, typer.Option(min=0, help="Of each of Ray's actors.")] = 1,
    gpus: Annotated[float, typer.Option(min=0, help="Of each of Ray's actors.")] = 0,
    ray_address: Annotated[str | None, typer.Option(help="Of the cluster. [default: RAY_ADDRESS, or a new one]")] = None,
    durable: Annotated[
        bool, typer.Option("--durable", help="Wait for the disk, so that a power cut loses no file of a finished shard.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what would be gained, by a sample.")] = False,
    sample: Annotated[int, typer.Option(min=1, help="Pictures that --dry-run codes.")] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no summary.")] = False,
) -> None:  # fmt: skip
    """Flags of every job."""


def _spellings(flag: Any) -> list[str]:
    """A flag's own, as typer has them inside of Annotated: the first in the place of a default."""
    return [word for word in (flag.default, *(flag.param_decls or ())) if isinstance(word, str)]


def _without(annotation: Any, taken: set[str]) -> Any:
    """A flag without the spellings that flags of every job have."""
    flag = copy(annotation.__metadata__[0])
    left = [word for word in _spellings(flag) if word not in taken]
    if left:
        flag.default, flag.param_decls = left[0], tuple(left[1:])
    return Annotated[annotation.__origin__, flag]


def _command(verb: Callable[..., None], name: str, about: str, make: Callable[[dict[str, Any], set[str]], Any]) -> None:
    """Add a command: the flags of every job, and those of a verb that say what is done with a picture."""
    places = inspect.signature(_places, eval_str=True).parameters
    own = {n: p for n, p in inspect.signature(verb, eval_str=True).parameters.items() if n not in _ELSEWHERE}
    defaults = {n: p.default for n, p in inspect.signature(verb).parameters.items() if p.default is not p.empty}

    def run(context: typer.Context, **given: Any) -> None:
        from click.core import ParameterSource

        typed = {n for n in own if context.get_parameter_source(n) is ParameterSource.COMMANDLINE}
        rest = {n: value for n, value in given.items() if n in own}
        try:
            work = make(defaults | rest | {"quiet": given["quiet"]}, typed)
            code = _run(work, {n: value for n, value in given.items() if n in places})
        except (UsageError, ValueError, TypeError, NotImplementedError, ImportError, OSError) as error:
            raise usage(error) from None
        raise typer.Exit(code)

    taken = {word for p in places.values() for word in _spellings(p.annotation.__metadata__[0])}
    own = {n: p.replace(annotation=_without(p.annotation, taken | {f"--{n}" for n in places})) for n, p in own.items()}
    keyword = inspect.Parameter.KEYWORD_ONLY
    context = inspect.Parameter("context", keyword, annotation=typer.Context)
    parameters = [context, *(p.replace(kind=keyword) for p in (*places.values(), *own.values()))]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__doc__ = about
    bulk.command(name)(run)


def _encode(given: dict[str, Any], typed: set[str]) -> Any:
    from ...options import JPEG_SUFFIXES
    from .. import pictures
    from ..paths import BOX_SUFFIX
    from ..work.in_bulk import VerbWork

    accepts = pictures.offered_suffixes() | JPEG_SUFFIXES
    if given["codec"] is not None or given["model"] is not None:
        from ..boxes import box_work

        return VerbWork(box_work(given, typed), BOX_SUFFIX, accepts)
    return VerbWork(encode_work(given), ".jpg", accepts)


def _decode(given: dict[str, Any], typed: set[str]) -> Any:
    from ...options import JPEG_SUFFIXES
    from ..paths import BOX_SUFFIX
    from ..work.in_bulk import DecodeJob, VerbWork

    options, format = decode_options(given), format_named(given["format"] or "png")
    if options.dtype == "float32" and format != "npy":
        raise UsageError(f"--dtype float32: {format} does not hold floats, say --format npy")
    if given["model"] is not None or given["icc"] is not None:
        raise UsageError("--model and --icc: are for one run of jpegjax decode")
    from .. import settings

    device = settings.device(given["device"], given["engine"])
    job = DecodeJob(
        options,
        format,
        given["engine"],
        device,
        given["exif_transpose"],
        depth=given["depth"],
        managed=given["color_managed"],
    )
    return VerbWork(job, f".{format}", JPEG_SUFFIXES | {BOX_SUFFIX})


def _transcode(given: dict[str, Any], typed: set[str]) -> Any:
    from ...bulk.works import TranscodeWork

    return TranscodeWork(transcode_options(given))


def _coefficients_flags(
    strict: Strict = False,
    limit_pixels: LimitPixels = None,
    limit_memory: LimitMemory = None,
    maxscans: MaxScans = None,
) -> None:
    """Flags of `coefficients`."""


def _coefficients(given: dict[str, Any], typed: set[str]) -> Any:
    from ...bulk.works import CoefficientWork
    from ...options import DecodeOptions
    from .. import settings

    within = settings.limits(given["limit_pixels"], given["limit_memory"], scans=given["maxscans"])
    return CoefficientWork(DecodeOptions(strict=given["strict"], limits=within))


def _measure_flags(
    codec: Annotated[str, typer.Option(help="A codec as `jpegjax codecs` lists them.")] = "jpeg",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the codec, such as quality=80.")
    ] = None,
    metrics: Annotated[str, typer.Option(help="With commas between, as for `jpegjax compare`.")] = "psnr,ms_ssim,ssimulacra2",
    background: Annotated[str | None, typer.Option(help="Colour under transparent pixels; without it they are refused.")] = None,
    exif_transpose: Annotated[bool, typer.Option("--exif-transpose", help="Turn pictures upright as EXIF says.")] = False,
    limit_pixels: LimitPixels = None,
) -> None:  # fmt: skip
    """Flags of `measure`."""


def _measure(given: dict[str, Any], typed: set[str]) -> Any:
    from ... import codecs
    from ...options import JPEG_SUFFIXES
    from ...report.score import METRICS
    from .. import pictures, settings
    from ..work.in_bulk import MeasureWork

    codec, chosen = codecs.get(given["codec"]), {}
    for word in given["set_"] or ():
        name, equals, value = word.partition("=")
        if not equals or name not in codec.settings:
            raise UsageError(f"--set {shown(word)}: must be NAME=VALUE; {codec.name} has {', '.join(codec.settings)}")
        chosen[name] = codec.settings[name].parse(f"--set {name}", value)
    codec.check(chosen)
    names = tuple(name for name in given["metrics"].split(",") if name)
    for name in names:
        if name not in METRICS:
            raise UsageError(f"--metrics {shown(name)}: must be of {', '.join(METRICS)}")
    if given["background"] is not None:
        pictures.check_color(given["background"])
    most = settings.limits(given["limit_pixels"], None).pixels
    accepts = pictures.offered_suffixes() | JPEG_SUFFIXES
    return MeasureWork(codec.name, chosen, names, accepts, given["background"], given["exif_transpose"], most)


_command(encode, "encode", "JPEG or .jxj files of all pictures, as `jpegjax encode` makes them.", _encode)
_command(decode, "decode", "Pictures of all JPEG and .jxj files, as `jpegjax decode` makes them.", _decode)
_command(
    transcode, "transcode", "JPEG files of all JPEG files without loss, as `jpegjax transcode` makes them.", _transcode
)
_command(
    _measure_flags, "measure", "What a codec makes of all pictures, in numbers: bytes and metrics, JSON each.", _measure
)
_command(_coefficients_flags, "coefficients", "Quantised DCT coefficients of all JPEG files, .npz each.", _coefficients)


def _run(work: Any, given: dict[str, Any]) -> int:
    from ...bulk.job import Job, run

    job = Job(
        work,
        given["origin"],
        given["target"],
        given["kind"],
        given["to"],
        given["shard_size"],
        given["column"],
        given["durable"],
    )
    if given["dry_run"]:
        return _rehearse(job, given)
    with _progress(given["quiet"]) as tell:
        summary = run(
            job,
            given["runner"],
            given["workers"],
            cpus=given["cpus"],
            gpus=given["gpus"],
            address=given["ray_address"],
            tell=tell,
        )
    if given["as_json"]:
        print(json.dumps(summary.as_dict(), ensure_ascii=False))
    if not given["quiet"]:
        _say(job, summary)
    return 1 if summary.bad or summary.failed else 2 if summary.damaged else 0


def _say(job: Any, summary: Any) -> None:
    from ...bulk.places.storage import STATE
    from ...bulk.summary import size

    def say(text: str) -> None:
        print(f"jpegjax: {shown(text)}", file=sys.stderr)

    percent = "" if summary.saved_percent is None else f", {summary.saved_percent:.1f} % saved"
    before, after, good = size(summary.nbytes), size(summary.written_nbytes), summary.pictures - len(summary.bad)
    say(f"{good:,} pictures {job.work.verb}: {before} → {after}{percent}; {summary.seconds:.1f} s")
    for name, value in summary.means.items():
        say(f"mean {name}: {value:.5g}")
    for what, found in (("failed", summary.bad), ("damaged, what can be read was saved", summary.damaged)):
        if found:
            say(f"{len(found):,} {what}, such as {found[0][0]}: {found[0][1]}")
    for name, why in summary.failed:
        say(f"shard {name} could not be done: {why}")
    say(f"summary: {job.target}/{STATE}/summary.html")


def _rehearse(job: Any, given: dict[str, Any]) -> int:
    from ...bulk.rehearsal import rehearse
    from ...bulk.summary import size
    from ...run.threads import cores

    found = rehearse(job, given["sample"])
    if given["as_json"]:
        print(json.dumps(found.as_dict(), ensure_ascii=False))
    if given["quiet"]:
        return 0
    total, nbytes, saved, seconds = found.total_pictures, found.total_nbytes, found.saved_percent, found.core_seconds
    known = "" if total is None else f"{total:,} ", "" if nbytes is None else f", {size(nbytes)}"
    lines = [
        f"{known[0]}pictures{known[1]}, in {found.shards:,} shards"
        f"{f', of which {found.done:,} are done' if found.done else ''}; nothing is written",
        f"{found.sampled} sampled, {len(found.bad)} of them failed",
    ]
    if saved is not None:
        lines.append(f"saves {saved[0]:.1f} % ({saved[1]:.1f} to {saved[2]:.1f}, 95 % interval)")
        if nbytes is not None:
            lines[-1] += f": {size(nbytes)} → {size(nbytes * (1 - saved[0] / 100))}"
    lines += [f"mean {name}: {value:.5g}" for name, value in found.means.items()]
    if seconds is not None:
        workers = given["workers"] or cores()
        lines.append(
            f"{_clock(seconds)} on one core, {_clock(seconds / workers)} on {workers}, without reading and writing"
        )
    for text in lines + [f"{name}: {why}" for name, why in found.bad[:5]]:
        print(f"jpegjax: {shown(text)}", file=sys.stderr)
    return 0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[Any], None]]:
    """Rate and time left: a bar where stderr is a terminal, else a line now and then."""
    from rich import progress as rich

    from ..report import console

    start: list[float] = []

    def line(now: Any) -> str:
        """ "1,200 of 4,000 pictures, 3 failed, 410/s, 0:07 left" """
        start[:] = start or [time.monotonic(), now.begun, now.shards_done]
        passed, begun = time.monotonic() - start[0], now.begun - start[1]
        of = f" of {now.pictures:,}" if now.pictures is not None else ""
        text = f"{now.begun:,}{of} pictures, {now.shards_done:,} of {now.shards:,} shards"
        if now.bad:
            text += f", {now.bad:,} failed"
        if passed > 1 and begun > 0:
            text += f", {begun / passed:,.1f}/s"
            done = now.shards_done - start[2]
            if now.pictures is not None:
                text += f", {_clock((now.pictures - now.begun) * passed / begun)} left"
            elif done:
                text += f", {_clock((now.shards - now.shards_done) * passed / done)} left"
        return text

    screen = console(stderr=True)
    if quiet:
        yield lambda now: None
    elif screen.is_terminal:
        with rich.Progress(
            rich.BarColumn(), rich.TextColumn("{task.description}"), console=screen, transient=True
        ) as bar:
            task = bar.add_task("")

            def draw(now: Any) -> None:
                bar.update(task, total=now.pictures or now.shards, completed=now.begun if now.pictures else now.shards_done,
                           description=line(now))  # fmt: skip

            yield draw
    else:
        last = [time.monotonic()]

        def tell(now: Any) -> None:
            text = line(now)
            if time.monotonic() - last[0] >= _LINE_SECONDS:
                last[0] = time.monotonic()
                print(f"jpegjax: {text}", file=sys.stderr, flush=True)

        yield tell
