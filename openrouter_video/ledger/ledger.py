"""Writes and reads the records of submissions, in any store that can create a file exactly once.

An edge: ``records`` decides what the records prove. A record is a small JSON file at ``<ledger>/<key>/<name>.json``,
created whole or not at all and never changed.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from openrouter_video.errors import LedgerError, StorageError
from openrouter_video.ledger.open_index import OpenIndex, OwnMarks
from openrouter_video.ledger.records import (
    KEY,
    Claim,
    JobRecord,
    LedgerEntry,
    OutcomeRecord,
    Proof,
    attempt_of_job,
    is_record,
    parse_entry,
    parse_job,
)
from openrouter_video.outcome import FailureKind, Outcome
from openrouter_video.stores import Store, check_ledger, check_reachable, clear_probes, part_of

__all__ = ["Ledger"]

SUFFIX = ".json"


OWNER_ONLY = 0o600
"""Records hold prompts and what came of them, which is nobody else's business on a shared machine."""


class Ledger:
    """The submission records of one store. Every method blocks, and may be called from any thread.

    ``mode``: the permissions of new records where the store knows any; folders get what goes with them.

    All raise LedgerError if the store fails; creating methods return False if the record exists already.
    """

    def __init__(self, store: Store, mode: int = OWNER_ONLY) -> None:
        self.store = store.readable_by(mode)
        self.index = OpenIndex(self.store)
        self._marks = OwnMarks(self.index, secrets.token_hex(8))

    def __repr__(self) -> str:
        return f"Ledger({self.store.url!r})"

    @property
    def url(self) -> str:
        """Where the records are, without credentials."""
        return self.store.url

    def check(self) -> None:
        """Make sure that the store creates a record exactly once.

        Raises:
            LedgerUnsafe: if it does not, or if nobody knows.
        """
        check_ledger(self.store)

    def check_reachable(self) -> None:
        """Make sure that the store answers at all, in good time.

        Raises:
            ConfigurationError: if it does not.
        """
        check_reachable(self.store)

    def close(self) -> None:
        """Close the connections to the store."""
        self.store.close()

    def expect(self, keys: Sequence[str]) -> None:
        """Tell which keys a run may claim, so that one mark in the index of what is open stands for all of them."""
        self._marks.expect(keys)

    def drop_marks(self) -> None:
        """Remove the marks of this run under which nothing is open, once it claims no more; best effort."""
        self._marks.close()

    def claim(self, attempt: int, claim: Claim) -> bool:
        """Mark a key as open and claim an attempt, before its POST; False means that somebody else has it.

        A store may answer "exists" to a creation of our own whose first answer was lost, so the token decides.
        """
        try:
            self._marks.begin(claim.key, attempt)
        except StorageError as error:
            raise LedgerError(
                f"the ledger at {self.url} cannot record claim-{attempt} of {claim.key}: {error}"
            ) from None
        if self._create(claim.key, f"claim-{attempt}", claim):
            return True
        entry = self.entry(claim.key)
        ours = entry.claim is not None and bool(claim.token) and entry.claim.token == claim.token
        return ours and entry.attempt == attempt and entry.state == "claimed"

    def record_job(
        self, key: str, attempt: int, job_id: str, *, by_person: bool = False, evidence: str | None = None
    ) -> bool:
        """Record the id of a job that is billed; what a person records is marked as open, should its mark be lost."""
        try:
            if by_person:
                self._marks.begin(key, attempt)
        except StorageError as error:
            raise LedgerError(f"the ledger at {self.url} cannot record job-{attempt} of {key}: {error}") from None
        record = JobRecord(at=_now(), job_id=job_id, by=_who(by_person), evidence=evidence)
        return self._create(key, f"job-{attempt}", record)

    def keep_job(self, key: str, attempt: int, job_id: str) -> None:
        """Record the id of a job that is billed, whatever a person has recorded for the attempt in the meantime."""
        self._keep(key, attempt, JobRecord(at=_now(), job_id=job_id))

    def _keep(self, key: str, attempt: int, record: JobRecord) -> None:
        while not self._create(key, f"job-{attempt}", record):
            entry = self._read(key, self._list(key))
            if record.job_id in {entry.job_id, *entry.other_job_ids}:
                return
            attempt += 1

    def release(
        self,
        key: str,
        attempt: int,
        reason: str,
        *,
        by_person: bool = False,
        failure: FailureKind | None = None,
    ) -> bool:
        """Record the proof that nothing was accepted, which frees the key for the next attempt."""
        proof = Proof(at=_now(), reason=reason, by=_who(by_person), failure=failure)
        created = self._create(key, f"release-{attempt}", proof)
        if created:
            self._marks.end(key, for_good=False, attempt=attempt)
        return created

    def doubt(self, key: str, attempt: int, reason: str) -> bool:
        """Record that nobody knows whether the attempt was accepted; only a person may settle it."""
        return self._create(key, f"uncertain-{attempt}", Proof(at=_now(), reason=reason))

    def settle(self, key: str, outcome: Outcome) -> bool:
        """Record the end: the file is safe, or the provider has given up."""
        created = self._create(key, "outcome", OutcomeRecord(at=_now(), outcome=outcome))
        self.store.clear_leftovers(key)
        if created:
            self._marks.end(key, for_good=True)
        return created

    def entry(self, key: str) -> LedgerEntry:
        """Read all records of a key."""
        names = self._names(key)
        entry = self._read(key, names)
        self._tidy(key, names, entry, over=entry.state == "uncertain")
        if entry.state == "settled":
            self._marks.end(key, for_good=False)
        return entry

    def unfinished(self, key: str) -> LedgerEntry | None:
        """Read the records of a key unless it is settled, which one record tells."""
        names = self._names(key)
        outcome = f"outcome{SUFFIX}"
        # Its mere existence ends nothing: a job whose outcome cannot be read is still to be fetched.
        settled = outcome in names and self._read(key, [outcome]).state == "settled"
        entry = None if settled else self._read(key, names)
        self._tidy(key, names, entry, over=entry is not None and entry.state in {"free", "uncertain"})
        return entry

    def _tidy(self, key: str, names: Sequence[str], entry: LedgerEntry | None, *, over: bool) -> None:
        """Remove what processes left that died, if they left anything: until a key's story is over, what is of no use.

        That is what is meant for a record which is there: a claim whose process died may be in flight for minutes. That
        of a job goes by ``_rescue``, and what is left of such by its end (None is settled too): it may be growing.
        """
        left = {of for of in map(part_of, names) if of is not None}
        if entry is not None and entry.state != "settled":
            left = {of for of in left if (over or of in names) and attempt_of_job(of) is None}
        if left:
            self.store.clear_leftovers(key, left)

    def _names(self, key: str) -> list[str]:
        """List what is under a key, after the ids of jobs were recorded whose records never got their name."""
        names = self._list(key)
        unnamed = {name: attempt for name in names if (attempt := attempt_of_job(part_of(name) or "")) is not None}
        if not unnamed:
            return names
        try:
            rescued = [self._rescue(key, name, attempt) for name, attempt in unnamed.items()]
        except (LedgerError, StorageError):
            # Who may only read sees the rest all the same; nothing is tidied that somebody else may rescue.
            return [name for name in names if part_of(name) is None]
        return self._list(key) if any(rescued) else names

    def _rescue(self, key: str, name: str, attempt: int) -> bool:
        """Record the job in a temporary, as its writer was about to when it died; False if that is not whole.

        A writer that is alive finds this record of its own job. Only of jobs is anything rescued: a claim that has no
        name has sent nothing; what a release proves would free the key, which a person may do; without an ``uncertain``
        the age of the claim says the same; and an outcome is found again by whoever collects the job.
        """
        record = parse_job(self.store.read_bytes(f"{key}/{name}"))
        if record is None:
            return False
        self._keep(key, attempt, record)
        self.store.remove(f"{key}/{name}")
        return True

    def _list(self, key: str) -> list[str]:
        try:
            return self.store.list_names(key, temporaries=True)
        except StorageError as error:
            raise LedgerError(f"the ledger at {self.url} cannot be read: {error}") from None

    def _read(self, key: str, names: Sequence[str]) -> LedgerEntry:
        records = [name for name in names if name.endswith(SUFFIX) and is_record(name.removesuffix(SUFFIX))]
        try:
            contents = {name.removesuffix(SUFFIX): self.store.read_bytes(f"{key}/{name}") for name in records}
        except StorageError as error:
            raise LedgerError(f"the ledger at {self.url} cannot be read: {error}") from None
        return parse_entry(key, contents)

    @property
    def settled(self) -> frozenset[str]:
        """The keys that this object has settled."""
        return self._marks.settled

    def keys(self, *, unsettled: bool = False) -> list[str]:
        """List the keys of all submissions; whatever else lies in the folder is not one.

        ``unsettled``: without those that have an outcome, where a store lists all records at once. Whether the outcome
        can be read is then not asked, since that would be a request for each.
        """
        try:
            tree = self.store.list_tree() if unsettled else None
            if tree is None:
                names = self.store.list_names(temporaries=True)
                clear_probes(self.store, names)
                return sorted(name for name in names if KEY.fullmatch(name))
        except StorageError as error:
            raise LedgerError(f"the ledger at {self.url} cannot be listed: {error}") from None
        clear_probes(self.store, [path for path in tree if "/" not in path])
        keys = {folder for path in tree if KEY.fullmatch(folder := path.partition("/")[0]) and "/" in path}
        return sorted(key for key in keys if not tree.get(f"{key}/outcome{SUFFIX}"))

    def _create(self, key: str, name: str, record: Claim | JobRecord | Proof | OutcomeRecord) -> bool:
        content = record.model_dump_json(exclude_none=True, indent=1).encode()
        try:
            return self.store.create_exclusive(f"{key}/{name}{SUFFIX}", content)
        except StorageError as error:
            raise LedgerError(f"the ledger at {self.url} cannot record {name} of {key}: {error}") from None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _who(person: bool) -> str:
    return "person" if person else "api"
