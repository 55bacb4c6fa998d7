"""Every error that this package raises on purpose, in one tree.

::

    VideoError                  the one to catch
    ├── RequestRefused          the request cannot be sent as asked; nothing was spent
    ├── ConfigurationError      a key, base URL, store, ledger or block is unusable; nothing was spent
    │   └── LedgerUnsafe        the store cannot promise that a record is created once
    ├── KeyConflict             the idempotency key belongs to a different request; nothing was spent
    ├── ApiUnavailable          the API could not be reached, or answered with something else; safe to try again
    ├── LedgerError             a submission record could not be read or written
    ├── StorageError            a file could not be read or written
    │   └── BrokenVideo         the bytes that arrived are not a whole video
    └── TooFewVideos            the run ended with fewer videos than asked; carries every outcome

An error holds plain values only: Prefect may persist it, so no request, response, header or key is ever attached.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from openrouter_video.elision import redact
from openrouter_video.text import printable

if TYPE_CHECKING:
    from openrouter_video.outcome import Outcome

__all__ = [
    "ApiUnavailable",
    "BrokenVideo",
    "ConfigurationError",
    "KeyConflict",
    "LedgerError",
    "LedgerUnsafe",
    "Problem",
    "RequestRefused",
    "StorageError",
    "TooFewVideos",
    "VideoError",
]


class VideoError(Exception):
    """Anything that this package raises on purpose."""

    def __str__(self) -> str:
        """Return the message, safe to print: it repeats what users and the API wrote, but no secret of a URL."""
        return redact(printable(super().__str__()))


class Problem(NamedTuple):
    """One thing that is wrong with a request, and for which model (None: for all of them)."""

    field: str
    message: str
    model: str | None = None

    def __str__(self) -> str:
        return redact(printable(f"{self.model}: {self.message}" if self.model else self.message))


class RequestRefused(VideoError):
    """The request cannot be sent as asked; nothing was sent and nothing was spent.

    ``problems`` holds one entry per thing to mend, each with what is allowed.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Return one line per problem."""
        return "\n".join(str(problem) for problem in self.problems)

    def __reduce__(self) -> tuple[type[RequestRefused], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class ConfigurationError(VideoError):
    """A key, base URL, store, ledger or block is missing or unusable; nothing was spent."""


class LedgerUnsafe(ConfigurationError):
    """The store cannot promise that a record is created exactly once, so it may not guard a payment."""


class KeyConflict(VideoError):
    """The idempotency key was used for a different request; nothing was sent."""


class ApiUnavailable(VideoError):
    """The API could not be reached, or what answered is not OpenRouter's video API."""


class LedgerError(VideoError):
    """A submission record could not be read or written."""


class StorageError(VideoError):
    """A file could not be read from, or written to, its store."""


class BrokenVideo(StorageError):
    """The bytes that arrived are not one whole MP4 or QuickTime video; nothing was published.

    ``fault`` says what is wrong with them, without what becomes of it. ``sha256`` is their digest, None for an error
    page or an empty body.
    """

    def __init__(self, message: str, *, fault: str = "", sha256: str | None = None) -> None:
        super().__init__(message)
        self.fault = fault or message
        self.sha256 = sha256


class TooFewVideos(VideoError):
    """The run ended with fewer videos than ``min_success`` asks; ``outcomes`` holds what became of each."""

    def __init__(self, outcomes: Sequence[Outcome], wanted: int) -> None:
        self.outcomes = tuple(outcomes)
        self.wanted = wanted
        got = sum(outcome.status == "completed" for outcome in self.outcomes)
        asked_for = f"{wanted} {'was' if wanted == 1 else 'were'} asked for"
        super().__init__(f"{got} of {len(self.outcomes)} video{'s' * (len(self.outcomes) != 1)}; {asked_for}")

    def __reduce__(self) -> tuple[type[TooFewVideos], tuple[tuple[Outcome, ...], int]]:
        return type(self), (self.outcomes, self.wanted)
