"""A matrix as the product of two thin ones: truncated singular value decomposition.

Source: Denton et al. 2014, arXiv:1404.0736; the first of the stages of Ge et al. 2017.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

__all__ = ["Factors", "low_rank"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Factors:
    """left [prod(shape[:-1]), rank] and right [rank, shape[-1]], whose product is a kernel [..., outputs] of `shape`."""

    left: Any
    right: Any
    shape: tuple[int, ...] = field(metadata={"static": True})

    @property
    def rank(self) -> int:
        return int(self.left.shape[1])

    def dense(self) -> np.ndarray:
        """The product in left's dtype: summed in float64, one rank after the other, so that it is the same everywhere."""
        left, right = np.asarray(self.left, np.float64), np.asarray(self.right, np.float64)
        total = np.zeros((left.shape[0], right.shape[1]))
        for column, row in zip(left.T, right, strict=True):
            total += column[:, None] * row
        return total.astype(self.left.dtype).reshape(self.shape)


def low_rank(kernel: Any, *, rank: int | None = None, energy: float | None = None) -> Factors:
    """The nearest product of that rank in the sense of least squares (Eckart and Young 1936).

    Args:
        kernel: Floats [..., outputs], as Flax has the kernels of dense and convolution layers; flattened to a matrix.
        rank: 1..min of the matrix's sides; or
        energy: Share above 0 and up to 1 of the sum of squared singular values to keep at least: the least such rank.

    Returns:
        Two factors in the kernel's dtype, each with the square root of the singular values. They are fewer numbers than the
        kernel below rank m n / (m + n).

    Raises:
        ValueError: Not exactly one of rank and energy, one out of range, or a kernel of fewer than two dimensions.
    """
    array = np.asarray(kernel)
    if array.ndim < 2 or not array.size:
        raise ValueError(f"kernel: must have two dimensions or more and not be empty; its shape is {array.shape}")
    if (rank is None) == (energy is None):
        raise ValueError("give rank= or energy=, one of them")
    matrix = array.astype(np.float64).reshape(-1, array.shape[-1])
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    if energy is not None:
        if not 0 < energy <= 1:
            raise ValueError(f"energy={energy}: must be above 0 and at most 1")
        held = np.cumsum(values**2)
        rank = 1 + int(np.searchsorted(held, energy * held[-1] * (1 - 1e-12)))
    if rank is None or not 1 <= rank <= len(values):
        raise ValueError(f"rank={rank}: must be 1..{len(values)} for a matrix of {matrix.shape}")
    roots = np.sqrt(values[:rank])
    return Factors(
        (left[:, :rank] * roots).astype(array.dtype), (roots[:, None] * right[:rank]).astype(array.dtype), array.shape
    )
