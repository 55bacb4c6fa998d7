"""What the provider says of a job, and how outcomes are counted and summed up."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.api.job import JobStatus, Usage, VideoJob
from openrouter_video.outcome import FanOut, Outcome, count_completed, reused_cost, run_status, summary, total_cost

FIRST = Outcome(model="a/1", status="completed", cost_usd=0.1)
SECOND = Outcome(model="a/2", status="completed", cost_usd=0.2, reused=True)
REUSED_OPEN = Outcome(model="a/2", status="open", reused=True)
UNPRICED = Outcome(model="a/3", status="completed")
SUBMITTED = Outcome(model="a/6", status="open", job_id="job-1")
UNRECORDED = SUBMITTED.model_copy(update={"error": "no collection finds it: openrouter-video ledger settle"})
FAILED = Outcome(model="a/4", status="failed", cost_usd=0.0)
SIMULATED = Outcome(model="a/5", status="completed", cost_usd=0.3, sandbox=True)


def ends(*statuses: Any) -> list[Outcome]:
    """One outcome per status."""
    return [Outcome(model="a/b", status=status) for status in statuses]


@pytest.mark.parametrize(
    ("status", "completed", "unsuccessful"),
    [
        ("pending", False, False),
        ("in_progress", False, False),
        ("completed", True, False),
        ("failed", False, True),
        ("cancelled", False, True),
        ("expired", False, True),
        ("dead", False, True),
        ("Completed", False, False),
        ("from next year", False, False),
    ],
)
def test_what_a_status_means(status: str, completed: bool, unsuccessful: bool) -> None:
    """Terminal are the known ends and nothing else: an unknown status still runs."""
    job = VideoJob(id="j", status=status)
    assert (job.completed, job.unsuccessful, job.terminal) == (completed, unsuccessful, completed or unsuccessful)


def test_every_known_status_is_in_the_table() -> None:
    """Two run, one is the video, the rest are ends without one."""
    jobs = [VideoJob(id="j", status=status) for status in JobStatus]
    assert [job.status for job in jobs if not job.terminal] == ["pending", "in_progress"]


@pytest.mark.parametrize(
    ("error", "text"),
    [(None, None), ("no", "no"), ({"message": "no"}, "no"), ({"code": 1}, "{'code': 1}"), (7, "7"), ([], "[]")],
)
def test_an_error_of_any_shape_is_text(error: Any, text: str | None) -> None:
    """A look-alike server's habits must not lose a paid job."""
    assert VideoJob.model_validate({"id": "j", "status": "failed", "error": error}).error == text


@pytest.mark.parametrize(
    ("when", "text"),
    [
        (None, None),
        (1790983457, "2026-10-02T23:24:17+00:00"),
        ("2026-11-22", "2026-11-22T00:00:00+00:00"),
        ("2026-11-22T02:00:00+02:00", "2026-11-22T00:00:00+00:00"),
        ("soon", None),
        ("0001-01-01T00:00:00+10:00", None),
        (1e300, None),
    ],
)
def test_an_end_of_retention_of_any_shape_sorts_as_text(when: Any, text: str | None) -> None:
    """Jobs are collected by it, the soonest first."""
    assert VideoJob.model_validate({"id": "j", "status": "completed", "expires_at": when}).expires_at == text


def test_the_cost_is_the_providers_word() -> None:
    """None until it is told."""
    assert VideoJob(id="j", status="pending").cost_usd is None
    assert VideoJob(id="j", status="completed", usage=Usage(cost=0.12)).cost_usd == 0.12


@pytest.mark.parametrize(
    ("outcomes", "cost", "reused"),
    [
        ([], None, None),
        ([UNPRICED], None, None),
        ([FIRST, SECOND], 0.1, 0.2),
        ([FIRST, UNPRICED, FAILED], 0.1, None),
        ([FAILED], 0.0, None),
        ([SECOND, SECOND], 0.0, 0.4),
        ([SECOND, UNPRICED], None, 0.2),
        ([REUSED_OPEN], 0.0, None),
        ([FIRST, SIMULATED], 0.1, None),
        ([SECOND, SIMULATED], 0.0, 0.2),
        ([SIMULATED, SIMULATED.model_copy(update={"reused": True})], 0.3, 0.3),
        ([UNPRICED, SIMULATED], None, None),
    ],
)
def test_costs_are_summed_where_they_are_known(
    outcomes: list[Outcome], cost: float | None, reused: float | None
) -> None:
    """Unknown is not free; what other runs have paid for costs this one nothing, and is summed by itself."""
    assert (total_cost(outcomes), reused_cost(outcomes)) == (cost, reused)


@pytest.mark.parametrize(
    ("outcomes", "wanted", "status"),
    [
        (ends("completed", "completed"), 2, "completed"),
        (ends("completed", "failed"), 1, "completed"),
        (ends("completed", "open"), 2, "partial"),
        (ends("failed", "uncertain"), 1, "failed"),
        (ends("skipped"), 0, "completed"),
    ],
)
def test_the_status_of_a_run(outcomes: list[Outcome], wanted: int, status: str) -> None:
    """By how many videos are safe, and how many were wanted."""
    assert run_status(outcomes, wanted) == status


@pytest.mark.parametrize(
    ("outcomes", "wanted", "status"),
    [
        ([SUBMITTED, SUBMITTED], 2, "submitted"),
        ([SUBMITTED, FIRST], 2, "submitted"),
        ([SUBMITTED, FIRST], 1, "completed"),
        ([SUBMITTED, FAILED], 2, "failed"),
        ([FIRST, UNRECORDED], 2, "partial"),
        (ends("open"), 1, "failed"),
    ],
)
def test_the_status_of_a_run_that_has_not_waited(outcomes: list[Outcome], wanted: int, status: str) -> None:
    """What is submitted counts, if a collection finds it."""
    assert run_status(outcomes, wanted, waited=False) == status


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ([], "0 of 0 videos"),
        ([FIRST], "1 of 1 video, $0.10"),
        ([SECOND], "1 of 1 video, $0.00, 1 reused ($0.20 paid before)"),
        ([REUSED_OPEN], "0 of 1 video, $0.00, 1 open, 1 reused"),
        ([SIMULATED], "1 of 1 video, sandbox $0.30"),
        ([FIRST, SIMULATED], "2 of 2 videos, $0.10, sandbox $0.30"),
        ([UNPRICED, SIMULATED], "2 of 2 videos, sandbox $0.30, 1 of unknown price"),
        (
            [SIMULATED.model_copy(update={"reused": True})],
            "1 of 1 video, sandbox $0.00, 1 reused (sandbox $0.30 paid before)",
        ),
        (
            [FIRST, SECOND, UNPRICED, FAILED],
            "3 of 4 videos, $0.10, 1 of unknown price, 1 failed, 1 reused ($0.20 paid before)",
        ),
        (
            ends("refused", "skipped", "uncertain", "open", "open"),
            "0 of 5 videos, 1 refused, 1 skipped, 1 uncertain, 2 open",
        ),
    ],
)
def test_the_run_in_one_line(outcomes: list[Outcome], words: str) -> None:
    """How many, what they cost, and what became of the others."""
    assert summary(outcomes) == words
    assert str(FanOut(status="partial", asked={}, outcomes=tuple(outcomes))) == words
    assert count_completed(outcomes) == int(words[0])
