"""Memory for results that comes back: the pages of a dropped picture serve the next one.

Fresh pages cost more than decoding into warm ones (each is zeroed by the system at its first touch), and the C library
returns the blocks of pictures to the system as soon as they are free.
"""

from __future__ import annotations

import mmap
import sys
import threading
from collections import OrderedDict
from math import prod

import numpy as np

__all__ = ["POOL_BYTES", "SMALLEST", "borrow", "discard", "sparse_zeros"]

POOL_BYTES = 1 << 27
"""Free memory that is kept at most."""

SMALLEST = 1 << 17
"""Arrays below this come from NumPy: the C library reuses them anyway."""

_lock = threading.Lock()
_free: OrderedDict[int, list[np.ndarray]] = OrderedDict()  # by size, the size used last at the end
_free_bytes = 0


def _give_back(buffer: np.ndarray) -> None:
    global _free_bytes
    if buffer.size > POOL_BYTES:
        return
    with _lock:
        _free.setdefault(buffer.size, []).append(buffer)
        _free.move_to_end(buffer.size)
        _free_bytes += buffer.size
        while _free_bytes > POOL_BYTES:
            size, oldest = next(iter(_free.items()))
            oldest.pop()
            _free_bytes -= size
            if not oldest:
                del _free[size]


def _take(nbytes: int) -> np.ndarray:
    global _free_bytes
    size = -(-nbytes // 4096) * 4096
    with _lock:
        found = _free.get(size)
        if found:
            _free_bytes -= size
            buffer = found.pop()
            if not found:
                del _free[size]
            return buffer
    return np.empty(size, np.uint8)


class _Loan:
    """Owner of a buffer while any array over it lives."""

    __slots__ = ("__array_interface__", "buffer")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, nbytes: int):
        self.buffer = _take(nbytes)
        self.__array_interface__ = {
            "version": 3, "shape": shape, "typestr": dtype.str, "data": self.buffer.__array_interface__["data"],
        }  # fmt: skip

    def __del__(self, finalizing=sys.is_finalizing):  # bound here: at exit the module's own names are gone
        if not finalizing():
            _give_back(self.buffer)


def borrow(shape: tuple[int, ...], dtype=np.uint8) -> np.ndarray:
    """An array of stale contents, writable and C-contiguous, whose memory is reused once the last view of it is gone."""
    dtype = np.dtype(dtype)
    nbytes = prod(shape) * dtype.itemsize
    if nbytes < SMALLEST:
        return np.empty(shape, dtype)
    return np.asarray(_Loan(shape, dtype, nbytes))


def sparse_zeros(shape: tuple[int, ...], dtype=np.uint8) -> np.ndarray:
    """Zeros that take memory only where they are written, and only until `discard`; for arrays of many pages."""
    dtype = np.dtype(dtype)
    if not hasattr(mmap, "MAP_PRIVATE"):
        return np.zeros(shape, dtype)
    pages = mmap.mmap(-1, prod(shape) * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, dtype).reshape(shape)


def discard(array: np.ndarray) -> None:
    """Give back the pages that lie wholly in a C-contiguous part of `sparse_zeros`; it reads as zeros there from now on.

    Other arrays, and systems without such a call, are left as they are.
    """
    whole = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    pages = getattr(whole.base, "obj", whole.base)
    if not isinstance(pages, mmap.mmap) or not hasattr(mmap, "MADV_DONTNEED"):
        return
    start = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
    length = (start + array.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - first
    if length > 0:
        pages.madvise(mmap.MADV_DONTNEED, first, length)
