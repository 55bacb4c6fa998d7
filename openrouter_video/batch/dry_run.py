"""The dry run of a batch: its rows become requests, their inputs are read once each, then all is planned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from openrouter_video.api import Catalog, ModelEndpoints
from openrouter_video.batch.batch_request import BatchRequest
from openrouter_video.batch.paths import overwritten
from openrouter_video.batch.plan import BatchPlan, plan_batch
from openrouter_video.batch.rows import BatchRow, parse_rows
from openrouter_video.batch.table import RowProblem, Table
from openrouter_video.errors import RequestRefused
from openrouter_video.ledger import Ledger, read_accepted, read_keys
from openrouter_video.money import Bills
from openrouter_video.planning import find_jobs
from openrouter_video.request import Clip, Input, InputReference, Inputs, load_clip, load_image
from openrouter_video.run import needless_takes, taken_paths
from openrouter_video.stores import OptionsFor, Store, no_options

__all__ = ["compare_with_stores", "dry_batch"]

MOST_BYTES = 512 * 2**20
"""What the images of one batch may have together as they are sent: they are all held in memory."""

TOO_MUCH = (
    f"the images of the batch have more than {MOST_BYTES // 2**20} MiB together; put them on https URLs and "
    "give these, or divide the batch"
)

CLIPS_AT_ONCE = 8


def dry_batch(
    table: Table,
    batch: BatchRequest,
    catalog: Catalog,
    options_for: OptionsFor = no_options,
    bills: Mapping[str, Bills] | None = None,
    health: Mapping[str, ModelEndpoints] | None = None,
    *,
    realm: str = "",
    ledger: Ledger | None = None,
    base_url: str | None = None,
) -> BatchPlan:
    """Plan a batch; what is wrong with a row, with its inputs too, is a problem of the plan, beside all others.

    ``bills``, ``health`` and ``realm`` as for ``plan_batch``; ``ledger`` and ``base_url`` as for ``find_jobs``.
    """
    parsed = parse_rows(table, batch)
    inputs, problems = read_inputs(parsed.rows, options_for, base_url)
    named = [(row, row.run.request.settings.previous_job_id) for row in parsed.rows]
    found = find_jobs([previous for _, previous in named], options_for, ledger, base_url)
    inputs = inputs._replace(jobs=found.jobs)
    problems += [row.problem("previous_job_id", found.wrong[one]) for row, one in named if one and one in found.wrong]
    return plan_batch(
        parsed, batch, table, catalog, inputs=inputs, problems=problems, bills=bills, health=health, realm=realm
    )


def compare_with_stores(plan: BatchPlan, store: Store, ledger: Ledger) -> BatchPlan:
    """Return the plan with the videos that the ledger knows, and without those that would be written over another one.

    Raises:
        LedgerError, StorageError: if one of them cannot be listed.
    """
    accepted = read_accepted(ledger, [key for video in plan.videos for key in video.keys])
    plan = plan.with_known(accepted.intersection(video.key for video in plan.videos), _needless(plan, accepted, ledger))
    new = (*plan.new_videos, *plan.extra_videos)
    return plan.with_row_problems(overwritten(new, taken_paths(store, ledger, new)))


def _needless(plan: BatchPlan, accepted: Collection[str], ledger: Ledger) -> list[str]:
    """Return which extra takes are not paid for; only for their sake the records of what was accepted are read."""
    chains = [video.keys for video in plan.videos if video.extra_paths]
    reading = read_keys(ledger, [key for chain in chains for key in chain if key in accepted])
    entries = {entry.key: entry for entry in reading.entries}
    return [key for chain in chains for key in needless_takes(chain, entries)]


def read_inputs(
    rows: Sequence[BatchRow], options_for: OptionsFor, base_url: str | None = None
) -> tuple[Inputs, list[RowProblem]]:
    """Return what is known of what the rows work from, and what is wrong with that which cannot be sent."""
    files, problems = _read_images(rows, options_for, base_url)
    clips = _read_clips(rows, options_for, base_url)
    for row in rows:
        for field, reference in row.run.request.settings.clip_sources().items():
            clip = clips[reference]
            files[reference.url] = clip.known
            problems += [row.problem(field, clip.problem.message)] if clip.problem else []
    return Inputs(files), problems


def _read_clips(rows: Iterable[BatchRow], options_for: OptionsFor, base_url: str | None) -> dict[InputReference, Clip]:
    """Look at each video and sound of the rows, several at a time: most of it is waiting for their stores."""
    sources = dict.fromkeys(one for row in rows for one in row.run.request.settings.clip_sources().values())

    def load(reference: InputReference) -> Clip:
        options = options_for(reference.url)
        return load_clip(reference, field="the input", base_url=base_url, storage_options=options)

    with ThreadPoolExecutor(CLIPS_AT_ONCE) as pool:
        return dict(zip(sources, pool.map(load, sources), strict=True))


def _read_images(
    rows: Iterable[BatchRow], options_for: OptionsFor, base_url: str | None
) -> tuple[dict[str, Input], list[RowProblem]]:
    files: dict[str, Input] = {}
    bad: dict[str, str] = {}
    problems: list[RowProblem] = []
    held = 0
    for row in rows:
        for field, source in row.run.request.settings.image_sources().items():
            if source not in files and source not in bad:
                try:
                    options = options_for(source)
                    url = load_image(source, field="the image", storage_options=options, base_url=base_url)
                except RequestRefused as refused:
                    bad[source] = refused.problems[0].message
                else:
                    held += len(url)
                    if held <= MOST_BYTES:
                        files[source] = Input(url)
                    else:
                        bad[source] = TOO_MUCH
            if source in bad:
                problems.append(row.problem(field, bad[source]))
    return files, problems
