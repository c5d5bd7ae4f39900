"""What a process costs: cold starts and peak memory, each measured in processes of their own."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from machine import ROOT

__all__ = ["cold_start", "peak_memory", "start_up"]

_FIRST = """
import json, time
start = time.perf_counter()
import numpy as np, jpegjax
image = np.arange(256 * 256 * 3, dtype=np.uint32).reshape(256, 256, 3).astype(np.uint8)
imported = time.perf_counter()
data = jpegjax.encode(image)
encoded = time.perf_counter()
jpegjax.decode(data)
decoded = time.perf_counter()
jpegjax.encode(image)
print(json.dumps({"import": imported - start, "first encode": encoded - imported, "first decode": decoded - encoded,
                  "second encode": time.perf_counter() - decoded}))
"""

_MEMORY = """
import json, sys
import numpy as np, jpegjax

def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024

def reset():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")

def measured(call):
    reset()
    before = peak()
    result = call()
    return peak() - before, result

side, settings = int(sys.argv[1]), json.loads(sys.argv[2])
rows = np.arange(side, dtype=np.uint8)
image = np.empty((side, side, 3), np.uint8)
for c in range(3):
    np.add(rows[:, None] // (c + 2), rows[None, :] // (3 - c), out=image[:, :, c])
image[::3, ::5] += 37
jpegjax.decode(jpegjax.encode(image[:64, :64], **settings))
extra_encode, data = measured(lambda: jpegjax.encode(image, **settings))
raw = image.nbytes
del image
limits = jpegjax.Limits(None, None, None, None, None)
extra_decode, pixels = measured(lambda: jpegjax.decode(data, limits=limits))
assert pixels.nbytes == raw
print(json.dumps({"raw": raw, "encode": extra_encode, "decode": extra_decode, "file": len(data)}))
"""


def _python(code: str, *arguments: str, root: Path = ROOT) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def start_up(root: Path = ROOT) -> dict[str, float]:
    """Seconds of a checkout's `--help` (a whole process), and of the first calls in a new process, by name."""
    start = time.perf_counter()
    _python("from jpegjax.cli import main; main(['--help'])", root=root)
    helped = time.perf_counter() - start
    return {"jpegjax.cli.main(['--help'])": helped, **json.loads(_python(_FIRST, root=root))}


def cold_start(runs: int) -> list[dict[str, Any]]:
    """Medians of `start_up` with a warm kernel cache, as results."""
    start_up()
    found = [start_up() for _ in range(runs)]
    medians = {name: statistics.median(f[name] for f in found) for name in found[0]}
    first = "import and first encode in a new process, warm cache"
    cases = {first: medians["import"] + medians["first encode"]}
    for name, value in medians.items():
        cases[name if "help" in name else f"{name}, new process"] = value
    return [{"section": "start", "case": case, "seconds": seconds} for case, seconds in cases.items()]


def peak_memory(side: int) -> list[dict[str, Any]]:
    """Peak bytes above the input, of encoding and decoding a picture of side × side pixels, by kind of file."""
    if not Path("/proc/self/clear_refs").exists():
        return []
    rows = []
    for name, settings in (("baseline", {}), ("optimize", {"optimize": True}), ("progressive", {"progressive": True})):
        found = json.loads(_python(_MEMORY, str(side), json.dumps(settings)))
        for verb in ("encode", "decode"):
            rows.append({
                "section": "memory",
                "case": f"{verb} {side * side / 1e6:.0f} Mpixel, {name}",
                "extra_bytes": found[verb],
                "raw_bytes": found["raw"],
                "times_raw": found[verb] / found["raw"],
            })  # fmt: skip
    return rows
