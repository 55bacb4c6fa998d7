"""One run of chaos: the workers are started, killed and started again, and at the end what is left is judged."""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import NamedTuple

import httpx

from openrouter_video.sandbox import SANDBOX_KEY
from tests.promises.chaos_field import Field
from tests.promises.chaos_invariants import Findings, Report, check, gather, read_reports
from tests.promises.chaos_schedule import Schedule, Turn, fired

__all__ = ["ChaosRun", "Options"]

COLLECTIONS = 5
OLD_SECONDS = 3600


class Options(NamedTuple):
    """What the command line says."""

    seed: int
    jobs: int
    processes: int
    prefect_api: str | None
    folder: str | None
    sabotage: tuple[str, ...]
    minutes: float

    @property
    def command(self) -> str:
        """The command that replays this run."""
        numbers = {"--seed": self.seed, "--jobs": self.jobs, "--processes": self.processes}
        said = [sys.executable, sys.argv[0], *(str(word) for pair in numbers.items() for word in pair)]
        return shlex.join([*said, *(word for bug in self.sabotage for word in ("--sabotage", bug))])


def _work(field: Field, name: str, kind: str, turns: Sequence[Turn]) -> None:
    from tests.promises.chaos_worker import run_worker  # noqa: PLC0415 (it imports Prefect, which only the children need)

    run_worker(field, name, kind, turns)


def _collect(field: Field, reports: Path, known: Turn) -> None:
    from tests.promises.chaos_worker import collect_once  # noqa: PLC0415 (as above)

    collect_once(field, reports, known)


class ChaosRun:
    """One run of chaos: the workers, who of them was killed, and what came of it."""

    def __init__(
        self,
        context: ForkServerContext,
        options: Options,
        schedule: Schedule,
        folder: Path,
        api: str,
        prefect_api: str,
    ) -> None:
        self.kills = 0
        self.violations: list[str] = []
        self.faults = Counter[str]()
        self.reports: tuple[Report, ...] = ()
        self._context, self._options, self._schedule = context, options, schedule
        self._field = Field(folder, api, prefect_api, options.sabotage)
        for path in (self._field.reports, self._field.taken, self._field.done, self._field.logs):
            path.mkdir()
        self._control = httpx.Client(base_url=api.removesuffix("/api/v1"), trust_env=False, timeout=30)

    @property
    def flow_workers(self) -> int:
        """How many of the workers run whole flows."""
        return max(1, self._options.processes // 4)

    def set_faults(self) -> None:
        """Switch every fault of the seed on; where several apply to a request, the first is used."""
        for fault in (*(fault for _, fault in self._schedule.faults), self._schedule.doom):
            said = self._control.post("/sandbox/faults", content=fault.model_dump_json(exclude_defaults=True))
            said.raise_for_status()

    def work(self) -> None:
        """Let the workers take their turns, and kill and restart them, until all turns are done."""
        until = time.monotonic() + self._options.minutes * 60
        workers = {number: self._start(number) for number in range(self._options.processes)}
        kills = deque(self._schedule.kills)
        due = time.monotonic()
        while workers and time.monotonic() < until:
            time.sleep(0.005)
            self._reap(workers)
            if kills and time.monotonic() >= due + kills[0].after_seconds:
                self._kill(workers, kills.popleft().process)
                due = time.monotonic()
        for number, worker in workers.items():
            self.violations.append(f"unfinished: worker {number} was not done after {self._options.minutes:g} min")
            worker.kill()
            worker.join()

    def _reap(self, workers: dict[int, ForkServerProcess]) -> None:
        for number, worker in list(workers.items()):
            if worker.exitcode is not None:
                del workers[number]
                if worker.exitcode != 0:
                    self.violations.append(f"unexpected: worker {number} ended with {worker.exitcode}")

    def _kill(self, workers: dict[int, ForkServerProcess], number: int) -> None:
        if number in workers:
            workers[number].kill()
            workers[number].join()
            self.kills += 1
            workers[number] = self._start(number)

    def _start(self, number: int) -> ForkServerProcess:
        kind = "flow" if number < self.flow_workers else "chain"
        turns = self._schedule.turns
        worker = self._context.Process(target=_work, args=(self._field, f"{kind}-{number}", kind, turns), daemon=True)
        worker.start()
        return worker

    def judge(self) -> Findings:
        """Clear the faults, collect until nothing is open, and hold what is left against the promises."""
        self._count_faults()
        self._control.delete("/sandbox/faults").raise_for_status()
        _let_probes_age(self._field.output)
        for number in range(COLLECTIONS):
            last = self._collect(number)
            if not any(report.status == "open" for report in read_reports(last)):
                break
        field = self._field
        evidence = gather(field.api, SANDBOX_KEY, field.output, self._schedule.jobs, field.reports, last)
        self.reports = evidence.reports
        return check(evidence)

    def _count_faults(self) -> None:
        seen = Counter(one["kind"] for one in self._control.get("/sandbox/requests").json()["requests"])
        for label, fault in self._schedule.faults:
            self.faults[label] += fired(fault, seen[fault.on])

    def _collect(self, number: int) -> Path:
        last = self._field.folder / f"collected-{number}"
        last.mkdir()
        known = next(turn for turn in self._schedule.turns if turn.submission)
        process = self._context.Process(target=_collect, args=(self._field, last, known), daemon=True)
        process.start()
        process.join()
        if process.exitcode != 0:
            self.violations.append(f"unexpected: the collection ended with {process.exitcode}")
        return last


def _let_probes_age(output: Path) -> None:
    """Let an hour pass: only by the time in its name can a probe of a dead process be told from one in use."""
    for path in output.rglob("*probe-*"):
        path.rename(path.with_name(re.sub(r"\d{9,}", lambda at: str(int(at[0]) - OLD_SECONDS), path.name, count=1)))
