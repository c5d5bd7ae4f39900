"""`@vectorized`, and the loads, stores and bit counts that loops use one at a time."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .vectors import I1, I8, I32, I64, Int, count_trailing_zeros

__all__ = [
    "bswap64", "clz64", "ctz64", "load_i8", "load_i16", "load_i32", "load_i64", "load_u8", "load_u16", "load_u32", "load_u64",
    "mulhi_u64", "popcount64", "prefetch", "shift_right", "store_i16", "store_u8", "store_u32", "store_u64", "vectorized",
]  # fmt: skip


def vectorized(function: Callable[..., Any]) -> Any:
    """A numba intrinsic (int64, ...) -> None | int64 from a straight-line function of `Int` arguments."""

    def typing(context, *arguments):
        for a in arguments:
            if not isinstance(a, types.Integer):
                return None

        def generate(context, builder, signature, values):
            numbers = []
            for value, kind in zip(values, signature.args, strict=True):
                if kind.bitwidth < 64:
                    value = builder.sext(value, I64) if kind.signed else builder.zext(value, I64)
                numbers.append(Int(builder, value))
            result = function(*numbers)
            return result.value if result is not None else context.get_dummy_value()

        returns = types.none if function.__annotations__.get("return") in (None, "None") else types.uint64
        return returns(*arguments), generate

    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    described: Any = typing
    described.__signature__ = inspect.Signature([context, *inspect.signature(function).parameters.values()])
    described.__name__ = function.__name__
    described.__doc__ = function.__doc__
    return intrinsic(described)


def _typed_intrinsic(definition: Callable[..., Any]) -> Any:
    return intrinsic(definition)


def _load_scalar(address: Int, bits: int, signed: bool) -> Int:
    pointer = address.builder.inttoptr(address.value, ir.IntType(bits).as_pointer())
    value = address.builder.load(pointer, align=1)
    if bits < 64:
        value = address.builder.sext(value, I64) if signed else address.builder.zext(value, I64)
    return Int(address.builder, value)


def _store_scalar(address: Int, value: Int, bits: int) -> None:
    narrow = value.value if bits == 64 else value.builder.trunc(value.value, ir.IntType(bits))
    address.builder.store(narrow, address.builder.inttoptr(address.value, ir.IntType(bits).as_pointer()), align=1)


@vectorized
def load_u8(address) -> Int:
    return _load_scalar(address, 8, False)


@vectorized
def load_u16(address) -> Int:
    return _load_scalar(address, 16, False)


@vectorized
def load_u32(address) -> Int:
    return _load_scalar(address, 32, False)


@vectorized
def load_u64(address) -> Int:
    return _load_scalar(address, 64, False)


@_typed_intrinsic
def load_i8(context, address):
    """int8 at an address, as int64."""
    return types.int64(address), lambda c, b, s, a: _load_scalar(Int(b, a[0]), 8, True).value


@_typed_intrinsic
def load_i16(context, address):
    """int16 at an address, as int64."""
    return types.int64(address), lambda c, b, s, a: _load_scalar(Int(b, a[0]), 16, True).value


@_typed_intrinsic
def load_i32(context, address):
    """int32 at an address, as int64."""
    return types.int64(address), lambda c, b, s, a: _load_scalar(Int(b, a[0]), 32, True).value


@_typed_intrinsic
def load_i64(context, address):
    """int64 at an address."""
    return types.int64(address), lambda c, b, s, a: _load_scalar(Int(b, a[0]), 64, True).value


@_typed_intrinsic
def shift_right(context, x, n):
    """Logical shift of 64 bits by n modulo 64, as int64."""
    return types.int64(types.int64, types.int64), lambda c, b, s, a: b.lshr(a[0], b.and_(a[1], ir.Constant(I64, 63)))


@vectorized
def store_u8(address, value):
    _store_scalar(address, value, 8)


@vectorized
def store_i16(address, value):
    _store_scalar(address, value, 16)


@vectorized
def store_u32(address, value):
    _store_scalar(address, value, 32)


@vectorized
def store_u64(address, value):
    _store_scalar(address, value, 64)


@vectorized
def bswap64(x) -> Int:
    return Int(x.builder, x.builder.bswap(x.value))


@vectorized
def ctz64(x) -> Int:
    return count_trailing_zeros(x)


@vectorized
def clz64(x) -> Int:
    return Int(x.builder, x.builder.ctlz(x.value, ir.Constant(I1, 0)))


@vectorized
def mulhi_u64(x, y) -> Int:
    """The upper 64 of the 128 bits of an unsigned product."""
    wide = ir.IntType(128)
    product = x.builder.mul(x.builder.zext(x.value, wide), x.builder.zext(y.value, wide))
    return Int(x.builder, x.builder.trunc(x.builder.lshr(product, ir.Constant(wide, 64)), I64))


@vectorized
def popcount64(x) -> Int:
    return Int(x.builder, x.builder.ctpop(x.value))


@vectorized
def prefetch(address):
    """Ask for the cache line at an address, to be read soon; any address is allowed."""
    pointer = address.builder.inttoptr(address.value, I8.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, I32, I32, I32])
    declared = address.builder.module.declare_intrinsic("llvm.prefetch", (pointer.type,), kind)
    address.builder.call(declared, [pointer, ir.Constant(I32, 0), ir.Constant(I32, 3), ir.Constant(I32, 1)])
