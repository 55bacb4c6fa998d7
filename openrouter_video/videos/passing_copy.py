"""A copy of a video on its way to another machine, kept for a moment so that nobody has to ask for it back."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from typing import IO, BinaryIO, cast

from openrouter_video.errors import BrokenVideo

__all__ = ["LARGEST_COPY_BYTES", "LimitedReader", "PassingCopy"]

LARGEST_COPY_BYTES = 64 * 2**20
_IN_MEMORY_BYTES = 4 * 2**20  # four downloads at a time


class PassingCopy:
    """The bytes so far, in memory and then in a temporary file; none at all once there are too many, or no room."""

    def __init__(self, most: int = LARGEST_COPY_BYTES) -> None:
        self._file: IO[bytes] | None = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - see close
        self._most, self._bytes = most, 0

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._bytes += len(data)
        if self._file is None:
            return
        try:
            if self._bytes <= self._most:
                self._file.write(data)
                return
        except OSError:
            pass  # the disk is full, or may not be written: whoever wants to look reads from the store
        self.close()

    def whole(self) -> BinaryIO | None:
        """Return all of them, from the first one on; None if they were not kept."""
        if self._file is not None:
            self._file.seek(0)
        return cast("BinaryIO | None", self._file)

    def close(self) -> None:
        """Let go of it."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        self._file = None


class LimitedReader:
    """A file that gives out no more than so many bytes in all, wherever they are read."""

    def __init__(self, file: BinaryIO, most: int = LARGEST_COPY_BYTES) -> None:
        self._file, self._left = file, most
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """Read on.

        Raises:
            BrokenVideo: More was read than is allowed.
        """
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise BrokenVideo("It takes too much reading.")
        return data
