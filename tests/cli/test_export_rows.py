"""The ledger as a table: what each row tells by all of its records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from openrouter_video.cli.export_rows import row_of
from openrouter_video.ledger.records import LedgerEntry
from openrouter_video.money import Estimate
from openrouter_video.outcome import LeftOut, Outcome
from openrouter_video.rows import COLUMNS
from tests.support.claims import claim_on

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
CLAIM = claim_on(
    "k1",
    at="2026-11-26T10:00:00.000+00:00",
    take=2,
    asked={"prompt": "an orchid"},
    sent={"model": "a/b", "resolution": "720p"},
    output="s3://videos",
    path="p.mp4",
    run_id="r1",
    credentials_block="film",
    labels={"team": "film"},
    batch="autumn",
    row=17,
    row_id="rose",
    estimate=Estimate(low_usd=0.1, high_usd=0.2, basis="listed"),
)
DONE = Outcome(
    model="a/b",
    take=2,
    key="k1",
    status="completed",
    job_id="j1",
    url="s3://videos/p.mp4",
    cost_usd=0.12,
    elapsed_seconds=61.5,
    sent=CLAIM.sent,
    left_out=(LeftOut(key="style", reason="not allowed"),),
    notes=("one", "two"),
)
KNOWN = {
    "key": "k1",
    "batch": "autumn",
    "row": 17,
    "row_id": "rose",
    "model": "a/b",
    "take": 2,
    "prompt": "an orchid",
    "labels": '{"team": "film"}',
    "submitted_at": "2026-11-26T10:00:00.000+00:00",
    "estimate_low_usd": 0.1,
    "estimate_high_usd": 0.2,
    "estimate_basis": "listed",
    "sandbox": False,
    "run_id": "r1",
    "sent": '{"model": "a/b", "resolution": "720p"}',
    "base_url": "https://openrouter.ai/api/v1",
    "credentials_block": "film",
}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (
            LedgerEntry("k1", "settled", 1, CLAIM, "j1", outcome=DONE, other_job_ids=("j0", "j2")),
            {
                "status": "completed",
                "made_at": "2026-11-26T10:01:01.500+00:00",
                "elapsed_seconds": 61.5,
                "cost_usd": 0.12,
                "job_id": "j1",
                "other_job_ids": "j0 j2",
                "url": "s3://videos/p.mp4",
                "left_out": '[{"key": "style", "reason": "not allowed", "suggestion": null}]',
                "notes": "one; two; accepted under the same key, and billed too: j0, j2",
            },
        ),
        (LedgerEntry("k1", "accepted", 1, CLAIM, "j1"), {"status": "open", "job_id": "j1"}),
        (LedgerEntry("k1", "free", 1, CLAIM, reason="HTTP 402"), {"status": "refused", "error": "HTTP 402"}),
    ],
    ids=["completed", "open", "refused"],
)
def test_a_row_tells_what_the_records_tell(entry: LedgerEntry, told: dict[str, Any]) -> None:
    """The outcome and the claim, flat; what is not known is None, in every row the same columns."""
    row = row_of(entry, NOW)
    assert list(row) == list(COLUMNS)
    assert {name: value for name, value in row.items() if value is not None} == KNOWN | told
