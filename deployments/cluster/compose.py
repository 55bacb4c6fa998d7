# ruff: noqa: INP001 (a folder of things to run, not a package)
"""Write compose.yaml from the description of the services: ``.venv/bin/python -m deployments.cluster.compose``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from deployments.cluster.services import Place, Service, services_at

FILE = Path(__file__).with_name("compose.yaml")
COMMAND = ".venv/bin/python -m deployments.cluster.compose"
POSTGRES_IMAGE = "postgres:17.6-bookworm"
IMAGE = "prefect-openrouter-video:local"
HOME = "/var/lib/openrouter-video"
"""The folder of the image that lasts: a volume."""
STOP_SECONDS = 90
"""A submission that is on its way has the time to be answered and recorded."""

HEADER = f"""\
# A cluster in containers: PostgreSQL, Prefect's server, two workers, a collector, a receiver of webhooks.
# docs/cluster.md says how to start it. Made from services.py, as `make cluster` is; do not edit it, but change that and
# run: {COMMAND}
#
# Secrets stand in two files beside this one, which git ignores: .env (see env.example) and videos.env (see
# videos.env.example). Nothing is reachable from other machines; put a proxy with TLS and a login in front of what is.
"""

PLACE = Place(
    listens_on="0.0.0.0",  # noqa: S104 (inside of its container; it is published on loopback only)
    postgres="postgres",
    server="server",
    ui="http://127.0.0.1:4200",
    database="/var/lib/postgresql/data/prefect",
    home=HOME,
    scratch="/tmp/prefect",  # noqa: S108 (inside of its container, where nobody else is)
    output=f"${{OPENROUTER_VIDEO_OUTPUT:-{HOME}/videos}}",
    password="${POSTGRES_PASSWORD:?write it into deployments/cluster/.env, as env.example shows}",  # noqa: S106 (a name)
    webhook_secret="${OPENROUTER_VIDEO_WEBHOOK_SECRET:-}",  # noqa: S106 (the same)
)


def compose_text() -> str:
    """Return the text of compose.yaml."""
    services = services_at(PLACE)
    once = {service.name for service in services if service.once}
    document = {
        "name": "openrouter-video",
        "services": {service.name: _entry(service, once) for service in services},
        "volumes": {"postgres": {}, "server": {}, "videos": {}},
    }
    return HEADER + yaml.safe_dump(document, sort_keys=False, width=120)


def _entry(service: Service, once: set[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        **(_of_postgres() if service.name == "postgres" else _of_ours(service)),
        "environment": dict(service.environment),
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": "on-failure:5" if service.once else "unless-stopped",
    }
    if service.after:
        entry["depends_on"] = {name: {"condition": _condition(name, once)} for name in service.after}
    if service.published:
        entry["ports"] = [f"127.0.0.1:{service.port}:{service.port}"]
    if service.replicas > 1:
        entry["deploy"] = {"replicas": service.replicas}
    return entry


def _condition(name: str, once: set[str]) -> str:
    return "service_completed_successfully" if name in once else "service_healthy"


def _of_postgres() -> dict[str, Any]:
    return {
        "image": POSTGRES_IMAGE,
        "volumes": ["postgres:/var/lib/postgresql/data"],
        # Its image begins as root, gives itself the folder and then becomes the user postgres.
        "cap_add": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"],
        # By TCP, on which it does not listen while it makes the database.
        "healthcheck": {"test": ["CMD-SHELL", "pg_isready --host 127.0.0.1"], "interval": "5s", "retries": 12},
    }


def _of_ours(service: Service) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "image": IMAGE,
        "build": {"context": "../..", "dockerfile": "deployments/cluster/Dockerfile"},
        "command": list(service.command),
        # Runs are processes of their own, whose ends somebody must take note of.
        "init": True,
        "stop_grace_period": f"{STOP_SECONDS}s",
    }
    if service.makes_videos:
        entry["env_file"] = ["videos.env"]
    if "OPENROUTER_VIDEO_OUTPUT" in service.environment:
        entry["volumes"] = [f"videos:{HOME}"]
    if service.name == "server":
        entry["volumes"] = [f"server:{HOME}"]
    if service.health:
        entry["healthcheck"] = _answers(f"http://127.0.0.1:{service.port}{service.health}")
    if service.name == "webhooks":
        entry["profiles"] = ["webhooks"]
    return entry


def _answers(url: str) -> dict[str, Any]:
    ask = f"import urllib.request; urllib.request.urlopen('{url}', timeout=5)"
    return {"test": ["CMD", "python", "-c", ask], "interval": "10s", "retries": 12, "start_period": "60s"}


def main() -> None:
    """Write it."""
    FILE.write_text(compose_text(), encoding="utf-8")
    sys.stdout.write(f"Written: {FILE}\n")


if __name__ == "__main__":
    main()
