"""What pip installs: the wheel's contents, and that it works beside a user's own folders of the same names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Sequence
from email.parser import Parser
from pathlib import Path
from typing import assert_type

import pytest

import openrouter_video.flows
from openrouter_video.outcome import FanOut

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("blocks", "tasks", "flows")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FLOWS = ["collect_videos", "fan_out_video", "generate_video"]


def run(argv: Sequence[str | Path], cwd: Path, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program as a user would: none of our variables but these, no PYTHONPATH, a Prefect home of its own."""
    ours = ("OPENROUTER", "PREFECT", "PYTHONPATH", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    env |= {"PREFECT_HOME": str(home), **more}
    command = [str(part) for part in argv]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=240, check=False)


def checked(done: subprocess.CompletedProcess[str]) -> str:
    """The output of a run that must succeed."""
    assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def environment(folder: Path, what: Sequence[str]) -> Path:
    """A virtual environment with this package alone; its dependencies are borrowed from the running interpreter.

    A path line in a .pth file lends the packages of that folder but does not read its .pth files, so a development
    install in the lending environment stays out of sight.
    """
    checked(run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], folder, folder))
    python = folder / "venv" / "bin" / "python"
    script = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(checked(run([python, "-c", script], folder, folder)).strip())
    lent = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    (site / "lent.pth").write_text("\n".join(lent) + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    # The lender may hold this very version as a development install; it is neither used nor removed.
    checked(run([*pip, "--ignore-installed", "--no-build-isolation", *what], folder, folder))
    return python


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    checked(run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT], ROOT, folder))
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    """The wheel, by way of the source distribution."""
    (file,) = dist.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel in it."""
    return environment(tmp_path_factory.mktemp("installed"), [str(wheel)])


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with a development install of this checkout."""
    return environment(tmp_path_factory.mktemp("editable"), ["--editable", str(ROOT)])


@pytest.fixture
def neighbour(tmp_path: Path) -> Path:
    """A user's own project, with folders that bear the names of ours."""
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(f"OWNER = 'the user, {folder}'\n", encoding="utf-8")
    return tmp_path


def names_in(wheel: Path) -> list[str]:
    """Every file of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def dist_info(wheel: Path, name: str) -> str:
    """One of the wheel's metadata files."""
    with zipfile.ZipFile(wheel) as archive:
        (member,) = [file for file in archive.namelist() if file.endswith(f".dist-info/{name}")]
        return archive.read(member).decode()


def test_the_wheel_has_one_top_level_name(wheel: Path) -> None:
    """Nothing but openrouter_video is importable: flows, tasks and blocks belong to the user."""
    top = {name.split("/")[0] for name in names_in(wheel)}
    assert top == {"openrouter_video", f"prefect_openrouter_video-{PROJECT['version']}.dist-info"}


def test_the_wheel_holds_the_folders_in_place_of_the_aliases(wheel: Path) -> None:
    """Every source file of the four folders is in the wheel under openrouter_video, and the aliases are not."""
    names = set(names_in(wheel))
    expected = {f"openrouter_video/{f}/__init__.py" for f in FOLDERS}
    aliases = {f"openrouter_video/{folder}.py" for folder in FOLDERS}
    for folder in ("openrouter_video", *FOLDERS):
        for path in (ROOT / folder).rglob("*.py"):
            file = path.relative_to(ROOT).as_posix()
            expected.add(file if folder == "openrouter_video" else f"openrouter_video/{file}")
    assert expected - aliases <= names
    assert not aliases & names


def test_the_wheel_holds_what_is_not_python(wheel: Path) -> None:
    """The type marker and the sandbox's catalogue are inside; tests and tools are not."""
    names = names_in(wheel)
    assert {"openrouter_video/py.typed", "openrouter_video/sandbox/video_models.json"} <= set(names)
    assert not [name for name in names if "/test_" in name or name.endswith((".pyc", ".mp4", ".toml", ".yaml"))]


def test_the_source_distribution_can_be_tested_and_carries_no_products(dist: Path) -> None:
    """Sources, tests, licence and change log are inside; videos, environments and caches are not."""
    (file,) = dist.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expected = {"pyproject.toml", "README.md", "LICENSE", "flows/__init__.py", "tests/house/test_packaging.py"}
    assert expected | {"openrouter_video/videos/__init__.py"} <= names
    assert not {name.split("/")[0] for name in names} & {".git", ".venv", ".prefect", "dist", "videos"}


def test_the_metadata_says_what_the_project_says(wheel: Path) -> None:
    """Name, version, licence, Python and every dependency arrive in the wheel's metadata."""
    metadata = Parser().parsestr(dist_info(wheel, "METADATA"))
    assert (metadata["Name"], metadata["Version"]) == (PROJECT["name"], PROJECT["version"])
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("Apache-2.0", ">=3.11")
    assert "Apache License" in dist_info(wheel, "licenses/LICENSE")
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert len(required) == len(PROJECT["dependencies"])
    assert [line for line in required if line.startswith("prefect") and ">=3.9.1" in line]
    # From 3.9.1 on Prefect works with these itself; a bound of ours would only stand in somebody's way.
    assert not [line for line in required if line.lower().startswith(("fastapi", "sqlalchemy"))]


def test_the_entry_points_are_announced(wheel: Path) -> None:
    """Prefect finds the blocks, the shell finds the command, pytest finds the sandbox's fixtures."""
    lines = dist_info(wheel, "entry_points.txt").splitlines()
    assert lines[lines.index("[prefect.collections]") + 1] == "openrouter_video = openrouter_video.blocks"
    assert lines[lines.index("[console_scripts]") + 1] == "openrouter-video = openrouter_video.__main__:main"
    assert lines[lines.index("[pytest11]") + 1] == "openrouter_video = openrouter_video.sandbox.pytest_plugin"


@pytest.mark.parametrize("install", ["installed", "editable"])
def test_a_users_own_folders_stay_theirs(install: str, neighbour: Path, request: pytest.FixtureRequest) -> None:
    """`import flows` finds the user's folder while openrouter_video.flows is ours, through every published name.

    Prefect loads our flows by their module's name beside it.
    """
    python: Path = request.getfixturevalue(install)
    home = python.parents[1] if install == "installed" else ROOT
    code = """if True:
        import importlib, json, sys
        from prefect.flows import load_flow_from_entrypoint
        seen = {}
        for folder in ("blocks", "tasks", "flows"):
            mine, ours = importlib.import_module(folder), importlib.import_module(f"openrouter_video.{folder}")
            [getattr(ours, name) for name in ours.__all__]
            seen[folder] = [mine.OWNER, ours.__file__]
        for name in sys.argv[1:]:
            loaded = load_flow_from_entrypoint(f"openrouter_video.flows:{name}", use_placeholder_flow=False)
            assert loaded.fn.__name__ == name
        print(json.dumps(seen))
    """
    seen = json.loads(checked(run([python, "-c", code, *FLOWS], neighbour, neighbour / "home")))
    for folder, (owner, file) in seen.items():
        assert owner == f"the user, {folder}"
        assert file.startswith(str(home))
        assert file.endswith(f"/{folder}/__init__.py")


@pytest.mark.usefixtures("prefect_server")
def test_the_installed_command_makes_videos_there(installed: Path, neighbour: Path) -> None:
    """A fan-out over the sandbox, started in the user's project, ends with whole files and clean JSON.

    That of a development install is `make demo` (tests/house/test_readme.py).
    """
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 (the other tests here need no Prefect)

    version = run([installed.parent / "openrouter-video", "--version"], neighbour, neighbour / "home")
    assert PROJECT["version"] in checked(version)
    # By its module the command has the user's folder on its path.
    command = [str(installed), "-m", "openrouter_video", "fan-out", "A paper boat on a puddle"]
    models = ["--model", "google/veo-3.1-lite", "--model", "bytedance/seedance-2.0-mini"]
    fields = ["--duration", "4", "--resolution", "720p", "--no-audio", "--output", str(neighbour / "videos")]
    argv = [*command, *models, *fields, "--sandbox", "--json"]
    server = {"PREFECT_API_URL": PREFECT_API_URL.value() or ""}
    report = json.loads(checked(run(argv, neighbour, neighbour / "home", **server)))
    assert report["status"] == "completed"
    assert [outcome["status"] for outcome in report["outcomes"]] == ["completed", "completed"]
    for outcome in report["outcomes"]:
        file = Path(outcome["url"].removeprefix("file://"))
        assert file.is_relative_to(neighbour / "videos")
        assert file.stat().st_size == outcome["bytes"]


@pytest.mark.parametrize("first", ["bare", "alias"])
def test_both_names_of_a_checkout_mean_the_same_things(editable: Path, tmp_path: Path, first: str) -> None:
    """In a development install, flows and openrouter_video.flows are one set of modules, whichever comes first."""
    code = """if True:
        import importlib, pickle, sys
        for folder in ("blocks", "tasks", "flows"):
            names = [folder, f"openrouter_video.{folder}"]
            for name in names if sys.argv[1] == "bare" else reversed(names):
                importlib.import_module(name)
            bare, alias = (sys.modules[name] for name in names)
            assert bare.__all__ == alias.__all__, folder
            assert all(getattr(bare, name) is getattr(alias, name) for name in bare.__all__), folder
        import flows.production, openrouter_video.flows.production
        from flows.run_identity import RunIdentity
        assert flows.production is openrouter_video.flows.production
        assert RunIdentity.__module__ == "openrouter_video.flows.run_identity"
        assert pickle.loads(pickle.dumps(RunIdentity)) is RunIdentity
        print(flows.fan_out_video.name, bare.__file__)
    """
    printed = checked(run([editable, "-c", code, first], tmp_path, tmp_path / "home"))
    assert str(ROOT / "flows" / "__init__.py") in printed


def test_a_development_install_takes_no_name_of_the_users(editable: Path, neighbour: Path) -> None:
    """Prefect's command imports our blocks before the user's folder is on the path; the user's are found."""
    code = """if True:
        import importlib, sys
        import openrouter_video.flows
        sys.path.insert(0, sys.argv[1])
        for folder in ("blocks", "tasks", "flows"):
            assert importlib.import_module(folder).OWNER
    """
    (neighbour / "cwd").mkdir()
    checked(run([editable, "-c", code, neighbour], neighbour / "cwd", neighbour / "home"))


def test_a_users_folder_without_init_is_found_beside_ours(editable: Path, tmp_path: Path) -> None:
    """Python looks for such a folder last: our flows come first, and the user's modules are among them."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "mine.py").write_text("OWNER = 'the user'\n", encoding="utf-8")
    code = "import flows.mine, openrouter_video.flows; print(flows.mine.OWNER)"
    assert checked(run([editable, "-c", code], tmp_path, tmp_path / "home")).strip() == "the user"


async def what_a_type_checker_sees() -> None:
    """Not run: `make check` sees the signatures and fields, and would complain if an ignored error were none.

    In an installed package it sees the same, since the type marker is in the wheel.
    """
    right = await openrouter_video.flows.fan_out_video("a paper boat", ["google/veo-3.1-lite"], min_success=1)
    assert_type(right, FanOut)
    await openrouter_video.flows.fan_out_video("a paper boat", ["a/b"], min_success="one")  # type: ignore[call-overload]
    right.no_such_field  # type: ignore[attr-defined]  # noqa: B018
