"""What the plan of a batch looks like: short, with prices by model, and with all that is wrong."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from openrouter_video.api.catalog import parse_catalog
from openrouter_video.batch.batch_request import parse_batch_request
from openrouter_video.batch.dry_run import dry_batch
from openrouter_video.batch.plan import BatchPlan, PlannedRow
from openrouter_video.batch.plan_lines import batch_plan_lines
from openrouter_video.batch.text_tables import parse_csv
from openrouter_video.money import Estimate
from openrouter_video.report import plan_text

OFFERED = parse_catalog(json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text()))
LITE, MINI, WAN = "google/veo-3.1-lite", "bytedance/seedance-2.0-mini", "alibaba/wan-2.6"
HEAD = "id,prompt,models,duration"


def plan_of(*rows: str, head: str = HEAD, **form: Any) -> BatchPlan:
    """The plan of a CSV file."""
    batch = parse_batch_request(batch="orchids", settings={"resolution": "720p", "generate_audio": False}, **form)
    return dry_batch(parse_csv("\n".join([head, *rows]), "x.csv"), batch, OFFERED)


def test_a_plan_is_counts_and_prices_by_model() -> None:
    """And the rows that cost most, where they differ."""
    plan = plan_of(f"o,an orchid,{LITE} {MINI},4", f"f,a fern,{LITE},8", f"r,a rose,{LITE},6")
    assert plan_text(batch_plan_lines(plan)).splitlines() == [
        "Batch orchids: 3 rows of x.csv, 4 videos",
        f"{LITE}: 3 to be sent",
        "  may cost $0.12 to $0.24 a video (listed); 3 videos: $0.54",
        f"{MINI}: 1 to be sent",
        "  may cost $0.1598 to $0.5303 a video (listed: set aspect_ratio to narrow it)",
        "dearest: row 2 (o) up to $0.6503, row 3 (f) up to $0.24, row 4 (r) up to $0.18",
        "in all: 4 videos, $0.6998 to $1.0703",
    ]


def test_what_the_ledger_knows_is_not_counted_again() -> None:
    """It says so, and by how much the rest is new."""
    plan = plan_of(f"o,an orchid,{LITE},4", f"f,a fern,{LITE},4")
    text = plan_text(batch_plan_lines(plan.with_known([plan.videos[0].key])))
    assert f"{LITE}: 1 to be sent, 1 in the ledger already, and not paid for again" in text
    assert text.endswith("in all: 1 new video, $0.12")
    assert plan_text(batch_plan_lines(plan.with_known(video.key for video in plan.videos))).endswith(
        "in all: 0 new videos"
    )


def test_what_is_wrong_comes_first_with_what_the_numbers_count() -> None:
    """And what would be sent without it."""
    lines = plan_text(batch_plan_lines(plan_of(f"o,an orchid,{LITE},4", f"f,a fern,{LITE},77"))).splitlines()
    assert lines[0].startswith(f"refused: row 3 (f), column duration: {LITE}: duration 77 s is not supported;")
    assert lines[1] == "in x.csv rows count as in a spreadsheet: the names of the columns are row 1"
    assert lines[2] == "nothing is sent for any row; without these problems:"


def test_rows_that_are_left_out_are_told() -> None:
    """The first of them one by one."""
    bad = [f"{n},a fern {n},{LITE},x{n}" for n in range(24)]
    lines = plan_text(batch_plan_lines(plan_of(f"o,an orchid,{LITE},4", *bad, on_invalid_row="skip"))).splitlines()
    assert lines[0] == "left out: row 3 (0), column duration: 'x0' is not a whole number, such as 4"
    assert lines[20] == "left out: and 4 more problems"
    assert "Batch orchids: 1 row of x.csv, 1 video (24 of 25 rows cannot be made)" in lines


def test_what_holds_for_many_videos_is_said_once() -> None:
    """A model that cannot make them, an option that is left out, a warning."""
    options = {"google-vertex": {"negativePrompt": "text"}}
    rows = [f"{n},a fern {n},{LITE} {WAN},4" for n in range(3)]
    text = plan_text(batch_plan_lines(plan_of(*rows, f"o,an orchid,{WAN},5", min_success=4, provider_options=options)))
    assert f"{WAN}: 1 to be sent, 3 refused" in text
    assert "  duration 4 s is not supported; it supports" in text
    assert " (in 3 of 4 videos)" in text
    assert "not sent to models of other providers: negativePrompt for the provider google-vertex" in text
    assert "warning: the options for the provider google-vertex are not used: " in text
    assert "under it (in 1 of 4 rows)" in text


def changed(row: PlannedRow, **change: Any) -> PlannedRow:
    """A row whose videos are planned otherwise."""
    videos = tuple(video._replace(plan=video.plan.model_copy(update=change)) for video in row.videos)
    return row._replace(videos=videos)


def test_what_has_no_price_is_never_nothing() -> None:
    """Of all videos of a model, or of some."""
    plan = plan_of(f"o,an orchid,{LITE},4", f"f,a fern,{LITE},8")
    unpriced = [changed(row, estimate=Estimate(why=("no price is listed",))) for row in plan.rows]
    some = plan_text(batch_plan_lines(BatchPlan("b", "x.csv", "", 2, rows=(plan.rows[0], unpriced[1]))))
    assert "  the price of 1 of them is not known (unpriced: no price is listed)" in some
    assert some.endswith("in all: 2 videos, $0.12 or more, since some are unpriced")
    none = plan_text(batch_plan_lines(BatchPlan("b", "x.csv", "", 2, rows=tuple(unpriced))))
    assert "  the price is not known (unpriced: no price is listed)" in none
    assert none.endswith("in all: 2 videos, unpriced")


def test_a_plan_of_ten_thousand_rows_is_as_short_as_one_of_ten() -> None:
    """Whatever differs from row to row."""
    rows = [f"{n},a fern {n},{LITE},{(4, 6, 8)[n % 3]}" for n in range(300)]
    assert len(plan_text(batch_plan_lines(plan_of(*rows))).splitlines()) == 5
    broken = [f"{n},a fern {n},a/b{n},4" for n in range(300)]
    assert len(plan_text(batch_plan_lines(plan_of(*broken))).splitlines()) == 22
    plan = plan_of(*rows[:50])
    noted = tuple(changed(row, notes=(f"note {row.row.number}",)) for row in plan.rows)
    lines = plan_text(batch_plan_lines(BatchPlan("b", "x.csv", "", 50, rows=noted))).splitlines()
    assert lines[3] == "  note: note 2 (in 1 of 50 videos)"
    assert lines[23] == "  note: and 30 more"
