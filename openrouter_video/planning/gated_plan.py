"""What the gates of money ask of a plan, be it of one request or of a whole batch. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, Self

from openrouter_video.errors import Problem
from openrouter_video.money import Estimate, total_estimate
from openrouter_video.planning.previous_jobs import Look

__all__ = ["GatedPlan", "ModelShare", "extra_words", "known_problems"]


class ModelShare(NamedTuple):
    """The videos of one model that a plan pays for.

    ``each``: what one of them may cost, from the cheapest to the dearest; ``together``: all of them. ``unpriced`` of
    them nobody can put a figure on; the others may cost up to ``most`` micro-dollars, the cheapest up to ``cheapest``.
    At most there are so many ``extra`` takes beside them, which are in ``most`` and at the top of ``together`` only.
    """

    model: str
    videos: int
    each: Estimate
    together: Estimate
    most: int
    cheapest: int
    unpriced: int = 0
    extra: int = 0

    @classmethod
    def of(cls, model: str, videos: Sequence[Estimate], extra: Sequence[Estimate] = ()) -> Self:
        """Return the share of a model by the estimate of each of its videos, and of each extra take."""
        every = [*videos, *extra]
        kinds = set(every)
        highs = [one.high or 0 for one in every if one.priced]
        each = next(iter(kinds)) if len(kinds) == 1 else _hull(every)
        return cls(
            model,
            len(videos),
            each,
            _together(videos, extra),
            most=sum(highs),
            cheapest=min(highs, default=0),
            unpriced=len(every) - len(highs),
            extra=len(extra),
        )


def _together(videos: Sequence[Estimate], extra: Sequence[Estimate]) -> Estimate:
    """Return what all of them may cost: at least without any extra take, at most with each of them."""
    at_least = total_estimate(videos)
    if not extra:
        return at_least
    at_most = total_estimate([*videos, *extra])
    return Estimate.of(at_least.low or 0, at_most.high, at_most.basis, at_most.why)


def extra_words(extra: int) -> str:
    """Say how many extra takes are at the top of an estimate; nothing if there are none."""
    return f", the top with {extra:,} extra take{'s' * (extra != 1)}" if extra else ""


def _hull(videos: Iterable[Estimate]) -> Estimate:
    """Return from where to where one of several videos may cost; unpriced as soon as one of them is."""
    kinds = list(dict.fromkeys(videos))
    basis = total_estimate(kinds).basis
    low = min((one.low or 0 for one in kinds), default=0)
    high = max((one.high or 0 for one in kinds), default=0) if basis != "unpriced" else None
    told = [one for one in kinds if one.priced is (basis != "unpriced")]
    return Estimate.of(low, high, basis, dict.fromkeys(why for one in told for why in one.why))


def known_problems(count: int) -> list[Problem]:
    """Say what becomes of the videos of a refused plan that were submitted before, if there are some."""
    videos = f"{count:,} video{'s' * (count != 1)}"
    message = f"{videos} of it had been submitted before; `openrouter-video collect` finishes those that are open"
    return [Problem("known", message)] if count else []


class GatedPlan(Protocol):
    """A plan that may not spend before it has passed the gates.

    ``shares``: what it pays for, by model. ``subject``: what it is of, in a few words. ``content``: what it would send,
    as JSON. ``fewer`` says how many of its videos would fit into an amount of micro-dollars, if some would.
    """

    @property
    def problems(self) -> Sequence[Problem]:
        """Why nothing may be sent."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know."""

    @property
    def known(self) -> Collection[object]:
        """Which of its videos the ledger knows already: they are not paid for again."""

    @property
    def sandbox(self) -> bool:
        """Whether nothing is billed."""

    @property
    def estimate(self) -> Estimate:
        """What it may cost in all."""

    @property
    def shares(self) -> tuple[ModelShare, ...]:
        """What it pays for, by model."""

    @property
    def subject(self) -> str:
        """What it is of, such as its prompt."""

    @property
    def refused(self) -> bool:
        """Whether nothing may be sent at all."""

    @property
    def refusal(self) -> tuple[Problem, ...]:
        """Why nothing is sent, as it is told."""

    @property
    def continued(self) -> Sequence[str]:
        """The ids of the jobs that its new videos continue, as far as they are there yet."""

    def content(self) -> list[object]:
        """Return what would be sent, and how often, as JSON: a plan of the same content is the same."""

    def fewer(self, left: int) -> list[str]:
        """Say how many of its videos would fit into so many micro-dollars; nothing where none or all would."""

    def with_problems(self, problems: Iterable[Problem]) -> Self:
        """Return the plan with more problems."""

    def with_looks(self, looks: Mapping[str, Look]) -> Self:
        """Return the plan with what looks have told of the jobs that it continues, by their ids."""

    def with_notes(self, warnings: Iterable[str], *, sandbox: bool) -> Self:
        """Return the plan with more warnings, and with a newer word on whether anything is billed."""
