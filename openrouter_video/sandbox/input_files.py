"""Keeps the bytes of inputs by their digest, in memory and, beside a state file, on disk."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

__all__ = ["InputFiles"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


class InputFiles:
    """The inputs of every job; safe to use from several threads. ``folder`` None keeps them in memory only."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, bytes] = {}

    def keep(self, content: bytes) -> str:
        """Keep this, and return its digest."""
        digest = hashlib.sha256(content).hexdigest()
        if self._folder is not None and self.get(digest) is None:
            self._folder.mkdir(exist_ok=True)
            fresh = self._folder / f"{digest}.{os.getpid()}.new"
            fresh.write_bytes(content)
            fresh.replace(self._folder / digest)
        self._known[digest] = content
        return digest

    def get(self, digest: str | None) -> bytes | None:
        """What has this digest, or None where it is not there any more."""
        if digest is None or not _DIGEST.fullmatch(digest):
            return None
        if digest not in self._known and self._folder is not None:
            try:
                self._known[digest] = (self._folder / digest).read_bytes()
            except OSError:
                return None
        return self._known.get(digest)
