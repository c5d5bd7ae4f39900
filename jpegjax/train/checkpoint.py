"""Checkpoints of a training's state, with Orbax: whole or not at all, on any number of devices.

The state is written as a flat mapping from paths ("params/encoder/0/kernel", "average/…", "moments/…", "step") to
arrays, so that a reader needs neither the optimiser nor the mesh that wrote it. Beside it stands a JSON object: where the
data was, what the evaluation said.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from flax import nnx
from orbax.checkpoint import v1 as ocp

from .config import FitConfig
from .failures import OtherCheckpoint
from .shard import copied, names
from .state import joined, parted

__all__ = ["Checkpoints", "restore_weights"]

FOLDER = "checkpoints"
_SCORE = "score"


class Checkpoints:
    """The checkpoints in a run folder: the newest few, and the best. To be closed; used alike by all processes."""

    def __init__(self, config: FitConfig) -> None:
        assert config.folder is not None
        kinds = ocp.training.preservation_policies
        sign = 1 if config.best_is == "lowest" else -1
        best = kinds.BestN(
            get_metric_fn=lambda metrics: sign * metrics[_SCORE],
            reverse=True,
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        self._files = ocp.training.Checkpointer(
            (config.folder / FOLDER).absolute(),
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=kinds.AnyPreservationPolicy([kinds.LatestN(config.keep), best]),
            cleanup_tmp_directories=True,
        )
        self._best = config.best
        self._pending: Any = None

    @property
    def latest(self) -> int | None:
        """Step of the newest complete checkpoint."""
        self.wait()
        found = self._files.latest
        return None if found is None else int(found.step)

    def path(self, step: int) -> Path:
        return Path(self._files.directory) / str(step)

    def save(self, step: int, state: Any, about: dict[str, Any], evaluation: Mapping[str, float] | None) -> None:
        """Begin to write a state, which is copied first; its arrays may be donated at once.

        evaluation: what was found at this very step; it competes for the best if the config says by what.
        """
        self.wait()
        score = None if self._best is None or evaluation is None else {_SCORE: evaluation[self._best]}
        self._pending = self._files.save_async(
            step, copied(_flat(state)), metrics=score, custom_metadata=about, force=True
        )

    def wait(self) -> None:
        """Until the checkpoint that is being written is complete; raises what went wrong with it."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def load(self, step: int, state: Any, shardings: Any) -> tuple[Any, dict[str, Any]]:
        """The state of a checkpoint, sharded as said, and what was written beside it.

        Args:
            state: Pytree of what is wanted, for its structure, shapes and dtypes.
            shardings: A sharding for each of its leaves.

        Raises:
            OtherCheckpoint: A leaf is missing, or has another shape or dtype, or there are more; the first is named.
        """
        found = self._files.metadata(step)
        wanted = _flat(state)
        _compare(found.metadata, wanted, self.path(step))
        placed = dict(zip(wanted, jax.tree.leaves(shardings), strict=True))
        shapes = {n: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=placed[n]) for n, x in wanted.items()}
        return _unflat(self._files.load(step, shapes), state), found.custom_metadata or {}

    def close(self) -> None:
        self.wait()
        self._files.close()


def restore_weights(folder: str | Path, model: nnx.Module, step: int | None = None, average: bool = True) -> Any:
    """A model with the weights of a checkpoint, on the first device; the given one, which may be abstract, is left as it is.

    Args:
        folder: The run folder that `fit` was given.
        model: A model of the kind that was trained, for its structure.
        step: Which checkpoint, by default the newest.
        average: Take the average of the weights where one was kept, rather than the last weights.

    Raises:
        FileNotFoundError: There is no checkpoint, or none of that step.
        OtherCheckpoint: It belongs to another model; the first leaf that differs is named.
    """
    root = Path(folder).absolute() / FOLDER
    steps = sorted(int(path.name) for path in root.iterdir() if path.name.isdigit()) if root.is_dir() else []
    if not steps or (step is not None and step not in steps):
        raise FileNotFoundError(
            f"{root}: no checkpoint{'' if step is None else f' of step {step}'}; there are: {steps}"
        )
    path = root / str(steps[-1] if step is None else step)
    graph, params, rest = parted(model)
    stored = ocp.metadata(path).metadata
    part = "average" if average and any(name.startswith("average/") for name in stored) else "params"
    tree = {part: params, "rest": rest}
    wanted = _flat(tree)
    _compare({n: x for n, x in stored.items() if n.startswith((f"{part}/", "rest/"))}, wanted, path)
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    shapes = {n: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=here) for n, x in wanted.items()}
    context = ocp.Context()
    context.pytree.loading.partial_load = True
    with context:
        found = _unflat(ocp.load(path, shapes), tree)
    return joined(graph, found[part], found["rest"])


def _flat(tree: Any) -> dict[str, Any]:
    return dict(zip(names(tree), jax.tree.leaves(tree), strict=True))


def _unflat(flat: Mapping[str, Any], like: Any) -> Any:
    return jax.tree.unflatten(jax.tree.structure(like), [flat[path] for path in names(like)])


def _stored(x: Any) -> Any:
    """Shape and dtype as a checkpoint has them; of a random key, those of its data."""
    return jax.eval_shape(jax.random.key_data, x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x


def _compare(stored: Mapping[str, Any], wanted: Mapping[str, Any], path: Path) -> None:
    advice = "train in another folder, or make the model and optimiser that wrote it"
    for name, leaf in wanted.items():
        x = _stored(leaf)
        if name not in stored:
            raise OtherCheckpoint(f"{path}: has no {name}, which this model has; {advice}")
        there = stored[name]
        if tuple(there.shape) != x.shape or there.dtype != x.dtype:
            raise OtherCheckpoint(
                f"{path}: {name} is {there.dtype}{list(there.shape)} there and {x.dtype}{list(x.shape)} here; {advice}"
            )
    for name in stored:
        if name not in wanted:
            raise OtherCheckpoint(f"{path}: holds {name}, which this model has not; {advice}")
