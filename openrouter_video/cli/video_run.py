"""One run on the command line, from its options to its exit code: check, start, show, report.

Prefect comes in from outside, as an ``Engine``; so the core stays free of it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from rich.text import Text

from openrouter_video.cli.embedded_sandbox import embedded_sandbox
from openrouter_video.cli.interruption import farewell, what_became, with_the_sandbox
from openrouter_video.cli.late_answers import looked_again, outlast_late_answers
from openrouter_video.cli.live_view import LiveView, planned_lines
from openrouter_video.cli.options import RunOptions
from openrouter_video.cli.preflight import check_run
from openrouter_video.cli.refusal import refused_run, tell_refusal
from openrouter_video.cli.signals import EXIT_INTERRUPTED, PartingWords, listening, parting_with
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.cli.terminal_report import asked_line, print_report
from openrouter_video.errors import ConfigurationError, TooFewVideos, VideoError
from openrouter_video.ledger import Ledger
from openrouter_video.outcome import FanOut, Outcome, count_completed, run_status, total_cost
from openrouter_video.planning import Plan
from openrouter_video.report import collect_command
from openrouter_video.request import RunRequest
from openrouter_video.run import watching
from openrouter_video.text import clip

__all__ = ["EXIT_FEWER", "EXIT_REFUSED", "Engine", "Finished", "run_videos"]

EXIT_FEWER, EXIT_REFUSED = 1, 2
NOTHING_SENT = "\nInterrupted; nothing was sent and nothing was spent.\n"


class Finished(NamedTuple):
    """How a flow ended: ``result`` is its value, or the exception with which it failed."""

    run_id: str | None
    result: Any


Announce = Callable[[str], None]
"""Tells the user what takes so long."""


class Engine(NamedTuple):
    """What only Prefect can do; starting it twice is harmless.

    ``run`` raises KeyboardInterrupt when the process was asked to end, after every submission in flight has ended.
    """

    start: Callable[[Announce], None]
    run: Callable[[], Finished]
    open_ledger: Callable[[Announce], Ledger]


class _Run(NamedTuple):
    """A run that has begun: what was asked and planned, what makes it, and what shows it."""

    request: RunRequest
    options: RunOptions
    plan: Plan | None
    engine: Engine
    ledger: Ledger
    view: LiveView
    terminal: Terminal

    def say_what_goes_on(self, why: str, outcomes: Sequence[Outcome]) -> None:
        """Tell the user of a run that broke off what it leaves behind."""
        asked = self.request
        collect = collect_command(
            output=asked.output, ledger=asked.ledger, store=asked.store, credentials=asked.credentials
        )
        sys.stderr.write(farewell(why, outcomes, collect, sandbox=self.options.sandbox))


def run_videos(read: Callable[[], RunRequest], options: RunOptions, engine: Callable[[RunRequest], Engine]) -> int:
    """Make the videos that the command line asks for, and return the exit code."""
    terminal, asked = Terminal(stderr=options.json), dict[str, Any]()

    def words() -> PartingWords:
        refused = refused_run(asked, "interrupted before anything was sent").model_dump(mode="json")
        return PartingWords(NOTHING_SENT, f"{json.dumps(refused, indent=2)}\n" if options.json else "")

    def announce(text: str) -> None:
        terminal.print(Text(text, "dim"), soft_wrap=True)

    try:
        request = read()
        asked = request.asked()
        if options.sandbox and request.credentials:
            raise ConfigurationError("--sandbox and --credentials contradict each other: a sandbox has its own key")
        with parting_with(words), embedded_sandbox(options.sandbox, terminal):
            plan = check_run(request, os.environ)
            announce(f"{clip(request.request.prompt)}\n{asked_line(asked)}")
            flow = engine(request)
            flow.start(announce)
            view = LiveView(terminal, animated=terminal.animated and not options.verbose)
            view.expect(planned_lines(plan) if plan else ())
            ledger = flow.open_ledger(lambda _: None)
            return _make(_Run(request, options, plan, flow, ledger, view, terminal))
    except VideoError as error:
        tell_refusal(error, spending=True)
        return _document(options, refused_run(asked, error), EXIT_REFUSED)
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal may be gone
            sys.stderr.write(NOTHING_SENT)
        return _document(options, refused_run(asked, "interrupted before anything was sent"), EXIT_INTERRUPTED)


def _make(run: _Run) -> int:
    """Run the flow under the eyes of the user, and report; from the run on, a request to end is never an exception."""
    with listening() as requests:
        finished = _watch(run)
        outlast_late_answers(
            lambda text: run.terminal.print(Text(text, "dim"), soft_wrap=True), lambda: not requests.empty()
        )
        code = _report(finished, run)
        return code if requests.empty() else EXIT_INTERRUPTED


def _report(finished: Finished, run: _Run) -> int:
    result, outcomes = finished.result, _outcomes(finished.result)
    problems = list(run.plan.warnings if run.plan else ())
    if outcomes is None:
        # A refusal, an interruption or a bug; what was sent by then must be told all the same.
        if not run.view.any_sent:
            raise result
        outcomes = what_became(run.view.lines, run.ledger)
        problems.append(str(result) or "interrupted")
    outcomes = looked_again(outcomes, run.ledger)
    if run.options.sandbox:
        outcomes = with_the_sandbox(outcomes, run.ledger, os.environ["OPENROUTER_BASE_URL"])
    total = FanOut(
        run_id=finished.run_id,
        status=run_status(outcomes, run.request.wanted),
        asked=run.request.asked(),
        cost_usd=total_cost(outcomes),
        problems=tuple(problems),
        outcomes=tuple(outcomes),
    )
    if isinstance(result, KeyboardInterrupt):
        with suppress(OSError):  # the terminal may be gone
            run.say_what_goes_on("Interrupted", outcomes)
        return _document(run.options, total, EXIT_INTERRUPTED)
    if not run.options.json:
        print_report(run.terminal, total, sandbox=run.options.sandbox)
    if isinstance(result, Exception) and not isinstance(result, VideoError):
        raise result
    enough = count_completed(outcomes) >= run.request.wanted
    return _document(run.options, total, 0 if enough else EXIT_FEWER)


def _watch(run: _Run) -> Finished:
    """Run the flow; an interruption is a result, and even a crash tells first which jobs go on."""
    try:
        with run.view.running(), watching(run.view.tell):
            return run.engine.run()
    except KeyboardInterrupt as interruption:
        return Finished(None, interruption)
    except BaseException:
        if run.view.any_sent:
            run.say_what_goes_on("Broken off", what_became(run.view.lines, run.ledger))
        raise


def _outcomes(result: Any) -> Sequence[Outcome] | None:
    if isinstance(result, FanOut | TooFewVideos):
        return result.outcomes
    return result if isinstance(result, list) else None


def _document(options: RunOptions, total: FanOut, code: int) -> int:
    if options.json:
        print_json(total.model_dump(mode="json"))
    return code
