"""Which files: inputs found from files, folders, globs and `-`; outputs planned so that none is written twice."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..options import JPEG_SUFFIXES
from . import pipes

__all__ = [
    "BOX_SUFFIX", "JPEG_SUFFIXES", "Job", "Source", "UsageError", "check_name", "find", "in_place", "plan", "shown", "to_stdout",
]  # fmt: skip

BOX_SUFFIX = ".jxj"
"""Of files in this library's own container."""
_PICTURES = JPEG_SUFFIXES | {
    BOX_SUFFIX, ".png", ".ppm", ".pgm", ".pnm", ".bmp", ".tif", ".tiff", ".npy", ".gif", ".webp", ".avif", ".heic", ".heif",
    ".jxl", ".jp2", ".tga", ".pdf", ".eps", ".svg", ".psd",
}  # fmt: skip
"""Suffixes that tell a reader what is inside."""


class UsageError(Exception):
    """A command line that cannot be carried out."""


@dataclass(frozen=True, slots=True)
class Source:
    """An input: its path (None for stdin), and its name below the folder or glob that it was found by."""

    path: Path | None
    relative: Path
    listed: bool = False  # found in a folder or by a glob, not named itself
    alone: bool = False  # named itself, and nothing else was

    @property
    def name(self) -> str:
        return shown(self.path) if self.path else "stdin"


@dataclass(frozen=True, slots=True)
class Job:
    """One input and where its output goes, None for stdout. error: why it goes nowhere."""

    source: Source
    target: Path | None
    error: str | None = None


def shown(path: Path | str) -> str:
    """A path as it may be printed: no control characters, no undecodable bytes."""
    return "".join(c if c.isprintable() else "\ufffd" for c in str(path))


def _walk(folder: Path, recursive: bool, failed: Callable[[OSError], None]) -> Iterator[Path]:
    for here, folders, files in os.walk(folder, onerror=failed):
        folders[:] = sorted(f for f in folders if recursive and not f.startswith("."))
        yield from (Path(here, f) for f in sorted(files) if not f.startswith("."))


def _matches(pattern: str) -> Iterator[Source]:
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    for found in sorted(glob.glob(pattern, recursive=True)):
        if os.path.isfile(found):
            path = Path(found)
            below = Path(os.path.normpath(Path(*path.parts[fixed:]))).parts
            yield Source(path, Path(*(part for part in below if part != "..")), listed=True)


def _missing(word: str) -> str:
    """Why nothing is there."""
    try:
        os.stat(word)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return "no such file or folder"


def find(
    inputs: Sequence[str] | None, recursive: bool, accept: Callable[[Path], bool]
) -> tuple[list[Source], list[tuple[str, str]]]:
    """(inputs, each once and in order; arguments that lead nowhere, each with the reason).

    inputs: None or none for stdin, unless that is a terminal (UsageError). accept: which files of a folder count; files
    named on the command line and matches of globs always do.
    """
    if not inputs:
        if pipes.typed():
            raise UsageError("no input: name files or folders, or pipe a picture in")
        inputs = ["-"]
    found: dict[str, Source] = {}
    lost: list[tuple[str, str]] = []
    for word in inputs:
        path = Path(word)
        if word == "-":
            if len(inputs) > 1:
                raise UsageError("'-' reads stdin and must be the only input")
            return [Source(None, Path("stdin"))], []
        before = len(lost)
        if word and os.path.isdir(path):  # an empty word, such as "$unset", is not this folder
            walked = _walk(path, recursive, lambda error: lost.append((shown(error.filename), error.strerror or "")))
            here = [Source(p, p.relative_to(path), True) for p in walked if accept(p)]
            reason = "no image files in this folder" + ("" if recursive else " (-r looks into folders inside)")
        elif word and os.path.exists(path):
            here, reason = [Source(path, Path(path.name), alone=len(inputs) == 1)], ""
        elif glob.has_magic(word):
            here, reason = list(_matches(word)), "no file matches"
        else:
            here, reason = [], _missing(word)
        if not here and len(lost) == before:
            lost.append((shown(word) or "''", reason))
        for source in here:
            found.setdefault(os.path.abspath(source.path or ""), source)
    return list(found.values()), lost


def check_name(output: str | None, sources: Sequence[Source], own: frozenset[str], what: str) -> None:
    """UsageError for -o FILE that is named as a picture of another format. own: suffixes of those that are written."""
    if output is None or output == "-" or _is_folder(output, sources):
        return
    suffix = Path(output).suffix.lower()
    if suffix in _PICTURES and suffix not in own:
        raise UsageError(f"-o {shown(output)}: {what}, not {suffix}")


def _is_folder(output: str, sources: Sequence[Source]) -> bool:
    return (
        os.path.isdir(output)
        or output.endswith(("/", os.sep))
        or len(sources) != 1
        or any(source.listed for source in sources)
    )


def to_stdout(sources: Sequence[Source], output: str | None) -> bool:
    """Whether outputs go to stdout: asked by "-", or where nothing was asked, of stdin's picture, and of the only input that
    was named where stdout is redirected."""
    if output is None and len(sources) == 1:
        return sources[0].path is None or (sources[0].alone and pipes.redirected())
    return output == "-"


def _identity(path: Path) -> tuple[int, int] | str:
    """The same for all names of one file."""
    try:
        status = os.stat(path)
    except OSError:
        return os.path.normcase(os.path.realpath(path))
    return status.st_dev, status.st_ino


def plan(sources: Sequence[Source], output: str | None, suffix: str | None) -> list[Job]:
    """Where each output goes. Those that would be one file, or an input, fail; UsageError where stdout takes several.

    output: None beside each input, or as `to_stdout` says, "-" stdout, a file for a single input, else a folder that
    keeps the relative folders of what was found by a folder or glob. suffix: of outputs that get a name here; None keeps
    the input's own.
    """
    if to_stdout(sources, output):
        if len(sources) > 1:
            raise UsageError(f"-o - takes one input, not {len(sources)}")
        return [Job(source, None) for source in sources]
    if output is not None and _is_folder(output, sources):
        if os.path.exists(output) and not os.path.isdir(output):
            raise UsageError(f"-o {shown(output)}: is a file; several outputs need a folder")
        jobs = [Job(s, Path(output) / _renamed(s.relative, suffix if s.path else suffix or ".jpg")) for s in sources]
    elif output is not None:
        jobs = [Job(s, Path(output)) for s in sources]
    else:
        jobs = [Job(s, _renamed(s.path, suffix)) for s in sources if s.path]
    return _apart(jobs)


def _renamed(path: Path, suffix: str | None) -> Path:
    return path if suffix is None else path.with_suffix(suffix)


def _apart(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, with an error where two have one target or one has an input's."""
    inputs = {_identity(job.source.path): job.source for job in jobs if job.source.path}
    together: dict[tuple[int, int] | str, list[Source]] = {}
    keys = [None if job.target is None or _is_device(job.target) else _identity(job.target) for job in jobs]
    for job, key in zip(jobs, keys, strict=True):
        if key is not None:
            together.setdefault(key, []).append(job.source)
    planned = []
    for job, key in zip(jobs, keys, strict=True):
        error = None
        others = [source.name for source in together.get(key, ()) if source is not job.source] if key else []
        if key in inputs:
            error = f"would replace the input {inputs[key].name}; give -o"
        elif others:
            error = f"{others[0]} would become {shown(job.target or '')} too; give their folders, or one -o each"
        planned.append(replace(job, error=error))
    return planned


def _is_device(path: Path) -> bool:
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def in_place(sources: Sequence[Source]) -> list[Job]:
    """Each input as its own output, each file once whatever its names. UsageError for stdin."""
    if any(source.path is None for source in sources):
        raise UsageError("--in-place: stdin is no file that could be replaced")
    files = {_identity(source.path): source for source in reversed(sources) if source.path}
    return [
        Job(source, source.path, None if source.path and source.path.is_file() else "no file that could be replaced")
        for source in reversed(files.values())
    ]
