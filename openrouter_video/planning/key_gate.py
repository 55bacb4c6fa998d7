"""Whether a plan fits into what its key may still spend: the gate after the run's own ceiling.

Pure. OpenRouter refuses what is over a key's budget by itself, so what is not known closes nothing here: it is a note.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from openrouter_video.api import KeyBudget
from openrouter_video.errors import Problem
from openrouter_video.money import MICRO, dollars
from openrouter_video.planning.budget import what_fits
from openrouter_video.planning.gated_plan import GatedPlan

__all__ = ["hold_to_key"]

FIELD = "credentials"

P = TypeVar("P", bound=GatedPlan)


def hold_to_key(plan: P, budget: KeyBudget) -> P:
    """Return a plan that is refused if it does not fit into what its key may still spend.

    Where that is not known, the plan says so. The answer came a moment ago, and the list of models may be an hour old,
    so it is the one to say whether all of this is for a sandbox.
    """
    problem = _problem(plan, budget)
    note = None if problem else _note(plan, budget)
    sandbox = plan.sandbox if budget.sandbox is None else budget.sandbox
    return plan.with_problems([problem] if problem else []).with_notes([note] if note else [], sandbox=sandbox)


def _problem(plan: GatedPlan, budget: KeyBudget) -> Problem | None:
    """Say why a plan does not fit; without a high end it fits as long as anything is left for its low one."""
    if budget.remaining is None or not plan.shares:
        return None
    if budget.remaining == 0:
        of = f", of {dollars(budget.limit / MICRO)}," if budget.limit else ""
        again = "then" if budget.resets_at else "once it is raised"
        spent = f"the key may spend nothing more{_until(budget)}: {_scope(budget)}{of} is spent"
        return Problem(FIELD, f"{spent}; run again {again}, or use another key")
    cost = plan.estimate
    need = cost.high if cost.priced else cost.low
    if need is None or need <= budget.remaining:
        return None
    costs = f"may cost {'up to' if cost.priced else 'at least'} {dollars(need / MICRO)}"
    fits = f"; {what_fits(plan, budget.remaining / MICRO)}" if cost.priced else ""
    return Problem(FIELD, f"{_left(budget)}, and the run {costs}{fits}")


def _note(plan: GatedPlan, budget: KeyBudget) -> str | None:
    """Say what a person should know of a gate that stays open."""
    if budget.unknown is not None:
        return f"what the key may still spend is not known (GET /key: {budget.unknown})"
    if budget.remaining and not plan.estimate.priced:
        return f"{_left(budget)}, and what the run will cost is not known"
    return None


def _left(budget: KeyBudget) -> str:
    amount = dollars((budget.remaining or 0) / MICRO)
    return f"the key may spend {amount} more{_until(budget)} ({_scope(budget)})"


def _scope(budget: KeyBudget) -> str:
    return budget.scope or "its budget"


def _until(budget: KeyBudget) -> str:
    return f" until {_moment(budget.resets_at)}" if budget.resets_at else ""


def _moment(moment: datetime) -> str:
    """Return a moment in UTC, of midnight only the day."""
    return f"{moment:%Y-%m-%d}" if (moment.hour, moment.minute) == (0, 0) else f"{moment:%Y-%m-%d %H:%M} UTC"
