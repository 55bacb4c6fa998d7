"""The words of ``check-recipes``: what it is called, what it takes, and the flow that it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from openrouter_video.cli.options import DEFAULT_PLACE, Json, PlaceOptions, refuse_blanks

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

# ruff: noqa: PLC0415 (what it needs is imported when it runs, so that --help is quick)

__all__ = ["check_recipes"]


def check_recipes(
    *recipes: Annotated[str, Parameter(help="File or folder of recipes, JSON or YAML: a path or any fsspec URL.")],
    no_deployments: Annotated[
        bool, Parameter(negative=(), help="Leave out the deployments on the server of PREFECT_API_URL.")
    ] = False,
    place: PlaceOptions = DEFAULT_PLACE,
    sandbox: Annotated[bool, Parameter(negative=(), help="Ask a stand-in for OpenRouter.")] = False,
    json: Json = False,
    verbose: Annotated[bool, Parameter(negative=(), help="Show Prefect's own log.")] = False,
) -> int:
    """Say which recipes break by today's list of models, since when, and which are dearer or cheaper; sends nothing.

    A recipe is the parameters of a flow, as `plan` saves them and deployments hold them.
    """
    from openrouter_video.cli.check_recipes import check

    refuse_blanks(place)
    given = {"recipes": [*recipes], "deployments": not no_deployments, **vars(place)}

    async def start() -> State[Any]:
        from openrouter_video.flows import check_recipes as flow

        return await flow(**given, return_state=True)

    return check(recipes, given, start, sandbox=sandbox, as_json=json, verbose=verbose)
