"""Binary arithmetic coding with mixed predictions: several contexts each say how likely a one is, a small network weighs them.

Each context has a probability that adapts, fast while it is young. Their logits are added under weights that are learned on
the way, by gradient descent on the bits spent, in two sets of weights chosen by small contexts of their own, whose sums are
averaged (context mixing: M. Mahoney, Adaptive weighing of context models for lossless data compression, 2005). All is integer
arithmetic: the same bytes on every machine. One function codes both ways, so that encoder and decoder cannot part.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..simd import kernel

__all__ = ["FRESH", "INPUTS", "Coder", "code_bit", "code_even", "finish"]

INPUTS = 7
"""Contexts of a decision."""
FRESH = 1 << 31
"""The state of a context that has seen nothing: 22 bits of probability, 10 bits of age."""

_UNIT = 1 << 16  # of weights and of probabilities
_OLDEST = 255
_SURE = 24  # of 65536: the least probability that a decision has
_RATE = 6
_SHIFT = 18
LOW, HIGH, AT, CODE = 0, 1, 2, 3


def _stretch() -> np.ndarray:
    """round(256·logit) of the middle of each of 4096 cells of probability, int32."""
    p = (np.arange(4096) + 0.5) / 4096
    return np.clip(np.round(256 * np.log(p / (1 - p))), -2047, 2047).astype(np.int32)


def _squash() -> np.ndarray:
    """Probability in 1/65536 of 256·logit = -2048..2047, int32."""
    p = np.round(_UNIT / (1 + np.exp(-(np.arange(4096) - 2048) / 256)))
    return np.clip(p, _SURE, _UNIT - _SURE).astype(np.int32)


STRETCH, SQUASH = _stretch(), _squash()
AGES = np.array([round(_UNIT / (n + 1.6)) for n in range(_OLDEST + 1)], np.int32)


class Coder:
    """What a coder holds. contexts, sets: how many there are; data: to decode, or None."""

    def __init__(self, contexts: int, sets: int, data: bytes | memoryview | None = None, room: int = 0):
        self.states = np.full(contexts, FRESH, np.uint32)
        self.weights = np.full((sets, INPUTS), round(0.35 * _UNIT), np.int32)
        self.bounds = np.array([0, 0xFFFFFFFF, 0, 0], np.int64)
        self.decoding = data is not None
        if data is None:
            self.bytes = np.zeros(room, np.uint8)
            return
        self.bytes = np.zeros(len(data) + 8, np.uint8)
        self.bytes[: len(data)] = np.frombuffer(data, np.uint8)
        self.bounds[CODE] = int.from_bytes(self.bytes[:4].tobytes(), "big")
        self.bounds[AT] = 4

    @property
    def state(self) -> tuple[Any, ...]:
        """What kernels take: whether it decodes, places of the contexts int64 [INPUTS], states, weights, bounds, bytes."""
        at = np.zeros(INPUTS, np.int64)
        return np.int64(self.decoding), at, self.states, self.weights, self.bounds, self.bytes


@kernel(inline=True)
def _narrow(bit, decoding, p, bounds, data):
    """The decision, its interval taken. p: probability of a one, 1..65535 of 65536."""
    low, high = bounds[LOW], bounds[HIGH]
    span = high - low
    middle = low + (span >> 16) * p + ((span & 0xFFFF) * p >> 16)
    if decoding:
        bit = np.int64(bounds[CODE] <= middle)
    if bit:
        high = middle
    else:
        low = middle + 1
    while (low ^ high) & 0xFF000000 == 0:
        at = bounds[AT]
        if decoding:
            bounds[CODE] = (bounds[CODE] << 8 & 0xFFFFFFFF) | (np.int64(data[at]) if at < data.size else np.int64(0))
        elif at < data.size:
            data[at] = high >> 24
        bounds[AT] = at + 1
        low = low << 8 & 0xFFFFFFFF
        high = (high << 8 & 0xFFFFFFFF) | 255
    bounds[LOW], bounds[HIGH] = low, high
    return bit


@kernel(inline=True)
def code_even(bit, state):
    """A decision of probability one half."""
    return _narrow(bit, state[0], np.int64(32768), state[4], state[5])


@kernel
def code_bit(bit, first, second, state):
    """The decision 0 or 1: given, or where the coder decodes read. state: `Coder.state`; first, second: its sets of weights.

    Its contexts stand in state[1]. Writes past the end of the bytes are counted and dropped, reads are zeros.
    """
    decoding, at, states, weights, bounds, data = state
    one = np.int64(0)
    two = np.int64(0)
    for i in range(INPUTS):
        logit = np.int64(STRETCH[states[at[i]] >> np.uint32(20)])
        one += logit * weights[first, i]
        two += logit * weights[second, i]
    one = min(max(one >> 16, np.int64(-2047)), np.int64(2047))
    two = min(max(two >> 16, np.int64(-2047)), np.int64(2047))
    bit = _narrow(bit, decoding, np.int64(SQUASH[((one + two) >> 1) + 2048]), bounds, data)
    aim = bit << 16
    miss_one, miss_two = (aim - SQUASH[one + 2048]) * _RATE, (aim - SQUASH[two + 2048]) * _RATE
    for i in range(INPUTS):
        seen = np.int64(states[at[i]])
        logit = np.int64(STRETCH[seen >> 20])
        weights[first, i] += (logit * miss_one + (1 << _SHIFT - 1)) >> _SHIFT
        weights[second, i] += (logit * miss_two + (1 << _SHIFT - 1)) >> _SHIFT
        age, p = seen & 1023, seen >> 10
        p += ((bit << 22) - bit - p) * AGES[age] >> 16
        states[at[i]] = p << 10 | min(age + 1, np.int64(_OLDEST))
    return bit


def finish(coder: Coder) -> bytes | None:
    """The bytes of an encoder, as few as tell its last interval; None where its room was too small."""
    low, high, at, _ = (int(x) for x in coder.bounds)
    if at > coder.bytes.size:
        return None
    for count in range(5):
        unit = 1 << (32 - 8 * count)
        value = -(-low // unit) * unit
        if value <= high:
            tail = value.to_bytes(5, "big")[1 : 1 + count]
            return (coder.bytes[:at].tobytes() + tail).rstrip(b"\0")
    raise AssertionError("an interval holds its lower end")
