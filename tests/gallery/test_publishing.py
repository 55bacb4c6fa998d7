"""Pages in a store: written beside their videos, kept up to date, and made anew from what lies there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from openrouter_video.cli import main
from openrouter_video.errors import StorageError
from openrouter_video.gallery import build_page, publish, refresh, was_begun
from openrouter_video.outcome import Outcome
from openrouter_video.run.manifest import read_manifest, write_manifest
from openrouter_video.stores import Store, open_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an output."""
    return tmp_path / "my videos"


@pytest.fixture
def store(folder: Path) -> Store:
    """The same as a store."""
    return open_store(str(folder))


def video(store: Store, path: str, key: str, status: str = "completed", **fields: Any) -> Outcome:
    """What became of a video; one that was made lies there with its sidecar, as after a run."""
    made: dict[str, Any] = {"model": "a/one", "key": key, "status": status, "prompt": path.partition("/")[0], **fields}
    if status == "completed":
        sidecar = f"{path.removesuffix('.mp4')}.json"
        made = {**made, "url": store.url_of(path), "sidecar_url": store.url_of(sidecar)}
        store.write_bytes(path, b"mp4")
        store.write_bytes(sidecar, json.dumps({"asked": {}, **made}).encode())
    return Outcome.model_validate(made)


def shown(store: Store, folder: str = "") -> dict[str, Any]:
    """The data of a page that was written."""
    content = (store.read_bytes(f"{folder}/index.html".lstrip("/")) or b"").decode()
    found = re.search(r'id="data">(.*?)</script>', content, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def tiles_of(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The videos on a page, in its order."""
    return [tile for row in data["rows"] for cell in row["cells"] for tile in cell]


def statuses(data: dict[str, Any]) -> list[str]:
    """The status of each video on a page."""
    return [tile["status"] for tile in tiles_of(data)]


def test_a_run_leaves_a_page_and_a_manifest_and_the_next_one_in_its_folder_adds_to_them(store: Store) -> None:
    """One folder, one page: what another run has left there stays on it."""
    first = publish(store, "orchid", [video(store, "orchid/a.mp4", "1"), video(store, "orchid/b.mp4", "2", "open")])
    assert first == (store.url_of("orchid/index.html"), store.url_of("orchid/videos.jsonl"), ())
    publish(store, "orchid", [video(store, "orchid/b.mp4", "2"), video(store, "orchid/c.mp4", "3", "failed")])
    assert [row["status"] for row in read_manifest(store, "orchid")] == ["completed", "completed", "failed"]
    assert statuses(shown(store, "orchid")) == ["completed", "completed", "failed"]


def test_a_batch_that_has_written_its_manifest_gets_the_page_alone(store: Store) -> None:
    """Its rows stay as they are, with what they carry."""
    outcome = video(store, "autumn/1/a.mp4", "1")
    assert publish(store, "autumn", [outcome], with_manifest=False).manifest_url is None
    assert store.list_names("autumn") == ["1", "index.html"]


@pytest.mark.parametrize(
    ("statuses", "begun"), [(["refused", "skipped"], False), (["refused", "open"], True), ([], False)]
)
def test_a_run_of_which_nothing_was_sent_has_nothing_to_show(statuses: list[str], begun: bool) -> None:
    """No page is written for it."""
    outcomes = [Outcome.model_validate({"model": "m", "status": status}) for status in statuses]
    assert was_begun(outcomes) is begun


def test_a_collection_brings_the_pages_up_to_date_on_which_its_videos_stand(store: Store) -> None:
    """Those and no other, a batch's too, with what its rows carry and its Parquet; a run that wrote none gets none."""
    write_manifest(store, "autumn", [{"key": "1", "status": "open", "model": "a/one", "sku": "x"}], parquet=True)
    write_manifest(store, "other", [{"key": "9", "status": "open", "model": "a/one"}])
    before = (store.read_bytes("autumn/videos.parquet"), store.read_bytes("other/videos.jsonl"))
    ended = {
        path: video(store, path, key)
        for path, key in (("autumn/1-rose/a.mp4", "1"), ("other/a.mp4", "2"), ("unpublished/a.mp4", "3"))
    }
    published = refresh(store, ended)
    assert [one.gallery_url for one in published] == [store.url_of("autumn/index.html")]
    assert [(row["status"], row["sku"]) for row in read_manifest(store, "autumn")] == [("completed", "x")]
    assert shown(store, "autumn")["rows"][0]["cells"][0][0]["src"] == "1-rose/a.mp4"
    assert store.read_bytes("autumn/videos.parquet") != before[0]
    assert store.read_bytes("other/videos.jsonl") == before[1]
    assert "index.html" not in store.list_names("unpublished")


def test_the_page_of_a_batch_is_found_wherever_its_videos_go(store: Store) -> None:
    """A path template may put them in folders of their own."""
    write_manifest(store, "autumn-sale", [{"key": "1", "status": "open", "model": "a/one"}])
    (published,) = refresh(store, {"north/a.mp4": video(store, "north/a.mp4", "1", batch="Autumn sale")})
    assert published.manifest_url == store.url_of("autumn-sale/videos.jsonl")
    assert [row["status"] for row in read_manifest(store, "autumn-sale")] == ["completed"]


def test_a_page_without_a_manifest_is_brought_up_to_date_too(store: Store) -> None:
    """Somebody has made it of a folder that is older than manifests."""
    video(store, "orchid/a.mp4", "1")
    build_page(store.child("orchid"))
    (published,) = refresh(store, {"orchid/b.mp4": video(store, "orchid/b.mp4", "2")})
    assert published.gallery_url == store.url_of("orchid/index.html")
    assert [tile["src"] for tile in tiles_of(shown(store, "orchid"))] == ["a.mp4", "b.mp4"]


def test_a_whole_output_gets_a_page_that_leads_to_those_of_its_runs(store: Store) -> None:
    """From sidecars and manifests alone; what lies in the ledger, or anybody else's JSON, is no video."""
    publish(store, "a run #1", [video(store, "a run #1/a b.mp4", "1"), video(store, "a run #1/c.mp4", "2", "failed")])
    video(store, "before galleries/a.mp4", "3")
    video(store, "_jobs/k/a.mp4", "4")
    store.write_bytes("notes.json", b"[1]")
    store.write_bytes("before galleries/broken.json", b"{")
    made = build_page(store)
    assert made == (store.url_of("index.html"), 3)
    data = shown(store)
    tiles = tiles_of(data)
    assert [(tile["status"], tile.get("src")) for tile in tiles] == [
        ("completed", "a%20run%20%231/a%20b.mp4"),
        ("failed", None),
        ("completed", "before%20galleries/a.mp4"),
    ]
    assert [row["href"] for row in data["rows"]] == ["a%20run%20%231/index.html", None]
    # Once more it is the same: its own page is not one of a run.
    assert (build_page(store), shown(store)) == (made, data)


def test_a_folder_that_was_moved_gets_its_page_where_it_is(store: Store, folder: Path) -> None:
    """As after a download from a bucket."""
    publish(store, "orchid", [video(store, "orchid/a.mp4", "1")])
    (folder / "orchid").rename(folder.parent / "elsewhere")
    moved = open_store(str(folder.parent / "elsewhere"))
    build_page(moved)
    assert shown(moved)["rows"][0]["cells"][0][0]["src"] == "a.mp4"


def test_a_page_that_cannot_be_written_is_an_error_of_the_store(store: Store, folder: Path) -> None:
    """Which the task tolerates, and the command tells."""
    outcome = video(store, "orchid/a.mp4", "1")
    (folder / "orchid" / "index.html").mkdir()
    with pytest.raises(StorageError, match=r"orchid/index\.html"):
        publish(store, "orchid", [outcome])


def test_a_page_that_somebody_else_has_made_is_not_written_over(
    store: Store, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither by a run nor by the command, which say so, and a collection lets it be; an empty file is nobody's."""
    outcome, theirs = video(store, "orchid/a.mp4", "1"), folder / "orchid" / "index.html"
    theirs.write_text("<h1>My own page</h1>")
    with pytest.raises(StorageError, match=r"orchid/index\.html was not made by openrouter-video, and is not written"):
        publish(store, "orchid", [outcome], with_manifest=False)
    assert refresh(store, {"orchid/a.mp4": outcome}) == []
    assert main(["gallery", str(folder / "orchid")]) == 2
    assert "Rename it, or put the videos elsewhere." in capsys.readouterr().err
    assert theirs.read_text() == "<h1>My own page</h1>"
    theirs.write_text("")
    publish(store, "orchid", [outcome], with_manifest=False)
    publish(store, "orchid", [outcome], with_manifest=False)
    assert statuses(shown(store, "orchid")) == ["completed"]


def test_the_command_tells_where_the_page_is(
    store: Store, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a line that opens it, or as JSON; without videos it writes nothing and says so."""
    assert main(["gallery", str(folder)]) == 1
    assert "nothing was written" in capsys.readouterr().err
    assert not folder.exists()
    video(store, "orchid/a.mp4", "1")
    assert main(["gallery", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"gallery: {store.url_of('index.html')}"
    monkeypatch.setenv("OPENROUTER_VIDEO_OUTPUT", str(folder))
    assert main(["gallery", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"output": store.url, "gallery": store.url_of("index.html"), "videos": 1}
    assert main(["gallery", ""]) == 2
