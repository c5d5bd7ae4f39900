"""The tuned encoder: its trellis against a plain reading of the cost it minimises, its files against decoders."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpegjax.jpeg.tuned.rates import symbol_rates
from jpegjax.jpeg.tuned.recipe import standard_rates
from jpegjax.kernels.tuned.field import strength_field
from jpegjax.kernels.tuned.trellis import (
    EMPTY,
    NO_FIELD,
    RATE_FIELDS,
    Blocks,
    Costs,
    ac_rows,
    ac_tables,
    dc_rows,
    reciprocals,
    work_bytes,
)
from jpegjax.types import ZIGZAG

NEVER = 1 << 40


def fixed_rates() -> tuple[np.ndarray, np.ndarray]:
    """Annex K's costs in 1/128 bit: int32 [2, 256] and [2, 12]."""
    ac, dc = (np.rint(128 * table).astype(np.int32) for table in standard_rates())
    ac[:, EMPTY] = ac[:, 0]
    return ac, dc


def distance(e: int, m: int) -> int:
    return (((min(abs(e), 4095) ** 2) >> 6) * m) >> 9


class Block:
    """A block as the cost function sees it: levels with 8 fractional bits, in zigzag order."""

    def __init__(self, x: np.ndarray, steps: np.ndarray, weights: np.ndarray, field: int):
        self.x = x[ZIGZAG].tolist()
        r = np.floor(2.0**17 / steps[ZIGZAG] + 0.5).astype(int).tolist()
        self.y = [abs(a) * b >> 12 for a, b in zip(self.x, r, strict=True)]
        self.m = [min(max(int(w) * field >> 8, 1), 8191) for w in weights[ZIGZAG]]
        self.v = [min((y + 128) >> 8, 1023) for y in self.y]

    def error(self, k: int, level: int) -> int:
        return distance(self.y[k] - (level << 8), self.m[k])

    def candidates(self, k: int) -> list[int]:
        v = self.v[k]
        return [] if v == 0 else [v, v - 1] if v >= 2 and v & (v - 1) == 0 else [v]

    def cost(self, levels: list[int], rates: list[int]) -> int:
        """Error and bits of AC levels [64], zigzag order, in 1/128 bit."""
        total = sum(self.error(k, levels[k]) for k in range(1, 64))
        last = 0
        for k in range(1, 64):
            if levels[k]:
                run = k - last - 1
                total += rates[0xF0] * (run >> 4) + rates[(run & 15) << 4 | levels[k].bit_length()]
                last = k
        return total + (rates[EMPTY] if last == 0 else rates[0] if last < 63 else 0)

    def best(self, rates: list[int]) -> list[int]:
        """The cheapest levels by dynamic programming, with the specified order among equal costs."""
        z = [0] * 65
        for k in range(1, 64):
            z[k + 1] = z[k] + self.error(k, 0)
        base, came, taken = {0: 0}, {}, {}
        least, last = z[64] + rates[EMPTY], 0
        for i in range(1, 64):
            cost = NEVER
            for v in self.candidates(i):
                nearest = NEVER
                for j in sorted(base, reverse=True):
                    run = i - j - 1
                    c = base[j] + rates[0xF0] * (run >> 4) + rates[(run & 15) << 4 | v.bit_length()]
                    if c < nearest:
                        nearest, before = c, j
                if z[i] + self.error(i, v) + nearest < cost:
                    cost = z[i] + self.error(i, v) + nearest
                    came[i], taken[i] = before, v
            if cost == NEVER:
                continue
            base[i] = cost - z[i + 1]
            end = base[i] + z[64] + (rates[0] if i < 63 else 0)
            if end < least:
                least, last = end, i
        levels = [0] * 64
        while last:
            levels[last] = taken[last]
            last = came[last]
        return levels


def run_ac(raw: np.ndarray, steps, weights, rates, field=None) -> tuple[np.ndarray, np.ndarray]:
    out = np.full_like(raw, 77)
    tables, counts = ac_tables(rates[None]), np.zeros((1, 256), np.int64)
    costs = Costs(reciprocals(steps), weights.astype(np.int32), np.full(1, 63), tables, np.zeros(12, np.int32))
    shape = 1, len(raw), 8, 8
    blocks = Blocks(raw.reshape(shape), out.reshape(shape), NO_FIELD if field is None else field[None], 1, 1)
    ac_rows(0, 1, blocks, costs, counts, np.zeros(work_bytes(1, len(raw)), np.uint8))
    return out, counts[0]


def laplacian_blocks(rng: np.random.Generator, count: int, scale: float) -> np.ndarray:
    """8·DCT of natural-looking blocks: int16 [count, 64]."""
    decay = 1 / (1 + np.add.outer(np.arange(8), np.arange(8)).reshape(64)) ** 1.3
    return np.clip(rng.laplace(0, scale, (count, 64)) * decay, -8192, 8191).astype(np.int16)


@pytest.mark.parametrize("slot", [0, 1])
def test_ac_levels_are_those_of_the_specification(slot: int) -> None:
    rng = np.random.default_rng(slot)
    rates = fixed_rates()[0][slot]
    for scale in (20, 200, 2000, 16000):
        steps = rng.integers(1, 60, 64).astype(np.uint16)
        weights = rng.integers(0, 1500, 64).astype(np.uint16)
        field = rng.integers(16, 4096, 40).astype(np.uint16)
        raw = laplacian_blocks(rng, 40, scale)
        out, counts = run_ac(raw, steps, weights, rates, field)
        want = np.zeros(256, np.int64)
        for x, levels, b in zip(raw, out, field.tolist(), strict=True):
            best = Block(x, steps, weights, b).best(rates.tolist())
            signed = np.zeros(64, np.int64)
            signed[ZIGZAG] = best
            assert levels.tolist() == np.where(x < 0, -signed, signed).tolist()
            last = 0
            for k in np.flatnonzero(best):
                want[0xF0] += (k - last - 1) >> 4
                want[(k - last - 1) % 16 << 4 | best[k].bit_length()] += 1
                last = k
            if last < 63:
                want[0 if last else EMPTY] += 1
        assert counts.tolist() == want.tolist()


@given(st.integers(0, 1 << 30), st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_ac_levels_are_optimal(seed: int, strength: int) -> None:
    """No other choice among the candidates costs less: all of them are tried."""
    rng = np.random.default_rng(seed)
    rates = rng.integers(1, 2500, 256).astype(np.int32)  # of no order at all
    steps, weights = np.full(64, 16, np.uint16), np.full(64, strength, np.uint16)
    x = np.zeros((1, 64), np.int16)
    places = rng.choice(np.arange(1, 64), 7, replace=False)
    x[0, places] = rng.integers(-800, 800, 7)
    levels = np.abs(run_ac(x, steps, weights, rates)[0][0])[ZIGZAG].tolist()
    block = Block(x[0], steps, weights, 256)
    places = [k for k in range(1, 64) if block.v[k]]
    costs = []
    for chosen in product(*([0, *block.candidates(k)] for k in places)):
        tried = [0] * 64
        for k, v in zip(places, chosen, strict=True):
            tried[k] = v
        costs.append(block.cost(tried, rates.tolist()))
    assert block.cost(levels, rates.tolist()) == min(costs)


def dc_reference(x: np.ndarray, order: list[int], step: int, weight: int, field: np.ndarray, rates, before: int):
    """DC levels of one MCU row's blocks in coding order, by the specification's Viterbi search."""
    r = int(np.floor(2.0**17 / step + 0.5))
    states: list[tuple[int, int, list[int]]] = [(0, before, [])]  # cost, level, path; in tie order
    for t, block in enumerate(order):
        sign = -1 if x[block] < 0 else 1
        y = sign * (abs(int(x[block])) * r >> 12)
        v0 = sign * min((abs(y) + 128) >> 8, 1023)
        m = min(max(weight * int(field[block]) >> 8, 1), 8191)
        values = [v0] * 3 if t == len(order) - 1 else [min(max(v0 + d, -1023), 1023) for d in (0, -1, 1)]
        new = []
        for v in values:
            costs = [cost + rates[abs(v - level).bit_length()] for cost, level, _ in states]
            best = costs.index(min(costs))
            new.append((costs[best] + distance(y - (v << 8), m), v, [*states[best][2], v]))
        states = new
    return states[0][2]


@pytest.mark.parametrize(("h", "v", "rows", "columns"), [(2, 2, 7, 9), (1, 1, 3, 8), (2, 1, 3, 7), (1, 1, 2, 1)])
def test_dc_levels_are_those_of_the_specification(h: int, v: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(rows)
    rates = fixed_rates()[1][0]
    step, weight = 6, 90
    smooth = np.cumsum(rng.normal(0, 60, (rows, columns)), 1) + rng.normal(0, 20, (rows, columns))
    raw = np.zeros((rows * columns, 64), np.int16)
    raw[:, 0] = np.clip(smooth, -8192, 8191).ravel()
    raw[:2, 0] = 8191, -8192
    field = rng.integers(16, 4096, rows * columns).astype(np.uint16)
    out, counts = np.zeros_like(raw), np.zeros(257, np.int64)
    steps, weights = np.full(64, step, np.uint16), np.full(64, weight, np.int32)
    costs = Costs(reciprocals(steps), weights, np.full(1, 63), np.zeros((1, RATE_FIELDS), np.int32), rates)
    shape = rows, columns, 8, 8
    blocks = Blocks(raw.reshape(shape), out.reshape(shape), field.reshape(rows, columns), h, v)
    work = np.zeros(work_bytes(v, columns), np.uint8)
    high = -(-rows // v)
    for part in ((0, 1), (1, high)):  # parts need not know of one another
        dc_rows(*part, blocks, costs, counts, work)
    before, seen = 0, np.zeros(257, np.int64)
    for m in range(high):
        order = [
            row * columns + column
            for left in range(0, columns, h)
            for row in range(m * v, min(m * v + v, rows))
            for column in range(left, min(left + h, columns))
        ]
        want = dc_reference(raw[:, 0], order, step, weight, field, rates.tolist(), before)
        assert out[order, 0].tolist() == want
        for level in want:
            seen[abs(level - before).bit_length()] += 1
            before = level
    assert counts.tolist() == seen.tolist()
    assert (out[:, 1:] == 0).all()


def test_dc_beats_every_other_choice() -> None:
    rng = np.random.default_rng(3)
    rates = fixed_rates()[1][0].tolist()
    for _ in range(30):
        x = rng.integers(-400, 400, 5)
        field = np.full(5, 256)
        path = dc_reference(x, list(range(5)), 24, 40, field, rates, 0)

        exact = [int(np.sign(a)) * (abs(int(a)) * round(2**17 / 24) >> 12) for a in x]

        def cost(levels, exact=exact) -> int:
            bits = sum(rates[abs(b - a).bit_length()] for a, b in zip((0, *levels), levels, strict=False))
            return bits + sum(distance(y - (level << 8), 40) for y, level in zip(exact, levels, strict=True))

        rounded = [(1 if y >= 0 else -1) * ((abs(y) + 128) >> 8) for y in exact]
        choices = product(*([[v - 1, v, v + 1] for v in rounded[:-1]] + [[rounded[-1]]]))
        assert cost(path) == min(cost(c) for c in choices)


def test_rates_are_optimal_code_lengths() -> None:
    counts = np.zeros(257, np.int64)
    counts[[0x00, 0x01, 0x11, 0xF0]] = 8, 4, 2, 1
    rates = np.zeros(256, np.int32)
    symbol_rates(counts, rates)
    # the reserved code of all ones counts once: lengths 1, 2, 3, 4 and one more of 4
    assert rates[[0x00, 0x01, 0x11, 0xF0]].tolist() == [128, 384, 512, 512]
    assert rates[0x25] == 128 * (16 + 5)


def field_reference(luma: np.ndarray, rows: int, columns: int, parameters) -> np.ndarray:
    """The field by the specification, in NumPy. luma: [8·rows, 8·columns]."""
    power, c, *weights, share, middle, drawn = parameters
    cells = luma.astype(np.int64).reshape(rows, 4, 2, columns, 4, 2)
    still = (4 * (cells**2).sum((2, 5)) - cells.sum((2, 5)) ** 2 <= 16).sum((1, 3))
    p, total = luma.astype(np.int64), np.zeros((rows, columns), np.int64)
    for s in range(4):
        p = np.pad(p, ((0, len(p) % 2), (0, p.shape[1] % 2)), "edge")
        cells = p.reshape(len(p) // 2, 2, -1, 2)

        def window(x: np.ndarray) -> np.ndarray:
            x = np.pad(x, 1, "edge")
            x = x[:-2] + 2 * x[1:-1] + x[2:]
            return x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]

        sums = cells.sum((1, 3))
        variance = (64 * window((cells**2).sum((1, 3))) - window(sums) ** 2) >> 12
        t = 2**24 // (8 * variance + c)
        if s < 3:
            a = t.reshape(rows, 4 >> s, columns, 4 >> s).sum((1, 3)) >> (4 - 2 * s)
        else:
            a = t.repeat(2, 0).repeat(2, 1)[:rows, :columns]
        total += weights[s] * a
        p = (sums + 2) >> 2
    n = np.floor(np.log2(total)).astype(int)
    fraction = np.floor(128 * (total / 2.0**n - 1))
    logs = 256 * n + np.floor(256 * np.log2(1 + (fraction + 0.5) / 128) + 0.5).astype(int)
    whole = sum(weights) * (2**24 // c)
    n = whole.bit_length() - 1
    flat = 256 * n + int(np.floor(256 * np.log2(1 + ((128 * whole >> n) - 128 + 0.5) / 128) + 0.5))
    seen = [[int(x) for x in row if x < flat] for row in logs]
    means = [sum(row) // len(row) for row in seen if row]
    mean = sum(means) // len(means) if means else flat
    e = np.clip((power * (logs - mean) + share * (mean - middle)) >> 6, -1024, 1024)
    if drawn:
        e = np.where(logs <= flat - 512, e + (np.clip(still - 3, 0, 4) * (16 * (drawn - 128) - e) >> 2), e)
    table = np.floor(256 * 2 ** (np.arange(256) / 256) + 0.5).astype(int)
    return np.clip((table[e & 255] << 4) >> (4 - (e >> 8)), 16, 4096)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 3), (5, 9), (16, 33)])
def test_the_field_is_the_specified_one(rows: int, columns: int) -> None:
    rng = np.random.default_rng(rows)
    ramp = np.add.outer(np.arange(8 * rows), 2 * np.arange(8 * columns)) / 3
    luma = np.clip(ramp + rng.normal(0, 40, (8 * rows, 8 * columns)) * rng.random((1, 8 * columns)), 0, 255)
    plane = np.full((8 * rows + 8, 8 * columns + 72), 99, np.uint8)
    luma[:, : 4 * columns] = 255 * (rng.random((8 * rows, 4 * columns)) < 0.1)  # strokes and dots on flat ground
    luma[: 8 * (rows // 3)] = 255
    plane[: 8 * rows, : 8 * columns] = luma
    for parameters in (
        (64, 234, 1, 0, 0, 0, 0, 0, 0), (45, 100, 60, 30, 7, 255, 50, 5000, 120), (200, 1, 0, 0, 0, 9, 255, 1, 200),
        (0, 234, 1, 0, 0, 0, 0, 0, 140),
    ):  # fmt: skip
        field = strength_field(plane, rows, columns, parameters)
        want = field_reference(plane[: 8 * rows, : 8 * columns], rows, columns, parameters)
        assert field.tolist() == want.tolist()
    assert strength_field(plane, rows, columns, (0, 234, 1, 0, 0, 0, 50, 9, 0)) is None


def test_the_field_is_gaussian_ssim_masking() -> None:
    """One scale at power 1 is 1 / (2σ² + 58.5) under a Gaussian of σ 1.5, up to a factor."""
    gaussian_filter = pytest.importorskip("scipy.ndimage").gaussian_filter
    rng = np.random.default_rng(5)
    envelope = gaussian_filter(rng.normal(0, 1, (128, 192)), 12)
    luma = np.clip(128 + gaussian_filter(rng.normal(0, 1, (128, 192)), 1) * np.exp(60 * envelope) * 60, 0, 255).round()
    plane = np.pad(luma.astype(np.uint8), ((0, 0), (0, 64)))
    field = strength_field(plane, 16, 24, (64, 234, 64, 0, 0, 0, 0, 0, 0)).astype(float)
    mean = gaussian_filter(luma, 1.5, mode="nearest")
    variance = gaussian_filter(luma**2, 1.5, mode="nearest") - mean**2
    exact = (1 / (2 * variance + 58.5)).reshape(16, 8, 24, 8).mean((1, 3))
    error = np.log2(field / exact)
    assert field.max() / field.min() > 8
    assert (error - error.mean()).std() < 0.15
