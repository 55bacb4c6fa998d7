"""What happens to one video at this moment, told to whoever watches in this process.

The command line shows a live line per video from it; without a watcher nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

from openrouter_video.ledger import Claim
from openrouter_video.outcome import FanOut, Outcome

__all__ = ["Progress", "Published", "Watched", "tell", "tell_published", "tell_result", "watching"]

Stage = Literal["planned", "submitting", "waiting", "downloading", "ended"]


class Progress(NamedTuple):
    """One step of one video; ``status`` is the provider's word for the job, ``outcome`` comes with stage ``ended``.

    ``row`` and ``row_id``: of a video of a batch, the number of its row and the row's own id; of a ``shot`` its number.
    """

    stage: Stage
    model: str
    take: int
    key: str
    job_id: str | None = None
    status: str | None = None
    outcome: Outcome | None = None
    row: int | None = None
    row_id: str | None = None
    shot: bool = False

    @classmethod
    def of(
        cls,
        stage: Stage,
        claim: Claim,
        job_id: str | None = None,
        *,
        status: str | None = None,
        outcome: Outcome | None = None,
    ) -> Self:
        """Return a step of the video of a claim."""
        told = claim.row, claim.row_id, claim.is_shot
        return cls(stage, claim.model, claim.take, claim.key, job_id, status, outcome, *told)


class Published(NamedTuple):
    """What a run has published beside its videos: their page and their manifest; and why one of them is missing."""

    gallery_url: str | None = None
    manifest_url: str | None = None
    problems: tuple[str, ...] = ()


@dataclass
class Watched:
    """What is told besides progress: what was published, and what a whole run came to, also where it raises."""

    published: list[Published] = field(default_factory=list)
    result: FanOut | None = None


_watcher: ContextVar[Callable[[Progress], None] | None] = ContextVar("openrouter_video_watcher", default=None)
_watched: ContextVar[Watched | None] = ContextVar("openrouter_video_watched", default=None)


@contextmanager
def watching(watcher: Callable[[Progress], None]) -> Iterator[Watched]:
    """Tell ``watcher`` every step of every video generated within; what is lent fills with all else that is told.

    A flow that returns its outcomes, or raises for want of some, has no other place to say where their page is.
    """
    watched = Watched()
    tokens = _watcher.set(watcher), _watched.set(watched)
    try:
        yield watched
    finally:
        _watcher.reset(tokens[0])
        _watched.reset(tokens[1])


def tell(progress: Progress) -> None:
    """Tell the watcher, if there is one."""
    watcher = _watcher.get()
    if watcher is not None:
        watcher(progress)


def tell_published(published: Published) -> None:
    """Tell the watcher, if there is one, where the page of its videos is."""
    watched = _watched.get()
    if watched is not None:
        watched.published.append(published)


def tell_result(result: FanOut) -> None:
    """Tell the watcher, if there is one, what a whole run came to."""
    watched = _watched.get()
    if watched is not None:
        watched.result = result
