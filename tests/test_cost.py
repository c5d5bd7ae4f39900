"""What a file may cost: work is bounded by its bytes and a base, whatever its tables, scans and directories say."""

from __future__ import annotations

import struct

from jpegjax.container.metadata import exif


def exif_of(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    """An EXIF body of one directory at offset 8 with these (tag, type, count, value)."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    return b"Exif\0\0" + head + b"".join(struct.pack(order + "HHII", *entry) for entry in entries) + bytes(4)


def test_directories_that_point_at_themselves_are_walked_once(monkeypatch):
    visited = []
    walk = exif.directory
    monkeypatch.setattr(exif, "directory", lambda *a: (visited.append(entry) or entry for entry in walk(*a)))
    for order in "<>":
        for step in (0, 12, 5):  # one directory, neighbours, overlapping ones
            body = exif_of(*((0x8769, 4, 1, 8 + step * i) for i in range(5000)), order=order)
            exif.resized_exif(exif.upright_exif(body), 7, 9)
    assert len(visited) <= 6 * 2 * 5200
