"""Probabilities as integers: frequencies of 14 bits, and the tables that the kernels code with.

Each table covers the symbols first..first + size − 1; one more frequency, the last, is the escape's, for all others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["BITS", "ESCAPE", "LARGEST", "SKIP", "TOTAL", "Tables", "gaussian_tables", "quantise_pmf", "tables"]

BITS = 14
TOTAL = 1 << BITS
LARGEST = 0x7FFF  # the greatest magnitude of a symbol
SKIP = 255  # the index of a symbol that is certainly 0: it costs nothing
ESCAPE = -0x8000  # in the place of a symbol, "outside of its table"
_MAX_TABLES = 255
_MAX_ENTRIES = 0xFFFF
_MAX_SCALE = 1024.0
_WORTH = 2**-16.5  # a symbol's own frequency pays from here: 1/TOTAL taken from the others against an escape's bits
_SLOW_SHARE = 1 / 128  # of slots that may need a search
_MAX_SHIFT = 8


def _gains(p: np.ndarray, f: np.ndarray) -> np.ndarray:
    return p * np.log1p(1 / f)


def _losses(p: np.ndarray, f: np.ndarray) -> np.ndarray:
    return np.where(f > 1, p * np.log1p(1 / np.maximum(f - 1, 1)), np.inf)


def quantise_pmf(pmf: np.ndarray) -> np.ndarray:
    """The frequencies that code a distribution in the fewest bits: they minimise its relative entropy to them.

    Args:
        pmf: float64 [n], n in 1..2**14: finite, none negative, not all zero; scaled to sum to 1.

    Returns:
        int32 [n], each ≥ 1, with the sum 2**14.

    Raises:
        ValueError: for another pmf.
    """
    p = np.asarray(pmf, np.float64)
    if p.ndim != 1 or not 1 <= p.size <= TOTAL:
        raise ValueError(f"pmf: must be one-dimensional with 1..{TOTAL} probabilities, not of shape {p.shape}")
    if not (np.isfinite(p).all() and (p >= 0).all() and p.any()):
        raise ValueError("pmf: probabilities must be finite, not negative, and not all zero")
    p = p / p.max()  # before the sum, which could overflow
    p = p / p.sum()
    f = np.maximum(np.floor(p * TOTAL), 1).astype(np.int64)
    for _ in range(TOTAL - int(f.sum())):
        f[np.argmax(_gains(p, f))] += 1
    for _ in range(int(f.sum()) - TOTAL):
        f[np.argmin(_losses(p, f))] -= 1
    while True:  # the cost is convex in each frequency: where no exchange of one pays, none of more does
        gains, losses = _gains(p, f), _losses(p, f)
        more, less = int(np.argmax(gains)), int(np.argmin(losses))
        if gains[more] <= losses[less]:
            return f.astype(np.int32)
        f[more] += 1
        f[less] -= 1


def _integers(name: str, values: np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise TypeError(f"{name}: must be a one-dimensional array of integers, not {array.dtype} {array.shape}")
    frozen = array.astype(np.int32)
    frozen.flags.writeable = False
    return frozen


def _starts(frequencies: np.ndarray) -> np.ndarray:
    """The first slot of each entry of a table, uint64: in their order round from the likeliest, which has slot 0.

    A state of 0 so stays 0 where the last symbols are likely, and these cost nothing.
    """
    ends = np.cumsum(frequencies)
    likeliest = np.argmax(frequencies)
    return ((ends - ends[likeliest] + frequencies[likeliest] - frequencies) % TOTAL).astype(np.uint64)


def _search(parts: Sequence[np.ndarray], offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`Tables.buckets` and `Tables.heads`: as wide that from a bucket's first few slots are more than a step away."""
    buckets, heads, filled = [], np.zeros(256, np.uint64), 0
    for number, frequencies in enumerate(parts):
        entries = np.repeat(np.arange(len(frequencies)), np.roll(frequencies, -np.argmax(frequencies)))
        for shift in range(_MAX_SHIFT, -1, -1):
            lowest = entries[:: 1 << shift]
            if np.mean(entries - np.repeat(lowest, 1 << shift) > 1) <= _SLOW_SHARE:
                break
        buckets.append((lowest + offsets[number]).astype(np.uint16))
        heads[number] = filled << 8 | shift
        filled += len(lowest)
    return np.concatenate(buckets), heads


@dataclass(frozen=True, eq=False)
class Tables:
    """Integer models, one for each index: what a checkpoint stores, and from it what the kernels want.

    Args:
        first: integers [K], K in 1..255: the first symbol of each table; −32767..32767, like all that it covers.
        sizes: integers [K], ≥ 1: how many symbols each covers.
        frequencies: integers [sum(sizes + 1)], table after table, at most 65535 in all; each ≥ 1, and each table's sum
            is 2**14. The last of a table is the escape's.

    Raises:
        TypeError: arrays that are not of integers, or have more dimensions.
        ValueError: values outside these ranges.

    Attributes:
        rows: int32 [256, 3], of each index its first symbol, size, and first entry.
        encoding: uint64 [entries, 2]: ⌊2**63/f⌋ + 1 for a frequency f; then f << 18, 2**14 − f and the start of its slots,
            from the lowest bit on 32, 16 and 16 bits.
        decoding: uint64 [entries + 1], each table's by their slots: f, start, symbol or ESCAPE, and 1 for ESCAPE, in 16
            bits each.
        buckets: uint16, of a run of slots the place in `decoding` of the first.
        heads: uint64 [256], of each index where its buckets begin (<< 8) and the binary logarithm of their width.
    """

    first: np.ndarray
    sizes: np.ndarray
    frequencies: np.ndarray
    rows: np.ndarray = field(init=False, repr=False)
    encoding: np.ndarray = field(init=False, repr=False)
    decoding: np.ndarray = field(init=False, repr=False)
    buckets: np.ndarray = field(init=False, repr=False)
    heads: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("first", "sizes", "frequencies"):
            object.__setattr__(self, name, _integers(name, getattr(self, name)))
        self._check()
        offsets, parts = self._offsets(), self._split()
        starts = np.concatenate([_starts(f) for f in parts])
        by_slot = np.concatenate([offset + np.argsort(_starts(f)) for offset, f in zip(offsets, parts, strict=True)])
        covered = [[*range(a, a + n), ESCAPE] for a, n in zip(self.first.tolist(), self.sizes.tolist(), strict=True)]
        symbols = np.array([s for table in covered for s in table], np.int64)
        f = self.frequencies.astype(np.uint64)
        reciprocals = np.uint64(1 << 63) // f + np.uint64(1)
        encoding = np.stack([reciprocals, f << 18 | np.uint64(TOTAL) - f << 32 | starts << 48], 1)
        values = (symbols & 0xFFFF | (symbols == ESCAPE) << 16).astype(np.uint64)
        decoding = np.append((f | starts << 16 | values << 32)[by_slot], np.uint64(0))
        rows = np.zeros((256, 3), np.int32)
        rows[: len(self.first)] = np.stack([self.first, self.sizes, offsets], 1)
        buckets, heads = _search(parts, offsets)
        made = {"rows": rows, "encoding": encoding, "decoding": decoding, "buckets": buckets, "heads": heads}
        for name, array in made.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def _offsets(self) -> np.ndarray:
        ends = np.cumsum(self.sizes + 1)
        return (ends - self.sizes - 1).astype(np.int32)

    def _split(self) -> list[np.ndarray]:
        return np.split(self.frequencies, self._offsets()[1:])

    def _check(self) -> None:
        count, sizes, first = len(self.first), self.sizes.astype(np.int64), self.first.astype(np.int64)
        if not 1 <= count <= _MAX_TABLES or len(sizes) != count:
            raise ValueError(f"first and sizes: must be of 1..{_MAX_TABLES} tables, not {count} and {len(sizes)}")
        if (sizes < 1).any() or (first < -LARGEST).any() or (first + sizes - 1 > LARGEST).any():
            raise ValueError(f"first and sizes: each table must cover a symbol or more of {-LARGEST}..{LARGEST}")
        entries = int(sizes.sum()) + count
        if entries != len(self.frequencies) or entries > _MAX_ENTRIES:
            raise ValueError(
                f"frequencies: {len(self.frequencies)} of them; the sizes ask for {entries}, and {_MAX_ENTRIES} is the most"
            )
        if (self.frequencies < 1).any() or (self.frequencies > TOTAL).any():
            raise ValueError(f"frequencies: each must be 1..{TOTAL}")
        for number, frequencies in enumerate(self._split()):
            if frequencies.sum() != TOTAL:
                raise ValueError(f"frequencies: table {number} sums to {frequencies.sum()}; must be {TOTAL}")

    def __len__(self) -> int:
        return len(self.first)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tables):
            return NotImplemented
        return all(np.array_equal(getattr(self, n), getattr(other, n)) for n in ("first", "sizes", "frequencies"))

    def __hash__(self) -> int:
        return hash((self.first.tobytes(), self.sizes.tobytes(), self.frequencies.tobytes()))

    def pack(self) -> dict[str, np.ndarray]:
        """What a checkpoint stores: first int16 [K], sizes uint16 [K], frequencies uint16 [entries]."""
        kinds = {"first": np.int16, "sizes": np.uint16, "frequencies": np.uint16}
        return {name: getattr(self, name).astype(kind) for name, kind in kinds.items()}

    @staticmethod
    def unpack(packed: Mapping[str, np.ndarray]) -> Tables:
        """The inverse of `pack`. Raises KeyError for a missing array, TypeError and ValueError like `Tables`."""
        return Tables(*(packed[name] for name in ("first", "sizes", "frequencies")))

    def bits(self, symbols: np.ndarray, indexes: np.ndarray) -> float:
        """What symbols cost by these tables, escapes included; a stream has this and a few bytes more.

        Args:
            symbols: integers [n], −32767..32767.
            indexes: integers [n] below K, or SKIP, which costs nothing.
        """
        kept = indexes != SKIP
        values, table = symbols[kept].astype(np.int64), indexes[kept].astype(np.int64)
        first, sizes = self.first[table], self.sizes[table]
        past = np.where(values < first, first - values, values - first - sizes + 1)  # 1, 2, ... outside
        escaped = (values < first) | (past > 0)
        entries = self._offsets()[table] + np.where(escaped, sizes, values - first)
        suffixes = 2 * np.floor(np.log2(past[escaped])) + 2
        return float(np.sum(BITS - np.log2(self.frequencies[entries])) + suffixes.sum())


def tables(pmfs: Sequence[tuple[int, np.ndarray]]) -> Tables:
    """Tables of any distributions.

    Args:
        pmfs: (first, pmf float64 [n]) each: the probabilities of first..first + n − 1. What they lack to 1 is the escape's.

    Raises:
        ValueError: for a pmf that is none or sums to more than 1, and like `Tables`.
    """
    frequencies = []
    for number, (_, pmf) in enumerate(pmfs):
        mass = float(np.sum(pmf))
        if not mass <= 1 + 1e-6:
            raise ValueError(f"pmfs: number {number} sums to {mass}; must be at most 1")
        frequencies.append(quantise_pmf(np.append(pmf, max(0.0, 1 - mass))))
    first = np.array([first for first, _ in pmfs], np.int64)
    sizes = np.array([len(f) - 1 for f in frequencies], np.int64)
    return Tables(first, sizes, np.concatenate([*frequencies, np.empty(0, np.int32)]))


def _gaussian(scale: float) -> tuple[int, np.ndarray]:
    """A zero-mean Gaussian's mass of each integer that is worth a frequency, as `tables` wants it."""
    root = scale * math.sqrt(2)
    half = [math.erf(0.5 / root)]
    while True:
        k = len(half)
        mass = 0.5 * (math.erfc((k - 0.5) / root) - math.erfc((k + 0.5) / root))
        if mass < _WORTH:
            return 1 - k, np.array([*half[:0:-1], *half])
        half.append(mass)


def gaussian_tables(scales: np.ndarray) -> Tables:
    """Tables of zero-mean Gaussians that are rounded to integers: P(k) = Φ((k + ½)/σ) − Φ((k − ½)/σ).

    Args:
        scales: float64 [K], K in 1..255: σ, above 0 and up to 1024.

    Raises:
        ValueError: for other scales, or where they cover more than 65535 symbols together.
    """
    values = np.asarray(scales, np.float64)
    if values.ndim != 1 or not ((values > 0) & (values <= _MAX_SCALE)).all():
        raise ValueError(f"scales: must be one-dimensional, each above 0 and at most {_MAX_SCALE:.0f}")
    return tables([_gaussian(scale) for scale in values.tolist()])
