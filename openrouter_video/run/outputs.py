"""What the outputs of one job have brought so far, and what follows from it; pure.

Most jobs have one output. Of several each counts for itself: a missing picture must not hide a video that is safe.
"""

from __future__ import annotations

from collections import Counter

from openrouter_video.api import ContentUnavailable
from openrouter_video.errors import BrokenVideo, StorageError
from openrouter_video.outcome import SavedFile
from openrouter_video.run.facts import Saved

__all__ = ["Outputs", "is_of_one_output"]

RANKS = {"video": 0, "playable": 1, "damaged": 1, "picture": 2}


class Outputs:
    """The outputs in their order: a file for each that is safe, an error for each that was given up."""

    def __init__(self, enough: int = 2) -> None:
        self.ended = False
        self._enough = enough  # how often the same must come before it counts as all that there is
        self._files: list[SavedFile | None] = []
        self._errors: dict[int, ContentUnavailable | StorageError] = {}
        self._digests: dict[int, Counter[str]] = {}
        self._fault: str | None = None
        self._seen_before = False

    @property
    def done(self) -> int:
        """How many outputs are safe or given up, which is the index of the next one."""
        return len(self._files)

    @property
    def has_video(self) -> bool:
        """Whether there is what the job was for."""
        return any(file.kind == "video" for file in self._files if file)

    def keep(self, file: SavedFile) -> None:
        """Take note that the next output is safe."""
        self._files.append(file)

    def failed(self, error: ContentUnavailable | StorageError) -> None:
        """Take note of an attempt in vain."""
        if isinstance(error, BrokenVideo) and error.sha256 is not None and not self.ended:
            self._digests.setdefault(self.done, Counter())[error.sha256] += 1

    def give_up(self, error: ContentUnavailable | StorageError) -> None:
        """Go on without the next output."""
        self._errors[self.done] = error
        self._files.append(None)

    def error(self) -> ContentUnavailable | StorageError | None:
        """Return what stands in the way of the job: of the outputs that were given up the first that may still come.

        That one is gone for good must not end the job while another is not.
        """
        first = min(self._errors, key=lambda index: (self._is_final(index), index), default=None)
        return None if first is None else self._errors[first]

    def fault(self, index: int) -> str:
        """Return why an output was given up, without a full stop."""
        return _reason(self._errors[index])

    def same_again(self) -> list[tuple[int, str]]:
        """Return index and digest of each output that came more than once the same, and is not a video.

        Beside a video all of them are kept; without one the first is enough to tell what came.
        """
        repeated = ((index, self._repeated(index)) for index in sorted(self._errors))
        again = [(index, digest) for index, digest in repeated if digest is not None]
        return again if self.has_video else again[:1]

    def keep_damaged(self, index: int, file: SavedFile, *, seen_before: bool) -> None:
        """Take note that an output that was given up is kept as it came."""
        fault = _reason(self._errors.pop(index))
        if self.has_video:
            note = f"output {index + 1} is damaged: it came like this each time, and is kept at {file.url}. {fault}"
            file = file.model_copy(update={"notes": (*file.notes, note)})
        else:
            self._fault, self._seen_before = fault, seen_before
        self._files[index] = file

    def saved(self, outputs: int, sidecar_url: str) -> Saved:
        """Return what is safe, of so many outputs."""
        return Saved(
            files=tuple(sorted(filter(None, self._files), key=lambda file: RANKS[file.kind])),
            sidecar_url=sidecar_url,
            missing=self._missing(outputs),
            waits=any(not self._is_final(index) for index in self._errors),
            fault=self._fault,
            seen_before=self._seen_before,
        )

    def _missing(self, outputs: int) -> tuple[str, ...]:
        missing = [
            f"output {n + 1} of {outputs} could not be had: {_reason(self._errors[n])}" for n in sorted(self._errors)
        ]
        left = f"the job names {outputs} outputs; the first {self.done} were asked for"
        return (*missing, *([left] if outputs > self.done else []))

    def _repeated(self, index: int) -> str | None:
        counted = self._digests.get(index, Counter()).most_common(1)
        return counted[0][0] if counted and counted[0][1] >= self._enough else None

    def _is_final(self, index: int) -> bool:
        error = self._errors[index]
        return error.answer.final if isinstance(error, ContentUnavailable) else self._repeated(index) is not None


def is_of_one_output(error: ContentUnavailable | StorageError) -> bool:
    """Whether other outputs of the same job may do better: a store that refuses one refuses them all."""
    return isinstance(error, ContentUnavailable | BrokenVideo)


def _reason(error: ContentUnavailable | StorageError) -> str:
    said = error.answer.reason if isinstance(error, ContentUnavailable) else getattr(error, "fault", "") or str(error)
    return said.rstrip(".")
