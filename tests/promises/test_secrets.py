"""No secret is in anything that a run writes: the main job and the failing rows, with canaries, searched everywhere."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import logging
import os
import pickle
import re
import secrets
import sqlite3
import subprocess
import sys
import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
import httpx
import pytest
from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.context import FlowRunContext, TaskRunContext
from prefect.events import emit_event
from prefect.logging.handlers import APILogHandler, PrefectConsoleHandler
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_RESULTS_LOCAL_STORAGE_PATH,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
)

from blocks import OpenRouterCredentials, VideoStore, load_credentials, load_store
from flows import collect_videos, fan_out_video, generate_video
from openrouter_video.api.client import Timeouts, VideoClient
from openrouter_video.api.endpoint import parse_api_key
from openrouter_video.cli import main
from openrouter_video.errors import ConfigurationError, TooFewVideos, VideoError
from openrouter_video.outcome import FanOut, Outcome
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run import open_resources
from openrouter_video.run.limits import Limits, current_limits, using_limits
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from tests.support.prefect_servers import serving_runs

# Prefect's own way to pickle what nothing else can; it has no types.
cloudpickle: Any = pytest.importorskip("cloudpickle")

ROOT = Path(__file__).resolve().parents[2]
GROK, GROK_LITE = "x-ai/grok-imagine-video", "x-ai/grok-imagine-video-1.5-lite"
SMALL = VideoSettings(duration=1, resolution="480p")
DRIVERS = ("httpx", "httpcore")

KEY = "sk-or-canary-5ca24005b740717ba4f3f6bc48a23070"
WRONG_KEY = "sk-or-mistaken-d96818095c050b2089351ea537cd2867"
STORE_SECRET = "canary-store-fa027fa66fe71336f9a51c2592da20ea"
SIGNATURE = "canary-signature-45a7c54c84f0cbde87f6c2f6d221058f"
PLANT = "planted-8084dc3803348aac9d7482add9296de5"

SIGNED_URL = f"https://storage.example/stored/video.mp4?expires=1&token={SIGNATURE}"


class Written(NamedTuple):
    """All that one series of runs left behind, as text, and what must not be in it."""

    surfaces: dict[str, list[str]]
    secrets: dict[str, str]
    statuses: dict[str, str]


# ---- Reading everything ----------------------------------------------------------------------------------------------


def unfolded(value: Any) -> Iterator[str]:
    """A value as text, and again for whatever is packed inside it: JSON, compression, base64."""
    if isinstance(value, bytes):
        yield value.decode("latin-1")
        for unpack in (gzip.decompress, zlib.decompress):
            with contextlib.suppress(OSError, EOFError, zlib.error):
                yield from unfolded(unpack(value))
    elif isinstance(value, str):
        yield value
        with contextlib.suppress(ValueError):
            if isinstance(packed := json.loads(value), dict | list | str):
                yield from unfolded(packed)
        if len(value) >= 24 and re.fullmatch(r"[A-Za-z0-9+/_=-]+", value):
            with contextlib.suppress(ValueError):
                yield from unfolded(base64.b64decode(value, validate=True))
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for part in pair for text in unfolded(part))
    elif isinstance(value, list | tuple):
        yield from (text for part in value for text in unfolded(part))


def database_texts() -> list[str]:
    """The server's database: its files byte by byte, its write-ahead log too, and every value of every row."""
    path = Path(str(PREFECT_SERVER_DATABASE_CONNECTION_URL.value()).partition("///")[2])
    texts = [file.read_bytes().decode("latin-1") for file in path.parent.glob(f"{path.name}*")]
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            for row in database.execute(f'select * from "{table}"'):
                texts += unfolded(row)
    return texts


def folder_texts(folder: Path) -> list[str]:
    """Every file of a folder."""
    return [text for file in folder.rglob("*") if file.is_file() for text in unfolded(file.read_bytes())]


def store_texts(url: str, options: dict[str, Any]) -> list[str]:
    """Every object of a store: videos, sidecars and the ledger's records, and their names."""
    filesystem, root = fsspec.url_to_fs(url, **options)
    names = filesystem.find(root)
    return [text for name in names for content in (name, filesystem.cat_file(name)) for text in unfolded(content)]


def exception_texts(error: BaseException | None, seen: set[int] | None = None) -> Iterator[str]:
    """An exception and all that hangs on it: its words, its fields, its pickles, its traceback."""
    seen = set() if seen is None else seen
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield from (repr(error), str(error), repr(error.args), repr(vars(error)))
    yield "".join(traceback.format_exception(error))
    for dumps in (pickle.dumps, cloudpickle.dumps):
        # Much of what drivers raise cannot be pickled, which keeps their secrets as well.
        with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
            yield from unfolded(dumps(error))
    for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        yield from exception_texts(other, seen)


class Ear(logging.Handler):
    """Hears every record at every level, as a line with its traceback, and keeps the exceptions."""

    def __init__(self) -> None:
        super().__init__(0)
        self.lines: list[str] = []
        self.exceptions: list[BaseException] = []
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.lines.append(self.format(record))
        if record.exc_info and record.exc_info[1] is not None:
            self.exceptions.append(record.exc_info[1])


class ToApi(APILogHandler):
    """Prefect's own handler, which would warn of every record that belongs to no run."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on what belongs to a run."""
        if FlowRunContext.get() or TaskRunContext.get():
            super().emit(record)


@contextlib.contextmanager
def everything_at_debug() -> Iterator[Ear]:
    """Listen to all loggers of this process at DEBUG, and send those of the drivers to Prefect's API as well."""
    # Prefect's console is left out for the time that it takes: the command prints it all.
    ear, to_api = Ear(), ToApi()
    console = [handler for handler in logging.root.handlers if isinstance(handler, PrefectConsoleHandler)]
    named = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    # It is switched off, and the API's: whoever serves a signed URL sees it.
    named = [one for one in named if one.name != "uvicorn.access"]
    drivers = [logging.getLogger(name) for name in DRIVERS]
    levels = {logger: logger.level for logger in (logging.root, *named, *drivers)}
    deaf = [logger for logger in (logging.root, *named) if logger is logging.root or not logger.propagate]
    for handler in console:
        logging.root.removeHandler(handler)
    for logger in levels:
        logger.setLevel(logging.DEBUG)
    for logger in deaf:
        logger.addHandler(ear)
    for logger in drivers:
        logger.addHandler(to_api)
    try:
        yield ear
    finally:
        for logger in deaf:
            logger.removeHandler(ear)
        for logger in drivers:
            logger.removeHandler(to_api)
        for handler in console:
            logging.root.addHandler(handler)
        for logger, level in levels.items():
            logger.setLevel(level)


# ---- The runs --------------------------------------------------------------------------------------------------------


class Broken(Exception):
    """Something that nobody foresaw."""


class Clock:
    """A monotonic clock that breaks at the n-th look at it."""

    def __init__(self, breaks_at: int | None = None) -> None:
        self.looks = 0
        self.breaks_at = breaks_at

    def __call__(self) -> float:
        """Return the time, or break."""
        self.looks += 1
        if self.looks == self.breaks_at:
            request = httpx.Request("POST", SIGNED_URL.partition("?")[0])
            raise Broken("a bug in the middle of a submission") from httpx.ReadError("gone", request=request)
        return time.monotonic()


async def _hurry(seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.02))


def _limits(clock: Callable[[], float] = time.monotonic) -> Limits:
    return Limits(sleep=_hurry, clock=clock)


def _envelope(status: int, message: str, **metadata: Any) -> Any:
    return {"error": {"code": status, "message": message, "metadata": metadata or None}}


def _rows() -> dict[str, list[Fault]]:
    """What goes wrong in each row; every answer that can repeats the key and a signed URL."""
    echo = f"<pre>Authorization: Bearer {KEY}\n{SIGNED_URL}</pre>"
    cut = f'{{"urls": ["{SIGNED_URL}"], "sta'
    return {
        "moderation": [
            Fault(on="submit", status=403, body=_envelope(403, f"Flagged {SIGNED_URL} {KEY}", reasons=[KEY]))
        ],
        "uncertain 503": [Fault(on="submit", status=503, accepted=True, body=echo)],
        "uncertain envelope": [Fault(on="submit", status=502, accepted=True, body=_envelope(502, echo))],
        "dropped submit": [Fault(on="submit", drop="after")],
        "no id": [Fault(on="submit", status=200, accepted=True, body={"urls": [SIGNED_URL], "seen": KEY})],
        "bad polls": [
            Fault(on="poll", drop="before"),
            Fault(on="poll", status=200, body=cut),
            Fault(on="poll", status=200, body=cut.replace("/", "\\/").replace("https", "HTTPS")),
            Fault(on="poll", status=500, body=echo),
            Fault(on="poll", status=200, body={"status": f"see {SIGNED_URL} {KEY}"}),
        ],
        "failed": [Fault(on="poll", status=200, body={"status": "failed", "error": f"{SIGNED_URL} {KEY}"})],
        "poll 401": [Fault(on="poll", status=401, body=_envelope(401, f"bad key {KEY}"))],
        "broken content": [
            Fault(on="content", mangle="cut_reset"),
            Fault(on="content", mangle="no_moov"),
            Fault(on="content", status=502, body=echo),
            Fault(on="content", drop="before"),
            Fault(on="content", status=200, body=echo),
        ],
        "content 410": [Fault(on="content", status=410, times=None, body=_envelope(410, f"gone: {SIGNED_URL} {KEY}"))],
        "rescued": [Fault(on="unsigned", status=404, times=None, body=_envelope(404, f"gone: {SIGNED_URL} {KEY}"))],
    }


COMMANDS_FAULT = Fault(on="submit", model=GROK_LITE, status=503, accepted=True, body=f"Bearer {KEY} {SIGNED_URL}")

EXPECTED = {
    "main job": "completed completed completed completed",
    "moderation": "refused",
    "uncertain 503": "uncertain",
    "uncertain envelope": "uncertain",
    "dropped submit": "uncertain",
    "no id": "uncertain",
    "bad polls": "completed",
    "failed": "failed",
    "poll 401": "open",
    "broken content": "open",
    "content 410": "open",
    "rescued": "completed",
    "wrong key": "refused",
    "a bug": "open",
    "no bucket": "ConfigurationError",
    "no server": "ConfigurationError",
    "credentials in the URL": "ConfigurationError",
    "password in the URL": "ConfigurationError",
    "collected": "completed completed completed uncertain uncertain uncertain uncertain",
    "collected on S3": "completed uncertain",
}


class Series:
    """The runs, one after the other, and what each of them gave."""

    def __init__(self, sandbox: Sandbox, other_sandbox: Sandbox, endpoint: str, folder: Path) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.other_sandbox = other_sandbox
        self.options = {"key": "canary", "secret": STORE_SECRET, "endpoint_url": endpoint}
        self.url = f"s3://canary-{secrets.token_hex(6)}/out"
        self.exceptions: list[BaseException] = []
        self.statuses: dict[str, str] = {}

    async def save_blocks(self) -> None:
        """Save the blocks, as a person does in Prefect's UI."""
        fsspec.filesystem("s3", **self.options).mkdir(self.url.split("/")[2])
        impatient = {"config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 1}}
        dead = {**self.options, **impatient, "endpoint_url": "http://127.0.0.1:9"}
        for name, url, options in (
            ("canary", self.url, self.options),
            ("no-bucket", "s3://no-such-canary/out", self.options),
            ("no-server", "s3://canary/out", dead),
        ):
            await VideoStore(base_url=url, storage_options=options).save(name, overwrite=True)
        for name, key, api in (
            ("canary", KEY, self.sandbox),
            ("mistaken", WRONG_KEY, self.sandbox),
            ("command", KEY, self.other_sandbox),
        ):
            await OpenRouterCredentials(api_key=key, base_url=api.base_url).save(name, overwrite=True)

    async def main_job(self) -> None:
        """A fan-out with options and takes, in a flow that fails afterwards and is retried."""
        results: list[FanOut] = []

        @flow(retries=1, persist_result=True)
        async def nightly() -> list[Any]:
            options = {"xai": {"moderation": "off"}, "*": {"watermark": False}}
            given: dict[str, Any] = {"settings": SMALL, "provider_options": options, "takes": 2}
            result = await fan_out_video(
                "An orchid", [GROK, GROK_LITE], store="canary", credentials="canary", concurrency=2, **given
            )
            results.append(result)
            if len(results) == 1:
                raise Broken("something later went wrong")
            return [outcome.model_dump(mode="json") for outcome in result.outcomes]

        with using_limits(_limits()):
            await nightly()
        assert len(results) == 2
        assert len(self.sandbox.charges) == 4
        self.note("main job", results[0].outcomes)

    async def row(self, name: str, faults: Iterable[Fault] = (), clock: Any = None, **given: Any) -> None:
        """One video with something in its way."""
        for fault in faults:
            self.sandbox.add_fault(fault)
        with using_limits(_limits(clock or time.monotonic)):
            given = {"output": str(self.folder), "credentials": "canary", "settings": SMALL, **given}
            state = await generate_video(f"An orchid, {name}", GROK, return_state=True, **given)
        self.sandbox.clear_faults()
        self.take(name, await state.aresult(raise_on_failure=False))

    async def unusable_stores(self) -> None:
        """Stores that cannot be written, by way of blocks and by way of the environment."""
        await self.row("no bucket", output=None, store="no-bucket")
        await self.row("no server", output=None, store="no-server")
        environment = pytest.MonkeyPatch()
        environment.setenv("OPENROUTER_VIDEO_OUTPUT", f"s3://AKIA:{STORE_SECRET}@bucket/videos")
        await self.row("credentials in the URL", output=None)
        environment.setenv("OPENROUTER_VIDEO_OUTPUT", f"sftp://someone:{STORE_SECRET}@127.0.0.1:9/videos")
        await self.row("password in the URL", output=None)
        environment.undo()

    async def collect(self) -> None:
        """What the rows left open is finished."""
        with using_limits(_limits()):
            self.note("collected", await collect_videos(output=str(self.folder), credentials="canary"))
            self.note("collected on S3", await collect_videos(store="canary", credentials="canary"))

    def note(self, name: str, outcomes: Iterable[Outcome]) -> None:
        """Remember what became of a run's videos."""
        self.statuses[name] = " ".join(sorted(outcome.status for outcome in outcomes))

    def take(self, name: str, result: Any) -> None:
        """Remember what a run gave, an error above all."""
        if isinstance(result, BaseException):
            self.exceptions.append(result)
        if isinstance(result, BaseException) and not isinstance(result, TooFewVideos):
            self.statuses[name] = type(result).__name__
        else:
            self.note(name, result.outcomes if isinstance(result, TooFewVideos) else result)

    def tokens(self) -> set[str]:
        """The tokens in the signed URLs that the sandbox gave away, by its own answers."""
        apis = (self.sandbox, self.other_sandbox)
        jobs = [f"{api.base_url}/videos/{charge.job_id}" for api in apis for charge in api.charges]
        answers = [httpx.get(job, headers={"Authorization": f"Bearer {KEY}"}).json() for job in jobs]
        return {httpx.URL(url).params["token"] for answer in answers for url in answer.get("urls", ())}


async def _public_texts(series: Series) -> tuple[list[str], list[BaseException]]:
    """How every public object shows itself, and what the edges raise without Prefect around them."""
    credentials, destination = await load_credentials("canary"), await load_store("canary")
    store: VideoStore = await VideoStore.aload("canary")
    texts = [text for value in (credentials, store, destination) for text in (repr(value), str(value))]
    errors = list[BaseException]()
    texts += [credentials.model_dump_json(), repr(store.model_dump()), store.model_dump_json()]
    client = credentials.get_client(Timeouts())
    async with open_resources(destination, client, current_limits()) as resources:
        public: list[Any] = [client, resources, resources.store, resources.ledger, resources.threads]
        public += [resources.submitter, resources.downloader, *vars(client).values()]
        texts += [text for one in public for text in (repr(one), str(one), f"{one}")]
        for fault in (Fault(on="content", drop="before"), Fault(on="content", mangle="cut_reset")):
            series.sandbox.add_fault(fault)
            try:
                with client.content(series.sandbox.charges[0].job_id) as chunks:
                    list(chunks)
            except VideoError as error:
                errors.append(error)
        series.sandbox.add_fault(Fault(on="submit", drop="after"))
        texts.append(repr(client.submit(b"{}", "session")))
        with pytest.raises(TypeError):
            cloudpickle.dumps(client)
    for url, options in (("s3://no-such-canary/x", series.options), (f"s3://a:{STORE_SECRET}@b/x", {})):
        try:
            open_store(url, options).read_bytes("a")
        except VideoError as error:
            errors.append(error)
    series.sandbox.clear_faults()
    return texts, errors


def _command(folder: Path) -> subprocess.Popen[str]:
    """Start the command with everything at DEBUG; one of its models meets an answer that repeats the key."""
    words = ["fan-out", f"An orchid, by the command {PLANT}", "--model", GROK, "--model", GROK_LITE, "--duration", "1"]
    words += ["--resolution", "480p", "--store", "canary", "--credentials", "command", "--verbose", "--json"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("OPENROUTER", "AWS"))},
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT_LOGGING_ROOT_LEVEL": "DEBUG",
        "PREFECT_LOGGING_EXTRA_LOGGERS": ",".join(DRIVERS),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(PREFECT_RESULTS_LOCAL_STORAGE_PATH.value()),
        "PYTHONPATH": str(ROOT),
    }
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", "openrouter_video", *words], cwd=folder, env=environment, **pipes)


async def _plant() -> None:
    """Write what the search must find into everything that a server keeps; it comes after all that was written before.

    A log's line and an event reach the database some time later, in order.
    """

    @flow
    async def planting() -> None:
        await acreate_table_artifact([{"cell": f"artifact {PLANT}"}], key="canary")
        get_run_logger().info("log %s", PLANT)
        logging.getLogger("httpcore").debug("driver %s", PLANT)
        emit_event("canary", resource={"prefect.resource.id": f"event {PLANT}"})

    await planting()


def _database_with_plants() -> list[str]:
    for _ in range(150):
        texts = database_texts()
        if all(any(f"{place} {PLANT}" in text for text in texts) for place in ("artifact", "log", "driver", "event")):
            return texts
        time.sleep(0.2)
    pytest.fail("Prefect's database never got what was planted in it, so that it cannot be searched")


async def _run(series: Series, folder: Path) -> tuple[list[str], list[str]]:
    await series.save_blocks()
    command = _command(folder)
    # Read from the beginning: a pipe that is full would stop the command in the middle of its check of the store.
    printing = asyncio.create_task(asyncio.to_thread(command.communicate))
    await series.main_job()
    for name, faults in _rows().items():
        await series.row(name, faults, **({"output": None, "store": "canary"} if name == "broken content" else {}))
    await series.row("wrong key", credentials="mistaken")
    await series.row("a bug", clock=Clock(breaks_at=2))
    await series.unusable_stores()
    public, errors = await _public_texts(series)
    series.exceptions += errors
    # The command has left a doubt in the ledger on S3 by then, whoever was quicker.
    printed = await printing
    await series.collect()
    series.statuses["command"] = str(command.returncode)
    await _plant()
    return public, list(printed)


@pytest.fixture(scope="module")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A server that keeps events as well, which must hold no secret either."""
    with serving_runs(tmp_path_factory.mktemp("prefect-server")):
        yield


@pytest.fixture(scope="module")
def written(prefect_server: None, s3_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    """Everything that the runs have written."""
    with (
        Sandbox(job_seconds=0, api_key=KEY) as sandbox,
        Sandbox(job_seconds=0, api_key=KEY, faults=[COMMANDS_FAULT]) as other_sandbox,
        everything_at_debug() as ear,
    ):
        series = Series(sandbox, other_sandbox, s3_server, tmp_path_factory.mktemp("videos"))
        public, printed = asyncio.run(_run(series, tmp_path_factory.mktemp("command")))
        results = Path(PREFECT_RESULTS_LOCAL_STORAGE_PATH.value())
        (results / "planted").write_text(json.dumps({"result": json.dumps({"packed": PLANT})}))
        fsspec.filesystem("s3", **series.options).pipe_file(f"{series.url}/planted", gzip.compress(PLANT.encode()))
        exceptions = [text for error in (*series.exceptions, *ear.exceptions) for text in exception_texts(error)]
        bearer = f"Bearer {KEY}"
        tokens = {f"token {n}": token for n, token in enumerate(sorted(series.tokens()))}
        database = _database_with_plants()
        yield Written(
            surfaces={
                "Prefect's database": database,
                "result storage": folder_texts(results),
                "logs": [*ear.lines],
                "store": [*store_texts(series.url, series.options), *folder_texts(series.folder)],
                "terminal": printed,
                "exceptions": exceptions,
                "public objects": public,
            },
            secrets={
                "key": KEY,
                "mistaken key": WRONG_KEY,
                "key as base64": base64.b64encode(KEY.encode()).decode().rstrip("="),
                "header as base64": base64.b64encode(bearer.encode()).decode().rstrip("="),
                "store's secret": STORE_SECRET,
                "signature": SIGNATURE,
                **tokens,
            },
            statuses=series.statuses,
        )


# ---- The search ------------------------------------------------------------------------------------------------------


def hits(texts: Iterable[str], needle: str) -> list[str]:
    """Where a secret stands, with some words around it."""
    return [text[max(0, text.index(needle) - 60) :][:200] for text in texts if needle in text]


def test_the_runs_were_those_that_were_meant(written: Written) -> None:
    """Every row ended as it should, or the search would prove nothing."""
    assert written.statuses == {**EXPECTED, "command": "1"}
    assert sum(name.startswith("token") for name in written.secrets) >= 10


@pytest.mark.parametrize(
    "surface",
    ["Prefect's database", "result storage", "logs", "store", "terminal", "exceptions", "public objects"],
)
def test_no_secret_is_in(written: Written, surface: str) -> None:
    """Neither a key, nor a store's secret, nor a signed URL's token, in whatever packing."""
    texts = written.surfaces[surface]
    assert texts
    assert {name: hits(texts, secret)[:3] for name, secret in written.secrets.items() if hits(texts, secret)} == {}


@pytest.mark.parametrize("kind", ["reserve", "settle"])
def test_the_money_journal_was_searched(written: Written, kind: str) -> None:
    """It lies in the store beside the records; ``spend`` and the exports say no more than stands there."""
    assert hits(written.surfaces["store"], f'"kind":"{kind}"')


# ---- The search can fail ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surface", ["Prefect's database", "result storage", "logs", "store", "terminal"])
def test_what_was_planted_is_found_in(written: Written, surface: str) -> None:
    """A canary of its own was written there on purpose, packed or plain, and the search sees it."""
    assert hits(written.surfaces[surface], PLANT)


@pytest.mark.parametrize(
    "packed",
    [
        f"Bearer {PLANT}",
        json.dumps({"a": [{"b": json.dumps(f"x {PLANT}")}]}),
        base64.b64encode(json.dumps({"a": PLANT}).encode()).decode(),
        gzip.compress(PLANT.encode()),
        zlib.compress(PLANT.encode()),
        pickle.dumps({"a": PLANT}),
        (1, None, {"a": (PLANT,)}),
    ],
    ids=["plain", "JSON in JSON", "base64", "gzip", "zlib", "pickle", "nested"],
)
def test_what_is_packed_is_found(packed: Any) -> None:
    """The search looks into what serializers make of a value."""
    assert hits(unfolded(packed), PLANT)


def test_a_key_in_a_hidden_request_is_found() -> None:
    """An exception of httpx keeps its request, with the header, and stays as the context of the one raised instead."""
    request = httpx.Request("GET", "https://openrouter.ai/", headers={"Authorization": f"Bearer {PLANT}"})
    error = VideoError("the download broke off")
    error.__context__ = httpx.ReadError("gone", request=request)
    error.__suppress_context__ = True
    assert hits(exception_texts(error), PLANT)
    error.__context__ = None
    assert not hits(exception_texts(error), PLANT)


# ---- Configuration that holds a secret -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [f"{KEY}\n{KEY}", f"{KEY} x", f"{KEY}é", f"{KEY}\x1b[31m", f"{KEY}\udc80"])
def test_a_key_that_cannot_be_sent_is_not_repeated(key: str) -> None:
    """The message says what is wrong with it, and nothing of it."""
    with pytest.raises(ConfigurationError) as refused:
        parse_api_key(key)
    assert not hits(exception_texts(refused.value), KEY)


@pytest.mark.parametrize(
    "url",
    [
        f"https://me:{KEY}@openrouter.ai/api/v1",
        f"https://openrouter.ai/api/v1?key={KEY}",
        f"http://me:{KEY}@[::1/x",
        KEY,
    ],
)
def test_a_base_url_with_a_secret_is_refused_without_it(url: str) -> None:
    """Also where the key itself was pasted into the wrong variable."""
    with pytest.raises(ConfigurationError) as refused:
        VideoClient(KEY, url)
    assert not hits(exception_texts(refused.value), KEY)


@pytest.mark.parametrize("url", [f"sftp://me:{STORE_SECRET}@host/videos", f"s3://AKIA:{STORE_SECRET}@bucket/videos"])
@pytest.mark.parametrize(
    "words",
    [
        ("collect", "--json"),
        ("ledger", "list", "--json"),
        ("generate", "p", "--model", GROK, "--duration", "1", "--resolution", "480p", "--json"),
    ],
    ids=["collect", "ledger", "generate"],
)
def test_the_command_refuses_a_url_with_a_secret(
    words: tuple[str, ...], url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Prefect could record it among a run's parameters; neither the message nor the document repeats it."""
    with Sandbox(job_seconds=0) as sandbox:
        monkeypatch.setenv("OPENROUTER_BASE_URL", sandbox.base_url)
        monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)
        assert main([*words, "--output", url]) == 2
    printed = capsys.readouterr()
    assert "carries credentials" in printed.err
    assert not hits(printed, STORE_SECRET)


def test_a_short_key_is_left_in_answers() -> None:
    """A stand-in's key of one letter may be a part of a job's id, which must never change."""
    with Sandbox(job_seconds=0, api_key="e") as sandbox:
        client = VideoClient("e", sandbox.base_url)
        body = {"model": GROK, "prompt": "An orchid", "duration": 1, "resolution": "480p"}
        answer = client.submit(json.dumps(body).encode(), "session")
        asyncio.run(client.aclose())
        assert answer.job_id == sandbox.charges[0].job_id
