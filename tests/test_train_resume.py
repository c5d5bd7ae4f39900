"""A training that ends in its middle goes on as if nothing had been: after kill -9, on other devices, in several processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx
from training import Tiny, config, differ, lines, loss, params, patches

from jpegjax.train import Arrays, FitConfig, OtherCheckpoint, fit, restore_weights

ROOT = Path(__file__).resolve().parents[1]


def train(folder: Path | None, **given: Any) -> Any:
    return fit(Tiny(nnx.Rngs(0)), loss, patches(), config(folder=folder, batch=16, schedule="constant", **given))


@pytest.fixture(scope="module")
def through() -> Any:
    """Twelve steps without a break, on one device."""
    return train(None, steps=12).model


def everything(model: Any) -> list[bytes]:
    """All arrays of a model, random keys and counters too, bit for bit."""
    raw = jax.tree.map(
        lambda x: jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x, nnx.state(model)
    )
    return [np.asarray(x).tobytes() for x in jax.tree.leaves(raw)]


def test_goes_on_bit_for_bit(tmp_path: Path, through: Any) -> None:
    train(tmp_path, steps=5, checkpoint_every=2)
    assert [line["step"] for line in lines(tmp_path, "train")] == [2, 4, 5]
    again = train(tmp_path, steps=12)
    assert everything(again.model) == everything(through)
    assert [line["step"] for line in lines(tmp_path, "train")] == [2, 4, 5, 6, 8, 10, 12]


def test_stops_in_its_middle_with_the_schedule_of_the_whole(tmp_path: Path) -> None:
    """The learning rate falls over all steps, so that two parts are the whole, and the second may have another loss."""
    settings = {"batch": 16, "schedule": "cosine", "steps": 12}
    whole = fit(Tiny(nnx.Rngs(0)), loss, patches(), config(**settings))
    first = fit(Tiny(nnx.Rngs(0)), loss, patches(), config(folder=tmp_path, **settings, stop_at=5))
    assert (first.step, first.reason) == (5, "stop_at")
    again = fit(Tiny(nnx.Rngs(0)), loss, patches(), config(folder=tmp_path, **settings, stop_at=5))
    assert (again.step, again.reason, again.history) == (5, "stop_at", [])
    then = fit(Tiny(nnx.Rngs(0)), loss, patches(), config(folder=tmp_path, **settings))
    assert (then.step, then.reason) == (12, "steps") and everything(then.model) == everything(whole.model)


@pytest.mark.parametrize(("first", "then"), [(8, 1), (1, 8)])
def test_goes_on_on_other_devices(tmp_path: Path, through: Any, first: int, then: int) -> None:
    cut = {8: {"sharding": 64}, 1: {}}
    train(tmp_path, steps=6, devices=first, **cut[first])
    again = train(tmp_path, steps=12, devices=then, **cut[then])
    assert again.step == 12 and differ(again.model, through) < 1e-5
    assert everything(restore_weights(tmp_path, nnx.eval_shape(lambda: Tiny(nnx.Rngs(3))))) == everything(again.model)


def child(tmp_path: Path, code: str, **given: Any) -> subprocess.Popen[str]:
    text = f"import sys\nsys.path[:0] = [{str(ROOT / 'tests')!r}, {str(ROOT)!r}]\n{code}"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    return subprocess.Popen(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", text],
        env={**environment, **given},
        text=True,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


SLOWLY = """
import time
from test_train_resume import train
import training

class Arrays(training.patches().__class__):
    def stream(self, *where):
        for rows in super().stream(*where):
            time.sleep(0.05)
            yield rows

slow = Arrays(training.patches().arrays)
import test_train_resume
test_train_resume.patches = lambda: slow
train({folder!r}, steps=100_000, checkpoint_every=3, log_every=1)
"""


def test_kill_9_then_the_same_next_steps(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = child(tmp_path, SLOWLY.format(folder=str(folder)), XLA_FLAGS="")
    deadline = time.monotonic() + 120
    while not [p for p in (folder / "checkpoints").glob("[0-9]*") if p.name.isdigit() and int(p.name) >= 9]:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    reached = max(int(p.name) for p in (folder / "checkpoints").iterdir() if p.name.isdigit())
    assert reached % 3 == 0
    log = (folder / "log.jsonl").read_text()
    killed = {line["step"]: line["loss"] for line in map(json.loads, log.splitlines()[1:])}
    (folder / "log.jsonl").write_text(log + '{"kind": "train", "st')  # cut by the crash
    again = train(folder, steps=reached + 5, log_every=1)
    assert everything(again.model) == everything(train(None, steps=reached + 5).model)
    logged = {line["step"]: line["loss"] for line in lines(folder, "train")}
    assert list(logged) == [*range(1, reached + 6)]
    assert all(logged[step] == value for step, value in killed.items() if step in logged)


PROCESS = """
import sys, json
import jax
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize({address!r}, 2, {number})
from test_train_resume import train
import numpy as np
evaluate = lambda model: {{"first": float(np.asarray(model.decoder.bias[...])[0]), "process": float(jax.process_index())}}
import test_train_resume
from jpegjax.train import fit
test_train_resume.fit = lambda *given: fit(*given, evaluate=evaluate)
done = train({folder!r}, steps=12, devices=None, sharding=64, checkpoint_every=4, best="first", max_seconds=1e6)
np.savez("model-{number}.npz", *[np.asarray(x) for x in test_train_resume.params(done.model).values()])
print(json.dumps(done.evaluation))
"""


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path, through: Any) -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    folder = tmp_path / "run"
    text = [PROCESS.format(address=address, number=n, folder=str(folder)) for n in (0, 1)]
    both = [child(tmp_path, one) for one in text]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(said)
    mine = list(params(through).values())
    for n in (0, 1):
        with np.load(tmp_path / f"model-{n}.npz") as found:
            apart = [np.abs(found[f"arr_{i}"] - x).max() / np.abs(x).max() for i, x in enumerate(mine)]
        assert max(apart) < 1e-5
        assert json.loads(said[n].splitlines()[-1])["process"] == 0, "the first process's numbers count"
    assert [line["step"] for line in lines(folder, "train")] == [2, 4, 6, 8, 10, 12]
    assert [line["devices"] for line in lines(folder, "start")] == ["8 cpu"]
    again = train(folder, steps=14, devices=1)
    assert again.step == 14 and differ(again.model, train(None, steps=14).model) < 1e-5


def test_other_models_are_named(tmp_path: Path) -> None:
    def wide(rngs: nnx.Rngs) -> Tiny:
        return Tiny(rngs, width=7)

    def more(rngs: nnx.Rngs) -> Tiny:
        model = Tiny(rngs)
        model.more = nnx.Param(jax.numpy.zeros(3))
        return model

    train(tmp_path, steps=2)
    settings = config(folder=tmp_path, steps=4, batch=16)
    shapes = r"2: params/decoder/kernel is float32\[6, 16\] there and float32\[7, 16\] here; train in another folder"
    for other, message in (
        (wide, shapes),
        (more, "2: has no params/more, which this model has; train in another folder"),
    ):
        with pytest.raises(OtherCheckpoint, match=message):
            fit(other(nnx.Rngs(0)), loss, patches(), settings)
    with pytest.raises(
        OtherCheckpoint, match=r"average/decoder/kernel is float32\[6, 16\] there and float32\[7, 16\] here"
    ):
        restore_weights(tmp_path, wide(nnx.Rngs(0)))
    with pytest.raises(OtherCheckpoint, match=r"2: holds average/decoder/bias, which this model has not"):
        train(tmp_path, steps=4, ema=0.0)
    with pytest.raises(FileNotFoundError, match=r"no checkpoint of step 7; there are: \[2\]"):
        restore_weights(tmp_path, Tiny(nnx.Rngs(0)), step=7)
    with pytest.raises(FileNotFoundError, match="nowhere/checkpoints: no checkpoint; there are"):
        restore_weights(tmp_path / "nowhere", Tiny(nnx.Rngs(0)))


def test_other_data_are_a_warning(tmp_path: Path) -> None:
    train(tmp_path, steps=2)
    other = Arrays({"patch": patches().arrays["patch"][:40]}, seed=3)
    with pytest.warns(
        UserWarning, match=r"step 2 was trained on other data: samples 50 -> 40, seed 0 -> 3; its batch 2 comes"
    ):
        fit(Tiny(nnx.Rngs(0)), loss, other, FitConfig(steps=3, batch=16, folder=tmp_path, progress=False, devices=1))
