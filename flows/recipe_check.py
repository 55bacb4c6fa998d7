"""The flow that checks recipes against the list of models of this moment, since that changes from week to week."""

# No postponed annotations: Prefect pickles a flow that is served, and as text they would lose what they refer to.
import inspect
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from logging import INFO, WARNING
from typing import Any, NamedTuple, cast
from uuid import NAMESPACE_URL, uuid5

from prefect import Flow, flow, get_run_logger
from prefect.events import emit_event
from prefect.exceptions import ParameterBindError, ParameterTypeError
from prefect.states import Completed

from openrouter_video.api import base_url_of
from openrouter_video.blocks import load_credentials, load_store
from openrouter_video.drift import (
    STAND_IN,
    Recipe,
    RecipeCheck,
    RecipeRecords,
    RecipeVerdict,
    broke_now,
    broken_event,
    check_lines,
    check_page,
    judge,
    read_recipes,
    recipe_digest,
    record_of,
    summary_of,
    unknown_parameters,
)
from openrouter_video.errors import ApiUnavailable, ConfigurationError, LedgerError
from openrouter_video.run import Destination
from openrouter_video.tasks import RESULT_FORMAT, publish_page
from openrouter_video.text import clip
from openrouter_video.threads import Threads

from . import form_fields as form
from .batch import batch_videos
from .final_states import refused_state
from .flow_body import flow_body
from .model_fan_out import fan_out_video
from .prefect_refusals import explain_prefect_refusals
from .recipe_deployments import read_deployed_recipes
from .recipe_dry_runs import Found, dry_recipes
from .run_identity import identify_run
from .shot_chain import chain_video
from .termination import log_if_interrupted
from .video_generation import generate_video

__all__ = ["check_recipes"]

OF_NAME: Mapping[str, Flow[..., Any]] = {
    one.fn.__name__: one for one in (generate_video, fan_out_video, batch_videos, chain_video)
}
"""The flows of which a recipe may hold the parameters."""
ADDED = {"prompt": STAND_IN, "shots": [STAND_IN], "model": "", "models": []}
PAGE = "openrouter-recipes"
KEPT = timedelta(days=90)
"""For which a record is kept that no check needs any more: its recipe may be in a folder that is seldom checked."""


class Place(NamedTuple):
    """Where recipes and their records are read, and the threads in which that is done."""

    destination: Destination
    threads: Threads


@explain_prefect_refusals
@flow(name="check-recipes", retries=0, persist_result=True, result_serializer=RESULT_FORMAT)
async def check_recipes(
    recipes: form.Recipes = None,
    *,
    deployments: form.OfDeployments = True,
    store: form.StoreName = None,
    output: form.OutputUrl = None,
    ledger: form.LedgerUrl = None,
    credentials: form.CredentialsName = None,
) -> RecipeCheck:
    """Check recipes against the models, prices and abilities that OpenRouter lists at this moment.

    A recipe is the parameters of a flow of this package, saved in a file or in a deployment. Each is planned as its run
    would be, with its table of prompts and its images, by the models of its own credentials' base URL, with its own
    store and ledger; nothing is sent, nothing is spent, and no key is sent.

    Args:
        recipes: Files or folders of recipes in JSON or YAML, paths or any fsspec URLs. None means none.
        deployments: Whether to check the parameters of the deployments on this Prefect server, too.
        store: Name of the OpenRouter Video Store block in whose ledger the checks are remembered.
        output: Folder of the videos, if its ledger is inside it. The ledger of a store is where the store says.
        ledger: Folder of the submission records, if not inside the output. Wins over the store's.
        credentials: Name of an OpenRouter Credentials block, for its base URL, where a recipe names none. Without it
            OPENROUTER_BASE_URL.

    Returns:
        For each recipe whether it works or breaks, why and since when, and what has changed since the last check.

    Raises:
        ApiUnavailable: if the models could not be listed.
        ConfigurationError: if a block, store or ledger, or Prefect's server, cannot be used.
        LedgerError: if what was found cannot be remembered.
    """
    identity = await identify_run()
    with flow_body(), log_if_interrupted("Interrupted; the next check finds what this one did not."):
        try:
            place = Place(await load_store(store, output, ledger, deployed=identity.deployed), Threads())
            known = await _read(recipes or (), place, deployments=deployments)
            found = await dry_recipes(known, await _base_url(credentials), place.threads)
            check = await _remember(found, place, identity.run_id)
        except (ConfigurationError, ApiUnavailable, LedgerError) as error:
            return cast(RecipeCheck, refused_state(error))
        for line in check_lines(check):
            get_run_logger().log(WARNING if line.kind == "broken" else INFO, "%s", line.text)
        await publish_page(check_page(check), PAGE, summary_of(check))
    return cast(RecipeCheck, Completed(message=summary_of(check), data=check))


async def _base_url(credentials: str | None) -> str:
    """Return whose models are listed; without a block no key is needed."""
    if credentials:
        return (await load_credentials(credentials)).base_url
    return base_url_of(os.environ)


async def _read(urls: Sequence[str], place: Place, *, deployments: bool) -> list[Recipe]:
    """Read all recipes; one that is named twice is one."""
    options_for = place.destination.options_for
    files = [one for url in urls for one in await place.threads.run(read_recipes, url, options_for)]
    deployed = await read_deployed_recipes() if deployments else []
    return list({recipe.name: _validated(recipe) for recipe in (*files, *deployed)}.values())


def _validated(recipe: Recipe) -> Recipe:
    """Return a recipe with what Prefect would find wrong with it as parameters of its flow."""
    if recipe.flow is None:
        return recipe
    flow_of_it = OF_NAME[recipe.flow]
    names = inspect.signature(flow_of_it.fn).parameters
    if unknown := unknown_parameters(recipe, names):
        return recipe._replace(problems=(*recipe.problems, *unknown))
    # What the person or the program that starts a run is to add.
    required = {name for name, one in names.items() if one.default is inspect.Parameter.empty}
    added = {name: value for name, value in ADDED.items() if name in required and not recipe.form.get(name)}
    try:
        with _unlogged():
            flow_of_it.validate_parameters({**recipe.form, **added})
    except (ParameterTypeError, ParameterBindError) as error:
        _, *problems = [line.removeprefix(" - ") for line in str(error).splitlines()] or [""]
        return recipe._replace(problems=tuple(map(clip, problems or [str(error)])))
    return recipe


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep out of the log what Prefect says of wrong parameters: it repeats all of them, signed URLs and data too."""
    logger = logging.getLogger("prefect.flows")
    logger.addFilter(_is_not_of_parameters)
    try:
        yield
    finally:
        logger.removeFilter(_is_not_of_parameters)


def _is_not_of_parameters(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Parameter validation failed")


async def _remember(found: Sequence[Found], place: Place, run_id: str) -> RecipeCheck:
    """Say of each recipe what is new since the last check, tell of those that break now, and record this check."""
    now, verdicts = datetime.now(UTC), list[RecipeVerdict]()
    with closing(await place.threads.run(place.destination.reach_ledger)) as ledger:
        records = RecipeRecords(ledger.store)
        for recipe, plan, catalog in found:
            before = await place.threads.run(records.get, recipe.name, sandbox=catalog.sandbox)
            verdict = judge(recipe, plan, catalog, before, now)
            # Before it is recorded: a check that dies in between tells the same event again, which Prefect keeps once.
            if broke_now(verdict, before):
                _tell(verdict)
            record = record_of(verdict, catalog, before, now)
            await place.threads.run(records.put, record, sandbox=catalog.sandbox)
            verdicts.append(verdict)
        for name in await place.threads.run(records.forget, now - KEPT):
            get_run_logger().info("%s: no check has seen it for %d days; its record is removed", clip(name), KEPT.days)
    sandbox = any(verdict.sandbox for verdict in verdicts)
    return RecipeCheck(run_id=run_id, checked_at=now, recipes=tuple(verdicts), sandbox=sandbox)


def _tell(verdict: RecipeVerdict) -> None:
    """Hand the event of a recipe that breaks to Prefect, which sends it from a thread of its own."""
    sandbox = verdict.sandbox
    event = broken_event(verdict, recipe_digest(verdict.name, sandbox=sandbox), sandbox=sandbox)
    emit_event(event.name, resource=event.resource, payload=event.payload, id=uuid5(NAMESPACE_URL, event.identity))
