"""The plan of a batch: every row for each of its models, and one word on money, problems and paths for all of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrouter_video.api import KeyBudget
from openrouter_video.api.catalog import parse_catalog
from openrouter_video.batch.batch_request import parse_batch_request
from openrouter_video.batch.columns import KNOWN
from openrouter_video.batch.dry_run import dry_batch
from openrouter_video.batch.plan import MOST_TOLD, BatchPlan
from openrouter_video.batch.plan_lines import batch_plan_lines
from openrouter_video.batch.table import RowProblem, table_of_rows
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.ledger import CapReached, Caps
from openrouter_video.planning import (
    Question,
    asked_words,
    cap_problem,
    form_text,
    hold_to_caps,
    hold_to_ceiling,
    hold_to_key,
    needs_approval,
    priced_rows,
)
from openrouter_video.planning.previous_jobs import Look
from openrouter_video.report import plan_text

OFFERED = parse_catalog(json.loads((files("openrouter_video.sandbox") / "video_models.json").read_text()))
LITE, MINI, WAN = "google/veo-3.1-lite", "bytedance/seedance-2.0-mini", "alibaba/wan-2.6"
FOUR = {"duration": 4, "resolution": "720p", "generate_audio": False}


def plan_of(rows: list[dict[str, Any]], realm: str = "", **form: Any) -> BatchPlan:
    """The plan of these rows over the real list, of one model and four seconds unless something else is said."""
    batch = parse_batch_request(**{"batch": "orchids", "models": [LITE], "settings": FOUR, **form})
    return dry_batch(table_of_rows(rows), batch, OFFERED, realm=realm)


def told(plan: BatchPlan) -> list[str]:
    """Why nothing is sent, without what to do about it."""
    return [problem.message.partition(";")[0] for problem in plan.problems]


def prompts(*names: str, **cells: Any) -> list[dict[str, Any]]:
    """A row for each of these prompts."""
    return [{"prompt": name, **cells} for name in names]


# ---- What is made ----------------------------------------------------------------------------------------------------


def test_videos_are_in_the_order_of_rows_models_and_takes() -> None:
    """Each with its row, and a path of its own."""
    plan = plan_of([{"prompt": "an orchid", "id": "o"}, {"prompt": "a fern", "takes": 2}], models=[LITE, MINI])
    assert [(video.row, video.row_id, video.plan.model, video.take) for video in plan.videos] == [
        *[(1, "o", LITE, 1), (1, "o", MINI, 1)],
        *[(2, None, LITE, 1), (2, None, LITE, 2), (2, None, MINI, 1), (2, None, MINI, 2)],
    ]
    assert {video.batch for video in plan.videos} == {"orchids"}
    assert len({video.path for video in plan.videos} | {video.key for video in plan.videos}) == 12
    first = plan.videos[0]
    assert first.path == f"orchids/0001-an-orchid-{first.scope.short}/google--veo-3.1-lite.mp4"
    assert first.plan.body["prompt"] == first.asked.request.prompt == "an orchid"
    assert (plan.refused, plan.wanted, plan.rows_left_out, plan.warnings) == (False, 6, 0, ())


def test_the_same_file_again_has_the_same_keys_whatever_the_order_of_its_rows() -> None:
    """So that only what is new or changed is made."""
    rows = prompts("an orchid", "a fern", "a rose")
    first, again = plan_of(rows), plan_of([{"prompt": "a lily"}, *reversed(rows)])
    keys = {video.key for video in first.videos}
    assert keys < {video.key for video in again.videos}
    assert len(again.videos) == 4


@pytest.mark.parametrize(
    ("rows", "same"),
    [
        (prompts("an orchid", team="art"), True),
        (prompts("an orchid", labels="team=art"), True),
        (prompts("an orchid", models=f"{LITE} {MINI}", takes=3), True),
        (prompts("an orchid", resolution="720p"), True),
        (prompts("an orchid", id="o"), False),
        (prompts("an orchid", seed=1), False),
        (prompts("An orchid"), False),
    ],
)
def test_what_a_row_asks_for_is_its_identity(rows: list[dict[str, Any]], same: bool) -> None:
    """One more model or take, a label or a column of one's own make no other video of what is there."""
    first, now = plan_of(prompts("an orchid")).videos[0], plan_of(rows).videos[0]
    assert (first.key == now.key) is same


def test_the_name_of_a_batch_is_not_one_day_for_ever() -> None:
    """The date is filled in before; what is not would leave every later day with nothing to make."""
    with pytest.raises(RequestRefused, match=r"the name of the batch contains '\{day\}', and only \{date\}"):
        plan_of(prompts("an orchid"), batch="daily-{day}")


@pytest.mark.parametrize("column", ["trace", "provider_options"])
def test_a_number_is_the_same_in_every_format(column: str) -> None:
    """Parquet and spreadsheets make 4.0 of 4, and the video would be paid for again; 4.5 is another number."""
    first, same, other = (
        plan_of(prompts("an orchid", **{column: {"google-vertex": {"personGeneration": [number]}}})).videos[0].key
        for number in (4, 4.0, 4.5)
    )
    assert first == same != other


def test_another_batch_and_a_sandbox_have_keys_of_their_own() -> None:
    """What a sandbox has made never stands in for what is to be paid for."""
    rows = prompts("an orchid")
    plans = [plan_of(rows), plan_of(rows, batch="others"), plan_of(rows, realm="loopback")]
    assert len({plan.videos[0].key for plan in plans}) == 3


# ---- What is wrong ---------------------------------------------------------------------------------------------------


def test_all_problems_of_all_rows_are_told_at_once_in_their_order() -> None:
    """Of cells, of requests, of the catalog, of images: each with its row and column."""
    rows = [
        *prompts("ok"),
        *prompts("x", duration="four"),
        *prompts("x", models="google/veo-3.1-lit"),
        *prompts("x", models=f"{LITE} {WAN}", resolution="480p"),
        *prompts("x", first_frame="/nowhere/a.png"),
        *prompts("x", first_frame="/nowhere/a.png", last_frame="http://x.test/a.png"),
        *prompts("", model="a/b"),
    ]
    assert [one.partition(". Give")[0] for one in told(plan_of(rows))] == [
        "row 2, column duration: 'four' is not a whole number, such as 4",
        "row 3, column models: there is no video model 'google/veo-3.1-lit'",
        f"row 4, column resolution: {LITE}: resolution '480p' is not supported",
        f"row 4, column resolution: {WAN}: resolution '480p' is not supported",
        f"row 4, column duration: {WAN}: duration 4 s is not supported",
        "row 5, column first_frame: the image: there is no image at /nowhere/a.png. Check the path",
        "row 6, column first_frame: the image: there is no image at /nowhere/a.png. Check the path",
        "row 6, column last_frame: the image: http://x.test/a.png must begin with https://",
        "row 7, column prompt: the prompt is empty",
        "row 7, column model: there is no video model 'a/b'",
    ]


def test_invalid_rows_refuse_the_batch_or_are_left_out() -> None:
    """As on_invalid_row says; a batch of which nothing is left is refused all the same."""
    rows = [*prompts("an orchid"), *prompts("a fern", duration=77), *prompts("a rose")]
    assert plan_of(rows).refused
    plan = plan_of(rows, on_invalid_row="skip")
    assert not plan.refused
    assert ([row.row.number for row in plan.rows], plan.rows_left_out, len(plan.row_problems)) == ([1, 3], 1, 1)
    assert told(plan_of(rows[1:2], on_invalid_row="skip")) == ["none of the 1 rows can be made"]


def test_a_column_that_is_a_slip_refuses_the_batch_whatever_becomes_of_invalid_rows() -> None:
    """It is no single row's."""
    plan = plan_of(prompts("an orchid", Seed=1), on_invalid_row="skip")
    assert told(plan) == ["column Seed: 'Seed' is not a column that is read"]


def test_two_rows_that_ask_for_the_same_need_ids() -> None:
    """They would be made once; different models, or ids, are not the same."""
    found = told(plan_of(prompts("an orchid", "a fern", "an orchid")))
    assert found == ["row 3: it asks for the same as row 1"]
    two = [{"prompt": "an orchid", "models": LITE}, {"prompt": "an orchid", "models": MINI}]
    assert not plan_of(two).refused
    assert not plan_of([{"prompt": "an orchid", "id": "a"}, {"prompt": "an orchid", "id": "b"}]).refused


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{batch}/../{row}", "path_template '{batch}/../{row}': it contains '..'"),
        ("{batch}/{produkt}", "path_template '{batch}/{produkt}': {produkt} is not a field of a path"),
        ("{batch}/{product}", "row 2, column path_template: google/veo-3.1-lite: orchids/fern.mp4 is also the path of"),
        ("{batch}/{id}", "row 1, column id: the path of its videos is made with {id}, and there are no letters or"),
        (
            f"{'x' * 150}{{product}}-{{product}}",
            "row 1, column path_template: the path of its videos has a part of 163",
        ),
    ],
)
def test_a_path_that_cannot_be_is_a_problem_of_the_plan(template: str, words: str) -> None:
    """Of the template, of a row, or of two rows together."""
    rows = [{"prompt": "a", "product": "fern"}, {"prompt": "b", "product": "Fern"}]
    assert told(plan_of(rows, path_template=template))[0].startswith(words)


def test_how_many_videos_are_wanted_is_asked_of_the_whole() -> None:
    """None means all; with fewer wanted, a model that cannot make one row does not refuse it."""
    rows = prompts("an orchid", "a fern", models=f"{LITE} {WAN}")
    assert told(plan_of(rows)) == [f"row {n}, column duration: {WAN}: duration 4 s is not supported" for n in (1, 2)]
    plan = plan_of(rows, min_success=2)
    assert (plan.refused, plan.wanted, len(plan.videos), len(plan.new_videos)) == (False, 2, 4, 2)
    (problem,) = plan_of(rows, min_success=3).problems
    assert problem.message == (
        "2 of 4 videos can be made, and min_success is 3; set it to 2 at most, or mend what is refused"
    )


def test_a_model_that_is_skipped_by_policy_cannot_make_all_that_are_wanted() -> None:
    """As for a run of one prompt."""
    form: dict[str, Any] = {"provider_options": {"*": {"personGeneration": "allow"}}, "on_unsupported": "skip"}
    plan = plan_of(prompts("an orchid", models=f"{LITE} {MINI}"), **form, min_success=1)
    assert (plan.refused, len(plan.new_videos)) == (False, 1)
    found = told(plan_of(prompts("an orchid", models=f"{LITE} {MINI}"), **form))
    assert found[0].startswith(f"row 1, column provider_options: {MINI}: it is skipped (")


def test_a_batch_has_an_end() -> None:
    """Of videos too, for a row may have many."""
    rows = prompts(*map(str, range(31)), takes=1000)
    assert told(plan_of(rows)) == ["31,000 videos are more than the 30,000 that one batch makes"]


def test_warnings_are_told_once_for_all_rows() -> None:
    """With how many of them, where it is not all."""
    rows = [*prompts("an orchid", seed=1, takes=2), *prompts("a fern", "a rose")]
    assert plan_of(rows).warnings == ("2 takes with the same seed may give the same video 2 times (in 1 of 3 rows)",)


def test_an_option_of_a_chosen_model_that_is_a_column_is_a_warning() -> None:
    """Nothing is carried along in the place of an option without a word."""
    plan = plan_of(prompts("an orchid", negative_prompt="text"))
    assert plan.warnings[0].startswith("the column 'negative_prompt' is carried along and not sent")
    filled = plan_of([{"negative_prompt": "text"}], prompt_template="No {negative_prompt}")
    assert filled.warnings == ()


def test_many_problems_are_clipped_where_they_are_told_and_whole_in_the_plan() -> None:
    """A refusal is read by people and kept by Prefect."""
    rows = [{"prompt": str(n), "duration": f"x{n}", "models": "a/b"} for n in range(166)]
    plan = plan_of(rows)
    assert len(plan.problems) == len(plan.row_problems) == 332
    assert len(plan.refusal) == MOST_TOLD + 1
    assert plan.refusal[0].message == "row 1, column duration: 'x0' is not a whole number, such as 4"
    assert plan.refusal[1].message.endswith("(and in 165 more rows)")
    assert plan.refusal[-1] == Problem("rows", "and 147 more problems")
    known = plan.with_known(["a" * 32])
    assert known.refusal[-1].message.startswith("1 video of it had been submitted before")
    assert plan_of(prompts("a")).with_known(["a" * 32]).refusal == ()


# ---- What the gates of money ask -------------------------------------------------------------------------------------

TEN = prompts(*map(str, range(10)), models=f"{LITE} {MINI}")


def test_a_batch_is_held_to_a_ceiling_with_what_would_fit() -> None:
    """The first rows, or without the dearest model."""
    plan = plan_of(TEN)
    assert hold_to_ceiling(plan, 100) == plan
    dear = max(plan.shares, key=lambda share: share.most)
    rest = sum(share.most for share in plan.shares) - dear.most
    (problem,) = hold_to_ceiling(plan, rest / 1e6).problems
    assert "above its ceiling of" in problem.message
    assert "the first " in problem.message
    assert f"without {dear.model} (up to " in problem.message
    (problem,) = hold_to_ceiling(plan, 0.001).problems
    assert "not even one video of these models fits" in problem.message


def test_what_the_ledger_knows_is_not_paid_for_again() -> None:
    """Its videos count for nothing any more."""
    plan = plan_of(TEN)
    half = plan.with_known(video.key for video in plan.videos if video.plan.model == MINI)
    assert [share.model for share in half.shares] == [LITE]
    assert len(half.new_videos) == 10
    assert (half.estimate.high or 0) < (plan.estimate.high or 0)
    assert half.content() == plan.content()
    assert half.with_known(video.key for video in plan.videos).shares == ()


def test_what_has_no_price_passes_no_limit() -> None:
    """As of a run of one prompt, and told once for all rows."""
    clip = [{"type": "video_url", "url": "https://x.test/a.mp4"}]
    plan = plan_of([*prompts("a", "b", input_references=clip), *prompts("c")], models=[MINI])
    assert not plan.refused
    (problem,) = hold_to_caps(plan, Caps(day=1)).problems
    assert f"nobody can say what a video of {MINI} may cost (how many seconds of a video reference" in problem.message


def test_a_cap_and_a_key_say_what_would_fit_of_a_batch() -> None:
    """The gates after the ceiling."""
    plan = plan_of(TEN)
    reached = CapReached("day", cap=1_000_000, taken=300_000, asked=9_000_000, on="2026-11-26")
    assert "what would fit: the first 1 of 10 rows" in cap_problem(plan, reached).message
    part = "a small part of it would fit: the cheapest video may cost up to $0.12"
    assert cap_problem(plan, reached._replace(taken=500_000)).message.endswith(part)
    held = hold_to_key(plan, KeyBudget(remaining=500_000, sandbox=True))
    assert held.sandbox
    assert "the key may spend $0.50 more" in held.problems[0].message
    unknown = hold_to_key(plan, KeyBudget(unknown="HTTP 500"))
    assert (unknown.refused, unknown.warnings) == (
        False,
        ("what the key may still spend is not known (GET /key: HTTP 500)",),
    )


def test_an_approval_asks_for_sums_over_rows_and_covers_the_same_batch_only() -> None:
    """By model, the dearest first; another row is another question."""
    plan = plan_of(TEN)
    assert needs_approval(plan, 1)
    assert not needs_approval(plan, 1000)
    assert "(approve_above_usd) it needs somebody's yes" in asked_words(plan, 1)
    rows = priced_rows(plan)
    assert sorted(row.model for row in rows) == sorted([LITE, MINI])
    assert {row.videos for row in rows} == {10}
    text = form_text(plan, 1, datetime(2026, 11, 27, tzinfo=UTC))
    assert "Batch orchids: 10 rows of the list of rows" in text
    assert "**20 videos**" in text
    question = Question.of(plan, "https://openrouter.ai/api/v1")
    assert question.covers(Question.of(plan_of(TEN), "https://openrouter.ai/api/v1"))
    assert not question.covers(Question.of(plan_of(TEN[:-1]), "https://openrouter.ai/api/v1"))
    assert not question.covers(Question.of(plan_of([*TEN[:-1], *prompts("x")]), "https://openrouter.ai/api/v1"))


def test_more_may_be_found_wrong_after_the_plan() -> None:
    """Paths that are taken, for one: they refuse the batch, or leave their rows out."""
    found = [RowProblem(1, "path_template", "is taken")]
    assert plan_of(TEN).with_row_problems(found).refused
    plan = plan_of(TEN, on_invalid_row="skip").with_row_problems(found)
    assert (plan.refused, len(plan.rows)) == (False, 9)
    all_of_them = plan.with_row_problems(found[0]._replace(row=row.row.number) for row in plan.rows)
    assert told(all_of_them) == [one.message for one in all_of_them.refusal] == ["none of the 10 rows can be made"]


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["4", "{x}", "a=b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
CELLS = st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=4), ANYTHING, max_size=6)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(CELLS, min_size=1, max_size=3), form=st.sampled_from([{}, {"prompt_template": "{id} {prompt}"}]))
def test_whatever_a_table_holds_it_is_planned_or_refused(rows: list[dict[str, Any]], form: dict[str, Any]) -> None:
    """In words, never by another exception; and what is planned can be told and asked about."""
    plan = plan_of(rows, **form, on_invalid_row="skip")
    assert plan_text(batch_plan_lines(plan))
    assert plan.refused or plan.videos
    assert Question.of(plan, "https://openrouter.ai/api/v1").covers(Question.of(plan, "https://openrouter.ai/api/v1"))


def test_what_has_become_of_a_table_since_it_was_made() -> None:
    """By the rows of a manifest."""
    plan = plan_of([{"prompt": "an orchid", "id": "o"}, {"prompt": "a fern"}, {"prompt": "a rose", "id": "r"}])
    was = [
        {"batch": "orchids", "row_id": one.row_id, "model": LITE, "take": 1, "key": one.key, "status": "completed"}
        for one in plan.videos[:2]
    ]
    versions = plan.compared_with([*was, {**was[0], "row_id": "r", "key": "f" * 32}])
    assert (versions.same, versions.new, versions.changed) == (2, 0, ("row 3 (r)",))


def test_a_look_at_a_job_is_told_with_the_rows_that_continue_it() -> None:
    """Each such row is refused; what could not be looked up is one note."""
    rows = [{"prompt": prompt, "previous_job_id": f"gen-{n}"} for prompt, n in (("a", 1), ("b", 1), ("c", 2))]
    plan = plan_of(rows)
    assert plan.continued == ("gen-1", "gen-2")
    looked = plan.with_looks({"gen-1": Look("it is gone"), "gen-2": Look(note="no answer")})
    assert [(one.row, one.column) for one in looked.row_problems] == [(1, "previous_job_id"), (2, "previous_job_id")]
    assert looked.warnings[-1] == "no answer"


def test_what_was_asked_of_a_batch_names_its_table_and_no_prompt() -> None:
    """Each row has a prompt of its own."""
    asked = parse_batch_request(batch="orchids", models=[LITE], settings=FOUR).asked("rows.csv")
    assert asked.items() >= {"batch": "orchids", "source": "rows.csv", "models": [LITE], "takes": 1}.items()
    assert "prompt" not in asked
