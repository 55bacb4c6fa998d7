"""The columns that a table of prompts may have: those that are read, and what only looks like one of them. Pure.

Any other column is carried along, for joins. One that is spelled almost like a known one would be carried without a
word, and its setting would be missing from videos that are paid for; so it is a problem.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from types import NoneType
from typing import Any, Literal, get_args

from openrouter_video.batch.table import RowProblem
from openrouter_video.request import VideoSettings
from openrouter_video.text import letters_only, shown

__all__ = ["KNOWN", "SETTINGS", "CellKind", "column_problems"]

CellKind = Literal["text", "whole number", "yes or no", "JSON"]

ALMOST = 0.85
"""How alike two names are of which one is taken for a slip: ``user_id`` and ``first_name`` are names of their own."""

ALIASES = {"audio": "generate_audio"}
"""What another part of this package calls a setting: the command line has --audio."""

_KINDS: dict[Any, CellKind] = {str: "text", int: "whole number", bool: "yes or no"}


def _kind_of(annotation: Any) -> CellKind:
    members = {member for member in get_args(annotation) or (annotation,) if member is not NoneType}
    return _KINDS.get(members.pop(), "JSON") if len(members) == 1 else "JSON"


SETTINGS = {name: _kind_of(field.annotation) for name, field in VideoSettings.model_fields.items()}
"""The settings of a video, each a column, and what its cells hold."""

KNOWN = ("id", "prompt", "prompt_template", "model", "models", "takes", *SETTINGS, "provider_options", "labels")
"""Every column that is read."""


def column_problems(columns: Iterable[str]) -> list[RowProblem]:
    """Find the columns that are almost, and not quite, one that is read."""
    found = []
    for column in columns:
        near = _meant(column)
        if near:
            message = f"{shown(column)} is not a column that is read; write {near}, or rename it if it is your own"
            found.append(RowProblem(None, column, message))
    return found


def _meant(column: str) -> str | None:
    """Return the known column that a name is most likely a slip for; None if it is one, or its own."""
    if column in KNOWN:
        return None
    letters = letters_only(column)
    if letters in ALIASES:
        return ALIASES[letters]
    ranked = max(KNOWN, key=lambda known: _likeness(letters, known))
    return ranked if _likeness(letters, ranked) >= ALMOST else None


def _likeness(letters: str, known: str) -> float:
    return SequenceMatcher(None, letters, letters_only(known)).ratio()
