"""The ledger as a table: one flat row per video, the same columns in every format, as JSON Lines or as CSV.

Pure. What is not flat (labels, the body that was sent) is a JSON text, so that the columns stay the same whatever
labels a team invents; DuckDB reads it as ``labels->>'team'`` in all formats.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from openrouter_video.ledger import Claim, LedgerEntry
from openrouter_video.outcome import Outcome
from openrouter_video.run import Facts, outcome_of
from openrouter_video.text import csv_line, printable_json

__all__ = ["COLUMNS", "Row", "as_csv", "as_json_lines", "row_of", "row_of_outcome"]

Row = dict[str, Any]

COLUMNS: Mapping[str, type] = {
    **dict.fromkeys(("key", "status", "model"), str),
    "take": int,
    **dict.fromkeys(("prompt", "labels"), str),
    **dict.fromkeys(("submitted_at", "made_at"), datetime),
    **dict.fromkeys(("elapsed_seconds", "cost_usd", "estimate_low_usd", "estimate_high_usd"), float),
    "estimate_basis": str,
    "sandbox": bool,
    **dict.fromkeys(("job_id", "other_job_ids", "run_id"), str),
    "duration_seconds": float,
    **dict.fromkeys(("width", "height", "bytes"), int),
    **dict.fromkeys(("sha256", "url", "extra_urls", "sidecar_url", "sent", "left_out", "notes", "error"), str),
    **dict.fromkeys(("base_url", "store_block", "credentials_block"), str),
}
"""What a row tells, in this order, and as what; a time is a text in ISO 8601, and what is not known is None."""


def row_of(entry: LedgerEntry, now: datetime) -> Row:
    """Return the row of a video, by all that its records tell at this moment."""
    outcome = outcome_of(Facts.of_entry(entry, now), now)
    return row_of_outcome(outcome, entry.claim, entry.other_job_ids)


def row_of_outcome(outcome: Outcome, claim: Claim | None = None, other_job_ids: Iterable[str] = ()) -> Row:
    """Return the row of a video by what became of it, and by what its claim tells besides."""
    told = {name: value for name, value in outcome.model_dump(mode="json").items() if name in COLUMNS}
    row: Row = dict.fromkeys(COLUMNS) | told
    if outcome.estimate:
        row |= {f"estimate_{name}": getattr(outcome.estimate, name) for name in ("low_usd", "high_usd", "basis")}
    if claim:
        row |= {"submitted_at": claim.at, "run_id": claim.run_id, "base_url": claim.base_url}
        row |= {"store_block": claim.store_block, "credentials_block": claim.credentials_block}
    if outcome.made_at is None:
        # It is how long somebody has waited by now, which is no fact of the video.
        row["elapsed_seconds"] = None
    row["notes"] = "; ".join(outcome.notes) or None
    row["other_job_ids"] = " ".join(other_job_ids) or None
    for name in ("labels", "extra_urls", "sent", "left_out"):
        row[name] = json.dumps(told[name], ensure_ascii=False) if told[name] or name == "labels" else None
    return row


def as_json_lines(rows: Iterable[Row]) -> bytes:
    """Return one JSON object per line."""
    return "".join(f"{printable_json(json.dumps(row, ensure_ascii=False))}\n" for row in rows).encode()


def as_csv(rows: Iterable[Row]) -> bytes:
    """Return a header and one record per row, with each text as it was recorded, whatever a spreadsheet makes of it."""
    records = [tuple(COLUMNS), *(tuple(_cell(value) for value in row.values()) for row in rows)]
    return "".join(f"{csv_line(record)}\n" for record in records).encode()


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
