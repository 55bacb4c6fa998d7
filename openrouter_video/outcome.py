"""What became of each video, of its files, and of the whole run. Pure values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, computed_field, field_validator

from openrouter_video.elision import elide, source_name
from openrouter_video.money import Estimate, dollars, total_estimate

if TYPE_CHECKING:
    from openrouter_video.rows import Row

__all__ = [
    "UNSENT",
    "Batch",
    "Chain",
    "Check",
    "FailureKind",
    "FanOut",
    "LeftOut",
    "Outcome",
    "OutcomeStatus",
    "SavedFile",
    "Sight",
    "count_asked",
    "count_completed",
    "count_submitted",
    "expected_cost",
    "failure_words",
    "is_simulated",
    "refused_once",
    "reused_cost",
    "run_status",
    "summary",
    "total_cost",
    "unsettled_words",
]

SETTLE_COMMAND = "openrouter-video ledger settle"
MEANT_FOR_ANOTHER = "meant for "
UNSENT = "not sent, since another video of this run was refused: "

OutcomeStatus = Literal["completed", "failed", "refused", "skipped", "uncertain", "open"]
RunStatus = Literal["completed", "partial", "submitted", "failed", "refused"]

FailureKind = Literal["input_moderation", "output_moderation", "provider", "expired", "spent_budget"]
"""Why a job failed, or was refused by the API, as far as that is known. ``provider``: all that is nothing else."""


Sight = Literal["black", "frozen", "silent"]
"""What is seen or heard in a file whatever was asked: hardly anybody means it."""

Check = Literal[
    Sight,
    "shorter_than_asked",
    "longer_than_asked",
    "smaller_than_asked",
    "larger_than_asked",
    "other_aspect_ratio",
    "no_audio",
    "unasked_audio",
]
"""What is to be said of a video beside what was asked; never a reason to fail one that is paid for."""


class LeftOut(BaseModel):
    """One passthrough option that was asked for and not sent, with the reason."""

    model_config = ConfigDict(frozen=True)

    key: str
    reason: str
    suggestion: str | None = None

    @property
    def lost(self) -> bool:
        """Whether its user wanted it here: one that is meant for another provider is no loss."""
        return not self.reason.startswith(MEANT_FOR_ANOTHER)


class Outcome(BaseModel):
    """What became of one video: asked, sent, left out, got and paid.

    ``completed``: the file is safe. ``failed``: the provider's last word, or the same damaged file more than once,
    kept at ``url``. ``refused``: by the plan or by a definite answer of the API, nothing was charged. ``skipped``:
    by policy. ``uncertain``: charged or not, nobody knows, and it is never submitted again by itself. ``open``: still
    running, or done and not yet downloaded; collecting finishes it.

    ``failure``: of what kind it is that a job failed, or that the API refused to make it. ``reused``: another run has
    sent it, and so has paid for it. ``instead_of``: the take in whose place it was made, since its provider withheld
    that. ``checks``: what is not as it was asked, or hardly meant, each by its name.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    take: int = 1
    instead_of: int | None = None
    key: str | None = None
    batch: str | None = None
    row: int | None = None
    row_id: str | None = None
    status: OutcomeStatus
    reused: bool = False
    job_id: str | None = None
    job_status: str | None = None
    url: str | None = None
    extra_urls: tuple[str, ...] = ()
    sidecar_url: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    has_audio: bool | None = None
    c2pa: bool | None = None
    poster_url: str | None = None
    checks: tuple[Check, ...] = ()
    cost_usd: float | None = None
    sent: dict[str, Any] | None = None
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None
    failure: FailureKind | None = None
    elapsed_seconds: float | None = None
    made_at: str | None = None
    prompt: str | None = None
    labels: dict[str, str] = {}
    estimate: Estimate | None = None
    sandbox: bool = False

    @property
    def is_shot(self) -> bool:
        """Whether it is one of a chain, of which ``row`` is the number of the shot."""
        return self.row is not None and self.batch is None

    @field_validator("sent")
    @classmethod
    def _without_secrets(cls, value: dict[str, Any] | None) -> Any:
        """Records of older versions hold whole URLs."""
        return elide(value)

    @property
    def title(self) -> str:
        """What to call it: its prompt, else the name of what it was made from; empty if neither is recorded."""
        return self.prompt or next(map(source_name, _sources(self.sent or {})), "")

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a table with the poster."""
        from openrouter_video.notebook import html_of_outcomes  # noqa: PLC0415 (only a notebook pays for it)

        return html_of_outcomes([self])


class FanOut(BaseModel):
    """The whole run: what was asked and what became of every video.

    ``cost_usd`` is what this run has paid for, ``reused_cost_usd`` what it found that other runs had paid for.
    ``gallery_url`` and ``manifest_url``: the page and the table of its videos, beside them.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str | None = None
    status: RunStatus
    asked: dict[str, Any]
    cost_usd: float | None = None
    reused_cost_usd: float | None = None
    estimate: Estimate | None = None
    problems: tuple[str, ...] = ()
    gallery_url: str | None = None
    manifest_url: str | None = None
    outcomes: tuple[Outcome, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def sandbox(self) -> bool:
        """Whether all videos are a sandbox's, so that nothing was billed; of a mixture only the others are summed."""
        return is_simulated(self.outcomes)

    def __str__(self) -> str:
        return summary(self.outcomes)

    def rows(self) -> list[Row]:
        """Return one flat row per video, with the columns of a ledger's export: ``pandas.DataFrame(result.rows())``."""
        from openrouter_video.rows import row_of_outcome  # noqa: PLC0415 (a row is built on outcomes)

        return [row_of_outcome(outcome) for outcome in self.outcomes]

    def _repr_html_(self) -> str:
        """Return what a notebook shows: what all videos add up to, and a table with their posters."""
        from openrouter_video.notebook import html_of_run  # noqa: PLC0415 (only a notebook pays for it)

        return html_of_run(self)


class Batch(FanOut):
    """The whole batch: as a fan-out, of all rows of its table together.

    ``rows_in_table``: how many there are. Of them ``rows_left_out`` could not be made, ``rows_same`` had been asked for
    before as they are, ``rows_changed`` otherwise, and ``rows_new`` never; ``rows_gone`` were, and are not in the table
    any more. Only rows with an id of their own are known to have changed.
    """

    batch: str
    rows_in_table: int
    rows_left_out: int = 0
    rows_same: int = 0
    rows_changed: int = 0
    rows_new: int = 0
    rows_gone: int = 0


class Chain(FanOut):
    """The whole chain: as a fan-out, with the outcome of each shot in their order.

    ``continued_by``: how each shot continues the one before it. ``chain_url``: the file that all shots were joined to.
    """

    continued_by: Literal["previous_job_id", "last_frame"] | None = None
    chain_url: str | None = None


def _sources(sent: dict[str, Any]) -> Iterator[str]:
    """Yield what a body works from, as far as it can be read."""
    for one in (*(sent.get("frame_images") or ()), *(sent.get("input_references") or ())):
        yield from (str(value["url"]) for value in one.values() if isinstance(value, dict) and "url" in value)
    if previous := sent.get("previous_job_id"):
        yield str(previous)


def count_completed(outcomes: Sequence[Outcome]) -> int:
    """Return how many videos are safe."""
    return sum(outcome.status == "completed" for outcome in outcomes)


def count_submitted(outcomes: Sequence[Outcome]) -> int:
    """Return of how many videos a collection finishes the job: it goes on, and the ledger knows it."""
    going_on = [outcome for outcome in outcomes if outcome.status == "open" and outcome.job_id]
    return len(going_on) - len(unsettled_words(going_on))


def count_asked(outcomes: Sequence[Outcome]) -> int:
    """Return how many videos were asked for: an extra take is made in the place of one of them."""
    return sum(outcome.instead_of is None for outcome in outcomes)


def total_cost(outcomes: Sequence[Outcome]) -> float | None:
    """Return what a run has paid for in US dollars: nothing for what it found; None if the provider told no cost.

    Where some videos are a sandbox's, only the others count.
    """
    own = [outcome for outcome in _that_count(outcomes) if not outcome.reused]
    return _sum_of_costs(own) if own else 0.0 if outcomes else None


def reused_cost(outcomes: Sequence[Outcome]) -> float | None:
    """Return what other runs had paid for that a run found; None if it found nothing of a known cost."""
    return _sum_of_costs([outcome for outcome in _that_count(outcomes) if outcome.reused])


def is_simulated(outcomes: Sequence[Outcome]) -> bool:
    """Whether all of them are a sandbox's, so that nothing was billed."""
    return bool(outcomes) and all(outcome.sandbox for outcome in outcomes)


def _that_count(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return a sandbox's videos if all are one's, else the others: no sum mixes what was billed with what was not."""
    simulated = is_simulated(outcomes)
    return [outcome for outcome in outcomes if outcome.sandbox is simulated]


def expected_cost(outcomes: Sequence[Outcome]) -> Estimate | None:
    """Return what the videos that a run has paid for were to cost; None if it paid for none, or nobody estimated."""
    own = [outcome for outcome in _that_count(outcomes) if not outcome.reused]
    known = [outcome.estimate for outcome in own if outcome.estimate is not None]
    return total_estimate(known) if known else None


def _sum_of_costs(outcomes: Sequence[Outcome]) -> float | None:
    known = [outcome.cost_usd for outcome in outcomes if outcome.cost_usd is not None]
    return round(sum(known), 6) if known else None


def run_status(outcomes: Sequence[Outcome], wanted: int, *, waited: bool = True) -> RunStatus:
    """Return ``completed`` with as many videos as wanted, ``partial`` with some, ``failed`` with none.

    A run that has not ``waited`` for its jobs is ``submitted`` with as many as wanted of them.
    """
    completed = count_completed(outcomes)
    if completed >= wanted:
        return "completed"
    if not waited and completed + count_submitted(outcomes) >= wanted:
        return "submitted"
    return "partial" if completed else "failed"


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return the final state's message, such as ``3 of 4 videos, $0.80, 1 open, 1 reused ($0.40 paid before)``."""
    asked = count_asked(outcomes)
    parts = [f"{count_completed(outcomes)} of {asked} video{'s' * (asked != 1)}"]
    simulated = is_simulated(outcomes)
    cost = total_cost(outcomes)
    if cost is not None:
        parts.append(dollars(cost, sandbox=simulated))
    beside = None if simulated else _sum_of_costs([outcome for outcome in outcomes if outcome.sandbox])
    if beside is not None:
        parts.append(dollars(beside, sandbox=True))
    unpriced = sum(outcome.status == "completed" and outcome.cost_usd is None for outcome in outcomes)
    if unpriced:
        parts.append(f"{unpriced} of unknown price")
    for status in ("failed", "refused", "skipped", "uncertain", "open"):
        of_status = [outcome for outcome in outcomes if outcome.status == status]
        if of_status:
            parts.append(f"{len(of_status)} {status}{_kinds_of(of_status)}")
    if extra := len(outcomes) - asked:
        parts.append(f"{extra} extra take{'s' * (extra != 1)}")
    reused = sum(outcome.reused for outcome in outcomes)
    if reused:
        before = reused_cost(outcomes)
        paid = f" ({dollars(before, sandbox=simulated)} paid before)" if before is not None else ""
        parts.append(f"{reused} reused{paid}")
    return ", ".join(parts)


def _kinds_of(outcomes: Sequence[Outcome]) -> str:
    """Return in brackets of what kinds failures are, where that says something; how many of each, if not all are."""
    counts = Counter(one.failure for one in outcomes if one.failure and one.failure != "provider")
    told = [f"{'' if count == len(outcomes) else f'{count} '}{failure_words(kind)}" for kind, count in counts.items()]
    return f" ({', '.join(told)})" if told else ""


def failure_words(failure: FailureKind | None) -> str:
    """Return a kind of failure as people write it."""
    return (failure or "").replace("_", " ")


def refused_once(outcomes: Sequence[Outcome]) -> list[str]:
    """Say once what a spent budget has kept from being made, and what to do: it is not about one video only."""
    kept = [outcome for outcome in outcomes if outcome.failure == "spent_budget"]
    if not kept:
        return []
    errors = [outcome.error or "" for outcome in kept]
    said = next((error for error in errors if not error.startswith(UNSENT)), errors[0].removeprefix(UNSENT))
    return [f"{len(kept)} of {len(outcomes)} video{'s' * (len(outcomes) != 1)} not made: {said}"]


class SavedFile(BaseModel):
    """A published file: size in bytes, SHA-256 in lower-case hexadecimal; what nothing could tell is None.

    ``kind`` is "video", or "picture" for what some models return beside one, or what is "damaged" (no whole video, and
    nothing else can be had) or "playable" (so, but not cut, and FFmpeg finds a video in it). ``c2pa``: whether it
    carries a manifest of its origin. ``poster_url``: a still picture of it, beside it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    bytes: int
    sha256: str
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    has_audio: bool | None = None
    c2pa: bool | None = None
    poster_url: str | None = None
    sights: tuple[Sight, ...] = ()
    kind: Literal["video", "picture", "damaged", "playable"] = "video"
    notes: tuple[str, ...] = ()


def unsettled_words(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what is to be said of open jobs that the ledger does not know, since no collection finds them."""
    return [outcome.error for outcome in outcomes if outcome.error and SETTLE_COMMAND in outcome.error]
