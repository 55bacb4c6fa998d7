"""The index of what is open: marks before claims, looks in proportion to what is open, records that stop nobody."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from openrouter_video.errors import LedgerError
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.open_index import Mark, OpenIndex, OwnMarks, listing_due, still_marked
from openrouter_video.ledger.reading import forget_settled, read_accepted, read_all, read_open
from openrouter_video.ledger.records import Claim
from openrouter_video.outcome import Outcome
from openrouter_video.stores import open_store
from openrouter_video.stores.local_store import LocalFiles
from tests.support.claims import claim_on

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
A, B, C = "a" * 32, "b" * 32, "c" * 32
DONE = Outcome(model="m", status="completed", job_id="j")


def claim(key: str, owner: str = "me") -> Claim:
    """A claim on a key."""
    return claim_on(
        key, at="2026-11-20T00:00:00+00:00", model="m", output="memory://videos", path="a/b.mp4", token=owner
    )


def settle(ledger: Ledger, key: str) -> None:
    """Tell the whole story of a key."""
    assert ledger.claim(1, claim(key))
    ledger.record_job(key, 1, f"job-{key[:4]}")
    assert ledger.settle(key, DONE)


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """The folder of a ledger on the disk."""
    return tmp_path / "jobs"


@pytest.fixture
def ledger(jobs: Path) -> Ledger:
    """That ledger."""
    return Ledger(open_store(str(jobs)))


def again(ledger: Ledger) -> Ledger:
    """The same ledger as another process has it."""
    return Ledger(ledger.store)


def marks(jobs: Path) -> list[list[str]]:
    """The keys in each mark."""
    return [json.loads(path.read_text())["keys"] for path in sorted((jobs / "_open").glob("[0-9]*.json"))]


# ---- What is decided -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "keys", "due"),
    [
        (None, (A,), True),
        (NOW, (A,), False),
        (NOW - 23 * HOUR, (), False),
        (NOW - DAY, (A,), True),
        (NOW + HOUR, (A,), False),
        (NOW + 2 * HOUR, (A,), True),
        (NOW, None, True),
    ],
    ids=["never", "now", "today", "yesterday", "a clock ahead", "from the future", "a mark that cannot be read"],
)
def test_when_everything_is_listed(listed: datetime | None, keys: tuple[str, ...] | None, due: bool) -> None:
    """Once a day, and whenever the marks cannot tell."""
    assert listing_due(listed, [Mark("m", NOW, keys)], NOW) is due


@pytest.mark.parametrize(
    ("keys", "age", "over", "free", "left"),
    [
        ((A, B), HOUR, {A, B}, set(), ()),
        ((A, B), HOUR, {A}, {B}, (A, B)),
        ((A, B), DAY, {A}, {B}, ()),
        ((A, B), DAY, {A}, set(), (A, B)),
        (tuple("abcdefghij"), HOUR, set("abcdef"), set(), tuple("ghij")),
        (tuple("abcdefghij"), HOUR, set("abc"), set(), tuple("abcdefghij")),
        (None, HOUR, set(), set(), None),
        (None, DAY, set(), set(), ()),
    ],
    ids=["all over", "free and young", "free and old", "open and old", "mostly over", "hardly over", "?", "old ?"],
)
def test_what_a_mark_still_holds(
    keys: tuple[str, ...] | None, age: timedelta, over: set[str], free: set[str], left: tuple[str, ...] | None
) -> None:
    """Never is a key dropped that is open, or that the mark's run may claim at any moment."""
    assert still_marked(Mark("m", NOW - age, keys), over, free, NOW) == left


# ---- The marks of a run ----------------------------------------------------------------------------------------------


def test_a_run_makes_one_mark_and_removes_it(ledger: Ledger, jobs: Path) -> None:
    """Whatever the number of its videos, and only once all of them are over."""
    ledger.expect([A, B, C])
    for key in (A, B, C):
        assert ledger.claim(1, claim(key))
        ledger.record_job(key, 1, "j")
    assert marks(jobs) == [[A, B, C]]
    ledger.settle(A, DONE)
    ledger.settle(B, DONE)
    ledger.drop_marks()
    assert marks(jobs) == [[A, B, C]]
    ledger.settle(C, DONE)
    assert marks(jobs) == []


def test_the_mark_is_there_before_the_claim(ledger: Ledger, jobs: Path) -> None:
    """A process that dies between the two leaves a mark too many, never a job that nobody finds."""
    jobs.mkdir()
    (jobs / A).write_text("a file where the folder should be")
    with pytest.raises(LedgerError):
        ledger.claim(1, claim(A))
    assert marks(jobs) == [[A]]


def test_nothing_is_claimed_without_a_mark(ledger: Ledger, jobs: Path) -> None:
    """Else a job would be out of sight until the next listing."""
    jobs.mkdir()
    (jobs / "_open").write_text("a file where the folder should be")
    with pytest.raises(LedgerError, match="cannot record claim-1 of aaaa"):
        ledger.claim(1, claim(A))
    assert not (jobs / A).exists()


def test_what_was_refused_leaves_no_mark_at_the_end_of_the_run(ledger: Ledger, jobs: Path) -> None:
    """Between two attempts the key is free, and still marked; what is in doubt stays marked for good."""
    ledger.expect([A, B])
    ledger.claim(1, claim(A))
    ledger.release(A, 1, "HTTP 429")
    assert marks(jobs) == [[A, B]]
    ledger.drop_marks()
    assert marks(jobs) == []
    ledger.claim(2, claim(A))
    ledger.doubt(A, 2, "HTTP 502")
    ledger.drop_marks()
    assert marks(jobs) == [[A, B]]


def test_the_late_end_of_an_attempt_takes_no_mark_from_the_next(ledger: Ledger, jobs: Path) -> None:
    """The ledger refused the release of the first for a while; the second one is a job that is open."""
    ledger.claim(1, claim(A))
    ledger.claim(2, claim(A))
    ledger.record_job(A, 2, "j")
    assert ledger.release(A, 1, "HTTP 429")
    ledger.drop_marks()
    assert marks(jobs) == [[A]]


def test_a_job_that_a_person_records_is_marked(ledger: Ledger, jobs: Path) -> None:
    """Since it is said that a collection fetches its video, which must not have to wait for a listing."""
    ledger.claim(1, claim(A))
    for mark in (jobs / "_open").iterdir():
        mark.unlink()
    ledger.index.note_listing(NOW)
    assert again(ledger).record_job(A, 1, "j", by_person=True)
    assert [entry.key for entry in read_open(again(ledger), NOW).entries] == [A]


def test_a_run_of_many_hours_makes_its_mark_anew(ledger: Ledger, jobs: Path) -> None:
    """A collection takes a mark of a day for that of a dead run, as far as nothing was claimed."""
    now = [NOW]
    own = OwnMarks(OpenIndex(ledger.store), "salt", lambda: now[0])
    own.expect([A, B])
    own.begin(A)
    own.end(A, for_good=True)
    now[0] += 9 * HOUR
    own.begin(B)
    assert [mark.made for mark in OpenIndex(ledger.store).read()] == [now[0]]
    assert marks(jobs) == [[B]]


def test_two_runs_of_the_same_keys_have_marks_of_their_own(ledger: Ledger, jobs: Path) -> None:
    """The one that ends first must not take away the other's."""
    other = again(ledger)
    ledger.claim(1, claim(A, "one"))
    assert not other.claim(1, claim(A, "two"))
    other.record_job(A, 1, "j")
    assert len(marks(jobs)) == 2
    ledger.settle(A, DONE)
    assert marks(jobs) == [[A]]
    assert read_open(again(ledger), datetime.now(UTC)).entries == []
    assert marks(jobs) == []


# ---- Reading what is open --------------------------------------------------------------------------------------------


def found(ledger: Ledger, now: datetime = NOW) -> list[str]:
    """The keys that a fresh process finds open."""
    return [entry.key for entry in read_open(again(ledger), now).entries]


def forget_marks(jobs: Path) -> None:
    """Leave the ledger as an older version has written it, or somebody without the index."""
    for path in (jobs / "_open").glob("*"):
        path.unlink()


def test_a_ledger_of_an_older_version_is_listed_and_marked(ledger: Ledger, jobs: Path) -> None:
    """The first collection finds what is open, and the next by its mark."""
    for key in (A, B):
        ledger.claim(1, claim(key))
        ledger.record_job(key, 1, "j")
    settle(ledger, C)
    forget_marks(jobs)
    assert found(ledger) == [A, B]
    assert marks(jobs) == [[A, B]]
    assert found(ledger, NOW + HOUR) == [A, B]


def test_a_look_at_a_ledger_that_is_not_there_makes_none(ledger: Ledger, jobs: Path) -> None:
    """Whoever lists in the wrong folder leaves nothing in it."""
    assert found(ledger) == []
    assert not jobs.exists()


def test_a_missing_mark_is_found_within_a_day(ledger: Ledger, jobs: Path) -> None:
    """By the listing of everything, which marks it again."""
    settle(ledger, B)
    assert found(ledger) == []
    ledger.claim(1, claim(A))
    for path in (jobs / "_open").glob("[0-9]*.json"):
        path.unlink()
    assert found(ledger, NOW + HOUR) == []
    assert found(ledger, NOW + DAY) == [A]
    assert found(ledger, NOW + DAY + HOUR) == [A]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"keys": "all"}', b'{"keys": ["../x"]}', b"\xff"])
def test_a_mark_that_cannot_be_read_hides_nothing(ledger: Ledger, jobs: Path, content: bytes) -> None:
    """Then everything is listed, at each collection, until the mark is so old that its run is dead."""
    ledger.claim(1, claim(A))
    assert found(ledger) == [A]
    (mark,) = (jobs / "_open").glob("[0-9]*.json")
    mark.write_bytes(content)
    assert found(ledger, NOW + HOUR) == [A]
    assert [A] in marks_of(ledger)


def marks_of(ledger: Ledger) -> list[list[str]]:
    """The keys of the marks that can be read."""
    return [list(mark.keys) for mark in OpenIndex(ledger.store).read() if mark.keys is not None]


def test_a_run_that_starts_during_a_collection_keeps_its_mark(ledger: Ledger, jobs: Path) -> None:
    """A collection removes only marks that it has read before it looked at their keys."""
    settled = again(ledger)
    settled.expect([A, B])
    settle(settled, A)
    reading = read_open(again(ledger), datetime.now(UTC))
    ledger.claim(1, claim(C))
    collector = again(ledger)
    collector.index.tidy(reading.marks, {A, B}, set(), NOW)
    assert marks(jobs) == [[C]]


def test_a_collection_takes_no_mark_from_a_run_that_still_submits(ledger: Ledger, jobs: Path) -> None:
    """Its first video is over, its second not yet claimed."""
    ledger.expect([A, B])
    settle(ledger, A)
    assert found(ledger, datetime.now(UTC)) == []
    assert marks(jobs) == [[A, B]]


def test_a_collection_removes_the_mark_of_what_it_has_settled(ledger: Ledger, jobs: Path) -> None:
    """So that the next one does not look there again; what is still open keeps its own."""
    for key in (A, B):
        dead = again(ledger)
        dead.claim(1, claim(key))
        dead.record_job(key, 1, "j")
    collector = again(ledger)
    reading = read_open(collector, datetime.now(UTC))
    collector.settle(A, DONE)
    forget_settled(collector, reading)
    assert marks(jobs) == [[B]]


def test_what_killed_writers_left_among_the_marks_goes(ledger: Ledger, jobs: Path) -> None:
    """Temporaries of marks, as those of records."""
    (jobs / "_open").mkdir(parents=True)
    part = jobs / "_open" / ".20261125T000000-0123456789ab.json.0123456789ab.part"
    part.touch()
    assert found(ledger) == []
    assert not part.exists()


# ---- What it costs ---------------------------------------------------------------------------------------------------


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What is asked of the disk."""
    counts: Counter[str] = Counter()

    def counted(kind: type, name: str) -> Callable[..., Any]:
        real = getattr(kind, name)

        def count(*args: Any, **kwargs: Any) -> Any:
            counts[name] += 1
            return real(*args, **kwargs)

        return count

    for kind, names in ((LocalFiles, ("names", "size")), (LocalFileSystem, ("ls", "cat_file", "info"))):
        for name in names:
            monkeypatch.setattr(kind, name, counted(kind, name))
    return counts


def test_a_collection_asks_for_what_is_open_not_for_what_is_over(ledger: Ledger, operations: Counter[str]) -> None:
    """After fifty settled jobs it takes as many looks as after none."""
    taken = []
    ledger.claim(1, claim("f" * 32))
    for settled in (0, 50):
        for number in range(settled):
            settle(ledger, f"{number:032x}")
        assert found(ledger) == ["f" * 32]
        operations.clear()
        assert found(ledger, NOW + HOUR) == ["f" * 32]
        taken.append(operations.copy())
    assert taken[0] == taken[1]
    assert taken[1].total() <= 8


def test_on_s3_a_listing_takes_few_requests_and_the_next_look_fewer(
    s3_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the first one, of a ledger without marks: not one for each job that is over."""
    import s3fs  # noqa: PLC0415 (an extra)

    ledger = Ledger(open_store(f"{s3_store_url}/_jobs"))
    for number in range(12):
        settle(ledger, f"{number:032x}")
    ledger.claim(1, claim(A))
    requests: Counter[str] = Counter()
    real = s3fs.S3FileSystem._call_s3

    async def count(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        requests[method] += 1
        return await real(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", count)
    assert found(ledger) == [A]
    assert requests.total() <= 12
    requests.clear()
    assert found(ledger, NOW + HOUR) == [A]
    assert requests.total() <= 8
    requests.clear()
    keys = [f"{number:032x}" for number in range(10, 20)]
    assert read_accepted(ledger, [A, *keys]) == {*keys[:2]}
    assert requests.total() == 1


def test_which_keys_have_a_job_is_told_by_names_alone(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch asks about thousands of them; no record is read, and none that is damaged is forgotten."""
    settle(ledger, A)
    ledger.claim(1, claim(B))
    ledger.record_job(B, 1, "j1")
    ledger.claim(1, claim(C))
    monkeypatch.setattr(Ledger, "entry", None)
    monkeypatch.setattr(type(ledger.store), "read_bytes", None)
    assert read_accepted(ledger, [A, B, C, "e" * 32]) == {A, B}
    assert read_accepted(ledger, [C]) == set()


def test_where_nothing_may_be_removed_a_mark_is_emptied(s3_store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no collection reads it again, for all the runs that there were."""
    import s3fs  # noqa: PLC0415 (an extra)

    async def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("Access Denied")

    ledger = Ledger(open_store(f"{s3_store_url}/_jobs"))
    monkeypatch.setattr(s3fs.S3FileSystem, "_rm_file", refuse)
    settle(ledger, A)
    assert OpenIndex(ledger.store).read() == []
    assert found(ledger) == []


# ---- What cannot be read ---------------------------------------------------------------------------------------------


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _loop(path: Path) -> None:
    """As good as a file of another user, also for root."""
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


@pytest.mark.parametrize("spoil", [_folder, _loop])
@pytest.mark.parametrize("name", ["outcome", "claim-1", "job-1", "release-1", "uncertain-1"])
def test_one_unreadable_record_stops_nobody(
    ledger: Ledger, jobs: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    """That key is told, with the reason; the others are read, by either way, and it is told again the next time."""
    for key in (A, B, C):
        ledger.claim(1, claim(key))
        ledger.record_job(key, 1, "j")
    spoil(jobs / B / f"{name}.json")
    for reading in (read_open(ledger, NOW), read_open(ledger, NOW + HOUR), read_all(ledger)):
        assert [entry.key for entry in reading.entries] == [A, C]
        assert [one.key for one in reading.unreadable] == [B]
        assert f"{B}/{name}.json" in reading.unreadable[0].reason


def test_strange_things_beside_the_records_stop_nobody(ledger: Ledger, jobs: Path) -> None:
    """Notes that cannot be read, files where keys would be, and records full of garbage."""
    for key in (A, B):
        ledger.claim(1, claim(key))
        ledger.record_job(key, 1, "j")
    _folder(jobs / A / "notes.json")
    (jobs / ("d" * 32)).write_text("a file")
    (jobs / "notes").mkdir()
    (jobs / B / "release-1.json").write_bytes(b"\x00")
    for reading in (read_open(ledger, NOW), read_all(ledger)):
        assert [entry.key for entry in reading.entries if entry.attempt] == [A, B]
        assert reading.unreadable == []


def test_an_object_that_is_archived_stops_nobody(s3_store_url: str) -> None:
    """S3 refuses to read it, and it is told."""
    ledger = Ledger(open_store(f"{s3_store_url}/_jobs"))
    for key in (A, B):
        ledger.claim(1, claim(key))
        ledger.record_job(key, 1, "j")
    ledger.store.filesystem.pipe_file(ledger.store.path(A, "uncertain-1.json"), b"{}", StorageClass="GLACIER")
    reading = read_open(ledger, NOW)
    assert [entry.key for entry in reading.entries] == [B]
    assert [one.key for one in reading.unreadable] == [A]
