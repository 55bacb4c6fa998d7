"""One entry of the money journal: what it holds, and whether a file is one.

Pure. Every entry carries the whole state after it, so that one exclusive creation of one entry checks a cap and keeps
it, and so that a lost entry takes nothing else with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from openrouter_video.ledger.reservations import Bill, Day, Money, RunBills

__all__ = ["ABSENT", "Damage", "JournalEntry", "Span", "covers", "missing_in", "parse_journal_entry", "spans_of"]

SCHEMA_VERSION = 1

Number = Annotated[int, Field(ge=1, strict=True)]
Span = tuple[Number, Number]
"""Numbers of entries from the first to the last, which may be the same."""


class JournalEntry(BaseModel):
    """What was done, and the money after it. ``token`` tells which writer made it; ``lost`` what a repair gave up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1]
    n: Number
    token: str
    at: str
    day: Day
    kind: Literal["reserve", "settle", "repair"]
    run_id: str | None = None
    bills: tuple[RunBills, ...] = ()
    released: tuple[str, ...] = ()
    lost: tuple[Span, ...] = ()
    money: Money

    @model_validator(mode="after")
    def _is_of_one_month(self) -> Self:
        days = {*self.money.spent, *(hold.day for hold in self.money.held), *(one.day for one in self.bills)}
        if any(day[:7] != self.day[:7] for day in days):
            raise ValueError("it has days of another month")
        return self

    def each_bill(self) -> list[tuple[str, str, Bill]]:
        """Return its bills: the day on which each counts, the reservation, and the bill."""
        return [(one.day, name, bill) for one in self.bills for name, bill in one.each().items()]


class Damage(NamedTuple):
    """Why a file is not the entry that it should be; ``newer`` if a later version of this package wrote it."""

    why: str
    newer: bool = False


ABSENT = Damage("is not there")


def parse_journal_entry(content: bytes | None, n: int, month: str) -> JournalEntry | Damage:
    """Return entry ``n`` of a month, or why it is none: absent, damaged, of another place, or of a later version."""
    if content is None:
        return ABSENT
    try:
        entry = JournalEntry.model_validate_json(content)
    except ValidationError as error:
        version = _version_of(content)
        if version > SCHEMA_VERSION:
            return Damage(f"was written by a later version of this package (schema {version})", newer=True)
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return Damage(f"cannot be read ({where or 'the whole file'}: {first['msg']})")
    if entry.n != n or entry.day[:7] != month:
        return Damage(f"says that it is entry {entry.n} of {entry.day[:7]}")
    return entry


def _version_of(content: bytes) -> int:
    try:
        found = json.loads(content)["schema_version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return 0
    return found if isinstance(found, int) else 0


def missing_in(numbers: Sequence[int]) -> list[Span]:
    """Return what is missing in a chain whose entries have these numbers, which are in order: all from 1 on is due."""
    due = zip([0, *numbers], numbers, strict=False)
    return [(before + 1, n - 1) for before, n in due if n > before + 1]


def covers(lost: Sequence[Span], spans: Sequence[Span]) -> bool:
    """Whether all of these numbers are known to be lost."""
    return all(any(first <= start and end <= last for first, last in lost) for start, end in spans)


def spans_of(numbers: Iterable[int], spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return numbers and spans as few spans, in order."""
    merged: list[Span] = []
    for start, end in sorted([*spans, *((n, n) for n in numbers)]):
        if merged and start <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
