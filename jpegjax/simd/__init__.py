"""The SIMD vocabulary of the host kernels: vectors in LLVM IR, and the two decorators that make functions of them.

`@vectorized` turns a straight-line Python function over addresses into a numba intrinsic: its arguments arrive as `Int`
(64-bit) and it computes with `Vec`. `@kernel` is `njit` as every host loop wants it: nogil and cached on disk.

Where the CPU that numba compiles for has AVX2, three operations are its named instructions; everywhere else (other CPUs,
Arm, NUMBA_CPU_NAME=generic) they are plain vector IR with the same results, lane by lane.
"""

from __future__ import annotations

from .kernels import has_avx2, kernel
from .scalars import (
    bswap64,
    clz64,
    ctz64,
    load_i8,
    load_i16,
    load_i32,
    load_i64,
    load_u8,
    load_u16,
    load_u32,
    load_u64,
    mulhi_u64,
    popcount64,
    prefetch,
    shift_right,
    store_i16,
    store_u8,
    store_u32,
    store_u64,
    vectorized,
)  # fmt: skip
from .vectors import (
    Int,
    Vec,
    bitcast_mask,
    constant,
    count_trailing_zeros,
    join,
    load,
    madd,
    maximum,
    minimum,
    mulhi,
    mulhi_u,
    pack_i8,
    pack_i16,
    pack_u8,
    select,
    store,
    unpack_high,
    unpack_low,
    with_sign,
    zero,
)  # fmt: skip

__all__ = [
    "Int", "Vec", "bitcast_mask", "bswap64", "clz64", "constant", "count_trailing_zeros", "ctz64", "has_avx2", "join",
    "kernel", "load", "load_i8", "load_i16", "load_i32", "load_i64", "load_u8", "load_u16", "load_u32", "load_u64",
    "madd", "maximum", "minimum", "mulhi", "mulhi_u", "mulhi_u64", "pack_i8", "pack_i16", "pack_u8", "popcount64", "prefetch",
    "select", "shift_right", "store", "store_i16", "store_u8", "store_u32", "store_u64", "unpack_high", "unpack_low",
    "vectorized", "with_sign", "zero",
]  # fmt: skip
