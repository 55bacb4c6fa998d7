"""The heartbeats of a run, by whose absence Prefect's server notices that its process is gone.

They are events of this package's own, from each run of it, wherever it runs and whatever its environment says. Those
of Prefect come every three minutes by default, every half minute at most, and from the flows of other people, too.
"""

# No postponed annotations: the flows that are made with it are pickled where Prefect serves them.
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from uuid import UUID

from prefect.context import FlowRunContext
from prefect.events import RelatedResource, emit_event
from prefect.exceptions import Pause

from openrouter_video.tasks import RUN_TAG

__all__ = ["ASKED", "EVERY_SECONDS", "HEARTBEAT", "STOPPED", "SUSPENDED", "emit_run_event", "heartbeats"]

HEARTBEAT = f"{RUN_TAG}.run.heartbeat"
SUSPENDED = f"{RUN_TAG}.run.suspended"
ASKED = f"{RUN_TAG}.run.asked"
STOPPED = f"{RUN_TAG}.run.stopped"
EVERY_SECONDS = 20.0


@contextmanager
def heartbeats() -> Iterator[None]:
    """Send heartbeats of the flow run at hand, from a thread: what blocks the event loop has not killed the process.

    A run that is suspended says so itself: the server's event of it may be stamped by another clock, or be held back.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        yield
        return
    run_id, over = context.flow_run.id, threading.Event()
    beat = partial(copy_context().run, _beat, run_id, over)
    beating = threading.Thread(target=beat, name="heartbeats", daemon=True)
    beating.start()
    try:
        yield
    except Pause:
        over.set()
        beating.join()
        emit_run_event(SUSPENDED, run_id)
        raise
    finally:
        over.set()


def _beat(run_id: UUID, over: threading.Event) -> None:
    emit_run_event(HEARTBEAT, run_id)
    while not over.wait(EVERY_SECONDS):
        emit_run_event(HEARTBEAT, run_id)


def emit_run_event(name: str, run_id: UUID) -> None:
    """Hand an event of a flow run of ours to Prefect, which sends it from a thread of its own."""
    tag = {"prefect.resource.id": f"prefect.tag.{RUN_TAG}", "prefect.resource.role": "tag"}
    run = {"prefect.resource.id": f"prefect.flow-run.{run_id}"}
    emit_event(name, resource=run, related=[RelatedResource(tag)])
