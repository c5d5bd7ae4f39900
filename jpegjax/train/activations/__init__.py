"""Training in less memory: activations wait for the reverse pass compressed, as JPEG-ACT has it (Evans et al. 2020).

codec    activations as bytes of a fixed number, and back
layers   layers around it: which of their gradients are exact
"""

from __future__ import annotations

from .codec import TABLES, Packed, compress, decompress, levels, nbytes
from .layers import Kept, jpeg_act, max_pool, relu, residual_nbytes

__all__ = [
    "TABLES", "Kept", "Packed", "compress", "decompress", "jpeg_act", "levels", "max_pool", "nbytes", "relu",
    "residual_nbytes",
]  # fmt: skip
