"""Which integers are worth their bits: coordinate descent on squared error plus λ bits, by the coder's own tables."""

from __future__ import annotations

import numpy as np

from ...coding.rans import SKIP, TOTAL, Tables
from ...simd import kernel

__all__ = ["FLAG", "REACH", "bits_of", "costs", "descend", "with_flag"]

FLAG = 63
"""The table of whether a shape follows, behind those of the scale grid's levels."""
REACH = 511
"""Largest symbol that an encoder chooses."""
_SWEEPS = 4


def with_flag(tables: Tables, chance: float) -> Tables:
    """Tables of the levels, and that of the flag, which is 1 with a chance 0..1."""
    one = int(np.clip(round(chance * TOTAL), 1, TOTAL - 2))
    return Tables(
        np.append(tables.first, 0),
        np.append(tables.sizes, 2),
        np.concatenate([tables.frequencies, [TOTAL - 1 - one, one, 1]]),
    )


def costs(tables: Tables) -> np.ndarray:
    """Bits of the symbols −REACH..REACH under each table, float64 [256, 2 REACH + 1]; under SKIP 0 for 0, infinite for others."""
    found = np.full((256, 2 * REACH + 1), np.inf)
    symbols = np.arange(-REACH, REACH + 1)
    at = 0
    for k, (first, size) in enumerate(zip(tables.first.tolist(), tables.sizes.tolist(), strict=True)):
        bits = -np.log2(tables.frequencies[at : at + size + 1] / TOTAL)
        beyond = np.maximum(np.maximum(first - symbols, symbols - (first + size - 1)), 1)
        found[k] = bits[-1] + 2 * np.floor(np.log2(beyond)) + 2
        inside = (symbols >= first) & (symbols < first + size)
        found[k, inside] = bits[symbols[inside] - first]
        at += size + 1
    found[SKIP, REACH] = 0
    return found


def bits_of(symbols: np.ndarray, indexes: np.ndarray, table: np.ndarray) -> float:
    """Bits of symbols under `costs`."""
    return float(table[indexes, symbols + REACH].sum())


@kernel
def _sweep(gram, target, step, active, indexes, table, weight, symbols):
    """`descend` on symbols, from what they hold: 0. active: those that may differ from it."""
    left = target.copy()  # Dᵀ(x − D step k)
    for _ in range(_SWEEPS):
        changed = 0
        for i in active:
            size, bits = max(gram[i, i], 1e-9), table[indexes[i]]
            best = symbols[i] + left[i] / (size * step)
            low = np.int64(min(max(np.floor(best), -REACH), REACH - 1))
            k, least = np.int64(0), size * (step * best) ** 2 + weight * bits[REACH]
            for tried in (low, low + 1):
                loss = size * (step * (tried - best)) ** 2 + weight * bits[tried + REACH]
                if loss < least:
                    k, least = tried, loss
            if k != symbols[i]:
                move = step * (k - symbols[i])
                for j in active:
                    left[j] -= gram[i, j] * move
                symbols[i] = k
                changed += 1
        if not changed:
            break


def descend(
    gram: np.ndarray, target: np.ndarray, step: float, indexes: np.ndarray, table: np.ndarray, weight: float
) -> np.ndarray:
    """Symbols k that make |x − D step k|² + weight · bits small, each in turn while the others stay.

    Args:
        gram: DᵀD, float64 [L, L].
        target: Dᵀx, [L].
        step: Of the quantiser.
        indexes: uint8 [L], the tables; SKIP stays 0.
        table: Of `costs`.
        weight: Squared error that a bit may cost.

    Returns:
        int32 [L], within ±REACH.
    """
    symbols = np.zeros(len(target), np.int32)
    active = np.flatnonzero(indexes != SKIP)
    gram, target = np.ascontiguousarray(gram, np.float64), np.ascontiguousarray(target, np.float64)
    _sweep(gram, target, float(step), active, indexes, table, float(weight), symbols)
    return symbols
