"""Vectors and 64-bit integers in the LLVM IR that a `@vectorized` function builds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from llvmlite import ir

from .kernels import has_avx2

__all__ = [
    "I1", "I8", "I32", "I64", "Int", "Vec", "bitcast_mask", "constant", "count_trailing_zeros", "join", "load", "madd", "maximum",
    "minimum", "mulhi", "mulhi_u", "pack_i8", "pack_i16", "pack_u8", "select", "store", "unpack_high", "unpack_low", "with_sign",
    "zero",
]  # fmt: skip

I1: Any = ir.IntType(1)
I8: Any = ir.IntType(8)
I16: Any = ir.IntType(16)
I32: Any = ir.IntType(32)
I64: Any = ir.IntType(64)


class _Value:
    """A value in the IR being built, and its arithmetic, which wraps."""

    right_shift: ClassVar[str]

    def __init__(self, builder: Any, value: Any):
        self.builder: Any = builder
        self.value: Any = value

    def _constant(self, number: int) -> Any:
        """An integer as a value of the same kind."""
        return ir.Constant(self.value.type, int(number))

    def _lift(self, other: Self | int) -> Any:
        return other.value if isinstance(other, _Value) else self._constant(other)

    def _op(self, name: str, other: Self | int) -> Self:
        return type(self)(self.builder, getattr(self.builder, name)(self.value, self._lift(other)))

    def __add__(self, other: Self | int) -> Self:
        return self._op("add", other)

    def __sub__(self, other: Self | int) -> Self:
        return self._op("sub", other)

    def __mul__(self, other: Self | int) -> Self:
        return self._op("mul", other)

    def __and__(self, other: Self | int) -> Self:
        return self._op("and_", other)

    def __or__(self, other: Self | int) -> Self:
        return self._op("or_", other)

    def __lshift__(self, other: Self | int) -> Self:
        return self._op("shl", other)

    def __rshift__(self, other: Self | int) -> Self:
        return self._op(self.right_shift, other)


class Int(_Value):
    """A 64-bit integer or address in the IR being built; `>>` fills with zeros."""

    right_shift = "lshr"

    def splat(self, lanes: int, bits: int) -> Vec:
        """A vector with the low `bits` of this integer in every lane."""
        kind = ir.IntType(bits)
        scalar = self.value if bits == 64 else self.builder.trunc(self.value, kind)
        one = self.builder.insert_element(
            ir.Constant(ir.VectorType(kind, lanes), ir.Undefined), scalar, ir.Constant(I32, 0)
        )
        return Vec(self.builder, one).shuffle([0] * lanes)


class Vec(_Value):
    """A vector of `lanes` integers of `bits` each in the IR being built; `>>` keeps the sign."""

    right_shift = "ashr"

    def __init__(self, builder: Any, value: Any):
        super().__init__(builder, value)
        self.lanes: int = value.type.count
        self.bits: int = value.type.element.width

    def _constant(self, number: int) -> Any:
        return ir.Constant(self.value.type, [int(number)] * self.lanes)

    def __xor__(self, other: Self | int) -> Self:
        return self._op("xor", other)

    def __neg__(self) -> Vec:
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
    products = []
    for lanes in (range(0, a.lanes, 2), range(1, a.lanes, 2)):
        products.append(a.shuffle(lanes).sign_extend(32) * b.shuffle(lanes).sign_extend(32))
    return products[0] + products[1]


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
    order = [
        i
        for lane in range(0, a.lanes, per)
        for i in (*range(lane, lane + per), *range(a.lanes + lane, a.lanes + lane + per))
    ]
    low_half, high_half = (minimum(maximum(v, low), high).truncate(bits) for v in (a, b))
    return low_half.shuffle(order, high_half)


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
