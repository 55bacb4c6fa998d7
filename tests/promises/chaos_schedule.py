"""What happens in a run of chaos, drawn from one seed: who asks for what, what goes wrong, who is killed and when.

Pure. The interleaving of the processes is the machine's, so a seed replays the plan and not the exact course of events.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from openrouter_video.ledger.records import scope_of_key
from openrouter_video.sandbox import Fault

__all__ = [
    "POLL_SECONDS",
    "SPEED",
    "SUBMIT_SECONDS",
    "Kill",
    "Schedule",
    "Submission",
    "Turn",
    "draw_schedule",
    "fired",
    "ledger_keys",
]

SPEED = 10.0
"""How much faster than the real ones the waits of the workers and the jobs of the sandbox are."""

SUBMIT_SECONDS, POLL_SECONDS = 1.5, 1.0
"""Real time-outs of the workers; what the sandbox delays beyond them is lost."""

PROVIDERS_LAST_WORD = "chaos: the provider gave up"

# The provider gives up every job of this one: a poll hears so or fails, and no two polls contradict each other.
_DOOMED, _DOOMED_SHARE = "alibaba/wan-3.0", 0.1
_MODELS = ("x-ai/grok-imagine-video", "x-ai/grok-imagine-video-1.5", "x-ai/grok-imagine-video-1.5-lite")
_PROMPTS = ("A white orchid", "Rain on a tin roof, at night", "Ein Fluß im Nebel")
_FLOW_SHARE, _SHARED, _COLLECTIONS = 0.1, 0.3, 0.03


class Submission(NamedTuple):
    """One call of a flow: a prompt to some models under an idempotency key."""

    key: str
    prompt: str
    models: tuple[str, ...]
    takes: int


class Turn(NamedTuple):
    """One thing that one process does; neighbouring turns with the same submission run in two processes at once.

    ``flow`` runs the whole Prefect flow, ``chain`` the flow's chain of submit, poll and download without the engine,
    ``collect`` the flow that collects, in the middle of everything.
    """

    by: Literal["flow", "chain", "collect"]
    submission: Submission | None = None


class Kill(NamedTuple):
    """SIGKILL to one process, so many seconds after the one before."""

    after_seconds: float
    process: int


class Schedule(NamedTuple):
    """Everything that the seed decides; ``doom`` is what polls hear of jobs that the provider gives up."""

    turns: tuple[Turn, ...]
    faults: tuple[tuple[str, Fault], ...]
    doom: Fault
    kills: tuple[Kill, ...]

    @property
    def jobs(self) -> frozenset[str]:
        """The ledger keys of all videos that are asked for."""
        return frozenset(key for turn in self.turns if turn.submission for key in ledger_keys(turn.submission))


def ledger_keys(submission: Submission) -> list[str]:
    """Return the ledger key of each video; an API on this machine has a realm of its own."""
    scope = scope_of_key(submission.key, "loopback")
    return [scope.key(model, take) for model in submission.models for take in range(1, submission.takes + 1)]


def draw_schedule(seed: int, jobs: int, processes: int) -> Schedule:
    """Draw a run of at least so many videos."""
    dice = random.Random(seed)  # noqa: S311 (chaos is to be repeatable)
    turns = tuple(_turns(dice, seed, jobs))
    faults = tuple(
        labelled for on, requests in (("submit", 1.6), ("poll", 8.0), ("content", 2.5)) for labelled in
        _spread(dice, _MENU[on], int(requests * jobs))
    )  # fmt: skip
    kills = tuple(Kill(dice.uniform(0.05, 0.8), dice.randrange(processes)) for _ in range(6 + jobs // 6))
    status = dice.choice(("failed", "cancelled", "expired", "dead"))
    doom = Fault(
        on="poll", model=_DOOMED, times=None, body={"id": "x", "status": status, "error": PROVIDERS_LAST_WORD}
    )  # fmt: skip
    return Schedule(turns, faults, doom, kills)


def _turns(dice: random.Random, seed: int, jobs: int) -> Iterator[Turn]:
    """Draw submissions; some come twice or thrice, at once or later: schedules fire twice, and runs are redone."""
    asked, later = 0, list[Turn]()
    while asked < jobs:
        models = dice.sample(_MODELS, dice.choice((1, 1, 2, 3))) + [_DOOMED] * (dice.random() < _DOOMED_SHARE)
        submission = Submission(f"chaos-{seed}-{asked}", dice.choice(_PROMPTS), tuple(models), dice.choice((1, 1, 2)))
        asked += len(submission.models) * submission.takes
        for _ in range(1 + (dice.random() < _SHARED) + (dice.random() < _SHARED / 3)):
            yield Turn("flow" if dice.random() < _FLOW_SHARE else "chain", submission)
        if dice.random() < _SHARED / 2:
            later.append(Turn("flow" if dice.random() < _FLOW_SHARE else "chain", submission))
        if later and dice.random() < _SHARED / 2:
            yield later.pop(dice.randrange(len(later)))
        if dice.random() < _COLLECTIONS:
            yield Turn("collect")
    yield from later


# ---- Faults ----------------------------------------------------------------------------------------------------------


class _Choice(NamedTuple):
    """A fault with how often it is drawn, in relation to the others, and how many requests in a row it hits."""

    label: str
    fault: Fault
    weight: int = 2
    in_a_row: int = 1


def _envelope(status: int, message: str, **metadata: str) -> dict[str, object]:
    return {"error": {"code": status, "message": message, "metadata": metadata or None}}


def _of_submit(label: str, weight: int = 2, in_a_row: int = 1, **what: object) -> _Choice:
    return _Choice(label, Fault.model_validate({"on": "submit", **what}), weight, in_a_row)


def _of_poll(label: str, weight: int = 2, in_a_row: int = 1, **what: object) -> _Choice:
    return _Choice(label, Fault.model_validate({"on": "poll", **what}), weight, in_a_row)


def _of_content(label: str, weight: int = 2, in_a_row: int = 1, **what: object) -> _Choice:
    return _Choice(label, Fault.model_validate({"on": "content", **what}), weight, in_a_row)


_LATER = {"retry-after": "3"}
_BUDGET = _envelope(402, "Budget held by jobs in flight", reason="in_flight_budget_exhausted")

# What proves nothing leaves a video to a person, so it is drawn less often than what the workers must overcome.
_MENU: Mapping[str, tuple[_Choice, ...]] = {
    "submit": (
        _of_submit("503 accepted", 2, 2, status=503, accepted=True),
        _of_submit("503 not accepted", 1, 2, status=503),
        _of_submit("524 accepted", 1, status=524, accepted=True, body="<html>a time-out</html>"),
        _of_submit("dropped before", 1, drop="before"),
        _of_submit("dropped after", 2, drop="after"),
        _of_submit("too slow", 1, delay_seconds=SUBMIT_SECONDS + 0.3),
        _of_submit("HTML", 1, mangle="html"),
        _of_submit("no JSON", 1, mangle="not_json"),
        _of_submit("no id", 1, mangle="no_id"),
        _of_submit("redirect", 1, redirect_to="https://evil-openrouter.ai/api/v1/videos", accepted=True),
        _of_submit("slow", 8, 2, delay_seconds=0.3),
        _of_submit("429", 6, 3, status=429, headers=_LATER, body=_envelope(429, "Slow down")),
        _of_submit("402 budget", 3, 2, status=402, headers=_LATER, body=_BUDGET),
        _of_submit("402 no credit", 1, status=402, body=_envelope(402, "Insufficient credits")),
        _of_submit("403", 1, status=403, body=_envelope(403, "Moderated")),
        _of_submit("200 for 202", 2, mangle="status_200"),
        _of_submit("no polling_url", 2, mangle="no_polling_url"),
        _of_submit("foreign polling_url", 2, mangle="foreign_polling_url"),
    ),
    "poll": (
        _of_poll("500", 4, 2, status=500),
        _of_poll("503", 4, 4, status=503, body="upstream"),
        _of_poll("429", 4, 3, status=429, headers=_LATER),
        _of_poll("dropped", 4, 2, drop="before"),
        _of_poll("dropped after", 2, drop="after"),
        _of_poll("garbage", 4, 2, mangle="not_json"),
        _of_poll("HTML", 2, mangle="html"),
        _of_poll("unknown status", 4, 3, mangle="unknown_status"),
        _of_poll("too slow", 1, delay_seconds=POLL_SECONDS + 0.3),
        _of_poll("401", 2, status=401),
        _of_poll("404", 2, status=404),
    ),
    "content": (
        *(
            _of_content(mangle.replace("_", " "), 2, mangle=mangle)
            for mangle in ("cut_reset", "cut_clean", "short_by_one", "no_moov", "empty", "webm", "html", "json")
        ),
        *(_of_content(str(status), 1, status=status) for status in (401, 404, 409, 410)),
        _of_content("502", 2, 2, status=502),
        _of_content("503", 4, 6, status=503),
        _of_content("429", 2, 2, status=429, headers=_LATER),
        _of_content("dropped", 3, 2, drop="before"),
        _of_content("slow", 3, delay_seconds=0.4),
    ),
}


def _spread(dice: random.Random, menu: tuple[_Choice, ...], requests: int) -> Iterator[tuple[str, Fault]]:
    """Spread faults over the requests of one kind so that none overlap: each hits exactly the ones meant for it."""
    at = dice.randrange(3)
    while at < requests:
        (choice,) = dice.choices(menu, [choice.weight for choice in menu])
        times = dice.randint(1, choice.in_a_row)
        yield f"{choice.fault.on} {choice.label}", choice.fault.model_copy(update={"after": at, "times": times})
        at += times + dice.randrange(1, 9)


def fired(fault: Fault, requests: int) -> int:
    """Return how often a fault has hit, after so many requests of its kind."""
    return max(0, min(requests - fault.after, fault.times or 0))
