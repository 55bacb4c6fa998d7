"""Every end that one video can have: the facts that are known of it, and the outcome that follows, word for word."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from openrouter_video.api.answers import ContentAnswer, ContentUnavailable, SubmitAnswer
from openrouter_video.api.job import Usage, VideoJob
from openrouter_video.api.refusals import advice
from openrouter_video.errors import LedgerError, Problem, StorageError
from openrouter_video.ledger.records import BEGUN_NOT_ENDED, LedgerEntry, Submitted, Unrecorded
from openrouter_video.money import Estimate
from openrouter_video.outcome import LeftOut, Outcome, SavedFile
from openrouter_video.planning.plan import ModelPlan
from openrouter_video.run.conclusions import outcome_of, unreadable
from openrouter_video.run.facts import Facts, Saved, Trouble
from openrouter_video.run.polling import Step
from tests.support.claims import claim_on

NOW = datetime(2026, 11, 22, 12, 1, tzinfo=UTC)
OPTION = LeftOut(key="style", reason="not allowed", suggestion="stylize")
CLAIM = claim_on(
    "k1",
    at="2026-11-22T12:00:00.000+00:00",
    take=2,
    asked={"prompt": "p"},
    sent={"model": "a/b"},
    output="s3://videos",
    path="p.mp4",
    shared=True,
    left_out=(OPTION.model_dump(),),
    notes=("fallback",),
    run_id="r1",
    labels={"team": "film"},
    estimate=Estimate(low_usd=0.1, high_usd=0.2, basis="listed"),
)
# What every outcome tells of the run that made it.
ORIGIN: dict[str, Any] = {"prompt": "p", "labels": CLAIM.labels, "estimate": CLAIM.estimate}
NOW_TEXT = "2026-11-22T12:01:00.000+00:00"
# What each run tells from its claim, until something ends it.
BEGUN = Outcome(
    model="a/b",
    take=2,
    key="k1",
    status="open",
    sent={"model": "a/b"},
    left_out=(OPTION,),
    notes=("fallback",),
    elapsed_seconds=60.0,
    **ORIGIN,
)
PLAN = ModelPlan(model="a/b", decision="send", body={"model": "a/b"})
VIDEO = SavedFile(url="s3://videos/a.1.mp4", bytes=9, sha256="ab", duration_seconds=4.04, width=64, height=48)
PICTURE = SavedFile(url="s3://videos/a.2.png", bytes=8, sha256="cd", kind="picture", notes=("odd",))
DAMAGED = SavedFile(url="s3://videos/a.damaged.mp4", bytes=7, sha256="ef", kind="damaged")
JOB = VideoJob(id="j1", status="completed", usage=Usage(cost=0.12))
DONE = Outcome(model="a/b", take=2, key="k1", status="completed", job_id="j1", url="s3://videos/p.mp4", cost_usd=0.12)
NOBODY_KNOWS = (
    "It may be billed, and is never sent again by itself. Look for session k1 in OpenRouter's activity: "
    "`openrouter-video ledger settle k1 --job ID` if the job is found at OpenRouter, or `--abandon` if it is not"
)
NO_CLAIM = (
    "its claim cannot be read, so it is not known where its video belongs: correct the record, or give it up by "
    "`openrouter-video ledger settle k1 --lost`"
)
LOST = (
    "`openrouter-video collect` asks again; if it can never be had, end it by "
    "`openrouter-video ledger settle k1 --lost`"
)
FINISHES = "`openrouter-video collect` finishes it"
FINAL = "This is final for this key and take: to try again, use another key or another take"
BILLED = (
    "job j1 is billed, but the ledger could not record it (disk full): no collection finds it until "
    "`openrouter-video ledger settle k1 --job j1`"
)
TAKEN = (
    "the ledger could not record that nothing was accepted (disk full): the key is taken until "
    "`openrouter-video ledger settle k1 --abandon`"
)
CAME_LIKE_THIS = "damaged: it came like this each time, and is kept at s3://videos/a.damaged.mp4. it was cut"
GONE = ContentUnavailable(ContentAnswer("HTTP 410: gone.", again=False, final=True, status=410))
MISSING = ContentUnavailable(ContentAnswer("HTTP 404: no such video", again=False, status=404))
NOR_ITS_COPY = ContentUnavailable(ContentAnswer("HTTP 410: gone; nor could it", again=False, copy_failed=True))
DEARER = "it cost $0.25, more than the estimate of $0.10 to $0.20"
FULL = StorageError("Could not write s3://videos/p.mp4: no space.")
UNRECORDED = Unrecorded(SubmitAnswer("accepted", job_id="j1"), "disk full")
OTHER_JOBS = "accepted under the same key, and billed too: j0"


def plan(decision: Literal["skip", "refuse"], **more: Any) -> Facts:
    """A model to which nothing is sent."""
    return Facts.of_plan(ModelPlan(model="a/b", decision=decision, **more), CLAIM)


def submitted(state: Literal["accepted", "refused", "uncertain", "settled"], **more: Any) -> Facts:
    """After a submission, by this run or by an earlier one."""
    wanted = Facts.of_plan(PLAN, CLAIM.model_copy(update={"run_id": "r2"}))
    return wanted.after_submission(Submitted(state=state, claim=CLAIM, **more))


def accepted(*, reused: bool = False, **more: Any) -> Facts:
    """After a submission that was accepted as job j1, with what came after it."""
    return submitted("accepted", job_id="j1", reused=reused)._replace(**more)


def ended(job: VideoJob = JOB, **more: Any) -> Facts:
    """After the last poll of the job."""
    return accepted(step=Step("done", job=job), **more)


def saved(*files: SavedFile, **more: Any) -> Saved:
    """What the download brought."""
    return Saved(files=files, sidecar_url="s3://videos/a.json", **more)


def entry(state: Any, now: datetime | None = None, *, own: bool = False, **more: Any) -> Facts:
    """What the ledger tells by itself."""
    return Facts.of_entry(LedgerEntry("k1", state, 1, **{"claim": CLAIM, **more}), now, own=own)


def file_fields(first: SavedFile) -> dict[str, Any]:
    """What an outcome tells of its first file, and the job's cost."""
    names = ("url", "bytes", "sha256", "duration_seconds", "width", "height")
    return {"job_id": "j1", "cost_usd": 0.12, **{name: getattr(first, name) for name in names}}


COMPLETED = {"status": "completed", "sidecar_url": "s3://videos/a.json"}
FAILED = {"status": "failed", "failure": "provider", "sidecar_url": "s3://videos/a.json"}
ROWS: dict[str, tuple[Facts, dict[str, Any]]] = {
    # Nothing was sent.
    "the ledger cannot be written": (
        Facts.of_plan(PLAN, CLAIM)._replace(trouble=Trouble.of(LedgerError("the disk is full"))),
        {"status": "refused", "error": "the disk is full"},
    ),
    # The submission.
    "accepted": (accepted(), {"job_id": "j1"}),
    "accepted earlier": (accepted(reused=True), {"job_id": "j1", "reused": True}),
    "accepted twice": (
        submitted("accepted", job_id="j1", other_job_ids=("j0",)),
        {"job_id": "j1", "notes": ("fallback", OTHER_JOBS)},
    ),
    "refused": (
        submitted("refused", reason="HTTP 402: no credit"),
        {"status": "refused", "error": "HTTP 402: no credit"},
    ),
    "uncertain": (
        submitted("uncertain", reason="HTTP 503 proves nothing"),
        {"status": "uncertain", "error": f"HTTP 503 proves nothing. {NOBODY_KNOWS}"},
    ),
    "uncertain without a reason": (submitted("uncertain"), {"status": "uncertain", "error": NOBODY_KNOWS}),
    "no answer yet": (
        submitted("uncertain", in_flight=True, reason="no answer in 60 s"),
        {
            "status": "uncertain",
            "error": "no answer in 60 s. As long as this process lives, it listens for the answer and records it. "
            f"{NOBODY_KNOWS}",
        },
    ),
    "no answer yet to another run": (
        submitted("uncertain", in_flight=True, reused=True, reason="in flight: begun 70 s ago"),
        {"error": "in flight: begun 70 s ago", "reused": True},
    ),
    # What the ledger did not take of it.
    "an unrecorded job runs": (
        accepted(step=Step("leave_open", reason="not finished after 30 min"), unrecorded=UNRECORDED),
        {"job_id": "j1", "error": f"not finished after 30 min; {BILLED}"},
    ),
    "an unrecorded job was not asked for": (accepted(unrecorded=UNRECORDED), {"job_id": "j1", "error": BILLED}),
    "an unrecorded job whose video the store refuses": (
        ended(
            trouble=Trouble("Could not write file:///a.b/c.mp4: no space. The job stays open: once this is fixed, "
            f"{FINISHES}."),
            unrecorded=UNRECORDED,
        ),
        {"job_id": "j1", "cost_usd": 0.12, "error": f"Could not write file:///a.b/c.mp4: no space; {BILLED}"},
    ),
    "an unrecorded job in doubt": (
        submitted("uncertain", reason="nobody knows")._replace(unrecorded=UNRECORDED),
        {"job_id": "j1", "error": BILLED},
    ),
    "an unrecorded job whose video is safe": (
        ended(saved=saved(VIDEO), unrecorded=UNRECORDED),
        {**file_fields(VIDEO), **COMPLETED, "notes": ("fallback", BILLED)},
    ),
    "an unrecorded refusal": (
        submitted("refused", reason="no")._replace(unrecorded=Unrecorded(SubmitAnswer("refused"), "disk full")),
        {"status": "refused", "error": "no", "notes": ("fallback", TAKEN)},
    ),
    "an unrecorded doubt": (
        submitted("refused", reason="no")._replace(unrecorded=Unrecorded(SubmitAnswer("uncertain"), "disk full")),
        {"status": "refused", "error": "no"},
    ),
    # The last poll.
    "still running": (
        accepted(step=Step("leave_open", reason="not finished after 30 min")),
        {"job_id": "j1", "error": f"not finished after 30 min; {FINISHES}"},
    ),
    "not asked any more": (accepted(step=Step("leave_open")), {"job_id": "j1", "error": FINISHES}),
    "the reason says what finishes it": (
        accepted(step=Step("leave_open", reason="disk full: `openrouter-video collect` tries again")),
        {"job_id": "j1", "error": "disk full: `openrouter-video collect` tries again"},
    ),
    "unknown to the API": (
        accepted(step=Step("leave_open", reason="HTTP 404", missing=True)),
        {"job_id": "j1", "error": f"HTTP 404; {LOST}"},
    ),
    "given up by the provider": (
        ended(VideoJob(id="j1", status="expired", error="Job exceeded its time.", usage=Usage(cost=0.01))),
        {
            "job_id": "j1",
            "status": "failed",
            "failure": "expired",
            "cost_usd": 0.01,
            "error": f"expired: Job exceeded its time. {FINAL}",
        },
    ),
    "given up by the provider in hostile words": (
        ended(VideoJob(id="j1", status="failed", error="bad\x1b[2J\nluck")),
        {"job_id": "j1", "status": "failed", "failure": "provider", "error": f"failed: bad [2J luck. {FINAL}"},
    ),
    "withheld by the provider, in many words": (
        ended(VideoJob(id="j1", status="failed", error=f"{'x' * 700} output new_sensitive (1027)")),
        {
            "job_id": "j1",
            "status": "failed",
            "failure": "output_moderation",
            "error": f"failed: {'x' * 599}…. {FINAL}",
        },
    ),
    "given up by the provider without a word": (
        ended(VideoJob(id="j1", status="failed", error="")),
        {
            "job_id": "j1",
            "status": "failed",
            "failure": "provider",
            "error": f"failed: the provider gave no reason. {FINAL}",
        },
    ),
    # The download.
    "not fetched yet": (ended(), {"job_id": "j1", "cost_usd": 0.12, "error": FINISHES}),
    "completed": (ended(saved=saved(VIDEO)), {**file_fields(VIDEO), **COMPLETED}),
    "completed, and dearer than expected": (
        ended(VideoJob(id="j1", status="completed", usage=Usage(cost=0.25)), saved=saved(VIDEO)),
        {**file_fields(VIDEO), **COMPLETED, "cost_usd": 0.25, "notes": ("fallback", DEARER)},
    ),
    "completed, with a picture": (
        ended(saved=saved(VIDEO, PICTURE)),
        {**file_fields(VIDEO), **COMPLETED, "extra_urls": (PICTURE.url,), "notes": ("fallback", "odd")},
    ),
    "an output can never be had": (
        ended(saved=saved(VIDEO, missing=("output 2 of 2: HTTP 400",))),
        {**file_fields(VIDEO), **COMPLETED, "notes": ("fallback", "output 2 of 2: HTTP 400")},
    ),
    "an output may still come": (
        ended(saved=saved(VIDEO, missing=("output 2 of 2: HTTP 503",), waits=True)),
        {
            **file_fields(VIDEO),
            "notes": ("fallback", "output 2 of 2: HTTP 503"),
            "error": f"output 2 of 2: HTTP 503; {FINISHES}",
        },
    ),
    "an output has not come to a collection": (
        ended(saved=saved(VIDEO, missing=("output 2 of 2: HTTP 503",), waits=True), reused=True),
        {**file_fields(VIDEO), **COMPLETED, "reused": True, "notes": ("fallback", "output 2 of 2: HTTP 503")},
    ),
    "the store refuses the second output": (
        ended(saved=saved(VIDEO), trouble=Trouble.of(FULL)),
        {**file_fields(VIDEO), "error": f"Could not write s3://videos/p.mp4: no space; {FINISHES}"},
    ),
    "pictures alone": (
        ended(saved=saved(PICTURE)),
        {
            **file_fields(PICTURE),
            **FAILED,
            "notes": ("fallback", "odd"),
            "error": "none of the job's outputs is a video; what came is kept",
        },
    ),
    "damaged": (
        ended(saved=saved(DAMAGED, fault="it was cut")),
        {
            **file_fields(DAMAGED),
            "error": f"{CAME_LIKE_THIS}. `openrouter-video collect` looks for a whole one, and ends the job without",
        },
    ),
    "damaged the same as before": (
        ended(saved=saved(DAMAGED, fault="it was cut", seen_before=True)),
        {**file_fields(DAMAGED), **FAILED, "error": CAME_LIKE_THIS},
    ),
    "damaged the same as before, but another output may still come": (
        ended(
            saved=saved(DAMAGED, fault="it was cut", seen_before=True, missing=("output 1: HTTP 503",), waits=True),
            reused=True,
        ),
        {
            **file_fields(DAMAGED),
            "reused": True,
            "notes": ("fallback", "output 1: HTTP 503"),
            "error": f"{CAME_LIKE_THIS}; output 1: HTTP 503; {FINISHES}",
        },
    ),
    "damaged, but it plays, and another output may still come": (
        ended(
            saved=saved(
                DAMAGED.model_copy(update={"kind": "playable"}),
                fault="it was cut",
                missing=("output 1 of 2: HTTP 503",),
                waits=True,
            )
        ),
        {
            **file_fields(DAMAGED),
            "notes": ("fallback", "output 1 of 2: HTTP 503"),
            "error": f"output 1 of 2: HTTP 503; {FINISHES}",
        },
    ),
    "damaged, but it plays": (
        ended(saved=saved(DAMAGED.model_copy(update={"kind": "playable"}), fault="it was cut")),
        {**file_fields(DAMAGED), **COMPLETED, "notes": ("fallback", CAME_LIKE_THIS)},
    ),
    "the store refuses the video": (
        ended(trouble=Trouble.of(FULL)),
        {"job_id": "j1", "cost_usd": 0.12, "error": f"Could not write s3://videos/p.mp4: no space; {FINISHES}"},
    ),
    "the API has no such video": (
        ended(trouble=Trouble.of(MISSING)),
        {"job_id": "j1", "cost_usd": 0.12, "error": f"HTTP 404: no such video; {LOST}"},
    ),
    "neither the video nor its copy can be had": (
        ended(trouble=Trouble.of(NOR_ITS_COPY), reused=True),
        {"job_id": "j1", "reused": True, "cost_usd": 0.12, "error": f"HTTP 410: gone; nor could it; {LOST}"},
    ),
    "gone a moment after its end": (
        ended(trouble=Trouble.of(GONE)),
        {"job_id": "j1", "cost_usd": 0.12, "error": f"HTTP 410: gone; {FINISHES}"},
    ),
    "gone when it is collected": (
        ended(trouble=Trouble.of(GONE), reused=True),
        {
            "job_id": "j1",
            "status": "failed",
            "failure": "expired",
            "reused": True,
            "cost_usd": 0.12,
            "error": f"expired: the provider does not keep the video any more (HTTP 410: gone). {FINAL}",
        },
    ),
    "not there, and its retention is over": (
        ended(JOB.model_copy(update={"expires_at": "2026-11-22T12:00:30+00:00"}), trouble=Trouble.of(MISSING)),
        {
            "job_id": "j1",
            "status": "failed",
            "failure": "expired",
            "cost_usd": 0.12,
            "error": f"expired: the provider does not keep the video any more (HTTP 404: no such video). {FINAL}",
        },
    ),
    # What the records tell by themselves.
    "recorded as accepted": (entry("accepted", job_id="j1"), {"job_id": "j1", "reused": True}),
    "recorded as accepted twice": (
        entry("accepted", job_id="j2", other_job_ids=("j0",)),
        {"job_id": "j2", "reused": True, "notes": ("fallback", OTHER_JOBS)},
    ),
    "recorded as free": (
        entry("free", reason="HTTP 400: no"),
        {"status": "refused", "error": "HTTP 400: no"},
    ),
    "recorded as refused by moderation": (
        entry("free", reason="HTTP 403: no", failure="input_moderation"),
        {
            "status": "refused",
            "failure": "input_moderation",
            "error": f"HTTP 403: no. {advice(None, 'input_moderation')}",
        },
    ),
    "recorded as uncertain": (
        entry("uncertain", NOW, reason="HTTP 503 proves nothing"),
        {"status": "uncertain", "reused": True, "error": f"HTTP 503 proves nothing. {NOBODY_KNOWS}"},
    ),
    "begun long ago": (
        entry("claimed", datetime(2026, 11, 22, 12, 10, tzinfo=UTC), since=CLAIM.at),
        {"status": "uncertain", "reused": True, "error": NOBODY_KNOWS},
    ),
    "begun a moment ago": (
        entry("claimed", datetime(2026, 11, 22, 12, 0, 12, tzinfo=UTC), since=CLAIM.at),
        {
            "reused": True,
            "error": "in flight: begun 12 s ago. Its answer may still come; 10 min without one make it uncertain",
        },
    ),
    "doubted a moment ago": (
        entry("uncertain", datetime(2026, 11, 22, 12, 0, 12, tzinfo=UTC), since=CLAIM.at, reason=BEGUN_NOT_ENDED),
        {
            "reused": True,
            "error": "in flight: begun 12 s ago. Its answer may still come; 10 min without one make it uncertain",
        },
    ),
    "begun a moment ago by a run that was interrupted": (
        entry("claimed", own=True, since=CLAIM.at),
        {"status": "uncertain", "error": NOBODY_KNOWS},
    ),
    "interrupted while it ran": (
        entry("accepted", own=True, job_id="j1")._replace(step=Step("leave_open", reason="interrupted")),
        {"job_id": "j1", "error": f"interrupted; {FINISHES}"},
    ),
    "broken off by a bug": (
        entry("accepted", own=True, job_id="j1")._replace(unexpected="unexpected KeyError: 'a'"),
        {"job_id": "j1", "error": "unexpected KeyError: 'a'"},
    ),
    "broken off by a bug, and unrecorded": (
        entry("claimed", own=True)._replace(unexpected="unexpected KeyError: 'a'", unrecorded=UNRECORDED),
        {"job_id": "j1", "error": f"unexpected KeyError: 'a'; {BILLED}"},
    ),
    "given up by a person": (
        entry("accepted", own=True, job_id="j1")._replace(given_up="given up by a person"),
        {"job_id": "j1", "status": "failed", "error": "given up by a person"},
    ),
    # A video of an earlier run that has gone from its store.
    "gone from its store, and fetched again": (
        submitted("settled", job_id="j1", outcome=DONE, reused=True)._replace(
            step=Step("done", job=JOB), saved=saved(VIDEO)
        ),
        {**file_fields(VIDEO), **COMPLETED, "reused": True, "made_at": None},
    ),
    "gone from its store, and not to be had": (
        submitted("settled", job_id="j1", outcome=DONE, reused=True)._replace(
            step=Step("done", job=JOB), trouble=Trouble.of(GONE)
        ),
        {
            "job_id": "j1",
            "reused": True,
            "error": "s3://videos/p.mp4 is no longer there, and the video could not be downloaded again: "
            "HTTP 410: gone; a retry of this run, or another run with the same idempotency key, tries again",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("claimed", "who"),
    [
        ({"shared": False}, "a retry of this run tries again"),
        ({"batch": "b", "row": 3}, "a retry of this run, or another run of the batch, tries again"),
    ],
)
def test_who_fetches_a_video_again_that_is_gone_from_its_store(claimed: dict[str, Any], who: str) -> None:
    """No collection does, and without a key no other run finds it."""
    facts = submitted("settled", job_id="j1", outcome=DONE, reused=True)
    claim = CLAIM.model_copy(update=claimed)
    facts = facts._replace(step=Step("done", job=JOB), trouble=Trouble.of(GONE), claim=claim)
    assert (outcome_of(facts, NOW).error or "").endswith(f"HTTP 410: gone; {who}")


@pytest.mark.parametrize(("job_status", "failure"), [("failed", "output_moderation"), (None, None)])
def test_a_record_of_an_older_version_tells_of_what_kind_its_failure_is(
    job_status: str | None, failure: str | None
) -> None:
    """By its words; not that of a job that a person has given up."""
    old = {"status": "failed", "job_status": job_status, "error": "failed: output new_sensitive (1027)"}
    facts = submitted("settled", reused=True, outcome=DONE.model_copy(update=old))
    assert outcome_of(facts, NOW).failure == failure


@pytest.mark.parametrize("row", ROWS)
def test_every_end(row: str) -> None:
    """All that the claim tells, and what the facts add to it."""
    facts, expected = ROWS[row]
    made_at = NOW_TEXT if expected.get("status") in {"completed", "failed"} else None
    ended = facts.job is not None and not (facts.recorded or facts.given_up)
    said = {"made_at": made_at, "job_status": facts.job.status if facts.job and ended else None}
    assert outcome_of(facts, NOW) == BEGUN.model_copy(update={**said, **expected})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (
            plan("skip", left_out=(OPTION,), notes=("not run",)),
            Outcome(model="a/b", take=2, key="k1", status="skipped", left_out=(OPTION,), notes=("not run",), **ORIGIN),
        ),
        (
            plan("refuse", problems=(Problem("duration", "too long", "a/b"), Problem("seed", "takes no seed", "a/b"))),
            Outcome(model="a/b", take=2, key="k1", status="refused", error="too long; takes no seed", **ORIGIN),
        ),
        (
            entry("accepted", claim=None, job_id="j1"),
            Outcome(model="unknown", key="k1", status="open", reused=True, job_id="j1", error=NO_CLAIM),
        ),
        (
            entry("uncertain", claim=None, own=True, reason="no ledger")._replace(model="a/b", take=2),
            Outcome(model="a/b", take=2, key="k1", status="uncertain", error=f"no ledger. {NOBODY_KNOWS}"),
        ),
        (
            entry("free", claim=None, own=True, reason="never sent")._replace(model="a/b", take=2),
            Outcome(model="a/b", take=2, key="k1", status="refused", error="never sent"),
        ),
    ],
    ids=["skipped", "refused by the plan", "a job without its claim", "a silent ledger", "never sent"],
)
def test_an_end_without_a_claim(facts: Facts, expected: Outcome) -> None:
    """What was not sent has no body and no time; a job whose claim cannot be read is not lost."""
    assert outcome_of(facts, NOW) == expected


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (submitted("uncertain"), "A sandbox bills nothing, and it is never sent again by itself. Look for session k1"),
        (submitted("uncertain"), "Look for session k1 in the sandbox's /sandbox/billing: "),
        (accepted(unrecorded=UNRECORDED), "job j1 was accepted by a sandbox, but the ledger could not record it"),
        (submitted("accepted", job_id="j1", other_job_ids=("j0",)), "accepted under the same key, too: j0"),
        (ended(recorded=DONE), "fallback"),
        (plan("skip", notes=("not run",)), "not run"),
    ],
)  # fmt: skip
def test_no_end_of_a_sandbox_is_billed(facts: Facts, words: str) -> None:
    """Each says whose it is, and none that it may cost anything."""
    claim = CLAIM.model_copy(update={"sandbox": True})
    known = facts.submitted.model_copy(update={"claim": claim}) if facts.submitted else None
    outcome = outcome_of(facts._replace(claim=claim, submitted=known), NOW)
    said = "; ".join([outcome.error or "", *outcome.notes])
    assert outcome.sandbox
    assert words in said
    assert "billed" not in said


PLACE = "it was saved at s3://videos, which this run does not see and has not checked"


@pytest.mark.parametrize(
    ("facts", "changes"),
    [
        (submitted("settled", outcome=DONE, reused=True), {"reused": True}),
        (entry("settled", outcome=DONE), {"reused": True}),
        (entry("settled", own=True, outcome=DONE)._replace(step=Step("leave_open", reason="interrupted")), {}),
        (entry("settled", claim=None, outcome=DONE, other_job_ids=("j0",)), {"reused": True, "notes": (OTHER_JOBS,)}),
        (
            submitted("settled", outcome=DONE, reused=True)._replace(unchecked=True),
            {"reused": True, "notes": (PLACE,)},
        ),
        (ended(recorded=DONE), {"notes": ("fallback",)}),
        (ended(recorded=DONE, reused=True), {"reused": True, "notes": ("fallback",)}),
        (
            ended(recorded=DONE, unsettled="the ledger is full"),
            {"notes": ("fallback", "the file is safe, but the ledger is full")},
        ),
        (
            ended(recorded=DONE.model_copy(update={"status": "failed", "url": None}), unsettled="the ledger is full"),
            {"status": "failed", "url": None, "notes": ("fallback", "the ledger is full")},
        ),
        (ended(recorded=DONE, unrecorded=UNRECORDED), {"notes": ("fallback", BILLED)}),
    ],
)  # fmt: skip
def test_what_is_recorded_stays(facts: Facts, changes: dict[str, Any]) -> None:
    """By an earlier run, by this one, or beside the video: with its own time and cost, and what this run adds."""
    assert outcome_of(facts, NOW) == DONE.model_copy(update={**(ORIGIN if facts.claim else {}), **changes})


def test_a_video_tells_of_the_run_that_made_it() -> None:
    """What was recorded stays; of a record of an older version the claim knows it, and when it ended."""
    own = Estimate(low_usd=1.0, high_usd=1.0, basis="observed")
    told = {"made_at": "2026-11-21T00:00:00.000+00:00", "prompt": "q", "labels": {"team": "ads"}, "estimate": own}
    recorded = DONE.model_copy(update={**told, "elapsed_seconds": 5.0})
    known = outcome_of(submitted("settled", outcome=recorded, reused=True), NOW)
    assert {name: getattr(known, name) for name in told} == told
    old = DONE.model_copy(update={"elapsed_seconds": 5.0})
    assert outcome_of(entry("settled", outcome=old), NOW).made_at == "2026-11-22T12:00:05.000+00:00"
    again = submitted("settled", outcome=old, reused=True)._replace(step=Step("done", job=JOB), saved=saved(VIDEO))
    assert outcome_of(again, NOW).made_at == "2026-11-22T12:00:05.000+00:00"
    edited = CLAIM.model_copy(update={"at": "then", "asked": {"prompt": ["p"]}})
    known = outcome_of(entry("settled", claim=edited, outcome=old), NOW)
    assert (known.made_at, known.prompt) == (None, None)


@pytest.mark.parametrize(
    ("wanted_by", "sent_by", "reused"),
    [("r1", "r1", False), ("r2", "r1", True), (None, None, True), ("r2", None, True)],
)
def test_a_retry_of_a_run_has_paid_for_what_it_finds(wanted_by: str | None, sent_by: str | None, reused: bool) -> None:
    """Only what another run has sent is reused; the attempts of one run are that run."""
    found = Submitted(state="settled", claim=CLAIM.model_copy(update={"run_id": sent_by}), outcome=DONE, reused=True)
    wanted = Facts.of_plan(PLAN, CLAIM.model_copy(update={"run_id": wanted_by})).after_submission(found)
    assert outcome_of(wanted, NOW).reused is reused


@pytest.mark.parametrize(
    ("shared", "batch", "words"),
    [
        (True, None, "use another key or another take"),
        (False, None, "This is final for this run and its retries: to try again, start a new run"),
        (None, None, "use another key or take; without a key, start a new run"),
        (True, "spring", "This is final for this row as it is: to try again, change what it asks for, or raise takes"),
    ],
)
def test_a_failure_says_that_it_is_final(shared: bool | None, batch: str | None, words: str) -> None:
    """Also one that an older version recorded without a word; and once is enough."""
    claim = CLAIM.model_copy(update={"shared": shared, "batch": batch})
    old = DONE.model_copy(update={"status": "failed", "error": "failed: no luck"})
    known = outcome_of(Facts.of_entry(LedgerEntry("k1", "settled", 1, claim, outcome=old)), NOW)
    assert (known.error or "").startswith("failed: no luck. This is final for ")
    assert (known.error or "").endswith(words)
    assert outcome_of(Facts.of_entry(LedgerEntry("k1", "settled", 1, claim, outcome=known)), NOW) == known
    failed = ended(VideoJob(id="j1", status="failed", error="no luck"))._replace(claim=claim)
    assert outcome_of(failed, NOW).error == known.error


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        (datetime(2026, 11, 22, 12, 1, 0, 1234, tzinfo=UTC), 60.001),
        (datetime(2026, 11, 22, 11, 59, tzinfo=UTC), 0.0),
    ],
)
def test_how_long_somebody_waited(now: datetime, seconds: float) -> None:
    """Since the claim; never less than nothing, whatever the clocks say."""
    assert outcome_of(accepted(), now).elapsed_seconds == seconds


@pytest.mark.parametrize("at", ["yesterday", "2026-11-22T12:00:00"])
def test_a_claim_of_no_known_time_has_no_age(at: str) -> None:
    """A record that somebody edited must not lose its video; nor must what it says was left out."""
    claim = CLAIM.model_copy(update={"at": at, "left_out": ({"key": 1},)})
    outcome = outcome_of(Facts.of_plan(PLAN, claim), NOW)
    assert (outcome.elapsed_seconds, outcome.left_out) == (None, ())


def test_what_has_not_ended_has_nothing_to_fetch() -> None:
    """Nobody downloads a job that still runs."""
    with pytest.raises(ValueError, match="the job of key k1 has not ended"):
        accepted().ended_job()


def test_a_key_that_cannot_be_read_stays_open() -> None:
    """Nothing is known of it, and the message says what will change that."""
    outcome = unreadable("k1", "access was denied.")
    assert (outcome.key, outcome.status, outcome.reused) == ("k1", "open", True)
    assert str(outcome.error).startswith("access was denied. Once that is fixed")


def test_where_the_video_is_for_a_log() -> None:
    """Its place and size, or that there is none."""
    saved = Saved(files=(VIDEO,), sidecar_url="s3://videos/a.json")
    assert accepted().video == "no video"
    assert accepted()._replace(saved=saved).video == "s3://videos/a.1.mp4 (9 bytes)"
