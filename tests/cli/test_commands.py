"""The command, run in this process against a sandbox on a real socket, its flows on a real Prefect engine."""

from __future__ import annotations

import importlib
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from openrouter_video.api.client import Timeouts
from openrouter_video.cli import main
from openrouter_video.cli.terminal import Terminal
from openrouter_video.ledger.journal import Journal
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.reservations import Caps
from openrouter_video.outcome import Outcome
from openrouter_video.run.limits import Limits, using_limits
from openrouter_video.sandbox import Fault, Sandbox
from openrouter_video.stores import open_store
from tests.support.claims import claim_on
from tests.support.terminals import ESCAPES

VEO, SEEDANCE, WAN, LONG = "google/veo-3.1-lite", "bytedance/seedance-2.0-mini", "alibaba/wan-3.0", "alibaba/wan-2.6"
SMALL = ("--duration", "4", "--resolution", "720p", "--aspect-ratio", "16:9", "--no-audio")
PROMPT = "A white orchid blooming"
A, B, C, D = (digit * 32 for digit in "abcd")


class Said(NamedTuple):
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        value: dict[str, Any] = json.loads(self.out)
        return value


Command = Callable[..., Said]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command with words and catch what it says."""
    # Prefect's log goes on writing to the stream of the test that imported it, which is closed by now.
    monkeypatch.setattr(logging, "raiseExceptions", False)

    def run(*words: str) -> Said:
        capsys.readouterr()
        code = main(list(words))
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Said(code, out, err)

    return run


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox whose jobs are done at once, as the environment's API; the current folder is empty."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENROUTER_VIDEO_OUTPUT", "OPENROUTER_VIDEO_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    with Sandbox(job_seconds=0.2) as running:
        monkeypatch.setenv("OPENROUTER_API_KEY", running.api_key)
        monkeypatch.setenv("OPENROUTER_BASE_URL", running.base_url)
        yield running


# ---- What needs no key ----------------------------------------------------------------------------------------------


def test_models_needs_no_key(command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list says of each model what it can be asked for, and a part of the name narrows it down."""
    monkeypatch.delenv("OPENROUTER_API_KEY")
    said = command("models", "VEO-3.1-lite")
    header, row = said.out.splitlines()
    assert header.split("\t") == ["model", "seconds", "resolutions", "ratios", "audio", "options", "price", "provider"]
    assert row.split("\t")[:5] == [VEO, "4, 6, 8", "720p 1080p", "16:9 9:16", "yes"]
    assert row.split("\t")[-2:] == ["$0.03-0.08/s", "google-vertex"]
    assert "negativePrompt" in row
    _, *rows = command("models").out.splitlines()
    assert len(rows) == 30
    assert rows == sorted(rows)
    (model,) = command("models", "google/*lite", "--json").document["models"]
    price = model["price_per_second"]
    assert (model["id"], price["low_usd"], price["high_usd"], price["basis"]) == (VEO, 0.03, 0.08, "listed")
    assert price["why"] == ["set resolution, generate_audio to narrow it"]


@pytest.mark.parametrize(("columns", "lines_each"), [(60, 2), (80, 2), (100, 1), (200, 1)])
def test_the_list_of_models_fits_a_terminal(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, columns: int, lines_each: int
) -> None:
    """A header, then a line per model from 100 columns on, two below; sorted, with the provider and the price."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(Terminal, "is_terminal", True)
    lines = [ESCAPES.sub("", line) for line in command("models").out.splitlines()]
    *table, by_input, more = lines
    assert max(map(len, table)) <= columns
    assert by_input.startswith("a video, an image: what a model needs")
    assert more.endswith("openrouter-video models NAME") or columns == 60
    rows = [" ".join(" ".join(table[n : n + lines_each]).split()) for n in range(0, 31 * lines_each, lines_each)]
    assert rows[0] == "model provider seconds resolution audio price a second"
    assert rows[1:] == sorted(rows[1:])
    assert "bytedance/seedance-2.0 seed 4-15 480p-4K yes $0.0355-2.39" in rows
    assert "minimax/hailuo-3-max minimax 5-15 480p-768p no $0.05-0.08" in rows
    assert "runway/aleph-2 runway a video - no unpriced" in rows
    assert "heygen/avatar-iv heygen an image 720p-1080p no unpriced" in rows


def test_of_a_few_models_all_is_listed(command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their options too, for the provider that takes them, which nobody takes for the setting of that name."""
    monkeypatch.setattr(Terminal, "is_terminal", True)
    lines = [ESCAPES.sub("", line) for line in command("models", "seedance-2.5").out.splitlines()]
    assert "    options for the provider seed: watermark req_key output_format" in lines
    assert "    ratios: 16:9 4:3 1:1 3:4 9:16 21:9" in lines


def test_models_without_a_match_names_the_nearest(command: Command, sandbox: Sandbox) -> None:
    """A pattern that fits nothing is a mistake, not an empty list."""
    said = command("models", "google/veo-3.1-litte", "--json")
    assert said.code == 2
    assert VEO in said.err
    assert said.document["status"] == "refused"


def test_a_ceiling_is_part_of_the_plan(command: Command, sandbox: Sandbox) -> None:
    """What does not pass it is refused, in the plan and in the run, and nothing is sent."""
    words = (PROMPT, "--model", VEO, *SMALL)
    assert command("plan", *words, "--max-usd", "0.12").code == 0
    for verb in ("plan", "generate"):
        said = command(verb, *words, "--max-usd", "0.11")
        assert said.code == 2
        assert "the run may cost up to $0.12, above its ceiling of $0.11" in said.out + said.err
    for wrong, why in (("5$", "not an amount of US dollars"), ("-1", "must be above 0"), ("nan", "must be above 0")):
        said = command("generate", *words, "--max-usd", wrong)
        assert (said.code, why in said.err) == (2, True), said.err
    assert not sandbox.charges


def test_without_a_terminal_nobody_is_asked(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal names the option that answers; the lowest of the amounts that are set holds."""
    words = ("generate", PROMPT, "--model", VEO, *SMALL)
    monkeypatch.setenv("OPENROUTER_VIDEO_APPROVE_ABOVE_USD", "0.1")
    planned = ("plan", *words[1:], "--approve-above-usd", "5")
    assert "above $0.10 (approve_above_usd) it needs somebody's yes." in command(*planned).out
    assert command(*planned, "--json").document["needs_approval"] is True
    said = command(*words, "--approve-above-usd", "5", "--json")
    assert (said.code, said.document["status"]) == (2, "refused")
    assert (
        "above $0.10 (approve_above_usd) it needs somebody's yes. There is no terminal to ask at; give --yes"
        in (said.document["problems"][0])
    )
    assert not sandbox.charges
    assert command(*words, "--yes").code == 0
    assert len(sandbox.charges) == 1
    monkeypatch.setenv("OPENROUTER_VIDEO_APPROVE_ABOVE_USD", "5$")
    said = command(*words)
    assert said.code == 2
    assert "OPENROUTER_VIDEO_APPROVE_ABOVE_USD is '5$'; it must be an amount of US dollars" in " ".join(
        said.err.split()
    )
    assert len(sandbox.charges) == 1


@pytest.mark.usefixtures("prefect_server")
def test_a_video_that_is_paid_for_passes_every_ceiling(command: Command, sandbox: Sandbox) -> None:
    """It costs nothing more; a further take of the same key is held to the ceiling."""
    words = ("generate", PROMPT, "--model", VEO, *SMALL, "--idempotency-key", "orchid")
    assert command(*words).code == 0
    again = command(*words, "--max-usd", "0.01")
    assert again.code == 0
    assert "sandbox $0.12 paid before" in again.out
    more = command(*words, "--max-usd", "0.01", "--takes", "2")
    assert (more.code, "may cost up to $0.12, above its ceiling of $0.01" in more.err) == (2, True), more.err
    assert len(sandbox.charges) == 1


def test_a_plan_knows_what_earlier_bills_said(command: Command, sandbox: Sandbox) -> None:
    """As the run does, from the ledger of this folder; so both hold the same estimate to the ceiling."""
    words = (PROMPT, "--model", WAN, *SMALL)
    before = command("plan", *words, "--max-usd", "0.5")
    assert (before.code, "above its ceiling of $0.50" in before.out) == (2, True), before.out
    assert command("generate", *words, "--max-usd", "0.85").code == 0
    after = command("plan", *words, "--max-usd", "0.5", "--json")
    assert after.code == 0, after.err
    assert after.document["models"][0]["estimate"]["why"] == ["observed in 1 bill"]
    assert command("generate", *words, "--max-usd", "0.5").code == 0


def test_plan_sends_nothing_and_needs_no_key(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dry run shows the exact body, what is left out and why, for people and for machines."""
    monkeypatch.delenv("OPENROUTER_API_KEY")
    options = '{"google-vertex": {"negativePrompt": "text"}, "atlas-cloud": {"negativePrompt": "text"}}'
    models = ("--model", VEO, "--model", "kwaivgi/kling-v3.0-std", "--model", LONG)
    words = ("plan", PROMPT, *models, *SMALL, "--min-success", "2")
    said = command(*words, "--provider-options", options)
    assert said.code == 0
    assert '"negativePrompt": "text"' in said.out
    assert "did you mean negative_prompt?" in said.out
    assert said.out.endswith("Nothing was sent. A run would be: 2 to be sent, 1 refused.\n")
    document = command(*words, "--provider-options", options, "--json").document
    assert document["status"] == "planned"
    veo, kling, _ = document["models"]
    assert veo["sent"]["provider"]["options"] == {"google-vertex": {"parameters": {"negativePrompt": "text"}}}
    assert kling["left_out"][0]["suggestion"] == "negative_prompt"
    price = {"low_usd": 0.12, "high_usd": 0.12, "basis": "listed", "why": [], "listed_usd": None}
    assert (veo["estimate"], document["models"][2]["estimate"]) == (price, None)
    assert document["estimate"] == price | {"low_usd": 0.456, "high_usd": 0.456}
    assert "  may cost sandbox $0.12 a video (listed)\n" in said.out
    assert "in all: 2 videos, sandbox $0.456\n" in said.out
    assert {request.kind for request in sandbox.requests} == {"models", "listing", "endpoints"}


def test_a_plan_that_would_be_refused_exits_with_2(command: Command, sandbox: Sandbox) -> None:
    """Exit code and document agree; the problems say what is allowed."""
    said = command("plan", PROMPT, "--model", VEO, "--duration", "5", "--json")
    assert (said.code, said.document["status"]) == (2, "refused")
    assert "4, 6, 8" in said.document["problems"][0]
    assert command("plan", PROMPT, "--model", VEO, "--duration", "5").out.endswith("The run would be refused.\n")


def test_a_run_that_cannot_succeed_spends_nothing(command: Command, sandbox: Sandbox) -> None:
    """A model that cannot do what is asked refuses the run, before and instead of paying for the other."""
    words = (PROMPT, "--model", VEO, "--model", LONG, *SMALL, "--json")
    why = f"1 of 2 videos can be made, and all are wanted: {LONG} is refused (duration 4 s is not supported"
    refused(command("fan-out", *words), sandbox, why, "--min-success 1")
    planned = command("plan", *words)
    assert (planned.code, planned.document["status"]) == (2, "refused")
    assert why in planned.document["problems"][0]
    assert [model["decision"] for model in planned.document["models"]] == ["send", "refuse"]
    assert command("plan", *words, "--min-success", "1").code == 0


def test_the_sandbox_option_lends_its_own_api(command: Command, sandbox: Sandbox) -> None:
    """--sandbox answers for OpenRouter, says so, and leaves the environment as it was."""
    said = command("plan", PROMPT, "--model", VEO, "--sandbox", "--json")
    assert said.document["status"] == "planned"
    assert "Nothing is billed" in said.err
    assert not sandbox.requests
    command("plan", PROMPT, "--model", VEO)
    assert [request.kind for request in sandbox.requests] == ["models", "listing", "endpoints"]


# ---- Bad input ------------------------------------------------------------------------------------------------------


def refused(said: Said, sandbox: Sandbox, *words: str) -> None:
    """A clear sentence, exit code 2, the same as a document, and nothing spent."""
    assert said.code == 2
    for word in words:
        assert word in said.err
        assert word in " ".join(said.document["problems"])
    assert said.document["status"] == "refused"
    assert not sandbox.charges
    assert "submit" not in {request.kind for request in sandbox.requests}


BAD_VALUES = {
    "a typo in a model": (("--model", "google/veo-3.1-lit"), "did you mean google/veo-3.1-lite"),
    "a duration between the supported ones": (("--model", VEO, "--duration", "5"), "it supports 4, 6, 8 s"),
    "half a second": (("--model", VEO, "--duration", "4.5"), "'4.5' is not a whole number"),
    "no seconds at all": (("--model", VEO, "--duration", "0"), "duration cannot be"),
    "a resolution in capitals": (("--model", VEO, "--resolution", "1080P"), "did you mean 1080p?"),
    "a ratio that the model lacks": (("--model", VEO, "--aspect-ratio", "21:9"), "it supports 16:9, 9:16"),
    "size and resolution": (("--model", VEO, "--size", "1280x720", "--resolution", "720p"), "one or the other"),
    "no model": ((), "no model was chosen"),
    "the same model twice": (("--model", VEO, "--model", VEO), "is given 2 times"),
    "an unknown slug": (("--model", VEO, "--provider-options", '{"vertex": {"a": 1}}'), "google-vertex"),
    "options that are a list": (("--model", VEO, "--provider-options", "[1]"), "must be an object of objects"),
    "options that are no JSON": (("--model", VEO, "--provider-options", "{a: 1}"), "is not JSON"),
    "options in a missing file": (("--model", VEO, "--provider-options", "@none.json"), "'none.json' cannot be read"),
    "a slug without a model": (("--model", VEO, "--provider-slug", "alibaba"), "is not MODEL=SLUG"),
    "a missing image": (("--model", VEO, "--first-frame", "orchid.png"), "there is no image at orchid.png"),
    "an image that is text": (("--model", VEO, "--last-frame", "text.png"), "PNG, JPEG, WebP or GIF"),
    "an image of 200 MB": (("--model", VEO, "--first-frame", "huge.png"), "allowed are 20.0 MiB"),
    "a clip that is missing": (("--model", VEO, "--input-reference", "video_url=a.mp4"), "there is no video at a.mp4"),
    "a clip that is text": (("--model", VEO, "--input-reference", "video_url=text.png"), "is plain text; a video is"),
    "a clip by http": (("--model", VEO, "--input-reference", "video_url=http://a.b/c"), "must begin with https://"),
    "more videos than asked": (("--model", VEO, "--min-success", "2"), "min_success must be 0 to 1"),
    "no takes": (("--model", VEO, "--takes", "0"), "takes must be 1 or more"),
    "no concurrency": (("--model", VEO, "--concurrency", "0"), "concurrency must be 1 to 1,000 videos"),
    "no deadline": (("--model", VEO, "--deadline", "soon"), "write 90s, 30m or 2h"),
    "a deadline below zero": (("--model", VEO, "--deadline", "-1m"), "--deadline '-1m' is not above zero"),
    "a deadline without an end": (("--model", VEO, "--deadline", "1000d"), "longer than the 7 days that are allowed"),
    "takes without an end": (("--model", VEO, "--takes", "100000"), "more than the 1,000 videos that one run makes"),
    "concurrency without an end": (("--model", VEO, "--concurrency", "100000"), "1 to 1,000 videos at the same time"),
    "a seed of 80 bits": (("--model", VEO, "--seed", str(2**80)), "whole numbers have 64 bits"),
    "a frame over plain http": (
        ("--model", VEO, "--first-frame", "http://a.b/c.png"),
        "first_frame: http://a.b/c.png must begin with https://",
    ),
    "a frame of no host": (("--model", VEO, "--first-frame", "https://a..b/c.png"), "names a host that cannot exist"),
    "a callback of no host": (
        ("--model", VEO, "--callback-url", "https://exa mple"),
        "names a host that cannot exist",
    ),
    "an output of no host": (("--model", VEO, "--output", f"sftp://{'a' * 64}.b/videos"), "sftp://"),
    "a policy that there is not": (("--model", VEO, "--on-unsupported", "ignore"), "fallback"),
    "an unknown option": (("--model", VEO, "--resolutoin", "720p"), "--resolution"),
    "a callback without https": (("--model", VEO, "--callback-url", "http://a.b"), "https://"),
    "an output in memory": (("--model", VEO, "--output", "Memory://videos"), "ends with this command"),
    "a ledger in memory": (("--model", VEO, "--ledger", "memory://ledger"), "ends with this command"),
    "an unknown scheme": (("--model", VEO, "--output", "s4://bucket/videos"), "Did you mean s3://"),
    "an output under a file": (("--model", VEO, "--output", "text.png/videos"), "cannot be used"),
    "jobs that end with their sandbox": (("--model", VEO, "--sandbox", "--no-wait"), "ends with the command"),
    "a key for the sandbox": (("--model", VEO, "--sandbox", "--credentials", "mine"), "contradict each other"),
}


@pytest.mark.parametrize("case", BAD_VALUES)
def test_bad_input_is_refused_before_anything_is_spent(command: Command, sandbox: Sandbox, case: str) -> None:
    """Every mistake has a sentence that says what is allowed, without Prefect having been started."""
    Path("text.png").write_text("no image")
    with Path("huge.png").open("wb") as huge:
        huge.truncate(200 * 10**6)
    words, sentence = BAD_VALUES[case]
    refused(command("fan-out", PROMPT, *words, "--json"), sandbox, sentence)


@pytest.mark.parametrize("wrong", [("--takes", "0"), ("--model", VEO), ("--min-success", "9")])
def test_a_refusal_says_what_was_asked(command: Command, sandbox: Sandbox, wrong: tuple[str, ...]) -> None:
    """What makes no sense for any model is a problem of the run, beside what was asked and all that a plan finds."""
    said = command("fan-out", PROMPT, "--model", VEO, *wrong, "--json")
    refused(said, sandbox, "")
    assert (said.document["asked"]["models"][0], said.document["asked"]["prompt"]) == (VEO, PROMPT)
    planned = command("plan", PROMPT, "--model", VEO, "--model", "no/such", *wrong, "--json")
    assert planned.code == 2
    assert planned.document["asked"]["models"][:2] == [VEO, "no/such"]
    assert [model["model"] for model in planned.document["models"]] == [VEO]
    assert len(planned.document["problems"]) == 2
    assert sum("no/such" in problem for problem in planned.document["problems"]) == 1


def test_an_empty_prompt_is_refused(command: Command, sandbox: Sandbox) -> None:
    """A video of nothing is not worth its price."""
    refused(command("generate", " ", "--model", VEO, "--json"), sandbox, "the prompt is empty")


def test_generate_takes_one_model(command: Command, sandbox: Sandbox) -> None:
    """Whoever gives two is told of fan-out."""
    refused(command("generate", PROMPT, "--model", VEO, "--model", WAN, "--json"), sandbox, "fan-out")


def test_no_prompt_is_a_usage_error(command: Command, sandbox: Sandbox) -> None:
    """What cannot be parsed exits with 2 as well, and leads to the help."""
    refused(command("fan-out", PROMPT, "--json", "--modle", VEO), sandbox, "--modle", "--help")


def test_a_short_list_of_models_is_fetched_again(command: Command, sandbox: Sandbox) -> None:
    """Before a model is called unknown; one that stays unknown is refused with the nearest, if there is one."""
    sandbox.add_fault(Fault(on="models", body={"data": [{"id": WAN, "supported_durations": [4]}]}))
    assert command("plan", PROMPT, "--model", VEO).code == 0
    assert sum(request.kind == "models" for request in sandbox.requests) == 2
    refused(command("fan-out", PROMPT, "--model", "qqqq", "--json"), sandbox, "`openrouter-video models` lists them")
    assert sum(request.kind == "models" for request in sandbox.requests) == 4
    sandbox.add_fault(Fault(on="models", body={"data": []}))
    refused(command("plan", PROMPT, "--model", VEO, "--json"), sandbox, "it is empty. Try again later")


def test_no_nearest_model_is_not_called_none(command: Command, sandbox: Sandbox) -> None:
    """Where nothing is like it there is another way to find the name."""
    said = command("models", "qqqq")
    assert said.code == 2
    assert "`openrouter-video models` lists them all" in said.err
    assert "none." not in said.err


def test_words_that_are_no_text_are_refused(command: Command, sandbox: Sandbox) -> None:
    """Bytes that are not UTF-8 could neither be sent nor recorded."""
    refused(command("fan-out", "caf\udce9", "--model", VEO, "--json"), sandbox, "not text in UTF-8")


BAD_SURROUNDINGS = {
    "no key": ({"OPENROUTER_API_KEY": ""}, "--sandbox"),
    "a key with a line break": ({"OPENROUTER_API_KEY": "sk-\ncanary\n"}, "a line break"),
    "a host that there cannot be": ({"OPENROUTER_BASE_URL": "https://a..b/v1"}, "host that cannot exist"),
    "a proxy that is none": (
        {"OPENROUTER_BASE_URL": "https://openrouter.invalid/v1", "HTTPS_PROXY": "http://u:canary@[::1"},
        "HTTPS_PROXY is",
    ),
    "no certificates where a variable says": (
        {"OPENROUTER_BASE_URL": "https://openrouter.invalid/v1", "SSL_CERT_FILE": "none.pem"},
        "SSL_CERT_FILE is 'none.pem'",
    ),
    "plain http to another machine": ({"OPENROUTER_BASE_URL": "http://192.0.2.1/api/v1"}, "unencrypted"),
    "a base URL that is none": ({"OPENROUTER_BASE_URL": "openrouter.ai"}, "is not an http(s) URL"),
    "a base URL where nobody answers": ({"OPENROUTER_BASE_URL": "http://127.0.0.1:9/api/v1"}, "could not reach"),
}


@pytest.mark.parametrize("case", BAD_SURROUNDINGS)
def test_bad_surroundings_are_refused(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """A key or base URL that cannot be right is found at once, and the key is never shown."""
    changed, sentence = BAD_SURROUNDINGS[case]
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    said = command("fan-out", PROMPT, "--model", VEO, "--json")
    refused(said, sandbox, sentence)
    assert "canary" not in said.out + said.err


def test_a_base_url_that_answers_html_is_refused(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A web page is not the API, and the sentence says what the usual base URL is."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OPENROUTER_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        said = command("fan-out", PROMPT, "--model", VEO, "--json")
        server.shutdown()
        thread.join()
    refused(said, sandbox, "https://openrouter.ai/api/v1")


def test_a_missing_driver_names_the_extra(command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence is the command that mends it."""
    for module in ("gcsfs", "gcsfs.core"):
        monkeypatch.setitem(sys.modules, module, None)
    loaded = importlib.import_module("fsspec.registry")._registry
    for scheme in ("gs", "gcs"):
        monkeypatch.delitem(loaded, scheme, raising=False)
    said = command("fan-out", PROMPT, "--model", VEO, "--output", "gs://bucket/videos", "--json")
    refused(said, sandbox, 'pip install "prefect-openrouter-video[gcs]"')


def test_a_store_that_cannot_hold_a_ledger_is_refused(command: Command, sandbox: Sandbox) -> None:
    """The videos may go there, the ledger may not, and the sentence says how to set it elsewhere."""

    class Odd(MemoryFileSystem):  # type: ignore[misc]
        protocol = "odd"

    fsspec.register_implementation("odd", Odd, clobber=True)
    said = command("fan-out", PROMPT, "--model", VEO, "--output", "odd://videos", "--json")
    refused(said, sandbox, "cannot hold the ledger", "--ledger")


# ---- Runs -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("prefect_server")
def test_fan_out_reports_each_video_as_plain_lines(command: Command, sandbox: Sandbox) -> None:
    """Piped, the report is plain: each video with its price and path, what was left out and why, then the total."""
    options = '{"google-vertex": {"negativePrompt": "text"}}'
    models = ("--model", VEO, "--model", SEEDANCE, "--model", LONG)
    said = command("fan-out", PROMPT, *models, *SMALL, "--provider-options", options, "--min-success", "2")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[:4] == [
        PROMPT,
        "4 s, 720p, 16:9, no audio, 3 models; may cost up to sandbox $0.5241",
        f"  {SEEDANCE}  $0.2842 to $0.4041",
        f"  {VEO}          $0.12",
    ]
    assert any(line.startswith(f"{VEO}: completed, 4 s 1280x720, sandbox $0.12") for line in lines)
    video = next(line for line in lines if line.startswith("  video: videos/") and "veo" in line)
    assert Path(video.removeprefix("  video: ")).stat().st_size > 1000
    assert "  sent: with options for the provider google-vertex: negativePrompt" in lines
    assert "left out" not in said.out
    assert any("it supports 5, 10 s" in line for line in lines)
    assert "  estimate: sandbox $0.12 (listed)" in lines
    others, total, folder, gallery = lines[-4:]
    assert others == "not sent to models of other providers: negativePrompt for the provider google-vertex"
    assert total.startswith("2 of 3 videos, sandbox $0.")
    assert "; the estimate was sandbox $0.4042 to $0.5241" in total
    assert folder.startswith("in videos/a-white-orchid-blooming-")
    assert gallery.startswith("gallery: file:///")
    assert "\x1b" not in said.out


@pytest.mark.usefixtures("prefect_server")
def test_generate_prints_one_document(command: Command, sandbox: Sandbox) -> None:
    """With --json stdout is one document of the run, and all else is on stderr."""
    said = command("generate", PROMPT, "--model", VEO, *SMALL, "--json")
    assert said.code == 0
    document = said.document
    assert document["status"] == "completed"
    assert document["asked"]["prompt"] == PROMPT
    assert document["asked"]["models"] == [VEO]
    assert document["cost_usd"] == 0.12
    assert document["run_id"]
    (outcome,) = document["outcomes"]
    assert outcome["sent"] == sandbox.charges[0].body
    assert Path(outcome["url"].removeprefix("file://")).exists()
    assert f"{VEO}: submitting" in said.err


@pytest.mark.usefixtures("prefect_server")
def test_fewer_videos_than_asked_exit_with_1(command: Command, sandbox: Sandbox) -> None:
    """A failed job is told in the provider's words, and the others are kept."""
    sandbox.add_fault(Fault(on="poll", model=WAN, body={"id": "x", "status": "failed", "error": "too wild"}))
    said = command("fan-out", PROMPT, "--model", VEO, "--model", WAN, *SMALL, "--json")
    assert said.code == 1
    document = said.document
    assert document["status"] == "partial"
    assert [outcome["status"] for outcome in document["outcomes"]] == ["completed", "failed"]
    assert document["run_id"]


@pytest.mark.usefixtures("prefect_server")
def test_an_idempotency_key_is_paid_once_and_not_lent_out(command: Command, sandbox: Sandbox) -> None:
    """The same key and request find the same video; another request under it is refused, naming the difference."""
    words = ("--model", VEO, *SMALL, "--idempotency-key", "orchid", "--json")
    first = command("generate", PROMPT, *words).document
    second = command("generate", PROMPT, *words).document
    assert second["outcomes"][0]["reused"]
    assert second["outcomes"][0]["url"] == first["outcomes"][0]["url"]
    assert [(run["cost_usd"], run["reused_cost_usd"]) for run in (first, second)] == [(0.12, None), (0.0, 0.12)]
    said = command("generate", "A red rose", *words)
    assert said.code == 2
    assert "used for a different request: prompt was" in said.document["problems"][0]
    assert len(sandbox.charges) == 1


@pytest.mark.usefixtures("prefect_server")
def test_what_a_deadline_leaves_open_is_collected(command: Command, sandbox: Sandbox) -> None:
    """A deadline is no failure: the job is listed as open, and collect fetches its video without a second POST."""
    with Sandbox(job_seconds=600) as slow, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENROUTER_BASE_URL", slow.base_url)
        said = command("generate", PROMPT, "--model", VEO, *SMALL, "--deadline", "1s", "--json")
        assert (said.code, said.document["outcomes"][0]["status"]) == (1, "open")
        (entry,) = command("ledger", "list", "--json").document["entries"]
        assert (entry["state"], entry["job_id"]) == ("open", slow.charges[0].job_id)
        assert command("collect").code == 1
        slow.release()
        said = command("collect", "--wait", "30s", "--json")
        assert (said.code, said.document["status"]) == (0, "completed")
        assert Path(said.document["outcomes"][0]["url"].removeprefix("file://")).exists()
        assert len(slow.charges) == 1
    assert command("collect").out.startswith("Nothing is open in file://")


@pytest.mark.usefixtures("prefect_server")
def test_what_is_not_waited_for_is_collected_by_its_key(command: Command, sandbox: Sandbox) -> None:
    """The command says what finishes it, and exits with 0; of two jobs the key names one, and no other is asked for."""
    said = command("fan-out", PROMPT, "--model", VEO, "--takes", "2", *SMALL, "--no-wait", "--json")
    assert (said.code, said.document["status"]) == (0, "submitted")
    assert "2 submitted. Fetch their videos later with: openrouter-video collect" in said.err
    assert "poll" not in {request.kind for request in sandbox.requests}
    one, other = said.document["outcomes"]
    said = command("collect", "--key", one["key"], "--key", "0" * 32, "--wait", "30s", "--json")
    assert f"Nothing is recorded under the key {'0' * 32}" in said.err
    assert (said.code, [outcome["key"] for outcome in said.document["outcomes"]]) == (0, [one["key"]])
    polled = {request.path for request in sandbox.requests if request.kind == "poll"}
    assert [path.endswith(one["job_id"]) for path in polled] == [True]
    assert command("collect", "--key", one["key"]).code == 0
    assert "is not the key of a video in a ledger" in command("collect", "--key", one["key"][:8]).err
    assert [o["key"] for o in command("collect", "--wait", "30s", "--json").document["outcomes"]] == [other["key"]]
    assert len(sandbox.charges) == 2


def test_collect_settles_money_where_no_job_is_open(command: Command, sandbox: Sandbox, tmp_path: Path) -> None:
    """As the log of a run says whose journal was away at its end; Prefect is not needed for it."""
    journal = Journal(open_store(str(tmp_path / "videos" / "_jobs")), sandbox=True)
    journal.reserve("dead", {A: 500_000}, datetime.now(UTC) - timedelta(seconds=1), Caps())
    said = command("collect")
    assert (said.code, "1 reservation is settled in the money journal" in said.out + said.err) == (0, True)
    assert Journal(open_store(str(tmp_path / "videos" / "_jobs")), sandbox=True).money().reserved() == 0


@pytest.mark.usefixtures("prefect_server")
def test_an_embedded_sandbox_leaves_no_ghosts(command: Command, sandbox: Sandbox) -> None:
    """A job that ends with its sandbox is over: nobody is sent to collect it."""
    said = command("generate", PROMPT, "--model", VEO, "--duration", "8", "--sandbox", "--deadline", "1s", "--json")
    assert said.code == 1
    (outcome,) = said.document["outcomes"]
    assert outcome["status"] == "failed"
    assert "the sandbox ended" in outcome["error"]
    assert command("collect").code == 0
    assert not sandbox.charges


# ---- The ledger -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("prefect_server")
def test_the_command_stays_for_an_answer_that_is_late(command: Command, sandbox: Sandbox) -> None:
    """Its deadline is over before the answer comes: it waits, says so, and reports the job that it has then."""
    sandbox.add_fault(Fault(on="submit", delay_seconds=6))
    with using_limits(Limits(timeouts=Timeouts(submit=0.3))):
        said = command("generate", PROMPT, "--model", VEO, "--deadline", "1s")
    (charge,) = sandbox.charges
    assert said.code == 1
    assert "A submission is on its way: waiting for its answer" in said.out
    assert f"job: {charge.job_id}" in said.out
    assert "its answer came after the deadline; `openrouter-video collect` finishes it" in said.out
    assert ledger_state(charge.session_id) == "accepted"


def ledger_state(key: str | None) -> str:
    """What the ledger of the current folder knows of a key."""
    return Ledger(open_store("videos").child("_jobs")).entry(key or "").state


@pytest.fixture
def claimed(sandbox: Sandbox) -> Callable[..., Ledger]:
    """Write the claim of a submission that began some hours ago into the ledger of the current folder."""
    ledger = Ledger(open_store("videos").child("_jobs"))

    def claim(key: str, *, hours: float = 3.0, doubt: bool = True) -> Ledger:
        record = claim_on(
            key,
            at=(datetime.now(UTC) - timedelta(hours=hours)).isoformat(),
            model=VEO,
            asked={"prompt": PROMPT},
            sent={"model": VEO},
            base_url=sandbox.base_url,
            output=open_store("videos").url,
            path="orchid-00000000/veo.mp4",
        )
        assert ledger.claim(1, record)
        if doubt:
            ledger.doubt(key, 1, "HTTP 502 proves nothing")
        return ledger

    return claim


# A submission, of some hours ago and without a clear answer unless it says otherwise, and the job that was recorded;
# then what is said, the exit code, the state that follows, and what is printed. All states: test_settlement.py.
SETTLEMENTS: dict[str, tuple[dict[str, Any], str | None, tuple[str, ...], int, str, str]] = {
    "a job that was found": ({}, None, ("aaaa", "--job", "gen-vid-1"), 0, "accepted", "job gen-vid-1 is recorded"),
    "a job that was found at once": ({"hours": 0, "doubt": False}, None, (A, "--job", "1"), 0, "accepted", "job 1"),
    "none": ({}, None, (A, "--abandon"), 0, "free", "abandoned; the key is free"),
    "none, though accepted": ({}, "gen-vid-1", (A, "--abandon"), 2, "accepted", "was accepted and is billed"),
    "lost": ({}, "gen-vid-1", (A, "--lost"), 0, "settled", "given up: job gen-vid-1 is billed"),
    "lost, though not known": ({}, None, (A, "--lost"), 2, "uncertain", "say --job ID if it was, or --abandon"),
    "none, while on its way": (
        {"hours": 0, "doubt": False}, None, (A, "--abandon"), 2, "claimed", "on its way; try again in 10 min",
    ),
    "none, by a clock ahead": ({"hours": -2.0, "doubt": False}, None, (A, "--abandon"), 0, "free", "abandoned"),
    "half of it": ({}, None, ("aaaa",), 2, "uncertain", "say --job ID"),
    "no such key": ({}, None, ("bbbb", "--abandon"), 2, "uncertain", "no key 'bbbb'"),
    "no age": ({}, None, ("--all", "--older-than", "ages", "--abandon"), 2, "uncertain", "--older-than 'ages'"),
}  # fmt: skip


@pytest.mark.parametrize("case", SETTLEMENTS)
def test_a_person_settles_what_no_program_may_decide(
    command: Command, claimed: Callable[..., Ledger], case: str
) -> None:
    """What was decided is recorded and said; what may not be, or is not clear, changes nothing."""
    submission, job, words, code, state, sentence = SETTLEMENTS[case]
    ledger = claimed(A, **submission)
    if job is not None:
        ledger.record_job(A, 1, job)
    said = command("ledger", "settle", *words)
    assert (said.code, ledger.entry(A).state) == (code, state)
    assert sentence in (said.err if code else said.out)


def test_a_job_that_was_given_up_is_over(command: Command, claimed: Callable[..., Ledger]) -> None:
    """It ends as failed, keeps its key, and no list or collection asks for it any more."""
    ledger = claimed(A)
    ledger.record_job(A, 1, "gen-vid-1")
    assert command("ledger", "settle", A, "--lost").code == 0
    outcome = ledger.entry(A).outcome
    assert outcome is not None
    assert (outcome.status, outcome.job_id, outcome.error) == ("failed", "gen-vid-1", "given up by a person")
    assert command("ledger", "list", "--json").document["entries"] == []
    assert command("ledger", "settle", A, "--abandon").code == 2


def test_what_may_be_on_its_way_is_listed_as_in_flight(command: Command, claimed: Callable[..., Ledger]) -> None:
    """It is not uncertain yet."""
    claimed(A, hours=0, doubt=False)
    assert [row["state"] for row in command("ledger", "list", "--json").document["entries"]] == ["in flight"]


def test_what_an_outage_left_is_abandoned_together(command: Command, claimed: Callable[..., Ledger]) -> None:
    """Only what is uncertain and old enough is freed; accepted jobs and younger claims stay as they are."""
    ledger = claimed(A)
    claimed(B, hours=0.5)
    claimed(C, doubt=False)
    claimed(D)
    ledger.record_job(D, 1, "gen-vid-4")
    said = command("ledger", "settle", "--all", "--older-than", "1h", "--abandon")
    assert said.code == 0
    assert said.out.splitlines()[-1] == "2 abandoned"
    states = {key: ledger.entry(key).state for key in (A, B, C, D)}
    assert states == {A: "free", B: "uncertain", C: "free", D: "accepted"}


def test_the_list_shows_what_is_not_over(command: Command, claimed: Callable[..., Ledger]) -> None:
    """Open and uncertain submissions are listed, each also alone; what is over only on demand."""
    ledger = claimed(A)
    claimed(B)
    ledger.record_job(B, 1, "gen-vid-2")
    claimed(C)
    ledger.settle(C, Outcome(model="a/b", key=C, status="failed", job_id="gen-vid-3"))

    def keys(*words: str) -> list[str]:
        return [line.split("\t")[-1] for line in command("ledger", "list", *words).out.splitlines()[1:]]

    assert keys() == [A, B]
    assert keys("--open") == [B]
    assert keys("--uncertain") == [A]
    assert keys("--all") == [A, B, C]
    rows = command("ledger", "list", "--all", "--json").document["entries"]
    assert [row["state"] for row in rows] == ["uncertain", "open", "failed"]
    assert rows[0]["reason"] == "HTTP 502 proves nothing"
    assert "no submission" in command("ledger", "list", "--output", "elsewhere").out


@pytest.mark.parametrize("option", ["--idempotency-key", "--ledger", "--store", "--credentials", "--output"])
def test_an_option_that_is_given_empty_is_refused(command: Command, sandbox: Sandbox, option: str) -> None:
    """An unset variable in a script would silently mean no protection, or another place."""
    said = command("generate", "An orchid", "--model", "google/veo-3.1-lite", option, "")
    assert said.code == 2
    assert "empty" in said.err
    assert sandbox.charges == ()


# ---- A table of prompts ----------------------------------------------------------------------------------------------

TABLE = """id,prompt,duration,shelf
rose,A red rose,,1
tulip,"A tulip
in the rain",2,2
"""
GROK = "x-ai/grok-imagine-video"
BATCH = ("--model", GROK, "--duration", "1", "--resolution", "480p")


def test_the_dry_run_of_a_batch_tells_everything_that_is_wrong(command: Command, sandbox: Sandbox) -> None:
    """Every problem of every row, or the price of the whole; it needs no terminal, and sends nothing."""
    Path("prompts.csv").write_text(TABLE)
    fine = command("batch", "prompts.csv", *BATCH, "--dry-run")
    assert (fine.code, "in all: 2 videos, sandbox $0.15" in fine.out, "would be made" in fine.out) == (0, True, True)
    Path("prompts.csv").write_text(f"{TABLE},,soon,3\nlily,A lily,99,4\n")
    wrong = command("batch", "prompts.csv", *BATCH, "--dry-run", "--json")
    assert (wrong.code, wrong.document["status"], len(wrong.document["problems"])) == (2, "refused", 3)
    problems = " ".join(wrong.document["problems"])
    assert all(words in problems for words in ("row 4, column prompt", "row 4, column duration", "row 5 (lily)"))
    assert command("batch", "prompts.csv", *BATCH).code == 2
    assert command("batch", "nowhere.csv", *BATCH, "--dry-run").code == 2
    Path("prompts.csv").write_text(TABLE)
    Path("videos/prompts").mkdir(parents=True)
    Path("videos/prompts/rose.mp4").touch()
    taken = command("batch", "prompts.csv", *BATCH, "--dry-run", "--path-template", "{batch}/{id}")
    assert (taken.code, "prompts/rose.mp4 is the path of another request's video already" in taken.out) == (2, True)
    assert not sandbox.charges


@pytest.mark.usefixtures("prefect_server")
def test_a_batch_is_made_and_made_again(command: Command, sandbox: Sandbox) -> None:
    """Row by row, with its page and its manifest, also where a video or the page is missing; then it is all there."""
    Path("prompts.csv").write_text(TABLE)
    page = Path("videos/prompts/index.html")
    page.parent.mkdir(parents=True)
    page.write_text("My own page")
    sandbox.add_fault(Fault(on="submit", status=400))
    fewer = command("batch", "prompts.csv", *BATCH, "--concurrency", "1")
    assert (fewer.code, len(sandbox.charges)) == (1, 1)
    assert "2 rows: 2 new\n" in fewer.out
    assert "manifest: videos/prompts/videos.jsonl" in fewer.out
    assert "note: the gallery was not written: " in fewer.err + fewer.out
    page.unlink()
    said = command("batch", "prompts.csv", *BATCH, "--concurrency-per-provider", "1")
    assert said.code == 0
    assert f"row 3 (tulip), {GROK}: completed" in said.out
    assert "2 rows: 1 as they were, 1 new" in said.out
    assert "manifest: videos/prompts/videos.jsonl" in said.out
    assert "/videos/prompts/index.html" in said.out
    again = command("batch", "prompts.csv", *BATCH, "--json", "--max-usd", "0.01")
    assert (again.code, len(sandbox.charges)) == (0, 2)
    assert {name: again.document[name] for name in ("batch", "rows_in_table", "rows_same", "cost_usd")} == {
        "batch": "prompts",
        "rows_in_table": 2,
        "rows_same": 2,
        "cost_usd": 0.0,
    }
    assert [outcome["reused"] for outcome in again.document["outcomes"]] == [True, True]
