"""Which job `previous_job_id` means, and whether it can be continued: all that is known for free is told before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from openrouter_video.api import PollAnswer, VideoJob, VideoModel
from openrouter_video.errors import Problem
from openrouter_video.ledger import Ledger, LedgerEntry
from openrouter_video.outcome import Outcome
from openrouter_video.planning.find_jobs import find_jobs
from openrouter_video.planning.plan import ModelPlan, Plan
from openrouter_video.planning.previous_jobs import (
    Look,
    continued_jobs,
    job_of_entry,
    job_of_sidecar,
    looked_at,
    made_elsewhere,
)
from openrouter_video.request.inputs import PreviousJob
from openrouter_video.stores import open_store
from tests.support.claims import claim_on

KEY, OTHER_KEY = "0" * 32, "1" * 32
HERE, THERE, SANDBOX = "https://openrouter.ai/api/v1", "https://proxy.example/api/v1", "http://127.0.0.1:9/api/v1"
CLAIM = claim_on(KEY, at="2026-11-01T00:00:00Z", base_url=HERE)
DONE = Outcome(model="a/b", key=KEY, status="completed", job_id="gen-1", duration_seconds=4.5, width=1280, height=720)
MADE = PreviousJob("gen-1", "a/b", HERE, 4.5, 1280, 720)


def entry(state: Any = "settled", **more: Any) -> LedgerEntry:
    """What a ledger may know of a key."""
    return LedgerEntry(KEY, state, **{"claim": CLAIM, "job_id": "gen-1", **more})


def changed(**more: Any) -> Outcome:
    """The finished video, but for this."""
    return DONE.model_copy(update=more)


@pytest.mark.parametrize(
    ("known", "job"),
    [
        (entry(outcome=DONE), MADE),
        (entry("accepted"), PreviousJob("gen-1", "a/b", HERE)),
        (entry(outcome=DONE, claim=None), PreviousJob("gen-1", None, None, 4.5, 1280, 720)),
        (entry(outcome=changed(status="failed", job_status="completed")), MADE),
        (LedgerEntry(KEY, "free"), f"the ledger L has no job under the key {KEY}; give a key of this ledger, a job"),
        (entry("claimed", job_id=None), f"whether the job under the key {KEY} was accepted is not known; settle it"),
        (
            entry("uncertain", job_id=None, reason="HTTP 503"),
            f"whether the job under the key {KEY} was accepted is not",
        ),
        (
            entry(outcome=changed(status="failed", error="no", job_status="expired")),
            "the video that it names is failed: no; only a finished one can be continued",
        ),
    ],
)
def test_a_key_of_the_ledger(known: LedgerEntry, job: PreviousJob | str) -> None:
    """Its job with all that is recorded of it, or why there is none to go on from."""
    found = job_of_entry(KEY, known, "L")
    assert found == job if isinstance(job, PreviousJob) else str(found).startswith(job)


@pytest.mark.parametrize(
    ("outcome", "known", "base_url", "job"),
    [
        (DONE, entry(outcome=DONE), HERE, MADE),
        (DONE, None, HERE, MADE._replace(base_url=None)),
        (DONE, entry(job_id="gen-2"), HERE, MADE._replace(base_url=None)),
        (changed(sandbox=True), None, SANDBOX, MADE._replace(base_url=None)),
        (changed(sandbox=True), None, None, MADE._replace(base_url=None)),
        (changed(sandbox=True), None, HERE, f"it was made in a sandbox, of which {HERE} knows nothing"),
        *((changed(job_id=none), None, HERE, "the record beside it names no job") for none in (None, "", " ")),
        (changed(status="failed"), None, HERE, "the video that it names is failed; only a finished one can be"),
    ],
)
def test_a_record_beside_a_video(
    outcome: Outcome, known: LedgerEntry | None, base_url: str | None, job: PreviousJob | str
) -> None:
    """Where it was made only the ledger tells."""
    found = job_of_sidecar(outcome, known, base_url)
    assert found == job if isinstance(job, PreviousJob) else str(found).startswith(job)


def test_a_job_of_another_api() -> None:
    """It is refused by its name, with a way for two addresses of one account."""
    assert made_elsewhere(MADE, HERE) is None
    assert made_elsewhere(MADE, None) is None
    assert made_elsewhere(PreviousJob("gen-1"), THERE) is None
    assert made_elsewhere(MADE, THERE) == (
        f"the job was made at {HERE}, and this run goes to {THERE}; if both reach the same account, give its id: gen-1"
    )


@pytest.mark.parametrize(
    ("answer", "look"),
    [
        (PollAnswer(VideoJob(id="j", status="completed")), Look()),
        (
            PollAnswer(VideoJob(id="j", status="in_progress")),
            Look("the previous job 'j' is 'in_progress'; wait until it is finished"),
        ),
        (
            PollAnswer(VideoJob(id="j", status="expired", error="Job exceeded maximum time to live")),
            Look(
                "the previous job 'j' is expired: Job exceeded maximum time to live; only a finished one can be "
                "continued"
            ),
        ),
        (
            PollAnswer(reason="HTTP 404", hopeless=True, missing=True),
            Look(f"{HERE} does not know the job 'j': it was made with another account, or is not kept any more"),
        ),
        (
            PollAnswer(reason="HTTP 401: bad key", hopeless=True),
            Look(note="whether the previous job is finished could not be looked up: HTTP 401: bad key"),
        ),
        (PollAnswer(), Look(note="whether the previous job is finished could not be looked up: ")),
    ],
)
def test_one_look_at_a_job(answer: PollAnswer, look: Look) -> None:
    """The API's own word refuses; trouble is a note."""
    assert looked_at("j", answer, HERE) == look


def test_looks_are_told_with_the_plan() -> None:
    """Only about jobs that this run pays to continue, each once."""
    one, other = ({"model": "a/b", "previous_job_id": job} for job in ("gen-1", "gen-2"))
    assert continued_jobs([one, other, {}, one]) == ("gen-1", "gen-2")
    plan = Plan(asked={}, models=(ModelPlan(model="a/b", decision="send", body=one),))
    assert plan.continued == ("gen-1",)
    assert plan.model_copy(update={"known": frozenset({("a/b", 1)})}).continued == ()
    told = plan.with_looks({"gen-1": Look("it is gone"), "gen-2": Look(note="no answer")})
    assert told.problems == (Problem("previous_job_id", "it is gone"),)
    assert told.warnings == ("no answer",)
    assert VideoModel(id="a/b").continues is False


# ---- Finding them ----------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger that knows one finished video, whose record lies beside it."""
    with closing(open_store(str(tmp_path / "_jobs"))) as store:
        ledger = Ledger(store)
        assert ledger.claim(1, CLAIM)
        ledger.record_job(KEY, 1, "gen-1")
        ledger.settle(KEY, DONE)
        for name in ("a--b.json", "odd.json", "list.json"):
            (tmp_path / name).write_text(json.dumps({"asked": {}, **DONE.model_dump(mode="json")}))
        (tmp_path / "odd.json").write_text("{")
        (tmp_path / "list.json").write_text("[]")
        yield ledger


def test_a_job_is_found_by_all_that_names_it(ledger: Ledger, tmp_path: Path) -> None:
    """Its key, the path or URL of its video, of any of several, or of its record; of an id nothing else is known."""
    video = str(tmp_path / "a--b.mp4")
    files = ("a--b.json", "a--b.webm", "a--b.take-1.2.mp4", "a--b.take-1.3.damaged.bin")
    named = [KEY, video, f"file://{video}", *(str(tmp_path / name) for name in files)]
    found = find_jobs([*named, KEY, None, "gen-vid-7"], lambda _url: None, ledger, HERE)
    assert found.wrong == {}
    assert found.jobs == {**dict.fromkeys(named, MADE), "gen-vid-7": PreviousJob("gen-vid-7")}


def test_what_cannot_be_found_says_where_it_was_looked_for(ledger: Ledger, tmp_path: Path) -> None:
    """Each in words of its own."""
    wrong = {
        OTHER_KEY: f"the ledger {ledger.url} has no job under the key {OTHER_KEY}",
        f"{tmp_path}/b.mp4": f"there is no record b.json beside {tmp_path}/b.mp4; give the path of a video that",
        f"{tmp_path}/odd.mp4": f"the record odd.json beside {tmp_path}/odd.mp4 is not that of a video",
        f"{tmp_path}/list.mp4": f"the record list.json beside {tmp_path}/list.mp4 is not that of a video",
        "nosuch://host/a.mp4": "the record beside nosuch://host/a.mp4 cannot be read. No store is known by nosuch://",
    }
    found = find_jobs(wrong, lambda _url: None, ledger, HERE)
    assert found.jobs == {}
    assert {name: found.wrong[name].startswith(words) for name, words in wrong.items()} == dict.fromkeys(wrong, True)
    (elsewhere,) = find_jobs([KEY], lambda _url: None, ledger, THERE).wrong.values()
    assert elsewhere.startswith(f"the job was made at {HERE}, and this run goes to {THERE}")


def test_a_ledger_that_cannot_be_asked(ledger: Ledger, tmp_path: Path) -> None:
    """Without one a key stays as it is, which is said; one in trouble refuses a key, not a record beside a video."""
    (job,) = find_jobs([KEY], lambda _url: None, None, HERE).jobs.values()
    assert job == PreviousJob(KEY, note="the ledger was not asked which job its key names")
    (tmp_path / "_jobs" / KEY).rename(tmp_path / "moved")
    (tmp_path / "_jobs" / KEY).mkdir()
    (tmp_path / "_jobs" / KEY / "job-1.json").mkdir()
    found = find_jobs([KEY, str(tmp_path / "a--b.mp4")], lambda _url: None, ledger, HERE)
    assert "cannot be read" in found.wrong[KEY]
    assert found.jobs == {str(tmp_path / "a--b.mp4"): MADE._replace(base_url=None)}
