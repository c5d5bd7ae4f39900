"""Code words of Huffman encoding (T.81 F.1.2): what a DC difference, or a run and an AC value, add to the bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ...simd import kernel
from ...types import HuffmanSpec
from ..huffman import encode_codes

__all__ = ["AC_AUX", "DC_AUX", "DC_REACH", "EncodeTables", "encode_tables"]

# A code word is bits << 5 | length, at most 26 bits; 0 stands for what needs the slow path.
_RUNS = 65  # runs -1..63: more than 15 hold a ZRL, and the loop reads behind the last coefficient, for value 0
AC_AUX = 4 * 256 * _RUNS  # behind the words of [run][value]: 256 symbols, then the largest category
DC_REACH = 1024  # differences -1024..1023 have their own words
DC_AUX = 4 * 2 * DC_REACH


@kernel
def _fill_aux(codes, largest, aux):
    for symbol in range(256):
        aux[symbol] = codes[symbol] >> 8 << 5 | codes[symbol] & 31
    aux[256] = largest


@kernel
def _build_dc(codes, largest, table):
    aux = table[2 * DC_REACH :]
    _fill_aux(codes, largest, aux)
    table[0] = 0
    table[DC_REACH] = aux[0]
    for size in range(1, 11):
        word = np.int64(aux[size]) if size <= largest else np.int64(0)
        length = (word & 31) + size
        low = np.int64(1) << (size - 1)
        for value in range(low, 2 * low):
            bits = (word >> 5) << size
            table[DC_REACH + value] = (bits | value) << 5 | length if word else 0
            table[DC_REACH - value] = (bits | (2 * low - 1 - value)) << 5 | length if word else 0


@kernel
def _build_ac(codes, largest, table):
    aux = table[256 * _RUNS :]
    _fill_aux(codes, largest, aux)
    table[: 256 * _RUNS] = 0
    zeros = np.int64(aux[0xF0])
    for run in range(64):
        table[256 * run] = 1
        skips = run >> 4
        if skips > 0 and zeros == 0:
            continue
        head = np.int64(0)
        head_length = np.int64(0)
        for _ in range(skips):
            head = head << (zeros & 31) | zeros >> 5
            head_length += zeros & 31
        for size in range(1, 8):
            word = np.int64(aux[(run & 15) << 4 | size]) if size <= largest else np.int64(0)
            length = head_length + (word & 31) + size
            if word == 0 or length > 26:
                continue
            bits = (head << (word & 31) | word >> 5) << size
            low: Any = np.int64(1) << (size - 1)
            row = 256 * (run + 1)
            for value in range(low, min(2 * low, 127)):
                table[row + value] = (bits | value) << 5 | length
                table[row + 256 - value] = (bits | (2 * low - 1 - value)) << 5 | length
    table[256 * 64] = 1


@lru_cache(maxsize=64)
def _dc_words(spec: HuffmanSpec, precision: int) -> np.ndarray:
    table = np.empty(2 * DC_REACH + 257, np.uint32)
    _build_dc(encode_codes(spec), precision + 3, table)
    return table


@lru_cache(maxsize=64)
def _ac_words(spec: HuffmanSpec, precision: int) -> np.ndarray:
    table = np.empty(256 * _RUNS + 257, np.uint32)
    _build_ac(encode_codes(spec), precision + 2, table)
    return table


@dataclass(frozen=True, slots=True)
class EncodeTables:
    """addresses: int64 [components, 2], the DC and AC words of each scan component. `arrays` hold what is there."""

    addresses: np.ndarray
    arrays: tuple[np.ndarray, ...]


@lru_cache(maxsize=64)
def encode_tables(dc: tuple[HuffmanSpec, ...], ac: tuple[HuffmanSpec, ...], precision: int = 8) -> EncodeTables:
    """Code words of a scan, cached. dc, ac: one specification per scan component; precision: 8 or 12 bits a sample.

    Keep the result alive while kernels use it.
    """
    arrays = tuple((_dc_words(d, precision), _ac_words(a, precision)) for d, a in zip(dc, ac, strict=True))
    addresses = np.array([[d.ctypes.data, a.ctypes.data] for d, a in arrays], np.int64)
    return EncodeTables(addresses, tuple(t for pair in arrays for t in pair))
