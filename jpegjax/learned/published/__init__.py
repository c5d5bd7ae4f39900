"""The published codecs: their networks, what codes with them, and CompressAI's weights."""

from __future__ import annotations

from .coded import Coded, export
from .compressai import load_compressai
from .models import (
    QUALITIES,
    Factorized,
    Hyperprior,
    MeanScale,
    Published,
    factorized,
    hyperprior,
    mean_scale,
    rate_distortion,
    weight,
)
from .saved import save

__all__ = [
    "QUALITIES", "Coded", "Factorized", "Hyperprior", "MeanScale", "Published", "export", "factorized", "hyperprior",
    "load_compressai", "mean_scale", "rate_distortion", "save", "weight",
]  # fmt: skip
