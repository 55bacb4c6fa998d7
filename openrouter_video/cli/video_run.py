"""One run on the command line, from its options to its exit code: check, start, show, report.

Prefect comes in from outside, as an ``Engine``; so the core stays free of it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from rich.text import Text

from openrouter_video.cli.embedded_sandbox import embedded_sandbox
from openrouter_video.cli.interruption import farewell, what_became, with_the_sandbox
from openrouter_video.cli.late_answers import looked_again, outlast_late_answers
from openrouter_video.cli.live_view import LiveView, planned_lines
from openrouter_video.cli.options import (
    PlaceOptions,
    RequestOptions,
    RunOptions,
    parse_provider_options,
    parse_seconds,
    parse_slugs,
)
from openrouter_video.cli.preflight import Asked, check_run
from openrouter_video.cli.refusal import refused_run, tell_refusal
from openrouter_video.cli.signals import EXIT_INTERRUPTED, PartingWords, listening, parting_with
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.cli.terminal_report import asked_line, print_report
from openrouter_video.errors import ConfigurationError, Problem, RequestRefused, TooFewVideos, VideoError
from openrouter_video.ledger import Ledger
from openrouter_video.outcome import FanOut, Outcome, count_completed, run_status, total_cost
from openrouter_video.planning import Plan
from openrouter_video.request import parse_request
from openrouter_video.run import Place, find_place, watching
from openrouter_video.text import clip

__all__ = [
    "EXIT_FEWER",
    "EXIT_REFUSED",
    "Engine",
    "Finished",
    "Wish",
    "flow_arguments",
    "run_videos",
]

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


class Wish(NamedTuple):
    """The options of one run, as they came from the command line."""

    prompt: str
    models: tuple[str, ...]
    request: RequestOptions
    place: PlaceOptions
    run: RunOptions
    min_success: int | None = None
    concurrency: int = 8
    only_one: bool = False

    def parse(self) -> Asked:
        """Turn the options into values.

        Raises:
            RequestRefused: if one cannot be read, or if together they make no sense for any model.
        """
        minutes = parse_seconds("deadline", self.run.deadline) / 60
        if self.only_one and len(self.models) > 1:
            message = f"generate takes one model, not {len(self.models)}; for several use fan-out, or --takes"
            raise RequestRefused([Problem("model", message)])
        request = parse_request(
            self.prompt,
            self.request.settings(),
            parse_provider_options(self.request.provider_options),
            self.request.on_unsupported,
            parse_slugs(self.request.provider_slug),
        )
        self.place.refuse_blanks()
        key = self.run.idempotency_key
        return Asked(request, self.models, self.request.takes, self.min_success, self.concurrency, minutes, key)

    def find_place(self, environ: Mapping[str, str]) -> Place | None:
        """Return where videos and ledger are; None if a block says it."""
        return None if self.place.store else find_place(self.place.output, self.place.ledger, environ)


def flow_arguments(asked: Asked, place: PlaceOptions, run: RunOptions) -> dict[str, Any]:
    """Return the parameters that the flows for one model and for several share."""
    request = asked.request
    return {
        "prompt": request.prompt,
        "settings": request.settings,
        "provider_options": request.provider_options or None,
        "on_unsupported": request.on_unsupported.value,
        "provider_slugs": request.provider_slugs or None,
        "takes": asked.takes,
        "idempotency_key": run.idempotency_key,
        "deadline_minutes": asked.deadline_minutes,
        "output": place.output,
        "ledger": place.ledger,
        "store": place.store,
        "credentials": place.credentials,
    }


def run_videos(wish: Wish, engine: Callable[[Asked], Engine]) -> int:
    """Make the videos that were wished for, and return the exit code."""
    terminal, described = Terminal(stderr=wish.run.json), dict[str, Any]()

    def words() -> PartingWords:
        refused = refused_run(described, "interrupted before anything was sent").model_dump(mode="json")
        return PartingWords(NOTHING_SENT, f"{json.dumps(refused, indent=2)}\n" if wish.run.json else "")

    try:
        if wish.run.sandbox and wish.place.credentials:
            raise ConfigurationError("--sandbox and --credentials contradict each other: a sandbox has its own key")
        asked = wish.parse()
        described = asked.describe()
        with parting_with(words), embedded_sandbox(wish.run.sandbox, terminal):
            own_key = not wish.place.credentials
            plan = check_run(asked, wish.find_place(os.environ), os.environ, own_key=own_key)
            terminal.print(Text(f"{clip(asked.request.prompt)}\n{asked_line(described)}", "dim"), soft_wrap=True)
            motor = engine(asked)
            motor.start(lambda text: terminal.print(Text(text, "dim"), soft_wrap=True))
            return _make(wish, asked, plan, motor, terminal)
    except VideoError as error:
        tell_refusal(error, spending=True)
        return _document(wish, refused_run(described, error), EXIT_REFUSED)
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal may be gone
            sys.stderr.write(NOTHING_SENT)
        return _document(wish, refused_run(described, "interrupted before anything was sent"), EXIT_INTERRUPTED)


def _make(wish: Wish, asked: Asked, plan: Plan | None, engine: Engine, terminal: Terminal) -> int:
    """Run the flow under the eyes of the user, and report; from the run on, a request to end is never an exception."""
    view = LiveView(terminal, animated=terminal.animated and not wish.run.verbose)
    view.expect(planned_lines(plan) if plan else ())
    ledger = engine.open_ledger(lambda _: None)
    with listening() as requests:
        finished = _watch(view, engine, wish, ledger)
        outlast_late_answers(
            lambda text: terminal.print(Text(text, "dim"), soft_wrap=True), lambda: not requests.empty()
        )
        code = _report(finished, view, wish, asked, plan, ledger, terminal)
        return code if requests.empty() else EXIT_INTERRUPTED


def _report(
    finished: Finished,
    view: LiveView,
    wish: Wish,
    asked: Asked,
    plan: Plan | None,
    ledger: Ledger,
    terminal: Terminal,
) -> int:
    result, outcomes = finished.result, _outcomes(finished.result)
    problems = list(plan.warnings if plan else ())
    if outcomes is None:
        # A refusal, an interruption or a bug; what was sent by then must be told all the same.
        if not view.any_sent:
            raise result
        outcomes = what_became(view.lines, ledger)
        problems.append(str(result) or "interrupted")
    outcomes = looked_again(outcomes, ledger)
    if wish.run.sandbox:
        outcomes = with_the_sandbox(outcomes, ledger, os.environ["OPENROUTER_BASE_URL"])
    total = FanOut(
        run_id=finished.run_id,
        status=run_status(outcomes, asked.wanted),
        asked=asked.describe(),
        cost_usd=total_cost(outcomes),
        problems=tuple(problems),
        outcomes=tuple(outcomes),
    )
    if isinstance(result, KeyboardInterrupt):
        with suppress(OSError):  # the terminal may be gone
            sys.stderr.write(farewell("Interrupted", outcomes, wish.place, sandbox=wish.run.sandbox))
        return _document(wish, total, EXIT_INTERRUPTED)
    if not wish.run.json:
        print_report(terminal, total, sandbox=wish.run.sandbox)
    if isinstance(result, Exception) and not isinstance(result, VideoError):
        raise result
    return _document(wish, total, 0 if count_completed(outcomes) >= asked.wanted else EXIT_FEWER)


def _watch(view: LiveView, engine: Engine, wish: Wish, ledger: Ledger) -> Finished:
    """Run the flow; an interruption is a result, and even a crash tells first which jobs go on."""
    try:
        with view.running(), watching(view.tell):
            return engine.run()
    except KeyboardInterrupt as interruption:
        return Finished(None, interruption)
    except BaseException:
        if view.any_sent:
            left = what_became(view.lines, ledger)
            sys.stderr.write(farewell("Broken off", left, wish.place, sandbox=wish.run.sandbox))
        raise


def _outcomes(result: Any) -> Sequence[Outcome] | None:
    if isinstance(result, FanOut | TooFewVideos):
        return result.outcomes
    return result if isinstance(result, list) else None


def _document(wish: Wish, total: FanOut, code: int) -> int:
    if wish.run.json:
        print_json(total.model_dump(mode="json"))
    return code
