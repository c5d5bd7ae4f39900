"""Mean and deviation of each frequency, over as many files as there are, and the layer that takes them off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ...types import Coefficients

__all__ = ["BlockStatistics", "Normalised", "block_statistics"]


class BlockStatistics(NamedTuple):
    """Of one component's dequantised blocks, natural order.

    Attributes:
        mean: float64 [64], about −1024..1024.
        deviation: float64 [64], the population's.
        blocks: How many were seen.
    """

    mean: np.ndarray
    deviation: np.ndarray
    blocks: int


def block_statistics(batches: Iterable[Coefficients]) -> list[BlockStatistics]:
    """Of each component, over all batches; one is held at a time.

        source = Batches(Encoded("photos"), CoefficientBatch(size=224, subsampling="4:2:0"), rounds=1)
        luma, cb, cr = block_statistics(batch["coefficients"] for batch in source.stream(0, 64))

    batches: of one number of components; pictures may differ in size between batches. Sums are those of Chan, Golub and LeVeque
    ("Algorithms for computing the sample variance", The American Statistician 37(3), 1983), which lose nothing where means are
    large.

    Raises:
        ValueError: There are no batches, or they differ in their number of components.
    """
    counts: list[int] = []
    means: list[np.ndarray] = []
    squares: list[np.ndarray] = []
    for batch in batches:
        if not counts:
            counts = [0] * len(batch.planes)
            means, squares = ([np.zeros(64) for _ in counts] for _ in range(2))
        if len(batch.planes) != len(counts):
            raise ValueError(f"batches: one has {len(batch.planes)} components, those before {len(counts)}")
        for c, (plane, table) in enumerate(zip(batch.planes, batch.qtables, strict=True)):
            values = np.asarray(plane, np.float64) * np.asarray(table, np.float64).reshape(-1, 1, 1, 8, 8)
            rows = values.reshape(-1, 64)
            mean = rows.mean(0)
            total = counts[c] + len(rows)
            apart = mean - means[c]
            squares[c] += ((rows - mean) ** 2).sum(0) + apart**2 * counts[c] * len(rows) / total
            means[c] += apart * len(rows) / total
            counts[c] = total
    if not counts:
        raise ValueError("batches: there are none")
    return [
        BlockStatistics(mean, np.sqrt(square / count), count)
        for mean, square, count in zip(means, squares, counts, strict=True)
    ]


class Normalised(nnx.Module):
    """Each frequency less its mean, over its deviation: [N, R, C, 64] → the same. Nothing in it is trained.

    Args:
        statistics: Of the component.
        least: Deviation that a frequency counts as having at least: what training files hardly ever have would otherwise come
            out as hundreds where another file has it.
    """

    def __init__(self, statistics: BlockStatistics, least: float = 1.0) -> None:
        self.mean = nnx.BatchStat(jnp.asarray(statistics.mean, jnp.float32))
        self.scale = nnx.BatchStat(jnp.asarray(1 / np.maximum(statistics.deviation, least), jnp.float32))

    def __call__(self, blocks: jax.Array) -> jax.Array:
        return (blocks - self.mean[...]) * self.scale[...]
