"""Collecting: beside other collections, past what cannot be had, and only what is this machine's."""

from __future__ import annotations

import asyncio
import json
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from openrouter_video.ledger.ledger import Ledger
from openrouter_video.run.collecting import Turns
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from tests.support.faulty_runs import FaultyRuns

pytestmark = pytest.mark.usefixtures("prefect_server")

REFUSED = {"error": {"code": 401, "message": "no"}}


async def leave_open(runs: FaultyRuns, *keys: str) -> list[str]:
    """Leave a finished job without its video for each of the keys, and return their ids."""
    runs.sandbox.add_fault(Fault(on="content", status=401, body=REFUSED, times=len(keys)))
    return [(await runs.generate(idempotency_key=key)).job_id or "" for key in keys]


def ledger_of(runs: FaultyRuns) -> Ledger:
    """The ledger inside the output."""
    return Ledger(open_store(str(runs.output)).child("_jobs"))


def key_of(runs: FaultyRuns, job_id: str) -> str:
    """The key under which a job was submitted."""
    return next(charge.session_id or "" for charge in runs.sandbox.charges if charge.job_id == job_id)


# ---- Side by side ----------------------------------------------------------------------------------------------------


async def test_five_collections_at_once_make_each_file_once(runs: FaultyRuns) -> None:
    """No limit is needed: each video is there, whole, with its sidecar and its poster, and nothing else."""
    jobs = await leave_open(runs, *"abcd")
    collected = await asyncio.gather(*(runs.collect() for _ in range(5)))
    for outcomes in collected:
        assert {outcome.status for outcome in outcomes} <= {"completed"}
    assert {outcome.job_id for outcomes in collected for outcome in outcomes} == set(jobs)
    assert (len(runs.files), runs.jobs) == (12, 4)
    assert await runs.collect() == []


async def test_all_outputs_wait_for_one_deadline(runs: FaultyRuns) -> None:
    """A minute is a minute, whatever the number of folders."""
    with Sandbox(job_seconds=600) as slow:
        runs.use(slow)
        for name in ("one", "two", "three"):
            runs.use_store(str(runs.output / name), str(runs.output / "ledger"))
            assert (await runs.generate(deadline_minutes=0.01, idempotency_key=name)).status == "open"
        began = runs.time.now
        outcomes = await runs.collect(wait_minutes=1)
    assert [outcome.status for outcome in outcomes] == ["open"] * 3
    assert runs.time.now - began <= 75


async def test_a_place_that_cannot_be_used_keeps_no_other_waiting(runs: FaultyRuns, tmp_path: Path) -> None:
    """The jobs of that folder stay open with the reason, the others come home."""
    ledger = str(tmp_path / "ledger")
    for name in ("bad", "good"):
        runs.use_store(str(tmp_path / name), ledger)
        await leave_open(runs, name)
    (tmp_path / "bad").rename(tmp_path / "away")
    (tmp_path / "bad").write_text("a file where the folder was")
    by_status = {outcome.status: outcome for outcome in await runs.collect()}
    assert set(by_status) == {"completed", "open"}
    assert str(tmp_path / "bad") in (by_status["open"].error or "")


# ---- What cannot be had ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["outcome", "job-1", "claim-1"])
async def test_a_record_that_cannot_be_read_is_reported(runs: FaultyRuns, name: str) -> None:
    """Its key, why, and what to do; the other jobs are finished, and once it is mended this one too."""
    bad, good = await leave_open(runs, "bad", "good")
    key = key_of(runs, bad)
    record = runs.output / "_jobs" / key / f"{name}.json"
    kept = record.read_bytes() if record.exists() else None
    record.unlink(missing_ok=True)
    record.mkdir()
    by_status = {outcome.status: outcome for outcome in await runs.collect()}
    assert by_status["completed"].job_id == good
    assert by_status["open"].key == key
    assert f"{key}/{name}.json" in (by_status["open"].error or "")
    assert "a folder in place of a file" in (by_status["open"].error or "")
    record.rmdir()
    if kept is not None:
        record.write_bytes(kept)
    assert (await runs.collect_one()).job_id == bad


async def test_a_job_that_the_api_does_not_know_names_the_way_out(runs: FaultyRuns) -> None:
    """It may be the wrong key, so it stays open; but nobody promises that collecting finishes it."""
    await leave_open(runs, "a")
    runs.sandbox.add_fault(Fault(on="poll", status=404, times=None))
    outcome = await runs.collect_one()
    assert outcome.status == "open"
    assert f"end it by `openrouter-video ledger settle {outcome.key} --lost`" in (outcome.error or "")
    assert "finishes it" not in (outcome.error or "")


async def test_a_limit_is_not_used_up_by_what_makes_no_progress(runs: FaultyRuns) -> None:
    """Neither by jobs that the API does not know, nor by videos that it does not give."""
    unknown, kept_back, *good = await leave_open(runs, "a", "b", "c", "d", "e")
    runs.sandbox.add_fault(Fault(on="poll", job_id=unknown, status=404, times=None))
    runs.sandbox.add_fault(Fault(on="content", job_id=kept_back, status=401, body=REFUSED, times=None))
    outcomes = await runs.collect(limit=2)
    done = [outcome.job_id for outcome in outcomes if outcome.status == "completed"]
    assert (len(done), set(done) <= set(good)) == (2, True)
    assert len([o for o in await runs.collect(limit=2) if o.status == "completed"]) == 1


@pytest.mark.parametrize(
    ("limit", "used", "finished"),
    [
        (None, [True] * 4, 4),
        (2, [True] * 5, 2),
        (2, [False, False, True, True, True], 4),
        (1, [False] * 5, 5),
        (3, [True, False], 2),
    ],
)
async def test_turns(limit: int | None, used: list[bool], finished: int) -> None:
    """Only so many come to something, however many ask; what came to nothing is passed on, and nobody waits on."""
    turns, begun = Turns(limit), []

    async def work(number: int) -> None:
        async with turns.take() as turn:
            if turn is not None:
                begun.append(number)
                await asyncio.sleep(0)
                turn.used = used[number]

    async with asyncio.timeout(60):
        await asyncio.gather(*(work(number) for number in range(len(used))))
    assert begun == list(range(finished))


# ---- Whose folder it is ----------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Be another machine from now on, by name."""
    return lambda name: monkeypatch.setattr(platform, "node", lambda: name)


async def test_a_video_for_a_folder_of_another_machine_is_left_to_it(
    runs: FaultyRuns, tmp_path: Path, elsewhere: Callable[[str], None]
) -> None:
    """Nothing is written there, and the job stays open and says whose it is; where the folder is, it comes home."""
    runs.use_store(str(tmp_path / "videos"), str(tmp_path / "ledger"))
    elsewhere("alices-machine")
    (job,) = await leave_open(runs, "a")
    (tmp_path / "videos").rename(tmp_path / "not here")
    elsewhere("bobs-machine")
    outcome = await runs.collect_one()
    assert (outcome.status, outcome.job_id) == ("open", job)
    assert f"file://{tmp_path}/videos of alices-machine" in (outcome.error or "")
    assert not (tmp_path / "videos").exists()
    # A container of another name with the same volume sees the folder.
    (tmp_path / "not here").rename(tmp_path / "videos")
    assert (await runs.collect_one()).status == "completed"


async def test_a_folder_of_the_same_name_on_another_machine_is_another_one(
    runs: FaultyRuns, tmp_path: Path, elsewhere: Callable[[str], None]
) -> None:
    """That machine has made videos of its own there."""
    runs.use_store(str(tmp_path / "videos"), str(tmp_path / "ledger"))
    elsewhere("alices-machine")
    await leave_open(runs, "a")
    (tmp_path / "videos").rename(tmp_path / "alices")
    elsewhere("bobs-machine")
    assert (await runs.generate(idempotency_key="bobs")).status == "completed"
    assert (await runs.collect_one()).status == "open"


async def test_a_folder_that_was_removed_on_its_own_machine_is_made_again(runs: FaultyRuns, tmp_path: Path) -> None:
    """Nobody else could."""
    runs.use_store(str(tmp_path / "videos"), str(tmp_path / "ledger"))
    await leave_open(runs, "a")
    shutil.rmtree(tmp_path / "videos")
    assert (await runs.collect_one()).status == "completed"


@pytest.mark.parametrize("there", [True, False])
async def test_a_claim_of_an_older_version_is_collected_where_its_folder_is(
    runs: FaultyRuns, tmp_path: Path, there: bool
) -> None:
    """It names no machine."""
    runs.use_store(str(tmp_path / "videos"), str(tmp_path / "ledger"))
    (job,) = await leave_open(runs, "a")
    record = tmp_path / "ledger" / key_of(runs, job) / "claim-1.json"
    claim = json.loads(record.read_text())
    del claim["host"], claim["folder"]
    record.write_text(json.dumps(claim))
    if not there:
        (tmp_path / "videos").rename(tmp_path / "not here")
    assert (await runs.collect_one()).status == ("completed" if there else "open")
    assert (tmp_path / "videos").exists() is there
