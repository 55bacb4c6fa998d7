"""Webhooks: each job that named a ``callback_url`` has its end told there, once and signed, as OpenRouter tells it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import httpx
from pydantic import BaseModel, ConfigDict, JsonValue

from openrouter_video.sandbox.answers import completed_body
from openrouter_video.sandbox.faults import Fault, FaultTable
from openrouter_video.sandbox.job_store import JobStore
from openrouter_video.sandbox.jobs import Job, Status
from openrouter_video.sandbox.this_machine import is_here

__all__ = ["Delivery", "Postman", "event_of", "signed"]

TOLD: tuple[Status, ...] = ("completed", "failed", "cancelled", "expired")
LOOKS_EVERY_SECONDS = 0.05
ANSWER_SECONDS = 10.0
OLD_SECONDS = 3600


class Delivery(BaseModel):
    """One webhook; ``status`` is the receiver's answer, None if there was none, as from another machine."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    type: str
    url: str
    signed: bool
    status: int | None


def event_of(job: Job, status: Status, origin: str, now: float) -> dict[str, JsonValue]:
    """The body of a webhook about the end of a job."""
    data: dict[str, JsonValue] = {"id": job.id, "status": status, "generation_id": job.id, "model": job.order.model}
    if status == "completed":
        body = completed_body(job, origin)
        data |= {name: body[name] for name in ("unsigned_urls", "usage")}
    elif (error := job.error_of(status)) is not None:
        data["error"] = error
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"type": f"video.generation.{status}", "created_at": moment, "data": data}


def signed(body: bytes, secret: str, now: float) -> str:
    """The header ``X-OpenRouter-Signature`` of a body."""
    moment = int(now)
    digest = hmac.new(secret.encode(), b"%d,%b" % (moment, body), hashlib.sha256)
    return f"t={moment},v1={digest.hexdigest()}"


class Postman:
    """Looks for jobs that have ended, and tells their receivers; what went out is in ``deliveries``.

    Without a ``secret`` nothing is signed. Jobs that were over before it began are not told again.
    """

    def __init__(
        self,
        jobs: JobStore,
        status: Callable[[Job], Status],
        faults: FaultTable,
        clock: Callable[[], float],
        secret: str | None,
    ) -> None:
        self.deliveries: list[Delivery] = []
        self._jobs = jobs
        self._status = status
        self._faults = faults
        self._clock = clock
        self._secret = secret
        self._known = 0
        self._running: dict[str, str] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._take_new()
        for job_id in [job_id for job_id in self._running if self._end(job_id) is not None]:
            del self._running[job_id]

    @asynccontextmanager
    async def at_work(self, origin: str) -> AsyncIterator[None]:
        """Tell receivers for as long as this lasts; what is still to be told then is not."""
        looking = asyncio.create_task(self._look(origin))
        try:
            yield
        finally:
            for task in (looking, *self._under_way):
                task.cancel()
            await asyncio.gather(looking, *self._under_way, return_exceptions=True)

    async def _look(self, origin: str) -> None:
        while True:
            self._take_new()
            for job_id in list(self._running):
                if (end := self._end(job_id)) is not None:
                    url = self._running.pop(job_id)
                    task = asyncio.create_task(self._tell(*end, url, origin))
                    self._under_way.add(task)
                    task.add_done_callback(self._under_way.discard)
            await asyncio.sleep(LOOKS_EVERY_SECONDS)

    def _take_new(self) -> None:
        jobs = self._jobs.all()
        urls = {job.id: job.body.get("callback_url") for job in jobs[self._known :]}
        self._running |= {job_id: url for job_id, url in urls.items() if isinstance(url, str)}
        self._known = len(jobs)

    def _end(self, job_id: str) -> tuple[Job, Status] | None:
        job = self._jobs.get(job_id)
        status = self._status(job) if job is not None else None
        return None if job is None or status is None or status in {"pending", "in_progress"} else (job, status)

    async def _tell(self, job: Job, status: Status, url: str, origin: str) -> None:
        if status not in TOLD:
            return
        fault = self._faults.take("webhook", job.order.model, job.id)
        if fault is not None:
            await asyncio.sleep(fault.delay_seconds)
            if fault.drop is not None:
                return
        event = event_of(job, status, origin, self._clock())
        headers = {"content-type": "application/json", "x-openrouter-idempotency-key": f"{job.id}-{status}"}
        body = _body(event, fault)
        signature = self._signature(body, fault)
        if signature is not None:
            headers["x-openrouter-signature"] = signature
        for _ in range(2 if fault is not None and fault.mangle == "twice" else 1):
            answer = await _post(url, body, headers)
            delivery = Delivery(
                job_id=job.id, type=str(event["type"]), url=url, signed=signature is not None, status=answer
            )
            self.deliveries.append(delivery)

    def _signature(self, body: bytes, fault: Fault | None) -> str | None:
        how = fault.mangle if fault is not None else None
        if self._secret is None or how == "unsigned":
            return None
        secret = f"not {self._secret}" if how == "forged" else self._secret
        return signed(body, secret, self._clock() - (OLD_SECONDS if how == "old" else 0))


def _body(event: Mapping[str, JsonValue], fault: Fault | None) -> bytes:
    if fault is None or fault.body is None:
        return json.dumps(event).encode()
    return fault.body.encode() if isinstance(fault.body, str) else json.dumps(fault.body).encode()


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> int | None:
    """Send it, and return the status of the answer; None if there is none, as from a machine that is not asked."""
    with suppress(httpx.HTTPError):
        # A receiver elsewhere may be that of paid jobs.
        if is_here(url):
            verify = url.startswith("https:")
            async with httpx.AsyncClient(timeout=ANSWER_SECONDS, verify=verify, trust_env=False) as client:
                return (await client.post(url, content=body, headers=headers)).status_code
    return None
