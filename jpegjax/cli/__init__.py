"""The command line: `jpegjax encode|decode|transcode|info|demo`. Each verb imports what is heavy itself."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 when all went well, 1 when a file failed, 2 when one was damaged and saved in
    part (as djpeg does), or for wrong usage."""
    from typer.main import get_command

    from .app import app
    from .paths import UsageError
    from .words import spelled

    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed; print would put what is for stderr into a picture on stdout
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    code: Any = 1
    try:
        try:
            command: Any = get_command(app)
            words = spelled(sys.argv[1:] if arguments is None else arguments, command.commands)
            command(words, prog_name="jpegjax")
        except SystemExit as left:
            code = left.code
        except UsageError as error:
            print(f"jpegjax: {error}", file=sys.stderr)
            code = 2
        sys.stdout.flush()
    except OSError as error:  # what is printed cannot be: a full disk, a reader that has left
        code = code or 1
        if not isinstance(error, BrokenPipeError):
            print(f"jpegjax: {error.filename or 'stdout'}: {error.strerror or error}", file=sys.stderr)
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter says it again
    sys.exit(code)
