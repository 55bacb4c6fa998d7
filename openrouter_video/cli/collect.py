"""``collect``: finish what earlier runs left open."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import cast

from rich.text import Text

from openrouter_video.cli.flow_thread import StartFlow, run_flow
from openrouter_video.cli.ledger import open_ledger
from openrouter_video.cli.live_view import LiveView
from openrouter_video.cli.options import PlaceOptions
from openrouter_video.cli.prefect_server import has_own_server, start_prefect
from openrouter_video.cli.refusal import EXIT_REFUSED, refused_run, tell_refusal
from openrouter_video.cli.report import print_report
from openrouter_video.cli.signals import EXIT_INTERRUPTED, ExitMessage, exit_message
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.errors import Problem, RequestRefused, VideoError
from openrouter_video.ledger import WaitingRuns, read_open, read_open_of
from openrouter_video.outcome import FanOut, Outcome, count_completed, reused_cost, total_cost
from openrouter_video.run import Published, checked_keys, left_words, settle_left, watching
from openrouter_video.stores import safe_url
from openrouter_video.text import printable

__all__ = ["collect", "collected"]

EXIT_LEFT_OPEN = 1
GOES_ON = "Interrupted; nothing is lost: what is still open stays in the ledger. Run collect again."


def collect(
    place: PlaceOptions, limit: int | None, keys: Sequence[str], start: StartFlow, *, as_json: bool, verbose: bool
) -> int:
    """Collect, show and report; 0 if nothing is left open or uncertain, else 1. ``start`` calls the flow."""
    given = {"store": place.store, "output": place.output, "ledger": place.ledger, "credentials": place.credentials}
    shown = {name: safe_url(value) if "://" in value else value for name, value in given.items() if value is not None}
    asked = {**shown, **({"limit": limit} if limit is not None else {}), **({"keys": [*keys]} if keys else {})}
    terminal = Terminal(stderr=as_json)
    view = LiveView(terminal, animated=terminal.animated and not verbose)

    def message() -> ExitMessage:
        cut_off = collected(None, (), asked, problems=("interrupted",)).model_dump(mode="json")
        return ExitMessage(f"\n{GOES_ON}\n", f"{json.dumps(cut_off, indent=2)}\n" if as_json else "")

    try:
        with exit_message(message):
            if limit is not None and limit < 1:
                raise RequestRefused([Problem("limit", f"--limit must be 1 or more, not {limit}")])
            result, where = _collect(place, checked_keys(keys), start, asked, view, terminal, verbose=verbose)
    except VideoError as error:
        tell_refusal(error)
        result, code = refused_run(asked, error), EXIT_REFUSED
    except KeyboardInterrupt:
        with suppress(OSError):
            sys.stderr.write(f"\n{GOES_ON}\n")
        known = [line.outcome for line in view.lines if line.outcome is not None]
        result, code = collected(None, known, asked, problems=("interrupted",)), EXIT_INTERRUPTED
    else:
        code = 0 if result.status == "completed" else EXIT_LEFT_OPEN
        if not as_json:
            _print(terminal, result, where)
    if as_json:
        print_json(result.model_dump(mode="json"))
    return code


def _collect(
    place: PlaceOptions,
    keys: Sequence[str],
    start: StartFlow,
    asked: Mapping[str, object],
    view: LiveView,
    terminal: Terminal,
    *,
    verbose: bool,
) -> tuple[FanOut, str]:
    """Return what became of the jobs, and where their ledger is."""
    with open_ledger(place, terminal.announce) as ledger:
        # Where nothing is open, Prefect is not needed, whose start takes seconds.
        reading = read_open_of(ledger, keys) if keys else read_open(ledger, datetime.now(UTC))
        for key in reading.unknown:
            terminal.announce(f"Nothing is recorded under the key {key} in {ledger.url}.")
        waiting = len(WaitingRuns(ledger.store).ids())
        if not reading.entries and not reading.unreadable and not waiting:
            settled = settle_left(ledger, datetime.now(UTC), only_ended=bool(keys))
            if settled:
                words = "reservation is" if settled == 1 else "reservations are"
                terminal.announce(f"{settled:,} {words} settled in the money journal.")
            return collected(None, (), asked), ledger.url
        start_prefect(terminal.announce, verbose=verbose)
        if waiting and not has_own_server():
            terminal.announce(left_words(waiting))
        with view.running(), watching(view.tell) as watched:
            finished = run_flow(start)
        if isinstance(finished.result, Exception):
            raise finished.result
        result = collected(finished.run_id, cast(list[Outcome], finished.result), asked)
        # Of videos of several runs each has its own.
        published = watched.published
        one = published[0] if len(published) == 1 else Published()
        problems = tuple(problem for page in published for problem in page.problems)
        where = {"gallery_url": one.gallery_url, "manifest_url": one.manifest_url, "problems": problems}
        return result.model_copy(update=where), ledger.url


def collected(
    run_id: str | None, outcomes: Sequence[Outcome], asked: Mapping[str, object], problems: tuple[str, ...] = ()
) -> FanOut:
    """Return a collection as a run: completed if nothing is left open or uncertain, whatever became of the jobs."""
    left = problems or any(outcome.status in {"open", "uncertain"} for outcome in outcomes)
    status = "completed" if not left else "partial" if count_completed(outcomes) else "failed"
    return FanOut(
        run_id=run_id,
        status=status,
        asked=dict(asked),
        cost_usd=total_cost(outcomes),
        reused_cost_usd=reused_cost(outcomes),
        problems=problems,
        outcomes=tuple(outcomes),
    )


def _print(terminal: Terminal, result: FanOut, where: str) -> None:
    if result.outcomes:
        print_report(terminal, result)
    else:
        terminal.print(Text(f"Nothing is open in {printable(where)}."), soft_wrap=True)
