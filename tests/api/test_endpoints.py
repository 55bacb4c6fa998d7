"""The endpoints of a model, by every answer that the API may give about them; and the question, over a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openrouter.components import ListEndpointsResponse

from openrouter_video.api.client import LOOKS_SIDE_BY_SIDE, Timeouts, VideoClient
from openrouter_video.api.endpoints import Endpoint, Health, Latency, ModelEndpoints, endpoints_path, read_endpoints
from openrouter_video.sandbox import Fault, Sandbox

VEO = "google/veo-3.1-lite"
PERCENTILES = {"p50": 41_000, "p75": 52_000.5, "p90": 62_000, "p99": 180_000}
MEASURED = {"video_generation": {"latency": PERCENTILES, "request_count": 240, "throughput": None}}
WHOLE = {
    "name": f"Google | {VEO}",
    "model_id": f"{VEO}-20260331",
    "model_name": "Google: Veo 3.1 Lite",
    "provider_name": "Google",
    "tag": "google-vertex/global",
    "status": 0,
    "context_length": 0,
    "pricing": {"prompt": "0", "completion": "0"},
    "native_tools": {},
    "supported_parameters": [],
    "supports_diarization": False,
    "supports_implicit_caching": False,
    "supports_tool_choice": {"none": False, "auto": False, "required": False, "function": False},
    "max_completion_tokens": None,
    "max_prompt_tokens": None,
    "quantization": None,
    "service_tier": None,
    "throughput_last_30m": None,
    "latency_last_30m": {"p50": 9, "p75": 9, "p90": 9, "p99": 9},
    "uptime_last_1d": 99.5,
    "uptime_last_30m": 100,
    "uptime_last_5m": None,
    "perf_last_30m_by_workload": MEASURED,
}
READ = Endpoint(
    provider_name="Google",
    slug="google-vertex",
    status=0,
    uptime=100.0,
    latency=Latency(p50=41.0, p75=52.0005, p90=62.0, p99=180.0),
)


def answer_with(*endpoints: Any) -> dict[str, Any]:
    """An answer with these endpoints."""
    architecture = {
        "input_modalities": ["text"],
        "output_modalities": ["video"],
        "modality": "text->video",
        "instruct_type": None,
        "tokenizer": "Other",
    }
    data = {"id": VEO, "name": "Veo", "created": 1, "description": "", "architecture": architecture}
    return {"data": {**data, "endpoints": list(endpoints)}}


def read(body: Any, status: int = 200) -> ModelEndpoints:
    """What an answer says, the body given as a value or as text."""
    return read_endpoints(status, (body if isinstance(body, str) else json.dumps(body)).encode(), VEO)


def test_a_whole_endpoint_as_the_official_sdk_has_it() -> None:
    """Milliseconds from end to end become seconds, the part of the tag before the slash is the slug."""
    body = answer_with(WHOLE)
    ListEndpointsResponse.model_validate(body["data"])
    assert read(body) == ModelEndpoints(model=VEO, endpoints=(READ,))


@pytest.mark.parametrize(
    ("changed", "field", "value"),
    [
        ({"status": -5}, "status", -5),
        ({"status": 7}, "status", None),
        ({"status": True}, "status", None),
        ({"status": "0"}, "status", None),
        ({"status": None}, "status", None),
        ({"status": -(10**400)}, "status", None),
        ({"tag": "seed"}, "slug", "seed"),
        ({"tag": "Not A Slug/x"}, "slug", None),
        ({"tag": "/global"}, "slug", None),
        ({"tag": ["seed"]}, "slug", None),
        ({"provider_name": 3}, "provider_name", None),
        ({"provider_name": " "}, "provider_name", None),
        ({"provider_name": "Evil\x1b[2J"}, "provider_name", "Evil [2J"),
        ({"uptime_last_30m": None}, "uptime", 99.5),
        ({"uptime_last_30m": "100"}, "uptime", 99.5),
        ({"uptime_last_30m": float("nan"), "uptime_last_1d": 101}, "uptime", None),
        ({"uptime_last_30m": 0}, "uptime", 0.0),
        ({"perf_last_30m_by_workload": None}, "latency", None),
        ({"perf_last_30m_by_workload": {"text_generation": {"latency": PERCENTILES}}}, "latency", None),
        ({"perf_last_30m_by_workload": {"video_generation": []}}, "latency", None),
        ({"perf_last_30m_by_workload": {"video_generation": {"latency": None}}}, "latency", None),
        (
            {"perf_last_30m_by_workload": {"video_generation": {"latency": {"p50": -1, "p75": 0, "p90": 1e99}}}},
            "latency",
            None,
        ),
        (
            {"perf_last_30m_by_workload": {"video_generation": {"latency": {"p50": True, "p99": 5000}}}},
            "latency",
            Latency(p99=5.0),
        ),
    ],
)
def test_one_field_that_is_otherwise(changed: dict[str, Any], field: str, value: object) -> None:
    """It is read or unknown by itself; the others stay as they are."""
    assert read(answer_with({**WHOLE, **changed})).endpoints == (READ.model_copy(update={field: value}),)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (404, {"error": {"message": "Model x/y not found", "code": 404}}, "HTTP 404: Model x/y not found"),
        (200, "<html>", "HTTP 200: it begins '<html>'"),
        (503, "", "HTTP 503: an empty body"),
        (200, answer_with(), None),
        (200, answer_with(None, "x", 3), None),
        (200, {"data": {"endpoints": {}}}, 'HTTP 200: it begins \'{"data": {"endpoints": {}}}\''),
        (200, {"data": []}, "HTTP 200: it begins '{\"data\": []}'"),
    ],
)
def test_an_answer_that_says_nothing(status: int, body: Any, why: str | None) -> None:
    """The reason is told, and nothing is known; a list without an endpoint is an answer too."""
    found = read(body, status)
    assert found == ModelEndpoints(model=VEO, unknown=why)
    assert (found.health, found.slugs, found.usual_seconds, found.slow_seconds) == ("unknown", (), None, None)


@pytest.mark.parametrize(
    ("endpoints", "health"),
    [
        ([(0, None)], "up"),
        ([(0, 95.0)], "up"),
        ([(0, 94.9)], "degraded"),
        ([(-2, 100.0)], "down"),
        ([(None, 0.0)], "unknown"),
        ([(0, 99.0), (-1, 0.0)], "degraded"),
        ([(0, 99.0), (0, 50.0)], "degraded"),
        ([(0, 99.0), (None, None)], "up"),
        ([(-1, 0.0), (-10, None)], "down"),
        ([(-1, 0.0), (None, None)], "unknown"),
    ],
)
def test_the_health_of_a_model(endpoints: list[tuple[int | None, float | None]], health: Health) -> None:
    """Down only where all are; what is unknown is neither good nor bad."""
    listed = tuple(Endpoint(status=status, uptime=uptime) for status, uptime in endpoints)
    assert ModelEndpoints(model=VEO, endpoints=listed).health == health


def test_the_times_of_a_model_are_those_of_the_endpoints_that_work() -> None:
    """The fastest says when to look first, the slowest how long it may take; each slug is named once."""
    fast = Endpoint(slug="seed", status=0, latency=Latency(p50=20, p99=90))
    slow = Endpoint(slug="atlas-cloud", status=0, latency=Latency(p50=40, p99=400))
    down = Endpoint(slug="seed", status=-1, latency=Latency(p50=1, p99=4000))
    found = ModelEndpoints(model=VEO, endpoints=(fast, slow, down, Endpoint(slug=None)))
    assert (found.usual_seconds, found.slow_seconds, found.slugs) == (20, 400, ("seed", "atlas-cloud"))


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (VEO, f"/models/{VEO}/endpoints"),
        ("a/b c?d#e%2F/f", "/models/a/b%20c%3Fd%23e%252F%2Ff/endpoints"),
        ("ä/ü", "/models/%C3%A4/%C3%BC/endpoints"),
        ("../key", None),
        ("a/..", None),
        ("alone", None),
        ("/x", None),
    ],
)
def test_where_the_endpoints_of_a_model_are(model: str, path: str | None) -> None:
    """No id leads anywhere else."""
    assert endpoints_path(model) == path


async def test_the_question_over_a_socket() -> None:
    """The key goes along to its own origin, also for an id with odd characters; nobody's answer is a reason."""
    with Sandbox(job_seconds=0) as sandbox:
        async with (
            VideoClient(sandbox.api_key, sandbox.base_url) as client,
            VideoClient(None, sandbox.base_url) as bare,
        ):
            assert (await client.get_endpoints(VEO)).endpoints[0].slug == "google-vertex"
            assert (await bare.get_endpoints(VEO)).slugs == ("google-vertex",)
            assert "Model x/y z? not found" in ((await client.get_endpoints("x/y z?")).unknown or "")
            assert (await client.get_endpoints("../key")).unknown == "its id does not name an author and a model"
            async with VideoClient("a-key", "http://127.0.0.1:9/api/v1") as nobody:
                assert "no answer: " in ((await nobody.get_endpoints(VEO)).unknown or "")
        paths = [(one.path, one.authorized) for one in sandbox.requests]
    route = f"/api/v1/models/{VEO}/endpoints"
    assert paths[:2] == [(route, True), (route, False)]
    assert [key for _, key in paths[2:]] == [True]


async def test_an_api_that_is_slow_holds_up_nobody_for_long() -> None:
    """Whoever was not asked when the first time-out ends is not asked any more."""
    models = [f"author/{number}" for number in range(3 * LOOKS_SIDE_BY_SIDE)]
    with Sandbox(faults=[Fault(on="endpoints", delay_seconds=30, times=len(models))]) as sandbox:
        timeouts = Timeouts(key=0.5)
        async with VideoClient(sandbox.api_key, sandbox.base_url, timeouts=timeouts) as client:
            found = await client.list_endpoints(models)
    asked, spared = found[:LOOKS_SIDE_BY_SIDE], found[LOOKS_SIDE_BY_SIDE:]
    assert [one.model for one in found] == models
    assert {one.unknown for one in asked} == {"no complete answer within 0.5 s"}
    assert {one.unknown for one in spared} == {"it was not asked, since the answers for other models took 0.5 s"}
