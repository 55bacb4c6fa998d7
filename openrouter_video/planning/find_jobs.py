"""Finds the job that ``previous_job_id`` names: by a key of the ledger, or by the record beside a video. An edge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import NamedTuple

from pydantic import ValidationError

from openrouter_video.elision import redact_source
from openrouter_video.errors import ConfigurationError, LedgerError, StorageError
from openrouter_video.ledger import Ledger, LedgerEntry, is_key
from openrouter_video.outcome import Outcome
from openrouter_video.planning.previous_jobs import job_of_entry, job_of_sidecar, made_elsewhere
from openrouter_video.request import PreviousJob
from openrouter_video.stores import OptionsFor, open_store
from openrouter_video.videos import FILE_SUFFIXES, claimed_path, sidecar_path

__all__ = ["FoundJobs", "find_jobs"]


class FoundJobs(NamedTuple):
    """The jobs by what names them, as it was written, and what is wrong with the others."""

    jobs: Mapping[str, PreviousJob]
    wrong: Mapping[str, str]


def find_jobs(
    written: Iterable[str | None], options_for: OptionsFor, ledger: Ledger | None, base_url: str | None
) -> FoundJobs:
    """Find each job that is named; of a job id nothing is known here but itself.

    Without a ``ledger`` a key is taken as it is written. ``base_url``: of the API that is to continue them.
    """
    jobs, wrong = dict[str, PreviousJob](), dict[str, str]()
    for one in dict.fromkeys(filter(None, written)):
        found = _find(one, options_for, ledger, base_url)
        if isinstance(found, PreviousJob):
            found = made_elsewhere(found, base_url) or found
        if isinstance(found, PreviousJob):
            jobs[one] = found
        else:
            wrong[one] = found
    return FoundJobs(jobs, wrong)


def _find(written: str, options_for: OptionsFor, ledger: Ledger | None, base_url: str | None) -> PreviousJob | str:
    if is_key(written):
        if ledger is None:
            return PreviousJob(written, note="the ledger was not asked which job its key names")
        try:
            return job_of_entry(written, ledger.entry(written), ledger.url)
        except LedgerError as error:
            return str(error)
    if not _is_file(written):
        return PreviousJob(written)
    outcome = _read_sidecar(written, options_for)
    if isinstance(outcome, str):
        return outcome
    return job_of_sidecar(outcome, _entry(ledger, outcome.key), base_url)


def _is_file(written: str) -> bool:
    return "/" in written or written.lower().endswith((*FILE_SUFFIXES, ".json"))


def _read_sidecar(source: str, options_for: OptionsFor) -> Outcome | str:
    """Return what the record beside a video says, or why nothing can be read there.

    Of several outputs each has a file, and all of them have one record.
    """
    shown = redact_source(source)
    folder, _, name = source.partition("?")[0].rpartition("/")
    record = name if name.lower().endswith(".json") else sidecar_path(claimed_path(name))
    try:
        with closing(open_store(folder or ".", options_for(source))) as store:
            content = store.read_bytes(record)
    except (ConfigurationError, StorageError) as error:
        return f"the record beside {shown} cannot be read. {error}"
    if content is None:
        hint = "give the path of a video that this package has made, its ledger key, or its job id"
        return f"there is no record {record} beside {shown}; {hint}"
    try:
        return Outcome.model_validate_json(content)
    except ValidationError:
        return f"the record {record} beside {shown} is not that of a video"


def _entry(ledger: Ledger | None, key: str | None) -> LedgerEntry | None:
    """Return what the ledger knows of a video, which may be another ledger's; trouble is as good as nothing."""
    if ledger is None or key is None:
        return None
    try:
        return ledger.entry(key)
    except LedgerError:
        return None
