"""The budget of a key, by every answer that ``GET /key`` may give."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from openrouter_video.api.key_budget import KeyBudget, read_key_budget

DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
EFFECTIVE = {
    "limit_usd": 5,
    "spend_usd": 4.6,
    "remaining_usd": 0.4,
    "resets_at": "2026-12-01T00:00:00Z",
    "scope": "workspace",
}
WORKSPACE, OWN, GUARDRAIL = "the budget of its workspace", "the key's own limit", "the budget of a guardrail"


def read(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> KeyBudget:
    """What an answer says, the body given as a value or as text."""
    return read_key_budget(status, headers or {}, (body if isinstance(body, str) else json.dumps(body)).encode())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"limit": None, "limit_remaining": None, "effective_budget": None, "news": [1]}, KeyBudget()),
        ({"limit": 10, "limit_remaining": 0.4}, KeyBudget(400_000, 10_000_000, None, OWN)),
        ({"limit": 10, "limit_remaining": -0.4}, KeyBudget(0, 10_000_000, None, OWN)),
        ({"limit": -1, "limit_remaining": 3}, KeyBudget(3_000_000, None, None, OWN)),
        ({"limit_remaining": 1.2 - 0.8}, KeyBudget(400_000, None, None, OWN)),
        ({"effective_budget": EFFECTIVE}, KeyBudget(400_000, 5_000_000, DECEMBER, WORKSPACE)),
        (
            {"limit": 10, "limit_remaining": 0.1, "effective_budget": EFFECTIVE},
            KeyBudget(100_000, 10_000_000, None, OWN),
        ),
        (
            {"limit": 5, "limit_remaining": 0.4, "effective_budget": {**EFFECTIVE, "scope": "key_limit"}},
            KeyBudget(400_000, 5_000_000, DECEMBER, OWN),
        ),
        (
            {"effective_budget": {**EFFECTIVE, "scope": "a new one", "limit_usd": "5", "resets_at": "soon"}},
            KeyBudget(400_000, None, None, GUARDRAIL),
        ),
        (
            {"effective_budget": {**EFFECTIVE, "scope": None, "resets_at": "2026-12-01T00:00:00"}},
            KeyBudget(400_000, 5_000_000, DECEMBER, None),
        ),
        (
            {"effective_budget": {**EFFECTIVE, "resets_at": "0001-01-01T00:00:00+14:00"}},
            KeyBudget(400_000, 5_000_000, None, WORKSPACE),
        ),
        (
            {"limit": 5, "limit_remaining": 0, "effective_budget": {"remaining_usd": None}},
            KeyBudget(0, 5_000_000, None, OWN, unknown="remaining_usd is null, which is not an amount"),
        ),
        (
            {"limit_remaining": "much", "effective_budget": EFFECTIVE},
            KeyBudget(
                400_000,
                5_000_000,
                DECEMBER,
                WORKSPACE,
                unknown='limit_remaining is "much", which is not an amount',
            ),
        ),
    ],
)
def test_what_is_left(data: dict[str, Any], expected: KeyBudget) -> None:
    """The least that is left counts; more spent than allowed is nothing left."""
    assert read({"data": data}) == expected._replace(sandbox=False)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, {"error": {"message": "Not found.", "code": 404}}, "HTTP 404: Not found"),
        (401, {"error": {"message": "User not found.", "code": 401}}, "HTTP 401: User not found"),
        (500, "oops", "HTTP 500: it begins 'oops'"),
        (302, "", "HTTP 302: an empty body"),
        (200, "<!doctype html><p>Sign in", "HTTP 200: it begins '<!doctype html><p>Sign in'"),
        (200, [1], "HTTP 200: it begins '[1]'"),
        (200, {"data": [1]}, "HTTP 200: it begins"),
        (200, {"data": {"label": "x"}}, "the answer has neither effective_budget nor limit_remaining"),
        (200, {"data": {"limit_remaining": float("nan")}}, "limit_remaining is NaN, which is not an amount"),
        (200, {"data": {"limit_remaining": float("inf")}}, "limit_remaining is Infinity, which is not an amount"),
        (200, {"data": {"limit_remaining": 10**400}}, "limit_remaining is 1000000000"),
        (200, {"data": {"limit_remaining": "1.50"}}, 'limit_remaining is "1.50", which is not an amount'),
        (200, {"data": {"limit_remaining": True}}, "limit_remaining is true, which is not an amount"),
        (200, {"data": {"effective_budget": {}}}, "remaining_usd is null, which is not an amount"),
        (200, {"data": {"effective_budget": 5}}, "effective_budget is 5, which is not a budget"),
    ],
)
def test_what_cannot_be_read_is_unknown(status: int, body: Any, words: str) -> None:
    """It is never taken for a key without a limit, and never for one that is spent."""
    budget = read(body, status)
    assert (budget.remaining, budget.sandbox) == (None, False)
    assert (budget.unknown or "").startswith(words)


@pytest.mark.parametrize("status", [200, 404])
def test_a_sandbox_says_so(status: int) -> None:
    """Also with an answer of which nothing else can be read."""
    data = {"limit_remaining": None} if status == 200 else None
    assert read({"data": data}, status, {"x-openrouter-sandbox": "nothing is billed"}).sandbox is True
    assert read({"data": data}, status, {"x-openrouter-sandbox": "false"}).sandbox is False
