"""A recipe: the parameters of one of the flows, as somebody has saved them, and which flow they are for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from openrouter_video.errors import Problem, RequestRefused
from openrouter_video.request import RunRequest, VideoRequest
from openrouter_video.text import nearest, shown

__all__ = ["FLOWS", "STAND_IN", "Recipe", "parse_recipe", "recipe_of", "unknown_parameters"]

FLOWS = ("generate_video", "fan_out_video", "batch_videos", "chain_video")
"""The flows whose parameters a recipe may be."""
TOLD_BY = {
    "shots": "chain_video",
    "source": "batch_videos",
    "rows": "batch_videos",
    "models": "fan_out_video",
    "model": "generate_video",
}
"""By which parameter a recipe without the key ``flow`` is told, the first that it has."""
STAND_IN = "the prompt of a run"


class Recipe(NamedTuple):
    """One recipe, or why it is not one.

    ``name``: where it is, the same at each check. ``form``: the parameters of its ``flow``. ``problems``: why it could
    not even be read.
    """

    name: str
    flow: str | None = None
    form: Mapping[str, Any] = {}
    problems: tuple[str, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it names itself; the rows of a batch may name others."""
        listed = [self.form.get("model"), *_texts(self.form.get("models"))]
        return tuple(dict.fromkeys(one for one in listed if isinstance(one, str) and one))


def parse_recipe(name: str, document: object) -> Recipe:
    """Read what a file holds.

    Raises:
        RequestRefused: if it is not a recipe.
    """
    if not isinstance(document, Mapping) or not all(isinstance(key, str) for key in document):
        message = "it is not a recipe: a recipe is an object with the parameters of a flow, such as prompt and models"
        raise RequestRefused([Problem("recipe", message)])
    form = {key: value for key, value in document.items() if key != "flow"}
    if "flow" in document:
        flow = str(document["flow"]).replace("-", "_")
        if flow not in FLOWS:
            near = nearest(flow, FLOWS)
            hint = f"; did you mean {near[0]}?" if near else ""
            message = f"flow is {shown(document['flow'])}, and it can be {', '.join(FLOWS)}{hint}"
            raise RequestRefused([Problem("flow", message)])
        return Recipe(name, flow, form)
    flow = next((flow for field, flow in TOLD_BY.items() if form.get(field) is not None), "")
    if not flow:
        message = f"nothing tells which flow it is for: it has none of {', '.join(TOLD_BY)}; add flow, one of "
        raise RequestRefused([Problem("flow", message + ", ".join(FLOWS))])
    return Recipe(name, flow, form)


def unknown_parameters(recipe: Recipe, known: Iterable[str]) -> list[str]:
    """Say which parameters of a recipe its flow does not have: Prefect takes them, and the run then fails."""
    names, found = list(known), []
    for name in recipe.form:
        if name not in names:
            near = nearest(name, names)
            hint = f"; did you mean {near[0]}?" if near else "; leave it out"
            found.append(f"{shown(name)} is not a parameter of {recipe.flow}{hint}")
    return found


def recipe_of(run: RunRequest) -> dict[str, Any]:
    """Return a run as a recipe of ``fan_out_video``: its parameters as JSON, without what is as it would be anyway."""
    given = run.parameters()
    usual = RunRequest(VideoRequest(prompt=run.request.prompt), run.models).parameters()
    form = {name: value for name, value in given.items() if name in {"prompt", "models"} or value != usual[name]}
    if "settings" in form:
        form["settings"] = run.request.settings.model_dump(mode="json", exclude_none=True)
    return form


def _texts(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else ()
