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

__all__ = ["KNOWN", "SETTINGS", "CellKind", "column_problems", "option_warnings"]

CellKind = Literal["text", "whole number", "number", "yes or no", "JSON"]

ALMOST = 0.85
"""How alike two names are of which one is taken for a slip: ``user_id`` and ``first_name`` are names of their own."""

OF_BATCH = frozenset(
    {
        "on_unsupported",
        "provider_slugs",
        "send_labels",
        "assumed_usd",
        "max_usd",
        "min_success",
        "extra_takes_on_output_moderation",
    }
)
"""Parameters that a batch has as a whole; a column of this name would be carried along without effect."""

LONGEST_NAME = 200

ALIASES = {"audio": "generate_audio"}
"""What another part of this package calls a setting: the command line has --audio."""

_KINDS: dict[Any, CellKind] = {str: "text", int: "whole number", float: "number", bool: "yes or no"}


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
        if column in OF_BATCH:
            message = "it is a parameter of the whole batch, and of no row; give it there, or rename the column"
            found.append(RowProblem(None, column, message))
        elif near := _meant(column):
            message = f"{shown(column)} is not a column that is read; write {near}, or rename it if it is your own"
            found.append(RowProblem(None, column, message))
    return found


def option_warnings(columns: Iterable[str], options: Iterable[str]) -> list[str]:
    """Say which columns are called like an option of a provider: they are carried along, and not sent."""
    by_letters = {letters_only(option): option for option in options}
    return [
        f"the column {shown(column)} is carried along and not sent; the option {option} of a provider goes into the "
        "column provider_options"
        for column in columns
        if column not in KNOWN and (option := by_letters.get(letters_only(column)))
    ]


def _meant(column: str) -> str | None:
    """Return the known column that a name is most likely a slip for; None if it is one, or its own."""
    if column in KNOWN or len(column) > LONGEST_NAME:
        return None
    letters = letters_only(column)
    if letters in ALIASES:
        return ALIASES[letters]
    ranked = max(KNOWN, key=lambda known: _likeness(letters, known))
    return ranked if _likeness(letters, ranked) >= ALMOST else None


def _likeness(letters: str, known: str) -> float:
    return SequenceMatcher(None, letters, letters_only(known)).ratio()
