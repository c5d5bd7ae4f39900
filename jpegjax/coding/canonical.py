"""Canonical Huffman codes (T.81 C.2): the one walk from a table's counts to its codes.

Plain Python, so that looking at a file loads no compiler; `huffman` compiles `first_codes` for its kernels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..types import HuffmanSpec

__all__ = ["first_codes", "table_fault"]


def first_codes(counts: Any, first: Any) -> int:
    """Write the first code of each length to first[1..16]; returns 0, or the length that has too many.

    counts: [16], codes of each length; those of one length are consecutive numbers.
    """
    code = 0
    for length, count in enumerate(counts, 1):
        first[length] = code
        code += count
        # The code of all ones stays free, so that padding cannot look like a code.
        if count and code >= 1 << length:
            return length
        code <<= 1
    return 0


@lru_cache(maxsize=256)
def table_fault(spec: HuffmanSpec, largest: int = 255) -> str | None:
    """What makes a table undecodable, as in "DC table 1 {fault}", or None.

    largest: symbol allowed, 15 for DC differences, 16 in lossless files, 255 for AC.
    """
    crowded = first_codes(spec.counts, [0] * 17)
    if crowded:
        return f"is no prefix code (T.81 C.2): it has too many codes of length {crowded}"
    total = sum(spec.counts)
    if total > len(spec.symbols) or total > 256:
        return f"is no prefix code (T.81 C.2): it has {total} codes for {len(spec.symbols)} symbols, 256 at most"
    if largest < 255 and max(spec.symbols, default=0) > largest:
        return f"holds symbol {max(spec.symbols)}; DC symbols are 0..{largest}"
    return None
