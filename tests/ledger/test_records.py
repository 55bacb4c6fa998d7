"""What the records of a key prove together, whichever of them exist and can be read, listed in any order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_video.api.answers import IN_FLIGHT_SECONDS
from openrouter_video.ledger.records import (
    BEGUN_NOT_ENDED,
    Claim,
    JobRecord,
    LedgerEntry,
    OutcomeRecord,
    Proof,
    age_of,
    attempt_of_job,
    differences,
    digest,
    in_flight,
    is_of_job,
    is_record,
    parse_entry,
    parse_job,
    scope_of_key,
    scope_of_run,
)
from openrouter_video.outcome import Outcome
from openrouter_video.request.request import parse_request

AT = "2026-11-22T12:00:00.000+00:00"
Records = dict[str, bytes | None]


def claimed(output: str = "/videos") -> bytes:
    """A claim as the ledger writes it."""
    claim = Claim(
        at=AT, key="k", model="a/b", take=1, asked={"prompt": "p"}, sent={"model": "a/b"},
        base_url="https://openrouter.ai/api/v1", output=output, path="p.mp4",
    )  # fmt: skip
    return claim.model_dump_json(exclude_none=True).encode()


def job(job_id: str) -> bytes:
    """The record of an accepted job."""
    return JobRecord(at=AT, job_id=job_id).model_dump_json().encode()


def proof(reason: str = "HTTP 429") -> bytes:
    """A release or a doubt."""
    return Proof(at=AT, reason=reason).model_dump_json().encode()


def over(job_id: str | None = "j1") -> bytes:
    """The record of an outcome."""
    return (
        OutcomeRecord(at=AT, outcome=Outcome(model="a/b", status="completed", job_id=job_id)).model_dump_json().encode()
    )


CLAIM, RELEASE, DOUBT, JOB, OVER = claimed(), proof("released"), proof("lost"), job("j1"), over()
TORN = "a job was accepted, but its record cannot be read"
STATES: dict[str, tuple[Records, tuple[Any, ...]]] = {
    "nothing": ({}, ("free", 0)),
    "foreign files": ({"claim-01": CLAIM, "claim-x": CLAIM, "claim-0": CLAIM, "notes": b""}, ("free", 0)),
    "claim": ({"claim-1": CLAIM}, ("claimed", 1)),
    "empty claim": ({"claim-1": b""}, ("claimed", 1)),
    "torn claim": ({"claim-1": CLAIM[:9]}, ("claimed", 1)),
    "claim that went away": ({"claim-1": None}, ("claimed", 1)),
    "released": ({"claim-1": CLAIM, "release-1": RELEASE}, ("free", 1, None, "released")),
    "empty claim released": ({"claim-1": b"", "release-1": RELEASE}, ("free", 1, None, "released")),
    "torn release": ({"claim-1": CLAIM, "release-1": b"{"}, ("claimed", 1)),
    "release of another attempt": ({"claim-1": CLAIM, "release-2": RELEASE}, ("claimed", 1)),
    "release alone": ({"release-2": RELEASE}, ("free", 2)),
    "earlier attempt unsettled": ({"claim-1": CLAIM, "claim-2": CLAIM, "release-2": RELEASE}, ("claimed", 1)),
    "second claim": ({"claim-1": CLAIM, "release-1": RELEASE, "claim-2": CLAIM}, ("claimed", 2)),
    "uncertain": ({"claim-1": CLAIM, "uncertain-1": DOUBT}, ("uncertain", 1, None, "lost")),
    "torn doubt": ({"claim-1": CLAIM, "uncertain-1": b""}, ("claimed", 1)),
    "doubt alone": ({"uncertain-1": DOUBT}, ("uncertain", 1, None, "lost")),
    "abandoned": ({"claim-1": CLAIM, "uncertain-1": DOUBT, "release-1": RELEASE}, ("free", 1, None, "released")),
    "accepted": ({"claim-1": CLAIM, "job-1": JOB}, ("accepted", 1, "j1")),
    "job alone": ({"job-1": JOB}, ("accepted", 1, "j1")),
    "settled by a person": ({"claim-1": CLAIM, "uncertain-1": DOUBT, "job-1": JOB}, ("accepted", 1, "j1")),
    "job and release": ({"claim-1": CLAIM, "release-1": RELEASE, "job-1": JOB}, ("accepted", 1, "j1")),
    "second job": ({"claim-1": CLAIM, "release-1": RELEASE, "claim-2": CLAIM, "job-2": JOB}, ("accepted", 2, "j1")),
    "late job": ({"claim-1": CLAIM, "release-1": RELEASE, "claim-2": CLAIM, "job-1": JOB}, ("accepted", 1, "j1")),
    "torn job": ({"claim-1": CLAIM, "job-1": b"{"}, ("uncertain", 2, None, TORN)),
    "torn job and release": ({"claim-1": CLAIM, "job-1": b"", "release-1": RELEASE}, ("uncertain", 2, None, TORN)),
    "over": ({"claim-1": CLAIM, "job-1": JOB, "outcome": OVER}, ("settled", 1, "j1")),
    "over without an id": ({"outcome": over(None), "job-1": JOB}, ("settled", 1, "j1")),
    "over, alone": ({"outcome": OVER}, ("settled", 0, "j1")),
    "torn outcome": ({"claim-1": CLAIM, "job-1": JOB, "outcome": b"{"}, ("accepted", 1, "j1")),
}


@pytest.mark.parametrize(("found", "expected"), STATES.values(), ids=STATES)
def test_the_state_of_a_key(found: Records, expected: tuple[Any, ...]) -> None:
    """State and attempt, and where there are any the job and the reason, row by row."""
    entry = parse_entry("k", found)
    state, attempt, job_id, reason = (*expected, None, None)[:4]
    assert (entry.state, entry.attempt, entry.job_id, entry.reason) == (state, attempt, job_id, reason)


def test_every_paid_job_of_a_key_is_told() -> None:
    """Of an attempt that a person gave up, and that was accepted all the same."""
    entry = parse_entry(
        "k", {"claim-1": CLAIM, "job-1": job("j1"), "claim-2": CLAIM, "job-2": job("j2"), "job-3": job("j2")}
    )
    assert (entry.job_id, entry.other_job_ids) == ("j2", ("j1",))


def test_the_claim_of_the_attempt_that_counts() -> None:
    """Where it cannot be read, the latest that can: it names the model and the place of the video."""
    first, second = claimed("first"), claimed("second")
    entry = parse_entry("k", {"claim-1": first, "claim-2": second, "job-1": job("j")})
    assert (entry.claim and entry.claim.output, entry.since) == ("first", AT)
    entry = parse_entry("k", {"claim-1": first, "claim-2": b"", "job-2": job("j")})
    assert (entry.claim and entry.claim.output) == "first"
    assert parse_entry("k", {"claim-1": b""}) == LedgerEntry("k", "claimed", attempt=1)


def test_what_a_video_is_called() -> None:
    """One printable line; the first take needs no number."""
    claim = Claim.model_validate_json(CLAIM)
    assert claim.title == "a/b"
    assert claim.model_copy(update={"model": "a/b\x1b[2J", "take": 2}).title == "a/b [2J take 2"


def test_a_record_of_a_later_version_can_be_read() -> None:
    """Fields may be added."""
    later = b'{"schema_version": 2, "at": "2027", "job_id": "j", "region": "eu"}'
    assert parse_entry("k", {"claim-1": CLAIM, "job-1": later}).job_id == "j"


# ---- Any records, in any order ---------------------------------------------------------------------------------------

CONTENT: dict[str, list[bytes | None]] = {
    "claim": [CLAIM, claimed("other")],
    "job": [job("j1"), job("j2"), job("j3")],
    "release": [RELEASE],
    "uncertain": [DOUBT],
}
UNREADABLE: list[bytes | None] = [b"", b"{", b"[]", b"\xff", None]
NAMES = [f"{kind}-{number}" for kind in CONTENT for number in (1, 2, 3, 10)]


@st.composite
def records(draw: st.DrawFn) -> Records:
    """Some records, readable or not, in any order, among files of others."""
    names = draw(st.lists(st.sampled_from([*NAMES, "outcome", "claim-01", ".probe"]), unique=True))
    good = {"outcome": [OVER, over(None), over("j9")]}
    return {
        name: draw(st.sampled_from([*good.get(name, CONTENT.get(name.split("-")[0], [b""])), *UNREADABLE]))
        for name in names
    }


def numbered(found: Records, kind: str) -> list[int]:
    """The attempts of which there is such a record."""
    return [int(name.split("-")[1]) for name in found if name in NAMES and name.startswith(kind)]


def readable(content: bytes | None) -> bool:
    """Whether it is one of the good ones."""
    return content not in UNREADABLE


@given(records(), st.randoms())
def test_the_order_of_a_listing_does_not_matter(found: Records, chance: Any) -> None:
    """No store promises one."""
    shuffled = list(found.items())
    chance.shuffle(shuffled)
    assert parse_entry("k", dict(shuffled)) == parse_entry("k", found)


@given(records())
def test_no_job_id_is_ever_forgotten(found: Records) -> None:
    """Whatever else lies beside it."""
    entry = parse_entry("k", found)
    paid = {
        f"j{n}" for n in range(1, 4) for name, content in found.items() if "job" in name and content == job(f"j{n}")
    }
    assert paid <= {entry.job_id, *entry.other_job_ids}
    assert not paid or entry.state in {"accepted", "settled"}


@given(records())
def test_a_key_is_free_only_by_proof(found: Records) -> None:
    """Every attempt that was begun has a release that can be read, no job exists; and the next number is unused."""
    entry = parse_entry("k", found)
    begun = {*numbered(found, "claim"), *numbered(found, "uncertain")}
    proven = all(readable(found.get(f"release-{attempt}", b"")) for attempt in begun)
    over_or_accepted = readable(found.get("outcome", b"")) or numbered(found, "job")
    assert (entry.state == "free") == (proven and not over_or_accepted)
    if entry.state == "free":
        assert not any(f"{kind}-{entry.attempt + 1}" in found for kind in CONTENT)


@given(records())
def test_a_claim_that_cannot_be_read_blocks_like_any_other(found: Records) -> None:
    """It may stand for a paid job."""
    torn: Records = {name: b"" if name.startswith("claim") else content for name, content in found.items()}
    before, after = parse_entry("k", found), parse_entry("k", torn)
    assert before._replace(claim=None, since=None) == after._replace(claim=None, since=None)


# ---- In flight -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "flies"),
    [
        (LedgerEntry("k", "claimed", 1, since="2026-11-22T11:59:48+00:00"), True),
        (LedgerEntry("k", "claimed", 1, since="2026-11-22T11:59:48"), True),
        (LedgerEntry("k", "claimed", 1, since="2026-11-22T14:59:48+03:00"), True),
        (LedgerEntry("k", "claimed", 1, since="2026-11-22T11:50:01+00:00"), True),
        (LedgerEntry("k", "claimed", 1, since="2026-11-22T11:50:00+00:00"), False),
        (LedgerEntry("k", "claimed", 1, since="2026-11-20T12:00:00+00:00"), False),
        (LedgerEntry("k", "claimed", 1, since="2026-11-22T12:00:59+00:00"), True),
        (LedgerEntry("k", "claimed", 1, since="2026-11-22T12:09:59+00:00"), True),
        (LedgerEntry("k", "claimed", 1, since="2026-11-22T12:10:01+00:00"), False),
        (LedgerEntry("k", "claimed", 1, since="2031-11-22T12:00:00+00:00"), False),
        (LedgerEntry("k", "claimed", 1, since="yesterday"), False),
        (LedgerEntry("k", "claimed", 1), False),
        (LedgerEntry("k", "uncertain", 1, reason=BEGUN_NOT_ENDED, since="2026-11-22T11:59:00+00:00"), True),
        (LedgerEntry("k", "uncertain", 1, reason=BEGUN_NOT_ENDED, since="2026-11-22T11:00:00+00:00"), False),
        (LedgerEntry("k", "uncertain", 1, reason="HTTP 502", since="2026-11-22T11:59:00+00:00"), False),
        (LedgerEntry("k", "accepted", 1, job_id="j", since="2026-11-22T11:59:00+00:00"), False),
        (LedgerEntry("k", "free", 1, since="2026-11-22T11:59:00+00:00"), False),
        (LedgerEntry("k", "settled", 1, since="2026-11-22T11:59:00+00:00"), False),
    ],
)
def test_a_claim_is_in_flight_as_long_as_its_post_may_take(entry: LedgerEntry, flies: bool) -> None:
    """By its own clock, unless that is far ahead: such a claim could never be settled otherwise."""
    assert in_flight(entry, datetime(2026, 11, 22, 12, tzinfo=UTC)) is flies


def test_the_age_of_a_claim() -> None:
    """Signed, so that a clock that is ahead can be told."""
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    entry = LedgerEntry("k", "claimed", 1, since="2026-11-22T11:50:00+00:00")
    assert age_of(entry, now) == IN_FLIGHT_SECONDS == 600
    assert age_of(entry._replace(since="2026-11-22T13:00:00+00:00"), now) == -3600
    assert age_of(entry._replace(since=None), now) is None


# ---- Identity --------------------------------------------------------------------------------------------------------


def test_the_key_of_a_video() -> None:
    """One per scope, model and take: 32 hexadecimal digits; the folder shows eight of the scope's."""
    scope = scope_of_key("daily-2026-11-22")
    keys = [scope.key(model, take) for model in ("a/b", "a/c") for take in (1, 2)]
    assert len(set(keys)) == 4
    assert all(len(key) == 32 and int(key, 16) for key in keys)
    assert scope.digest.startswith(scope.short)
    assert len(scope.short) == 8


def test_what_makes_two_runs_the_same() -> None:
    """The user's key across runs, a realm apart; without one the root run and what was asked, whatever its order."""
    assert scope_of_key("k") == scope_of_key("k") != scope_of_key("l")
    assert scope_of_key("k") != scope_of_key("k", "sandbox")
    asked = {"prompt": "p", "settings": {"duration": 4, "seed": 1}}
    turned = {"settings": {"seed": 1, "duration": 4}, "prompt": "p"}
    assert scope_of_run("r", asked) == scope_of_run("r", turned)
    assert len({scope_of_run("r", asked), scope_of_run("s", asked), scope_of_run("r", {"prompt": "p"})}) == 3
    assert (scope_of_key("k").shared, scope_of_run("k", {}).shared) == (True, False)
    assert scope_of_key("caf\udce9") != scope_of_key("caf\udcea")


def test_identities_never_change_between_releases() -> None:
    """An upgrade in the middle of a day must find the jobs of the morning."""
    assert digest({"b": [1, None], "a": "é"}) == "3d92f6368f93f3cb36a4e7a721098054dfbfd705e31fa50409f2d99e0727a08c"
    assert scope_of_key("k").key("a/b", 1) == "e3dfe143530f2c563ce01cdb4665602e"
    assert scope_of_run("r", {"prompt": "p"}).key("a/b", 2) == "4a8f06d195add0618380c4f6827ff4db"


# ---- Differences -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        ({}, []),
        ({"models": ["a/c"], "takes": 3}, []),
        ({"prompt": "q"}, ['prompt was "p", now "q"']),
        ({"settings": None}, ['settings was {"duration": 4, "seed": 1}, now null']),
        ({"settings": {"duration": 6, "seed": 1}}, ["settings.duration was 4, now 6"]),
        ({"settings": {"duration": 4, "resolution": "720p"}},
         ['settings.resolution was null, now "720p"', "settings.seed was 1, now null"]),
        ({"provider_options": {"seed": {"models": 2}}}, ["provider_options.seed.models was 1, now 2"]),
        ({"prompt": "x" * 999}, ['prompt was "p", now "' + "x" * 78 + "…"]),
    ],
)  # fmt: skip
def test_each_difference_is_named_with_both_values(now: dict[str, Any], lines: list[str]) -> None:
    """The chosen models and takes are not part of the request: each video has a key of its own."""
    recorded = {
        "models": ["a/b"],
        "prompt": "p",
        "settings": {"duration": 4, "seed": 1},
        "provider_options": {"seed": {"models": 1}},
    }
    assert differences(recorded, {**recorded, **now}) == lines


def test_a_request_does_not_differ_from_its_own_record() -> None:
    """By way of the file, with nulls, lists and an inline image in it."""
    settings = {"trace": {"a": None, "b": [None, 1.5]}, "first_frame": "data:image/png;base64,AAAA"}
    asked = parse_request("p", settings, {"seed": {"deep": [{"x": None}]}}).asked()
    claim = Claim.model_validate_json(claimed()).model_copy(update={"asked": asked})
    read = Claim.model_validate_json(claim.model_dump_json(exclude_none=True))
    assert differences(read.asked, asked) == []


@pytest.mark.parametrize(
    ("name", "ours"),
    [("outcome", True), ("claim-1", True), ("job-12", True), ("claim-", False), ("outcome-1", False), ("notes", False)],
)
def test_the_name_of_a_record(name: str, ours: bool) -> None:
    """Whatever else somebody keeps beside them is left alone."""
    assert is_record(name) is ours


@pytest.mark.parametrize(
    ("file", "of_job"),
    [
        ("outcome.json", True),
        ("job-1.json", True),
        ("job-12.json", True),
        ("claim-1.json", False),
        ("release-1.json", False),
        ("job-0.json", False),
        ("job-1", False),
        ("outcome", False),
        (".job-1.json.part", False),
    ],
)
def test_which_files_say_that_a_job_was_accepted(file: str, of_job: bool) -> None:
    """By their names alone, for a batch that asks about thousands of keys."""
    assert is_of_job(file) is of_job


def test_the_record_of_a_job_is_known_by_its_name_and_read_whole() -> None:
    """For whoever finds it under another name; what is cut is none."""
    names = ["job-12.json", "job-0.json", "job-1", "claim-1.json", "outcome.json", ""]
    assert [attempt_of_job(name) for name in names] == [12, None, None, None, None, None]
    record = JobRecord(at=AT, job_id="j", evidence="seen")
    assert parse_job(record.model_dump_json().encode()) == record
    assert [parse_job(content) for content in (None, b"", record.model_dump_json().encode()[:-1])] == [None] * 3
