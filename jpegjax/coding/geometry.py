"""How kernels see the blocks of a scan: one int64 row per scan component."""

from __future__ import annotations

import numpy as np

from ..simd import kernel, store_u64
from ..types import Frame

__all__ = [
    "ADDRESS", "COLUMNS", "FIELDS", "FIRST_ROW", "LAST", "ROWS", "STORED", "H", "V", "mcu_components", "place_blocks",
    "scan_geometry",
]  # fmt: skip

ADDRESS = 0  # address of the block at (FIRST_ROW, 0): int16 [64] in natural order, 128 bytes a block, rows contiguous
COLUMNS = 1  # real block columns, also the row stride in blocks
ROWS = 2  # real block rows of the component
H, V = 3, 4  # blocks per MCU (1, 1 where the scan holds one component)
FIRST_ROW = 5  # number of the block row that ADDRESS points at: 0 for a whole plane, more for a strip
LAST = 6  # address of uint8 [rows, columns]: zigzag index of each block's last nonzero coefficient; 0: none wanted
STORED = 7  # block rows that memory holds: ROWS, or more where those that only fill an MCU have a place too
FIELDS = 8


def scan_geometry(frame: Frame, components: tuple[int, ...], planes: list[np.ndarray]) -> tuple[np.ndarray, int, int]:
    """(table int64 [n, FIELDS], MCU rows, MCU columns) of a scan over whole planes.

    planes: per frame component, C-contiguous int16 [rows, columns, 8, 8] (or [..., 64]); the caller keeps them alive.
    """
    table = np.zeros((len(components), FIELDS), np.int64)
    alone = len(components) == 1
    for row, c in zip(table, components, strict=True):
        k = frame.components[c]
        rows, columns = frame.blocks(c)
        row[ADDRESS] = planes[c].ctypes.data
        row[COLUMNS], row[ROWS], row[STORED] = columns, rows, len(planes[c])
        row[H], row[V] = (1, 1) if alone else (k.h, k.v)
    high, wide = frame.blocks(components[0]) if alone else frame.mcus
    return table, high, wide


@kernel
def mcu_components(scan):
    """Scan component of each block of an MCU, in scan order: int64 [blocks]."""
    blocks = np.int64(0)
    for c in range(scan.shape[0]):
        blocks += scan[c, H] * scan[c, V]
    components = np.empty(blocks, np.int64)
    first = np.int64(0)
    for c in range(scan.shape[0]):
        components[first : first + scan[c, H] * scan[c, V]] = c
        first += scan[c, H] * scan[c, V]
    return components


@kernel
def place_blocks(scan, wide, mcu, n, slots, stride):
    """Write the addresses of the blocks of n MCUs of one row, in scan order; 0 for those that only complete an MCU.

    mcu: the first one; wide: MCUs a row. slots: where the first address goes; stride: bytes from one to the next.
    """
    row, column = mcu // wide, mcu % wide
    per_mcu = np.int64(0)
    for c in range(scan.shape[0]):
        per_mcu += scan[c, H] * scan[c, V]
    first = np.int64(0)
    for c in range(scan.shape[0]):
        h, v, columns = scan[c, H], scan[c, V], scan[c, COLUMNS]
        for y in range(v):
            at_row = row * v + y
            line = scan[c, ADDRESS] + (at_row - scan[c, FIRST_ROW]) * columns * 128
            for x in range(h):
                at = column * h + x
                real = np.int64(0)
                if at_row < scan[c, ROWS]:
                    real = min(n, max((columns - at + h - 1) // h, np.int64(0)))
                block = line + at * 128
                slot = slots + first * stride
                for _ in range(real):
                    store_u64(slot, block)
                    block += h * 128
                    slot += per_mcu * stride
                for _ in range(real, n):
                    store_u64(slot, 0)
                    slot += per_mcu * stride
                first += 1
