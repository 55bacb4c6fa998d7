"""How a command says that it will not run: what to correct on stderr, and the same as a document on stdout.

Imported by every command, also by ``--help``; so what takes time is imported when something is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openrouter_video.errors import Problem, RequestRefused, VideoError

if TYPE_CHECKING:
    from openrouter_video.outcome import FanOut

__all__ = ["EXIT_REFUSED", "check_arguments", "refuse", "refused_run", "tell_refusal"]

EXIT_REFUSED = 2


def check_arguments(arguments: Sequence[str]) -> None:
    """Make sure that every argument of the command is text.

    Raises:
        RequestRefused: if one is not, since it could be neither sent nor recorded.
    """
    for argument in arguments:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            shown = ascii(argument.encode("utf-8", "surrogateescape"))[:80]
            raise RequestRefused([Problem("command line", f"{shown} is not text in UTF-8")])


def refuse(arguments: Sequence[str], error: VideoError | str) -> int:
    """Refuse a command line as a whole, also as a document if it asks for one."""
    tell_refusal(error)
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--json" in options:
        from openrouter_video.cli.terminal import print_json  # noqa: PLC0415

        print_json(refused_run({}, error).model_dump(mode="json"))
    return EXIT_REFUSED


def refused_run(asked: Mapping[str, Any], error: VideoError | str) -> FanOut:
    """Return the document of a run that was refused, one problem per thing to correct."""
    from openrouter_video.outcome import FanOut  # noqa: PLC0415 (pydantic, which takes time)

    return FanOut(status="refused", asked=dict(asked), problems=tuple(_lines(error)))


def tell_refusal(error: VideoError | str, *, spending: bool = False) -> None:
    """Print what is wrong on stderr; ``spending`` is for commands that would otherwise have cost money."""
    from openrouter_video.cli.terminal import Terminal  # noqa: PLC0415

    lines = _lines(error)
    head = "Refused; nothing was sent and nothing was spent:" if spending else "Refused:"
    terminal = Terminal(stderr=True)
    for line in [f"{head} {lines[0]}"] if len(lines) == 1 else [head, *(f"  - {line}" for line in lines)]:
        terminal.say(line)


def _lines(error: VideoError | str) -> list[str]:
    from openrouter_video.elision import redact  # noqa: PLC0415
    from openrouter_video.text import printable  # noqa: PLC0415

    problems = error.problems if isinstance(error, RequestRefused) else [error]
    return [redact(printable(" ".join(str(problem).splitlines()))) for problem in problems]
