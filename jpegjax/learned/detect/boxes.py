"""Boxes and anchors. A box is (left, top, right, bottom) in pixels, float32, the right and lower ends outside.

    maps' places ─▶ anchors ─┬─▶ match with true boxes ─▶ class and offsets of each anchor: what is learned
                             └─▶ predicted offsets ─▶ boxes ─▶ suppress doubles ─▶ what is found

Numbers and rules are SSD's: offsets over the anchor's size and 0.1, 0.2; IoU of 0.5 to match; of 0.45 to suppress.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ...types import Array

__all__ = ["anchors", "boxes_of", "iou", "matched", "offsets_of", "suppressed"]

_VARIANCES = 0.1, 0.1, 0.2, 0.2
"""Of offsets of centres and of logarithms of sizes: what makes them about 1."""
_LARGEST = 4.0
"""Logarithm of a predicted size over its anchor's at most, against overflow."""


def anchors(rows: int, columns: int, step: float, sizes: Sequence[tuple[float, float]]) -> np.ndarray:
    """Boxes around the middles of a map's places: float32 [rows·columns·len(sizes), 4], by row, column and size.

    step: pixels from one place to the next. sizes: (width, height) in pixels of those at each place.
    """
    middles = (np.mgrid[:rows, :columns].transpose(1, 2, 0)[:, :, None] + 0.5) * step
    half = np.asarray(sizes, np.float64)[None, None, :, ::-1] / 2
    corners = np.concatenate([(middles - half)[..., ::-1], (middles + half)[..., ::-1]], -1)
    return corners.reshape(-1, 4).astype(np.float32)


def iou(a: Array, b: Array) -> jax.Array:
    """Intersection over union of each box [n, 4] with each [m, 4]: float32 [n, m], 0..1; 0 for boxes without area."""
    a, b = jnp.asarray(a)[:, None], jnp.asarray(b)[None]
    inner = jnp.maximum(jnp.minimum(a[..., 2:], b[..., 2:]) - jnp.maximum(a[..., :2], b[..., :2]), 0).prod(-1)
    areas = [jnp.maximum(x[..., 2:] - x[..., :2], 0).prod(-1) for x in (a, b)]
    whole = areas[0] + areas[1] - inner
    return jnp.where(whole > 0, inner / jnp.where(whole > 0, whole, 1), 0)


def _centred(boxes: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(centres, sizes), [..., 2] each."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]


def offsets_of(boxes: Array, places: Array) -> jax.Array:
    """What leads from anchors to boxes, both [..., 4]: (Δx/w, Δy/h)/0.1 and ln(w'/w), ln(h'/h) over 0.2. Inverse: `boxes_of`.

    Boxes have an area.
    """
    (centre, size), (middle, extent) = (_centred(jnp.asarray(x)) for x in (boxes, places))
    found = jnp.concatenate([(centre - middle) / extent, jnp.log(size / extent)], -1)
    return found / jnp.asarray(_VARIANCES, found.dtype)


def boxes_of(offsets: Array, places: Array) -> jax.Array:
    """Boxes [..., 4] of offsets to anchors, both [..., 4]."""
    middle, extent = _centred(jnp.asarray(places))
    scaled = jnp.asarray(offsets) * jnp.asarray(_VARIANCES, jnp.result_type(offsets))
    centre = middle + scaled[..., :2] * extent
    half = extent * jnp.exp(jnp.minimum(scaled[..., 2:], _LARGEST)) / 2
    return jnp.concatenate([centre - half, centre + half], -1)


def matched(places: Array, boxes: Array, classes: Array, least: float = 0.5) -> tuple[jax.Array, jax.Array]:
    """What each anchor stands for: (class int32 [A], box float32 [A, 4]).

    The box that it overlaps most, if by at least `least`; and the anchor that overlaps a box most stands for that box anyway, the
    last of several boxes. Class 0 is none; its box is the anchor itself, whose offsets are zero.

    Args:
        places: Anchors [A, 4].
        boxes: True ones [M, 4]; may be any where the class is 0.
        classes: int32 [M], from 1; 0 fills up.
        least: IoU.
    """
    places, boxes, classes = jnp.asarray(places), jnp.asarray(boxes), jnp.asarray(classes)
    real = classes > 0
    overlap = jnp.where(real[None], iou(places, boxes), -1.0)
    best, most = overlap.argmax(1), overlap.max(1)
    # a true box's own anchor; boxes that fill up write beyond the end, which drops them
    own = jnp.where(real, overlap.argmax(0), len(places))
    best = best.at[own].set(jnp.arange(len(boxes)), mode="drop")
    most = most.at[own].set(1.0, mode="drop")
    is_one = most >= least
    return jnp.where(is_one, classes[best], 0), jnp.where(is_one[:, None], boxes[best], places)


def suppressed(boxes: np.ndarray, scores: np.ndarray, most: float = 0.45, count: int = 200) -> np.ndarray:
    """Which boxes stay: numbers of at most `count`, by falling score, none of which overlaps one before it by more than `most`.

    boxes: [n, 4]. scores: [n]. Greedy non-maximum suppression, on the host.
    """
    order = np.argsort(-scores, kind="stable")
    left, top, right, bottom = boxes[order].T.astype(np.float64)
    area = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    alive, kept = np.ones(len(order), bool), []
    for i in range(len(order)):
        if not alive[i]:
            continue
        kept.append(order[i])
        if len(kept) == count:
            break
        wide = np.minimum(right[i], right[i + 1 :]) - np.maximum(left[i], left[i + 1 :])
        high = np.minimum(bottom[i], bottom[i + 1 :]) - np.maximum(top[i], top[i + 1 :])
        inner = np.maximum(wide, 0) * np.maximum(high, 0)
        alive[i + 1 :] &= inner <= most * (area[i] + area[i + 1 :] - inner)
    return np.array(kept, np.int64)
