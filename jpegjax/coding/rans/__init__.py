"""Entropy coding for learned codecs: interleaved range asymmetric numeral systems over integer tables.

pmfs ──▶ quantise_pmf ──▶ Tables (integers; a checkpoint stores them) ──▶ encode: parts of (symbols, indexes) → bytes
                                                                      └──▶ Decoder: bytes, indexes part by part → symbols

Both ways compute with integers alone, so that a stream does not depend on the machine. J. Duda, "Asymmetric numeral
systems", 2013, arXiv:1311.2540; F. Giesen, "Interleaved entropy coders", 2014, arXiv:1402.3392.
"""

from __future__ import annotations

from .stream import Decoder, encode
from .tables import LARGEST, SKIP, TOTAL, Tables, gaussian_tables, quantise_pmf, tables

__all__ = ["LARGEST", "SKIP", "TOTAL", "Decoder", "Tables", "encode", "gaussian_tables", "quantise_pmf", "tables"]
