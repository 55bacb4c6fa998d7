"""Renders the jobs' videos in worker threads, so that the server goes on answering."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

from openrouter_video.sandbox.scene import Scene

__all__ = ["RenderQueue"]


@cache
def _workers() -> ThreadPoolExecutor:
    # One pool for every sandbox of the process: a suite that starts hundreds of them has two cores all the same.
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="sandbox-rendering")


def _render(scene: Scene) -> bytes:
    # Imported in the worker thread: a sandbox that only lists models or refuses requests needs no codec.
    from openrouter_video.sandbox.rendering import render  # noqa: PLC0415

    return render(scene)


class RenderQueue:
    """The videos that one sandbox has begun to render."""

    def __init__(self) -> None:
        self._begun: dict[Scene, Future[bytes]] = {}

    def begin(self, scene: Scene) -> Future[bytes]:
        """Render the scene in a worker thread, unless that was begun before."""
        if scene not in self._begun:
            self._begun[scene] = _workers().submit(_render, scene)
        return self._begun[scene]

    def is_rendering(self, scene: Scene) -> bool:
        """Whether the scene was begun and is not finished."""
        begun = self._begun.get(scene)
        return begun is not None and not begun.done()

    def close(self) -> None:
        """Give up what no worker has begun yet."""
        for video in self._begun.values():
            video.cancel()
