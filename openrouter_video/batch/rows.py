"""The rows of a table become requests: each with what it leaves out filled in, and every problem of every row. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from openrouter_video.batch.batch_request import STAND_IN, BatchRequest
from openrouter_video.batch.cells import (
    as_text,
    is_empty,
    read_id,
    read_json,
    read_labels,
    read_models,
    read_setting,
    read_whole,
)
from openrouter_video.batch.columns import KNOWN, SETTINGS, column_problems
from openrouter_video.batch.table import RawRow, RowProblem, Table
from openrouter_video.batch.template import Template
from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.request import RunRequest, parse_run_request
from openrouter_video.text import clip, row_title, shown

__all__ = ["BatchRow", "ParsedRows", "models_of", "parse_rows"]

T = TypeVar("T")

COLUMN = "a column of the table"
INPUTS = ("first_frame", "last_frame", "input_references", "previous_job_id")


class BatchRow(NamedTuple):
    """One row as a request. ``cells`` is all that it says, ``carried`` what of it is only carried along, for joins."""

    number: int
    id: str | None
    run: RunRequest
    carried: Mapping[str, Any]
    cells: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What it is called: ``row 7 (orchid)``."""
        return row_title(self.number, self.id)

    def problem(self, column: str, message: str, model: str | None = None) -> RowProblem:
        """Return a problem of this row."""
        return RowProblem(self.number, column, message, self.id, model)


class ParsedRows(NamedTuple):
    """The rows that are requests, in order; what is wrong with rows; how many there were in all.

    A row with a problem is among them with what else it says, so that its other problems are found too. ``of_batch``
    holds what is wrong whatever a row says, such as a column that is spelled almost like a known one.
    """

    rows: tuple[BatchRow, ...]
    problems: tuple[RowProblem, ...] = ()
    of_batch: tuple[Problem, ...] = ()
    total: int = 0


def models_of(table: Table, batch: BatchRequest) -> list[str]:
    """Return every model that a batch names, each once: its own, and those of its rows as far as they can be read."""
    models = dict.fromkeys(batch.run.models)
    for raw in table.rows:
        for column in ("model", "models"):
            with suppress(ValueError):
                models |= dict.fromkeys(read_models(raw.cells.get(column)))
    return [*models]


def parse_rows(table: Table, batch: BatchRequest) -> ParsedRows:
    """Turn all rows into requests; of a row with several problems each one is told."""
    of_batch = [one.problem for one in column_problems(table.columns)]
    of_batch += (missing := _missing_columns(table, batch))
    template = _template(batch.prompt_template, table.columns, of_batch)
    rows, problems = [], list[RowProblem]()
    for raw in table.rows:
        row, found = _parse_row(raw, batch, template, table.columns)
        problems += found
        rows += [row] if row else []
    problems += _same_ids(rows)
    return ParsedRows(() if missing else tuple(rows), tuple(problems), tuple(of_batch), len(table.rows))


def _missing_columns(table: Table, batch: BatchRequest) -> list[Problem]:
    """Find that no row can have a prompt, or a model: it is told once, not for each of them."""
    found = []
    there = f"its columns are {clip(', '.join(table.columns)) or 'none'}"
    if batch.prompt_template is None and not _may_lack_prompt(batch, table.columns):
        message = f"{table.source} has no column prompt, and no prompt_template is given; {there}"
        found.append(Problem("prompt", message))
    if not batch.run.models and not {"model", "models"} & set(table.columns):
        message = f"{table.source} has no column models, and the batch names none; {there}"
        found.append(Problem("models", message))
    return found


def _may_lack_prompt(batch: BatchRequest, columns: Collection[str]) -> bool:
    """Whether a row without a prompt is a matter of that row: others may have one, or something to work from."""
    return bool({"prompt", "prompt_template", *INPUTS} & {*columns} or batch.run.request.settings.sources())


def _template(text: str | None, columns: Collection[str], problems: list[Problem]) -> Template | None:
    """Take the batch's prompt template apart; adds to ``problems`` what is wrong with it."""
    if text is None:
        return None
    try:
        template = Template.parse(text)
    except ValueError as error:
        problems.append(Problem("prompt_template", f"prompt_template cannot be read: {error}"))
        return None
    found = template.unknown(columns, COLUMN)
    problems += [Problem("prompt_template", f"prompt_template: {why}") for why in found]
    return template


class _Reader:
    """Reads the cells of one row; what cannot be read is a problem of its column."""

    def __init__(self, raw: RawRow) -> None:
        self.cells = {name: value for name, value in raw.cells.items() if not is_empty(value)}
        self.found = [(one.column, one.message) for one in raw.problems]

    def read(self, name: str, read: Callable[[Any], T]) -> T | None:
        """Return what a cell says; None if it says nothing, or not that."""
        if name not in self.cells:
            return None
        try:
            return read(self.cells[name])
        except ValueError as error:
            self.found.append((name, str(error)))
            return None


def _parse_row(
    raw: RawRow, batch: BatchRequest, template: Template | None, columns: Collection[str]
) -> tuple[BatchRow | None, list[RowProblem]]:
    reader = _Reader(raw)
    row_id = reader.read("id", read_id)
    run = None
    if not any(name == "" for name, _ in reader.found):
        form = _form(reader, batch, template, columns)
        try:
            run = parse_run_request(**form, min_success=0)
        except RequestRefused as refused:
            # What cannot be read is told once, and not once more as missing.
            told = {name for name, _ in reader.found}
            reader.found += [(one.field, one.message) for one in refused.problems if one.field not in told]
            with suppress(RequestRefused):
                run = parse_run_request(**_without(form, {one.field for one in refused.problems}), min_success=0)
    problems = [RowProblem(raw.number, name, message, row_id) for name, message in reader.found]
    if run is None:
        return None, problems
    carried = {name: value for name, value in raw.cells.items() if name not in KNOWN}
    return BatchRow(raw.number, row_id, run, carried, reader.cells), problems


def _without(form: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """Return the parameters of a run without what is wrong with them, to find what else is."""
    names = {re.split(r"[.\[]", field)[0] for field in fields}
    kept = {name: value for name, value in form.items() if name not in names}
    if isinstance(form.get("settings"), Mapping):
        kept["settings"] = {name: value for name, value in form["settings"].items() if name not in names}
    return {"models": (), **kept, "prompt": STAND_IN if "prompt" in names else form["prompt"]}


def _form(reader: _Reader, batch: BatchRequest, template: Template | None, columns: Collection[str]) -> dict[str, Any]:
    """Return the parameters of a row's run: those of the batch, with what the row says in their place."""
    lacking = "" if _may_lack_prompt(batch, columns) else STAND_IN
    form = {**batch.form, "prompt": _prompt(reader, template, columns, lacking)}
    # Where no row can name one it is told once for all rows.
    form["models"] = _models(reader) or form["models"] or ([] if {"model", "models"} & {*columns} else [STAND_IN])
    names = [name for name in reader.cells if name in SETTINGS]
    said = {name: value for name in names if (value := reader.read(name, partial(read_setting, name))) is not None}
    if said:
        form["settings"] = {**batch.run.request.settings.model_dump(exclude_none=True), **said}
    for name, read in (("takes", read_whole), ("provider_options", read_json), ("labels", read_labels)):
        if (given := reader.read(name, read)) is not None:
            form[name] = given
    if isinstance(form.get("labels"), Mapping):
        form["labels"] = {**batch.run.labels, **form["labels"]}
    return form


def _models(reader: _Reader) -> list[str] | None:
    one, several = reader.read("model", as_text), reader.read("models", read_models)
    if one is not None and several is not None:
        reader.found.append(("models", "the row has a model and models; give one or the other"))
    return [one.strip()] if one is not None else several


def _prompt(reader: _Reader, template: Template | None, columns: Collection[str], lacking: str) -> str:
    """Return the prompt of a row: its own, or its template, or the batch's, filled from its columns; else ``lacking``.

    Where no row can have one, nor anything to work from, that is told once for all rows.
    """
    own = reader.read("prompt_template", as_text)
    if own is None and template is None:
        unread = any(name == "prompt_template" for name, _ in reader.found)
        return reader.read("prompt", as_text) or (STAND_IN if unread else lacking)
    column = "prompt"
    if own is not None:
        column = "prompt_template"
        try:
            template = Template.parse(own)
        except ValueError as error:
            reader.found.append((column, f"it cannot be read: {error}"))
            return STAND_IN
        reader.found += [(column, why) for why in template.unknown(columns, COLUMN)]
    return _filled(template, reader, column, columns) if template else ""


def _filled(template: Template, reader: _Reader, column: str, columns: Collection[str]) -> str:
    """Fill a template from the columns of a row; adds what is missing to the row's problems, under ``column``."""
    if "prompt" in reader.cells and "prompt" not in template.fields and {*template.fields} <= {*columns}:
        reader.found.append((column, "the row has a prompt that the template does not use; write {prompt} into it"))
    values = {name: reader.read(name, as_text) for name in template.fields if name in columns}
    told = {name for name, _ in reader.found}
    missing = [name for name, value in values.items() if value is None and name not in told]
    reader.found += [(name, f"it is empty, and the prompt is made with {{{name}}}") for name in missing]
    if missing or None in values.values():
        return STAND_IN
    return template.fill(lambda name: (values.get(name) or "").strip())


def _same_ids(rows: Iterable[BatchRow]) -> Iterator[RowProblem]:
    """Find rows with the id of an earlier one; case does not count, for paths that differ in it alone may be one."""
    seen: dict[str, BatchRow] = {}
    for row in rows:
        if row.id is None:
            continue
        first = seen.setdefault(row.id.casefold(), row)
        if first is not row:
            alike = "has the same id" if first.id == row.id else f"has the id {shown(first.id)}, the same but for case"
            yield row.problem("id", f"row {first.number:,} {alike}; an id stands for one row")
