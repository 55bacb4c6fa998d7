"""The services of a cluster: one description, of which compose.yaml and the processes of ``make cluster`` are made."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from deployments.cluster import compose
from deployments.cluster.processes import MODULES, Cluster, launches_of
from deployments.cluster.services import Place, Service, services_at
from openrouter_video.child_process import child_command
from tests.support.flow_processes import wait_until

HERE = Path(compose.__file__).parent
CONTAINERS: dict[str, dict[str, Any]] = yaml.safe_load(compose.FILE.read_text(encoding="utf-8"))["services"]
LAPTOP = Place(
    listens_on="127.0.0.1",
    postgres="127.0.0.1",
    server="127.0.0.1",
    ui="http://127.0.0.1:1",
    database="/state/database",
    home="/state",
    scratch="/state/client",
    output="/videos",
    password="canary-password",
    webhook_secret="canary-secret",
)
USER = {
    "PATH": "/bin",
    "OPENROUTER_API_KEY": "canary-key",
    "OPENROUTER_MANAGEMENT_KEY": "canary-management",
    "AWS_PROFILE": "videos",
}


def test_compose_yaml_is_made_from_the_description() -> None:
    """By hand nothing is changed in it."""
    assert compose.FILE.read_text(encoding="utf-8") == compose.compose_text(), f"Make it anew: {compose.COMMAND}"


def test_containers_and_processes_are_the_same() -> None:
    """The same services in the same order, the same commands but for the address, the same names of variables."""
    processes = {service.name: launches_of(service, USER) for service in services_at(LAPTOP)}
    assert list(processes) == list(CONTAINERS)
    for name, container in CONTAINERS.items():
        launches = processes[name]
        assert len(launches) == container.get("deploy", {}).get("replicas", 1)
        program, *arguments = container.get("command", ["postgres"])
        words = arguments[1:] if program == "python" else [MODULES[program], *arguments]
        for launch in launches:
            assert launch.command == child_command(*(LAPTOP.listens_on if w == "0.0.0.0" else w for w in words))  # noqa: S104
            assert set(launch.environment) - set(USER) == set(container["environment"]) - set(USER)


def test_what_tells_that_it_is_well_is_asked_in_containers_too() -> None:
    """At the port and path at which the processes wait for it."""
    asked = {name: one["healthcheck"]["test"][-1] for name, one in CONTAINERS.items() if "healthcheck" in one}
    del asked["postgres"]
    assert {name: re.findall(r"http://127.0.0.1:\d+(/[a-z/]+)", text) for name, text in asked.items()} == {
        service.name: [service.health] for service in services_at(LAPTOP) if service.health
    }


def test_who_sees_which_secret() -> None:
    """The key goes to those who make videos only, the database's password to the database and its server only."""
    seen = {service.name: str(launches_of(service, USER)) for service in services_at(LAPTOP)}
    assert {name for name, text in seen.items() if "canary-password" in text} == {"postgres", "server"}
    assert {name for name, text in seen.items() if "canary-key" in text} == {
        "deploy",
        "worker",
        "collector",
    }
    assert {name for name, text in seen.items() if "canary-secret" in text} == {"webhooks"}
    assert "canary-management" not in str(seen)
    assert {name for name, one in CONTAINERS.items() if "videos.env" in one.get("env_file", ())} == {
        name for name, text in seen.items() if "canary-key" in text
    }
    password = CONTAINERS["postgres"]["environment"]["POSTGRES_PASSWORD"]
    assert re.fullmatch(r"\$\{POSTGRES_PASSWORD:\?write it into deployments/cluster/\.env, .*\}", password)


def test_nothing_is_open_to_other_machines() -> None:
    """What is published is so on loopback; nobody has more rights than the image of PostgreSQL needs."""
    ports = [port for one in CONTAINERS.values() for port in one.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert all(one["cap_drop"] == ["ALL"] and not one.get("privileged") for one in CONTAINERS.values())
    assert {name for name, one in CONTAINERS.items() if one.get("cap_add")} == {"postgres"}


def test_secrets_are_in_files_that_git_ignores() -> None:
    """The examples name every variable that compose.yaml asks for, and hold no value of a secret."""
    ignored = (HERE.parents[1] / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/deployments/cluster/.env", "/deployments/cluster/videos.env"} <= set(ignored)
    example = (HERE / "env.example").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{([A-Z_]+)", compose.FILE.read_text(encoding="utf-8")))
    assert {name for name in asked if not re.search(rf"^#?{name}=", example, re.MULTILINE)} == set()
    secret = re.compile(r"^#?\w*(?:PASSWORD|SECRET|KEY)\w*=.", re.MULTILINE)
    assert not secret.findall(example + (HERE / "videos.env.example").read_text(encoding="utf-8"))


# ---- Work pools whose runs are containers ----------------------------------------------------------------------------


def placeholders(value: Any) -> set[str]:
    """The variables that a part of a template names."""
    return set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(value)))


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_a_pools_template_is_whole(kind: str) -> None:
    """Each variable that it names is one of the form; runs bear no key."""
    text = (HERE / f"{kind}-pool.json").read_text(encoding="utf-8")
    template = json.loads(text)
    form = template["variables"]["properties"]
    assert placeholders(template["job_configuration"]) == set(form)
    assert form["image"]["default"] == compose.IMAGE
    assert "OPENROUTER_API_KEY" not in form["env"]["default"]


def test_a_docker_pools_runs_see_the_clusters_volume() -> None:
    """And the same ledger in it, so that its collector finds what they leave open."""
    form = json.loads((HERE / "docker-pool.json").read_text(encoding="utf-8"))["variables"]["properties"]
    project = yaml.safe_load(compose.FILE.read_text(encoding="utf-8"))["name"]
    assert form["networks"]["default"] == [f"{project}_default"]
    (volume,) = CONTAINERS["worker"]["volumes"]
    assert form["volumes"]["default"] == [f"{project}_{volume}"]
    ours = CONTAINERS["worker"]["environment"]
    told = form["env"]["default"]
    assert told["OPENROUTER_VIDEO_OUTPUT"] in ours["OPENROUTER_VIDEO_OUTPUT"]
    assert told["PREFECT_RESULTS_LOCAL_STORAGE_PATH"] == ours["PREFECT_RESULTS_LOCAL_STORAGE_PATH"]


def test_a_kubernetes_job_starts_once_and_has_the_time_to_end() -> None:
    """A pod that ends is not started again by Kubernetes: Prefect knows the run. Its key comes from a secret."""
    template = json.loads((HERE / "kubernetes-pool.json").read_text(encoding="utf-8"))
    form, job = template["variables"]["properties"], template["job_configuration"]["job_manifest"]["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    assert (form["backoff_limit"]["default"], pod["restartPolicy"]) == (0, "Never")
    assert pod["terminationGracePeriodSeconds"] == compose.STOP_SECONDS
    assert container["envFrom"] == [{"secretRef": {"name": "{{ secret }}"}}]
    assert pod["securityContext"]["runAsNonRoot"] is True


# ---- The processes ---------------------------------------------------------------------------------------------------

SAYS = """import os, signal, subprocess, sys, time
name, log = sys.argv[1:]
open(log, "a").write(f"start {name}\\n")
def end(*_):
    open(log, "a").write(f"end {name}\\n"); sys.exit()
signal.signal(signal.SIGTERM, end)
if name == "worker":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
    open(log, "a").write(f"child {child.pid}\\n")
if name != "once":
    time.sleep(300)
"""


def lives(pid: int) -> bool:
    """Whether a process is there and does something."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_processes_start_in_order_start_again_and_end_in_reverse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed process had started ends with it, as in a container, and so does what is left at the end."""
    monkeypatch.setattr("deployments.cluster.processes.STARTS_AGAIN_AFTER_SECONDS", 0)
    monkeypatch.setattr("deployments.cluster.processes.ROOT", tmp_path)
    (tmp_path / "says.py").write_text(SAYS, encoding="utf-8")
    log = tmp_path / "said"

    def service(name: str, *after: str, once: bool = False) -> Service:
        return Service(name, ("python", "-m", "says", name, str(log)), {}, after, once=once, makes_videos=True)

    def said(word: str) -> list[str]:
        return (
            [line.split()[1] for line in log.read_text().splitlines() if line.startswith(word)] if log.exists() else []
        )

    user = {"PYTHONPATH": str(tmp_path)}
    with Cluster([service("a"), service("once", "a", once=True), service("worker", "once")], tmp_path, user) as cluster:
        assert list(cluster.processes) == ["a", "worker"]
        wait_until(lambda: len(said("child")) == 1)
        cluster.look()
        first = cluster.processes["worker"].pid
        psutil.Process(first).send_signal(signal.SIGKILL)

        def started_again() -> bool:
            cluster.look()
            return cluster.processes["worker"].pid != first

        wait_until(started_again)
        wait_until(lambda: len(said("child")) == 2)
    assert sorted(said("start")) == ["a", "once", "worker", "worker"]
    assert said("end") == ["worker", "a"]
    wait_until(lambda: not any(lives(int(pid)) for pid in said("child")))


def test_a_step_that_fails_ends_what_has_started(tmp_path: Path) -> None:
    """With the end of its log."""
    failing = Service("deploy", ("python", "-m", "no_such_module"), {}, once=True, makes_videos=True)
    with pytest.raises(SystemExit, match=r"deploy failed. The end of .*deploy.log:[^$]*No module named no_such_module"):
        Cluster([failing], tmp_path, {}).__enter__()
