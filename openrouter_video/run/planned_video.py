"""One video of a run as it was planned: what its model gets, by which request, and where the video goes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from openrouter_video.ledger import Scope
from openrouter_video.planning import ModelPlan
from openrouter_video.request import RunRequest
from openrouter_video.videos import video_path

__all__ = ["PlannedVideo", "extra_numbers", "videos_of_request"]


class PlannedVideo(NamedTuple):
    """One video of a run, to be sent or not.

    ``asked`` is the run as it was asked for; of a batch, what its row asks. ``scope`` is what makes two submissions the
    same one, ``path`` where the video goes in its store. ``batch``, ``row``, ``row_id``: which row of which batch; of a
    chain ``row`` is the number of the shot. ``in_place``: what is sent in the place of words in its plan that stand for
    something which was not there yet, such as the picture that an earlier shot ends with. ``extra_paths``: where its
    extra takes go, should its provider withhold it. ``instead_of``: the take in whose place this one is made.
    """

    plan: ModelPlan
    take: int
    asked: RunRequest
    scope: Scope
    path: str
    batch: str | None = None
    row: int | None = None
    row_id: str | None = None
    in_place: Mapping[str, str] = MappingProxyType({})
    extra_paths: tuple[str, ...] = ()
    instead_of: int | None = None

    @property
    def body(self) -> dict[str, Any]:
        """What is sent for it; what is recorded of it is in its plan."""
        body = dict(self.plan.body)
        if self.in_place and (previous := body.get("previous_job_id")):
            body["previous_job_id"] = self.in_place.get(previous, previous)
        if self.in_place and (frames := body.get("frame_images")):
            urls = [frame["image_url"]["url"] for frame in frames]
            changed = zip(frames, urls, strict=True)
            body["frame_images"] = [{**one, "image_url": {"url": self.in_place.get(url, url)}} for one, url in changed]
        return body

    @property
    def extra_takes(self) -> tuple[PlannedVideo, ...]:
        """The extra takes that may be made in its place, one after the other, each a video of its own."""
        numbers = extra_numbers(self.take, self.asked)
        return tuple(
            self._replace(take=number, path=path, extra_paths=(), instead_of=self.take)
            for number, path in zip(numbers, self.extra_paths, strict=False)
        )

    @property
    def later_keys(self) -> tuple[str, ...]:
        """The keys of the extra takes that may come after it; it may be one itself."""
        numbers = extra_numbers(self.instead_of or self.take, self.asked)
        return tuple(self.scope.key(self.plan.model, number) for number in numbers if number > self.take)

    @property
    def keys(self) -> tuple[str, ...]:
        """Its key in the ledger, then those of its extra takes."""
        return (self.key, *(extra.key for extra in self.extra_takes))

    @property
    def key(self) -> str:
        """Its key in the ledger."""
        return self.scope.key(self.plan.model, self.take)


def extra_numbers(take: int, asked: RunRequest) -> list[int]:
    """Return the numbers of the extra takes of a take: beyond those of all ordinary ones, and always the same."""
    return [take + extra * asked.takes for extra in range(1, asked.extra_takes_on_output_moderation + 1)]


def videos_of_request(run: RunRequest, scope: Scope, models: tuple[ModelPlan, ...]) -> tuple[PlannedVideo, ...]:
    """Return every video that one request makes of the models of its plan."""

    def path(plan: ModelPlan, take: int) -> str:
        return video_path(run.request.title, scope.short, plan.model, take)

    return tuple(
        PlannedVideo(
            plan,
            take,
            run,
            scope,
            path(plan, take),
            extra_paths=tuple(path(plan, number) for number in extra_numbers(take, run)),
        )
        for plan in models
        for take in range(1, run.takes + 1)
    )
