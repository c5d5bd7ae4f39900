"""Bits to symbols on a device: sequential Huffman decoding by lanes that find their own place in the data. Exact integers.

    words ──▶ lanes ──▶ synchronise ──▶ write ──▶ levels, and whether a picture is whole

Data between restart markers, a segment, are cut into spans of words, one a lane. Nobody knows in which symbol of which block a
span begins, so that lanes decode from guesses, and then from where the one before came out, until nothing changes: Huffman codes
fall into step after a few symbols (Klein and Wiseman 2003; Weißenberger and Schmidt 2021, arXiv 2111.09219). The whole blocks
that lanes count then say where their coefficients go.

Nothing is recovered: a picture whose data are damaged in any way, or whose lanes do not come into step, is not whole, and its
levels are undefined.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ...types import ZIGZAG

__all__ = [
    "FIRST_BITS",
    "PHASE_BITS",
    "SECOND_BITS",
    "Codes",
    "Lanes",
    "Scan",
    "Segments",
    "lanes",
    "synchronise",
    "undo_dc",
    "write",
]

FIRST_BITS, SECOND_BITS = 10, 6
"""Bits that the first and the second look-up of a code resolve."""

PHASE_BITS = 3
"""Of a table's number, in the list of those that each block of an MCU takes."""


class Segments(NamedTuple):
    """What lies between restart markers, int32 [G] each; where there is none, all are zeros but `picture`, which is P.

    word: where it begins. nbytes: how many it has. picture: whose it is. first: its first block, in coding order of all pictures.
    blocks: how many it shall have.
    """

    word: jax.Array
    nbytes: jax.Array
    picture: jax.Array
    first: jax.Array
    blocks: jax.Array


class Codes(NamedTuple):
    """Huffman tables. entries: int16 [T]: tables of `stride` (int32 []) entries, each begins with one for every FIRST_BITS bits:
    length << 8 | symbol of a code, 0 where there is none, or ~at for longer codes, whose next SECOND_BITS bits count from `at`.

    Of each picture, int32 [P]: base, its first table; dc and ac, the tables from there on of each block of an MCU, PHASE_BITS
    bits each, the first lowest; period, the number of blocks after which these repeat.
    """

    entries: jax.Array
    stride: jax.Array
    base: jax.Array
    dc: jax.Array
    ac: jax.Array
    period: jax.Array


class Lanes(NamedTuple):
    """Spans of the data, [L] each, those of a segment one after the other. segment: int32, G for none. head: bool, whether it is
    its segment's first. start, end: int32, bits. table: int32, the first entry of its picture's tables; dc, ac, period: int32, as
    in `Codes`."""

    segment: jax.Array
    head: jax.Array
    start: jax.Array
    end: jax.Array
    table: jax.Array
    dc: jax.Array
    ac: jax.Array
    period: jax.Array


class Place(NamedTuple):
    """Where lanes are, int32 [L]: the next bit, the zigzag index of the next coefficient and the block's phase, and the number of
    blocks that came to an end."""

    bit: jax.Array
    zigzag: jax.Array
    phase: jax.Array
    blocks: jax.Array


class Scan(NamedTuple):
    """Lanes in step. place: where each begins; `blocks` counts those before it in its segment. settled: bool [L]."""

    lanes: Lanes
    place: Place
    settled: jax.Array


def _before(x: jax.Array) -> jax.Array:
    """Sums of all that stands before each."""
    return jnp.cumsum(x, dtype=x.dtype) - x


def _take(x: jax.Array, index: jax.Array) -> jax.Array:
    return x.at[index].get(mode="promise_in_bounds")


def _where(condition: jax.Array, one: Place, other: Place) -> Place:
    return Place(*(jnp.where(condition, a, b) for a, b in zip(one, other, strict=True)))


def lanes(segments: Segments, codes: Codes, count: int, span: int) -> Lanes:
    """Lanes of `span` words. count: no fewer than are needed: for each segment the quotient, rounded up."""
    each = -(-segments.nbytes // (4 * span))
    segment = jnp.repeat(lax.iota(jnp.int32, each.size), each, total_repeat_length=count)
    number = lax.iota(jnp.int32, count) - _take(_before(each), segment)
    real = number < _take(each, segment)
    start = 32 * (_take(segments.word, segment) + number * span)
    end = jnp.minimum(start + 32 * span, 32 * _take(segments.word, segment) + 8 * _take(segments.nbytes, segment))
    picture = jnp.minimum(_take(segments.picture, segment), codes.base.size - 1)
    return Lanes(
        jnp.where(real, segment, each.size),
        number == 0,
        start,
        jnp.where(real, end, start),
        _take(codes.base, picture) * codes.stride,
        *(_take(x, picture) for x in (codes.dc, codes.ac, codes.period)),
    )


class _Symbol(NamedTuple):
    """What lanes read. value: of the coefficient at zigzag index `at`, 0 for none. wrong: no code, or beyond the block's end."""

    value: jax.Array
    at: jax.Array
    wrong: jax.Array


def _step(words: jax.Array, codes: Codes, lane: Lanes, place: Place) -> tuple[Place, _Symbol]:
    """One symbol of each lane. words: uint32 [W], first bit highest."""
    bit, zigzag, phase, blocks = place
    word, shift = bit >> 5, (bit & 31).astype(jnp.uint32)
    bits = _take(words, word) << shift | _take(words, word + 1) >> 1 >> 31 - shift
    slot = jnp.where(zigzag == 0, lane.dc, lane.ac) >> PHASE_BITS * phase & (1 << PHASE_BITS) - 1
    table = lane.table + slot * codes.stride

    def entry(at: jax.Array) -> jax.Array:
        return _take(codes.entries, table + at).astype(jnp.int32)

    found = entry((bits >> 32 - FIRST_BITS).astype(jnp.int32))
    second = (bits >> 32 - FIRST_BITS - SECOND_BITS & (1 << SECOND_BITS) - 1).astype(jnp.int32)
    found = jnp.where(found < 0, entry(jnp.where(found < 0, ~found + second, 0)), found)
    length, run, size = found >> 8, found >> 4 & 15, found & 15
    raw = (bits << length.astype(jnp.uint32) >> 1 >> (31 - size).astype(jnp.uint32)).astype(jnp.int32)
    value = jnp.where(raw < (1 << size) >> 1, raw - (1 << size) + 1, raw)
    ended = (zigzag > 0) & (size == 0) & (run < 15)
    after = jnp.where(ended, 64, zigzag + run + 1)
    done = after >= 64
    following = jnp.where(phase + 1 == lane.period, 0, phase + 1)
    moved = Place(
        bit + jnp.maximum(length + size, 1),
        jnp.where(done, 0, after),
        jnp.where(done, following, phase),
        blocks + done,
    )
    return moved, _Symbol(value, zigzag + run, (length == 0) | (after > 64))


def _through(words: jax.Array, codes: Codes, lane: Lanes, place: Place, unroll: int) -> Place:
    """Where lanes come out that begin at a place; `blocks` counts on from there."""

    def body(place: Place) -> Place:
        for _ in range(unroll):
            place = _where(place.bit < lane.end, _step(words, codes, lane, place)[0], place)
        return place

    return lax.while_loop(lambda place: (place.bit < lane.end).any(), body, place)


def _handed(lane: Lanes, out: Place) -> Place:
    """Where lanes should begin, [..., L], as the one before each came out."""
    zero = jnp.zeros_like(out.bit)
    first = Place(lane.start + zero, zero, zero, zero)
    before = Place(*(jnp.roll(x, 1, -1) for x in out))
    return _where(lane.head, first, before._replace(blocks=zero))


def _same(a: Place, b: Place) -> jax.Array:
    return (a.bit == b.bit) & (a.zigzag == b.zigzag) & (a.phase == b.phase)


def _match(ways: Place, place: Place) -> tuple[jax.Array, jax.Array]:
    """(the first of a lane's ways, [H, L], that is the same place, 0 for none; whether there is one)."""
    found, known = jnp.zeros_like(place.bit), jnp.zeros(place.bit.shape, bool)
    for i in reversed(range(len(ways.bit))):
        same = _same(Place(*(x[i] for x in ways)), place)
        found, known = jnp.where(same, i, found), known | same
    return found, known


class _Ways(NamedTuple):
    """Guesses, [H, L]: where lanes begin and where they come out; before: where they came out when they began in each phase,
    which is where the next lane begins."""

    begun: Place
    out: Place
    before: Place


def _ways(words: jax.Array, codes: Codes, lane: Lanes, phases: int, unroll: int) -> _Ways:
    """Lanes that begin in every phase, and then where each of the lane before came out."""
    way = lax.broadcasted_iota(jnp.int32, (phases, lane.start.size), 0)
    zero = jnp.zeros_like(way)
    begin = Place(lane.start + zero, zero, jnp.where(lane.head, 0, way % lane.period), zero)

    def once(_: int, ways: _Ways) -> _Ways:
        begun = _handed(lane, ways.out)
        return _Ways(begun, _through(words, codes, lane, begun, unroll), ways.out)

    ahead = Place(*(jnp.roll(x, -1, -1) for x in begin))
    return lax.fori_loop(0, 2, once, _Ways(begin, ahead, ahead))


def _follow(lane: Lanes, leads: jax.Array) -> jax.Array:
    """int32 [1, L], the way of each lane. leads: [H, L], which way of the next lane each way goes on as."""
    number = lax.iota(jnp.int32, lane.start.size)
    way = lax.broadcasted_iota(jnp.int32, leads.shape, 0)

    def twice(n: jax.Array, leads: jax.Array) -> jax.Array:
        """Maps from as far again before each lane; heads lead all to their first way, which forgets what was before."""
        before = number - (1 << n)
        first = jnp.where(before < 0, way, leads[:, jnp.maximum(before, 0)])
        return jnp.take_along_axis(leads, first, 0, mode="promise_in_bounds")

    leads = lax.fori_loop(0, number.size.bit_length(), twice, jnp.where(lane.head, 0, leads))
    return jnp.where(lane.head, 0, jnp.roll(leads[:1], 1))


def synchronise(words: jax.Array, codes: Codes, lane: Lanes, phases: int, rounds: int, unroll: int) -> Scan:
    """Bring lanes into step. words: uint32 [W], first bit highest; the last two belong to no segment.

    phases: the longest period. rounds: how often lanes that are not in step may begin anew. unroll: symbols of a lane between
    two looks at whether all are done.

    Where symbols begin is soon found from anywhere, which block of an MCU they are in is not. So each lane begins in every phase,
    and then where each of the lane before came out. What is the same place after both says which of a lane's ways goes on as
    which of the next one's; these maps, one after the other, lead from a segment's first lane to all. Where a way leads to none,
    the next lane begins anew there, is held to that, and the maps lead on from where it comes out.
    """
    ways = _ways(words, codes, lane, phases, unroll)
    leads = _match(ways.before, ways.out)[0]

    def followed(held: jax.Array, begun: Place, out: Place) -> tuple[Place, Place]:
        """Where all lanes begin and come out; begun, out: of those that are held."""
        chosen = _follow(lane, jnp.where(held, _match(ways.before, out)[0], leads))

        def of(places: Place) -> Place:
            return Place(*(jnp.take_along_axis(x, chosen, 0, mode="promise_in_bounds")[0] for x in places))

        return _where(held, begun, of(ways.begun)), _where(held, out, of(ways.out))

    def moved(begun: Place, out: Place) -> jax.Array:
        return ~_same(_handed(lane, out), begun) & (lane.end > lane.start)

    def more(state: tuple[jax.Array, jax.Array, Place, Place]) -> jax.Array:
        number, _, begun, out = state
        return (number < rounds) & moved(begun, out).any()

    def again(state: tuple[jax.Array, jax.Array, Place, Place]) -> tuple[jax.Array, jax.Array, Place, Place]:
        number, held, begun, out = state
        changed, ahead = moved(begun, out), _handed(lane, out)
        anew = changed & ~_match(ways.begun, ahead)[1]
        resting = ahead._replace(bit=jnp.where(anew, ahead.bit, lane.end))
        found = _through(words, codes, lane, resting, unroll)
        held = jnp.where(changed, anew, held)
        return number + 1, held, *followed(held, _where(anew, ahead, begun), _where(anew, found, out))

    free = jnp.zeros(lane.start.shape, bool)
    first = Place(*(x[0] for x in ways.begun))
    _, _, begun, out = lax.while_loop(more, again, (jnp.int32(0), free, *followed(free, first, first)))
    blocks = _before(out.blocks)
    base = lax.cummax(jnp.where(lane.head, blocks, 0))
    return Scan(lane, begun._replace(blocks=blocks - base), ~moved(begun, out))


def write(
    words: jax.Array, codes: Codes, segments: Segments, scan: Scan, blocks: int, unroll: int
) -> tuple[jax.Array, jax.Array]:
    """(int16 [blocks, 64], bool [P]): levels in natural order, DC differences as they are, and which pictures are whole.

    blocks: of all pictures.
    """
    lane, begun, settled = scan
    groups = segments.word.size
    inside = jnp.minimum(lane.segment, groups - 1)
    first, most = _take(segments.first, inside), jnp.where(lane.segment < groups, _take(segments.blocks, inside), 0)
    spare = blocks * 64 + lax.broadcasted_iota(jnp.int32, (unroll, lane.start.size), 0) * lane.start.size
    spare += lax.iota(jnp.int32, lane.start.size)

    def active(place: Place) -> jax.Array:
        return (place.bit < lane.end) & (place.blocks < most)

    def body(state: tuple[Place, jax.Array, jax.Array]) -> tuple[Place, jax.Array, jax.Array]:
        place, wrong, levels = state
        targets, values = [], []
        for i in range(unroll):
            going = active(place)
            moved, symbol = _step(words, codes, lane, place)
            natural = _take(jnp.asarray(ZIGZAG, jnp.int32), symbol.at & 63)
            there = going & (symbol.value != 0) & ~symbol.wrong
            targets.append(jnp.where(there, 64 * (first + place.blocks) + natural, spare[i]))
            values.append(symbol.value.astype(jnp.int16))
            place, wrong = _where(going, moved, place), wrong | (going & symbol.wrong)
        found = jnp.stack(values)
        return place, wrong, levels.at[jnp.stack(targets)].set(found, mode="drop", unique_indices=True)

    state = begun, jnp.zeros(lane.start.shape, bool), jnp.zeros(blocks * 64, jnp.int16)
    place, wrong, levels = lax.while_loop(lambda state: active(state[0]).any(), body, state)

    def total(x: jax.Array) -> jax.Array:
        """Sums over each segment's lanes."""
        return jnp.zeros(groups, jnp.int32).at[lane.segment].add(x.astype(jnp.int32), mode="drop")

    last = (begun.blocks < most) & (place.blocks == most)
    used = total(jnp.where(last, place.bit - 32 * _take(segments.word, inside), 0))
    good = (total(last) == 1) & (total(wrong | ~settled) == 0)
    good &= (used <= 8 * segments.nbytes) & (used + 7 >> 3 == segments.nbytes)
    bad = jnp.zeros(codes.base.size, bool).at[segments.picture].max(~good, mode="drop")
    return levels.reshape(blocks, 64), ~bad


def undo_dc(levels: jax.Array, interval: jax.Array, factors: tuple[int, ...]) -> list[jax.Array]:
    """Levels of each component, int16 [P, M, J, 64], from those of MCUs, int16 [P, M, blocks, 64], with DC differences.

    interval: int32 [P], MCUs between restarts, at least 1. factors: J, blocks of an MCU, of each component.
    """
    mcu = lax.iota(jnp.int32, levels.shape[1])
    begin = mcu - mcu % interval[:, None]
    found, at = list[jax.Array](), 0
    for count in factors:
        part = levels[:, :, at : at + count]
        at += count
        differences = part[..., 0].astype(jnp.int32)
        sums = jnp.cumsum(differences.reshape(*begin.shape[:1], -1), 1, dtype=jnp.int32).reshape(differences.shape)
        before = (sums - differences)[:, :, 0]
        dc = (sums - jnp.take_along_axis(before, begin, 1)[..., None]).astype(jnp.int16)
        zigzag = lax.broadcasted_iota(jnp.int32, part.shape, 3)
        found.append(jnp.where(zigzag == 0, dc[..., None], part))
    return found
