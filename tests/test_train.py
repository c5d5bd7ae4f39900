"""One loop trains everything: its steps against a loop written out, devices, ends, errors, what it writes."""

from __future__ import annotations

import math
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command_line import Run
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from training import Tiny, config, differ, lines, loss, params, patches

from jpegjax.cli import main
from jpegjax.train import Arrays, FitConfig, TrainingDiverged, fit, restore_weights, shard
from jpegjax.train.state import first_state, schedule

ROOT = Path(__file__).resolve().parents[1]
TWENTY: dict[str, Any] = {"steps": 20, "batch": 16, "ema": 0.0}


def test_steps_are_those_of_a_loop_written_out(tmp_path: Path) -> None:
    """Adam, decay, clipping, schedule and average in plain NumPy, by the formulas of the papers, in float64."""
    settings = {"steps": 12, "learning_rate": 0.02, "warmup": 3, "final_rate": 0.1, "batch": 4}
    settings |= {"weight_decay": 0.1, "clip": 0.05, "ema": 0.8}
    model, data = Tiny(nnx.Rngs(0), drop=0.0), patches()
    done = fit(model, loss, data, config(**settings, folder=tmp_path, log_every=1))

    weights = {n: x.astype(np.float64) for n, x in params(model).items()}
    average = dict(weights)
    first = {n: np.zeros_like(x) for n, x in weights.items()}
    second = {n: np.zeros_like(x) for n, x in weights.items()}
    stream, rates, norms = data.stream(0, 4), [], []
    graph, state, rest = nnx.split(model, nnx.Param, ...)
    names = list(weights)

    @jax.jit
    def gradients(values: list[jax.Array], batch: Any, key: jax.Array) -> Any:
        def objective(values: list[jax.Array]) -> jax.Array:
            built = jax.tree.unflatten(jax.tree.structure(state), values)
            return loss(nnx.merge(graph, built, jax.tree.map(jnp.asarray, rest)), batch, key)[0]

        return jax.grad(objective)(values)

    for n in range(12):
        key = jax.random.fold_in(jax.random.key(0), n)
        found = gradients([jnp.float32(weights[name]) for name in names], next(stream), key)
        g = dict(zip(names, (np.asarray(x, np.float64) for x in found), strict=True))
        norm = math.sqrt(sum((x**2).sum() for x in g.values()))
        rate = 0.02 * n / 3 if n < 3 else 0.02 * (0.1 + 0.9 * (1 + math.cos(math.pi * (n - 3) / 9)) / 2)
        rates.append(rate)
        norms.append(norm)
        decay = min(0.8, (n + 1) / (n + 10))
        for name in names:
            x = g[name] * min(1, 0.05 / norm)
            first[name] = 0.9 * first[name] + 0.1 * x
            second[name] = 0.999 * second[name] + 0.001 * x * x
            step = first[name] / (1 - 0.9 ** (n + 1)) / (np.sqrt(second[name] / (1 - 0.999 ** (n + 1))) + 1e-8)
            step += 0.1 * weights[name] if weights[name].ndim > 1 else 0
            weights[name] = weights[name] - rate * step
            average[name] = decay * average[name] + (1 - decay) * weights[name]

    last = restore_weights(tmp_path, model, average=False)
    for name in names:
        np.testing.assert_allclose(params(last)[name], weights[name], rtol=2e-4, atol=2e-5, err_msg=name)
        np.testing.assert_allclose(params(done.model)[name], average[name], rtol=2e-4, atol=2e-5, err_msg=name)
    logged = lines(tmp_path, "train")
    np.testing.assert_allclose([line["learning_rate"] for line in logged], rates, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose([line["gradient_norm"] for line in logged], norms, rtol=1e-3)


@pytest.mark.parametrize(
    "cut",
    [
        {},
        {"sharding": 64},
        {"model_parallel": 2, "sharding": (("decoder/kernel", (None, "model")), ("encoder/.*/kernel", ("data",)))},
    ],
    ids=["whole", "by size", "by rule"],
)
def test_eight_devices_do_as_one(cut: dict[str, Any], one_device: Any) -> None:
    assert (
        differ(fit(Tiny(nnx.Rngs(0)), loss, patches(), config(**TWENTY, **{"devices": 8, **cut})).model, one_device)
        < 1e-5
    )


@pytest.fixture(scope="module")
def one_device() -> Any:
    return fit(Tiny(nnx.Rngs(0)), loss, patches(), config(**TWENTY)).model


def test_rules_cut_parameters_moments_and_averages() -> None:
    settings = config(devices=8, sharding=(("decoder/kernel", (None, "data")),))
    mesh = shard.mesh_of(settings)
    _, state = first_state(Tiny(nnx.Rngs(0)), settings)
    shapes = {n: x.shape for n, x in params(Tiny(nnx.Rngs(0))).items()}
    found = shard.specs(state, shapes, mesh, settings.sharding)
    cut = [n for n, s in zip(shard.names(state), jax.tree.leaves(found), strict=True) if s.spec != jax.P()]
    assert len(cut) == 4 and all(n.endswith("decoder/kernel") for n in cut)  # parameter, two moments, average
    with pytest.raises(
        ValueError, match=r"decoder/kernel of shape \(6, 16\) cannot be cut along 'data', which is 8 long"
    ):
        shard.specs(state, shapes, mesh, (("decoder/kernel", ("data",)),))
    with pytest.raises(ValueError, match="has 2 axes; decoder/bias has the shape"):
        shard.specs(state, shapes, mesh, (("bias", (None, "data")),))


def test_loss_falls_and_everything_is_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scores = iter([3.0, 1.0, 2.0, 4.0])
    seen = []

    def evaluate(model: Tiny) -> dict[str, float]:
        seen.append(model)
        return {"psnr_db": next(scores)}

    def pictures(model: Tiny) -> dict[str, np.ndarray]:
        return {"patch": np.full((4, 4), 7, np.uint8)}

    settings = config(
        steps=60,
        folder=tmp_path,
        log_every=20,
        evaluate_every=20,
        checkpoint_every=10,
        keep=1,
        best="psnr_db",
        progress=True,
    )
    model = Tiny(nnx.Rngs(0))
    before = params(model)
    done = fit(model, loss, patches(), settings, evaluate=evaluate, pictures=pictures)
    assert (done.step, done.reason, done.evaluation) == (60, "steps", {"psnr_db": 2.0})
    assert all((params(model)[n] == x).all() for n, x in before.items()), "the given model changed"
    assert differ(done.model, seen[-1]) == 0 and int(done.model.calls[...]) == 60
    start, *_ = lines(tmp_path, "start")
    assert start["config"]["steps"] == 60 and start["parameters"] == sum(x.size for x in before.values())
    logged = lines(tmp_path, "train")
    assert [line["step"] for line in logged] == [20, 40, 60]
    assert logged[-1]["loss"] < logged[0]["loss"] / 1.3 and done.history[-1].items() <= logged[-1].items()
    assert [(line["step"], line["psnr_db"]) for line in lines(tmp_path, "evaluation")] == [(20, 3), (40, 1), (60, 2)]
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["40", "60"], "the best and the newest"
    assert np.asarray(Image.open(tmp_path / "samples" / "00000040-patch.png")).tolist() == [[7] * 4] * 4
    fit(model, loss, patches(), replace(settings, steps=61), evaluate=evaluate)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["40", "61"], "the best of all runs stays"
    said = capfd.readouterr().err
    assert re.search(r"step 40/60  loss 0\.\d+  root 0\.\d+  \S+ steps/s  \d+ s left", said)
    assert "stopped at step 60 of 60: all steps are done" in said


def test_tensorboard_reads_the_events(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(Tiny(nnx.Rngs(0)), loss, patches(), config(folder=tmp_path))
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    read = [(e.step, pytest.approx(e.value)) for e in events.Scalars("train/loss")]
    assert read == [(line["step"], line["loss"]) for line in lines(tmp_path, "train")]


def test_bfloat16_computes_low_and_keeps_high(tmp_path: Path) -> None:
    seen = {}

    def watched(model: Tiny, batch: Any, key: jax.Array) -> Any:
        seen.update({n: x.dtype for n, x in zip(names, jax.tree.leaves(nnx.state(model, nnx.Param)), strict=True)})
        return loss(model, batch, key)

    model = Tiny(nnx.Rngs(0))
    names = list(params(model))
    done = fit(model, watched, patches(), config(compute="bfloat16", stay_float32="encoder/1", steps=20))
    assert {n for n, kind in seen.items() if kind == jnp.float32} == {"encoder/1/bias", "encoder/1/kernel"}
    assert {kind for n, kind in seen.items() if not n.startswith("encoder/1")} == {jnp.dtype(jnp.bfloat16)}
    assert all(x.dtype == np.float32 for x in params(done.model).values())
    assert 0 < differ(done.model, fit(model, loss, patches(), config(steps=20)).model) < 0.05


class Poisoned(Arrays):
    """Batches that are not finite from one on."""

    bad = 7

    def stream(self, start: int, batch: int, process: int = 0, processes: int = 1) -> Any:
        for n, rows in enumerate(super().stream(start, batch, process, processes), start):
            yield {"patch": rows["patch"] * np.float32("nan" if n >= self.bad else 1)}


@pytest.mark.parametrize("log_every", [1, 100])
def test_divergence_stops_with_the_last_good_checkpoint(tmp_path: Path, log_every: int) -> None:
    data = Poisoned({"patch": patches().arrays["patch"]})
    settings = config(steps=50, folder=tmp_path, checkpoint_every=5, log_every=log_every)
    with pytest.raises(
        TrainingDiverged, match=r"^step 8: loss or gradient not finite; the last good checkpoint is .*5\."
    ) as e:
        fit(Tiny(nnx.Rngs(0)), loss, data, settings)
    assert (e.value.step, e.value.checkpoint) == (8, tmp_path / "checkpoints" / "5")
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["5"]
    assert all(np.isfinite(x).all() for x in params(restore_weights(tmp_path, Tiny(nnx.Rngs(1)))).values())
    if log_every == 1:
        assert [line["step"] for line in lines(tmp_path, "train")] == [*range(1, 8)]
        with pytest.raises(TrainingDiverged, match=r"step 8: .*no checkpoint had been written"):
            fit(Tiny(nnx.Rngs(0)), loss, data, config(steps=50))


class Calling(Arrays):
    """Does something when a batch is asked for."""

    at, call = 0, staticmethod(lambda: None)

    def stream(self, start: int, batch: int, process: int = 0, processes: int = 1) -> Any:
        for n, rows in enumerate(super().stream(start, batch, process, processes), start):
            if n == self.at:
                self.call()
            yield rows


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_write_a_checkpoint_and_stop(tmp_path: Path, number: signal.Signals) -> None:
    data = Calling(patches().arrays)
    data.at, data.call = 3, lambda: signal.raise_signal(number)
    before = signal.getsignal(number)
    done = fit(Tiny(nnx.Rngs(0)), loss, data, config(steps=1000, folder=tmp_path))
    assert (done.step, done.reason) == (4, "signal") and signal.getsignal(number) is before
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["4"]


def test_time_over_writes_a_checkpoint_and_stops(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 9, "folder": tmp_path}
    done = fit(Tiny(nnx.Rngs(0)), loss, patches(), config(**settings, max_seconds=1e-3))
    assert (done.step, done.reason) == (1, "seconds")
    done = fit(Tiny(nnx.Rngs(0)), loss, patches(), config(**settings))
    assert (done.step, done.reason) == (9, "steps")
    assert [line["step"] for line in lines(tmp_path, "start")] == [0, 1]
    again = fit(Tiny(nnx.Rngs(1)), loss, patches(), config(**settings))
    assert again.step == 9 and differ(again.model, done.model) == 0, "nothing is left to do"


def test_errors_say_what_and_what_to_do(tmp_path: Path) -> None:
    model, data = Tiny(nnx.Rngs(0)), patches()
    with pytest.raises(
        ValueError, match=r"batch=6: must be a multiple of the 4 devices .* give another batch or fewer devices"
    ):
        fit(model, loss, data, config(batch=6, devices=4))
    with pytest.raises(ValueError, match="devices=9: there are 8 of cpu"):
        fit(model, loss, data, config(devices=9))
    with pytest.raises(ValueError, match="model_parallel=3: must divide the number of devices, which is 8"):
        fit(model, loss, data, config(devices=8, model_parallel=3))
    with pytest.raises(
        TypeError, match=r"loss: its first result must be a floating scalar, not float32 of shape \(8,\)"
    ):
        fit(model, lambda m, b, k: (m(b["patch"]).mean(1), {}), data, config())
    with pytest.raises(TypeError, match=r"logged numbers must be scalars; of other shapes are \{'all': \(8, 16\)\}"):
        fit(model, lambda m, b, k: ((x := m(b["patch"])).mean(), {"all": x}), data, config())
    with pytest.raises(ValueError, match=r"Dropout has no nnx.Param to train"):
        fit(nnx.Dropout(0.1), loss, data, config())
    with pytest.raises(TypeError, match="decoder/bias is float16; master weights are float32"):
        half = Tiny(nnx.Rngs(0))
        half.decoder.bias = nnx.Param(jnp.zeros(16, jnp.float16))
        fit(half, loss, data, config())
    with pytest.raises(ValueError, match="best='psnr': needs evaluate"):
        fit(model, loss, data, config(best="psnr"))
    with pytest.raises(ValueError, match="best='psnr': evaluate gives ssim"):
        fit(model, loss, data, config(steps=1, best="psnr"), evaluate=lambda _: {"ssim": 1.0})


class Odd:
    """A source of what it is given, once."""

    def __init__(self, *batches: Any) -> None:
        self.batches = batches

    def stream(self, start: int, batch: int, process: int, processes: int) -> Any:
        return iter(self.batches)

    def about(self) -> dict[str, Any]:
        return {}


def test_odd_batches_are_errors() -> None:
    model, good = Tiny(nnx.Rngs(0)), {"patch": np.zeros((8, 16), np.uint8)}
    with pytest.raises(
        ValueError, match=r"array patch has the shape \(5, 16\); its first dimension must be the 8 rows"
    ):
        fit(model, loss, Odd({"patch": np.zeros((5, 16))}), config())
    with pytest.raises(ValueError, match="the first batch holds no array"):
        fit(model, loss, Odd({}), config())
    with pytest.raises(ValueError, match="the stream ended before step 2"):
        fit(model, loss, Odd(good), config())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": 0}, "steps=0: must be 1"),
        ({"steps": 2.5}, "steps=2.5: must be an integer"),
        ({"learning_rate": 0}, "learning_rate=0: must be above 0"),
        ({"learning_rate": math.nan}, "learning_rate=nan: must be above 0"),
        ({"learning_rate": "fast"}, "learning_rate='fast': must be a number"),
        ({"schedule": "linear"}, "schedule='linear': must be one of 'cosine', 'constant'"),
        ({"ema": 1}, "ema=1: must be at least 0 and below 1"),
        ({"final_rate": 2}, "final_rate=2: must be at least 0 and at most 1"),
        ({"warmup": 6}, "warmup=6: must be below steps=6"),
        ({"sharding": (("(", ()),)}, "no regular expression"),
        ({"sharding": (("a", ("rows",)),)}, "'a' names axis 'rows'; there are: data, model, None"),
        ({"sharding": (("a",),)}, "must be a number of elements or pairs"),
        ({"sharding": 1.5}, "must be a number of elements or pairs"),
        ({"stay_float32": "x"}, "only compute='bfloat16' has exceptions"),
        ({"progress": 1}, "progress=1: must be True or False"),
    ],
)
def test_configs_are_checked_when_made(given: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        config(**given)


@given(
    warmup=st.integers(0, 50),
    steps=st.integers(51, 500),
    final=st.floats(0, 1),
    kind=st.sampled_from(["cosine", "constant"]),
)
def test_rate_rises_then_falls(warmup: int, steps: int, final: float, kind: str) -> None:
    rate = schedule(FitConfig(steps=steps, warmup=warmup, final_rate=final, learning_rate=0.5, schedule=kind))
    found = np.array([rate(n) for n in (*range(warmup, -1, -10), warmup)])
    assert found[0] == found[-1] == 0.5 and (np.diff(found[:-1]) < 0).all()
    assert rate(steps) == pytest.approx(0.5 if kind == "constant" else 0.5 * final, abs=1e-6)


CONFIG = '''
"""Trains the tests' model."""
import sys
sys.path.insert(0, {tests!r})
from flax import nnx
from jpegjax.train import FitConfig, fit
from training import Tiny, config, differ, lines, loss, params, patches

def run(*, steps=3, folder=None, learning_rate=1e-2):
    settings = FitConfig(steps=steps, folder=folder, learning_rate=learning_rate, log_every=1, devices=1)
    return fit(Tiny(nnx.Rngs(0)), loss, patches(), settings)
'''


def test_verb_runs_a_config(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CONFIG.format(tests=str(ROOT / "tests")))
    answer = run("train", "mine.py", "steps=4", "folder=out")
    assert answer.code == 0 and answer.out.decode().startswith("step 4  gradient_norm"), answer.err
    assert "step 4/4  loss" in answer.err and len(lines(tmp_path / "out", "train")) == 4
    answer = run("train", "mine.py", "step=4")
    assert (answer.code, answer.err) == (
        2,
        "jpegjax: step=4: this config has no step; it has: steps, folder, learning_rate\n",
    )
    assert "steps: must be NAME=VALUE" in run("train", "mine.py", "steps").err
    assert "no file other, nor a config of that name" in run("train", "other").err
    (tmp_path / "empty.py").write_text("")
    assert "defines no function run" in run("train", "empty.py").err
    answer = run("train", "mine.py", "steps=9", "learning_rate=1e30")
    assert answer.code == 1 and "loss or gradient not finite; no checkpoint had been written" in answer.err
    answer = run("train", "mine.py", "steps=many")
    assert (answer.code, answer.err) == (1, "jpegjax: steps='many': must be an integer 1..2147483648, not str\n")
    (tmp_path / "bug.py").write_text("def run():\n    raise ValueError('of the config itself')")
    with pytest.raises(ValueError, match="of the config itself"):
        main(["train", "bug.py"])
    assert run("train").code == 0


def fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_room_opens_light_and_says_what_is_missing() -> None:
    code = """
import sys
from jpegjax import train
train.FitConfig(steps=1)
heavy = {"jax", "flax", "optax", "orbax", "grain", "PIL", "numba", "tensorboard"}
print(*sorted(heavy & set(sys.modules)))
sys.modules["optax"] = None
try:
    train.fit
except ModuleNotFoundError as error:
    print(error)
"""
    loaded, missing = fresh(code).splitlines()
    assert loaded == "" and missing == "training needs optax: pip install 'jpegjax[train]'"
