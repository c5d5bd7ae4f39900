"""`{verbs}`: the command line's verbs with their flags, from the program itself."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def plain(text: str) -> str:
    """A sentence of the program as Markdown that means itself."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|" else c for c in " ".join(text.split()))


def described(name: str, command: Any, context: Any) -> list[str]:
    """A verb: what it does, how it is called, a definition for each argument and flag."""
    usage = " ".join(["jpegjax", name, *command.collect_usage_pieces(context)])
    lines = [f"## {name}", "", *map(plain, (command.help or "").split("\n\n")), "", "```text", usage, "```", ""]
    for parameter in command.params:
        flags, about = parameter.get_help_record(context) or (parameter.make_metavar(context), parameter.help or "")
        lines += [f"`{flags}`", f": {plain(about) or '–'}", ""]
    return lines


class Verbs(SphinxDirective):
    """A section for each verb. For pages in Markdown."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        from typer.main import get_command

        from jpegjax.cli.app import app

        group: Any = get_command(app)
        parent = group.make_context("jpegjax", ["--help"], resilient_parsing=True)
        lines: list[str] = []
        for name, command in group.commands.items():
            lines += described(name, command, command.make_context(name, [], parent=parent, resilient_parsing=True))
        held = nodes.section()
        held.document = self.state.document
        self.state.nested_parse(StringList(lines, source="jpegjax.cli"), self.content_offset, held, match_titles=True)
        return held.children


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("verbs", Verbs)
    return {"parallel_read_safe": True}
