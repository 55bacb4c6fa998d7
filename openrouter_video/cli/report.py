"""The report at the end of a run, for a terminal and for a log: per video what was sent, left out, got and paid.

Pure, save for the printing itself. What a reader has to act on comes last: the error, then the total.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from openrouter_video.cli.live_view import STATUS_STYLES
from openrouter_video.cli.terminal import Terminal
from openrouter_video.money import dollars
from openrouter_video.outcome import Batch, Chain, FanOut, Outcome, count_completed, failure_words, summary
from openrouter_video.planning import Plan, priced_rows
from openrouter_video.report import cost_words, group_left_out, in_all, options_of_others
from openrouter_video.stores import path_of_file_url
from openrouter_video.text import clip, printable, row_title

__all__ = ["Detail", "asked_line", "beforehand", "details", "facts", "folder_of", "print_report", "shown_path"]

MANY = 40
"""So many videos are told one by one."""


class Detail(NamedTuple):
    """One line below a video. ``whole`` lines are never broken, so that a path can be copied."""

    label: str
    text: str
    style: str = ""
    whole: bool = False


def asked_line(asked: Mapping[str, Any]) -> str:
    """Return in one line what every model was asked for, such as ``4 s, 720p, 16:9, no audio``."""
    settings = dict(asked.get("settings", {}))
    words = []
    if "duration" in settings:
        words.append(f"{settings.pop('duration')} s")
    words += [str(settings.pop(name)) for name in ("resolution", "aspect_ratio", "size") if name in settings]
    if "generate_audio" in settings:
        words.append("with audio" if settings.pop("generate_audio") else "no audio")
    for name, value in settings.items():
        words.append(f"{name} {value}" if isinstance(value, str | int) else name)
    models, takes = len(asked.get("models", ())), asked.get("takes", 1)
    words.append(f"{models} model{'s' * (models != 1)}" + (f", {takes} takes each" if takes > 1 else ""))
    return clip(", ".join(words))


def beforehand(asked: Mapping[str, Any], plan: Plan | None) -> list[str]:
    """Return what was asked and what it may cost at most, then each model's part; without a plan no price is known.

    The ledger has not been asked by then, and what it knows already is not paid for again.
    """
    rows = priced_rows(plan) if plan else []
    if plan is None or not rows:
        return [asked_line(asked)]
    most = plan.estimate.high_usd
    cost = f"may cost up to {dollars(most, sandbox=plan.sandbox)}" if most is not None else in_all(plan)
    width = max(len(row.model) for row in rows)
    each = [f"  {row.model.ljust(width)}  {row.together}" for row in rows] if len(rows) > 1 else []
    return [f"{asked_line(asked)}; {cost}", *each]


def facts(outcome: Outcome) -> tuple[str, str, str, str]:
    """Return status, length and size, cost, and seconds waited, each empty where there is nothing to say."""
    kind = failure_words(outcome.failure) if outcome.failure != "provider" else ""
    status = ", ".join(filter(None, [outcome.status, kind, "reused" if outcome.reused else ""]))
    length = f"{outcome.duration_seconds:.1f}".removesuffix(".0") + " s" if outcome.duration_seconds else ""
    size = f"{outcome.width}x{outcome.height}" if outcome.width else ""
    waited = f"in {outcome.elapsed_seconds:.0f} s" if outcome.elapsed_seconds is not None and outcome.sent else ""
    return status, " ".join(filter(None, [length, size])), cost_words(outcome), waited


def details(outcome: Outcome) -> list[Detail]:
    """Return the lines below a video: what it was to cost, where it is, which options it got or missed, and why."""
    lines = []
    if outcome.estimate is not None:
        words = outcome.estimate.words(sandbox=outcome.sandbox)
        lines.append(Detail("estimate", f"{words} ({outcome.estimate.basis})" if outcome.estimate.priced else words))
    lines += [Detail("video", shown_path(url), whole=True) for url in (outcome.url, *outcome.extra_urls) if url]
    options = (outcome.sent or {}).get("provider", {}).get("options", {})
    for slug, keys in options.items():
        inner = keys.get("parameters")
        names = ", ".join(inner if isinstance(inner, dict) else keys)
        lines.append(Detail("sent", clip(f"with options for the provider {slug}: {names}")))
    if outcome.sent is not None or outcome.status != "refused":
        # Where nothing was sent, it does not matter without what.
        lines += [Detail("note", clip(note)) for note in outcome.notes]
        lines += [Detail("left out", text, "yellow") for text in group_left_out(outcome.left_out)]
    if outcome.error:
        _, style = STATUS_STYLES[outcome.status]
        lines.append(Detail("why", clip(outcome.error), style))
    if outcome.status in {"open", "failed"} and outcome.job_id:
        lines.append(Detail("job", clip(outcome.job_id), whole=True))
    return lines


def shown_path(url: str) -> str:
    """Return where a file is: a plain path on this machine, short inside the current folder; otherwise its URL."""
    text = path_of_file_url(url)
    if text is None:
        return printable(url)
    path = Path(text)
    here = Path.cwd()
    return printable(str(path.relative_to(here) if path.is_relative_to(here) else path))


def folder_of(outcomes: Sequence[Outcome]) -> str | None:
    """Return the folder that all videos of a run are in; None if there is no video, or no such folder."""
    folders = {shown_path(outcome.url).rpartition("/")[0] for outcome in outcomes if outcome.url}
    return folders.pop() if len(folders) == 1 else None


def print_report(terminal: Terminal, result: FanOut) -> None:
    """Print what became of every video, then the total: in colour on a terminal, else as plain lines."""
    show = _show_plain if not terminal.is_terminal else _show_pretty
    for problem in result.problems:
        terminal.say(f"note: {printable(problem)}", "yellow")
    if terminal.is_terminal:
        terminal.print()
    show(terminal, _shown(result.outcomes))
    sent = [outcome for outcome in result.outcomes if outcome.sent is not None]
    if others := options_of_others(option for outcome in sent for option in outcome.left_out):
        terminal.say(others, "dim")
    good = count_completed(result.outcomes) or result.status == "submitted"
    total = Text(summary(result.outcomes), "bold" if good else "bold red")
    if result.estimate is not None:
        total.append(f"; the estimate was {result.estimate.words(sandbox=result.sandbox)}", "not bold")
    if result.sandbox:
        total.append(" (sandbox: nothing was billed)", "not bold cyan")
    terminal.print(total, soft_wrap=True)
    if isinstance(result, Batch):
        terminal.print(Text(_rows_words(result)), soft_wrap=True)
    folder = folder_of(result.outcomes)
    if folder:
        terminal.print(Text(f"in {folder}/"), soft_wrap=True)
    if result.gallery_url:
        # A URL and no path: a terminal opens it by a click.
        terminal.print(Text(f"gallery: {printable(result.gallery_url)}"), soft_wrap=True)
    for name, url in _files_beside(result).items():
        terminal.print(Text(f"{name}: {shown_path(url)}"), soft_wrap=True)


def _files_beside(result: FanOut) -> dict[str, str]:
    """Return the files of the whole run that are worth a line, by what they are called."""
    named = {
        "joined": result.chain_url if isinstance(result, Chain) else None,
        "manifest": result.manifest_url if isinstance(result, Batch) else None,
    }
    return {name: url for name, url in named.items() if url}


def _shown(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    """Return what is told one by one: of many videos those that are not completed, which somebody has to look at."""
    if len(outcomes) <= MANY:
        return outcomes
    return [outcome for outcome in outcomes if outcome.status != "completed"][:MANY]


def _rows_words(batch: Batch) -> str:
    """Return what the rows of a batch's table were to this run, such as ``40 rows: 38 as they were, 2 new``."""
    counts = {
        "as they were": batch.rows_same,
        "changed": batch.rows_changed,
        "new": batch.rows_new,
        "left out": batch.rows_left_out,
    }
    words = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    gone = f"; {batch.rows_gone:,} made before and not in the table any more" if batch.rows_gone else ""
    return f"{batch.rows_in_table:,} row{'s' * (batch.rows_in_table != 1)}: {words}{gone}"


def _show_pretty(terminal: Terminal, outcomes: Sequence[Outcome]) -> None:
    rows = [(_name(outcome, outcomes), *facts(outcome)) for outcome in outcomes]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(5)]
    for outcome, (name, status, got, cost, waited) in zip(outcomes, rows, strict=True):
        mark, style = STATUS_STYLES[outcome.status]
        head = Text.assemble((mark, style), " ", (name.ljust(widths[0]), "bold"), "  ")
        head.append(status.ljust(widths[1]), style)
        rest = f"  {got.ljust(widths[2])}  {cost.rjust(widths[3])}  {waited.rjust(widths[4])}"
        terminal.print(head.append(rest.rstrip()))
        for detail in details(outcome):
            label = Text(f"{detail.label:>8}", "dim")
            if detail.whole:
                terminal.print(Text.assemble("  ", label, "  ", (detail.text, detail.style)), soft_wrap=True)
                continue
            row = Table.grid(padding=(0, 2, 0, 0))
            row.add_column(width=8)
            row.add_column()
            row.add_row(label, Text(detail.text, detail.style))
            terminal.print(Padding(row, (0, 0, 0, 2)))
        terminal.print()


def _show_plain(terminal: Terminal, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        status, got, cost, waited = facts(outcome)
        words = ", ".join(filter(None, [status, got, cost, waited]))
        terminal.print(Text(f"{_name(outcome, outcomes)}: {words}"), soft_wrap=True)
        for detail in details(outcome):
            terminal.print(Text(f"  {detail.label}: {detail.text}"), soft_wrap=True)


def _name(outcome: Outcome, outcomes: Sequence[Outcome]) -> str:
    model = clip(outcome.model)
    name = model if outcome.row is None else f"{row_title(outcome.row, outcome.row_id, shot=outcome.is_shot)}, {model}"
    return f"{name} take {outcome.take}" if any(one.take > 1 for one in outcomes) else name
