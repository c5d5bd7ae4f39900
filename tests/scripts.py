"""Frames, planes, coefficients and scan scripts that no encoder would make, for round trips; and damage."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from jpegjax import Coefficients
from jpegjax.types import ColorSpace, Component, Frame, Process, Scan

__all__ = ["damaged", "low_frequencies", "random_frame", "random_planes", "random_script"]


def random_frame(width: int, height: int, factors: list[tuple[int, int]]) -> Frame:
    """A progressive frame; factors: (h, v) of each component."""
    color = ColorSpace.GRAY if len(factors) == 1 else ColorSpace.YCBCR
    components = tuple(Component(i + 1, h, v, 0) for i, (h, v) in enumerate(factors))
    return Frame(height, width, components, Process.PROGRESSIVE, color=color)


def low_frequencies(
    color: ColorSpace, factors: list[tuple[int, int]], size: tuple[int, int] = (21, 35), **frame: Process
) -> Coefficients:
    """Random coefficients of the lowest frequencies, N = 1; factors: (h, v) of each component."""
    components = tuple(Component(i + 1, h, v, 0) for i, (h, v) in enumerate(factors))
    shape = Frame(*size, components, color=color, **frame)
    rng = np.random.default_rng(8)
    planes = []
    for c in range(len(factors)):
        plane = np.zeros((1, *shape.blocks(c), 8, 8), np.int16)
        plane[..., :3, :3] = rng.integers(-9, 10, plane[..., :3, :3].shape)
        plane[..., 0, 0] = rng.integers(-90, 91, plane.shape[:3])
        planes.append(plane)
    return Coefficients(tuple(planes), (np.full((8, 8), 6, np.uint16),) * len(factors), shape)


def random_planes(frame: Frame, seed: int, density: float, spread: int) -> list[np.ndarray]:
    """Coefficients -1023..1023 as `write_scans` takes them. density: share of nonzeros; spread: their scale."""
    rng = np.random.default_rng(seed)
    planes = []
    for c in range(len(frame.components)):
        shape = (*frame.blocks(c), 8, 8)
        values = np.round(rng.laplace(0, spread, shape)).clip(-1023, 1023)
        plane = np.where(rng.random(shape) < density, values, 0).astype(np.int16)
        plane[rng.random(shape[:2]) < 0.3] = 0
        planes.append(plane)
    return planes


@st.composite
def random_script(draw, count: int) -> list[Scan]:
    """A legal script (T.81 G.1.1.1): DC, then per component and bit level any partition of 1..63 into bands."""
    chains: list[list[Scan]] = []
    components = tuple(range(count))
    restart = st.sampled_from([0, 0, 1, 3, 50])
    scans: list[Scan] = []
    groups = [components] if draw(st.booleans()) else [(c,) for c in components]
    for group in groups:
        low = draw(st.integers(0, 3))
        scans.append(Scan(group, spectral=(0, 0), approximation=(0, low), restart_interval=draw(restart)))
        chain = [
            Scan(group, spectral=(0, 0), approximation=(level + 1, level), restart_interval=draw(restart))
            for level in range(low - 1, -1, -1)
        ]
        chains.append(chain)
    for c in components:
        low, chain = draw(st.integers(0, 4)), []
        for level in range(low, -1, -1):
            edges = sorted(draw(st.sets(st.integers(2, 63), max_size=3)))
            for first, last in zip([1, *edges], [*(e - 1 for e in edges), 63], strict=True):
                high = 0 if level == low else level + 1
                scan = Scan((c,), spectral=(first, last), approximation=(high, level), restart_interval=draw(restart))
                chain.append(scan)
        chains.append(chain)
    while any(chains):
        chain = draw(st.sampled_from([c for c in chains if c]))
        scans.append(chain.pop(0))
    return scans


def damaged(data: bytes, rng: np.random.Generator, first: int) -> bytes:
    """The file with a few bytes changed, lost or put in from offset `first` on, or cut."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at, kind = int(rng.integers(first, len(changed) - 2)), rng.integers(5)
        noise = rng.bytes(int(rng.integers(1, 9)))
        if kind == 0:
            changed[at] = noise[0]
        elif kind == 1:
            changed[at] ^= 1 << rng.integers(8)
        elif kind == 2:
            changed[at:at] = noise
        elif len(changed) > first + 40:
            del changed[at : at + len(noise) if kind == 3 else None]
            if kind == 4:
                changed += b"\xff\xd9"
    return bytes(changed)
