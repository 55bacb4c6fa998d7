"""What the sandbox makes of a request's body, what it charges, and how its jobs live: tables over pure functions."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from openrouter_video.sandbox.catalogue import load_catalogue
from openrouter_video.sandbox.inputs import InputFacts
from openrouter_video.sandbox.jobs import Job, ended, new_job_id, simulated_seconds, status_of
from openrouter_video.sandbox.orders import Order, Refusal, previous_refusal, read_order, shaped
from openrouter_video.sandbox.pricing import cost_usd

GROK = "x-ai/grok-imagine-video"
VEO = "google/veo-3.1-lite"
MINI = "bytedance/seedance-2.0-mini"
EDITOR, UPSCALER, AVATAR = "runway/aleph-2", "black-forest-labs/flux-video-upscale", "heygen/avatar-iv"
CONTINUES = "black-forest-labs/flux-3-video"
CLIP = {"type": "video_url", "video_url": {"url": "https://example.com/clip.mp4"}}
VOICE = {"type": "audio_url", "audio_url": {"url": "https://example.com/voice.mp3"}}
PORTRAIT = {"type": "image_url", "image_url": {"url": "https://example.com/face.png"}}
PNG = "data:image/png;base64,iVBORw0KGgo="
CLIP_FACTS = InputFacts("digest", 4.5, 640, 360)
FRAME = {"type": "image_url", "image_url": {"url": PNG}, "frame_type": "first_frame"}


def order_of(**body: Any) -> Order:
    """A valid order for the body, with a prompt unless it says otherwise."""
    order = read_order({"prompt": "a paper boat", **body}, load_catalogue())
    assert isinstance(order, Order), order
    return order


def refusal_of(**body: Any) -> Refusal:
    """The refusal of the body, with a prompt unless it says otherwise."""
    refusal = read_order({"prompt": "a paper boat", **body}, load_catalogue())
    assert isinstance(refusal, Refusal), refusal
    return refusal


def job_of(order: Order, submitted_at: float = 1000, ready_at: float = 1060) -> Job:
    """A job that was submitted and is ready at these times."""
    return Job(
        id="gen-vid-1-a",
        order=order,
        body={},
        session_id=None,
        cost_usd=1,
        submitted_at=submitted_at,
        ready_at=ready_at,
        secret="canary",
    )


@pytest.mark.parametrize(
    ("body", "dollars"),
    [
        ({"model": GROK, "duration": 1, "resolution": "480p"}, 0.05),
        ({"model": GROK, "duration": 1, "resolution": "480p", "aspect_ratio": "1:1", "frame_images": [FRAME]}, 0.052),
        (
            {
                "model": GROK,
                "duration": 1,
                "resolution": "480p",
                "input_references": [{k: FRAME[k] for k in ("type", "image_url")}],
            },
            0.052,
        ),
        ({"model": VEO, "duration": 4, "resolution": "720p", "generate_audio": False}, 0.12),
        ({"model": MINI, "duration": 4, "resolution": "480p", "aspect_ratio": "1:1", "generate_audio": False}, 0.1358),
    ],
)
def test_recorded_bills_are_charged_to_the_cent(body: dict[str, Any], dollars: float) -> None:
    """Five publicly recorded bills come out of the model's SKUs."""
    order = order_of(**body)
    assert cost_usd(load_catalogue().entries[order.model].pricing_skus, order) == dollars


def test_the_unexplained_bill_is_charged_by_its_sku() -> None:
    """wan-3.0, 2 s at 480p, was billed 0.2125 for unknown reasons; the sandbox says 2 x 0.05."""
    order = order_of(model="alibaba/wan-3.0", duration=2, resolution="480p")
    assert cost_usd(load_catalogue().entries[order.model].pricing_skus, order) == 0.1


@pytest.mark.parametrize(
    ("skus", "changes", "dollars"),
    [
        ({"duration_seconds": "0.1", "duration_seconds_720p": "0.2"}, {}, 0.8),
        ({"duration_seconds_with_audio": "0.4", "duration_seconds_with_audio_4k": "0.6"}, {"resolution": "4K"}, 2.4),
        ({"duration_seconds": "0.1", "duration_seconds_with_audio": "0.2"}, {"audio": False}, 0.4),
        (
            {"text_to_video_duration_seconds_720p": "0.08", "image_to_video_duration_seconds_720p": "0.1"},
            {"images": 1},
            0.4,
        ),
        ({"duration_seconds_480p": "0.02", "reference_duration_seconds_720p": "0.05"}, {"references": 1}, 0.2),
        ({"duration_seconds": "0.13", "reference_images": "0.04"}, {"images": 2}, 0.6),
        ({"cents_per_second_output": "28", "minimum_cents_per_generation": "56"}, {"seconds": 1}, 0.56),
        (
            {"cents_per_second_output_720p": "17", "cents_per_second_video_continuation_720p": "41"},
            {"continues": True},
            1.64,
        ),
        (
            {"cents_per_megapixel_second_precise": "7.5", "cents_per_megapixel_second_creative": "10.5"},
            {"creativity": 1},
            0.42,
        ),
        ({"video_tokens": "0.00001", "video_tokens_with_video_input": "0.000005"}, {"video_input": True}, 0.473633),
        ({"video_tokens": "0.00001", "video_tokens_1080p": "0.00002"}, {"resolution": "1080p"}, 1.894531),
        ({"credits_per_dream": "7"}, {}, None),
    ],
)
def test_the_most_specific_sku_wins(skus: dict[str, str], changes: dict[str, Any], dollars: float | None) -> None:
    """Every vocabulary of the price list, for 4 s with sound at 1000x1000; an unknown one is unpriced, not free."""
    order = Order(model="m/m", prompt="", seconds=4, resolution="720p", width=1000, height=1000, audio=True)
    assert cost_usd(skus, order.model_copy(update=changes)) == dollars


def test_every_model_of_the_list_has_a_price() -> None:
    """No entry of the catalogue is unpriced in its default form."""
    for entry in load_catalogue().entries.values():
        width, height = entry.frame_size(entry.default_resolution, entry.default_aspect_ratio)
        order = Order(
            model=entry.id,
            prompt="",
            seconds=5,
            resolution=entry.default_resolution,
            width=width,
            height=height,
            audio=bool(entry.generate_audio),
        )
        assert cost_usd(entry.pricing_skus, order), entry.id


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"model": "acme/none"}, "acme/none is not a valid model ID"),
        (
            {"model": GROK, "duration": 99},
            "Duration 99s is not supported for this model. Supported durations: " + ", ".join(map(str, range(1, 16))),
        ),
        ({"model": VEO, "duration": 5}, "Duration 5s is not supported for this model. Supported durations: 8, 4, 6"),
        (
            {"model": GROK, "resolution": "4K"},
            "Resolution 4K is not supported for this model. Supported resolutions: 480p, 720p",
        ),
        (
            {"model": VEO, "aspect_ratio": "1:1"},
            "Aspect ratio 1:1 is not supported for this model. Supported aspect ratios: 16:9, 9:16",
        ),
        (
            {"model": "runway/gen-4.5", "size": "1920x1080"},
            "Size 1920x1080 is not supported for this model. Supported sizes: 1280x720, 720x1280",
        ),
        (
            {"model": GROK, "frame_images": [{**FRAME, "frame_type": "last_frame"}]},
            "Frame type last_frame is not supported for this model. Supported frame types: first_frame",
        ),
        ({"model": GROK, "prompt": ""}, "Prompt is required for this model"),
        (
            {
                "model": MINI,
                "input_references": [{"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AA"}}],
            },
            "Invalid reference URL: input_references[0].video_url.url: Only HTTPS URLs are allowed",
        ),
        (
            {"model": GROK, "frame_images": [{**FRAME, "image_url": {"url": "http://example.com/a.png"}}]},
            "Invalid reference URL: frame_images[0].image_url.url: Only HTTPS URLs are allowed",
        ),
        (
            {"model": VEO, "size": "1280x720", "resolution": "720p"},
            "size cannot be combined with resolution or aspect_ratio",
        ),
        ({"model": VEO, "upscale_factor": 2}, "upscale_factor is not supported for this model"),
        ({"model": VEO, "previous_job_id": "gen-vid-1-x"}, "previous_job_id is not supported for this model"),
        (
            {"model": "black-forest-labs/flux-video-edit"},
            "black-forest-labs/flux-video-edit requires an input reference of type video_url",
        ),
        (
            {"model": EDITOR, "input_references": [{k: FRAME[k] for k in ("type", "image_url")}]},
            "runway/aleph-2 requires an input reference of type video_url",
        ),
        (
            {"model": AVATAR, "input_references": [VOICE]},
            "heygen/avatar-iv requires an input reference of type image_url",
        ),
        (
            {"model": AVATAR, "prompt": "", "input_references": [PORTRAIT]},
            "heygen/avatar-iv requires a prompt or an input reference of type audio_url",
        ),
        ({"model": "alibaba/wan-3.0", "prompt": "", "input_references": [CLIP]}, "Prompt is required for this model"),
        (
            {"model": UPSCALER, "input_references": [CLIP], "upscale_factor": 3.5},
            "Upscale factor 3.5 is not supported for this model. Supported range: 1.5 to 3",
        ),
        (
            {"model": UPSCALER, "input_references": [CLIP], "creativity": 2},
            "Creativity 2 is not supported for this model. Supported creativity levels: 0, 1",
        ),
        (
            {
                "model": MINI,
                "input_references": [{"type": "audio_url", "audio_url": {"url": "data:audio/wav;base64,AA"}}],
            },
            "Invalid reference URL: input_references[0].audio_url.url: Only HTTPS URLs are allowed",
        ),
        (
            {
                "model": EDITOR,
                "input_references": [{"type": "video_url", "video_url": {"url": "http://127.0.0.1:80@x.org"}}],
            },
            "Invalid reference URL: input_references[0].video_url.url: Only HTTPS URLs are allowed",
        ),
        (
            {"model": VEO, "callback_url": "http://127.0.0.1:x@example.com"},
            "Invalid callback URL: Only HTTPS URLs are allowed",
        ),
        ({"model": VEO, "callback_url": "http://example.com"}, "Invalid callback URL: Only HTTPS URLs are allowed"),
    ],
)
def test_refusals_are_worded_as_the_api_words_them(body: dict[str, Any], message: str) -> None:
    """Each kind of bad request has its own message; capability refusals name the routing step that failed."""
    refusal = refusal_of(**body)
    assert refusal.message == message
    capability = "not supported" in message and "valid" not in message
    assert bool(refusal.metadata) or not capability


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, ["model"]),
        ({"model": VEO, "prompt": None}, ["prompt"]),
        ({"model": VEO, "duration": "4"}, ["duration"]),
        ({"model": VEO, "duration": 0}, ["duration"]),
        ({"model": VEO, "seed": None}, ["seed"]),
        ({"model": VEO, "size": "huge"}, ["size"]),
        ({"model": VEO, "session_id": "s" * 257}, ["session_id"]),
    ],
)
def test_a_wrong_shape_is_a_zod_error(body: dict[str, Any], path: list[str]) -> None:
    """A missing model, a wrong type or an explicit null is refused by the schema, naming the field."""
    refusal = refusal_of(**body)
    assert refusal.schema
    assert [issue["path"] for issue in json.loads(refusal.message)] == [path]


def test_passthrough_keys_and_unknown_fields_are_dropped_without_a_word() -> None:
    """An option that no provider knows costs money and does nothing, as on OpenRouter."""
    order = order_of(model=VEO, provider={"options": {"nobody": {"negativ_prompt": "rain"}}}, colour="blue")
    assert order.model == VEO


def test_an_image_stands_in_for_the_prompt() -> None:
    """A data: image as first frame needs no prompt."""
    assert order_of(model=GROK, prompt="", frame_images=[FRAME]).images == 1


@pytest.mark.parametrize(
    ("body", "facts", "seconds", "size", "dollars"),
    [
        ({"model": EDITOR, "input_references": [CLIP]}, CLIP_FACTS, 4.5, (640, 360), 1.26),
        ({"model": EDITOR, "input_references": [CLIP]}, InputFacts("d", 1.0, 640, 360), 1, (640, 360), 0.56),
        ({"model": EDITOR, "input_references": [CLIP], "aspect_ratio": "1:1"}, CLIP_FACTS, 4.5, (360, 360), 1.26),
        ({"model": EDITOR, "input_references": [CLIP]}, InputFacts(), 5, (1280, 720), 1.4),
        (
            {"model": "black-forest-labs/flux-video-edit", "input_references": [CLIP]},
            CLIP_FACTS,
            4.5,
            (640, 360),
            0.135,
        ),
        ({"model": UPSCALER, "input_references": [CLIP]}, CLIP_FACTS, 4.5, (1280, 720), 0.31104),
        (
            {"model": UPSCALER, "input_references": [CLIP], "upscale_factor": 1.5, "creativity": 1},
            CLIP_FACTS,
            4.5,
            (960, 540),
            0.244944,
        ),
        ({"model": AVATAR, "input_references": [PORTRAIT, VOICE]}, InputFacts("d", 7.25), 7.25, (1280, 720), 0.3625),
        ({"model": AVATAR, "input_references": [PORTRAIT], "prompt": "x" * 60}, InputFacts(), 4, (1280, 720), 0.2),
    ],
)
def test_models_without_durations_are_charged_by_their_input(
    body: dict[str, Any], facts: InputFacts, seconds: float, size: tuple[int, int], dollars: float
) -> None:
    """As long and as large as what they work on; 5 s of 720p where that could not be read."""
    order = order_of(**body)
    order = shaped(order.model_copy(update={"inputs": tuple(one.known(facts) for one in order.inputs)}), None)
    assert (order.seconds, (order.width, order.height)) == (seconds, size)
    assert cost_usd(load_catalogue().entries[order.model].pricing_skus, order) == dollars


def test_a_long_clip_is_charged_in_full_and_rendered_in_part() -> None:
    """Half an hour in 1080p, upscaled: as much of it is shown as is cheap."""
    order = order_of(model=UPSCALER, input_references=[CLIP], upscale_factor=3)
    facts = InputFacts("digest", 1800.0, 1920, 1080)
    order = shaped(order.model_copy(update={"inputs": tuple(one.known(facts) for one in order.inputs)}), None)
    assert (order.seconds, order.width, order.height) == (1800, 5760, 3240)
    assert cost_usd(load_catalogue().entries[order.model].pricing_skus, order) == 2519.424
    shown = order.scene
    assert shown.seconds == 30
    assert shown.width * shown.height * shown.seconds < 31_000_000
    assert shown.width / shown.height == pytest.approx(16 / 9, rel=0.01)


def test_a_choice_that_a_model_does_not_list_is_none() -> None:
    """An editor without ratios and resolutions takes no notice of them, whatever they say."""
    order = order_of(
        model="black-forest-labs/flux-video-edit", input_references=[CLIP], aspect_ratio="wide", resolution="huge"
    )
    assert (order.width, order.height, order.aspect_ratio) == (1280, 720, None)


def test_an_upscale_of_an_earlier_job_is_charged_by_that_one() -> None:
    """What it works on is the video of the same model that is named."""
    earlier = shaped(order_of(model=UPSCALER, input_references=[CLIP]), None)
    again = shaped(order_of(model=UPSCALER, previous_job_id="gen-vid-1-a", upscale_factor=1.5, prompt=""), earlier)
    assert (again.seconds, again.width, again.height) == (5, 3840, 2160)


@pytest.mark.parametrize(
    ("model", "status", "gone", "message"),
    [
        (None, "", False, "Job gen-vid-1-a not found"),
        (VEO, "completed", False, f"Job gen-vid-1-a was generated by {VEO}, not by {CONTINUES}"),
        (CONTINUES, "in_progress", False, "Job gen-vid-1-a is not completed (status: in_progress)"),
        (CONTINUES, "failed", False, "Job gen-vid-1-a is not completed (status: failed)"),
        (CONTINUES, "completed", True, "The output of job gen-vid-1-a is no longer available"),
        (CONTINUES, "completed", False, None),
    ],
)
def test_what_cannot_be_continued(model: str | None, status: str, gone: bool, message: str | None) -> None:
    """The same model's completed job can, as long as its video is kept."""
    order = order_of(model=CONTINUES, previous_job_id="gen-vid-1-a")
    refusal = previous_refusal(order, order_of(model=model) if model else None, status, gone=gone)
    assert (refusal and refusal.message) == (message and f"Invalid previous_job_id: {message}")


@pytest.mark.parametrize(
    ("body", "seconds", "size", "audio"),
    [
        ({"model": VEO}, 8, (1280, 720), True),
        ({"model": VEO, "duration": 4, "aspect_ratio": "9:16", "generate_audio": False}, 4, (720, 1280), False),
        ({"model": VEO, "size": "1920x1080"}, 8, (1920, 1080), True),
        ({"model": MINI, "resolution": "480p", "aspect_ratio": "1:1"}, 4, (640, 640), True),
        ({"model": MINI, "size": "480x480"}, 4, (480, 480), True),
        ({"model": GROK, "resolution": "480p", "aspect_ratio": "1:1"}, 1, (544, 544), False),
        ({"model": GROK, "resolution": "480p", "aspect_ratio": "3:2", "generate_audio": True}, 1, (720, 480), True),
        ({"model": "minimax/hailuo-3"}, 5, (2560, 1440), True),
        ({"model": "runway/gen-4.5", "generate_audio": True}, 2, (1280, 720), False),
        ({"model": "google/veo-3.1", "resolution": "4K"}, 4, (3840, 2160), True),
    ],
)
def test_an_order_is_rendered_as_asked(body: dict[str, Any], seconds: int, size: tuple[int, int], audio: bool) -> None:
    """Defaults come from the model's own lists, and a model without sound stays silent."""
    order = order_of(**body)
    assert (order.seconds, (order.width, order.height), order.audio) == (seconds, size, audio)


def test_a_size_is_billed_by_the_resolution_it_has() -> None:
    """1920x1080 is 1080p, and 3840x2160 is 4K, for the price list."""
    assert order_of(model="google/veo-3.1", size="1920x1080").resolution == "1080p"
    assert order_of(model="google/veo-3.1", size="2160x3840").resolution == "4K"


def test_job_ids_look_like_generation_ids() -> None:
    """gen-vid-, unix seconds, 20 alphanumerics; never the same twice."""
    ids = {new_job_id(1790983457.9) for _ in range(50)}
    assert len(ids) == 50
    assert all(re.fullmatch(r"gen-vid-1790983457-[A-Za-z0-9]{20}", one) for one in ids)


@pytest.mark.parametrize(("clip", "fastest", "slowest"), [(1, 3, 12), (4, 41, 62), (10, 120, 240), (30, 180, 300)])
def test_jobs_take_as_long_as_recorded(clip: int, fastest: float, slowest: float) -> None:
    """The time lies in the recorded range for the clip's length, is stable, and differs among models."""
    base = order_of(model=GROK, duration=1)
    times = [
        simulated_seconds(base.model_copy(update={"model": model, "seconds": clip})) for model in ("a/a", "b/b", "c/c")
    ]
    assert all(fastest <= seconds <= slowest for seconds in times)
    assert len(set(times)) == 3
    assert times[0] == simulated_seconds(base.model_copy(update={"model": "a/a", "seconds": clip}))


def test_a_job_completes_by_the_clock_and_not_before_its_video() -> None:
    """Pending until the time has come; after that, only the drawing holds it back."""
    job = job_of(order_of(model=VEO))
    assert status_of(job, 1001, rendering=False) == "pending"
    assert status_of(job, 1060, rendering=True) in ("pending", "in_progress")
    assert status_of(job, 1060, rendering=False) == "completed"


def test_some_models_show_progress() -> None:
    """A client meets in_progress as well: one model in four shows it in the second half."""
    base = order_of(model=VEO)
    states = [
        status_of(job_of(base.model_copy(update={"model": model})), 1040, rendering=False)
        for model in load_catalogue().entries
    ]
    assert 2 <= states.count("in_progress") <= 15
    assert set(states) == {"in_progress", "pending"}


def test_a_terminal_state_can_be_decided() -> None:
    """A person's word beats the clock, with the API's own error text by default."""
    job = job_of(order_of(model=VEO))
    assert ended(job, "expired", None, 1010).end == ended(job, "expired", "Job exceeded maximum time to live", 1010).end
    assert status_of(ended(job, "failed", "moderated", 1010), 2000, rendering=False) == "failed"
    assert status_of(ended(job, "completed", None, 1010), 1010, rendering=True) == "completed"
