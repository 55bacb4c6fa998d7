"""The records of runs that wait without a process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from openrouter_video.errors import LedgerError
from openrouter_video.ledger import Ledger, WaitingRun, WaitingRuns
from openrouter_video.outcome import Batch, FanOut, Outcome
from openrouter_video.stores import open_store

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
OPEN = Outcome(model="a/b", status="open", key="a" * 32, job_id="job-1", cost_usd=0.5)


def waiting(report: FanOut, minutes: int = 0) -> WaitingRun:
    """The record of a run that began so many minutes ago."""
    since = NOW - timedelta(minutes=minutes)
    return WaitingRun(run_id=str(uuid4()), report=report, wanted=1, since=since, until=NOW)


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    """A fan-out and a batch each as such, the oldest first; what lies there beside is none of ours."""
    runs = WaitingRuns(open_store(str(tmp_path)))
    assert runs.read() == ([], [])
    fan_out = waiting(FanOut(status="failed", asked={"models": ["a/b"]}, outcomes=(OPEN,)))
    batch = waiting(Batch(status="failed", asked={}, outcomes=(OPEN,), batch="spring", rows_in_table=1), minutes=5)
    for run in (fan_out, batch):
        runs.add(run)
    (tmp_path / "_waiting" / "notes.json").write_text("{}")
    assert runs.read() == ([batch, fan_out], [])
    assert isinstance(batch.report, Batch)
    assert set(fan_out.keys) == {"a" * 32}
    runs.add(fan_out.model_copy(update={"restarts": 1}))
    again = runs.get(fan_out.run_id)
    assert again is not None
    assert again.restarts == 1
    runs.drop(fan_out.run_id)
    assert (runs.get(fan_out.run_id), runs.ids()) == (None, [batch.run_id])
    assert Ledger(open_store(str(tmp_path))).keys() == []


def test_a_record_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    """Its run is named; a run that asks for its own is told, since it must not begin as if it were new."""
    runs, broken = WaitingRuns(open_store(str(tmp_path))), str(uuid4())
    run = waiting(FanOut(status="failed", asked={}))
    runs.add(run)
    (tmp_path / "_waiting" / f"{broken}.json").write_text("{")
    assert runs.read() == ([run], [broken])
    with pytest.raises(LedgerError, match=f"{broken}.json is not the record of a waiting run"):
        runs.get(broken)
