"""A job whose record never got its name, since its writer died: it is paid for, so whoever reads the key records it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from openrouter_video.errors import StorageError
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.records import JobRecord, parse_job
from openrouter_video.outcome import Outcome
from openrouter_video.stores import Store, open_store, part_of
from openrouter_video.stores.folder_store import part_beside
from openrouter_video.stores.local_store import LocalFiles
from tests.ledger.test_ledger import KEY, claim
from tests.support.store_writers import writers

LOOKS = pytest.mark.parametrize("look", ["entry", "unfinished"])
WHOLE = JobRecord(at="2026-11-26T00:00:00+00:00", job_id="gen-1").model_dump_json(indent=1).encode()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger on the local disk in which an attempt is claimed."""
    ledger = Ledger(open_store(str(tmp_path / "jobs")))
    assert ledger.claim(1, claim())
    return ledger


def leave(ledger: Ledger, content: bytes = WHOLE, record: str = "job-1.json") -> str:
    """Leave a temporary as a writer does that was killed; its path in the store."""
    path = part_beside(f"{KEY}/{record}")
    ledger.store.write_bytes(path, content)
    return path


def temporaries(store: Store) -> list[str]:
    """Return the temporaries under the key."""
    return [name for name in store.list_names(KEY, temporaries=True) if part_of(name)]


@pytest.mark.parametrize(
    ("store", "look"), [("local", "entry"), ("local", "unfinished"), ("sftp", "unfinished")], indirect=["store"]
)
def test_the_writer_of_a_job_is_killed_at_each_step(store: Store, look: str) -> None:
    """From the moment when its record is whole under any name, the job is accepted; before it, nothing is known."""
    found, ends, rescued, step = list[bool](), list[int](), 0, 0
    with writers(store.url, 1) as other:
        while 0 not in ends:
            ledger = Ledger(store.child(f"step-{step}"))
            assert ledger.claim(1, claim())
            ends += other.do(do="die", folder=f"step-{step}", key=KEY, step=step)
            paths = [f"{KEY}/{name}" for name in temporaries(ledger.store)]
            whole = any(parse_job(ledger.store.read_bytes(path)) for path in paths)
            rescued += whole and f"{KEY}/job-1.json" not in paths
            entry = getattr(ledger, look)(KEY)
            assert (entry.state, entry.job_id) in [("claimed", None), ("accepted", "gen-1")]
            found.append(entry.state == "accepted")
            assert not (whole and not found[-1])
            assert bool(temporaries(ledger.store)) == (bool(paths) and not whole)
            ledger.settle(KEY, Outcome(model="m", status="failed"))
            assert ledger.store.list_names(KEY, temporaries=True).count("job-1.json") == found[-1]
            assert temporaries(ledger.store) == []
            step += 1
    assert found == sorted(found)
    assert ends == [-signal.SIGKILL] * (step - 1) + [0]
    assert rescued > 0


def _doubt(ledger: Ledger) -> None:
    ledger.doubt(KEY, 1, "no answer")


def _abandon(ledger: Ledger) -> None:
    ledger.release(KEY, 1, "abandoned by a person", by_person=True)


def _begin_again(ledger: Ledger) -> None:
    _abandon(ledger)
    assert ledger.claim(2, claim())


def _accept_another(ledger: Ledger) -> None:
    ledger.record_job(KEY, 1, "gen-by-hand", by_person=True)


def _settle_another(ledger: Ledger) -> None:
    _accept_another(ledger)
    ledger.settle(KEY, Outcome(model="m", status="failed", job_id="gen-by-hand"))


@LOOKS
@pytest.mark.parametrize(
    ("before", "state", "others"),
    [
        (lambda _: None, "accepted", ()),
        (_doubt, "accepted", ()),
        (_abandon, "accepted", ()),
        (_begin_again, "accepted", ()),
        (_accept_another, "accepted", ("gen-by-hand",)),
        (_settle_another, "settled", ("gen-1",)),
    ],
    ids=["claimed", "uncertain", "free", "of another attempt", "accepted otherwise", "settled otherwise"],
)
def test_a_paid_job_is_recorded_whatever_came_of_its_attempt(
    ledger: Ledger, look: str, before: Callable[[Ledger], None], state: str, others: tuple[str, ...]
) -> None:
    """As its writer would have done, who takes another number where a person has recorded another job."""
    before(ledger)
    leave(ledger)
    getattr(ledger, look)(KEY)
    entry = ledger.entry(KEY)
    assert (entry.state, entry.other_job_ids) == (state, others)
    assert {"gen-1", *others} <= {entry.job_id, *entry.other_job_ids}
    assert temporaries(ledger.store) == []


@LOOKS
@pytest.mark.parametrize("content", [b"", WHOLE[:40], WHOLE[:-1]])
def test_a_record_that_is_cut_is_left_to_its_writer(ledger: Ledger, look: str, content: bytes) -> None:
    """It may be growing at this moment, or never; it goes with the end of the story."""
    left = leave(ledger, content)
    assert getattr(ledger, look)(KEY).state == "claimed"
    _doubt(ledger)
    assert getattr(ledger, look)(KEY).state == "uncertain"
    assert [f"{KEY}/{name}" for name in temporaries(ledger.store)] == [left]
    ledger.settle(KEY, Outcome(model="m", status="failed"))
    assert temporaries(ledger.store) == []


@LOOKS
@pytest.mark.parametrize(
    "record", ["claim-2.json", "release-1.json", "uncertain-1.json", "outcome.json", "job-0.json", "job-1.txt"]
)
def test_nothing_else_is_rescued(ledger: Ledger, look: str, record: str) -> None:
    """What other records would say is said anew, by a person or by whoever collects; none of them costs a video."""
    leave(ledger, record=record)
    assert getattr(ledger, look)(KEY).state == "claimed"
    assert [name for name in ledger.store.list_names(KEY) if part_of(name) is None] == ["claim-1.json"]


@LOOKS
def test_a_slow_writer_finds_the_record_of_its_own_job(
    ledger: Ledger, look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody reads the key between its writing and its linking, and takes it for dead."""
    link, seen = LocalFiles.link_new, list[str]()

    def read_first(self: LocalFiles, part: str, target: str) -> bool:
        if not seen:
            seen.append(part)
            assert getattr(Ledger(ledger.store), look)(KEY).job_id == "gen-1"
        return link(self, part, target)

    monkeypatch.setattr(LocalFiles, "link_new", read_first)
    ledger.keep_job(KEY, 1, "gen-1")
    assert seen
    assert ledger.store.list_names(KEY, temporaries=True) == ["claim-1.json", "job-1.json"]


@LOOKS
def test_who_may_only_read_leaves_it_to_others(ledger: Ledger, look: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is read all the same, and the next one who may write records the job."""
    left = leave(ledger)

    def refuse(*_: Any, **__: Mapping[str, Any]) -> bool:
        raise StorageError("permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(type(ledger.store), "create_exclusive", refuse)
        assert getattr(ledger, look)(KEY).state == "claimed"
    assert [f"{KEY}/{name}" for name in temporaries(ledger.store)] == [left]
    assert getattr(ledger, look)(KEY).state == "accepted"
