"""What can go wrong with a training, as types."""

from __future__ import annotations

from pathlib import Path

__all__ = ["EXTRAS", "OtherCheckpoint", "TrainingDiverged", "need_extra"]

EXTRAS = ("optax", "orbax", "grain")
"""Packages of the extra `train`, by the name they are imported by."""


class TrainingDiverged(RuntimeError):
    """The loss or a gradient is no finite number any more.

    Attributes:
        step: The first step, counted from 1, at which that was so.
        checkpoint: Folder of the newest good checkpoint, or None where there is none. Only states whose every number is
            finite are written, so that it is never replaced by a bad one.
    """

    step: int
    checkpoint: Path | None

    def __init__(self, step: int, checkpoint: Path | None) -> None:
        self.step, self.checkpoint = step, checkpoint
        kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "no checkpoint had been written before"
        super().__init__(
            f"step {step}: loss or gradient not finite; {kept}. Go on from there with a lower learning_rate, a lower clip or "
            "compute='float32'"
        )

    def __reduce__(self) -> tuple[type[TrainingDiverged], tuple[int, Path | None]]:
        return type(self), (self.step, self.checkpoint)


class OtherCheckpoint(ValueError):
    """A checkpoint that belongs to another model or optimiser than the one it is read for."""


def need_extra(missing: ModuleNotFoundError) -> ModuleNotFoundError:
    """The error to raise in place of that of an import: what is missing and how to get it."""
    return ModuleNotFoundError(f"training needs {missing.name}: pip install 'jpegjax[train]'", name=missing.name)
