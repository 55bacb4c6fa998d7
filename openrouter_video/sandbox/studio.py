"""Edge: draws the jobs' videos in worker threads, so that the server goes on answering."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

from openrouter_video.sandbox.drawing import Scene
from openrouter_video.sandbox.orders import Order

__all__ = ["Studio", "scene_of"]


@cache
def _workers() -> ThreadPoolExecutor:
    # One pool for every sandbox of the process: a suite that starts hundreds of them has two cores all the same.
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="sandbox-rendering")


def scene_of(order: Order) -> Scene:
    """What the video of an order shows."""
    return Scene(order.model, order.prompt, order.seconds, order.width, order.height, order.audio)


def _draw(scene: Scene) -> bytes:
    # Imported in the worker thread: a sandbox that only lists models or refuses requests needs no codec.
    from openrouter_video.sandbox.rendering import render  # noqa: PLC0415

    return render(scene)


class Studio:
    """The videos that one sandbox has begun to draw."""

    def __init__(self) -> None:
        self._begun: dict[Scene, Future[bytes]] = {}

    def begin(self, scene: Scene) -> Future[bytes]:
        """Draw the scene in a worker thread, unless that was begun before."""
        if scene not in self._begun:
            self._begun[scene] = _workers().submit(_draw, scene)
        return self._begun[scene]

    def is_drawing(self, scene: Scene) -> bool:
        """Whether the scene was begun and is not finished."""
        begun = self._begun.get(scene)
        return begun is not None and not begun.done()

    def close(self) -> None:
        """Give up what no worker has begun yet."""
        for drawing in self._begun.values():
            drawing.cancel()
