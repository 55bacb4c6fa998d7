"""What a person sees while videos are made."""

from __future__ import annotations

import os
import sys

import pytest

from openrouter_video.api.catalog import parse_catalog
from openrouter_video.cli.live_view import LiveView, VideoLine, advance, plain_line, planned_lines
from openrouter_video.cli.terminal import Terminal
from openrouter_video.outcome import Outcome
from openrouter_video.planning.plan import plan_videos
from openrouter_video.request.request import parse_request
from openrouter_video.run.progress import Progress

SUBMITTING = Progress("submitting", "a/one", 1, "k1")
WAITING = Progress("waiting", "a/one", 1, "k1", "job-1", "pending")
SAVING = Progress("downloading", "a/one", 1, "k1", "job-1", "completed")
DONE = Outcome(model="a/one", key="k1", status="completed", job_id="job-1", cost_usd=0.12)
ENDED = Progress("ended", "a/one", 1, "k1", "job-1", outcome=DONE)


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


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


def test_live_lines_tick_and_fit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each video has one line: status, seconds so far, cost at the end."""
    monkeypatch.setenv("COLUMNS", "80")
    clock, terminal = Clock(), Terminal()
    view = LiveView(terminal, animated=True, clock=clock)
    view.expect([VideoLine("a/one", 1, "queued"), VideoLine("b/" + "long-name-" * 8, 1, "refused")])
    view.tell(SUBMITTING)
    view.tell(WAITING)
    clock.now += 7
    terminal.print(view.table())
    view.tell(ENDED)
    terminal.print(view.table())
    first, second, third, _ = lines = capsys.readouterr().out.splitlines()
    assert first.split() == ["⠋", "a/one", "pending", "7", "s"]
    assert "…" in second
    assert "refused" in second
    assert third.split() == ["✓", "a/one", "completed", "7", "s", "$0.12"]
    assert all(len(line) <= 80 for line in lines)
    view.tell(ENDED._replace(outcome=DONE.model_copy(update={"reused": True})))
    terminal.print(view.table())
    assert capsys.readouterr().out.splitlines()[0].split()[-1] == "reused"


def test_without_a_terminal_only_news_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """A log gets a line per change, without any escape sequence."""
    view = LiveView(Terminal(), clock=Clock())
    with view.running():
        for step in (SUBMITTING, SUBMITTING, WAITING, SAVING, ENDED):
            view.tell(step)
    assert capsys.readouterr().out.splitlines() == [
        "a/one: submitting",
        "a/one: pending, job job-1",
        "a/one: saving, job job-1",
        "a/one: completed, $0.12",
    ]


def test_nothing_from_outside_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Markup, emoji codes and escape sequences are shown as they are, or not at all."""
    view = LiveView(Terminal(), clock=Clock())
    view.tell(WAITING._replace(model="[red]a[/red]", status=":boom: \x1b]0;x\x07\u202e"))
    assert capsys.readouterr().out == "[red]a[/red]: :boom: ]0;x, job job-1\n"


def test_a_reader_that_has_gone_stops_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """`| head` closes the pipe in the middle of a run that is paid for: the lines go nowhere, the run goes on."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        view = LiveView(Terminal(), clock=Clock())
        for step in (SUBMITTING, WAITING, ENDED):
            view.tell(step)
        Terminal().print_row(["a", "b"])
    assert [line.outcome for line in view.lines] == [DONE]
