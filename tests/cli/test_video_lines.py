"""How far each video of a run has come: a line each, what they add up to, and which of them fit on a screen."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.api.catalog import parse_catalog
from openrouter_video.cli.video_lines import (
    FEW,
    MANY,
    VideoLine,
    advance,
    is_told,
    lines_of_batch,
    plain_line,
    planned_lines,
    so_far,
    that_fit,
)
from openrouter_video.ledger import scope_of_key
from openrouter_video.outcome import Outcome
from openrouter_video.planning.plan import plan_videos
from openrouter_video.request import parse_run_request
from openrouter_video.request.request import parse_request
from openrouter_video.run import videos_of_request
from openrouter_video.run.progress import Progress

SUBMITTING = Progress("submitting", "a/one", 1, "k1")
WAITING = Progress("waiting", "a/one", 1, "k1", "job-1", "pending")
SAVING = Progress("downloading", "a/one", 1, "k1", "job-1", "completed")
DONE = Outcome(model="a/one", key="k1", status="completed", job_id="job-1", cost_usd=0.12)
ENDED = Progress("ended", "a/one", 1, "k1", "job-1", outcome=DONE)


def line(status: str, number: int = 0, **more: Any) -> VideoLine:
    """A video that is queued, runs, or has ended."""
    plain = VideoLine(f"a/{number}", 1, status)
    if status == "queued":
        return plain
    plain = plain._replace(sent=True, began=float(number))
    if status == "running":
        return plain
    outcome = Outcome.model_validate({"model": plain.model, "status": status, "cost_usd": 0.1, **more})
    return plain._replace(outcome=outcome, ended=float(number))


def test_a_line_follows_its_video() -> None:
    """Every step changes the words; the clock starts with the submission and stops at the end."""
    line = None
    said = []
    for now, step in ((10, SUBMITTING), (12, WAITING), (70, WAITING), (75, SAVING), (76, ENDED)):
        line = advance(line, step, float(now))
        said.append(plain_line(line, float(now)))
    assert said == [
        "a/one: submitting",
        "a/one: pending, job job-1, 2 s",
        "a/one: pending, job job-1, 60 s",
        "a/one: saving, job job-1, 65 s",
        "a/one: completed, 66 s, $0.12",
    ]
    assert line is not None
    assert line.seconds(500.0) == 66.0


def test_a_line_of_a_batch_names_its_row() -> None:
    """By its number, and by its own id if it has one."""
    found = DONE.model_copy(update={"reused": True})
    step = ENDED._replace(take=2, row=17, row_id="rose", outcome=found)
    assert plain_line(advance(None, step, 0.0), 0.0) == (
        "row 17 (rose), a/one take 2: completed (reused), $0.12 paid before"
    )
    assert advance(None, step._replace(row_id=None), 0.0).row_words == "17"


def test_a_finished_job_is_no_finished_video() -> None:
    """The provider's word "completed" is not shown as ours, which means that the file is safe."""
    assert advance(None, WAITING._replace(status="completed"), 0.0).status == "saving"


def test_what_was_sent_is_known() -> None:
    """A video counts as sent from the moment its submission begins, and not before."""
    planned = VideoLine("a/one", 1, "refused")
    refused = DONE.model_copy(update={"status": "refused"})
    assert not advance(planned, ENDED._replace(outcome=refused), 0.0).sent
    assert advance(planned, SUBMITTING, 0.0).sent


def test_a_plan_gives_a_line_per_take() -> None:
    """Refusals are seen from the beginning."""
    entry = {"supported_durations": [4], "supported_resolutions": ["720p"]}
    catalog = parse_catalog({"data": [{"id": "a/one", **entry}, {"id": "a/two", **entry, "supported_durations": [5]}]})
    plan = plan_videos(parse_request("An orchid", {"duration": 4}), ["a/one", "a/two"], catalog, takes=2, min_success=2)
    assert [(line.model, line.take, line.status) for line in planned_lines(plan)] == [
        ("a/one", 1, "queued"),
        ("a/one", 2, "queued"),
        ("a/two", 1, "refused"),
        ("a/two", 2, "refused"),
    ]
    asked = parse_run_request(prompt="An orchid", models=["a/one", "a/two"])
    videos = [
        video._replace(batch="spring", row=7, row_id="rose")
        for video in videos_of_request(asked, scope_of_key("k"), plan.models)
    ]
    assert [(line.model, line.status, line.row_words) for line in lines_of_batch(videos)] == [
        ("a/one", "queued", "7 rose"),
        ("a/two", "refused", "7 rose"),
    ]


@pytest.mark.parametrize(
    ("count", "step", "told"),
    [
        (FEW, SUBMITTING, True),
        (FEW, WAITING, True),
        (FEW + 1, WAITING, False),
        (FEW + 1, ENDED, True),
        (MANY, ENDED, True),
        (MANY + 1, ENDED, False),
        (MANY + 1, ENDED._replace(outcome=DONE.model_copy(update={"status": "failed"})), True),
    ],
)
def test_a_log_is_told_less_of_each_the_more_there_are(count: int, step: Progress, told: bool) -> None:
    """Every step of a few, the ends of many, and of very many what is not completed."""
    before = VideoLine("a/one", 1, "queued")
    assert is_told(before, advance(before, step, 0.0), count, waits=step.stage == "waiting") is told


def test_a_step_that_changes_nothing_is_not_told() -> None:
    """Of a few, each status is a line; and a job that still waits says so."""
    before = advance(None, SUBMITTING, 0.0)
    assert not is_told(before, advance(before, SUBMITTING, 1.0), 1, waits=False)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([line("queued")] * 3, "0 of 3"),
        ([line("completed")] * 2 + [line("running"), line("failed")], "2 of 4, 1 running, 1 failed, $0.30 so far"),
        ([line("completed", reused=True), line("open", cost_usd=None)], "1 of 2, 1 open, 1 reused"),
        ([line("completed", sandbox=True)] * 1200, "1,200 of 1,200, sandbox $120.00 so far"),
    ],
)
def test_what_all_videos_add_up_to(lines: list[VideoLine], words: str) -> None:
    """How many of how many, what runs, what went wrong, and what this run has paid so far."""
    assert so_far(lines) == words


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (9, ["queued", "completed", "running", "completed", "failed", "queued", "running"]),
        (1, ["running"]),
        (3, ["running", "failed", "running"]),
        (4, ["running", "completed", "failed", "running"]),
        (0, []),
        (-1, []),
    ],
)
def test_what_fits_a_screen_is_what_a_person_looks_for(room: int, shown: list[str]) -> None:
    """What runs first, then what went wrong, then what has ended last; in the order of the plan."""
    statuses = ["queued", "completed", "running", "completed", "failed", "queued", "running"]
    lines = [line(status, number) for number, status in enumerate(statuses)]
    fitting = that_fit(lines, room)
    assert [one.outcome.status if one.outcome else one.status for one in fitting] == shown
    if room == 4:
        assert fitting[1].model == "a/3"
