"""A bulk job against the bare engine on the same 100,000 files; killed ten times; on a cluster that loses a node.

    python benchmarks/bulk.py FOLDER [--conformance FOLDER] [--files 100000] [--parts files,killed,cluster,verbs]

FOLDER: photographs, of which bulk_files.py makes the files. Parts:

files     `transcode(progressive=True)` of all: the engine on lists in memory; the same with files read and written by a plain
          loop; the job. By CPU seconds too, which hold on a machine that others use. Files lie in memory where /dev/shm is.
killed    the job begun anew, killed by SIGKILL at ten moments by chance, half of the time with all its processes, and finished:
          every output is compared with the uninterrupted job's.
cluster   three nodes of Ray's on this machine, one of which is killed in mid-job and replaced: folder, WebDataset and Parquet,
          each compared with a local job's.
verbs     what one core does of each verb, for the table of costs.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bulk_files import SIDE, write_files
from machine import ROOT, describe
from photographs import pictures
from reports import RESULTS, save

import jpegjax
from jpegjax.bulk.job import Job, run
from jpegjax.bulk.places.storage import STATE
from jpegjax.bulk.works import TranscodeWork
from jpegjax.jpeg.transcode import transcode
from jpegjax.options import TranscodeOptions
from jpegjax.run.threads import cores

KILLS = 10
WORK = TranscodeWork(TranscodeOptions(progressive=True))


def names_of(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.jpg"))


def spent() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def timed(call: Callable[[], object]) -> dict[str, float]:
    start, before = time.perf_counter(), spent()
    call()
    return {"seconds": time.perf_counter() - start, "cpu_seconds": spent() - before}


def in_memory(contents: list[bytes], shard: int) -> None:
    """The engine alone, on all cores."""
    for at in range(0, len(contents), shard):
        transcode(contents[at : at + shard], WORK.options)


def by_loop(source: Path, target: Path, shard: int) -> None:
    """What one writes by hand: a list is read, coded on all cores, and written."""
    names = names_of(source)
    for paths in (names[at : at + shard] for at in range(0, len(names), shard)):
        results = transcode([p.read_bytes() for p in paths], WORK.options)
        for path, (content, _) in zip(paths, results, strict=True):
            if not isinstance(content, Exception):
                out = target / path.relative_to(source)
                out.parent.mkdir(parents=True, exist_ok=True)
                out.write_bytes(content)


def compare_speed(source: Path, room: Path, shard: int) -> dict[str, Any]:
    """The engine in memory, the loop and the job, one after another on all files; outputs of the last two are compared."""
    contents = [p.read_bytes() for p in names_of(source)]
    transcode(contents[:200], WORK.options)  # kernels are compiled or read
    calls: dict[str, Callable[[], object]] = {
        "engine in memory": lambda: in_memory(contents, shard),
        "read, engine, write": lambda: by_loop(source, room / "loop", shard),
        "job": lambda: run(Job(WORK, str(source), str(room / "whole"), shard_size=shard)),
    }
    found = {}
    for name, call in calls.items():
        taken = timed(call)
        found[name] = {**taken, **{f"files_per_{key[:-1]}": len(contents) / taken[key] for key in taken}}
        print(name, found[name], flush=True)
    ratios = {
        f"{peer}, by {key}": found[peer][key] / found["job"][key]
        for peer in ("engine in memory", "read, engine, write")
        for key in ("seconds", "cpu_seconds")
    }
    summary = json.loads((room / "whole" / STATE / "summary.json").read_text())
    del summary["job"]
    equal = same(room / "loop", room / "whole")
    shutil.rmtree(room / "loop")
    return {"rates": found, "job_over": ratios, "outputs_equal_to_the_loops": equal, "summary": summary}


def outputs(folder: Path) -> dict[str, bytes]:
    """Names and contents, or digests of them, of what a job has made."""
    import hashlib

    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[0] != STATE:
            found[name.as_posix()] = hashlib.sha256(path.read_bytes()).digest()
    return found


def same(one: Path, other: Path) -> int:
    """How many outputs; AssertionError where two jobs' differ in one."""
    a, b = outputs(one), outputs(other)
    assert a == b, f"{len(set(a) ^ set(b))} names differ, {sum(a[n] != b[n] for n in set(a) & set(b))} contents"
    return len(a)


def command(source: Path, target: Path, shard: int) -> list[str]:
    code = "from jpegjax.cli import main; main()"
    words = [
        "bulk",
        "transcode",
        str(source),
        "-o",
        str(target),
        "--progressive",
        "--shard-size",
        str(shard),
        "--quiet",
    ]
    return [sys.executable, "-c", code, *words, "--quiet"]


def killed(source: Path, whole: Path, target: Path, shard: int) -> dict[str, Any]:
    """The job, killed while it works, at moments by chance, and finished."""
    draw = random.Random(7)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    kills: list[dict[str, Any]] = []
    shards = len(list((whole / STATE / "records").rglob("*.json")))

    def records() -> int:
        return len(list((target / STATE / "records").rglob("*.json")))

    for number in range(KILLS):
        child = subprocess.Popen(command(source, target, shard), env=environment, start_new_session=True)
        before = records()
        further = draw.uniform(0, 1.8 * (shards - before) / (KILLS - number + 1))
        while child.poll() is None and records() - before < further:
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 0.3))
        ended = child.poll()
        if together := draw.random() < 0.5:
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()  # its children see that it is gone
        child.wait()
        kills.append({"shards_done": records(), "of": shards, "had_ended": ended, "children_killed_too": together})
    done = subprocess.run(command(source, target, shard), env=environment, check=False)
    leftovers = [p.name for p in target.rglob("*") if ".part" in p.name or "staging" in p.parts]
    return {
        "kills": kills, "exit_code": done.returncode, "outputs": same(whole, target), "equal": True, "leftovers": leftovers,
        "bad_equal": (whole / STATE / "bad.jsonl").read_bytes() == (target / STATE / "bad.jsonl").read_bytes(),
    }  # fmt: skip


def rss_of_tree(pid: int) -> int:
    """Bytes of memory of a process and all below it that no other process shares (Pss)."""
    import psutil

    total = 0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except (psutil.Error, AttributeError):
            continue
    return total


def on_cluster(room: Path, source: Path) -> dict[str, Any]:
    """Three nodes, one of which is killed while it works; folder, tar and Parquet, each against a local job."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    import ray
    from ray.cluster_utils import Cluster

    store = 200_000_000
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": store}
    )
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=store) for _ in range(2)]
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    found: dict[str, Any] = {}
    peak, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(2):
            peak[0] = max(peak[0], sum(rss_of_tree(p) for p in _actors()))

    threading.Thread(target=watch, daemon=True).start()
    try:
        for kind in ("files", "tar", "parquet"):
            origin = source
            if kind != "files":  # made of the folder by a local job that changes nothing
                origin = room / f"in-{kind}"
                run(
                    Job(
                        TranscodeWork(TranscodeOptions(arithmetic=None)),
                        str(source),
                        str(origin),
                        to=kind,
                        shard_size=200,
                    )
                )
                shutil.rmtree(origin / STATE)
            local, target = room / f"local-{kind}", room / f"cluster-{kind}"
            run(Job(WORK, str(origin), str(local), shard_size=200))
            deaths: list[dict[str, Any]] = []

            def tell(now: Any, deaths: list[dict[str, Any]] = deaths) -> None:
                if not deaths and now.shards_done >= now.shards // 4:
                    deaths.append({"shards_done": now.shards_done, "of": now.shards})
                    cluster.remove_node(nodes.pop(), allow_graceful=False)
                    nodes.append(cluster.add_node(num_cpus=1, object_store_memory=store))

            start = time.perf_counter()
            summary = run(Job(WORK, str(origin), str(target), shard_size=200), runner="ray", tell=tell)
            found[kind] = {
                "pictures": summary.pictures, "shards": summary.shards, "bad": len(summary.bad), "node_killed_at": deaths,
                "seconds": time.perf_counter() - start, "outputs": same(local, target), "equal": True,
                "shards_failed": summary.failed,
            }  # fmt: skip
            print(kind, found[kind], flush=True)
    finally:
        ended.set()
        ray.shutdown()
        cluster.shutdown()
    return {"nodes": "a head without cores, two of one core each", **found, "peak_worker_bytes": peak[0]}


def _actors() -> list[int]:
    import psutil

    return [p.pid for p in psutil.process_iter(["cmdline"]) if "ray::" in " ".join(p.info["cmdline"] or ())[:40]]


def verbs(images: list[np.ndarray]) -> dict[str, Any]:
    """CPU seconds a megapixel of each verb on one thread, whole photographs of some formats."""
    from PIL import Image

    from jpegjax.cli.work.in_bulk import DecodeJob, EncodeJob, VerbWork
    from jpegjax.options import DecodeOptions, EncodeOptions
    from jpegjax.run.threads import undivided

    jpegs = jpegjax.encode(images, quality=85)
    pngs = []
    for image in images:
        out = io.BytesIO()
        Image.fromarray(image).save(out, "PNG")
        pngs.append(out.getvalue())
    none: frozenset[str] = frozenset()
    works = {
        "transcode --progressive": (WORK, jpegs),
        "encode of JPEG": (VerbWork(EncodeJob(EncodeOptions()), ".jpg", none), jpegs),
        "encode of PNG": (VerbWork(EncodeJob(EncodeOptions()), ".jpg", none), pngs),
        "encode --tune all of JPEG": (VerbWork(EncodeJob(EncodeOptions(tune=True)), ".jpg", none), jpegs),
        "decode to PNG": (VerbWork(DecodeJob(DecodeOptions()), ".png", none), jpegs),
        "decode --scale 1/4 to PNG": (VerbWork(DecodeJob(DecodeOptions(scale="1/4")), ".png", none), jpegs),
    }
    pixels = sum(i.shape[0] * i.shape[1] for i in images) / 1e6
    found = {}
    for name, (work, contents) in works.items():
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            with undivided():
                made = work.code([work.begin(str(i), content)[0] for i, content in enumerate(contents)])
            best = min(best, time.process_time() - start)
            assert all(outcome.error is None for outcome in made)
        size = [sum(map(len, contents)), sum(len(o.content or b"") for o in made)]
        found[name] = {
            "cpu_seconds_per_mpixel": best / pixels, "bytes_per_pixel": size[0] / pixels / 1e6,
            "written_bytes_per_pixel": size[1] / pixels / 1e6, "pictures": len(images), "mpixel": pixels,
        }  # fmt: skip
        print(name, found[name], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="photographs")
    parser.add_argument("--conformance", type=Path, help="a folder of JPEG files of all kinds")
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--cluster-files", type=int, default=6_000)
    parser.add_argument("--parts", default="files,killed,cluster,verbs")
    parser.add_argument("--output", type=Path, default=RESULTS / "bulk.json")
    parser.add_argument("--shard-size", type=int, default=1000)
    given = parser.parse_args()
    shard = given.shard_size
    parts = given.parts.split(",")
    origin, images = pictures(given.folder)
    report: dict[str, Any] = json.loads(given.output.read_text()) if given.output.exists() else {}
    about = describe()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        room = Path(name)
        if "verbs" in parts:
            report["verbs"] = {**about, "images": origin, "results": verbs(images)}
            save(report, given.output)
        source = room / "in"
        if "files" in parts or "killed" in parts:
            kinds = write_files(source, images, given.conformance, given.files)
            sizes = [p.stat().st_size for p in names_of(source)]
            about |= {
                "images": origin,
                "files": given.files,
                "kinds": kinds,
                "bytes": sum(sizes),
                "side": SIDE,
                "workers": cores(),
            }
        if "files" in parts:
            report["files"] = {**about, **compare_speed(source, room, shard)}
            print(report["files"]["job_over"], flush=True)
            save(report, given.output)
        if "killed" in parts:
            if "files" not in parts:
                run(Job(WORK, str(source), str(room / "whole"), shard_size=shard))
            report["killed"] = {**about, **killed(source, room / "whole", room / "killed", shard)}
            save(report, given.output)
        if "cluster" in parts:
            small = room / "small"
            kinds = write_files(small, images, given.conformance, given.cluster_files)
            report["cluster"] = {**describe(), "kinds": kinds, **on_cluster(room, small)}
            save(report, given.output)


if __name__ == "__main__":
    main()
