"""``ledger export``: one flat row per video, as JSON Lines, CSV or Parquet, on stdout or to a file in any store."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from typing import Literal

from openrouter_video.cli.export_rows import row_of
from openrouter_video.cli.ledger import open_ledger
from openrouter_video.cli.options import LedgerOptions
from openrouter_video.cli.target import folder_and_name
from openrouter_video.cli.terminal import Terminal, print_bytes
from openrouter_video.errors import ConfigurationError, Problem, RequestRefused
from openrouter_video.ledger import read_all
from openrouter_video.rows import Row, as_csv, as_json_lines, row_of_outcome
from openrouter_video.run import parquet_encoder, unreadable, why_unreadable
from openrouter_video.stores import open_store
from openrouter_video.text import printable

__all__ = ["Format", "export"]

Format = Literal["jsonl", "csv", "parquet"]


def export(place: LedgerOptions, to: str | None, form: Format, now: datetime) -> int:
    """Export a ledger; 1 if some of its records could not be read, which the rows say too, else 0.

    Raises:
        RequestRefused, ConfigurationError: if nothing can be written like this.
        LedgerError, StorageError: if the ledger cannot be read, or the file not be written.
    """
    encode, stderr = _encoder(form), Terminal(stderr=True)
    target = folder_and_name("to", "--to", to) if to is not None else None
    if target is None and form == "parquet" and sys.stdout.isatty():
        raise RequestRefused([Problem("to", "parquet is not text for a terminal; give --to FILE")])
    with open_ledger(place, stderr.announce) as ledger:
        reading = read_all(ledger)
    rows = [row_of(entry, now) for entry in reading.entries if entry.attempt > 0]
    rows += [row_of_outcome(unreadable(one.key, one.reason)) for one in reading.unreadable]
    if target is None:
        print_bytes(encode(rows))
    else:
        folder, name = target
        with closing(open_store(folder)) as store:
            store.write_bytes(name, encode(rows))
            where = store.url_of(name)
        stderr.announce(f"{len(rows):,} row{'s' * (len(rows) != 1)} of {printable(ledger.url)} in {printable(where)}")
    for one in reading.unreadable:
        stderr.announce(printable(f"{one.key}: {why_unreadable(one.reason)}"))
    return 1 if reading.unreadable else 0


def _encoder(form: Format) -> Callable[[Sequence[Row]], bytes]:
    encode = {"jsonl": as_json_lines, "csv": as_csv}.get(form) or parquet_encoder()
    if encode is None:
        cure = 'pip install "prefect-openrouter-video[parquet]"'
        raise ConfigurationError(f"What writes Parquet is not installed: {cure}. Or give --format csv or jsonl")
    return encode
