"""The operations of the API over HTTP: list, submit, get, content, what the key may spend, who serves a model.

An edge: it sends one request and returns what the answer proves, decided in ``answers``. The key goes to the configured
origin only: every URL is built from the base URL and the job's id, no redirect is followed with it, and no error that
leaves this module holds a request, a response or a header.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, Self
from urllib.parse import quote
from weakref import WeakSet

import httpx
from pydantic import SecretStr

from openrouter_video.api.answers import (
    ContentUnavailable,
    PollAnswer,
    SubmitAnswer,
    error_message,
    is_sandbox,
    parse_json,
    read_content,
    read_poll,
    read_submit,
    retry_after,
)
from openrouter_video.api.callback import without_callback_url
from openrouter_video.api.catalog import Catalog, parse_catalog, with_plain_list
from openrouter_video.api.content import Download, DownloadLimits, Head, Trace, beginning_of, video_body
from openrouter_video.api.endpoint import parse_api_key, parse_base_url
from openrouter_video.api.endpoints import ModelEndpoints, endpoints_path, read_endpoints
from openrouter_video.api.key_budget import KeyBudget, read_key_budget
from openrouter_video.api.posting import (
    ANSWER_SECONDS,
    SEND_SECONDS,
    STALL_SECONDS,
    Posting,
    UploadTooSlowError,
)
from openrouter_video.api.redirects import (
    REDIRECTS,
    Redirects,
    answer_of_copy,
    answer_of_target,
    copy_target,
    redirect_target,
)
from openrouter_video.api.stored_copy import signed_url
from openrouter_video.api.transport import (
    LARGEST_ANSWER_BYTES,
    Connections,
    answer_within,
    cause_of,
    client_options,
    read_bounded,
    read_bounded_async,
    without_key,
)
from openrouter_video.errors import ApiUnavailable, ConfigurationError
from openrouter_video.text import clip

__all__ = ["ContentUnavailable", "Timeouts", "VideoClient", "out_of_time"]

BUSY_SECONDS = 1.0
LOOKS_SIDE_BY_SIDE = 10
CONNECTION_NEVER_MADE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Timeouts(NamedTuple):
    """Time limits in seconds. A real submission takes 2.4-3.6 s (recorded), so five would be too few."""

    connect: float = 10.0
    submit: float = 60.0
    poll: float = 30.0
    content: float = 60.0
    key: float = 5.0


class VideoClient:
    """OpenRouter's video API at one base URL with one key.

    Listing and polling are asynchronous. ``submit`` and ``content`` block, because they belong into a thread: the one
    must run to its end whatever is cancelled around it, the other moves a gigabyte without touching the event loop.
    """

    def __init__(
        self,
        api_key: SecretStr | str | None,
        base_url: str,
        *,
        timeouts: Timeouts | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        redirects: Redirects | None = None,
    ) -> None:
        self.base_url = parse_base_url(base_url)
        self.timeouts = timeouts or Timeouts()
        self._now = now
        self._redirects = redirects or Redirects()
        # Without a key only the list of models can be read, which is all that a dry run needs.
        self._key = parse_api_key(api_key) if api_key is not None else None
        shared: dict[str, Any] = {
            "follow_redirects": False,
            **client_options(self.base_url),
        }
        timeout = httpx.Timeout(self.timeouts.poll, connect=self.timeouts.connect)
        self._async = Connections(lambda limits: httpx.AsyncClient(**shared, timeout=timeout, limits=limits))
        # A kept-alive connection that the server has just closed loses a POST in a way that proves nothing.
        fresh = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._sync = httpx.Client(**shared, limits=fresh)
        # Each POST has a client of its own: to close a shared one would lose the answers that are late.
        self._client_of_post = partial(httpx.Client, **shared, limits=fresh)
        self._postings: WeakSet[Posting] = WeakSet()

    def __repr__(self) -> str:
        return f"VideoClient(base_url={self.base_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._async.aclose()
        self._sync.close()

    async def list_models(self) -> Catalog:
        """Return the models that the API offers, with what they take as input if that can be read; no key is sent.

        Raises:
            ApiUnavailable: if the API could not be reached or is in trouble; safe to try again.
            ConfigurationError: if what answered is not OpenRouter's video API.
        """
        url = f"{self.base_url}/videos/models"
        try:
            async with (
                asyncio.timeout(self.timeouts.poll),
                self._async.lend() as client,
                client.stream("GET", url) as response,
            ):
                body = await read_bounded_async(response)
        except TimeoutError:
            raise ApiUnavailable(f"{url} gave no complete answer within {self.timeouts.poll:g} s") from None
        except httpx.HTTPError as error:
            raise ApiUnavailable(f"could not reach {url}: {cause_of(error)}") from None
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            raise ApiUnavailable(f"{url} answered HTTP {response.status_code}; try again later")
        payload = parse_json(body) if body is not None else None
        if not response.is_success or payload is None:
            label = clip(response.headers.get("content-type", "no content type"))
            too_large = f"more than {LARGEST_ANSWER_BYTES} bytes of {label}" if body is None else None
            said = error_message(payload) or too_large or label
            raise ConfigurationError(
                f"{self.base_url} does not look like OpenRouter's API: {url} answered HTTP {response.status_code} "
                f"({said}); the usual base URL is https://openrouter.ai/api/v1"
            )
        catalog = parse_catalog(payload, sandbox=is_sandbox(response.headers))
        return with_plain_list(catalog, await self._plain_list())

    async def _plain_list(self) -> Any:
        """Return the plain list of models; None if it cannot be had, since a plan can do without it."""
        with suppress(TimeoutError, httpx.HTTPError):
            async with (
                asyncio.timeout(self.timeouts.key),
                self._async.lend() as client,
                client.stream("GET", f"{self.base_url}/models", params={"output_modalities": "video"}) as response,
            ):
                body = await read_bounded_async(response)
            return parse_json(body) if response.is_success and body is not None else None
        return None

    def submit(self, body: bytes, session_id: str, late: Callable[[SubmitAnswer], None] | None = None) -> SubmitAnswer:
        """Send one POST and say what its answer proves; never raises for what the network or the API does.

        ``session_id`` goes along as ``x-session-id``, by which a person may find the job again. It returns after the
        submit time-out at the latest, with an answer that is ``pending``; what a slower answer proves is told to
        ``late`` once it comes, or once it is known that none will.
        """
        posting = Posting(body)
        self._postings.add(posting)
        try:
            posting.begin(lambda: self._post(posting, body, session_id))
        except RuntimeError as error:
            return SubmitAnswer("again", f"no thread could be started for the request: {error}")
        return posting.wait(self.timeouts.submit, late)

    def end_within(self, seconds: float) -> None:
        """Keep the process no longer than that from ending for answers that are late: it was asked to end."""
        for posting in tuple(self._postings):
            posting.end_within(seconds)

    def _post(self, posting: Posting, body: bytes, session_id: str) -> SubmitAnswer:
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "x-session-id": session_id}
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=self.timeouts.connect, write=STALL_SECONDS)
        request: dict[str, Any] = {"headers": headers, "auth": self._with_key, "timeout": timeout}
        url = f"{self.base_url}/videos"
        try:
            with (
                self._client_of_post() as client,
                client.stream("POST", url, content=posting.chunks(), **request) as response,
            ):
                answer = self._without_key(read_bounded(response, time.monotonic() + ANSWER_SECONDS))
                answer = without_callback_url(answer, body)
                return read_submit(response.status_code, response.headers, answer, self._now())
        except CONNECTION_NEVER_MADE as error:
            return SubmitAnswer("again", f"could not connect to {self.base_url}: {cause_of(error)}")
        except UploadTooSlowError:
            return posting.unanswered(f"timed out after {SEND_SECONDS:g} s")
        except httpx.HTTPError as error:
            return posting.unanswered(cause_of(error))

    async def get_job(self, job_id: str) -> PollAnswer:
        """Ask once how a job is doing; what goes wrong is a reason in the answer, never an exception."""
        url = f"{self.base_url}/videos/{quote(job_id, safe='')}"
        began = time.monotonic()
        try:
            async with self._async.lend() as client:
                # From here on: before, it has only waited for its turn.
                began = time.monotonic()
                async with (
                    asyncio.timeout(self.timeouts.poll),
                    client.stream("GET", url, auth=self._with_key) as response,
                ):
                    body = await read_bounded_async(response)
                    if body is None:
                        return PollAnswer(reason=f"an answer of more than {LARGEST_ANSWER_BYTES} bytes")
                    answer = self._without_key(body)
                    return read_poll(response.status_code, response.headers, answer, self._now(), job_id)
        except TimeoutError:
            return PollAnswer(reason=out_of_time(self.timeouts.poll, time.monotonic() - began))
        except httpx.HTTPError as error:
            return PollAnswer(reason=f"no answer: {cause_of(error)}")

    async def get_key_budget(self) -> KeyBudget:
        """Ask once what the key may still spend; what goes wrong is a reason in the answer, never an exception."""
        if self._key is None:
            return KeyBudget(unknown="there is no key")
        answer = await self._look("/key", self.timeouts.key)
        return KeyBudget(unknown=answer) if isinstance(answer, str) else read_key_budget(*answer)

    async def get_endpoints(self, model_id: str) -> ModelEndpoints:
        """Ask once who serves a model, and how well; what goes wrong is a reason in the answer, never an exception.

        No key is needed, but only who has one is told how long videos take.
        """
        path = endpoints_path(model_id)
        if path is None:
            return ModelEndpoints(model=model_id, unknown="its id does not name an author and a model")
        answer = await self._look(path, self.timeouts.key)
        if isinstance(answer, str):
            return ModelEndpoints(model=model_id, unknown=answer)
        status, _, body = answer
        return read_endpoints(status, body, model_id)

    async def list_endpoints(self, model_ids: Iterable[str]) -> list[ModelEndpoints]:
        """Ask for the endpoints of each model once, a few side by side; an API that is slow is soon asked no more."""
        turns, clock = asyncio.Semaphore(LOOKS_SIDE_BY_SIDE), asyncio.get_running_loop().time
        until = clock() + self.timeouts.key

        async def ask(model_id: str) -> ModelEndpoints:
            async with turns:
                if clock() >= until:
                    why = f"it was not asked, since the answers for other models took {self.timeouts.key:g} s"
                    return ModelEndpoints(model=model_id, unknown=why)
                return await self.get_endpoints(model_id)

        return await asyncio.gather(*map(ask, dict.fromkeys(model_ids)))

    async def _look(self, path: str, seconds: float) -> tuple[int, httpx.Headers, bytes] | str:
        """Send one GET and return what was answered, or why nothing was."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[httpx.Response]:
            url = f"{self.base_url}{path}"
            async with self._async.lend() as client, client.stream("GET", url, auth=self._with_key) as response:
                yield response

        answer = await answer_within(seconds, opened())
        if isinstance(answer, str):
            return answer
        response, body = answer
        return response.status_code, response.headers, self._without_key(body)

    @contextmanager
    def content(
        self, job_id: str, index: int = 0, *, limits: DownloadLimits | None = None, stop: threading.Event | None = None
    ) -> Iterator[Iterator[bytes]]:
        """Open the video of a finished job as an iterator of bytes, which are not an error page.

        Whether they are a video is for the taker to see: labels are wrong too often. ``stop`` ends it within a second,
        whatever the network does. A redirect is followed once, without the key.

        Raises:
            ContentUnavailable: if no video comes, also in the middle of the iteration.
        """
        url = f"{self.base_url}/videos/{quote(job_id, safe='')}/content"
        headers = {"Accept": "video/mp4", "Accept-Encoding": "identity"}
        with ExitStack() as stack:
            opened = partial(self._opened, stack, limits or DownloadLimits(), stop or threading.Event())
            head, download = opened(partial(self._send_get, url, {"params": {"index": index}, "headers": headers}))
            if head.status in REDIRECTS:
                target = redirect_target(url, head.headers.get("location"))
                head, download = opened(partial(self._redirects.open, target, self._content_timeout))
                if head.status != httpx.codes.OK:
                    wait = retry_after(head.headers, self._now())
                    raise ContentUnavailable(answer_of_target(target, head.status, wait))
                yield video_body(download, head.headers, self._without_key, quoted=False)
                return
            if head.status != httpx.codes.OK:
                beginning = self._without_key(beginning_of(download, head.headers))
                raise ContentUnavailable(read_content(head.status, head.headers, beginning, self._now()))
            yield video_body(download, head.headers, self._without_key)

    @contextmanager
    def stored_copy(
        self, job_id: str, index: int = 0, *, limits: DownloadLimits | None = None, stop: threading.Event | None = None
    ) -> Iterator[Iterator[bytes]]:
        """Open OpenRouter's stored copy of an output, for which the job is asked once more, as ``content`` opens it.

        Its signed URL gets no key, and nobody is told it: it opens the video to whoever has it.

        Raises:
            ContentUnavailable: if no video comes; ``final`` if there is no such copy, or none any more.
        """
        url = f"{self.base_url}/videos/{quote(job_id, safe='')}"
        with ExitStack() as stack:
            opened = partial(self._opened, stack, limits or DownloadLimits(), stop or threading.Event())
            head, download = opened(partial(self._send_get, url, {"headers": {"Accept-Encoding": "identity"}}))
            url = signed_url(head.status, beginning_of(download, head.headers), index)
            target = copy_target(self.base_url, url)
            head, download = opened(partial(self._redirects.open, target, self._content_timeout))
            if head.status != httpx.codes.OK:
                raise ContentUnavailable(answer_of_copy(target, head.status))
            yield video_body(download, head.headers, self._without_key, quoted=False)

    def _opened(
        self,
        stack: ExitStack,
        limits: DownloadLimits,
        stop: threading.Event,
        send: Callable[[Trace], AbstractContextManager[httpx.Response]],
    ) -> tuple[Head, Download]:
        """Begin a download that ends with the stack, and wait for its headers."""
        download = stack.enter_context(Download(send, limits, stop))
        # httpx would wait so long for each byte of them.
        return download.head(self.timeouts.connect + self.timeouts.content), download

    def _send_get(self, url: str, request: Mapping[str, Any], trace: Trace) -> AbstractContextManager[httpx.Response]:
        given: dict[str, Any] = {**request, "auth": self._with_key, "timeout": self._content_timeout}
        return self._sync.stream("GET", url, **given, extensions={"trace": trace})

    @property
    def _content_timeout(self) -> httpx.Timeout:
        return httpx.Timeout(self.timeouts.content, connect=self.timeouts.connect)

    def _with_key(self, request: httpx.Request) -> httpx.Request:
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        return request

    def _without_key(self, answer: bytes) -> bytes:
        return without_key(answer, self._key) if self._key is not None else answer


def out_of_time(seconds: float, passed: float) -> str:
    """Say that no answer came within time; where this process was too busy to look, that it was."""
    busy = f"; this process was busy, and looked only after {passed:.0f} s" if passed > seconds + BUSY_SECONDS else ""
    return f"no complete answer within {seconds:g} s{busy}"
