"""One chain as it was asked for: its shots in their order, and what all of them share. Pure.

A chain has no takes, and waits for each of its shots, since the next one needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, cast, get_args

from pydantic import BaseModel, ConfigDict, Field

from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.form import Tabs
from openrouter_video.request import RunRequest, VideoSettings, parse_run_request
from openrouter_video.text import shown

__all__ = ["ChainRequest", "ContinueBy", "Shot", "parse_chain_request", "told_by_shot"]

ContinueBy = Literal["auto", "previous_job_id", "last_frame"]
"""How a shot continues the one before it; ``auto``: by its job where the model can, else by its last frame."""

MOST_SHOTS = 100
FIRST_ONLY = ("first_frame", "previous_job_id")
LAST_ONLY = ("last_frame",)


class Shot(BaseModel):
    """One shot of a chain: what it shows, and what it does not share with the others."""

    # The title is what Prefect's forms show; what is wrong with the settings is told by who reads the chain.
    model_config = ConfigDict(frozen=True, extra="forbid", title="With settings of its own")

    prompt: str = Field(title="Prompt", description="What the shot should show.", json_schema_extra={"position": 0})
    settings: Annotated[VideoSettings | None, Tabs("Set here", "As the chain")] = Field(
        default=None,
        title="Length, picture and sound of this shot",
        description="What is set here counts for this shot in the place of what the chain says.",
        json_schema_extra={"position": 1},
    )


class ChainRequest(NamedTuple):
    """One chain as it was asked for.

    ``run``: what all shots share; its request is the first shot's. ``shots``: each as the run that it would be by
    itself. ``continue_by`` as it was asked. ``concat``: whether the shots are joined to one file at the end.
    """

    run: RunRequest
    shots: tuple[RunRequest, ...]
    continue_by: ContinueBy = "auto"
    concat: bool = True

    @property
    def model(self) -> str:
        """The model of all its shots."""
        return self.run.models[0]

    def asked(self) -> dict[str, Any]:
        """Return what was asked as a plan and a result record it: short, and without secrets."""
        shared = {name: value for name, value in self.run.asked().items() if name in {"models", "labels"}}
        shots = [shot.request.asked() for shot in self.shots]
        return {**shared, "continue_by": self.continue_by, "concat": self.concat, "shots": shots}


def parse_chain_request(
    *,
    shots: Sequence[Any],
    model: str,
    settings: VideoSettings | Mapping[str, Any] | None = None,
    continue_by: str = "auto",
    concat: bool = True,
    **form: Any,
) -> ChainRequest:
    """Turn the parameters of ``chain_video`` into a chain; ``form`` are those that ``parse_run_request`` takes.

    A shot is a prompt, or an object of a prompt and settings. Of the ``settings`` of all, what a video begins with is
    for the first shot, and what it ends with for the last.

    Raises:
        RequestRefused: with one problem per thing to mend.
    """
    if isinstance(shots, str) or not isinstance(shots, Sequence) or not shots:
        message = "give the shots as a list of prompts, or of objects with a prompt and settings"
        raise RequestRefused([Problem("shots", f"{message}; got {shown(shots)}")])
    if len(shots) > MOST_SHOTS:
        raise RequestRefused([Problem("shots", f"{len(shots):,} shots are more than the {MOST_SHOTS} of one chain")])
    problems: list[Problem] = []
    if continue_by not in get_args(ContinueBy):
        message = f"continue_by is auto, previous_job_id or last_frame, not {shown(continue_by)}"
        problems.append(Problem("continue_by", message))
    alike = {**form, "model": model, "concurrency": 1}
    found, runs = list[list[Problem]](), list[RunRequest]()
    for number, shot in enumerate(shots, 1):
        of_shot: list[Problem] = []
        run = _run_of(shot, _shared(settings, number, len(shots)), number, alike, of_shot)
        runs += [run] if run else []
        found.append(of_shot)
    problems += told_by_shot(found)
    problems += runs[0].problems() if runs else []
    if problems:
        raise RequestRefused(problems)
    return ChainRequest(runs[0], tuple(runs), cast("ContinueBy", continue_by), concat)


def told_by_shot(found: Sequence[Sequence[Problem]]) -> list[Problem]:
    """Return what is wrong with shots, in their order: what all have in common once, the rest by shot."""
    common = set(found[0]).intersection(*found) if len(found) > 1 else set[Problem]()
    told = [problem for problem in dict.fromkeys(found[0] if found else ()) if problem in common]
    for number, of_shot in enumerate(found, 1):
        own = [problem for problem in dict.fromkeys(of_shot) if problem not in common]
        told += [problem._replace(message=f"shot {number}: {problem.message}") for problem in own]
    return told


def _run_of(
    shot: object, shared: Any, number: int, form: Mapping[str, Any], problems: list[Problem]
) -> RunRequest | None:
    """Return the run that a shot would be by itself; adds to ``problems`` what is wrong with it."""
    written = {"prompt": shot} if isinstance(shot, str) else shot.model_dump() if isinstance(shot, Shot) else shot
    if not isinstance(written, Mapping) or not isinstance(written.get("prompt"), str):
        message = f"a shot is a prompt, or an object of a prompt and settings; got {shown(shot)}"
        problems.append(Problem("shots", message))
        return None
    if more := [shown(name) for name in written if name not in Shot.model_fields]:
        problems.append(Problem("shots", f"a shot has a prompt and settings, and no {', '.join(more)}"))
    own = _plain(written.get("settings"))
    if isinstance(own, Mapping) and number > 1 and (beginning := [name for name in FIRST_ONLY if own.get(name)]):
        message = f"{' and '.join(beginning)} cannot be given: the shot begins where the one before it ends"
        problems.append(Problem(beginning[0], message))
    both = {**shared, **own} if isinstance(shared, Mapping) and isinstance(own, Mapping) else own or shared
    try:
        return parse_run_request(prompt=written["prompt"], settings=both, checked=False, **form)
    except RequestRefused as refused:
        problems += refused.problems
        return None


def _shared(settings: object, number: int, count: int) -> Any:
    """Return the settings that a shot takes over from the chain."""
    plain = _plain(settings)
    if not isinstance(plain, Mapping):
        return plain
    left_out = (*(FIRST_ONLY if number > 1 else ()), *(LAST_ONLY if number < count else ()))
    return {name: value for name, value in plain.items() if name not in left_out}


def _plain(settings: object) -> Any:
    """Return settings as an object of what was given; whatever else it is stays, and is told."""
    if isinstance(settings, VideoSettings):
        return settings.model_dump(exclude_none=True)
    if isinstance(settings, Mapping):
        return {name: value for name, value in settings.items() if value is not None}
    return {} if settings is None else settings
