"""How many bytes each layer may have: where one saved hurts least, it is saved first.

settings of each layer (rank, bits, density) ──▶ sensitivities: damage of each alone ──▶ allocate: one setting a layer
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

__all__ = ["Choice", "allocate", "sensitivities"]

Setting = TypeVar("Setting")


class Choice(NamedTuple):
    """What a layer costs and does under a setting. damage: what the loss grows by when this layer alone is so coded."""

    nbytes: int
    damage: float


def sensitivities(
    layers: Mapping[str, Sequence[Setting]], measure: Callable[[str, Setting], tuple[int, float]], base: float
) -> dict[str, list[Choice]]:
    """Each layer's choices, in the order of its settings.

    Args:
        layers: The settings of each layer.
        measure: (layer, setting) -> (bytes of the layer, loss of the model with this layer alone so coded).
        base: Loss of the model as it is.
    """
    return {
        name: [Choice(nbytes, loss - base) for nbytes, loss in (measure(name, setting) for setting in settings)]
        for name, settings in layers.items()
    }


def allocate(choices: Mapping[str, Sequence[Choice]], budget: int) -> dict[str, int]:
    """One choice a layer, of little damage in sum, within a budget: greedy over the lower convex hull of each layer.

    Begins with the least damage everywhere; the layer that saves most bytes for a unit of damage steps down its hull, until
    the budget is met. With damages that add up, no choice of so many bytes or fewer has less damage than what stands after
    each step (Shoham and Gersho 1988); the last step may save more than was needed.

    Args:
        choices: Of each layer, one or more, in any order.
        budget: Bytes of all layers together.

    Returns:
        Of each layer the place of its choice.

    Raises:
        ValueError: The smallest choices together exceed the budget, or a layer has none.
    """
    hulls = {name: _hull(name, found) for name, found in choices.items()}
    at = dict.fromkeys(hulls, 0)
    used = sum(choices[name][hull[0]].nbytes for name, hull in hulls.items())
    least = sum(choices[name][hull[-1]].nbytes for name, hull in hulls.items())
    if least > budget:
        raise ValueError(f"budget={budget}: the smallest choices have {least} bytes")
    while used > budget:
        steps = [
            (_slope(choices[name][hull[at[name]]], choices[name][hull[at[name] + 1]]), name)
            for name, hull in hulls.items()
            if at[name] + 1 < len(hull)
        ]
        name = min(steps)[1]
        before, after = (choices[name][hulls[name][at[name] + k]] for k in (0, 1))
        used += after.nbytes - before.nbytes
        at[name] += 1
    return {name: hulls[name][place] for name, place in at.items()}


def _slope(large: Choice, small: Choice) -> float:
    """Damage for each byte saved."""
    return (small.damage - large.damage) / (large.nbytes - small.nbytes)


def _hull(name: str, found: Sequence[Choice]) -> list[int]:
    """Places of the choices on the lower convex hull of damage over bytes, from the least damage to the fewest bytes."""
    if not found:
        raise ValueError(f"{name}: there is nothing to choose from")
    order = sorted(range(len(found)), key=lambda i: (found[i].damage, found[i].nbytes))
    hull = [order[0]]
    for place in order[1:]:
        if found[place].nbytes >= found[hull[-1]].nbytes:
            continue
        while len(hull) > 1 and _slope(found[hull[-2]], found[hull[-1]]) >= _slope(found[hull[-1]], found[place]):
            hull.pop()
        hull.append(place)
    return hull
