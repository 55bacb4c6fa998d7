"""What a run's plan is: what each model gets, what of it is paid for, and what that may cost. Pure values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, computed_field

from openrouter_video.elision import elide, source_name
from openrouter_video.errors import Problem
from openrouter_video.money import Estimate, total_estimate
from openrouter_video.outcome import LeftOut
from openrouter_video.planning.gated_plan import ModelShare, known_problems
from openrouter_video.planning.previous_jobs import Look, continued_jobs
from openrouter_video.request import Given, VideoSettings
from openrouter_video.text import clip

__all__ = ["ModelPlan", "Plan"]


class ModelPlan(BaseModel):
    """What one model gets: a body to send, or the reasons why nothing is sent to it.

    ``estimate``: what one video may cost, where one is to be sent. ``usual_seconds``: the time in which half of its
    videos are made, as far as that is known. ``given``: what is known of what it works from.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    decision: Literal["send", "skip", "refuse"]
    body: dict[str, Any] = {}
    slug: str | None = None
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    given: Given = Given()
    estimate: Estimate | None = None
    usual_seconds: float | None = None

    @property
    def sent(self) -> dict[str, Any] | None:
        """The body with inline images and the secrets of URLs replaced by digests, for records and reports."""
        return elide(self.body) if self.decision == "send" else None


class Plan(BaseModel):
    """The whole dry run. With ``problems`` nothing is sent to any model.

    ``known``: the videos, by model and take, of which the ledger knows the job, so that this run does not pay for them.
    ``extra_takes``: so many more may be made of a video that its provider withholds; ``needless``: those of them, by
    model and number, that this run does not pay for, by what the ledger says.
    ``sandbox``: whether it is for a sandbox, so that nothing is billed.
    """

    model_config = ConfigDict(frozen=True)

    asked: dict[str, Any]
    takes: int = 1
    models: tuple[ModelPlan, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    known: frozenset[tuple[str, int]] = frozenset()
    extra_takes: int = 0
    needless: frozenset[tuple[str, int]] = frozenset()
    sandbox: bool = False

    @property
    def each_take(self) -> range:
        """The numbers of the takes, from 1."""
        return range(1, self.takes + 1)

    @property
    def videos(self) -> tuple[tuple[ModelPlan, int], ...]:
        """Every video of the run, sent or not: what its model gets, and its take."""
        return tuple((model, take) for model in self.models for take in self.each_take)

    @property
    def extra_videos(self) -> tuple[tuple[ModelPlan, int], ...]:
        """Every extra take that this run may pay for, should all of their videos be withheld: its model and number."""
        numbers = range(self.takes + 1, self.takes * (1 + self.extra_takes) + 1)
        return tuple(
            (model, number)
            for model in self.models
            for number in numbers
            if model.decision == "send" and (model.model, number) not in self.needless
        )

    @property
    def refused(self) -> bool:
        """Whether nothing may be sent at all."""
        return bool(self.problems)

    def with_problems(self, problems: Iterable[Problem]) -> Self:
        """Return the plan with more problems; without any it is the same."""
        return self.model_copy(update={"problems": (*self.problems, *problems)})

    def with_notes(self, warnings: Iterable[str], *, sandbox: bool) -> Self:
        """Return the plan with more warnings, and with a newer word on whether anything is billed."""
        return self.model_copy(update={"warnings": (*self.warnings, *warnings), "sandbox": sandbox})

    @property
    def refusal(self) -> tuple[Problem, ...]:
        """Why nothing is sent; with what becomes of videos that were submitted before."""
        return (*self.problems, *(known_problems(len(self.known)) if self.problems else []))

    @property
    def paying(self) -> tuple[ModelPlan, ...]:
        """The models that this run pays for."""
        return tuple(model for model in self.models if self.new_takes(model) or self.extra_of(model))

    def new_takes(self, model: ModelPlan) -> int:
        """Return how many videos of a model this run pays for."""
        if model.decision != "send":
            return 0
        return sum((model.model, take) not in self.known for take in self.each_take)

    def extra_of(self, model: ModelPlan) -> int:
        """Return how many extra takes of a model this run may pay for."""
        return sum(one.model == model.model for one, _ in self.extra_videos)

    def cost_of(self, model: ModelPlan) -> Estimate:
        """Return what all videos of a model that this run pays for may cost together, at most with all extra takes."""
        return self._share_of(model).together if model.estimate else total_estimate([])

    @property
    def shares(self) -> tuple[ModelShare, ...]:
        """What this run pays for, by model."""
        return tuple(map(self._share_of, self.paying))

    def _share_of(self, model: ModelPlan) -> ModelShare:
        each = [model.estimate or Estimate()]
        return ModelShare.of(model.model, each * self.new_takes(model), each * self.extra_of(model))

    @property
    def continued(self) -> tuple[str, ...]:
        """The ids of the jobs that its new videos continue."""
        return continued_jobs(model.body for model in self.paying)

    def with_looks(self, looks: Mapping[str, Look]) -> Self:
        """Return the plan with what looks have told of the jobs that it continues, by their ids."""
        problems = [Problem("previous_job_id", look.problem) for look in looks.values() if look.problem]
        notes = [look.note for look in looks.values() if look.note]
        return self.with_problems(problems).with_notes(notes, sandbox=self.sandbox)

    @property
    def subject(self) -> str:
        """What it is of: its prompt, else the name of what it works from."""
        if prompt := self.asked.get("prompt"):
            return f"Prompt: {clip(str(prompt))}"
        sources = VideoSettings.model_validate(self.asked.get("settings") or {}).sources()
        return f"Input: {clip(next(map(source_name, sources), ''))}"

    def content(self) -> list[object]:
        """Return what would be sent, and how often; what the ledger knows already counts as sent."""
        sent = sorted((one.model, json.dumps(one.sent, sort_keys=True)) for one in self.models if one.sent is not None)
        return [self.takes, sent, *([self.extra_takes] if self.extra_takes else [])]

    def fewer(self, left: int) -> list[str]:
        """Say how many takes would fit into so many micro-dollars."""
        each = sum(share.each.high or 0 for share in self.shares) * (1 + self.extra_takes)
        takes = left // each if each else 0
        return [f"takes {takes}"] if 0 < takes < self.takes else []

    @computed_field  # type: ignore[prop-decorator]
    @property
    def estimate(self) -> Estimate:
        """What the run may cost: the videos that it pays for, of all models together."""
        return total_estimate([self.cost_of(model) for model in self.paying])
