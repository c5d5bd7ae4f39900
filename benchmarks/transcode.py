"""How fast is a thousand files' lossless optimisation, beside jpegtran in a process pool?

    python benchmarks/transcode.py [FOLDER] [--files 1000] [--rounds 5] [--output benchmarks/results/transcode.json]

FOLDER: photographs; without it scikit-image's, or made-up ones. Files of quality 75, 4:2:0, baseline lie in a folder
(in memory where /dev/shm is); each contestant reads all of them and writes as many, optimised and progressive, to
another folder. "jpegtran xargs": xargs keeps as many `jpegtran -copy all -optimize -progressive` processes running as
there are cores; "jpegtran pool": Python threads start them. Files are compared byte for byte. cpu_seconds: of one call,
processes and threads together; unlike the clock's, they hold on a machine that others use too. No time includes
compilation.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from machine import describe
from photographs import pictures, write_files
from reports import RESULTS, flags, save
from rounds import Race, processor_seconds, race

import jpegjax
from jpegjax.run.threads import cores

SWITCHES = ("-copy", "all", "-optimize", "-progressive")
TARGET = 2.0


def ours(source: Path, target: Path) -> None:
    """Every file of source, transcoded to target, in lists of 256."""
    paths = sorted(source.iterdir())
    for i in range(0, len(paths), 256):
        part = paths[i : i + 256]
        made = jpegjax.transcode([p.read_bytes() for p in part], progressive=True)
        for path, content in zip(part, made, strict=True):
            (target / path.name).write_bytes(content)


def by_xargs(tool: str, source: Path, target: Path) -> None:
    """The same by one jpegtran process a file, started by xargs."""
    names = "\0".join(sorted(p.name for p in source.iterdir()))
    command = ["xargs", "-0", "-P", str(cores()), "-I", "{}", tool, *SWITCHES]
    subprocess.run([*command, "-outfile", f"{target}/{{}}", f"{source}/{{}}"], input=names, text=True, check=True)


def by_pool(tool: str, source: Path, target: Path) -> None:
    """The same by one jpegtran process a file, started by Python threads."""

    def one(path: Path) -> None:
        subprocess.run([tool, *SWITCHES, "-outfile", str(target / path.name), str(path)], check=True)

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(one, sorted(source.iterdir())))


def compete(case: str, source: Path, pixels: int, tool: str, rounds: int, room: Path) -> Race:
    """One case; the files of all contestants compared."""
    folders = {name: room / name.replace(" ", "-") for name in ("jpegjax", "jpegtran xargs", "jpegtran pool")}
    for folder in folders.values():
        folder.mkdir()
    calls: dict[str, Callable[[], object]] = {
        "jpegjax": lambda: ours(source, folders["jpegjax"]),
        "jpegtran xargs": lambda: by_xargs(tool, source, folders["jpegtran xargs"]),
        "jpegtran pool": lambda: by_pool(tool, source, folders["jpegtran pool"]),
    }
    paths = sorted(source.iterdir())
    found = race("transcode", case, pixels, calls, rounds=rounds, files=len(paths))
    made = {name: [(folder / p.name).read_bytes() for p in paths] for name, folder in folders.items()}
    same = sum(a == b for a, b in zip(made["jpegjax"], made["jpegtran xargs"], strict=True))
    extra: dict[str, Any] = {
        "files": len(paths),
        "identical": same,
        "cpu_seconds": {name: processor_seconds(call) for name, call in calls.items()},
        "source_bytes": sum(p.stat().st_size for p in paths),
        "bytes": sum(map(len, made["jpegjax"])),
    }
    for folder in folders.values():
        shutil.rmtree(folder)
    return Race(found.section, found.case, found.pixels, found.seconds, extra)


def main() -> None:
    parser = flags(__doc__, 5)
    parser.add_argument("--files", type=int, default=1000)
    given = parser.parse_args()
    tool = shutil.which("jpegtran")
    if tool is None:
        sys.exit("no jpegtran here: install libjpeg-turbo-progs")
    version = subprocess.run([tool, "-version"], capture_output=True, text=True, check=True).stderr.strip()
    origin, images = pictures(given.folder)
    memory = Path("/dev/shm")
    results = []
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as room:
        for name, side in (("whole pictures", None), ("256×256 pixels", 256)):
            source = Path(room) / "source"
            pixels = write_files(source, images, given.files, side)
            found = compete(f"{given.files} files, {name}", source, pixels, tool, given.rounds, Path(room)).as_dict()
            shutil.rmtree(source)
            measured = min(ratio["median"] for ratio in found["ratios"].values())
            results.append({**found, "target": TARGET, "measured": measured, "met": measured >= TARGET})
            work = found["cpu_seconds"]
            spared = min(work[name] for name in found["ratios"]) / work["jpegjax"]
            print(f"{found['case']}: {measured:.2f} times jpegtran ({spared:.2f} by CPU seconds), "
                  f"{found['identical']} of {given.files} identical")  # fmt: skip
    report = {**describe(), "jpegtran": version, "images": {"source": origin, "count": len(images)}, "results": results}
    save(report, given.output or RESULTS / "transcode.json")


if __name__ == "__main__":
    main()
