"""rANS: streams come back, are as long as the tables say, and damage ends in symbols or CorruptStream."""

from __future__ import annotations

import hashlib
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpegjax import CorruptStream
from jpegjax.coding.rans import LARGEST, SKIP, TOTAL, Decoder, Tables, encode, gaussian_tables, quantise_pmf, tables

Part = tuple[np.ndarray, np.ndarray]
SCALES = np.geomspace(0.11, 64, 64)


@cache
def gaussians() -> Tables:
    return gaussian_tables(SCALES)


def part(symbols: object, indexes: object) -> Part:
    return np.array(symbols, np.int32), np.array(indexes, np.uint8)


def drawn(seed: int, count: int, skipped: float = 0.0) -> Part:
    """Gaussian symbols over all 64 tables, most of them narrow."""
    rng = np.random.default_rng(seed)
    indexes = np.minimum(rng.exponential(13, count), 63).astype(np.uint8)
    symbols = np.rint(rng.normal(size=count) * SCALES[indexes]).astype(np.int32)
    skips = rng.random(count) < skipped
    return np.where(skips, 0, symbols).astype(np.int32), np.where(skips, SKIP, indexes).astype(np.uint8)


def check_round_trip(parts: list[Part], models: Tables, lanes: int | None = None) -> bytes:
    data = encode(parts, models, lanes=lanes)
    decoder = Decoder(data, models)
    for symbols, indexes in parts:
        found = decoder.read(indexes)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, symbols)
    decoder.finish()
    return data


def reference(data: bytes, models: Tables, parts: list[np.ndarray]) -> list[list[int]]:
    """The decoder by its description, in plain Python."""
    lanes = 2 ** (data[0] >> 1) if data and data[0] & 1 else 1
    if lanes > 1:
        head = 1 + 4 * lanes
        states = [int.from_bytes(data[i : i + 4], "little") for i in range(1, head, 4)]
    else:
        head = len(data) if len(data) <= 4 else 4 - len(data) % 2
        states = [int.from_bytes(data[:head], "little")]
    words = [int.from_bytes(data[i : i + 2], "little") for i in range(head, len(data), 2)]

    def pop(lane: int, count: int) -> int:
        value = states[lane] & ((1 << count) - 1)
        states[lane] >>= count
        refill(lane)
        return value

    def refill(lane: int) -> None:
        if states[lane] < 1 << 16 and words:
            states[lane] = states[lane] << 16 | words.pop(0)

    if lanes == 1:
        assert pop(0, 1) == 0
    ends = np.cumsum(models.sizes + 1)
    found = []
    for indexes in parts:
        symbols = [0] * len(indexes)
        kept = [i for i, index in enumerate(indexes) if index != SKIP]
        escapes = []
        for turn, i in enumerate(kept):
            first, size, end = models.first[indexes[i]], models.sizes[indexes[i]], ends[indexes[i]]
            f = [int(v) for v in models.frequencies[end - size - 1 : end]]
            place, start, x = f.index(max(f)), 0, states[turn % lanes]
            while x % TOTAL >= start + f[place]:
                start += f[place]
                place = (place + 1) % len(f)
            states[turn % lanes] = f[place] * (x // TOTAL) + x % TOTAL - start
            refill(turn % lanes)
            symbols[i] = int(first) + place
            if place == size:
                escapes.append(i)
        for turn, i in enumerate(escapes):
            lane = turn % lanes
            k = (states[lane] & -states[lane]).bit_length() - 1
            pop(lane, k + 1)
            rest = pop(lane, k + 1)
            distance, first = 2**k + rest // 2, int(models.first[indexes[i]])
            symbols[i] = first - distance if rest % 2 else first + int(models.sizes[indexes[i]]) - 1 + distance
        found.append(symbols)
    assert not words and states == [0 if lanes == 1 else 1 << 16] * lanes
    return found


@st.composite
def models_and_parts(draw: st.DrawFn) -> tuple[Tables, list[Part]]:
    weights = st.lists(st.integers(0, 1000) | st.just(10**7), min_size=1, max_size=40).filter(any)
    pmfs = []
    for first, counts in draw(st.lists(st.tuples(st.integers(-50, 50), weights), min_size=1, max_size=6)):
        pmfs.append((first, np.array(counts) / (sum(counts) * draw(st.sampled_from([1.0, 1.001, 3.0])))))
    near, far = st.integers(-60, 60), st.integers(-LARGEST, LARGEST) | st.sampled_from([-LARGEST, LARGEST])
    pair = st.tuples(near | far, st.integers(0, len(pmfs) - 1)) | st.just((0, SKIP))
    lists = draw(st.lists(st.lists(pair, max_size=80), max_size=4))
    return tables(pmfs), [part([s for s, _ in pairs], [i for _, i in pairs]) for pairs in lists]


@given(models_and_parts(), st.sampled_from([None, 1, 2, 4, 8, 16, 32]))
@settings(max_examples=300)
def test_round_trip(case: tuple[Tables, list[Part]], lanes: int | None) -> None:
    models, parts = case
    data = check_round_trip(parts, models, lanes)
    assert reference(data, models, [indexes for _, indexes in parts]) == [symbols.tolist() for symbols, _ in parts]
    bits = sum(models.bits(*one) for one in parts)
    assert 8 * len(data) <= 1.01 * bits + 24 + 32 * ((lanes or 1) > 1) * (lanes or 1)


def test_nothing_costs_nothing() -> None:
    models = gaussians()
    assert encode([], models) == encode([part([], [])], models) == encode([part([0] * 9, [SKIP] * 9)], models) == b""
    assert encode([part([0] * 999, [3] * 999)], models) == b""
    decoder = Decoder(b"", models)
    assert decoder.read(part([], [])[1]).tolist() == [] and decoder.read(part([], [SKIP, 3])[1]).tolist() == [0, 0]
    decoder.finish()


def test_small_streams_pay_no_more_than_three_bytes() -> None:
    for seed in range(300):
        one = drawn(seed, seed)
        data = check_round_trip([one], gaussians())
        assert 8 * len(data) < gaussians().bits(*one) + 24


@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16, 32])
def test_counts_around_the_lanes(lanes: int) -> None:
    for count in {0, 1, 2, lanes - 1, lanes, lanes + 1, 2 * lanes - 1, 2 * lanes + 1}:
        parts = [drawn(count, count, 0.3), drawn(count + 1, 3), drawn(count + 2, count)]
        data = check_round_trip(parts, gaussians(), lanes)
        assert Decoder(data, gaussians()).lanes == lanes
        assert reference(data, gaussians(), [i for _, i in parts]) == [s.tolist() for s, _ in parts]


@pytest.mark.parametrize("filled, lanes", [(16383, 1), (16384, 4), (131071, 4), (131072, 8)])
def test_lanes_follow_the_number_of_symbols_that_are_not_zero(filled: int, lanes: int) -> None:
    symbols = np.zeros(filled + 1000, np.int32)
    symbols[500:-500] = 1
    one = symbols, np.full(len(symbols), 20, np.uint8)
    data = check_round_trip([(symbols[:9], one[1][:9]), (symbols[9:], one[1][9:])], gaussians())
    assert Decoder(data, gaussians()).lanes == lanes


@pytest.mark.parametrize("lanes", [None, 1, 4, 32])
def test_a_million_symbols_are_as_long_as_they_must(lanes: int | None) -> None:
    symbols, indexes = drawn(1, 1_000_000)
    data = check_round_trip([(symbols, indexes)], gaussians(), lanes)
    by_tables = gaussians().bits(symbols, indexes)
    assert abs(8 * len(data) - by_tables) < 0.0015 * by_tables
    # what the true distribution asks for, of these very symbols
    magnitude, root = np.abs(symbols), SCALES[indexes] * math.sqrt(2)
    erfc = np.vectorize(math.erfc)
    above, below = erfc((magnitude + 0.5) / root), erfc((magnitude - 0.5) / root)
    masses = np.where(symbols == 0, 1 - above, 0.5 * (below - above))
    assert 8 * len(data) < -1.005 * np.log2(masses).sum()


def test_escapes_up_to_the_limit() -> None:
    models = gaussian_tables(np.array([0.2, 5.0]))
    values = [v for n in range(16) for v in (2**n - 1, 2**n, 1 - 2**n, -(2**n)) if abs(v) <= LARGEST]
    check_round_trip([part(values * 2, [0] * len(values) + [1] * len(values))], models)
    ends = Tables(np.array([-LARGEST, LARGEST]), np.array([1, 1]), np.array([TOTAL - 1, 1] * 2))
    data = check_round_trip([part([LARGEST, -LARGEST], [0, 1])], ends)
    assert reference(data, ends, [np.array([0, 1])]) == [[LARGEST, -LARGEST]]


def test_expected_cost_is_near_the_entropy() -> None:
    """Of each table, over the true distribution and not over drawn symbols: within 0.5 % or a thousandth of a bit."""
    for index, scale in enumerate(SCALES):
        k = np.arange(-int(12 * scale) - 3, int(12 * scale) + 4)
        edges = np.array([0.5 * math.erfc(-(v - 0.5) / scale / math.sqrt(2)) for v in [*range(k[0], 1), 0.5]])
        left = np.diff(edges)[: -k[0]]
        masses = np.concatenate([left, [1 - 2 * left.sum()], left[::-1]])
        used = masses > 0
        costs = np.array([gaussians().bits(*part([v], [index])) for v in k[used]])
        entropy = -(masses[used] * np.log2(masses[used])).sum()
        assert masses[used] @ costs < 1.005 * entropy + 0.001, scale


def test_constriction_agrees() -> None:
    constriction = pytest.importorskip("constriction")
    models, (symbols, indexes) = gaussians(), drawn(2, 200_000)
    ends = np.cumsum(models.sizes + 1)
    places = symbols - models.first[indexes]
    inside = (places >= 0) & (places < models.sizes[indexes])
    symbols, indexes, places = symbols[inside], indexes[inside], places[inside]
    coder = constriction.stream.stack.AnsCoder()
    for index in range(len(models)):
        mine = models.frequencies[ends[index] - models.sizes[index] - 1 : ends[index]] / TOTAL
        model = constriction.stream.model.Categorical(mine, perfect=True)
        coder.encode_reverse(places[indexes == index].astype(np.int32), model)
    theirs = coder.num_bits()
    for lanes in (1, 4, 32):
        bits = 8 * len(encode([(symbols, indexes)], models, lanes=lanes))
        assert abs(bits - theirs) < 0.002 * theirs + 32 * lanes + 64


@pytest.mark.parametrize("pmf", [[0.5, 0.5], [1.0, 0.0], [0.9999, 0.0001], [1 / 3, 2 / 3], [0.123, 0.877]])
def test_two_frequencies_are_the_best(pmf: list[float]) -> None:
    f = np.arange(1, TOTAL)
    costs = -pmf[0] * np.log2(f) - pmf[1] * np.log2(TOTAL - f)
    found = quantise_pmf(np.array(pmf))
    assert costs[found[0] - 1] <= costs.min() + 1e-12


@pytest.mark.parametrize("pmf", [[0.2, 0.3, 0.5], [0.99997, 2e-5, 1e-5], [0.0, 1e-9, 1.0], [1 / 3] * 3])
def test_three_frequencies_are_the_best(pmf: list[float]) -> None:
    logs = np.log2(np.arange(1, TOTAL))
    best = min(
        np.min(-pmf[1] * logs[: TOTAL - f - 1] - pmf[2] * logs[TOTAL - f - 2 :: -1]) - pmf[0] * logs[f - 1]
        for f in range(1, TOTAL - 1)
    )
    found = quantise_pmf(np.array(pmf))
    assert -np.dot(pmf, np.log2(found)) <= best + 1e-12


@given(st.lists(st.floats(0, 1) | st.floats(1e-12, 1e-3), min_size=1, max_size=300).filter(any))
def test_no_exchange_makes_frequencies_better(weights: list[float]) -> None:
    """Enough for the optimum, since the cost is a sum of convex functions of one frequency each."""
    pmf = np.array(weights) / sum(weights)
    f = quantise_pmf(np.array(weights))
    assert f.dtype == np.int32 and f.sum() == TOTAL and f.min() >= 1
    gain = np.max(pmf * (np.log2(f + 1) - np.log2(f)))
    loss = np.min((pmf * (np.log2(f) - np.log2(np.maximum(f - 1, 1))))[f > 1], initial=np.inf)
    assert gain <= loss + 1e-12
    np.testing.assert_array_equal(f, quantise_pmf(np.array(weights)))


def test_wrong_pmfs_are_refused() -> None:
    for wrong in ([], [[1.0]], [-0.1, 1.1], [0.0, 0.0], [math.nan, 1.0], [math.inf], np.ones(TOTAL + 1)):
        with pytest.raises(ValueError, match="pmf: "):
            quantise_pmf(np.array(wrong))
    with pytest.raises(ValueError, match=r"number 1 sums to 1\.5"):
        tables([(0, np.array([0.5])), (0, np.array([0.75, 0.75]))])
    for scales in ([0.0], [-1.0], [math.nan], [2000.0], 1.0):
        with pytest.raises(ValueError, match="scales: "):
            gaussian_tables(np.array(scales))
    with pytest.raises(ValueError, match=r"first and sizes: must be of 1\.\.255 tables"):
        gaussian_tables(np.empty(0))
    with pytest.raises(ValueError, match="65535 is the most"):
        gaussian_tables(np.full(255, 100.0))
    assert len(gaussian_tables(np.array([1e-9, 1024.0]))) == 2


def test_tables_are_their_integers() -> None:
    models = gaussians()
    packed = models.pack()
    assert {name: array.dtype.name for name, array in packed.items()} == {
        "first": "int16", "sizes": "uint16", "frequencies": "uint16",
    }  # fmt: skip
    again = Tables.unpack(packed)
    assert again == models and hash(again) == hash(models) and pickle.loads(pickle.dumps(models)) == models
    assert models != gaussian_tables(SCALES[:-1]) and models != 1
    with pytest.raises(ValueError, match="read-only"):
        again.frequencies[0] = 1
    one = np.array([1])
    for first, sizes, frequencies, message in (
        (one, np.array([1, 1]), np.array([TOTAL - 1, 1]), "not 1 and 2"),
        (one, np.array([0]), np.array([TOTAL]), "must cover a symbol"),
        (one * 32768, one, np.array([TOTAL - 1, 1]), "must cover a symbol"),
        (one * 32767, one * 2, np.array([TOTAL - 2, 1, 1]), "must cover a symbol"),
        (one, one, np.array([TOTAL]), "ask for 2"),
        (one, one, np.array([TOTAL, 0]), "each must be"),
        (one, one, np.array([TOTAL, 1]), "table 0 sums to 16385"),
    ):
        with pytest.raises(ValueError, match=message):
            Tables(first, sizes, frequencies)
    with pytest.raises(TypeError, match=r"first: must be .* not float64"):
        Tables(np.array([1.0]), one, np.array([TOTAL - 1, 1]))


def test_what_cannot_be_coded_is_named() -> None:
    models = gaussian_tables(np.array([1.0, 2.0]))
    good = part([0], [0])
    for bad, message in (
        (part([0, 0, 0], [0, 1, 2]), "part 1, position 2: symbol 0, index 2; an index must be below 2 or SKIP"),
        (part([0, 0], [0, 254]), "part 1, position 1: symbol 0, index 254; an index"),
        (part([0, 0, 1], [0, SKIP, SKIP]), "part 1, position 2: symbol 1, index 255; a symbol whose index is SKIP"),
        (part([LARGEST + 1], [0]), "part 1, position 0: symbol 32768, index 0; a symbol must be -32767..32767"),
        (part([0, -(2**31)], [SKIP, 1]), "position 1: symbol -2147483648, index 1; a symbol must be"),
        (part([2**31 - 1], [SKIP]), "position 0: symbol 2147483647"),
        (part([0, 0], [0]), "part 1: 2 symbols, but 1 indexes"),
    ):
        with pytest.raises(ValueError, match=message):
            encode([good, bad], models)
    with pytest.raises(ValueError, match="lanes: must be 1, 2, 4, 8, 16 or 32, not 3"):
        encode([good], models, lanes=3)
    with pytest.raises(TypeError, match=r"part 0: symbols: must be .* of int32, not int64 \(1,\)"):
        encode([(good[0].astype(np.int64), good[1])], models)
    with pytest.raises(TypeError, match=r"part 0: indexes: must be .* of uint8, not list"):
        encode([(good[0], [0])], models)
    with pytest.raises(TypeError, match=r"indexes: must be .* of uint8, not uint8 \(1, 1\)"):
        Decoder(b"", models).read(good[1][None])
    with pytest.raises(ValueError, match="indexes: 1 of them name no table; must be below 2, or SKIP"):
        Decoder(b"", models).read(np.array([0, 2, SKIP], np.uint8))


def test_arrays_of_any_layout_and_data_of_any_kind() -> None:
    symbols, indexes = drawn(3, 1000, 0.2)
    data = encode([(symbols, indexes)], gaussians())
    assert data == encode([(np.repeat(symbols, 2)[::2], np.repeat(indexes, 3)[::3])], gaussians())
    for kind in (bytes, bytearray, memoryview):
        decoder = Decoder(kind(data), gaussians())
        np.testing.assert_array_equal(decoder.read(np.repeat(indexes, 3)[::3]), symbols)
        decoder.finish()


def survives(data: bytes, parts: list[Part]) -> bool:
    """Whether a stream is taken for a whole one; it may raise CorruptStream with an offset inside of it."""
    try:
        decoder = Decoder(data, gaussians(), offset=1000)
        for _, indexes in parts:
            found = decoder.read(indexes)
            assert found.shape == indexes.shape and np.abs(found).max(initial=0) <= LARGEST
        decoder.finish()
    except CorruptStream as error:
        assert error.offset is not None and 1000 <= error.offset <= 1000 + len(data), error
        return False
    return True


def test_damage_gives_symbols_or_corrupt_stream() -> None:
    rng = np.random.default_rng(4)
    missed = tried = 0
    for number in range(12_000):
        if number % 100 == 0:
            count = int(rng.integers(1, 400))
            parts = [drawn(number, count, 0.2), part([], []), drawn(number + 1, count // 3)]
            lanes = int(rng.choice([1, 1, 2, 4, 32]))
            data = encode(parts, gaussians(), lanes=lanes)
        damaged = bytearray(data)
        if number % 4 == 0:
            del damaged[int(rng.integers(len(damaged) + 1)) :]
        elif number % 4 == 1:
            damaged = bytearray(rng.bytes(int(rng.integers(0, 200))))
        elif number % 4 == 2 and damaged:
            for _ in range(int(rng.integers(1, 4))):
                damaged[int(rng.integers(len(damaged)))] ^= 1 << int(rng.integers(8))
        else:
            damaged += rng.bytes(int(rng.integers(1, 9)))
        if damaged != data:
            tried += 1
            missed += survives(bytes(damaged), parts) and damaged != b""  # a stream too: see what costs nothing
    assert tried > 11_000 and missed < 0.005 * tried, missed


def test_messages_say_where() -> None:
    models = gaussians()
    symbols, indexes = drawn(5, 300)
    one, four = encode([(symbols, indexes)], models), encode([(symbols, indexes)], models, lanes=4)
    for data, message in (
        (b"\x0d" + bytes(300), r"2\*\*6 lanes; 2..32 are possible \(byte offset 50\)"),
        (b"\x01" + bytes(300), r"2\*\*0 lanes"),
        (four[:16], r"of 4 lanes cannot have 16 bytes \(byte offset 50\)"),
        (four[:-1], "of 4 lanes cannot have"),
        (four[:5] + bytes(4) + four[9:], r"state 1 of a rANS stream is too small \(byte offset 55\)"),
        (b"\x02\x00", r"shorter than its bytes \(byte offset 51\)"),
    ):
        with pytest.raises(CorruptStream, match=message):
            Decoder(data, models, offset=50)
    for data, message in (
        (four + b"\x02\x02", "has 2 bytes behind its last symbol"),
        (one[:-2], "does not end as it must"),
    ):
        decoder = Decoder(data, models, offset=50)
        decoder.read(indexes)
        with pytest.raises(CorruptStream, match=message):
            decoder.finish()
    last = Tables(np.array([LARGEST]), np.array([1]), np.array([1, TOTAL - 1]))
    bits = bytes((0b10, 0, 0b100))  # slot 0 is the escape's; then a distance of 1, above
    with pytest.raises(CorruptStream, match="a symbol beyond 32767"):
        Decoder(bits, last).read(np.zeros(1, np.uint8))


def test_streams_are_pinned() -> None:
    """Integers alone, so the same bytes everywhere; a change here breaks every file that was written before."""
    models = Tables(
        np.array([-1, 0, -3]), np.array([3, 1, 6]), np.array([2000, 12000, 2000, 384, 16000, 384, *[2340] * 6, 2344])
    )
    numbers = [(i * 7919 + 12345) * 2654435761 >> 16 & 0xFFFF for i in range(3000)]
    indexes = [(0, 0, 1, 2, SKIP)[n % 5] for n in numbers]
    symbols = [
        0 if i == SKIP else n % 3 - 1 if n % 50 else n // 2 - 16000 for n, i in zip(numbers, indexes, strict=True)
    ]
    parts = [part(symbols[:100], indexes[:100]), part(symbols[100:], indexes[100:])]
    streams = [encode(parts, models, lanes=n) for n in (1, 4, 32)]
    assert streams[0] == encode(parts, models)
    assert reference(streams[1], models, [i for _, i in parts]) == [s.tolist() for s, _ in parts]
    assert [hashlib.sha256(data).hexdigest()[:16] for data in streams] == [
        "53a4c8cae68522d3",
        "591547aa631ece62",
        "35b4fe0c77652503",
    ]


def test_threads_share_tables() -> None:
    cases = [drawn(seed, 20_000, 0.3) for seed in range(24)]
    alone = [encode([case], gaussians()) for case in cases]

    def both(case: Part) -> tuple[bytes, np.ndarray]:
        data = encode([case], gaussians())
        return data, Decoder(data, gaussians()).read(case[1])

    with ThreadPoolExecutor(8) as pool:
        for (data, symbols), expected, case in zip(pool.map(both, cases), alone, cases, strict=True):
            assert data == expected
            np.testing.assert_array_equal(symbols, case[0])
