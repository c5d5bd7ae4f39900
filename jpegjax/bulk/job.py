"""A job over many pictures: what is done, where they come from and go to; begun once, gone on with, or rehearsed on a sample.

job = Job(TranscodeWork(TranscodeOptions(progressive=True)), "s3://photos/in", "s3://photos/out")
report = run(job, runner="ray")
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from .. import __version__
from ..run.threads import cores
from .manifest import Manifest
from .places.entries import Shard, output_of
from .places.sources import Source, source
from .places.storage import STATE, Local, Place, Remote, is_url, place
from .places.targets import TARGETS
from .runners.processes import Result, here, processes
from .summary import Summary, write_summary
from .work import Task, Work

__all__ = ["RUNNERS", "Job", "Progress", "run"]

RUNNERS = ("local", "ray")


@dataclass(frozen=True, slots=True)
class Job:
    """What is done with which pictures.

    Args:
        work: What is done with every picture.
        origin: A folder, a glob, a list (.txt), tars or Parquet files; paths, or URLs that fsspec knows.
        target: A folder for what is made; a path or URL.
        kind: What the origin is: files, list, tar, parquet, or auto.
        to: What is made: files, tar or parquet; by default as the origin is.
        shard_size: Pictures that are done as a whole. Of tars a shard is a tar, of Parquet whole row groups.
        column: Of Parquet's images.
        durable: Files of a folder are on the disk before their shard counts as done, so that a power cut loses none.
    """

    work: Work
    origin: str
    target: str
    kind: str = "auto"
    to: str | None = None
    shard_size: int = 1000
    column: str | None = None
    durable: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.shard_size, int) or self.shard_size < 1:
            raise ValueError(f"shard_size={self.shard_size!r}: must be 1 or more")
        if self.to is not None and self.to not in TARGETS:
            raise ValueError(f"to={self.to!r}: must be {', '.join(TARGETS)}")
        if _same(self.origin, self.target):
            raise ValueError(f"target={self.target!r}: is the source; give another folder")


def _same(origin: str, target: str) -> bool:
    if is_url(origin) or is_url(target):
        return origin.rstrip("/") == target.rstrip("/")
    return os.path.realpath(origin) == os.path.realpath(target)


def _inside(origin: str, target: str) -> str | None:
    """The target's name below the origin, if it is there."""
    if is_url(origin) != is_url(target):
        return None
    if is_url(origin):
        start = f"{origin.rstrip('/')}/"
        return target.rstrip("/").removeprefix(start) if target.startswith(start) else None
    inner, outer = Path(os.path.realpath(target)), Path(os.path.realpath(origin))
    return inner.relative_to(outer).as_posix() if inner.is_relative_to(outer) else None


@dataclass(slots=True)
class Progress:
    """How far a job is. pictures: of all, where that is known. begun: those of shards at work too."""

    shards: int
    pictures: int | None
    shards_done: int = 0
    pictures_done: int = 0
    begun: int = 0
    bad: int = 0


Tell = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class _Opened:
    """A job with its places."""

    job: Job
    source: Source
    target: Place
    to: str

    @property
    def about(self) -> dict[str, Any]:
        job = self.job
        return {
            "jpegjax": __version__, "work": job.work.about(), "origin": job.origin, "kind": self.source.kind, "to": self.to,
            "shard_size": job.shard_size, "column": job.column,
        }  # fmt: skip

    def shards(self) -> Iterator[Shard]:
        """All shards; two pictures of one name get two."""
        if self.source.kind not in ("files", "list"):
            yield from self.source.shards(self.job.shard_size)
            return
        taken: set[str] = set()
        for shard in self.source.shards(self.job.shard_size):
            named = []
            for (name,) in shard.what:
                usual = output_of(name)
                output = unique(usual, self.job.work.suffix, taken)
                named.append([name] if output == self._made(usual) else [name, output])
            yield replace(shard, what=named)

    def _made(self, name: str) -> str:
        suffix = self.job.work.suffix
        return name if suffix is None else str(PurePosixPath(name).with_suffix(suffix))


def unique(name: str, suffix: str | None, taken: set[str]) -> str:
    """A name for what is made of a file, which nothing else has: b.jpg of b.png, and b.gif.jpg of b.gif beside it."""
    path = PurePosixPath(name)
    wanted = name if suffix is None else str(path.with_suffix(suffix))
    ending = path.suffix if suffix is None else f"{path.suffix}{suffix}"
    number = 2 if suffix is None else 1
    while wanted in taken:
        wanted = f"{path.with_suffix('')}{f'~{number}' if number > 1 else ''}{ending}"
        number += 1
    taken.add(wanted)
    return wanted


def opened(job: Job) -> _Opened:
    """The job, its origin looked at. Errors as `source` and `place` have them."""
    found = source(job.origin, job.kind, job.work.accepts, job.column, _inside(job.origin, job.target))
    return _Opened(job, found, place(job.target), job.to or {"list": "files"}.get(found.kind, found.kind))


def manifest_of(at: _Opened) -> Manifest:
    """The job's manifest, made if there is none. ValueError where the target has another job's."""
    found = Manifest.read(at.target)
    if found is not None:
        found.check(at.about)
        return found
    made = Manifest.create(at.target, at.about, at.shards())
    if not len(made):
        at.target.remove(STATE)
        raise FileNotFoundError(f"{at.job.origin}: no pictures there")
    return made


@contextlib.contextmanager
def _alone(target: Place) -> Iterator[None]:
    """Only one job at a time works on a local target; ValueError for a second one. What killed ones left is removed."""
    if not isinstance(target, Local):
        yield
        return
    path = target.path(f"{STATE}/lock")
    target.make_folder_of(path)
    with open(path, "ab") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass
        except BlockingIOError:
            raise ValueError(f"{target.url}: another job is at work on it") from None
        except OSError:  # a file system without locks
            pass
        target.remove(f"{STATE}/staging")
        try:
            yield
        finally:
            target.remove(f"{STATE}/staging")


def run(
    job: Job, runner: str = "local", workers: int | None = None, *, cpus: float = 1, gpus: float = 0,
    address: str | None = None, tell: Tell = lambda progress: None,
) -> Summary:  # fmt: skip
    """Do a job, or what is left of it.

    Args:
        runner: local (processes on this machine) or ray (a cluster).
        workers: Processes, or actors; by default one a core. 0 does all in this process.
        cpus, gpus: Of each of Ray's actors. address: of its cluster.
        tell: Called as it goes, from several threads.

    Returns:
        What was done, now and before; it is written into the target too.

    Raises:
        ValueError: Options that there are not, or the target holds another job.
        OSError: There are no pictures, or the target cannot be written.
        MissingPackage: A package that the places or the runner need.
    """
    if runner not in RUNNERS:
        raise ValueError(f"runner={runner!r}: must be {', '.join(RUNNERS)}")
    at = opened(job)
    with _alone(at.target):
        manifest = manifest_of(at)
        done = manifest.done()
        left = (manifest.shard(number) for number in range(len(manifest)) if number not in done)
        progress = Progress(len(manifest), manifest.head["pictures"] if manifest.head["counted"] else None)
        for record in manifest.records() if done else ():
            _count(progress, record)
        progress.begun = progress.pictures_done
        tell(progress)

        def begun(count: int) -> None:
            progress.begun += count
            tell(progress)

        start, failed = time.monotonic(), []
        for shard, found in (
            _results(at, runner, left, workers, begun, (cpus, gpus, address)) if len(done) < len(manifest) else ()
        ):
            if isinstance(found, str):
                failed.append([shard.name, found])
            else:
                _count(progress, found)
            progress.begun = max(progress.begun, progress.pictures_done)
            tell(progress)
        summary = Summary.of(manifest, failed)
        write_summary(at.target, summary)
    summary.seconds = time.monotonic() - start
    return summary


def _count(progress: Progress, record: dict[str, Any]) -> None:
    progress.shards_done += 1
    progress.pictures_done += record["pictures"]
    progress.bad += len(record["bad"])


def _results(
    at: _Opened, runner: str, shards: Iterator[Shard], workers: int | None, begun: Callable[[int], None],
    cluster: tuple[float, float, str | None],
) -> Iterator[Result]:  # fmt: skip
    several = (workers is None and cores() > 1) or (workers or 0) > 1
    task = Task(at.job.work, at.source, at.to, at.target, at.job.durable, divided=not several and runner == "local")
    if runner == "ray":
        from .runners.on_ray import on_ray

        return on_ray(task, shards, workers, *cluster)
    private = any(isinstance(p, Remote) and p.private for p in (at.target, getattr(at.source, "place", at.target)))
    if workers == 0 or private:  # other processes do not see what is in this one's memory
        return here(replace(task, divided=True), shards, begun)
    return processes(task, shards, workers or cores(), begun)
