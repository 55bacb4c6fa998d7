"""A whole chain as it is planned: every shot, what it may cost, and why the chain may not begin.

Pure. What a shot continues is not there yet: in the place of a job's id, or of a picture, its plan holds words that
name the shot before it. They stand in every record, and only in what is sent the real thing takes their place; so a
plan is the same on every machine and in every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal, NamedTuple, Self

from openrouter_video.api import Catalog, ModelEndpoints, VideoModel
from openrouter_video.elision import redact
from openrouter_video.errors import Problem
from openrouter_video.ledger import LedgerEntry, Scope
from openrouter_video.money import Bills, Estimate, total_estimate
from openrouter_video.outcome import SETTLE_COMMAND
from openrouter_video.planning import Look, ModelShare, continued_jobs, known_problems, plan_run
from openrouter_video.request import Input, Inputs, PreviousJob, RunRequest, VideoSettings
from openrouter_video.run import PlannedVideo
from openrouter_video.shots.chain_request import ChainRequest, ContinueBy, told_by_shot
from openrouter_video.shots.identity import content_of, folder_of_chain, frame_of, scope_of, shot_path
from openrouter_video.text import clip

__all__ = ["ChainPlan", "Way", "plan_chain"]

Way = Literal["previous_job_id", "last_frame"]
"""How the shots of a planned chain continue each other."""

DOUBTED = frozenset({"claimed", "uncertain"})
DOUBT = (
    "shot {} may have been submitted already, continued in another way than the model's price list has today; settle "
    f"it (`{SETTLE_COMMAND} {{}}`), then run the chain again"
)


@dataclass(frozen=True)
class ChainPlan:
    """The dry run of a whole chain. With ``more`` nothing is sent for any shot.

    ``way``: how its shots continue each other; None of a single one. ``known``: the keys of shots of which the ledger
    knows the job, so that this run does not pay for them.
    """

    asked: dict[str, Any]
    folder: str
    shots: tuple[PlannedVideo, ...] = ()
    way: Way | None = None
    more: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    sandbox: bool = False

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Why nothing may be sent."""
        return self.more

    @property
    def refused(self) -> bool:
        """Whether nothing may be sent at all."""
        return bool(self.more)

    @property
    def refusal(self) -> tuple[Problem, ...]:
        """Why nothing is sent; with what becomes of shots that were submitted before."""
        return (*self.more, *known_problems(len(self.known))) if self.more else ()

    @cached_property
    def new_shots(self) -> tuple[PlannedVideo, ...]:
        """The shots that this run pays for."""
        return tuple(shot for shot in self.shots if shot.plan.decision == "send" and shot.key not in self.known)

    @cached_property
    def shares(self) -> tuple[ModelShare, ...]:
        """What this run pays for: all of it is one model's."""
        videos = [shot.plan.estimate or Estimate() for shot in self.new_shots]
        return (ModelShare.of(self.new_shots[0].plan.model, videos),) if videos else ()

    @cached_property
    def estimate(self) -> Estimate:
        """What the chain may cost: the shots that this run pays for."""
        return total_estimate(share.together for share in self.shares)

    @property
    def subject(self) -> str:
        """What it is of: how many shots, and the prompt of the first."""
        prompts = [str(shot.get("prompt", "")) for shot in self.asked["shots"]]
        return f"Chain of {len(prompts)} shot{'s' * (len(prompts) != 1)}: {clip(prompts[0])}"

    def content(self) -> list[object]:
        """Return what would be sent; what the ledger knows already counts as sent."""
        return ["chain", [[shot.key, shot.plan.sent] for shot in self.shots if shot.plan.sent is not None]]

    def fewer(self, left: int) -> list[str]:
        """Say how many shots, from the first on, would fit into so many micro-dollars."""
        fit = sum(total <= left for total in accumulate(map(self.most_of, self.shots)))
        return [f"the first {fit} of {len(self.shots)} shots"] if 0 < fit < len(self.shots) else []

    def most_of(self, shot: PlannedVideo) -> int:
        """Return what a shot may cost at most that this run pays for, as far as it has a price."""
        return (shot.plan.estimate.high or 0) if shot in self.new_shots and shot.plan.estimate else 0

    def with_problems(self, problems: Iterable[Problem]) -> Self:
        """Return the plan with more problems."""
        return replace(self, more=(*self.more, *problems))

    def with_notes(self, warnings: Iterable[str], *, sandbox: bool) -> Self:
        """Return the plan with more warnings, and with a newer word on whether anything is billed."""
        return replace(self, warnings=(*self.warnings, *warnings), sandbox=sandbox)

    @property
    def continued(self) -> tuple[str, ...]:
        """The ids of the jobs that are continued and there already: that of its first shot, if it is new."""
        return continued_jobs(shot.plan.body for shot in self.new_shots if shot is self.shots[0])

    def with_looks(self, looks: Mapping[str, Look]) -> Self:
        """Return the plan with what looks have told of the job that its first shot continues."""
        problems = [Problem("previous_job_id", look.problem) for look in looks.values() if look.problem]
        notes = [look.note for look in looks.values() if look.note]
        return self.with_problems(problems).with_notes(notes, sandbox=self.sandbox)

    def with_known(self, sent: Mapping[str, Mapping[str, Any]]) -> Self:
        """Return the plan with what was sent for shots, by their keys, of which the ledger knows the job.

        That is what is sent for them: whatever the list of models says by now, they are not asked for in another way.
        """
        shots = tuple(
            shot._replace(plan=shot.plan.model_copy(update={"body": dict(sent[shot.key])}))
            if sent.get(shot.key)
            else shot
            for shot in self.shots
        )
        return replace(self, shots=shots, known=self.known | sent.keys())

    def with_doubts(self, entries: Mapping[str, LedgerEntry]) -> Self:
        """Return the plan with a problem for each shot that may have been accepted in another way than it has today.

        Neither can what was sent be sent again, nor may the key be taken for that of another request.
        """
        claims = {key: entry.claim for key, entry in entries.items() if entry.state in DOUBTED and entry.claim}
        shots = [shot for shot in self.shots if shot.key in claims]
        other = [shot for shot in shots if _by_job(claims[shot.key].sent) != _by_job(shot.plan.body)]
        return self.with_problems(Problem("shots", DOUBT.format(shot.row, shot.key)) for shot in other)


class _Before(NamedTuple):
    """What a shot continues, as far as it is known before it is made.

    ``seconds``: its length, if its provider returns what it continues as well, so that no price is taken for too low.
    """

    key: str
    seconds: float | None

    @property
    def frame(self) -> str:
        """The words that stand for the picture that it ends with."""
        return frame_of(self.key)


def plan_chain(
    chain: ChainRequest,
    scope: Scope,
    catalog: Catalog,
    *,
    inputs: Sequence[Inputs] | None = None,
    problems: Sequence[Sequence[Problem]] = (),
    bills: Mapping[str, Bills] | None = None,
    health: Mapping[str, ModelEndpoints] | None = None,
) -> ChainPlan:
    """Plan all shots of a chain, each after the one before it.

    ``inputs`` and ``problems`` as for ``plan_run``, of each shot, ``bills`` and ``health`` of all; ``scope`` is that of
    the chain.
    """
    model = catalog.get(chain.model)
    way = _way(chain.continue_by, model) if len(chain.shots) > 1 else None
    folder = folder_of_chain(redact(chain.run.request.prompt), scope)
    before: _Before | None = None
    shots, warnings = list[PlannedVideo](), list[list[Problem]]()
    found = [list(of_shot) for of_shot in problems] or [list[Problem]() for _ in chain.shots]
    for number, shot in enumerate(chain.shots, 1):
        given = inputs[number - 1] if inputs else Inputs()
        continuing, with_before = _continuing(shot, before, way, given)
        plan = plan_run(continuing, catalog, inputs=with_before, bills=bills, health=health)
        found[number - 1] += [*plan.problems, *_beside_frame(shot, before, way)]
        warnings.append([Problem("plan", warning) for warning in plan.warnings])
        own = scope_of(scope, chain.continue_by, content_of(shot.request, given), before.key if before else None)
        for of_model in plan.models:
            path = shot_path(folder, number, redact(shot.request.prompt), own.key(of_model.model, 1))
            shots.append(PlannedVideo(of_model, 1, shot, own, path, row=number))
        before = _Before(own.key(chain.model, 1), _seconds(continuing.request.settings, with_before))
    return ChainPlan(
        asked=chain.asked(),
        folder=folder,
        shots=tuple(shots),
        way=way,
        more=(*_way_problems(chain, model, way), *told_by_shot(found)),
        warnings=tuple(warning.message for warning in told_by_shot(warnings)),
        sandbox=catalog.sandbox,
    )


def _continuing(shot: RunRequest, before: _Before | None, way: Way | None, inputs: Inputs) -> tuple[RunRequest, Inputs]:
    """Return a shot as a run that continues the one before it, with what is known of that one."""
    if before is None or way is None:
        return shot, inputs
    if way == "previous_job_id":
        job = PreviousJob(before.key, shot.models[0], None, before.seconds)
        known = inputs._replace(jobs={**inputs.jobs, before.key: job})
        return _with_settings(shot, {"previous_job_id": before.key}), known
    known = inputs._replace(files={**inputs.files, before.frame: Input(before.frame)})
    return _with_settings(shot, {"first_frame": before.frame}), known


def _seconds(settings: VideoSettings, inputs: Inputs) -> float | None:
    """Return how long a shot may become together with what it continues; None if nobody knows."""
    if settings.previous_job_id is None or settings.duration is None:
        return settings.duration
    previous = inputs.jobs.get(settings.previous_job_id)
    return previous.seconds + settings.duration if previous and previous.seconds else None


def _with_settings(shot: RunRequest, settings: Mapping[str, str]) -> RunRequest:
    changed = shot.request.settings.model_copy(update=settings)
    return shot._replace(request=shot.request.model_copy(update={"settings": changed}))


def _by_job(body: Mapping[str, Any]) -> bool:
    return "previous_job_id" in body


def _way(asked: ContinueBy, model: VideoModel | None) -> Way | None:
    """Return how the shots of a model continue each other; None if they cannot."""
    if model is None or asked != "auto":
        return None if asked == "auto" else asked
    if model.continues:
        return "previous_job_id"
    return "last_frame" if "first_frame" in (model.supported_frame_images or ()) else None


def _way_problems(chain: ChainRequest, model: VideoModel | None, way: Way | None) -> list[Problem]:
    if model is None or way is not None or len(chain.shots) == 1:
        return []
    message = "it neither continues an earlier video nor takes a first frame, so that no shot can follow another"
    return [
        Problem("continue_by", f"{message}; choose a model that does one of them, or make the shots apart", model.id)
    ]


def _beside_frame(shot: RunRequest, before: _Before | None, way: Way | None) -> list[Problem]:
    """Find references beside a frame, which would win over them."""
    if before is None or way != "last_frame" or not shot.request.settings.input_references:
        return []
    message = "input_references are ignored beside the frame that the shot begins with, but they are paid for; "
    return [Problem("input_references", message + "leave them out of all shots but the first")]
