"""What a refused submission means: its words in full, whether it passes, and what it says of all that comes after it.

Pure. A spent budget and a check of what was sent both come as a 403, and mean opposite things: after the one nothing
can be sent for a while, after the other this one request never, and all others at once. The metadata tells them apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from openrouter_video.api.failures import speaks_of_moderation
from openrouter_video.elision import redact
from openrouter_video.money import dollars
from openrouter_video.outcome import FailureKind
from openrouter_video.text import clip

__all__ = ["Refusal", "advice", "read_refusal"]

BAD_REQUEST, PAYMENT_REQUIRED, FORBIDDEN, UNPROCESSABLE = 400, 402, 403, 422

BUDGETS = {
    "openrouter_key_limit": "the key's own limit",
    "openrouter_workspace_budget": "the budget of its workspace",
    "openrouter_guardrail_budget": "the budget of a guardrail",
    "openrouter_credits": "the account's credit",
}
IN_FLIGHT = ("in_flight_budget_exhausted", "openrouter_in_flight_budget")
TOO_HEAVY = "weight_exceeds_budget"
KEY_LIMIT = "Key limit exceeded"
OF_CONTENT = frozenset({"content_policy_violation", "content_filter", "moderation", "refusal"})
FIELDS = ("field", "param", "parameter", "path")
LARGEST_USD = 1e9
MOST_LISTED, LONGEST_QUOTE = 10, 120

ADVICE = {
    400: "Correct the request; nothing was charged.",
    401: "Check the API key: it was not accepted for this base URL.",
    402: "Nothing was charged; run again later with the same key, when fewer jobs are in flight.",
    403: "Refused, such as for a permission or a region; sending it again will not help.",
    404: "No provider can serve this model for this account (accounts with zero data retention have none).",
    413: "The request is too large; use smaller images, or https URLs for them.",
    422: "Correct the request; nothing was charged.",
    429: "The rate limit lasted longer than the waiting time; run again later with the same key.",
}
BY_FAILURE: dict[FailureKind | None, str] = {
    "input_moderation": (
        "A check refused what was asked, and nothing was charged. It is not sent again under this key: change the "
        "prompt or the input that was refused"
    ),
    "spent_budget": (
        "Nothing was charged. Add credits or raise the limit, or wait until it works again; then a retry of this run, "
        "or a run with the same idempotency key, sends what was not sent"
    ),
}


class Refusal(NamedTuple):
    """What is to be said of a refusal beside its message, and of what kind it is, if that is known.

    ``passes``: a 402 for the sake of what other jobs hold, which is over when they are.
    """

    details: str = ""
    failure: FailureKind | None = None
    passes: bool = False


def advice(status: int | None, failure: FailureKind | None) -> str:
    """Return what to do about a refusal."""
    otherwise = "Nothing was sent; check the network and the base URL."
    return BY_FAILURE.get(failure) or ADVICE.get(status or 0, otherwise)


def read_refusal(status: int, message: str, metadata: Any, wait: float | None) -> Refusal:
    """Say what a definite refusal in OpenRouter's envelope means; ``wait``: the seconds that it asks to wait."""
    known = metadata if isinstance(metadata, dict) else {}
    if status == PAYMENT_REQUIRED and _passes(known, wait):
        return Refusal(passes=True)
    if _of_moderation(status, message, known):
        return Refusal(_moderated(known), "input_moderation")
    source = known.get("limit_source")
    # What is another's limit, such as a provider's, says nothing of the other models of a run.
    if isinstance(source, str):
        ours = source.startswith("openrouter_")
    else:
        ours = status == PAYMENT_REQUIRED or message.startswith(KEY_LIMIT)
    if ours and status in {PAYMENT_REQUIRED, FORBIDDEN}:
        return Refusal(_spent(known), "spent_budget")
    return Refusal(f"limit_source {clip(source)}" if isinstance(source, str) else "")


def _passes(metadata: Mapping[str, Any], wait: float | None) -> bool:
    """While other jobs hold the budget a 402 passes, and says so or when to return; a job that never fits does not."""
    said = (metadata.get("reason"), metadata.get("limit_source"))
    return TOO_HEAVY not in said and (wait is not None or any(word in IN_FLIGHT for word in said))


def _of_moderation(status: int, message: str, metadata: Mapping[str, Any]) -> bool:
    """Whether a check has refused what was asked: by its marks, or else by a message that speaks of nothing else."""
    if status not in {BAD_REQUEST, FORBIDDEN, UNPROCESSABLE}:
        return False
    marked = any(metadata.get(mark) for mark in ("reasons", "patterns", "flagged_input"))
    kind = metadata.get("error_type")
    by_type = isinstance(kind, str) and kind in OF_CONTENT
    return marked or by_type or ("limit_source" not in metadata and speaks_of_moderation(message))


def _moderated(metadata: Mapping[str, Any]) -> str:
    """Say why moderation refused, and what; the flagged text is somebody's own, so only its beginning is repeated."""
    told = [
        _listed("", metadata.get("reasons")),
        _listed("patterns ", metadata.get("patterns")),
        _quoted("", metadata.get("error_type")),
        *(_quoted("field ", _path(metadata.get(name))) for name in FIELDS),
        _quoted("flagged: ", metadata.get("flagged_input"), quotes=True),
        _quoted("by ", metadata.get("provider_name")),
        _quoted("model ", metadata.get("model_slug")),
    ]
    return ", ".join(filter(None, told))


def _path(value: Any) -> Any:
    """Return where in the body something stands, which may be told as a list of steps."""
    return ".".join(map(str, value)) if isinstance(value, list) else value


def _listed(name: str, value: Any) -> str:
    items = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    told = [_short(str(item)) for item in items[:MOST_LISTED] if item]
    return f"{name}{', '.join(told)}" if told else ""


def _quoted(name: str, value: Any, *, quotes: bool = False) -> str:
    if not isinstance(value, str) or not value.strip():
        return ""
    return f'{name}"{_short(value)}"' if quotes else f"{name}{_short(value)}"


def _short(text: str) -> str:
    line = clip(redact(text))
    return line if len(line) <= LONGEST_QUOTE else f"{line[: LONGEST_QUOTE - 1]}…"


def _spent(metadata: Mapping[str, Any]) -> str:
    """Say which budget is spent, how much of it, and from when it works again."""
    source, what = metadata.get("limit_source"), ""
    if metadata.get("reason") == TOO_HEAVY:
        what = "one job may cost more than all that may be spent at once"
    elif isinstance(source, str):
        what = f"{BUDGETS.get(source, _short(source))} is spent"
    told = [": ".join(filter(None, [what, _amounts(metadata)])), _quoted("scope ", metadata.get("scope"))]
    if until := _until(metadata.get("resets_at")):
        told.append(f"it works again from {until}")
    return ", ".join(filter(None, told))


def _amounts(metadata: Mapping[str, Any]) -> str:
    spend, limit = _usd(metadata.get("spend_usd")), _usd(metadata.get("limit_usd"))
    if limit is None:
        return "" if spend is None else dollars(spend)
    return f"limit {dollars(limit)}" if spend is None else f"{dollars(spend)} of {dollars(limit)}"


def _usd(value: Any) -> float | None:
    try:
        amount = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return amount if 0 <= amount <= LARGEST_USD else None


def _until(value: Any) -> str:
    """Return the moment from which a budget begins anew, in UTC; a text that is not one as it stands."""
    if not isinstance(value, str) or not value.strip():
        return ""
    try:
        moment = datetime.fromisoformat(value)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return f"{aware.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError):
        return _short(value)
