"""Trees of weights as one file and back, bit for bit: a `container.box` of kind "weights" with one payload, the tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...coding.sequences import Cursor
from ...container.box import Box, read_box, write_box
from ...errors import CorruptStream
from .factors import Factors
from .leaves import Coded
from .structure import Found, joined, pure, read_tree, write_tree

__all__ = ["Entry", "contents", "is_packed", "pack", "restore_into", "shown", "unpack"]

KIND = "weights"
_MAGIC = b"\x8aJXJ\x01\x07weights"
_MOST = 1 << 31


@dataclass(frozen=True, slots=True)
class Entry:
    """An array in a file.

    Attributes:
        path: As in "first/kernel".
        dtype, shape: The array's.
        coding: "planes", or of "sparse", "codebook", "rows" and "differences" those that were used.
        density: Share 0..1 of values that are not zero.
        different: Different values among these.
        nbytes: In the file, with type and shape.
        nbytes_plain: Of the array in memory.
    """

    path: str
    dtype: np.dtype
    shape: tuple[int, ...]
    coding: str
    density: float
    different: int
    nbytes: int
    nbytes_plain: int

    @property
    def bits(self) -> float:
        """Bits a value in the file."""
        return 8 * self.nbytes * self.dtype.itemsize / max(self.nbytes_plain, 1)


def pack(tree: Any) -> bytes:
    """A tree of arrays as a file, smaller the more of them are zero, or the same: see `kmeans`, `Pruned`.

    Exact: each bit of each array comes back. Deterministic: the same tree gives the same bytes.

    Args:
        tree: An NNX module (its variables but keys of random numbers) or State; or dicts (of str or int), lists and tuples of
            arrays, numbers, None and `Factors`. bool, integers of 8..64 bits, float16/32/64, bfloat16, float8.

    Raises:
        TypeError: For anything else; says its path.
    """
    return write_box(Box(KIND, 1, 1, 1, b"", (b"".join(write_tree(pure(tree))),)))


def is_packed(data: bytes | memoryview) -> bool:
    """Whether a file begins as one of `pack`."""
    return bytes(data[: len(_MAGIC)]) == _MAGIC


def unpack(data: bytes | memoryview, *, max_nbytes: int = _MOST) -> Any:
    """Inverse of `pack`: dicts, lists and tuples of NumPy arrays, None and `Factors`. A module comes back as nested dicts.

    max_nbytes: what all arrays together may have in memory, since a file of a few bytes may claim any number of zeros.

    Raises:
        CorruptStream: No such file, or a damaged one; says what and where.
        UnsupportedJpeg: A box of a later version.
        LimitExceeded: Beyond max_nbytes.
    """
    return _read(data, max_nbytes, None)


def _read(data: bytes | memoryview, max_nbytes: int, found: Found | None) -> Any:
    box = read_box(data)
    if box.kind != KIND:
        raise CorruptStream(f"the box holds {box.kind!r}, not {KIND!r}", 5)
    if len(box.payloads) != 1 or box.params:
        raise CorruptStream(f"{len(box.payloads)} payloads and {len(box.params)} parameters; weights have 1 and 0", 5)
    cursor = Cursor(memoryview(box.payloads[0]), box.offset)
    tree = read_tree(cursor, max_nbytes, found)
    if cursor.at != len(cursor.data):
        raise CorruptStream("bytes behind the tree", cursor.place)
    return tree


def contents(data: bytes | memoryview, *, max_nbytes: int = _MOST) -> list[Entry]:
    """What a file holds, array by array. Raises like `unpack`."""
    entries: list[Entry] = []

    def found(path: str, coded: Coded, nbytes: int) -> None:
        array, coding = coded
        held = array[array != 0]
        density, different = held.size / max(array.size, 1), np.unique(held).size
        entries.append(Entry(path, array.dtype, array.shape, coding, density, different, nbytes, array.nbytes))

    _read(data, max_nbytes, found)
    return entries


def shown(entries: Sequence[Entry]) -> str:
    """A table for people: a line an array, then the sum."""
    rows = [("array", "shape", "coding", "density", "values", "bits", "bytes", "times")]
    for e in entries:
        size = "×".join(map(str, e.shape)) or "1"
        figures = f"{100 * e.density:.1f} %", f"{e.different}", f"{e.bits:.2f}", f"{e.nbytes}"
        rows.append((e.path, f"{e.dtype} {size}", e.coding, *figures, f"{e.nbytes_plain / e.nbytes:.1f}"))
    packed, plain = sum(e.nbytes for e in entries), sum(e.nbytes_plain for e in entries)
    rows.append(("all", "", "", "", "", "", f"{packed}", f"{plain / max(packed, 1):.1f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            c.ljust(w) if k < 3 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def restore_into(target: Any, data: bytes | memoryview, *, max_nbytes: int = _MOST) -> Any:
    """Puts a file's arrays where they belong.

    Args:
        target: An NNX module, which is changed and also returned; or a tree of arrays (or of shapes, as `nnx.eval_shape` and
            `jax.eval_shape` give them), of which a new one is made.
        data: A file that `pack` made of such a tree. Where it has `Factors`, their product is taken.

    Returns:
        The module, or the tree with JAX arrays (NumPy's and numbers where the target has them).

    Raises:
        ValueError: An array is missing, left over, or of another shape or type than the target's; says its path.
        CorruptStream, UnsupportedJpeg, LimitExceeded: As `unpack`.
    """
    stored = unpack(data, max_nbytes=max_nbytes)
    if isinstance(target, nnx.Module):
        state = nnx.state(target, nnx.Not(nnx.RngState))
        nnx.replace_by_pure_dict(state, _filled(nnx.to_pure_dict(state), stored, ""))
        nnx.update(target, state)
        return target
    return _filled(pure(target), stored, "")


def _filled(target: Any, stored: Any, path: str) -> Any:
    where = path or "the tree"
    if isinstance(target, dict):
        if not isinstance(stored, dict) or target.keys() != stored.keys():
            keys = stored.keys() if isinstance(stored, dict) else {}
            missing, more = ([joined(path, k) for k in a if k not in b] for a, b in ((target, keys), (keys, target)))
            said = [f"the file has no {', '.join(missing)}"] if missing else []
            said += [f"no place for {', '.join(more)}"] if more else []
            raise ValueError("; ".join(said) or f"{where}: the file has no dict there")
        return {key: _filled(child, stored[key], joined(path, key)) for key, child in target.items()}
    if isinstance(target, (list, tuple)):
        if not isinstance(stored, (list, tuple)) or len(target) != len(stored):
            raise ValueError(f"{where}: must be {len(target)} items in the file too")
        items = [_filled(a, b, joined(path, k)) for k, (a, b) in enumerate(zip(target, stored, strict=True))]
        return type(target)(*items) if hasattr(target, "_fields") else type(target)(items)
    if target is None and stored is None:
        return None
    value = stored.dense() if isinstance(stored, Factors) else stored
    wanted = target if hasattr(target, "shape") else np.asarray(target)
    if not isinstance(value, np.ndarray) or value.shape != wanted.shape or value.dtype != wanted.dtype:
        found = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        raise ValueError(f"{where}: {found} in the file; {wanted.dtype} {wanted.shape} is needed")
    if isinstance(target, (bool, int, float)):
        return value.item()
    return value if isinstance(target, (np.ndarray, np.generic)) else jnp.asarray(value)
