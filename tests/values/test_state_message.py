"""The line of a state, and the warnings of a log."""

from __future__ import annotations

from openrouter_video.outcome import LeftOut, Outcome
from openrouter_video.state_message import state_message, warnings_of

VEO = Outcome(
    model="google/veo-3.1-lite",
    status="completed",
    cost_usd=0.4,
    left_out=(LeftOut(key="atlas-cloud.negativePrompt", reason="meant for atlas-cloud; …"),),
)
KLING = Outcome(
    model="kwaivgi/kling-v3.0-std",
    status="completed",
    cost_usd=0.4,
    left_out=(
        LeftOut(key="negativePrompt", reason="the model does not allow it", suggestion="negative_prompt"),
        LeftOut(key="seed\x1b[2J", reason="the model does not allow it"),
    ),
)
WAN = Outcome(model="alibaba/wan-2.6", status="refused", error="duration 4 is not 5 or 10")


def test_what_is_missing_stands_in_the_line() -> None:
    """Refused models with their reason and lost options, once each; what was meant for others is no loss."""
    assert state_message([VEO]) == "1 of 1 video, $0.40"
    assert state_message([VEO, KLING, WAN, WAN]) == (
        "2 of 4 videos, $0.80, 2 refused. wan-2.6 refused: duration 4 is not 5 or 10; "
        "lost: kling-v3.0-std negativePrompt, seed [2J"
    )
    skipped = KLING.model_copy(update={"status": "skipped", "error": "by policy", "cost_usd": None})
    assert state_message([skipped]) == "0 of 1 video, 1 skipped. kling-v3.0-std skipped: by policy"


def test_a_run_that_has_not_waited_begins_with_what_it_has_submitted() -> None:
    """A collection finishes that; what it does not find stands in the rest."""
    one = Outcome(model="a/b", status="open", job_id="job-1")
    assert state_message([one], waited=False) == "1 submitted, collect finishes it; 0 of 1 video, 1 open"
    message = state_message([one, one, VEO, WAN], waited=False)
    assert message.startswith("2 submitted, collect finishes them; 1 of 4 videos, $0.40, 1 refused, 2 open. wan-2.6")
    assert state_message([VEO], waited=False) == "1 of 1 video, $0.40"


def test_the_line_stays_a_line() -> None:
    """However many models, and however long their reasons."""
    many = [WAN.model_copy(update={"model": f"a/{n}", "error": "so " * 100}) for n in range(30)]
    message = state_message(many)
    assert len(message) < 600
    assert "…; a/1 refused" not in message
    assert message.endswith("…; 27 more")


def test_warnings_name_each_thing_once() -> None:
    """With the whole reason, and not without an end."""
    assert warnings_of([VEO]) == []
    assert warnings_of([VEO, KLING, KLING, WAN]) == [
        "alibaba/wan-2.6 was refused: duration 4 is not 5 or 10",
        "kwaivgi/kling-v3.0-std did not get negativePrompt, seed [2J: the model does not allow it",
    ]
    many = [WAN.model_copy(update={"model": f"a/{n}"}) for n in range(21)]
    assert warnings_of(many)[-1] == "and 1 more like these; the table has them all"
    assert len(warnings_of(many)) == 21
