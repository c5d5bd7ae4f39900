"""The state of a training, and the step from one to the next.

    key ──fold in step──▶ loss(model, batch, key) ──gradient──▶ clip ──▶ rule ──▶ params ──▶ average
                              ▲ model = graph + params (bfloat16 if asked) + rest

Everything that decides the next step is in the state, or in the batch's number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from .config import FitConfig
from .shard import names

__all__ = [
    "Loss",
    "State",
    "all_finite",
    "first_state",
    "joined",
    "make_step",
    "optimizer",
    "parted",
    "schedule",
    "weights",
]

Loss = Callable[[Any, Any, jax.Array], tuple[jax.Array, dict[str, jax.Array]]]
"""(model, batch, key) -> (scalar to be minimised, scalars to be logged); pure under jit but for the model's own state."""


class State(NamedTuple):
    """step: int32, updates so far. params, rest: nnx.State, float32 and the model's other variables. moments: the optimiser's.
    average: as params, or () without one. key: uint32 key data. bad: int32, the first step that was not finite, else 0."""

    step: jax.Array
    params: Any
    rest: Any
    moments: Any
    average: Any
    key: jax.Array
    bad: jax.Array


def parted(model: nnx.Module) -> tuple[Any, Any, Any]:
    """(graph, nnx.State of its parameters, of all else) of a model, without intermediate values that it may have kept."""
    graph, everything = nnx.split(model)
    copy = nnx.merge(graph, everything)
    nnx.pop(copy, nnx.Intermediate)
    parts: Any = nnx.split(copy, nnx.Param, ...)
    return parts


def joined(graph: Any, params: Any, rest: Any) -> Any:
    """The model of its parts, its variables made anew so that they may change where this is traced."""
    return nnx.merge(graph, *jax.tree.map(lambda x: x, (params, rest)))


def schedule(config: FitConfig) -> optax.Schedule:
    """The learning rate after n updates."""
    if config.schedule == "cosine":
        after = optax.cosine_decay_schedule(config.learning_rate, config.steps - config.warmup, config.final_rate)
    else:
        after = optax.constant_schedule(config.learning_rate)
    if not config.warmup:
        return after
    rise = optax.linear_schedule(0.0, config.learning_rate, config.warmup)
    return optax.join_schedules([rise, after], [config.warmup])


def optimizer(config: FitConfig) -> optax.GradientTransformation:
    """Clipping by the global norm, then AdamW (Loshchilov and Hutter, ICLR 2019), where biases and gains do not decay, or
    momentum (Rumelhart, Hinton and Williams, Nature 1986)."""
    if config.optimizer == "momentum":
        rule = optax.sgd(schedule(config), momentum=0.9)
    else:
        rule = optax.adamw(
            schedule(config),
            weight_decay=config.weight_decay,
            mask=(lambda params: jax.tree.map(lambda x: x.ndim > 1, params)) if config.weight_decay else None,
        )
    clip = optax.identity() if config.clip is None else optax.clip_by_global_norm(config.clip)
    if not config.paces:
        return optax.chain(clip, rule)
    return optax.chain(clip, rule, optax.stateless(lambda changes, _: _paced(changes, config)))


def _paced(changes: Any, config: FitConfig) -> Any:
    """Changes times the share of the rate that each parameter has; the first pattern that its path has counts."""
    leaves, structure = jax.tree.flatten(changes)
    shares = [next((s for pattern, s in config.paces if re.search(pattern, path)), 1.0) for path in names(changes)]
    return jax.tree.unflatten(structure, [x * share for x, share in zip(leaves, shares, strict=True)])


def first_state(model: nnx.Module, config: FitConfig) -> tuple[Any, State]:
    """(graph of the model, the state before the first step). The model's own arrays are not shared with it."""
    graph, params, rest = parted(model)
    if not jax.tree.leaves(params):
        raise ValueError(f"model: {type(model).__name__} has no nnx.Param to train")
    params, rest = jax.tree.map(jnp.copy, (params, rest))
    for path, leaf in zip(names(params), jax.tree.leaves(params), strict=True):
        if leaf.dtype != jnp.float32:
            raise TypeError(f"model: parameter {path} is {leaf.dtype}; master weights are float32")
    return graph, State(
        step=jnp.int32(0),
        params=params,
        rest=rest,
        moments=optimizer(config).init(params),
        average=jax.tree.map(jnp.copy, params) if config.ema else (),
        key=jax.random.key_data(jax.random.key(config.seed)),
        bad=jnp.int32(0),
    )


def make_step(graph: Any, loss: Loss, config: FitConfig) -> Callable[[State, Any, Any], tuple[State, Any]]:
    """(state, sums, batch) -> (next state, sums with this step's numbers added), to be jitted.

    sums: "loss", "gradient_norm" and what the loss names, float32.
    """
    update = optimizer(config)
    lower, kept = jnp.dtype(config.compute), re.compile(config.stay_float32) if config.stay_float32 else None

    def computed(params: Any) -> Any:
        if lower == jnp.float32:
            return params
        leaves, structure = jax.tree.flatten(params)
        cast = [
            x if kept and kept.search(path) else x.astype(lower) for path, x in zip(names(params), leaves, strict=True)
        ]
        return jax.tree.unflatten(structure, cast)

    def step(state: State, sums: Any, batch: Any) -> tuple[State, Any]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)

        def objective(params: Any) -> tuple[jax.Array, Any]:
            model = joined(graph, computed(params), state.rest)
            value, extra = loss(model, batch, key)
            _check_scalars(value, extra)
            rest = parted(model)[2]
            return value.astype(jnp.float32), (extra, rest)

        (value, (extra, rest)), gradient = jax.value_and_grad(objective, has_aux=True)(state.params)
        norm = optax.tree.norm(gradient)
        change, moments = update.update(gradient, state.moments, state.params)
        params = optax.apply_updates(state.params, change)
        number = state.step + 1
        average = state.average
        if config.ema:
            decay = jnp.minimum(config.ema, number / (number + 9.0))  # so that the first weights are soon forgotten
            average = jax.tree.map(lambda a, p: a + (1 - decay) * (p - a), average, params)
        finite = jnp.isfinite(value) & jnp.isfinite(norm)
        bad = jnp.where((state.bad == 0) & ~finite, number, state.bad)
        shown = {**extra, "loss": value, "gradient_norm": norm}
        sums = {name: jnp.float32(x) + (sums[name] if sums else 0) for name, x in shown.items()}
        return State(number, params, rest, moments, average, state.key, bad), sums

    return step


def _check_scalars(value: Any, extra: Any) -> None:
    if jnp.shape(value) != () or not jnp.issubdtype(jnp.result_type(value), jnp.floating):
        raise TypeError(
            f"loss: its first result must be a floating scalar, not {jnp.result_type(value)} of shape {jnp.shape(value)}; take "
            "the mean over the batch"
        )
    wrong = {name: jnp.shape(x) for name, x in extra.items() if jnp.shape(x) != ()}
    if wrong:
        raise TypeError(f"loss: logged numbers must be scalars; of other shapes are {wrong}")


def weights(state: State) -> Any:
    """The weights to be used: the average where there is one, else the parameters."""
    return state.average if jax.tree.leaves(state.average) else state.params


def all_finite(state: State) -> jax.Array:
    """Whether all weights, their moments and averages are finite."""
    trained = jax.tree.leaves((state.params, state.moments, state.average))
    found = [jnp.isfinite(x).all() for x in trained if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.stack(found).all()
