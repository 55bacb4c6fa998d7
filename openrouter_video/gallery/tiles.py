"""One video as the page shows it: what came, what it cost, what is odd about it, and where its files are. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from openrouter_video.gallery.links import Link, Place
from openrouter_video.money import dollars
from openrouter_video.outcome import Check, Outcome, failure_words
from openrouter_video.report import group_left_out
from openrouter_video.text import clip

__all__ = ["labels_of", "seconds_words", "settings_words", "tile_of"]

MINUTE = 60
ALWAYS = {"details", "labels"}
PLAYABLE = (".mp4", ".mov", ".webm", ".m4v")

Detail = tuple[str, str, str]


def tile_of(outcome: Outcome, place: Place, best: tuple[str, ...], *, all_simulated: bool) -> dict[str, Any]:
    """Return what the page shows of a video; what there is nothing to say of is left out.

    On a page of a sandbox's videos alone the page says so, once; else each of them says it.
    """
    video = place.link(outcome.url) if outcome.url else None
    poster = place.link(outcome.poster_url) if outcome.poster_url else None
    is_made = outcome.status == "completed"
    tile = {
        "take": outcome.take,
        "status": outcome.status,
        "src": video.href if video and video.inside and is_made and _plays(video) else None,
        "poster": poster.href if poster and poster.inside else None,
        "failure": failure_words(outcome.failure),
        "why": None if is_made else _why(outcome),
        "price": _price(outcome, all_simulated=all_simulated),
        "seconds": seconds_words(outcome.duration_seconds),
        "size": _size(outcome),
        "made": _made(outcome) if is_made else None,
        "best": list(best),
        "checks": [{"name": check, "says": _sentence(check, outcome)} for check in outcome.checks],
        "left_out": _lost(outcome),
        "reused": outcome.reused,
        "labels": labels_of(outcome),
        "details": [list(detail) for detail in _details(outcome, place)],
    }
    return {name: value for name, value in tile.items() if value or name in ALWAYS}


def settings_words(outcome: Outcome) -> str:
    """Return what a video was asked to be like, such as ``4 s, 720p, 16:9, no sound``."""
    sent = outcome.sent or {}
    words = [f"{sent['duration']} s"] if isinstance(sent.get("duration"), int | float) else []
    words += [str(sent[name]) for name in ("resolution", "aspect_ratio", "size") if isinstance(sent.get(name), str)]
    if isinstance(sent.get("generate_audio"), bool):
        words.append("with sound" if sent["generate_audio"] else "no sound")
    return clip(", ".join(words))


def labels_of(outcome: Outcome) -> list[str]:
    """Return the labels of a video as people read and choose them."""
    return [clip(f"{name}: {text}") for name, text in outcome.labels.items()]


def seconds_words(seconds: float | None) -> str:
    """Return a time as people say it: ``4 s``, ``2 min 10 s``; nothing if it is not known."""
    if seconds is None:
        return ""
    if seconds < MINUTE:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), MINUTE)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def _made(outcome: Outcome) -> str | None:
    seconds = outcome.elapsed_seconds
    return f"made in {seconds_words(max(1, round(seconds)))}" if seconds is not None else None


def _why(outcome: Outcome) -> str:
    """Return why there is no video; that it failed stands above it already."""
    return clip(outcome.error or "; ".join(outcome.notes)).removeprefix(f"{outcome.status}: ")


def _lost(outcome: Outcome) -> int:
    """Return how many options this video went without; those meant for other providers are no loss."""
    if outcome.status in {"refused", "skipped"}:
        return 0
    return sum(option.lost for option in outcome.left_out)


def _sentence(check: Check, outcome: Outcome) -> str:
    """Return what is said of a check: the note that begins with its name; a row of a manifest joins the notes."""
    name = check.replace("_", " ")
    notes = "; ".join(outcome.notes).split("; ")
    return next((clip(note) for note in notes if note.startswith(f"{name}:")), name)


def _plays(video: Link) -> bool:
    return video.href.lower().endswith(PLAYABLE)


def _price(outcome: Outcome, *, all_simulated: bool) -> str | None:
    if outcome.cost_usd is None:
        return "price unknown" if outcome.status == "completed" else None
    return dollars(outcome.cost_usd, sandbox=outcome.sandbox and not all_simulated)


def _size(outcome: Outcome) -> str | None:
    # The sign that stands between the sides of a picture.
    return f"{outcome.width}\N{MULTIPLICATION SIGN}{outcome.height}" if outcome.width and outcome.height else None


def _details(outcome: Outcome, place: Place) -> Iterator[Detail]:
    """Yield what stands below a video when it is opened, the most urgent first: label, text, and where it leads."""
    for url in filter(None, (outcome.url, *outcome.extra_urls)):
        link = place.link(url)
        yield "video", link.text, link.href
    yield from ((label, text, "") for label, text in (*_reasons(outcome), *_circumstances(outcome)) if text)
    if outcome.sidecar_url:
        link = place.link(outcome.sidecar_url)
        yield "record", link.text, link.href


def _reasons(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Yield what is odd about a video, and why."""
    yield "why", clip(outcome.error or "")
    yield from (("left out", line) for line in group_left_out(outcome.left_out))
    yield "for others", clip(", ".join(option.key for option in outcome.left_out if not option.lost))
    yield from (("note", clip(note)) for note in outcome.notes)
    withheld = f"It was made in the place of take {outcome.instead_of}, which its provider withheld."
    yield "extra take", withheld if outcome.instead_of else ""
    yield "reused", "An earlier run made it and paid for it." if outcome.reused else ""


def _circumstances(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Yield how a video was made."""
    expected = outcome.estimate
    yield "estimate", f"{expected.words(sandbox=outcome.sandbox)} ({expected.ground})" if expected else ""
    body = {name: value for name, value in (outcome.sent or {}).items() if name not in {"model", "prompt"}}
    yield "sent", clip(json.dumps(body, ensure_ascii=False)) if body else ""
    yield "origin", "The file carries a C2PA manifest." if outcome.c2pa else ""
    yield "labels", ", ".join(labels_of(outcome))
    for label, text in (("made at", outcome.made_at), ("job", outcome.job_id), ("key", outcome.key)):
        yield label, clip(text or "")
