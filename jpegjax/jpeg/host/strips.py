"""Working memory of one MCU row: samples and blocks that stay in cache."""

from __future__ import annotations

import numpy as np

from ...run.memory import address, scratch
from ...types import Frame

__all__ = ["Strips"]


class Strips:
    """Memory of one MCU row of a frame: samples and blocks of each component.

    sampling: int64 [n, 2] (h, v), (1, 1) for a single component. samples: int64 [n], address of sample row 0 of each strip;
    one row before it is kept for context. strides: int64 [n], bytes a row, a multiple of 64, at least 64 beyond the padded
    width. blocks: int64 [n], address of int16 [v, columns, 64]. last: int64 [n], address of uint8 [v, columns].
    """

    def __init__(self, frame: Frame):
        n = len(frame.components)
        alone = n == 1
        self.sampling = np.array([(1, 1)] if alone else [(k.h, k.v) for k in frame.components], np.int64)
        self.hmax, self.vmax = (int(m) for m in self.sampling.max(axis=0))
        self.mcus_high, self.mcus_wide = frame.blocks(0) if alone else frame.mcus
        self.grid = np.array([frame.blocks(c) for c in range(n)], np.int64)
        wide = self.mcus_wide * 8 * self.sampling[:, 0]
        self.strides = (wide + 64 + 127) // 64 * 64
        rows = 8 * self.sampling[:, 1] + 1
        blocks = self.sampling[:, 1] * self.grid[:, 1]
        sizes = np.concatenate([self.strides * rows + 64, blocks * 128 + 128, blocks + 64])
        sizes = (sizes + 63) // 64 * 64
        self.buffer = scratch("strips", int(sizes.sum()) + 64)
        start = -(-address(self.buffer) // 64) * 64
        at = start + np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.samples = at[:n] + self.strides
        self.blocks = np.ascontiguousarray(at[n : 2 * n])
        self.last = np.ascontiguousarray(at[2 * n :])
