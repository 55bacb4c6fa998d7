"""What a check of recipes looks like to people: lines for a terminal, and a page in Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from openrouter_video.drift.verdicts import RecipeCheck, RecipeVerdict, summary_of
from openrouter_video.markdown import as_text
from openrouter_video.text import clip

__all__ = ["CheckLine", "check_lines", "check_page"]

Kind = Literal["works", "broken", "problem", "needs", "warning", "price", "note"]

MOST_BYTES = 200_000
"""Of a page; Prefect lists artifacts with all that is in them."""


class CheckLine(NamedTuple):
    """One line, and what it is, by which a terminal chooses its colour."""

    text: str
    kind: Kind


def check_lines(check: RecipeCheck) -> list[CheckLine]:
    """Return a check line by line, what breaks first."""
    lines = [CheckLine(clip(words), "warning") for words in check.problems]
    return [*lines, *(line for one in _in_order(check) for line in _lines(one))]


def check_page(check: RecipeCheck) -> str:
    """Return a check as a page in Markdown: what breaks and why first, then a table of all."""
    parts = [f"**{as_text(summary_of(check))}**"]
    parts += [f"- {as_text(words)}" for words in check.problems]
    for verdict in _in_order(check):
        head, *lines = _lines(verdict)
        if verdict.status == "broken" or len(lines) > 1:
            parts.append(f"### {as_text(head.text)}")
            parts.append("\n".join(f"- {as_text(line.text)}" for line in lines))
    parts.append("| recipe | is | may cost | models |\n|---|---|---|---|\n" + "\n".join(map(_row, _in_order(check))))
    page = "\n\n".join(filter(None, parts))
    if len(page.encode()) <= MOST_BYTES:
        return page
    return f"{parts[0]}\n\nThis is too much for a page: `openrouter-video check-recipes` shows all of it."


def _in_order(check: RecipeCheck) -> list[RecipeVerdict]:
    return sorted(check.recipes, key=lambda one: one.status == "works")


def _lines(verdict: RecipeVerdict) -> Iterator[CheckLine]:
    is_broken = verdict.status == "broken"
    state = f"breaks, {verdict.since_words}" if is_broken else "works"
    yield CheckLine(clip(f"{verdict.name}: {state}"), "broken" if is_broken else "works")
    told: list[tuple[Kind, str, tuple[str, ...]]] = [
        ("problem", "", verdict.problems),
        ("needs", "", verdict.needs),
        ("price", "", (verdict.price_words,) if verdict.price_words else ()),
        ("warning", "warning: ", verdict.warnings),
        ("note", "changed since the last check: ", verdict.changes),
        ("note", "left out: ", verdict.left_out),
    ]
    for kind, prefix, texts in told:
        yield from (CheckLine(clip(f"{prefix}{text}"), kind) for text in texts)


def _row(verdict: RecipeVerdict) -> str:
    state = f"broken {verdict.since_words}" if verdict.status == "broken" else "works"
    cost = f"{verdict.estimate or ''}{f' ({verdict.price})' if verdict.price else ''}"
    return f"| {' | '.join(as_text(clip(cell)) for cell in (verdict.name, state, cost, ', '.join(verdict.models)))} |"
