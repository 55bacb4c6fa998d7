"""Where a run of chaos takes place: what its processes share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

__all__ = ["Field", "write_to"]


class Field(NamedTuple):
    """Where a run of chaos takes place; everything that its processes share is in ``folder``."""

    folder: Path
    api: str
    prefect_api: str
    sabotage: tuple[str, ...] = ()

    @property
    def output(self) -> Path:
        """Where the videos go, and the ledger inside it."""
        return self.folder / "videos"

    @property
    def reports(self) -> Path:
        """What the workers were told by the flows, one line of JSON per video."""
        return self.folder / "reports"

    @property
    def taken(self) -> Path:
        """One link per turn, to the name of the worker that has it."""
        return self.folder / "taken"

    @property
    def done(self) -> Path:
        """One file per turn that was finished."""
        return self.folder / "done"

    @property
    def logs(self) -> Path:
        """What each process said."""
        return self.folder / "logs"


def write_to(log: Path) -> None:
    """Append whatever this process prints from now on to a file: what it says of its own death is no news."""
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(target, stream)
