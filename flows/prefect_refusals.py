"""Why Prefect did not start a run, for too large parameters or odd proxies, as an error of this package."""

# No postponed annotations: the flows that are made so are pickled where Prefect serves them.
import inspect
import os
import re
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from prefect import Flow
from prefect.exceptions import PrefectHTTPStatusError

from openrouter_video.errors import ConfigurationError, Problem, RequestRefused

from .run_tags import made_with_tag

__all__ = ["explain_prefect_refusals"]

TOO_LARGE = re.compile(r"parameters must be less than ([\d,]+) bytes.*?got ([\d,]+) bytes")

F = TypeVar("F", bound=Flow[..., Any])
T = TypeVar("T")


def explain_prefect_refusals(made: F) -> F:
    """Let a flow say in this package's words why Prefect did not start it, such as for too large parameters.

    Prefect's server refuses them before the run exists, so that no line of the flow is there to say it. Nor is one
    where Prefect's own client cannot be made by the proxy variables: that is a ConfigurationError.
    """
    made.__class__ = _ExplainingFlow  # type: ignore[assignment]
    return made


class _ExplainingFlow(Flow[..., Any]):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        called = super().__call__(*args, **kwargs)
        return _explained(called) if inspect.isawaitable(called) else called

    def with_options(self, *args: Any, **options: Any) -> Flow[..., Any]:
        # Prefect makes a plain flow of it.
        return explain_prefect_refusals(super().with_options(*args, **options))


async def _explained(called: Awaitable[T]) -> T:
    refused: RequestRefused | ConfigurationError | None
    try:
        with made_with_tag():
            return await called
    except PrefectHTTPStatusError as error:
        refused = _refusal(error.response.status_code, error.response.text)
        if refused is None:
            raise
    except (ValueError, ImportError, httpx.InvalidURL):
        if _httpx_works():
            raise
        refused = _proxy_refusal()
    # Outside of the except: Prefect's error repeats every parameter.
    raise refused


def _httpx_works() -> bool:
    try:
        httpx.Client(verify=False).close()  # noqa: S501 (nothing is sent)
    except (ValueError, ImportError, httpx.InvalidURL):
        return False
    return True


def _proxy_refusal() -> ConfigurationError:
    kinds = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
    names = ", ".join(sorted(name for name in os.environ if name.upper() in kinds))
    return ConfigurationError(
        f"Prefect cannot be reached, since httpx cannot use the proxy variables of this process ({names}); "
        "correct or unset them. It takes http://, https:// and, with pip install 'httpx[socks]', socks5:// proxies"
    )


def _refusal(status: int, text: str) -> RequestRefused | None:
    found = TOO_LARGE.search(text) if status == HTTPStatus.UNPROCESSABLE_ENTITY else None
    if found is None and status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return None
    size = f"they have {found[2]} bytes, and it keeps at most {found[1]}" if found else "its server refused their size"
    message = f"the parameters are larger than Prefect keeps with a run: {size}; "
    advice = "give an image as a path or an https URL instead of a data: URL, and the rows of a batch as a file"
    return RequestRefused([Problem("parameters", message + advice)])
