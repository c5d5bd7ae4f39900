"""Networks as small files: Ge et al. 2017, after Han, Mao and Dally 2016, "Deep Compression" (arXiv:1510.00149).

    trained model ──▶ low_rank ──▶ Pruned under `train.fit` ──▶ kmeans or linear ──▶ Shared under `train.fit` ──▶ pack ──▶ bytes
                      factors      fewer weights                few values           the few values trained       exact

Each stage may be left out: `pack` takes any tree of arrays and gives it back bit for bit; what zeros and few values there are
it finds itself. `allocation` says which layer may lose how much. `channels` takes whole channels out, so that layers get smaller.
"""

from __future__ import annotations

from .allocation import Choice, allocate, sensitivities
from .channels import Place, importance, kept, sliced
from .codebooks import Clustered, kmeans, linear
from .factors import Factors, low_rank
from .file import Entry, contents, is_packed, pack, restore_into, shown, unpack
from .pruning import cubic_density, magnitude_mask
from .tied import Pruned, Shared, kernels, named

__all__ = [
    "Choice", "Clustered", "Entry", "Factors", "Place", "Pruned", "Shared", "allocate", "contents", "cubic_density",
    "importance", "is_packed", "kept", "kernels", "kmeans", "linear", "low_rank", "magnitude_mask", "named", "pack",
    "restore_into", "sensitivities", "shown", "sliced", "unpack",
]  # fmt: skip
