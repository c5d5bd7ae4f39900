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


def described(command: Any, parent: Any, level: int = 2) -> list[str]:
    """A verb and the verbs inside it: what each does, how it is called, a definition for each argument and flag."""
    context = command.make_context(command.name, [], parent=parent, resilient_parsing=True)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    words = context.command_path.removeprefix("jpegjax ")
    about = [line for text in (command.help or "").split("\n\n") for line in (plain(text), "")]
    lines = [f"{'#' * level} {words}", "", *about, "```text", usage, "```", ""]
    for parameter in command.params:
        flags, said = parameter.get_help_record(context) or (parameter.make_metavar(context), parameter.help or "")
        lines += [f"`{flags}`", f": {plain(said) or '–'}", ""]
    for inner in getattr(command, "commands", {}).values():
        lines += described(inner, context, level + 1)
    return lines


class Verbs(SphinxDirective):
    """A section for each verb. For pages in Markdown."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        from typer.main import get_command

        from jpegjax.cli.app import app

        self.env.note_reread()  # the program may have changed though the page has not
        group: Any = get_command(app)
        parent = group.make_context("jpegjax", ["--help"], resilient_parsing=True)
        lines = [line for command in group.commands.values() for line in described(command, parent)]
        held = nodes.section()
        held.document = self.state.document
        self.state.nested_parse(StringList(lines, source="jpegjax.cli"), self.content_offset, held, match_titles=True)
        return held.children


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("verbs", Verbs)
    return {"parallel_read_safe": True}
