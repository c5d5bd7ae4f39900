"""What symbols cost: the lengths of the best codes for how often they occurred."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...coding.huffman import best_lengths, fill_codes
from ...kernels.tuned.trellis import EMPTY, Counts
from ...simd import kernel

__all__ = ["Rates", "code_lengths", "pass_rates", "symbol_rates"]

_UNSEEN_BITS = 16
_RUN_RATE = 64


class Rates(NamedTuple):
    """What symbols cost in 1/128 bit, value bits included. ac: int32 [n, 256], by band; dc: int32 [12]."""

    ac: np.ndarray
    dc: np.ndarray


@kernel
def code_lengths(counts, lengths):
    """Bits of each symbol's best code to lengths, int64 [256], 0 for those without; returns how many have one.

    counts: int64 [257], the last one free.
    """
    bits, symbols, codes = np.empty(33, np.int64), np.empty(256, np.uint8), np.zeros(256, np.uint32)
    listed = max(best_lengths(counts, bits, symbols), 0)
    if listed:
        fill_codes(bits[1:17], symbols, codes)
    for symbol in range(256):
        lengths[symbol] = codes[symbol] & 255
    return listed


@kernel
def symbol_rates(counts, rates):
    """Costs of symbols that occur so often, in 1/128 bit with their value bits: optimal code lengths, 16 for unseen ones.

    counts: int64 [257], the last one free. rates: int32 [256] for AC, [12] for DC.
    """
    lengths = np.empty(256, np.int64)
    code_lengths(counts, lengths)
    for symbol in range(rates.size):
        rates[symbol] = 128 * ((lengths[symbol] or _UNSEEN_BITS) + (symbol & 15))


def pass_rates(counts: Counts, progressive: bool = False) -> Rates:
    """Costs of the next pass from this one's counts, which change.

    progressive: blocks without coefficients only lengthen a run of ended bands, which costs next to nothing; the run's
    value bits come to half a bit for the block that starts it.
    """
    if not progressive:
        counts.ac[:, 0] += counts.ac[:, EMPTY]
    counts.ac[:, EMPTY] = 0
    found = Rates(np.zeros((len(counts.ac), 256), np.int32), np.zeros(12, np.int32))
    for seen, rates in zip(counts.ac, found.ac, strict=True):
        symbol_rates(seen, rates)
    found.ac[:, 0] += _RUN_RATE if progressive else 0
    found.ac[:, EMPTY] = 0 if progressive else found.ac[:, 0]
    symbol_rates(counts.dc, found.dc)
    return found
