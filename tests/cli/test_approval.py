"""The question at the terminal whether a run may spend what it may cost, by a process with a terminal of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from openrouter_video.cli import main
from openrouter_video.sandbox import Fault, Sandbox
from tests.support.flow_processes import wait_until
from tests.support.terminals import AtTerminal

ROOT = Path(__file__).resolve().parents[2]
VEO = "google/veo-3.1-lite"
COMMAND = (
    *(sys.executable, "-m", "openrouter_video", "generate", "A white orchid", "--model", VEO),
    *("--duration", "4", "--resolution", "720p", "--aspect-ratio", "16:9", "--no-audio"),
)
ASKS = (*COMMAND, "--approve-above-usd", "0.1")
"""Twelve cents by the sandbox's list."""


def asked(terminal: AtTerminal, times: int = 1) -> None:
    """Wait until it has asked so often."""
    wait_until(lambda: terminal.shown.count("Spend it? [y/N]") == times, 90, what=lambda: terminal.shown)


@contextmanager
def at_terminal(folder: Path, *more: str) -> Iterator[AtTerminal]:
    """Run the command that asks, in the environment of this test."""
    environment = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value()), "PYTHONPATH": str(ROOT)}
    terminal = AtTerminal((*ASKS, *more), folder, {**environment, "TERM": "xterm", "COLUMNS": "100"})
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.mark.usefixtures("prefect_server")
def test_a_yes_at_the_terminal_makes_the_video(sandbox: Sandbox, tmp_path: Path) -> None:
    """The priced plan is shown before the question, and nothing is drawn over it; a price that rose is asked again."""
    with at_terminal(tmp_path) as terminal:
        asked(terminal)
        question = terminal.shown
        words = "The run may cost $0.12 (a sandbox, which bills nothing), and above $0.10 (approve_above_usd) it needs"
        assert words in " ".join(question.split())
        assert re.search(rf"{re.escape(VEO)} +1 +\$0\.12 +\$0\.12", question)
        listed = json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text())
        for model in listed["data"]:
            model["pricing_skus"] = {sku: f"{float(price) * 2:f}" for sku, price in model["pricing_skus"].items()}
        sandbox.add_fault(Fault(on="models", status=200, body=listed, times=None))
        assert terminal.shown == question
        terminal.type("y\n")
        asked(terminal, 2)
        assert re.search(rf"{re.escape(VEO)} +1 +\$0\.24 +\$0\.24", terminal.shown)
        assert not sandbox.charges
        terminal.type("yes\n")
        assert terminal.end() == 0, terminal.shown
        assert "1 of 1 video" in terminal.shown
    assert len(sandbox.charges) == 1


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("typed", ["n\n", "\n", "\x04"], ids=["no", "enter", "end of file"])
def test_whatever_is_no_yes_at_the_terminal_is_a_no(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    """The exit code is that of a refusal. The command runs here, and reads a real terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "w") as keyboard, os.fdopen(theirs) as terminal:
        keyboard.write(typed)
        keyboard.flush()
        monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        code = main(ASKS[ASKS.index("generate") :])
    shown = " ".join(capsys.readouterr().err.split())
    assert code == 2, shown
    assert shown.count("Spend it? [y/N]") == 1
    assert "Refused; nothing was sent and nothing was spent:" in shown
    assert "was answered no" in shown
    assert not sandbox.charges


@pytest.mark.usefixtures("prefect_server")
def test_ctrl_c_at_the_question_spends_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """The question does not keep the process alive."""
    with at_terminal(tmp_path) as terminal:
        asked(terminal)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 130, terminal.shown
        assert "nothing was sent and nothing was spent" in terminal.shown
        assert "Traceback" not in terminal.shown
        assert "Fatal" not in terminal.shown
    assert not sandbox.charges
