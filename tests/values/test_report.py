"""What a run's outcomes look like in a table."""

from __future__ import annotations

import pytest

from openrouter_video.money import Estimate
from openrouter_video.outcome import LeftOut, Outcome, summary
from openrouter_video.report import collect_command, explanation, final_line, interruption_message, table_rows

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
    estimate=Estimate.of(50_000, 60_000, "listed"),
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
    assert list(done)[:5] == ["model", "take", "status", "cost", "estimate"]
    assert done == {
        "model": "google/veo-3.1-lite",
        "take": 1,
        "status": "completed (reused)",
        "cost": "$0.0525 paid before",
        "estimate": "$0.05 to $0.06",
        "seconds": 4.0,
        "size": "1280x720",
        "waited": 61.3,
        "left out": "",
        "why": "",
        "video": "file:///videos/a.mp4",
        "job": "job-1",
        "key": "k1",
    }


def test_a_table_of_a_batch_begins_with_the_row() -> None:
    """Or nobody could tell which of forty videos of a model has failed; the same columns in each line."""
    of_row = DONE.model_copy(update={"batch": "spring", "row": 7, "row_id": "orchid"})
    first, second = table_rows([of_row, DONE])
    assert list(first)[:2] == ["row", "model"]
    assert (list(second), first["row"], second["row"]) == (list(first), "row 7 (orchid)", "")


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
    assert summary([DONE, HOSTILE]) == "1 of 2 videos, 1 open, 1 reused ($0.0525 paid before)"


def test_what_an_interrupted_run_leaves_behind() -> None:
    """What is saved, which jobs go on and how to fetch them, and what is not known; none of it can forge a line."""
    going = HOSTILE.model_copy(update={"key": "k1", "take": 2})
    unknown = Outcome(model="a/c", take=2, status="uncertain", key="k2", error="HTTP 503\nno")
    anonymous = Outcome(model="a/d", status="open", key="k3")
    outcomes = [DONE, going, unknown, anonymous]
    assert interruption_message(outcomes, "openrouter-video collect --output v").splitlines() == [
        "Interrupted.",
        "These videos are safe:",
        "  google/veo-3.1-lite: file:///videos/a.mp4",
        "These jobs go on at OpenRouter and are billed:",
        "  a/b [2J take 2: job j 1, key k1",
        "  a/d: job unknown, key k3",
        "Fetch their videos later with the flow collect-videos, or with: openrouter-video collect --output v",
        "It is not known whether these were accepted; they may be billed, and they are never sent again:",
        "  a/c take 2: key k2: HTTP 503 no",
    ]
    unrecorded = Outcome(model="a/e", status="open", key="k4", job_id="j4", error="`openrouter-video ledger settle k4`")
    message = interruption_message([unrecorded], "collect")
    assert "  a/e: job j4, key k4\n  `openrouter-video ledger settle k4`\nFetch their videos" in message
    nothing = "No job of this run goes on, and nothing more will be billed."
    assert interruption_message([], "x", why="Stopped") == f"Stopped.\n{nothing}"
    assert interruption_message([DONE], "x", shown_url=lambda _: "a.mp4").splitlines()[2:] == [
        "  google/veo-3.1-lite: a.mp4",
        nothing,
    ]


def test_what_an_interrupted_run_leaves_in_a_sandbox() -> None:
    """Nothing is billed there; where both are open, as in a collection, each is told apart."""
    open_there = Outcome(model="a/d", status="open", key="k3", job_id="j3", sandbox=True)
    unknown = Outcome(model="a/c", status="uncertain", key="k2", sandbox=True)
    assert interruption_message([open_there, unknown], "collect").splitlines() == [
        "Interrupted.",
        "These jobs go on in the sandbox, and nothing is billed:",
        "  a/d: job j3, key k3",
        "Fetch their videos later with the flow collect-videos, or with: collect",
        "It is not known whether these were accepted; a sandbox bills nothing, and they are never sent again:",
        "  a/c: key k2",
    ]
    said = interruption_message([open_there, Outcome(model="a/e", status="open", key="k4", job_id="j4")], "collect")
    assert said.splitlines()[1:5] == [
        "These jobs go on at OpenRouter and are billed:",
        "  a/e: job j4, key k4",
        "These jobs go on in the sandbox, and nothing is billed:",
        "  a/d: job j3, key k3",
    ]


@pytest.mark.parametrize(("reused", "words"), [(False, "sandbox $0.0525"), (True, "sandbox $0.0525 paid before")])
def test_what_a_sandbox_has_counted_is_marked(reused: bool, words: str) -> None:
    """In the table and in the line of a log."""
    outcome = DONE.model_copy(update={"sandbox": True, "reused": reused})
    assert table_rows([outcome])[0]["cost"] == words
    assert f", {words}, " in final_line(outcome)


def test_the_command_that_collects_names_every_place() -> None:
    """The blocks and URLs of the run, quoted for a shell; what was not given is left out."""
    assert collect_command(output="my videos") == "openrouter-video collect --output 'my videos'"
    assert collect_command(output="s3://b/v", ledger="l", store="nightly", credentials="mine") == (
        "openrouter-video collect --output s3://b/v --ledger l --store nightly --credentials mine"
    )


def test_the_last_line_of_a_video() -> None:
    """Where many videos share a task run, each has one line in its log."""
    assert final_line(DONE) == "google/veo-3.1-lite: completed (reused), $0.0525 paid before, file:///videos/a.mp4"
    assert final_line(HOSTILE.model_copy(update={"take": 2})) == (
        "a/b [2J take 2: open, HTTP 502: bad; fallback: the request without options"
    )
