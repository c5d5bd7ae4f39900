"""Chen's classifier: a support vector machine on 324 Markov features, one for each pair of qualities.

Each patch gives two files, once and twice compressed. Pictures are split, a third of them for the test, so that no patch of a
test picture is trained on; three splits. Features are scaled to unit deviation; the kernel is radial, its C found in the training
part alone. Needs scikit-learn: `pip install 'jpegjax[forensics]'`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import jpegjax
from jpegjax.forensics import markov_features

from .pictures import Patches, again
from .samples import parallel

__all__ = ["COSTS", "SPLITS", "accuracies", "features"]

SPLITS = 3
COSTS = (1.0, 10.0)


def _machine(cost: float) -> Any:
    try:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the support vector machine needs {error.name}: pip install 'jpegjax[forensics]'", name=error.name
        ) from None
    return make_pipeline(StandardScaler(), SVC(C=cost, gamma="scale"))


def _features(given: tuple[np.ndarray, int | None, int]) -> np.ndarray:
    return markov_features(jpegjax.read_coefficients(again(*given)).planes[0][0]).astype(np.float32)


def features(patches: Patches, first: int | None, second: int) -> np.ndarray:
    """float32 [N, 324] of patches compressed twice, or once where first is None."""
    return np.stack(parallel(_features, [(pixels, first, second) for pixels in patches.pixels], 64))


def _split(of: np.ndarray, seed: int, share: float) -> np.ndarray:
    """Which patches are held out: those of a share of the pictures."""
    pictures = np.unique(of)
    held = np.random.default_rng(seed).permutation(pictures)[: round(share * len(pictures))]
    return np.isin(of, held)


def _right(train: np.ndarray, test: np.ndarray, x: np.ndarray, y: np.ndarray, cost: float) -> float:
    machine = _machine(cost).fit(x[train], y[train])
    return float((machine.predict(x[test]) == y[test]).mean())


def accuracies(once: np.ndarray, twice: np.ndarray, of: np.ndarray, splits: int = SPLITS) -> list[float]:
    """Balanced accuracy of each split.

    once, twice: features [N, 324] of the same patches; of: their pictures.
    """
    x, y, pictures = np.concatenate([once, twice]), np.repeat([0, 1], len(of)), np.tile(of, 2)
    found = []
    for seed in range(splits):
        test = _split(pictures, seed, 1 / 3)
        inner = ~test & _split(pictures, seed + 1000, 0.3)
        costs = [_right(~test & ~inner, inner, x, y, cost) for cost in COSTS]
        found.append(_right(~test, test, x, y, COSTS[int(np.argmax(costs))]))
    return found
