"""Memory that is used again, and where arrays lie in it: kernels take addresses.

Fresh pages cost more than warm ones (each is zeroed by the system at its first touch), and the C library returns large
blocks to the system as soon as they are free. So the pages of a dropped result serve the next one (`borrow`), and each
thread keeps its working memory (`scratch`) and what it has worked out about the last few kinds of image (`kept`).
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from itertools import accumulate
from math import prod
from typing import Any, TypeVar

import numpy as np

__all__ = [
    "POOL_BYTES", "SMALLEST", "Pointers", "address", "borrow", "discard", "kept", "scratch", "scratch_parts", "sparse_zeros",
]  # fmt: skip

POOL_BYTES = 1 << 27
"""Free memory that is kept at most."""

SMALLEST = 1 << 17
"""Arrays below this come from NumPy: the C library reuses them anyway."""

KEPT_BYTES = 1 << 26
"""A thread's buffers above this are given back after use."""

KEPT_PLANS = 16
"""Results of `kept` that a thread remembers."""

T = TypeVar("T")


def address(array: np.ndarray) -> int:
    """Where an array's data start; good as long as the caller has the array."""
    return array.__array_interface__["data"][0]


class Pointers:
    """Arrays and where their data start, or other addresses in them: int64 [n], good as long as this object lives."""

    __slots__ = ("addresses", "arrays")

    def __init__(self, arrays: Iterable[np.ndarray], addresses: Sequence[int] | None = None):
        self.arrays: tuple[np.ndarray, ...] = tuple(arrays)
        self.addresses: np.ndarray = np.array(
            [address(a) for a in self.arrays] if addresses is None else addresses, np.int64
        )


_local = threading.local()


def scratch(name: str, nbytes: int) -> np.ndarray:
    """A uint8 buffer of at least nbytes that this thread owns until it asks for the same name again; contents are stale."""
    store = _local.__dict__.setdefault("buffers", {})
    found = store.get(name)
    if found is None or found.size < nbytes:
        found = np.zeros(nbytes + nbytes // 4 + 64, np.uint8)
        if found.size <= KEPT_BYTES:
            store[name] = found
    return found


def scratch_parts(name: str, sizes: Iterable[int]) -> Pointers:
    """Where parts of these sizes, in bytes, start in one `scratch` buffer, at multiples of 64."""
    rounded = [(size + 63) // 64 * 64 for size in sizes]
    buffer = scratch(name, sum(rounded) + 64)
    start = address(buffer)
    return Pointers([buffer], list(accumulate(rounded[:-1], initial=start + -start % 64)))


def kept(key: Hashable, make: Callable[[], T], shelf: str = "plans") -> T:
    """make(), remembered by this thread for the last few keys of a shelf: images of one size share their layout."""
    store: OrderedDict[Hashable, T] | None = _local.__dict__.get(shelf)
    if store is None:
        store = _local.__dict__[shelf] = OrderedDict()
    found = store.get(key)
    if found is None:
        found = store[key] = make()
        if len(store) > KEPT_PLANS:
            store.popitem(last=False)
    else:
        store.move_to_end(key)
    return found


_lock = threading.Lock()
_free: OrderedDict[int, list[np.ndarray]] = OrderedDict()  # by size, the size used last at the end
_free_bytes = 0


def _forget() -> None:
    """A child of `fork` starts afresh: other threads held the lock, or were changing what it guards."""
    global _lock, _free_bytes
    _lock, _free_bytes = threading.Lock(), 0
    _free.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _give_back(buffer: np.ndarray) -> None:
    global _free_bytes
    # not waited for: the garbage collector may call this while its own thread holds the lock
    if buffer.size > POOL_BYTES or not _lock.acquire(blocking=False):
        return
    try:
        _free.setdefault(buffer.size, []).append(buffer)
        _free.move_to_end(buffer.size)
        _free_bytes += buffer.size
        while _free_bytes > POOL_BYTES:
            size, oldest = next(iter(_free.items()))
            oldest.pop()
            _free_bytes -= size
            if not oldest:
                del _free[size]
    finally:
        _lock.release()


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


def borrow(shape: tuple[int, ...], dtype: Any = np.uint8) -> np.ndarray:
    """An array of stale contents, writable and C-contiguous, whose memory is reused once the last view of it is gone."""
    dtype = np.dtype(dtype)
    nbytes = prod(shape) * dtype.itemsize
    if nbytes < SMALLEST:
        return np.empty(shape, dtype)
    return np.asarray(_Loan(shape, dtype, nbytes))


def sparse_zeros(shape: tuple[int, ...], dtype: Any = np.uint8) -> np.ndarray:
    """Zeros that take memory only where they are written, and only until `discard`; for arrays of many pages."""
    dtype = np.dtype(dtype)
    if not hasattr(mmap, "MAP_PRIVATE"):
        return np.zeros(shape, dtype)
    pages = mmap.mmap(-1, prod(shape) * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without them
            pages.madvise(mmap.MADV_HUGEPAGE)
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
