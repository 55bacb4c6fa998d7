"""``models --health``: who serves each model, whether it works, and how fast; for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openrouter_video.cli import main
from openrouter_video.sandbox import Fault, Sandbox
from tests.support.terminals import ESCAPES

VEO, FAST, SEEDANCE, WAN = (
    "google/veo-3.1-lite",
    "google/veo-3.1-fast",
    "bytedance/seedance-2.0-mini",
    "alibaba/wan-3.0",
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One for all of them: of its models some are down, slow, served by several, or not to be asked about."""
    endpoint = {"tag": "alibaba", "status": 0, "uptime_last_30m": 71.25}
    slow = {"video_generation": {"latency": {"p50": 41_000, "p99": 600_000}}}
    faults = (
        Fault(on="endpoints", model=SEEDANCE, mangle="down", times=None),
        Fault(on="endpoints", model=WAN, times=None, body={"data": {"endpoints": [
            {**endpoint, "perf_last_30m_by_workload": slow}, {"provider_name": "Evil\x1b[31m"}]}}),
        Fault(on="endpoints", model=FAST, status=503, times=None),
        Fault(on="endpoints", model="google/veo-3.1", body={"data": {"endpoints": []}}, times=None),
    )  # fmt: skip
    with Sandbox(job_seconds=0, faults=faults) as running:
        yield running


@pytest.fixture
def ask(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, str]]:
    """Run a command with the key; what it prints on stdout and stderr."""
    monkeypatch.setenv("OPENROUTER_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("OPENROUTER_API_KEY", sandbox.api_key)

    def run(*words: str) -> tuple[str, str]:
        capsys.readouterr()
        assert main(words) == 0
        said = capsys.readouterr()
        return ESCAPES.sub("", said.out), ESCAPES.sub("", said.err)

    return run


def test_the_health_of_models(ask: Callable[..., tuple[str, str]]) -> None:
    """A line for each endpoint, with words; what is not known is a dash, and why is said beside the table."""
    out, err = ask("models", "--health")
    header, *lines = [line.split("\t") for line in out.splitlines()]
    rows = {line[0]: line[1:] for line in reversed(lines)}
    assert header == ["model", "provider", "health", "uptime", "p50", "p99"]
    assert (rows[VEO][:3], len(rows)) == (["google-vertex", "up", "100 %"], 30)
    assert rows[SEEDANCE][:3] == ["seed", "down (-5)", "0 %"]
    assert [line[1:] for line in lines if line[0] == WAN] == [
        ["alibaba", "degraded", "71.25 %", "41 s", "10 min"],
        ["Evil [31m", "unknown", "-", "-", "-"],
    ]
    assert rows[FAST] == rows["google/veo-3.1"] == ["-", "unknown", "-", "-", "-"]
    assert f"note: {FAST}: who serves it is not known now: HTTP 503" in err
    assert "note: google/veo-3.1: no endpoint is listed" in err


def test_the_health_of_models_for_machines(ask: Callable[..., tuple[str, str]]) -> None:
    """The same in JSON, beside what the list says; without the option nobody is asked."""
    [wan] = json.loads(ask("models", WAN.removeprefix("alibaba/"), "--health", "--json")[0])["models"][:1]
    assert (wan["id"], wan["health"], wan["provider"], wan["health_unknown"]) == (WAN, "degraded", "alibaba", None)
    first: dict[str, Any] = wan["endpoints"][0]
    assert (first["uptime"], first["latency"]) == (71.25, {"p50": 41.0, "p75": None, "p90": None, "p99": 600.0})
    [fast] = json.loads(ask("models", FAST, "--health", "--json")[0])["models"]
    assert (fast["health"], fast["endpoints"], fast["health_unknown"][:8]) == ("unknown", [], "HTTP 503")
    assert "endpoints" not in json.loads(ask("models", FAST, "--json")[0])["models"][0]


def test_without_a_key_times_are_not_told(
    ask: Callable[..., tuple[str, str]], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that they are told to who has one."""
    monkeypatch.delenv("OPENROUTER_API_KEY")
    out, err = ask("models", VEO, "--health")
    assert out.splitlines()[1].split("\t")[2:] == ["up", "100 %", "-", "-"]
    assert "set OPENROUTER_API_KEY" in " ".join(err.split())
    assert not sandbox.requests[-1].authorized


def test_a_plan_says_which_models_are_down(ask: Callable[..., tuple[str, str]]) -> None:
    """And goes on; each model is asked for once, for a batch too."""
    words = ("plan", "An orchid", "--model", SEEDANCE, "--model", VEO, "--duration", "4", "--json")
    document = json.loads(ask(*words)[0])
    assert document["status"] == "planned"
    assert document["warnings"] == [
        f"{SEEDANCE} is down by OpenRouter's list of its endpoints: a video of it may fail or take long"
    ]
