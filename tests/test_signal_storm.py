"""Signals at random instants of whole runs, from the first line of a process to its last: each ends the run.

A few of them by default, always the same; SIGNALS=300 sends as many, and SIGNALS_SEED chooses others. The figures are
printed (``pytest -s``).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from prefect.settings import PREFECT_API_URL

from openrouter_video.ledger import Ledger
from openrouter_video.records import LedgerEntry
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from tests.flow_processes import MODEL, ORDER, Errand, FlowProcess, environment_of

SIGNALS = int(os.environ.get("SIGNALS", "8"))
SEED = int(os.environ.get("SIGNALS_SEED", "20261125"))
SIDE_BY_SIDE = 2
# A run that takes this long is not ended by its signal.
PATIENCE_SECONDS = 100.0
ENDED_BY = {signal.SIGINT, signal.SIGTERM}
COMMAND = (sys.executable, "-m", "openrouter_video", "generate", "A white orchid", "--model", MODEL, "--takes", "2")
OPTIONS = ("--duration", "1", "--resolution", "480p", "--json")


class Ended(NamedTuple):
    """A run after its signal: ``code`` None means that it was over before."""

    number: signal.Signals
    after: float
    code: int | None
    seconds: float
    output: str
    whole: bool
    entries: list[LedgerEntry]


@pytest.fixture
def slow(prefect_server: None) -> Iterator[Sandbox]:
    """A sandbox that takes its time over everything, so that no instant is unlikely."""
    with Sandbox(job_seconds=1) as sandbox:
        sandbox.add_fault(Fault(on="submit", delay_seconds=0.5, times=None))
        sandbox.add_fault(Fault(on="content", delay_seconds=0.5, times=None))
        yield sandbox


class _Command:
    """The command in a process of its own."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        mine = {**environment_of(sandbox, folder / "videos"), "PREFECT_API_URL": PREFECT_API_URL.value() or ""}
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            environment = {**os.environ, **mine}
            self._process = subprocess.Popen([*COMMAND, *OPTIONS], env=environment, stdout=out, stderr=err)

    def send(self, number: signal.Signals) -> bool:
        over = self._process.poll() is not None
        self._process.send_signal(number)
        return not over

    def wait(self) -> int:
        try:
            return self._process.wait(PATIENCE_SECONDS)
        finally:
            self._process.kill()

    @property
    def output(self) -> str:
        return (self._folder / "err").read_text(encoding="utf-8")

    @property
    def whole(self) -> bool:
        """Whether it made all videos and said so."""
        text = (self._folder / "out").read_text(encoding="utf-8")
        return bool(text) and json.loads(text)["status"] == "completed"


class _Flow:
    """The flow in a process's main thread, as Prefect's workers run it."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        environment = environment_of(sandbox, folder / "videos")
        errand = Errand({**ORDER, "takes": 2}, folder / "run", PREFECT_API_URL.value() or "", environment)
        self._process = FlowProcess(errand)

    def send(self, number: signal.Signals) -> bool:
        over = not self._process.alive
        if not over:
            self._process.send(number)
        return not over

    def wait(self) -> int:
        with self._process:
            return self._process.wait(PATIENCE_SECONDS)

    @property
    def output(self) -> str:
        return self._process.output

    @property
    def whole(self) -> bool:
        return (self._process.errand.folder / "answer.json").exists()


def _strike(
    kind: type[_Command | _Flow], sandbox: Sandbox, folder: Path, number: signal.Signals, after: float
) -> Ended:
    process = kind(sandbox, folder)
    time.sleep(after)
    began = time.monotonic()
    alive = process.send(number)
    code = process.wait()
    seconds = time.monotonic() - began
    ledger = Ledger(open_store(str(folder / "videos")).child("_jobs"))
    entries = [ledger.entry(key) for key in ledger.keys()]  # noqa: SIM118 (a ledger is no dict)
    return Ended(number, after, code if alive else None, seconds, process.output, process.whole, entries)


@pytest.mark.timeout(300 + 30 * SIGNALS)
@pytest.mark.parametrize("kind", [_Command, _Flow], ids=["command", "flow"])
def test_a_signal_at_any_instant_ends_the_run(slow: Sandbox, tmp_path: Path, kind: type[_Command | _Flow]) -> None:
    """With the exit code of a signal; every POST has its record, no key has two, and what goes on is said."""
    chance = random.Random(SEED)  # noqa: S311 (it chooses instants)
    kind(slow, tmp_path / "first").wait()
    began = time.monotonic()
    kind(slow, tmp_path / "usual").wait()
    usual = time.monotonic() - began

    def strike(trial: int, number: signal.Signals, share: float) -> Ended:
        for again in range(20):
            ended = _strike(kind, slow, tmp_path / f"{trial}-{again}", number, usual * share * 0.9**again)
            if ended.code is not None:
                return ended
        raise AssertionError("a run is always over before its signal")

    trials = [(n, chance.choice(sorted(ENDED_BY)), chance.random()) for n in range(SIGNALS // 2)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        all_ended = list(pool.map(lambda trial: strike(*trial), trials))
    _print_figures(kind.__name__, usual, all_ended)
    for ended in all_ended:
        _check(ended, slow, told=kind is _Command)


def _check(ended: Ended, sandbox: Sandbox, *, told: bool) -> None:
    where = f"{ended.number.name} after {ended.after:.2f} s: {ended.code}, {ended.output}"
    by_signal = ended.code in {-ended.number, 130 if told else 1}
    if not told and ended.code == 1:
        # Beside the body of the flow a signal is an exception, of Python or of Prefect, that leaves the process.
        by_signal = ended.output.rstrip().endswith(("KeyboardInterrupt", "TerminationSignal"))
    assert by_signal or (ended.code == 0 and ended.whole), where
    charges = Counter(charge.session_id for charge in sandbox.charges)
    for entry in ended.entries:
        assert charges[entry.key] == (entry.state in {"accepted", "settled"}), f"{entry.state}, {where}"
        if entry.state == "accepted":
            assert str(entry.job_id) in ended.output, where
    if told:
        # Until our first line is read, Ctrl-C is Python's own affair.
        assert "Traceback" not in ended.output or (ended.code == -signal.SIGINT and not ended.entries), where
        if ended.code == 130 and not ended.whole:
            assert "Interrupted" in ended.output, where


def _print_figures(kind: str, usual: float, all_ended: list[Ended]) -> None:
    codes = Counter((ended.number.name, ended.code) for ended in all_ended)
    states = Counter(",".join(sorted(entry.state for entry in ended.entries)) or "-" for ended in all_ended)
    slowest = max(all_ended, key=lambda ended: ended.seconds)
    sys.stdout.write(
        f"\n{kind}: {len(all_ended)} signals over {usual:.1f} s, codes {dict(codes)}, ledger {dict(states)}, "
        f"slowest end {slowest.seconds:.1f} s ({slowest.number.name} after {slowest.after:.1f} s)\n"
    )
