"""Chaos on a small scale: a few seeds in ``make test``; a thousand jobs and more are ``make soak``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from openrouter_video.job import Outcome
from openrouter_video.records import Claim, LedgerEntry
from tests.chaos_invariants import Charged, Evidence, Report, check
from tests.chaos_schedule import PROVIDERS_LAST_WORD, draw_schedule, fired

ENGINE = Path(__file__).with_name("chaos.py")
KEY, OTHER = "1" * 32, "2" * 32
VIDEO, SIDECAR = "a-flower-01234567/x-ai--grok.mp4", "a-flower-01234567/x-ai--grok.json"


def _chaos(*arguments: object) -> tuple[int, str]:
    """Run the engine against the tests' Prefect server; its exit code, and what it printed."""
    command = [sys.executable, str(ENGINE), "--prefect-api", str(PREFECT_API_URL.value()), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)
    return done.returncode, done.stdout + done.stderr


# ---- The whole thing -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("seed", [1, 2])
def test_promises_hold_in_chaos(seed: int) -> None:
    """Faults, shared keys and kills: nothing charged twice, nothing lost, nothing left lying about."""
    code, said = _chaos("--seed", seed, "--jobs", 24, "--processes", 4)
    assert code == 0, said
    told = dict(line.split(maxsplit=1) for line in said.replace("charged twice", "twice").splitlines())
    assert (told["twice"], told["lost"]) == ("0", "0")
    assert int(told["kills"]) > 0
    assert int(told["charged"]) > 0


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(
    ("bug", "seed", "found"),
    [("ignore-claims", 1, "charged twice: "), ("publish-anything", 1, "not what the API serves: its video")],
)
def test_chaos_finds_a_planted_bug(bug: str, seed: int, found: str) -> None:
    """Workers that ignore a claim, or keep whatever arrives, are found out, and the run can be repeated."""
    code, said = _chaos("--seed", seed, "--jobs", 16, "--processes", 3, "--sabotage", bug)
    assert code == 1, said
    assert found in said
    assert f"--seed {seed} --jobs 16 --processes 3 --sabotage {bug}" in said


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
    return Claim(
        at="2026-11-23T00:00:00+00:00", key=KEY, model="x-ai/grok", take=1, asked={}, sent={}, body_sha256="",
        base_url="", output="", path=VIDEO,
    )  # fmt: skip


def _settled(status: str = "completed", sha256: str | None = "abc", **fields: object) -> LedgerEntry:
    outcome = Outcome.model_validate({"model": "x-ai/grok", "status": status, "sha256": sha256, **fields})
    return LedgerEntry(KEY, "settled", 1, _claim(), "job-1", outcome=outcome)


def _good() -> Evidence:
    """One job that was asked for, paid, kept and told."""
    return Evidence(
        asked=frozenset({KEY}),
        charges=(Charged("job-1", KEY, "abc"),),
        entries={KEY: _settled()},
        files={VIDEO: "abc", SIDECAR: "def"},
        sidecars={SIDECAR: {"job_id": "job-1", "sha256": "abc"}},
        strays=(),
        reports=(Report(KEY, "completed", "job-1", "abc"),),
        collected=(),
    )


def _in_doubt(*told: Report, state: str = "uncertain") -> Evidence:
    entry = LedgerEntry(KEY, state, 1, _claim())  # type: ignore[arg-type]
    return _good()._replace(
        entries={KEY: entry}, files={}, sidecars={}, collected=told, reports=(Report(KEY, "uncertain"),)
    )


@pytest.mark.parametrize(
    "evidence",
    [
        _good(),
        _in_doubt(Report(KEY, "uncertain")),
        _in_doubt(Report(KEY, "uncertain"), state="claimed"),
        _good()._replace(entries={KEY: _settled("failed", None, error=PROVIDERS_LAST_WORD)}, files={}, sidecars={}),
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
    ],
)
def test_each_violation_is_found(spoil: Callable[[Evidence], Evidence], words: str) -> None:
    """Whatever is not as it was promised is told in words."""
    assert any(words in line for line in check(spoil(_good())).violations)
