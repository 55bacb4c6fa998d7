"""What a webhook says: that a job has come to its end, and by its address of which submission. Pure."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openrouter_video.ledger import is_key

__all__ = ["Notice", "key_of_query", "parse_notice"]

ENDS = {f"video.generation.{end}": end for end in ("completed", "failed", "cancelled", "expired")}
MOST_FIELDS = 20

_Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]


class Notice(NamedTuple):
    """What a webhook tells of: ``job`` has ended as ``end``; both empty for an event that this version does not know.

    Neither is believed: what became of a job, the API is asked.
    """

    job: str = ""
    end: str = ""

    @property
    def identity(self) -> str:
        """What all deliveries of one notice have in common, which is what OpenRouter makes its idempotency key of."""
        return f"{self.job}-{self.end}"


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: _Word
    data: Any = None


class _Job(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: _Word


def parse_notice(body: bytes) -> Notice | None:
    """Return what a body says; None if it is not a notice."""
    try:
        read = _Body.model_validate_json(body)
        end = ENDS.get(read.type)
        return Notice(_Job.model_validate(read.data).id, end) if end else Notice()
    except ValidationError:
        return None


def key_of_query(query: bytes) -> str | None:
    """Return the ledger key in the query of an address; None if there is none, or what is there cannot be one.

    The default address of a workspace has none, and is told of everybody's jobs.
    """
    try:
        pairs = parse_qsl(query.decode("ascii"), max_num_fields=MOST_FIELDS)
    except ValueError:
        return None
    keys = [value for name, value in pairs if name == "key"]
    return keys[0] if len(keys) == 1 and is_key(keys[0]) else None
