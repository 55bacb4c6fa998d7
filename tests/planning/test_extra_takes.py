"""What extra takes may cost: at the top of an estimate, never at its bottom, and nothing that is known already."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from openrouter_video.api.catalog import parse_catalog
from openrouter_video.batch.batch_request import parse_batch_request
from openrouter_video.batch.dry_run import dry_batch
from openrouter_video.batch.plan import BatchPlan
from openrouter_video.batch.plan_lines import batch_plan_lines
from openrouter_video.batch.table import table_of_rows
from openrouter_video.money import Estimate
from openrouter_video.planning import ModelShare, Plan, Question, asked_words, hold_to_ceiling
from openrouter_video.planning.plan import plan_run
from openrouter_video.report import plan_lines, plan_text
from openrouter_video.request import parse_run_request
from openrouter_video.run.bills import to_reserve

OFFERED = parse_catalog(json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text()))
LITE = "google/veo-3.1-lite"
FOUR = {"duration": 4, "resolution": "720p", "generate_audio": False}


def plan_of(takes: int = 2, extra: int = 2, **settings: Any) -> Plan:
    """The plan of videos of $0.12 each."""
    asked: dict[str, Any] = {"takes": takes, "extra_takes_on_output_moderation": extra, "settings": FOUR | settings}
    return plan_run(parse_run_request(prompt="p", model=LITE, **asked), OFFERED)


def in_micro(estimate: Estimate) -> tuple[int | None, int | None]:
    """Its bottom and top."""
    return estimate.low, estimate.high


def test_the_top_has_all_of_them_and_the_bottom_none() -> None:
    """What is reserved is the top, by the key of each; the words say so."""
    plan = plan_of()
    assert [take for _, take in plan.extra_videos] == [3, 4, 5, 6]
    assert in_micro(plan.estimate) == (240_000, 720_000)
    assert [(share.videos, share.extra, share.most) for share in plan.shares] == [(2, 4, 720_000)]
    keys = {(LITE, take): f"k{take}" for take in range(1, 7)}
    assert to_reserve(plan, keys) == {f"k{take}": 120_000 for take in range(1, 7)}
    assert "2 takes: $0.24 to $0.72, the top with 4 extra takes" in plan_text(plan_lines(plan))
    assert "in all: 2 videos, $0.24 to $0.72, the top with 4 extra takes" in plan_text(plan_lines(plan))
    assert "may cost $0.24 to $0.72, the top with 4 extra takes, and above" in asked_words(plan, 0.5)
    assert plan_of(extra=0).content() == plan.content()[:2]
    assert Question.of(plan, "u").plan != Question.of(plan_of(extra=0), "u").plan


def test_what_the_ledger_knows_costs_nothing() -> None:
    """Neither a video that is there nor the extra takes that it does not need; one that goes on is at the top only."""
    known = {"known": frozenset({(LITE, 1), (LITE, 2)})}
    over = plan_of().model_copy(update={**known, "needless": frozenset((LITE, take) for take in range(3, 7))})
    assert (over.paying, in_micro(over.estimate)) == ((), (0, 0))
    goes_on = plan_of().model_copy(update={**known, "needless": frozenset({(LITE, 3), (LITE, 4), (LITE, 6)})})
    assert in_micro(goes_on.estimate) == (0, 120_000)
    assert "in all: 0 new videos, $0.00 to $0.12, the top with 1 extra take" in plan_text(plan_lines(goes_on))


def test_a_ceiling_holds_the_top_and_says_what_fits() -> None:
    """Fewer takes with their extra ones."""
    (problem,) = hold_to_ceiling(plan_of(takes=3, extra=1), 0.5).problems
    assert "may cost up to $0.72, above its ceiling of $0.50; what would fit: takes 2" in problem.message


def test_without_a_price_there_is_no_top() -> None:
    """For nobody knows what extra takes may cost either."""
    share = ModelShare.of("a/film", [Estimate()], [Estimate(), Estimate()])
    assert (share.unpriced, share.most, share.together.priced) == (3, 0, False)


def test_the_same_seed_may_be_withheld_again() -> None:
    """Which is a warning: a provider need not keep its promise of the same video."""
    assert "an extra take with the same seed may be withheld like the one before it" in plan_of(seed=7).warnings


def batch_of(**form: Any) -> BatchPlan:
    """The plan of a batch of two rows."""
    given = {"batch": "b", "models": [LITE], "settings": FOUR, "extra_takes_on_output_moderation": 1, **form}
    return dry_batch(
        table_of_rows([{"prompt": "one"}, {"prompt": "two", "takes": 2}]), parse_batch_request(**given), OFFERED
    )


def test_the_rows_of_a_batch_have_their_own() -> None:
    """Each with a path of its own, which none of the others may have."""
    plan = batch_of()
    assert [(video.row, video.take) for video in plan.extra_videos] == [(1, 2), (2, 3), (2, 4)]
    assert in_micro(plan.estimate) == (360_000, 720_000)
    assert "3 videos: $0.36 to $0.72, the top with 3 extra takes" in plan_text(batch_plan_lines(plan))
    assert "in all: 3 videos, $0.36 to $0.72, the top with 3 extra takes" in plan_text(batch_plan_lines(plan))
    paths = [path for video in plan.videos for path in (video.path, *video.extra_paths)]
    assert len(set(paths)) == 6
    known = plan.with_known([plan.videos[0].key], [plan.extra_videos[0].key])
    assert (len(known.new_videos), len(known.extra_videos)) == (2, 2)
    assert [plan.most_of(row) for row in plan.rows] == [240_000, 480_000]
    assert [known.most_of(row) for row in known.rows] == [0, 480_000]
