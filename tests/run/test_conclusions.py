"""Every end that one video can have, in the words that a report gives it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from openrouter_video.api.answers import SubmitAnswer
from openrouter_video.api.job import Usage, VideoJob
from openrouter_video.errors import Problem
from openrouter_video.ledger.records import Claim, LedgerEntry, Submitted, Unrecorded
from openrouter_video.outcome import LeftOut, Outcome, SavedFile
from openrouter_video.planning.plan import ModelPlan
from openrouter_video.run.conclusions import (
    completed,
    elapsed_since,
    failed,
    left_open,
    not_sent,
    of_entry,
    of_plan,
    of_submission,
    started,
    uncertain,
    with_unrecorded,
)

OPTION = LeftOut(key="style", reason="not allowed", suggestion="stylize")
CLAIM = Claim(
    at="2026-11-22T12:00:00.000+00:00",
    key="k1",
    model="a/b",
    take=2,
    asked={"prompt": "p"},
    sent={"model": "a/b"},
    base_url="https://openrouter.ai/api/v1",
    output="/videos",
    path="p.mp4",
    left_out=(OPTION.model_dump(),),
    notes=("fallback",),
)
OPEN = started(CLAIM, job_id="j1")
JOB = VideoJob(id="j1", status="completed", usage=Usage(cost=0.12))
DONE = Outcome(model="a/b", take=2, key="k1", status="completed", job_id="j1", cost_usd=0.12)


def submission(state: Literal["accepted", "refused", "uncertain", "settled"], **more: Any) -> Submitted:
    """What is known after a submission."""
    return Submitted(state=state, claim=CLAIM, **more)


def changed(outcome: Outcome) -> dict[str, Any]:
    """The fields in which an outcome differs from that of a claim."""
    base = started(CLAIM)
    return {name: value for name, value in outcome if value != getattr(base, name)}


def test_what_a_claim_tells() -> None:
    """Open until something ends it, with all that was decided before the submission."""
    known: dict[str, Any] = {"model": "a/b", "take": 2, "key": "k1", "sent": {"model": "a/b"}, "notes": ("fallback",)}
    assert Outcome(status="open", job_id="j1", left_out=(OPTION,), **known) == OPEN


def test_a_model_to_which_nothing_is_sent() -> None:
    """Skipped by policy, or refused with every reason."""
    skipped = ModelPlan(model="a/b", decision="skip", left_out=(OPTION,), notes=("not run",))
    assert of_plan(skipped, 2) == Outcome(model="a/b", take=2, status="skipped", left_out=(OPTION,), notes=("not run",))
    problems = (Problem("duration", "too long", "a/b"), Problem("seed", "takes no seed", "a/b"))
    refused = of_plan(ModelPlan(model="a/b", decision="refuse", problems=problems), 1, "k1")
    assert (refused.status, refused.key, refused.sent) == ("refused", "k1", None)
    assert refused.error == "too long; takes no seed"


@pytest.mark.parametrize(
    ("submitted", "expected"),
    [
        (submission("accepted", job_id="j1"), {"job_id": "j1"}),
        (submission("accepted", job_id="j1", reused=True), {"job_id": "j1", "reused": True}),
        (submission("refused", reason="HTTP 402: no credit"), {"status": "refused", "error": "HTTP 402: no credit"}),
    ],
    ids=["accepted", "reused", "refused"],
)
def test_after_a_submission(submitted: Submitted, expected: dict[str, Any]) -> None:
    """The claim's outcome, and what the answer added."""
    assert changed(of_submission(submitted)) == expected


def test_an_earlier_runs_outcome_is_reused() -> None:
    """Whatever it was, and it says so."""
    assert of_submission(submission("settled", outcome=DONE)) == DONE.model_copy(update={"reused": True})
    assert of_entry(LedgerEntry("k1", "settled", outcome=DONE)) == DONE.model_copy(update={"reused": True})


BILLED = "job j1 is billed, but the ledger could not record it (disk full): no collection finds it until "
BILLED += "`openrouter-video ledger settle k1 --job j1`"
STAYS = "Could not write file:///a.b/c.mp4: no space. The job stays open: once this is fixed, "
STAYS += "`openrouter-video collect` finishes it."


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (left_open(OPEN, "not finished after 30 min"), {"error": f"not finished after 30 min; {BILLED}"}),
        (left_open(OPEN, None), {"error": BILLED}),
        (left_open(OPEN, STAYS), {"error": f"Could not write file:///a.b/c.mp4: no space; {BILLED}"}),
        (uncertain(started(CLAIM), "nobody knows"), {"status": "open", "error": BILLED}),
        (completed(OPEN, JOB, [SavedFile(url="file:///a.mp4", bytes=9, sha256="ab")], "s"), {"notes": BILLED}),
    ],
    ids=["deadline", "no reason", "store", "uncertain", "completed"],
)
def test_a_job_that_could_not_be_recorded(outcome: Outcome, expected: dict[str, Any]) -> None:
    """The id in this outcome is the one record of it: it says how to keep it, and promises no collection."""
    told = with_unrecorded(outcome, Unrecorded(SubmitAnswer("accepted", job_id="j1"), "disk full"))
    assert told.job_id == "j1"
    assert {"notes": told.notes[-1], "error": told.error, "status": told.status} | expected == {
        "notes": told.notes[-1],
        "error": told.error,
        "status": told.status,
    }
    assert "collect`" not in f"{told.error}{told.notes}"


def test_a_refusal_that_could_not_be_recorded() -> None:
    """Nothing was charged, but the key is not free; what proves nothing needs no record."""
    refused = of_submission(submission("refused", reason="HTTP 400: no"))
    told = with_unrecorded(refused, Unrecorded(SubmitAnswer("refused"), "disk full"))
    assert (told.status, told.error) == ("refused", "HTTP 400: no")
    assert told.notes[-1] == (
        "the ledger could not record that nothing was accepted (disk full): the key is taken until "
        "`openrouter-video ledger settle k1 --abandon`"
    )
    assert with_unrecorded(refused, Unrecorded(SubmitAnswer("uncertain"), "disk full")) == refused
    assert with_unrecorded(refused, None) == refused


def test_a_submission_without_an_answer_yet() -> None:
    """Our own is in doubt, and may still be recorded; that of another run is in flight, and nothing is asked."""
    own = of_submission(submission("uncertain", in_flight=True, reason="no answer in 60 s"))
    assert own.status == "uncertain"
    assert (own.error or "").startswith(
        "no answer in 60 s. As long as this process lives, it listens for the answer and records it. It may be billed"
    )
    other = of_submission(submission("uncertain", in_flight=True, reused=True, reason="in flight: begun 70 s ago"))
    assert (other.status, other.error) == ("open", "in flight: begun 70 s ago")


@pytest.mark.parametrize("reason", ["HTTP 503 proves nothing", None])
@pytest.mark.parametrize("source", ["submission", "entry", "claimed entry"])
def test_an_uncertain_submission_says_what_a_person_can_do(source: str, reason: str | None) -> None:
    """It may be billed: where to look, and the two ways to settle it."""
    outcome = {
        "submission": of_submission(submission("uncertain", reason=reason)),
        "entry": of_entry(LedgerEntry("k1", "uncertain", 1, CLAIM, reason=reason)),
        "claimed entry": of_entry(LedgerEntry("k1", "claimed", 1, CLAIM, reason=reason)),
    }[source]
    assert outcome.status == "uncertain"
    error = outcome.error or ""
    assert error.startswith(f"{reason}. It may be billed" if reason else "It may be billed")
    for part in ("Look for session k1", "ledger settle k1 --job ID", "--abandon"):
        assert part in error


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (LedgerEntry("k1", "accepted", 1, CLAIM, "j1"), {"job_id": "j1", "reused": True}),
        (
            LedgerEntry("k1", "free", 1, CLAIM, reason="HTTP 400: no"),
            {"status": "refused", "error": "HTTP 400: no", "reused": True},
        ),
        (
            LedgerEntry("k1", "accepted", 2, CLAIM, "j2", other_job_ids=("j1",)),
            {"job_id": "j2", "reused": True, "notes": ("fallback", "accepted under the same key, and billed too: j1")},
        ),
        (
            LedgerEntry("k1", "settled", 2, CLAIM, "j2", outcome=started(CLAIM, job_id="j2"), other_job_ids=("j1",)),
            {"job_id": "j2", "reused": True, "notes": ("fallback", "accepted under the same key, and billed too: j1")},
        ),
    ],
    ids=["accepted", "released", "accepted twice", "another job after the end"],
)
def test_what_the_records_tell(entry: LedgerEntry, expected: dict[str, Any]) -> None:
    """By themselves, to a run that submitted nothing."""
    assert changed(of_entry(entry)) == expected


def test_a_young_claim_is_in_flight() -> None:
    """Its answer may still come: nobody is asked to settle it, and nothing is said of a bill."""
    young = LedgerEntry("k1", "claimed", 1, CLAIM, since=CLAIM.at)
    outcome = of_entry(young, datetime(2026, 11, 22, 12, 0, 12, tzinfo=UTC))
    assert (outcome.status, outcome.job_id) == ("open", None)
    assert outcome.error == (
        "in flight: begun 12 s ago. Its answer may still come; 10 min without one make it uncertain"
    )
    assert of_entry(young, datetime(2026, 11, 22, 12, 10, tzinfo=UTC)) == of_entry(young)
    assert of_entry(young).status == "uncertain"


def test_a_job_whose_claim_cannot_be_read_is_not_lost() -> None:
    """The id is all that is known, and all that is needed to find the video."""
    outcome = of_entry(LedgerEntry("k1", "accepted", 1, None, "j1"))
    assert (outcome.model, outcome.status, outcome.job_id, outcome.reused) == ("unknown", "open", "j1", True)
    assert outcome.error == (
        "its claim cannot be read, so it is not known where its video belongs: correct the record, or give it up by "
        "`openrouter-video ledger settle k1 --lost`"
    )


def test_a_submission_that_could_not_be_recorded() -> None:
    """Nothing was sent."""
    assert changed(not_sent(CLAIM, "the disk is full")) == {"status": "refused", "error": "the disk is full"}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("Job exceeded maximum time to live.", "expired: Job exceeded maximum time to live"),
        ("bad\x1b[2J\nluck", "expired: bad [2J luck"),
        (None, "expired: the provider gave no reason"),
        ("", "expired: the provider gave no reason"),
    ],
)
def test_a_failed_job_in_the_providers_words(error: str | None, words: str) -> None:
    """With what it cost all the same."""
    job = VideoJob(id="j1", status="expired", error=error, usage=Usage(cost=0.01))
    outcome = failed(OPEN, job, shared=True)
    said = f"{words}. This is final for this key and take: to try again, use another key or another take"
    assert (outcome.status, outcome.error, outcome.cost_usd) == ("failed", said, 0.01)


@pytest.mark.parametrize(
    ("shared", "words"),
    [
        (True, "use another key or another take"),
        (False, "This is final for this run and its retries: to try again, start a new run"),
        (None, "use another key or take; without a key, start a new run"),
    ],
)
def test_a_failure_says_that_it_is_final(shared: bool | None, words: str) -> None:
    """Also one that an older version recorded without a word; and once is enough."""
    claim = CLAIM.model_copy(update={"shared": shared})
    old = DONE.model_copy(update={"status": "failed", "error": "failed: no luck"})
    by_entry = of_entry(LedgerEntry("k1", "settled", 1, claim, outcome=old))
    assert of_submission(Submitted(state="settled", claim=claim, outcome=old)) == by_entry
    assert (by_entry.error or "").startswith("failed: no luck. This is final for ")
    assert (by_entry.error or "").endswith(words)
    assert of_entry(LedgerEntry("k1", "settled", 1, claim, outcome=by_entry)) == by_entry
    assert failed(OPEN, VideoJob(id="j1", status="failed", error="no luck"), shared=shared).error == by_entry.error


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("not finished after 30 min", "not finished after 30 min; `openrouter-video collect` finishes it"),
        (None, "`openrouter-video collect` finishes it"),
        ("disk full: `openrouter-video collect` tries again", "disk full: `openrouter-video collect` tries again"),
    ],
)
def test_an_open_job_says_what_finishes_it(reason: str | None, error: str) -> None:
    """Once, and not twice."""
    outcome = left_open(OPEN, reason)
    assert (outcome.status, outcome.error, outcome.cost_usd) == ("open", error, None)
    assert left_open(OPEN, reason, JOB).cost_usd == 0.12


def test_a_completed_video() -> None:
    """The first file is the video, the others come along; an earlier doubt is gone."""
    first = SavedFile(url="file:///a.1.mp4", bytes=9, sha256="ab", duration_seconds=4.04, width=64, height=48)
    other = SavedFile(url="file:///a.2.mp4", bytes=8, sha256="cd")
    outcome = completed(left_open(OPEN, "late"), JOB, [first, other], "file:///a.json")
    assert changed(outcome) == {
        "job_id": "j1",
        "status": "completed",
        "url": "file:///a.1.mp4",
        "extra_urls": ("file:///a.2.mp4",),
        "sidecar_url": "file:///a.json",
        "bytes": 9,
        "sha256": "ab",
        "duration_seconds": 4.04,
        "width": 64,
        "height": 48,
        "cost_usd": 0.12,
    }


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        (datetime(2026, 11, 22, 12, 1, 0, 1234, tzinfo=UTC), 60.001),
        (datetime(2026, 11, 22, 11, 59, tzinfo=UTC), 0.0),
    ],
)
def test_how_long_somebody_waited(now: datetime, seconds: float) -> None:
    """Since the claim; never less than nothing, whatever the clocks say."""
    assert elapsed_since(CLAIM, now) == seconds


@pytest.mark.parametrize("at", ["yesterday", "2026-11-22T12:00:00"])
def test_a_claim_of_no_known_time_has_no_age(at: str) -> None:
    """A record that somebody edited must not lose its video."""
    assert elapsed_since(CLAIM.model_copy(update={"at": at}), datetime(2026, 11, 23, tzinfo=UTC)) is None
