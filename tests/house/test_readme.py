"""The README: it is short, and its commands do what they say. Its links and its pipeline are tested with the docs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from openrouter_video.cli import help_texts, main
from openrouter_video.cli.prefect_server import STARTING
from openrouter_video.sandbox import Sandbox
from tests.benchmarks.__main__ import BEGIN, END
from tests.support.markdown import examples, links
from tests.support.prefect_servers import prefect_home

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FIRST_SCREEN = 40
MOST_LINES, MOST_WORDS, MOST_LINES_OF_FIGURES = 145, 1000, 15
MOST_BYTES_OF_A_PICTURE = 150_000
TERMINAL_COLUMNS = 80


def test_the_first_screen_shows_both_commands() -> None:
    """A newcomer sees them without scrolling."""
    screen = "\n".join(README.splitlines()[:FIRST_SCREEN])
    assert "make demo" in screen
    assert "make test" in screen


def test_make_demo_ends_with_four_videos(tmp_path: Path) -> None:
    """Exactly as written: it exits 0, leaves four whole videos, and explains the fifth model's refusal."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENROUTER_", "PREFECT_"))}
    environment |= {
        "OPENROUTER_VIDEO_OUTPUT": str(tmp_path / "videos"),
        "PREFECT_HOME": str(prefect_home(tmp_path / "prefect")),
    }
    done = subprocess.run(["make", "demo"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.rglob("*.mp4"))) == 4
    assert "4 of 5 videos" in done.stdout
    assert [line for line in done.stdout.splitlines() if "prefect" in line.lower()] == [STARTING]
    assert done.stderr == ""
    assert "5, 10 s" in done.stdout


def test_make_test_runs_pytest() -> None:
    """The second command, on one small file so that this suite does not run itself."""
    done = subprocess.run(
        ["make", "test", "WORKERS=1", "ARGS=tests/request/test_settings.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout)


@pytest.fixture
def run_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], prefect_server: None
) -> Callable[[str, Sandbox], str]:
    """Run lines as written, with a sandbox's key and address in the environment; return what they print.

    Here, which saves the seconds of an interpreter for each; docs/recipes.md has one that a shell runs.
    """
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 (most other tests here need no Prefect)

    def run(lines: str, sandbox: Sandbox) -> str:
        for name in [name for name in os.environ if name.startswith("OPENROUTER_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("OPENROUTER_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
        monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value() or "")
        monkeypatch.chdir(tmp_path)
        capsys.readouterr()
        for line in lines.replace("\\\n", " ").splitlines():
            program, *words = shlex.split(line, comments=True) or [""]
            if program == "export":
                monkeypatch.setenv(*words[0].split("=", 1))
            elif program:
                assert program == ".venv/bin/openrouter-video"
                assert main(words) == 0, f"{words}\n{capsys.readouterr()}"
        return capsys.readouterr().out

    return run


def lines_with(words: str) -> str:
    """Return the one example of the README that holds these words."""
    (lines,) = (example.code for example in examples(ROOT / "README.md") if words in example.code)
    return lines


def test_the_lines_for_a_real_key_run(tmp_path: Path, run_lines: Callable[[str, Sandbox], str]) -> None:
    """As written, with the sandbox's key in place of the dots."""
    with Sandbox(job_seconds=0) as sandbox:
        lines = lines_with("OPENROUTER_API_KEY").replace("API_KEY=...", f"API_KEY={sandbox.api_key}")
        run_lines(lines, sandbox)
        assert len(sandbox.charges) == 4
    # Two of one prompt, two shots, and these joined.
    assert len(list(tmp_path.rglob("*.mp4"))) == 5


def test_the_lines_about_money_run(tmp_path: Path, run_lines: Callable[[str, Sandbox], str]) -> None:
    """As written, in a folder of their own; the query by DuckDB's library, since its command is another package."""
    lines, _, query = lines_with("--max-usd 2").partition("duckdb -c ")
    with Sandbox(job_seconds=0) as sandbox:
        assert "team=film" in run_lines(lines, sandbox)
        (charge,) = sandbox.charges
    (sql,) = shlex.split(query)
    rows = duckdb.execute(sql.replace("videos.jsonl", str(tmp_path / "videos.jsonl"))).fetchall()
    assert rows == [("google/veo-3.1-lite", 1, pytest.approx(charge.cost_usd))]


def test_the_lines_about_a_batch_run(tmp_path: Path, run_lines: Callable[[str, Sandbox], str]) -> None:
    """As written: a video of each row by each model, a table of results and a page beside them."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    with Sandbox(job_seconds=0) as sandbox:
        said = run_lines(lines_with(" batch "), sandbox)
        assert len(sandbox.charges) == 6
    folder = tmp_path / "videos" / "flowers"
    assert f"gallery: {(folder / 'index.html').as_uri()}" in said
    assert len(list(folder.rglob("*.mp4"))) == 6
    counted = duckdb.execute(f"SELECT shop, count(url) FROM '{folder / 'videos.jsonl'}' GROUP BY ALL ORDER BY 1")
    assert counted.fetchall() == [("north", 4), ("south", 2)]


def test_it_is_short() -> None:
    """A page that is read to its end; the rest is in docs/."""
    figures = README.partition(BEGIN)[2].partition(END)[0].strip()
    assert len(README.splitlines()) <= MOST_LINES
    assert len(README.split()) <= MOST_WORDS
    assert len(figures.splitlines()) <= MOST_LINES_OF_FIGURES


def test_its_pictures_are_small() -> None:
    """They come with each look at the page."""
    pictures = [link for link in links(ROOT / "README.md") if link.startswith("docs/images/")]
    assert pictures
    assert [picture for picture in pictures if (ROOT / picture).stat().st_size > MOST_BYTES_OF_A_PICTURE] == []


def test_it_says_on_which_pythons_it_was_tested() -> None:
    """The same ones as the metadata; and the oldest Prefect that is allowed is the one that it names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pythons = [one.rpartition(" ")[2] for one in project["classifiers"] if re.search(r":: 3\.\d+$", one)]
    *most, last = pythons
    assert f"Python {', '.join(most)} and {last}, and with Prefect 3.9.1" in " ".join(README.split())
    assert "prefect>=3.9.1,<4" in project["dependencies"]


def test_the_help_names_each_environment_variable_of_the_documentation() -> None:
    """A variable that only the documentation knows is one that nobody at a terminal finds."""
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    variables = re.findall(r"^\| `(OPENROUTER_[A-Z_]+|PREFECT_API_URL)` \|", page, re.MULTILINE)
    assert len(variables) >= 6
    assert [name for name in variables if name not in help_texts.EXAMPLES] == []


@pytest.mark.parametrize("name", [name for name in help_texts.__all__ if name not in {"ABOUT", "LEDGER", "version"}])
def test_the_help_fits_a_terminal(name: str) -> None:
    """Its lines are printed as they are, and a longer one leaves its last word alone on a line."""
    text: str = getattr(help_texts, name)
    assert [line for line in text.splitlines() if len(line) > TERMINAL_COLUMNS] == []
