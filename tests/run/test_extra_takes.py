"""Which extra takes a video gets, and which of them a run may still have to pay for."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.ledger import LedgerEntry, scope_of_key
from openrouter_video.outcome import Outcome
from openrouter_video.planning import ModelPlan
from openrouter_video.request import parse_run_request
from openrouter_video.run import PlannedVideo, needless_takes, next_take, videos_of_request

SENT = ModelPlan(model="a/film", decision="send")
WITHHELD: dict[str, Any] = {"status": "failed", "failure": "output_moderation"}


def videos(takes: int = 2, extra: int = 2) -> tuple[PlannedVideo, ...]:
    """The takes of a request."""
    run = parse_run_request(prompt="A rose", model="a/film", takes=takes, extra_takes_on_output_moderation=extra)
    return videos_of_request(run, scope_of_key("k"), (SENT,))


def test_the_numbers_keys_and_paths_of_extra_takes() -> None:
    """Those of take t are t + takes, t + 2 takes; each is as if that number had been asked for."""
    one, two = videos()
    assert [extra.take for extra in (*one.extra_takes, *two.extra_takes)] == [3, 5, 4, 6]
    as_asked = {video.take: video for video in videos(takes=6, extra=0)}
    for video in (one, two):
        assert video.keys == (video.key, *(as_asked[extra.take].key for extra in video.extra_takes))
        for extra in video.extra_takes:
            assert (extra.path, extra.extra_takes) == (as_asked[extra.take].path, ())
            assert (extra.instead_of, extra.key) == (video.take, as_asked[extra.take].key)
        assert [take.later_keys for take in (video, *video.extra_takes)] == [video.keys[n:] for n in (1, 2, 3)]
    assert as_asked[1].extra_takes == ()


@pytest.mark.parametrize(
    ("made", "following"),
    [
        ([WITHHELD], 3),
        ([WITHHELD, WITHHELD], 5),
        ([WITHHELD, WITHHELD, WITHHELD], None),
        ([WITHHELD, {"status": "completed"}], None),
        *(
            ([{"status": "failed", "failure": failure}], None)
            for failure in ("input_moderation", "provider", "expired", None)
        ),
        *(([{"status": status}], None) for status in ("completed", "refused", "skipped", "uncertain", "open")),
    ],
)
def test_what_follows(made: list[dict[str, Any]], following: int | None) -> None:
    """Another take after one that was withheld, as long as there is one, and after nothing else."""
    video = next_take(videos()[0], [Outcome(model="a/film", **one) for one in made])
    assert (video.take if video else None) == following


def entry(state: Any, **outcome: Any) -> LedgerEntry:
    """What the ledger says of one key."""
    return LedgerEntry("k", state, 1, outcome=Outcome(model="a/film", **outcome) if outcome else None)


KNOWN = {
    "done": entry("settled", status="completed"),
    "withheld": entry("settled", **WITHHELD),
    "withheld, by an old record": entry(
        "settled", status="failed", job_status="failed", error="failed: output new_sensitive (1027)"
    ),
    "open": entry("accepted"),
    "free": entry("free"),
    "begun": entry("claimed"),
}


@pytest.mark.parametrize(
    ("known", "needless"),
    [
        ([], []),
        (["free"], []),
        (["begun"], []),
        (["open"], []),
        (["done"], ["b", "c"]),
        (["withheld"], []),
        (["withheld, by an old record"], []),
        (["withheld", "free"], []),
        (["withheld", "open"], ["b"]),
        (["withheld", "done"], ["b", "c"]),
        (["withheld", "withheld"], ["b"]),
        (["withheld", "withheld", "withheld"], ["b", "c"]),
    ],
)
def test_what_is_not_paid_for(known: list[str], needless: list[str]) -> None:
    """What is paid for already, and all that follows something which has not been withheld."""
    entries = {key: KNOWN[word] for key, word in zip("abc", known, strict=False)}
    assert needless_takes(["a", "b", "c"], entries) == needless
