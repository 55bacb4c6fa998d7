"""A whole batch as it is planned: every row for each of its models, what it may cost, and why it may not begin.

Pure. A row is planned as a run of its own is; how many videos are wanted, what may be spent and where each video goes
is decided for the batch as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple, Self

from openrouter_video.api import Catalog, ModelEndpoints
from openrouter_video.batch.batch_request import BatchRequest
from openrouter_video.batch.columns import option_warnings
from openrouter_video.batch.paths import (
    PathTemplate,
    field_problems,
    length_problems,
    parse_path_template,
    row_fields,
    same_paths,
    video_path,
)
from openrouter_video.batch.rows import BatchRow, ParsedRows
from openrouter_video.batch.table import RowProblem, Table, problems_in_words
from openrouter_video.batch.versions import RowScope, Versions, compare_with_earlier
from openrouter_video.elision import elide_source
from openrouter_video.errors import Problem
from openrouter_video.ledger import Scope, scope_of_row
from openrouter_video.money import Bills, Estimate, total_estimate
from openrouter_video.planning import Look, ModelShare, Plan, PriceKey, continued_jobs, known_problems, plan_run
from openrouter_video.request import Inputs
from openrouter_video.run import PlannedVideo, extra_numbers
from openrouter_video.text import clip

__all__ = ["MOST_TOLD", "BatchPlan", "PlannedRow", "plan_batch"]

NO_INPUTS = Inputs()
MOST_VIDEOS = 30_000
MOST_TOLD = 20
"""So many problems are told one by one; the plan holds all of them."""


class PlannedRow(NamedTuple):
    """A row as it is planned: what each of its models gets, and its videos, sent or not."""

    row: BatchRow
    plan: Plan
    videos: tuple[PlannedVideo, ...]


@dataclass(frozen=True)
class BatchPlan:
    """The dry run of a whole batch. With ``problems`` nothing is sent for any row.

    ``rows``: those that can be made, in the order of the table. ``row_problems`` holds everything that is wrong with
    the others, which refuse the batch, or are left out of it if ``skips``. ``more``: what is wrong with the batch as a
    whole, and the gates that are closed. ``known``: the keys of videos of which the ledger knows the job, so that this
    run does not pay for them; ``needless``: those of extra takes that it does not pay for either.
    """

    batch: str
    source: str
    counted: str
    total_rows: int
    rows: tuple[PlannedRow, ...] = ()
    row_problems: tuple[RowProblem, ...] = ()
    more: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    skips: bool = False
    min_success: int | None = None
    known: frozenset[str] = frozenset()
    needless: frozenset[str] = frozenset()
    sandbox: bool = False

    @cached_property
    def videos(self) -> tuple[PlannedVideo, ...]:
        """Every video of the batch in the order of its rows, sent or not."""
        return tuple(video for row in self.rows for video in row.videos)

    @property
    def wanted(self) -> int:
        """How many videos make the batch a success."""
        return len(self.videos) if self.min_success is None else self.min_success

    @cached_property
    def new_videos(self) -> tuple[PlannedVideo, ...]:
        """The videos that this run pays for."""
        return tuple(filter(self._is_new, self.videos))

    @cached_property
    def extra_videos(self) -> tuple[PlannedVideo, ...]:
        """The extra takes that this run may pay for, should all of their videos be withheld."""
        sent = (video for video in self.videos if video.plan.decision == "send")
        return tuple(extra for video in sent for extra in video.extra_takes if extra.key not in self.needless)

    @property
    def rows_left_out(self) -> int:
        """How many rows are left out, since they cannot be made."""
        return self.total_rows - len(self.rows)

    # ---- What the gates of money ask ---------------------------------------------------------------------------------

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """Why nothing may be sent: all of it."""
        of_rows = () if self.skips else (one.problem for one in self.row_problems)
        return (*self.more, *of_rows) or tuple(self._too_few())

    def _too_few(self) -> Iterator[Problem]:
        """Find that no row is left, or that fewer videos can be made than are wanted."""
        possible = sum(video.plan.decision == "send" for video in self.videos)
        if not self.rows:
            yield Problem("rows", f"none of the {self.total_rows:,} rows can be made")
        elif possible < self.wanted:
            message = f"{possible:,} of {len(self.videos):,} videos can be made, and min_success is {self.wanted:,}"
            yield Problem("min_success", f"{message}; set it to {possible:,} at most, or mend what is refused")

    @property
    def refused(self) -> bool:
        """Whether nothing may be sent at all."""
        return bool(self.problems)

    @property
    def refusal(self) -> tuple[Problem, ...]:
        """Why nothing is sent, as it is told."""
        rows = () if self.skips else (Problem("rows", words) for words in self.row_words)
        told = (*self.more, *rows) or self.problems
        return (*told, *known_problems(len(self.known))) if told else ()

    @property
    def row_words(self) -> list[str]:
        """What is wrong with its rows, as it is told: clipped, and what many have in common once."""
        return problems_in_words(self.row_problems, MOST_TOLD)

    @cached_property
    def shares(self) -> tuple[ModelShare, ...]:
        """What this run pays for, by model."""
        by_model: dict[str, tuple[list[Estimate], list[Estimate]]] = {}
        for kind, videos in enumerate((self.new_videos, self.extra_videos)):
            for video in videos:
                by_model.setdefault(video.plan.model, ([], []))[kind].append(video.plan.estimate or Estimate())
        return tuple(ModelShare.of(model, videos, extra) for model, (videos, extra) in by_model.items())

    @cached_property
    def estimate(self) -> Estimate:
        """What the batch may cost: the videos that this run pays for."""
        return total_estimate(share.together for share in self.shares)

    @property
    def subject(self) -> str:
        """What it is of: its name, and how many rows it has."""
        rows = f"{len(self.rows):,} row{'s' * (len(self.rows) != 1)}"
        return f"Batch {clip(self.batch)}: {rows} of {self.source}"

    def content(self) -> list[object]:
        """Return what would be sent; what the ledger knows already counts as sent."""
        return ["batch", [[video.key, video.plan.sent] for video in self.videos if video.plan.sent is not None]]

    def fewer(self, left: int) -> list[str]:
        """Say how many rows, from the first on, would fit into so many micro-dollars."""
        fit = sum(total <= left for total in accumulate(map(self.most_of, self.rows)))
        return [f"the first {fit:,} of {len(self.rows):,} rows"] if 0 < fit < len(self.rows) else []

    def with_problems(self, problems: Iterable[Problem]) -> Self:
        """Return the plan with more problems."""
        return replace(self, more=(*self.more, *problems))

    def with_row_problems(self, problems: Iterable[RowProblem]) -> Self:
        """Return the plan with more problems of its rows, which refuse it or leave these rows out."""
        found = tuple(problems)
        wrong = {one.row for one in found}
        rows = tuple(row for row in self.rows if row.row.number not in wrong)
        return replace(self, rows=rows, row_problems=_in_order((*self.row_problems, *found)))

    def with_notes(self, warnings: Iterable[str], *, sandbox: bool) -> Self:
        """Return the plan with more warnings, and with a newer word on whether anything is billed."""
        return replace(self, warnings=(*self.warnings, *warnings), sandbox=sandbox)

    def compared_with(self, earlier: Iterable[Mapping[str, Any]]) -> Versions:
        """Return what has become of its rows since the batch was made before, by the rows of its manifest."""
        rows = [
            RowScope(row.title, row.id, videos[0].scope, tuple(video.key for video in videos))
            for row, _, videos in self.rows
        ]
        left_out = {one.row_id for one in self.row_problems}
        return compare_with_earlier(self.batch, rows, earlier, left_out=left_out, sandbox=self.sandbox)

    @property
    def continued(self) -> tuple[str, ...]:
        """The ids of the jobs that its new videos continue."""
        return continued_jobs(video.plan.body for video in self.new_videos)

    def with_looks(self, looks: Mapping[str, Look]) -> Self:
        """Return the plan with what looks at the jobs have told that its new videos continue."""
        told = [(video, looks.get(str(video.plan.body.get("previous_job_id")), Look())) for video in self.new_videos]
        numbers = {row.row.number: row.row for row in self.rows}
        problems = [
            numbers[video.row].problem("previous_job_id", look.problem)
            for video, look in told
            if look.problem and video.row is not None
        ]
        notes = dict.fromkeys(look.note for _, look in told if look.note)
        return self.with_row_problems(dict.fromkeys(problems)).with_notes(notes, sandbox=self.sandbox)

    def with_known(self, keys: Iterable[str], needless: Iterable[str] = ()) -> Self:
        """Return the plan with the keys of which the ledger knows the job, and of extra takes that are not needed."""
        return replace(self, known=self.known | frozenset(keys), needless=self.needless | frozenset(needless))

    def most_of(self, row: PlannedRow) -> int:
        """Return what the videos of a row that this run pays for may cost at most, as far as they have a price."""
        takes = (take for video in row.videos for take in (video, *video.extra_takes))
        new = (take.plan.estimate for take in takes if self._is_new(take) and take.key not in self.needless)
        return sum(estimate.high or 0 for estimate in new if estimate)

    def _is_new(self, video: PlannedVideo) -> bool:
        return video.plan.decision == "send" and video.key not in self.known


def _in_order(problems: Iterable[RowProblem]) -> tuple[RowProblem, ...]:
    return tuple(sorted(dict.fromkeys(problems), key=lambda one: one.row or 0))


def plan_batch(
    parsed: ParsedRows,
    batch: BatchRequest,
    table: Table,
    catalog: Catalog,
    *,
    inputs: Inputs = NO_INPUTS,
    problems: Sequence[RowProblem] = (),
    bills: Mapping[str, Bills] | None = None,
    health: Mapping[str, ModelEndpoints] | None = None,
    realm: str = "",
) -> BatchPlan:
    """Plan all rows of a batch, each for its models.

    ``inputs`` and ``problems`` as for ``plan_run``, of all rows together. ``realm`` keeps a sandbox's videos apart from
    paid ones.
    """
    template, of_template = parse_path_template(batch.path_template, table.columns)
    prices: dict[PriceKey, Estimate] = {}
    files = {source: elide_source(one.url) for source, one in inputs.files.items() if one.url != source}
    files |= {source: f"{one.bytes} bytes" for source, one in inputs.files.items() if one.bytes is not None}
    planned, found = [], [*parsed.problems, *problems]
    too_many = _too_many(parsed.rows)
    # A batch that can never be made is not planned, or it would take the memory of a batch without an end.
    for row in () if too_many else parsed.rows:
        plan = plan_run(row.run, catalog, inputs=inputs, bills=bills, health=health, found_before=prices)
        scope = scope_of_row(batch.name, row.id, _content_of(row, files), realm)
        videos, of_paths = _videos(row, plan, template, batch.name, scope)
        planned.append(PlannedRow(row, plan, videos))
        found += [*_problems_of(row, plan, all_wanted=batch.min_success is None), *of_paths]
    whole = BatchPlan(
        batch=batch.name,
        source=table.source,
        counted=table.counted,
        total_rows=parsed.total,
        rows=tuple(planned),
        more=(*parsed.of_batch, *of_template, *too_many),
        warnings=(*_warnings(planned), *option_warnings(_unused(table, batch), _options(planned, catalog))),
        skips=batch.on_invalid_row == "skip",
        min_success=batch.min_success,
        sandbox=catalog.sandbox,
    ).with_row_problems(found)
    whole = whole.with_row_problems(_same_content(whole.rows))
    every = (take for video in whole.videos for take in (video, *video.extra_takes))
    return whole.with_row_problems(same_paths(every) if template else [])


def _content_of(row: BatchRow, files: Mapping[str, str]) -> dict[str, Any]:
    """Return what a row asks for; of an input in a file not only its name, for another file may have taken that."""
    asked, settings = row.run.request.asked(), row.run.request.settings
    sources = settings.image_sources() | {field: clip.url for field, clip in settings.clip_sources().items()}
    pictures = {field: files[source] for field, source in sources.items() if source in files}
    return {**asked, "pictures": pictures} if pictures else asked


def _videos(
    row: BatchRow, plan: Plan, template: PathTemplate | None, batch: str, scope: Scope
) -> tuple[tuple[PlannedVideo, ...], list[RowProblem]]:
    """Return every video of a row, and why its paths cannot be; without a template it has none, and is never made."""
    fields = row_fields(template, batch, row, scope) if template else {}
    videos = []
    for model, take in plan.videos:
        numbers = (take, *extra_numbers(take, row.run))
        path, *extra = (video_path(template, fields, model.model, number) if template else "" for number in numbers)
        video = PlannedVideo(model, take, row.run, scope, path, batch=batch, row=row.number, row_id=row.id)
        videos.append(video._replace(extra_paths=tuple(extra)))
    longest = max((path for video in videos for path in (video.path, *video.extra_paths)), key=len, default="")
    return tuple(videos), field_problems(fields, row) or length_problems(longest, row)


def _problems_of(row: BatchRow, plan: Plan, *, all_wanted: bool) -> Iterator[RowProblem]:
    """Find what keeps a planned row from being made; where all videos are wanted, also what one of its models lacks."""
    column = "model" if "model" in row.cells else "models"
    for problem in plan.problems:
        yield row.problem(column if problem.field == "model" else problem.field, problem.message, problem.model)
    for model in plan.models if all_wanted else ():
        for problem in model.problems:
            yield row.problem(problem.field, problem.message, model.model)
        if model.decision == "skip":
            yield row.problem("provider_options", f"it is skipped ({'; '.join(model.notes[-1:])})", model.model)


def _same_content(rows: Iterable[PlannedRow]) -> Iterator[RowProblem]:
    """Find rows that ask for a video that an earlier row asks for too: it would be made once."""
    first: dict[str, BatchRow] = {}
    for row, _, videos in rows:
        twice = [other for video in videos if (other := first.setdefault(video.key, row)) is not row]
        if twice:
            message = f"it asks for the same as row {twice[0].number:,}; give each an id, use takes, or remove one"
            yield row.problem("", message)


def _warnings(planned: Sequence[PlannedRow]) -> Iterator[str]:
    """Return one line for all rows that the same is to be said of."""
    counts = Counter(warning for row in planned for warning in row.plan.warnings)
    for warning, count in counts.items():
        where = "" if count == len(planned) else f" (in {count:,} of {len(planned):,} rows)"
        yield f"{warning}{where}"


def _unused(table: Table, batch: BatchRequest) -> list[str]:
    """Return the columns that no prompt is made from."""
    return [column for column in table.columns if f"{{{column}}}" not in (batch.prompt_template or "")]


def _options(planned: Iterable[PlannedRow], catalog: Catalog) -> Iterator[str]:
    """Return the names of the options that the chosen models take."""
    chosen = {model for row in planned for model in row.row.run.models}
    return (option for model in catalog.models if model.id in chosen for option in model.passthrough_options)


def _extra(row: BatchRow) -> int:
    return row.run.extra_takes_on_output_moderation


def _too_many(rows: Iterable[BatchRow]) -> list[Problem]:
    """Find that there are more videos than one batch makes."""
    videos = sum(len(row.run.models) * row.run.takes * (1 + _extra(row)) for row in rows)
    if videos <= MOST_VIDEOS:
        return []
    message = f"{videos:,} videos are more than the {MOST_VIDEOS:,} that one batch makes; divide it into several"
    return [Problem("rows", message)]
