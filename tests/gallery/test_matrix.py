"""What a page shows: rows, columns, takes, what each model came to, and the words for each video."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openrouter_video.gallery.links import Place
from openrouter_video.gallery.matrix import Entry, page_data
from openrouter_video.gallery.tiles import seconds_words
from openrouter_video.money import Estimate
from openrouter_video.outcome import LeftOut, Outcome

HERE = Place("file:///videos", "orchid-1f2e3d4c")
RUN = "file:///videos/orchid-1f2e3d4c"


def video(model: str = "a/one", take: int = 1, **fields: Any) -> Outcome:
    """A video that was made, or what else the fields say."""
    name = f"{RUN}/{model.replace('/', '--')}.{take}"
    made: dict[str, Any] = {"url": f"{name}.mp4", "poster_url": f"{name}.jpg", "width": 1280, "height": 720}
    made |= {"duration_seconds": 4.0, "prompt": "A white orchid", "key": f"{model}-{take}"}
    return Outcome.model_validate({"model": model, "take": take, "status": "completed", **made, **fields})


def page(*outcomes: Outcome, **options: Any) -> dict[str, Any]:
    """The data of a page of these."""
    return page_data([Entry(outcome) for outcome in outcomes], HERE, **options)


def tile(outcome: Outcome) -> dict[str, Any]:
    """What is shown of one video."""
    shown: dict[str, Any] = page(outcome)["rows"][0]["cells"][0][0]
    return shown


def cells(data: dict[str, Any], model: int) -> dict[str, str]:
    """The texts of a model's row in the table above."""
    return dict(zip(data["columns"], (text for text, _ in data["models"][model]["cells"]), strict=True))


def test_prompts_go_down_and_models_across_with_takes_beside_each_other() -> None:
    """In the order of the rows and of the takes, whatever came first; a model that was not asked leaves a gap."""
    data = page(
        video("a/one", 2, row=2, prompt="second"),
        video("a/one", 1, row=2, prompt="second"),
        video("b/two", row=1, row_id="sku-1", prompt="first"),
    )
    assert [model["id"] for model in data["models"]] == ["a/one", "b/two"]
    assert [model["takes"] for model in data["models"]] == [2, 1]
    assert [(row["label"], row["prompt"]) for row in data["rows"]] == [("1 · sku-1", "first"), ("2", "second")]
    assert [[one["take"] for one in cell] for cell in data["rows"][1]["cells"]] == [[1, 2], []]


def test_a_changed_row_is_another_row() -> None:
    """Its old video is not a take of the new one."""
    data = page(video(row=1, prompt="before"), video(row=1, prompt="after", take=2))
    assert [row["prompt"] for row in data["rows"]] == ["before", "after"]


def test_a_whole_output_shows_what_was_made_last_first_and_leads_to_the_pages_of_batches() -> None:
    """A run of one prompt is one row with a link; a batch has a heading."""
    entries = [
        Entry(video(made_at="2026-11-01T00:00:00+00:00", prompt="old"), "run-1"),
        Entry(video(made_at="2026-11-03T00:00:00+00:00", batch="autumn", row=1, prompt="one"), "autumn"),
        Entry(video("b/two", batch="autumn", row=2, prompt="two"), "autumn"),
    ]
    data = page_data(entries, Place("s3://b/videos"), {"run-1": "run-1/index.html", "autumn": "autumn/index.html"})
    assert data["title"] == "videos"
    assert [row["prompt"] for row in data["rows"]] == ["one", "two", "old"]
    assert [row["group"] for row in data["rows"]] == [0, 0, None]
    assert [row["href"] for row in data["rows"]] == [None, None, "run-1/index.html"]
    assert data["groups"] == [
        {"name": "autumn", "says": "2 of 2 videos, 2 of unknown price", "href": "autumn/index.html"}
    ]


@pytest.mark.parametrize(
    ("outcomes", "place", "title"),
    [
        ([video(batch="autumn", prompt="a"), video(batch="autumn", prompt="b")], HERE, "autumn"),
        ([video()], HERE, "A white orchid"),
        ([video(prompt="x" * 200)], HERE, "x" * 99 + "…"),
        ([video(prompt="a"), video(prompt="b")], HERE, "orchid-1f2e3d4c"),
        ([video(prompt=None)], Place("memory://"), "memory:"),
    ],
)
def test_its_title_says_what_it_is_about(outcomes: list[Outcome], place: Place, title: str) -> None:
    """A batch, a prompt, or a folder."""
    assert page_data([Entry(outcome) for outcome in outcomes], place)["title"] == title


def test_each_model_is_summed_up_and_the_best_is_marked() -> None:
    """What a stranger asks: how many, for how much, how fast, and what was wrong."""
    data = page(
        video("a/one", row=1, prompt="1", cost_usd=0.1, elapsed_seconds=90),
        video("b/two", row=1, prompt="1", cost_usd=0.4, elapsed_seconds=30, checks=("frozen",)),
        video("a/one", row=2, prompt="2", cost_usd=0.3, elapsed_seconds=100),
        video("b/two", row=2, prompt="2", status="failed", cost_usd=0.1, error="failed: no"),
    )
    assert cells(data, 0) == {
        "Videos": "2 of 2",
        "Price each": "$0.20",
        "In all": "$0.40",
        "Made in, median": "1 min 35 s",
        "With a check": "–",  # noqa: RUF001 (nothing to say)
        "Not made": "–",  # noqa: RUF001
        "Lowest price for": "1 prompt",
        "Quickest for": "–",  # noqa: RUF001
    }
    assert cells(data, 1) | {"In all": "$0.50", "Not made": "1 failed", "With a check": "1"} == cells(data, 1)
    marks = [[mark for _, mark in model["cells"]] for model in data["models"]]
    assert marks == [["", "best", "", "", "", "", "", ""], ["", "", "", "best", "some", "some", "", ""]]
    first, second = data["rows"]
    assert [cell[0].get("best") for cell in first["cells"]] == [["lowest price"], ["quickest"]]
    # Of one video alone nothing is best.
    assert [cell[0].get("best") for cell in second["cells"]] == [None, None]
    assert data["totals"] == ["3 of 4 videos", "$0.90", "1 failed", "1 with a check"]


def test_what_all_have_in_common_is_not_best() -> None:
    """Equal prices distinguish nobody; of several takes the prompt counts once."""
    same = page(video("a/one", cost_usd=0.1), video("b/two", cost_usd=0.1))
    assert [cell[0].get("best") for cell in same["rows"][0]["cells"]] == [None, None]
    takes = [video("a/one", 1, cost_usd=0.1), video("a/one", 2, cost_usd=0.1), video("b/two", cost_usd=0.2)]
    assert cells(page(*takes, video(row=2, prompt="another")), 0)["Lowest price for"] == "1 prompt"
    # Of one prompt alone the row tells it.
    assert "Lowest price for" not in cells(page(*takes), 0)


def test_an_unknown_price_is_not_nothing() -> None:
    """It is said, and nothing is averaged from it."""
    data = page(video())
    assert cells(data, 0) | {"In all": "unknown", "Price each": "–", "Made in, median": "–"} == cells(data, 0)  # noqa: RUF001
    assert tile(video())["price"] == "price unknown"
    assert cells(page(video(status="refused")), 0)["In all"] == "–"  # noqa: RUF001


def test_a_page_of_a_sandbox_says_so_once_and_a_mixed_one_of_each_video() -> None:
    """No sum mixes what was billed with what was not."""
    alone = page(video(cost_usd=0.5, sandbox=True, estimate=Estimate(low_usd=0.4, high_usd=0.6, basis="listed")))
    assert alone["sandbox"] is True
    assert alone["totals"] == ["1 of 1 video", "sandbox $0.50", "estimate sandbox $0.40 to $0.60"]
    assert alone["rows"][0]["cells"][0][0]["price"] == "$0.50"
    mixed = page(video("a/one", cost_usd=0.5, sandbox=True), video("b/two", cost_usd=0.25))
    assert mixed["sandbox"] is False
    assert mixed["totals"][:3] == ["2 of 2 videos", "$0.25", "sandbox $0.50"]
    assert [cell[0]["price"] for cell in mixed["rows"][0]["cells"]] == ["sandbox $0.50", "$0.25"]
    assert cells(mixed, 0)["In all"] == "sandbox $0.50"


def test_a_page_counts_what_its_videos_cost_whoever_paid() -> None:
    """So a page that is made anew says the same as the one of the run that found them."""
    found = page(video(cost_usd=0.5, reused=True), video("b/two", cost_usd=0.25))
    assert found["totals"] == ["2 of 2 videos", "$0.75", "1 made by an earlier run"]
    assert found["rows"][0]["total"] == "2 of 2 videos, $0.75"


def test_a_video_is_shown_with_all_that_is_to_be_said_of_it() -> None:
    """What came, what it cost, what is odd, where its files are; what there is nothing to say of is left out."""
    shown = tile(
        video(
            take=2,
            cost_usd=0.12,
            elapsed_seconds=31.4,
            reused=True,
            c2pa=True,
            checks=("shorter_than_asked",),
            left_out=(
                LeftOut(key="negative_prompt", reason="not allowed", suggestion="negativePrompt"),
                LeftOut(key="google-vertex.seed", reason="meant for google-vertex"),
            ),
            notes=("shorter than asked: asked 5 s, got 4.0 s",),
            labels={"team": "film"},
            estimate=Estimate(low_usd=0.1, high_usd=0.2, basis="listed"),
            sent={"model": "a/one", "prompt": "A white orchid", "duration": 5, "resolution": "720p"},
            sidecar_url=f"{RUN}/a--one.2.json",
            extra_urls=("https://cdn.example/2.jpg",),
            job_id="job-1",
            made_at="2026-11-26T05:00:00+00:00",
        )
    )
    details = shown.pop("details")
    assert shown == {
        "take": 2,
        "status": "completed",
        "src": "a--one.2.mp4",
        "poster": "a--one.2.jpg",
        "price": "$0.12",
        "seconds": "4 s",
        "size": "1280×720",  # noqa: RUF001
        "made": "made in 31 s",
        "checks": [{"name": "shorter_than_asked", "says": "shorter than asked: asked 5 s, got 4.0 s"}],
        "left_out": 1,
        "reused": True,
        "labels": ["team: film"],
    }
    assert details == [
        ["video", "a--one.2.mp4", "a--one.2.mp4"],
        ["video", "https://cdn.example/2.jpg", "https://cdn.example/2.jpg"],
        ["left out", "negative_prompt: not allowed; did you mean negativePrompt?", ""],
        ["for others", "google-vertex.seed", ""],
        ["note", "shorter than asked: asked 5 s, got 4.0 s", ""],
        ["reused", "An earlier run made it and paid for it.", ""],
        ["estimate", "$0.10 to $0.20 (listed)", ""],
        ["sent", '{"duration": 5, "resolution": "720p"}', ""],
        ["origin", "The file carries a C2PA manifest.", ""],
        ["labels", "team: film", ""],
        ["made at", "2026-11-26T05:00:00+00:00", ""],
        ["job", "job-1", ""],
        ["key", "a/one-2", ""],
        ["record", "a--one.2.json", "a--one.2.json"],
    ]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": "failed", "error": "failed: the provider refused it"}, "the provider refused it"),
        (
            {"status": "open", "error": "running; `openrouter-video collect` finishes it"},
            "running; `openrouter-video collect` finishes it",
        ),
        ({"status": "skipped", "notes": ("lacks an option",)}, "lacks an option"),
    ],
)
def test_where_there_is_no_video_it_says_why(fields: dict[str, Any], why: str) -> None:
    """And what to do: nothing of it can be played."""
    shown = tile(video(**{"url": None, "poster_url": None, **fields}))
    assert shown["why"] == why
    assert "src" not in shown


@pytest.mark.parametrize("url", ["s3://elsewhere/a.mp4", f"{RUN}/a.damaged.bin", "https://cdn.example/a.mp4"])
def test_what_does_not_lie_here_or_does_not_play_is_a_link_at_most(url: str) -> None:
    """A page loads nothing from elsewhere."""
    shown = tile(video(url=url, poster_url="https://cdn.example/a.jpg"))
    assert "src" not in shown
    assert "poster" not in shown


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [(1280, 720, "1.7778"), (720, 1280, "0.6000"), (4000, 100, "2.4000"), (None, None, None), (10**400, 1, None)],
)
def test_the_frames_of_a_row_have_the_shape_of_its_videos(
    width: int | None, height: int | None, ratio: str | None
) -> None:
    """Within what a page can bear."""
    assert page(video(width=width, height=height))["rows"][0]["ratio"] == ratio


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (
            {"duration": 4, "resolution": "720p", "aspect_ratio": "16:9", "generate_audio": False},
            "4 s, 720p, 16:9, no sound",
        ),
        ({"size": "640x480", "generate_audio": True}, "640x480, with sound"),
        ({"duration": "long", "size": ["x"]}, ""),
        (None, ""),
    ],
)
def test_a_row_says_what_was_asked(sent: dict[str, Any] | None, words: str) -> None:
    """As far as it is known."""
    assert page(video(sent=sent))["rows"][0]["settings"] == words


def test_filters_offer_what_there_is() -> None:
    """Each status, check and label once."""
    data = page(
        video(labels={"team": "film"}, checks=("frozen",)), video("b/two", status="open", labels={"team": "film"})
    )
    assert (data["statuses"], data["checks"], data["labels"]) == (["completed", "open"], ["frozen"], ["team: film"])
    assert data["rows"][0]["labels"] == "team: film"


@pytest.mark.parametrize(
    ("notes", "says"),
    [
        (("a note", "no audio: asked for sound"), "no audio: asked for sound"),
        (("a note; no audio: asked for sound; more",), "no audio: asked for sound"),
        ((), "no audio"),
    ],
)
def test_a_check_says_what_the_note_of_its_name_says(notes: tuple[str, ...], says: str) -> None:
    """Also in a row of a manifest, where all notes are one."""
    assert tile(video(checks=("no_audio",), notes=notes))["checks"] == [{"name": "no_audio", "says": says}]


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (4.0, "4 s"), (3.25, "3.2 s"), (60, "1 min"), (130.4, "2 min 10 s")]
)
def test_a_time_is_said_as_people_say_it(seconds: float | None, words: str) -> None:
    """Without digits that nobody needs."""
    assert seconds_words(seconds) == words


def test_the_data_is_json() -> None:
    """Whatever is in it."""
    json.dumps(page(video(), video("b/two", status="uncertain", error="nobody knows")), allow_nan=False)


def test_of_what_kind_a_failure_is_and_for_which_take_an_extra_one_was_made() -> None:
    """As a badge and a filter, and in the details."""
    failed = video(status="failed", failure="output_moderation", url=None, poster_url=None)
    data = page(failed, video(take=2, instead_of=1))
    first, extra = data["rows"][0]["cells"][0]
    assert (first["failure"], "failure" in extra, data["failures"]) == (
        "output moderation",
        False,
        ["output moderation"],
    )
    assert cells(data, 0)[data["columns"][0]].startswith("1 of 1")
    words = "It was made in the place of take 1, which its provider withheld."
    assert [text for label, text, _ in extra["details"] if label == "extra take"] == [words]
