"""What can be done with every JPEG file without making a picture of it: other coding, or its coefficients."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from ..container.markers import claimed_size
from ..jpeg import codec
from ..jpeg.transcode import transcode
from ..options import JPEG_SUFFIXES, DecodeOptions, TranscodeOptions
from ..types import Coefficients
from .manifest import canonical
from .work import Outcome, reason

__all__ = ["CoefficientWork", "TranscodeWork", "packed", "unpacked"]


def _damage(found: Sequence[tuple[str, int]]) -> list[str]:
    return [f"{message} (byte offset {offset})" for message, offset in found]


@dataclass(frozen=True, slots=True)
class TranscodeWork:
    """JPEG files of JPEG files without loss, as `jpegjax.transcode` makes them."""

    options: TranscodeOptions

    verb: ClassVar[str] = "transcoded"
    suffix: ClassVar[None] = None
    accepts: ClassVar[frozenset[str]] = frozenset(JPEG_SUFFIXES)

    def about(self) -> dict[str, Any]:
        return {"verb": self.verb, "saves": True, "options": canonical(self.options)}

    def begin(self, name: str, content: bytes) -> tuple[Any, int]:
        height, width = claimed_size(content)  # what is wrong with a file its reader says
        return (content, height * width), height * width

    def code(self, pieces: Sequence[tuple[bytes, int]]) -> list[Outcome]:
        made = []
        results = transcode([content for content, _ in pieces], self.options)
        for (_, pixels), (content, found) in zip(pieces, results, strict=True):
            if isinstance(content, Exception):
                made.append(Outcome(error=reason(content)))
            else:
                made.append(Outcome(bytes(content), pixels=pixels, damage=_damage(found)))
        return made


@dataclass(frozen=True, slots=True)
class CoefficientWork:
    """Quantised DCT coefficients of JPEG files, one .npz each; `unpacked` reads it back."""

    options: DecodeOptions

    verb: ClassVar[str] = "read"
    suffix: ClassVar[str] = ".npz"
    accepts: ClassVar[frozenset[str]] = frozenset(JPEG_SUFFIXES)

    def about(self) -> dict[str, Any]:
        return {"verb": "coefficients", "options": canonical(self.options)}

    def begin(self, name: str, content: bytes) -> tuple[Any, int]:
        height, width = claimed_size(content)  # what is wrong with a file its reader says
        return (content, height * width), height * width

    def code(self, pieces: Sequence[tuple[bytes, int]]) -> list[Outcome]:
        made = []
        results = codec.read([content for content, _ in pieces], self.options)
        for (_, pixels), (found, notes) in zip(pieces, results, strict=True):
            if isinstance(found, Exception):
                made.append(Outcome(error=reason(found)))
            else:
                made.append(Outcome(packed(found), pixels=pixels, damage=_damage(notes)))
        return made


def packed(found: Coefficients) -> bytes:
    """Coefficients of one image as .npz: plane0 … int16 [rows, columns, 8, 8], qtable0 … uint16 [8, 8], frame as JSON.

    The same coefficients give the same bytes.
    """
    arrays = {f"plane{c}": np.asarray(plane)[0] for c, plane in enumerate(found.planes)}
    arrays |= {f"qtable{c}": np.asarray(table) for c, table in enumerate(found.qtables)}
    frame = canonical(asdict(found.frame))
    out = io.BytesIO()
    np.savez_compressed(out, frame=np.frombuffer(json.dumps(frame).encode(), np.uint8), **arrays)
    return out.getvalue()


def unpacked(data: bytes) -> tuple[list[np.ndarray], list[np.ndarray], dict[str, Any]]:
    """(planes, tables, frame) of `packed`. ValueError for what is no such file."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            frame = json.loads(file["frame"].tobytes())
            parts = range(len(frame["components"]))
            return [file[f"plane{c}"] for c in parts], [file[f"qtable{c}"] for c in parts], frame
    except Exception as error:  # zip and NumPy raise whatever they like
        raise ValueError(f"data: not coefficients that jpegjax bulk wrote: {reason(error)}") from None
