"""subsampling="auto": full chroma where a picture has detail in it that halving would lose and its quality would show.

picture, step of luma ──▶ an exact inequality ──▶ "4:4:4" or "4:2:0", alike on both engines and any number of devices
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...annex_k import CHROMA_QUANTIZATION, LUMA_QUANTIZATION, quality_table
from ...kernels.detail import chroma_detail
from ...options import EncodeOptions
from ...run.threads import run_parallel, spare_cores
from .recipe import load_recipe

Importance = Sequence[np.ndarray | None] | None

__all__ = ["each_sampled", "fitting_sampling"]

_LEAST = 32
"""Detail a pixel, in `chroma_detail`'s units, that files of any quality may lose; and besides as much as a squared step of luma
and one of chroma. On training pictures, more of it costs more at 4:2:0 than the bits of full chroma in tuned files, by
SSIMULACRA2 and Butteraugli."""
_TUNED, _PLAIN = 2, 3
"""Halves of that; the tables of plain files spend more on full chroma."""
_TARGET_QUALITY = 75
_PART_PAIRS = 1 << 17


def _detail(image: np.ndarray) -> int:
    """`chroma_detail` by all threads that are free."""
    rows = image.shape[0] // 2
    parts = min(spare_cores(), max(1, rows * image.shape[1] // _PART_PAIRS))
    cuts = [i * rows // parts for i in range(parts + 1)]
    return sum(run_parallel(lambda part: chroma_detail(image, (cuts[part], cuts[part + 1])), range(parts)))


def fitting_sampling(image: np.ndarray, tables: Sequence[np.ndarray], tuned: bool) -> str:
    """ "4:4:4" or "4:2:0" for a picture, uint8 [H, W, 3], whose file has these tables of luma and chroma at 4:2:0, [64] each."""
    pixels = image.shape[0] * image.shape[1]
    bearable = _LEAST + sum(int(table[1]) * int(table[8]) for table in tables)
    detail = _detail(np.ascontiguousarray(image))
    return "4:4:4" if 2 * detail > (_TUNED if tuned else _PLAIN) * bearable * pixels else "4:2:0"


def _tables(options: EncodeOptions) -> Sequence[np.ndarray]:
    """Of luma and chroma, [64] each, by the options; files that are to reach a target are judged as those of quality 75."""
    if options.qtables is not None:
        return options.qtables[0], options.qtables[min(1, len(options.qtables) - 1)]
    targeted = options.target_bytes is not None or options.target_metric is not None
    both = options.quality if isinstance(options.quality, tuple) else (options.quality, options.quality)
    luma, chroma = (_TARGET_QUALITY, _TARGET_QUALITY) if targeted else both
    if options.tune:
        tune = options.tune if isinstance(options.tune, str) else "all"
        return load_recipe(tune, luma).steps[0], load_recipe(tune, chroma).steps[1]
    return quality_table(LUMA_QUANTIZATION, luma), quality_table(CHROMA_QUANTIZATION, chroma)


def _host(image: Any) -> np.ndarray:
    if isinstance(image, np.ndarray):
        return image
    import jax

    return np.asarray(jax.device_get(image))


def each_sampled(
    images: Sequence[Any],
    options: EncodeOptions,
    encode: Callable[[Sequence[Any], EncodeOptions, Importance], list[Any]],
    importance: Importance = None,
) -> list[Any]:
    """encode's results for pictures whose sampling the options leave to them: those of one sampling together.

    images: uint8, NumPy or JAX; what is not [H, W, 3] keeps its usual one, None. importance: None or of each image a map or
    None, which go along.
    """
    tables, tuned = _tables(options), bool(options.tune)
    chosen = [fitting_sampling(_host(image), tables, tuned) if image.shape[2:] == (3,) else None for image in images]
    results: list[Any] = [None] * len(images)
    for sampling in dict.fromkeys(chosen):
        numbers = [i for i, own in enumerate(chosen) if own == sampling]
        fixed = replace(options, subsampling=sampling)
        some = None if importance is None else [importance[i] for i in numbers]
        for i, result in zip(numbers, encode([images[i] for i in numbers], fixed, some), strict=True):
            results[i] = result
    return results
