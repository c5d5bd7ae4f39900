"""The SIMD vocabulary of the host kernels: vectors in LLVM IR, and the two decorators that make functions of them.

`@vectorized` turns a straight-line Python function over addresses into a numba intrinsic: its arguments arrive as `Int`
(64-bit) and it computes with `Vec`. `@kernel` is `njit` as every host loop wants it: nogil and cached on disk.

Where the CPU that numba compiles for has AVX2, three operations are its named instructions; everywhere else (other CPUs,
Arm, NUMBA_CPU_NAME=generic) they are plain vector IR with the same results, lane by lane.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import config
from numba.core.registry import cpu_target
from numba.extending import intrinsic

__all__ = [
    "Int", "Vec", "bitcast_mask", "bswap64", "clz64", "constant", "count_trailing_zeros", "ctz64", "has_avx2", "join",
    "kernel", "load", "load_i8", "load_i16", "load_i32", "load_i64", "load_u8", "load_u16", "load_u32", "load_u64", "madd", "maximum", "minimum",
    "mulhi", "mulhi_u", "pack_i8", "pack_i16", "pack_u8", "popcount64", "prefetch", "select", "shift_right", "store", "store_i16",
    "store_u8", "store_u32", "store_u64", "unpack_high", "unpack_low", "vectorized", "with_sign", "zero",
]  # fmt: skip

I1, I8, I16, I32, I64 = (ir.IntType(n) for n in (1, 8, 16, 32, 64))


@cache
def has_avx2() -> bool:
    """Whether numba's target has AVX2 (not whether the machine has: NUMBA_CPU_NAME and _FEATURES decide)."""
    features = cpu_target.target_context.codegen().magic_tuple()[2] or ""
    return "+avx2" in features.split(",")


@cache
def _sources(path: Path) -> frozenset[Path]:
    """A kernel's file and every file that it imports by relative imports, itself included."""
    found, todo = {path}, [path]
    while todo:
        here = todo.pop()
        for dots, name, listed in re.findall(r"^from (\.+)([\w.]*) import \(?([^)\n]*)", here.read_text(), re.M):
            folder = here.parents[len(dots) - 1].joinpath(*name.split("."))
            names = [folder, *(folder / n.strip() for n in listed.split(","))]
            for target in (n.with_suffix(".py") for n in names):
                if target not in found and target.is_file():
                    found.add(target)
                    todo.append(target)
    return frozenset(found)


@cache
def _source_stamp(path: Path) -> str:
    """Digest of every source that a file's machine code comes from: inlining crosses files, which numba's cache ignores."""
    digest = hashlib.sha256(repr((has_avx2(), config.OPT)).encode())
    for source in sorted(_sources(path)):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def kernel(function: Callable | None = None, *, inline: bool = False) -> Any:
    """njit for a host loop: nogil, machine code cached on disk until any kernel source changes.

    inline: leave inlining to LLVM by default; True forces it (for helpers that hold a loop's state).
    """
    if function is None:
        return lambda f: kernel(f, inline=inline)
    options = {"forceinline": True} if inline else {}
    dispatcher = njit(nogil=True, error_model="numpy", **options)(function)
    try:
        dispatcher.enable_caching()
    except RuntimeError:  # no folder can hold the cache: compile anew in each process
        return dispatcher
    dispatcher._cache._cache_file._source_stamp = _source_stamp(Path(function.__code__.co_filename))
    return dispatcher


class Int:
    """A 64-bit integer or address in the IR being built."""

    def __init__(self, builder: ir.IRBuilder, value: Any):
        self.builder, self.value = builder, value

    def _lift(self, other: Int | int) -> Any:
        return other.value if isinstance(other, Int) else ir.Constant(I64, int(other))

    def _op(self, name: str, other: Int | int) -> Int:
        return Int(self.builder, getattr(self.builder, name)(self.value, self._lift(other)))

    def __add__(self, other):
        return self._op("add", other)

    def __sub__(self, other):
        return self._op("sub", other)

    def __mul__(self, other):
        return self._op("mul", other)

    def __and__(self, other):
        return self._op("and_", other)

    def __or__(self, other):
        return self._op("or_", other)

    def __lshift__(self, other):
        return self._op("shl", other)

    def __rshift__(self, other):
        return self._op("lshr", other)

    def splat(self, lanes: int, bits: int) -> Vec:
        """A vector with the low `bits` of this integer in every lane."""
        kind = ir.IntType(bits)
        scalar = self.value if bits == 64 else self.builder.trunc(self.value, kind)
        one = self.builder.insert_element(ir.Constant(ir.VectorType(kind, lanes), ir.Undefined), scalar, ir.Constant(I32, 0))
        return Vec(self.builder, one).shuffle([0] * lanes)


class Vec:
    """A vector of `lanes` integers of `bits` each in the IR being built. Arithmetic wraps; `>>` keeps the sign."""

    def __init__(self, builder: ir.IRBuilder, value: Any):
        self.builder, self.value = builder, value
        self.lanes: int = value.type.count
        self.bits: int = value.type.element.width

    def _lift(self, other: Vec | int) -> Any:
        if isinstance(other, Vec):
            return other.value
        return ir.Constant(self.value.type, [int(other)] * self.lanes)

    def _op(self, name: str, other: Vec | int) -> Vec:
        return Vec(self.builder, getattr(self.builder, name)(self.value, self._lift(other)))

    def __add__(self, other):
        return self._op("add", other)

    def __sub__(self, other):
        return self._op("sub", other)

    def __mul__(self, other):
        return self._op("mul", other)

    def __and__(self, other):
        return self._op("and_", other)

    def __or__(self, other):
        return self._op("or_", other)

    def __xor__(self, other):
        return self._op("xor", other)

    def __lshift__(self, other):
        return self._op("shl", other)

    def __rshift__(self, other):
        return self._op("ashr", other)

    def __neg__(self):
        return constant(self, 0) - self

    def shift_right_logical(self, n: int) -> Vec:
        return self._op("lshr", n)

    def compare(self, op: str, other: Vec | int) -> Vec:
        """Lanes of one bit: signed comparison."""
        return Vec(self.builder, self.builder.icmp_signed(op, self.value, self._lift(other)))

    def shuffle(self, mask: Sequence[int], other: Vec | None = None) -> Vec:
        """Lane i of the result is lane mask[i] of this vector, or of `other` from `lanes` on."""
        second = other.value if other is not None else ir.Constant(self.value.type, ir.Undefined)
        picks = ir.Constant(ir.VectorType(I32, len(mask)), [int(m) for m in mask])
        return Vec(self.builder, self.builder.shuffle_vector(self.value, second, picks))

    def sign_extend(self, bits: int) -> Vec:
        return Vec(self.builder, self.builder.sext(self.value, ir.VectorType(ir.IntType(bits), self.lanes)))

    def zero_extend(self, bits: int) -> Vec:
        return Vec(self.builder, self.builder.zext(self.value, ir.VectorType(ir.IntType(bits), self.lanes)))

    def truncate(self, bits: int) -> Vec:
        return Vec(self.builder, self.builder.trunc(self.value, ir.VectorType(ir.IntType(bits), self.lanes)))

    def bitcast(self, bits: int) -> Vec:
        """The same register seen as lanes of another width."""
        lanes = self.lanes * self.bits // bits
        return Vec(self.builder, self.builder.bitcast(self.value, ir.VectorType(ir.IntType(bits), lanes)))

    def abs(self) -> Vec:
        return maximum(self, -self)


def constant(like: Vec, values: int | Sequence[int]) -> Vec:
    """A constant vector of the shape of `like`."""
    lanes = [int(values)] * like.lanes if isinstance(values, int) else [int(v) for v in values]
    return Vec(like.builder, ir.Constant(ir.VectorType(ir.IntType(like.bits), len(lanes)), lanes))


def zero(at: Int | Vec, lanes: int, bits: int) -> Vec:
    """A vector of zeros."""
    return Vec(at.builder, ir.Constant(ir.VectorType(ir.IntType(bits), lanes), [0] * lanes))


def load(address: Int, lanes: int, bits: int) -> Vec:
    """Unaligned load."""
    kind = ir.VectorType(ir.IntType(bits), lanes)
    pointer = address.builder.inttoptr(address.value, kind.as_pointer())
    return Vec(address.builder, address.builder.load(pointer, align=1))


def store(address: Int, vector: Vec) -> None:
    """Unaligned store."""
    pointer = address.builder.inttoptr(address.value, vector.value.type.as_pointer())
    address.builder.store(vector.value, pointer, align=1)


def _call(builder: ir.IRBuilder, name: str, result: ir.Type, arguments: Sequence[Any]) -> Any:
    signature = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(builder.module.declare_intrinsic(name, (), signature), list(arguments))


def select(mask: Vec, yes: Vec, no: Vec) -> Vec:
    return Vec(mask.builder, mask.builder.select(mask.value, yes.value, no.value))


def _extreme(op: str, a: Vec, b: Vec | int) -> Vec:
    b = b if isinstance(b, Vec) else constant(a, b)
    return select(a.compare(op, b), a, b)


def maximum(a: Vec, b: Vec | int) -> Vec:
    """Signed maximum."""
    return _extreme(">", a, b)


def minimum(a: Vec, b: Vec | int) -> Vec:
    """Signed minimum."""
    return _extreme("<", a, b)


def join(low: Vec, high: Vec) -> Vec:
    """The lanes of `low`, then those of `high`."""
    return low.shuffle(range(2 * low.lanes), high)



def _unpack(a: Vec, b: Vec, high: bool) -> Vec:
    per = 128 // a.bits
    mask = []
    for lane in range(0, a.lanes, per):
        start = lane + (per // 2 if high else 0)
        for i in range(start, start + per // 2):
            mask += [i, a.lanes + i]
    return a.shuffle(mask, b)


def unpack_low(a: Vec, b: Vec) -> Vec:
    """Interleave the lower halves of each 128-bit lane."""
    return _unpack(a, b, False)


def unpack_high(a: Vec, b: Vec) -> Vec:
    """Interleave the upper halves of each 128-bit lane."""
    return _unpack(a, b, True)


def _wide(*vectors: Vec) -> bool:
    return has_avx2() and all(v.lanes * v.bits == 256 for v in vectors)


def madd(a: Vec, b: Vec) -> Vec:
    """int16 products summed in neighbouring pairs: int32 lanes, half as many."""
    if _wide(a, b):
        return Vec(a.builder, _call(a.builder, "llvm.x86.avx2.pmadd.wd", ir.VectorType(I32, 8), (a.value, b.value)))
    even, odd = range(0, a.lanes, 2), range(1, a.lanes, 2)
    pair = lambda v, lanes: v.shuffle(lanes).sign_extend(32)  # noqa: E731
    return pair(a, even) * pair(b, even) + pair(a, odd) * pair(b, odd)


def mulhi(a: Vec, b: Vec) -> Vec:
    """High halves of signed int16 products."""
    if _wide(a, b):
        return Vec(a.builder, _call(a.builder, "llvm.x86.avx2.pmulh.w", a.value.type, (a.value, b.value)))
    return ((a.sign_extend(32) * b.sign_extend(32)) >> 16).truncate(16)


def mulhi_u(a: Vec, b: Vec) -> Vec:
    """High halves of unsigned int16 products."""
    if _wide(a, b):
        return Vec(a.builder, _call(a.builder, "llvm.x86.avx2.pmulhu.w", a.value.type, (a.value, b.value)))
    return (a.zero_extend(32) * b.zero_extend(32)).shift_right_logical(16).truncate(16)


def with_sign(magnitude: Vec, x: Vec) -> Vec:
    """magnitude, negated where x is negative; int16, and magnitude is 0 wherever x is."""
    if _wide(magnitude, x):
        return Vec(x.builder, _call(x.builder, "llvm.x86.avx2.psign.w", x.value.type, (magnitude.value, x.value)))
    sign = x >> (x.bits - 1)
    return (magnitude ^ sign) - sign


def _pack(a: Vec, b: Vec, low: int, high: int) -> Vec:
    """Clamp to low..high, halve the width; each 128-bit lane of the result holds that lane of a, then of b."""
    bits, per = a.bits // 2, 128 // a.bits
    order = [i for lane in range(0, a.lanes, per) for i in (*range(lane, lane + per), *range(a.lanes + lane, a.lanes + lane + per))]
    clamp = lambda v: minimum(maximum(v, low), high).truncate(bits)  # noqa: E731
    return clamp(a).shuffle(order, clamp(b))


def _named_pack(name: str, a: Vec, b: Vec) -> Vec:
    result = ir.VectorType(ir.IntType(a.bits // 2), 2 * a.lanes)
    return Vec(a.builder, _call(a.builder, f"llvm.x86.avx2.{name}", result, (a.value, b.value)))


def pack_i16(a: Vec, b: Vec) -> Vec:
    """Two int32 vectors to one of int16, saturating, 128-bit lane by lane."""
    return _named_pack("packssdw", a, b) if _wide(a, b) else _pack(a, b, -32768, 32767)


def pack_i8(a: Vec, b: Vec) -> Vec:
    """Two int16 vectors to one of int8, saturating, 128-bit lane by lane."""
    return _named_pack("packsswb", a, b) if _wide(a, b) else _pack(a, b, -128, 127)


def pack_u8(a: Vec, b: Vec) -> Vec:
    """Two int16 vectors to one of uint8, clamped to 0..255, 128-bit lane by lane."""
    return _named_pack("packuswb", a, b) if _wide(a, b) else _pack(a, b, 0, 255)


def bitcast_mask(mask: Vec) -> Int:
    """One bit a lane, lane 0 lowest."""
    narrow = mask.builder.bitcast(mask.value, ir.IntType(mask.lanes))
    return Int(mask.builder, narrow if mask.lanes == 64 else mask.builder.zext(narrow, I64))


def count_trailing_zeros(x: Int) -> Int:
    """64 for zero."""
    return Int(x.builder, x.builder.cttz(x.value, ir.Constant(I1, 0)))


def vectorized(function: Callable) -> Any:
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
    typing.__signature__ = inspect.Signature([context, *inspect.signature(function).parameters.values()])  # type: ignore[attr-defined]
    typing.__name__ = function.__name__
    typing.__doc__ = function.__doc__
    return intrinsic(typing)


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
def load_u8(address) -> int:
    return _load_scalar(address, 8, False)


@vectorized
def load_u16(address) -> int:
    return _load_scalar(address, 16, False)


@vectorized
def load_u32(address) -> int:
    return _load_scalar(address, 32, False)


@vectorized
def load_u64(address) -> int:
    return _load_scalar(address, 64, False)


@intrinsic
def load_i8(context, address):
    """int8 at an address, as int64."""
    return types.int64(address), lambda c, b, s, a: _load_scalar(Int(b, a[0]), 8, True).value


@intrinsic
def load_i16(context, address):
    """int16 at an address, as int64."""
    return types.int64(address), lambda c, b, s, a: _load_scalar(Int(b, a[0]), 16, True).value


@intrinsic
def load_i32(context, address):
    """int32 at an address, as int64."""
    return types.int64(address), lambda c, b, s, a: _load_scalar(Int(b, a[0]), 32, True).value


@intrinsic
def load_i64(context, address):
    """int64 at an address."""
    return types.int64(address), lambda c, b, s, a: _load_scalar(Int(b, a[0]), 64, True).value


@intrinsic
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
def bswap64(x) -> int:
    return Int(x.builder, x.builder.bswap(x.value))


@vectorized
def ctz64(x) -> int:
    return count_trailing_zeros(x)


@vectorized
def clz64(x) -> int:
    return Int(x.builder, x.builder.ctlz(x.value, ir.Constant(I1, 0)))


@vectorized
def popcount64(x) -> int:
    return Int(x.builder, x.builder.ctpop(x.value))


@vectorized
def prefetch(address):
    """Ask for the cache line at an address, to be read soon; any address is allowed."""
    pointer = address.builder.inttoptr(address.value, I8.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, I32, I32, I32])
    declared = address.builder.module.declare_intrinsic("llvm.prefetch", (pointer.type,), kind)
    address.builder.call(declared, [pointer, ir.Constant(I32, 0), ir.Constant(I32, 3), ir.Constant(I32, 1)])
