"""Rows since the last time: the same, new, changed or gone, by what an earlier manifest says of them."""

from __future__ import annotations

from typing import Any

import pytest

from openrouter_video.batch.versions import RowScope, Versions, compare_with_earlier
from openrouter_video.ledger.records import Scope, scope_of_row

MODEL = "google/veo-3.1-lite"


def scope_of(prompt: str, row_id: str | None = "o") -> Scope:
    """What identifies a row."""
    return scope_of_row("orchids", row_id, {"prompt": prompt})


def row_of(prompt: str, row_id: str | None = "o", models: tuple[str, ...] = (MODEL,)) -> RowScope:
    """A row of the table as it is now."""
    scope = scope_of(prompt, row_id)
    return RowScope(f"row 7 ({row_id})", row_id, scope, tuple(scope.key(model, 1) for model in models))


def made(prompt: str, row_id: str | None = "o", **more: Any) -> dict[str, Any]:
    """A row of an earlier manifest."""
    told = {"batch": "orchids", "row_id": row_id, "model": MODEL, "take": 1, "status": "completed", "sandbox": False}
    return {**told, "key": scope_of(prompt, row_id).key(MODEL, 1), **more}


CHANGED = ("row 7 (o)",)


@pytest.mark.parametrize(
    ("now", "earlier", "versions"),
    [
        (row_of("x"), [], Versions(0, 1)),
        (row_of("x"), [made("x")], Versions(1, 0)),
        (row_of("y"), [made("x")], Versions(0, 0, CHANGED)),
        # Back to a version of before, and one of several models of it.
        (row_of("x"), [made("y"), made("x")], Versions(1, 0)),
        (row_of("x", models=("a/b",)), [made("x")], Versions(1, 0)),
        # Without an id only the same content is known again.
        (row_of("x", None), [made("x", None)], Versions(1, 0)),
        (row_of("y", None), [made("x", None)], Versions(0, 1, gone_without_id=1)),
        (row_of("x", None, ("a/b",)), [made("x", None, row=2)], Versions(0, 1)),
        (row_of("y", None), [made("x", None, row=2), made("z", None, row=3)], Versions(0, 1, gone_without_id=2)),
        (row_of("y", None), [made("x", None, row=2), made("x", None, row=2, key="2")], Versions(0, 1, (), (), 1)),
        # Nothing was made of it, or not of this batch, or not for money.
        (row_of("y"), [made("x", status="refused")], Versions(0, 1)),
        (row_of("y"), [made("x", batch="others")], Versions(0, 1)),
        (row_of("y"), [made("x", batch=None)], Versions(0, 1)),
        (row_of("y"), [made("x", sandbox=True)], Versions(0, 1)),
        (row_of("y"), [made("x", take="1")], Versions(0, 1)),
        (row_of("y"), [{}], Versions(0, 1)),
        # Submitted is as good as made.
        (row_of("y"), [made("x", status="open")], Versions(0, 0, CHANGED)),
        (row_of("x"), [made("x"), made("z", "gone")], Versions(1, 0, (), ("gone",))),
    ],
)
def test_a_row_against_an_earlier_manifest(now: RowScope, earlier: list[dict[str, Any]], versions: Versions) -> None:
    """By what it asks for: a model or a take more is no new version."""
    assert compare_with_earlier("orchids", [now], earlier, sandbox=False) == versions


def test_a_row_that_is_left_out_this_time_is_not_gone() -> None:
    """Something is wrong with it, and it is in the table all the same."""
    earlier = [made("x"), made("y", "wrong"), made("z", "gone")]
    now = compare_with_earlier("orchids", [row_of("x")], earlier, left_out={"wrong"}, sandbox=False)
    assert now == Versions(1, 0, (), ("gone",))
    nameless = [made("x"), made("y", None)]
    assert compare_with_earlier("orchids", [row_of("x")], nameless, left_out={None}, sandbox=False) == Versions(1, 0)


def test_what_a_person_should_know_of_it() -> None:
    """Nothing of a batch that was never made; the first of many rows, and how many more."""
    assert Versions(0, 7).words() == []
    assert Versions(3, 2, CHANGED, ("fern", "rose")).words() == [
        "row 7 (o) has changed since it was made; the new version is another video",
        "made before and not in the table any more: fern, rose",
        "rows since the last time: 3 as they were, 1 changed, 2 new",
    ]
    assert Versions(0, 1, gone_without_id=1).words() == [
        "made before and not in the table any more: 1 row without an id",
        "rows since the last time: 1 new",
    ]
    assert Versions(1, 0, (), ("fern",), 2).words()[0].endswith(": fern and 2 rows without an id")
    many = Versions(0, 0, tuple(map(str, range(332))), tuple(map(str, range(25)))).words()
    assert many[20] == "and 312 more rows have changed"
    assert many[21].endswith("18, 19 and 5 more")
    assert len(many) == 23
