"""Training with compressed activations (Evans 2020, JPEG-ACT): `python -m experiments.activations`.

The convolution network of `experiments.network_compression` on CIFAR-10 (20,000 pictures to train on, 5,000 to test), three
seeds, 10 epochs: trained plainly, and with each layer's input kept by `jpegjax.train.activations` under its two tables (maps
under 8×8 always by the gentle one), rectification as 1 bit and the largest of 2×2 as 2 bits. Same pictures, order, augmentation
and steps. Measured: accuracy; bytes that JAX keeps for the reverse pass (`residual_nbytes`, 128 pictures), and with the masks
alone; XLA's temporary memory of the compiled gradient, and that of chains of 4, 8 and 16 convolutions; the cosine between weight
gradients, layer by layer, at the weights of the plain training before its first and after its last step; whether gradients by
the pictures are equal bit for bit; time of a step, ways in turn, least of 30. Also the bytes that zero-value coding (a bitmap
and a byte for each coefficient that is not 0) would take for the same coefficients: what fixed sizes cost.

Expect: 20 times fewer bytes or more, accuracy within a point, cosines above 0.99 (gentle) and 0.98 (strong). Writes
`experiments/results/activations.json` and `.md`. Some 15 minutes on two cores; finished trainings are kept in --work.
"""

from __future__ import annotations

import argparse
import json
import shlex
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks.machine import ROOT, describe
from experiments.network_compression import networks
from experiments.network_compression.stages import Run
from jpegjax.train.activations import Kept, compress, levels, max_pool, relu, residual_nbytes

RESULTS = ROOT / "experiments" / "results" / "activations"
TABLES = ("gentle", "strong")
PICTURES = 128
ROUNDS = 30
CHAINS = (4, 8, 16)
EPOCHS = 10

Forward = Callable[[Any, jax.Array], jax.Array]


def kept_forward(model: Any, x: jax.Array, *, table: str | None) -> jax.Array:
    """Logits of a `ConvNet`, its layers' inputs compressed by a table, or as they are for None; masks as bits."""

    def through(layer: Any, x: jax.Array) -> jax.Array:
        found: jax.Array = (layer if table is None else Kept(layer, table_for(x, table)))(x)
        return found

    for convolution in model.convolutions:
        x = relu(max_pool(through(convolution, x)))
    x = relu(through(model.hidden, x.reshape(len(x), -1)))
    return through(model.last, x)


def table_for(x: jax.Array, table: str) -> str:
    """ "gentle" for maps under 8×8, whose blocks are of several pictures: they are few bytes, and strongly kept they turn the
    gradient by most of all."""
    return "gentle" if min(x.shape[1:-1], default=8) < 8 else table


def flax_forward(model: Any, x: jax.Array) -> jax.Array:
    """The same logits, pooled by Flax, whose gradient goes to the first of equal values."""
    for convolution in model.convolutions:
        x = nnx.relu(nnx.max_pool(convolution(x), (2, 2), (2, 2)))
    found: jax.Array = model.last(nnx.relu(model.hidden(x.reshape(len(x), -1))))
    return found


WAYS: dict[str, Forward | None] = {
    "plain": None,
    "masks alone": partial(kept_forward, table=None),
    **{table: partial(kept_forward, table=table) for table in TABLES},
}


def objective(model: Any, pictures: networks.Pictures, forward: Forward | None) -> tuple[Any, Any, jax.Array]:
    """(loss of parameters and pictures, parameters, the first pictures as floats)."""
    graph, params = nnx.split(model)
    classes = jnp.asarray(pictures.train_classes[:PICTURES])
    x = networks.scaled(jnp.asarray(pictures.train[:PICTURES]))

    def loss(values: Any, inputs: jax.Array) -> jax.Array:
        network = nnx.merge(graph, values)
        logits = network(inputs) if forward is None else forward(network, inputs)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), classes[:, None], 1))

    return loss, params, x


def compared(model: Any, pictures: networks.Pictures) -> dict[str, Any]:
    """Of each table the cosine of each layer's weight gradient to the plain one, and whether that by the pictures is equal."""
    found: dict[str, Any] = {}
    plain: Any = None
    for way, forward in {"plain": flax_forward, **{t: WAYS[t] for t in TABLES}}.items():
        loss, params, x = objective(model, pictures, forward)
        own, by_pictures = jax.jit(jax.grad(loss, (0, 1)))(params, x)
        flat = {"/".join(map(str, p)): np.asarray(v[...], np.float64).ravel() for p, v in nnx.to_flat_state(own)}
        if way == "plain":
            plain = flat, np.asarray(by_pictures)
            continue
        cosines = {
            p: float(g @ plain[0][p] / np.linalg.norm(g) / np.linalg.norm(plain[0][p]))
            for p, g in flat.items()
            if p.endswith("kernel")
        }
        found[way] = {
            "cosines": {p: round(c, 5) for p, c in cosines.items()},
            "least": round(min(cosines.values()), 5),
            "input_gradient_is_equal": plain[1].tobytes() == np.asarray(by_pictures).tobytes(),
        }
    return found


def memory(model: Any, pictures: networks.Pictures) -> dict[str, dict[str, int]]:
    """Bytes for the reverse pass and XLA's temporary bytes, of each way."""
    found = {}
    for way, forward in WAYS.items():
        loss, params, x = objective(model, pictures, forward)
        analysis = jax.jit(jax.grad(loss)).lower(params, x).compile().memory_analysis()
        found[way] = {
            "residual_nbytes": residual_nbytes(lambda v, loss=loss, x=x: loss(v, x), params),
            "xla_temporary_nbytes": int(analysis.temp_size_in_bytes),
        }
    return found


def chain_nbytes(count: int, table: str | None) -> int:
    """XLA's temporary bytes of the gradient of `count` convolutions 32 → 32 with rectification, 32 maps of 32×32, compiled only.

    table: None for the plain layers.
    """
    graph, params = nnx.split(nnx.List([nnx.Conv(32, 32, (3, 3), rngs=nnx.Rngs(0)) for _ in range(count)]))

    def loss(values: Any, x: jax.Array) -> jax.Array:
        for layer in nnx.merge(graph, values):
            x = nnx.relu(layer(x)) if table is None else relu(Kept(layer, table)(x))
        return jnp.mean(x**2)

    x = jax.ShapeDtypeStruct((32, 32, 32, 32), jnp.float32)
    return int(jax.jit(jax.grad(loss)).lower(params, x).compile().memory_analysis().temp_size_in_bytes)


def zero_value_nbytes(model: Any, pictures: networks.Pictures, table: str) -> dict[str, int]:
    """Bytes of the convolutions' inputs: in fixed bits, and as a bitmap with a byte for each coefficient that is not 0."""
    x = networks.scaled(jnp.asarray(pictures.train[:PICTURES]))
    fixed = coded = 0
    for convolution in model.convolutions:
        packed = compress(x, table_for(x, table))
        found = levels(packed, table_for(x, table))
        fixed += packed.data.size
        coded += found.shape[0] * found.shape[1] * 8 + int(jnp.sum(found != 0))
        x = nnx.relu(networks.halved(convolution(x)))
    return {"fixed": fixed, "zero_value_coding": coded}


def step_ms(model: Any, pictures: networks.Pictures) -> dict[str, float]:
    """Least time of a gradient of 128 pictures, the ways in turn, without compilation."""
    made = {way: objective(model, pictures, forward) for way, forward in WAYS.items()}
    programs = {way: jax.jit(jax.grad(loss)) for way, (loss, _, _) in made.items()}
    least = dict.fromkeys(WAYS, float("inf"))
    for number in range(ROUNDS + 1):
        for way, program in programs.items():
            began = time.perf_counter()
            jax.block_until_ready(program(*made[way][1:]))
            if number:
                least[way] = min(least[way], 1e3 * (time.perf_counter() - began))
    return {way: round(value, 2) for way, value in least.items()}


def trained(run: Run, table: str) -> Any:
    loss = partial(networks.loss, augment=run.network.augment, forward=WAYS[table])
    return run.kept(f"activations-{table}", lambda: run.fitted(run.network.make(nnx.Rngs(run.seed)), loss, 0))


def accuracies(run: Run, tables: Sequence[str]) -> dict[str, float]:
    models = {"plain": run.trained(), **{table: trained(run, table) for table in tables}}
    return {way: round(networks.accuracy(model, run.pictures), 3) for way, model in models.items()}


def summary(values: list[float]) -> dict[str, float]:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"mean": round(float(np.mean(values)), 3), "deviation": round(deviation, 3)}


def table_of(report: dict[str, Any]) -> str:
    head = "| | bytes kept | times fewer | XLA's bytes | ms a step | least cosine, start / end | accuracy, % | points lost |"
    lines = [head, "|---" * 8 + "|"]
    plain = report["memory"]["plain"]["residual_nbytes"]
    for way in WAYS:
        found = report["memory"][way]
        cells = [
            f"{found['residual_nbytes']}", f"{plain / found['residual_nbytes']:.1f}", f"{found['xla_temporary_nbytes']}",
            f"{report['step_ms'][way]:.1f}",
        ]  # fmt: skip
        if way in TABLES:
            least = (min(seed[when][way]["least"] for seed in report["gradients"]) for when in ("start", "end"))
            cells.append(" / ".join(f"{cosine:.4f}" for cosine in least))
        else:
            cells.append("–")
        for key in ("accuracy", "points_lost"):
            row = report[key].get(way)
            cells.append(f"{row['mean']:.2f} ± {row['deviation']:.2f}" if row else "–")
        lines.append(f"| {way} | {' | '.join(cells)} |")
    equal = all(s[when][t]["input_gradient_is_equal"] for s in report["gradients"] for when in s for t in TABLES)
    said = f"Gradients by the pictures are {'' if equal else 'not all '}equal to the plain ones bit for bit."
    for table, sizes in report["zero_values"].items():
        said += f" {table}: {sizes['fixed']} bytes in fixed bits, {sizes['zero_value_coding']} by zero-value coding."
    chains = ["", "XLA's temporary bytes of chains of convolutions:", "", "| convolutions | plain | gentle | strong |"]
    chains += ["|---" * 4 + "|"]
    chains += [f"| {count} | {' | '.join(map(str, row.values()))} |" for count, row in report["chains"].items()]
    return "\n".join([*lines, "", said, *chains, ""])


def literature(report: dict[str, Any]) -> list[dict[str, str]]:
    plain = report["memory"]["plain"]["residual_nbytes"]
    alone = plain / report["memory"]["masks alone"]["residual_nbytes"]
    said = [f"masks as bits alone: {alone:.1f} times fewer bytes kept"]
    for name, lost in report["points_lost"].items():
        if name != "plain":
            times = plain / report["memory"][name]["residual_nbytes"]
            points = f"{lost['mean']:+.2f} ± {lost['deviation']:.2f} points lost"
            least = min(seed[when][name]["least"] for seed in report["gradients"] for when in seed)
            said.append(f"{name}: {times:.1f} times fewer, {points}, least cosine of weight gradients {least:.3f}")
    return [
        {
            "system": "Evans 2020 (JPEG-ACT)",
            "claims": "activations 6 to 8 times smaller at less than 0.5 % change of accuracy",
            "measured": f"small network, CIFAR-10: {'; '.join(said)}; input gradients exact",
            "command": report["command"],
        }
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=list(TABLES), help="those that are trained with")
    parser.add_argument("--shorter", type=float, default=1.0, help="share of the epochs, to try it out")
    parser.add_argument("--train-only", action="store_true", help="keep the trainings, and write no results")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "activations")
    parser.add_argument("--output", type=Path, default=RESULTS, help="without suffix")
    given = parser.parse_args()
    share = given.shorter * EPOCHS / networks.NETWORKS["cifar"].epochs[0]
    runs = [Run("cifar", seed, given.work, share) for seed in given.seeds]
    found = []
    for run in runs:
        found.append(accuracies(run, given.tables))
        print(run.seed, found[-1], flush=True)
    if given.train_only:
        return
    words = [] if given.tables == list(TABLES) else ["--tables", *given.tables]
    command = shlex.join(["python", "-m", "experiments.activations", *words])
    report: dict[str, Any] = {**describe(), "command": command, "seeds": given.seeds}
    report["accuracies"] = found
    report["accuracy"] = {way: summary([f[way] for f in found]) for way in found[0]}
    report["points_lost"] = {way: summary([f["plain"] - f[way] for f in found]) for way in found[0]}
    pictures = runs[0].pictures
    starts = [run.network.make(nnx.Rngs(run.seed)) for run in runs]
    report["gradients"] = [
        {"start": compared(start, pictures), "end": compared(run.trained(), pictures)}
        for run, start in zip(runs, starts, strict=True)
    ]
    model = runs[0].trained()
    report["memory"] = memory(model, pictures)
    report["zero_values"] = {table: zero_value_nbytes(model, pictures, table) for table in TABLES}
    report["chains"] = {
        str(count): {table or "plain": chain_nbytes(count, table) for table in (None, *TABLES)} for count in CHAINS
    }
    report["step_ms"] = step_ms(model, pictures)
    report["literature"] = literature(report)
    given.output.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    text = f"Compressed activations (Evans 2020); `{command}` at commit {report['commit']}.\n\n"
    given.output.with_suffix(".md").write_text(text + table_of(report))
    print(table_of(report))


if __name__ == "__main__":
    main()
