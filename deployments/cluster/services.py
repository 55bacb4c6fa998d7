# ruff: noqa: INP001 (a folder of things to run, not a package)
"""The services of a cluster, described once: for containers by compose.py, for plain processes by processes.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

POOL = "videos"
"""The work pool of deployments/prefect.yaml."""
COLLECTIONS = "collect"
"""The work queue of its collections, which the collector takes from alone, so that no long run holds them up."""
WORKERS = 2
RUNS_PER_WORKER = 4
RUNS_OF_THE_COLLECTOR = 2
LOOKS_FOR_RUNS_EVERY_SECONDS = 5


class Place(NamedTuple):
    """Where the services are: on which interface they listen, and how they find each other and their secrets.

    ``database`` and ``home`` are folders that last, ``scratch`` one that need not; the videos and their ledger go to
    ``output``.
    ``ui`` is the server's origin as a browser sees it.
    """

    listens_on: str
    postgres: str
    server: str
    ui: str
    database: str
    home: str
    scratch: str
    output: str
    password: str
    webhook_secret: str
    postgres_port: int = 5432
    server_port: int = 4200
    webhooks_port: int = 4230

    @property
    def api(self) -> str:
        """The URL of Prefect's API, as the services see it."""
        return f"http://{self.server}:{self.server_port}/api"


class Service(NamedTuple):
    """One program: its command, what its environment holds, and after which others it starts.

    ``once``: it does its work and ends, and what comes after it waits for that. ``makes_videos``: it reads the key and
    the stores from the user's own environment. It listens at ``port``, where ``health`` is a path that answers once it
    is well; ``published``: from outside, too.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    after: tuple[str, ...] = ()
    replicas: int = 1
    once: bool = False
    makes_videos: bool = False
    port: int | None = None
    health: str | None = None
    published: bool = False


def services_at(place: Place) -> tuple[Service, ...]:
    """Return the services in the order in which they start."""
    client = {"PREFECT_API_URL": place.api, "PREFECT_HOME": place.scratch}
    return (
        _postgres(place),
        _server(place),
        Service(
            name="deploy",
            command=("python", "-m", "deployments.cluster.deploy", "--create-pool", "process"),
            environment=client,
            after=("server",),
            once=True,
            makes_videos=True,
        ),
        _worker("worker", place, "--limit", str(RUNS_PER_WORKER), replicas=WORKERS),
        _worker("collector", place, "--work-queue", COLLECTIONS, "--limit", str(RUNS_OF_THE_COLLECTOR)),
        Service(
            name="webhooks",
            command=("openrouter-video", "webhooks", "--host", place.listens_on, "--port", str(place.webhooks_port)),
            environment={**client, "OPENROUTER_VIDEO_WEBHOOK_SECRET": place.webhook_secret},
            after=("deploy",),
            port=place.webhooks_port,
            health="/health",
            published=True,
        ),
    )


def _postgres(place: Place) -> Service:
    # The names are those that PostgreSQL's image reads.
    names = {"POSTGRES_USER": "prefect", "POSTGRES_DB": "prefect", "POSTGRES_PASSWORD": place.password}
    port = place.postgres_port
    return Service("postgres", ("postgres",), {**names, "PGDATA": place.database, "PGPORT": str(port)}, port=port)


def _server(place: Place) -> Service:
    database = {
        "DRIVER": "postgresql+asyncpg",
        "HOST": place.postgres,
        "PORT": str(place.postgres_port),
        "USER": "prefect",
        "NAME": "prefect",
        "PASSWORD": place.password,
    }
    return Service(
        name="server",
        command=("prefect", "server", "start", "--host", place.listens_on, "--port", str(place.server_port)),
        environment={
            **{f"PREFECT_SERVER_DATABASE_{name}": value for name, value in database.items()},
            "PREFECT_HOME": f"{place.home}/prefect",
            # Without it the page would ask the address at which the server listens.
            "PREFECT_SERVER_UI_API_URL": f"{place.ui}/api",
            # Where the program is installed nobody may write, and the server makes its page anew at each start.
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": f"{place.home}/prefect/ui",
            # In memory, the default, a restart would leak the slots of limits for good.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        },
        after=("postgres",),
        port=place.server_port,
        health="/api/health",
        published=True,
    )


def _worker(name: str, place: Place, *options: str, replicas: int = 1) -> Service:
    return Service(
        name=name,
        command=("prefect", "worker", "start", "--pool", POOL, "--type", "process", *options),
        environment={
            "PREFECT_API_URL": place.api,
            "PREFECT_HOME": place.scratch,
            "PREFECT_WORKER_QUERY_SECONDS": str(LOOKS_FOR_RUNS_EVERY_SECONDS),
            # What a run returns must be found by the other workers.
            "PREFECT_RESULTS_LOCAL_STORAGE_PATH": f"{place.home}/results",
            "OPENROUTER_VIDEO_OUTPUT": place.output,
        },
        after=("deploy",),
        replicas=replicas,
        makes_videos=True,
    )
