"""Command lines as others write them, turned into this program's: a word with one dash is a flag of its own, never a bundle."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..paths import UsageError, shown
from .programs import CJPEG, DJPEG, JPEGTRAN
from .word import Word, named

__all__ = ["spelled"]

_OF = {"encode": CJPEG, "decode": DJPEG, "transcode": JPEGTRAN}
_HELP = {"-h", "-help", "-?"}
_BARE = {"--restore": ("yes", "auto", "consistent")}
"""Flags whose value may be left out, and then is the first of these."""
_LONG = {
    "--all-normal": "--baseline", "--all-progressive": "--progressive", "--strip-none": "--copy=all", "--nofix": "--strict",
    **{f"--{verb}-{kind}": f"--{verb}={kind}" for verb in ("strip", "keep")
       for kind in ("com", "exif", "icc", "iptc", "xmp", "adobe", "jfxx")},
}  # fmt: skip
"""jpegoptim's."""


def spelled(words: Sequence[str], commands: Mapping[str, Any]) -> list[str]:
    """The command line in this program's own flags. UsageError for a word with one dash that is none, or is refused.

    commands: the verbs, each with its parameters as typer knows them.
    """
    verb = next((word for word in words if not word.startswith("-")), "")
    command = commands.get(verb)
    if command is None:
        return ["--help" if word in _HELP else word for word in words] or ["--help"]
    start = words.index(verb) + 1
    if inner := getattr(command, "commands", None):  # of a verb that has verbs
        return [*words[:start], *spelled(words[start:], inner)]
    found = _Line(verb, command, words[start:]).read()
    return ["--version"] if found == ["--version"] else [*words[:start], *found]


class _Line:
    """The words behind a verb."""

    def __init__(self, verb: str, command: Any, words: Sequence[str]):
        self.verb, self.theirs, self.left = verb, _OF.get(verb, ()), list(words)
        self.own: dict[str, bool] = {}
        """This program's flags, and whether a value follows."""
        for option in command.params:
            if option.param_type_name == "option":
                takes = not (option.is_flag or option.count)
                self.own |= dict.fromkeys((*option.opts, *option.secondary_opts), takes)

    def read(self) -> list[str]:
        found: list[str] = []
        while self.left:
            word = self.left.pop(0)
            if word == "--":
                return [*found, word, *self.left]
            found += self._long(word) if word.startswith("--") else self._short(word) if word[:1] == "-" else [word]
        return found

    def _value(self, flag: str) -> str:
        if not self.left:
            raise UsageError(f"{flag}: a value must follow")
        return self.left.pop(0)

    def _long(self, word: str) -> list[str]:
        word = _LONG.get(word, word)
        if word in _BARE and word in self.own:
            return [f"{word}={self._choice(_BARE[word])}"]
        return [word, self.left.pop(0)] if self.own.get(word) and self.left else [word]

    def _choice(self, values: Sequence[str]) -> str:
        """The next word if it is one of the values, and no file; else the first of them."""
        after = self.left[0] if self.left else ""
        return self.left.pop(0) if after in values and not os.path.exists(after) else values[0]

    def _short(self, word: str) -> list[str]:
        if word == "-":
            return [word]
        if word in _HELP:
            return ["--help"]
        if word in self.own:
            return [word, *([self.left.pop(0)] if self.own[word] and self.left else self._restart(word))]
        joined = re.fullmatch(r"(-[a-zA-Z])(\d.*)", word)
        if joined and self.own.get(joined[1]) and joined[1] != "-o":
            return list(joined.groups())
        theirs = named(self.theirs, word[1:])
        if theirs is not None:
            return list(self._theirs(word, theirs))
        if f"-{word}" in self.own:
            return self._long(f"-{word}")
        raise UsageError(f"{shown(word)}: {self._unknown(word)}")

    def _restart(self, word: str) -> list[str]:
        """UsageError for cjpeg's shortest -restart, which means folders here."""
        after = self.left[0] if self.left else ""
        if word == "-r" and re.fullmatch(r"\d+[bB]?", after) and not os.path.exists(after):
            raise UsageError(f"-r {after}: -r looks into folders here; restart markers are -restart {after}")
        return []

    def _theirs(self, typed: str, word: Word) -> Iterator[str]:
        if word.refused:
            raise UsageError(f"{shown(typed)}: {word.refused}")
        yield from word.ours
        if word.name == "lossless" and self.left and (match := re.fullmatch(r"([1-7])(?:,(\d+))?", self.left[0])):
            self.left.pop(0)  # cjpeg 3's own: predictor and point transform
            yield f"--predictor={match[1]}"
            yield from [f"--point-transform={match[2]}"] if match[2] else []
        if not word.takes:
            return
        value = self._value(typed)
        for name, why in word.unless.items():
            if name.startswith(value.lower()) and len(value) > 1:
                raise UsageError(f"{typed} {shown(value)}: {why}")
        if word.choices:
            choices = [n for n, least in word.choices.items() if n.startswith(value.lower()) and len(value) >= least]
            if not choices:
                raise UsageError(f"{typed} {shown(value)}: must be {', '.join(word.choices)}")
            value = choices[0]
        value = next((name for name in word.shorter if value and name.startswith(value.lower())), value)
        if word.pattern is not None and not re.fullmatch(word.pattern[0], value):
            raise UsageError(f"{typed} {shown(value)}: must be {word.pattern[1]}")
        if word.ours:
            yield value

    def _unknown(self, word: str) -> str:
        known = [
            *(f"-{one.name}" for one in self.theirs if not one.refused),
            *(one for one in self.own if len(one) > 2),
        ]
        near = difflib.get_close_matches(word, known, 1, 0.65)
        hints = [f"the file is ./{shown(word)}"] if os.path.exists(word) else []
        hints += [f"did you mean {near[0]}?"] if near else []
        if len(word) > 2 and word[:2] in self.own:
            takes = self.own[word[:2]]
            hints.append(
                f"a value needs a space: {word[:2]} {shown(word[2:].removeprefix('='))}"
                if takes
                else f"{word[:2]} stands alone"
            )
        return "; ".join([f"no such flag of {self.verb}", *hints])
