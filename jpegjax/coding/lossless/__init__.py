"""Lossless coding (T.81 Annex H): prediction from neighbours, and Huffman coding of what it misses.

samples ──▶ differences modulo 2^16 ──▶ categories 0..16 and value bits ──▶ bytes          bytes ──▶ … ──▶ samples

Predictors, from the samples to the left (a), above (b) and above left (c), T.81 table H.1:
1 a, 2 b, 3 c, 4 a + b - c, 5 a + (b - c)/2, 6 b + (a - c)/2, 7 (a + b)/2, halves rounded down.
The first row of a scan or restart segment takes predictor 1, its first sample 2^(P - Pt - 1); other rows start with b.
"""

from __future__ import annotations

from .decode import Place, decode_scan
from .encode import encode_rows, entropy_bits, measure

__all__ = ["PREDICTORS", "Place", "decode_scan", "encode_rows", "entropy_bits", "measure"]

PREDICTORS = range(1, 8)
