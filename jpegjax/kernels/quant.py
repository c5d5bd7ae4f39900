"""Tables of steps as the kernels divide and multiply by them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

__all__ = ["dequantiser", "quantiser", "step_bytes"]


def step_bytes(qtables: Sequence[np.ndarray]) -> tuple[bytes, ...]:
    """Tables uint16 [64] as the key of what is made of them."""
    return tuple([np.asarray(q, np.uint16).tobytes() for q in qtables])


@lru_cache(maxsize=256)
def _quantiser(steps: bytes) -> np.ndarray:
    table = np.zeros((64, 3), np.uint16)
    for i, step in enumerate(np.frombuffer(steps, np.uint16).tolist()):
        divisor = 8 * step
        if divisor > 65535:
            continue  # |8·DCT| stays below half of it: always 0
        r = 16 + divisor.bit_length() - 1
        quotient, rest = divmod(1 << r, divisor)
        correction = divisor // 2
        if rest == 0:
            quotient, r = quotient >> 1, r - 1
        elif rest <= divisor // 2:
            correction += 1
        else:
            quotient += 1
        table[i] = correction, quotient, 1 << (32 - r)
    rows = table.reshape(8, 8, 3).transpose(0, 2, 1)
    return np.ascontiguousarray(np.concatenate([rows, rows], axis=2))


def quantiser(qtable: np.ndarray) -> np.ndarray:
    """uint16 [8, 3, 16]: per row of coefficients the correction, reciprocal and scale of x → round(x / (8·step)).

    qtable: uint16 [64], natural order. |x|·2 + 8·step < 2^17; exact for every step below 8192, 0 from there on.
    """
    return _quantiser(np.ascontiguousarray(qtable, np.uint16).tobytes())


@lru_cache(maxsize=256)
def _dequantiser(steps: bytes) -> np.ndarray:
    rows = np.frombuffer(steps, np.uint16).reshape(8, 8)
    return np.ascontiguousarray(np.concatenate([rows, rows], axis=1)).view(np.int16)


def dequantiser(qtable: np.ndarray) -> np.ndarray:
    """int16 [8, 16]: each row of steps twice, modulo 2^16. qtable: uint16 [64], natural order."""
    return _dequantiser(np.ascontiguousarray(qtable, np.uint16).tobytes())
