"""How the kinds of failures, a spent budget and extra takes are told: once, and in all that people read."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.outcome import UNSENT, Outcome, count_asked, refused_once, summary
from openrouter_video.report import final_line, status_words, table_rows
from openrouter_video.state_message import state_message, warnings_of

SPENT = "HTTP 403: Spent (the key's own limit is spent). Nothing was charged"


def one(status: Any = "completed", **fields: Any) -> Outcome:
    """The outcome of a video."""
    return Outcome(model="a/film", status=status, **fields)


def spent(error: str = SPENT) -> Outcome:
    """A video that was not made for a spent budget."""
    return one("refused", failure="spent_budget", error=error)


WITHHELD = one("failed", failure="output_moderation", error="failed: no. This is final")


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (one(), "completed"),
        (one(reused=True), "completed (reused)"),
        (one("failed", failure="provider"), "failed"),
        (WITHHELD, "failed (output moderation)"),
        (WITHHELD.model_copy(update={"reused": True}), "failed (output moderation, reused)"),
    ],
)
def test_how_a_video_ended(outcome: Outcome, words: str) -> None:
    """The same in a line and in a table."""
    assert status_words(outcome) == words
    assert table_rows([outcome])[0]["status"] == words
    assert final_line(outcome).startswith(f"a/film: {words}")


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ([one("failed", failure="provider")], "0 of 1 video, 1 failed"),
        ([one("failed", failure="provider"), WITHHELD, one()],
         "1 of 3 videos, 1 of unknown price, 2 failed (1 output moderation)"),
        ([spent(), spent()], "0 of 2 videos, 2 refused (spent budget)"),
        ([WITHHELD, one(take=2, instead_of=1, cost_usd=0.12)],
         "1 of 1 video, $0.12, 1 failed (output moderation), 1 extra take"),
    ],
)  # fmt: skip
def test_the_summary_of_a_run(outcomes: list[Outcome], words: str) -> None:
    """Kinds in brackets, and an extra take in the place of the video for which it was made."""
    assert summary(outcomes) == words
    assert count_asked(outcomes) == int(words.split()[2])


def test_a_spent_budget_is_told_once() -> None:
    """In the words of the video that was refused, however many were not sent."""
    videos = [one(), spent(f"{UNSENT}HTTP 403: Spent"), spent(), spent(f"{UNSENT}HTTP 403: Spent")]
    assert refused_once(videos) == [f"3 of 4 videos not made: {SPENT}"]
    assert refused_once(videos[1:2]) == ["1 of 1 video not made: HTTP 403: Spent"]
    assert refused_once(videos[:1]) == []
    assert state_message(videos).endswith(f"3 refused (spent budget). 3 of 4 videos not made: {SPENT}")
    assert warnings_of(videos) == [f"3 of 4 videos not made: {SPENT}"]
