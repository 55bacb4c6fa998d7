"""What others have brought to an end while a run went on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openrouter_video.ledger import Ledger
from openrouter_video.outcome import Outcome, OutcomeStatus
from openrouter_video.run.conclusions import GONE
from openrouter_video.run.ended_elsewhere import ended_elsewhere
from openrouter_video.stores import open_store
from tests.support.claims import claim_on

BEGAN = datetime(2026, 11, 26, 10, tzinfo=UTC)
KEY = "a" * 32


@pytest.mark.parametrize(
    ("minutes", "was", "error", "status", "paid_by", "found"),
    [
        (5, "open", None, "completed", "own", [("completed", False)]),
        (5, "open", None, "failed", "own", [("failed", False)]),
        (5, "open", None, "completed", "other", [("completed", True)]),
        # By a collection on a machine whose clock is behind.
        (-5, "open", None, "completed", "own", [("completed", False)]),
        # Made before: that it is open again is what the run itself has found, since its file is gone.
        (-15, "open", None, "completed", "own", []),
        (-5, "open", f"x.mp4 {GONE}", "completed", "own", []),
        (5, "refused", None, "completed", "own", []),
    ],
)
def test_what_a_run_left_open_is_told_as_it_is_at_its_end(
    tmp_path: Path,
    minutes: int,
    was: OutcomeStatus,
    error: str | None,
    status: OutcomeStatus,
    paid_by: str,
    found: list[tuple[str, bool]],
) -> None:
    """By the ledger, where a collection beside the run writes it."""
    ledger = Ledger(open_store(str(tmp_path)))
    claim = claim_on(KEY, at=BEGAN.isoformat(), run_id=paid_by, output="s3://videos", path="b/x.mp4", row=9)
    assert ledger.claim(1, claim)
    ledger.record_job(KEY, 1, "job")
    left = [
        Outcome(model="a/b", key=KEY, status=was, row=3, error=error),
        Outcome(model="a/c", key="b" * 32, status="open"),
    ]
    assert ended_elsewhere(ledger, left, BEGAN, "own") == []
    made = (BEGAN + timedelta(minutes=minutes)).isoformat(timespec="milliseconds")
    ledger.settle(KEY, Outcome(model="a/b", key=KEY, status=status, job_id="job", made_at=made))
    ended = ended_elsewhere(ledger, left, BEGAN, "own")
    assert [(one.status, one.reused) for one in ended] == found
    assert {one.row for one in ended} <= {3}
