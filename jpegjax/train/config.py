"""What a training is asked for: one frozen dataclass, validated when it is made."""

import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from ..options.checks import Check, Option, check_flag, check_options, choice, integer

__all__ = ["FitConfig", "Rule"]

_MOST = 1 << 31

Rule = tuple[str, tuple[str | None, ...]]
"""(regular expression searched in a parameter's path such as "encoder/first/kernel", mesh axis or None of each dimension)."""

AXES = ("data", "model")
"""Axes of the mesh: batches are cut along the first; parameters along either, by rule."""


def _number(low: float, high: float, open_low: bool = False, open_high: bool = False) -> Check:
    """The check of a finite number low..high, the ends left out where said."""

    def check(name: str, value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"{name}={value!r}: must be a number, not {type(value).__name__}") from None
        below = number <= low if open_low else number < low
        above = number >= high if open_high else number > high
        if not math.isfinite(number) or below or above:
            ends = f"above {low:g}" if open_low else f"at least {low:g}"
            upper = "" if math.isinf(high) else f" and {'below' if open_high else 'at most'} {high:g}"
            raise ValueError(f"{name}={number:g}: must be {ends}{upper}")
        return number

    return check


def _optional(check: Check) -> Check:
    return lambda name, value: None if value is None else check(name, value)


def _pattern(name: str, value: Any) -> str:
    try:
        re.compile(value)
    except (re.error, TypeError) as error:
        raise ValueError(f"{name}={value!r}: no regular expression: {error}") from None
    return str(value)


def _paces(name: str, value: Any) -> tuple[tuple[str, float], ...]:
    try:
        pairs = [(pattern, pace) for pattern, pace in value]
    except (TypeError, ValueError):
        raise TypeError(f"{name}={value!r}: must be pairs (pattern, share of the learning rate)") from None
    return tuple((_pattern(name, pattern), _number(0, 1000)(name, pace)) for pattern, pace in pairs)


def _rules(name: str, value: Any) -> int | tuple[Rule, ...]:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(integer(1, 1 << 62)(name, value))
    try:
        pairs = [(pattern, tuple(axes)) for pattern, axes in value]
    except (TypeError, ValueError):
        raise TypeError(f"{name}={value!r}: must be a number of elements or pairs (pattern, axes)") from None
    rules = tuple((_pattern(name, pattern), axes) for pattern, axes in pairs)
    for pattern, axes in rules:
        unknown = [axis for axis in axes if axis is not None and axis not in AXES]
        if unknown:
            raise ValueError(f"{name}: {pattern!r} names axis {unknown[0]!r}; there are: {', '.join(AXES)}, None")
    return rules


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How `fit` trains. Each field with its meaning below; wrong values raise TypeError or ValueError naming the field.

    A step has number 1 for the first update; "every n steps" is after steps n, 2n, …, and also after the last.
    """

    steps: Annotated[int, Option("Updates in all, those before a resumption counted.", integer(1, _MOST))]
    batch: Annotated[int, Option("Samples a step, over all devices together.", integer(1, _MOST))] = 8
    optimizer: Annotated[
        Literal["adamw", "momentum"],
        Option("AdamW, or plain gradients with a momentum of 0.9.", choice(("adamw", "momentum"))),
    ] = "adamw"
    learning_rate: Annotated[float, Option("Highest learning rate.", _number(0, math.inf, open_low=True))] = 1e-3
    schedule: Annotated[
        Literal["cosine", "constant"],
        Option("After the warm-up: a half cosine down to final_rate, or constant.", choice(("cosine", "constant"))),
    ] = "cosine"
    warmup: Annotated[int, Option("Steps in which the rate rises linearly from 0.", integer(0, _MOST))] = 0
    final_rate: Annotated[
        float, Option("Rate at the end of the cosine, as a share 0..1 of the highest.", _number(0, 1))
    ] = 0.0
    paces: Annotated[
        tuple[tuple[str, float], ...],
        Option(
            "Pairs (pattern, share): parameters whose path has the pattern learn at that share of the rate.", _paces
        ),
    ] = ()
    weight_decay: Annotated[
        float, Option("AdamW's decay of parameters of two or more dimensions.", _number(0, math.inf))
    ] = 0.0
    clip: Annotated[
        float | None,
        Option("Largest global norm of a gradient, None for any.", _optional(_number(0, math.inf, open_low=True))),
    ] = 1.0
    ema: Annotated[
        float,
        Option("Decay of the average of the weights that is evaluated; 0 for none.", _number(0, 1, open_high=True)),
    ] = 0.999
    seed: Annotated[int, Option("Of the random keys that the loss gets.", integer(0, _MOST - 1))] = 0
    folder: Annotated[
        Path | None,
        Option(
            "Run folder of checkpoints, logs and sample pictures; None for none.",
            lambda _, f: None if f is None else Path(f),
        ),
    ] = None
    checkpoint_every: Annotated[int, Option("Steps from one checkpoint to the next.", integer(1, _MOST))] = 1000
    keep: Annotated[int, Option("Newest checkpoints kept, beside the best.", integer(1, 1000))] = 2
    log_every: Annotated[int, Option("Steps from one line of the log to the next.", integer(1, _MOST))] = 100
    evaluate_every: Annotated[int, Option("Steps from one evaluation to the next.", integer(1, _MOST))] = 1000
    best: Annotated[
        str | None, Option("Name of the evaluated number whose best checkpoint is kept, None for no best.")
    ] = None
    best_is: Annotated[Literal["lowest", "highest"], Option("Which one is best.", choice(("lowest", "highest")))] = (
        "lowest"
    )
    max_seconds: Annotated[
        float | None,
        Option(
            "Write a checkpoint and stop after so many seconds; None for no limit.",
            _optional(_number(0, math.inf, open_low=True)),
        ),
    ] = None
    stop_at: Annotated[
        int | None,
        Option(
            "Write a checkpoint and stop after this step, the schedule as for all steps; None for none. So a training goes on "
            "in the same folder with another loss.",
            _optional(integer(1, _MOST)),
        ),
    ] = None
    devices: Annotated[int | None, Option("Devices to use, None for all.", _optional(integer(1, 1 << 20)))] = None
    model_parallel: Annotated[
        int, Option("Length of the mesh axis 'model'; the other devices form the axis 'data'.", integer(1, 1 << 20))
    ] = 1
    sharding: Annotated[
        int | tuple[Rule, ...],
        Option(
            "Which parameters are cut over devices: pairs (pattern, axes), the first that matches a path counts; or a number "
            "of elements from which on a parameter is cut along its longest dimension over 'data'.",
            _rules,
        ),
    ] = ()
    compute: Annotated[
        Literal["float32", "bfloat16"],
        Option(
            "What the loss gets its floating parameters in; master weights, gradients and averages stay float32.",
            choice(("float32", "bfloat16")),
        ),
    ] = "float32"
    stay_float32: Annotated[
        str, Option("With bfloat16: parameters whose path has this pattern stay float32.", _pattern)
    ] = ""
    progress: Annotated[bool, Option("Print a line at every step that is logged.", check_flag)] = True

    def __post_init__(self) -> None:
        check_options(self)
        if self.warmup >= self.steps and self.schedule == "cosine":
            raise ValueError(f"warmup={self.warmup}: must be below steps={self.steps}")
        if self.weight_decay and self.optimizer != "adamw":
            raise ValueError(f"weight_decay={self.weight_decay:g}: only optimizer='adamw' has it")
        if self.stay_float32 and self.compute == "float32":
            raise ValueError(f"stay_float32={self.stay_float32!r}: only compute='bfloat16' has exceptions")

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them, for the log."""
        return {**asdict(self), "folder": None if self.folder is None else str(self.folder)}
