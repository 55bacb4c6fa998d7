"""What surrounds the body of each flow of this package: how it is ended, tagged and watched."""

# No postponed annotations: the flows that are made with it are pickled where Prefect serves them.
from collections.abc import Iterator
from contextlib import contextmanager

from .heartbeats import heartbeats
from .run_tags import tasks_tag_themselves
from .termination import ended_by_sigterm

__all__ = ["flow_body"]


@contextmanager
def flow_body() -> Iterator[None]:
    """Run the body of a flow: it ends in order when it is told to, its tasks tag themselves, and it sends heartbeats.

    Raises:
        TerminationSignal: if the process was told to end.
    """
    with ended_by_sigterm(), tasks_tag_themselves(), heartbeats():
        yield
