"""What videos came to, and what becomes of what was reserved for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openrouter_video.api import Catalog, VideoModel
from openrouter_video.ledger import Bill, LedgerEntry
from openrouter_video.ledger.reservations import Hold, Money
from openrouter_video.money import Estimate
from openrouter_video.outcome import Outcome
from openrouter_video.planning.plan import plan_run
from openrouter_video.request import parse_run_request
from openrouter_video.run.bills import (
    RunReservation,
    bill_of,
    bills_by_claim,
    settled_by_records,
    settled_by_run,
    to_reserve,
)
from tests.support.claims import claim_on

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
KEY = "a" * 32
MONTH = "2026-11"
EXPECTED = Estimate.of(100_000, 200_000, "listed")
RESERVED = RunReservation(MONTH, "run", frozenset({KEY}))


def an_outcome(status: Any = "completed", **fields: Any) -> Outcome:
    """An outcome of a video that was expected to cost 0.10 to 0.20."""
    usual: dict[str, Any] = {"model": "a/film", "key": KEY, "estimate": EXPECTED, "sent": {"prompt": "p"}}
    return Outcome(status=status, **(usual | fields))


def an_entry(state: Any, outcome: Outcome | None = None, reservation: str | None = f"{MONTH}/run/{KEY}") -> LedgerEntry:
    """What the ledger says of the key, whose claim names this reservation."""
    claim = claim_on(
        KEY,
        at=NOW.isoformat(),
        model="a/film",
        path="x.mp4",
        run_id="earlier",
        deployment="nightly",
        labels={"team": "film"},
        estimate=EXPECTED,
        reservation=reservation,
    )
    return LedgerEntry(KEY, state, claim=claim, outcome=outcome)


BILLS: list[tuple[Outcome, Bill | None]] = [
    (
        an_outcome(cost_usd=0.15, bytes=9),
        Bill(model="a/film", amount=150_000, listed=(100_000, 200_000), run_id="me", deployment="daily"),
    ),
    (
        an_outcome(bytes=9),
        Bill(model="a/film", amount=200_000, billed=False, listed=(100_000, 200_000), run_id="me", deployment="daily"),
    ),
    (
        an_outcome(bytes=9, estimate=None),
        Bill(model="a/film", amount=0, billed=False, run_id="me", deployment="daily"),
    ),
    (an_outcome("failed", cost_usd=0.1), Bill(model="a/film", amount=100_000, run_id="me", deployment="daily")),
    *((an_outcome("failed", job_status=status), None) for status in ("failed", "cancelled", "expired", "dead")),
    # Given up by a person, or completed and no longer kept: billed all the same.
    *(
        (
            an_outcome("failed", job_status=status),
            Bill(model="a/film", amount=200_000, billed=False, run_id="me", deployment="daily"),
        )
        for status in (None, "completed")
    ),
    (an_outcome("open"), None),
    (
        an_outcome(cost_usd=0.15, labels={"a": "b"}, sent={"frame_images": [{}]}),
        Bill(
            model="a/film",
            mode="image",
            amount=150_000,
            listed=(100_000, 200_000),
            run_id="me",
            deployment="daily",
            labels={"a": "b"},
        ),
    ),
]


@pytest.mark.parametrize(("outcome", "bill"), BILLS)
def test_what_one_video_came_to(outcome: Outcome, bill: Bill | None) -> None:
    """Its cost; without one the top of its estimate, if anything came; what did not end well teaches nothing."""
    assert bill_of(outcome, "me", "daily") == bill


def said(outcome: Outcome, entry: LedgerEntry | None = None) -> str:
    """What becomes of the reservation at the end of the run: billed, released or kept."""
    settled = settled_by_run(RESERVED, [outcome], {KEY: entry} if entry else {}, "me")
    assert not (settled.bills and settled.released)
    assert settled.anything is bool(settled.bills or settled.released)
    assert {*settled.bills, *settled.released} <= {f"run/{KEY}"}
    return "billed" if settled.bills else "released" if settled.released else "kept"


@pytest.mark.parametrize(
    ("outcome", "entry", "expected"),
    [
        (an_outcome(cost_usd=0.1), None, "billed"),
        (an_outcome("failed", cost_usd=0.1), None, "billed"),
        (an_outcome("failed", job_status="failed"), None, "released"),
        (an_outcome("failed"), None, "billed"),
        (an_outcome("refused"), None, "released"),
        (an_outcome("skipped"), None, "released"),
        (an_outcome("open", cost_usd=0.1, bytes=9), None, "kept"),
        (an_outcome("uncertain"), None, "kept"),
        (an_outcome(key="b" * 32), None, "kept"),
        (an_outcome(key=None), None, "kept"),
        # Another run had submitted it.
        (an_outcome(reused=True), an_entry("settled", an_outcome(cost_usd=0.1), "2026-11/other/" + KEY), "released"),
        (an_outcome("open", reused=True), an_entry("accepted", None, None), "released"),
        # An earlier pass of this very run had.
        (an_outcome(reused=True), an_entry("settled", an_outcome(cost_usd=0.1)), "billed"),
        (an_outcome("failed", reused=True), an_entry("settled", an_outcome("failed", job_status="dead")), "released"),
        (an_outcome("open", reused=True), an_entry("accepted"), "kept"),
        (an_outcome("open", reused=True), an_entry("claimed"), "kept"),
        # Its records could not be read.
        (an_outcome("open", reused=True), None, "kept"),
    ],
)
def test_the_end_of_a_run_settles_what_it_knows(outcome: Outcome, entry: LedgerEntry | None, expected: str) -> None:
    """What may still be charged stays reserved."""
    assert said(outcome, entry) == expected


@pytest.mark.parametrize(
    ("entry", "later", "expected"),
    [
        (an_entry("settled", an_outcome(cost_usd=0.1)), False, "billed"),
        (an_entry("settled", an_outcome("failed", job_status="expired")), False, "released"),
        (an_entry("settled", an_outcome("failed")), False, "billed"),
        (an_entry("settled", an_outcome(cost_usd=0.1), None), False, "released"),
        (an_entry("accepted"), True, "kept"),
        (an_entry("uncertain"), True, "kept"),
        (an_entry("accepted", None, "2026-11/other/" + KEY), False, "kept"),
        (an_entry("accepted", None, "2026-11/other/" + KEY), True, "released"),
        (an_entry("accepted", None, "2026-10/run/" + KEY), True, "released"),
        (an_entry("free"), False, "kept"),
        (an_entry("free"), True, "released"),
        (LedgerEntry(KEY, "free"), False, "kept"),
        (LedgerEntry(KEY, "free"), True, "released"),
        (None, True, "kept"),
    ],
)
def test_a_collection_settles_by_the_ledger(entry: LedgerEntry | None, later: bool, expected: str) -> None:
    """What no claim names is kept until its run can be taken for dead."""
    hold = Hold(run="run", day="2026-11-26", until=NOW, videos={KEY: 200_000})
    at = NOW if later else NOW - timedelta(seconds=1)
    settled = settled_by_records(MONTH, Money(held=(hold,)), {KEY: entry} if entry else {}, at)
    found = "billed" if settled.bills else "released" if settled.released else "kept"
    assert found == expected


def test_what_holds_a_portion_that_never_began_is_given_up_after_its_time() -> None:
    """No record of the ledger says anything of it."""
    held = Money(held=(Hold(run="run", day="2026-11-26", until=NOW, videos={f"portion-2-{'a' * 12}": 9}),))
    given_up = [settled_by_records(MONTH, held, {}, at).released for at in (NOW - timedelta(seconds=1), NOW)]
    assert given_up == [(), (f"run/portion-2-{'a' * 12}",)]


def test_a_bill_of_a_record_says_what_its_claim_says() -> None:
    """Whose run it was, and its labels, also where an older version wrote the outcome."""
    hold = Hold(run="run", day="2026-11-26", until=NOW, videos={KEY: 200_000})
    outcome = an_outcome(cost_usd=0.1, estimate=None)
    (bill,) = settled_by_records(MONTH, Money(held=(hold,)), {KEY: an_entry("settled", outcome)}, NOW).bills.values()
    assert (bill.run_id, bill.deployment, bill.labels, bill.listed) == (
        "earlier",
        "nightly",
        {"team": "film"},
        (100_000, 200_000),
    )


def test_a_video_that_ends_late_is_billed_by_its_claim() -> None:
    """Whatever has become of the reservation; one that never had any counts nowhere."""
    done, claims = an_outcome(cost_usd=0.1), [an_entry("settled").claim, an_entry("settled", None, None).claim]
    ended = [(claim, outcome) for claim in claims if claim for outcome in (done, an_outcome("open"))]
    assert {name: bill.amount for name, bill in bills_by_claim(MONTH, ended).items()} == {f"run/{KEY}": 100_000}
    assert bills_by_claim("2026-12", ended) == {}


def test_a_record_that_somebody_edited_stops_no_bill() -> None:
    """An amount below nothing counts nothing."""
    odd = an_outcome(cost_usd=-3, estimate=Estimate(low_usd=-2, high_usd=-1, basis="listed"))
    bill = bill_of(odd)
    assert bill is not None
    assert (bill.amount, bill.listed) == (0, None)


def test_a_claim_names_what_is_reserved_for_it() -> None:
    """By its month, its run and its key; what the run has not reserved has no name."""
    assert RESERVED.name_of(KEY) == f"2026-11/run/{KEY}"
    assert RESERVED.name_of("b" * 32) is None


def test_the_top_of_each_estimate_is_reserved() -> None:
    """Nothing for what the ledger knows already, and nothing yet for what is unpriced."""
    priced = VideoModel(id="a/film", pricing_skus={"duration_seconds": "0.1"}, supported_durations=[4, 8])
    unknown = VideoModel(id="a/unknown", supported_durations=[4])
    run = parse_run_request(prompt="p", models=["a/film", "a/unknown"], takes=2)
    plan = plan_run(run, Catalog(models=(priced, unknown)))
    plan = plan.model_copy(update={"known": frozenset({("a/film", 1)})})
    keys = {(model.model, take): f"{model.model} {take}" for model, take in plan.videos}
    assert to_reserve(plan, keys) == {"a/film 2": 800_000, "a/unknown 1": 0, "a/unknown 2": 0}


def test_what_failed_is_billed_as_what_it_is() -> None:
    """If the provider names a cost for it; the kind of the failure takes the place of the mode."""
    failed = an_outcome("failed", job_status="failed", failure="output_moderation")
    assert bill_of(failed) is None
    bill = bill_of(failed.model_copy(update={"cost_usd": 0.1}))
    assert bill is not None
    assert (bill.mode, bill.amount, bill.listed) == ("output_moderation", 100_000, None)


def test_what_was_reserved_and_not_needed_is_given_up() -> None:
    """Of extra takes that were not made; what this run has not reserved is another's."""
    reserved = RESERVED._replace(keys=frozenset({KEY, "e1", "e2"}))
    settled = settled_by_run(reserved, [an_outcome(cost_usd=0.1)], {}, unused=["e1", "e2", "not reserved"])
    assert sorted(settled.released) == ["run/e1", "run/e2"]
    assert [*settled.bills] == [f"run/{KEY}"]


@pytest.mark.parametrize(
    ("ended", "of_run", "extra", "given_up"),
    [
        (an_outcome(cost_usd=0.1), "run", LedgerEntry("e1", "free"), ["run/e1"]),
        (an_outcome("failed", job_status="failed", failure="provider"), "run", LedgerEntry("e1", "free"), ["run/e1"]),
        (an_outcome("failed", job_status="failed", failure="output_moderation"), "run", LedgerEntry("e1", "free"), []),
        # Given up by a person: its run may still hear that it was withheld, and send the next take.
        (an_outcome("failed"), "run", LedgerEntry("e1", "free"), []),
        (None, "run", LedgerEntry("e1", "free"), []),
        # Another run with the same key may count its takes otherwise; and what is claimed goes its own way.
        (an_outcome(cost_usd=0.1), "other", LedgerEntry("e1", "free"), []),
        (an_outcome(cost_usd=0.1), "run", an_entry("claimed")._replace(key="e1"), []),
        (an_outcome(cost_usd=0.1), "run", None, []),
    ],
)
def test_what_is_reserved_for_an_extra_take_is_given_up_with_the_end_of_the_take_before_it(
    ended: Outcome | None, of_run: str, extra: LedgerEntry | None, given_up: list[str]
) -> None:
    """Of a run that was killed, long before its time is over."""
    entry = an_entry("settled" if ended else "accepted", ended, f"{MONTH}/{of_run}/{KEY}")
    assert entry.claim is not None
    entry = entry._replace(claim=entry.claim.model_copy(update={"extra_keys": ("e1", "e2")}))
    hold = Hold(run="run", day="2026-11-26", until=NOW, videos={KEY: 200_000, "e1": 200_000})
    entries = {KEY: entry, **({"e1": extra} if extra else {}), "e2": LedgerEntry("e2", "free")}
    settled = settled_by_records(MONTH, Money(held=(hold,)), entries, NOW - timedelta(seconds=1))
    assert [name for name in settled.released if name != f"run/{KEY}"] == given_up
