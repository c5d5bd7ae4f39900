"""`jpegjax codecs`: what can be compared here, with which settings, and what is missing and how to get it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

__all__ = ["codecs"]


def codecs(
    names: Annotated[
        list[str] | None, typer.Argument(help="Codecs to show. [default: all]", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """List codecs: library and version, settings with their ranges, and the pip line of what is missing."""
    from ... import codecs as room
    from ..report import console

    unknown = [name for name in names or () if name not in room.names()]
    if unknown:
        typer.echo(f"jpegjax: no codec {', '.join(unknown)}; there are: {', '.join(room.names())}", err=True)
        raise typer.Exit(2)
    wanted = names or room.names()
    missing = {name: how for name, how in room.missing().items() if name in wanted}
    found = [room.get(name) for name in wanted if name not in missing]
    if as_json:
        shown = {
            codec.name: {
                "about": codec.about,
                "version": codec.version,
                "settings": {
                    name: {"default": one.default, "range": one.range, "about": one.about}
                    for name, one in codec.settings.items()
                },
                "sweep": codec.sweep,
                "grid": codec.grid,
            }
            for codec in found
        }
        print(json.dumps({"available": shown, "missing": missing}, indent=1))
        return

    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    screen = console()
    for codec in found:
        screen.print(Text.assemble((codec.name, "bold"), f"  {codec.about}; {codec.version}"), soft_wrap=True)
        table = Table(box=SIMPLE_HEAD, pad_edge=True, show_edge=False)
        for column in ("setting", "default", "range", "what it is"):
            table.add_column(column, overflow="fold")
        for name, one in codec.settings.items():
            default = str(one.default).lower() if isinstance(one.default, bool) else str(one.default)
            mark = " *" if name == codec.sweep else ""
            table.add_row(*map(Text, (name + mark, "" if one.default is None else default, one.range, one.about)))
        screen.print(table)
        screen.print()
    if found and any(codec.sweep for codec in found):
        screen.print("* what jpegjax compare sweeps to draw a curve", soft_wrap=True)
    if missing:
        screen.print("not available here:", style="bold")
        for how in missing.values():
            screen.print(f"  {how}", soft_wrap=True)
    elif not names:
        screen.print("all codecs are available", soft_wrap=True)
