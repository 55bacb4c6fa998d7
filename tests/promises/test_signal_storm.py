"""Signals at random instants of whole runs, from the first line of a process to its last: each ends the run.

A few of them by default, always the same; SIGNALS=300 sends as many, and SIGNALS_SEED chooses others. The figures are
printed (``pytest -s``).
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from prefect.settings import PREFECT_API_URL

from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.records import LedgerEntry
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from tests.support.flow_processes import MODEL, ORDER, Errand, FlowProcess, environment_of, wait_until

SIGNALS = int(os.environ.get("SIGNALS", "10"))
SEED = int(os.environ.get("SIGNALS_SEED", "20261125"))
SIDE_BY_SIDE = 2
# A run that takes this long is not ended by its signal.
PATIENCE_SECONDS = 100.0
ENDED_BY = {signal.SIGINT, signal.SIGTERM}
COMMAND = (sys.executable, "-m", "openrouter_video", "generate", "A white orchid", "--model", MODEL, "--takes", "2")
OPTIONS = ("--duration", "1", "--resolution", "480p", "--json")


class Ended(NamedTuple):
    """A run after its signal; ``charged``: how many jobs were charged under each key."""

    number: signal.Signals
    when: str
    code: int
    seconds: float
    output: str
    whole: bool
    entries: list[LedgerEntry]
    charged: Mapping[str | None, int]


def _saw(kind: str) -> Callable[[Sandbox, Path], object]:
    return lambda sandbox, _: any(seen.kind == kind for seen in sandbox.requests)


STAGES: dict[str, tuple[Callable[[Sandbox, Path], object], float]] = {
    "from the start": (lambda _sandbox, _folder: True, 3.0),
    "from the first POST": (lambda sandbox, _: sandbox.charges, 1.0),
    "from the first poll": (_saw("poll"), 1.0),
    "from the first download": (_saw("content"), 1.0),
    "from the first video": (lambda _, folder: [*folder.glob("videos/*/*.mp4")], 0.5),
}
"""What is waited for before a signal, and how many seconds from there it may come."""


@contextmanager
def _slow_sandbox() -> Iterator[Sandbox]:
    """Lend a sandbox that takes its time over everything, so that no instant is unlikely."""
    with Sandbox(job_seconds=0.7) as sandbox:
        sandbox.add_fault(Fault(on="submit", delay_seconds=0.5, times=None))
        sandbox.add_fault(Fault(on="content", delay_seconds=0.3, times=None))
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

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> bool:
        """Send a signal, and return whether there was anybody to take it."""
        alive = self.alive
        self._process.send_signal(number)
        return alive

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

    @property
    def alive(self) -> bool:
        return self._process.alive

    def send(self, number: signal.Signals) -> bool:
        """Send a signal, and return whether there was anybody to take it."""
        if alive := self.alive:
            self._process.send(number)
        return alive

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
    kind: type[_Command | _Flow], folder: Path, number: signal.Signals, stage: str, share: float
) -> Ended | None:
    """Run it once, and send the signal; None if it was over before."""
    reached, seconds = STAGES[stage]
    with _slow_sandbox() as sandbox:
        process = kind(sandbox, folder)
        wait_until(lambda: reached(sandbox, folder) or not process.alive, PATIENCE_SECONDS, what=lambda: process.output)
        time.sleep(share * seconds)
        began = time.monotonic()
        alive = process.send(number)
        code = process.wait()
        took = time.monotonic() - began
        ledger = Ledger(open_store(str(folder / "videos")).child("_jobs"))
        entries = [ledger.entry(key) for key in ledger.keys()]  # noqa: SIM118 (a ledger is no dict)
        charged = Counter(charge.session_id for charge in sandbox.charges)
    when = f"{share * seconds:.2f} s {stage}"
    return Ended(number, when, code, took, process.output, process.whole, entries, charged) if alive else None


@pytest.mark.timeout(300 + 30 * SIGNALS)
@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("kind", [_Command, _Flow], ids=["command", "flow"])
def test_a_signal_at_any_instant_ends_the_run(tmp_path: Path, kind: type[_Command | _Flow]) -> None:
    """With the exit code of a signal; every POST has its record, no key has two, and what goes on is said."""
    chance = random.Random(SEED)  # noqa: S311 (it chooses instants)

    def strike(trial: int, number: signal.Signals, stage: str, share: float) -> Ended:
        for again in range(20):
            if (ended := _strike(kind, tmp_path / f"{trial}-{again}", number, stage, share * 0.7**again)) is not None:
                return ended
        raise AssertionError("a run is always over before its signal")

    stages = itertools.cycle(STAGES)
    trials = [(n, chance.choice(sorted(ENDED_BY)), next(stages), chance.random()) for n in range(-(-SIGNALS // 2))]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        all_ended = list(pool.map(lambda trial: strike(*trial), trials))
    _print_figures(kind.__name__, all_ended)
    for ended in all_ended:
        _check(ended, told=kind is _Command)


def _check(ended: Ended, *, told: bool) -> None:
    where = f"{ended.number.name} {ended.when}: {ended.code}, {ended.output}"
    # Before our first line Ctrl-C is Python's own affair, and beside the body of a flow a signal is Prefect's.
    raised = ended.code == 1 and ("KeyboardInterrupt" in ended.output or "TerminationSignal" in ended.output)
    not_ours = ended.code in {-ended.number, 1} and not ended.entries and "openrouter_video/cli" not in ended.output
    assert ended.code in {-ended.number, 130} or raised or (ended.code == 0 and ended.whole), where
    assert set(ended.charged) <= {entry.key for entry in ended.entries}, where
    for entry in ended.entries:
        assert ended.charged.get(entry.key, 0) == (entry.state in {"accepted", "settled"}), f"{entry.state}, {where}"
        if entry.state == "accepted":
            assert str(entry.job_id) in ended.output, where
    if told:
        assert "Traceback" not in ended.output or not_ours, where
        assert ended.code == 130 or not_ours or ended.whole, where
        if ended.code == 130 and not ended.whole:
            assert "Interrupted" in ended.output, where


def _print_figures(kind: str, all_ended: list[Ended]) -> None:
    codes = Counter((ended.number.name, ended.code) for ended in all_ended)
    states = Counter(",".join(sorted(entry.state for entry in ended.entries)) or "-" for ended in all_ended)
    slowest = max(all_ended, key=lambda ended: ended.seconds)
    sys.stdout.write(
        f"\n{kind}: {len(all_ended)} signals, codes {dict(codes)}, ledger {dict(states)}, "
        f"slowest end {slowest.seconds:.1f} s ({slowest.number.name} {slowest.when})\n"
    )
