"""Videos as a table: one flat row per video, the same columns in every format, as JSON Lines or as CSV. Pure.

What is not flat (labels, the body that was sent) is a JSON text, so that the columns stay the same whatever
labels a team invents; DuckDB reads it as ``labels->>'team'`` in all formats.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from openrouter_video.elision import elide
from openrouter_video.outcome import Outcome
from openrouter_video.text import csv_line, printable_json

__all__ = [
    "COLUMNS",
    "SUBMITTED",
    "Row",
    "as_csv",
    "as_json_lines",
    "is_row",
    "outcome_of_row",
    "row_now",
    "row_of_outcome",
]

Row = dict[str, Any]

COLUMNS: Mapping[str, type] = {
    "key": str,
    "batch": str,
    "row": int,
    "row_id": str,
    **dict.fromkeys(("status", "model"), str),
    **dict.fromkeys(("take", "instead_of"), int),
    **dict.fromkeys(("prompt", "labels"), str),
    **dict.fromkeys(("submitted_at", "made_at"), datetime),
    **dict.fromkeys(("elapsed_seconds", "cost_usd", "estimate_low_usd", "estimate_high_usd"), float),
    "estimate_basis": str,
    "sandbox": bool,
    **dict.fromkeys(("job_id", "other_job_ids", "run_id"), str),
    "duration_seconds": float,
    **dict.fromkeys(("width", "height"), int),
    **dict.fromkeys(("has_audio", "c2pa"), bool),
    "bytes": int,
    **dict.fromkeys(("sha256", "url", "extra_urls", "sidecar_url", "poster_url", "checks"), str),
    **dict.fromkeys(("sent", "left_out", "notes", "error", "failure"), str),
    **dict.fromkeys(("base_url", "store_block", "credentials_block"), str),
}
"""What a row tells, in this order, and as what; a time is a text in ISO 8601, and what is not known is None."""


SUBMITTED = frozenset({"completed", "failed", "open", "uncertain"})
"""What a row says of a video of which something was sent, and may be paid for."""

_AS_JSON = ("labels", "extra_urls", "sent", "left_out")
_OF_ESTIMATE = ("low_usd", "high_usd", "basis")


def row_of_outcome(outcome: Outcome, carried: Mapping[str, Any] | None = None) -> Row:
    """Return the row of a video by what became of it; what only its claim tells is None.

    ``carried``: what a table of prompts told besides. It stands at the end, and as ``source_status`` where a column
    of ours is called ``status``; of URLs in it without their secrets, since a manifest is passed on.
    """
    told = {name: value for name, value in outcome.model_dump(mode="json").items() if name in COLUMNS}
    row: Row = dict.fromkeys(COLUMNS) | told
    if outcome.estimate:
        row |= {f"estimate_{name}": getattr(outcome.estimate, name) for name in _OF_ESTIMATE}
    if outcome.made_at is None:
        # It is how long somebody has waited by now, which is no fact of the video.
        row["elapsed_seconds"] = None
    row["notes"] = "; ".join(outcome.notes) or None
    row["checks"] = " ".join(outcome.checks) or None
    for name in _AS_JSON:
        row[name] = json.dumps(told[name], ensure_ascii=False) if told[name] or name == "labels" else None
    for name, value in (carried or {}).items():
        row[_free_name(name, row)] = elide(value)
    return row


def row_now(before: Row | None, outcome: Outcome, carried: Mapping[str, Any] | None = None) -> Row:
    """Return the row of a video after a run; one that sent nothing changes nothing of what was submitted before it."""
    if before and before.get("status") in SUBMITTED and outcome.status not in SUBMITTED:
        return before
    return row_of_outcome(outcome, carried)


def is_row(value: object) -> bool:
    """Whether a value is a row, with what each of our columns holds; somebody may have edited it."""
    return isinstance(value, dict) and all(_fits(value.get(name), kind) for name, kind in COLUMNS.items())


def _fits(value: object, kind: type) -> bool:
    if kind is bool or isinstance(value, bool):
        return value is None or (kind is bool and isinstance(value, bool))
    if kind is float:
        return value is None or isinstance(value, int | float)
    return value is None or isinstance(value, str if kind is datetime else kind)


def outcome_of_row(row: Mapping[str, Any]) -> Outcome | None:
    """Return what became of a video by its row, as far as that tells it; None for what is not the row of a video."""
    told = {name: value for name, value in row.items() if name in Outcome.model_fields and value is not None}
    try:
        told |= {name: json.loads(told[name]) for name in _AS_JSON if name in told}
        if "notes" in told:
            told["notes"] = [told["notes"]]
        told["checks"] = str(row.get("checks") or "").split()
        if row.get("estimate_basis") is not None:
            told["estimate"] = {name: row.get(f"estimate_{name}") for name in _OF_ESTIMATE}
        return Outcome.model_validate(told)
    except (ValidationError, ValueError, TypeError, RecursionError):
        return None


def _free_name(name: str, row: Row) -> str:
    while name in row:
        name = f"source_{name}"
    return name


def as_json_lines(rows: Iterable[Row]) -> bytes:
    """Return one JSON object per line; what is carried and is no value of JSON, such as a date, as a text."""
    return "".join(f"{printable_json(json.dumps(row, ensure_ascii=False, default=str))}\n" for row in rows).encode()


def as_csv(rows: Iterable[Row]) -> bytes:
    """Return a header and one record per row, with each text as it was recorded, whatever a spreadsheet makes of it.

    A column that only some rows have is empty in the others.
    """
    rows = list(rows)
    header = dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)])
    records = [tuple(header), *(tuple(_cell(row.get(name)) for name in header) for row in rows)]
    return "".join(f"{csv_line(record)}\n" for record in records).encode()


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
