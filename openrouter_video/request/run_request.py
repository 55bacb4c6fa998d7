"""One run as it was asked for: a request, the models and takes to make it with, where the videos go, and its limits.

Pure. The parameters of the flows and the options of the command are two forms of it; whatever comes after them takes it
as a whole.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

from openrouter_video.elision import elide
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.request.labels import parse_labels
from openrouter_video.request.request import OnUnsupported, VideoRequest, parse_request
from openrouter_video.request.settings import VideoSettings
from openrouter_video.text import shown

__all__ = ["RunRequest", "WaitMode", "parse_run_request"]

WaitMode = Literal["here", "suspended", "no"]
"""Where a run waits for its jobs: in its process, suspended and without one, or not at all."""


MOST_VIDEOS = 1_000
"""What one run makes at most: more is a slip of the keyboard, and each video costs money."""
MOST_EXTRA_TAKES = 5
MOST_AT_ONCE = 1_000
MOST_USD = 1_000_000
LONGEST_DEADLINE_MINUTES = 7 * 24 * 60
MEANT_AS_DATE = frozenset({"date", "day", "today", "now", "ds"})


class RunRequest(NamedTuple):
    """One run as it was asked for.

    ``max_usd``: the most that it may cost. ``approve_above_usd``: above this somebody is asked first. ``assumed_usd``:
    what to assume of a video whose price nobody knows, by the model's id or a pattern. ``labels``: whose money it is,
    which makes no other request of it; ``send_labels``: whether OpenRouter is told them.
    ``extra_takes_on_output_moderation``: how many more takes are made for a video of which a provider's own check
    refused what had come out.

    ``wait``: where it waits for its jobs. ``output`` and ``ledger`` are URLs, ``store`` and ``credentials`` names of
    blocks; for what is None the environment or a default decides.
    """

    request: VideoRequest
    models: tuple[str, ...]
    takes: int = 1
    min_success: int | None = None
    concurrency: int = 8
    deadline_minutes: float = 30.0
    idempotency_key: str | None = None
    output: str | None = None
    ledger: str | None = None
    store: str | None = None
    credentials: str | None = None
    max_usd: float | None = None
    assumed_usd: Mapping[str, float] = MappingProxyType({})
    labels: Mapping[str, str] = MappingProxyType({})
    send_labels: bool = False
    approve_above_usd: float | None = None
    wait: WaitMode = "here"
    extra_takes_on_output_moderation: int = 0

    @property
    def wanted(self) -> int:
        """How many videos make the run a success."""
        return len(self.models) * self.takes if self.min_success is None else self.min_success

    @property
    def deadline_seconds(self) -> float:
        """How long to wait for a job."""
        return self.deadline_minutes * 60

    def asked(self) -> dict[str, Any]:
        """Return what was asked as a plan and a result record it: short, and without secrets."""
        more: dict[str, Any] = {"labels": dict(self.labels)} if self.labels else {}
        if self.extra_takes_on_output_moderation:
            more["extra_takes_on_output_moderation"] = self.extra_takes_on_output_moderation
        return {"models": elide(list(self.models)), "takes": self.takes, **more, **self.request.asked()}

    def parameters(self, *, one_model: bool = False) -> dict[str, Any]:
        """Return the parameters of the flow that makes this run: ``fan_out_video``, or ``generate_video``."""
        given = self._asdict()
        request, models = given.pop("request"), given.pop("models")
        if one_model:
            del given["min_success"], given["concurrency"]
        return {
            "prompt": request.prompt,
            **({"model": models[0]} if one_model else {"models": list(models)}),
            "settings": request.settings,
            "provider_options": request.provider_options or None,
            "on_unsupported": request.on_unsupported.value,
            "provider_slugs": request.provider_slugs or None,
            **given,
            "assumed_usd": dict(self.assumed_usd) or None,
            "labels": dict(self.labels) or None,
        }

    def problems(self) -> list[Problem]:
        """Find what is wrong with the run itself, whatever the list of models says."""
        return [
            *_count_problems(self),
            *_extra_takes_problems(self),
            *_limit_problems(self),
            *_key_problems(self.idempotency_key),
            *_money_problems(self),
        ]


def parse_run_request(
    *,
    prompt: str | None,
    model: str | None = None,
    models: Sequence[str] = (),
    settings: VideoSettings | Mapping[str, Any] | None = None,
    provider_options: Any = None,
    on_unsupported: str | None = OnUnsupported.fallback,
    provider_slugs: Mapping[str, str] | None = None,
    takes: int = 1,
    min_success: int | None = None,
    concurrency: int = 8,
    deadline_minutes: float = 30.0,
    idempotency_key: str | None = None,
    output: str | None = None,
    ledger: str | None = None,
    store: str | None = None,
    credentials: str | None = None,
    max_usd: float | None = None,
    assumed_usd: Mapping[str, float] | None = None,
    labels: Any = None,
    send_labels: bool = False,
    approve_above_usd: float | None = None,
    wait: WaitMode = "here",
    extra_takes_on_output_moderation: int = 0,
    checked: bool = True,
) -> RunRequest:
    """Turn the parameters of ``generate_video``, with its one ``model``, or of ``fan_out_video`` into a run.

    An empty text is as good as none: a form sends that of an emptied text box. Not ``checked``, the run may have
    problems, for whoever reports them together with what was asked.

    Raises:
        RequestRefused: with one problem per thing to mend.
    """
    request, problems = (
        parse_request(prompt, settings, provider_options, on_unsupported, provider_slugs),
        list[Problem](),
    )
    said = parse_labels(labels, request.settings.trace if send_labels else None, problems)
    run = RunRequest(
        request=request,
        models=tuple(models) if model is None else (model,),
        takes=takes,
        min_success=min_success,
        concurrency=concurrency,
        deadline_minutes=deadline_minutes,
        idempotency_key=idempotency_key or None,
        output=output or None,
        ledger=ledger or None,
        store=store or None,
        credentials=credentials or None,
        max_usd=max_usd,
        assumed_usd=assumed_usd or {},
        labels=said,
        send_labels=send_labels,
        approve_above_usd=approve_above_usd,
        wait=wait,
        extra_takes_on_output_moderation=extra_takes_on_output_moderation,
    )
    if checked:
        problems += run.problems()
    if problems:
        raise RequestRefused(problems)
    return run


def _count_problems(run: RunRequest) -> list[Problem]:
    """Find models, takes and numbers of videos that no run can have."""
    models, takes = run.models, run.takes
    extra = max(0, min(run.extra_takes_on_output_moderation, MOST_EXTRA_TAKES))
    if len(models) * max(takes, 1) * (1 + extra) > MOST_VIDEOS:
        asked = f"{len(models):,} model{'s' * (len(models) != 1)} with takes {shown(takes)}"
        asked += f" and {extra} extra takes of each" if extra else ""
        message = f"{asked} is more than the {MOST_VIDEOS:,} videos that one run makes; ask for fewer, in several runs"
        return [Problem("takes", message)]
    problems = []
    if not models:
        problems.append(Problem("models", "no model was chosen; `openrouter-video models` lists them"))
    for model in dict.fromkeys(models):
        if (times := models.count(model)) > 1:
            message = f"{model} is given {times} times; for several videos of one model use takes"
            problems.append(Problem("models", message))
    if takes < 1:
        problems.append(Problem("takes", f"takes must be 1 or more, not {shown(takes)}"))
    videos = len(set(models)) * takes
    if run.min_success is not None and videos > 0 and not 0 <= run.min_success <= videos:
        message = f"min_success must be 0 to {videos}, the videos asked; not {run.min_success}"
        problems.append(Problem("min_success", message))
    return problems


def _extra_takes_problems(run: RunRequest) -> list[Problem]:
    """Find extra takes that would be too many, or for which nobody would be there to submit them."""
    field, extra = "extra_takes_on_output_moderation", run.extra_takes_on_output_moderation
    if isinstance(extra, bool) or not isinstance(extra, int) or not 0 <= extra <= MOST_EXTRA_TAKES:
        return [Problem(field, f"{field} must be 0 to {MOST_EXTRA_TAKES} for each video, not {shown(extra)}")]
    if extra and run.wait in {"suspended", "no"}:
        message = f"{field} needs a run that is there when a job fails, to submit the next take; with wait {run.wait} "
        return [Problem(field, f"{message}it is not, and a collection never submits. Take wait here, or 0 extra takes")]
    return []


def _limit_problems(run: RunRequest) -> list[Problem]:
    """Find limits under which a run could never end, or would end at once."""
    problems = []
    if not 1 <= run.concurrency <= MOST_AT_ONCE:
        message = f"concurrency must be 1 to {MOST_AT_ONCE:,} videos at the same time, not {shown(run.concurrency)}"
        problems.append(Problem("concurrency", message))
    if not 0 < run.deadline_minutes <= LONGEST_DEADLINE_MINUTES:
        days = LONGEST_DEADLINE_MINUTES // (24 * 60)
        message = f"the deadline must be above zero and at most {LONGEST_DEADLINE_MINUTES:,} minutes ({days} days)"
        problems.append(Problem("deadline_minutes", f"{message}, not {shown(run.deadline_minutes)} minutes"))
    if run.wait not in get_args(WaitMode):
        problems.append(Problem("wait", f"wait is here, suspended or no, not {shown(run.wait)}"))
    return problems


def _money_problems(run: RunRequest) -> list[Problem]:
    """Find amounts that no ceiling and no price can be."""
    problems = []
    if run.max_usd is not None and not _is_amount(run.max_usd):
        message = f"the ceiling must be above 0 and at most {MOST_USD:,} US dollars, not {shown(run.max_usd)}; "
        problems.append(Problem("max_usd", message + "leave it out for none"))
    above = run.approve_above_usd
    if above is not None and not (above == 0 or _is_amount(above)):
        message = f"the amount above which to ask must be 0 to {MOST_USD:,} US dollars, not {shown(above)}; "
        problems.append(Problem("approve_above_usd", message + "0 asks always"))
    for model, amount in run.assumed_usd.items():
        if not _is_amount(amount):
            message = f"what to assume of {shown(model)} must be above 0 and at most {MOST_USD:,} US dollars per video"
            problems.append(Problem("assumed_usd", f"{message}, not {shown(amount)}"))
    return problems


def _is_amount(usd: float) -> bool:
    return math.isfinite(usd) and 0 < usd <= MOST_USD


def _key_problems(idempotency_key: str | None) -> list[Problem]:
    """Find what would make an idempotency key protect nothing, or one day for ever."""
    if idempotency_key is None:
        return []
    if not idempotency_key.strip():
        return [Problem("idempotency_key", "the idempotency key is empty and would protect nothing; leave it out")]
    meant = [text for text in re.findall(r"\{[^{}]*\}", idempotency_key) if text[1:-1].strip().lower() in MEANT_AS_DATE]
    unfilled = [text for text in meant if text != "{date}"]
    if unfilled:
        message = f"the idempotency key contains {', '.join(unfilled)}, but only {{date}} is filled in"
        return [Problem("idempotency_key", message)]
    return []
