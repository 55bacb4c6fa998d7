"""Of what kind a failure is, by words that users of the providers have reported."""

from __future__ import annotations

import pytest

from openrouter_video.api.failures import failure_of_job, speaks_of_moderation
from openrouter_video.outcome import FailureKind

VEO = "Veo could not generate videos because the input image violates Vertex AI's usage guidelines. Support codes: 1"
VEO_AUDIO = (
    "We encountered an issue with the audio for your prompt, which means we could not create your video. This can "
    "sometimes happen due to our safety filters or other processing issues."
)
VEO_PROMPT = (
    "The prompt could not be submitted. This prompt contains words that violate Vertex AI's usage guidelines. Try "
    "rephrasing the prompt. Support codes: 29310472"
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        # Google, Vertex
        (VEO_PROMPT, "input_moderation"),
        ("This prompt contains sensitive words that violate Google's Responsible AI practices.", "input_moderation"),
        (VEO, "input_moderation"),
        (VEO.replace("Vertex AI", "Agent Platform"), "input_moderation"),
        ("1 videos were filtered out because they violated Google's Responsible AI practices.", "output_moderation"),
        ("2 videos were filtered out because they violated Vertex AI's usage guidelines.", "output_moderation"),
        (VEO_AUDIO, "output_moderation"),
        ("Veo could not generate 1 videos based on the prompt provided. Try again.", "provider"),
        ("The model is currently experiencing high load. Please try again later.", "provider"),
        # BytePlus, of Seedance
        ("InputTextSensitiveContentDetected: the input text may contain sensitive information.", "input_moderation"),
        ("The request failed because the input image 'content[1]' may contain real person.", "input_moderation"),
        ("The request failed because the input image 'content[4]' may be related to copyright restrictions.",
         "input_moderation"),
        ("OutputVideoSensitiveContentDetected.PolicyViolation", "output_moderation"),
        ("The request failed because the output video may contain sensitive information. Request id: 02178",
         "output_moderation"),
        ("The request failed because the output audio may contain sensitive information.", "output_moderation"),
        ("The request failed because the output video may be related to copyright restrictions.", "output_moderation"),
        ("InvalidParameter: `content[1].video_url` is 2.8 seconds.", "provider"),
        # Kling says that a check has refused, and not of what
        ("Failure to pass the risk control system", "provider"),
        ("Service busy, please try again later", "provider"),
        # OpenAI, of Sora
        ("moderation_blocked: Your request was blocked by our moderation system.", "provider"),
        ('{"code": "moderation_blocked", "moderation_details": {"moderation_stage": "input"}}', "input_moderation"),
        ('{"code": "moderation_blocked", "moderation_details": {"moderation_stage": "output"}}', "output_moderation"),
        ("Blocked by our moderation system when checking inputs", "input_moderation"),
        # MiniMax
        ("input new_sensitive (1026)", "input_moderation"),
        ("output new_sensitive (1027)", "output_moderation"),
        ("insufficient balance (1008)", "provider"),
        # Black Forest Labs
        ("Request Moderated", "input_moderation"),
        ("Content Moderated", "output_moderation"),
        # Runway
        ("SAFETY.INPUT.TEXT", "input_moderation"),
        ("INPUT_PREPROCESSING.SAFETY.TEXT", "input_moderation"),
        ("SAFETY.OUTPUT.VIDEO", "output_moderation"),
        ("INTERNAL.BAD_OUTPUT.CODE01", "provider"),
        # xAI
        ("Generated video rejected by content moderation.", "output_moderation"),
        ("Video generation was blocked due to a content policy violation.", "provider"),
        # Alibaba, of Wan
        ("DataInspectionFailed: Input data may contain inappropriate content.", "input_moderation"),
        ("DataInspectionFailed: Output data may contain inappropriate content.", "output_moderation"),
        ("Input or output data may contain inappropriate content.", "provider"),
        ("Green net check failed for output video", "output_moderation"),
        ("Green net check failed for image (input)", "input_moderation"),
        # What speaks of both, of an output that is only wrong, or of nothing
        ("input new_sensitive; output new_sensitive", "provider"),
        ("The output video resolution violates the limits of the model", "provider"),
        ("Video generation failed", "provider"),
        ("", "provider"),
        (None, "provider"),
        ("Job exceeded maximum time to live", "expired"),
    ],
)  # fmt: skip
def test_the_kind_of_a_failed_job(error: str | None, kind: FailureKind) -> None:
    """Only what is surely a check of the output is one, since more is paid for it; the unknown is the provider's."""
    assert failure_of_job("failed", error) == kind


@pytest.mark.parametrize("status", ["cancelled", "dead"])
def test_the_kind_of_another_end(status: str) -> None:
    """A job that waited too long has expired, whatever else is said; the other ends are the provider's."""
    assert failure_of_job(status, None) == "provider"
    assert failure_of_job("expired", "output new_sensitive") == "expired"


@pytest.mark.parametrize(
    ("message", "moderation"),
    [
        ("Failure to pass the risk control system", True),
        ("Your request was blocked by our moderation system", True),
        ("Trigger the platform's content security policy", True),
        ("Your chosen model requires moderation and your input was flagged", True),
        ("Request blocked: content policy violation", True),
        (VEO_PROMPT, True),
        ("output new_sensitive", True),
        ("Duration 99s is not supported for this model. Supported durations: 1, 2", False),
        ("negativePrompt is not supported for this model", False),
        ("Prompt is required for this model", False),
        ("Not in your region", False),
    ],
)
def test_words_of_moderation_in_a_refusal(message: str, moderation: bool) -> None:
    """Before anything was made a check can only have refused what was asked, so that it need not say so."""
    assert speaks_of_moderation(message) is moderation
