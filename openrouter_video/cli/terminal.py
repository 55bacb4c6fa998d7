"""The terminal: what may be printed there, and a console that never brings a run down.

Values of the API and of users are never rendered as markup or as escape sequences.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from openrouter_video.text import printable, printable_json

__all__ = ["Terminal", "prepare_streams", "print_bytes", "print_json"]

UTF_8 = {"utf-8", "utf8", "utf_8"}


class Terminal(Console):
    """A console on stdout, or on stderr, that renders neither markup nor emoji codes from a text."""

    def __init__(self, *, stderr: bool = False) -> None:
        # The stream of this moment: what Prefect prints later on stdout is led elsewhere.
        super().__init__(file=sys.stderr if stderr else sys.stdout, markup=False, emoji=False, highlight=False)

    @property
    def animated(self) -> bool:
        """Whether lines can be drawn anew: on a terminal that knows how."""
        return self.is_terminal and not self.is_dumb_terminal

    def announce(self, text: str) -> None:
        """Print what is going on, dim and on one line."""
        self.print(Text(text, "dim"), soft_wrap=True)

    def say(self, text: str, style: str = "") -> None:
        """Print a sentence: on a terminal wrapped at its words, below its own beginning; elsewhere as one line."""
        words = text.lstrip(" ")
        if self.is_terminal:
            self.print(Padding(Text(words, style), (0, 0, 0, len(text) - len(words)), expand=False))
        else:
            self.print(Text(text, style), soft_wrap=True)

    def print_row(self, cells: Iterable[str]) -> None:
        """Print cells with tabs between them, which rich itself would turn into spaces."""
        try:
            if not self.quiet:
                self.file.write("\t".join(cells) + "\n")
        except BrokenPipeError:
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Go quiet when the reader has gone: rich would end the program, and with it a run that is paid for."""
        self.quiet = True
        _close_for_good(self.file)


def print_json(value: Any) -> None:
    """Print one JSON document on stdout, in plain ASCII where stdout is not in UTF-8."""
    text = json.dumps(value, indent=2, ensure_ascii=(sys.stdout.encoding or "").lower() not in UTF_8)
    try:
        sys.stdout.write(printable_json(text) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _close_for_good(sys.stdout)


def print_bytes(data: bytes) -> None:
    """Write data on stdout as it is, in whatever encoding; on a terminal, text in which nothing can steer it."""
    try:
        if sys.stdout.isatty():
            data = "\n".join(map(printable, data.decode(errors="replace").split("\n"))).encode()
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        _close_for_good(sys.stdout)


def prepare_streams() -> None:
    """Let a character that the terminal's encoding lacks become a question mark instead of an exception."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _close_for_good(stream: Any) -> None:
    """Lead a broken stream nowhere, so that Python's own flush at exit does not fail again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
