"""The files of one claim in its store: what they are called, which are there, and what is left over of them."""

from __future__ import annotations

from contextlib import suppress

from pydantic import ValidationError

from openrouter_video.api import Usage, VideoJob
from openrouter_video.errors import ConfigurationError, StorageError
from openrouter_video.ledger import Claim
from openrouter_video.outcome import Outcome, SavedFile
from openrouter_video.run.facts import Facts
from openrouter_video.run.polling import Step
from openrouter_video.stores import Store, open_store
from openrouter_video.videos import (
    find_saved,
    kept_names,
    numbered_path,
    output_count,
    possible_names,
    read_sidecar,
    sidecar_path,
    write_sidecar,
    written_path,
)

__all__ = ["clear", "find", "forget_damaged", "look_again", "video_paths", "write_outcome"]

MOST_OUTPUTS = 16
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""What IPTC calls media that a trained model has made."""


def video_paths(claim: Claim, videos: int) -> list[str]:
    """Return the paths of a job's videos: the claim's own, or numbered ones if there are several, sixteen at most."""
    if videos == 1:
        return [claim.path]
    return [numbered_path(claim.path, claim.take, number) for number in range(1, min(videos, MOST_OUTPUTS) + 1)]


def find(store: Store, claim: Claim, job_id: str | None = None) -> Outcome | None:
    """Return the outcome in a claim's sidecar, if it is of that job and its files are all there and whole.

    Raises:
        StorageError: if the store could not be asked.
    """
    content = read_sidecar(store, sidecar_path(claim.path))
    if content is None or (job_id is not None and content.get("job_id") != job_id):
        return None
    try:
        outcome = Outcome.model_validate({key: content[key] for key in Outcome.model_fields if key in content})
    except ValidationError:
        return None
    paths = [written_path(claim.path, url) for url in (outcome.url, *outcome.extra_urls)]
    sizes = [outcome.bytes, *[None] * len(outcome.extra_urls)]
    if not all(find_saved(store, path, size=size) for path, size in zip(paths, sizes, strict=True)):
        return None
    # Another process may have died while it was bringing the same videos here.
    clear(store, claim, output_count((outcome.url, *outcome.extra_urls)))
    return outcome


def look_again(facts: Facts, store: Store) -> Facts:
    """Look whether the video of an earlier run is still where it was saved; one that has gone is to be fetched again.

    Blocks. Only this store and other folders of this machine are looked at: the rights to others are not this run's.
    """
    outcome, claim = facts.submitted.outcome if facts.submitted else None, facts.claim
    if claim is None or outcome is None or outcome.status != "completed" or outcome.job_id is None:
        return facts
    try:
        if claim.output != store.url and not claim.output.startswith("file://"):
            return facts._replace(unchecked=True)
        if _is_there(store, claim, outcome):
            return facts
    except (ConfigurationError, StorageError):
        return facts._replace(unchecked=True)
    outputs = output_count((outcome.url, *outcome.extra_urls))
    job = VideoJob(id=outcome.job_id, status="completed", videos=outputs, usage=Usage(cost=outcome.cost_usd))
    return facts._replace(step=Step("done", job=job))


def _is_there(store: Store, claim: Claim, outcome: Outcome) -> bool:
    # Older versions wrote the URL of a folder without its escapes.
    home = store if claim.output == store.url else open_store(claim.output)
    if home.url == store.url:
        return find(store, claim) is not None
    return find_saved(home, written_path(claim.path, outcome.url), size=outcome.bytes)


def write_outcome(store: Store, claim: Claim, outcome: Outcome) -> None:
    """Write the sidecar, which says that the files are complete, whichever run has brought them.

    Raises:
        StorageError: if it could not be written.
    """
    content = outcome.model_copy(update={"reused": False}).model_dump(mode="json")
    write_sidecar(
        store, sidecar_path(claim.path), {"asked": claim.asked, "digital_source_type": DIGITAL_SOURCE_TYPE, **content}
    )


def clear(store: Store, claim: Claim, videos: int = 1) -> None:
    """Remove what processes that died have left of a job's files, once they are complete or will never be."""
    folder, _, sidecar = sidecar_path(claim.path).rpartition("/")
    names = {name for path in video_paths(claim, videos) for name in possible_names(path)}
    store.clear_leftovers(folder, names | {sidecar})


def forget_damaged(store: Store, claim: Claim, videos: int, files: tuple[SavedFile, ...]) -> None:
    """Remove what an earlier run had kept damaged, now that the whole is here; best effort."""
    folder = claim.path.rpartition("/")[0]
    kept = {name for path in video_paths(claim, videos) for name in kept_names(path)}
    kept -= {file.url.rpartition("/")[2] for file in files}
    with suppress(StorageError):
        for name in kept.intersection(store.list_names(folder)):
            store.remove(f"{folder}/{name}".lstrip("/"))
