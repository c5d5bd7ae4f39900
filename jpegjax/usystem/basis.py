"""Orthonormal systems of piecewise polynomials on N = 2^m samples: U-systems and V-systems, and the DCT beside them.

Both begin with the k+1 discrete Legendre polynomials and the generators: polynomials of degree k on either half, jump first,
orthogonal to what is before them. The generators of the halves are then copied to the whole. The V-system leaves a copy
where it is (k = 0: Haar's functions); the U-system takes the sum and the difference of a copy and its mirror image (k = 0:
Walsh's, up to signs and order). So both span the same spaces, level by level, of polynomials on 2^j dyadic pieces.

A piece of n samples holds no more than n independent polynomials: where n <= k the pieces are whole already, and the finest
level has the fewer generators that are left. So every N = 2^m has its basis, whether or not k+1 divides it.

D. Qi, Y. Feng, On the convergence of Fourier-U series, 1983; R. Song, X. Ma, D. Qi, On the orthogonal complete V-system, 2007.
"""

from __future__ import annotations

from functools import cache

import numpy as np

__all__ = ["KINDS", "MAX_DEGREE", "kind_basis", "levels_of", "system"]

MAX_DEGREE = 3
KINDS = ("dct", "u1", "u2", "u3", "v1", "v2", "v3")
"""Names of the bases that a block may take, by their numbers in files: U and V of a degree."""

_NOTHING = 1e-9
"""Norm below which what Gram–Schmidt leaves of a unit vector is rounding."""


def _orthonormal(candidates: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Gram–Schmidt, twice over: rows [m, n] made orthonormal to `before` [l, n] and each other; zeros are dropped."""
    rows = list(before)
    for row in candidates:
        row = row / np.linalg.norm(row)
        for _ in range(2):
            for other in rows:
                row = row - (row @ other) * other
        norm = np.linalg.norm(row)
        if norm > _NOTHING:
            rows.append(row / norm)
    return np.array(rows[len(before) :]).reshape(-1, candidates.shape[1])


def _powers(n: int, degree: int) -> np.ndarray:
    """Rows 1, t, …, t^degree at the centres of n cells of [-1, 1]; as many as are independent there."""
    centres = (2 * np.arange(n) + 1 - n) / n
    return centres ** np.arange(min(degree, n - 1) + 1)[:, None]


@cache
def _parts(n: int, degree: int, local: bool) -> tuple[np.ndarray, ...]:
    """The system's rows by level: polynomials, generators, then copies."""
    first = _orthonormal(_powers(n, degree), np.empty((0, n)))
    if len(first) == n:
        return (first,)
    side = np.where(np.arange(n) < n // 2, -1.0, 1.0)
    generators = _orthonormal(side * _powers(n, degree), first)
    parts = [first, generators]
    for level, half in enumerate(_parts(n // 2, degree, local)[1:]):
        if local:
            zero = np.zeros_like(half)
            pieces = (np.concatenate([half, zero], 1), np.concatenate([zero, half], 1))
            # each generator's copies from left to right
            copies = np.stack([x.reshape(-1, 1 << level, n) for x in pieces], 1).reshape(-1, n)
        else:
            pieces = (np.concatenate([half, half[:, ::-1]], 1), np.concatenate([half, -half[:, ::-1]], 1))
            copies = np.stack(pieces, 1).reshape(-1, n) / np.sqrt(2)
        parts.append(copies)
    return tuple(parts)


def _check(n: int, degree: int) -> None:
    if n < 1 or n & (n - 1):
        raise ValueError(f"n={n}: must be a power of two")
    if not 0 <= degree <= MAX_DEGREE:
        raise ValueError(f"degree={degree}: must be 0..{MAX_DEGREE}")


def system(n: int, degree: int, local: bool = False) -> np.ndarray:
    """The U-system, or with `local` the V-system, of a degree 0..3 on n samples: float64 [n, n], rows orthonormal, coarse first.

    ValueError where n is no power of two, or for other degrees.
    """
    _check(n, degree)
    return np.concatenate(_parts(n, degree, local))


def levels_of(n: int, degree: int) -> list[int]:
    """How many rows of `system` there are of each level: the first j+1 span the polynomials on 2^j pieces."""
    _check(n, degree)
    return [len(part) for part in _parts(n, degree, True)]


def _cosines(n: int) -> np.ndarray:
    """The orthonormal DCT-II, rows by frequency."""
    rows = np.cos(np.pi * np.arange(n)[:, None] * (2 * np.arange(n) + 1) / (2 * n))
    rows[0] /= np.sqrt(2)
    return rows * np.sqrt(2 / n)


def kind_basis(kind: str, n: int) -> np.ndarray:
    """The basis of one of KINDS on n samples: float64 [n, n], rows orthonormal; row 0 is constant."""
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}: must be one of {', '.join(KINDS)}")
    return _cosines(n) if kind == "dct" else system(n, int(kind[1]), kind[0] == "v")
