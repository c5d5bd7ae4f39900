"""The QM-coder of T.81 Annex D: the probability estimation machine, and one binary decision coded or decoded.

A statistics bin is one uint32, its state and what to do with it: Qe (bits 0..14), the more probable symbol (15), the
next state's number where that symbol came (16..23), and where the other one came (24..31). So a decision reads one
word, and looks up another only when the estimate changes.
"""

from __future__ import annotations

import numpy as np

from ...simd import bswap64, clz64, kernel, load_u8, load_u32, load_u64, store_u8, store_u32, store_u64
from ...types import Conditioning, HuffmanSpec, Scan

__all__ = [
    "AC_AREA", "DC_AREA", "KX", "LOWER", "UPPER", "conditioning", "decode_bit", "decode_even", "difference_class",
    "encode_bit", "encode_even", "finish_code", "reset_statistics", "scan_parameters", "start_code", "start_decode",
]  # fmt: skip

DEFAULT_DC = 0x10  # U = 1, L = 0
DEFAULT_AC = 5  # Kx
SLOTS = 16  # conditioning tables of a kind; T.81 has 4, libjpeg 16
BINS = 256  # room for the statistics of one table: DC takes 49 bins, AC 245, lossless 158 (T.81 F.1.4.4, H.1.2.3)

# T.81 table D.3.
_QE = """
    5a1d 2586 1114 080b 03d8 01da 00e5 006f 0036 001a 000d 0006 0003 0001 5a7f 3f25 2cf2 207c 17b9 1182 0cef
    09a1 072f 055c 0406 0303 0240 01b1 0144 00f5 00b7 008a 0068 004e 003b 002c 5ae1 484c 3a0d 2ef1 261f 1f33
    19a8 1518 1177 0e74 0bfb 09f8 0861 0706 05cd 04de 040f 0363 02d4 025c 01f8 01a4 0160 0125 00f6 00cb 00ab
    008f 5b12 4d04 412c 37d8 2fe8 293c 2379 1edf 1aa9 174e 1424 119c 0f6b 0d51 0bb6 0a40 5832 4d1c 438e 3bdd
    34ee 2eae 299a 2516 5570 4ca9 44d9 3e22 3824 32b4 2e17 56a8 4f46 47e5 41cf 3c3d 375e 5231 4c0f 4639 415e
    5627 50e7 4b85 5597 504f 5a10 5522 59eb"""
_NEXT_LESS_PROBABLE = """
    1 14 16 18 20 23 25 28 30 33 35 9 10 12 15 36 38 39 40 42 43 45 46 48 49 51 52 54 56 57 59 60 62 63 32 33 37
    64 65 67 68 69 70 72 73 74 75 77 78 79 48 50 50 51 52 53 54 55 56 57 58 59 61 61 65 80 81 82 83 84 86 87 87
    72 72 74 74 75 77 77 80 88 89 90 91 92 93 86 88 95 96 97 99 99 93 95 101 102 103 104 99 105 106 107 103 105
    108 109 110 111 110 112 112"""
_NEXT_MORE_PROBABLE = """
    1 2 3 4 5 6 7 8 9 10 11 12 13 13 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 9 37 38 39
    40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 32 65 66 67 68 69 70 71 72 73 74 75
    76 77 78 79 48 81 82 83 84 85 86 87 71 89 90 91 92 93 94 86 96 97 98 99 100 93 102 103 104 99 106 107 103
    109 107 111 109 111"""
_SWITCHING = frozenset((0, 14, 36, 64, 80, 88, 95, 105, 110, 112))
EVEN_QE = 0x5A1D  # of decisions with a fixed probability of about one half (T.81 F.1.4.4.2): signs, correction bits


def _states() -> np.ndarray:
    """Statistics words of all states: uint32 [256], index more probable symbol · 128 + line of table D.3."""
    words = np.zeros(256, np.uint32)
    less, more = _NEXT_LESS_PROBABLE.split(), _NEXT_MORE_PROBABLE.split()
    for i, qe in enumerate(_QE.split()):
        for symbol in (0, 1):
            after_less = int(less[i]) | (symbol ^ (i in _SWITCHING)) << 7
            after_more = int(more[i]) | symbol << 7
            words[symbol << 7 | i] = after_less << 24 | after_more << 16 | symbol << 15 | int(qe, 16)
    return words


STATES = _states()
STATES.flags.writeable = False
_FIRST = int(STATES[0])

DC_AREA, AC_AREA = 0, 1  # addresses of the component's statistics
LOWER, UPPER = 2, 3  # magnitudes up to LOWER count as no difference, above UPPER as a large one (T.81 F.1.4.4.1.2)
KX = 4  # last zigzag index of the low band (T.81 F.1.4.4.2)
PARAMETERS = 5
AREA = 4 * BINS  # bytes


def conditioning(scan: Scan, slots: tuple[int, ...]) -> tuple[tuple[Conditioning, ...], tuple[Conditioning, ...]]:
    """DC and AC tables of a scan's components: its own, where it names one, or T.81's default in the slot given."""

    def tables(given: tuple[HuffmanSpec | Conditioning | None, ...], default: int) -> tuple[Conditioning, ...]:
        named = given or (None,) * len(slots)
        chosen = zip(named, slots, strict=True)
        return tuple([t if isinstance(t, Conditioning) else Conditioning(slot, default) for t, slot in chosen])

    return tables(scan.dc_tables, DEFAULT_DC), tables(scan.ac_tables, DEFAULT_AC)


def scan_parameters(scan: Scan) -> tuple[np.ndarray, np.ndarray]:
    """(table int64 [n, PARAMETERS] of the scan's components, the statistics it points into).

    Components with one slot share its statistics. dc_tables, ac_tables: `Conditioning`, or None where none is needed.
    """
    statistics = np.empty((2 * SLOTS, BINS), np.uint32)
    table = np.zeros((len(scan.components), PARAMETERS), np.int64)
    for row, dc, ac in zip(table, scan.dc_tables, scan.ac_tables or (None,) * len(table), strict=True):
        low, slot = DEFAULT_DC, 0
        if isinstance(dc, Conditioning):
            low, slot = dc.value, dc.slot
        row[DC_AREA] = statistics.ctypes.data + AREA * slot
        row[LOWER], row[UPPER] = (1 << (low & 15)) >> 1, 1 << (low >> 4)
        slot = SLOTS
        row[KX] = DEFAULT_AC
        if isinstance(ac, Conditioning):
            row[KX], slot = ac.value, SLOTS + ac.slot
        row[AC_AREA] = statistics.ctypes.data + AREA * slot
    return table, statistics


@kernel
def reset_statistics(parameters):
    """Start the scan's statistics anew, as at every restart (T.81 F.1.4.4)."""
    for i in range(parameters.shape[0]):
        for bin in range(BINS):
            store_u32(parameters[i, DC_AREA] + 4 * bin, _FIRST)
            store_u32(parameters[i, AC_AREA] + 4 * bin, _FIRST)


@kernel(inline=True)
def difference_class(difference, parameters):
    """0 no difference, 1 small and positive, 2 small and negative, 3 and 4 large. parameters: one component's."""
    size = abs(difference)
    if size <= parameters[LOWER]:
        return np.int64(0)
    return np.int64(1) + np.int64(difference < 0) + 2 * np.int64(size > parameters[UPPER])


@kernel(inline=True)
def start_decode(at, stop):
    """A decoder (code register, interval, bits read ahead in the register, address) of the data at `at` (T.81 D.2.7).

    stop: the address that reading gets to at most; 8 zero bytes stand there, and are read again and again.
    """
    code = np.int64(bswap64(load_u64(at)) >> np.uint64(16))
    return code, np.int64(0x10000), np.int64(32), min(at + 6, stop)


@kernel(inline=True)
def _take(code, interval, ahead, at, stop):
    """The decoder with its interval back in 0x8000..0xffff, and 16 bits or more read ahead (T.81 D.2.6)."""
    n = np.int64(clz64(interval)) - 48
    ahead -= n
    if ahead < 16:
        code = code << 32 | np.int64(bswap64(load_u64(at)) >> np.uint64(32))
        at = min(at + 4, stop)
        ahead += 32
    return code, interval << n, ahead, at


@kernel(inline=True)
def decode_bit(decoder, stop, bin):
    """(decision 0 or 1, decoder behind it) (T.81 D.2.4, D.2.5). bin: its statistics; stop: see start_decode."""
    code, interval, ahead, at = decoder
    word = np.int64(load_u32(bin))
    qe = word & 0x7FFF
    bit = word >> 15 & 1
    interval -= qe
    base = interval << ahead
    if code < base and interval >= 0x8000:
        return bit, (code, interval, ahead, at)
    # Either symbol may be the improbable one here, so that branches would often be mispredicted.
    lower = -np.int64(code >= base)
    less = (interval - qe >> 63 ^ lower) & 1
    code -= base & lower
    interval += (qe - interval) & lower
    store_u32(bin, STATES[np.uint64(word >> (16 + 8 * less) & 255)])
    bit ^= less
    return bit, _take(code, interval, ahead, at, stop)


@kernel(inline=True)
def decode_even(decoder, stop):
    """`decode_bit` with the fixed probability, which learns nothing."""
    code, interval, ahead, at = decoder
    interval -= EVEN_QE
    base = interval << ahead
    lower = -np.int64(code >= base)
    bit = (interval - EVEN_QE >> 63 ^ lower) & 1
    code -= base & lower
    interval += (EVEN_QE - interval) & lower
    return bit, _take(code, interval, ahead, at, stop)


@kernel(inline=True)
def start_code(at):
    """An encoder (code register, interval, bits of the register above its low 16, address to write to) (T.81 D.1.7)."""
    return np.int64(0), np.int64(0x10000), np.int64(0), at


@kernel
def _carry(at):
    """Add one to the number that ends before `at`; its bytes take it, since the code stays below one."""
    at -= 1
    while load_u8(at) == 0xFF:
        store_u8(at, 0)
        at -= 1
    store_u8(at, load_u8(at) + 1)


@kernel(inline=True)
def _give(code, interval, held, at):
    """The encoder with its interval back in 0x8000..0xffff; 32 bits go out once they are there (T.81 D.1.6)."""
    n = np.int64(clz64(interval)) - 48
    code <<= n
    held += n
    if held >= 32:
        word = code >> (held - 16)
        if word >> 32:
            _carry(at)
        store_u32(at, bswap64(word) >> np.uint64(32))
        code &= (np.int64(1) << (held - 16)) - 1
        at += 4
        held -= 32
    return code, interval << n, held, at


@kernel(inline=True)
def encode_bit(encoder, bin, bit):
    """The encoder behind a decision 0 or 1 (T.81 D.1.4, D.1.5). bin: address of its statistics.

    Bytes go out unstuffed, and earlier ones of the same segment may still grow by a carry.
    """
    code, interval, held, at = encoder
    word = np.int64(load_u32(bin))
    qe = word & 0x7FFF
    interval -= qe
    less = bit ^ (word >> 15 & 1)
    if not less and interval >= 0x8000:
        return code, interval, held, at
    lower = interval - qe >> 63 ^ -less
    code += interval & lower
    interval += (qe - interval) & lower
    store_u32(bin, STATES[np.uint64(word >> (16 + 8 * less) & 255)])
    return _give(code, interval, held, at)


@kernel(inline=True)
def encode_even(encoder, bit):
    """`encode_bit` with the fixed probability."""
    code, interval, held, at = encoder
    interval -= EVEN_QE
    lower = interval - EVEN_QE >> 63 ^ -bit
    code += interval & lower
    interval += (EVEN_QE - interval) & lower
    return _give(code, interval, held, at)


@kernel
def finish_code(encoder, start):
    """End a segment, with as few bytes as its code allows (T.81 D.1.8); returns the address behind its last byte.

    start: address of its first byte. Up to 8 bytes are written past the end.
    """
    code, interval, held, at = encoder
    last = code + interval - 1
    end = last & ~np.int64(0xFFFF)
    if end < code:
        end += 0x8000
    if end >> (16 + held):
        _carry(at)
    store_u64(at, bswap64(end << (48 - held)))
    at += 8
    while at > start and load_u8(at - 1) == 0:
        at -= 1
    return at
