"""What results/bulk.json says, as tables; on paper what a billion pictures cost by it; and what results/studio.json says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shown import Result, source, table

__all__ = ["PRICES_OF", "bulk", "dollars", "studio"]

PICTURES = 1e9
PRICES_OF = "list prices as assumed on 2026-11-30"
CORE_HOUR = {"x86, on demand": 0.0425, "x86, spot": 0.0170, "Arm, on demand": 0.0363}
"""Dollars a virtual core and hour, of compute-optimised machines. Arm is taken to be as fast as the core that was measured."""
PUT, GET = 5e-6, 0.4e-6
"""Dollars a request of an object store."""
MONTH = 0.023e-9
"""Dollars a byte and month that is stored."""
IN_A_TAR = 1000


def dollars(value: float) -> str:
    return f"${value:,.0f}"


def _costs(verbs: Mapping[str, Any]) -> list[str]:
    """Machines for a billion pictures of a megapixel, by verb."""
    rows = []
    for name, one in verbs["results"].items():
        hours = PICTURES * one["cpu_seconds_per_mpixel"] / 3600
        saved = PICTURES * 1e6 * (one["bytes_per_pixel"] - one["written_bytes_per_pixel"])
        stored = dollars(saved * MONTH) if name.startswith(("transcode", "encode")) and saved > 0 else ""
        pace = f"{1 / one['cpu_seconds_per_mpixel']:.1f}"
        rows.append([name, pace, f"{hours:,.0f}", *(dollars(hours * price) for price in CORE_HOUR.values()), stored])
    head = ["a billion pictures of 1 Mpixel", "Mpixel/s a core", "core hours", *CORE_HOUR, "storage saved, a month"]
    requests = (
        f"Requests: as single objects {dollars(PICTURES * (PUT + GET))} (a GET and a PUT each), in tars of {IN_A_TAR} pictures "
        f"{dollars(PICTURES / IN_A_TAR * (PUT + GET))}. Assumptions ({PRICES_OF}): "
        + ", ".join(f"{name} ${price} a virtual core and hour" for name, price in CORE_HOUR.items())
        + f"; ${PUT * 1e6:g} a million PUTs, ${GET * 1e6:g} a million GETs, ${MONTH * 1e9:g} a gigabyte and month. "
        "A core is one thread of the machine below; networks, idle cores and transfers out of a region are not in it, "
        "and GPUs were not measured."
    )
    return [*table(head, rows), requests, "", *source(verbs)]


def _speed(files: Mapping[str, Any]) -> list[str]:
    rows = [
        [name, f"{one['files_per_second']:,.0f}", f"{one['files_per_cpu_second']:,.0f}"]
        for name, one in files["rates"].items()
    ]
    about = f"{files['files']:,} files of {files['side']}², transcoded (progressive)"
    fixed = files.get("start_cpu_seconds")
    over = files["job_over"]
    said = (
        f"By CPU seconds the job has {over['read, engine, write, by cpu_seconds']:.2f} of the loop's speed and "
        f"{over['engine in memory, by cpu_seconds']:.2f} of the engine's in memory, by the clock "
        f"{over['read, engine, write, by seconds']:.2f} and {over['engine in memory, by seconds']:.2f}; "
    )
    if fixed:
        own, loop = files["rates"]["job"]["cpu_seconds"] - fixed, files["rates"]["read, engine, write"]["cpu_seconds"]
        memory = files["rates"]["engine in memory"]["cpu_seconds"]
        said += (
            f"{fixed:.1f} CPU seconds of it are the start of its processes, whatever the number of files; without them "
            f"{loop / own:.2f} and {memory / own:.2f}. "
        )
    said += f"{files['summary']['bad']} files fail and are listed; the others are the loop's, byte for byte."
    return [*table([about, "files/s", "files a CPU second"], rows), said, "", *source(files)]


def _survived(killed: Mapping[str, Any]) -> list[str]:
    at = ", ".join(f"{kill['shards_done']}" for kill in killed["kills"])
    text = (
        f"Killed by SIGKILL {len(killed['kills'])} times, with {at} of {killed['kills'][0]['of']} shards done, and finished: "
        f"{killed['outputs']:,} outputs of {killed['files']:,} files, each there once and equal to the uninterrupted job's; "
        "the list of failures is the same, nothing is left over."
    )
    return [text, "", *source(killed)]


def _cluster(found: Mapping[str, Any]) -> list[str]:
    rows = []
    for kind in ("files", "tar", "parquet"):
        one = found[kind]
        at = ", ".join(f"{death['shards_done']} of {death['of']}" for death in one["node_killed_at"])
        equal = "yes" if one["equal"] else "no"
        rows.append([kind, f"{one['pictures']:,}", str(one["bad"]), at, str(one["outputs"]), equal])
    head = [
        "Ray, three nodes, one killed",
        "pictures",
        "failed",
        "killed at shard",
        "outputs",
        "equal to a local job's",
    ]
    peak = f"Memory of the workers and their children at most {found['peak_worker_bytes'] / 1e6:,.0f} MB; {found['nodes']}."
    return [*table(head, rows), peak, "", *source(found)]


def bulk(report: Mapping[str, Any]) -> list[str]:
    """All parts that there are."""
    makers = {"files": _speed, "killed": _survived, "cluster": _cluster, "verbs": _costs}
    return [line for name, make in makers.items() if name in report for line in make(report[name])]


def studio(report: Result) -> list[str]:
    """From a change of quality to an answer: of the server by codec and view, and of the page in Chromium."""
    rows = [
        [f"{codec}, {view}", f"{1e3 * one['median_seconds']:.0f}", f"{1e3 * one['most_seconds']:.0f}"]
        for codec, found in report["codecs"].items()
        for view, one in found.items()
        if view in report["views"]
    ]
    if page := report.get("chromium"):
        rows.append(
            [
                "jpeg in Chromium, on the screen",
                f"{1e3 * page['median_seconds']:.0f}",
                f"{1e3 * page['most_seconds']:.0f}",
            ]
        )
    width, height = report["size"]
    head = [f"{width}×{height}, another quality, a view of the screen's size", "median, ms", "most, ms"]
    exact = ", ".join(f"{codec} {found['exact_seconds']:.1f} s" for codec, found in report["codecs"].items())
    return [*table(head, rows), f"Exact files, encoded and decoded, follow: {exact}.", "", *source(report)]
