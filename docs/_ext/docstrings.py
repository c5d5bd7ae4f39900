"""Docstrings as Sphinx takes them: they are plain text with `code`, Google's sections and indented drawings."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

SECTIONS = ("Args:", "Returns:", "Raises:", "Attributes:", "Yields:")


def marked(line: str) -> str:
    """A line whose `code` is a literal, and in which nothing else is markup."""
    parts = re.split(r"(`[^`]+`)", line)
    plain = [re.sub(r"([*|\\]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
    plain[1:] = [rf"\ {text}" if text and not re.match(r"[\s.,:;!?)\]}/'\"-]", text) else text for text in plain[1:]]
    code = [f"`{part}`" for part in parts[1::2]]
    return "".join(text for pair in zip(plain, [*code, ""], strict=True) for text in pair)


def joined(lines: list[str]) -> list[str]:
    """The lines, but `code` that goes on in the next one stands in one line."""
    found: list[str] = []
    for line in lines:
        if found and found[-1].count("`") % 2:
            found[-1] += " " + line.strip()
        else:
            found.append(line)
    return found


def paragraphs(lines: list[str]) -> list[list[str]]:
    """Runs of lines without a blank one, and blank ones by themselves."""
    found: list[list[str]] = []
    for line in lines:
        if found and line.strip() and found[-1][-1].strip():
            found[-1].append(line)
        else:
            found.append([line])
    return found


def rewritten(lines: list[str]) -> list[str]:
    """reStructuredText of a docstring. Outside of sections, what is indented is a drawing or a table and is kept as it is;
    lines of a paragraph that are continued by indented ones are a list."""
    found: list[str] = []
    inside = False
    for one in paragraphs(joined(lines)):
        first = one[0]
        if first.strip() and not first.startswith(" "):
            inside = first.strip() in SECTIONS
        if inside or not first.strip():
            found += [line if line.strip() in SECTIONS else marked(line) for line in one]
        elif first.startswith(" "):
            before = next((line for line in reversed(found) if line.strip()), "")
            found += ([] if before.startswith(" ") else [".. code-block:: text", ""]) + one
        elif any(line.startswith(" ") for line in one):
            found += [f"  {marked(line.strip())}" if line.startswith(" ") else f"* {marked(line)}" for line in one]
        else:
            found += map(marked, one)
    return found


def options(kind: Any) -> list[str]:
    """What an options class says of its fields, as a section."""
    declared = [(one.name, getattr(kind.__annotations__.get(one.name), "__metadata__", ())) for one in fields(kind)]
    said = [(name, extra[0].about) for name, extra in declared if extra and hasattr(extra[0], "about")]
    return ["", "Args:", *(f"    {name}: {about}" for name, about in said)] if said else []


def process(app: Sphinx, what: str, name: str, thing: Any, _: Any, lines: list[str]) -> None:
    lines[:] = rewritten(lines)
    if what == "class" and isinstance(thing, type) and is_dataclass(thing) and "Args:" not in lines:
        lines += options(thing)


def shortened(app: Sphinx, what: str, name: str, thing: Any, _: Any, signature: str | None, returns: str | None) -> Any:
    """A signature without a result that only overloads tell: the docstring says it in words."""
    return signature, None if returns == "Any" else returns


def without_overloads() -> None:
    """Readers want the one signature that there is, not those that checkers tell apart."""
    analyze = ModuleAnalyzer.analyze

    def once(self: ModuleAnalyzer) -> None:
        analyze(self)
        self.overloads = {}

    ModuleAnalyzer.analyze = once  # type: ignore[method-assign]


def setup(app: Sphinx) -> dict[str, Any]:
    without_overloads()
    app.connect("autodoc-process-docstring", process, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", shortened)
    return {"parallel_read_safe": True}
