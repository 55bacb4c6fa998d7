"""Whether the next shot of a chain is sent, by what became of the one before it, and the words for why not. Pure."""

from __future__ import annotations

from openrouter_video.errors import Problem
from openrouter_video.outcome import Outcome
from openrouter_video.run import PlannedVideo
from openrouter_video.shots.identity import frame_of
from openrouter_video.text import clip

__all__ = ["following", "not_sent", "why_not_sent"]

AGAIN = {
    True: "run the chain again with the same idempotency key: what is paid for is found, and it goes on from there",
    False: "retry this flow run: what is paid for is found, and it goes on from there. A new run begins anew; with an "
    "idempotency_key it would go on too",
}


def why_not_sent(before: Outcome, *, shared: bool) -> str | None:
    """Return why the shot after another is not sent, and what to do; None if it is.

    ``shared``: the chain has an idempotency key, by which another run finds its shots.
    """
    again = AGAIN[shared]
    said = {
        "open": f"is still open: let `openrouter-video collect` finish it, then {again}",
        "uncertain": f"may have been accepted or not: settle it (`openrouter-video ledger settle {before.key}`), then "
        f"{again}",
        "refused": f"was refused, for the reason that it gives; once that is mended, {again}",
        "skipped": f"was not sent either; once it can be, {again}",
        "failed": "failed, which is final for it as it is: change what it asks for and run the chain again"
        + (" with the same idempotency key: the shots before it are found" * shared),
    }
    if before.status == "completed" and before.url and before.job_id:
        return None
    why = said.get(before.status, f"has no video that is known: {again}")
    return f"it is not sent, since shot {before.row} {why}"


def following(shot: PlannedVideo, before: Outcome, frame: str | None = None) -> PlannedVideo:
    """Return a shot with what it continues: the job of the one before it, or the ``frame`` that that one ends with."""
    key = before.key or ""
    return shot._replace(in_place={frame_of(key): frame} if frame else {key: before.job_id or ""})


def not_sent(shot: PlannedVideo, why: str) -> PlannedVideo:
    """Return a shot for which nothing is sent; its outcome says why."""
    told = (*shot.plan.problems, Problem("shots", clip(why)))
    plan = shot.plan.model_copy(update={"decision": "skip", "body": {}, "problems": told, "estimate": None})
    return shot._replace(plan=plan)
