"""The videos of a run as Prefect shows them: a page of Markdown, with a still picture of each. Pure.

Prefect lists artifacts with all that is in them, so a page stays small: of many videos some are named, and the gallery
has them all. Prompts, ids and messages are other people's words and act as nothing. Three videos stand side by side,
which is what Prefect's page has room for; its older page shows no picture inside a link, so the link stands below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from openrouter_video.gallery.tiles import seconds_words, settings_words
from openrouter_video.markdown import as_text
from openrouter_video.outcome import Outcome, is_simulated, summary
from openrouter_video.report import cost_words, group_left_out, status_words
from openrouter_video.text import clip

__all__ = ["MOST_PICTURES", "Sights", "run_page"]

MOST_PICTURES = 40
MOST_VIDEOS = 300
MOST_PROMPTS = 60
MOST_LINES = 60
LONGEST_PAGE = 900_000
LONGEST_PROMPT = 300
ABREAST = 3
OPEN_WORDS = {"open": "still running", "uncertain": "may have been accepted"}


class Sights(NamedTuple):
    """What a page can show of some videos: pictures as ``data:`` URLs by the poster's URL, and links by a file's URL.

    ``signed_until``: the end of those links that are signed.
    """

    pictures: Mapping[str, str]
    links: Mapping[str, str]
    signed_until: datetime | None = None


def run_page(outcomes: Sequence[Outcome], sights: Sights, gallery_url: str | None = None) -> str:
    """Return the page of a run; what of a large run has no room on it is named, and is in its gallery."""
    parts = [*_head(outcomes, sights, gallery_url)]
    made = [outcome for outcome in outcomes if outcome.status == "completed"]
    prompts = dict.fromkeys(outcome.title for outcome in made)
    shown = 0
    for prompt in list(prompts)[:MOST_PROMPTS]:
        videos = [outcome for outcome in made if outcome.title == prompt][: max(0, MOST_VIDEOS - shown)]
        shown += len(videos)
        parts += [*_of_prompt(prompt, videos, sights)]
    if shown < len(made):
        parts.append(f"And {len(made) - shown:,} videos more.")
    parts += [*_list("Not there", _missing(outcomes)), *_list("Left out", _left_out(outcomes))]
    return _short_enough(parts, sights)


def _head(outcomes: Sequence[Outcome], sights: Sights, gallery_url: str | None) -> Iterator[str]:
    yield f"## {as_text(summary(outcomes))}"
    if is_simulated(outcomes):
        yield "Made in a sandbox: nothing was billed."
    if gallery_url:
        href = sights.links.get(gallery_url)
        yield (
            f"[All of them, side by side]({href})"
            if href
            else f"All of them, side by side: {as_text(clip(gallery_url))}"
        )
    if sights.signed_until:
        yield (
            f"The links work until {sights.signed_until:%Y-%m-%d %H:%M} UTC, if the credentials that signed them last "
            "as long. Until then they open the videos for whoever has them."
        )


def _of_prompt(prompt: str, videos: Sequence[Outcome], sights: Sights) -> Iterator[str]:
    if not videos:
        return
    words = clip(prompt)
    yield f"**{as_text(words if len(words) <= LONGEST_PROMPT else words[: LONGEST_PROMPT - 1] + '…')}**"
    if settings := settings_words(videos[0]):
        yield as_text(settings)
    for first in range(0, len(videos), ABREAST):
        row = videos[first : first + ABREAST]
        cells = [
            [_title(outcome) for outcome in row],
            ["---"] * len(row),
            [_picture(outcome, sights) for outcome in row],
            [_facts(outcome) for outcome in row],
            [_link(outcome, sights) for outcome in row],
            [as_text(", ".join(check.replace("_", " ") for check in outcome.checks)) for outcome in row],
        ]
        yield "\n".join(f"| {' | '.join(line)} |" for line in cells if any(line))


def _title(outcome: Outcome) -> str:
    take = f" take {outcome.take}" if outcome.take != 1 else ""
    return as_text(f"{clip(outcome.model)}{take}")


def _picture(outcome: Outcome, sights: Sights) -> str:
    picture = sights.pictures.get(outcome.poster_url or "")
    return f"![{_title(outcome)}]({picture})" if picture else ""


def _facts(outcome: Outcome) -> str:
    size = f"{outcome.width}x{outcome.height}" if outcome.width else ""
    told = (cost_words(outcome) or "price unknown", seconds_words(outcome.duration_seconds), size)
    return as_text(", ".join(filter(None, told)))


def _link(outcome: Outcome, sights: Sights) -> str:
    href = sights.links.get(outcome.url or "")
    name = clip(outcome.url or "").rpartition("/")[2]
    return f"[Play]({href})" if href else as_text(name)


def _missing(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        if outcome.status != "completed":
            status = OPEN_WORDS.get(outcome.status, status_words(outcome.model_copy(update={"reused": False})))
            why = clip(outcome.error or "; ".join(outcome.notes)).removeprefix(f"{outcome.status}: ")
            yield f"**{_title(outcome)}** {as_text(f'{status}: {why}' if why else status)}"


def _left_out(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        if outcome.status not in {"refused", "skipped"}:
            lost = [option for option in outcome.left_out if option.lost]
            yield from (f"**{_title(outcome)}** {as_text(line)}" for line in group_left_out(lost))


def _list(title: str, lines: Iterator[str]) -> Iterator[str]:
    once = list(dict.fromkeys(lines))
    if once:
        more = [f"and {len(once) - MOST_LINES:,} more"] if len(once) > MOST_LINES else []
        yield "\n".join([f"**{title}**\n", *(f"- {line}" for line in (*once[:MOST_LINES], *more))])


def _short_enough(parts: Sequence[str], sights: Sights) -> str:
    """Return the parts as a page, without its pictures if it were too long with them."""
    page = "\n\n".join(parts)
    if len(page.encode()) <= LONGEST_PAGE:
        return page
    for picture in sights.pictures.values():
        page = page.replace(f"]({picture})", "]()")
    return page.encode()[:LONGEST_PAGE].decode(errors="ignore")
