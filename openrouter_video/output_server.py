"""A web server for a folder of videos, on this machine only, so that pages can link to what is in it.

Ranges are answered, so that a video can be wound forward. What is not a file of a run is not there: the ledger,
whatever begins with a dot or an underline, and lists of folders.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

__all__ = ["output_app", "serve_output"]

LOOPBACK = "127.0.0.1"
KINDS = frozenset({".html", ".jpg", ".json", ".jsonl", ".mp4", ".parquet", ".png", ".webp"})
"""What a run leaves beside its ledger."""


class _Output(StaticFiles):
    """The files of runs beneath a folder; a folder itself answers with its gallery."""

    def __init__(self, folder: Path, ledger: Path | None) -> None:
        super().__init__(directory=folder, html=True)
        self._folder, self._ledger = folder.resolve(), ledger.resolve() if ledger else None

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Return a file or a folder, unless it is none of a run's."""
        full, found = super().lookup_path(path)
        return (full, found) if found and self._is_of_a_run(path, Path(full)) else ("", None)

    def _is_of_a_run(self, path: str, real: Path) -> bool:
        names = (*PurePath(path).parts, *real.relative_to(self._folder).parts)
        if any(name.startswith((".", "_")) for name in names):
            return False
        if self._ledger is not None and real.is_relative_to(self._ledger):
            return False
        return real.is_dir() or real.suffix.lower() in KINDS

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Answer with a file that no browser takes for another kind than its own."""
        response = super().file_response(*args, **kwargs)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def output_app(folder: Path, ledger: Path | None = None) -> Starlette:
    """Return the application that answers with the files of runs beneath a folder, and with none of the ledger's.

    Only by the names of this machine: a page elsewhere cannot read it by a name of its own for the same address.
    """
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
    return Starlette(routes=[Mount("/", _Output(folder, ledger))], middleware=[hosts])


@contextmanager
def serve_output(folder: Path, port: int, ledger: Path | None = None) -> Iterator[str]:
    """Serve a folder on this machine while the body runs; lends the address."""
    folder.mkdir(parents=True, exist_ok=True)
    config = uvicorn.Config(output_app(folder, ledger), host=LOOPBACK, port=port, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{port}"
    finally:
        server.should_exit = True
        thread.join(5)
