"""Trees of arrays as bytes: the nodes in order, each leaf where it stands.

0 None    1 leaf    2 dict, varint n, n × (key, node)    3 list, varint n, nodes    4 tuple, alike
    5 factors, shape, 2 nodes
a key: 0, varint length, UTF-8; or 1, varint 2k or −2k − 1
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from flax import nnx

from ...coding.sequences import Cursor, varint
from ...errors import CorruptStream
from .factors import Factors
from .leaves import Coded, decode_leaf, encode_leaf, refuse

__all__ = ["Found", "pure", "read_tree", "write_tree"]

_NONE, _LEAF, _DICT, _LIST, _TUPLE, _FACTORS = range(6)
_DEEPEST = 64

Found = Callable[[str, Coded, int], None]
"""(path, array and coding, bytes in the file) of each leaf as it is read."""


def pure(tree: Any) -> Any:
    """A module's or State's values as nested dicts, without keys of random numbers; any other tree as it is."""
    if isinstance(tree, nnx.Module):
        tree = nnx.state(tree, nnx.Not(nnx.RngState))
    return nnx.to_pure_dict(tree) if isinstance(tree, nnx.State) else tree


def _ordered(node: Mapping[Any, Any], path: str) -> Iterator[tuple[Any, Any]]:
    for key in node:
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            raise TypeError(f"{path or 'the tree'}: key {key!r} is a {type(key).__name__}; must be a str or an int")
    return iter(sorted(node.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def _key(key: str | int) -> bytes:
    if isinstance(key, str):
        text = key.encode()
        return b"\0" + varint(len(text)) + text
    return b"\1" + varint(2 * key if key >= 0 else -2 * key - 1)


def joined(path: str, key: Any) -> str:
    return f"{path}/{key}" if path else str(key)


def write_tree(node: Any, path: str = "", depth: int = 0) -> Iterator[bytes]:
    """The bytes of a node. TypeError with the path for what is no array, number or container of these."""
    if depth > _DEEPEST:
        raise TypeError(f"{path}: deeper than {_DEEPEST} levels")
    if node is None:
        yield bytes((_NONE,))
    elif isinstance(node, Mapping):
        yield bytes((_DICT,)) + varint(len(node))
        for key, child in _ordered(node, path):
            yield _key(key)
            yield from write_tree(child, joined(path, key), depth + 1)
    elif isinstance(node, (list, tuple)):
        yield bytes((_LIST if isinstance(node, list) else _TUPLE,)) + varint(len(node))
        for key, child in enumerate(node):
            yield from write_tree(child, joined(path, key), depth + 1)
    elif isinstance(node, Factors):
        yield bytes((_FACTORS, len(node.shape))) + b"".join(map(varint, node.shape))
        for key in ("left", "right"):
            yield from write_tree(getattr(node, key), joined(path, key), depth + 1)
    else:
        yield bytes((_LEAF,)) + encode_leaf(_array(node, path))


def _array(leaf: Any, path: str) -> np.ndarray:
    where = path or "the tree"
    if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        raise TypeError(f"{where}: a random key; pack jax.random.key_data of it")
    if not isinstance(leaf, (np.ndarray, np.generic, jax.Array, bool, int, float)):
        raise TypeError(f"{where}: a {type(leaf).__name__}; leaves must be arrays or numbers")
    array = np.asarray(leaf)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    fault = refuse(array)
    if fault:
        raise TypeError(f"{where}: {fault}")
    return array


class _Reader:
    def __init__(self, cursor: Cursor, left: int, found: Found | None) -> None:
        self.cursor, self.left, self.found = cursor, left, found

    def node(self, path: str, depth: int) -> Any:
        cursor = self.cursor
        at, kind = cursor.place, cursor.byte("the tree")
        if depth > _DEEPEST:
            raise CorruptStream(f"a tree deeper than {_DEEPEST} levels", at)
        if kind == _NONE:
            return None
        if kind == _LEAF:
            coded = decode_leaf(cursor, self.left)
            self.left -= coded[0].nbytes
            if self.found is not None:
                self.found(path, coded, cursor.place - at)
            return coded[0]
        if kind == _DICT:
            return self._dict(path, depth)
        if kind in (_LIST, _TUPLE):
            count = self._count()
            nodes = [self.node(joined(path, key), depth + 1) for key in range(count)]
            return nodes if kind == _LIST else tuple(nodes)
        if kind == _FACTORS:
            return self._factors(path, depth)
        raise CorruptStream(f"a node of kind {kind}, which is none here", at)

    def _count(self) -> int:
        """Of nodes to come: each has a byte at least."""
        at, count = self.cursor.place, self.cursor.varint("the tree")
        if count > len(self.cursor.data) - self.cursor.at:
            raise CorruptStream(f"{count} nodes in {len(self.cursor.data) - self.cursor.at} bytes", at)
        return count

    def _dict(self, path: str, depth: int) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        for _ in range(self._count()):
            at = self.cursor.place
            key = self._read_key()
            if key in out:
                raise CorruptStream(f"key {key!r} twice", at)
            out[key] = self.node(joined(path, key), depth + 1)
        return out

    def _read_key(self) -> str | int:
        cursor = self.cursor
        at, kind = cursor.place, cursor.byte("a key")
        if kind == 0:
            try:
                return bytes(cursor.take(cursor.varint("a key"), "a key")).decode()
            except UnicodeDecodeError:
                raise CorruptStream("a key that is not UTF-8", at) from None
        if kind == 1:
            folded = cursor.varint("a key")
            return folded >> 1 if not folded & 1 else -(folded >> 1) - 1
        raise CorruptStream(f"a key of kind {kind}, which is none here", at)

    def _factors(self, path: str, depth: int) -> Factors:
        at = self.cursor.place
        shape = tuple(self.cursor.varint("factors") for _ in range(self.cursor.byte("factors")))
        left, right = (self.node(joined(path, key), depth + 1) for key in ("left", "right"))
        if not all(isinstance(x, np.ndarray) and x.ndim == 2 for x in (left, right)) or not shape:
            raise CorruptStream("factors that are no matrices", at)
        rows, columns = int(np.prod(shape[:-1], dtype=object)), shape[-1]
        if left.shape[1] != right.shape[0] or (rows, columns) != (left.shape[0], right.shape[1]):
            raise CorruptStream(f"factors {left.shape} and {right.shape} of a kernel of shape {shape}", at)
        if rows * columns * left.itemsize > self.left:
            raise CorruptStream(f"factors of a kernel of shape {shape}, which is too large", at)
        return Factors(left, right, shape)


def read_tree(cursor: Cursor, left: int, found: Found | None = None) -> Any:
    """Inverse of `write_tree`. left: bytes that all arrays may have. CorruptStream, LimitExceeded with the place."""
    return _Reader(cursor, left, found).node("", 0)
