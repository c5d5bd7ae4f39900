"""What a file may take of `Limits`, counted the same on every machine: pixels, scans, memory, steps of decoding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

from ..errors import LimitExceeded
from ..options import Limits
from ..types import Frame

__all__ = ["Budget"]

_FREE_PIXELS = 4_000_000
_FREE_STEPS, _BOUNDLESS = 100_000_000, 1 << 62
_BLOCK_BYTES, _CODER_BYTES, _MOVE_STEPS = 128, 72, 8  # of a block, of its masks and symbols in a scan; to copy it
_AGAIN_STEPS, _LOSSLESS_STEPS = 64, 16  # a block: of a component's second sequential scan, and of samples themselves


class Budget:
    """Limits of a file of `size` bytes, and the steps of entropy decoding that it has taken so far. Not thread-safe.

    All methods raise LimitExceeded; at: byte offset of what asks for so much.
    """

    __slots__ = ("limits", "size", "steps")

    def __init__(self, limits: Limits, size: int, steps: int = 0):
        self.limits: Limits = limits
        self.size: int = size
        self.steps: int = steps

    def check_pixels(self, frame: Frame, at: int) -> None:
        """A frame's claim, before anything is allocated for it."""
        pixels, limits = frame.width * frame.height, self.limits
        what = f"{frame.width}×{frame.height} = {pixels} pixels"
        if limits.pixels is not None and pixels > limits.pixels:
            raise LimitExceeded(f"the header claims {what}; Limits.pixels is {limits.pixels}; raise it or pass "
                                "limits=Limits(pixels=None) to decode the file", at)  # fmt: skip
        density = None if frame.process.arithmetic else limits.pixels_per_byte
        if density is not None and pixels > max(density * self.size, _FREE_PIXELS):
            raise LimitExceeded(f"the header claims {what} in a file of {self.size} bytes; Limits.pixels_per_byte is "
                                f"{density}; raise it or pass limits=Limits(pixels_per_byte=None) to "
                                "decode the file", at)  # fmt: skip

    def check_scans(self, scans: int, at: int) -> None:
        """Another scan behind so many."""
        limit = self.limits.scans
        if limit is not None and scans >= limit:
            raise LimitExceeded(f"the file holds more than {limit} scans, which is Limits.scans; raise it or pass "
                                "limits=Limits(scans=None) to decode the file", at)  # fmt: skip

    def check_memory(self, nbytes: int, what: str, at: int) -> None:
        """Bytes to allocate for `what`, such as "pixels", all that are needed at a time."""
        limit = self.limits.memory
        if limit is not None and nbytes > limit:
            raise LimitExceeded(f"{what} take {nbytes} bytes; Limits.memory is {limit}; raise it or pass "
                                "limits=Limits(memory=None) to decode the file", at)  # fmt: skip

    @property
    def steps_left(self) -> int:
        """How many steps decoding may still take; see `Limits`."""
        each = self.limits.steps_per_byte
        return _BOUNDLESS if each is None else _FREE_STEPS + each * self.size - self.steps

    def charge(self, steps: int, at: int) -> None:
        """Steps that were taken."""
        self.steps += steps
        if self.steps_left < 0:
            self._refuse(at)

    def charge_scan(self, frame: Frame, components: tuple[int, ...], scanned: set[int], at: int) -> None:
        """The steps that a scan's header tells of, before they are taken: all its blocks, however few bytes they need.

        scanned: components that had a scan before, which costs sequential files a copy.
        """
        steps = 0
        for c in components:
            again = c in scanned and not frame.process.progressive
            cost = _LOSSLESS_STEPS if frame.process.lossless else _AGAIN_STEPS if again else 1
            steps += cost * math.prod(frame.blocks(c))
        if steps > self.steps_left:
            self._refuse(at)
        self.steps += steps

    def charge_recoding(self, frames: Sequence[Frame], scans: int, at: int) -> None:
        """Coefficients copied from frame to frame, each from the one before, and those of the last one coded in so many scans."""
        sizes = [sum(math.prod(f.blocks(c)) for c in range(len(f.components))) for f in frames]
        copies = max(map(sum, pairwise([0, *sizes])))
        coded = sizes[-1] * (_BLOCK_BYTES + _CODER_BYTES)
        self.check_memory(max(_BLOCK_BYTES * copies, coded), "coefficients and their code", at)
        self.charge(_MOVE_STEPS * sum(sizes[1:]) + scans * sizes[-1], at)

    def _refuse(self, at: int) -> NoReturn:
        each = self.limits.steps_per_byte
        raise LimitExceeded(f"the file takes more than {_FREE_STEPS:,} steps and {each} for each of {self.size} bytes; "
                            f"Limits.steps_per_byte is {each}; raise it or pass limits=Limits(steps_per_byte=None) to "
                            "decode the file", at)  # fmt: skip
