"""`jpegjax train`: run a config, one of the package or a file of one's own."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from ..paths import shown

__all__ = ["train"]


def train(
    config: Annotated[
        str | None,
        typer.Argument(
            help="A config's name, or a Python file that defines run(). [default: list them]", show_default=False
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="What to set, such as steps=1000 folder=runs/a max_seconds=600.", show_default=False),
    ] = None,
) -> None:
    """Train a model as a config says; where its run folder has checkpoints, go on from the newest."""
    from ...train import OtherCheckpoint, TrainingDiverged, configs

    if config is None:
        for name in configs.names():
            typer.echo(f"{name}  {configs.headline(name)}")
        return
    try:
        run = configs.load(config).run
        given = _settings(run, settings or ())
    except (OSError, ValueError) as error:
        raise _failed(error, 2) from None
    except ModuleNotFoundError as error:
        raise _failed(error, 1) from None
    try:
        result = run(**given)
    except (TrainingDiverged, OtherCheckpoint, OSError, ModuleNotFoundError) as error:
        raise _failed(error, 1) from None
    except (ValueError, TypeError) as error:
        if not _ours(error):
            raise
        raise _failed(error, 1) from None
    numbers = result.evaluation or (result.history[-1] if result.history else {})
    typer.echo("  ".join(f"{name} {value:.6g}" for name, value in {"step": result.step, **numbers}.items()))


def _failed(error: Exception, code: int) -> typer.Exit:
    typer.echo(f"jpegjax: {shown(str(error))}", err=True)
    return typer.Exit(code)


def _ours(error: Exception) -> bool:
    """Whether this library raised it, and so says what to do; where anything else did, people want the trace."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("jpegjax.")


def _settings(run: Callable[..., Any], words: Sequence[str]) -> dict[str, Any]:
    """NAME=VALUE words as keyword arguments; values are Python literals, or else text."""
    known = [name for name, one in inspect.signature(run).parameters.items() if one.kind is not one.VAR_KEYWORD]
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word}: must be NAME=VALUE")
        if name not in known:
            raise ValueError(f"{word}: this config has no {name}; it has: {', '.join(known)}")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name] = value
    return found
