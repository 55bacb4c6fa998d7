"""The official SDK, unchanged, against the sandbox: it lists, submits, polls and downloads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from openrouter import OpenRouter
from openrouter.components import ListEndpointsResponse, Model, PublicEndpoint
from openrouter.errors import (
    BadRequestResponseError,
    ForbiddenResponseError,
    NotFoundResponseError,
    UnauthorizedResponseError,
)

from openrouter_video.errors import ConfigurationError
from openrouter_video.sandbox import Budget, Fault, Sandbox

PROMPT = "a lighthouse in fog"


@pytest.fixture
def sdk_box() -> Iterator[Sandbox]:
    """A sandbox whose jobs are ready at once."""
    with Sandbox(job_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture
def sdk(sdk_box: Sandbox) -> Iterator[OpenRouter]:
    """The SDK, pointed at the sandbox and otherwise as it comes."""
    with OpenRouter(api_key=sdk_box.api_key, server_url=sdk_box.base_url) as client:
        yield client


def test_the_sdk_lists_every_model(sdk: OpenRouter) -> None:
    """Every entry passes the SDK's own model."""
    models = sdk.video_generation.list_videos_models().data
    assert len(models) == 30
    upscaler = next(model for model in models if model.upscale_factor)
    assert (upscaler.creativity, upscaler.supported_durations) == ([0, 1], None)


def test_the_sdk_submits_polls_and_downloads(sdk: OpenRouter, sdk_box: Sandbox) -> None:
    """From prompt to bytes, with one charge."""
    job = sdk.video_generation.generate(
        model="google/veo-3.1-lite",
        prompt=PROMPT,
        duration=4,
        resolution="720p",
        aspect_ratio="16:9",
        generate_audio=False,
        provider={"options": {"google_vertex": {"parameters": {"negativePrompt": "rain"}}}},
        session_id="sdk-session",
    )
    assert job.status == "pending"
    until = time.monotonic() + 20
    while (state := sdk.video_generation.get_generation(job_id=job.id)).status != "completed":
        assert time.monotonic() < until
        time.sleep(0.02)
    assert state.usage is not None
    assert state.usage.cost == 0.12
    content = sdk.video_generation.get_video_content(job_id=job.id).read()
    assert content[4:8] == b"ftyp"
    [charge] = sdk_box.charges
    assert (charge.job_id, charge.session_id) == (job.id, "sdk-session")
    assert charge.body["provider"] == {"options": {"google-vertex": {"parameters": {"negativePrompt": "rain"}}}}
    assert sdk.generations.get_generation(id=job.id).data.total_cost == 0.12


async def test_the_sdk_works_asynchronously_in_the_same_process(sdk_box: Sandbox) -> None:
    """The sandbox lives in its own thread, so it serves a client in a running event loop."""
    async with OpenRouter(api_key=sdk_box.api_key, server_url=sdk_box.base_url) as sdk:
        job = await sdk.video_generation.generate_async(model="x-ai/grok-imagine-video", prompt=PROMPT, duration=1)
        sdk_box.finish(job.id, status="dead")
        state = await sdk.video_generation.get_generation_async(job_id=job.id)
    assert (state.status, state.error) == ("dead", "Job could not be processed")


def test_the_sdk_understands_the_refusals(sdk: OpenRouter, sdk_box: Sandbox) -> None:
    """400, 401 and 404 arrive as the SDK's own errors, with the API's words."""
    with pytest.raises(BadRequestResponseError, match="Duration 99s is not supported") as refused:
        sdk.video_generation.generate(model="google/veo-3.1-lite", prompt=PROMPT, duration=99)
    assert refused.value.data.error.metadata == {"failed_routing_step": "Validate Video Parameters"}
    with pytest.raises(NotFoundResponseError, match="Job gen-vid-1-x not found"):
        sdk.video_generation.get_generation(job_id="gen-vid-1-x")
    with (
        OpenRouter(api_key="sk-wrong", server_url=sdk_box.base_url) as stranger,
        pytest.raises(UnauthorizedResponseError, match="User not found"),
    ):
        stranger.video_generation.generate(model="google/veo-3.1-lite", prompt=PROMPT)


def test_the_sdk_finds_the_provider_slug(sdk: OpenRouter, sdk_box: Sandbox) -> None:
    """The endpoints route tells which slug a model's passthrough options go under, and how well it is served."""
    listed = sdk.endpoints.list(author="google", slug="veo-3.1-lite").data
    assert [endpoint.tag for endpoint in listed.endpoints] == ["google-vertex"]
    assert list(listed.architecture.input_modalities) == ["text", "image"]
    for health, expected in [
        ("down", [("google-vertex", -5, 0.0)]),
        ("slow", [("google-vertex", 0, 100.0)]),
        ("several", [("google-vertex", 0, 100.0), ("google-vertex/global", 0, 100.0), ("atlas-cloud", -5, 0.0)]),
    ]:
        sdk_box.add_fault(Fault.model_validate({"on": "endpoints", "mangle": health, "model": "google/veo-3.1-lite"}))
        found = sdk.endpoints.list(author="google", slug="veo-3.1-lite").data.endpoints
        assert [(one.tag, one.status, one.uptime_last_30m) for one in found] == expected
    raw = httpx.get(f"{sdk_box.base_url}/models/google/veo-3.1-lite/endpoints").json()["data"]
    assert raw["endpoints"][0].keys() == PublicEndpoint.model_fields.keys() - {"perf_last_30m_by_workload"}
    assert raw.keys() == ListEndpointsResponse.model_fields.keys()
    assert [seen.kind for seen in sdk_box.requests] == ["endpoints"] * 5


def test_the_sdk_is_told_how_long_videos_take() -> None:
    """In milliseconds, by percentiles, and only with a key; as fast as the sandbox's own jobs."""
    median = dict[float, float]()
    for speed in (1.0, 10.0):
        with Sandbox(speed=speed) as sandbox, OpenRouter(api_key=sandbox.api_key, server_url=sandbox.base_url) as sdk:
            [endpoint] = sdk.endpoints.list(author="google", slug="veo-3.1-lite").data.endpoints
            perf = endpoint.perf_last_30m_by_workload
            assert perf is not None
            assert perf.video_generation is not None
            assert perf.video_generation.latency is not None
            latency = perf.video_generation.latency
            assert latency.p50 < latency.p75 < latency.p90 < latency.p99
            median[speed] = latency.p50
    assert median[1.0] == pytest.approx(10 * median[10.0], rel=0.01)
    assert 20_000 < median[1.0] < 200_000


def listed_by(sdk: OpenRouter, modality: str = "video") -> list[Model]:
    """The models of the plain list that make this."""
    page = sdk.models.list(output_modalities=modality)
    assert page is not None
    return page.result.data


def test_the_sdk_lists_models_by_what_they_make(sdk: OpenRouter, sdk_box: Sandbox) -> None:
    """The plain list tells what a model takes as input, and when it may be removed; it can change."""
    models = {model.id: model for model in listed_by(sdk)}
    assert len(models) == 30
    assert list(models["heygen/avatar-iv"].architecture.input_modalities) == ["text", "image", "audio"]
    assert {model.expiration_date for model in models.values()} == {None}
    assert listed_by(sdk, "text") == []
    # A field that is left out for a model of this kind, or that no video model has.
    left_out = {"alias_target", "benchmarks", "reasoning"}
    raw = httpx.get(f"{sdk_box.base_url}/models", params={"output_modalities": "all", "limit": 20}).json()
    assert raw["data"][0].keys() == Model.model_fields.keys() - left_out
    assert raw["links"]["next"].endswith("offset=20&limit=20")
    fewer = sdk_box.models[:3]
    fewer[0] |= {"expiration_date": "2026-12-24", "pricing_skus": {"duration_seconds": "0.5"}}
    sdk_box.set_models(fewer)
    assert listed_by(sdk)[0].expiration_date == "2026-12-24"
    [first, *_] = sdk.video_generation.list_videos_models().data
    assert first.pricing_skus == {"duration_seconds": "0.5"}
    with pytest.raises(BadRequestResponseError, match="not a valid model ID"):
        sdk.video_generation.generate(model="google/veo-3.1-lite", prompt=PROMPT)
    with pytest.raises(ConfigurationError, match="not a list of models"):
        sdk_box.set_models([{"id": "a/b"}])
    address = sdk_box.base_url.removesuffix("/api/v1") + "/sandbox/models"
    assert httpx.get(address).json() == {"data": fewer}
    assert httpx.put(address, json={"data": fewer[1:]}).status_code == 200
    assert [model["id"] for model in sdk_box.models] == [model["id"] for model in fewer[1:]]
    for wrong in ('{"models": []}', '{"data": [{"id": "a/b"}]}'):
        assert httpx.put(address, content=wrong).status_code == 422


def test_the_sdk_understands_a_refusal_by_moderation(sdk: OpenRouter, sdk_box: Sandbox) -> None:
    """It arrives as the SDK's own error, with what was flagged."""
    sdk_box.add_fault(Fault(on="submit", refusal="moderation"))
    with pytest.raises(ForbiddenResponseError, match="flagged") as refused:
        sdk.video_generation.generate(model="google/veo-3.1-lite", prompt=PROMPT)
    assert isinstance(refused.value.data.error.metadata, dict)
    assert refused.value.data.error.metadata["flagged_input"] == PROMPT


@pytest.mark.filterwarnings("ignore:warning.*DEPRECATED")  # of fields that every answer has
def test_the_sdk_reads_the_budget_of_the_key(sdk: OpenRouter, sdk_box: Sandbox) -> None:
    """Every field passes the SDK's own type, with a budget and without; a spent one arrives as the SDK's own error."""
    assert sdk.api_keys.get_current_key_metadata().data.effective_budget is None
    budgets = (Budget(limit_usd=0.5, scope="workspace", reset_interval="monthly"), Budget(limit_usd=0))
    for n in (1, 2):
        sdk_box.set_budgets(*budgets[:n])
        effective = sdk.api_keys.get_current_key_metadata().data.effective_budget
        assert effective is not None
        assert (effective.scope, effective.remaining_usd) == [("workspace", 0.5), ("key_limit", 0)][n - 1]
    with pytest.raises(ForbiddenResponseError, match="Key limit exceeded") as refused:
        sdk.video_generation.generate(model="google/veo-3.1-lite", prompt=PROMPT)
    assert isinstance(refused.value.data.error.metadata, dict)
    assert refused.value.data.error.metadata["limit_source"] == "openrouter_key_limit"


def test_the_sdk_lists_the_generations_of_an_account(sdk: OpenRouter, sdk_box: Sandbox) -> None:
    """By a management key only: those of a model and a time by their ids, each of which tells its session."""
    job = sdk.video_generation.generate(
        model="x-ai/grok-imagine-video", prompt=PROMPT, duration=1, resolution="480p", session_id="sdk-session"
    )
    now = datetime.now(UTC)
    asked: dict[str, Any] = {
        "metrics": ["request_count"],
        "dimensions": ["generation_id"],
        "time_range": {"start": now - timedelta(minutes=5), "end": now + timedelta(minutes=5)},
    }
    model = next(one for one in sdk.video_generation.list_videos_models().data if one.id == "x-ai/grok-imagine-video")
    filters = [{"field": "model", "operator": "in", "value": [model.canonical_slug]}]
    with pytest.raises(ForbiddenResponseError, match="management key"):
        sdk.analytics.query_analytics(**asked)
    with OpenRouter(api_key=sdk_box.management_key, server_url=sdk_box.base_url) as manager:
        listed = manager.analytics.query_analytics(**asked, filters=filters).data
        assert (listed.metadata.row_count, listed.metadata.truncated) == (1, False)
        other = [{"field": "model", "operator": "eq", "value": "another/model"}]
        assert manager.analytics.query_analytics(**asked, filters=other).data.metadata.row_count == 0
        with pytest.raises(BadRequestResponseError, match=r"dimensions\.0"):
            manager.analytics.query_analytics(**{**asked, "dimensions": ["moon"]})
        sdk_box.finish(job.id)
        generation = manager.generations.get_generation(id=job.id).data
        assert (generation.session_id, generation.api_type) == ("sdk-session", "video")
        with pytest.raises(UnauthorizedResponseError):
            manager.video_generation.generate(model="google/veo-3.1-lite", prompt=PROMPT)
