"""The page of a run in Prefect's UI, as Markdown; tests/prefect/test_ui.py looks at it in a browser."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from openrouter_video.gallery.run_page import LONGEST_PAGE, MOST_VIDEOS, Sights, run_page
from openrouter_video.outcome import LeftOut, Outcome

PICTURE = "data:image/jpeg;base64,/9j/4AAQ"
NOTHING = Sights({}, {})
VEO = Outcome(
    model="google/veo-3.1-lite",
    status="completed",
    prompt="A white orchid",
    url="file:///videos/a/veo.mp4",
    poster_url="file:///videos/a/veo.jpg",
    duration_seconds=4.04,
    width=1280,
    height=720,
    cost_usd=0.12,
    checks=("frozen", "no_audio"),
    sent={"duration": 4, "resolution": "720p", "aspect_ratio": "16:9"},
)
WAN = VEO.model_copy(
    update={
        "model": "alibaba/wan-3.0",
        "take": 2,
        "url": "s3://b/wan.mp4",
        "poster_url": None,
        "checks": (),
        "cost_usd": None,
        "width": None,
        "left_out": (
            LeftOut(key="negativePrompt", reason="the model does not allow it"),
            LeftOut(key="google-vertex.x", reason="meant for google-vertex"),
        ),
    }
)
REFUSED = Outcome(model="alibaba/wan-2.6", status="refused", error="refused: 4 s is not 5 or 10")
OPEN = Outcome(model="a/b", status="open", notes=("a note",))
UNCERTAIN = Outcome(model="a/c", status="uncertain")


def test_a_page_shows_what_came_and_why_something_did_not() -> None:
    """Pictures side by side, prices and lengths, checks, links, and below what is missing and what was lost."""
    links = {VEO.url or "": "http://127.0.0.1:4220/a/veo.mp4"}
    page = run_page([VEO, WAN, REFUSED, OPEN, UNCERTAIN], Sights({VEO.poster_url or "": PICTURE}, links))
    assert page.split("\n") == [
        r"## 2 of 5 videos, \$0.12, 1 of unknown price, 1 refused, 1 uncertain, 1 open",
        "",
        "**A white orchid**",
        "",
        r"4 s, 720p, 16:9",
        "",
        r"| google/veo-3.1-lite | alibaba/wan-3.0 take 2 |",
        "| --- | --- |",
        rf"| ![google/veo-3.1-lite]({PICTURE}) |  |",
        r"| \$0.12, 4 s, 1280x720 | price unknown, 4 s |",
        r"| [Play](http://127.0.0.1:4220/a/veo.mp4) | wan.mp4 |",
        r"| frozen, no audio |  |",
        "",
        "**Not there**",
        "",
        r"- **alibaba/wan-2.6** refused: 4 s is not 5 or 10",
        r"- **a/b** still running: a note",
        r"- **a/c** may have been accepted",
        "",
        "**Left out**",
        "",
        r"- **alibaba/wan-3.0 take 2** negativePrompt: the model does not allow it",
    ]


def test_signed_links_say_when_they_end() -> None:
    """And a gallery is linked where a browser can open it, else named."""
    until = datetime(2026, 11, 27, 14, 5, tzinfo=UTC)
    page = run_page([VEO], Sights({}, {"s3://b/index.html": "https://b.example/i?sig=1"}, until), "s3://b/index.html")
    assert "[All of them, side by side](https://b.example/i?sig=1)" in page
    assert "The links work until 2026-11-27 14:05 UTC, if the credentials" in page
    assert r"side by side: s3<!-- -->://b/index.html" in run_page([VEO], NOTHING, "s3://b/index.html")


def test_a_sandbox_is_named_once() -> None:
    """Nothing on the page was billed."""
    page = run_page([VEO.model_copy(update={"sandbox": True})], NOTHING)
    assert "Made in a sandbox: nothing was billed." in page


def test_a_page_of_many_stays_small() -> None:
    """Of 1,000 videos some are named; one whose pictures are too much for it does without them."""
    many = [VEO.model_copy(update={"take": take, "prompt": "x" * 700}) for take in range(1, 1001)]
    failed = [REFUSED.model_copy(update={"model": f"a/{n}", "error": "so " * 300}) for n in range(1000)]
    page = run_page([*many, WAN.model_copy(update={"prompt": "y"}), *failed], NOTHING)
    assert len(page.encode()) < LONGEST_PAGE
    assert f"And {1001 - MOST_VIDEOS:,} videos more." in page
    assert "- and 940 more" in page
    heavy = Sights({VEO.poster_url or "": PICTURE * 30_000}, {})
    assert PICTURE not in run_page([VEO, *failed], heavy)
    assert (
        len(
            run_page(
                [VEO.model_copy(update={"url": "https://e.example/a.mp4"})],
                Sights({}, {"https://e.example/a.mp4": "https://" + "e" * LONGEST_PAGE}),
            ).encode()
        )
        <= LONGEST_PAGE
    )


def test_no_words_act() -> None:
    """Of a prompt, a model's id, an error, and an option."""
    hostile = "<img src=x onerror=alert(1)> | **b** [x](javascript:1) http://e.example"
    outcomes = [
        VEO.model_copy(update={"prompt": hostile, "model": hostile}),
        REFUSED.model_copy(update={"error": hostile, "model": hostile}),
        WAN.model_copy(update={"left_out": (LeftOut(key=hostile, reason=hostile),), "prompt": hostile}),
    ]
    page = run_page(outcomes, NOTHING)
    acting = re.sub(r"\\.", "", page.replace("<!-- -->", ""))
    assert not set("<>[]()`|") & set(re.sub(r"(?m)^\|.*\|$", "", acting))
    assert all(line.count(" | ") <= 1 for line in page.split("\n") if line.startswith("| "))
