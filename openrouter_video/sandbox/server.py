"""The sandbox as a server on a real socket, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from pydantic import ValidationError

from openrouter_video.errors import ConfigurationError
from openrouter_video.sandbox.api import VideoApi
from openrouter_video.sandbox.app import SandboxApp
from openrouter_video.sandbox.billing import Charge, Seen, charge_of
from openrouter_video.sandbox.budgets import Budget
from openrouter_video.sandbox.catalogue import Entry, ModelList
from openrouter_video.sandbox.faults import Fault, FaultTable
from openrouter_video.sandbox.input_files import InputFiles
from openrouter_video.sandbox.job_store import JobStore
from openrouter_video.sandbox.jobs import Terminal, ended, latencies, simulated_seconds
from openrouter_video.sandbox.orders import Order
from openrouter_video.sandbox.render_queue import RenderQueue
from openrouter_video.sandbox.webhooks import Delivery, Postman
from openrouter_video.sandbox.wire import BreakableProtocol

__all__ = ["SANDBOX_KEY", "SANDBOX_MANAGEMENT_KEY", "Sandbox", "serve"]

SANDBOX_KEY = "sandbox-key"
"""The API key that a sandbox takes unless it is given another."""
SANDBOX_MANAGEMENT_KEY = "sandbox-management-key"
"""The management key that it takes: it may ask the account, and makes no video."""

_START_SECONDS = 10
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 -- translated, not bound


class Sandbox:
    """OpenRouter's video API on localhost, for as long as the ``with`` statement lasts.

    ``port`` 0 takes a free one. A job takes about as long as the real one, divided by ``speed``; ``job_seconds`` sets
    the exact number of real seconds instead (0: as soon as its video is rendered). ``state`` names a JSON file that
    keeps the jobs, and a folder beside it their inputs, so that the next sandbox goes on with them; without one they
    live as long as this object. ``budgets`` limit what the key may spend. ``clock`` gives unix time, for tests that
    move it. ``disclosed`` False leaves out the header by which a sandbox says that it is one: a client then takes it
    for an API that bills. Webhooks are signed with ``webhook_secret``, if there is one.

    Raises :class:`ConfigurationError` where it cannot listen, or the state file is not one. Works in a process that
    runs an event loop already, and starts in milliseconds.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str = SANDBOX_KEY,
        speed: float = 1.0,
        job_seconds: float | None = None,
        state: str | Path | None = None,
        faults: Iterable[Fault] = (),
        clock: Callable[[], float] = time.time,
        budgets: Iterable[Budget] = (),
        *,
        disclosed: bool = True,
        webhook_secret: str | None = None,
    ) -> None:
        if not (speed > 0 and math.isfinite(speed)):
            raise ConfigurationError(f"the sandbox's speed is {speed}; it must be a number above 0, such as 20")
        if job_seconds is not None and not job_seconds >= 0:
            raise ConfigurationError(f"the sandbox's job_seconds is {job_seconds}; it must be 0 or more")
        self.api_key, self.management_key = api_key, SANDBOX_MANAGEMENT_KEY
        self._address = (host, port)
        self._speed = speed
        self._job_seconds = job_seconds
        self._clock = clock
        self._jobs = JobStore(Path(state) if state is not None else None)
        self._faults = FaultTable(tuple(faults))
        self._videos = RenderQueue()
        self._budgets = tuple(budgets)
        self._models = ModelList()
        api = VideoApi(
            jobs=self._jobs,
            videos=self._videos,
            files=InputFiles(Path(f"{state}.inputs") if state is not None else None),
            catalogue=lambda: self._models.catalogue,
            api_key=api_key,
            management_key=self.management_key,
            clock=clock,
            seconds_for=self._seconds_for,
            latencies=self._latencies,
            budgets=lambda: self._budgets,
        )
        self._postman = Postman(self._jobs, api.status, self._faults, clock, webhook_secret)
        self._app = SandboxApp(
            api, self._faults, self._models, lambda: self.charges, self._postman, disclosed=disclosed
        )
        self._running: _Running | None = None
        self._origin: str | None = None

    def __enter__(self) -> Self:
        listening = _listen(*self._address)
        host, port = self._address[0], listening.getsockname()[1]
        host = _ANY_ADDRESS.get(host, host)
        self._origin = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._running = _Running(self._app, listening, lambda: self._postman.at_work(self._origin or ""))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._videos.close()
        if self._running is not None:
            self._running.stop()
            self._running = None

    @property
    def base_url(self) -> str:
        """Where the API is, as clients take it: ``http://127.0.0.1:PORT/api/v1``."""
        if self._origin is None:
            raise ConfigurationError("the sandbox is not running yet; use it in a with statement")
        return f"{self._origin}/api/v1"

    @property
    def charges(self) -> tuple[Charge, ...]:
        """One entry per job that was accepted, oldest first, whatever the client was told."""
        return tuple(charge_of(job) for job in self._jobs.all())

    @property
    def requests(self) -> tuple[Seen, ...]:
        """Every request so far, in the order of the answers."""
        return tuple(self._app.seen)

    @property
    def webhooks(self) -> tuple[Delivery, ...]:
        """Every webhook that was sent, in the order of the answers to them."""
        return tuple(self._postman.deliveries)

    def add_fault(self, fault: Fault) -> None:
        """Switch a fault on, behind those that are on already."""
        self._faults.add(fault)

    def clear_faults(self) -> None:
        """Switch every fault off."""
        self._faults.clear()

    def set_budgets(self, *budgets: Budget) -> None:
        """Let these budgets hold for the key from now on, instead of those before; what was charged counts."""
        self._budgets = budgets

    @property
    def models(self) -> list[dict[str, Any]]:
        """A copy of the model list, to change: ``GET /videos/models``, and what only ``GET /models`` tells."""
        return self._models.entries

    def set_models(self, models: Sequence[Mapping[str, Any]]) -> None:
        """Serve these models from now on, as if OpenRouter's list had changed.

        An entry may tell ``input_modalities`` and an ``expiration_date`` as well. Raises :class:`ConfigurationError`
        for what is not an entry.
        """
        try:
            self._models.replace(models)
        except ValidationError as error:
            raise ConfigurationError(f"that is not a list of models: {error}") from error

    def finish(self, job_id: str, status: Terminal = "completed", error: str | None = None) -> None:
        """Put a job into a terminal state now; raises KeyError for an unknown id."""
        self._jobs.change(job_id, lambda job: ended(job, status, error, self._clock()))

    def release(self, job_id: str | None = None) -> None:
        """Let a job (None: every job) be ready now; it completes as soon as its video is rendered."""
        now = self._clock()
        for one in [job_id] if job_id is not None else [job.id for job in self._jobs.all()]:
            self._jobs.change(one, lambda job: job.model_copy(update={"ready_at": min(job.ready_at, now)}))

    def _seconds_for(self, order: Order) -> float:
        return simulated_seconds(order) / self._speed if self._job_seconds is None else self._job_seconds

    def _latencies(self, entry: Entry) -> dict[str, float]:
        simulated = latencies(entry.id, entry.supported_durations or ())
        return {
            name: seconds / self._speed if self._job_seconds is None else self._job_seconds
            for name, seconds in simulated.items()
        }


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: str = SANDBOX_KEY,
    speed: float = 1.0,
    state: str | Path | None = None,
    job_seconds: float | None = None,
    on_ready: Callable[[Sandbox], None] = lambda _: None,
    budget_usd: float | None = None,
    webhook_secret: str | None = None,
) -> None:
    """Run a sandbox until Ctrl-C; ``on_ready`` is called once it listens. Prints nothing.

    ``budget_usd``: how many dollars its key may spend in all; None: no limit. ``webhook_secret`` signs its webhooks.
    """
    if budget_usd is not None and not 0 <= budget_usd < math.inf:
        raise ConfigurationError(f"the sandbox's budget is {budget_usd} dollars; it must be a number of 0 or more")
    budgets = [Budget(limit_usd=budget_usd)] if budget_usd is not None else []
    sandbox = Sandbox(
        host,
        port,
        api_key,
        speed=speed,
        state=state,
        job_seconds=job_seconds,
        budgets=budgets,
        webhook_secret=webhook_secret,
    )
    with contextlib.suppress(KeyboardInterrupt), sandbox:
        on_ready(sandbox)
        threading.Event().wait()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"the sandbox cannot listen on {host}:{port}: {error}; choose another port, or 0 for any free one"
        ) from error


class _Server(uvicorn.Server):
    """uvicorn, started and stopped without its tenths of a second of waiting."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self.stopping = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.on_tick(0)
        await super().startup(sockets=sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        while not self.stopping.is_set():
            # Keeps the Date header right.
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or ():
            listening.close()
        # As if the process had died: whatever is being answered ends here.
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)


class _Running:
    """A server in its thread, and what is at work in its loop beside it."""

    def __init__(
        self,
        app: SandboxApp,
        listening: socket.socket,
        beside: Callable[[], contextlib.AbstractAsyncContextManager[None]],
    ) -> None:
        config = uvicorn.Config(
            app.asgi(),
            http=BreakableProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        self._server = _Server(config)
        self._listening = listening
        self._beside = beside
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="openrouter-sandbox", daemon=True)
        self._thread.start()
        if not self._server.ready.wait(_START_SECONDS):
            raise ConfigurationError(f"the sandbox did not start within {_START_SECONDS} s; look for an error above")

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with self._beside():
            await self._server.serve(sockets=[self._listening])

    def stop(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._server.stopping.set)
        self._thread.join(_START_SECONDS)
