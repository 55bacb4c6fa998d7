"""Parameters that are larger than Prefect keeps with a run: a refusal in this package's own words."""

# No postponed annotations: the flows that are made so are pickled where Prefect serves them.
import inspect
import re
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any, TypeVar

from prefect import Flow
from prefect.exceptions import PrefectHTTPStatusError

from openrouter_video.errors import Problem, RequestRefused

__all__ = ["explain_size"]

TOO_LARGE = re.compile(r"parameters must be less than ([\d,]+) bytes.*?got ([\d,]+) bytes")

F = TypeVar("F", bound=Flow[..., Any])
T = TypeVar("T")


def explain_size(made: F) -> F:
    """Let a flow that is called with too large parameters raise RequestRefused, which says what to do.

    Prefect's server refuses them before the run exists, so that no line of the flow is there to say it.
    """
    made.__class__ = _ExplainingFlow  # type: ignore[assignment]
    return made


class _ExplainingFlow(Flow[..., Any]):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        called = super().__call__(*args, **kwargs)
        return _explained(called) if inspect.isawaitable(called) else called

    def with_options(self, *args: Any, **options: Any) -> Flow[..., Any]:
        # Prefect makes a plain flow of it.
        return explain_size(super().with_options(*args, **options))


async def _explained(called: Awaitable[T]) -> T:
    try:
        return await called
    except PrefectHTTPStatusError as error:
        refused = _refusal(error.response.status_code, error.response.text)
        if refused is None:
            raise
    # Outside of the except: Prefect's error repeats every parameter.
    raise refused


def _refusal(status: int, text: str) -> RequestRefused | None:
    found = TOO_LARGE.search(text) if status == HTTPStatus.UNPROCESSABLE_ENTITY else None
    if found is None and status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return None
    size = f"they have {found[2]} bytes, and it keeps at most {found[1]}" if found else "its server refused their size"
    message = f"the parameters are larger than Prefect keeps with a run: {size}; "
    advice = "give an image as a path or an https URL instead of a data: URL"
    return RequestRefused([Problem("parameters", message + advice)])
