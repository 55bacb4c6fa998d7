"""What is not sent any more after a refusal that says more than that one request was wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openrouter_video.api import SubmitAnswer
from openrouter_video.outcome import FailureKind
from openrouter_video.run.refused_in_run import RefusedInRun


def body(**fields: Any) -> bytes:
    """The body of a submission."""
    return json.dumps({"model": "a/one", "prompt": "p", **fields}).encode()


@pytest.mark.parametrize(
    ("failure", "same", "other"),
    [("spent_budget", True, True), ("input_moderation", True, False), (None, False, False)],
)
def test_what_is_not_sent(failure: FailureKind | None, same: bool, other: bool) -> None:
    """After a spent budget nothing; after moderation not the same request, wherever its end is told."""
    refused = RefusedInRun()
    assert refused.why_not(body()) is None
    refused.learn(body(callback_url="https://me/?key=1"), SubmitAnswer("refused", "no", status=403, failure=failure))
    told = [refused.why_not(one) for one in (body(callback_url="https://me/?key=2"), body(prompt="another"))]
    assert [answer is not None for answer in told] == [same, other]
    for answer in filter(None, told):
        assert answer == SubmitAnswer("refused", answer.reason, failure=failure)
        assert answer.reason == "not sent, since another video of this run was refused: no"
