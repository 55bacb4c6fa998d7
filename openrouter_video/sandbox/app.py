"""The sandbox's routes: each request meets its fault, is carried out, remembered, and answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from typing import Literal

from pydantic import JsonValue, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route

from openrouter_video.sandbox.answers import Answer, document, envelope
from openrouter_video.sandbox.api import Asked, VideoApi
from openrouter_video.sandbox.billing import Charge, Kind, Seen, billing_summary
from openrouter_video.sandbox.catalogue import ModelList
from openrouter_video.sandbox.faults import Fault, FaultTable, damaged
from openrouter_video.sandbox.webhooks import Postman
from openrouter_video.sandbox.wire import Reply, client_left

__all__ = ["SandboxApp"]

# OpenRouter publishes no limit; several base64 images fit.
_MOST_BODY_BYTES = 64 * 1024 * 1024

_Operation = Callable[[Asked], Answer | Future[bytes] | Coroutine[None, None, Answer]]
_MODELS = TypeAdapter(dict[Literal["data"], list[dict[str, JsonValue]]])
_NO_ANSWER = Answer(None, ending="reset")


class SandboxApp:
    """The HTTP side of a sandbox; ``seen`` grows by one entry per request, before it is answered."""

    def __init__(
        self,
        api: VideoApi,
        faults: FaultTable,
        models: ModelList,
        charges: Callable[[], tuple[Charge, ...]],
        postman: Postman,
        *,
        disclosed: bool,
    ) -> None:
        self.seen: list[Seen] = []
        self._api = api
        self._faults = faults
        self._models = models
        self._charges = charges
        self._postman = postman
        self._says = {"x-openrouter-sandbox": "nothing is billed"} if disclosed else {}

    def asgi(self) -> Starlette:
        """The application to serve."""
        api = self._api
        operations: list[tuple[str, str, Kind, _Operation]] = [
            ("GET", "/api/v1/videos/models", "models", api.models),
            ("POST", "/api/v1/videos", "submit", api.submit),
            ("GET", "/api/v1/videos/{job_id}", "poll", api.poll),
            ("GET", "/api/v1/videos/{job_id}/content", "content", api.content),
            ("GET", "/stored/{job_id}/{index}.mp4", "signed", api.signed),
            ("GET", "/api/v1/key", "key", api.key),
            ("POST", "/api/v1/analytics/query", "analytics", api.analytics),
            ("GET", "/api/v1/generation", "generation", api.generation),
            ("GET", "/api/v1/models", "listing", api.listing),
            ("GET", "/api/v1/models/{author}/{slug}/endpoints", "endpoints", api.endpoints),
        ]
        routes = [Route(path, partial(self._serve, kind, run), methods=[verb]) for verb, path, kind, run in operations]
        routes += [
            Route("/sandbox/billing", self._billing),
            Route("/sandbox/requests", self._requests),
            Route("/sandbox/webhooks", self._webhooks),
            Route("/sandbox/models", self._set_models, methods=["GET", "PUT"]),
            Route("/sandbox/faults", self._set_faults, methods=["POST", "DELETE"]),
        ]
        application = Starlette(routes=routes, exception_handlers={HTTPException: self._no_route})
        application.router.redirect_slashes = False
        return application

    async def _serve(self, kind: Kind, operation: _Operation, request: Request) -> Reply:
        try:
            body = await _body(request)
        except ClientDisconnect:
            return self._reply(kind, request, _NO_ANSWER)
        if body is None:
            return self._reply(kind, request, envelope(413, "Request body too large"))
        asked = Asked(
            kind=kind,
            origin=str(request.base_url).rstrip("/"),
            authorization=request.headers.get("authorization"),
            session_id=request.headers.get("x-session-id"),
            body=body,
            path=request.path_params,
            query=request.query_params,
        )
        fault = self._faults.take(kind, self._api.model_of(asked), asked.job_id)
        if fault is not None:
            asked = asked._replace(oddity=fault.oddity, failure=fault.failure)
        answer = await _finished(operation(asked)) if fault is None or fault.takes_effect else None
        if fault is not None:
            if fault.refusal is not None:
                answer = self._api.refused(asked, fault.refusal)
            answer = damaged(fault, answer)
            if fault.delay_seconds and await client_left(request.receive, fault.delay_seconds):
                answer = _NO_ANSWER
        return self._reply(kind, request, answer or _NO_ANSWER)

    def _reply(self, kind: Kind, request: Request, answer: Answer) -> Reply:
        headers = request.headers
        seen = Seen(
            kind=kind,
            method=request.method,
            path=request.url.path,
            status=answer.status,
            authorized="authorization" in headers,
            host=headers.get("host", ""),
            user_agent=headers.get("user-agent", ""),
            session_id=headers.get("x-session-id"),
        )
        self.seen.append(seen)
        return self._send(answer)

    def _send(self, answer: Answer) -> Reply:
        return Reply(answer._replace(headers={**answer.headers, **self._says}))

    async def _no_route(self, request: Request, error: Exception) -> Reply:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return self._reply("other", request, envelope(status))

    async def _billing(self, _: Request) -> Reply:
        return self._send(document(200, billing_summary(self._charges())))

    async def _requests(self, _: Request) -> Reply:
        return self._send(document(200, {"requests": [seen.model_dump(mode="json") for seen in self.seen]}))

    async def _webhooks(self, _: Request) -> Reply:
        return self._send(
            document(200, {"webhooks": [one.model_dump(mode="json") for one in self._postman.deliveries]})
        )

    async def _set_models(self, request: Request) -> Reply:
        if request.method == "PUT":
            try:
                self._models.replace(_MODELS.validate_json(await request.body()).get("data", []))
            except ValidationError as error:
                return self._send(_invalid(error))
        entries: list[JsonValue] = [*self._models.entries]
        return self._send(document(200, {"data": entries}))

    async def _set_faults(self, request: Request) -> Reply:
        if request.method == "DELETE":
            self._faults.clear()
            return self._send(Answer(204))
        try:
            fault = Fault.model_validate_json(await request.body())
        except ValidationError as error:
            return self._send(_invalid(error))
        self._faults.add(fault)
        return self._send(document(201, fault.model_dump(mode="json")))


def _invalid(error: ValidationError) -> Answer:
    return document(422, {"error": json.loads(error.json(include_url=False, include_context=False))})


async def _body(request: Request) -> bytes | None:
    """The request's body, or None where it is larger than allowed; it is read to its end all the same."""
    body = bytearray()
    async for chunk in request.stream():
        if len(body) <= _MOST_BODY_BYTES:
            body += chunk
    return bytes(body) if len(body) <= _MOST_BODY_BYTES else None


async def _finished(result: Answer | Future[bytes] | Coroutine[None, None, Answer]) -> Answer:
    if isinstance(result, Answer):
        return result
    if isinstance(result, Coroutine):
        return await result
    rendered = asyncio.wrap_future(result)
    await asyncio.wait([rendered])
    if rendered.cancelled():
        return _NO_ANSWER
    if rendered.exception() is not None:
        return envelope(502, f"The sandbox could not render the video: {rendered.exception()}")
    # Neither a length nor an ETag, and Range is ignored: so the API was recorded.
    return Answer(200, rendered.result(), {"content-type": "video/mp4"}, streamed=True)
