"""The network whose class maps say where things are: a trunk, a linear and a depthwise layer, a map a class, their means.

Prakash et al. 2017, section 3, at a size that a CPU trains in minutes: two halvings in place of four, ten classes.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from PIL import Image

from experiments.pistono.networks import UNIT, Convolution, halved
from jpegjax.learned.layers.dense import depthwise

__all__ = ["MapNet", "saliency"]

CLASSES = 10
_TOP = 5
_SCALES = (4, 6, 8)
"""How much smaller a photograph is than the one before the network, whose training pictures have 32 pixels a side."""


class MapNet(nnx.Module):
    """(pixels less 128 [N, H, W, 3],), H and W multiples of 4 → scores [N, 10]; `maps` are what these are means of."""

    def __init__(self, width: int = 24, *, rngs: nnx.Rngs) -> None:
        w = width
        self.trunk = nnx.List([Convolution(a, b, rngs=rngs) for a, b in ((3, w), (w, 2 * w), (2 * w, 4 * w))])
        self.linear = Convolution(4 * w, 4 * w, active=False, rngs=rngs)
        self.depthwise = nnx.Param(nnx.initializers.normal(1 / 3)(rngs.params(), (9, 4 * w)))
        self.wide = nnx.Conv(4 * w, 8 * w, (1, 1), rngs=rngs)
        self.classes = nnx.Conv(8 * w, CLASSES, (1, 1), rngs=rngs)

    def maps(self, x: jax.Array) -> jax.Array:
        """[N, H/4, W/4, 10] of pixels less 128."""
        x = x / UNIT
        for layer in self.trunk[:-1]:
            x = halved(layer(x))
        x = depthwise(self.linear(self.trunk[-1](x)), self.depthwise[...])
        return self.classes(jax.nn.relu(self.wide(x)))

    def __call__(self, found: tuple[jax.Array, ...]) -> jax.Array:
        return self.maps(found[0]).mean((1, 2))


@nnx.jit
def _maps(model: MapNet, pixels: jax.Array) -> jax.Array:
    return model.maps(pixels[None].astype(jnp.float32) - 128)[0]


def saliency(model: MapNet, picture: np.ndarray) -> np.ndarray:
    """Where the subject is: float32 [H, W] in 0..1, of a picture uint8 [H, W, 3].

    At each of three scales the five likeliest classes' maps, what is above 0, count by rank: 1, 1/2, … 1/16; then the sum.
    """
    model.eval()
    height, width = picture.shape[:2]
    total = np.zeros((height, width), np.float64)
    for scale in _SCALES:
        size = (max(4 * round(width / scale / 4), 8), max(4 * round(height / scale / 4), 8))
        found = np.asarray(
            _maps(model, jnp.asarray(np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))))
        )
        order = np.argsort(-found.mean((0, 1)))[:_TOP]
        own = sum(2.0**-rank * np.maximum(found[..., k], 0) for rank, k in enumerate(order))
        large = Image.fromarray(np.asarray(own, np.float32)).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(large) / max(float(np.max(own)), 1e-6)
    total -= total.min()
    return (total / max(total.max(), 1e-9)).astype(np.float32)
