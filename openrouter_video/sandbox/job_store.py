"""Keeps the sandbox's jobs, in memory and, where a state file is given, on disk."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from openrouter_video.errors import ConfigurationError
from openrouter_video.sandbox.jobs import Job

__all__ = ["JobStore"]


class _State(BaseModel):
    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    jobs: tuple[Job, ...] = ()


class JobStore:
    """Every job that was ever accepted, in order; safe to use from several threads.

    With a ``path`` they are written there, whole, before a job is confirmed, and read again by the next sandbox. Raises
    :class:`ConfigurationError` where that file is not a sandbox's state.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {job.id: job for job in _read(path).jobs} if path else {}

    def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        return self._jobs.get(job_id)

    def all(self) -> tuple[Job, ...]:
        """Every job, oldest first."""
        with self._lock:
            return tuple(self._jobs.values())

    def add(self, job: Job) -> None:
        """Enter a new job."""
        with self._lock:
            self._jobs[job.id] = job
            self._write()

    def change(self, job_id: str, change: Callable[[Job], Job]) -> None:
        """Replace a job by what ``change`` makes of it; raises KeyError for an unknown id."""
        with self._lock:
            self._jobs[job_id] = change(self._jobs[job_id])
            self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        fresh.write_text(_State(jobs=tuple(self._jobs.values())).model_dump_json(indent=1), encoding="utf-8")
        fresh.replace(self._path)


def _read(path: Path) -> _State:
    try:
        return _State.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _State()
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ConfigurationError(
            f"the sandbox's state file {path} cannot be used ({type(error).__name__}); "
            "it must be a file that a sandbox wrote, or not exist yet: name another one"
        ) from error
