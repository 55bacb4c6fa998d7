"""Makes text safe to show and short, and finds the nearest spelling. Pure.

Prompts, ids, names of options and the API's messages end up in errors, logs, artifacts and terminals. Nothing that is
shown steers a terminal, forges a line of a log, or turns the reading around.
"""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Iterable

from openrouter_video.elision import redact, redact_source

__all__ = ["csv_line", "nearest", "printable", "printable_json", "row_title", "shown", "video_title"]

LONGEST_VALUE_IN_MESSAGE = 80

LONGEST_WORD = 200

LONGEST_MESSAGE = 600


def printable(text: str) -> str:
    """Return a text on one line, with a question mark for what could steer a terminal or turn the reading around."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "?" for character in text)


def printable_json(document: str) -> str:
    """Return the same JSON with escapes for what ``printable`` would replace; its lines stay lines."""
    if document.isprintable():
        return document
    return "".join(one if one.isprintable() or one == "\n" else _escape(one) for one in document)


def _escape(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else json.dumps(character)[1:-1]  # noqa: PLR2004


def csv_line(cells: Iterable[object]) -> str:
    """Return one record of a CSV file, without its end of line."""
    # With no line terminator the writer would not quote a cell that holds one.
    line: str = csv.writer(_Line(), lineterminator="\n").writerow(cells)
    return line.removesuffix("\n")


class _Line:
    """Hands a line back to the writer, which returns it."""

    def write(self, line: str) -> str:
        return line


def clip(text: str) -> str:
    """Return one printable line of bounded length: answers are not trusted to be either.

    A URL loses what may be a secret in it: its query, in which a signature may be, and its user.
    """
    shown = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(shown.split())
    line = redact(line)
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1] + "…"


def nearest(word: str, allowed: Iterable[str], count: int = 1) -> list[str]:
    """Return up to ``count`` of the allowed words that look most like the one given, best first.

    Case, dashes, dots and underscores do not count, so ``negative_prompt`` leads to ``negativePrompt``.
    """
    if len(word) > LONGEST_WORD:
        return []
    by_form: dict[str, str] = {}
    for candidate in allowed:
        by_form.setdefault(letters_only(candidate), candidate)
    return [by_form[form] for form in difflib.get_close_matches(letters_only(word), by_form, n=count, cutoff=0.6)]


def letters_only(word: str) -> str:
    """Return a word as it is compared: without case, dashes, dots, underscores and blanks."""
    return "".join(character for character in word.casefold() if character not in "-_. ")


def shown(value: object) -> str:
    """Return a value as a message repeats it: short, and without the secrets of URLs."""
    try:
        text = repr(redact_source(value)) if isinstance(value, str) else redact(repr(value))
    except (ValueError, RecursionError):
        return "what Python itself cannot write: a number of thousands of digits, or lists without an end"
    return text if len(text) <= LONGEST_VALUE_IN_MESSAGE else text[: LONGEST_VALUE_IN_MESSAGE - 1] + "…"


def row_title(number: int, row_id: str | None = None, *, shot: bool = False) -> str:
    """Return what a row of a table of prompts is called: ``row 7 (orchid)``, by its own id if it has one.

    The ``shot`` of a chain is called ``shot 7``.
    """
    return f"{'shot' if shot else 'row'} {number:,}" + (f" ({clip(row_id)})" if row_id else "")


def video_title(
    model: str, take: int = 1, row: int | None = None, row_id: str | None = None, *, shot: bool = False
) -> str:
    """Return what a video is called: ``x-ai/grok take 2``, in a batch ``row 7 (orchid), x-ai/grok take 2``.

    ``shot``: it is one of a chain, of which its row is the number.
    """
    name = clip(model) if take == 1 else f"{clip(model)} take {take}"
    return name if row is None else f"{row_title(row, row_id, shot=shot)}, {name}"
