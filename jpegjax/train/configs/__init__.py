"""Trainings that anybody can repeat: one Python file each, run by `jpegjax train NAME`.

A config is a module with a function `run(*, steps=…, folder=…, …)` that calls `jpegjax.train.fit` and returns its result. Its
keyword parameters, all with defaults, are what `jpegjax train CONFIG NAME=VALUE` can set. Its docstring begins with one line
that says what it trains, and goes on with the command, the time it takes and on what, and the score to expect:

    \"\"\"A tiny autoencoder of 8×8 blocks.

    Command: jpegjax train tiny folder=runs/tiny
    Time: 50 s on two CPU cores
    Expect: 31.2 dB on the validation part
    \"\"\"

Anything else in the file is the config's own: model, loss, data, evaluation.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["headline", "load", "names"]

_HERE = Path(__file__).parent


def names() -> list[str]:
    """The configs of this package."""
    return sorted(path.stem for path in _HERE.glob("*.py") if not path.stem.startswith("_"))


def headline(name: str) -> str:
    """The first line of a config's docstring, without running it."""
    text = ast.get_docstring(ast.parse((_HERE / f"{name}.py").read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def load(config: str) -> ModuleType:
    """The module of a config: one of this package by its name, or a file by its path.

    Raises:
        FileNotFoundError: There is neither.
        ValueError: It defines no function `run`.
    """
    inside = config in names()
    path = _HERE / f"{config}.py" if inside else Path(config)
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {config}, nor a config of that name; there are: {', '.join(names()) or 'none'}"
        )
    name = f"{__name__}.{config}" if inside else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{config}: is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    spec.loader.exec_module(module)
    if not callable(getattr(module, "run", None)):
        raise ValueError(f"{config}: defines no function run(**settings)")
    return module
