"""The README: its first screen's commands and its Python examples do what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from openrouter_video.cli import texts
from openrouter_video.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
FIRST_SCREEN = 40
TERMINAL_COLUMNS = 80


def test_the_first_screen_shows_both_commands() -> None:
    """A newcomer sees them without scrolling."""
    screen = "\n".join(README.splitlines()[:FIRST_SCREEN])
    assert "make demo" in screen
    assert "make test" in screen


def test_make_demo_ends_with_four_videos(tmp_path: Path) -> None:
    """Exactly as written: it exits 0, leaves four whole videos, and explains the fifth model's refusal."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENROUTER_", "PREFECT_"))}
    environment |= {"OPENROUTER_VIDEO_OUTPUT": str(tmp_path / "videos"), "PREFECT_HOME": str(tmp_path / "prefect")}
    done = subprocess.run(["make", "demo"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.rglob("*.mp4"))) == 4
    assert "4 of 5 videos" in done.stdout
    assert "5, 10 s" in done.stdout


def test_make_test_runs_pytest() -> None:
    """The second command, on one small file so that this suite does not run itself."""
    done = subprocess.run(
        ["make", "test", "ARGS=tests/request/test_settings.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout)


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_python_examples_run(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As written, in the sandbox."""
    with Sandbox(job_seconds=0) as sandbox:
        monkeypatch.setenv("OPENROUTER_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
        monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", str(tmp_path))
        exec(compile(EXAMPLES[number], f"README example {number + 1}", "exec"), {"__name__": "__main__"})  # noqa: S102
    printed = capsys.readouterr().out
    assert ".mp4" in printed or "duration 5 s is not supported" in printed
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize(
    "command", ["fan-out", "generate", "plan", "models", "collect", "sandbox", "ledger list", "ledger settle"]
)
def test_every_option_is_in_the_readme(command: str) -> None:
    """What `--help` offers, the README explains."""
    words = [sys.executable, "-m", "openrouter_video", *command.split(), "--help"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    options = set(re.findall(r"(?<![\\w-])--[a-z][a-z-]+", done.stdout)) - {"--help", "--version"}
    assert options
    assert not {option for option in options if option not in README}


def test_the_help_names_each_environment_variable_of_the_readme() -> None:
    """A variable that only the README knows is one that nobody at a terminal finds."""
    variables = re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE)
    assert len(variables) >= 6
    assert [name for name in variables if name not in texts.EXAMPLES] == []


@pytest.mark.parametrize("name", [name for name in texts.__all__ if name not in {"ABOUT", "LEDGER", "version"}])
def test_the_help_fits_a_terminal(name: str) -> None:
    """Its lines are printed as they are, and a longer one leaves its last word alone on a line."""
    text: str = getattr(texts, name)
    assert [line for line in text.splitlines() if len(line) > TERMINAL_COLUMNS] == []
