"""What a person may settle, by which decision and in which state, and the words that say why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from openrouter_video.errors import RequestRefused
from openrouter_video.ledger.records import BEGUN_NOT_ENDED, UNREADABLE_JOB, Claim, LedgerEntry
from openrouter_video.ledger.settlement import (
    Decision,
    Settlement,
    find_key,
    older_than,
    settled_message,
    state_word,
    why_not,
)
from openrouter_video.outcome import Outcome

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = "a" * 32


def begun(seconds: float) -> str:
    """The time of a claim that was made so long ago."""
    return (NOW - timedelta(seconds=seconds)).isoformat()


def over(status: str) -> Outcome:
    """The outcome of a submission that is over."""
    return Outcome.model_validate({"model": "a/b", "status": status, "job_id": "j1"})


ENTRIES = {
    "never begun": LedgerEntry(KEY, "free"),
    "released": LedgerEntry(KEY, "free", 1, reason="HTTP 429", since=begun(9_000)),
    "begun now": LedgerEntry(KEY, "claimed", 1, since=begun(12)),
    "begun by a clock ahead": LedgerEntry(KEY, "claimed", 1, since=begun(-60)),
    "begun by a clock far ahead": LedgerEntry(KEY, "claimed", 1, since=begun(-7_200)),
    "not ended, of now": LedgerEntry(KEY, "uncertain", 1, reason=BEGUN_NOT_ENDED, since=begun(12)),
    "begun long ago": LedgerEntry(KEY, "claimed", 1, since=begun(601)),
    "begun at an unknown time": LedgerEntry(KEY, "claimed", 1),
    "answered by nothing": LedgerEntry(KEY, "uncertain", 1, reason="HTTP 502", since=begun(12)),
    "unreadable job": LedgerEntry(KEY, "uncertain", 2, reason=UNREADABLE_JOB, since=begun(9_000)),
    "accepted": LedgerEntry(KEY, "accepted", 1, job_id="j1", since=begun(12)),
    "completed": LedgerEntry(KEY, "settled", 1, job_id="j1", outcome=over("completed"), since=begun(12)),
    "failed": LedgerEntry(KEY, "settled", 1, job_id="j1", outcome=over("failed"), since=begun(12)),
}
ON_ITS_WAY = "it was begun {} s ago and may be on its way; try again in {} min"
ALL_NEEDS = "--all needs --older-than, such as 1h, and --abandon"
LOOK = (
    f"{UNREADABLE_JOB}; look for the session {KEY} in OpenRouter's activity and give --job ID, or give it up by --lost"
)
OVER = "it is over: {}"
FREE = "nothing was accepted under it, so it is free already"
NOT_KNOWN = "it is not known whether it was accepted; say --job ID if it was, or --abandon if it was not"
BILLED = "job j1 was accepted and is billed; `openrouter-video collect` finishes it, and --lost gives it up"
# For each entry: its state in words, and what is said to --job, --abandon and --lost; None where it is allowed.
TABLE: dict[str, tuple[str, str | None, str | None, str | None]] = {
    "never begun": ("free", FREE, FREE, FREE),
    "released": ("free", FREE, FREE, FREE),
    "begun now": ("in flight", None, ON_ITS_WAY.format(12, 10), NOT_KNOWN),
    "begun by a clock ahead": ("in flight", None, ON_ITS_WAY.format(0, 11), NOT_KNOWN),
    "begun by a clock far ahead": ("begun", None, None, NOT_KNOWN),
    "not ended, of now": ("in flight", None, ON_ITS_WAY.format(12, 10), NOT_KNOWN),
    "begun long ago": ("begun", None, None, NOT_KNOWN),
    "begun at an unknown time": ("begun", None, None, NOT_KNOWN),
    "answered by nothing": ("uncertain", None, None, NOT_KNOWN),
    "unreadable job": ("uncertain", None, LOOK, None),
    "accepted": ("open", BILLED, BILLED, None),
    "completed": ("completed", OVER.format("completed"), OVER.format("completed"), OVER.format("completed")),
    "failed": ("failed", OVER.format("failed"), OVER.format("failed"), OVER.format("failed")),
}
DECISIONS: tuple[Decision, ...] = ("job", "abandon", "lost")


@pytest.mark.parametrize("name", ENTRIES)
def test_what_may_be_settled_and_why_not(name: str) -> None:
    """A key is freed only where no POST can be on its way, and never where a job was accepted."""
    entry = ENTRIES[name]
    assert (state_word(entry, NOW), *(why_not(entry, decision, NOW) for decision in DECISIONS)) == TABLE[name]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (Settlement(), "give one KEY, or --all with --older-than"),
        (Settlement("a", everything=True, abandon=True, older_than="1h"), "give one KEY, or --all with --older-than"),
        (Settlement("a"), "say --job ID if the job was found"),
        (Settlement("a", job="j1", abandon=True), "say --job ID if the job was found"),
        (Settlement("a", abandon=True, lost=True), "say --job ID if the job was found"),
        (Settlement(everything=True, abandon=True), ALL_NEEDS),
        (Settlement(everything=True, job="j1", older_than="1h"), ALL_NEEDS),
        (
            Settlement(everything=True, lost=True, older_than="1h"),
            "--all needs --older-than, such as 1h, and --abandon",
        ),
        (Settlement("a", abandon=True, older_than="1h"), "--older-than goes with --all"),
        (Settlement("a", job=" "), "--job ' ' is not the id of a job"),
        (Settlement("a", job="j\n1"), r"--job 'j\n1' is not the id of a job"),
        (Settlement("a", look=True, abandon=True), "--look asks the account"),
        (Settlement(look=True), None),
        (Settlement("a", job="j1"), None),
        (Settlement("a", lost=True), None),
        (Settlement(everything=True, abandon=True, older_than="1h"), None),
    ],
)
def test_what_is_said_must_be_clear(said: Settlement, problem: str | None) -> None:
    """Which submissions, and exactly one decision; many at once may only be abandoned, and only with an age."""
    found = said.problem()
    assert (found is None) == (problem is None)
    assert problem is None or (found or "").startswith(problem)


def test_the_decision_is_one_of_three() -> None:
    """Each has its option."""
    said = (Settlement("a", job="j1"), Settlement("a", abandon=True), Settlement("a", lost=True))
    assert [one.decision for one in said] == list(DECISIONS)


def test_a_key_is_found_by_its_beginning() -> None:
    """A whole key wins over those that begin with it; what fits none or several is refused with the way to look."""
    keys = ["ab", "abc", "b0", "c1"]
    assert [find_key(beginning, keys, "v") for beginning in ("ab", "b", "c1")] == ["ab", "b0", "c1"]
    for beginning, words in (
        ("a", "2 keys begin with 'a'; give more of it"),
        ("d", "no key 'd' is in v"),
        ("", "no key ''"),
    ):
        with pytest.raises(RequestRefused, match=words) as refused:
            find_key(beginning, keys, "v")
        assert "ledger list --all" in str(refused.value)


def test_the_age_that_many_must_have() -> None:
    """Only what is uncertain and old enough; a claim whose time cannot be read is left for its key."""
    old = [name for name, entry in ENTRIES.items() if older_than([entry], 11, NOW)]
    assert old == ["begun now", "not ended, of now", "begun long ago", "answered by nothing", "unreadable job"]
    assert older_than(ENTRIES.values(), 9_001, NOW) == []


def test_a_job_of_a_sandbox_is_not_billed() -> None:
    """Neither where it may not be settled, nor where it is given up."""
    places = {"base_url": "http://127.0.0.1:8787/api/v1", "output": "s3://videos", "path": "p.mp4"}
    claim = Claim(at="", key="k", model="a/b", take=1, asked={}, sent={}, sandbox=True, **places)
    entry = ENTRIES["accepted"]._replace(claim=claim)
    assert "job j1 was accepted and is a sandbox's, which bills nothing; " in (why_not(entry, "abandon", NOW) or "")
    assert settled_message(entry, "lost").startswith("given up: job j1 is a sandbox's, which bills nothing, and")


def test_what_settling_means_is_said() -> None:
    """That a job is billed, which command comes next, or that the key may be paid for again."""
    assert settled_message(ENTRIES["accepted"], "lost").startswith("given up: job j1 is billed")
    assert settled_message(ENTRIES["unreadable job"], "lost").startswith("given up: job of unknown id is billed")
    assert settled_message(ENTRIES["begun long ago"], "job", "j7").startswith("job j7 is recorded")
    assert settled_message(ENTRIES["begun long ago"], "abandon").startswith("abandoned; the key is free")
