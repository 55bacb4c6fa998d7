"""Making what a command asks for, from its options to its exit code: check, start, show, report."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, cast

from openrouter_video.api import parse_api_key
from openrouter_video.cli.approval import approve
from openrouter_video.cli.asked import Asked, Overview, P, R
from openrouter_video.cli.flow_thread import Finished, run_flow
from openrouter_video.cli.interruption import (
    end_sandbox_jobs,
    late_answers,
    left_behind,
    wait_for_late_answers,
    what_became,
)
from openrouter_video.cli.ledger import open_ledger
from openrouter_video.cli.live_view import LiveView
from openrouter_video.cli.options import HowOptions, PlaceOptions
from openrouter_video.cli.plan import print_plan
from openrouter_video.cli.prefect_server import start_prefect
from openrouter_video.cli.refusal import EXIT_REFUSED, refused_run, tell_refusal
from openrouter_video.cli.report import print_report
from openrouter_video.cli.sandbox import embedded_sandbox
from openrouter_video.cli.signals import EXIT_INTERRUPTED, ExitMessage, exit_message, queued_requests
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.errors import ConfigurationError, RequestRefused, TooFewVideos, VideoError
from openrouter_video.ledger import Ledger
from openrouter_video.outcome import (
    Batch,
    Chain,
    FanOut,
    Outcome,
    count_submitted,
    expected_cost,
    reused_cost,
    run_status,
    total_cost,
)
from openrouter_video.report import collect_command
from openrouter_video.run import approving, find_destination, watching

__all__ = ["make_videos"]

EXIT_FEWER = 1
ENOUGH = frozenset({"completed", "submitted"})
NOT_SENT = "interrupted before anything was sent"
NOTHING_SENT = "\nInterrupted; nothing was sent and nothing was spent.\n"


class _Run(NamedTuple):
    """A run that has begun: what was asked and planned, and what shows it."""

    asked: Asked[Any, Any]
    overview: Overview
    warnings: tuple[str, ...]
    options: HowOptions
    ledger: Ledger
    view: LiveView
    terminal: Terminal

    @property
    def wanted(self) -> int:
        """How many videos make it a success."""
        return len(self.view.lines) if self.overview.wanted is None else self.overview.wanted

    @property
    def collect(self) -> str:
        """The command that finishes what it leaves open."""
        asked = self.asked.run
        return collect_command(
            output=asked.output, ledger=asked.ledger, store=asked.store, credentials=asked.credentials
        )

    def tell_left_behind(self, why: str, outcomes: Sequence[Outcome]) -> None:
        """Tell the user of a run that broke off what it leaves behind."""
        found_by = self.asked.found_by(outcomes)
        sys.stderr.write(left_behind(why, outcomes, self.collect, sandbox=self.options.sandbox, found_by=found_by))


def make_videos(
    kind: type[Asked[R, P]],
    read: Callable[[], R],
    place: PlaceOptions,
    options: HowOptions,
    *,
    dry_run: bool = False,
) -> int:
    """Check what is asked for, start Prefect, make it before the user's eyes, and return the exit code.

    ``read`` reads the options. A ``dry_run`` prints the plan and makes nothing.
    """
    if dry_run:
        return print_plan(kind, read, sandbox=options.sandbox, as_json=options.json)
    terminal, report = Terminal(stderr=options.json), dict[str, Any]()

    def message() -> ExitMessage:
        refused = refused_run(report, NOT_SENT).model_dump(mode="json")
        return ExitMessage(NOTHING_SENT, f"{json.dumps(refused, indent=2)}\n" if options.json else "")

    try:
        asked = kind(read())
        report = asked.report
        if options.sandbox and asked.run.credentials:
            raise ConfigurationError("--sandbox and --credentials contradict each other: a sandbox has its own key")
        if options.sandbox and options.no_wait:
            why = "this sandbox ends with the command, and its jobs with it"
            raise ConfigurationError(f"--sandbox and --no-wait contradict each other: {why}")
        with exit_message(message), embedded_sandbox(options.sandbox, terminal):
            plan = _check(asked, os.environ)
            overview = asked.overview(plan)
            terminal.announce("\n".join(overview.words))
            start_prefect(terminal.announce, verbose=options.verbose)
            view = LiveView(terminal, animated=terminal.animated and not options.verbose)
            view.expect(overview.lines)
            with open_ledger(place, lambda _: None) as ledger:
                return _make(_Run(asked, overview, plan.warnings if plan else (), options, ledger, view, terminal))
    except VideoError as error:
        tell_refusal(error, spending=True)
        return _document(options, refused_run(report, error), EXIT_REFUSED)
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal may be gone
            sys.stderr.write(NOTHING_SENT)
        return _document(options, refused_run(report, NOT_SENT), EXIT_INTERRUPTED)


def _check(asked: Asked[R, P], environ: Mapping[str, str]) -> P | None:
    """Find what would refuse a run before Prefect is started, which takes seconds; the cheap checks first.

    The flows check all of it again, and what only Prefect can load, a block, is left to them. Returns the plan, if it
    could be made.

    Raises:
        RequestRefused, ConfigurationError, ApiUnavailable: nothing was sent, nothing was spent.
    """
    run, plan = asked.run, None
    if problems := asked.problems():
        raise RequestRefused(problems)
    if not run.credentials:
        parse_api_key(environ.get("OPENROUTER_API_KEY"))
        plan = asked.dry_plan(environ)
        if plan.refused:
            raise RequestRefused(plan.refusal)
    if not run.store:
        find_destination(run.output, run.ledger, environ).check()
    return plan


def _make(run: _Run) -> int:
    """Run the flow before the user's eyes, and report; from the run on, a request to end is never an exception."""
    with queued_requests() as requests:
        finished = _watch(run)
        wait_for_late_answers(run.terminal.announce, lambda: not requests.empty())
        code = _report(finished, run)
        return code if requests.empty() else EXIT_INTERRUPTED


def _report(finished: Finished, run: _Run) -> int:
    result, outcomes = finished.result, _outcomes(finished.result)
    problems = [*run.warnings]
    if outcomes is None:
        # A refusal, an interruption or a bug; what was sent by then must be told all the same.
        if not run.view.any_sent:
            raise cast(BaseException, result)
        outcomes = what_became(run.view.lines, run.ledger)
        problems.append(str(result) or "interrupted")
    outcomes = late_answers(outcomes, run.ledger)
    if run.options.sandbox:
        outcomes = end_sandbox_jobs(outcomes, run.ledger, os.environ["OPENROUTER_BASE_URL"])
    total = _total(outcomes, problems, finished, run)
    if isinstance(result, KeyboardInterrupt):
        with suppress(OSError):  # the terminal may be gone
            run.tell_left_behind("Interrupted", outcomes)
        return _document(run.options, total, EXIT_INTERRUPTED)
    if not run.options.json:
        print_report(run.terminal, total)
    if isinstance(result, Exception) and not isinstance(result, VideoError):
        raise result
    if run.options.no_wait and (submitted := count_submitted(outcomes)):
        run.terminal.announce(f"{submitted:,} submitted. Fetch their videos later with: {run.collect}")
    return _document(run.options, total, 0 if total.status in ENOUGH else EXIT_FEWER)


def _total(outcomes: Sequence[Outcome], problems: Sequence[str], finished: Finished, run: _Run) -> FanOut:
    """Return what became of the whole run; of a batch or a chain with what only it has."""
    told = {
        "status": run_status(outcomes, run.wanted, waited=not run.options.no_wait),
        "cost_usd": total_cost(outcomes),
        "reused_cost_usd": reused_cost(outcomes),
        "estimate": expected_cost(outcomes),
        "outcomes": tuple(outcomes),
    }
    whole = finished.told
    if isinstance(whole, Batch | Chain):
        return whole.model_copy(update=told)
    return FanOut(
        run_id=finished.run_id,
        asked=run.asked.report,
        problems=tuple(dict.fromkeys((*problems, *(whole.problems if whole else ())))),
        gallery_url=whole.gallery_url if whole else None,
        manifest_url=whole.manifest_url if whole else None,
        **told,
    )


def _watch(run: _Run) -> Finished:
    """Run the flow; an interruption is a result, and even a crash tells first which jobs go on."""
    try:
        approver = partial(approve, view=run.view, yes=run.options.yes)
        with run.view.running(), watching(run.view.tell) as watched, approving(approver):
            finished = run_flow(run.asked.start)
        return finished._replace(told=watched.result)
    except KeyboardInterrupt as interruption:
        return Finished(None, interruption)
    except BaseException:
        if run.view.any_sent:
            run.tell_left_behind("Broken off", what_became(run.view.lines, run.ledger))
        raise


def _outcomes(result: object) -> Sequence[Outcome] | None:
    if isinstance(result, FanOut | TooFewVideos):
        return result.outcomes
    return result if isinstance(result, list) else None


def _document(options: HowOptions, total: FanOut, code: int) -> int:
    if options.json:
        print_json(total.model_dump(mode="json"))
    return code
