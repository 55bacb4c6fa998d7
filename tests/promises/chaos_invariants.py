"""What must hold after chaos and a collection, read from the sandbox's billing record, the ledger and the store.

``gather`` reads, ``check`` decides: a pure function, so that each invariant can be shown to fail.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from openrouter_video.errors import LedgerError
from openrouter_video.gallery.writing import PAGE
from openrouter_video.ledger import Journal, ledger_key
from openrouter_video.ledger.journal_entry import JournalEntry
from openrouter_video.ledger.records import LedgerEntry, attempt_of_job, is_record, parse_entry, parse_job
from openrouter_video.money import micro
from openrouter_video.run import LEDGER_FOLDER, MANIFEST
from openrouter_video.run.manifest import PARQUET
from openrouter_video.stores import open_store, part_of
from openrouter_video.videos.paths import FILE_SUFFIXES
from tests.promises.chaos_schedule import PROVIDERS_LAST_WORD

__all__ = ["Books", "Charged", "Evidence", "Findings", "Report", "check", "gather", "read_reports"]


class Charged(NamedTuple):
    """One job that the sandbox has accepted, with the SHA-256 of the video that it serves for it.

    ``amount``: what the sandbox charges, in micro-dollars. It charges when it accepts, as nobody can tell how a job
    will end; OpenRouter names a cost only for what is completed. So what the provider gives up has no bill.
    """

    job_id: str
    key: str | None
    sha256: str
    amount: int = 0


class Report(NamedTuple):
    """What a flow told its caller of one video; ``trouble`` is set where it told of none."""

    key: str | None = None
    status: str | None = None
    job_id: str | None = None
    sha256: str | None = None
    reused: bool = False
    error: str | None = None
    trouble: str | None = None


class Books(NamedTuple):
    """What the money journals say in all: spent, billed by ledger key, still reserved by ledger key; and what is wrong.

    Amounts are micro-dollars.
    """

    spent: int = 0
    bills: Mapping[str, int] = {}
    reserved: frozenset[str] = frozenset()
    damage: tuple[str, ...] = ()


class Evidence(NamedTuple):
    """All that is left after the last collection.

    ``files`` is everything in the output with its SHA-256, the ledger apart; ``strays`` is what is neither a video, a
    sidecar nor a record. ``collected`` is what the last collection reported.
    """

    asked: frozenset[str]
    charges: tuple[Charged, ...]
    entries: Mapping[str, LedgerEntry]
    files: Mapping[str, str]
    sidecars: Mapping[str, Mapping[str, Any]]
    strays: tuple[str, ...]
    reports: tuple[Report, ...]
    collected: tuple[Report, ...]
    books: Books = Books()


class Findings(NamedTuple):
    """What was found; anything in the first four is a violation. ``states`` says what became of each job asked for."""

    charged_twice: tuple[str, ...]
    lost: tuple[str, ...]
    temporaries: tuple[str, ...]
    others: tuple[str, ...]
    charged: int
    states: Counter[str]
    spent: int = 0
    reserved: int = 0

    @property
    def violations(self) -> list[str]:
        """Every violation, one line each."""
        return [
            *(f"charged twice: {line}" for line in self.charged_twice),
            *(f"lost: {line}" for line in self.lost),
            *(f"left behind: {line}" for line in self.temporaries),
            *self.others,
        ]


def check(evidence: Evidence) -> Findings:
    """Hold the evidence against the promises."""
    of_key = defaultdict[str | None, list[Charged]](list)
    for charge in evidence.charges:
        of_key[charge.key].append(charge)
    twice = [f"{key}: {[one.job_id for one in jobs]}" for key, jobs in of_key.items() if len(jobs) > 1]
    lost = [f"{one.job_id} ({one.key}): {why}" for one in evidence.charges if (why := _why_lost(one, evidence))]
    return Findings(
        tuple(twice),
        tuple(lost),
        evidence.strays,
        (
            *_incomplete_files(evidence),
            *_silence(evidence),
            *_wrong_words(evidence, of_key),
            *_wrong_sums(evidence),
        ),
        len(evidence.charges),
        Counter(_state(key, evidence) for key in evidence.asked),
        evidence.books.spent,
        len(evidence.books.reserved),
    )


def _state(key: str, evidence: Evidence) -> str:
    entry = evidence.entries.get(key)
    if entry is None:
        return "unknown"
    if entry.outcome is not None:
        return entry.outcome.status
    return {"free": "refused", "claimed": "uncertain", "accepted": "open"}.get(entry.state, entry.state)


def _why_lost(charge: Charged, evidence: Evidence) -> str | None:
    """Say why a paid job is neither safe, nor given up by the provider, nor reported for a person to settle."""
    entry = evidence.entries.get(charge.key or "")
    if entry is None:
        return "the ledger knows nothing of it"
    if entry.state in {"claimed", "uncertain"}:
        told = any(one.key == charge.key and _in_doubt(one) for one in evidence.collected)
        return None if told else f"{entry.state}, and the collection does not say so"
    if entry.outcome is None:
        return f"{entry.state} after the collection"
    if entry.job_id != charge.job_id:
        return f"the ledger ends with another job, {entry.job_id}"
    if entry.outcome.status == "failed":
        return None if PROVIDERS_LAST_WORD in (entry.outcome.error or "") else f"failed: {entry.outcome.error}"
    return _why_not_safe(charge, entry, evidence)


def _in_doubt(report: Report) -> bool:
    """Whether a report says that nobody knows what became of a submission, or not yet."""
    return report.status == "uncertain" or (report.status == "open" and "in flight" in (report.error or ""))


def _why_not_safe(charge: Charged, entry: LedgerEntry, evidence: Evidence) -> str | None:
    if entry.outcome is None or entry.outcome.status != "completed" or entry.claim is None:
        return f"ended as {_state(entry.key, evidence)}"
    path = entry.claim.path
    sidecar = evidence.sidecars.get(f"{path.removesuffix('.mp4')}.json", {})
    known = {
        "its video": evidence.files.get(path),
        "its sidecar": sidecar.get("sha256"),
        "its outcome": entry.outcome.sha256,
    }
    wrong = [what for what, sha256 in known.items() if sha256 != charge.sha256]
    wrong += ["the job in its sidecar"] if sidecar.get("job_id") != charge.job_id else []
    return f"not what the API serves: {', '.join(wrong)}" if wrong else None


def _incomplete_files(evidence: Evidence) -> Iterator[str]:
    for path in evidence.files:
        stem, dot, kind = path.rpartition(".")
        other = f"{stem}{dot}{'json' if kind == 'mp4' else 'mp4'}"
        if other not in evidence.files:
            yield f"incomplete: {path} without {other}"


def _silence(evidence: Evidence) -> Iterator[str]:
    """Find what was asked for, or begun, and of which nobody is told anything."""
    told = {one.key for one in evidence.reports}
    doubts = {one.key for one in evidence.collected if _in_doubt(one)}
    for key in evidence.asked:
        if key not in told:
            yield f"silent: no run told what became of {key}"
    for key, entry in evidence.entries.items():
        if key not in evidence.asked:
            yield f"stray: a ledger entry that nobody asked for, {key}"
        if entry.state in {"claimed", "uncertain"} and key not in doubts:
            yield f"silent: {key} is {entry.state}, and the collection does not report it"
        if entry.state == "accepted":
            yield f"unfinished: {key} is still open after the collection"


def _wrong_words(evidence: Evidence, of_key: Mapping[str | None, list[Charged]]) -> Iterator[str]:
    """Find reports that are not true, and those of errors that nobody foresaw."""
    for report in (*evidence.reports, *evidence.collected):
        if report.trouble or "unexpected" in (report.error or ""):
            yield f"unexpected: {report.trouble or report.error}"
        jobs = of_key.get(report.key, [])
        if report.status == "completed" and (report.job_id, report.sha256) not in [(j.job_id, j.sha256) for j in jobs]:
            yield f"untrue: {report.key} was reported completed as {report.job_id}, which is not the job that was paid"
        if report.job_id is not None and report.job_id not in [job.job_id for job in jobs]:
            yield f"untrue: {report.key} was reported with job {report.job_id}, which was not charged for it"


def _wrong_sums(evidence: Evidence) -> Iterator[str]:
    """Find money that the journal counts wrongly, or holds for nothing."""
    books, billed = evidence.books, Counter[str]()
    for charge in evidence.charges:
        entry = evidence.entries.get(charge.key or "")
        if charge.key and entry is not None and entry.outcome is not None and entry.outcome.status == "completed":
            billed[charge.key] += charge.amount
    yield from (f"money: {damage}" for damage in books.damage)
    for key in {*billed, *books.bills}:
        if billed[key] != (counted := books.bills.get(key, 0)):
            yield f"money: {key} came to {billed[key]}, and the journal has {counted}"
    if books.spent != billed.total():
        yield f"money: all bills come to {billed.total()}, and the journal says {books.spent}"
    for key in books.reserved:
        entry = evidence.entries.get(key)
        if entry is None or entry.state not in {"claimed", "uncertain", "accepted"}:
            yield f"money: {key} is still reserved, and is {entry.state if entry else 'unknown'}"


# ---- Reading ---------------------------------------------------------------------------------------------------------


def gather(api: str, api_key: str, output: Path, asked: frozenset[str], reports: Path, last: Path) -> Evidence:
    """Read everything: the billing record and the videos from the sandbox, the rest from this machine's disk.

    ``reports`` is a folder of the workers' reports, ``last`` that of the last collection.
    """
    ledger = output / LEDGER_FOLDER
    everything = {str(path.relative_to(output)): path for path in output.rglob("*") if path.is_file()}
    # Not by Ledger, which removes temporaries when it reads.
    entries = {folder.name: _entry(folder) for folder in sorted(ledger.glob("[!_]*/"))}
    strays = [
        name for name, path in everything.items() if not _belongs(Path(name)) and not _in_doubt_too(path, entries)
    ]
    files = {
        name: path
        for name, path in everything.items()
        if name not in strays and ledger not in path.parents and not _of_page(path)
    }
    return Evidence(
        asked=asked,
        charges=tuple(_charges(api, api_key)),
        entries=entries,
        files={name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()},
        sidecars={name: json.loads(path.read_bytes()) for name, path in files.items() if name.endswith(".json")},
        strays=tuple(strays),
        reports=tuple(read_reports(reports)),
        collected=tuple(read_reports(last)),
        books=_books(ledger),
    )


def _books(ledger: Path) -> Books:
    """Read both journals, that of the sandbox's money and the other, in which nothing should be."""
    store, spent, bills, reserved, damage = open_store(str(ledger)), 0, Counter[str](), set[str](), list[str]()
    for journal in (Journal(store), Journal(store, sandbox=True)):
        for month in journal.months():
            try:
                entries, money = journal.entries(month), journal.money(month)
            except LedgerError as error:
                damage.append(str(error))
                continue
            spent += sum(money.spent.values())
            reserved |= {ledger_key(name) for name in money.reservations()}
            bills.update(Counter(_bills(entries)))
    return Books(spent, bills, frozenset(reserved), tuple(damage))


def _bills(entries: Iterable[JournalEntry]) -> dict[str, int]:
    bills = Counter[str]()
    for entry in entries:
        for _, name, bill in entry.each_bill():
            bills[ledger_key(name)] += bill.amount
    return bills


def _entry(folder: Path) -> LedgerEntry:
    return parse_entry(folder.name, {path.stem: path.read_bytes() for path in folder.glob("[!.]*.json")})


def _of_page(path: Path) -> bool:
    """Whether a file is the page or the manifest of a run, or what a killed writer left of one."""
    return (part_of(path.name) or path.name) in {PAGE, MANIFEST, PARQUET}


def _belongs(path: Path) -> bool:
    """Tell a video, a sidecar or a record from everything else, by place and name."""
    if path.parts[:2] == (LEDGER_FOLDER, "_money"):
        # What a killed writer left of the newest entry goes with the next one.
        entry = r"(sandbox/)?20\d\d-\d\d/(\d{8}\.json|\.\d{8}\.json\.[0-9a-f]{12}\.part)"
        return re.fullmatch(entry, "/".join(path.parts[2:])) is not None
    # What the shards of a batch were to do stays with a run that died and was not retried.
    if _of_page(path) or path.parts[:2] == (LEDGER_FOLDER, "_shards"):
        return True
    kinds = {".json"} if path.parts[0] == LEDGER_FOLDER else {".json", *FILE_SUFFIXES}
    # The videos of a batch have a folder for each row.
    depths = {3} if path.parts[0] == LEDGER_FOLDER else {2, 3}
    return path.suffix in kinds and not path.name.startswith(".") and len(path.parts) in depths


def _in_doubt_too(path: Path, entries: Mapping[str, LedgerEntry]) -> bool:
    """Whether a file was to become a record of a submission in doubt: it stays until no writer of it can be alive.

    A whole record of a job is rescued by whoever reads the key, so that one of those is never there.
    """
    entry, of = entries.get(path.parent.name), part_of(path.name)
    if entry is None or of is None or entry.state not in {"claimed", "uncertain"}:
        return False
    if attempt_of_job(of) is not None:
        return parse_job(path.read_bytes()) is None
    return entry.state == "claimed" and is_record(of.removesuffix(".json"))


def _charges(api: str, api_key: str) -> Iterator[Charged]:
    with httpx.Client(trust_env=False, timeout=30) as client:
        billing = client.get(f"{api.removesuffix('/api/v1')}/sandbox/billing").json()
        for charge in billing["charges"]:
            headers = {"Authorization": f"Bearer {api_key}"}
            video = client.get(f"{api}/videos/{charge['job_id']}/content", headers=headers).raise_for_status()
            sha256 = hashlib.sha256(video.content).hexdigest()
            yield Charged(charge["job_id"], charge["session_id"], sha256, micro(charge["cost_usd"] or 0))


def read_reports(folder: Path) -> Iterator[Report]:
    """Read what workers wrote; a line that a kill cut short was never told."""
    for path in sorted(folder.iterdir()):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield from _parsed(line)


def _parsed(line: str) -> Iterable[Report]:
    try:
        return [Report(**json.loads(line))]
    except ValueError:
        return []
