"""``ledger export`` over a real ledger, read back by DuckDB, and the documentation's SQL."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from openrouter_video.cli import main
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.records import Claim
from openrouter_video.outcome import LeftOut, Outcome
from openrouter_video.rows import COLUMNS
from openrouter_video.run.video_files import write_outcome
from openrouter_video.stores import open_store
from tests.support.claims import claim_on
from tests.support.markdown import PAGES, examples

FILM, ADS, OPEN = (digit * 32 for digit in "123")
NASTY = '=1+1, "two"\nlines'

Export = Callable[..., tuple[int, bytes, str]]


def claim(key: str, prompt: str, team: str | None, *, sandbox: bool = False) -> Claim:
    """One submission."""
    return claim_on(
        key,
        at="2026-11-26T10:00:00.000+00:00",
        model="google/veo-3.1-lite",
        asked={"prompt": prompt},
        sent={"model": "google/veo-3.1-lite", "resolution": "720p"},
        output="videos",
        path=f"an-orchid-{key[:8]}/google--veo-3.1-lite.mp4",
        labels={"team": team} if team else {},
        sandbox=sandbox,
    )


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Two videos that are paid, one of the sandbox, and a job that still runs, below ./videos."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENROUTER_VIDEO_OUTPUT", "OPENROUTER_VIDEO_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    store = open_store("videos")
    ledger = Ledger(store.child("_jobs"))
    told: list[tuple[Claim, float | None]] = [
        (claim(FILM, NASTY, "film"), 0.12),
        (claim(ADS, "a rose", "ads"), 0.4),
        (claim("4" * 32, "a rose", "ads", sandbox=True), 7.0),
        (claim(OPEN, "a tulip", None), None),
    ]
    for one, cost in told:
        assert ledger.claim(1, one)
        ledger.record_job(one.key, 1, f"j{one.key[0]}")
        if cost is not None:
            outcome = Outcome(model=one.model, key=one.key, status="completed", cost_usd=cost, duration_seconds=4.0)
            left_out = (LeftOut(key="style", reason="not allowed", suggestion="stylize"),)
            outcome = outcome.model_copy(update={"sent": one.sent, "left_out": left_out, "elapsed_seconds": 60.0})
            write_outcome(store, one, outcome)
            ledger.settle(one.key, outcome)
    return ledger


@pytest.fixture
def export(capfdbinary: pytest.CaptureFixture[bytes]) -> Export:
    """Run the command; exit code, stdout as it is, and stderr."""

    def run(*words: str) -> tuple[int, bytes, str]:
        code = main(["ledger", "export", *words])
        out, err = capfdbinary.readouterr()
        assert b"Traceback" not in out + err
        return code, out, err.decode()

    return run


def rows(query: str) -> list[tuple[Any, ...]]:
    """What DuckDB answers."""
    with duckdb.connect() as database:
        return database.sql(query).fetchall()


TEAMS = "labels->>'team' AS team, count(*) AS videos, sum(cost_usd) AS usd"


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_one_query_reads_every_format(ledger: Ledger, export: Export, form: str) -> None:
    """The same columns, types and values, labels included; a text is what was recorded."""
    code, out, err = export("--format", form, "--to", f"out/videos.{form}")
    assert (code, out) == (0, b"")
    assert "4 rows of file:///" in err
    assert f"/out/videos.{form}" in err
    file = f"'out/videos.{form}'"
    assert rows(f"SELECT {TEAMS} FROM {file} WHERE NOT sandbox GROUP BY team ORDER BY usd") == [
        ("film", 1, 0.12),
        ("ads", 1, 0.4),
        (None, 1, None),
    ]
    assert rows(f"SELECT prompt, sent->>'resolution' FROM {file} WHERE key = '{FILM}'") == [(NASTY, "720p")]
    assert rows(f"SELECT epoch(made_at - submitted_at), status FROM {file} ORDER BY ALL NULLS LAST") == [
        *[(60, "completed")] * 3,
        (None, "open"),
    ]
    assert [name for name, *_ in rows(f"DESCRIBE FROM {file}")] == list(COLUMNS)


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_stdout_gets_the_same_bytes(ledger: Ledger, export: Export, form: str) -> None:
    """For a pipe."""
    export("--format", form, "--to", "file.out")
    code, out, err = export("--format", form)
    assert (code, err) == (0, "")
    assert out == Path("file.out").read_bytes()


def test_an_export_replaces_an_older_one(ledger: Ledger, export: Export) -> None:
    """Every night to the same place."""
    Path("videos.csv").write_text("older\n" * 1000)
    assert export("--format", "csv", "--to", "videos.csv")[0] == 0
    assert rows("SELECT count(*) FROM 'videos.csv'") == [(4,)]


def test_a_ledger_without_a_video_is_a_table_without_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, export: Export
) -> None:
    """Also one that is not there."""
    monkeypatch.chdir(tmp_path)
    for form in ("csv", "parquet"):
        assert export("--output", "none", "--format", form, "--to", f"videos.{form}")[0] == 0
        assert rows(f"SELECT count(*) FROM 'videos.{form}'") == [(0,)]
    assert export("--output", "none")[:2] == (0, b"")


def test_a_record_that_cannot_be_read_is_a_row(ledger: Ledger, export: Export) -> None:
    """And exit code 1: the rest is exported all the same."""
    (Path("videos/_jobs") / ADS / "outcome.json").unlink()
    (Path("videos/_jobs") / ADS / "outcome.json").mkdir()
    code, _, err = export("--to", "videos.jsonl")
    assert code == 1
    assert ADS in err
    ((status, error),) = rows(f"SELECT status, error FROM 'videos.jsonl' WHERE key = '{ADS}'")
    assert status == "open"
    assert "until then nothing is sent or fetched under this key" in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "out/"), "--to out/ names a folder; give the file too"),
        (("--to", "s3://bucket"), "--to s3://bucket names a folder"),
        (("--to", ".."), "--to .. names a folder"),
        (("--to", "memory://out/a.csv"), "ends with this command; give a lasting place"),
        (("--to", "s4://bucket/a.csv"), "Did you mean s3://"),
        (("--format", "xlsx"), "parquet"),
    ],
)
def test_where_nothing_can_be_written(ledger: Ledger, export: Export, words: tuple[str, ...], said: str) -> None:
    """A sentence and exit code 2."""
    code, out, err = export(*words)
    assert (code, out) == (2, b"")
    assert said in err


def test_parquet_without_its_extra_says_which(ledger: Ledger, export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what goes without."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, err = export("--format", "parquet", "--to", "a.parquet")
    assert code == 2
    assert 'pip install "prefect-openrouter-video[parquet]"' in " ".join(err.split())
    assert export("--format", "csv", "--to", "a.csv")[0] == 0


def test_a_terminal_is_not_steered(
    ledger: Ledger, export: Export, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A prompt may hold what a terminal obeys; Parquet is not for looking at."""
    ledger.claim(1, claim("5" * 32, "a\x1b[2J", "film"))
    assert b"\x1b" in export("--format", "csv")[1]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for form in ("csv", "jsonl"):
        out = export("--format", form)[1]
        assert b"\x1b" not in out
        assert out.count(b"\n") >= 5
    code, _, err = export("--format", "parquet")
    assert code == 2
    assert "give --to FILE" in err


# The command duckdb comes with no Python package, so that the shell's examples of it are run from here as well.
SQL = [example.code for page in PAGES for example in examples(page) if example.language == "sql"]
SQL += [query for page in PAGES for query in re.findall(r'duckdb -c "([^"]+)"', page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("code", SQL, ids=[f"block {number}" for number in range(1, len(SQL) + 1)])
def test_the_sql_of_the_documentation_runs(ledger: Ledger, export: Export, code: str) -> None:
    """As written, and each statement answers something."""
    export("--to", "videos.jsonl")
    statements = duckdb.extract_statements(code)
    assert statements
    for statement in statements:
        assert rows(statement.query)
