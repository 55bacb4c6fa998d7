"""Chaos on a small scale: a few seeds in ``make test``; a thousand jobs and more are ``make soak``."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from prefect.settings import PREFECT_API_URL

from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.records import Claim, LedgerEntry
from openrouter_video.outcome import Outcome
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from tests.promises.chaos_invariants import Books, Charged, Evidence, Report, check
from tests.promises.chaos_schedule import PROVIDERS_LAST_WORD, draw_schedule, fired
from tests.support.claims import claim_on

if TYPE_CHECKING:
    from tests.support.faulty_runs import FaultyRuns

ENGINE = Path(__file__).with_name("chaos.py")
KEY, OTHER = "1" * 32, "2" * 32
VIDEO, SIDECAR = "a-flower-01234567/x-ai--grok.mp4", "a-flower-01234567/x-ai--grok.json"


def _chaos(folder: Path, *arguments: object) -> tuple[int, str]:
    """Run the engine against the tests' Prefect server; its exit code, and what it printed."""
    # It gives up before the test does, so that it says itself what is not done.
    places = ["--prefect-api", str(PREFECT_API_URL.value()), "--folder", str(folder), "--minutes", "4"]
    command = [sys.executable, str(ENGINE), *places, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=290)
    return done.returncode, done.stdout + done.stderr


# ---- The whole thing -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("prefect_server")
def test_promises_hold_in_chaos(tmp_path: Path) -> None:
    """Faults, shared keys and kills: nothing charged twice, nothing lost, nothing left lying about."""
    code, said = _chaos(tmp_path, "--seed", 1, "--jobs", 30, "--processes", 4)
    assert code == 0, said
    told = dict(line.split(maxsplit=1) for line in said.replace("charged twice", "twice").splitlines())
    assert (told["twice"], told["lost"]) == ("0", "0")
    assert int(told["kills"]) > 0
    assert int(told["charged"]) > 0


BUGS = {
    "ignore-claims": "charged twice: ",
    "publish-anything": "not what the API serves: its video",
    "lose-bills": "money: all bills come to ",
}


@pytest.mark.usefixtures("prefect_server")
def test_chaos_finds_planted_bugs(tmp_path: Path) -> None:
    """Workers that ignore a claim, keep whatever arrives and lose bills are found out, and the run can be repeated.

    Which faults meet a saboteur is up to the machine, so a seed may miss one; the next ones do not.
    """
    missed = dict(BUGS)
    for seed in range(1, 6):
        folder = tmp_path / str(seed)
        folder.mkdir()
        sabotage = [word for bug in missed for word in ("--sabotage", bug)]
        code, said = _chaos(folder, "--seed", seed, "--jobs", 16, "--processes", 3, *sabotage)
        found = [bug for bug, words in missed.items() if words in said]
        if found:
            assert code == 1
            assert f"--seed {seed} --jobs 16 --processes 3 {' '.join(sabotage)}" in said
        for bug in found:
            del missed[bug]
        if not missed:
            return
    pytest.fail(f"five seeds missed {list(missed)}; the last one said: {said}")


# ---- The plan --------------------------------------------------------------------------------------------------------


def test_a_seed_decides_the_plan() -> None:
    """The same seed draws the same run, another one another, and each asks for as many jobs as wanted."""
    assert draw_schedule(7, 50, 4) == draw_schedule(7, 50, 4)
    assert draw_schedule(7, 50, 4) != draw_schedule(8, 50, 4)
    assert len(draw_schedule(7, 50, 4).jobs) >= 50


def test_faults_never_overlap() -> None:
    """Each request meets one fault at most, so that it can be told how many were met."""
    faults = [fault for _, fault in draw_schedule(3, 200, 4).faults]
    for kind in ("submit", "poll", "content"):
        ranges = [(fault.after, fault.after + (fault.times or 0)) for fault in faults if fault.on == kind]
        assert all(end <= begin for (_, end), (begin, _) in pairwise(ranges))
        assert [fired(fault, 10**9) for fault in faults] == [fault.times for fault in faults]


# ---- The invariants, each shown to fail ------------------------------------------------------------------------------


def _claim() -> Claim:
    return claim_on(KEY, model="x-ai/grok", base_url="", output="", path=VIDEO)


def _settled(status: str = "completed", sha256: str | None = "abc", **fields: object) -> LedgerEntry:
    outcome = Outcome.model_validate({"model": "x-ai/grok", "status": status, "sha256": sha256, **fields})
    return LedgerEntry(KEY, "settled", 1, _claim(), "job-1", outcome=outcome)


def _good() -> Evidence:
    """One job that was asked for, paid, kept and told."""
    return Evidence(
        asked=frozenset({KEY}),
        charges=(Charged("job-1", KEY, "abc", 70),),
        entries={KEY: _settled()},
        files={VIDEO: "abc", SIDECAR: "def"},
        sidecars={SIDECAR: {"job_id": "job-1", "sha256": "abc"}},
        strays=(),
        reports=(Report(KEY, "completed", "job-1", "abc"),),
        collected=(),
        books=Books(70, {KEY: 70}),
    )


def _in_doubt(*told: Report, state: str = "uncertain") -> Evidence:
    entry = LedgerEntry(KEY, state, 1, _claim())  # type: ignore[arg-type]
    return _good()._replace(
        entries={KEY: entry},
        files={},
        sidecars={},
        collected=told,
        reports=(Report(KEY, "uncertain"),),
        books=Books(reserved=frozenset({KEY})),
    )


@pytest.mark.parametrize(
    "evidence",
    [
        _good(),
        _in_doubt(Report(KEY, "uncertain")),
        _in_doubt(Report(KEY, "uncertain"), state="claimed"),
        _good()._replace(
            entries={KEY: _settled("failed", None, error=PROVIDERS_LAST_WORD)}, files={}, sidecars={}, books=Books()
        ),
    ],
    ids=["kept", "in doubt, and told", "claimed, and told", "given up by the provider"],
)
def test_what_is_allowed_is_no_violation(evidence: Evidence) -> None:
    """A paid job is kept, or reported for a person to settle, or was given up by the provider."""
    assert check(evidence).violations == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda good: good._replace(charges=(*good.charges, Charged("job-2", KEY, "abc"))), "charged twice: 1111"),
        (lambda good: good._replace(charges=(*good.charges, Charged("job-2", None, "abc"))), "knows nothing of it"),
        (lambda good: good._replace(files={**good.files, VIDEO: "cut"}), "its video"),
        (lambda good: good._replace(files={}), "its video"),
        (lambda good: good._replace(sidecars={SIDECAR: {"job_id": "job-1", "sha256": "cut"}}), "its sidecar"),
        (lambda good: good._replace(sidecars={SIDECAR: {"job_id": "job-9", "sha256": "abc"}}), "job in its sidecar"),
        (lambda good: good._replace(entries={KEY: _settled(sha256="cut")}), "its outcome"),
        (lambda good: good._replace(entries={KEY: _settled("failed", error="oh")}), "lost: job-1"),
        (lambda good: good._replace(entries={KEY: _settled()._replace(job_id="job-9")}), "another job, job-9"),
        (lambda good: good._replace(entries={KEY: LedgerEntry(KEY, "free")}), "free after the collection"),
        (lambda good: good._replace(entries={KEY: LedgerEntry(KEY, "accepted")}), "unfinished: 1111"),
        (lambda good: good._replace(entries={**good.entries, OTHER: _settled()}), "nobody asked for, 2222"),
        (lambda _: _in_doubt(), "the collection does not say so"),
        (lambda _: _in_doubt(state="claimed"), "silent: 1111"),
        (lambda good: good._replace(reports=()), "no run told what became of 1111"),
        (lambda good: good._replace(files={**good.files, "b/x.mp4": "abc"}), "b/x.mp4 without b/x.json"),
        (lambda good: good._replace(files={**good.files, "b/x.json": "abc"}), "b/x.json without b/x.mp4"),
        (lambda good: good._replace(strays=("a/.x.mp4.part",)), "left behind: a/.x.mp4.part"),
        (lambda good: good._replace(reports=(Report(KEY, "completed", "job-9", "abc"),)), "untrue: 1111"),
        (lambda good: good._replace(reports=(Report(KEY, "completed", "job-1", "cut"),)), "untrue: 1111"),
        (lambda good: good._replace(reports=(Report(KEY, trouble="KeyError: x"),)), "unexpected: KeyError: x"),
        (lambda good: good._replace(books=Books()), "money: 1111"),
        (lambda good: good._replace(books=Books(140, {KEY: 140})), "came to 70, and the journal has 140"),
        (lambda good: good._replace(books=Books(71, {KEY: 70})), "all bills come to 70, and the journal says 71"),
        (lambda good: good._replace(books=Books(70, {KEY: 70}, frozenset({KEY}))), "still reserved, and is settled"),
        (lambda good: good._replace(books=Books(70, {KEY: 70}, frozenset({OTHER}))), "reserved, and is unknown"),
        (lambda good: good._replace(books=Books(70, {KEY: 70}, damage=("gone",))), "money: gone"),
    ],
)
def test_each_violation_is_found(spoil: Callable[[Evidence], Evidence], words: str) -> None:
    """Whatever is not as it was promised is told in words."""
    assert any(words in line for line in check(spoil(_good())).violations)


# ---- What chaos has found --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", ["outcome", "uncertain-1"])
def test_a_temporary_of_a_late_death_is_removed_by_whoever_reads_the_end(tmp_path: Path, record: str) -> None:
    """A process may die after it has ended a key's story and before it has cleared up, or long after the end."""
    ledger = Ledger(open_store(str(tmp_path)))
    ledger.claim(1, _claim())
    if record == "outcome":
        ledger.settle(KEY, Outcome(model="x-ai/grok", status="failed"))
    else:
        ledger.doubt(KEY, 1, "no answer")
    for read in (ledger.entry, ledger.unfinished):
        left = [tmp_path / KEY / f".{name}.json.0123456789ab.part" for name in (record, "claim-1")]
        for part in left:
            part.touch()
        read(KEY)
        assert not any(part.exists() for part in left)


def test_a_temporary_is_left_alone_while_a_submission_may_go_on(tmp_path: Path) -> None:
    """It may be the record that somebody is writing at this moment."""
    ledger = Ledger(open_store(str(tmp_path)))
    ledger.claim(1, _claim())
    part = tmp_path / KEY / ".job-1.json.0123456789ab.part"
    part.touch()
    assert ledger.entry(KEY).state == "claimed"
    ledger.unfinished(KEY)
    assert part.exists()


@pytest.mark.usefixtures("prefect_server")
async def test_a_download_that_died_beside_a_finished_one_is_cleared_by_the_next_run(runs: FaultyRuns) -> None:
    """Two processes download the same video, one dies: whoever finds the other's video complete clears up."""
    await runs.generate(idempotency_key="twice")
    (video,) = runs.output.glob("*/*.mp4")
    for name in runs.files:
        (video.parent / f".{name}.0123456789ab.part").touch()
    outcome = await runs.generate(idempotency_key="twice")
    assert (outcome.status, outcome.reused) == ("completed", True)
    assert runs.files == [video.with_suffix(suffix).name for suffix in (".jpg", ".json", ".mp4")]


@pytest.mark.usefixtures("prefect_server")
async def test_a_download_that_died_before_the_job_expired_is_cleared(runs: FaultyRuns) -> None:
    """The provider's last word ends the story of the file too."""
    runs.sandbox.add_fault(Fault(on="content", status=404, times=2))  # its stored copy, too
    opened = await runs.generate(idempotency_key="gone")
    assert opened.status == "open"
    (record,) = (runs.output / "_jobs").glob("*/claim-1.json")
    path = runs.output / json.loads(record.read_text())["path"]
    path.parent.mkdir(exist_ok=True)
    (path.parent / f".{path.name}.0123456789ab.part").touch()
    runs.sandbox.finish(opened.job_id or "", "expired")
    assert (await runs.collect_one()).status == "failed"
    assert runs.files == []


def test_the_sandbox_bears_a_client_that_dies_before_its_connection_breaks(caplog: pytest.LogCaptureFixture) -> None:
    """There is nothing left to break, which is no error of the server."""
    with Sandbox() as sandbox:
        sandbox.add_fault(Fault(on="models", delay_seconds=0.3, drop="before"))
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{sandbox.base_url}/videos/models", timeout=0.05, trust_env=False)
        while not sandbox.requests:
            time.sleep(0.01)
        time.sleep(0.1)
    assert not [record for record in caplog.records if record.name == "uvicorn.error"]
