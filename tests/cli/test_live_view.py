"""What a person sees while videos are made."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from openrouter_video.cli.live_view import LiveView
from openrouter_video.cli.terminal import Terminal
from openrouter_video.cli.video_lines import VideoLine
from openrouter_video.outcome import Outcome
from openrouter_video.run.progress import Progress
from tests.support.terminals import ESCAPES, AtTerminal

SUBMITTING = Progress("submitting", "a/one", 1, "k1")
WAITING = Progress("waiting", "a/one", 1, "k1", "job-1", "pending")
SAVING = Progress("downloading", "a/one", 1, "k1", "job-1", "completed")
DONE = Outcome(model="a/one", key="k1", status="completed", job_id="job-1", cost_usd=0.12)
ENDED = Progress("ended", "a/one", 1, "k1", "job-1", outcome=DONE)
ROOT = Path(__file__).resolve().parents[2]

MANY_VIDEOS = """if True:
    import sys
    from openrouter_video.cli.live_view import LiveView
    from openrouter_video.cli.terminal import Terminal
    from openrouter_video.cli.video_lines import VideoLine
    from openrouter_video.outcome import Outcome
    from openrouter_video.run import Progress

    def step(stage, row, **more):
        return Progress(stage, model, 1, f"k{row}", row=row, row_id=f"rose-{row}", **more)

    view, model = LiveView(Terminal()), "black-forest-labs/flux-video-upscale"
    view.expect([VideoLine(model, 1, "queued", row=row) for row in range(600)])
    with view.running():
        for row in range(300):
            view.tell(step("submitting", row))
        for row in range(200):
            done = Outcome(model=model, status="completed", cost_usd=0.01)
            view.tell(step("ended", row, outcome=done))
        view._live.refresh()
    print("the end")
"""


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_live_lines_tick_and_fit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each video has one line: status, seconds so far, cost at the end; below, what all add up to."""
    monkeypatch.setenv("COLUMNS", "80")
    clock, terminal = Clock(), Terminal()
    view = LiveView(terminal, animated=True, clock=clock)
    view.expect([VideoLine("a/one", 1, "queued"), VideoLine("b/" + "long-name-" * 8, 1, "refused")])
    view.tell(SUBMITTING)
    view.tell(WAITING)
    clock.now += 7
    terminal.print(view.screen())
    view.tell(ENDED)
    terminal.print(view.screen())
    first, second, third, fourth, _, sixth = lines = capsys.readouterr().out.splitlines()
    assert first.split() == ["⠋", "a/one", "pending", "7", "s"]
    assert "…" in second
    assert "refused" in second
    assert third == "0 of 2, 1 running"
    assert fourth.split() == ["✓", "a/one", "completed", "7", "s", "$0.12"]
    assert sixth == "1 of 2, $0.12 so far"
    assert all(len(line) <= 80 for line in lines)
    view.tell(ENDED._replace(outcome=DONE.model_copy(update={"reused": True})))
    terminal.print(view.screen())
    assert capsys.readouterr().out.splitlines()[0].split()[-1] == "reused"


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_only_the_name_of_a_model_gives_way(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row, take, status and cost stay whole, however narrow the terminal is."""
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = Terminal()
    view = LiveView(terminal, animated=True, clock=Clock())
    model = "black-forest-labs/flux-video-upscale"
    done = DONE.model_copy(update={"sandbox": True})
    for take in (1, 2):
        step = ENDED._replace(model=model, take=take, key=f"k{take}", row=17, row_id="rose", outcome=done)
        view.tell(step._replace(stage="submitting", outcome=None))
        view.tell(step)
    terminal.print(view.screen())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert re.fullmatch(r"✓  17 rose  \S+  take 2  completed +(0 s  )?sandbox \$0\.12 *", lines[1])
    names = {60: "flux-video…", 80: "black-forest-labs/flux-…", 200: model}
    assert lines[1].split()[3] == names[columns]


def test_two_videos_of_one_model_are_two_lines() -> None:
    """A collection finds several jobs of the same model and take; each is known by its key."""
    view = LiveView(Terminal(), animated=True, clock=Clock())
    for key in ("k1", "k2"):
        view.tell(WAITING._replace(key=key))
    view.tell(ENDED)
    assert [(line.key, line.status) for line in view.lines] == [("k1", "completed"), ("k2", "pending")]


@pytest.mark.parametrize("rows", [24, 6])
def test_a_terminal_is_never_outgrown(rows: int, tmp_path: Path) -> None:
    """Six hundred videos in few lines: each picture fits, and nothing of it stays."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    for name in ("COLUMNS", "LINES"):
        environment.pop(name, None)
    terminal = AtTerminal((sys.executable, "-c", MANY_VIDEOS), tmp_path, environment, size=(rows, 80))
    try:
        assert terminal.end() == 0, terminal.shown
    finally:
        terminal.close()
    pictures = re.findall(r"(?:[^\x1b]|\x1b\[[0-9;]*m)+", terminal.written)
    tallest = max(pictures, key=lambda picture: picture.count("\n"))
    assert tallest.count("\n") == rows - 1
    assert max(len(line.strip("\r")) for line in ESCAPES.sub("", tallest).split("\n")) <= 80
    assert "200 of 600, 100 running, $2.00 so far" in terminal.shown
    assert max(len(up) for up in re.findall(r"(?:\x1b\[1A\x1b\[2K)+", terminal.written)) < rows * len("\x1b[1A\x1b[2K")
    assert terminal.shown.rstrip().endswith("the end")


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


def test_a_log_of_many_videos_says_now_and_then_how_far_all_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Six hundred videos are no three thousand lines: what went wrong, and every half minute what all add up to."""
    clock = Clock()
    view = LiveView(Terminal(), clock=clock)
    view.expect(VideoLine("a/one", 1, "queued", row=row) for row in range(600))
    failed = DONE.model_copy(update={"status": "failed", "cost_usd": None})
    for row in range(600):
        step = SUBMITTING._replace(key=f"k{row}", row=row)
        view.tell(step)
        clock.now += 0.5
        view.tell(step._replace(stage="ended", outcome=failed if row == 250 else DONE))
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "60 of 600, $7.20 so far"
    assert rest[3:6] == [
        "row 250, a/one: failed",
        "299 of 600, 1 failed, $35.88 so far",
        "359 of 600, 1 failed, $43.08 so far",
    ]
    assert len(rest) == 10


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
