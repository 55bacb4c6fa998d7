"""Values that mean harm: no path leaves the store, nothing is markup, no terminal is steered, nothing breaks."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from prefect import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
    TaskRunFilter,
    TaskRunFilterFlowRunId,
)
from prefect.settings import PREFECT_API_URL

from blocks import load_credentials, load_store
from flows import collect_videos, generate_video
from openrouter_video.api.answers import read_content, read_poll, read_submit
from openrouter_video.api.catalog import Catalog, parse_catalog
from openrouter_video.api.client import VideoClient
from openrouter_video.cli import main
from openrouter_video.cli.report import print_report
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.cli.video_lines import VideoLine, plain_line
from openrouter_video.errors import (
    ConfigurationError,
    KeyConflict,
    LedgerError,
    Problem,
    RequestRefused,
    StorageError,
    TooFewVideos,
    VideoError,
)
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.records import Claim, JobRecord, LedgerEntry, scope_of_key, scope_of_run
from openrouter_video.outcome import FanOut, LeftOut, Outcome, summary
from openrouter_video.planning.plan import plan_videos
from openrouter_video.report import plan_lines, plan_text, table_rows
from openrouter_video.request.request import parse_request
from openrouter_video.request.settings import VideoSettings
from openrouter_video.run.conclusions import outcome_of
from openrouter_video.run.facts import Facts, found
from openrouter_video.run.limits import Limits, using_limits
from openrouter_video.run.polling import Step
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from openrouter_video.text import LONGEST_MESSAGE, clip, printable, printable_json
from openrouter_video.videos.paths import numbered_path, video_path

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 23, tzinfo=UTC)
GROK, VEO = "x-ai/grok-imagine-video", "google/veo-3.1-lite"
SMALL = VideoSettings(duration=1, resolution="480p")

HOSTILE = {
    "up and away": "../../../../etc/passwd",
    "absolute": "/etc/passwd",
    "backslashes": "..\\..\\windows",
    "a forged line": "fine\nrefused: everything is lost",
    "carriage return": "fine\rnot fine",
    "windows lines": "a\r\nSet-Cookie: b",
    "NUL": "a\0b",
    "colour": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "one-byte escape": "\x9b31mred",
    "bell": "ding\x07dong\x08",
    "rich": "[red]x[/red] [link=https://evil.example]y[/link] [/] :boom:",
    "markdown": "**b** [x](javascript:alert) | a | b |\n|--|--|\n# title",
    "HTML": "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "right to left": "video\u202egpj.4pm",
    "isolate": "\u2066a\u2069\u200b\ufeff",
    "separators": "a\u2028b\u2029c\x85d",
    "format": "%s %n {0} {claim.key} ${HOME} $(id) `id`",
    "long": "long " * 2048,
    "half a pair": "a\ud800b",
    "undecodable": os.fsdecode(b"caf\xe9"),
    "tags": "\U000e0041\U000e0042",
    "emoji": "🎬👩\u200d👩\u200d👧 ünïcödé 漢字",
}
EVERY = pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
TEXTS = {name: text for name, text in HOSTILE.items() if not re.search("[\0\ud800-\udfff]", text)}
WORDS = {name: text for name, text in HOSTILE.items() if name != "half a pair"}  # which no command line can hold
EVERY_WORD = pytest.mark.parametrize("hostile", WORDS.values(), ids=WORDS.keys())
EVERY_TEXT = pytest.mark.parametrize("hostile", TEXTS.values(), ids=TEXTS.keys())


def is_safe(text: str) -> bool:
    """Whether a terminal shows every character of a text, and none does anything."""
    return all(character.isprintable() or character == "\n" for character in text)


def is_line(text: str) -> bool:
    """Whether a text is one line that does nothing."""
    return text.isprintable()


def attempt(work: Callable[..., T], refusal: type[VideoError]) -> T | None:
    """Do it, or have it refused with a message that is safe to print."""
    try:
        return work()
    except refusal as error:
        said = str(error)
    assert is_safe(said)
    return None


def unpainted(text: str) -> str:
    """What a terminal shows of rich's own colours: the one kind of sequence that may come, never from a value."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# ---- The few functions through which all text goes -------------------------------------------------------------------


@EVERY
def test_text_becomes_a_line(hostile: str) -> None:
    """Short for messages, or whole; what is harmless stays as it is."""
    assert is_line(clip(hostile))
    assert len(clip(hostile)) <= LONGEST_MESSAGE
    assert is_line(printable(hostile))
    assert len(printable(hostile)) == len(hostile)
    assert printable("ünïcödé 漢字 🎬 [red]") == "ünïcödé 漢字 🎬 [red]"


@EVERY
def test_a_document_keeps_its_meaning(hostile: str) -> None:
    """JSON for people and machines: nothing but lines on the terminal, and the same value when it is read."""
    shown = printable_json(json.dumps({hostile: [hostile]}, indent=1, ensure_ascii=False))
    assert is_safe(shown)
    assert json.loads(shown) == {hostile: [hostile]}


@EVERY
@pytest.mark.parametrize("kind", [ConfigurationError, KeyConflict, LedgerError, StorageError, VideoError])
def test_an_error_is_a_line(hostile: str, kind: type[VideoError]) -> None:
    """In a log's traceback, in the state of a run and on a terminal: no value makes a second one."""
    assert is_line(str(kind(f"there is no {hostile}")))
    assert is_line(repr(kind(hostile)))


@EVERY
def test_each_problem_is_a_line(hostile: str) -> None:
    """A refusal has as many lines as problems."""
    refused = RequestRefused([Problem(hostile, hostile, hostile), Problem("b", hostile)])
    assert is_safe(str(refused))
    assert len(str(refused).split("\n")) == 2
    assert is_line(repr(refused))


# ---- Paths and keys --------------------------------------------------------------------------------------------------


@EVERY
def test_a_video_stays_in_its_folder(hostile: str, tmp_path: Path) -> None:
    """Whatever prompt and model are called, the path is a folder and a file inside the store."""
    store = open_store(str(tmp_path / "store"))
    for prompt, model in ((hostile, GROK), ("p", hostile), (hostile, f"{hostile}/{hostile}")):
        path = numbered_path(video_path(prompt, "0123abcd", model, take=2), 2, 1)
        assert re.fullmatch(r"[a-z0-9-]+-0123abcd/[A-Za-z0-9][A-Za-z0-9._-]*\.mp4", path)
        assert ".." not in path
        assert all(len(part) <= 200 for part in path.split("/"))
        store.write_bytes(path, b"x")
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert all(file.resolve().is_relative_to(tmp_path / "store") for file in files)


@EVERY
def test_a_key_is_hexadecimal(hostile: str) -> None:
    """Whatever names a run, its ledger's folders are 32 digits, different for different names."""
    keys = {
        scope_of_key(hostile).key(GROK, 1),
        scope_of_key("a").key(hostile, 1),
        scope_of_run(hostile, {"prompt": hostile}).key(GROK, 1),
    }
    assert len(keys) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", key) for key in keys)
    assert re.fullmatch(r"[0-9a-f]{8}", scope_of_key(hostile).short)


@EVERY
def test_a_path_inside_a_store_leads_nowhere_else(hostile: str, tmp_path: Path) -> None:
    """A record that somebody has altered cannot make collect write or read elsewhere."""
    (tmp_path / "secret").write_bytes(b"secret")
    store = open_store(str(tmp_path / "store"))
    for path in (hostile, f"a/{hostile}", f"{hostile}/../secret", "../secret", "a/../../secret"):
        inside = attempt(lambda path=path: store.path(path), StorageError)
        assert inside is None or Path(os.path.normpath(inside)).is_relative_to(tmp_path / "store")
    with pytest.raises(StorageError):
        store.read_bytes("../secret")


@EVERY
def test_a_place_is_a_place_or_an_error(hostile: str, tmp_path: Path) -> None:
    """A folder may have an odd name, as people's folders do; what no record can hold is refused."""
    store = attempt(lambda: open_store(f"{tmp_path}/{hostile[:200]}"), ConfigurationError)
    if store is not None:
        assert not re.search(r"[\0-\x1f\x7f-\x9f]", store.url)
        store.url.encode()
    with pytest.raises(ConfigurationError) as refused:
        open_store(f"s4://{hostile}/x")
    assert is_line(str(refused.value))


@EVERY
async def test_no_block_has_such_a_name(hostile: str) -> None:
    """Prefect puts the name into a URL; none of these gets there, so that none leads to another block."""
    for load in (load_credentials, load_store):
        with pytest.raises(ConfigurationError, match="there is no OpenRouter") as refused:
            await load(f"{hostile}/x?y")
        assert is_line(str(refused.value))
        assert len(str(refused.value)) < 1000


@EVERY
def test_a_base_url_is_one_or_an_error(hostile: str) -> None:
    """What httpx would choke on is told before anything is sent."""
    for url in (hostile, f"https://openrouter.ai/{hostile}", f"https://{hostile}/api/v1"):
        client = attempt(lambda url=url: VideoClient(None, url), ConfigurationError)
        assert client is None or is_line(client.base_url)
        assert is_line(repr(client))


# ---- Requests and plans ----------------------------------------------------------------------------------------------


def _refused_or_sendable(**given: Any) -> None:
    request = attempt(lambda: parse_request(**{"prompt": "p", **given}), RequestRefused)
    if request is not None:
        json.dumps(request.asked(), ensure_ascii=False, allow_nan=False).encode()


@EVERY
def test_a_request_is_refused_or_can_be_sent(hostile: str) -> None:
    """In every field, as value and as name: what UTF-8 cannot hold is refused with its name, all else is sent as is."""
    _refused_or_sendable(prompt=f"p {hostile}")
    _refused_or_sendable(settings={"resolution": hostile, "user": hostile, "trace": {hostile: [hostile]}})
    _refused_or_sendable(settings={hostile: 1})
    _refused_or_sendable(settings={"first_frame": hostile, "callback_url": hostile, "size": hostile})
    _refused_or_sendable(settings={"input_references": [{"type": hostile, "url": hostile}]})
    _refused_or_sendable(provider_options={hostile: {hostile: {hostile: [hostile]}}})
    _refused_or_sendable(provider_options={"xai": {"parameters": {hostile: hostile}, hostile: "other"}})
    _refused_or_sendable(provider_options=hostile)
    _refused_or_sendable(provider_slugs={hostile: hostile})
    _refused_or_sendable(on_unsupported=hostile)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"prompt": "an\0orchid"}, "NUL character"),
        ({"prompt": "an \ud800 orchid"}, "prompt cannot be written as JSON"),
        ({"settings": {"user": "\udc80"}}, "user"),
        ({"provider_options": {"xai": {"\ud800": 1}}}, r"option '\\ud800' for 'xai' cannot be written as JSON"),
        ({"provider_options": {"xai": {"a": {"\ud800": 1}}}}, "option 'a' for 'xai' cannot be written as JSON"),
        ({"provider_slugs": {"\ud800": "xai"}}, "provider_slugs cannot be written as JSON"),
    ],
    ids=["NUL", "prompt", "setting", "option", "inside an option", "slug"],
)
def test_what_is_no_text_is_refused_by_name(given: dict[str, Any], said: str) -> None:
    """Before anything is spent; a prompt with half a surrogate pair or a NUL means nothing to anybody."""
    with pytest.raises(RequestRefused, match=said):
        parse_request(**{"prompt": "p", **given})


def _hostile_catalog(hostile: str) -> Catalog:
    lists = ["supported_resolutions", "supported_aspect_ratios", "supported_sizes", "supported_frame_images"]
    words = {name: [hostile, "720p"] for name in (*lists, "allowed_passthrough_parameters")}
    entry = {"id": "a/b", "name": hostile, "canonical_slug": hostile, "supported_durations": [4], **words}
    priced = entry | {"pricing_skus": {hostile: "1"}}
    return parse_catalog({"data": [priced, {"id": hostile, "supported_durations": [4]}, {"id": hostile * 2}]})


@EVERY_TEXT
@pytest.mark.parametrize("policy", ["fallback", "drop", "skip", "fail"])
def test_a_plan_is_shown_line_by_line(hostile: str, policy: str) -> None:
    """In the log and on the terminal: every line begins as ours do, and the body is the JSON that will be sent."""
    options = {"*": {hostile: hostile, "fine": 1}, hostile: {hostile: 1}}
    slugs = {"a/b": hostile, hostile: "other"}
    request = parse_request(f"p {hostile}", {"resolution": "720p"}, options, policy, slugs)
    plan = plan_videos(request, ["a/b"], _hostile_catalog(hostile))
    assert is_safe(plan_text(plan_lines(plan)))
    ours = re.compile(r"(refused: |warning: |nothing is sent|a/b: |in all: |  )")
    assert all(ours.match(line) for line in plan_text(plan_lines(plan)).split("\n"))
    body = re.search(r"^  \{\n.*?^  \}$", plan_text(plan_lines(plan)), re.MULTILINE | re.DOTALL)
    if body is not None:
        assert json.loads(body[0]) == plan.models[0].sent


@EVERY
def test_refusals_of_a_plan_are_lines(hostile: str) -> None:
    """Unknown models, values that a model lacks, and a hostile list of what there is."""
    catalog = _hostile_catalog(hostile)
    request = parse_request(
        "p", {"resolution": "1080p", "aspect_ratio": "x", "duration": 5, "first_frame": "https://a"}
    )
    plan = plan_videos(request, [hostile, "a/b", "a/b", "a/c"], catalog, takes=0, min_success=99)
    assert plan.refused
    assert is_safe(plan_text(plan_lines(plan)))
    assert is_safe(str(RequestRefused(plan.problems)))
    assert len(str(RequestRefused(plan.problems)).split("\n")) == len(plan.problems)


# ---- Answers of the API ----------------------------------------------------------------------------------------------


def _bodies(hostile: str) -> list[bytes]:
    error = {"code": 400, "message": hostile, "metadata": {"reasons": [hostile, 1], "reason": hostile}}
    documents: list[Any] = [
        {"error": error},
        {"success": False, "error": {"name": "ZodError", "message": json.dumps([{"path": [hostile], "message": 1}])}},
        {"error": hostile, "id": "", "status": hostile},
        {"id": hostile, "status": "failed", "error": hostile},
        {"id": hostile, "status": "completed", "error": {"message": hostile}, "expires_at": hostile},
        {"status": "completed", "unsigned_urls": [hostile], "urls": hostile, "usage": {"cost": hostile}},
        hostile,
        [hostile],
    ]
    return [*(json.dumps(one).encode() for one in documents), hostile.encode("utf-8", "surrogatepass")]


@EVERY
@pytest.mark.parametrize("status", [200, 202, 400, 402, 403, 429, 503])
def test_an_answer_is_read_whatever_it_says(hostile: str, status: int) -> None:
    """Its words become lines, its id stays an id that can be recorded and asked for, and nothing is an exception."""
    for body in _bodies(hostile):
        submitted = read_submit(status, {"retry-after": hostile}, body, NOW)
        assert is_line(submitted.reason)
        if submitted.job_id is not None:
            record = JobRecord(at="now", job_id=submitted.job_id).model_dump_json()
            assert JobRecord.model_validate_json(record).job_id == submitted.job_id
        polled = read_poll(status, {"retry-after": hostile}, body, NOW, "id")
        assert is_line(polled.reason or "")
        if polled.job is not None:
            accepted = found(LedgerEntry("k", "accepted", job_id="id"))
            outcome = outcome_of(Facts("m", submitted=accepted, step=Step("done", job=polled.job)), NOW)
            assert not polled.job.unsuccessful or is_line(outcome.error or "")
            outcome.model_dump_json()
        assert is_line(read_content(status, {"retry-after": hostile}, body, NOW).reason)


@EVERY
async def test_a_hostile_id_asks_only_for_itself(hostile: str) -> None:
    """The URL of a job is below the base URL's, one part long, and its headers are those of one request."""
    with Sandbox(job_seconds=0) as sandbox:
        client = VideoClient(sandbox.api_key, sandbox.base_url)
        answer = read_submit(202, {}, json.dumps({"id": hostile}).encode(), NOW)
        assert answer.job_id is not None
        assert (await client.get_job(answer.job_id)).hopeless
        with pytest.raises(VideoError) as refused, client.content(answer.job_id) as chunks:
            list(chunks)
        await client.aclose()
        assert is_line(str(refused.value))
        assert len(sandbox.requests) == 2
        assert all(seen.path.startswith("/api/v1/") for seen in sandbox.requests)


# ---- Reports ---------------------------------------------------------------------------------------------------------


def _hostile_outcome(hostile: str, status: Any = "open") -> Outcome:
    return Outcome(
        model=hostile,
        key="k",
        status=status,
        job_id=hostile,
        url=f"file:///{hostile}",
        extra_urls=(hostile,),
        sent={"provider": {"options": {hostile: {hostile: 1, "parameters": {hostile: 2}}}}},
        left_out=(LeftOut(key=hostile, reason=hostile, suggestion=hostile),),
        notes=(hostile,),
        error=hostile,
    )


@EVERY
def test_a_table_has_plain_cells(hostile: str) -> None:
    """Prefect's table shows a cell as text; the line above it is markdown, so that no value gets there."""
    outcomes = [_hostile_outcome(hostile), _hostile_outcome(hostile, "completed")]
    rows = table_rows(outcomes)
    assert all(is_line(cell) for row in rows for cell in row.values() if isinstance(cell, str))
    assert all(isinstance(cell, str | int | float) for row in rows for cell in row.values())
    assert re.fullmatch(r"[\w ,$.]+", summary(outcomes))


@EVERY
@pytest.mark.parametrize("colours", [False, True])
def test_a_terminal_shows_values_as_they_are(
    hostile: str, colours: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report, a line of news and a document: no sequence of theirs arrives, and markup is only text."""
    monkeypatch.setenv("FORCE_COLOR" if colours else "NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    outcome = _hostile_outcome(hostile)
    asked = {"prompt": hostile, "models": [hostile], "settings": {hostile: hostile}}
    result = FanOut(status="failed", asked=asked, problems=(hostile,), outcomes=(outcome,))
    print_report(Terminal(), result)
    shown = capsys.readouterr().out
    assert is_safe(unpainted(shown))
    assert colours or is_safe(shown)
    if hostile.startswith(("[red]", "<img")):
        assert hostile in unpainted(shown)
    line = VideoLine(hostile, 1, "waiting", job_id=hostile, outcome=outcome)
    assert is_line(plain_line(line, 0.0))
    assert is_line(plain_line(line._replace(outcome=None), 0.0))
    print_json({"asked": asked, "error": hostile})
    document = capsys.readouterr().out
    assert is_safe(document)
    assert json.loads(document) == {"asked": asked, "error": hostile}


# ---- Through the whole flow ------------------------------------------------------------------------------------------


def names_in(folder: Path) -> list[str]:
    """The names of everything in a folder."""
    return [path.name for path in folder.rglob("*")]


class Ear(logging.Handler):
    """Hears the lines of Prefect's run loggers, tracebacks with them."""

    def __init__(self) -> None:
        super().__init__(0)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line as a console would show it."""
        self.lines.append(self.format(record))


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Listen to Prefect at DEBUG."""
    heard, logger = Ear(), logging.getLogger("prefect")
    level = logger.level
    logger.addHandler(heard)
    logger.setLevel(logging.DEBUG)
    yield heard
    logger.removeHandler(heard)
    logger.setLevel(level)


async def _no_wait(_: float) -> None:
    return


ALL_TOGETHER = " ".join(TEXTS.values())


async def _generate(**given: Any) -> tuple[Any, Any]:
    with using_limits(Limits(sleep=_no_wait)):
        given = {"prompt": ALL_TOGETHER, "model": GROK, "settings": SMALL, **given}
        state = await generate_video(**given, return_state=True)
    return state, await state.aresult(raise_on_failure=False)


async def _shown_by_prefect(run_id: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """Everything that Prefect's pages show of a run: names, messages, the log; and the cells of its table."""
    async with get_client() as client:
        run = await client.read_flow_run(run_id)
        tasks = await client.read_task_runs(
            task_run_filter=TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[run_id]))
        )
        ours = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
        artifacts = await client.read_artifacts(artifact_filter=ours)
        logs = await client.read_logs(log_filter=LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id])))
    texts = [run.name, str(run.state and run.state.message), *(task.name for task in tasks)]
    texts += [artifact.description or "" for artifact in artifacts]
    rows = [row for artifact in artifacts if artifact.type == "table" for row in json.loads(str(artifact.data))]
    return [*texts, *(log.message for log in logs)], rows


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("answer", ["id", "failed", "content", "moderation", "uncertain"])
async def test_a_run_among_hostile_values(sandbox: Sandbox, ear: Ear, tmp_path: Path, answer: str) -> None:
    """Prompt, options, key and answers mean harm at once: the run ends in order, in its folder, and shows only text."""
    faults = {
        "id": Fault(on="submit", accepted=True, body={"id": ALL_TOGETHER}, status=202),
        "failed": Fault(on="poll", body={"status": "failed", "error": ALL_TOGETHER}, status=200),
        "content": Fault(on="content", body={"error": {"message": ALL_TOGETHER}}, status=410, times=6),
        "moderation": Fault(
            on="submit", status=403, body={"error": {"message": ALL_TOGETHER, "metadata": {"reasons": [ALL_TOGETHER]}}}
        ),
        "uncertain": Fault(on="submit", accepted=True, status=503, body=ALL_TOGETHER),
    }
    sandbox.add_fault(faults[answer])
    options = {"*": {ALL_TOGETHER: ALL_TOGETHER}}
    state, result = await _generate(provider_options=options, idempotency_key=ALL_TOGETHER)
    assert isinstance(result, TooFewVideos)
    (outcome,) = result.outcomes
    expected = {"failed": "failed", "moderation": "refused", "uncertain": "uncertain"}
    assert outcome.status == expected.get(answer, "open")
    assert is_line(outcome.error or "")
    assert sandbox.charges == () or sandbox.charges[0].body["prompt"] == ALL_TOGETHER.strip()
    with using_limits(Limits(sleep=_no_wait)):
        collected = await collect_videos()
    assert [one.status for one in collected] == {
        "id": ["open"],
        "content": ["completed"],
        "uncertain": ["uncertain"],
    }.get(answer, [])
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names_in(tmp_path))
    texts, rows = await _shown_by_prefect(state.state_details.flow_run_id)
    assert len(texts) > 5
    assert len(rows) == 1
    assert all(is_safe(text) for text in texts), [text for text in texts if not is_safe(text)]
    assert all(is_line(cell) for row in rows for cell in row.values() if isinstance(cell, str))
    assert len(ear.lines) > 10
    assert all(is_safe(line) for line in ear.lines), [line for line in ear.lines if not is_safe(line)]


@pytest.mark.usefixtures("prefect_server")
async def test_a_prompt_that_is_no_text_is_refused_by_the_flow(sandbox: Sandbox) -> None:
    """A NUL by our own words; half a surrogate pair by Prefect, which cannot even create the run. Nothing is sent."""
    _, result = await _generate(prompt="an\0orchid")
    assert isinstance(result, RequestRefused)
    assert "NUL" in str(result)
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        await _generate(prompt="an \ud800 orchid")
    assert sandbox.charges == ()
    assert sandbox.requests == ()


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("name", ["credentials", "store"])
async def test_a_block_that_is_no_name_is_refused_by_the_flow(sandbox: Sandbox, name: str) -> None:
    """Nothing is sent, and the state's message is one line."""
    state, result = await _generate(**{name: f"../../{ALL_TOGETHER}"})
    assert isinstance(result, ConfigurationError)
    assert is_line(state.message)
    assert sandbox.requests == ()


# ---- Through the command ---------------------------------------------------------------------------------------------


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Run the command with words; its exit code and all that it says, which must be safe."""
    monkeypatch.setattr(logging, "raiseExceptions", False)

    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(list(words))
        out, err = capsys.readouterr()
        # Tables for other programs have tabs between their columns.
        assert is_safe(out.replace("\t", "")), out
        assert is_safe(err), err
        assert "Traceback" not in out + err
        if "--json" in words:
            json.loads(out)
        return code, out + err

    return run


@EVERY_WORD
def test_the_command_takes_hostile_words(
    hostile: str, command: Callable[..., tuple[int, str]], sandbox: Sandbox, tmp_path: Path
) -> None:
    """In every place of a command line: an answer or a refusal, and neither steers the terminal."""
    options = json.dumps({"*": {hostile: hostile}})
    request = ("--model", GROK, "--duration", "1", "--resolution", "480p")
    for words in ((f"p {hostile}", *request), ("p", *request, "--provider-options", options, "--json")):
        assert command("plan", *words)[0] in {0, 2}
    for refused in (
        ("--model", hostile),
        (*request, "--user", hostile, "--provider-options", hostile),
        (*request, "--provider-options", json.dumps({hostile: {hostile: 1}})),
        (*request, "--provider-slug", hostile, "--first-frame", f"{tmp_path}/{hostile}"),
        (*request, f"--{hostile}", hostile),
        (*request, "--takes", hostile),
        (*request, "--on-unsupported", hostile),
    ):
        assert command("plan", "p", *refused, "--json")[0] == 2
    assert command("generate", "p", *request, "--deadline", hostile)[0] == 2
    assert command("models", hostile)[0] == 2
    assert command(hostile)[0] == 2
    assert command("ledger", "settle", hostile, "--abandon", "--output", str(tmp_path))[0] == 2
    assert command("ledger", "settle", "--job", hostile)[0] == 2
    assert sandbox.charges == ()


@EVERY
def test_the_command_shows_a_hostile_list_of_models(
    hostile: str, command: Callable[..., tuple[int, str]], sandbox: Sandbox
) -> None:
    """Ids that are none are named as unreadable; what else the API says of a model is only text."""
    lists = {"supported_resolutions": [hostile], "allowed_passthrough_parameters": [hostile]}
    entry = {"id": "a/b", "name": hostile, "supported_durations": [4], **lists}
    body = {"data": [entry, {"id": hostile}]}
    sandbox.add_fault(Fault(on="models", status=200, body=json.loads(json.dumps(body)), times=None))
    assert command("models")[0] == 0
    assert command("models", "--json")[0] == 0
    assert command("plan", "p", "--model", "a/b", "--resolution", "x")[0] == 2


@EVERY
def test_the_command_shows_a_hostile_ledger(
    hostile: str, command: Callable[..., tuple[int, str]], sandbox: Sandbox, tmp_path: Path
) -> None:
    """Records that a look-alike API or another writer has spoilt: they are listed as text, and settle nothing else."""
    hostile = hostile.encode("utf-8", "replace").decode()
    ledger = Ledger(open_store(str(tmp_path / "videos" / "_jobs")))
    claim = Claim(
        at="2026-11-23T00:00:00+00:00", key="a" * 32, model=hostile, take=1, asked={"prompt": hostile}, sent={},
        base_url=hostile, output=hostile, path=hostile, notes=(hostile,), store_block=hostile,
    )  # fmt: skip
    assert is_line(claim.title)
    ledger.claim(1, claim)
    ledger.record_job(claim.key, 1, hostile)
    ledger.claim(1, claim.model_copy(update={"key": "b" * 32}))
    ledger.doubt("b" * 32, 1, hostile)
    ledger.claim(1, claim.model_copy(update={"key": "c" * 32}))
    given_up = Facts.of_entry(LedgerEntry("c" * 32, "accepted", 1, claim, hostile))._replace(given_up=hostile)
    outcome = outcome_of(given_up, datetime.now(UTC))
    ledger.settle("c" * 32, outcome)
    for name in ("claim-01", f"claim-{'9' * 30}", "claim-\u0661", "job-x"):
        ledger.store.write_bytes(f"{'a' * 32}/{name}.json", b"{}")
    assert command("ledger", "list", "--all")[0] == 0
    assert command("ledger", "list", "--all", "--json")[0] == 0
    assert command("ledger", "settle", "a", "--abandon")[0] == 2
    assert command("ledger", "settle", "b", "--abandon")[0] == 0


@pytest.mark.usefixtures("prefect_server")
def test_a_verbose_command_shows_only_text(sandbox: Sandbox, tmp_path: Path) -> None:
    """A whole run in a process of its own, with Prefect's log at DEBUG: no byte of it steers a terminal."""
    sandbox.add_fault(Fault(on="submit", accepted=True, body={"id": f"id {ALL_TOGETHER}"}, status=202))
    prompt = ALL_TOGETHER.replace("\0", "")
    options = json.dumps({"*": {ALL_TOGETHER: ALL_TOGETHER}})
    words = ["generate", prompt, "--model", GROK, "--duration", "1", "--resolution", "480p", "--verbose"]
    words += ["--provider-options", options, "--idempotency-key", prompt]
    environment = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value()), "PREFECT_LOGGING_LEVEL": "DEBUG"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "openrouter_video", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=120, check=False)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 1, err
    assert is_safe(out), out
    assert is_safe(err), err
    assert "Traceback" not in err
    assert "job" in out
