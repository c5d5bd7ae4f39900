"""What was found, as JSON, Markdown and curves."""

from pathlib import Path
from typing import Any


def write_report(to: Path, report: dict[str, Any]) -> None:
    raise SystemExit
