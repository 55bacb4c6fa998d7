"""What the state that ends a run says in a line, and what its log warns of. Pure.

Whoever looks at a list of runs reads the line; so it names what is missing, and why, before anybody opens anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from openrouter_video.outcome import Outcome, count_submitted, refused_once, summary
from openrouter_video.text import clip

__all__ = ["state_message", "warnings_of"]

MOST_NAMED = 3
MOST_WARNINGS = 20
LONGEST_REASON = 120
NOT_SENT = ("refused", "skipped")


def state_message(outcomes: Sequence[Outcome], *, waited: bool = True) -> str:
    """Return a run in a line: ``3 of 4 videos, $0.80, 1 refused. wan-2.6 refused: duration is … Lost: kling … seed``.

    Refused models, a spent budget and lost options stand there once each, however many videos they cost. A run that has
    not ``waited`` begins with what it has submitted: ``3 submitted, collect finishes them; 0 of 4 videos, 3 open``.
    """
    words, submitted = summary(outcomes), 0 if waited else count_submitted(outcomes)
    if submitted:
        words = f"{submitted:,} submitted, collect finishes {'it' if submitted == 1 else 'them'}; {words}"
    refused = _once(f"{_short(one)} {one.status}: {_first_words(one.error or '')}" for one in _not_sent(outcomes))
    lost = _once(f"{_short(one)} {', '.join(keys)}" for one in outcomes if (keys := _lost(one)))
    spent = [_first_words(once, 2 * LONGEST_REASON) for once in refused_once(outcomes)]
    parts = [*spent, *_few(refused), *([f"lost: {'; '.join(_few(lost))}"] if lost else [])]
    return f"{words}. {'; '.join(parts)}" if parts else words


def warnings_of(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a line for each refused model and for each model that lost options which its user had asked for."""
    lines = [clip(once) for once in refused_once(outcomes)]
    lines += [
        f"{clip(one.model)} was {one.status}: {clip(one.error or 'no reason is known')}" for one in _not_sent(outcomes)
    ]
    lines += [
        f"{clip(one.model)} did not get {clip(', '.join(keys))}: {clip(_reasons(one))}"
        for one in outcomes
        if (keys := _lost(one))
    ]
    lines = _once(lines)
    more = len(lines) - MOST_WARNINGS
    return lines if more <= 0 else [*lines[:MOST_WARNINGS], f"and {more:,} more like these; the table has them all"]


def _not_sent(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return what was not sent for a reason of its own."""
    return [one for one in outcomes if one.status in NOT_SENT and one.failure != "spent_budget"]


def _lost(outcome: Outcome) -> list[str]:
    """Return the options that were asked for this model and did not reach it."""
    return [] if outcome.status in NOT_SENT else [clip(option.key) for option in outcome.left_out if option.lost]


def _reasons(outcome: Outcome) -> str:
    return "; ".join(_once(option.reason for option in outcome.left_out if option.lost))


def _short(outcome: Outcome) -> str:
    """Return a model's name without its maker's, which the table has."""
    return clip(outcome.model).rpartition("/")[2]


def _first_words(reason: str, most: int = LONGEST_REASON) -> str:
    words = clip(reason)
    return words if len(words) <= most else f"{words[: most - 1]}…"


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _few(texts: list[str]) -> list[str]:
    return texts if len(texts) <= MOST_NAMED else [*texts[:MOST_NAMED], f"{len(texts) - MOST_NAMED} more"]
