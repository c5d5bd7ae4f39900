"""What a benchmark ran on: processor, versions, commit."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "commit", "describe"]

ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("numpy", "numba", "jax", "jaxlib", "pillow", "simplejpeg", "torch", "torchvision")
_FLAGS = ("avx2", "avx512f", "avx512bw", "avx512vbmi", "asimd", "sve")


def commit(root: Path = ROOT) -> str:
    """Twelve digits of a checkout's commit, with "+changes" where code that was measured differs from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git(
        "status", "--porcelain", "--untracked-files=no", "--", "jpegjax", "benchmarks/*.py", "experiments/*.py"
    )
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + ("+changes" if changed else "")


def _processor() -> tuple[str, list[str]]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine(), []
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.M)
    have = set(flags[1].split()) if flags else set()
    return name[1] if name else platform.machine(), [f for f in _FLAGS if f in have]


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    try:
        from PIL import features

        found["libjpeg-turbo (Pillow)"] = features.version("libjpeg_turbo") or "none"
    except ImportError:
        pass
    return found


def describe() -> dict[str, Any]:
    """Command, commit, machine and versions, as every results file begins."""
    from jpegjax.run.threads import cores

    name, flags = _processor()
    words = [Path(word).name if os.sep in word else word for word in sys.argv]
    return {
        "command": shlex.join(["python", f"benchmarks/{words[0]}", *words[1:]]),
        "commit": commit(),
        "machine": {
            "cpu": name,
            "cores": cores(),
            "flags": flags,
            "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": _versions(),
    }
