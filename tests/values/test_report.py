"""What a run's outcomes look like in a table."""

from __future__ import annotations

from openrouter_video.outcome import LeftOut, Outcome
from openrouter_video.report import describe, explanation, parting_words, table_rows

DONE = Outcome(
    model="google/veo-3.1-lite",
    status="completed",
    reused=True,
    job_id="job-1",
    key="k1",
    url="file:///videos/a.mp4",
    duration_seconds=4.04,
    width=1280,
    height=720,
    cost_usd=0.0525,
    elapsed_seconds=61.26,
)
HOSTILE = Outcome(
    model="a/b\x1b[2J",
    status="open",
    job_id="j\n1",
    left_out=(LeftOut(key="x\x07", reason="r"), LeftOut(key="y", reason="r")),
    error="HTTP 502:\r\nbad",
    notes=("fallback: the request without options",),
)


def test_one_row_per_video_with_the_same_columns() -> None:
    """Empty where there is nothing to say; what a person must know comes first."""
    done, open_row = table_rows([DONE, HOSTILE])
    assert list(done) == list(open_row)
    assert list(done)[:5] == ["model", "take", "status", "cost", "why"]
    assert done == {
        "model": "google/veo-3.1-lite",
        "take": 1,
        "status": "completed (reused)",
        "cost": "$0.0525",
        "seconds": 4.0,
        "size": "1280x720",
        "waited": 61.3,
        "left out": "",
        "why": "",
        "video": "file:///videos/a.mp4",
        "job": "job-1",
        "key": "k1",
    }


def test_control_characters_never_pass() -> None:
    """Whatever the API or a user has put there."""
    (row,) = table_rows([HOSTILE])
    assert all(str(cell).isprintable() for cell in row.values())
    assert (row["model"], row["job"], row["left out"], row["cost"]) == ("a/b [2J", "j 1", "x , y", "")


def test_the_explanation_joins_error_and_notes() -> None:
    """Why a video is not there, or not quite what was asked."""
    assert explanation(HOSTILE) == "HTTP 502: bad; fallback: the request without options"
    assert explanation(DONE) == ""


def test_the_line_above_the_table() -> None:
    """The run in one sentence."""
    assert describe([DONE, HOSTILE]) == "1 of 2 videos, $0.0525, 1 open, 1 reused."


def test_what_an_interrupted_run_leaves_behind() -> None:
    """The jobs that go on and how to fetch them, and those of which nobody knows; neither can forge a line."""
    doubt = Outcome(model="a/c", take=2, status="uncertain", key="k2", error="HTTP 503\nno")
    anonymous = Outcome(model="a/d", status="open", key="k3")
    assert parting_words([DONE, HOSTILE, doubt, anonymous], "openrouter-video collect --output v") == (
        "Interrupted. These jobs go on and are billed:\n"
        "  a/b [2J take 1: job j 1, key None\n"
        "  a/d take 1: job unknown, key k3\n"
        "Fetch their videos later with the flow collect-videos, or with: openrouter-video collect --output v\n"
        "Interrupted. Nobody knows whether these were accepted; they may be billed:\n"
        "  a/c take 2: HTTP 503 no"
    )
    unknown = Outcome(model="a/e", status="open", key="k4", job_id="j4", error="`openrouter-video ledger settle k4`")
    words = parting_words([unknown], "collect")
    assert "  a/e take 1: job j4, key k4\n  `openrouter-video ledger settle k4`\nFetch their videos" in words
    assert parting_words([DONE], "x") == "Interrupted. No job of this run goes on, and nothing more will be billed."
