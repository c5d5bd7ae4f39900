"""What the first call on a machine costs: CPU seconds of `jpegjax encode`, `decode` and `transcode` without a kernel cache.

    python benchmarks/cold.py [--kernels 12]

Each verb runs in processes of its own, first with an empty NUMBA_CACHE_DIR, then with what the first left there. The table
gives CPU seconds of the whole process, of importing, and of the kernels that were compiled; below it the dearest kernels,
each without those that it calls.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

CHILD = """
import json, sys, time
from collections import defaultdict

start = time.process_time()
from jpegjax.cli import main
from numba.core import event

spent, running = defaultdict(lambda: [0.0, 0]), []

class Listener(event.Listener):
    def on_start(self, e):
        running.append([time.process_time(), 0.0])
    def on_end(self, e):
        begun, inner = running.pop()
        took = time.process_time() - begun
        f = e.data["dispatcher"].py_func
        entry = spent[f"{f.__module__.removeprefix('jpegjax.')}.{f.__qualname__}"]
        entry[0] += took - inner
        entry[1] += 1
        if running:
            running[-1][1] += took

event.register("numba:compile", Listener())
try:
    main(sys.argv[2:])
except SystemExit as end:
    code = end.code
finally:
    with open(sys.argv[1], "w") as out:
        json.dump(spent, out)
sys.exit(code)
"""


def run(words: list[str], cache: str, report: Path) -> tuple[float, dict[str, tuple[float, int]]]:
    """(CPU seconds of the process, kernel → (seconds, how many signatures))."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CHILD, str(report), *words, "--quiet"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, json.loads(report.read_text())


def main() -> None:
    import numpy as np
    from PIL import Image

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", type=int, default=10, help="how many of the dearest kernels are listed")
    parser.add_argument("--verbs", default="encode,decode,transcode", help="with commas between")
    options = parser.parse_args()
    y, x = np.mgrid[:512, :768]
    picture = np.stack([(x * k + y * y // 97) % 256 for k in (1, 2, 3)], -1).astype(np.uint8)
    print(f"{'verb':12}{'cold':>8}{'compiled':>10}{'kernels':>9}{'warm':>8}   CPU seconds")
    for verb in options.verbs.split(","):
        with tempfile.TemporaryDirectory() as folder:
            png, jpg, report = (Path(folder, name) for name in ("x.png", "x.jpg", "report.json"))
            Image.fromarray(picture).save(png)
            Image.fromarray(picture).save(jpg)
            words = {
                "encode": ["encode", str(png), "-o", f"{folder}/y.jpg", "--overwrite"],
                "decode": ["decode", str(jpg), "-o", f"{folder}/y.png", "--overwrite"],
                "transcode": ["transcode", str(jpg), "-o", f"{folder}/y.jpg", "--overwrite"],
            }[verb]
            cold, kernels = run(words, f"{folder}/cache", report)
            warm, _ = run(words, f"{folder}/cache", report)
        total, count = sum(s for s, _ in kernels.values()), sum(n for _, n in kernels.values())
        print(f"{verb:12}{cold:8.2f}{total:10.2f}{count:9}{warm:8.2f}")
        for name, (seconds, n) in sorted(kernels.items(), key=lambda item: -item[1][0])[: options.kernels]:
            print(f"{'':12}{seconds:8.2f}{n:6}  {name}")


if __name__ == "__main__":
    main()
