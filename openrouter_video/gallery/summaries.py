"""What each model came to, so that a stranger sees which did best: how many videos, for how much, how fast. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from openrouter_video.gallery.tiles import seconds_words
from openrouter_video.money import dollars
from openrouter_video.outcome import (
    Outcome,
    count_asked,
    count_completed,
    expected_cost,
    is_simulated,
    summary,
    total_cost,
)

__all__ = ["COLUMNS", "LOWEST", "OF_SEVERAL", "QUICKEST", "Cell", "best_of", "summary_rows", "totals"]

LOWEST, QUICKEST = "lowest price", "quickest"
COLUMNS = ("Videos", "Price each", "In all", "Made in, median", "With a check", "Not made")
OF_SEVERAL = ("Lowest price for", "Quickest for")
"""Besides, where there is more than one prompt."""
DIME = 0.1
NONE = "\N{EN DASH}"

Cell = tuple[str, str]
"""A text, and what it is: ``best``, ``some`` (of what one would rather have none), or nothing."""


class _Figures(NamedTuple):
    each_usd: float | None
    seconds: float | None


def totals(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what all videos of a page came to, the most important first.

    A page shows what its videos cost, whichever run has paid for them.
    """
    told = summary(_as_paid(outcomes)).split(", ")
    expected = expected_cost(_as_paid(outcomes))
    if expected is not None:
        told.append(f"estimate {expected.words(sandbox=is_simulated(outcomes))}")
    checked = sum(bool(outcome.checks) for outcome in outcomes)
    if checked:
        told.append(f"{checked} with a check")
    reused = sum(outcome.reused for outcome in outcomes)
    if reused:
        told.append(f"{reused} made by an earlier run")
    return told


def best_of(outcomes: Sequence[Outcome]) -> Mapping[int, tuple[str, ...]]:
    """Return by its place what is best of the videos of one prompt, where several models have made one.

    What all have in common distinguishes none of them.
    """
    made = {index: one for index, one in enumerate(outcomes) if one.status == "completed"}
    if len({one.model for one in made.values()}) < 2:  # noqa: PLR2004 (of one model nothing is best)
        return {}
    found: dict[int, tuple[str, ...]] = {}
    simulated = is_simulated(outcomes)
    costs = {index: one.cost_usd for index, one in made.items() if one.sandbox is simulated}
    for name, values in (
        (LOWEST, costs),
        (QUICKEST, {index: _whole(one.elapsed_seconds) for index, one in made.items()}),
    ):
        known = {index: value for index, value in values.items() if value is not None}
        least = min(known.values(), default=None)
        best = [index for index, value in known.items() if value == least]
        if len(best) < len(known):
            found |= {index: (*found.get(index, ()), name) for index in best}
    return found


def summary_rows(
    by_model: Mapping[str, Sequence[Outcome]], best: Mapping[str, Counter[str]] | None
) -> dict[str, list[Cell]]:
    """Return the cells of each model; ``best`` counts for how many of several prompts it was best at what."""
    all_simulated = is_simulated([outcome for outcomes in by_model.values() for outcome in outcomes])
    figures = {model: _figures(outcomes) for model, outcomes in by_model.items()}
    least = _Figures(*(_least([values[index] for values in figures.values()]) for index in range(2)))
    return {
        model: [
            (f"{count_completed(outcomes)} of {count_asked(outcomes)}", ""),
            *_money(outcomes, figures[model], least, marked=is_simulated(outcomes) and not all_simulated),
            (seconds_words(figures[model].seconds) or NONE, _mark(figures[model].seconds, least.seconds)),
            _count(sum(bool(outcome.checks) for outcome in outcomes)),
            _not_made(outcomes),
            *([_prompts(best[model][name]) for name in (LOWEST, QUICKEST)] if best else []),
        ]
        for model, outcomes in by_model.items()
    }


def _money(outcomes: Sequence[Outcome], own: _Figures, least: _Figures, *, marked: bool) -> tuple[Cell, Cell]:
    """Return what a video of a model has cost on average, and what all have."""
    cost, each = total_cost(_as_paid(outcomes)), own.each_usd
    together = dollars(cost, sandbox=marked) if cost is not None else "unknown" if count_completed(outcomes) else NONE
    if each is None:
        return (NONE, ""), (together, "")
    return (dollars(round(each, 2 if each >= DIME else 4), sandbox=marked), _mark(each, least.each_usd)), (together, "")


def _whole(seconds: float | None) -> int | None:
    """Return a time in whole seconds, as it is shown: who is quicker by less is not quicker."""
    return None if seconds is None else max(1, round(seconds))


def _figures(outcomes: Sequence[Outcome]) -> _Figures:
    made = [outcome for outcome in outcomes if outcome.status == "completed"]
    costs = [outcome.cost_usd for outcome in made if outcome.cost_usd is not None]
    times = [outcome.elapsed_seconds for outcome in made if outcome.elapsed_seconds is not None]
    return _Figures(sum(costs) / len(costs) if costs else None, _whole(median(times)) if times else None)


def _least(values: Sequence[float | None]) -> float | None:
    """Return the least of several; None if all are the same, so that none is best."""
    known = [value for value in values if value is not None]
    return min(known) if len(set(known)) > 1 else None


def _mark(value: float | None, least: float | None) -> str:
    return "best" if value is not None and value == least else ""


def _prompts(number: int) -> Cell:
    return (f"{number} prompt{'s' * (number != 1)}", "") if number else (NONE, "")


def _count(number: int) -> Cell:
    return (str(number), "some") if number else (NONE, "")


def _not_made(outcomes: Sequence[Outcome]) -> Cell:
    counted = Counter(outcome.status for outcome in outcomes if outcome.status != "completed")
    return (", ".join(f"{number} {status}" for status, number in counted.items()), "some") if counted else (NONE, "")


def _as_paid(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome.model_copy(update={"reused": False}) if outcome.reused else outcome for outcome in outcomes]
