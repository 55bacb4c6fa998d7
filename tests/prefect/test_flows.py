"""The flows on a real Prefect engine, against the sandbox over a real socket."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import av
import pytest
from PIL import Image
from prefect import flow, get_client, task
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.runtime import task_run

from blocks import VideoStore
from flows import collect_videos, fan_out_video, generate_video
from openrouter_video.api.answers import PollAnswer
from openrouter_video.api.client import VideoClient
from openrouter_video.errors import (
    ApiUnavailable,
    ConfigurationError,
    LedgerUnsafe,
    RequestRefused,
    TooFewVideos,
)
from openrouter_video.ledger.records import scope_of_key
from openrouter_video.money import Estimate, total_estimate
from openrouter_video.outcome import FanOut, Outcome
from openrouter_video.request.settings import VideoSettings
from openrouter_video.sandbox import Budget, Fault, Sandbox
from tasks import poll_job, unsearched

pytestmark = pytest.mark.usefixtures("prefect_server", "short_waits")

PROMPT = "A white orchid blooming"
VEO, SEEDANCE, WAN = "google/veo-3.1-lite", "bytedance/seedance-2.0-mini", "alibaba/wan-3.0"
LONG = "alibaba/wan-2.6"  # makes no 4 seconds
SMALL = VideoSettings(duration=4, resolution="720p", aspect_ratio="16:9", generate_audio=False)


async def _generate(model: str = VEO, **kwargs: Any) -> list[Outcome]:
    outcomes: list[Outcome] = await generate_video(PROMPT, model, settings=SMALL, **kwargs)
    return outcomes


def _local(url: str | None) -> Path:
    assert url is not None
    return Path(url.removeprefix("file://"))


async def test_generate_ends_with_a_video_that_is_what_was_asked(sandbox: Sandbox) -> None:
    """One prompt, one model: a file of the asked size and length, its sidecar, its price, and one job charged."""
    (outcome,) = await _generate()
    assert outcome.status == "completed"
    with av.open(str(_local(outcome.url))) as media:
        assert (media.streams.video[0].width, media.streams.video[0].height) == (1280, 720)
        assert not media.streams.audio
        assert (media.duration or 0) / av.time_base == pytest.approx(4, abs=0.1)
    sidecar = json.loads(_local(outcome.sidecar_url).read_text())
    assert sidecar["asked"]["prompt"] == PROMPT
    assert sidecar["sha256"] == outcome.sha256
    assert outcome.cost_usd == sandbox.charges[0].cost_usd == 0.12
    assert outcome.estimate == Estimate.of(120_000, 120_000, "listed")
    assert len(sandbox.charges) == 1
    assert sandbox.charges[0].session_id == outcome.key


async def test_fan_out_reports_each_model(sandbox: Sandbox) -> None:
    """Options go to the model that allows them, the others get the normalized request, and each says so."""
    options = {"google-vertex": {"negativePrompt": "text", "enhancePrompt": True}}
    result = await fan_out_video(PROMPT, [VEO, SEEDANCE, LONG], settings=SMALL, provider_options=options, min_success=2)
    assert isinstance(result, FanOut)
    veo, seedance, refused = result.outcomes
    assert veo.sent is not None
    assert seedance.sent is not None
    assert veo.sent["provider"]["options"]["google-vertex"] == {"parameters": options["google-vertex"]}
    assert "provider" not in seedance.sent
    assert [option.key for option in seedance.left_out] == [
        "google-vertex.negativePrompt",
        "google-vertex.enhancePrompt",
    ]
    assert (refused.status, refused.job_id) == ("refused", None)
    assert "5, 10" in (refused.error or "")
    assert {charge.model: charge.body for charge in sandbox.charges} == {VEO: veo.sent, SEEDANCE: seedance.sent}
    assert result.cost_usd == pytest.approx(sum(charge.cost_usd or 0 for charge in sandbox.charges))
    expected = [one.estimate for one in (veo, seedance) if one.estimate is not None]
    assert refused.estimate is None
    assert result.estimate == total_estimate(expected)
    assert (result.estimate.low_usd or 9) <= (result.cost_usd or 0) <= (result.estimate.high_usd or 0)


async def test_the_final_state_counts_videos_and_dollars(sandbox: Sandbox) -> None:
    """The flow's state message is what a person wants to read in a list of runs."""
    state = await fan_out_video(PROMPT, [VEO, LONG], settings=SMALL, min_success=1, return_state=True)
    assert (state.message or "").startswith("1 of 2 videos, sandbox $0.12, 1 refused. wan-2.6 refused: duration")
    assert state.is_completed()


async def test_too_few_videos_fail_the_run_with_every_outcome(sandbox: Sandbox) -> None:
    """Without min_success every video counts; the error carries what became of each, and survives persistence."""
    sandbox.add_fault(Fault(on="poll", model=WAN, body={"id": "x", "status": "failed", "error": "too wild"}))
    state = await fan_out_video(PROMPT, [VEO, WAN], settings=SMALL, return_state=True)
    assert state.is_failed()
    async with get_client() as client:
        run = await client.read_flow_run(state.state_details.flow_run_id or pytest.fail("no run"))
    assert run.state is not None
    error = await run.state.aresult(raise_on_failure=False)
    assert isinstance(error, TooFewVideos)
    assert [outcome.status for outcome in error.outcomes] == ["completed", "failed"]
    assert error.wanted == 2


async def test_a_run_that_cannot_succeed_spends_nothing(sandbox: Sandbox) -> None:
    """One model cannot do what is asked, and all videos are wanted: the other is not paid for either."""
    state = await fan_out_video(PROMPT, [VEO, LONG], settings=SMALL, return_state=True)
    assert state.is_failed()
    with pytest.raises(RequestRefused) as refused:
        await state.aresult()
    assert [problem.field for problem in refused.value.problems] == ["min_success"]
    assert f"{LONG} is refused (duration 4 s is not supported; it supports 5, 10 s" in (state.message or "")
    assert {request.kind for request in sandbox.requests} == {"models", "listing", "endpoints"}
    with pytest.raises(RequestRefused, match=rf"{VEO} is skipped \(not run for style, by policy skip\)"):
        await _generate(provider_options={"*": {"style": "x"}}, on_unsupported="skip")
    assert sandbox.charges == ()


async def test_a_run_that_may_cost_more_than_its_ceiling_sends_nothing(sandbox: Sandbox) -> None:
    """What it may cost is known before; with a ceiling that it passes it costs what the sandbox charged."""
    state = await fan_out_video(PROMPT, [VEO, SEEDANCE], settings=SMALL, max_usd=0.15, return_state=True)
    assert state.is_failed()
    assert "above its ceiling of $0.15; what would fit: without bytedance/seedance" in str(state.message)
    assert not sandbox.charges
    result = await fan_out_video(PROMPT, [VEO, SEEDANCE], settings=SMALL, max_usd=0.7)
    assert sum(charge.cost_usd or 0 for charge in sandbox.charges) == pytest.approx(result.cost_usd)
    assert (result.cost_usd or 1) <= 0.7


async def test_a_video_that_is_paid_already_passes_any_ceiling(sandbox: Sandbox) -> None:
    """The same key again costs nothing, whatever a new video would."""
    first = await _generate(idempotency_key="orchid")
    again = await _generate(idempotency_key="orchid", max_usd=0.01)
    assert [outcome.url for outcome in again] == [outcome.url for outcome in first]
    assert len(sandbox.charges) == 1


async def test_what_a_key_may_not_spend_is_not_sent(sandbox: Sandbox) -> None:
    """Two models do not fit into its budget, so nothing is sent; one of them does."""
    sandbox.set_budgets(Budget(limit_usd=0.15, reset_interval="monthly"))
    state = await fan_out_video(PROMPT, [VEO, SEEDANCE], settings=SMALL, return_state=True)
    assert state.is_failed()
    assert "the key may spend $0.15 more until 20" in str(state.message)
    assert "what would fit: without bytedance/seedance" in str(state.message)
    assert not sandbox.charges
    assert [outcome.status for outcome in await _generate()] == ["completed"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="key", status=404),
        Fault(on="key", status=500, body="oops"),
        Fault(on="key", mangle="html"),
        Fault(on="key", drop="before"),
    ],
    ids=["404", "500", "html", "dropped"],
)
async def test_a_look_at_the_key_that_fails_is_a_note(sandbox: Sandbox, fault: Fault) -> None:
    """The run goes on, and says so: OpenRouter holds its own budget."""
    sandbox.add_fault(fault)
    result = await fan_out_video(PROMPT, [VEO], settings=SMALL)
    assert result.status == "completed"
    assert [problem.partition(" (")[0] for problem in result.problems] == ["what the key may still spend is not known"]


async def test_a_budget_that_is_spent_on_the_way_refuses_the_rest(sandbox: Sandbox) -> None:
    """Where nobody could look before: what was accepted is made, and the other one says which budget is spent."""
    sandbox.set_budgets(Budget(limit_usd=0.01, scope="workspace"))
    sandbox.add_fault(Fault(on="key", status=404))
    result = await fan_out_video(PROMPT, [VEO, SEEDANCE], settings=SMALL, min_success=1)
    made, refused = sorted(result.outcomes, key=lambda outcome: outcome.status)
    assert (made.status, refused.status, len(sandbox.charges)) == ("completed", "refused", 1)
    assert "Budget limit exceeded (total limit) (the budget of its workspace is spent: $0." in (refused.error or "")
    assert " of $0.01, scope workspace)" in (refused.error or "")
    assert (refused.failure, len(result.problems)) == ("spent_budget", 2)


async def test_the_list_that_is_kept_remembers_that_it_is_a_sandboxs(sandbox: Sandbox) -> None:
    """The second run asks for no list, and gets no answer about its key; its video is a sandbox's all the same."""
    outcomes = await _generate()
    sandbox.add_fault(Fault(on="key", drop="before"))
    outcomes += await _generate()
    assert [outcome.sandbox for outcome in outcomes] == [True, True]
    assert sum(seen.kind == "models" for seen in sandbox.requests) == 1


async def test_an_api_in_the_place_of_a_sandbox_is_taken_for_one_that_bills(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Within the hour for which the list is kept, at the same address: what it says of the key is newer."""
    with Sandbox(job_seconds=0) as before:
        monkeypatch.setenv("OPENROUTER_BASE_URL", before.base_url)
        monkeypatch.setenv("OPENROUTER_API_KEY", before.api_key)
        monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", str(tmp_path))
        await _generate()
    with Sandbox(port=urlsplit(before.base_url).port or 0, job_seconds=0, disclosed=False) as billing:
        (outcome,) = await _generate()
        assert [seen.kind for seen in billing.requests][:2] == ["key", "submit"]
    assert not outcome.sandbox
    assert json.loads(_local(outcome.sidecar_url).read_text())["sandbox"] is False


async def test_a_retry_needs_no_budget_for_what_it_has_sent(sandbox: Sandbox) -> None:
    """The first attempt has spent all there was; the second one fetches its video all the same."""
    attempts = []
    sandbox.set_budgets(Budget(limit_usd=0.12))

    @flow(retries=1)
    async def nightly() -> list[Outcome]:
        attempts.append(await generate_video(PROMPT, VEO, settings=SMALL))
        if len(attempts) == 1:
            raise RuntimeError("something later went wrong")
        return attempts[-1]

    assert [outcome.status for outcome in await nightly()] == ["completed"]
    assert len(sandbox.charges) == 1


async def test_a_flow_retry_sends_no_second_post(sandbox: Sandbox) -> None:
    """A flow that fails after its subflow and is retried finds the same job."""
    attempts = []

    @flow(retries=1)
    async def nightly() -> list[Outcome]:
        outcomes = await generate_video(PROMPT, VEO, settings=SMALL)
        attempts.append(outcomes)
        if len(attempts) == 1:
            raise RuntimeError("something later went wrong")
        return outcomes

    assert [outcome.job_id for outcome in await nightly()] == [attempts[0][0].job_id]
    assert len(sandbox.charges) == 1


async def test_a_retried_parent_without_any_persistence_sends_no_second_post(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect's result cache guards nothing: with results out of the way the ledger alone finds the job."""
    attempts = []
    unpersisted = fan_out_video.with_options(persist_result=False)

    @flow(retries=2)
    async def nightly() -> FanOut:
        result = await unpersisted(PROMPT, [VEO, SEEDANCE], settings=SMALL, takes=2)
        attempts.append(result)
        if len(attempts) < 3:
            raise RuntimeError("something later went wrong")
        return result

    last = await nightly()
    assert len(sandbox.charges) == 4
    assert [outcome.reused for outcome in last.outcomes] == [True] * 4
    assert {o.job_id for o in last.outcomes} == {charge.job_id for charge in sandbox.charges}
    assert len({result.run_id for result in attempts}) == 3


@pytest.mark.filterwarnings("ignore:Logger 'prefect.task_runs' attempted to send logs")
async def test_a_retried_task_without_a_flow_sends_no_second_post(sandbox: Sandbox) -> None:
    """Each attempt has a flow run of its own; the task run around them stays. Another task run is another job."""
    attempts: list[Outcome] = []

    @task(retries=1)
    async def clip_and_publish() -> None:
        attempts.extend(await _generate())
        if len(attempts) == 1:
            raise RuntimeError("the upload afterwards failed")

    await clip_and_publish()
    assert [outcome.reused for outcome in attempts] == [False, True]
    assert {outcome.job_id for outcome in attempts} == {charge.job_id for charge in sandbox.charges}
    await clip_and_publish()
    assert len(sandbox.charges) == 2


async def test_two_equal_calls_in_one_run_are_one_job(sandbox: Sandbox) -> None:
    """The second call is reported as reused; another take is another video."""

    @flow
    async def twice() -> tuple[list[Outcome], list[Outcome]]:
        return await _generate(), await _generate(takes=2)

    (first,), (again, other) = await twice()
    assert (first.reused, again.reused, other.reused) == (False, True, False)
    assert (again.job_id, again.url) == (first.job_id, first.url)
    assert len(sandbox.charges) == 2


async def test_a_second_run_with_the_same_key_reuses_the_video(sandbox: Sandbox) -> None:
    """No POST and no download if the file is there; one that has gone is downloaded again, not bought again."""
    (first,) = await _generate(idempotency_key="daily-{date}")
    (second,) = await _generate(idempotency_key="daily-{date}")
    assert (second.status, second.reused, second.url) == ("completed", True, first.url)
    assert sum(seen.kind == "content" for seen in sandbox.requests) == 1
    _local(first.url).unlink()
    (third,) = await _generate(idempotency_key="daily-{date}")
    assert (third.status, third.url, third.cost_usd) == ("completed", first.url, first.cost_usd)
    assert _local(third.url).exists()
    assert len(sandbox.charges) == 1


async def test_three_runs_with_one_key_add_up_to_one_payment(sandbox: Sandbox) -> None:
    """What a run has paid for is one sum, what it found is another: in its result, its message and its table."""
    runs, messages = [], []
    for takes in (1, 2, 2):
        state = await fan_out_video(PROMPT, [VEO], settings=SMALL, takes=takes, idempotency_key="k", return_state=True)
        runs.append(await state.aresult())
        messages.append(state.message)
    assert [charge.cost_usd for charge in sandbox.charges] == [0.12, 0.12]
    assert [(run.cost_usd, run.reused_cost_usd) for run in runs] == [(0.12, None), (0.12, 0.12), (0.0, 0.24)]
    assert messages == [
        "1 of 1 video, sandbox $0.12",
        "2 of 2 videos, sandbox $0.12, 1 reused (sandbox $0.12 paid before)",
        "2 of 2 videos, sandbox $0.00, 2 reused (sandbox $0.24 paid before)",
    ]
    first, again = runs[0].outcomes[0], runs[2].outcomes[0]
    assert datetime.fromisoformat(first.made_at or "") == pytest.approx(datetime.now(UTC), abs=timedelta(minutes=5))
    assert (again.made_at, again.prompt) == (first.made_at, PROMPT)
    sidecar = json.loads(_local(first.sidecar_url).read_text())
    assert (sidecar["made_at"], sidecar["prompt"], sidecar["labels"]) == (first.made_at, PROMPT, {})


async def test_labels_stand_in_every_record_and_make_no_other_request(sandbox: Sandbox) -> None:
    """The same key finds the same video, with the labels of the run that paid; OpenRouter hears of them when asked."""
    first, again = [
        await fan_out_video(PROMPT, [VEO], settings=SMALL, idempotency_key="k", labels={"team": team}, send_labels=told)
        for team, told in (("film", False), ("ads", True))
    ]
    assert (first.asked["labels"], again.asked["labels"]) == ({"team": "film"}, {"team": "ads"})
    (one,), (two,) = first.outcomes, again.outcomes
    assert (two.reused, two.job_id, two.labels) == (True, one.job_id, {"team": "film"})
    assert json.loads(_local(one.sidecar_url).read_text())["labels"] == {"team": "film"}
    other = await fan_out_video(PROMPT, [VEO], settings=SMALL, labels={"team": "ads"}, send_labels=True)
    assert [charge.body.get("trace") for charge in sandbox.charges] == [None, {"team": "ads"}]
    assert (other.outcomes[0].sent or {})["trace"] == {"team": "ads"}
    with pytest.raises(RequestRefused, match="label 'team' cannot be 7: its value must be text"):
        await fan_out_video(PROMPT, [VEO], settings=SMALL, labels={"team": 7})


async def test_a_key_that_belongs_to_another_request_is_refused(sandbox: Sandbox) -> None:
    """The message names the difference, and the models that the key does not know yet are not run either."""
    await _generate(idempotency_key="one")
    with pytest.raises(RequestRefused, match=r"settings\.resolution was \"720p\", now \"1080p\""):
        await fan_out_video(
            PROMPT, [VEO, WAN], settings=SMALL.model_copy(update={"resolution": "1080p"}), idempotency_key="one"
        )
    assert len(sandbox.charges) == 1


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"model": "google/veo-3.1-light"}, "did you mean google/veo-3.1-lite"),
        ({"settings": {"duration": 5}}, "4, 6, 8 s"),
        ({"settings": {"resolution": "1080P"}}, "did you mean 1080p"),
        ({"settings": {"aspect_ratio": "1:1"}}, "16:9, 9:16"),
        ({"settings": {"size": "1280x720", "resolution": "720p"}}, "one or the other"),
        ({"provider_options": {"google": {"negativePrompt": "x"}}}, "google-vertex"),
        ({"provider_options": {"google-vertex": ["x"]}}, "must be an object"),
        ({"prompt": "  "}, "the prompt is empty"),
        ({"settings": {"first_frame": "/nowhere/flower.png"}}, "flower.png"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_bad_input_is_refused_before_anything_is_spent(
    sandbox: Sandbox, kwargs: dict[str, Any], words: str
) -> None:
    """Each mistake gets an error of its own, and no job is charged."""
    with pytest.raises(RequestRefused) as refused:
        await generate_video(**{"prompt": PROMPT, "model": VEO, **kwargs})
    assert words in str(refused.value)
    assert sandbox.charges == ()


async def _within_a_flow(**kwargs: Any) -> None:
    @flow
    async def nightly() -> None:
        await fan_out_video(PROMPT, [VEO], **kwargs)

    await nightly()


@pytest.mark.parametrize(
    "call",
    [
        lambda **kwargs: generate_video(PROMPT, VEO, **kwargs),
        lambda **kwargs: generate_video(PROMPT, VEO, **kwargs, return_state=True),
        lambda **kwargs: fan_out_video.with_options(name="other", retries=2)(PROMPT, [VEO], **kwargs),
        _within_a_flow,
    ],
    ids=["called", "for its state", "with options", "within a flow"],
)
@pytest.mark.parametrize(
    "large",
    [
        {"settings": VideoSettings(first_frame="data:image/png;base64," + "QUJD" * 140_000)},
        {"provider_options": {"google-vertex": {"mask": "data:image/png;base64," + "QUJD" * 140_000}}},
    ],
    ids=["frame", "option"],
)
async def test_parameters_too_large_for_prefect_are_refused(sandbox: Sandbox, call: Any, large: dict[str, Any]) -> None:
    """Prefect's server refuses the run before it exists; the caller learns what to do, and no more than that."""
    with pytest.raises(
        RequestRefused, match=r"5\d\d,\d{3} bytes, and it keeps at most 524,288; give an image as a path"
    ) as refused:
        await call(**large)
    assert [problem.field for problem in refused.value.problems] == ["parameters"]
    assert refused.value.__context__ is None
    assert sandbox.requests == ()


async def test_an_empty_list_of_models_is_refused(sandbox: Sandbox) -> None:
    """As is the same model twice."""
    with pytest.raises(RequestRefused, match="no model was chosen"):
        await fan_out_video(PROMPT, [])
    with pytest.raises(RequestRefused, match="given 2 times"):
        await fan_out_video(PROMPT, [VEO, VEO])
    assert sandbox.charges == ()


async def test_an_option_that_the_api_refuses_falls_back(sandbox: Sandbox) -> None:
    """A 400 that names a sent option is free and final: the policy is applied again, on a fresh catalog."""
    body = {"error": {"code": 400, "message": "Option enhancePrompt is not supported", "metadata": None}}
    sandbox.add_fault(Fault(on="submit", status=400, body=body))
    (outcome,) = await _generate(provider_options={"google-vertex": {"enhancePrompt": True, "negativePrompt": "x"}})
    assert outcome.status == "completed"
    assert outcome.sent is not None
    assert "provider" not in outcome.sent
    assert {option.key for option in outcome.left_out} == {"enhancePrompt", "negativePrompt"}
    assert "the API refused it" in outcome.left_out[0].reason
    assert sum(seen.kind == "models" for seen in sandbox.requests) == 2
    assert len(sandbox.charges) == 1
    # One by which moderation refuses what an option says is not answered by another request.
    flagged = {"error": {"code": 400, "message": "negativePrompt: flagged", "metadata": {"reasons": ["gore"]}}}
    sandbox.add_fault(Fault(on="submit", status=400, body=flagged))
    with pytest.raises(TooFewVideos) as few:
        await _generate(provider_options={"google-vertex": {"negativePrompt": "x"}})
    assert few.value.outcomes[0].failure == "input_moderation"
    assert (sum(seen.kind == "submit" for seen in sandbox.requests), len(sandbox.charges)) == (3, 1)


async def test_an_uncertain_submission_is_never_sent_again(sandbox: Sandbox) -> None:
    """Accepted, then 503: one job charged, reported as uncertain, and a second run with the key changes nothing."""
    sandbox.add_fault(Fault(on="submit", status=503, accepted=True, body="upstream"))
    for reused in (False, True):
        with pytest.raises(TooFewVideos) as few:
            await _generate(idempotency_key="once")
        (outcome,) = few.value.outcomes
        assert (outcome.status, outcome.reused) == ("uncertain", reused)
        assert f"settle {outcome.key} --job ID" in (outcome.error or "")
    assert len(sandbox.charges) == 1


async def test_a_deadline_leaves_the_job_open_and_collect_finishes_it(sandbox: Sandbox, tmp_path: Path) -> None:
    """A time-out is not a failure: the job goes on, and collect brings the video home."""
    with Sandbox(job_seconds=3600) as slow:
        os.environ["OPENROUTER_BASE_URL"] = slow.base_url
        os.environ["OPENROUTER_API_KEY"] = slow.api_key
        with pytest.raises(TooFewVideos) as few:
            await _generate(deadline_minutes=0.03)
        (outcome,) = few.value.outcomes
        assert outcome.status == "open"
        assert "collect" in (outcome.error or "")
        (still,) = await collect_videos()
        assert (still.status, still.job_id) == ("open", outcome.job_id)
        assert outcome.job_id is not None
        slow.finish(outcome.job_id, status="completed")
        (collected,) = await collect_videos()
        assert (collected.status, collected.job_id) == ("completed", outcome.job_id)
        assert _local(collected.url).is_file()
        assert await collect_videos() == []
        assert len(slow.charges) == 1


async def test_a_failed_job_says_why_and_stays_failed(sandbox: Sandbox) -> None:
    """The provider's word is final: a second run with the key does not buy again."""
    sandbox.add_fault(Fault(on="poll", times=None, status=200, body={"id": "x", "status": "failed", "error": "NSFW"}))
    for _ in range(2):
        with pytest.raises(TooFewVideos) as few:
            await _generate(idempotency_key="k")
        assert few.value.outcomes[0].status == "failed"
        assert (few.value.outcomes[0].error or "").startswith("failed: NSFW. This is final for ")
    assert len(sandbox.charges) == 1


async def test_a_refused_key_may_be_tried_again(sandbox: Sandbox) -> None:
    """A definite answer of the API frees the key."""
    body = {"error": {"code": 402, "message": "Insufficient credits", "metadata": None}}
    sandbox.add_fault(Fault(on="submit", status=402, body=body))
    with pytest.raises(TooFewVideos) as few:
        await _generate(idempotency_key="k")
    assert few.value.outcomes[0].status == "refused"
    assert "Add credits" in (few.value.outcomes[0].error or "")
    (outcome,) = await _generate(idempotency_key="k")
    assert outcome.status == "completed"
    assert len(sandbox.charges) == 1


async def test_the_catalog_is_fetched_once_for_many_runs(sandbox: Sandbox) -> None:
    """Within the time-to-live all runs that share result storage share the list of models."""
    for _ in range(3):
        await fan_out_video(PROMPT, [VEO, WAN], settings=SMALL)
    assert sum(seen.kind == "models" for seen in sandbox.requests) == 1


def _listed(*model_ids: str) -> Fault:
    """A list of models with these only, once."""
    return Fault(on="models", body={"data": [{"id": one, "supported_durations": [4]} for one in model_ids]})


async def test_an_empty_list_of_models_is_not_kept(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is trouble of the API: asked again, refused if it stays so, and forgotten once the API is well again."""
    monkeypatch.setattr("tasks.catalog.fetch_catalog.retry_delay_seconds", [0, 0, 0], raising=False)
    sandbox.add_fault(Fault(on="models", body={"data": []}, times=4))
    with pytest.raises(ApiUnavailable, match="list of video models cannot be used at this moment: it is empty"):
        await _generate()
    (outcome,) = await _generate()
    assert outcome.status == "completed"
    assert sum(seen.kind == "models" for seen in sandbox.requests) == 5


async def test_a_short_list_of_models_refuses_no_other_run(sandbox: Sandbox) -> None:
    """A list that has just lost the model is fetched afresh before the model is refused, once in a run."""
    sandbox.add_fault(_listed(WAN))
    (outcome,) = await _generate()
    assert outcome.status == "completed"
    assert sum(seen.kind == "models" for seen in sandbox.requests) == 2
    await _generate()
    assert sum(seen.kind == "models" for seen in sandbox.requests) == 2
    with pytest.raises(RequestRefused, match="there is no video model 'a/b'"):
        await _generate("a/b")
    assert sum(seen.kind == "models" for seen in sandbox.requests) == 3


async def test_a_ledger_that_cannot_be_read_refuses_the_run(sandbox: Sandbox, tmp_path: Path) -> None:
    """In the plan, in words: nobody knows what was submitted under the key."""
    key = scope_of_key("k", "loopback").key(VEO, 1)
    (tmp_path / "videos/_jobs" / key / "claim-1.json").mkdir(parents=True)
    with pytest.raises(RequestRefused, match="fix the ledger first"):
        await _generate(idempotency_key="k")
    assert not sandbox.charges


async def test_a_proxy_that_is_none_refuses_the_run(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a flow too: a sentence that names the variable."""
    monkeypatch.setenv("OPENROUTER_BASE_URL", "https://openrouter.invalid/api/v1")
    monkeypatch.setenv("HTTPS_PROXY", "http://pro..xy:8080")  # which Prefect itself takes
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY is"):
        await _generate()


async def test_the_run_leaves_a_table_with_flat_columns(sandbox: Sandbox) -> None:
    """The artifact of a run has one row per video and only scalar cells, as the UI needs."""
    state = await fan_out_video(PROMPT, [VEO, WAN], settings=SMALL, return_state=True)
    run_id = state.state_details.flow_run_id
    assert run_id is not None
    async with get_client() as client:
        artifacts = await client.read_artifacts(
            artifact_filter=ArtifactFilter(
                key=ArtifactFilterKey(any_=["openrouter-videos"]), flow_run_id=ArtifactFilterFlowRunId(any_=[run_id])
            )
        )
    (artifact,) = artifacts
    rows = json.loads(str(artifact.data))
    assert [row["model"] for row in rows] == [VEO, WAN]
    assert all(isinstance(cell, str | int | float) for row in rows for cell in row.values())
    assert artifact.description == "2 of 2 videos, sandbox $0.52. The estimate was sandbox $0.52 to $0.97."


async def test_no_key_is_a_clear_error(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable and the sandbox."""
    monkeypatch.delenv("OPENROUTER_API_KEY")
    with pytest.raises(ConfigurationError, match="OPENROUTER_API_KEY, or use --sandbox"):
        await _generate()


async def test_a_base_url_that_answers_html_is_a_clear_error(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told at once, not after retries."""
    sandbox.add_fault(Fault(on="models", mangle="html", times=None))
    with pytest.raises(ConfigurationError, match="does not look like OpenRouter's API"):
        await _generate()
    assert len(sandbox.requests) == 1


async def test_an_api_in_trouble_is_asked_again(sandbox: Sandbox) -> None:
    """A passing 503 of the model list costs a second, not the run."""
    sandbox.add_fault(Fault(on="models", status=503))
    (outcome,) = await _generate()
    assert outcome.status == "completed"


async def test_an_api_that_is_away_is_a_clear_error(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens there: the run is refused, and the message says where it looked."""
    monkeypatch.setenv("OPENROUTER_BASE_URL", "http://127.0.0.1:9/api/v1")
    monkeypatch.setattr("tasks.catalog.fetch_catalog.retry_delay_seconds", [0, 0, 0], raising=False)
    with pytest.raises(ApiUnavailable, match=r"could not reach http://127\.0\.0\.1:9"):
        await _generate()


async def test_a_limit_counts_jobs_that_can_be_collected(sandbox: Sandbox) -> None:
    """An old doubt does not keep a finished video waiting, and a limit of nothing is refused."""
    sandbox.add_fault(Fault(on="submit", status=503, accepted=True, body="upstream"))
    with pytest.raises(TooFewVideos):
        await _generate(idempotency_key="doubtful")
    sandbox.add_fault(Fault(on="content", status=401, body="no", times=1))
    with pytest.raises(TooFewVideos):
        await _generate(idempotency_key="open")
    outcomes = await collect_videos(limit=1)
    assert sorted(outcome.status for outcome in outcomes) == ["completed", "uncertain"]
    with pytest.raises(RequestRefused, match="limit must be 1 or more"):
        await collect_videos(limit=0)


async def test_one_odd_job_does_not_keep_the_others_waiting(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw about one of them leaves that one open, and says so."""
    sandbox.add_fault(Fault(on="content", status=401, body="no", times=2))
    for model in (VEO, WAN):
        with pytest.raises(TooFewVideos):
            await _generate(model)
    real = VideoClient.get_job

    async def stumble(self: VideoClient, job_id: str) -> PollAnswer:
        if job_id == sandbox.charges[0].job_id:
            raise ArithmeticError("odd")
        return await real(self, job_id)

    monkeypatch.setattr(VideoClient, "get_job", stumble)
    monkeypatch.setattr("flows.video_steps.poll_job", poll_job.with_options(retries=0))
    by_status = {outcome.status: outcome for outcome in await collect_videos()}
    assert set(by_status) == {"completed", "open"}
    assert "unexpected ArithmeticError: odd" in (by_status["open"].error or "")


async def test_a_key_belongs_to_its_images(sandbox: Sandbox, tmp_path: Path) -> None:
    """The same path with another picture in it is a different request."""
    picture = tmp_path / "first.png"
    settings = SMALL.model_copy(update={"first_frame": str(picture)})
    Image.new("RGB", (64, 64), "red").save(picture)
    await generate_video(PROMPT, VEO, settings=settings, idempotency_key="framed")
    Image.new("RGB", (64, 64), "blue").save(picture)
    with pytest.raises(RequestRefused, match="frame_images was"):
        await generate_video(PROMPT, VEO, settings=settings, idempotency_key="framed")
    assert len(sandbox.charges) == 1


async def test_a_video_in_another_folder_is_looked_for(sandbox: Sandbox, tmp_path: Path) -> None:
    """With a shared ledger a run finds what another folder holds; if it has gone, this folder gets it."""
    ledger = str(tmp_path / "ledger")
    (first,) = await _generate(idempotency_key="k", ledger=ledger, output=str(tmp_path / "one"))
    (there,) = await _generate(idempotency_key="k", ledger=ledger, output=str(tmp_path / "two"))
    assert (there.url, there.status) == (first.url, "completed")
    _local(first.url).unlink()
    (again,) = await _generate(idempotency_key="k", ledger=ledger, output=str(tmp_path / "two"))
    assert (again.status, again.reused) == ("completed", True)
    assert _local(again.url).is_file()
    assert "/two/" in (again.url or "")
    assert len(sandbox.charges) == 1


async def test_a_store_that_lies_may_hold_videos_but_no_ledger(
    sandbox: Sandbox, overwriting_s3: dict[str, str], tmp_path: Path
) -> None:
    """It is refused before anything is spent, with the way out; with the ledger elsewhere it is good for videos."""
    secret = {"key": overwriting_s3["key"], "secret": overwriting_s3["secret"]}
    options = {**secret, "endpoint_url": overwriting_s3["endpoint_url"]}
    block = VideoStore.model_validate({"base_url": "s3://bucket/out", "storage_options": options})
    await block.save("lying", overwrite=True)
    with pytest.raises(LedgerUnsafe, match="OPENROUTER_VIDEO_LEDGER or --ledger"):
        await _generate(store="lying")
    assert sandbox.charges == ()
    (outcome,) = await _generate(store="lying", ledger=str(tmp_path / "ledger"))
    assert (outcome.status, (outcome.url or "").startswith("s3://bucket/out/")) == ("completed", True)
    assert len(sandbox.charges) == 1


async def test_the_run_page_draws_each_video_as_a_chain(sandbox: Sandbox) -> None:
    """Poll knows the submit it follows, and download both, though Prefect does not search their arguments."""
    (result,) = [await fan_out_video(PROMPT, [VEO], settings=SMALL)]
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(result.run_id)]))
    names = {"submit", "poll", "download"}
    async with get_client() as client:
        for _ in range(100):  # the server learns of task runs by events, a little later
            found = await client.read_task_runs(flow_run_filter=of_run)
            runs = {run.name.split()[0]: run for run in found if run.name.split()[0] in names}
            if runs.keys() == names:
                break
            await asyncio.sleep(0.1)
    follows = {
        name: {other for other in names for value in run.task_inputs.values() for end in value
               if getattr(end, "id", None) == runs[other].id}
        for name, run in runs.items()
    }  # fmt: skip
    assert follows == {"submit": set(), "poll": {"submit"}, "download": {"submit", "poll"}}


@pytest.mark.parametrize("value", [SMALL, {"a": [1, 2]}, [SMALL, SMALL]])
async def test_an_unsearched_argument_arrives_as_it_is(prefect_server: None, value: Any) -> None:
    """The very object, in the task and in the name of its run."""
    seen: list[Any] = []

    @task(task_run_name="look at {argument}")
    async def look(argument: Any) -> str | None:
        seen.append(argument)
        return task_run.name  # type: ignore[no-any-return]

    @flow
    async def run() -> str | None:
        return await look(unsearched(value))

    assert await run() == f"look at {value}"
    assert seen[0] is value
