"""The mark of files that were encoded for a restorer: an APP10 segment that other decoders pass over.

FF EA  00 0C  "jpegjax" 00  01 00      identifier, version 1, a byte for later
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["MARK", "MARK_BODY", "is_marked"]

_APP10 = 0xEA
MARK_BODY = b"jpegjax\0\1\0"
"""What the segment holds behind its length."""
MARK = bytes((0xFF, _APP10, 0, 2 + len(MARK_BODY))) + MARK_BODY
"""The whole segment."""


def is_marked(data: bytes | memoryview, segments: Sequence[tuple[int, int, int]]) -> bool:
    """Whether one of the APPn segments (code, where its marker and what follows it stand) is the mark, of any version."""
    name = MARK_BODY[:8]
    return any(code == _APP10 and bytes(data[at + 4 : min(stop, at + 12)]) == name for code, at, stop in segments)
