"""The host's side of a page: which MCUs go where, and the copies between images, planes and pages.

Images of any size become rectangles of MCUs, laid one after the other into pages of few fixed sizes, so that the number
of compiled programs does not depend on the images. Where chroma is filtered an image that must be cut gets one MCU of
context on each side of the cut. Everything is copied in runs of whole MCU rows by NumPy's strided copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...types import Frame
from .programs import SEGMENT
from .specs import Spec

Tables = Sequence[np.ndarray]  # per component uint16 [64]

# MCUs of one device's part of a page. The smallest serves single images, the largest bulk: on a CPU it bounds the
# working set, on an accelerator it hides the launch.
SIZES = {"cpu": (256, 1024, 4096)}
ACCELERATOR_SIZES = (1024, 16384)

PLENTY = 64
"""No program takes so many bytes for a sample that is coded: with more at hand counting can be left out."""


def page_sizes(platform: str) -> tuple[int, ...]:
    """MCUs a part may have on devices of this platform, ascending."""
    return SIZES.get(platform, ACCELERATOR_SIZES)


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a batch: its index there, its frame, and the tables of its components."""

    index: int
    frame: Frame
    tables: Tables

    @property
    def mcus(self) -> int:
        rows, columns = self.frame.mcus
        return rows * columns

    @property
    def samples(self) -> int:
        """Of all components, with those that fill MCUs."""
        return self.mcus * 64 * sum(k.h * k.v for k in self.frame.components)


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of an image's MCUs at `slot` of part `part`; `kept` of it is wanted, the rest is context."""

    item: Item
    rows: tuple[int, int]
    columns: tuple[int, int]
    kept: tuple[int, int, int, int]  # first and end row, first and end column
    part: int
    slot: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    @property
    def slots(self) -> slice:
        high, wide = self.shape
        return slice(self.slot, self.slot + high * wide)

    @property
    def kept_count(self) -> int:
        return (self.kept[1] - self.kept[0]) * (self.kept[3] - self.kept[2])


@dataclass(slots=True)
class Page:
    """Parts of `size` MCUs each, one a device, and what lies in them. tables: uint16 [parts, size/SEGMENT, n, 64]."""

    size: int
    tables: np.ndarray
    regions: list[Region] = field(default_factory=list)


class Planner:
    """Lays items into pages, in order.

    sizes: MCUs of a part to choose from, ascending. halo: MCUs of context at cuts. expected: sum of `cost` over the
    items that will come, from which each page takes its size.
    """

    def __init__(self, sizes: Sequence[int], parts: int, halo: int, expected: int):
        self.sizes: Sequence[int] = sizes
        self.parts: int = parts
        self.halo: int = halo
        self.left: int = expected
        self.full: list[Page] = []
        self.page: Page | None = None
        self.part: int = 0
        self.cursor: int = 0
        self.tables: Tables | None = None

    @staticmethod
    def cost(item: Item, before: Item | None) -> int:
        """MCUs that an item takes after another, with what a change of tables wastes on average."""
        return item.mcus + (0 if before and same_tables(before.tables, item.tables) else SEGMENT // 2)

    def add(self, item: Item, cost: int) -> list[Page]:
        """Pages that became full by this item."""
        wide = item.frame.mcus[1]
        bands = [(0, wide)]
        while bands:
            bands += self._band(item, *bands.pop())
        self.left -= cost
        return self._drain()

    def close(self) -> list[Page]:
        """The last page, if any."""
        if self.page:
            self.full.append(self.page)
        self.page = None
        return self._drain()

    def _drain(self) -> list[Page]:
        pages, self.full = self.full, []
        return pages

    def _open(self, item: Item) -> Page:
        """The page to write to, its cursor where other tables may begin."""
        if self.page is None:
            size = next((s for s in self.sizes if s * self.parts >= self.left), self.sizes[-1])
            tables = np.ones((self.parts, size // SEGMENT, len(item.tables), 64), np.uint16)
            self.page, self.part, self.cursor, self.tables = Page(size, tables), 0, 0, None
        if self.tables is not None and not same_tables(self.tables, item.tables):
            self.cursor = -(-self.cursor // SEGMENT) * SEGMENT
        return self.page

    def _next_part(self, page: Page) -> None:
        self.part, self.cursor, self.tables = self.part + 1, 0, None
        if self.part == self.parts:
            self.full.append(page)
            self.page = None

    def _band(self, item: Item, begin: int, end: int) -> list[tuple[int, int]]:
        """Lay columns begin..end of an item; where rows are too wide for a page, the narrower bands to lay instead."""
        (high, wide), halo, done = item.frame.mcus, self.halo, 0
        c0, c1 = max(0, begin - halo), min(wide, end + halo)
        while done < high:
            page = self._open(item)
            r0 = max(0, done - halo)
            r1 = min(high, r0 + (page.size - self.cursor) // (c1 - c0))
            if r1 < high and c1 - c0 > page.size // 8:
                step = page.size // 8 - 2 * halo
                return [(b, min(b + step, end)) for b in range(begin, end, step)][::-1]
            stop = high if r1 == high else r1 - halo
            if stop - done < (min(4, high - done) if halo else 1):
                self._next_part(page)
                continue
            region = Region(item, (r0, r1), (c0, c1), (done, stop, begin, end), self.part, self.cursor)
            page.regions.append(region)
            self.cursor = region.slots.stop
            page.tables[self.part, region.slot // SEGMENT : -(-self.cursor // SEGMENT)] = np.stack(item.tables)
            self.tables, done = item.tables, stop
        return []


def same_tables(a: Tables, b: Tables) -> bool:
    return a is b or all(x is y or np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def _windows(
    pixels: np.ndarray, spec: Spec, part: np.ndarray, region: Region
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(image's view, page's view) pairs, [rows, MCU rows, MCU columns, bytes] each, that cover `region.kept`.

    pixels: uint8 [H, W·C] with contiguous rows. Whole MCUs make one pair, what the image's edges cut makes up to three.
    """
    channels, height, wide = spec.channels, 8 * spec.vmax, 8 * spec.hmax
    cells = part[:, region.slots].reshape(height, *region.shape, wide * channels)
    r0, r1, c0, c1 = region.kept

    def spans(first: int, end: int, cell: int, length: int) -> Iterator[tuple[int, int, int]]:
        whole = min(end, length // cell)
        if whole > first:
            yield first, whole, cell
        if whole < end:
            yield whole, end, length - whole * cell

    for ra, rb, h in spans(r0, r1, height, pixels.shape[0]):
        for ca, cb, w in spans(c0, c1, wide, pixels.shape[1] // channels):
            shape = h, rb - ra, cb - ca, w * channels
            strides = pixels.strides[0], height * pixels.strides[0], wide * channels, 1
            view = as_strided(pixels[ra * height :, ca * wide * channels :], shape, strides)
            (y, x) = ra - region.rows[0], ca - region.columns[0]
            yield view, cells[:h, y : y + rb - ra, x : x + cb - ca, : w * channels]


def pack_pixels(pixels: np.ndarray, spec: Spec, part: np.ndarray, rows: np.ndarray, region: Region) -> None:
    """Image → page [8V, P, 8H·C]; its last column and row fill what lies outside. rows: [P], see `encode_page`."""
    for view, cells in _windows(pixels, spec, part, region):
        cells[...] = view
    height, channels = 8 * spec.vmax, spec.channels
    cells = part[:, region.slots].reshape(height, *region.shape, -1, channels)
    inside = pixels.shape[1] // channels - (region.columns[1] - 1) * 8 * spec.hmax
    if inside < 8 * spec.hmax:
        cells[:, :, -1, inside:] = cells[:, :, -1, inside - 1 : inside]
    rows[region.slots] = height
    inside = pixels.shape[0] - (region.rows[1] - 1) * height
    if inside < height:
        cells[inside:, -1] = cells[inside - 1, -1]
        rows[region.slots].reshape(region.shape)[-1] = inside


def unpack_pixels(pixels: np.ndarray, spec: Spec, part: np.ndarray, region: Region) -> None:
    """Page [8V, P, 8H·C] → image."""
    for view, cells in _windows(pixels, spec, part, region):
        view[...] = cells


def _levels(plane: np.ndarray, sampling: tuple[int, int], part: np.ndarray, region: Region) -> Iterator:
    """(plane's view, page's view) pairs, int16 [rows, 64·columns] each. part: [v, P, h, 64]."""
    h, v = sampling
    (r0, r1), (c0, c1) = region.rows, region.columns
    high, wide = region.shape
    flat = plane.reshape(plane.shape[0], -1)
    for i in range(v):
        view = flat[r0 * v + i : r1 * v : v, c0 * h * 64 : c1 * h * 64]
        cells = part[i, region.slots].reshape(high, wide * h * 64)
        yield view, cells[: view.shape[0], : view.shape[1]]


def pack_levels(planes: Sequence[np.ndarray], spec: Spec, parts: Sequence[np.ndarray], region: Region) -> None:
    """Planes → page. Blocks outside the planes stay as they are: they become pixels outside the image."""
    for plane, sampling, part in zip(planes, spec.sampling, parts, strict=False):
        for view, cells in _levels(plane, sampling, part, region):
            cells[...] = view


def unpack_levels(planes: Sequence[np.ndarray], spec: Spec, parts: Sequence[np.ndarray], region: Region) -> None:
    """Page → planes."""
    for plane, sampling, part in zip(planes, spec.sampling, parts, strict=True):
        for view, cells in _levels(plane, sampling, part, region):
            view[...] = cells


def neighbours(near: np.ndarray, spec: Spec, region: Region) -> None:
    """Fill `decode_page`'s near [5, P] for one region."""
    high, wide = region.shape
    me = np.arange(region.slot, region.slot + high * wide, dtype=np.int32).reshape(high, wide)
    above, below, left, rows, columns = (n[region.slots].reshape(high, wide) for n in near)
    above[...] = me - wide
    above[0] = me[0]
    below[...] = me + wide
    below[-1] = me[-1]
    left[...] = 1
    left[:, 0] = 0
    frame = region.item.frame
    rows[...] = (frame.height - 8 * spec.vmax * np.arange(*region.rows, dtype=np.int32))[:, None]
    columns[...] = frame.width - 8 * spec.hmax * np.arange(*region.columns, dtype=np.int32)
