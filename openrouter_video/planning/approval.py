"""Whether a run needs somebody's yes before it spends, what is asked, and what an earlier yes still covers.

Pure. A yes is given to a question: to these bodies, so many times, for at most so much. It covers whatever is the same
and not dearer; all else is asked again.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from datetime import datetime
from typing import NamedTuple, Self

from openrouter_video.markdown import as_text
from openrouter_video.money import dollars, micro
from openrouter_video.planning.gated_plan import GatedPlan, extra_words
from openrouter_video.text import clip

__all__ = ["Question", "asked_words", "form_text", "needs_approval", "priced_rows"]

KEY = re.compile(r"approve-(?P<plan>[0-9a-f]{32})-(?P<most>[0-9]{1,18})-(?P<unpriced>[0-9]{1,6})")
MOST_ROWS = 40
ANSWERS = (
    "**yes**: it goes on; if the same requests cost more by then, it asks again. **no**, or no answer until {until}: "
    "the run ends as failed, and nothing is spent."
)


class Question(NamedTuple):
    """What somebody is asked to say yes to.

    ``plan``: the digest of what would be sent, where and how often. ``most``: what all of it that has a price may cost
    at most, in micro-dollars. ``unpriced``: how many videos nobody can put a figure on.
    """

    plan: str
    most: int
    unpriced: int = 0

    @classmethod
    def of(cls, plan: GatedPlan, base_url: str) -> Self:
        """Return the question about a plan; what its ledger knows already counts as sent and costs nothing."""
        text = json.dumps([base_url, *plan.content()])
        return cls(
            plan=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32],
            most=sum(share.most for share in plan.shares),
            unpriced=sum(share.unpriced for share in plan.shares),
        )

    @classmethod
    def in_key(cls, text: str) -> Self | None:
        """Return the question whose key is in a text; None if there is none."""
        found = KEY.search(text)
        return cls(found["plan"], int(found["most"]), int(found["unpriced"])) if found else None

    @property
    def key(self) -> str:
        """The name under which it is asked, from which it can be read again."""
        return f"approve-{self.plan}-{self.most}-{self.unpriced}"

    def covers(self, later: Question) -> bool:
        """Whether a yes to this question is one to a later question: the same, for as much or for less."""
        return self.plan == later.plan and later.most <= self.most and later.unpriced <= self.unpriced


class PricedRow(NamedTuple):
    """What the videos of one model may cost."""

    model: str
    videos: int
    each: str
    together: str


def needs_approval(plan: GatedPlan, above_usd: float | None) -> bool:
    """Whether a plan may cost more than that, or an amount that nobody knows.

    What costs nothing needs no yes, nor what is refused, such as for an amount that is none.
    """
    if above_usd is None or plan.refused or not plan.shares:
        return False
    most = plan.estimate.high
    return most is None or most > micro(above_usd)


def asked_words(plan: GatedPlan, above_usd: float) -> str:
    """Return in a sentence why a plan needs a yes."""
    limit = f"above {dollars(above_usd)} (approve_above_usd) it needs somebody's yes"
    sandbox = " (a sandbox, which bills nothing)" if plan.sandbox else ""
    if plan.estimate.priced:
        extra = extra_words(sum(share.extra for share in plan.shares))
        return f"The run may cost {plan.estimate}{extra}{sandbox}, and {limit}."
    unpriced = [share.model for share in plan.shares if share.unpriced]
    return f"Nobody can say what the run may cost{sandbox} ({clip(', '.join(unpriced))}: unpriced), and {limit}."


def priced_rows(plan: GatedPlan) -> list[PricedRow]:
    """Return what each model may cost that the run pays for, the dearest first; of an unpriced one with the reason."""
    return [
        PricedRow(
            clip(share.model),
            share.videos,
            str(share.each),
            str(share.together) if not share.unpriced else clip(f"unpriced: {'; '.join(share.together.why)}"),
        )
        for share in sorted(plan.shares, key=lambda share: -(share.together.high or math.inf))
    ]


def form_text(plan: GatedPlan, above_usd: float, until: datetime) -> str:
    """Return what stands above the form, in Markdown: why, the plan with its prices, and what an answer does.

    Two columns only: Prefect's page shows it in a narrow window, above the fields.
    """
    rows = priced_rows(plan)
    more, videos = rows[MOST_ROWS:], sum(row.videos for row in rows)
    table = [_cells(f"{row.model} × {row.videos:,}", row.together) for row in rows[:MOST_ROWS]]  # noqa: RUF001
    if more:
        table.append(_cells(f"and {len(more)} models more", "see the run's log"))
    return "\n".join(
        [
            f"**{as_text(asked_words(plan, above_usd))}**\n",
            f"{as_text(plan.subject)}\n",
            "| model | may cost |",
            "|---|---|",
            *table,
            f"| **{videos:,} video{'s' * (videos != 1)}** | **{as_text(str(plan.estimate))}** |",
            "",
            ANSWERS.format(until=f"{until:%Y-%m-%d %H:%M} UTC"),
        ]
    )


def _cells(*cells: str) -> str:
    return f"| {' | '.join(as_text(cell) for cell in cells)} |"
