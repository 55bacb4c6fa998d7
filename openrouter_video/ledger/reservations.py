"""The money of one month: what is spent, what is reserved, and what may be reserved under the caps.

Pure. Amounts are whole micro-dollars. A reservation holds the top of one video's estimate from before its POST until
its bill is known. Its id is ``<run>/<ledger key>``: two runs that share an idempotency key share the ledger key, and
still each has reservations of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from openrouter_video.errors import LedgerError
from openrouter_video.ledger.learning import Ratios, learn, subject
from openrouter_video.ledger.records import digest
from openrouter_video.money import Bills

__all__ = [
    "LARGEST_OPEN",
    "Amount",
    "Bill",
    "CapReached",
    "Caps",
    "Change",
    "Day",
    "Hold",
    "Money",
    "Reservation",
    "RunBills",
    "held_by",
    "ledger_key",
    "reservation_id",
    "reserve",
    "run_token",
    "settle",
]

LARGEST_OPEN = 2000
"""Videos that may be reserved at once, since each entry carries them all; with so many it has about 90 kB."""

Amount = Annotated[int, Field(ge=0, strict=True)]
Day = Annotated[str, Field(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]


Span = Literal["day", "month"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Caps(NamedTuple):
    """The most that may be spent in a day and in a month, in micro-dollars; None means without a cap."""

    day: int | None = None
    month: int | None = None


class CapReached(NamedTuple):
    """The cap that reservations would pass: how much of it is taken, on which day, and how much was asked."""

    span: Span
    cap: int
    taken: int
    asked: int
    on: str

    @property
    def left(self) -> int:
        """What is left under the cap; 0 where more was spent than it allows."""
        return max(0, self.cap - self.taken)

    @property
    def resets_at(self) -> datetime:
        """The moment from which nothing of the cap is taken: the next day or month in UTC."""
        day = datetime.fromisoformat(self.on).replace(tzinfo=UTC)
        if self.span == "day":
            return day + timedelta(days=1)
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


class Bill(_Part):
    """What one video came to.

    ``amount`` is what counts; where ``billed`` is False the provider named no cost, and the top of the estimate stands
    in. ``mode`` is the body's: text, image or reference; of a job that failed it is the kind of its failure, since
    older versions read these bills too, and know no field for it. ``listed`` is the interval that the list of prices
    makes of the body, before anything was learned; None where it makes none.
    """

    model: str
    mode: str = "text"
    amount: Amount
    billed: bool = True
    listed: tuple[Amount, Amount] | None = None
    run_id: str | None = None
    deployment: str | None = None
    labels: dict[str, str] = {}


class RunBills(_Part):
    """Bills of one run that count on one day, by reservation, without what they share."""

    day: Day
    run_id: str | None = None
    deployment: str | None = None
    labels: dict[str, str] = {}
    bills: dict[str, Bill]

    def each(self) -> dict[str, Bill]:
        """Return the bills whole."""
        shared = {"run_id": self.run_id, "deployment": self.deployment, "labels": self.labels}
        return {name: bill.model_copy(update=shared) for name, bill in self.bills.items()}


class Hold(_Part):
    """What a run reserved at once, by ledger key; ``until`` is when it may be released if no claim names it."""

    run: str
    day: Day
    until: AwareDatetime
    videos: dict[str, Amount]


class Reservation(NamedTuple):
    """What is held for one video, and on which day it counts."""

    day: str
    amount: int
    until: datetime


class Money(_Part):
    """The state of one month: spent by day, what is reserved, and what bills have taught."""

    spent: dict[Day, Amount] = {}
    held: tuple[Hold, ...] = ()
    learned: dict[str, Ratios] = {}

    def reservations(self) -> dict[str, Reservation]:
        """Return the open reservations by their ids."""
        return {
            reservation_id(hold.run, key): Reservation(hold.day, amount, hold.until)
            for hold in self.held
            for key, amount in hold.videos.items()
        }

    def bills(self) -> dict[str, Bills]:
        """Return what bills have said of listed prices, by model and mode as ``subject`` writes them."""
        return {name: ratios.as_bills() for name, ratios in self.learned.items()}

    def by_key(self, day: str | None = None) -> dict[str, int]:
        """Return what is reserved in the month, or on one day of it, by ledger key.

        Where several runs have reserved for one key, the most of it counts: the ledger lets one of them submit. So what
        a run has left that was killed does not stand in the way of the run that finishes its work.
        """
        most = dict[str, int]()
        for hold in self.held:
            if day in {None, hold.day}:
                most |= {key: max(amount, most.get(key, 0)) for key, amount in hold.videos.items()}
        return most

    def reserved(self, day: str | None = None) -> int:
        """Return what is reserved in the month, or on one day of it."""
        return sum(self.by_key(day).values())

    def taken(self, day: str | None = None) -> int:
        """Return what is spent or reserved in the month, or on one day of it."""
        return self.reserved(day) + sum(amount for on, amount in self.spent.items() if day in {None, on})


class Change(NamedTuple):
    """What the next entry of the journal says: what was done, and the money after it."""

    kind: Literal["reserve", "settle", "repair"]
    money: Money
    bills: tuple[RunBills, ...] = ()
    released: tuple[str, ...] = ()


def run_token(run_id: str) -> str:
    """Return the part of a reservation's id that stands for its run: 12 hexadecimal digits of the run's id.

    The id is that of the flow run, so that a run which starts again from the top knows its own reservations; without
    Prefect it is any random text. It is hashed, since ids of flow runs that start together begin alike.
    """
    return digest(["run", run_id])[:12]


def reservation_id(run: str, key: str) -> str:
    """Return the id of what a run has reserved for the video of a ledger key."""
    return f"{run}/{key}"


def ledger_key(reservation: str) -> str:
    """Return the ledger key in a reservation's id."""
    return reservation.partition("/")[2]


def nothing(_key: str) -> bool:
    """Say that no reservation is given up."""
    return False


def reserve(
    money: Money,
    run: str,
    amounts: Mapping[str, int],
    day: str,
    until: datetime,
    caps: Caps,
    instead_of: Callable[[str], bool] = nothing,
) -> Change | CapReached | None:
    """Return what reserves these amounts by ledger key, or the cap that they would pass; None if nothing is new.

    What the run has open already stays, for as long as ``until`` at least: the run has begun again. Where a video may
    cost more by now, the rest is reserved too. The run's reservations ``instead_of`` which these are made are given up
    in the same step, and these count on their day.

    Raises:
        LedgerError: if more would be open at once than an entry can hold.
    """
    gone = {reservation_id(run, key) for key in held_by(money, run) if instead_of(key)}
    given_up = [one for name, one in money.reservations().items() if name in gone] if gone else []
    before = money.model_copy(update={"held": _left(money.held, gone)})
    day = min([one.day for one in given_up], default=day)
    held = held_by(before, run)
    new = {key: amount for key, amount in amounts.items() if key not in held}
    dearer = {key: amount for key, amount in amounts.items() if key in held and amount > held[key]}
    asked = sum(new.values()) + sum(amount - held[key] for key, amount in dearer.items())
    more = asked - sum(one.amount for one in given_up)
    reached = _caps_reached(before, new, asked, day, caps) if more > 0 else []
    if reached:
        return min(reached, key=lambda one: one.left)
    number = sum(len(hold.videos) for hold in before.held)
    if new and number + len(new) > LARGEST_OPEN:
        raise LedgerError(
            f"{number} videos are reserved and {len(new)} more would pass {LARGEST_OPEN}, the most at once; wait for "
            "runs to end, or let `openrouter-video collect` settle those that have"
        )
    kept = tuple(_renewed(hold, dearer, until) if hold.run == run else hold for hold in before.held)
    after = (*kept, Hold(run=run, day=day, until=until, videos=new)) if new else kept
    return Change("reserve", money.model_copy(update={"held": after})) if after != money.held else None


def _caps_reached(money: Money, new: Mapping[str, int], asked: int, day: str, caps: Caps) -> list[CapReached]:
    """Return the caps that would be passed; what other runs have reserved for the ``new`` keys is not asked again."""
    spans: Sequence[tuple[Span, int | None, int]] = (
        ("day", caps.day, money.taken(day) - _shared(new, money.by_key(day))),
        ("month", caps.month, money.taken() - _shared(new, money.by_key())),
    )
    return [
        CapReached(span, cap, taken, asked, day)
        for span, cap, taken in spans
        if cap is not None and taken + asked > cap
    ]


def _shared(new: Mapping[str, int], held: Mapping[str, int]) -> int:
    return sum(min(amount, held.get(key, 0)) for key, amount in new.items())


def held_by(money: Money, run: str) -> dict[str, int]:
    """Return what a run has reserved, by ledger key."""
    return {key: amount for hold in money.held if hold.run == run for key, amount in hold.videos.items()}


def _renewed(hold: Hold, dearer: Mapping[str, int], until: datetime) -> Hold:
    videos = {key: dearer.get(key, amount) for key, amount in hold.videos.items()}
    return hold.model_copy(update={"until": max(hold.until, until), "videos": videos})


def settle(
    money: Money, bills: Mapping[str, Bill], released: Collection[str], day: str, settled_before: Collection[str] = ()
) -> Change | None:
    """Return what puts bills in the place of their reservations and gives others up; None if that is done already.

    A bill counts once, and on the day of its reservation. One whose reservation is not open, and that was not
    ``settled_before``, counts on ``day``: its reservation was given up too early, or lost with a damaged entry.
    """
    held = money.reservations()
    days = {
        name: held[name].day if name in held else day for name in bills if name in held or name not in settled_before
    }
    given_up = tuple(sorted(name for name in {*released} & held.keys() if name not in days))
    if not days and not given_up:
        return None
    gone = {*days, *given_up}
    spent = dict(money.spent)
    for name, on in days.items():
        spent[on] = spent.get(on, 0) + bills[name].amount
    lessons = [bills[name] for name in days if bills[name].billed]
    learned = learn(
        money.learned, [(subject(bill.model, bill.mode), bill.amount, bill.listed) for bill in lessons if bill.listed]
    )
    left = _left(money.held, gone)
    counted = _by_run({name: bills[name] for name in days}, days)
    return Change("settle", Money(spent=spent, held=left, learned=learned), counted, given_up)


def _left(held: Sequence[Hold], gone: Collection[str]) -> tuple[Hold, ...]:
    """Return what is reserved without some reservations."""
    return tuple(hold for hold in (_without(hold, gone) for hold in held) if hold.videos) if gone else tuple(held)


def _without(hold: Hold, gone: Collection[str]) -> Hold:
    left = {key: amount for key, amount in hold.videos.items() if reservation_id(hold.run, key) not in gone}
    return hold if len(left) == len(hold.videos) else hold.model_copy(update={"videos": left})


def _by_run(bills: Mapping[str, Bill], days: Mapping[str, str]) -> tuple[RunBills, ...]:
    """Put together what bills of one run share, which is most of their length."""
    groups = dict[tuple[str, str | None, str | None, tuple[tuple[str, str], ...]], dict[str, Bill]]()
    for name, bill in bills.items():
        shared = (days[name], bill.run_id, bill.deployment, tuple(sorted(bill.labels.items())))
        alone = bill.model_copy(update={"run_id": None, "deployment": None, "labels": {}})
        groups.setdefault(shared, {})[name] = alone
    return tuple(
        RunBills(day=day, run_id=run_id, deployment=deployment, labels=dict(labels), bills=together)
        for (day, run_id, deployment, labels), together in groups.items()
    )
