"""Files read forwards, and their numbers as varints of 7 bits a byte, lowest first; the high bit says more follow."""

from __future__ import annotations

from ..errors import CorruptStream

__all__ = ["Cursor", "varint"]


def varint(value: int) -> bytes:
    """The bytes of an integer ≥ 0."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class Cursor:
    """Reading forwards. offset: where `data` begins in the file, for messages."""

    def __init__(self, data: memoryview, offset: int = 0) -> None:
        self.data, self.at, self._offset = data, 0, offset

    @property
    def place(self) -> int:
        """Offset in the file of what is read next."""
        return self._offset + self.at

    def take(self, count: int, what: str) -> memoryview:
        """The next bytes. CorruptStream where they are not there."""
        if count > len(self.data) - self.at:
            raise CorruptStream(f"the file ends inside {what}: {count} bytes are needed", self.place)
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self, what: str) -> int:
        return self.take(1, what)[0]

    def varint(self, what: str) -> int:
        """A number below 2^63."""
        value = 0
        for shift in range(0, 63, 7):
            byte = self.byte(what)
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise CorruptStream(f"{what} is no number", self.place)
