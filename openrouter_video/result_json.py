"""How results and errors of this package are written to Prefect's result storage: as JSON, whole, and never pickled.

Prefect's own encoder keeps only an error's message, so ``TooFewVideos`` would lose its outcomes on the way to another
process. Everything else is left to the models: they are named by module, so a result loads wherever the package is.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from openrouter_video import errors
from openrouter_video.api import Catalog, ModelEndpoints
from openrouter_video.drift import RecipeCheck
from openrouter_video.errors import Problem, RequestRefused, TooFewVideos
from openrouter_video.outcome import Batch, Chain, FanOut, Outcome

__all__ = ["decode", "encode"]

MODELS: dict[str, type[BaseModel]] = {
    "Batch": Batch,
    "Catalog": Catalog,
    "Chain": Chain,
    "FanOut": FanOut,
    "ModelEndpoints": ModelEndpoints,
    "Outcome": Outcome,
    "RecipeCheck": RecipeCheck,
}
KIND, ERROR = "__openrouter_video__", "__error__"


def encode(value: Any) -> Any:
    """Turn a model or an error into JSON; what json.dumps calls for a value that it does not know.

    Raises:
        TypeError: for any other kind of value.
    """
    if isinstance(value, TooFewVideos):
        outcomes = [outcome.model_dump(mode="json") for outcome in value.outcomes]
        return {ERROR: "TooFewVideos", "outcomes": outcomes, "wanted": value.wanted}
    if isinstance(value, RequestRefused):
        return {ERROR: "RequestRefused", "problems": [list(problem) for problem in value.problems]}
    if isinstance(value, BaseException):
        return {ERROR: type(value).__name__, "message": str(value)}
    if type(value).__name__ in MODELS and isinstance(value, BaseModel):
        return {KIND: type(value).__name__, "fields": value.model_dump(mode="json")}
    raise TypeError(f"a {type(value).__name__} is not a result of this package")


def decode(content: dict[str, Any]) -> Any:
    """Turn JSON back into the model or error that it stands for; any other object stays as it is."""
    if KIND in content:
        return MODELS[content[KIND]].model_validate(content["fields"])
    kind = content.get(ERROR)
    if kind == "TooFewVideos":
        return TooFewVideos([Outcome.model_validate(outcome) for outcome in content["outcomes"]], content["wanted"])
    if kind == "RequestRefused":
        return RequestRefused(Problem(*problem) for problem in content["problems"])
    if kind is not None:
        known = getattr(errors, kind, None)
        return known(content["message"]) if isinstance(known, type) else RuntimeError(f"{kind}: {content['message']}")
    return content
