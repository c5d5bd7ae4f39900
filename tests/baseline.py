"""A baseline file taken apart with the least that does, and a decoder of its scan that reads bit by bit."""

from __future__ import annotations

import numpy as np
from oracles import pillow
from pictures import slopes

from jpegjax.coding.geometry import scan_geometry
from jpegjax.coding.sequential.decode import (
    decode_scan,
    decode_tables,
)
from jpegjax.types import ZIGZAG, Component, Frame, HuffmanSpec

__all__ = ["Parsed", "bit_by_bit", "sample"]


class Parsed:
    """The one scan of a baseline file, read with the least that does."""

    def __init__(self, data: bytes):
        self.bytes, self.data = data, np.frombuffer(data, np.uint8)
        tables, self.interval, at = {}, 0, 2
        while data[at + 1] != 0xDA:
            marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
            body = data[at + 4 : at + 2 + length]
            if marker == 0xC4:
                while body:
                    n = sum(body[1:17])
                    tables[body[0]] = HuffmanSpec(body[1:17], body[17 : 17 + n])
                    body = body[17 + n :]
            elif marker == 0xDD:
                self.interval = int.from_bytes(body, "big")
            elif marker in (0xC0, 0xC1):
                parts = [Component(c[0], c[1] >> 4, c[1] & 15, c[2]) for c in zip(*[iter(body[6:])] * 3, strict=True)]
                self.frame = Frame(int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big"), tuple(parts))
            at += 2 + length
        n = data[at + 4]
        slots = [data[at + 6 + 2 * i] for i in range(n)]
        self.dc = tuple(tables[s >> 4] for s in slots)
        self.ac = tuple(tables[16 | s & 15] for s in slots)
        self.start = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        self.planes = [np.full((*self.frame.blocks(c), 64), 77, np.int16) for c in range(n)]
        self.geometry = scan_geometry(self.frame, tuple(range(n)), self.planes)

    def decode(self) -> np.ndarray:
        return decode_scan(*self.geometry, decode_tables(self.dc, self.ac), self.data, self.start, self.interval)


def sample(size=(67, 45), sampling="4:2:0", seed=0, **options) -> bytes:
    image = slopes(*size[::-1], 9, seed)
    return pillow(image[..., 0], **options) if sampling == "grey" else pillow(image, subsampling=sampling, **options)


def bit_by_bit(file: Parsed) -> list[np.ndarray]:
    """The scan's blocks by T.81 F.2 and what libjpeg does with damage, one bit and one block at a time."""
    data, at = file.bytes, file.start
    codes = []
    for spec in (*file.dc, *file.ac):
        code, used, table = 0, 0, {}
        for length in range(1, 17):
            for symbol in spec.symbols[used : used + spec.counts[length - 1]]:
                table[length, code] = symbol
                code += 1
            used += spec.counts[length - 1]
            code <<= 1
        codes.append(table)
    parts = file.frame.components
    planes = [np.zeros((*file.frame.blocks(c), 64), np.int16) for c in range(len(parts))]
    high, wide = file.geometry[1:]

    def segment(at):
        """Bits up to the next marker, where that is and what."""
        found = bytearray()
        while at < len(data):
            if data[at] != 0xFF:
                found.append(data[at])
                at += 1
                continue
            while at < len(data) and data[at] == 0xFF:
                at += 1
            if at == len(data):
                break
            if data[at] != 0:
                return "".join(f"{b:08b}" for b in found), at - 1, data[at]
            found.append(0xFF)
            at += 1
        return "".join(f"{b:08b}" for b in found), len(data), 0xD9

    bits, at, marker = segment(at)
    p, short, due, left = 0, False, 0, file.interval
    last_dc = [0] * len(parts)

    def take(n):
        nonlocal p
        p += n
        return int((bits[p - n : p] + "0" * n)[:n] or "0", 2)

    def symbol(table):
        code = 0
        for length in range(1, 17):
            code = code << 1 | take(1)
            if (length, code) in table:
                return table[length, code]
        take(1)
        return 0

    def value(size):
        v = take(size)
        return v if size == 0 or v >= 1 << size - 1 else v - (1 << size) + 1

    for mcu in range(high * wide):
        if file.interval and left == 0:
            last_dc, left = [0] * len(parts), file.interval
            while True:
                ahead = (marker - 0xD0 - due) & 7
                restart = 0xD0 <= marker <= 0xD7
                if marker < 0xC0 or (restart and ahead in (6, 7)):
                    _, at, marker = segment(at + 2)
                    continue
                break
            if restart and ahead not in (1, 2):
                bits, at, marker = segment(at + 2)
                short = False
            else:
                bits = ""
            p, due = 0, due + 1 & 7
        left -= 1
        if short:
            continue
        for c, part in enumerate(parts):
            h, v = (part.h, part.v) if len(parts) > 1 else (1, 1)
            for i in range(h * v):
                row, column = mcu // wide * v + i // h, mcu % wide * h + i % h
                block = [0] * 64
                last_dc[c] += value(symbol(codes[c]))
                block[0] = (last_dc[c] + 32768 & 65535) - 32768
                k = 1
                while k < 64:
                    run, size = divmod(symbol(codes[len(parts) + c]), 16)
                    if size == 0 and run < 15:
                        break
                    k += run
                    if size:
                        block[ZIGZAG[min(k, 63)]] = value(size)
                    k += 1
                if row < planes[c].shape[0] and column < planes[c].shape[1]:
                    planes[c][row, column] = block
        short = p > len(bits)
    return planes
