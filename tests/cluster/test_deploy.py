"""What the deploy step decides: which deployments it makes of prefect.yaml, and what it says of a server's database."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import yaml

from deployments.cluster.deploy import DEFINITIONS, database_note, definitions_for, main, refusal

FILE: dict[str, Any] = yaml.safe_load(DEFINITIONS.read_text(encoding="utf-8"))
BLOCKS = {"openrouter-credentials/openrouter", "openrouter-video-store/videos"}


@pytest.mark.parametrize("missing", [set(), BLOCKS])
def test_blocks_that_are_not_there_are_left_out(missing: set[str]) -> None:
    """A run would fail to load them; without their names it reads its environment. All else stays as it is."""
    made = definitions_for(FILE, "pods", missing)
    assert made["pull"] == FILE["pull"]
    for before, after in zip(FILE["deployments"], made["deployments"], strict=True):
        gone = {"credentials", "store"} if missing else set()
        kept = {name: value for name, value in before["parameters"].items() if name not in gone}
        assert after == {**before, "parameters": kept, "work_pool": {**before["work_pool"], "name": "pods"}}


@pytest.mark.parametrize(
    "left", [{("daily-fan-out-video", "daily"): True}, {("collect-videos", "every-quarter-hour"): False}]
)
def test_schedules_stay_as_somebody_has_left_them(left: dict[tuple[str, str], bool]) -> None:
    """A cluster deploys with each start: what a person has switched on in the UI would be off again."""

    def active(made: dict[str, Any]) -> dict[tuple[str, str], Any]:
        return {(d["name"], s["slug"]): s.get("active") for d in made["deployments"] for s in d.get("schedules", ())}

    before = active(FILE)
    assert set(left) < set(before)
    assert before != before | left == active(definitions_for(FILE, "videos", (), left))


@pytest.mark.parametrize(
    ("database", "workers", "said"),
    [
        ({"driver": None, "connection_url": None}, 1, "which is for one worker"),
        ({"driver": "sqlite+aiosqlite"}, 3, "and 3 workers take runs from it"),
        ({"driver": "postgresql+asyncpg"}, 3, None),
        ({"connection_url": "**********"}, 3, None),
    ],
)
def test_sqlite_behind_several_workers_is_told(database: dict[str, Any], workers: int, said: str | None) -> None:
    """Where the server says what it has; a masked URL may be anything."""
    note = database_note({"server": {"database": database}}, workers)
    assert (note is None) == (said is None)
    assert said is None or said in str(note)


def test_a_server_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that nobody has named."""
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415 (the other tests need no Prefect)

    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(SystemExit, match="PREFECT_API_URL is not set"):
        main([])
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(SystemExit, match=r"^Prefect's server does not answer at PREFECT_API_URL: [^/]*$"),
    ):
        main([])


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "HTTP 401: it asks for a login; set PREFECT_API_AUTH_STRING or PREFECT_API_KEY"),
        (404, "HTTP 404: that is not Prefect's API, whose address is like http://HOST:4200/api"),
        (503, "HTTP 503: database is locked"),
    ],
)
def test_a_server_that_refuses_is_told_in_words(status: int, said: str) -> None:
    """And not by a traceback with its URL."""
    assert refusal(httpx.Response(status, text="database is locked")) == said
