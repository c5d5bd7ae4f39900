"""Reads the imports of a package: which room looks into which, where walls are broken, and where imports run in circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

Imports = dict[str, set[str]]
"""Of each module, without the package's own name ("" for the package itself), the modules that it imports."""


def modules(package: Path) -> dict[str, Path]:
    """Each module's dotted name within the package, "" for the package itself, and its file."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _nodes(tree: ast.AST, typing: bool) -> Iterator[ast.AST]:
    """All nodes; without those that only type checkers read unless `typing`."""
    for node in ast.iter_child_nodes(tree):
        if not typing and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for part in node.orelse:
                yield part
                yield from _nodes(part, typing)
            continue
        yield node
        yield from _nodes(node, typing)


def imports(package: Path, *, typing: bool = True) -> Imports:
    """What each module imports from its package, at its top or later. typing: also for type checkers alone."""
    known = modules(package)

    def resolved(parts: tuple[str, ...]) -> str:
        """The longest part of a dotted name that is a module."""
        while parts and ".".join(parts) not in known:
            parts = parts[:-1]
        return ".".join(parts)

    found: Imports = {}
    for name, path in known.items():
        here = path.relative_to(package).parent.parts
        targets: set[str] = set()
        for node in _nodes(ast.parse(path.read_text()), typing):
            if isinstance(node, ast.Import):
                dotted = [tuple(alias.name.split(".")) for alias in node.names]
                targets |= {resolved(parts[1:]) for parts in dotted if parts[0] == package.name}
            elif isinstance(node, ast.ImportFrom):
                base = (package.name, *here)[: len(here) + 2 - node.level] if node.level else ()
                base += tuple(node.module.split(".")) if node.module else ()
                if base[:1] == (package.name,):
                    targets |= {resolved((*base[1:], alias.name)) for alias in node.names}
        found[name] = targets - {name}
    return found


def _inside(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


def broken_walls(found: Imports, may_import: Mapping[str, set[str]], inner: Mapping[str, set[str]]) -> list[str]:
    """Sentences, one for each import that the rules do not allow.

    may_import: of each room, the rooms that it may use, or dotted parts of them. inner: of a place in a room, the places of
    that room that it may use; a "!" behind a place means its door alone, which is the folder's own module.
    """
    broken = []
    for module, targets in found.items():
        room = module.partition(".")[0]
        if room not in may_import:
            broken.append(f"{room or 'the package'} has no line in the table of rooms")
            continue
        for target in sorted(targets):
            if target.partition(".")[0] != room:
                if not any(_inside(target, place) if place else target == "" for place in may_import[room]):
                    broken.append(f"{module or 'the package'} imports {target or 'the package'}")
                continue
            for place, allowed in inner.items():
                if not _inside(module, place) or _inside(target, place):
                    continue
                if not any(target == a[:-1] if a.endswith("!") else _inside(target, a) for a in allowed):
                    broken.append(f"{module} imports {target}, over the inner wall of {place}")
    return broken


def circles(found: Imports) -> list[list[str]]:
    """Groups of modules that import each other, whether at their top or later (Tarjan's components above one)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in found.get(module, ()):
            if target not in index:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            at = stack.index(module)
            if len(stack) - at > 1:
                groups.append(sorted(stack[at:]))
            del stack[at:]

    for module in found:
        if module not in index:
            visit(module)
    return groups
