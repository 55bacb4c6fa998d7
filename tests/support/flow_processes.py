"""Flows in processes of their own, which die at a named point by their own hand, or at any time at that of a test.

A fork server has imported everything once, so that a process costs a fraction of a second.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple, Self
from uuid import UUID

from openrouter_video.api.client import Timeouts, VideoClient
from openrouter_video.ledger.journal import Journal
from openrouter_video.ledger.ledger import Ledger
from openrouter_video.ledger.portions import PORTION
from openrouter_video.outcome import SavedFile
from openrouter_video.run.lanes import MOST_LANES
from openrouter_video.run.limits import Limits, using_limits
from openrouter_video.run.submission import SubmitPolicy
from openrouter_video.sandbox import Sandbox
from openrouter_video.stores.folder_store import PartWriter
from openrouter_video.stores.local_store import LocalFiles

MODEL = "x-ai/grok-imagine-video"
ORDER: dict[str, Any] = {
    "prompt": "A white orchid",
    "model": MODEL,
    "settings": {"duration": 1, "resolution": "480p"},
}
"""The parameters of a run for the shortest video there is."""

DROP_BYTES = 4096
PRELOADED = ["pytest", "prefect.flow_engine", "prefect.server.api.server", "flows", "tests.support.flow_processes"]


class Errand(NamedTuple):
    """What a process is to do: run a flow, or a flow run that Prefect's server knows, and perhaps die at a point.

    ``submit_seconds``: its submit time-out. ``haste``: how many times faster than asked it waits between requests.
    ``crawls``: its downloads take seconds. ``lanes``: 0 makes its video in a lane, as those of a large run are.
    """

    parameters: dict[str, Any]
    folder: Path
    prefect_api: str
    environment: dict[str, str]
    flow: str = "generate_video"
    flow_run_id: str | None = None
    dies: str | None = None
    submit_seconds: float = 20.0
    haste: float = 10.0
    crawls: bool = False
    lanes: int = MOST_LANES
    portion: int = PORTION


Work = Callable[[Errand], Coroutine[Any, Any, list[dict[str, Any]]]]


def environment_of(sandbox: Sandbox, output: Path) -> dict[str, str]:
    """Return the variables by which a process finds its API and its place."""
    return {
        "OPENROUTER_API_KEY": sandbox.api_key,
        "OPENROUTER_BASE_URL": sandbox.base_url,
        "OPENROUTER_VIDEO_OUTPUT": str(output),
        "OPENROUTER_VIDEO_LEDGER": "",
    }


class FlowProcess:
    """A running errand: its output, its outcomes, and the ways to end it."""

    def __init__(self, errand: Errand, work: Work | None = None) -> None:
        self.errand = errand
        errand.folder.mkdir(parents=True, exist_ok=True)
        self._process = forked(_run, errand, work or _run_flow)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no process behind, whatever a test has come to."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process.pid is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    def wait(self, seconds: float = 120.0) -> int:
        """Return the exit code, negative for a signal."""
        self._process.join(seconds)
        code = self._process.exitcode
        assert code is not None, f"still running after {seconds} s: {self.output}"
        return code

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return _read(self.errand.folder / "output.txt")

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        """What the flow returned, or the outcomes of its error."""
        answer = _read(self.errand.folder / "answer.json")
        assert answer, self.output
        return list(json.loads(answer))


def forked(target: Callable[..., None], *args: Any) -> BaseProcess:
    """Start a process that need not import anything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=target, args=args)
    process.start()
    return process


def wait_until(
    true: Callable[[], object], seconds: float = 120.0, *, what: Callable[[], str] = lambda: "", every: float = 0.02
) -> None:
    """Look every few milliseconds, and fail after a time that is long enough for a busy machine.

    Where a look is work, as for a server that is asked, ``every`` says how many seconds lie between two of them.
    """
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"nothing came of it within {seconds} s. {what()}"
        time.sleep(every)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


# ---- Inside the process ----------------------------------------------------------------------------------------------


def _run(errand: Errand, work: Work) -> None:
    _redirect(errand.folder / "output.txt")
    os.environ.update(errand.environment)
    if errand.dies is not None:
        (DEATHS | OF_CHAINS)[errand.dies]()
    if errand.crawls:
        _crawl()
    from prefect.settings import (  # noqa: PLC0415 (after the environment is set)
        PREFECT_API_URL,
        PREFECT_RESULTS_LOCAL_STORAGE_PATH,
        temporary_settings,
    )

    timeouts = Timeouts(connect=5, submit=errand.submit_seconds, poll=10, content=errand.submit_seconds)
    policy = SubmitPolicy(margin=1.0)
    limits = Limits(timeouts=timeouts, submit=policy, sleep=_hasty(errand.haste), lanes=errand.lanes)
    limits = limits._replace(portion=errand.portion)
    results = errand.folder.parent / "results"
    with (
        temporary_settings({PREFECT_API_URL: errand.prefect_api, PREFECT_RESULTS_LOCAL_STORAGE_PATH: results}),
        using_limits(limits),
    ):
        outcomes = asyncio.run(work(errand))
    (errand.folder / "answer.json").write_text(json.dumps(outcomes))


def _redirect(file: Path) -> None:
    with file.open("wb") as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())


def _hasty(haste: float) -> Callable[[float], Any]:
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / haste)

    return sleep


async def _run_flow(errand: Errand) -> list[dict[str, Any]]:
    from prefect import get_client  # noqa: PLC0415
    from prefect.flow_engine import run_flow  # noqa: PLC0415

    import flows  # noqa: PLC0415
    from openrouter_video.errors import TooFewVideos  # noqa: PLC0415

    flow = getattr(flows, errand.flow)
    if errand.flow_run_id is None:
        state = await flow(**errand.parameters, return_state=True)
    else:
        # As Prefect's worker runs it.
        async with get_client() as client:
            known = await client.read_flow_run(UUID(errand.flow_run_id))
        state = await run_flow(flow, flow_run=known, return_type="state")  # type: ignore[misc]
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, TooFewVideos):
        result = list(result.outcomes)
    if isinstance(result, BaseException):
        raise result
    return [outcome.model_dump(mode="json") for outcome in getattr(result, "outcomes", result)]


# ---- Points at which it dies -----------------------------------------------------------------------------------------


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def _before(owner: Any, name: str, at: Callable[..., bool] = lambda *_: True) -> Callable[[], None]:
    """Die when a function is called, instead of it."""

    def install() -> None:
        real = getattr(owner, name)

        def deadly(*args: Any, **kwargs: Any) -> Any:
            if at(*args):
                _die()
            return real(*args, **kwargs)

        setattr(owner, name, deadly)

    return install


def _after(owner: Any, name: str) -> Callable[[], None]:
    """Die when a function has done its work."""

    def install() -> None:
        real = getattr(owner, name)

        def deadly(*args: Any, **kwargs: Any) -> Any:
            real(*args, **kwargs)
            _die()

        setattr(owner, name, deadly)

    return install


def _after_poll() -> None:
    real = VideoClient.get_job

    async def deadly(self: VideoClient, job_id: str) -> Any:
        await real(self, job_id)
        _die()

    VideoClient.get_job = deadly  # type: ignore[method-assign]


def _before_sidecar() -> None:
    from openrouter_video.run import settling  # noqa: PLC0415 (the child's own)

    _before(settling, "write_outcome")()


def _crawl() -> None:
    """Let the network deliver a small video in a few seconds."""
    real = VideoClient.content

    @contextmanager
    def slow(self: VideoClient, job_id: str, index: int = 0, **more: Any) -> Iterator[Iterator[bytes]]:
        with real(self, job_id, index, **more) as chunks:
            yield _drops(chunks)

    VideoClient.content = slow  # type: ignore[method-assign]


def _drops(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), DROP_BYTES):
            time.sleep(0.1)
            yield chunk[start : start + DROP_BYTES]


def _about(end: str) -> Callable[..., bool]:
    return lambda *args: str(args[-1]).endswith(end)


DEATHS: dict[str, Callable[[], None]] = {
    "before the claim": _before(Ledger, "claim"),
    "in the claim": _before(LocalFiles, "link_new", _about("/claim-1.json")),
    "between claim and POST": _before(VideoClient, "submit"),
    "between POST and answer": lambda: None,  # the test kills it
    "between answer and record": _before(Ledger, "keep_job"),
    "in the record": _before(LocalFiles, "link_new", _about("/job-1.json")),
    "in polling": _after_poll,
    "in the download": _after(PartWriter, "write"),
    "before the publication": _before(LocalFiles, "replace", _about(".mp4")),
    "after the publication": _before(SavedFile, "__init__"),
    "before the sidecar": _before_sidecar,
    "in the sidecar": _before(LocalFiles, "replace", _about(".json")),
    "before the outcome": _before(Ledger, "settle"),
    "in the outcome": _before(LocalFiles, "link_new", _about("/outcome.json")),
    "before the bill": _before(Journal, "settle"),
}
"""What a process does to itself, by the point at which it is to die."""

OF_CHAINS: dict[str, Callable[[], None]] = {
    "before the second shot": _before(Ledger, "claim", lambda _ledger, _attempt, claim: claim.row == 2),
}
"""The same, where a chain of shots is between two of them."""
