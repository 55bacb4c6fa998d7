"""The report at the end of a run, and what an interrupted one leaves behind."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from openrouter_video.batch import parse_batch_request
from openrouter_video.cli.batch import AskedBatch
from openrouter_video.cli.chain import AskedChain
from openrouter_video.cli.interruption import end_sandbox_jobs, left_behind, what_became
from openrouter_video.cli.report import (
    asked_line,
    details,
    facts,
    print_report,
    shown_path,
)
from openrouter_video.cli.run import AskedFanOut
from openrouter_video.cli.terminal import Terminal
from openrouter_video.cli.video_lines import VideoLine
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.money import Estimate
from openrouter_video.outcome import FanOut, LeftOut, Outcome
from openrouter_video.report import collect_command, group_left_out, options_of_others
from openrouter_video.request import parse_run_request
from openrouter_video.shots import parse_chain_request
from openrouter_video.stores import open_store
from tests.support.claims import claim_on

KEY = "0123456789abcdef" * 2
SENT = {"model": "a/one", "provider": {"options": {"google-vertex": {"parameters": {"negativePrompt": "x"}}}}}
DONE = Outcome(
    model="a/one",
    key=KEY,
    status="completed",
    job_id="job-1",
    url="file:///far/away/orchid/a--one.mp4",
    duration_seconds=4.0,
    width=1280,
    height=720,
    cost_usd=0.12,
    elapsed_seconds=47.4,
    sent=SENT,
)
REFUSED = Outcome(model="b/two", status="refused", error="duration 4 s is not supported", notes=("never sent",))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Terminal, io.StringIO]]:
    """Make a terminal of 80 columns, or something that is none, and what is written to it."""

    def make(*, tty: bool) -> tuple[Terminal, io.StringIO]:
        stream = io.StringIO()
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(stream, "isatty", lambda: tty)
        return Terminal(), stream

    return make


def without_styles(text: str) -> str:
    """The same text in black and white."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def run_of(*outcomes: Outcome) -> FanOut:
    """A run with these outcomes."""
    return FanOut(status="partial", asked={}, outcomes=outcomes)


def test_left_out_options_share_a_line_per_reason() -> None:
    """Many options with one reason do not flood the reader; each suggestion is kept; what others get is no loss."""
    left_out = [
        LeftOut(key="negativePrompt", reason="not allowed: x", suggestion="negative_prompt"),
        LeftOut(key="a", reason="allowed, but left out together with negativePrompt"),
        LeftOut(key="b", reason="allowed, but left out together with negativePrompt"),
        LeftOut(key="seed.c", reason="meant for the provider seed; that of x is another"),
        LeftOut(key="openai.d", reason="meant for openai; the provider of x is another"),
    ]
    assert group_left_out(left_out) == [
        "negativePrompt: not allowed: x; did you mean negative_prompt?",
        "a, b: allowed, but left out together with negativePrompt",
    ]
    assert options_of_others(left_out * 2) == (
        "not sent to models of other providers: c for the provider seed; d for the provider openai"
    )
    assert options_of_others(left_out[:3]) == ""


def test_what_others_get_is_one_quiet_line_of_a_run(terminal: Callable[..., tuple[Terminal, io.StringIO]]) -> None:
    """Before the total, however many models there are; what was lost is a loud line of its video."""
    foreign = LeftOut(key="seed.c", reason="meant for the provider seed; that of x is another")
    lost = LeftOut(key="a", reason="not allowed: x")
    screen, written = terminal(tty=True)
    videos = [DONE.model_copy(update={"model": f"a/{n}", "left_out": (foreign, lost)}) for n in range(3)]
    print_report(screen, run_of(*videos, REFUSED.model_copy(update={"left_out": (foreign,)})))
    assert written.getvalue().count("\x1b[33ma: not allowed: x") == 3
    assert written.getvalue().count("seed") == 1
    assert "\x1b[2mnot sent to models of other providers: c for the provider seed" in written.getvalue()
    assert without_styles(written.getvalue()).splitlines()[-3].startswith("not sent to models of other providers")


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"models": ["a"]}, "1 model"),
        (
            {"models": ["a", "b"], "takes": 2, "settings": {"duration": 4, "size": "1x1", "generate_audio": True}},
            "4 s, 1x1, with audio, 2 models, 2 takes each",
        ),
        (
            {"models": ["a"], "settings": {"resolution": "720p", "aspect_ratio": "16:9", "generate_audio": False}},
            "720p, 16:9, no audio, 1 model",
        ),
        ({"models": ["a"], "settings": {"seed": 7, "input_references": [{}]}}, "seed 7, input_references, 1 model"),
    ],
)
def test_what_was_asked_fits_a_line(asked: dict[str, object], line: str) -> None:
    """The settings that were given, in people's words."""
    assert asked_line(asked) == line


def test_facts_and_details_say_what_was_got() -> None:
    """Status, length and size, cost, seconds; then where it is and which options were sent."""
    assert facts(DONE) == ("completed", "4 s 1280x720", "$0.12", "in 47 s")
    assert facts(REFUSED) == ("refused", "", "", "")
    assert facts(DONE.model_copy(update={"reused": True}))[::2] == ("completed, reused", "$0.12 paid before")
    assert [(detail.label, detail.text) for detail in details(DONE)] == [
        ("video", "/far/away/orchid/a--one.mp4"),
        ("sent", "with options for the provider google-vertex: negativePrompt"),
    ]
    expected = DONE.model_copy(update={"estimate": Estimate.of(120_000, 200_000, "listed")})
    assert details(expected)[0][:2] == ("estimate", "$0.12 to $0.20 (listed)")
    simulated = expected.model_copy(update={"sandbox": True, "estimate": Estimate(why=("nobody knows",))})
    assert details(simulated)[0][:2] == ("estimate", "unpriced")


def test_where_nothing_was_sent_only_the_reason_counts() -> None:
    """A refusal is not explained by what it would have been sent without."""
    assert [(detail.label, detail.text) for detail in details(REFUSED)] == [("why", "duration 4 s is not supported")]


def test_paths_are_short_where_they_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside the current folder a path is relative; other stores keep their URL."""
    monkeypatch.chdir(tmp_path)
    assert shown_path(f"file://{tmp_path}/videos/a.mp4") == "videos/a.mp4"
    assert shown_path("s3://bucket/a.mp4") == "s3://bucket/a.mp4"
    assert shown_path("file:///a\x1b[2J.mp4") == "/a?[2J.mp4"


@pytest.mark.parametrize("tty", [True, False])
def test_a_report_ends_with_the_total_and_the_folder(
    terminal: Callable[..., tuple[Terminal, io.StringIO]], tty: bool
) -> None:
    """The last lines say how many videos there are, what they cost, where they are, and what opens their page."""
    screen, written = terminal(tty=tty)
    outcomes = [one.model_copy(update={"sandbox": True}) for one in (DONE, REFUSED)]
    expected = Estimate.of(120_000, 200_000, "listed")
    page = "file:///far/away/orchid/index.html"
    print_report(screen, run_of(*outcomes).model_copy(update={"estimate": expected, "gallery_url": page}))
    text = written.getvalue()
    assert ("\x1b[" in text) is tty
    *_, total, folder, gallery = without_styles(text).splitlines()
    assert total == (
        "1 of 2 videos, sandbox $0.12, 1 refused; the estimate was sandbox $0.12 to $0.20 (sandbox: nothing was billed)"
    )
    assert folder == "in /far/away/orchid/"
    assert gallery == f"gallery: {page}"


def test_a_report_keeps_to_80_columns_and_paths_whole(
    terminal: Callable[..., tuple[Terminal, io.StringIO]],
) -> None:
    """Sentences are wrapped under their label; a path is one piece, so that it can be copied."""
    path = "/far/away/" + "orchid-" * 15 + "/a--one.mp4"
    why = LeftOut(key="negativePrompt", reason="not allowed: " + "word " * 30)
    screen, written = terminal(tty=True)
    print_report(screen, run_of(DONE.model_copy(update={"url": f"file://{path}", "left_out": (why,)})))
    lines = [
        "".join(part.split("m", 1)[-1] for part in ("m" + line).split("\x1b["))
        for line in written.getvalue().splitlines()
    ]
    assert f"     video  {path}" in lines
    assert max(len(line) for line in lines if "orchid" not in line) <= 80


def test_nothing_from_outside_is_rendered(terminal: Callable[..., tuple[Terminal, io.StringIO]]) -> None:
    """Markup and escape sequences in the API's words stay words."""
    screen, written = terminal(tty=False)
    evil = "[bold]x[/bold] \x1b[31m :smile: \u202e"
    print_report(screen, run_of(REFUSED.model_copy(update={"model": evil, "error": evil})))
    assert "[bold]x[/bold] [31m :smile:" in written.getvalue()
    assert "\x1b" not in written.getvalue()
    assert "\u202e" not in written.getvalue()


# ---- Interruption ---------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty ledger."""
    return Ledger(open_store(str(tmp_path)))


def claim(ledger: Ledger, key: str) -> None:
    """Record the first claim of a key."""
    record = claim_on(
        key, at="2026-11-01T00:00:00+00:00", model="a/one", output="file:///videos", path="orchid/a--one.mp4"
    )
    assert ledger.claim(1, record)


def test_the_ledger_tells_what_became_of_each_video(ledger: Ledger) -> None:
    """Accepted jobs are open, a release is a refusal, a bare claim is uncertain, and what was not sent is not."""
    keys = {name: name[0] * 32 for name in ("accepted", "begun", "cleared", "done")}
    for name in ("accepted", "begun", "cleared"):
        claim(ledger, keys[name])
    ledger.record_job(keys["accepted"], 1, "job-1")
    ledger.release(keys["cleared"], 1, "HTTP 429: slow down")
    lines = [VideoLine("a/one", 1, "x", keys[name], sent=True) for name in ("accepted", "begun", "cleared")]
    lines += [VideoLine("b/two", 1, "queued"), VideoLine("c/three", 1, "x", keys["done"], outcome=DONE)]
    outcomes = what_became(lines, ledger)
    assert [outcome.status for outcome in outcomes] == ["open", "uncertain", "refused", "refused", "completed"]
    assert outcomes[0].job_id == "job-1"
    assert not outcomes[0].reused
    assert outcomes[2].error == "HTTP 429: slow down"
    assert "nothing was charged" in (outcomes[3].error or "")


def test_a_job_that_the_ledger_does_not_know_is_told(ledger: Ledger) -> None:
    """The run had its id, and the ledger could not record it: the message says how a person does."""
    claim(ledger, KEY)
    (outcome,) = what_became([VideoLine("a/one", 1, "x", KEY, sent=True, job_id="job-9")], ledger)
    assert (outcome.status, outcome.job_id) == ("open", "job-9")
    text = left_behind("Interrupted", [outcome], "", sandbox=False)
    assert "  a/one: job job-9" in text
    assert f"no collection finds it until `openrouter-video ledger settle {KEY} --job job-9`" in text


def test_the_message_of_an_interrupted_run_shows_paths_and_the_way_back() -> None:
    """What is saved is shown as a path, and the command that collects names the places of the run."""
    going = DONE.model_copy(update={"status": "open", "job_id": "job-7"})
    text = left_behind("Interrupted", [DONE, going], collect_command(output="my videos"), sandbox=False)
    assert "  a/one: /far/away/orchid/a--one.mp4" in text
    assert "openrouter-video collect --output 'my videos'" in text
    same = (
        "The same command goes on where this one has stopped: "
        "it sends what has not been sent, and pays for nothing twice."
    )
    assert same not in text
    assert left_behind("Interrupted", [going], "", sandbox=False, found_by="k").splitlines()[-1] == same
    dated = left_behind("Interrupted", [going], "", sandbox=False, found_by="k-{date}").splitlines()[-1]
    assert dated == same.replace("stopped:", "stopped, as long as {date} is the same day (UTC):")
    ended = left_behind("Interrupted", [DONE, going], "", sandbox=True, found_by="k")
    assert same not in ended
    assert "/far/away/orchid/a--one.mp4" in ended
    assert "nothing was billed" in ended
    assert "job-7" not in ended


def test_by_which_name_the_same_command_goes_on() -> None:
    """A run by its key, a batch by its name as it was given; a chain not after a shot that nothing follows."""
    runs = [parse_run_request(prompt="x", models=["a/one"], idempotency_key=key) for key in (None, "k")]
    assert [AskedFanOut(run).found_by([]) for run in runs] == ["", "k"]
    form = {"source": "t.csv", "batch": "b-{date}"}
    batch = AskedBatch((parse_batch_request(batch="b-2026-11-26", models=["a/one"]), form))
    assert batch.found_by([DONE.model_copy(update={"status": "uncertain"})]) == "b-{date}"
    chain = AskedChain((parse_chain_request(shots=["a", "b"], model="a/one", idempotency_key="k"), {}))
    shots = [DONE.model_copy(update={"status": status}) for status in ("completed", "open", "uncertain", "failed")]
    assert [chain.found_by([shot]) for shot in shots] == ["k", "k", "", ""]


def test_a_sandbox_takes_its_jobs_with_it(ledger: Ledger) -> None:
    """What an embedded sandbox leaves open is over in the ledger too; a job of another API is not touched."""
    claim(ledger, KEY)
    ledger.record_job(KEY, 1, "job-1")
    open_one = DONE.model_copy(update={"status": "open"})
    assert end_sandbox_jobs([open_one], ledger, "http://127.0.0.1:8787/api/v1") == [open_one]
    assert ledger.entry(KEY).state == "accepted"
    (ended,) = end_sandbox_jobs([open_one], ledger, "https://openrouter.ai/api/v1")
    assert ended.status == "failed"
    assert ledger.entry(KEY).state == "settled"
