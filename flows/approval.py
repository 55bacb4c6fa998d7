"""The gate that a person opens: a run that may cost more than it may spend unasked waits for somebody's yes.

The run of a deployment is suspended, so that no worker waits with it: its process ends, and after the answer the run
begins anew, under its own id. A run that cannot be suspended is paused, and its process waits. The answers are kept by
Prefect with the run. A yes covers what was asked and no more, so that prices are looked up again after it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal, NoReturn, cast

import httpx
from prefect import get_run_logger
from prefect.client.schemas.objects import FlowRunInput
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_runs import apause_flow_run, asuspend_flow_run
from prefect.input import RunInput, adelete_flow_run_input, afilter_flow_run_input
from prefect.settings import PREFECT_API_URL
from pydantic import Field, ValidationError

from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.planning import (
    GatedPlan,
    Question,
    asked_words,
    form_text,
    needs_approval,
)
from openrouter_video.run import Answer, approval_threshold, current_approver, current_limits
from openrouter_video.text import shown
from openrouter_video.threads import start

from .suspension import can_be_suspended

__all__ = ["Approval", "ApprovalForm", "open_approval"]

LOOKS_EVERY_SECONDS = 5
MOST_INPUTS = 200


class ApprovalForm(RunInput):
    """May it spend this?"""

    # Without a required field Prefect takes a resume that says nothing for an answer.
    decision: Literal["yes", "no"] = Field(title="May it spend this?", description="yes goes on, no ends the run.")
    note: str = Field(
        default="",
        title="Who says so, and why",
        description="Kept with the run; of a no it is told in the run's state.",
    )


class Approval:
    """Whether a run may spend what it plans: above an amount by somebody's yes only.

    ``answered``: whether somebody has said yes before this code ran, so that prices may have changed since.
    """

    def __init__(self, above_usd: float | None, base_url: str, given: tuple[Question, ...] = ()) -> None:
        self._above_usd = above_usd
        self._base_url = base_url
        self._given = list(given)
        self.answered = bool(given)

    async def covers(self, plan: GatedPlan) -> bool:
        """Whether the plan may be carried out; False if somebody has said yes just now, and prices may have changed.

        The process may end in here, to begin anew after the answer.

        Raises:
            RequestRefused: if the answer was no, or if there was none.
        """
        if self._above_usd is None or not needs_approval(plan, self._above_usd):
            return True
        question = Question.of(plan, self._base_url)
        if any(approved.covers(question) for approved in self._given):
            return True
        get_run_logger().warning("%s", asked_words(plan, self._above_usd))
        answer = await _ask(plan, self._above_usd, question)
        if not answer.yes:
            if not current_approver():
                with _refused_without_prefect():
                    await _forget_no(await _earlier_answers())
            _refuse_by(answer.note)
        get_run_logger().info("Answered yes%s", _said(answer.note))
        self._given.append(question)
        return not answer.waited


async def open_approval(of_run: float | None, of_key: float | None, base_url: str) -> Approval:
    """Return the gate of this run, with what was answered before it began anew.

    Raises:
        RequestRefused: if the answer was no. It is forgotten then, so that a retry asks anew.
        ConfigurationError: if the environment's limit is not an amount.
    """
    above_usd = approval_threshold(of_run, of_key, os.environ)
    if above_usd is None or current_approver():
        return Approval(above_usd, base_url)
    with _refused_without_prefect():
        answers = await _earlier_answers()
        no = await _forget_no(answers)
    if no is not None:
        _refuse_by(no.note)
    return Approval(above_usd, base_url, tuple(question for question, _ in answers.values()))


async def _forget_no(answers: Mapping[str, tuple[Question, ApprovalForm]]) -> ApprovalForm | None:
    """Return the no among the answers that Prefect keeps, if there is one, and forget it, so that a retry asks anew."""
    for key, (_, form) in answers.items():
        if form.decision == "no":
            await adelete_flow_run_input(key)
            return form
    return None


@contextmanager
def _refused_without_prefect() -> Iterator[None]:
    """Refuse the run where Prefect's server cannot be asked: without an answer nothing is spent."""
    try:
        yield
    except (PrefectHTTPStatusError, httpx.HTTPError) as error:
        why = f"{type(error).__name__}; nothing was sent. Once its server answers again, run it anew"
        _refuse(f"whether the run may spend this could not be asked by Prefect: {why}")


async def _earlier_answers() -> Mapping[str, tuple[Question, ApprovalForm]]:
    """Return what was asked and answered before, by the key under which Prefect keeps the answer."""
    answers = {}
    prefix = "suspended-" if can_be_suspended() else "paused-"
    for kept in cast(list[FlowRunInput], await afilter_flow_run_input(prefix, limit=MOST_INPUTS)):
        question = Question.in_key(kept.key)
        if question is not None and kept.key.endswith("-response"):
            answers[kept.key] = (question, ApprovalForm.load_from_flow_run_input(kept))
    return answers


async def _ask(plan: GatedPlan, above_usd: float, question: Question) -> Answer:
    """Ask whoever stands there, else by Prefect's page."""
    if approver := current_approver():
        return await asyncio.wrap_future(start(partial(approver, plan, above_usd)))
    if not PREFECT_API_URL.value():
        why = "Prefect's server is a temporary one, whose page nobody sees; set PREFECT_API_URL, or allow more"
        _refuse(f"{asked_words(plan, above_usd)} Nobody can give it: {why}")
    seconds = int(current_limits().approval_seconds)
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    form = ApprovalForm.with_initial_data(description=form_text(plan, above_usd, until))
    try:
        with _refused_without_prefect():
            given = await _ask_by_page(form, question, seconds)
    except TimeoutError:
        _refuse(f"{asked_words(plan, above_usd)} Nobody answered until {until:%Y-%m-%d %H:%M} UTC")
    except ValidationError:
        _refuse(f"{asked_words(plan, above_usd)} The run was resumed without an answer; retry it to be asked again")
    return Answer(given.decision == "yes", given.note)


async def _ask_by_page(form: type[ApprovalForm], question: Question, seconds: int) -> ApprovalForm:
    """Suspend the run, which ends this process, or pause it where it cannot be suspended."""
    if can_be_suspended():
        return await asuspend_flow_run(wait_for_input=form, timeout=seconds, key=question.key)
    # Prefect keeps no other words of a pause that has timed out, so ours ends before.
    longer = seconds + 10 * LOOKS_EVERY_SECONDS
    async with asyncio.timeout(seconds + LOOKS_EVERY_SECONDS):
        return await apause_flow_run(
            wait_for_input=form, timeout=longer, poll_interval=LOOKS_EVERY_SECONDS, key=question.key
        )


def _refuse_by(note: str) -> NoReturn:
    _refuse(f"the question whether it may spend this was answered no{_said(note)}")


def _said(note: str) -> str:
    return f": {shown(note.strip())}" if note.strip() else ""


def _refuse(message: str) -> NoReturn:
    raise RequestRefused([Problem("approve_above_usd", message)])
