"""What happened to this file before? Traces of an earlier compression in a JPEG file's coefficients.

    double       double_jpeg: doubly compressed or not, and the first quality
    features     Markov features of magnitudes (Chen and Shi); histograms of frequencies
    steps        the first quantiser's step at each frequency, by likelihood
    traces       what of a file is looked at
    network      from traces to a probability; weights in models/

Nothing loads JAX until a file is judged.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .double import DoubleJpeg, double_jpeg
    from .features import histograms, markov_features
    from .steps import first_quality, quality_evidence, step_evidence

__all__ = [
    "DoubleJpeg",
    "double_jpeg",
    "first_quality",
    "histograms",
    "markov_features",
    "quality_evidence",
    "step_evidence",
]

_HOME = {
    "double": ("DoubleJpeg", "double_jpeg"),
    "features": ("histograms", "markov_features"),
    "steps": ("first_quality", "quality_evidence", "step_evidence"),
}
_WHERE = {name: home for home, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(_import_module(f"{__name__}.{_WHERE[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
