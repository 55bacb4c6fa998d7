"""What the key may still spend before OpenRouter refuses it, by the answer to ``GET /key``.

Pure. A look that failed is a value with the reason in it: OpenRouter holds the key's budget whether or not we know it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeGuard

from openrouter_video.api.answers import error_message, excerpt, is_sandbox, parse_json
from openrouter_video.money import micro
from openrouter_video.text import clip

__all__ = ["KeyBudget", "read_key_budget"]

LARGEST_USD = 1e9
FIELDS = ("effective_budget", "limit_remaining")
SCOPES = {"key_limit": "the key's own limit", "workspace": "the budget of its workspace"}
GUARDRAIL = "the budget of a guardrail"


class KeyBudget(NamedTuple):
    """What a key may still spend; amounts are micro-dollars.

    ``remaining`` is 0 where it is spent, and None where nothing is budgeted or where that is not known: ``unknown``
    then says why. ``limit`` and ``scope`` are those of the budget that is used up first, which begins anew at
    ``resets_at`` (None: never, or at an unknown time). ``sandbox``: whether a sandbox has answered; None if nobody has.
    """

    remaining: int | None = None
    limit: int | None = None
    resets_at: datetime | None = None
    scope: str | None = None
    unknown: str | None = None
    sandbox: bool | None = None


class _Unreadable(Exception):
    """The answer is not an amount; the message says what it is."""


def read_key_budget(status: int, headers: Mapping[str, str], body: bytes) -> KeyBudget:
    """Read the answer to ``GET /key``; what cannot be read is unknown, never without a limit."""
    sandbox, payload = is_sandbox(headers), parse_json(body)
    data = payload.get("data") if isinstance(payload, dict) else None
    if status != 200 or not isinstance(data, dict):  # noqa: PLR2004
        return KeyBudget(unknown=f"HTTP {status}: {error_message(payload) or excerpt(body)}", sandbox=sandbox)
    if not any(field in data for field in FIELDS):
        return KeyBudget(unknown=f"the answer has neither {' nor '.join(FIELDS)}", sandbox=sandbox)
    budgets, unreadable = list[KeyBudget](), list[str]()
    for read in (_effective, _of_key):
        try:
            budget = read(data)
        except _Unreadable as reason:
            unreadable.append(str(reason))
        else:
            budgets += [budget] if budget is not None else []
    if unreadable and not budgets:
        return KeyBudget(unknown="; ".join(unreadable), sandbox=sandbox)
    # The effective one is the least of all; older versions of the API tell of the key's own limit only.
    least = min(budgets, key=lambda budget: budget.remaining or 0, default=KeyBudget())
    return least._replace(unknown="; ".join(unreadable) or None, sandbox=sandbox)


def _effective(data: Mapping[str, Any]) -> KeyBudget | None:
    """Read the budget that refuses first, whichever that is: the key's, its workspace's or a guardrail's."""
    budget = data.get("effective_budget")
    if budget is None:
        return None
    if not isinstance(budget, dict):
        raise _Unreadable(f"effective_budget is {_written(budget)}, which is not a budget")
    remaining = _remaining(budget, "remaining_usd")
    scope = budget.get("scope")
    words = SCOPES.get(scope, GUARDRAIL) if isinstance(scope, str) else None
    return KeyBudget(remaining, _limit(budget.get("limit_usd")), _moment(budget.get("resets_at")), words)


def _of_key(data: Mapping[str, Any]) -> KeyBudget | None:
    """Read the key's own limit."""
    if data.get("limit_remaining") is None:
        return None
    remaining = _remaining(data, "limit_remaining")
    return KeyBudget(remaining, _limit(data.get("limit")), scope=SCOPES["key_limit"])


def _remaining(budget: Mapping[str, Any], field: str) -> int:
    """Read what is left: less than nothing where more was spent than allowed, which is nothing."""
    value = budget.get(field)
    if not _is_amount(value):
        raise _Unreadable(f"{field} is {_written(value)}, which is not an amount")
    return max(0, micro(value))


def _limit(value: Any) -> int | None:
    return micro(value) if _is_amount(value) and value >= 0 else None


def _is_amount(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_USD


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _written(value: Any) -> str:
    return clip(json.dumps(value)[:80])
