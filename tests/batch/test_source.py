"""Files of prompts: any store, any of the formats, unpacked where they are packed, and never more than is allowed."""

from __future__ import annotations

import gzip
import io
import os
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from openrouter_video.batch import parquet_table, source
from openrouter_video.batch.source import name_of_source, read_table
from openrouter_video.errors import RequestRefused

ORCHID = {"prompt": "Ein Stück Orchidee", "duration": "4"}
CSV = "prompt,duration\nEin Stück Orchidee,4\n"


def pack(content: bytes) -> bytes:
    """The same packed, whenever it is done: these bytes name a test."""
    return gzip.compress(content, mtime=0)


def packed(table: pa.Table) -> bytes:
    """A Parquet file."""
    file = io.BytesIO()
    parquet.write_table(table, file)
    return file.getvalue()


def write(folder: Path, name: str, content: str | bytes) -> str:
    """A file, and its path."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", CSV),
        ("x.CSV", CSV.encode("utf-8-sig")),
        ("x.tsv", CSV.replace(",", "\t")),
        ("x.txt", CSV.replace(",", ";")),
        ("x.csv.gz", pack(CSV.encode("utf-8-sig"))),
        ("x.jsonl", '{"prompt": "Ein Stück Orchidee", "duration": "4"}'),
        ("x.json", '\ufeff[{"prompt": "Ein Stück Orchidee", "duration": "4"}]'),
        ("x.ndjson.gz", pack('{"prompt": "Ein Stück Orchidee", "duration": "4"}'.encode())),
        ("x.parquet", packed(pa.table({"prompt": ["Ein Stück Orchidee"], "duration": ["4"]}))),
        ("x.parquet.gz", pack(packed(pa.table({"prompt": ["Ein Stück Orchidee"], "duration": ["4"]})))),
    ],
)
def test_a_file_is_read_by_its_name(tmp_path: Path, name: str, content: str | bytes) -> None:
    """With a BOM or without, packed or not."""
    table = read_table(write(tmp_path, name, content))
    assert [dict(row.cells) for row in table.rows] == [ORCHID]
    assert table.source == str(tmp_path / name)
    assert name_of_source(str(tmp_path / name)) == "x"


def test_a_file_in_a_store_is_opened_with_its_options() -> None:
    """By its URL, with the options that are meant for it."""
    with fsspec.open("memory://tables/x.csv", "w", encoding="utf-8") as file:
        file.write(CSV)
    asked = []

    def options_for(url: str) -> Mapping[str, Any] | None:
        asked.append(url)
        return {"skip_instance_cache": True}

    assert read_table("memory://tables/x.csv", options_for).columns == ("prompt", "duration")
    assert asked == ["memory://tables/x.csv"]


def test_parquet_values_have_their_kinds(tmp_path: Path) -> None:
    """Numbers are numbers, what is missing is missing, and a date is a text."""
    columns: dict[str, list[Any]] = {"prompt": ["a", "b"], "seed": [1, None], "at": [pa.scalar(0, pa.date32()), None]}
    table = read_table(write(tmp_path, "x.parquet", packed(pa.table(columns))))
    assert [(row.number, dict(row.cells)) for row in table.rows] == [
        (1, {"prompt": "a", "seed": 1, "at": "1970-01-01"}),
        (2, {"prompt": "b", "seed": None, "at": None}),
    ]
    assert table.counted == "rows count from 1"


MANY = pa.table({"prompt": ["a"] * 10_001})
TWICE = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["prompt", "prompt"])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.csv", "", "x.csv is empty; write a line with the names of columns"),
        ("x.csv", "\ufeff \n\n", "x.csv is empty"),
        ("x.jsonl", "\ufeff\n", "x.jsonl is empty"),
        ("x.csv", "prompt,duration\n", "x.csv has no rows"),
        ("x.csv", CSV.encode("utf-16"), "x.csv is text in UTF-16; save it as UTF-8"),
        ("x.csv", CSV.encode("latin-1"), r"x.csv is not text in UTF-8: line 2 has the byte b'\\xfc'; save it as UTF-8"),
        ("x.csv.gz", CSV, "is not a whole gzip file; leave .gz out of its name"),
        ("x.csv.gz", pack(CSV.encode())[:-9], "is not a whole gzip file"),
        (
            "x.csv.gz",
            pack(bytes(65 * 2**20)),
            "x.csv.gz has 65 MiB or more, and a table of prompts may have 64",
        ),
        ("x.parquet", CSV, "x.parquet cannot be read as Parquet"),
        ("x.parquet", packed(MANY), "x.parquet has more than the 10,000 rows"),
        ("x.parquet", packed(MANY.slice(0, 0)), "x.parquet has no rows"),
        ("x.parquet", packed(TWICE), "x.parquet has the column 'prompt' 2 times"),
        ("x.xlsx", "", "the format of .*x.xlsx is not known; save the spreadsheet as CSV UTF-8; a table is CSV"),
        ("x", "", "the format of .*x is not known; a table is CSV"),
    ],
)
def test_what_is_no_table_is_refused_in_words(tmp_path: Path, name: str, content: str | bytes, words: str) -> None:
    """With what it should be, and what to do."""
    path = write(tmp_path, name, content)
    with pytest.raises(RequestRefused, match=words) as refused:
        read_table(path)
    assert {one.field for one in refused.value.problems} == {"source"}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "the format of a file without a name is not known"),
        ("/nowhere/x.csv", "there is no table of prompts at .*/nowhere/x.csv; check the path"),
        ("nosuch://x/y.csv", "the table of prompts cannot be read. No store is known by nosuch://"),
        ("https://u:secret@x.test/a.xlsx?sig=secret", "the format of https://"),
    ],
)
def test_what_is_not_there_is_refused_without_a_secret(url: str, words: str) -> None:
    """A URL may be signed."""
    with pytest.raises(RequestRefused, match=words) as refused:
        read_table(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "words"),
    [("404 Not Found", "there is no table of prompts at"), ("403 Forbidden", "Could not read"), ("", "Could not read")],
)
def test_a_server_that_refuses_a_table_is_not_one_without_it(status: str, words: str) -> None:
    """What it has answered is told, or that it cannot be reached."""
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()

    def serve() -> None:
        # A driver asks more than once, by HEAD and by GET.
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.csv"
        if status:
            threading.Thread(target=serve, daemon=True).start()
        else:
            listener.close()
        with pytest.raises(RequestRefused, match=words) as refused:
            read_table(url)
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    assert status.startswith("404") or (status or "can be reached").partition(" ")[2] in str(refused.value)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    """Even if it is called like one; nor is a pipe, for which one could wait without an end."""
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(RequestRefused, match=r"pipe\.csv is a pipe or a device, not a file; name a table of prompts"):
        read_table(str(tmp_path / "pipe.csv"))
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(RequestRefused, match=r"x\.csv is a directory, not a file; name a table of prompts"):
        read_table(str(tmp_path / "x.csv"))


def test_a_file_of_two_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """By its size alone; a sparse one, which takes no room."""
    with (tmp_path / "x.csv").open("wb") as file:
        file.truncate(2 * 2**30)
    with pytest.raises(RequestRefused, match=r"has 2,048 MiB or more, and a table of prompts may have 64 MiB"):
        read_table(str(tmp_path / "x.csv"))


def test_a_small_file_that_unpacks_into_a_large_table_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parquet holds what is the same once; the rows would not."""
    monkeypatch.setattr(parquet_table, "MOST_BYTES", 2**20)
    path = write(tmp_path, "x.parquet", packed(pa.table({"prompt": ["x" * 2**16] * 1000})))
    with pytest.raises(RequestRefused, match=r"x\.parquet has more than the 1 MiB that are allowed unpacked"):
        read_table(path)


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other formats need nothing."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RequestRefused, match=r"install the extra: pip install 'prefect-openrouter-video\[parquet\]'"):
        read_table(write(tmp_path, "x.parquet", b"PAR1"))
    assert read_table(write(tmp_path, "x.csv", CSV)).rows


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://bucket/team/orchids 2026.csv.gz", "orchids 2026"),
        ("https://x.test/a/orchids.jsonl?sig=a/b.csv#c", "orchids"),
        ("orchids.v2.parquet", "orchids.v2"),
        # Their format is not known, which is what is told.
        ("tables/orchids", "orchids"),
        (".csv", ".csv"),
    ],
)
def test_a_batch_is_called_like_its_file(url: str, name: str) -> None:
    """If it has no other name."""
    assert name_of_source(url) == name


def test_the_limit_is_what_is_documented() -> None:
    """64 MiB of text."""
    assert source.MOST_BYTES == 64 * 2**20
