"""Tells Prefect of each video that has ended, by an event; what becomes of events never touches a video."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from prefect.events import RelatedResource, emit_event

from openrouter_video.outcome import Outcome
from openrouter_video.run import Facts, video_event

__all__ = ["emit_video_event"]


def emit_video_event(outcome: Outcome, facts: Facts, *, collected: bool = False) -> None:
    """Hand the event of a video to Prefect, which sends it from a thread of its own, and adds the run at hand.

    The run that submitted a video which a collection has finished is added here.
    """
    event = video_event(outcome, facts, collected=collected)
    if event is None:
        return
    submitter = f"prefect.flow-run.{event.payload['run_id']}"
    related = [RelatedResource({"prefect.resource.id": submitter, "prefect.resource.role": "submitted-by"})]
    emit_event(
        event.name,
        resource=event.resource,
        related=related if collected and event.payload["run_id"] else [],
        payload=event.payload,
        id=uuid5(NAMESPACE_URL, event.identity),
    )
