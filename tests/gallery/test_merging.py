"""Which videos a folder holds, by sidecars and manifests: what counts, where it belongs, and where its files are."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.gallery.merging import Files, found_videos, is_sidecar, keys_of, merged_rows, videos_of
from openrouter_video.outcome import Outcome
from openrouter_video.rows import Row, row_of_outcome

STORE = "s3://b/v"


def video(key: str = "k", status: str = "completed", **fields: Any) -> Outcome:
    """What became of a video."""
    return Outcome.model_validate({"model": "a/one", "key": key, "status": status, **fields})


def row(outcome: Outcome, **carried: Any) -> Row:
    """Its line in a manifest."""
    return row_of_outcome(outcome, carried)


def sidecar(outcome: Outcome) -> dict[str, Any]:
    """The record beside it."""
    return {"asked": {}, **outcome.model_dump(mode="json")}


def files(*paths: str) -> Files:
    """These files of the store."""
    return Files(STORE, frozenset(paths), lambda path: f"{STORE}/{path}")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("run/a.json", True),
        ("a.json", True),
        ("run/a.mp4", False),
        ("videos.jsonl", False),
        ("_jobs/k/claim-1.json", False),
        ("run/.a.json", False),
    ],
)
def test_what_may_be_a_sidecar(path: str, expected: bool) -> None:
    """Records of a ledger are not."""
    assert is_sidecar(path) is expected


@pytest.mark.parametrize(
    ("in_manifest", "beside", "status"),
    [
        ({"status": "open"}, {"made_at": "2026-11-02"}, "completed"),
        ({"status": "failed", "made_at": "2026-11-02"}, {"made_at": "2026-11-02"}, "completed"),
        ({"status": "failed", "made_at": "2026-11-03"}, {"made_at": "2026-11-02"}, "failed"),
        ({"status": "failed", "made_at": "2026-11-03"}, {}, "completed"),
    ],
)
def test_of_the_same_video_the_sidecar_counts_unless_the_manifest_is_newer(
    in_manifest: dict[str, Any], beside: dict[str, Any], status: str
) -> None:
    """It means that the video is complete."""
    found = found_videos({"run": [row(video(**in_manifest))]}, {"run/a.json": sidecar(video(**beside))}, files())
    assert [entry.outcome.status for entry in found] == [status]


def test_videos_that_were_not_made_come_from_the_manifest() -> None:
    """And a line that is not of a video, or not a number that there is, from nowhere."""
    rows = [row(video("1", "failed", error="no")), {"status": "completed"}, row(video("2", cost_usd=float("nan")))]
    found = found_videos({"run": rows}, {}, files())
    assert [(entry.outcome.key, entry.outcome.error, entry.folder) for entry in found] == [("1", "no", "run")]


def test_other_json_is_not_a_video() -> None:
    """Whoever put it there."""
    content = sidecar(video())
    others = [{"a": 1}, {**content, "status": "odd"}, {**content, "elapsed_seconds": float("inf")}]
    others.append({name: value for name, value in content.items() if name != "asked"})
    assert found_videos({}, {f"{number}.json": other for number, other in enumerate(others)}, files()) == []


@pytest.mark.parametrize(
    ("manifests", "path", "home"),
    [
        (["autumn"], "autumn/1-a/m.json", "autumn"),
        (["autumn"], "run-1/m.json", "run-1"),
        (["", "autumn"], "autumn/1-a/m.json", "autumn"),
        ([""], "1-a/m.json", ""),
        ([], "m.json", ""),
    ],
)
def test_a_video_belongs_to_the_nearest_folder_with_a_manifest(manifests: list[str], path: str, home: str) -> None:
    """Or to its own, as of runs that wrote none."""
    found = found_videos({folder: [] for folder in manifests}, {path: sidecar(video())}, files())
    assert [entry.folder for entry in found] == [home]


def test_the_files_of_a_folder_that_was_moved_are_where_its_sidecars_are() -> None:
    """Whatever URLs were recorded; a poster counts although nobody has recorded it."""
    known = video(url="file:///old/place/run/a%20b.mp4", sidecar_url="file:///old/place/run/a%20b.json")
    found = found_videos({}, {"run/a b.json": sidecar(known)}, files("run/a b.mp4", "run/a b.jpg", "run/a b.json"))
    outcome = found[0].outcome
    assert (outcome.url, outcome.poster_url) == ("s3://b/v/run/a b.mp4", "s3://b/v/run/a b.jpg")
    assert outcome.sidecar_url == "s3://b/v/run/a b.json"


def test_a_file_that_is_gone_is_not_linked_and_one_elsewhere_stays() -> None:
    """The page says so."""
    gone, elsewhere = video("1", url=f"{STORE}/run/a.mp4"), video("2", url="s3://other/a.mp4")
    found = found_videos({}, {"run/a.json": sidecar(gone), "run/b.json": sidecar(elsewhere)}, files())
    assert [entry.outcome.url for entry in found] == [None, "s3://other/a.mp4"]
    assert found[0].outcome.notes == ("the file is not there any more: s3://b/v/run/a.mp4",)


def test_a_manifest_is_brought_up_to_date_in_its_order() -> None:
    """What other runs have left stays, and so does what a row carries for joins."""
    old = [row(video("1", "open"), sku="x"), row(video("2"))]
    merged = merged_rows(old, [video("3"), video("1", "completed")])
    assert [(one["key"], one["status"]) for one in merged] == [
        ("1", "completed"),
        ("2", "completed"),
        ("3", "completed"),
    ]
    assert merged[0]["sku"] == "x"
    assert merged[1] is old[1]


def test_what_a_run_knows_of_its_videos_is_more_than_their_rows_tell() -> None:
    """And what another program has written into the table is left aside."""
    now = video("1", reused=True)
    rows = [row(now), row(video("2", "open")), {"key": ["odd"], "model": "m"}, {"status": "open"}]
    assert [entry.outcome for entry in videos_of(rows, [now])] == [now, video("2", "open")]
    assert keys_of(rows) == {"1", "2"}


def test_a_run_that_sends_nothing_leaves_what_was_made_before_it() -> None:
    """In the manifest, whatever it says of the same video now."""
    old = [row(video("1"))]
    assert merged_rows(old, [video("1", "refused")]) == old
