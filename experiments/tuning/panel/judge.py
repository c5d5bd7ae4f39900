"""All of a panel's scores of a picture, the reference's side computed once."""

from __future__ import annotations

import math

import numpy as np

from ..fast import Reference
from .butteraugli import Butteraugli
from .features import Features
from .structure import Panel

__all__ = ["Judge"]


class Judge:
    """A picture, uint8 [H, W, 3], each side at least 176, that files of it are judged by.

    SSIMULACRA2 is `jpegjax.metrics`', whose rounding is libjxl's: on text it counts up to a point above 90. The others are the
    fast twins, which tests hold to `jpegjax.metrics`.
    """

    def __init__(self, reference: np.ndarray):
        from jpegjax.metrics import ssimulacra2_reference

        self._image = reference
        self._kept = ssimulacra2_reference(reference)
        self._luma, self._features = Reference(reference), Features(reference)
        self._butteraugli, self._panel = Butteraugli(reference), Panel(reference)

    def scores(self, image: np.ndarray) -> dict[str, float]:
        """By the names of `rates.METRICS`, as the metrics give them."""
        from jpegjax.metrics import ssimulacra2

        top, three = self._butteraugli.scores(image)
        error = np.square(self._image.astype(np.int32) - image).mean()
        return {
            "ssimulacra2": float(ssimulacra2(self._kept, image)),
            "butteraugli_3": three,
            "butteraugli_max": top,
            **self._panel.scores(image),
            "fsimc": self._features.score(image),
            "ms_ssim": self._luma.ms_ssim(image),
            "psnr": 10 * math.log10(255**2 / error) if error else math.inf,
        }
