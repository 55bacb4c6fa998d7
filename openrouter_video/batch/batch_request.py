"""One batch as it was asked for: its name, what its rows leave out, and its templates. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from openrouter_video.elision import redact
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.request import RunRequest, parse_run_request
from openrouter_video.text import clip, shown

__all__ = ["DEFAULT_PATH", "STAND_IN", "BatchRequest", "OnInvalidRow", "name_problem", "parse_batch_request"]

DEFAULT_PATH = "{batch}/{row}-{slug}-{hash}/{model}"
LONGEST_NAME = 128
MOST_AT_ONCE = 1_000
MOST_SHARDS = 50
STAND_IN = "the prompt of a row"

OnInvalidRow = Literal["refuse", "skip"]


class BatchRequest(NamedTuple):
    """One batch as it was asked for.

    ``run`` is what all rows share, and what they leave out; its prompt is a stand-in, and it may have no models.
    ``form`` is the same as it was written, for a row to change. ``min_success``: how many videos of the whole batch are
    wanted, None for all. ``per_provider``: how many of each provider are made at the same time, or by its slug.
    ``shards``: how many other runs make its videos; with 1 it makes them itself.
    """

    name: str
    run: RunRequest
    form: Mapping[str, Any]
    prompt_template: str | None = None
    path_template: str = DEFAULT_PATH
    on_invalid_row: OnInvalidRow = "refuse"
    min_success: int | None = None
    per_provider: int | Mapping[str, int] | None = None
    shards: int = 1

    def asked(self, source: str) -> dict[str, Any]:
        """Return what was asked of all rows of a table, whose ``source`` has no secrets: short, and without any."""
        shared = {name: value for name, value in self.run.asked().items() if name != "prompt"}
        return {"batch": self.name, "source": source, **shared}


def parse_batch_request(
    *,
    batch: str,
    prompt_template: str | None = None,
    path_template: str | None = None,
    on_invalid_row: str = "refuse",
    min_success: int | None = None,
    concurrency_per_provider: int | Mapping[str, int] | None = None,
    shards: int = 1,
    **form: Any,
) -> BatchRequest:
    """Turn the parameters of ``batch_videos`` into a batch; ``form`` are those that ``parse_run_request`` takes.

    ``batch`` is its name, with the day filled in.

    Raises:
        RequestRefused: with all that is wrong, whatever the rows say.
    """
    problems = []
    if why := name_problem(batch):
        problems.append(Problem("batch", f"the name of a batch cannot be {shown(batch)}: {why}"))
    elif unfilled := re.findall(r"\{[^{}]*\}", batch):
        # It would be one batch for ever, of which each day finds that all is made already.
        message = f"the name of the batch contains {', '.join(map(shown, unfilled))}, and only {{date}} is filled in"
        problems.append(Problem("batch", message))
    if on_invalid_row not in {"refuse", "skip"}:
        message = f"on_invalid_row cannot be {shown(on_invalid_row)}; it is refuse or skip"
        problems.append(Problem("on_invalid_row", message))
    if min_success is not None and min_success < 0:
        problems.append(Problem("min_success", f"min_success must be 0 or more, not {min_success}"))
    problems += _provider_problems(concurrency_per_provider)
    if isinstance(shards, bool) or not isinstance(shards, int) or not 1 <= shards <= MOST_SHARDS:
        problems.append(Problem("shards", f"a batch has 1 to {MOST_SHARDS} shards, not {shown(shards)}"))
    run, form = None, {**form, "models": form.get("models") or ()}
    try:
        # Of a row alone any number of videos will do: how many are wanted is asked of the whole batch.
        run = parse_run_request(prompt=STAND_IN, **form, min_success=0, checked=False)
        problems += [one for one in run.problems() if run.models or one.field not in {"models", "min_success"}]
    except RequestRefused as refused:
        problems += refused.problems
    if problems or run is None:
        raise RequestRefused(problems)
    return BatchRequest(
        name=batch.strip(),
        run=run,
        form=form,
        prompt_template=prompt_template or None,
        path_template=path_template or DEFAULT_PATH,
        on_invalid_row="skip" if on_invalid_row == "skip" else "refuse",
        min_success=min_success,
        per_provider=concurrency_per_provider,
        shards=shards,
    )


def _provider_problems(given: int | Mapping[str, int] | None) -> list[Problem]:
    """Find numbers of videos at the same time under which a provider would never make one."""
    numbers = given if isinstance(given, Mapping) else {} if given is None else {"each provider": given}
    message = "{} videos of {} at the same time are not possible; it must be 1 to {:,}"
    return [
        Problem("concurrency_per_provider", message.format(shown(number), clip(str(slug)), MOST_AT_ONCE))
        for slug, number in numbers.items()
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST_AT_ONCE
    ]


def name_problem(name: str) -> str | None:
    """Say why a text cannot be the name of a batch, or the id of a row; None if it can."""
    if not name.strip():
        return "it is empty"
    if len(name) > LONGEST_NAME:
        return f"it has {len(name):,} characters, and at most {LONGEST_NAME} are allowed"
    if not name.strip().isprintable():
        return "it must be one line without control characters"
    return "it is a URL with a secret in it" if redact(name) != name else None
