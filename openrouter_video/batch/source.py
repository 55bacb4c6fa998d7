"""Reads a table of prompts from a file in any store, whole and within limits: CSV, JSON Lines or Parquet, by its name.

What the file as a whole is not, is refused here; what is wrong with one of its rows is told with all else.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from contextlib import closing
from pathlib import PurePosixPath
from typing import BinaryIO

from openrouter_video.batch.parquet_table import parse_parquet
from openrouter_video.batch.table import FIELD, Table
from openrouter_video.batch.text_tables import parse_csv, parse_json_lines
from openrouter_video.elision import redact_source
from openrouter_video.errors import ConfigurationError, Problem, RequestRefused, StorageError
from openrouter_video.stores import OptionsFor, Store, answered_in_time, no_options, open_store
from openrouter_video.text import clip, shown

__all__ = ["MOST_BYTES", "name_of_source", "read_table"]

MOST_BYTES = 64 * 2**20
"""Far more than 10,000 prompts have; a larger file is a table of something else."""

FORMATS = "CSV (.csv, .tsv), JSON Lines (.jsonl, .ndjson, .json) or Parquet (.parquet) by its name, with .gz if packed"
SPREADSHEET = re.compile(r"\.(xlsx?|xlsm|ods|numbers)$", re.IGNORECASE)
KINDS = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "csv"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "json"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
}
ABSENT = 404


def read_table(source: str, options_for: OptionsFor = no_options) -> Table:
    """Read the table at a path or an fsspec URL; blocks.

    Raises:
        RequestRefused: it cannot be read, is of no known format, too large, or no table; nothing was spent.
    """
    name = _name(source)
    packed = name.lower().endswith(".gz")
    kind = KINDS.get(PurePosixPath(name.lower().removesuffix(".gz")).suffix)
    title = clip(redact_source(source))
    if kind is None:
        hint = "; save the spreadsheet as CSV UTF-8" if SPREADSHEET.search(name) else ""
        raise _refused(f"the format of {title or 'a file without a name'} is not known{hint}; a table is {FORMATS}")
    try:
        content = _content(source, options_for, packed=packed)
    except (ConfigurationError, StorageError) as error:
        raise _refused(f"the table of prompts cannot be read. {error}") from None
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise _refused(f"{title} is empty; write a line with the names of columns, and a row for each prompt")
    if kind == "parquet":
        return parse_parquet(io.BytesIO(content), title)
    return (parse_csv if kind == "csv" else parse_json_lines)(_text(content, title), title)


def name_of_source(source: str) -> str:
    """Return the name of a file without its ending, by which its batch is called if it has no other name."""
    name = _name(source).removesuffix(".gz")
    return name.rpartition(".")[0] or name


def _name(source: str) -> str:
    """Return the last part of a path or URL; a query or a fragment is none of it."""
    path = re.split(r"[?#]", source)[0] if re.match(r"https?://", source, re.IGNORECASE) else source
    return path.rstrip("/").rpartition("/")[2]


def _content(source: str, options_for: OptionsFor, *, packed: bool) -> bytes:
    with closing(open_store(source, options_for(source))) as store, store.errors("read"):
        try:
            with store.session() as filesystem:
                info = answered_in_time(lambda: filesystem.info(store.root), store.url)
            if info["type"] != "file":
                kind = "a directory" if info["type"] == "directory" else "a pipe or a device"
                raise _refused(f"{store.url} is {kind}, not a file; name a table of prompts")
            if (info.get("size") or 0) > MOST_BYTES:
                raise _too_large(store, info["size"])
            with store.reading(through=True) as file:
                return _bounded(store, gzip.GzipFile(fileobj=file) if packed else file)
        except FileNotFoundError as error:
            # Whatever goes wrong over HTTP, its driver calls it a file that is not there.
            cause = error.__cause__ if store.url.startswith(("http:", "https:")) else None
            if cause is not None and getattr(cause, "status", None) != ABSENT:
                raise cause from None
            raise _refused(f"there is no table of prompts at {store.url}; check the path") from None
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise _refused(
                f"{store.url} is not a whole gzip file; leave .gz out of its name, or pack it again"
            ) from None


def _bounded(store: Store, file: BinaryIO | gzip.GzipFile) -> bytes:
    """Read no more than is allowed: the size that a store states may be old, and what is packed has another."""
    content = bytearray()
    while block := file.read(2**20):
        content += block
        if len(content) > MOST_BYTES:
            raise _too_large(store, len(content))
    return bytes(content)


def _too_large(store: Store, size: int) -> RequestRefused:
    allowed = f"a table of prompts may have {MOST_BYTES // 2**20} MiB; divide it into several batches"
    return _refused(f"{store.url} has {size / 2**20:,.0f} MiB or more, and {allowed}")


def _text(content: bytes, title: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refused(f"{title} is text in UTF-16; save it as UTF-8 (in Excel: CSV UTF-8)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        found = shown(content[error.start : error.start + 1])
        message = f"{title} is not text in UTF-8: line {line:,} has the byte {found}; save it as UTF-8"
        raise _refused(f"{message} (in Excel: CSV UTF-8)") from None


def _refused(message: str) -> RequestRefused:
    return RequestRefused([Problem(FIELD, message)])
