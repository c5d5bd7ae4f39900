"""Recoding by another file's own tables and sampling: what "keep" stands for."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..container import JpegInfo, inspect
from .inputs import as_bytes

__all__ = ["Kept", "kept"]


class Kept(NamedTuple):
    """What `encode` was given, "keep" replaced."""

    quality: Any
    subsampling: Any
    qtables: Any
    qslots: Any


def _kept(value: Any) -> bool:
    return isinstance(value, str) and value == "keep"


def kept(like: Any, quality: Any, subsampling: Any, qtables: Any, qslots: Any) -> Kept:
    """quality="keep" is the tables and the sampling of the file `like`, as Pillow has it; the others are one of them.

    like: a file, or what `info` says of one, or None. Sampling is kept of three components. ValueError where there is
    nothing to keep, or nothing that is asked for.
    """
    asked = [n for n, v in (("quality", quality), ("subsampling", subsampling), ("qtables", qtables)) if _kept(v)]
    if like is None:
        if asked:
            raise ValueError(f"{asked[0]}='keep': of which file? Pass it, or its info, as like=")
        return Kept(quality, subsampling, qtables, qslots)
    if not asked:
        raise ValueError("like: nothing of it is kept; pass quality='keep', subsampling='keep' or qtables='keep'")
    found = like if isinstance(like, JpegInfo) else inspect(as_bytes(like, "like"))
    if _kept(quality):
        if qtables is not None and not _kept(qtables):
            raise ValueError("quality='keep' and qtables: give one of them")
        quality, qtables, subsampling = 75, "keep", "keep" if subsampling is None else subsampling
    if _kept(subsampling):
        factors = [(k.h, k.v) for k in found.components]
        subsampling = factors if len(factors) == 3 else None
    if _kept(qtables):
        if found.process.lossless:
            raise ValueError("like: a lossless file has no tables to keep")
        by_slot = {k.tq: table for k, table in zip(found.components, found.qtables, strict=True)}
        if any(table is None for table in by_slot.values()):
            raise ValueError("like: the file's tables are not in its header")
        order = sorted(by_slot)
        qtables = [by_slot[slot] for slot in order]
        qslots = [order.index(k.tq) for k in found.components] if qslots is None else qslots
    return Kept(quality, subsampling, qtables, qslots)
