"""What is to be said of each recipe today, by its plan, its models' entries, and what was recorded at the last check.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict

from openrouter_video.api import Catalog
from openrouter_video.drift.entry_changes import entry_changes, facts_of
from openrouter_video.drift.recipes import Recipe
from openrouter_video.elision import redact
from openrouter_video.money import Estimate, dollars
from openrouter_video.text import clip

__all__ = [
    "BrokenEvent",
    "RecipeCheck",
    "RecipePlan",
    "RecipeRecord",
    "RecipeVerdict",
    "broke_now",
    "broken_event",
    "judge",
    "record_of",
    "summary_of",
]

PREFIX = "openrouter-video"
WARN_DAYS = 14
"""So many days before its expiration date a model is named."""
MOST_NAMED = 3


class RecipePlan(NamedTuple):
    """What a recipe comes to by today's list of models.

    ``problems``: why its run would be refused, in the words of the plan. ``needs``: what it would need instead.
    ``warnings``: what a person should know. ``left_out``: the options that its models would not get.
    """

    models: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    estimate: Estimate | None = None


class RecipeRecord(BaseModel):
    """What is remembered of a recipe from one check to the next.

    ``estimate``: the last one while it worked. ``entries``: the facts of its models as the list had them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    checked_at: AwareDatetime
    last_ok_at: AwareDatetime | None = None
    broken_since: AwareDatetime | None = None
    estimate: Estimate | None = None
    entries: dict[str, dict[str, Any]] = {}


class RecipeVerdict(BaseModel):
    """What is to be said of one recipe.

    ``since``: when it was first seen broken. ``last_ok_at``: when a check last saw it work, before this one. ``price``:
    how much dearer or cheaper it is than at the last check, in words. ``changes``: what has changed since then in the
    entries of its models. ``expires``: which of its models may be removed soon, and after which day. ``sandbox``: its
    prices are only simulated.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    flow: str | None = None
    status: Literal["works", "broken"] = "works"
    models: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    since: AwareDatetime | None = None
    last_ok_at: AwareDatetime | None = None
    estimate: Estimate | None = None
    estimate_before: Estimate | None = None
    price: Literal["dearer", "cheaper"] | None = None
    changes: tuple[str, ...] = ()
    expires: dict[str, date] = {}
    sandbox: bool = False

    @property
    def since_words(self) -> str:
        """Since when it is broken, such as ``since 2026-11-20 (last worked on 2026-11-19)``; nothing if it works."""
        if self.since is None:
            return ""
        worked = f"last worked on {_day(self.last_ok_at)}" if self.last_ok_at else "never seen to work"
        return f"since {_day(self.since)} ({worked})"

    @property
    def price_words(self) -> str:
        """What a run may cost, and what it was at the last check if that has changed."""
        if self.estimate is None:
            return ""
        amount = self.estimate.words(sandbox=self.sandbox)
        words = f"may cost {amount}" if self.estimate.priced else amount
        if self.price is None or self.estimate_before is None:
            return words
        return f"{words}, {self.price} than at the last check: {self.estimate_before}{_percent(self)}"


class BrokenEvent(NamedTuple):
    """What Prefect is told of a recipe that breaks; ``identity`` is the same text for the same news."""

    name: str
    resource: dict[str, str]
    payload: dict[str, Any]
    identity: str


class RecipeCheck(BaseModel):
    """What one check of recipes has found. ``sandbox``: the list of models was that of a sandbox."""

    model_config = ConfigDict(frozen=True)

    run_id: str | None = None
    checked_at: AwareDatetime
    recipes: tuple[RecipeVerdict, ...] = ()
    problems: tuple[str, ...] = ()
    sandbox: bool = False

    @property
    def broken(self) -> tuple[RecipeVerdict, ...]:
        """Those that break."""
        return tuple(one for one in self.recipes if one.status == "broken")


def judge(
    recipe: Recipe, plan: RecipePlan, catalog: Catalog, record: RecipeRecord | None, now: datetime
) -> RecipeVerdict:
    """Return what is to be said of a recipe; without a ``record`` it was never checked before."""
    broken = bool(plan.problems)
    changes = tuple(_changes(plan.models, catalog, record.entries if record else {}))
    before = record.estimate if record else None
    return RecipeVerdict(
        name=recipe.name,
        flow=recipe.flow,
        status="broken" if broken else "works",
        models=plan.models,
        problems=plan.problems,
        needs=plan.needs,
        warnings=(*plan.warnings, *_expiry_words(plan.models, catalog, now.date())),
        left_out=plan.left_out,
        since=((record.broken_since if record else None) or now) if broken else None,
        last_ok_at=record.last_ok_at if record else None,
        estimate=None if broken else plan.estimate,
        estimate_before=before,
        # Another price of unchanged models comes of a changed recipe, or of more rows in its table.
        price=_price(before, plan.estimate) if changes and not broken else None,
        changes=changes,
        expires=_expiring(plan.models, catalog, now.date()),
        sandbox=catalog.sandbox,
    )


def record_of(verdict: RecipeVerdict, catalog: Catalog, record: RecipeRecord | None, now: datetime) -> RecipeRecord:
    """Return what is to be remembered of a recipe; of a model that is gone, what it was."""
    kept = record.entries if record and verdict.status == "broken" else {}
    listed = {model: facts_of(entry) for model in verdict.models if (entry := catalog.get(model))}
    works = verdict.status == "works"
    return RecipeRecord(
        name=verdict.name,
        checked_at=now,
        last_ok_at=now if works else verdict.last_ok_at,
        broken_since=verdict.since,
        estimate=verdict.estimate if works else verdict.estimate_before,
        entries={**kept, **listed},
    )


def broke_now(verdict: RecipeVerdict, record: RecipeRecord | None) -> bool:
    """Whether a recipe breaks that did not at the last check, so that somebody is to be told."""
    return verdict.status == "broken" and (record is None or record.broken_since is None)


def broken_event(verdict: RecipeVerdict, digest: str, *, sandbox: bool) -> BrokenEvent:
    """Return the event of a recipe that breaks, for automations; ``digest`` is what it is known by."""
    name = f"{PREFIX}.recipe.broken"
    title = clip(verdict.name)
    resource = {
        "prefect.resource.id": f"{PREFIX}.recipe.{digest}",
        "prefect.resource.name": title,
        f"{PREFIX}.sandbox": str(sandbox).lower(),
    }
    told = verdict.model_dump(mode="json", include={"flow", "models", "problems", "needs", "since", "last_ok_at"})
    # Two checks at once find the same news: what it is that nobody has told is the end of the time in which it worked.
    known_by = verdict.last_ok_at or verdict.since
    return BrokenEvent(name, resource, {"recipe": title, **told, "sandbox": sandbox}, f"{name} {digest} {known_by}")


def summary_of(check: RecipeCheck) -> str:
    """Return a check in a line: ``5 recipes: 3 work, 2 break (a.json, b.json); 1 dearer; google/veo-3.1 expires``."""
    total, broken = len(check.recipes), check.broken
    if not total:
        return "there is no recipe to check"
    words = f"{total:,} recipe{'s' * (total != 1)}: {total - len(broken):,} work{'s' * (total - len(broken) == 1)}"
    if broken:
        words += f", {len(broken):,} break{'s' * (len(broken) == 1)} ({_few([_short(one.name) for one in broken])})"
    for price in ("dearer", "cheaper"):
        if count := sum(one.price == price for one in check.recipes):
            words += f"; {count:,} {price}"
    if expiring := sorted({(day, model) for one in check.recipes for model, day in one.expires.items()}):
        words += f"; {_few([f'{clip(model)} expires on {day}' for day, model in expiring])}"
    return words


def _changes(models: Sequence[str], catalog: Catalog, before: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for model in models:
        entry = catalog.get(model)
        if entry is not None and model in before:
            yield from (f"{clip(model)}: {words}" for words in entry_changes(before[model], facts_of(entry)))


def _expiring(models: Sequence[str], catalog: Catalog, today: date) -> dict[str, date]:
    found = ((model, catalog.get(model)) for model in models)
    days = {model: entry.expiration_date for model, entry in found if entry and entry.expiration_date}
    return {model: day for model, day in days.items() if (day - today).days <= WARN_DAYS}


def _expiry_words(models: Sequence[str], catalog: Catalog, today: date) -> Iterator[str]:
    for model, day in _expiring(models, catalog, today).items():
        left = (day - today).days
        when = f"in {left} day{'s' * (left != 1)}" if left > 0 else "today" if left == 0 else "which is over"
        yield f"{clip(model)} may be removed after {day} ({when})"


def _price(before: Estimate | None, after: Estimate | None) -> Literal["dearer", "cheaper"] | None:
    if before is None or after is None or before.high is None or after.high is None:
        return None
    old, new = (before.high, before.low or 0), (after.high, after.low or 0)
    return "dearer" if new > old else "cheaper" if new < old else None


def _percent(verdict: RecipeVerdict) -> str:
    before, after = verdict.estimate_before, verdict.estimate
    if before is None or after is None or not before.high_usd or after.high_usd is None:
        return ""
    change = after.high_usd - before.high_usd
    if not change:
        return ""
    share = change / before.high_usd
    return f" ({'+' if change > 0 else '-'}{dollars(abs(change))} at most, {share:+.0%})"


def _short(name: str) -> str:
    """Return the last part of a path, or the whole name of a deployment."""
    return clip(name if name.startswith("deployment ") else redact(name).rpartition("/")[2])


def _few(texts: Sequence[str]) -> str:
    more = len(texts) - MOST_NAMED
    return ", ".join(texts[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""
