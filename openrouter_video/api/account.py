"""What only a management key may ask of an account: which generations it made, and of which session one is.

An edge, asked by a person's command only. The management key goes to the configured origin and nowhere else: every URL
is built from the base URL, no redirect is followed, and no error holds a request, a response or a header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Self

import httpx
from pydantic import SecretStr

from openrouter_video.api.endpoint import parse_api_key, parse_base_url
from openrouter_video.api.generations import Generation, Listing, read_generation, read_listing
from openrouter_video.api.transport import answer_within, client_options, without_key

__all__ = ["Account"]

ANSWER_SECONDS = 30.0


class Account:
    """The account of one management key at one base URL. What goes wrong is a reason in the answer, no exception."""

    def __init__(
        self,
        management_key: SecretStr,
        base_url: str,
        *,
        seconds: float = ANSWER_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.base_url = parse_base_url(base_url)
        self._key = parse_api_key(management_key, "management key")
        self._seconds, self._now = seconds, now
        options = client_options(self.base_url)
        self._client = httpx.AsyncClient(follow_redirects=False, timeout=seconds, **options)

    def __repr__(self) -> str:
        return f"Account(base_url={self.base_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def generations(self, query: Mapping[str, Any]) -> Listing:
        """List generations by a query for their ids."""
        answer = await self._ask("POST", "/analytics/query", json=query)
        if isinstance(answer, str):
            return Listing(trouble=answer)
        return read_listing(*answer, self._now())

    async def generation(self, generation_id: str) -> Generation:
        """Ask for one generation."""
        answer = await self._ask("GET", "/generation", params={"id": generation_id})
        if isinstance(answer, str):
            return Generation(generation_id, trouble=answer)
        return read_generation(*answer, self._now(), generation_id)

    async def _ask(self, method: str, path: str, **request: Any) -> tuple[int, httpx.Headers, bytes] | str:
        opened = self._client.stream(method, f"{self.base_url}{path}", auth=self._with_key, **request)
        answer = await answer_within(self._seconds, opened)
        if isinstance(answer, str):
            return answer
        response, body = answer
        return response.status_code, response.headers, without_key(body, self._key)

    def _with_key(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        return request
