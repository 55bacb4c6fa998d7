"""What a plan may cost against what may be spent, and what of it would fit.

Pure. A ceiling is held against the high end of the estimate: what has no high end does not pass it.
"""

from __future__ import annotations

import math
from typing import TypeVar

from openrouter_video.errors import Problem
from openrouter_video.ledger import CapReached, Caps
from openrouter_video.money import MICRO, dollars, micro
from openrouter_video.planning.gated_plan import GatedPlan

__all__ = ["cap_problem", "hold_to_caps", "hold_to_ceiling", "what_fits"]

P = TypeVar("P", bound=GatedPlan)

FIELDS = {"day": "max_usd_per_day", "month": "max_usd_per_month"}


def hold_to_ceiling(plan: P, max_usd: float | None, paid_usd: float = 0.0) -> P:
    """Return a plan that is refused if it does not pass the ceiling of its run; None means without one.

    ``paid_usd``: what an earlier attempt of the run has paid for, which counts.
    """
    return plan.with_problems(_ceiling_problems(plan, max_usd, paid_usd))


def hold_to_caps(plan: P, caps: Caps) -> P:
    """Return a plan that is refused if a cap of a day or a month holds for it, and it has what no cap can hold.

    Whether the rest fits is decided where it is reserved, since other runs reserve too.
    """
    for span, cap in (("day", caps.day), ("month", caps.month)):
        if cap is not None:
            limit = f"the cap of {dollars(cap / MICRO)} a {span}"
            return plan.with_problems(_unpriced_problems(plan, FIELDS[span], limit))
    return plan


def cap_problem(plan: GatedPlan | None, reached: CapReached) -> Problem:
    """Say which cap a plan would pass, what is left of it and until when, and what of the plan, if any, would fit."""
    cap, left = dollars(reached.cap / MICRO), reached.left / MICRO
    costs = f"the run may cost up to {dollars(reached.asked / MICRO)}"
    until = f"{reached.resets_at:%Y-%m-%d %H:%M} UTC"
    message = f"{costs}, and {dollars(left)} of the cap of {cap} a {reached.span} are left until {until}"
    return Problem(FIELDS[reached.span], f"{message}; {what_fits(plan, left)}" if plan else message)


def _ceiling_problems(plan: GatedPlan, max_usd: float | None, paid_usd: float) -> list[Problem]:
    """Find why a plan does not pass the ceiling of its run."""
    if max_usd is None or not math.isfinite(max_usd):
        return []  # what cannot be a ceiling is a problem of the run itself
    if problems := _unpriced_problems(plan, "max_usd", f"the ceiling of {dollars(max_usd)}"):
        return problems
    most, left = plan.estimate.high or 0, micro(max_usd) - micro(paid_usd)
    if not most or most <= left:
        return []
    spent = f", of which {dollars(paid_usd)} is spent" if paid_usd else ""
    message = f"the run may cost up to {dollars(most / MICRO)}, above its ceiling of {dollars(max_usd)}{spent}; "
    return [Problem("max_usd", message + what_fits(plan, max(0, left) / MICRO))]


def _unpriced_problems(plan: GatedPlan, field: str, limit: str) -> list[Problem]:
    """Find the models whose videos could cost anything, so that no limit holds them; ``limit`` says which is set."""
    return [
        Problem(
            field,
            f"nobody can say what a video of {share.model} may cost ({'; '.join(share.each.why)}), so it does not "
            f"pass {limit}; leave the model out, or say what to assume in dollars per video: assumed_usd, on the "
            f"command line --assume-usd {share.model}=DOLLARS",
        )
        for share in plan.shares
        if share.unpriced
    ]


def what_fits(plan: GatedPlan, left_usd: float) -> str:
    """Say what of a plan would fit into what is left: fewer takes, without the dearest models, or narrower settings."""
    ways = [*plan.fewer(int(left_usd * MICRO)), *_fewer_models(plan, left_usd)]
    if (plan.estimate.low or 0) <= left_usd * MICRO:
        whys = [why for share in plan.shares for why in share.each.why if "narrow" in why]
        ways += dict.fromkeys(whys)
    if not ways:
        cheapest = min(share.cheapest for share in plan.shares)
        if cheapest <= left_usd * MICRO:
            return f"a small part of it would fit: the cheapest video may cost up to {dollars(cheapest / MICRO)}"
        return f"not even one video of these models fits: the cheapest may cost up to {dollars(cheapest / MICRO)}"
    return f"what would fit: {', or '.join(ways)}"


def _fewer_models(plan: GatedPlan, left_usd: float) -> list[str]:
    """Leave out the dearest models until the rest fits."""
    by_price = sorted(plan.shares, key=lambda share: share.each.high or 0)
    left_out: list[str] = []
    while len(by_price) > 1:
        left_out.append(by_price.pop().model)
        rest = sum(share.most for share in by_price)
        if rest <= left_usd * MICRO:
            return [f"without {' and '.join(left_out)} (up to {dollars(rest / MICRO)})"]
    return []
