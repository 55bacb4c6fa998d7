"""The end of a job is written down once, and a video of an earlier run is looked for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openrouter_video.api.job import VideoJob
from openrouter_video.errors import StorageError
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.records import Claim, LedgerEntry
from openrouter_video.outcome import Outcome, SavedFile
from openrouter_video.run.facts import Facts, Saved
from openrouter_video.run.polling import Step
from openrouter_video.run.settling import settle
from openrouter_video.run.video_files import find, look_again, write_outcome
from openrouter_video.stores import open_store
from openrouter_video.stores.store import Store
from tests.support.claims import claim_on

KEY = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 23, 0, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The folder of the videos."""
    return open_store(str(tmp_path / "videos"))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """The ledger of the runs."""
    return Ledger(open_store(str(tmp_path / "jobs")))


@pytest.fixture
def claim(store: Store) -> Claim:
    """The claim of a video that goes into the folder."""
    return claim_on(KEY, asked={"prompt": "p"}, base_url="http://127.0.0.1", output=store.url, path="p/v.mp4")


def ended(claim: Claim, job: VideoJob) -> Facts:
    """What a collection knows after its last poll."""
    entry = LedgerEntry(KEY, "accepted", 1, claim, job.id)
    return Facts.of_entry(entry)._replace(step=Step("done", job=job))


def video_of(store: Store) -> SavedFile:
    """A video in the folder, with what an earlier run had kept damaged, and half of what a dead one wrote."""
    folder = Path(store.path("p"))
    folder.mkdir(parents=True)
    for name in ("v.mp4", "v.damaged.mp4", ".v.mp4.0123456789ab.part"):
        (folder / name).write_bytes(b"video")
    return SavedFile(url=store.url_of("p/v.mp4"), bytes=5, sha256="ab")


def names(store: Store) -> list[str]:
    """What is in the folder of the video."""
    return sorted(path.name for path in Path(store.path("p")).iterdir())


def test_a_completed_job_is_recorded_beside_its_video_and_in_the_ledger(
    store: Store, ledger: Ledger, claim: Claim
) -> None:
    """The sidecar says nothing of the run that fetched it; what is left over is cleared away."""
    saved = Saved((video_of(store),), store.url_of("p/v.json"))
    facts = settle(ended(claim, VideoJob(id="j", status="completed"))._replace(saved=saved), store, ledger, NOW)
    assert facts.recorded is not None
    assert (facts.recorded.status, facts.recorded.reused, facts.unsettled) == ("completed", True, None)
    assert facts.recorded.elapsed_seconds == 60.0
    assert ledger.entry(KEY).outcome == facts.recorded
    assert find(store, claim, "j") == facts.recorded.model_copy(update={"reused": False})
    assert json.loads(Path(store.path("p/v.json")).read_text())["asked"] == {"prompt": "p"}
    assert names(store) == ["v.json", "v.mp4"]


def test_a_failed_job_is_recorded_in_the_ledger_alone(store: Store, ledger: Ledger, claim: Claim) -> None:
    """A download of it may have begun, and died."""
    video_of(store)
    facts = settle(ended(claim, VideoJob(id="j", status="failed", error="no luck")), store, ledger, NOW)
    assert facts.recorded is not None
    assert ledger.entry(KEY).outcome == facts.recorded
    assert names(store) == ["v.damaged.mp4", "v.mp4"]


def test_a_job_that_stays_open_is_left_as_it_is(store: Store, ledger: Ledger, claim: Claim) -> None:
    """Nothing is recorded of it."""
    facts = ended(claim, VideoJob(id="j", status="completed"))
    assert settle(facts, store, ledger, NOW) == facts
    assert ledger.keys() == []


def test_a_sidecar_that_cannot_be_written_ends_nothing(store: Store, ledger: Ledger, claim: Claim) -> None:
    """The ledger is told of a video only after it is complete."""
    saved = Saved((video_of(store),), store.url_of("p/v.json"))
    Path(store.path("p/v.json")).mkdir()
    with pytest.raises(StorageError):
        settle(ended(claim, VideoJob(id="j", status="completed"))._replace(saved=saved), store, ledger, NOW)
    assert ledger.keys() == []


# ---- The video of an earlier run -------------------------------------------------------------------------------------


def finished(claim: Claim, store: Store, **more: object) -> Facts:
    """What a run finds that asks for what an earlier one has completed."""
    url = store.url_of("p/v.take-1.2.mp4")
    outcome = Outcome(model="a/b", key=KEY, status="completed", job_id="j", url=url, bytes=5, cost_usd=0.12)
    outcome = outcome.model_copy(update=more)
    return Facts.of_entry(LedgerEntry(KEY, "settled", 1, claim, "j", outcome=outcome))


def test_a_video_that_is_there_is_left_alone(store: Store, claim: Claim) -> None:
    """In the same store by its sidecar, in another folder of this machine by its file."""
    file = video_of(store)
    facts = finished(claim, store, url=file.url)
    outcome = facts.submitted.outcome if facts.submitted else None
    assert outcome is not None
    write_outcome(store, claim, outcome)
    assert look_again(facts, store) == facts
    elsewhere = open_store(store.path("elsewhere"))
    assert look_again(facts, elsewhere) == facts


def test_a_video_that_has_gone_is_to_be_fetched_again(store: Store, claim: Claim) -> None:
    """With as many outputs as its name tells of, and with what it cost."""
    job = look_again(finished(claim, store), store).job
    assert job is not None
    assert (job.id, job.completed, job.videos, job.cost_usd) == ("j", True, 2, 0.12)


@pytest.mark.parametrize("output", ["s3://bucket/videos", "file://elsewhere/videos"])
def test_a_place_that_this_run_does_not_see_is_not_looked_at(store: Store, claim: Claim, output: str) -> None:
    """It is said so."""
    facts = finished(claim.model_copy(update={"output": output}), store)
    assert look_again(facts, store) == facts._replace(unchecked=True)


@pytest.mark.parametrize("more", [{"status": "failed"}, {"job_id": None}])
def test_what_was_not_completed_is_not_looked_for(store: Store, claim: Claim, more: dict[str, object]) -> None:
    """There is no video of it."""
    facts = finished(claim, store, **more)
    assert look_again(facts, store) == facts
