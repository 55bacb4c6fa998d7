"""How a submit is refused, and how a job fails, on request, in the words of OpenRouter and its providers. Pure.

Which texts a provider's failure carries through OpenRouter is not published: these are the providers' own.
"""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from openrouter_video.sandbox.answers import Answer, envelope
from openrouter_video.sandbox.catalogue import Entry
from openrouter_video.sandbox.jobs import End

__all__ = ["Failing", "Refusing", "fate_of", "refused"]

Refusing = Literal[
    "moderation",
    "content_filter",
    "insufficient_credits",
    "weight_exceeds_budget",
    "in_flight_budget_exhausted",
]
"""Why a submit is refused; ``content_filter`` is a filter of words of the account, which names its patterns."""

Failing = Literal["input_moderation", "output_moderation", "provider", "expired"]
"""Why a job that was accepted ends without a video."""

_FLAGGED_LETTERS = 100
_SHORT_OF: dict[Refusing, str] = {
    "insufficient_credits": "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
    "weight_exceeds_budget": "This request could cost more than the budget allows",
    "in_flight_budget_exhausted": "Other requests in flight hold the rest of the budget; try again later",
}
_RETRY_AFTER_SECONDS = "2"

_EXPIRED = End(status="expired", error="Job exceeded maximum time to live")
_USUAL: dict[Failing, str] = {
    "input_moderation": "The request failed because the input text may contain sensitive information.",
    "output_moderation": "The request failed because the output video may contain sensitive information.",
    "provider": "Provider returned error",
}
_BY_AUTHOR: dict[str, dict[Failing, str]] = {
    "google": {
        "input_moderation": (
            "The prompt could not be submitted. This prompt contains sensitive words that violate Google's Responsible"
            " AI practices. Try rephrasing your prompt. Support codes: 58061214"
        ),
        "output_moderation": (
            "Veo generated 1 videos based on the prompt provided, but 1 videos were filtered out because they violated"
            " Google's Responsible AI practices. Try rephrasing the prompt. Support codes: 15236754"
        ),
        "provider": "An internal error has occurred. Please retry.",
    },
    "bytedance": {
        "input_moderation": (
            "The request failed because the input text may contain sensitive information. Request id: 0217882536596960"
        ),
        "output_moderation": (
            "The request failed because the output video may contain sensitive information."
            " Request id: 0217882536596961"
        ),
        "provider": "The service encountered an unexpected internal error. Request id: 0217882536596962",
    },
    "alibaba": {
        "input_moderation": "DataInspectionFailed: Input data may contain inappropriate content.",
        "output_moderation": "DataInspectionFailed: Output data may contain inappropriate content.",
        "provider": "InternalError.Algo: An internal error occurs during computation, please try this model later.",
    },
    "kwaivgi": {"provider": "Service internal error"},
    "minimax": {
        "input_moderation": "input new_sensitive",
        "output_moderation": "output new_sensitive",
        "provider": "unknown error, 1000",
    },
    "x-ai": {"output_moderation": "Generated video rejected by content moderation."},
    "black-forest-labs": {"input_moderation": "Request Moderated", "output_moderation": "Content Moderated"},
    "runway": {
        "input_moderation": "SAFETY.INPUT.TEXT",
        "output_moderation": "SAFETY.OUTPUT.VIDEO",
        "provider": "INTERNAL.BAD_OUTPUT.CODE01",
    },
}


def fate_of(failing: Failing, model: str) -> End:
    """The end of a job of this model that fails so."""
    if failing == "expired":
        return _EXPIRED
    own = _BY_AUTHOR.get(model.partition("/")[0], {})
    return End(status="failed", error=own.get(failing) or _USUAL[failing])


def refused(refusing: Refusing, prompt: str, entry: Entry | None) -> Answer:
    """The 402 or 403 of a request with this prompt for this model."""
    if refusing in _SHORT_OF:
        budget = refusing != "insufficient_credits"
        answer = envelope(402, _SHORT_OF[refusing], {"reason": refusing} if budget else None)
        later = {"retry-after": _RETRY_AFTER_SECONDS} if refusing == "in_flight_budget_exhausted" else {}
        return answer._replace(headers={**answer.headers, **later})
    metadata: dict[str, JsonValue] = {"error_type": "content_policy_violation"}
    if refusing == "content_filter":
        metadata["patterns"] = ["sandbox-forbidden-word"]
        return envelope(403, "Request blocked by a content filter of your workspace", metadata)
    metadata |= {
        "reasons": ["violence"],
        "flagged_input": prompt[:_FLAGGED_LETTERS],
        "provider_name": entry.provider[0] if entry else None,
        "model_slug": entry.canonical_slug if entry else None,
    }
    return envelope(403, "Your input was flagged by moderation", metadata)
