"""Texts with fields in braces, such as ``A {product} in the rain``; ``{{`` and ``}}`` stand for braces. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, Self

from openrouter_video.text import nearest, shown

__all__ = ["Template"]

TOKEN = re.compile(r"(?P<escaped>\{\{|\}\})|\{(?P<name>[^{}]*)\}|(?P<lone>[{}])")


class Template(NamedTuple):
    """A text taken apart: what stands there as it is, and the names of fields, each marked as True."""

    parts: tuple[tuple[str, bool], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a text apart.

        Raises:
            ValueError: if a brace stands alone, or a field has no name; in words.
        """
        parts: list[tuple[str, bool]] = []
        at = 0
        for token in TOKEN.finditer(text):
            parts.append((text[at : token.start()], False))
            at = token.end()
            if token["lone"]:
                brace = token["lone"]
                raise ValueError(f"a {brace} stands alone at character {token.start() + 1}; write {brace * 2} for one")
            if token["escaped"]:
                parts.append((token["escaped"][0], False))
            elif name := token["name"].strip():
                parts.append((name, True))
            else:
                raise ValueError(f"the field at character {token.start() + 1} has no name; write {{name of a column}}")
        parts.append((text[at:], False))
        return cls(tuple(part for part in parts if part[0]))

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its fields, each once."""
        return tuple(dict.fromkeys(text for text, is_field in self.parts if is_field))

    @property
    def words(self) -> str:
        """What stands in it as it is, with nothing for the fields."""
        return "".join(text for text, is_field in self.parts if not is_field)

    def unknown(self, known: Iterable[str], kind: str) -> list[str]:
        """Say of each field that is not among the known ones which is nearest; ``kind`` says what they are."""
        names = list(known)
        found = []
        for field in self.fields:
            if field not in names:
                hint = "".join(f"did you mean {near}? " for near in nearest(field, names))
                found.append(f"{{{field}}} is not {kind}; {hint}there are {', '.join(map(shown, names)) or 'none'}")
        return found

    def fill(self, value: Callable[[str], str]) -> str:
        """Return the text with each field replaced by its value."""
        return "".join(value(text) if is_field else text for text, is_field in self.parts)
