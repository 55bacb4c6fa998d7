"""What the outputs of one job have brought, row by row: what is safe, what is missing, what came the same again."""

from __future__ import annotations

import pytest

from openrouter_video.api.answers import ContentAnswer, ContentUnavailable
from openrouter_video.errors import BrokenVideo, StorageError
from openrouter_video.outcome import SavedFile
from openrouter_video.run.facts import Saved
from openrouter_video.run.outputs import Outputs, is_of_one_output

VIDEO = SavedFile(url="s3://videos/a.1.mp4", bytes=9, sha256="ab")
PICTURE = SavedFile(url="s3://videos/a.2.png", bytes=8, sha256="cd", kind="picture")
DAMAGED = SavedFile(url="s3://videos/a.damaged.mp4", bytes=7, sha256="ef", kind="damaged")
SIDECAR = "s3://videos/a.json"
LATER = ContentUnavailable(ContentAnswer("HTTP 502.", again=True))
NEVER = ContentUnavailable(ContentAnswer("HTTP 404", again=False, final=True))
GONE = ContentUnavailable(ContentAnswer("HTTP 410", again=True, final=True, status=410))
FULL = StorageError("the disk is full")
BROKEN = BrokenVideo("it ends early", sha256="ef")


def test_a_picture_beside_a_video_comes_last() -> None:
    """Whatever their order: the video is what the job was for."""
    outputs = Outputs()
    outputs.keep(PICTURE)
    assert not outputs.has_video
    outputs.keep(VIDEO)
    assert (outputs.done, outputs.has_video, outputs.error()) == (2, True, None)
    assert outputs.saved(2, SIDECAR) == Saved(files=(VIDEO, PICTURE), sidecar_url=SIDECAR)


def test_outputs_that_were_not_asked_for_are_told() -> None:
    """A job may name more than are fetched."""
    outputs = Outputs()
    outputs.keep(VIDEO)
    assert outputs.saved(20, SIDECAR).missing == ("the job names 20 outputs; the first 1 were asked for",)


@pytest.mark.parametrize(
    ("error", "said", "waits"),
    [(LATER, "HTTP 502", True), (NEVER, "HTTP 404", False), (FULL, "the disk is full", True)],
    ids=["may come", "never comes", "store"],
)
def test_an_output_that_is_given_up(error: ContentUnavailable | StorageError, said: str, waits: bool) -> None:
    """It hides no other; the run waits for it unless the API has said its last word."""
    outputs = Outputs()
    outputs.failed(error)
    outputs.give_up(error)
    outputs.keep(VIDEO)
    saved = outputs.saved(2, SIDECAR)
    assert outputs.error() is error
    assert outputs.fault(0) == said
    assert outputs.same_again() == []
    assert (saved.files, saved.waits) == ((VIDEO,), waits)
    assert saved.missing == (f"output 1 of 2 could not be had: {said}",)


@pytest.mark.parametrize(
    ("errors", "first"),
    [
        ((GONE, LATER), LATER),
        ((GONE, BROKEN), BROKEN),
        ((NEVER, GONE, LATER, FULL), LATER),
        ((GONE, GONE), GONE),
        ((LATER, FULL), LATER),
    ],
)
def test_an_output_that_is_gone_does_not_speak_for_the_others(
    errors: tuple[ContentUnavailable | StorageError, ...], first: ContentUnavailable | StorageError
) -> None:
    """What stands in the way of the job is what stands in the way of an output that may still come."""
    outputs = Outputs()
    for error in errors:
        outputs.failed(error)
        outputs.give_up(error)
    assert outputs.error() is first


@pytest.mark.parametrize("beside_a_video", [True, False])
def test_what_came_damaged_in_the_same_way_again(beside_a_video: bool) -> None:
    """Is all that there is: it is kept as it came, beside a video with a note, else as what became of the job."""
    outputs = Outputs()
    outputs.failed(BROKEN)
    outputs.failed(BROKEN)
    outputs.give_up(BROKEN)
    if beside_a_video:
        outputs.keep(VIDEO)
    assert outputs.same_again() == [(0, "ef")]
    assert outputs.saved(1, SIDECAR).waits is False
    outputs.keep_damaged(0, DAMAGED, seen_before=True)
    saved = outputs.saved(outputs.done, SIDECAR)
    damaged = saved.files[-1]
    assert (damaged.url, saved.missing, saved.waits) == (DAMAGED.url, (), False)
    assert (saved.fault is None, saved.seen_before) == (beside_a_video, not beside_a_video)
    assert [note.partition(":")[0] for note in damaged.notes] == ["output 1 is damaged"] * beside_a_video


def test_damage_that_differs_may_be_mended() -> None:
    """Once is not the same again, nor is what comes after the end of the job's time."""
    outputs = Outputs()
    outputs.failed(BROKEN)
    outputs.ended = True
    outputs.failed(BROKEN)
    outputs.give_up(BROKEN)
    assert outputs.same_again() == []
    assert outputs.saved(1, SIDECAR).waits is True


@pytest.mark.parametrize(("error", "of_one"), [(LATER, True), (BROKEN, True), (FULL, False)])
def test_whether_other_outputs_may_do_better(error: ContentUnavailable | StorageError, of_one: bool) -> None:
    """A store that refuses one refuses them all."""
    assert is_of_one_output(error) is of_one
