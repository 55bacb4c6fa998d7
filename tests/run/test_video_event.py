"""What Prefect is told at the end of a video, and when it is no news."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openrouter_video.ledger.records import Submitted
from openrouter_video.outcome import Outcome
from openrouter_video.run.facts import Facts
from openrouter_video.run.video_event import video_event
from tests.support.claims import claim_on

CLAIM = claim_on(
    "k1",
    at="2026-11-26T10:00:00.000+00:00",
    take=2,
    asked={"prompt": "an orchid"},
    sent={"model": "a/b"},
    output="s3://videos",
    path="p.mp4",
    token="t1",
    run_id="r1",
    labels={"team": "film"},
)
FACTS = Facts("a/b", 2, "k1", CLAIM)
DONE = Outcome(
    model="a/b",
    take=2,
    key="k1",
    batch="autumn",
    row=17,
    row_id="rose",
    status="completed",
    job_id="j1",
    url="https://bucket.example.com/p.mp4?X-Amz-Signature=secret",
    cost_usd=0.12,
    prompt="an orchid",
)


def told(status: str, state: str | None = None, *, reused: bool = False, collected: bool = False, **more: Any) -> bool:
    """Whether there is an event of a video that ended like this."""
    known = {"state": state, "claim": None, "reused": reused, **more}
    submitted = Submitted.model_validate(known) if state else None
    outcome = Outcome.model_validate({"model": "a/b", "status": status})
    return video_event(outcome, FACTS._replace(submitted=submitted), collected=collected) is not None


def test_an_event_says_what_an_automation_needs() -> None:
    """The job as resource, with what a trigger matches; a small payload without a secret, a prompt or a body."""
    event = video_event(DONE, FACTS)
    assert event is not None
    assert event.name == "openrouter-video.video.completed"
    assert event.resource == {
        "prefect.resource.id": "openrouter-video.job.j1",
        "prefect.resource.name": "a/b take 2",
        "openrouter-video.model": "a/b",
        "openrouter-video.sandbox": "false",
        "openrouter-video.batch": "autumn",
    }
    payload = json.loads(json.dumps(event.payload))
    assert {name: value for name, value in payload.items() if value is not None} == {
        "key": "k1",
        "model": "a/b",
        "take": 2,
        "status": "completed",
        "job_id": "j1",
        "cost_usd": 0.12,
        "batch": "autumn",
        "row": 17,
        "row_id": "rose",
        "sandbox": False,
        "labels": {"team": "film"},
        "run_id": "r1",
        "url": payload["url"],
    }
    assert payload["url"].startswith("https://bucket.example.com/p.mp4")
    assert "secret" not in str(event)
    assert "orchid" not in str(event)


def test_without_a_job_the_key_is_the_resource() -> None:
    """And what a person reads is one short line."""
    outcome = DONE.model_copy(update={"status": "uncertain", "job_id": None, "batch": None, "error": "a\nb" * 1000})
    event = video_event(outcome, FACTS)
    assert event is not None
    assert event.resource["prefect.resource.id"] == "openrouter-video.key.k1"
    assert "openrouter-video.batch" not in event.resource
    assert len(event.payload["error"]) <= 600
    assert "\n" not in event.payload["error"]


NEWS = [
    ("completed", "accepted", False, False, True),
    ("completed", "accepted", True, False, True),  # another run's job, which has ended in this one
    ("completed", "settled", True, False, False),
    ("failed", "settled", True, False, False),
    ("refused", None, False, False, True),
    ("refused", "refused", False, False, True),
    ("skipped", None, False, False, False),
    ("open", "accepted", False, False, True),
    ("open", "accepted", True, False, False),
    ("open", "accepted", True, True, False),
    ("uncertain", "uncertain", False, False, True),
    ("uncertain", "uncertain", True, False, False),
    ("uncertain", "uncertain", True, True, True),  # its run may have died
    ("completed", "accepted", True, True, True),
]


@pytest.mark.parametrize(("status", "state", "reused", "collected", "news"), NEWS)
def test_only_news_is_told(status: str, state: str | None, reused: bool, collected: bool, news: bool) -> None:
    """A video that is only found has had its event; an end that this run has seen is one."""
    assert told(status, state, reused=reused, collected=collected) is news


def test_what_may_still_be_answered_is_no_news_yet() -> None:
    """An alarm would be too early."""
    assert not told("uncertain", "uncertain", in_flight=True)


def test_nothing_is_told_of_a_record_that_cannot_be_read() -> None:
    """Nobody knows which video it is."""
    assert video_event(DONE, Facts("unknown", 1, "k1")) is None


def test_the_same_news_has_the_same_identity() -> None:
    """Of the same submission; another attempt under the same key is another one."""
    one, again = video_event(DONE, FACTS), video_event(DONE, FACTS, collected=True)
    other = video_event(DONE, FACTS._replace(claim=CLAIM.model_copy(update={"token": "t2"})))
    assert one is not None
    assert again is not None
    assert other is not None
    assert one.identity == again.identity != other.identity
