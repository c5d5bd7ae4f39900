"""What SSD minimises: classes of anchors, of which most are background, and offsets of those that are not."""

from __future__ import annotations

import jax
import jax.numpy as jnp

__all__ = ["detection_loss", "hard_negatives"]


def hard_negatives(cost: jax.Array, positive: jax.Array, times: float = 3.0) -> jax.Array:
    """Which background anchors count: of each picture those that cost most, `times` as many as it has positives.

    cost: float [N, A]. positive: bool [N, A]. Result: bool [N, A], none of them positive.
    """
    ranks = jnp.argsort(jnp.argsort(-jnp.where(positive, -jnp.inf, cost), -1), -1)
    return (ranks < times * positive.sum(-1, keepdims=True)) & ~positive


def detection_loss(
    scores: jax.Array, offsets: jax.Array, classes: jax.Array, targets: jax.Array, times: float = 3.0
) -> tuple[jax.Array, jax.Array]:
    """(cross-entropy, smooth L1), each summed over the anchors that count and divided by the number of positives of the batch.

    Args:
        scores: float [N, A, K + 1], logits; class 0 is background.
        offsets: float [N, A, 4], predicted.
        classes: int32 [N, A], of `matched`.
        targets: float [N, A, 4], `offsets_of` their boxes; count where the class is not 0.
        times: Hard negatives to one positive.
    """
    positive = classes > 0
    cost = -jnp.take_along_axis(jax.nn.log_softmax(scores), classes[..., None], -1)[..., 0]
    counted = positive | hard_negatives(jax.lax.stop_gradient(cost), positive, times)
    count = jnp.maximum(positive.sum(), 1).astype(scores.dtype)
    away = jnp.abs(offsets - targets)
    away = jnp.where(away < 1, away**2 / 2, away - 0.5).sum(-1)
    return jnp.where(counted, cost, 0).sum() / count, jnp.where(positive, away, 0).sum() / count
