"""Pairs of pictures made by formula, and what outside libraries measure between them.

    pip install piq==0.8.0 psnr_hvsm==0.3.0 && python tests/metric_oracles.py

prints the numbers that test_metrics_oracles.py keeps. The libraries get luma in float64, as grey, and PSNR-HVS whole blocks
alone. GMSD's deviation is the authors', over n - 1; piq has it over n. In HaarPSI piq's I and Q differ from the authors' in
the fourth digit.
"""

from __future__ import annotations

import numpy as np
from pictures import slopes, waves

__all__ = ["PAIRS"]

LUMA = np.array([0.299, 0.587, 0.114])


def _coarse(picture: np.ndarray) -> np.ndarray:
    """Blurred along rows and in steps of 20, uint8."""
    mixed = (2 * picture.astype(int) + np.roll(picture, 1, 1) + np.roll(picture, -1, 1)) // 4
    return np.clip(mixed // 20 * 20 + 9, 0, 255).astype(np.uint8)


def _drawn(height: int, width: int) -> np.ndarray:
    """White with black strokes and a flat red panel, uint8 [height, width, 3]."""
    y, x = np.mgrid[:height, :width]
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[(x * x // 40 + y * 3) % 17 < 3] = 0
    picture[height // 2 :, : width // 3] = (200, 30, 40)
    return picture


def _noisy(picture: np.ndarray, scale: float) -> np.ndarray:
    grain = np.random.default_rng(7).normal(0, scale, picture.shape)
    return np.clip(np.rint(picture + grain), 0, 255).astype(np.uint8)


_waves, _slopes, _drawing = waves(96, 128), slopes(75, 91), _drawn(64, 97)
PAIRS = {
    "waves, coarse": (_waves, _coarse(_waves)),
    "waves, a little noise": (_waves, _noisy(_waves, 2)),
    "slopes, noise": (_slopes, _noisy(_slopes, 12)),
    "drawing, coarse": (_drawing, _coarse(_drawing)),
    "drawing, noise": (_drawing, _noisy(_drawing, 5)),
    "waves, more contrast": (_waves, np.clip(1.4 * _waves - 51.0, 0, 255).astype(np.uint8)),
}
"""{name: (reference, image)}, uint8 [H, W, 3]."""


def _main() -> None:
    import piq
    import psnr_hvsm
    import torch

    for name, pair in PAIRS.items():
        luma = [picture @ LUMA for picture in pair]
        height, width = luma[0].shape
        hvs, hvs_m = psnr_hvsm.psnr_hvs_hvsm(*(y[: height // 8 * 8, : width // 8 * 8] / 255 for y in luma))
        grey = [torch.tensor(y)[None, None] for y in luma]
        colour = [torch.tensor(p.astype(float)).permute(2, 0, 1)[None] for p in pair]
        count = -(-height // 2) * -(-width // 2)
        values = {
            "psnr_hvs": hvs,
            "psnr_hvs_m": hvs_m,
            "gmsd": piq.gmsd(*grey, data_range=255) * (count / (count - 1)) ** 0.5,
            "haarpsi": piq.haarpsi(*colour, data_range=255),
            "vif": piq.vif_p(grey[1], grey[0], data_range=255),
        }
        print(f'    "{name}": {{{", ".join(f"""{key!r}: {float(value):.7g}""" for key, value in values.items())}}},')


if __name__ == "__main__":
    _main()
