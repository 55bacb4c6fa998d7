"""What a command asks for: a run, a batch or a chain, with all in which planning and making one differ from another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from openrouter_video.cli.video_lines import VideoLine
from openrouter_video.errors import Problem
from openrouter_video.outcome import Outcome
from openrouter_video.planning import GatedPlan
from openrouter_video.report import PlanLine
from openrouter_video.request import RunRequest

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

__all__ = ["Asked", "Overview", "P", "R"]

R = TypeVar("R")
P = TypeVar("P", bound=GatedPlan)


class Overview(NamedTuple):
    """What is known before it begins: words for people, its videos, and how many of them make it a success."""

    words: Sequence[str]
    lines: Sequence[VideoLine] = ()
    wanted: int | None = None


class Asked(ABC, Generic[R, P]):
    """What a command asks for, made of the ``R`` that its options were read to; ``P`` is its plan.

    ``run``: what all its videos share. ``report``: what was asked as results record it, short and without secrets.
    ``form``: the parameters of its ``flow``, which is given by name. ``parts``: what the document of its plan lists.
    """

    kind: ClassVar[str]
    flow: ClassVar[str]
    parts: ClassVar[str] = "models"
    run: RunRequest
    report: dict[str, Any]
    form: Mapping[str, Any]

    @abstractmethod
    def __init__(self, request: R) -> None: ...

    @abstractmethod
    def dry_plan(self, environ: Mapping[str, str], *, health: bool = False) -> P:
        """Plan it over the environment's API; nothing is sent, and no key is needed.

        ``health``: also say which models are down or slow. Who serves them is asked anyway where options depend on it.

        Raises:
            ApiUnavailable, ConfigurationError: if the list of models could not be read.
            RequestRefused: if what it is made from could not.
        """

    @abstractmethod
    def plan_lines(self, plan: P) -> list[PlanLine]:
        """Return the plan as people read it."""

    @abstractmethod
    def plan_details(self, plan: P) -> dict[str, Any]:
        """Return what the document of the plan tells beside what each of them does."""

    @abstractmethod
    def overview(self, plan: P | None) -> Overview:
        """Return what is known before it begins; there is no plan where only Prefect can load the key."""

    def problems(self) -> Sequence[Problem]:
        """Return what is wrong with it whatever models there are, if it was read all the same."""
        return ()

    def found_by(self, outcomes: Sequence[Outcome]) -> str:  # noqa: ARG002 (what became of a chain's shots counts)
        """Return the name by which the same command finds what this one has made; empty if it would not go on."""
        return self.run.idempotency_key or ""

    def verdict(self, plan: P) -> str:
        """Say what would become of it."""
        return f"The {self.kind} would be {'refused' if plan.refused else 'made'}"

    async def start(self) -> State[Any]:
        """Call its flow."""
        from openrouter_video import flows  # noqa: PLC0415 (Prefect, whose settings come first)

        state: State[Any] = await getattr(flows, self.flow)(**self.form, return_state=True)
        return state
