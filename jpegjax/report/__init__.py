"""What a person looks at: images × codecs × settings × metrics as numbers, curves and one page.

plan      Curve, parse_codecs      which codecs, with which settings
score     METRICS                  which metrics
measured  compare, Comparison      every combination measured once and kept
curves    mean_points, bd_table    means and BD-rates
write     write                    results.json, plots and the page of a comparison
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .measured import Comparison, compare
    from .plan import Curve, parse_codecs
    from .write import write

_WHERE = {
    "Comparison": "measured", "Curve": "plan", "compare": "measured", "parse_codecs": "plan", "write": "write",
}  # fmt: skip

__all__ = ["Comparison", "Curve", "compare", "parse_codecs", "write"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(import_module(f".{_WHERE[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
