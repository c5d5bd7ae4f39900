"""The typical tables of T.81 Annex K, and the IJG quality scale on them."""

from __future__ import annotations

import numpy as np

from .types import HuffmanSpec

__all__ = [
    "CHROMA_QUANTIZATION",
    "LUMA_QUANTIZATION",
    "STANDARD_AC_CHROMA",
    "STANDARD_AC_LUMA",
    "STANDARD_DC_CHROMA",
    "STANDARD_DC_LUMA",
    "quality_scale",
    "quality_table",
]


def _fixed(rows: list[int]) -> np.ndarray:
    table = np.array(rows, np.uint16)
    table.flags.writeable = False
    return table


LUMA_QUANTIZATION = _fixed(
    [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
     14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
     49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99]
)  # fmt: skip
"""T.81 table K.1: uint16 [64], natural order, read-only."""

CHROMA_QUANTIZATION = _fixed(
    [17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
     47, 66, 99, 99, 99, 99, 99, 99] + [99] * 32
)  # fmt: skip
"""T.81 table K.2: uint16 [64], natural order, read-only."""

STANDARD_DC_LUMA = HuffmanSpec(bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]), bytes(range(12)))
"""T.81 table K.3."""

STANDARD_DC_CHROMA = HuffmanSpec(bytes([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]), bytes(range(12)))
"""T.81 table K.4."""

STANDARD_AC_LUMA = HuffmanSpec(
    bytes([0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125]),
    bytes.fromhex(
        "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738"
        "393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5"
        "a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
    ),
)
"""T.81 table K.5."""

STANDARD_AC_CHROMA = HuffmanSpec(
    bytes([0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119]),
    bytes.fromhex(
        "0001020311040521310612415107617113223281081442"
        "91a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455565758595a63646566"
        "6768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8"
        "c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
    ),
)
"""T.81 table K.6."""


def quality_scale(quality: int) -> int:
    """IJG table scale in percent (Annex K = 100). quality: integer, clipped to 1..100."""
    quality = min(max(quality, 1), 100)
    return 5000 // quality if quality < 50 else 200 - 2 * quality


def quality_table(base: np.ndarray, quality: int, baseline: bool = True) -> np.ndarray:
    """Quantisation table of an IJG quality: uint16 [64] in natural order, like `base`.

    quality: integer, clipped to 1..100. Steps are clipped to 1..255 when `baseline`, else to 1..32767.
    """
    steps = (base.astype(np.int64) * quality_scale(quality) + 50) // 100
    return np.clip(steps, 1, 255 if baseline else 32_767).astype(np.uint16)
