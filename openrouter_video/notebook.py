"""What a notebook shows of a run's videos: a small table with their posters, as one piece of HTML.

All that stands in it is other people's words, and is escaped. A poster is read only where it is a file of this machine,
and only so many of them, since a notebook keeps in its file what it has shown.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from openrouter_video.media_types import SNIFFED_BYTES, sniff
from openrouter_video.outcome import FanOut, Outcome, summary
from openrouter_video.report import cost_words, explanation, status_words
from openrouter_video.stores import path_of_file_url
from openrouter_video.text import clip, printable

__all__ = ["html_of_outcomes", "html_of_run"]

MOST_ROWS = 100
MOST_POSTERS = 24
LARGEST_POSTER, ALL_POSTERS = 150_000, 1_500_000
"""Bytes of one poster, and of all that one piece of HTML may hold."""

HEADER = ("poster", "row", "model", "take", "status", "length and size", "cost", "video", "why")


def html_of_run(run: FanOut) -> str:
    """Return the table of a run, below what its videos add up to."""
    lines = [summary(run.outcomes), *run.problems]
    if run.gallery_url:
        lines.append(f"gallery: {run.gallery_url}")
    head = "".join(f"<div>{_text(line)}</div>" for line in lines)
    return f"<div>{head}{html_of_outcomes(run.outcomes)}</div>"


def html_of_outcomes(outcomes: Sequence[Outcome]) -> str:
    """Return the table of some videos; columns that would be empty are left out."""
    shown = outcomes[:MOST_ROWS]
    rows = [(poster, *_cells(one)) for one, poster in zip(shown, _posters(shown), strict=True)]
    used = [number for number, column in enumerate(zip(*rows, strict=True)) if any(column)]
    lines = [_row("th", [HEADER[number] for number in used])]
    lines += [_row("td", [row[number] for number in used]) for row in rows]
    left = len(outcomes) - len(shown)
    more = f"<div>and {left:,} more; all of them: <code>result.rows()</code></div>" if left else ""
    return f"<table>{''.join(lines)}</table>{more}"


def _row(kind: str, cells: Iterable[str]) -> str:
    style = ' style="text-align: left; vertical-align: top"'
    return f"<tr>{''.join(f'<{kind}{style}>{cell}</{kind}>' for cell in cells)}</tr>"


def _cells(outcome: Outcome) -> tuple[str, ...]:
    row = " ".join(str(part) for part in (outcome.row, outcome.row_id) if part is not None)
    length = f"{outcome.duration_seconds:.1f}".removesuffix(".0") + " s" if outcome.duration_seconds else ""
    size = f"{outcome.width}x{outcome.height}" if outcome.width else ""
    status = status_words(outcome)
    take = str(outcome.take) if outcome.take > 1 else ""
    plain = (row, outcome.model, take, status, f"{length} {size}".strip(), cost_words(outcome))
    why = "; ".join(filter(None, [explanation(outcome), ", ".join(outcome.checks).replace("_", " ")]))
    return (*map(_text, plain), _link(outcome.url), _text(why))


def _link(url: str | None) -> str:
    if url is None:
        return ""
    if url.startswith(("http://", "https://")):
        return f'<a href="{escape(url)}" rel="noopener noreferrer">{_text(url)}</a>'
    # A page of a notebook may not open a file, so that a link would be a promise that is not kept.
    return f"<code>{escape(printable(path_of_file_url(url) or url))}</code>"


def _text(text: str) -> str:
    return escape(clip(text))


def _posters(outcomes: Sequence[Outcome]) -> Iterator[str]:
    number = size = 0
    for outcome in outcomes:
        picture = _picture(outcome.poster_url) if number < MOST_POSTERS and size < ALL_POSTERS else b""
        number, size = number + bool(picture), size + len(picture)
        kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
        code = base64.b64encode(picture).decode()
        yield f'<img alt="" width="160" src="data:image/{kind};base64,{code}">' if picture else ""


def _picture(url: str | None) -> bytes:
    """Return a poster that lies on this machine; nothing of what is too large, is gone, or is no picture."""
    path = path_of_file_url(url) if url else None
    if path is None:
        return b""
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_POSTER + 1)
    except (OSError, ValueError):
        return b""
    known = sniff(content[:SNIFFED_BYTES]) in {"a JPEG image", "a PNG image"}
    return content if known and len(content) <= LARGEST_POSTER else b""
