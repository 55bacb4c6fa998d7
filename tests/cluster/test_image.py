"""The image: what the Dockerfile says, and its steps carried out in bare root file systems, for want of an engine.

With WHOLE_IMAGE=1 each package is fetched and installed, as in a container; else they are lent by this environment.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from packaging.version import Version

from deployments.cluster import compose
from tests.support.dockerfiles import Root, read_stages, why_not_here

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "deployments" / "cluster" / "Dockerfile").read_text(encoding="utf-8")
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
BUILD, FINAL = read_stages(TEXT)


def test_it_is_pinned() -> None:
    """By the Python that constraints.txt was made with, and by constraints.txt."""
    (image,) = re.findall(r"^ARG PYTHON=(\S+)$", TEXT, re.MULTILINE)
    (made_with,) = re.findall(r"# With Python (\d+\.\d+)", CONSTRAINTS)
    version, kind, _ = image.split("-")
    assert (".".join(version.split(".")[:2]), kind, len(Version(version).release)) == (made_with, "slim", 3)
    installs = [step.words for step in BUILD.steps if "pip install" in step.words]
    assert installs
    assert all("--constraint constraints.txt" in words and "--no-cache-dir" in words for words in installs)


def test_the_last_stage_is_small_and_nobodys() -> None:
    """It installs nothing, holds no secret, and its programs run as a user who owns none of it."""
    assert [step for step in FINAL.steps if re.search(r"\b(pip|apt-get|apk)\b", step.words)] == []
    assert [step.words for step in FINAL.steps if step.instruction == "USER"] == ["10001:10001"]
    assert FINAL.steps[-1].instruction == "CMD"
    assert "API_KEY" not in TEXT


def test_what_it_copies_is_let_through() -> None:
    """.dockerignore leaves out all that it does not name, and files of secrets in any case."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    named = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        word
        for stage in (BUILD, FINAL)
        for step in stage.steps
        if step.instruction == "COPY" and not step.words.startswith("--from")
        for word in step.words.split()[:-1]
    }
    assert copied == named
    assert all((ROOT / name).exists() for name in named)
    assert {"*", "**/.env", "**/*.env"} <= set(lines)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """The last stage, built."""
    if reason := why_not_here():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("image")
    # Not below a folder that only its owner may enter: the image's own user goes there.
    folder.chmod(0o755)
    packages = folder / "packages"
    packages.mkdir()
    whole = bool(os.environ.get("WHOLE_IMAGE"))
    extra = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    if whole:
        constraint = str(ROOT / "constraints.txt")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(packages), "--constraint", constraint]
        subprocess.run([*pip, f"{ROOT}[s3]", "hatchling", "pip"], cwd=folder, check=True)
        lent, extra = {packages: "/packages"}, {**extra, "PIP_FIND_LINKS": "/packages"}
    else:
        site = Path(sysconfig.get_path("purelib"))
        for entry in site.iterdir():
            if not entry.name.startswith(("prefect_openrouter_video", "_prefect_openrouter_video")):
                (packages / entry.name).symlink_to(f"/site/{entry.name}")
        lent = {site: "/site", packages: "/packages"}
        extra |= {"PYTHONPATH": "/packages", "PIP_NO_BUILD_ISOLATION": "0"}
    stages: dict[str, Root] = {}
    for number, stage in enumerate((BUILD, FINAL)):
        root = stages[stage.name] = Root(folder / f"root-{number}", lent)
        for step in stage.steps:
            # What builds is lent, too, and pip takes no constraint for that.
            words = step.words if whole else step.words.replace("--build-constraint constraints.txt ", "")
            root.carry_out(step._replace(words=words), ROOT, stages, extra)
    if not whole:
        root.environment["PYTHONPATH"] = "/packages"
    return root


def test_its_programs_run_as_its_user(image: Root) -> None:
    """All that compose.yaml starts is there, in a file system where this user may write to one folder only."""
    import prefect  # noqa: PLC0415

    assert "fan-out" in image.run(["openrouter-video", "--help"])
    assert prefect.__version__ in image.run(["python", "-m", "prefect", "version"])
    assert "--create-pool" in image.run(["python", "-m", "deployments.cluster.deploy", "--help"])
    writable = "find / -xdev -maxdepth 3 -writable -not -path '/proc*' -not -path '/dev*' -not -type l"
    assert image.run(["sh", "-c", f"{writable}; id -u"]).split() == ["/tmp", compose.HOME, "10001"]  # noqa: S108
    where = "import openrouter_video; print(openrouter_video.__file__)"
    assert image.run(["python", "-c", where]).startswith("/opt/openrouter-video/lib/")
