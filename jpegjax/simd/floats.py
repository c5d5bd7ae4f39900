"""Vectors of float32 in the LLVM IR that a `@vectorized` function builds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from llvmlite import ir

from .vectors import I32, Int, Vec

__all__ = ["Floats", "as_floats", "load_floats", "splat_float", "store_floats"]

F32: Any = ir.FloatType()
_FUSED = ("contract",)  # one rounding for a product and its sum, where the CPU has it


class Floats:
    """A vector of float32 lanes in the IR being built."""

    def __init__(self, builder: Any, value: Any):
        self.builder: Any = builder
        self.value: Any = value
        self.lanes: int = value.type.count

    def _lift(self, other: Self | float) -> Any:
        if isinstance(other, Floats):
            return other.value
        return ir.Constant(self.value.type, [ir.Constant(F32, float(other))] * self.lanes)

    def __add__(self, other: Self | float) -> Floats:
        return Floats(self.builder, self.builder.fadd(self.value, self._lift(other), flags=_FUSED))

    def __sub__(self, other: Self | float) -> Floats:
        return Floats(self.builder, self.builder.fsub(self.value, self._lift(other), flags=_FUSED))

    def __mul__(self, other: Self | float) -> Floats:
        return Floats(self.builder, self.builder.fmul(self.value, self._lift(other), flags=_FUSED))

    def clamp(self, low: Self, high: Self) -> Floats:
        """The nearest values in low..high."""
        raised = self.builder.select(self.builder.fcmp_ordered("<", self.value, low.value), low.value, self.value)
        below = self.builder.fcmp_ordered("<", raised, high.value)
        return Floats(self.builder, self.builder.select(below, raised, high.value))

    def shuffle(self, mask: Sequence[int], other: Self) -> Floats:
        """Lane i of the result is lane mask[i] of this vector, or of `other` from `lanes` on."""
        picks = ir.Constant(ir.VectorType(I32, len(mask)), [int(m) for m in mask])
        return Floats(self.builder, self.builder.shuffle_vector(self.value, other.value, picks))


def as_floats(x: Vec) -> Floats:
    """Signed integers as floats."""
    return Floats(x.builder, x.builder.sitofp(x.value, ir.VectorType(F32, x.lanes)))


def load_floats(address: Int, lanes: int) -> Floats:
    """Unaligned load."""
    pointer = address.builder.inttoptr(address.value, ir.VectorType(F32, lanes).as_pointer())
    return Floats(address.builder, address.builder.load(pointer, align=1))


def splat_float(address: Int, lanes: int) -> Floats:
    """The float at an address in every lane."""
    builder = address.builder
    one = builder.load(builder.inttoptr(address.value, F32.as_pointer()), align=1)
    kind = ir.VectorType(F32, lanes)
    first = Floats(builder, builder.insert_element(ir.Constant(kind, ir.Undefined), one, ir.Constant(I32, 0)))
    return first.shuffle([0] * lanes, first)


def store_floats(address: Int, vector: Floats) -> None:
    """Unaligned store."""
    pointer = address.builder.inttoptr(address.value, vector.value.type.as_pointer())
    address.builder.store(vector.value, pointer, align=1)
