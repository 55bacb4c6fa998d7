"""What a person should know of a plan that may be carried out all the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from openrouter_video.api import ModelEndpoints
from openrouter_video.planning.passthrough import unused_slugs
from openrouter_video.request import LONGEST_SIGNED_SECONDS, RunRequest, needs_signature
from openrouter_video.text import printable

__all__ = ["plan_warnings"]


def plan_warnings(
    run: RunRequest, slugs: Mapping[str, str | None], sent: Sequence[str], health: Mapping[str, ModelEndpoints]
) -> Iterator[str]:
    """Tell of options that nobody reads, of equal takes, of inputs that may be over, of models that are down or slow.

    ``slugs``: that of each chosen model; ``sent``: the models to which something is sent.
    """
    request = run.request
    yield from unused_slugs(request, slugs.values())
    for pattern in request.provider_slugs:
        if not any(fnmatchcase(model, pattern) for model in slugs):
            yield f"provider_slugs names {printable(pattern)}, which is not one of the chosen models"
    if run.takes > 1 and request.settings.seed is not None:
        yield f"{run.takes} takes with the same seed may give the same video {run.takes} times"
    if run.extra_takes_on_output_moderation and request.settings.seed is not None:
        yield "an extra take with the same seed may be withheld like the one before it"
    if run.deadline_seconds > LONGEST_SIGNED_SECONDS:
        yield from _of_signatures(run)
    for model in sent:
        if model in health:
            yield from _of_health(health[model], None if run.wait == "no" else run.deadline_seconds)


def _of_signatures(run: RunRequest) -> Iterator[str]:
    """Say which inputs may be over before the deadline is."""
    for field, clip in run.request.settings.clip_sources().items():
        if needs_signature(clip.url):
            yield (
                f"{field}: its store signs an address for seven days at most, and the deadline is "
                f"{run.deadline_minutes:,g} minutes: a job that is begun at the end of them may find it over; set "
                f"deadline_minutes to {LONGEST_SIGNED_SECONDS // 60:,} or less"
            )


def _of_health(of_model: ModelEndpoints, deadline: float | None) -> Iterator[str]:
    """Say that a model is down, or that it may be slower than the run waits; neither is a refusal."""
    model, usual, slow = of_model.model, of_model.usual_seconds, of_model.slow_seconds
    if of_model.health == "down":
        yield f"{model} is down by OpenRouter's list of its endpoints: a video of it may fail or take long"
    if deadline is None or slow is None or slow <= deadline:
        return
    share, seconds = ("half of its videos", usual) if usual and usual > deadline else ("one video in a hundred", slow)
    yield (
        f"{model}: {share} took longer than {seconds / 60:.3g} min of late, and this run waits for "
        f"{deadline / 60:.3g} min; one that is not done by then stays open and is collected later, or set "
        "deadline_minutes higher"
    )
