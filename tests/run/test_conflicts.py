"""Which videos of a plan need no money, since the ledger knows their jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openrouter_video.ledger import Ledger
from openrouter_video.money import Estimate
from openrouter_video.outcome import Outcome
from openrouter_video.run.conflicts import find_known
from openrouter_video.stores import open_store
from openrouter_video.threads import Threads
from tests.support.claims import claim_on

KEY = "a" * 32
ASKED = {"prompt": "p"}
CLAIM = claim_on(
    KEY,
    at="2026-11-26T12:00:00.000+00:00",
    model="a/film",
    asked=ASKED,
    sent=ASKED,
    path="x.mp4",
    shared=True,
    estimate=Estimate.of(100_000, 200_000, "listed"),
)


def recorded(ledger: Ledger, state: str) -> None:
    """Bring the key into a state."""
    if state == "unknown":
        return
    ledger.claim(1, CLAIM)
    if state == "free":
        ledger.release(KEY, 1, "HTTP 429")
    elif state == "uncertain":
        ledger.doubt(KEY, 1, "no answer")
    elif state in {"accepted", "settled"}:
        ledger.record_job(KEY, 1, "job")
    if state == "settled":
        ledger.settle(KEY, Outcome(model="a/film", key=KEY, status="completed", cost_usd=0.15))


@pytest.mark.parametrize(
    ("state", "paid"),
    [("unknown", None), ("free", None), ("claimed", None), ("uncertain", None), ("accepted", 0.2), ("settled", 0.15)],
)
async def test_what_may_still_be_sent_may_still_cost(tmp_path: Path, state: str, paid: float | None) -> None:
    """A claim may end in a refusal, and a doubt in a person's word that there is no job: the key is free then."""
    ledger = Ledger(open_store(str(tmp_path)))
    recorded(ledger, state)
    found = await find_known({KEY: ASKED}, ASKED, ledger, Threads())
    assert found[:3] == ((frozenset(), (), 0.0) if paid is None else (frozenset({KEY}), (), paid))
    assert found.entries == {KEY: ledger.entry(KEY)}


@pytest.mark.parametrize("asked", [{"prompt": "q"}])
async def test_a_key_for_another_request_is_a_problem(tmp_path: Path, asked: dict[str, Any]) -> None:
    """Whatever its state."""
    ledger = Ledger(open_store(str(tmp_path)))
    recorded(ledger, "claimed")
    (problem,) = (await find_known({KEY: asked}, asked, ledger, Threads())).problems
    assert problem.field == "idempotency_key"
