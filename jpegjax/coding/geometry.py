"""How kernels see the blocks of a scan: one int64 row per scan component."""

from __future__ import annotations

import numpy as np

from ..types import Frame

__all__ = ["ADDRESS", "COLUMNS", "FIELDS", "FIRST_ROW", "LAST", "ROWS", "STORED", "H", "V", "scan_geometry"]

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
