"""`fit`: the one training loop.

    data ──batch n, ahead──▶ devices ──▶ step ──▶ state        every log_every:        means, seconds, time left
                                          ▲         │          every evaluate_every:   evaluate, samples
                                          └─────────┘          every checkpoint_every: state, position, evaluation

The host runs a few steps ahead of the devices and waits for numbers only where they are written down.
"""

from __future__ import annotations

import math
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NoReturn, Protocol, runtime_checkable

import jax
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding

from . import shard
from .checkpoint import Checkpoints
from .config import FitConfig
from .data import Source
from .failures import TrainingDiverged
from .log import Clock, Log, duration, write_pictures
from .state import Loss, State, all_finite, first_state, joined, make_step, schedule, weights

__all__ = ["Evaluate", "FitResult", "Pictures", "fit"]

DEPTH = 2
"""Steps that are sent to the devices before the host waits for one."""

Evaluate = Callable[[Any], Mapping[str, float]]
"""(model) -> named numbers."""
Pictures = Callable[[Any], Mapping[str, Any]]
"""(model) -> named pictures, uint8 [height, width] or [height, width, 3]."""
Reason = Literal["steps", "stop_at", "seconds", "signal"]


@dataclass(frozen=True)
class FitResult:
    """What a training came to.

    Attributes:
        model: The model with the weights to be used, on the first device: their average where one is kept.
        step: Updates done, those before a resumption counted.
        reason: Why it ended: all steps done, stop_at reached, max_seconds over, or SIGTERM or an interrupt.
        history: What was logged, line by line since `fit` was called: "step", means of "loss" and of what the loss names since
            the line before, "gradient_norm", "learning_rate", "steps_per_second".
        evaluation: What the last evaluation found.
    """

    model: Any
    step: int
    reason: Reason
    history: list[dict[str, float]]
    evaluation: dict[str, float]


class _Hooks(NamedTuple):
    """stopped: set when the training shall end."""

    evaluate: Evaluate | None
    pictures: Pictures | None
    stopped: threading.Event


def fit(
    model: nnx.Module,
    loss: Loss,
    data: Source,
    config: FitConfig,
    *,
    evaluate: Evaluate | None = None,
    pictures: Pictures | None = None,
) -> FitResult:
    """Train a model; where the run folder has checkpoints, go on from the newest as if nothing had been between.

    On the same number of devices the next steps are the same bit for bit; on another they differ by rounding. A SIGTERM or an
    interrupt (Ctrl-C) ends the training after the step in hand, with a checkpoint; a second one at once.

    Args:
        model: What is trained: its nnx.Param, all float32. Other variables change as the loss changes them. The object itself
            is left as it is.
        loss: (model, batch, key) -> (scalar, {name: scalar}). Pure but for the model's own state; traced once. `batch` is the
            whole batch of all devices, `key` a new one each step. With compute="bfloat16" the model comes with bfloat16
            parameters; what should be computed in it, the loss has to cast to it, and the loss itself to float32.
        data: Batch n for the update n + 1; see `jpegjax.train.data`.
        config: See `FitConfig`.
        evaluate: Called with a copy of the model that holds the weights to be used; its numbers are logged, and
            `config.best` chooses one of them. With several processes it is called in all, and the first one's numbers count.
        pictures: Called after `evaluate`, alike; the pictures are written to samples/ in the run folder as PNG.

    Returns:
        The trained model and how it ended.

    Raises:
        TrainingDiverged: Loss or gradient became infinite or NaN; the last good checkpoint is kept.
        OtherCheckpoint: The run folder holds checkpoints of another model or optimiser.
        TypeError: The loss gives no scalars, or parameters are not float32.
        ValueError: Devices, batch, rules or data do not go together; the message says what and what to do.
    """
    if config.best is not None and evaluate is None:
        raise ValueError(f"best={config.best!r}: needs evaluate, whose numbers it chooses from")
    with _stop_on_signals() as stopped, ExitStack() as opened:
        return _Run(model, loss, data, config, _Hooks(evaluate, pictures, stopped), opened).train()


class _Run:
    """One call of `fit`: what stays while it runs. opened: closes what this opens, the last first."""

    def __init__(
        self, model: nnx.Module, loss: Loss, data: Source, config: FitConfig, hooks: _Hooks, opened: ExitStack
    ) -> None:
        self.began = time.monotonic()
        self.data, self.config, self.hooks = data, config, hooks
        self.first = jax.process_index() == 0
        self.mesh: Mesh = shard.mesh_of(config)
        self.graph, state = first_state(model, config)
        shapes = dict(zip(shard.names(state.params), map(np.shape, jax.tree.leaves(state.params)), strict=True))
        shardings = shard.specs(state, shapes, self.mesh, config.sharding)
        self.step, self.saved, self.score = 0, 0, math.inf
        self.evaluation: dict[str, float] = {}
        self.checkpoints = None if config.folder is None else opened.enter_context(closing(Checkpoints(config)))
        latest = None if self.checkpoints is None else self.checkpoints.latest
        if self.checkpoints is None or latest is None:
            self.state: State = shard.placed(state, shardings)
        else:
            self.state, about = self.checkpoints.load(latest, state, shardings)
            self._go_on(latest, about)
        self.whole = NamedSharding(self.mesh, jax.P())
        self.next = make_step(self.graph, loss, config)
        self.run = jax.jit(self.next, donate_argnums=0, out_shardings=(shardings, self.whole))
        self.finite = jax.jit(all_finite, out_shardings=self.whole)
        self.rate = schedule(config)
        self.log = opened.enter_context(
            closing(Log(config.folder if self.first else None, self.step, config.progress and self.first))
        )

    def train(self) -> FitResult:
        config, history = self.config, list[dict[str, float]]()
        end_at = min(config.steps, config.stop_at or config.steps)
        reason: Reason = "steps" if end_at == config.steps else "stop_at"
        self._started()
        with closing(self._batches()) as batches:
            zeros = sums = None
            inflight: deque[jax.Array] = deque()
            clock = Clock(self.step)
            while self.step < end_at:
                batch = next(batches)
                if zeros is None:
                    zeros = sums = self._zeros(batch)
                self.state, sums = self.run(self.state, sums, batch)
                self.step += 1
                inflight.append(sums["loss"])
                if clock.compiling or len(inflight) > DEPTH:
                    inflight.popleft().block_until_ready()
                if clock.compiling:
                    clock.begin(self.step)
                last, better = self.step == end_at, False
                if last or self.step % config.log_every == 0:
                    history.append(self._logged(sums, clock))
                    sums = zeros
                evaluated = self.hooks.evaluate is not None and (last or self.step % config.evaluate_every == 0)
                if evaluated:
                    with clock.paused():
                        better = self._evaluated()
                end = None if last else self._ends()
                if end or last or better or self.step % config.checkpoint_every == 0:
                    with clock.paused():
                        self._save(evaluated)
                if end:
                    reason = end
                    break
        if self.checkpoints is not None:
            self.checkpoints.wait()
        self.log.write("end", self.step, {"reason": reason, "seconds": time.monotonic() - self.began})
        self.log.say(f"stopped at step {self.step} of {config.steps}: {_WHY[reason]}")
        return FitResult(self._model(), self.step, reason, history, self.evaluation)

    def _started(self) -> None:
        devices = self.mesh.devices.flat
        parameters = sum(x.size for x in jax.tree.leaves(self.state.params))
        about = {
            "devices": f"{len(devices)} {devices[0].device_kind}",
            "parameters": parameters,
            "jax": jax.__version__,
        }
        self.log.write("start", self.step, {**about, "config": self.config.as_dict(), "data": self.data.about()})
        self.log.say(
            f"step {self.step} of {self.config.steps}: {parameters:,} parameters, {about['devices']}"
            + (f", going on in {self.config.folder}" if self.step else "")
        )

    def _batches(self) -> Generator[Any]:
        """Batches on their devices, from the one that the next step is for."""
        processes, cut = jax.process_count(), NamedSharding(self.mesh, jax.P("data"))
        stream = self.data.stream(self.step, self.config.batch, jax.process_index(), processes)
        try:
            for number, rows in enumerate(stream):
                if number == 0:
                    shard.check_batch(rows, self.config.batch // processes)
                yield shard.batch_on(cut, rows)
        finally:
            if isinstance(stream, Closable):
                stream.close()
        raise ValueError(f"data: the stream ended before step {self.step + 1}; a source gives batches for ever")

    def _zeros(self, batch: Any) -> dict[str, jax.Array]:
        """What sums of the logged numbers begin with."""
        _, shown = jax.eval_shape(self.next, self.state, {}, batch)
        return {name: jax.device_put(np.float32(0), self.whole) for name in shown}

    def _logged(self, sums: dict[str, jax.Array], clock: Clock) -> dict[str, float]:
        """The means since the line before, written down."""
        totals = jax.device_get(sums)
        self._check_finite()
        count = self.step - clock.logged
        numbers = {name: float(total) / count for name, total in sorted(totals.items())}
        speed = clock.lap(self.step)
        numbers |= {"learning_rate": float(self.rate(self.step - 1)), "steps_per_second": speed}
        self.log.write("train", self.step, {**numbers, "seconds": time.monotonic() - self.began})
        left = (self.config.steps - self.step) / speed if speed else math.inf
        shown = "  ".join(f"{name} {numbers[name]:.5g}" for name in ("loss", *sorted(totals.keys() - _QUIET)))
        self.log.say(
            f"step {self.step}/{self.config.steps}  {shown}  {speed:.3g} steps/s  "
            + (f"{duration(left)} left" if speed else "")
        )
        return {"step": self.step, **numbers}

    def _check_finite(self) -> None:
        bad = int(self.state.bad)
        if bad:
            self._diverged(bad)

    def _diverged(self, step: int) -> NoReturn:
        kept = self.checkpoints.path(self.saved) if self.checkpoints is not None and self.saved else None
        self.log.write("diverged", step, {"checkpoint": str(kept)})
        raise TrainingDiverged(step, kept)

    def _model(self) -> Any:
        """A copy of the model with the weights to be used, on this process's first device."""
        params, rest = shard.local_copy((weights(self.state), self.state.rest), self.mesh)
        return joined(self.graph, params, rest)

    def _evaluated(self) -> bool:
        """Evaluate, write it down; whether it is better than any before."""
        self._check_finite()
        model = self._model()
        assert self.hooks.evaluate is not None
        self.evaluation = _first_process(self.hooks.evaluate(model))
        self.log.write("evaluation", self.step, self.evaluation)
        self.log.say(f"step {self.step}  " + "  ".join(f"{name} {x:.5g}" for name, x in self.evaluation.items()))
        if self.hooks.pictures is not None and self.config.folder is not None:
            found = self.hooks.pictures(model)
            if self.first:
                write_pictures(self.config.folder / "samples", self.step, found)
        if self.config.best is None:
            return False
        if self.config.best not in self.evaluation:
            raise ValueError(f"best={self.config.best!r}: evaluate gives {', '.join(self.evaluation) or 'no numbers'}")
        score = self.evaluation[self.config.best] * (1 if self.config.best_is == "lowest" else -1)
        if not score < self.score:
            return False
        self.score = score
        return True

    def _ends(self) -> Reason | None:
        """Why to end before all steps are done; the same in all processes, which agree where they log."""
        late = self.config.max_seconds is not None and time.monotonic() - self.began > self.config.max_seconds
        flags = np.array([self.hooks.stopped.is_set(), late])
        if jax.process_count() > 1:
            if self.step % self.config.log_every:
                return None
            flags = multihost_utils.process_allgather(flags).any(0)
        return "signal" if flags[0] else "seconds" if flags[1] else None

    def _about(self) -> dict[str, Any]:
        """What a checkpoint says beside its arrays."""
        place = {"batch": self.step, "rows": self.config.batch, **self.data.about()}
        return {"data": place, "evaluation": self.evaluation, "best": self.score if math.isfinite(self.score) else None}

    def _go_on(self, step: int, about: dict[str, Any]) -> None:
        self.step = self.saved = step
        self.evaluation = about["evaluation"]
        self.score = math.inf if about["best"] is None else about["best"]
        here, there = self._about()["data"], about["data"]
        other = [f"{name} {there.get(name)!r} -> {new!r}" for name, new in here.items() if new != there.get(name)]
        if other:
            warnings.warn(
                f"the checkpoint of step {step} was trained on other data: {', '.join(other)}; its batch {step} comes next",
                stacklevel=4,
            )

    def _save(self, evaluated: bool) -> None:
        """Write a checkpoint, if every number is finite."""
        self._check_finite()
        if self.checkpoints is None:
            return
        if not bool(self.finite(self.state)):
            self._diverged(self.step)
        self.checkpoints.save(self.step, self.state, self._about(), self.evaluation if evaluated else None)
        self.saved = self.step


_QUIET = {"loss", "gradient_norm"}
"""Logged numbers that the line of progress leaves out, or has said already."""

_WHY = {
    "steps": "all steps are done",
    "stop_at": "stop_at is reached",
    "seconds": "max_seconds are over",
    "signal": "by a signal",
}


@runtime_checkable
class Closable(Protocol):
    def close(self) -> None: ...


def _first_process(found: Mapping[str, float]) -> dict[str, float]:
    """The first process's numbers, in all."""
    names, values = list(found), np.array([float(x) for x in found.values()], np.float64)
    if jax.process_count() > 1 and names:
        values = multihost_utils.broadcast_one_to_all(values.view(np.uint32)).view(np.float64)
    return dict(zip(names, values.tolist(), strict=True))


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """An event that the first SIGTERM or interrupt sets; the next one does what it did before. Only in the main thread."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, frame: Any) -> None:
        stopped.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
