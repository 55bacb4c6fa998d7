"""The command as its users start it: a process of its own, with a temporary Prefect server, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from openrouter_video.cli import main
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.sandbox import Sandbox
from openrouter_video.stores import open_store
from tests.support.flow_processes import wait_until
from tests.support.prefect_servers import prefect_home

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "openrouter_video")
ASKED = ("A white orchid", "--duration", "4", "--resolution", "720p", "--aspect-ratio", "16:9", "--no-audio")
VEO, SEEDANCE = "google/veo-3.1-lite", "bytedance/seedance-2.0-mini"


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """An environment without any setting of ours or Prefect's, and a home of its own for Prefect."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENROUTER", "PREFECT"))}
    return {**kept, "PREFECT_HOME": str(prefect_home(tmp_path / "prefect")), "PYTHONPATH": str(ROOT)}


def test_one_command_without_a_key_makes_videos(
    surroundings: dict[str, str], tmp_path: Path, prefect_server: None
) -> None:
    """--sandbox --json: one document on stdout, videos on disk, and a terminal that Prefect leaves alone.

    On a server that is there; `make demo` (tests/house/test_readme.py) starts a temporary one.
    """
    words = (*COMMAND, "fan-out", *ASKED, "--model", VEO, "--model", SEEDANCE, "--sandbox", "--json")
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env={**surroundings, "PREFECT_API_URL": PREFECT_API_URL.value()},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "completed"
    for outcome in document["outcomes"]:
        file = Path(outcome["url"].removeprefix("file://"))
        assert file.stat().st_size == outcome["bytes"]
        assert file.is_relative_to(tmp_path / "videos")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("SANDBOX:")
    known = ("SANDBOX:", "A white orchid", "4 s, 720p", VEO, SEEDANCE)
    assert not [line for line in lines if not line.strip().startswith(known)]


@pytest.fixture
def patient() -> Iterator[Sandbox]:
    """A sandbox whose jobs never end by themselves."""
    with Sandbox(job_seconds=3600) as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_run_says_what_goes_on(
    surroundings: dict[str, str], tmp_path: Path, patient: Sandbox, prefect_server: None, number: signal.Signals
) -> None:
    """In the middle of polling: exit code 130, the jobs that go on, that nothing is billed, and how to collect them."""
    mine = {"OPENROUTER_API_KEY": patient.api_key, "OPENROUTER_BASE_URL": patient.base_url}
    if number is not signal.SIGINT:
        # Only Ctrl-C could hurt a temporary server.
        mine["PREFECT_API_URL"] = PREFECT_API_URL.value()
    words = (*COMMAND, "fan-out", *ASKED, "--model", VEO, "--model", SEEDANCE, "--json", "--output", "my videos")
    with subprocess.Popen(
        words,
        cwd=tmp_path,
        env={**surroundings, **mine},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        waiting = set[str]()
        for line in process.stderr:
            waiting |= {line.split(":")[0]} if ": pending, job " in line else set()
            if len(waiting) == 2:
                break
        # A terminal sends Ctrl-C to the command and to Prefect's temporary server alike; others mean the command.
        (os.killpg if number is signal.SIGINT else os.kill)(process.pid, number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "These jobs go on in the sandbox, and nothing is billed:" in err
    assert "openrouter-video collect --output 'my videos'" in err
    document = json.loads(out)
    jobs = {charge.model: charge.job_id for charge in patient.charges}
    assert {outcome["model"]: outcome["job_id"] for outcome in document["outcomes"]} == jobs
    assert {outcome["status"] for outcome in document["outcomes"]} == {"open"}
    assert document["sandbox"] is True
    assert all(job in err for job in jobs.values())
    ledger = Ledger(open_store(str(tmp_path / "my videos" / "_jobs")))
    assert {ledger.entry(outcome["key"]).state for outcome in document["outcomes"]} == {"accepted"}


@pytest.fixture
def standalone(surroundings: dict[str, str]) -> Iterator[dict[str, str]]:
    """What leads to a sandbox in a process of its own, whose key may spend $0.15."""
    words = (*COMMAND, "sandbox", "--port", "0", "--speed", "100", "--budget-usd", "0.15")
    with subprocess.Popen(words, env=surroundings, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        shown = next(line for line in process.stdout if "export" in line)
        yield dict(pair.split("=", 1) for pair in shown.split()[1:])
        process.send_signal(signal.SIGINT)


def test_the_money_of_a_sandbox_elsewhere_is_marked(
    standalone: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    prefect_server: None,
) -> None:
    """Without --sandbox: it says itself what it is; so do the report and the ledger, and its key has a budget."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("OPENROUTER_")]:
        monkeypatch.delenv(name)
    for name, value in standalone.items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> tuple[int, str]:
        code, said = main(words), capsys.readouterr()
        return code, said.out + said.err

    code, said = run("generate", *ASKED, "--model", VEO)
    total = "1 of 1 video, sandbox $0.12; the estimate was sandbox $0.12 (sandbox: nothing was billed)"
    assert (code, total in said) == (0, True), said
    code, said = run("ledger", "list", "--all")
    assert (code, "\tsandbox $0.12\t" in said) == (0, True), said
    code, said = run("generate", *ASKED, "--model", VEO)
    assert (code, "the key may spend $0.03 more (the key's own limit)" in said) == (2, True), said


def test_a_killed_command_takes_its_temporary_server_along(
    surroundings: dict[str, str], tmp_path: Path, patient: Sandbox
) -> None:
    """By SIGKILL, which nobody can catch: the server notices that its parent is gone."""
    mine = {"OPENROUTER_API_KEY": patient.api_key, "OPENROUTER_BASE_URL": patient.base_url}
    words = (*COMMAND, "generate", *ASKED, "--model", VEO)
    with (
        (tmp_path / "out").open("wb") as out,
        subprocess.Popen(words, cwd=tmp_path, env={**surroundings, **mine}, stdout=out, stderr=out) as process,
    ):
        try:
            wait_until(lambda: patient.charges, 150, what=(tmp_path / "out").read_text)
            (server,) = _children(process.pid)
        finally:
            process.kill()
    wait_until(lambda: not _is_running(server), 60, every=0.2)


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    return [child for child, parent in pairs if parent == pid]


def _is_running(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.strip().startswith("Z")


def test_help_loads_little(surroundings: dict[str, str]) -> None:
    """Whoever asks for help waits for no HTTP client, no validation and no store."""
    code = """if True:
        import sys
        from openrouter_video.cli import main
        assert main(["fan-out", "--help"]) == 0
        heavy = {"prefect", "httpx", "pydantic", "fsspec", "av", "PIL", "uvicorn"}
        sys.exit(" ".join(sorted(heavy & set(sys.modules))) or None)
    """
    done = subprocess.run(
        [sys.executable, "-c", code], env=surroundings, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Examples:" in done.stdout
