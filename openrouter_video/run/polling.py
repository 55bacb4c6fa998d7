"""How long a run waits before it asks again, and when it stops asking.

Pure: elapsed time, jitter and the last answer are arguments. Polls become rarer with the job's age, because nobody
minds a lag of a tenth of the waiting time: a fresh job is asked for every 1.5 s, one of a minute every 10 s, none less
often than every 13 s. Against a fixed interval of 2 s that is fewer requests from 30 s on.

Where it is known how long half of a model's jobs take, a job that is younger is asked for every 13 s only, and then
when it is that old. One that ends sooner is noticed 13 s later at most, which is the longest lag of any job.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from openrouter_video.api import PollAnswer, VideoJob

__all__ = ["Step", "backoff", "first_wait", "is_news", "next_step", "poll_interval"]

SHORTEST_SECONDS = 1.5
LONGEST_SECONDS = 13.0
GROWTH = 0.17
JITTER = 0.1
REPEAT_NEWS_SECONDS = 60.0


class Step(NamedTuple):
    """What to do after an answer.

    ``wait``: ask again in ``seconds``. ``done``: ``job`` is terminal by the provider's word. ``leave_open``: stop
    asking and say why; the job goes on and can be collected later, unless it is ``missing``: the API does not know it.
    """

    action: Literal["wait", "done", "leave_open"]
    seconds: float = 0.0
    job: VideoJob | None = None
    reason: str | None = None
    missing: bool = False


def backoff(tries: int, longest: float, jitter: float) -> float:
    """Return the seconds to wait after so many tries in vain: one at first, doubled each time, at most ``longest``.

    ``jitter`` in 0..1 spreads the waits of many by a quarter to either side.
    """
    return min(longest, 2.0**tries) * (0.75 + 0.5 * jitter)


def poll_interval(elapsed: float, jitter: float = 0.5, usual: float | None = None) -> float:
    """Return the seconds to wait before the next poll of a job that was submitted ``elapsed`` seconds ago.

    ``jitter`` in 0..1 spreads the polls of many jobs by a tenth to either side; 0.5 is the middle. ``usual``: the age
    at which half of such jobs have ended. Polls are never less than the ordinary interval apart.
    """
    ordinary = min(LONGEST_SECONDS, max(SHORTEST_SECONDS, GROWTH * elapsed))
    interval = max(ordinary, min(LONGEST_SECONDS, (usual or 0.0) - elapsed))
    return interval * (1 + JITTER * (2 * jitter - 1))


def first_wait(deadline: float, usual: float | None = None) -> float:
    """Return the seconds to wait before the first poll of a fresh job; a ``usual`` age keeps to the deadline."""
    return min(poll_interval(0.0, usual=usual), max(poll_interval(0.0), deadline))


def next_step(
    answer: PollAnswer, elapsed: float, deadline: float, jitter: float = 0.5, usual: float | None = None
) -> Step:
    """Decide after one poll, ``elapsed`` and ``deadline`` both in seconds since polling began or the job was made.

    ``usual`` as for ``poll_interval``.
    Only a terminal status ends a job. 401 and 404 end the polling at once, since no later poll will do better;
    everything else (429, 5xx, dropped connections, garbage, unknown statuses) is asked again until the deadline, which
    is not a failure.
    """
    if answer.job is not None and answer.job.terminal:
        return Step("done", job=answer.job)
    if answer.hopeless:
        return Step("leave_open", reason=answer.reason, missing=answer.missing)
    if elapsed >= deadline:
        doubt = f"; the last answer was: {answer.reason}" if answer.reason else ""
        waited = f"not finished after {round(deadline / 60, 1):g} min" if deadline > 0 else "still running"
        return Step("leave_open", reason=f"{waited}{doubt}")
    seconds = max(poll_interval(elapsed, jitter, usual), answer.retry_after or 0.0)
    return Step("wait", seconds=min(seconds, deadline - elapsed))


def is_news(answer: PollAnswer, elapsed: float, told: tuple[str | None, float] | None) -> bool:
    """Whether a watcher should hear of an answer: it differs from the last one told, or that was a minute ago."""
    return told is None or answer.reason != told[0] or elapsed - told[1] >= REPEAT_NEWS_SECONDS
