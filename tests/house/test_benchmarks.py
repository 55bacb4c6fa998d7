"""The benchmarks' arithmetic, and that the pages say what was measured. Nothing here measures anything."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.benchmarks import detection_lag
from tests.benchmarks.__main__ import RESULTS, pages, with_tables
from tests.benchmarks.fan_outs import FULL, QUICK, Series, summarize
from tests.benchmarks.report import CONTENDERS, Row, render, target_rows

DOCUMENT: dict[str, Any] = json.loads(RESULTS.read_text())
RUN: dict[str, Any] = {
    "cpu": 0.4, "peak_mib": 60.0, "videos": 10, "requests": {"poll": 25}, "calls": {"event": 90, "POST /logs": 5},
}  # fmt: skip


def run(contender: str, wall: float, jobs: int = 10, **changed: Any) -> dict[str, Any]:
    """The figures of one run."""
    return {**RUN, "contender": contender, "jobs": jobs, "wall": wall, **changed}


@pytest.mark.parametrize(
    ("value", "bound", "at_least", "holds"),
    [(1.5, 1.5, False, True), (1.6, 1.5, False, False), (0.7, 0.7, True, True), (0.6, 0.7, True, False),
     (1.0, None, False, None)],
)  # fmt: skip
def test_a_bound_is_kept_or_not(value: float, bound: float | None, at_least: bool, holds: bool | None) -> None:
    """The bound itself still holds; without one there is no verdict."""
    assert Row("a figure", value, bound, at_least=at_least).holds is holds


def test_runs_become_medians_per_job() -> None:
    """Of each contender by itself; a run that came to no end is counted as failed and changes no median."""
    runs = [*(run("bare", wall) for wall in (5.0, 4.0, 9.0)), run("ours-sqlite", 6.0)]
    runs.append({"contender": "bare", "jobs": 10, "trouble": "exit code -9", "requests": {}})
    bare, ours = summarize(runs)
    assert (bare["contender"], bare["runs"], bare["failed"], bare["wall_s"]) == ("bare", 4, 1, 5.0)
    assert bare["cpu_ms_per_job"] == pytest.approx(40)
    assert (ours["requests_per_job"], ours["prefect_requests_per_job"], ours["events_per_job"]) == (
        {"poll": 2.5}, 0.5, 9.0,
    )  # fmt: skip


def test_ratios_are_ours_over_the_bare_script_of_as_many_jobs() -> None:
    """Each server has its row; where the script was not measured there is none."""
    measured = summarize([run("bare", 4.0), run("ours-sqlite", 6.0, cpu=0.8), run("ours-sqlite", 9.0, jobs=100)])
    rows = {row.name: row for row in target_rows(measured, DOCUMENT["figures"])}
    wall = rows["time, ours / bare script, 10 jobs, SQLite"]
    assert (wall.value, wall.bound, wall.holds) == (1.5, 1.1, False)
    assert rows["processor time per job, ours / bare script, 10 jobs, SQLite"].value == pytest.approx(2)
    assert not [name for name in rows if "100 jobs" in name]


def test_the_server_is_measured_by_three_task_runs_a_job() -> None:
    """Ours without lanes is what it is asked to be cheaper than; its page has a bounded number of task runs."""
    told = {"ours-sqlite": (5.6, 66), "ours-chains": (28.0, 3002), "prefect-alone": (11.2, 3000)}
    runs = [run(name, 9.0, 1000, server_cpu=cpu, task_runs=count) for name, (cpu, count) in told.items()]
    rows = {row.name: row for row in target_rows(summarize(runs), DOCUMENT["figures"])}
    of_server = "processor time of Prefect's server per job, ours / "
    ours, empty = (row for name, row in rows.items() if name.startswith(of_server))
    assert (round(ours.value, 6), ours.bound, ours.holds) == (0.2, 0.25, True)
    assert (round(empty.value, 6), empty.bound) == (0.5, None)
    assert [(name, row.value, row.bound) for name, row in rows.items() if "task runs of a run" in name] == [
        ("task runs of a run, 1,000 jobs, SQLite", 66, 197)
    ]


def test_missing_videos_and_failures_are_in_the_table() -> None:
    """A contender that lost videos must not look merely fast."""
    measured = summarize(
        [run("official-sdk", 4.0, videos=7), {"contender": "bare", "jobs": 10, "trouble": "", "requests": {}}]
    )
    table = render(measured, [])
    assert "official SDK (3 videos missing)" in table
    assert "failed" in table


@pytest.mark.parametrize("series", [FULL, QUICK])
def test_every_contender_has_a_name(series: tuple[Series, ...]) -> None:
    """The tables know whom they speak of."""
    assert {one.contender for one in series} - {"ours-idle"} <= set(CONTENDERS)


def test_the_simulated_schedule_is_the_one_in_use() -> None:
    """Its figures are the same anywhere, so that a changed schedule must be measured anew."""
    assert detection_lag.measure() == DOCUMENT["figures"]["detection_lag"]


def test_the_pages_show_the_last_results() -> None:
    """To the letter, unfavourable rows included."""
    assert not DOCUMENT["quick"]
    rows = target_rows(DOCUMENT["fan_outs"], DOCUMENT["figures"])
    assert DOCUMENT["targets"] == [{**row._asdict(), "holds": row.holds} for row in rows]
    assert [page.name for page, text in pages(DOCUMENT).items() if page.read_text() != text] == []


def test_a_page_without_a_place_for_the_tables_is_an_error() -> None:
    """Rather than silently one without figures."""
    with pytest.raises(ValueError, match="no place"):
        with_tables("# A page\n", "| a table |")
