# ruff: noqa: INP001 (a folder of things to run, not a package)
"""Deploy all that deployments/prefect.yaml defines to the server of PREFECT_API_URL: blocks, pool, deployments, forms.

And the automation by which the server notices runs whose worker has died.

``python -m deployments.cluster.deploy`` from the root of a checkout. It may run again at any time: schedules stay on or
off as somebody has left them. A block that the file names and the server does not have is left out: runs then read
OPENROUTER_API_KEY and OPENROUTER_VIDEO_OUTPUT from their environment.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import yaml
from prefect import get_client
from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_URL

from deployments.cluster.services import POOL
from openrouter_video import blocks
from openrouter_video.errors import VideoError
from openrouter_video.flows import offer_models, watch_for_dead_workers
from openrouter_video.text import clip

HERE = Path(__file__).parent
DEFINITIONS = HERE.parent / "prefect.yaml"
POOL_TYPES = ("process", "docker", "kubernetes")
BLOCK_TYPES: dict[str, type[Block]] = {"credentials": blocks.OpenRouterCredentials, "store": blocks.VideoStore}
"""What kind of block each parameter names."""
DATABASE = (
    'Prefect\'s server keeps its state in SQLite, {workers}. Several workers end in "database is locked" and 503: give '
    "the server a PostgreSQL (docs/cluster.md)."
)


def main(argv: Sequence[str] | None = None) -> None:
    """Deploy."""
    parser = argparse.ArgumentParser(prog="python -m deployments.cluster.deploy", description=__doc__)
    parser.add_argument("--pool", default=POOL, help=f"the work pool that runs them (default: {POOL})")
    parser.add_argument("--create-pool", choices=POOL_TYPES, help="make the pool, of this type, if it is not there")
    asked = parser.parse_args(argv)
    if not PREFECT_API_URL.value():
        sys.exit("PREFECT_API_URL is not set, so that there is no server to deploy to. Set it to http://HOST:4200/api.")
    try:
        names = asyncio.run(_deploy(asked.pool, asked.create_pool))
    except httpx.TransportError as error:
        sys.exit(f"Prefect's server does not answer at PREFECT_API_URL: {error or type(error).__name__}")
    except httpx.HTTPStatusError as error:
        sys.exit(f"What answers at PREFECT_API_URL does not deploy: {refusal(error.response)}")
    try:
        offer_models(names)
    except VideoError as error:
        _say(f"The forms take models as text only, for they could not be listed: {error}")
    try:
        watch_for_dead_workers()
    except VideoError as error:
        _say(f"Runs whose worker dies stay Running: {error}")
    _say(f"Deployed to the work pool {asked.pool}: {', '.join(names)}")


async def _deploy(pool: str, create: str | None) -> list[str]:
    async with get_client() as client:
        await _find_pool(client, pool, create)
        for kind in _block_types():
            await kind.register_type_and_schema(client=client)
        definitions = yaml.safe_load(DEFINITIONS.read_text(encoding="utf-8"))
        missing = {name for named in definitions["deployments"] for name in await _missing_blocks(client, named)}
        switches = {(d.name, s.slug): s.active for d in await client.read_deployments() for s in d.schedules if s.slug}
        if note := database_note(await _settings(client), await _workers_online(client, pool)):
            _say(note)
    for name in sorted(missing):
        _say(f"There is no block {name} on the server: runs read from their environment what it would say.")
    ready = definitions_for(definitions, pool, missing, switches)
    _prefect_deploy(ready)
    return [named["name"] for named in ready["deployments"]]


async def _find_pool(client: PrefectClient, pool: str, create: str | None) -> None:
    """Let the pool be there, or say how to make it."""
    try:
        found = await client.read_work_pool(pool)
    except ObjectNotFound:
        if create is None:
            others = ", ".join(sorted(other.name for other in await client.read_work_pools())) or "none"
            sys.exit(
                f"There is no work pool {pool!r} on Prefect's server. Those that are there: {others}. Make it by "
                f"--create-pool {'|'.join(POOL_TYPES)}, or name another one by --pool; nothing was deployed."
            )
    else:
        if create in {None, found.type}:
            return
        sys.exit(
            f"The work pool {pool!r} is there already and of the type {found.type}, not {create}. Name another one."
        )
    template = {} if create == "process" else json.loads((HERE / f"{create}-pool.json").read_text(encoding="utf-8"))
    try:
        await client.create_work_pool(WorkPoolCreate(name=pool, type=create, base_job_template=template))
    except ObjectAlreadyExists:
        return  # somebody else has just made it
    _say(f"Made the work pool {pool}, of the type {create}.")


def _block_types() -> list[type[Block]]:
    named = [getattr(blocks, name) for name in blocks.__all__]
    return [kind for kind in named if inspect.isclass(kind) and issubclass(kind, Block)]


async def _missing_blocks(client: PrefectClient, definition: Mapping[str, Any]) -> list[str]:
    """Return the blocks that a deployment names and the server does not have, as ``type/name``."""
    missing = []
    for parameter, kind in BLOCK_TYPES.items():
        if name := definition["parameters"].get(parameter):
            slug = kind.get_block_type_slug()
            try:
                await client.read_block_document_by_name(name, slug)
            except ObjectNotFound:
                missing.append(f"{slug}/{name}")
    return missing


def refusal(answer: httpx.Response) -> str:
    """Return what an answer of an error means, and what to do; without the URL, which may hold a password."""
    if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return f"HTTP {answer.status_code}: it asks for a login; set PREFECT_API_AUTH_STRING or PREFECT_API_KEY"
    if answer.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        return f"HTTP {answer.status_code}: that is not Prefect's API, whose address is like http://HOST:4200/api"
    return f"HTTP {answer.status_code}: {clip(answer.text)}"


def definitions_for(
    definitions: Mapping[str, Any],
    pool: str,
    missing: Collection[str],
    switches: Mapping[tuple[str, str], bool] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the definitions for this pool, without the blocks that the server does not have.

    ``switches`` says by deployment and slug which schedules somebody has left on or off; the file says the others.
    """
    absent = {name: kind.get_block_type_slug() for name, kind in BLOCK_TYPES.items()}

    def kept(parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in parameters.items() if f"{absent.get(name)}/{value}" not in missing}

    def scheduled(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        left = switches.get((name, entry["slug"]))
        return dict(entry) if left is None else {**entry, "active": left}

    deployments = [
        {
            **named,
            "work_pool": {**named["work_pool"], "name": pool},
            "parameters": kept(named["parameters"]),
            **({"schedules": [scheduled(named["name"], entry) for entry in given]} if given else {}),
        }
        for named in definitions["deployments"]
        for given in [named.get("schedules")]
    ]
    return {"pull": definitions["pull"], "deployments": deployments}


def database_note(settings: Mapping[str, Any], workers: int) -> str | None:
    """Return what to say of the server's database where it is known to be SQLite, which is its default."""
    database = settings.get("server", {}).get("database", {})
    if database.get("connection_url") or not str(database.get("driver") or "sqlite").startswith("sqlite"):
        return None
    return DATABASE.format(
        workers=f"and {workers} workers take runs from it" if workers > 1 else "which is for one worker"
    )


async def _settings(client: PrefectClient) -> dict[str, Any]:
    answer = await client.request("GET", "/admin/settings")
    settings: dict[str, Any] = answer.json()
    return settings


async def _workers_online(client: PrefectClient, pool: str) -> int:
    return sum(worker.status == "ONLINE" for worker in await client.read_workers_for_work_pool(pool))


def _prefect_deploy(definitions: Mapping[str, Any]) -> None:
    """Do what ``prefect deploy --all`` does, with these definitions."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prefect.yaml"
        file.write_text(yaml.safe_dump(dict(definitions), sort_keys=False), encoding="utf-8")
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--prefect-file", str(file), "--all"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 (our own interpreter)
    if done.returncode:
        sys.exit(f"prefect deploy failed:\n{done.stdout}{done.stderr}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
