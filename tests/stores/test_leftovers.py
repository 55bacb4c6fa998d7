"""What processes that were killed have left in a store: gone with the end of the story, and not before."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from openrouter_video.ledger.ledger import Ledger
from openrouter_video.outcome import Outcome
from openrouter_video.stores import Store, check_writable, open_store
from openrouter_video.stores.folder_store import FolderStore, part_beside, part_of
from tests.support.object_stores import of_kinds

FOLDER, VIDEO, TAKE_2 = "a-flower-01234567", "acme--one.mp4", "acme--one.take-2.mp4"
KEY = "0123456789abcdef0123456789abcdef"
FOLDERS = of_kinds("local", "sftp")


def leave_part(store: Store, relative: str) -> str:
    """Leave a temporary as a writer does that was killed; its name."""
    part = part_beside(store.path(relative)).rpartition("/")[2]
    store.write_bytes(f"{relative.rpartition('/')[0]}/{part}".removeprefix("/"), b"half")
    return part


def test_a_temporary_knows_whose_it_is() -> None:
    """However long the name, and no other file is taken for one."""
    for name in (VIDEO, "x" * 150):
        assert part_of(part_beside(f"/out/{name}").rpartition("/")[2]) == name
    assert [part_of(name) for name in (VIDEO, ".hidden", "a.part")] == [None, None, None]


@FOLDERS
def test_only_the_temporaries_of_finished_files_are_removed(store: FolderStore) -> None:
    """Another take in the same folder may be on its way at this moment."""
    left = {name: leave_part(store, f"{FOLDER}/{name}") for name in (VIDEO, TAKE_2)}
    store.write_bytes(f"{FOLDER}/{VIDEO}", b"whole")
    store.clear_leftovers(FOLDER, {VIDEO})
    assert store.list_names(FOLDER, temporaries=True) == sorted([VIDEO, left[TAKE_2]])


@FOLDERS
def test_a_folder_that_is_not_there_is_clear(store: FolderStore) -> None:
    """Clearing is the last of worries, and never fails anything."""
    store.clear_leftovers("nowhere")


@FOLDERS
def test_the_end_of_a_key_clears_its_records(store: FolderStore) -> None:
    """A job's record that never got its name is of no use once the story is over."""
    ledger = Ledger(store)
    leave_part(store, f"{KEY}/job-1.json")
    ledger.settle(KEY, Outcome(model="acme/one", status="failed"))
    assert store.list_names(KEY, temporaries=True) == ["outcome.json"]


@FOLDERS
@pytest.mark.parametrize("look", ["entry", "unfinished"])
def test_a_claim_in_flight_keeps_only_what_may_be_of_use(store: FolderStore, look: str) -> None:
    """The temporary of a claim that is there is removed, that of a record which somebody may be writing is not."""
    ledger = Ledger(store)
    store.write_bytes(f"{KEY}/claim-1.json", b"{}")
    leave_part(store, f"{KEY}/claim-1.json")
    writing = leave_part(store, f"{KEY}/job-1.json")
    assert getattr(ledger, look)(KEY).state == "claimed"
    assert store.list_names(KEY, temporaries=True) == sorted([writing, "claim-1.json"])


@FOLDERS
@pytest.mark.parametrize(("step", "write"), [("link_new", "create_exclusive"), ("replace", "write_bytes")])
def test_a_file_whose_temporary_was_cleared_away_is_written_again(
    store: FolderStore, step: str, write: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever ends a key's story, or has written the same page, does no harm to one who is still writing."""
    with store.files() as files:
        kind: Any = type(files)
    name_it, cleared = getattr(kind, step), list[str]()

    def clear_first(self: Any, part: str, target: str) -> Any:
        if not cleared:
            cleared.append(part)
            store.clear_leftovers(KEY)
        return name_it(self, part, target)

    monkeypatch.setattr(kind, step, clear_first)
    getattr(store, write)(f"{KEY}/uncertain-1.json", b"{}")
    assert cleared
    assert store.list_names(KEY, temporaries=True) == ["uncertain-1.json"]


def test_an_upload_that_was_never_ended_is_ended(s3_store_url: str) -> None:
    """On S3 nobody sees it and everybody pays for it; the upload of another file goes on."""
    store = open_store(s3_store_url)
    bucket, prefix, _ = store.filesystem.split_path(store.path(FOLDER))
    for name in (VIDEO, TAKE_2, f"{VIDEO}.other"):
        store.filesystem.call_s3("create_multipart_upload", Bucket=bucket, Key=f"{prefix}/{name}")
    store.clear_leftovers(FOLDER, {VIDEO, "acme--one.json"})
    left = store.filesystem.call_s3("list_multipart_uploads", Bucket=bucket)["Uploads"]
    assert sorted(upload["Key"] for upload in left) == sorted(f"{prefix}/{n}" for n in (TAKE_2, f"{VIDEO}.other"))


@FOLDERS
def test_probes_of_killed_processes_go_when_they_are_old(store: FolderStore) -> None:
    """A young one may belong to a process that starts at this moment."""
    old, young = (f".probe-{time.time() - age:.0f}-0123456789ab" for age in (3600, 1))
    for name in (old, young):
        store.write_bytes(name, b"openrouter-video")
    leave_part(store, old)
    check_writable(store)
    assert store.list_names(temporaries=True) == [young]


def test_the_ledger_lists_keys_and_clears_old_probes(tmp_path: Path) -> None:
    """What lies beside the keys is none."""
    ledger = Ledger(open_store(str(tmp_path)))
    (tmp_path / KEY).mkdir()
    (tmp_path / f".probe-{time.time() - 3600:.0f}-0123456789ab").write_text("1")
    assert ledger.keys() == [KEY]
    assert os.listdir(tmp_path) == [KEY]  # noqa: PTH208 (hidden names too)
