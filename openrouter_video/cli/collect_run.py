"""``collect`` on the command line: finish what earlier runs left open."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from openrouter_video.cli.live_view import LiveView
from openrouter_video.cli.refusal import refused_run, tell_refusal
from openrouter_video.cli.signals import EXIT_INTERRUPTED, PartingWords, parting_with
from openrouter_video.cli.terminal import Terminal, print_json
from openrouter_video.cli.terminal_report import print_report
from openrouter_video.cli.video_run import EXIT_FEWER, EXIT_REFUSED, Engine
from openrouter_video.errors import Problem, RequestRefused, VideoError
from openrouter_video.ledger import read_open
from openrouter_video.outcome import FanOut, Outcome, count_completed, total_cost
from openrouter_video.run import watching
from openrouter_video.text import printable

__all__ = ["collected", "run_collection"]

GOES_ON = "Interrupted; nothing is lost: what is still open stays in the ledger. Run collect again."


def run_collection(engine: Engine, asked: Mapping[str, Any], *, as_json: bool, verbose: bool) -> int:
    """Collect, show and report; 0 if nothing is left open or uncertain, else 1."""

    def words() -> PartingWords:
        cut_off = collected(None, (), asked, problems=("interrupted",)).model_dump(mode="json")
        return PartingWords(f"\n{GOES_ON}\n", f"{json.dumps(cut_off, indent=2)}\n" if as_json else "")

    with parting_with(words):
        return _run_collection(engine, asked, as_json=as_json, verbose=verbose)


def _run_collection(engine: Engine, asked: Mapping[str, Any], *, as_json: bool, verbose: bool) -> int:
    terminal = Terminal(stderr=as_json)
    view = LiveView(terminal, animated=terminal.animated and not verbose)
    where = ""

    def announce(text: str) -> None:
        terminal.print(Text(text, "dim"), soft_wrap=True)

    try:
        if asked.get("limit", 1) < 1:
            raise RequestRefused([Problem("limit", f"--limit must be 1 or more, not {asked['limit']}")])
        result, ledger = collected(None, (), asked), engine.open_ledger(announce)
        where = ledger.url
        # Where nothing is open, nobody needs Prefect, whose start takes seconds.
        reading = read_open(ledger, datetime.now(UTC))
        if reading.entries or reading.unreadable:
            engine.start(announce)
            with view.running(), watching(view.tell):
                finished = engine.run()
            if isinstance(finished.result, Exception):
                raise finished.result
            result = collected(finished.run_id, finished.result, asked)
    except VideoError as error:
        tell_refusal(error)
        result, code = refused_run(asked, error), EXIT_REFUSED
    except KeyboardInterrupt:
        with suppress(OSError):
            sys.stderr.write(f"\n{GOES_ON}\n")
        known = [line.outcome for line in view.lines if line.outcome is not None]
        result, code = collected(None, known, asked, problems=("interrupted",)), EXIT_INTERRUPTED
    else:
        code = 0 if result.status == "completed" else EXIT_FEWER
        if not as_json:
            _print(terminal, result, where)
    if as_json:
        print_json(result.model_dump(mode="json"))
    return code


def collected(
    run_id: str | None, outcomes: Sequence[Outcome], asked: Mapping[str, Any], problems: tuple[str, ...] = ()
) -> FanOut:
    """Return a collection as a run: completed if nothing is left open or uncertain, whatever became of the jobs."""
    left = problems or any(outcome.status in {"open", "uncertain"} for outcome in outcomes)
    status = "completed" if not left else "partial" if count_completed(outcomes) else "failed"
    return FanOut(
        run_id=run_id,
        status=status,
        asked=dict(asked),
        cost_usd=total_cost(outcomes),
        problems=problems,
        outcomes=tuple(outcomes),
    )


def _print(terminal: Terminal, result: FanOut, where: str) -> None:
    if result.outcomes:
        print_report(terminal, result)
    else:
        terminal.print(Text(f"Nothing is open in {printable(where)}."), soft_wrap=True)
