"""Eight CPU devices for every test, and what it lacks here: the corpora, or a program of libjpeg-turbo."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from oracles import program

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8".strip()

SHARED = Path(os.environ.get("JPEGJAX_SHARED") or Path(__file__).resolve().parents[2] / "shared")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder that holds `conformance/`: $JPEGJAX_SHARED, or `shared` beside the repository."""
    return SHARED


def _lacks(item: pytest.Item) -> str | None:
    """Why a test cannot run here."""
    if "shared" in getattr(item, "fixturenames", ()) and not (SHARED / "conformance" / "INDEX.tsv").is_file():
        return f"no conformance files under {SHARED}; set JPEGJAX_SHARED"
    names = [name for mark in item.iter_markers("needs") for name in mark.args if program(name) is None]
    return f"needs {names[0]} of libjpeg-turbo" if names else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the tests that lack the same thing one is skipped, for all; the others are deselected."""
    lacking: dict[str, list[pytest.Item]] = {}
    for item in items:
        if reason := _lacks(item):
            lacking.setdefault(reason, []).append(item)
    for reason, (first, *others) in lacking.items():
        first.add_marker(pytest.mark.skip(reason=f"{reason} ({len(others)} more tests of that kind are left out)"))
        if others:
            config.hook.pytest_deselected(items=others)
            left_out = set(others)
            items[:] = [item for item in items if item not in left_out]
