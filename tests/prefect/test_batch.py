"""Batches on a real Prefect engine: each video is paid once, whatever happens, and a second run says what it found."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest
from prefect import get_client
from prefect.settings import PREFECT_API_URL
from prefect.states import AwaitingRetry, Crashed

from flows import batch_videos
from flows.batch_production import name_of_batch
from openrouter_video.errors import RequestRefused, TooFewVideos
from openrouter_video.ledger import Ledger, read_marked
from openrouter_video.ledger.journal import Journal
from openrouter_video.ledger.portions import is_lump
from openrouter_video.ledger.reservations import ledger_key, run_token
from openrouter_video.outcome import Batch, Outcome
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run.limits import Limits, using_limits
from openrouter_video.run.manifest import read_manifest, write_manifest
from openrouter_video.run.progress import Progress, watching
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from tests.support.flow_processes import Errand, FlowProcess, environment_of, wait_until
from tests.support.waits import doze

pytestmark = pytest.mark.usefixtures("prefect_server")

GROK, WAN = "x-ai/grok-imagine-video", "alibaba/wan-3.0"
SMALL = VideoSettings(duration=2, resolution="480p")
QUICK = Limits(sleep=doze)

Row = Mapping[str, Any]


def write_table(path: Path, rows: Sequence[Row]) -> str:
    """Write a CSV; return its path as the flow takes it."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def orchids(*colours: str) -> list[Row]:
    """Rows with an id, a column that is only carried, and one that is called as a column of ours."""
    return [
        {"id": colour, "prompt": f"A {colour} orchid", "sku": f"S-{n}", "status": "draft"}
        for n, colour in enumerate(colours)
    ]


async def batch(limits: Limits = QUICK, **form: Any) -> Any:
    """The result of a batch of two models, or the error with which it failed."""
    with using_limits(limits):
        state = await batch_videos(**{"models": [GROK, WAN], "settings": SMALL, **form}, return_state=True)
    return await state.aresult(raise_on_failure=False)


def journal_of(output: Path) -> Journal:
    """The journal of a sandbox's money below an output."""
    return Journal(open_store(str(output / "_jobs")), sandbox=True)


async def test_a_second_run_makes_only_what_is_new_or_changed(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It says what it found; the manifest has what the table has now, and SQL joins it to the table."""
    table, output = tmp_path / "spring.csv", tmp_path / "videos"
    source = write_table(table, orchids("white", "red", "blue"))
    first = await batch(source=source, concurrency_per_provider={"x-ai": 1})
    assert isinstance(first, Batch)
    assert (first.batch, first.status, len(sandbox.charges)) == ("spring", "completed", 6)
    assert (first.rows_in_table, first.rows_new, first.rows_same, first.cost_usd) == (3, 3, 0, 0.6)
    assert {(one.row, one.row_id) for one in first.outcomes} == {(2, "white"), (3, "red"), (4, "blue")}
    store = open_store(str(output))
    paid = {**read_manifest(store, "spring")[0], "key": "paid", "row_id": "paid", "sandbox": False}
    write_manifest(store, "spring", [*read_manifest(store, "spring"), paid])
    again = await batch(source=source)
    assert (len(sandbox.charges), again.rows_same, again.cost_usd) == (6, 3, 0.0)
    # What was paid for stays where a sandbox makes the same batch.
    assert [row["key"] for row in read_manifest(store, "spring")][6:] == ["paid"]
    assert all(one.reused and one.url for one in again.outcomes)
    rows = [
        {**row, "prompt": f"{row['prompt']} at night"} if row["id"] == "red" else row for row in orchids("white", "red")
    ]
    # A new row above the others moves them: each keeps what its own row carries, and says where it stands now.
    third = await batch(source=write_table(table, [{**orchids("pink")[0], "sku": "S-9"}, *rows]))
    assert [(one.row, one.row_id) for one in third.outcomes[::2]] == [(2, "pink"), (3, "white"), (4, "red")]
    assert (third.rows_same, third.rows_changed, third.rows_new, third.rows_gone) == (1, 1, 1, 1)
    assert (len(sandbox.charges), third.cost_usd, third.reused_cost_usd) == (10, 0.4, 0.2)
    assert "rows since the last time: 1 as they were, 1 changed, 1 new" in caplog.text
    assert "made before and not in the table any more: blue" in caplog.text
    assert third.manifest_url == f"{(output / 'spring').as_uri()}/videos.jsonl"
    assert third.gallery_url == f"{(output / 'spring').as_uri()}/index.html"
    assert len(list(output.rglob("*.mp4"))) == 10
    with duckdb.connect() as database:
        for form in ("jsonl", "parquet"):
            query = f"""SELECT t.id, count(*), sum(m.cost_usd), any_value(m.source_status)
                FROM '{output}/spring/videos.{form}' m JOIN '{table}' t ON m.row_id = t.id AND m.sku = t.sku
                WHERE m.status = 'completed' GROUP BY ALL ORDER BY 1"""
            found = [
                (name, videos, round(usd, 2), status) for name, videos, usd, status in database.sql(query).fetchall()
            ]
            assert found == [(name, 2, 0.2, "draft") for name in ("pink", "red", "white")]


CHEAP = {"prompt": "An orchid"}


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (
            {"rows": [CHEAP, {"prompt": "", "duration": "long"}, {"prompt": "x", "model": "acme/unknown"}]},
            ["row 2, column prompt", "row 2, column duration", "row 3, column model", "no video model"],
        ),
        ({"rows": [CHEAP, {"prompt": "Another"}], "max_usd": 0.4}, ["ceiling of $0.40", "the first 1 of 2 rows"]),
        ({"rows": [CHEAP], "concurrency_per_provider": {"x-ai": 0}}, ["0 videos of x-ai at the same time"]),
        ({"rows": [CHEAP], "path_template": "../{model}"}, ["'..'"]),
        ({"source": "nowhere.csv"}, ["no table of prompts"]),
        ({}, ["either its file as source, or its rows"]),
    ],
    ids=["every problem of every row", "ceiling", "concurrency", "path", "no file", "no table"],
)
async def test_a_batch_is_refused_as_a_whole(sandbox: Sandbox, form: dict[str, Any], words: list[str]) -> None:
    """Nothing is sent, and everything that is wrong is told at once."""
    refused = await batch(batch="spring", **form)
    assert isinstance(refused, RequestRefused)
    assert not [word for word in words if word not in str(refused)], refused
    assert not sandbox.charges


@pytest.mark.parametrize(
    ("name", "source", "rows", "expected"),
    [
        (None, "s3://bucket/spring.csv", None, "spring"),
        ("summer", "spring.csv", None, "summer"),
        ("summer", None, [], "summer"),
    ],
)
def test_the_name_of_a_batch(name: str | None, source: str | None, rows: object, expected: str) -> None:
    """That of its file, if it has no other."""
    assert name_of_batch(name, source, rows) == expected


@pytest.mark.parametrize(
    ("name", "source", "rows", "expected"),
    [
        (None, None, [CHEAP], "rows need a name"),
        ("summer", "spring.csv", [CHEAP], "not both"),
        ("summer", None, None, "either its file as source, or its rows"),
    ],
)
def test_no_batch_without_a_table_and_a_name(name: str | None, source: str | None, rows: object, expected: str) -> None:
    """Nobody can guess which table is meant, nor find videos again that have no name."""
    with pytest.raises(RequestRefused, match=expected):
        name_of_batch(name, source, rows)


def raise_price(sandbox: Sandbox, dearer: str) -> None:
    """Let the list of models name twice the price of one of them from now on."""
    listed = json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text())
    for model in listed["data"]:
        if model["id"] == dearer:
            model["pricing_skus"] = {sku: f"{float(price) * 2:f}" for sku, price in model["pricing_skus"].items()}
    sandbox.add_fault(Fault(on="models", status=200, body=listed, times=None))


@contextmanager
def at_the_end_of(number: int, act: Any) -> Iterator[None]:
    """Do something when so many videos have ended."""
    ends = 0

    def watch(step: Progress) -> None:
        nonlocal ends
        ends += step.stage == "ended"
        if step.stage == "ended" and ends == number:
            act()

    with watching(watch):
        yield


async def test_portions_pass_the_caps_as_one(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a batch is reserved before its first video; at the end nothing is, and each bill counts once."""
    monkeypatch.setenv("OPENROUTER_VIDEO_MAX_USD_PER_DAY", "0.8")
    journal, seen = journal_of(tmp_path / "videos"), list[tuple[int, int]]()

    def look() -> None:
        held = [ledger_key(name) for name in journal_of(tmp_path / "videos").money().reservations()]
        seen.append((sum(map(is_lump, held)), journal_of(tmp_path / "videos").money().taken()))

    rows = [{"prompt": f"Orchid {n}"} for n in range(8)]
    with at_the_end_of(1, look):
        made = await batch(QUICK._replace(portion=3, lanes=2), rows=rows, batch="b", models=[GROK])
    assert isinstance(made, Batch)
    assert (made.status, len(sandbox.charges), seen) == ("completed", 8, [(2, 800_000)])
    money = journal.money()
    assert (money.held, money.taken()) == ((), 800_000)
    kinds = [entry.kind for entry in journal.entries(journal.month)]
    assert kinds == ["reserve", "settle", "reserve", "settle", "reserve", "settle"]


async def test_a_portion_that_cannot_begin_ends_the_batch_there(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when its lump was taken for that of a dead run, and the cap is full: the rest is refused, for the next run."""
    form = {"rows": [{"prompt": f"Orchid {n}"} for n in range(6)], "batch": "b", "models": [GROK]}
    monkeypatch.setenv("OPENROUTER_VIDEO_MAX_USD_PER_DAY", "0.6")

    def take_it_away() -> None:
        journal = journal_of(tmp_path / "videos")
        journal.settle(journal.month, {}, [one for one in journal.money().reservations() if is_lump(ledger_key(one))])
        monkeypatch.setenv("OPENROUTER_VIDEO_MAX_USD_PER_DAY", "0.3")

    with at_the_end_of(2, take_it_away):
        few = await batch(QUICK._replace(portion=2), **form)
    assert isinstance(few, TooFewVideos)
    assert [one.status for one in few.outcomes] == ["completed"] * 2 + ["refused"] * 4
    assert "$0.10 of the cap of $0.30 a day are left" in (few.outcomes[2].error or "")
    monkeypatch.setenv("OPENROUTER_VIDEO_MAX_USD_PER_DAY", "0.6")
    rest = await batch(QUICK._replace(portion=2), **form)
    assert isinstance(rest, Batch)
    assert (rest.status, len(sandbox.charges), rest.rows_same) == ("completed", 6, 2)
    assert journal_of(tmp_path / "videos").money().held == ()


async def test_rows_that_are_left_out_are_never_silent(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """All other videos are there, and still it is not what the table asked for."""
    form: dict[str, Any] = {"rows": [CHEAP, {"prompt": ""}], "on_invalid_row": "skip"}
    with using_limits(QUICK):
        state = await batch_videos(**form, batch="b", models=[GROK], settings=SMALL, return_state=True)
    assert (state.name, state.is_completed(), len(sandbox.charges)) == ("Partial", True, 1)
    assert (state.message or "").endswith("; 1 of 2 rows were left out")
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [line for line in warned if line.startswith("left out: row 2, column prompt: the prompt is empty")]


async def test_a_portion_is_not_sent_at_a_price_that_nobody_has_allowed(sandbox: Sandbox) -> None:
    """The plan may be days old by then: what has become dearer is refused, and what has not is made."""
    rows = [{"prompt": f"Orchid {n}", "models": model} for n in range(2) for model in (GROK, WAN)]
    with at_the_end_of(2, lambda: raise_price(sandbox, WAN)):
        few = await batch(QUICK._replace(portion=2), rows=rows, batch="b", models=None)
    assert isinstance(few, TooFewVideos)
    assert [one.status for one in few.outcomes] == ["completed"] * 3 + ["refused"]
    assert "the list price of a video was up to $0.10 in the plan and is up to $0.20 now" in (
        few.outcomes[3].error or ""
    )
    assert len(sandbox.charges) == 3


async def test_what_a_collection_finishes_beside_a_batch_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch may go on for hours after it has left a job open; at its end it tells what is so by then."""
    output = tmp_path / "videos"
    with Sandbox(job_seconds=3600) as sandbox:
        for name, value in environment_of(sandbox, output).items():
            monkeypatch.setenv(name, value)

        def collect() -> None:
            ledger = Ledger(open_store(str(output / "_jobs")))
            (entry,) = [entry for entry in read_marked(ledger) if entry.state == "accepted"]
            made = Outcome(model=GROK, key=entry.key, status="completed", job_id=entry.job_id, cost_usd=0.1)
            ledger.settle(entry.key, made.model_copy(update={"made_at": datetime.now(UTC).isoformat()}))

        rows = [{"prompt": f"Orchid {n}"} for n in range(2)]
        with at_the_end_of(1, collect):
            few = await batch(rows=rows, batch="b", models=[GROK], concurrency=1, deadline_minutes=0.005)
    assert isinstance(few, TooFewVideos)
    assert [(one.status, one.reused, one.row) for one in few.outcomes] == [("completed", False, 1), ("open", False, 2)]
    assert [row["status"] for row in read_manifest(open_store(str(output)), "b")] == ["completed", "open"]


TABLE = [{"id": f"row-{n}", "prompt": "An orchid", "shelf": n % 7} for n in range(40)]
MODELS = [GROK, f"{GROK}-1.5", f"{GROK}-1.5-lite"]
VIDEOS = len(TABLE) * len(MODELS)


AT_ONCE = 12


def run_until_charged(sandbox: Sandbox, output: Path, number: int, process: FlowProcess) -> None:
    """Let jobs end until so many were charged; then wait until every place is taken by a job that does not end."""
    released: list[str] = []

    def enough() -> bool:
        # The first places fill by themselves.
        if AT_ONCE <= len(sandbox.charges) < number:
            released[:] = [charge.job_id for charge in sandbox.charges]
            for job_id in released:
                sandbox.release(job_id)
        return len(sandbox.charges) >= number

    def quiet() -> bool:
        claims, jobs, ends = (
            len(list((output / "_jobs").glob(f"*/{name}.json"))) for name in ("claim-1", "job-1", "outcome")
        )
        return claims == jobs == ends + AT_ONCE and ends == len(released)

    wait_until(enough, 120, what=lambda: process.output)
    wait_until(quiet, 120, what=lambda: process.output)


async def retry(run_id: UUID) -> None:
    """Do what Prefect's worker does for a process that died, and then what its button "Retry" does."""
    async with get_client() as client:
        await client.set_flow_run_state(run_id, Crashed(), force=True)
        await client.set_flow_run_state(run_id, AwaitingRetry(), force=True)


async def test_a_batch_that_is_killed_and_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed, retried and killed again, begun anew and stopped in good order, finished: each video is paid once."""
    source, output = write_table(tmp_path / "autumn.csv", TABLE), tmp_path / "videos"
    form = {
        "source": source,
        "models": MODELS,
        "settings": {"duration": 1, "resolution": "480p"},
        "concurrency": AT_ONCE,
    }
    with Sandbox(job_seconds=3600) as sandbox:
        environment = environment_of(sandbox, output)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        async with get_client() as client:
            dead = await client.create_flow_run(batch_videos, parameters=form)
        errand = Errand(form, tmp_path, PREFECT_API_URL.value() or "", environment, "batch_videos", portion=50)
        # In its first portion, in its second, and in the only one that is left: never where one ends and few jobs run.
        for number, (charged, run_id) in enumerate([(AT_ONCE, str(dead.id)), (80, str(dead.id)), (100, None)]):
            with FlowProcess(errand._replace(folder=tmp_path / f"{number}", flow_run_id=run_id)) as process:
                await asyncio.to_thread(run_until_charged, sandbox, output, charged, process)
                process.send(signal.SIGKILL if run_id else signal.SIGTERM)
                code = await asyncio.to_thread(process.wait)
            if run_id:
                assert code == -signal.SIGKILL, process.output
                await retry(dead.id)
        assert "These jobs go on in the sandbox, and nothing is billed:" in process.output
        assert len(read_manifest(open_store(str(output)), "autumn")) >= charged - 2 * AT_ONCE
        left = [name.split("/") for name in journal_of(output).money().reservations()]
        assert {run for run, key in left if is_lump(key)} == {run_token(str(dead.id))}
        assert AT_ONCE <= sum(run != run_token(str(dead.id)) for run, _ in left) < 2 * AT_ONCE
        finishing = asyncio.create_task(batch(Limits(sleep=doze, portion=50), **form))
        while not finishing.done():
            sandbox.release()
            await asyncio.sleep(0.05)
        result = await finishing
    assert isinstance(result, Batch), result
    assert (result.status, len(result.outcomes), result.rows_same + result.rows_new) == ("completed", VIDEOS, 40)
    assert result.rows_same >= (charged - 2 * AT_ONCE) // len(MODELS)
    assert Counter(charge.session_id for charge in sandbox.charges) == Counter(one.key for one in result.outcomes)
    assert len(sandbox.charges) == VIDEOS
    with duckdb.connect() as database:
        query = f"SELECT shelf::INT, count(DISTINCT key) FROM '{output}/autumn/videos.parquet' GROUP BY 1 ORDER BY 1"
        assert database.sql(query).fetchall() == [(n, 18 if n < 5 else 15) for n in range(7)]
