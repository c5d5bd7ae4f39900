"""Shards on a cluster, by Ray Data: a pool of actors, each with a guarded child; Ray scales it and holds back what would pile up.

What an actor or a node leaves unfinished when it dies Ray gives to another one; a shard that has a record is not done twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from ..manifest import record_name
from ..places.entries import Shard
from ..places.storage import needed
from ..work import Task
from .guarded import Guarded, ShardFailed
from .processes import Result

__all__ = ["on_ray"]

_MOST_BLOCKS = 2000


class _Actor:
    """Does shards, a row each."""

    def __init__(self, task: Task) -> None:
        self.task, self.guard = task, Guarded(task)

    def __call__(self, rows: dict[str, Any]) -> dict[str, list[str]]:
        return {"shard": list(rows["shard"]), "result": [self._done(text) for text in rows["shard"]]}

    def _done(self, text: str) -> str:
        shard = Shard(**json.loads(text))
        found = self.task.target.read([record_name(shard.number)])[0]
        if isinstance(found, bytes):  # by an actor that died before it could say so
            return json.dumps({"record": json.loads(found)})
        try:
            return json.dumps({"record": self.guard.run(shard)})
        except ShardFailed as error:
            return json.dumps({"failed": str(error)})


def on_ray(
    task: Task,
    shards: Iterable[Shard],
    workers: int | None,
    cpus: float = 1,
    gpus: float = 0,
    address: str | None = None,
) -> Iterator[Result]:
    """Shards as they are done on a cluster.

    Args:
        workers: Actors at most; None for as many as the cluster has room for.
        cpus, gpus: Of each actor.
        address: Of the cluster, as for `ray.init`; None for the one that the environment names, or a new one here.

    Raises:
        MissingPackage: Ray is not installed.
    """
    ray, data = needed("ray", "runner='ray'"), needed("ray.data", "runner='ray'")
    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=False)
    data.DataContext.get_current().enable_progress_bars = False
    rows = [{"shard": json.dumps(asdict(shard))} for shard in shards]
    if not rows:
        return
    room = ray.cluster_resources()
    most = [room.get("CPU", 1) / cpus] if cpus else []
    most += [room.get("GPU", 0) / gpus] if gpus else []
    size = max(1, min(len(rows), workers or int(min(most, default=1))))
    made = data.from_items(rows, override_num_blocks=min(len(rows), _MOST_BLOCKS)).map_batches(
        _Actor, fn_constructor_args=(task,), batch_size=1, compute=data.ActorPoolStrategy(min_size=1, max_size=size),
        num_cpus=cpus, num_gpus=gpus or None,
    )  # fmt: skip
    for row in made.iter_rows():
        found = json.loads(row["result"])
        yield Shard(**json.loads(row["shard"])), found.get("record") or found["failed"]
