"""Eight CPU devices for every test, and the folder of conformance files where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8".strip()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder that holds `conformance/`: $JPEGJAX_SHARED, or `shared` beside the repository."""
    path = Path(os.environ.get("JPEGJAX_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    if not (path / "conformance" / "INDEX.tsv").is_file():
        pytest.skip(f"no conformance files under {path}; set JPEGJAX_SHARED")
    return path
