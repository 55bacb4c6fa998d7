"""The data of a page: prompts down, models across, takes beside each other, and what each model came to. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from openrouter_video.gallery.links import Place
from openrouter_video.gallery.summaries import COLUMNS, OF_SEVERAL, Cell, best_of, summary_rows, totals
from openrouter_video.gallery.tiles import labels_of, settings_words, tile_of
from openrouter_video.outcome import Outcome, failure_words, is_simulated, summary
from openrouter_video.text import clip

__all__ = ["Entry", "page_data"]

LONGEST_TITLE = 100
WIDEST, HIGHEST = 2.4, 0.6
LARGEST = 100_000  # a record may hold any number


class Entry(NamedTuple):
    """One video, and the folder of the run or batch that it belongs to."""

    outcome: Outcome
    folder: str = ""


Row = tuple[str, str | None, int | None, str | None, str | None]


def page_data(entries: Sequence[Entry], place: Place, pages: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return all that the page shows.

    Videos of one prompt stand in one row: of a batch those of its row, of other runs those of a folder. ``pages`` leads
    to the pages of folders, by their names; a folder of several rows has a heading.
    """
    outcomes, pages = [entry.outcome for entry in entries], pages or {}
    by_model: dict[str, list[Outcome]] = {}
    rows: dict[Row, list[Outcome]] = {}
    for entry in entries:
        rows.setdefault(_row_of(entry), []).append(entry.outcome)
        by_model.setdefault(entry.outcome.model, []).append(entry.outcome)
    all_simulated, ordered = is_simulated(outcomes), _in_order(rows)
    counted = Counter(key[0] for key in ordered)
    groups = [folder for folder, number in counted.items() if number > 1 and len(counted) > 1]
    best: dict[str, Counter[str]] = {model: Counter() for model in by_model}
    shown = []
    for number, key in enumerate(ordered, 1):
        videos, folder = rows[key], key[0]
        good = best_of(videos)
        for model, name in {(videos[index].model, name) for index, names in good.items() for name in names}:
            best[model][name] += 1
        row = _row(key, videos, number)
        row["cells"] = _cells(videos, list(by_model), good, place, all_simulated=all_simulated)
        row["group"] = groups.index(folder) if folder in groups else None
        row["href"] = place.href(pages[folder]) if folder in pages and folder not in groups else None
        shown.append(row)
    return {
        "title": _title(outcomes, place),
        "totals": totals(outcomes),
        "sandbox": all_simulated,
        "columns": [*COLUMNS, *(OF_SEVERAL if len(shown) > 1 else ())],
        "models": _models(summary_rows(by_model, best if len(shown) > 1 else None), shown),
        "groups": [_group(folder, rows, ordered, place, pages) for folder in groups],
        "rows": shown,
        "videos": len(outcomes),
        "statuses": sorted({outcome.status for outcome in outcomes}),
        "failures": sorted({failure_words(outcome.failure) for outcome in outcomes if outcome.failure}),
        "checks": sorted({check for outcome in outcomes for check in outcome.checks}),
        "labels": sorted({label for row in shown for cell in row["cells"] for one in cell for label in one["labels"]}),
    }


def _models(summaries: Mapping[str, list[Cell]], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what stands above the columns, and how many takes stand side by side in each."""
    return [
        {"id": clip(model), "cells": cells, "takes": max(len(row["cells"][index]) for row in rows)}
        for index, (model, cells) in enumerate(summaries.items())
    ]


def _row_of(entry: Entry) -> Row:
    one = entry.outcome
    return entry.folder, one.batch, one.row, one.row_id, one.prompt


def _in_order(rows: Mapping[Row, Sequence[Outcome]]) -> list[Row]:
    """Return the rows in order: of folders the one first in which something was made last, in it by number."""
    newest: dict[str, str] = {}
    for key, outcomes in rows.items():
        made = max((outcome.made_at or "" for outcome in outcomes), default="")
        newest[key[0]] = max(newest.get(key[0], ""), made)
    by_number = sorted(rows, key=lambda key: key[2] if key[2] is not None else 0)
    by_folder = sorted(by_number, key=lambda key: key[0])
    return sorted(by_folder, key=lambda key: newest[key[0]], reverse=True)


def _row(key: Row, outcomes: Sequence[Outcome], number: int) -> dict[str, Any]:
    """Return what stands at the beginning of a row."""
    _, _, row, row_id, _ = key
    costs = [outcome.cost_usd for outcome in outcomes if outcome.cost_usd is not None]
    first = next((outcome for outcome in outcomes if outcome.sent), outcomes[0])
    labels = dict.fromkeys(label for one in outcomes for label in labels_of(one))
    total = summary([outcome.model_copy(update={"reused": False}) for outcome in outcomes])
    return {
        "label": clip(f"{row if row is not None else number}" + (f" \N{MIDDLE DOT} {row_id}" if row_id else "")),
        "prompt": first.title or "(its prompt is not recorded)",
        "settings": settings_words(first),
        "labels": ", ".join(labels),
        "total": total if len(outcomes) > 1 else None,
        "cost": round(sum(costs), 6) if costs else None,
        "ratio": _ratio(outcomes),
    }


def _ratio(outcomes: Sequence[Outcome]) -> str | None:
    """Return the shape of a row's frames, that of its first video, within what a page can bear."""
    for outcome in outcomes:
        if outcome.width and outcome.height and max(outcome.width, outcome.height) < LARGEST:
            return f"{min(max(outcome.width / outcome.height, HIGHEST), WIDEST):.4f}"
    return None


def _cells(
    outcomes: Sequence[Outcome],
    models: Sequence[str],
    best: Mapping[int, tuple[str, ...]],
    place: Place,
    *,
    all_simulated: bool,
) -> list[list[dict[str, Any]]]:
    cells: dict[str, list[tuple[int, dict[str, Any]]]] = {model: [] for model in models}
    for index, outcome in enumerate(outcomes):
        tile = tile_of(outcome, place, best.get(index, ()), all_simulated=all_simulated)
        cells[outcome.model].append((outcome.take, tile))
    return [[tile for _, tile in sorted(cell, key=lambda one: one[0])] for cell in cells.values()]


def _group(
    folder: str, rows: Mapping[Row, Sequence[Outcome]], ordered: Sequence[Row], place: Place, pages: Mapping[str, str]
) -> dict[str, Any]:
    own = [outcome for key in ordered if key[0] == folder for outcome in rows[key]]
    batch = next((outcome.batch for outcome in own if outcome.batch), None)
    name = clip(batch or folder or "In this folder itself")
    return {"name": name, "says": summary(own), "href": place.href(pages[folder]) if folder in pages else None}


def _title(outcomes: Sequence[Outcome], place: Place) -> str:
    """Return what the page is about: a batch, a prompt, or a folder of several."""
    batches, prompts = {one.batch for one in outcomes}, {one.title for one in outcomes}
    name = next(iter(batches)) if len(batches) == 1 else None
    if name is None and len(prompts) == 1:
        name = next(iter(prompts))
    name = clip(name or (place.folder or place.store_url).rstrip("/").rpartition("/")[2] or "Videos")
    return name if len(name) <= LONGEST_TITLE else f"{name[: LONGEST_TITLE - 1]}…"
