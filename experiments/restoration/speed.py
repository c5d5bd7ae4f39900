"""How long restoration takes, and in how much memory: `python -m experiments.restoration.speed`.

A 768×512 photograph, plain files of quality 30 and 75: `decode` against `decode(restore=True)`, in turns, after warm-up, on
--cores processors (two unless said otherwise); processor time beside it, which holds on a busy machine. 12 Mpixel (4000×3000,
of Kodak pictures side by side), each way in a process of its own: seconds of the first call, compilation included, and of the
second, and the peak of resident memory. Then what refining costs: `encode(tune="restored")` against three rounds, tune="psnr"
against two, and one round of the large picture. --side N makes the large picture smaller, for tries.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["keep_cores", "large"]

LARGE = 3000, 4000
REFINED = "refined"
WAYS = ("plain", "restored", REFINED)


def keep_cores(count: int) -> None:
    """Lets this process and its children use so many processors; for before JAX starts. A no-op where systems cannot."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:count]))


def large(way: str, height: int, width: int) -> dict[str, float]:
    """Seconds of the first and the second call, and peak bytes of this process, of one large picture decoded, or "refined"."""
    import resource
    import time

    import numpy as np

    import jpegjax
    from experiments.tuning import pictures

    from . import measure

    found = [p for p in pictures.kodak().values() if p.shape == (512, 768, 3)]
    across, down = -(-width // 768), -(-height // 512)
    rows = [
        np.concatenate([found[(across * r + c) % len(found)] for c in range(across)], axis=1)[:, :width]
        for r in range(down)
    ]
    image = np.ascontiguousarray(np.concatenate(rows)[:height])
    data = measure.plain_file(image, 75)
    del found, rows
    started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(2):
        begin = time.perf_counter()
        if way == REFINED:
            jpegjax.encode(image, tune="restored", refine=1)
        else:
            (pixels,) = measure.shown([data], way)
            assert pixels.shape == (height, width, 3)
        seconds.append(time.perf_counter() - begin)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "first_seconds": round(seconds[0], 3),
        "second_seconds": round(seconds[1], 3),
        "peak_bytes": peak * unit,
        "peak_bytes_before": started * unit,
    }


def _small(rounds: int) -> list[dict[str, Any]]:
    from benchmarks.rounds import processor_seconds, race
    from experiments.tuning import pictures

    from . import measure

    image = pictures.kodak()["kodim23"]
    found = []
    for quality in (30, 75):
        files = [measure.plain_file(image, quality)]
        calls = {way: lambda way=way, files=files: measure.shown(files, way) for way in ("plain", "restored")}
        for call in calls.values():
            call()
        run = race("restore", f"768x512, quality {quality}", 768 * 512, calls, rounds=rounds)
        spent = {way: round(min(processor_seconds(call) for _ in range(3)), 4) for way, call in calls.items()}
        ratio = round(run.ratio("restored", "plain"), 1)
        found.append({**run.as_dict(), "processor_seconds": spent, "restored_over_plain": ratio})
    return found


def _refined(rounds: int) -> list[dict[str, Any]]:
    """What rounds cost, beside no rounds."""
    import jpegjax
    from benchmarks.rounds import race
    from experiments.tuning import pictures

    image = pictures.kodak()["kodim23"]
    found = []
    for tune, most in (("restored", 3), ("psnr", 2)):
        calls = {
            str(n): lambda tune=tune, n=n: jpegjax.encode(image, quality=60, tune=tune, refine=n) for n in (0, most)
        }
        for call in calls.values():
            call()
        run = race("refine", f"768x512, tune={tune!r}", 768 * 512, calls, rounds=max(3, rounds // 2))
        found.append({**run.as_dict(), "most": most})
    return found


def lines(whole: Mapping[str, Any]) -> list[str]:
    """Markdown of both."""
    found = [f"On {whole['cores']} cores.", ""]
    found += ["| 768×512 | plain, ms | restored, ms | ratio | restored, ms of processors |", "|---|---|---|---|---|"]
    for row in whole["small"]:
        plain, restored = (f"{1000 * row['seconds'][way]:.1f}" for way in ("plain", "restored"))
        spent = f"{1000 * row['processor_seconds']['restored']:.0f}"
        found.append(
            f"| {row['case'].split(', ')[1]} | {plain} | {restored} | {row['restored_over_plain']:.0f} | {spent} |"
        )
    found += ["", "| 768×512, encoded | no rounds, ms | refined, ms | rounds |", "|---|---|---|---|"]
    for row in whole["refined"]:
        none, refined = (f"{1000 * row['seconds'][str(n)]:.0f}" for n in (0, row["most"]))
        found.append(f"| {row['case'].split(', ')[1]} | {none} | {refined} | {row['most']} |")
    width, height = whole["large_size"]
    heads = "first call, s | second, s | peak memory, GB | of it before decoding, GB"
    found += ["", f"| {width}×{height} | {heads} |", "|---|---|---|---|---|"]
    for way, row in whole["large"].items():
        memory = (f"{row[k] / 1e9:.2f}" for k in ("peak_bytes", "peak_bytes_before"))
        found.append(f"| {way} | {row['first_seconds']:.2f} | {row['second_seconds']:.2f} | {' | '.join(memory)} |")
    return found


def main() -> None:
    import argparse
    import json
    import subprocess
    from pathlib import Path

    parser = argparse.ArgumentParser(
        prog="python -m experiments.restoration.speed", description=str(__doc__).split("\n")[0]
    )
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--side", type=int, help="height of the large picture; its width is 4/3 of it")
    parser.add_argument("--to", type=Path, help="folder of the results")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    keep_cores(given.cores)
    height, width = (given.side, given.side * 4 // 3) if given.side else LARGE
    if given.way:
        print(json.dumps(large(given.way, height, width)))
        return
    from . import measure

    found: dict[str, Any] = {"cores": given.cores, "large_size": [width, height], "large": {}}
    for way in WAYS:
        words = ["--cores", str(given.cores), "--way", way, *(["--side", str(given.side)] if given.side else [])]
        command = [sys.executable, "-m", "experiments.restoration.speed", *words]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=measure.ROOT)
        found["large"][way] = json.loads(done.stdout.splitlines()[-1])
        print(way, found["large"][way], flush=True)
    found["small"], found["refined"] = _small(given.rounds), _refined(given.rounds)
    measure.save("speed", given.to or measure.RESULTS, found, lines)


if __name__ == "__main__":
    main()
