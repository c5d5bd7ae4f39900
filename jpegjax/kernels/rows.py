"""Rows of bytes: copied, and extended by their last sample."""

from __future__ import annotations

from ..simd import kernel, load, load_u8, store, store_u8, vectorized

__all__ = ["copy_bytes", "copy_exact", "extend_row"]


@vectorized
def _copy_32(source, target):
    store(target, load(source, 32, 8))


@vectorized
def _fill_32(target, value):
    store(target, value.splat(32, 8))


@kernel
def copy_bytes(target, source, n):
    """Copy n bytes; writes up to 31 beyond them, reads none beyond. Regions must not overlap."""
    whole = n & ~31
    for i in range(0, whole, 32):
        _copy_32(source + i, target + i)
    for i in range(whole, n):
        store_u8(target + i, load_u8(source + i))


@kernel
def copy_exact(target, source, n):
    """Copy n bytes and write none beyond."""
    for i in range(n):
        store_u8(target + i, load_u8(source + i))


@kernel
def extend_row(row, width, padded):
    """Repeat sample width-1 up to `padded`; writes up to 31 bytes beyond it."""
    last = load_u8(row + width - 1)
    i = width
    while i < padded:
        _fill_32(row + i, last)
        i += 32
