"""Entropy-coded data become pixels on a device, and nothing else goes there (`ops.bits.unpacking`).

    segments ─▶ lanes in step ─▶ levels ─▶ pixels
                                    ╰▶ whether a picture is whole

As many pictures of one frame as a few pages hold on each device are decoded together: the more lanes the better, since all wait
for the slowest. How many words, segments and tables there are is counted first, and rounded up so that programs are few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import jax
import numpy as np

from ...coding.sequential.segments import SEGMENT_ALIGNMENT, ScanData
from ...ops.bits.unpacking import (
    FIRST_BITS,
    PHASE_BITS,
    SECOND_BITS,
    Codes,
    Segments,
    lanes,
    synchronise,
    undo_dc,
    write,
)
from ...run.capacity import shaped, taken
from ...run.devices import Devices
from ...run.flow import Job, flow
from ...run.mesh import mapped, parts
from ...run.threads import cores
from ...types import Frame, HuffmanSpec, Scan
from .entropy import up
from .pages import Item
from .resident import chunks, near_of, pixels_of, step_tables, words_of
from .specs import Spec

__all__ = ["Source", "chosen", "decode", "entries_of", "gathered", "levels_of"]

SPANS = (32, 512)
"""Least and most words of a lane, a power of two of them. Between, as many as hold two rounds of phases, by the average of a
batch: where lanes have fewer, phases take long to show."""

ROUNDS = 64
"""Of synchronising lanes; pictures that take more are the host's."""

PAGES = 32
"""Whose MCUs are decoded together."""

BYTES_A_CORE = 1 << 19
"""Of pictures of one frame, for each of the host's cores, from which on a GPU decodes their data. Counted, not measured: a batch
takes a GPU some ten milliseconds, in which lanes wait for the slowest, and a core that long for half a million bytes."""

NBYTES = 16
"""Memory a sample that decoding takes beside the inverse transform: levels twice, and lanes of up to some 10 bits a sample."""

UNROLL = {"cpu": 1}
"""Symbols of a lane between two looks at whether all are done, which cost a launch and more on accelerators: AT_ONCE there."""

AT_ONCE = 8

Source = tuple[ScanData, Scan]
"""The data of a picture's scan, and its header."""


MOST = 1 << 30
"""Samples of a picture, and bits of data for each device, that lanes count."""


def chosen(nbytes: int, devices: Devices) -> bool:
    """Whether devices decode the data of pictures of one frame, so many bytes in all, faster than the host's threads.

    CPUs do not, nor TPUs, where each look-up of a lane is an access to memory of its own.
    """
    return devices[0].platform not in ("cpu", "tpu") and nbytes >= BYTES_A_CORE * cores()


@lru_cache(maxsize=1024)
def entries_of(spec: HuffmanSpec) -> np.ndarray:
    """A table as `ops.bits.unpacking.Codes` has it: int16 [n]. spec: a prefix code."""
    lengths = np.repeat(np.arange(1, 17), np.frombuffer(spec.counts, np.uint8))
    symbols = np.frombuffer(spec.symbols, np.uint8)[: len(lengths)]
    every = np.zeros(1 << 16, np.int16)
    found = np.repeat(lengths << 8 | symbols, 1 << 16 - lengths)  # codes follow one another without gaps (T.81 C.2)
    every[: len(found)] = found
    groups = every.reshape(1 << FIRST_BITS, -1)
    direct = (groups == groups[:, :1]).all(1)
    later = ~((1 << FIRST_BITS) + (np.cumsum(~direct) - 1 << SECOND_BITS))
    table = np.concatenate([np.where(direct, groups[:, 0], later), groups[~direct].ravel()]).astype(np.int16)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=1024)
def _pattern(scan: Scan, factors: tuple[int, ...]) -> tuple[tuple[HuffmanSpec, ...], int, int, int]:
    """(tables, dc, ac, period) of a scan, as of `Codes`. factors: blocks of an MCU of each component."""
    pairs: list[Any] = []
    for dc, ac, count in zip(scan.dc_tables, scan.ac_tables, factors, strict=True):
        pairs += [(dc, ac)] * count
    tables = list(dict.fromkeys(table for pair in pairs for table in pair))
    numbers = [sum(tables.index(pair[i]) << PHASE_BITS * n for n, pair in enumerate(pairs)) for i in range(2)]
    size = len(pairs)
    period = next(p for p in range(1, size + 1) if size % p == 0 and pairs == pairs[:p] * (size // p))
    return tuple(tables), numbers[0], numbers[1], period


def _codes(scans: Sequence[Scan], factors: tuple[int, ...]) -> Codes:
    """The tables of pictures, sets of them that are alike once."""
    every: list[HuffmanSpec] = []
    base: dict[tuple[HuffmanSpec, ...], int] = {}
    rows = []
    for scan in scans:
        tables, *rest = _pattern(scan, factors)
        if tables not in base:
            base[tables] = len(every)
            every += tables
        rows.append((base[tables], *rest))
    found = [entries_of(spec) for spec in every]
    stride = max(map(len, found))
    entries = np.zeros((len(found), stride), np.int16)
    for row, table in zip(entries, found, strict=True):
        row[: len(table)] = table
    fields: list[Any] = [entries.ravel(), np.int32(stride), *np.array(rows, np.int32).T]
    return Codes(*fields)


def gathered(sources: Sequence[Source], mcus: int, factors: tuple[int, ...]) -> tuple[np.ndarray, Segments, Codes]:
    """(words uint32 [W], little-endian, segments, tables) of pictures of one frame, none of them padded."""
    count, each = len(sources), sum(factors)
    sizes = [data.sizes for data, _ in sources]
    nbytes = np.concatenate(sizes)
    picture = np.repeat(np.arange(count), [len(s) for s in sizes])
    number = np.concatenate([np.arange(len(s)) for s in sizes])
    interval = np.array([scan.restart_interval or mcus for _, scan in sources])[picture]
    words = -(-nbytes // SEGMENT_ALIGNMENT)
    first = number * interval
    blocks = np.minimum(interval, mcus - first) * each
    fields: list[Any] = [np.cumsum(words) - words, nbytes, picture, (picture * mcus + first) * each, blocks]
    data = np.concatenate([data.octets for data, _ in sources]).view("<u4")
    return data, Segments(*(x.astype(np.int32) for x in fields)), _codes([scan for _, scan in sources], factors)


def _padded(x: Any, size: int, value: int = 0) -> Any:
    return np.pad(x, (0, size - len(x)), constant_values=value)


def _swapped(words: jax.Array) -> jax.Array:
    """uint32 with its bytes in the other order."""
    return words << 24 | (words & 0xFF00) << 8 | words >> 8 & 0xFF00 | words >> 24


def levels_of(
    platform: str,
    mcus: int,
    factors: tuple[int, ...],
    phases: int,
    span: int,
    words: jax.Array,
    segments: Segments,
    codes: Codes,
    interval: jax.Array,
) -> tuple[list[jax.Array], jax.Array]:
    """(levels of each component, int16 [P, mcus, J, 64] in coding order, natural order inside; bool [P], which are whole).

    phases: the longest period. span: words of a lane. words: uint32 [W], little-endian, two more than the segments have.
    interval: int32 [P].
    """
    each, unroll = sum(factors), UNROLL.get(platform, AT_ONCE)
    words = _swapped(words)
    count = words.size // span + segments.word.size
    found = synchronise(words, codes, lanes(segments, codes, count, span), phases, ROUNDS, unroll)
    levels, whole = write(words, codes, segments, found, interval.size * mcus * each, unroll)
    return undo_dc(levels.reshape(-1, mcus, each, 64), interval, factors), whole


def _pixels(
    platform: str, spec: Spec, frame: Frame, levels: Sequence[jax.Array], near: jax.Array, tables: jax.Array
) -> jax.Array:
    pages = []
    for (h, v), y in zip(spec.sampling, levels, strict=False):
        pages.append(words_of(y.reshape(-1, v, h, 64).transpose(1, 0, 2, 3)))
    return pixels_of(platform, spec, frame, tuple(pages), near, tables)


def decode(
    sources: Iterable[Source | None], items: Sequence[Item], spec: Spec, devices: Devices, stay: bool
) -> Iterator[tuple[int, Any]] | None:
    """(item's index, pixels) of each picture whose data are whole; None, for the host to decode, of others. None for all where
    memory is short of one, or one is huge.

    sources: read as batches fill; None leaves an item out. items: of one frame, whose single component has factors of 1.
    stay: whether pixels stay on the devices or are NumPy arrays.
    """
    source = iter(sources)
    frame = items[0].frame
    factors = _factors(frame)

    def need(size: int, used: Devices) -> int:
        run, sharding = mapped(_pixels, used, used[0].platform, spec, frame)
        share = _rounded(size // len(used))

        def part(shape: Sequence[int], dtype: Any) -> jax.ShapeDtypeStruct:
            return shaped((len(used), share, *shape), dtype, sharding)

        levels = [part((items[0].mcus, n, 64), np.int16) for n in factors[: len(spec.sampling)]]
        tables = part((len(spec.sampling), 64), np.uint16)
        return taken(run, levels, part((5, items[0].mcus), np.int32), tables) + NBYTES * share * items[0].samples

    def job(chunk: list[Item], used: Devices) -> Job[tuple[int, Any]]:
        found = list(islice(source, len(chunk)))
        given = next((x for x in found if x is not None), None)
        if given is None:
            return []
        share = min(_rounded(len(chunk) // len(used)), largest)
        spare = share * len(used) - len(chunk)
        held = [given if x is None else x for x in found] + [given] * spare
        nbytes = [len(data.octets) for data, _ in held]
        if max(sum(nbytes[i : i + share]) for i in range(0, len(held), share)) > MOST // 8:
            return [(item.index, None) for item, x in zip(chunk, found, strict=True) if x is not None]
        levels, whole = _levels(held, frame, used)
        run, sharding = mapped(_pixels, used, used[0].platform, spec, frame)
        filled = chunk + chunk[:1] * spare
        near, tables = near_of(spec, filled, len(used)), step_tables(filled)[:, : len(spec.sampling)]
        near, tables = (x.reshape(len(used), -1, *x.shape[1:]) for x in (near, tables))
        pixels = run(levels[: len(spec.sampling)], *jax.device_put((near, tables), sharding))
        yield whole if stay else (whole, pixels)
        good = np.concatenate(jax.device_get(parts(whole))).ravel()
        every = [part if stay else jax.device_get(part) for part in parts(pixels)]

        def made(j: int) -> Any:
            x = every[j // share][0, j % share]
            return x if stay else x.copy()

        return [(item.index, made(j) if good[j] else None) for j, item in enumerate(chunk) if found[j] is not None]

    if items[0].samples > MOST:
        return None
    cut = chunks(items, devices, need, stay, PAGES)
    if cut is None:
        return None
    largest = max(len(chunk) // len(used) for chunk, used in cut)
    return flow((job(*chunk) for chunk in cut), devices)


def _rounded(n: int) -> int:
    """The next of 1, 2, 3, 4, 6, 8, 12 …: pictures that the last batch has, so that its programs are few."""
    step = 1 << max((n - 1).bit_length() - 2, 0)
    return -(-n // step) * step


def _factors(frame: Frame) -> tuple[int, ...]:
    """Blocks of an MCU of each component."""
    return tuple(k.h * k.v for k in frame.components)


def _span(nbytes: int, blocks: int, phases: int) -> int:
    """Words of a lane for so many bytes."""
    least, most = SPANS
    wanted = -(-2 * phases * nbytes // (4 * blocks))
    return min(max(least, 1 << (wanted - 1).bit_length()), most)


def _levels(sources: Sequence[Source], frame: Frame, used: Devices) -> tuple[list[jax.Array], jax.Array]:
    """`levels_of` pictures that the devices share evenly, with an axis of these in front."""
    rows, columns = frame.mcus
    factors, mcus, share = _factors(frame), rows * columns, len(sources) // len(used)
    some = [gathered(sources[i : i + share], mcus, factors) for i in range(0, len(sources), share)]
    most = up(max(len(words) for words, _, _ in some) + 2, 2)
    groups = up(max(len(segments.word) for _, segments, _ in some), 1)
    room = up(max(len(codes.entries) for _, _, codes in some), 1)
    arguments = []
    for i, (words, segments, codes) in enumerate(some):
        fields = [_padded(x, groups, share if name == "picture" else 0) for name, x in segments._asdict().items()]
        tables = codes._replace(entries=_padded(codes.entries, room))
        interval = [scan.restart_interval or mcus for _, scan in sources[i * share : (i + 1) * share]]
        arguments.append((_padded(words, most), Segments(*fields), tables, np.array(interval, np.int32)))
    phases = max(int(codes.period.max()) for _, _, codes in some)
    span = _span(sum(int(segments.nbytes.sum()) for _, segments, _ in some), len(sources) * mcus * sum(factors), phases)
    run, sharding = mapped(levels_of, used, used[0].platform, mcus, factors, phases, span)
    return run(*jax.device_put(jax.tree.map(lambda *x: np.stack(x), *arguments), sharding))
