"""The ledger: records are created once, and the state of a key follows from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from openrouter_video.errors import LedgerError, LedgerUnsafe
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.records import Claim
from openrouter_video.outcome import Outcome
from openrouter_video.stores import open_store
from tests.support.claims import claim_on

KEY = "0123456789abcdef0123456789abcdef"


def claim(owner: str = "me") -> Claim:
    """Return a claim on the one key of these tests."""
    return claim_on(
        KEY,
        model="google/veo-3.1-lite",
        asked={"prompt": "A flower"},
        output="memory://videos",
        path="a/b.mp4",
        token=owner,
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty ledger on the local disk."""
    return Ledger(open_store(str(tmp_path / "jobs")))


def test_a_fresh_key_is_free(ledger: Ledger) -> None:
    """No record, no claim; an empty ledger lists nothing."""
    assert (ledger.entry(KEY).state, ledger.entry(KEY).attempt) == ("free", 0)
    assert ledger.keys() == []


def test_the_story_of_a_key(ledger: Ledger) -> None:
    """Each record moves the state on, and none is ever changed."""
    assert ledger.claim(1, claim())
    assert ledger.entry(KEY).state == "claimed"
    assert ledger.release(KEY, 1, "HTTP 429")
    assert (ledger.entry(KEY).state, ledger.entry(KEY).reason) == ("free", "HTTP 429")
    assert ledger.claim(2, claim())
    assert ledger.doubt(KEY, 2, "HTTP 503")
    assert (ledger.entry(KEY).state, ledger.entry(KEY).attempt) == ("uncertain", 2)
    assert ledger.record_job(KEY, 2, "gen-vid-1", by_person=True)
    assert (ledger.entry(KEY).state, ledger.entry(KEY).job_id) == ("accepted", "gen-vid-1")
    assert not ledger.record_job(KEY, 2, "gen-vid-2")
    outcome = Outcome(model="google/veo-3.1-lite", key=KEY, status="completed", job_id="gen-vid-1")
    assert ledger.settle(KEY, outcome)
    entry = ledger.entry(KEY)
    assert (entry.state, entry.outcome, entry.job_id) == ("settled", outcome, "gen-vid-1")
    assert not ledger.settle(KEY, outcome)
    assert ledger.keys() == [KEY]


def test_a_claim_is_ours_only_once(ledger: Ledger) -> None:
    """Another owner is refused; our own claim is recognised, should the store answer our creation with "exists"."""
    assert ledger.claim(1, claim("me"))
    assert not ledger.claim(1, claim("other"))
    assert ledger.claim(1, claim("me"))
    ledger.record_job(KEY, 1, "gen-vid-1")
    assert not ledger.claim(1, claim("me"))


def test_an_empty_or_unreadable_claim_counts(ledger: Ledger, tmp_path: Path) -> None:
    """It may stand for a paid job, so it blocks."""
    folder = tmp_path / "jobs" / KEY
    folder.mkdir(parents=True)
    for content in (b"", b"{", b"\xff\xfe"):
        (folder / "claim-1.json").write_bytes(content)
        assert ledger.entry(KEY).state == "claimed"
        assert not ledger.claim(1, claim())


def test_records_say_what_a_person_needs(ledger: Ledger, tmp_path: Path) -> None:
    """They are readable JSON."""
    ledger.claim(1, claim())
    text = (tmp_path / "jobs" / KEY / "claim-1.json").read_text()
    assert '"prompt": "A flower"' in text


def test_fields_of_later_versions_are_ignored(ledger: Ledger, tmp_path: Path) -> None:
    """A record of a newer release is still a record."""
    ledger.claim(1, claim())
    file = tmp_path / "jobs" / KEY / "claim-1.json"
    file.write_text(file.read_text().replace("{", '{"schema_version": 7, "new": 1,', 1))
    assert ledger.entry(KEY).claim is not None


def test_a_store_that_fails_is_a_ledger_error(tmp_path: Path) -> None:
    """The message says which ledger and what could not be done."""
    (tmp_path / "jobs").write_text("a file where the folder should be")
    broken = Ledger(open_store(str(tmp_path / "jobs")))
    with pytest.raises(LedgerError, match=r"jobs cannot record claim-1 of 0123"):
        broken.claim(1, claim())


def test_a_store_of_unknown_kind_is_refused(tmp_path: Path) -> None:
    """What nobody knows to create a file once may not guard a payment; the message tells the way out."""
    with pytest.raises(LedgerUnsafe, match="OPENROUTER_VIDEO_LEDGER or --ledger"):
        Ledger(open_store("zip://jobs.zip", {"fo": str(tmp_path / "a.zip"), "mode": "w"})).check()


def test_a_job_is_kept_whatever_a_person_recorded_meanwhile(ledger: Ledger) -> None:
    """Both ids are billed, and both are remembered."""
    ledger.claim(1, claim())
    ledger.record_job(KEY, 1, "gen-vid-person", by_person=True)
    ledger.keep_job(KEY, 1, "gen-vid-api")
    ledger.keep_job(KEY, 1, "gen-vid-api")
    entry = ledger.entry(KEY)
    assert {entry.job_id, *entry.other_job_ids} == {"gen-vid-person", "gen-vid-api"}


def test_an_outcome_that_cannot_be_read_ends_nothing(ledger: Ledger, tmp_path: Path) -> None:
    """The job is paid for: it stays to be collected, by either way to read it."""
    ledger.claim(1, claim())
    ledger.record_job(KEY, 1, "gen-vid-1")
    (tmp_path / "jobs" / KEY / "outcome.json").write_bytes(b"")
    unfinished = ledger.unfinished(KEY)
    assert unfinished is not None
    assert unfinished.state == ledger.entry(KEY).state == "accepted"
    (tmp_path / "jobs" / KEY / "outcome.json").unlink()
    ledger.settle(KEY, Outcome(model="m", status="completed", job_id="gen-vid-1"))
    assert ledger.unfinished(KEY) is None
