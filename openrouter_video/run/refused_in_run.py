"""What the API has refused a run for good, so that nothing is sent that would be refused for the same reason.

After a spent budget that is all that has not been sent; after a refusal by moderation it is the same request, of
another take. Every method may be called from any thread.
"""

from __future__ import annotations

import json

from openrouter_video.api import SubmitAnswer
from openrouter_video.ledger import digest
from openrouter_video.outcome import UNSENT

__all__ = ["RefusedInRun"]

OWN = frozenset({"callback_url"})
"""What differs between two takes of one request."""


class RefusedInRun:
    """The refusals of one process of a run."""

    def __init__(self) -> None:
        self._spent: SubmitAnswer | None = None
        self._moderated: dict[str, SubmitAnswer] = {}

    def learn(self, content: bytes, answer: SubmitAnswer) -> None:
        """Remember what an answer refuses beyond this one submission."""
        if answer.failure == "spent_budget":
            self._spent = answer
        elif answer.failure == "input_moderation":
            self._moderated[_request(content)] = answer

    def why_not(self, content: bytes) -> SubmitAnswer | None:
        """Return what would be answered to a body, if that is known; None if it may be sent."""
        known = self._spent
        if known is None and self._moderated:
            known = self._moderated.get(_request(content))
        return SubmitAnswer("refused", f"{UNSENT}{known.reason}", failure=known.failure) if known else None


def _request(content: bytes) -> str:
    return digest({name: value for name, value in json.loads(content).items() if name not in OWN})
