"""What has become of a table since its batch was made before: rows that are new, the same, changed, or gone. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from openrouter_video.ledger import Scope
from openrouter_video.rows import SUBMITTED
from openrouter_video.text import clip

__all__ = ["RowScope", "Versions", "compare_with_earlier"]

MOST_TOLD = 20


class RowScope(NamedTuple):
    """A row of the table as it is now: its title, its own id if it has one, what identifies it, and its ledger keys."""

    title: str
    id: str | None
    scope: Scope
    keys: tuple[str, ...]


class Versions(NamedTuple):
    """What has become of the rows: how many are as they were, how many new, the titles of those that have changed.

    ``gone`` holds the ids of rows that were made before and are not in the table any more; ``gone_without_id`` counts
    those that have none.
    """

    same: int
    new: int
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    gone_without_id: int = 0

    @property
    def rows_gone(self) -> int:
        """How many rows were made before and are not in the table any more."""
        return len(self.gone) + self.gone_without_id

    def words(self) -> list[str]:
        """Return what a person should know of it, nothing if the batch was never made."""
        if not (self.same or self.changed or self.rows_gone):
            return []
        lines = [f"{title} has changed since it was made; the new version is another video" for title in self.changed]
        if len(lines) > MOST_TOLD:
            lines[MOST_TOLD:] = [f"and {len(lines) - MOST_TOLD:,} more rows have changed"]
        if self.rows_gone:
            lines.append(f"made before and not in the table any more: {self._gone_words()}")
        kinds = {"as they were": self.same, "changed": len(self.changed), "new": self.new}
        return [*lines, f"rows since the last time: {', '.join(f'{n:,} {kind}' for kind, n in kinds.items() if n)}"]

    def _gone_words(self) -> str:
        ids = ", ".join(map(clip, self.gone[:MOST_TOLD]))
        more = f"{len(self.gone) - MOST_TOLD:,} more" if len(self.gone) > MOST_TOLD else ""
        rows = f"{self.gone_without_id:,} row{'s' * (self.gone_without_id != 1)} without an id"
        return " and ".join(filter(None, [ids, more, rows if self.gone_without_id else ""]))


def compare_with_earlier(
    batch: str,
    rows: Sequence[RowScope],
    earlier: Iterable[Mapping[str, Any]],
    *,
    left_out: Collection[str | None] = (),
    sandbox: bool,
) -> Versions:
    """Compare the rows of a table with those of an earlier manifest of its batch.

    A row is the same if what it asks for is: one more model or take makes it no new version. Without an id nothing
    tells a changed row from a new one. The rows ``left_out``, by their ids, are in the table all the same; which those
    without an id (None) are is not known. What a sandbox has made does not count for what is paid for.
    """
    keys: set[str] = set()
    made: dict[str, list[tuple[str, int, str]]] = {}
    nameless: dict[str, tuple[str, int, object]] = {}
    for row in earlier:
        if row.get("batch") != batch or row.get("status") not in SUBMITTED or bool(row.get("sandbox")) is not sandbox:
            continue
        keys.add(str(row.get("key")))
        if not isinstance(take := row.get("take"), int):
            continue
        if isinstance(row_id := row.get("row_id"), str):
            made.setdefault(row_id, []).append((str(row.get("model")), take, str(row.get("key"))))
        else:
            nameless[str(row.get("key"))] = str(row.get("model")), take, row.get("row")
    same, new, changed = 0, 0, []
    for now in rows:
        before = made.get(now.id or "")
        if any(key in keys for key in now.keys) or any(
            now.scope.key(model, take) == key for model, take, key in before or ()
        ):
            same += 1
        elif before is None:
            new += 1
        else:
            changed.append(now.title)
    ids = {now.id for now in rows}.union(left_out)
    gone = tuple(row_id for row_id in made if row_id not in ids)
    return Versions(same, new, tuple(changed), gone, 0 if None in left_out else _gone_without_id(rows, nameless))


def _gone_without_id(rows: Sequence[RowScope], made: Mapping[str, tuple[str, int, object]]) -> int:
    """Count the rows without an id that were made, by their ledger keys, and that no row of the table is now."""
    kinds = {(model, take) for model, take, _ in made.values()}
    now = {row.scope.key(model, take) for row in rows if row.id is None for model, take in kinds}
    numbers = {number for key, (_, _, number) in made.items() if key in now}
    return len({number for _, _, number in made.values()} - numbers)
