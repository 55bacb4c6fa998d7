"""What a refused submission means: a spent budget, moderation, or this one request."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.api.refusals import Refusal, advice, read_refusal

RESET = "2026-12-01T00:00:00Z"
KEY = {"limit_source": "openrouter_key_limit", "scope": "key_limit", "limit_usd": 25, "spend_usd": 25.1}
SIGNED = "https://storage.example/v.png?X-Signature=canary"


@pytest.mark.parametrize(
    ("status", "metadata", "details"),
    [
        (403, {**KEY, "resets_at": RESET},
         "the key's own limit is spent: $25.10 of $25.00, scope key_limit, it works again from 2026-12-01 00:00 UTC"),
        (403, {**KEY, "resets_at": "2026-12-01T02:00:00+02:00"},
         "the key's own limit is spent: $25.10 of $25.00, scope key_limit, it works again from 2026-12-01 00:00 UTC"),
        (403, {**KEY, "resets_at": None}, "the key's own limit is spent: $25.10 of $25.00, scope key_limit"),
        (403, {"limit_source": "openrouter_workspace_budget", "limit_usd": "5.5", "resets_at": "2026-12-01T00:00"},
         "the budget of its workspace is spent: limit $5.50, it works again from 2026-12-01 00:00 UTC"),
        (403, {"limit_source": "openrouter_guardrail_budget", "spend_usd": 1, "resets_at": "soon"},
         "the budget of a guardrail is spent: $1.00, it works again from soon"),
        (403, {"limit_source": "openrouter_new_budget", "limit_usd": True, "spend_usd": -1, "resets_at": 7},
         "openrouter_new_budget is spent"),
        # A reset that is not a moment, and amounts that are none, are not told.
        (403, {"limit_source": "openrouter_key_limit", "limit_usd": "much", "spend_usd": float("nan")},
         "the key's own limit is spent"),
        (402, {"limit_source": "openrouter_credits"}, "the account's credit is spent"),
        (402, {"reason": "weight_exceeds_budget", "limit_usd": 2},
         "one job may cost more than all that may be spent at once: limit $2.00"),
        (402, None, ""),
        (402, "a text", ""),
    ],
)  # fmt: skip
def test_a_spent_budget(status: int, metadata: Any, details: str) -> None:
    """It is told with its scope, its limit, what is spent of it, and the time from which it works again."""
    assert read_refusal(status, "Spent", metadata, None) == Refusal(details, "spent_budget")


@pytest.mark.parametrize(
    ("metadata", "wait", "passes"),
    [
        ({"reason": "in_flight_budget_exhausted"}, None, True),
        ({"limit_source": "openrouter_in_flight_budget"}, None, True),
        (None, 3.0, True),
        ({"reason": "weight_exceeds_budget"}, 3.0, False),
        ({"reason": "weight_exceeds_budget", "limit_source": "openrouter_in_flight_budget"}, 3.0, False),
        ({"limit_source": "openrouter_credits"}, None, False),
        (None, None, False),
    ],
)
def test_a_402_that_passes(metadata: Any, wait: float | None, passes: bool) -> None:
    """It says that other jobs hold the budget, or when to return; one job that never fits is final all the same."""
    refusal = read_refusal(402, "Payment required", metadata, wait)
    assert (refusal.passes, refusal.failure) == (passes, None if passes else "spent_budget")


@pytest.mark.parametrize(
    ("status", "message", "metadata", "details"),
    [
        (403, "Flagged", {"reasons": ["violence", "weapons"], "flagged_input": "a knife", "provider_name": "Google",
                          "model_slug": "google/veo-3.1"},
         'violence, weapons, flagged: "a knife", by Google, model google/veo-3.1'),
        (403, "Request blocked", {"patterns": ["ignore all"], "param": ["input_references", 0]},
         "patterns ignore all, field input_references.0"),
        (403, "Refused", {"error_type": "content_policy_violation", "field": "prompt"},
         "content_policy_violation, field prompt"),
        (400, "InputTextSensitiveContentDetected", None, ""),
        (422, "Failure to pass the risk control system", {}, ""),
        (403, "x", {"reasons": "violence", "flagged_input": f"see {SIGNED} \x1b[31m{'y' * 500}"},
         f'violence, flagged: "see https://storage.example/v.png?… [31m{"y" * 79}…"'),
        # With marks of both, this one request is refused: nothing else is kept from being sent.
        (403, "x", {"reasons": ["violence"], **KEY}, "violence"),
    ],
)  # fmt: skip
def test_moderation(status: int, message: str, metadata: Any, details: str) -> None:
    """Its own words, the field that it names, and no more than the beginning of the text that it flagged."""
    assert read_refusal(status, message, metadata, None) == Refusal(details, "input_moderation")


@pytest.mark.parametrize(
    ("status", "message", "metadata", "refusal"),
    [
        (403, "Not in your region", {"reasons": []}, Refusal()),
        (403, "Key limit exceeded (total limit)", None, Refusal("", "spent_budget")),
        (403, "Spent", {"limit_source": "provider_quota"}, Refusal("limit_source provider_quota")),
        (402, "Spent", {"limit_source": "provider_quota"}, Refusal("limit_source provider_quota")),
        (403, "Budget for content policy exceeded", KEY | {"resets_at": None},
         Refusal("the key's own limit is spent: $25.10 of $25.00, scope key_limit", "spent_budget")),
        (400, "Duration 99s is not supported", {"failed_routing_step": "Validate Video Parameters"}, Refusal()),
        (404, "content policy", {"reasons": ["x"]}, Refusal()),
        (429, "Wait", {"limit_source": "openrouter_key_limit"}, Refusal("limit_source openrouter_key_limit")),
    ],
)  # fmt: skip
def test_what_is_neither(status: int, message: str, metadata: Any, refusal: Refusal) -> None:
    """A budget is not moderation, whatever its message says, and what is another's limit stops nothing else."""
    assert read_refusal(status, message, metadata, None) == refusal


def test_what_is_advised() -> None:
    """By the kind, else by the status; both kinds say what can be done, and that nothing was charged."""
    for kind in ("spent_budget", "input_moderation"):
        assert "othing was charged" in advice(403, kind)
    assert advice(403, "spent_budget") != advice(403, None) != advice(400, None)
    assert "check the network" in advice(None, None)


@pytest.mark.parametrize("odd", [[], {}, ["x", []], {"a": 1}, True, 7, float("nan"), "", "x" * 10_000, None])
@pytest.mark.parametrize("status", [400, 402, 403, 422])
def test_metadata_of_any_kind_is_read(status: int, odd: Any) -> None:
    """Whatever stands where a text is expected: what raised here would leave its submission in doubt."""
    names = ("limit_source", "reason", "scope", "error_type", "reasons", "patterns", "flagged_input", "field", "path")
    more = ("limit_usd", "spend_usd", "resets_at", "provider_name", "model_slug")
    for metadata in (odd, dict.fromkeys((*names, *more), odd), *({name: odd} for name in (*names, *more))):
        assert len(read_refusal(status, "Refused", metadata, None).details) < 2_000
