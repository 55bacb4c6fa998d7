"""The poll schedule: how soon a finished job is noticed, what that costs, and what ends the waiting."""

from __future__ import annotations

import random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_video.api.answers import PollAnswer
from openrouter_video.api.job import VideoJob
from openrouter_video.run.polling import Step, backoff, first_wait, is_news, next_step, poll_interval

PENDING = PollAnswer(job=VideoJob(id="j", status="pending"), reason="status pending")
DONE = PollAnswer(job=VideoJob(id="j", status="completed"), reason="status completed")
SECONDS = st.floats(0, 1e5)
JITTERS = st.floats(0, 1)
ANSWERS = st.builds(
    PollAnswer,
    job=st.none() | st.sampled_from([PENDING.job, DONE.job]),
    reason=st.none() | st.text(max_size=5),
    retry_after=st.none() | st.floats(0, 3600),
    hopeless=st.booleans(),
)


def watch(
    job_seconds: float, chance: random.Random, deadline: float = 1800.0, usual: float | None = None
) -> tuple[float, int]:
    """Poll a job that takes so long, as the task does: the lag until it is noticed, and the number of polls."""
    elapsed, polls = poll_interval(0.0, usual=usual), 0
    while True:
        polls += 1
        step = next_step(DONE if elapsed >= job_seconds else PENDING, elapsed, deadline, chance.random(), usual)
        if step.action != "wait":
            return elapsed - job_seconds, polls
        elapsed += step.seconds


def watch_many(shortest: float, longest: float) -> list[tuple[float, float, int]]:
    """Many jobs between two lengths: how long each took, the lag, and the number of polls."""
    chance = random.Random(7)  # noqa: S311 (the same jobs in every run of the tests)
    lengths = [chance.uniform(shortest, longest) for _ in range(400)]
    return [(seconds, *watch(seconds, chance)) for seconds in lengths]


@pytest.mark.parametrize(
    ("shortest", "longest"),
    [(1, 3), (3, 6), (6, 10), (10, 14), (14, 20), (20, 30), (30, 45), (45, 65), (65, 100), (100, 200), (200, 600)],
)
def test_a_finished_job_is_noticed_soon(shortest: float, longest: float) -> None:
    """On average within a second for jobs below ten, within a tenth of the waiting time above; never after 15 s."""
    watched = watch_many(shortest, longest)
    assert max(lag for _, lag, _ in watched) < 15.0
    if longest <= 10:
        assert mean(lag for _, lag, _ in watched) < 1.0
    else:
        assert mean(lag / seconds for seconds, lag, _ in watched) < 0.1


@pytest.mark.parametrize("seconds", [30, 45, 60, 120, 300, 600])
def test_a_job_is_asked_for_less_often_than_every_two_seconds(seconds: float) -> None:
    """From half a minute on, and ever more so."""
    polls = mean(count for _, _, count in watch_many(seconds, seconds))
    assert polls < seconds / 2
    assert seconds < 300 or polls < seconds / 8


@given(SECONDS, SECONDS, JITTERS)
def test_the_interval_grows_with_the_age_of_the_job(one: float, other: float, jitter: float) -> None:
    """From a second and a half to thirteen, spread by a tenth."""
    younger, older = sorted((one, other))
    assert poll_interval(younger, jitter) <= poll_interval(older, jitter)
    assert 1.35 - 1e-9 <= poll_interval(one, jitter) <= 14.3 + 1e-9


@pytest.mark.parametrize(("elapsed", "seconds"), [(0, 1.5), (8, 1.5), (30, 5.1), (60, 10.2), (600, 13)])
def test_the_interval_at_some_ages(elapsed: float, seconds: float) -> None:
    """What the docstring promises, in the middle of the jitter."""
    assert poll_interval(elapsed) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("usual", "asked_at"),
    [
        (None, [1.5, 3, 4.5, 6, 7.5, 9, 10.5, 12.3]),
        (1.0, [1.5, 3, 4.5, 6, 7.5, 9, 10.5, 12.3]),
        (5.0, [5, 6.5, 8, 9.5, 11.1, 13, 15.2, 17.8]),
        (13.0, [13, 15.2, 17.8, 20.8, 24.4, 28.5, 33.3, 39]),
        (40.0, [13, 26, 39, 45.6, 53.4, 62.5, 73.1, 85.5]),
        (120.0, [13, 26, 39, 52, 65, 78, 91, 104]),
    ],
)
def test_a_job_is_first_asked_for_at_its_usual_age(usual: float | None, asked_at: list[float]) -> None:
    """Every 13 s before, if that is longer; then as without it."""
    elapsed, polls = 0.0, list[float]()
    for _ in asked_at:
        elapsed += poll_interval(elapsed, usual=usual)
        polls.append(round(elapsed, 1))
    assert polls == asked_at


@pytest.mark.parametrize(
    ("deadline", "usual", "seconds"),
    [(1800, None, 1.5), (0.6, None, 1.5), (0.6, 40.0, 1.5), (1800, 40.0, 13.0), (5, 40.0, 5.0), (1800, 8.0, 8.0)],
)
def test_the_first_wait_of_a_fresh_job(deadline: float, usual: float | None, seconds: float) -> None:
    """At least the shortest interval, and no longer than the deadline for the sake of a usual age."""
    assert first_wait(deadline, usual) == seconds


@given(SECONDS, JITTERS, st.none() | SECONDS)
def test_a_usual_age_spares_polls_and_never_delays_one_beyond_the_longest_lag(
    elapsed: float, jitter: float, usual: float | None
) -> None:
    """Never less to wait than without it, never more than any old job waits, and from that age on the same."""
    ordinary, seeded = poll_interval(elapsed, jitter), poll_interval(elapsed, jitter, usual)
    assert ordinary <= seeded <= 14.3 + 1e-9
    assert elapsed < (usual or 0.0) or seeded == ordinary


def test_a_usual_age_spares_most_polls() -> None:
    """Of jobs that take between half and twice their usual minute, noticed no later on average."""
    chance = random.Random(7)  # noqa: S311 (the same jobs in every run of the tests)
    lengths = [chance.uniform(30, 120) for _ in range(400)]
    plain, seeded = ([watch(seconds, chance, usual=usual) for seconds in lengths] for usual in (None, 60.0))
    assert mean(polls for _, polls in seeded) < 0.5 * mean(polls for _, polls in plain)
    assert mean(lag for lag, _ in seeded) < 1.2 * mean(lag for lag, _ in plain)


@given(SECONDS, JITTERS, JITTERS)
def test_jitter_spreads_around_the_middle(elapsed: float, low: float, high: float) -> None:
    """So that many jobs of one run do not ask at the same moment."""
    low, high = sorted((low, high))
    assert poll_interval(elapsed, low) <= poll_interval(elapsed, high)
    ends = (poll_interval(elapsed, 0.0) + poll_interval(elapsed, 1.0)) / 2
    assert poll_interval(elapsed) == pytest.approx(ends)


@given(ANSWERS, SECONDS, st.floats(0, 1e5), JITTERS)
def test_every_answer_leads_to_one_step(answer: PollAnswer, elapsed: float, deadline: float, jitter: float) -> None:
    """Only the provider's word ends a job; a wait keeps to the deadline, and to Retry-After within it."""
    step = next_step(answer, elapsed, deadline, jitter)
    terminal = answer.job is not None and answer.job.terminal
    assert (step.action == "done") == terminal
    assert step.job == (answer.job if terminal else None)
    if not terminal:
        assert (step.action == "leave_open") == (answer.hopeless or elapsed >= deadline)
    if step.action == "wait":
        assert 0 < step.seconds <= deadline - elapsed
        assert step.seconds >= min(answer.retry_after or 0.0, deadline - elapsed)


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "expired", "dead"])
def test_a_terminal_status_ends_the_polling_even_after_the_deadline(status: str) -> None:
    """The good news of the last poll is not thrown away."""
    job = VideoJob(id="j", status=status)
    assert next_step(PollAnswer(job=job), 99.0, 60.0) == Step("done", job=job)


@pytest.mark.parametrize(
    ("answer", "elapsed", "deadline", "step"),
    [
        (PENDING, 5.0, 60.0, Step("wait", 1.5)),
        (PENDING, 59.0, 60.0, Step("wait", 1.0)),
        (
            PENDING,
            60.0,
            60.0,
            Step("leave_open", reason="not finished after 1 min; the last answer was: status pending"),
        ),
        (
            PENDING,
            6e4,
            6e4,
            Step("leave_open", reason="not finished after 1000 min; the last answer was: status pending"),
        ),
        (PollAnswer(), 100.0, 100.0, Step("leave_open", reason="not finished after 1.7 min")),
        (PENDING, 0.1, 0.0, Step("leave_open", reason="still running; the last answer was: status pending")),
        (PollAnswer(reason="HTTP 429", retry_after=30.0), 10.0, 60.0, Step("wait", 30.0)),
        (PollAnswer(reason="HTTP 429", retry_after=30.0), 50.0, 60.0, Step("wait", 10.0)),
        (PollAnswer(reason="HTTP 502", retry_after=0.0), 5.0, 60.0, Step("wait", 1.5)),
        (PollAnswer(reason="HTTP 404", hopeless=True), 0.0, 60.0, Step("leave_open", reason="HTTP 404")),
    ],
)
def test_one_step(answer: PollAnswer, elapsed: float, deadline: float, step: Step) -> None:
    """Wait, or leave the job open with the reason; a deadline is asked for once more at its very end."""
    assert next_step(answer, elapsed, deadline) == step


@pytest.mark.parametrize(
    ("reason", "elapsed", "told", "news"),
    [
        ("status pending", 0.0, None, True),
        ("status pending", 30.0, ("status pending", 1.0), False),
        ("status in_progress", 2.0, ("status pending", 1.0), True),
        ("status pending", 61.0, ("status pending", 1.0), True),
        (None, 2.0, ("status pending", 1.0), True),
    ],
    ids=["first", "same", "changed", "a minute later", "no reason"],
)
def test_what_is_worth_telling(
    reason: str | None, elapsed: float, told: tuple[str | None, float] | None, news: bool
) -> None:
    """A change, or a sign of life once a minute."""
    assert is_news(PollAnswer(reason=reason), elapsed, told) is news


@pytest.mark.parametrize(
    ("tries", "jitter", "seconds"),
    [(0, 0.5, 1.0), (1, 0.5, 2.0), (3, 0.5, 8.0), (9, 0.5, 30.0), (0, 0.0, 0.75), (0, 1.0, 1.25)],
)
def test_the_wait_after_tries_in_vain(tries: int, jitter: float, seconds: float) -> None:
    """Doubled each time up to a longest one, spread by a quarter to either side."""
    assert backoff(tries, 30.0, jitter) == seconds
