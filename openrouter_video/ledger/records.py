"""The ledger's records, their identity, and what they prove together.

Pure. A record is created once and never changed, so the state of a submission is a function of which records exist:
an accepted job outweighs a release, a release frees the key, and a claim with neither proves nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from openrouter_video.api import IN_FLIGHT_SECONDS, SubmitAnswer
from openrouter_video.elision import elide
from openrouter_video.money import Estimate
from openrouter_video.outcome import FailureKind, Outcome
from openrouter_video.text import video_title

__all__ = [
    "BEGUN_NOT_ENDED",
    "KEY",
    "UNREADABLE_JOB",
    "Claim",
    "JobRecord",
    "LedgerEntry",
    "OutcomeRecord",
    "Proof",
    "Scope",
    "Submitted",
    "Unrecorded",
    "age_of",
    "attempt_of_job",
    "describe_flight",
    "differences",
    "digest",
    "in_flight",
    "is_key",
    "is_of_job",
    "is_record",
    "parse_entry",
    "parse_job",
    "scope_of_key",
    "scope_of_row",
    "scope_of_run",
]

UNREADABLE_JOB = "a job was accepted, but its record cannot be read"
BEGUN_NOT_ENDED = "a submission was begun and its end is not recorded: the process may have died in the middle"


CLOCK_TOLERANCE_SECONDS = IN_FLIGHT_SECONDS
"""So far may the clock of another machine be ahead; a claim from further in the future has no age to go by."""

KEY = re.compile(r"[0-9a-f]{32}")
ATTEMPT = re.compile(r"(claim|job|release|uncertain)-([1-9][0-9]{0,8})")

_R = TypeVar("_R", bound="_Record")


class Scope(NamedTuple):
    """What makes two submissions the same one. ``digest`` names the folder of the run's videos too."""

    digest: str
    shared: bool

    def key(self, model: str, take: int) -> str:
        """Return the ledger key of one video of the run: 32 hexadecimal digits."""
        return digest([self.digest, model, take])[:32]

    @property
    def short(self) -> str:
        """The eight digits that people see in folder names."""
        return self.digest[:8]


def scope_of_key(idempotency_key: str, realm: str = "") -> Scope:
    """Identify by the user's own key, across runs. ``realm`` keeps a sandbox's videos apart from paid ones."""
    return Scope(digest(["key", idempotency_key, *filter(None, [realm])]), shared=True)


def scope_of_run(root_run_id: str, asked: Mapping[str, Any]) -> Scope:
    """Identify by the outermost flow run and the request as asked.

    A retry of the flow, or of a flow that calls it, keeps both; a fresh catalog or an upgrade changes neither.
    """
    return Scope(digest(["run", root_run_id, asked]), shared=False)


def scope_of_row(batch: str, row_id: str | None, asked: Mapping[str, Any], realm: str = "") -> Scope:
    """Identify by the content of a batch's row, across runs: its batch, its own id if it has one, what it asks for.

    Where in its table it stands does not count, nor whether a number is written as 4 or as 4.0, which hangs on the
    format of the table. ``realm`` as for ``scope_of_key``.
    """
    return Scope(digest(["row", batch, row_id, _plain_numbers(asked), *filter(None, [realm])]), shared=True)


def _plain_numbers(value: Any) -> Any:
    """Return JSON with whole numbers written as such."""
    if isinstance(value, Mapping):
        return {name: _plain_numbers(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def digest(value: object) -> str:
    """Return the SHA-256 of a JSON value in canonical form, in hexadecimal."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


class _Record(BaseModel):
    """Other versions write other fields, so unknown ones are ignored; a field that is added is optional."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: str


class Claim(_Record):
    """Written before the POST: what is about to be sent, where, and where its video will go.

    ``shared``: whether the user gave a key by which other runs find it; None in claims of older versions.
    ``host`` and ``folder`` tell whose an output on a local disk is, if its ledger is elsewhere and may be shared.
    ``batch``, ``row``, ``row_id``: of a video of a batch, its name, the number of its row from 1, and the row's own id.
    Of a chain ``row`` is the number of the shot, and there is no batch. ``instead_of``: of an extra take, the number of
    the take that was withheld; ``extra_keys``: those of the extra takes that may come after this take. ``estimate``:
    what it may cost; ``reservation``: where in the money journal the top of it is held. ``provider``: the slug of the
    provider, as far as it was known.
    """

    key: str
    model: str
    take: int
    asked: dict[str, Any]
    sent: dict[str, Any]
    base_url: str
    output: str
    path: str
    token: str = ""
    run_id: str | None = None
    store_block: str | None = None
    credentials_block: str | None = None
    shared: bool | None = None
    host: str | None = None
    folder: str | None = None
    left_out: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    estimate: Estimate | None = None
    reservation: str | None = None
    deployment: str | None = None
    sandbox: bool = False
    batch: str | None = None
    row: int | None = None
    row_id: str | None = None
    provider: str | None = None
    instead_of: int | None = None
    extra_keys: tuple[str, ...] = ()

    @field_validator("asked", "sent")
    @classmethod
    def _without_secrets(cls, value: dict[str, Any]) -> Any:
        """Claims of older versions hold whole URLs; without their secrets they compare with those of today."""
        return elide(value)

    @property
    def is_shot(self) -> bool:
        """Whether it is the video of a shot of a chain, of which ``row`` is the number."""
        return self.row is not None and self.batch is None

    @property
    def title(self) -> str:
        """What the video is called in logs and on the pages of a run: one printable line, with a take from 2 on."""
        return video_title(self.model, self.take, self.row, self.row_id, shot=self.is_shot)


class JobRecord(_Record):
    """Written at once after the answer, or by a person: the id of a job that is billed.

    ``evidence``: by what a person's command found the job in the account.
    """

    job_id: str
    by: Literal["api", "person"] = "api"
    evidence: str | None = None


class Proof(_Record):
    """Why an attempt ended without a job id: ``release`` proves that nothing was accepted, ``uncertain`` nothing.

    ``failure``: of what kind a refusal was, where it says more than that the request was wrong.
    """

    reason: str
    failure: FailureKind | None = None
    by: Literal["api", "person"] = "api"


class OutcomeRecord(_Record):
    """The end of the story: written after the file is safe, or after the provider's last word."""

    outcome: Outcome


EntryState = Literal["free", "claimed", "uncertain", "accepted", "settled"]


class LedgerEntry(NamedTuple):
    """All that is recorded under one key, and what follows from it.

    ``free``: nothing was accepted, attempt ``attempt + 1`` may be claimed. ``claimed``: somebody may be sending it at
    this moment. ``uncertain``: an answer proved nothing. ``accepted``: ``job_id`` is billed. ``settled``: over.
    ``other_job_ids`` are billed as well: of attempts that were given up by a person, and accepted all the same.
    ``failure``: of what kind the refusal was that ended the last attempt.
    """

    key: str
    state: EntryState
    attempt: int = 0
    claim: Claim | None = None
    job_id: str | None = None
    reason: str | None = None
    outcome: Outcome | None = None
    since: str | None = None
    other_job_ids: tuple[str, ...] = ()
    failure: FailureKind | None = None


def is_key(text: str) -> bool:
    """Whether a text can be the key of a submission."""
    return KEY.fullmatch(text) is not None


def is_record(name: str) -> bool:
    """Whether a file name without ``.json`` is that of a record; whatever else lies beside them is none of ours."""
    return name == "outcome" or ATTEMPT.fullmatch(name) is not None


def is_of_job(file: str) -> bool:
    """Whether the name of a record's file says that a job was accepted."""
    name = file.removesuffix(".json")
    return file != name and (name == "outcome" or (name.startswith("job-") and is_record(name)))


def attempt_of_job(file: str) -> int | None:
    """Return which attempt's job the file of this name records; None if it records none."""
    match = ATTEMPT.fullmatch(file.removesuffix(".json"))
    return int(match[2]) if match and match[1] == "job" and file.endswith(".json") else None


def parse_job(content: bytes | None) -> JobRecord | None:
    """Return the record of a job, if it is whole."""
    return _parse(JobRecord, content)


def parse_entry(key: str, contents: Mapping[str, bytes | None]) -> LedgerEntry:
    """Derive the state of a key from its records, by file name without ``.json``.

    The mere existence of a record counts, whatever it holds: an empty or unreadable claim or job may stand for a paid
    job. A job of any attempt is never forgotten, and a single attempt without a readable release blocks the key.
    """
    numbers: dict[str, list[int]] = {"claim": [], "job": [], "release": [], "uncertain": []}
    for match in filter(None, map(ATTEMPT.fullmatch, contents)):
        numbers[match[1]].append(int(match[2]))
    jobs = {n: job for n in numbers["job"] if (job := _parse(JobRecord, contents[f"job-{n}"]))}
    claims = {n: claim for n in numbers["claim"] if (claim := _parse(Claim, contents[f"claim-{n}"]))}
    begun = sorted({*numbers["claim"], *numbers["uncertain"]})
    latest = max(jobs or begun, default=0)
    claim = claims.get(latest) or (claims[max(claims)] if claims else None)
    attempt = max((n for kind in numbers.values() for n in kind), default=0)
    entry = LedgerEntry(key, "free", attempt, claim, since=claim.at if claim else None)
    if latest in jobs:
        entry = entry._replace(state="accepted", attempt=latest, job_id=jobs[latest].job_id)
    settled = _parse(OutcomeRecord, contents.get("outcome"))
    if settled is not None:
        entry = entry._replace(state="settled", outcome=settled.outcome, job_id=settled.outcome.job_id or entry.job_id)
    if entry.state != "free":
        others = [jobs[n].job_id for n in sorted(jobs) if jobs[n].job_id != entry.job_id]
        return entry._replace(other_job_ids=tuple(dict.fromkeys(others)))
    if numbers["job"]:
        # With a number of its own, so that a person can record the id beside what nobody can read.
        reason = UNREADABLE_JOB
        return entry._replace(state="uncertain", attempt=attempt + 1, reason=reason)
    return _without_job(entry, begun, contents)


def _without_job(entry: LedgerEntry, begun: Sequence[int], contents: Mapping[str, bytes | None]) -> LedgerEntry:
    """Conclude from the attempts that were begun: the key is free once each of them has been released."""
    for attempt in begun:
        release = _parse(Proof, contents.get(f"release-{attempt}"))
        if release is not None:
            entry = entry._replace(reason=release.reason, failure=release.failure)
            continue
        doubt = _parse(Proof, contents.get(f"uncertain-{attempt}"))
        if doubt is not None:
            return entry._replace(state="uncertain", attempt=attempt, reason=doubt.reason, failure=None)
        return entry._replace(state="claimed", attempt=attempt, reason=None, failure=None)
    return entry


def age_of(entry: LedgerEntry, now: datetime) -> float | None:
    """Return the seconds since an entry's claim, negative if its clock was ahead; None if the claim cannot be read."""
    try:
        begun = datetime.fromisoformat(entry.since or "")
    except ValueError:
        return None
    return (now - (begun if begun.tzinfo else begun.replace(tzinfo=UTC))).total_seconds()


def in_flight(entry: LedgerEntry, now: datetime) -> bool:
    """Tell whether the POST of an entry may be on its way, so that what becomes of it may still be recorded.

    A claim from the future would be in flight until its clock is reached, which may be years; it is taken as over.
    """
    unended = entry.state == "claimed" or (entry.state == "uncertain" and entry.reason == BEGUN_NOT_ENDED)
    age = age_of(entry, now)
    return unended and age is not None and -CLOCK_TOLERANCE_SECONDS <= age < IN_FLIGHT_SECONDS


def describe_flight(entry: LedgerEntry, now: datetime) -> str:
    """Return the words for a submission that is in flight."""
    begun = f"in flight: begun {max(0.0, age_of(entry, now) or 0.0):.0f} s ago"
    return f"{begun}. Its answer may still come; {IN_FLIGHT_SECONDS / 60:.0f} min without one make it uncertain"


def differences(recorded: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Name each field in which two requests differ, with both values; the chosen models do not count."""
    chosen = {"models", "takes"}
    return _changes(
        {k: v for k, v in recorded.items() if k not in chosen}, {k: v for k, v in asked.items() if k not in chosen}
    )


def _changes(recorded: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    changed = []
    for field in sorted({*recorded, *asked}):
        before, now = recorded.get(field), asked.get(field)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            changed += [f"{field}.{line}" for line in _changes(before, now)]
        elif before != now:
            changed.append(f"{field} was {_short(before)}, now {_short(now)}")
    return changed


def _parse(kind: type[_R], content: bytes | None) -> _R | None:
    if not content:
        return None
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        return None


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"  # noqa: PLR2004 (a line of a terminal)


class Submitted(BaseModel):
    """What is known after a submission.

    ``accepted``: ``job_id`` runs and is billed. ``refused``: nothing was accepted. ``uncertain``: nobody knows; with
    ``in_flight`` an answer may still come. ``settled``: an earlier run finished it, with ``outcome``. ``reused`` means
    that this run sent nothing; ``claim`` is then the one that was recorded, None if nobody can read it.
    ``late_seconds``: how long it was waited for the answer beyond the submit time-out. ``failure``: of what kind the
    refusal is, where it says more than that the request was wrong.
    """

    model_config = ConfigDict(frozen=True)

    state: Literal["accepted", "refused", "uncertain", "settled"]
    claim: Claim | None
    job_id: str | None = None
    reason: str | None = None
    api_message: str | None = None
    reused: bool = False
    status: int | None = None
    outcome: Outcome | None = None
    other_job_ids: tuple[str, ...] = ()
    in_flight: bool = False
    late_seconds: float = 0.0
    failure: FailureKind | None = None


class Unrecorded(NamedTuple):
    """What an answer proved and the ledger did not take, with the ledger's reason."""

    answer: SubmitAnswer
    why: str
