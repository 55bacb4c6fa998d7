"""The structure of the house, read from its sources: who may import whom, and what an import may do."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = "openrouter_video"
# Each folder may import those before it.
FOLDERS = (CORE, "blocks", "tasks", "flows")
ALIASES = tuple(f"{CORE}/{folder}.py" for folder in FOLDERS[1:])
# Each wing may import the face of those before it, and nothing of those after it.
GROUND = (
    "elision",
    "child_process",
    "threads",
    "media_types",
    "text",
    "markdown",
    "form",
    "money",
    "outcome",
    "state_message",
    "rows",
    "errors",
)
WINGS = (
    "stores",
    "api",
    "ledger",
    "webhooks",
    "videos",
    "request",
    "planning",
    "run",
    "shards",
    "shots",
    "batch",
    "gallery",
    "drift",
)
ORDER = (*GROUND, *WINGS[:-4], "report", "notebook", *WINGS[-4:], "blocks", "tasks", "flows", "cli")
FACES = (*WINGS, "gallery")
# Beside the order: what only points to names elsewhere, and the sandbox, which knows nothing of the rest.
# A method of a value may hand it to a module that is built on it, which it imports inside of itself; so a block that
# stands for a job starts the flows that make it.
LATE = {("outcome", "rows"), ("outcome", "notebook"), ("blocks", "flows")}
BESIDE = {"__init__", "__main__", "checkout", "limits", "result_json", "output_server", "results", "sandbox"}
PURE = (
    *("elision", "errors", "form", "markdown", "media_types", "money", "outcome", "report", "rows"),
    *("state_message", "text"),
    *("gallery.links", "gallery.matrix", "gallery.merging", "gallery.page"),
    *("gallery.run_page", "gallery.summaries", "gallery.tiles"),
    *("api.answers", "api.callback", "api.catalog", "api.endpoints", "api.failures", "api.generations", "api.job"),
    *("api.key_budget", "api.refusals", "api.stored_copy", "api.web_urls"),
    *("request.inputs", "request.labels", "request.request", "request.run_request", "request.settings"),
    *("ledger.journal_entry", "ledger.learning", "ledger.portions", "ledger.records"),
    *("ledger.reservations", "ledger.settlement", "ledger.spending", "ledger.waiting_run"),
    *("batch.batch_request", "batch.cells", "batch.columns", "batch.paths", "batch.plan"),
    *("batch.plan_lines", "batch.rows", "batch.table", "batch.template", "batch.text_tables", "batch.versions"),
    *("planning.approval", "planning.body", "planning.budget", "planning.capabilities", "planning.gated_plan"),
    *("planning.key_gate", "planning.needs", "planning.passthrough", "planning.plan", "planning.plan_warnings"),
    *("planning.previous_jobs", "planning.input_prices", "planning.price_key", "planning.price_list"),
    *("planning.pricing", "planning.run_plan"),
    *("run.bills", "run.caps", "run.conclusions", "run.extra_takes", "run.facts", "run.lanes", "run.outputs"),
    *("run.polling", "run.refused_in_run", "run.rescue", "run.video_event", "run.waking"),
    *("shards.division", "shards.next_step", "videos.checks", "videos.coding", "videos.mp4"),
    *("shots.chain_request", "shots.identity", "shots.next_shot", "shots.plan", "shots.plan_lines"),
    *("drift.check_lines", "drift.entry_changes", "drift.recipes", "drift.verdicts"),
    *("webhooks.notice", "webhooks.signature"),
    *("cli.export_rows", "cli.video_lines"),
)
# What a pure module cannot use is what reads a clock, an environment or a log, rolls dice, or reaches outside.
IMPURE_MODULES = {
    *("asyncio", "concurrent", "glob", "http", "io", "logging", "os", "pathlib", "random", "secrets", "select"),
    *("shutil", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time", "uuid", "warnings"),
}
IMPURE_NAMES = {
    *((ast.Name, name) for name in ("input", "open", "print")),
    *((ast.Attribute, name) for name in ("environ", "getenv", "now", "open", "today", "utcnow")),
}


def sources(*folders: str) -> list[str]:
    """The Python files under these folders, relative to the root."""
    return sorted(path.relative_to(ROOT).as_posix() for f in folders for path in (ROOT / f).rglob("*.py"))


@cache
def tree(file: str) -> ast.Module:
    """One file, parsed."""
    return ast.parse((ROOT / file).read_text(encoding="utf-8"), file)


def imports(file: str, within: ast.AST | None = None) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """Each import as (absolute module, names, line); a relative one is resolved as if the wheel had placed the file."""
    parts = file.removesuffix(".py").split("/")
    package = (parts if parts[0] == CORE else [CORE, *parts])[:-1]
    for node in ast.walk(within or tree(file)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, (), node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*prefix, *([node.module] if node.module else [])])
            yield module, tuple(alias.name for alias in node.names), node.lineno


def early_imports(file: str) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """The imports of a file but those that LATE allows it."""
    return (found for found in imports(file) if (room_of(file), room_of(found[0])) not in LATE)


def folder_of(module: str) -> str | None:
    """The folder that an absolute module name belongs to, by either of its names."""
    parts = module.split(".")
    if parts[0] == CORE and len(parts) > 1 and parts[1] in FOLDERS:
        return parts[1]
    return parts[0] if parts[0] in FOLDERS else None


def exported(init: str) -> list[str]:
    """The literal `__all__` of a file."""
    for node in tree(init).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    pytest.fail(f"{init} has no __all__")


def run(code: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter at the root, without any variable of ours."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OPENROUTER", "PREFECT"))}
    command = [sys.executable, "-c", code, *argv]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)


def module_names(*folders: str) -> list[str]:
    """The same files as importable names; the aliases are not of their folder."""
    files = [file for file in sources(*folders) if file not in ALIASES]
    return [file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for file in files]


def room_of(file_or_module: str) -> str:
    """The wing, folder or module of the ground that a file, or an absolute module name, belongs to."""
    parts = file_or_module.removesuffix(".py").replace("/", ".").split(".")
    return parts[0] if parts[0] != CORE else (*parts[1:], "__init__")[0]


def at_import(file: str) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """The imports of a file that are not inside one of its functions."""
    functions = [node for node in ast.walk(tree(file)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {line for function in functions for _, _, line in imports(file, function)}
    return (found for found in imports(file) if found[2] not in inside)


def home_of(module: str, name: str) -> str:
    """The module that defines a name which is imported from a face, such as `openrouter_video.api`."""
    init = f"{module.replace('.', '/')}/__init__.py"
    if not (ROOT / init).exists():
        return module
    return next((home for home, names, _ in imports(init) if name in names), module)


def test_every_file_has_a_room_in_the_order() -> None:
    """A new module of the ground, or a new wing, is given its place before anything is built on it."""
    assert {room_of(file) for file in sources(*FOLDERS)} == set(ORDER) | BESIDE


@pytest.mark.parametrize("room", ORDER)
def test_imports_point_one_way(room: str) -> None:
    """What a wing imports stands before it in the order; the command starts flows from inside its functions."""
    files = [file for file in sources(*FOLDERS) if room_of(file) == room and file not in ALIASES]
    assert files
    earlier = {*ORDER[: ORDER.index(room) + 1]} | (
        {"sandbox"} if room == "cli" else {"checkout"} if room in FOLDERS else set()
    )
    found = [(file, *one) for file in files for one in (at_import(file) if room == "cli" else early_imports(file))]
    ours = [one for one in found if one[1].split(".")[0] in FOLDERS]
    assert not [f"{file}:{line}: {module}" for file, module, _, line in ours if room_of(module) not in earlier]


def test_wings_know_each_other_by_their_faces() -> None:
    """Across wings: `from openrouter_video.api import x`, x in its `__all__`; never a module inside another wing."""
    wrong = []
    for file in sources(*FOLDERS, "deployments"):
        for module, names, line in imports(file):
            wing = room_of(module) if module.startswith(f"{CORE}.") else ""
            if wing not in {*FACES, "cli"} or wing == room_of(file) or room_of(file) == "__main__":
                continue
            published = exported(f"{CORE}/{wing}/__init__.py")
            if module.count(".") > 1 or not names or not set(names) <= set(published):
                wrong.append(f"{file}:{line}: {module} {names}")
    assert not wrong


def test_a_face_offers_only_what_another_wing_asks_for() -> None:
    """What nobody outside uses stays inside, so that a face is as small as it can be."""
    asked = {
        (room_of(module), name)
        for file in sources(*FOLDERS, "deployments")
        for module, names, _ in imports(file)
        if module.startswith(f"{CORE}.") and room_of(module) in FACES and room_of(module) != room_of(file)
        for name in names
    }
    offered = {(wing, name) for wing in FACES for name in exported(f"{CORE}/{wing}/__init__.py")}
    assert not offered - asked


def test_no_two_modules_wait_for_each_other() -> None:
    """Inside a wing too, imports make no circle."""
    graph: dict[str, set[str]] = {}
    for file in [file for file in sources(*FOLDERS) if not file.endswith("__init__.py") and file not in ALIASES]:
        name = file.removesuffix(".py").replace("/", ".")
        own = name if name.startswith(CORE) else f"{CORE}.{name}"
        graph[own] = {home_of(module, one) for module, names, _ in early_imports(file) for one in names} - {own}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names them


def test_folders_know_each_other_by_their_published_names() -> None:
    """Across folders: `from openrouter_video.tasks import x`, x in its `__all__`; the bare names are not installed."""
    wrong = []
    for file in [file for file in sources(*FOLDERS) if file not in ALIASES]:
        for module, names, line in imports(file):
            target = folder_of(module)
            if target is None or target == file.split("/")[0]:
                continue
            by_its_name = module.split(".")[0] == CORE and module.count(".") <= 1 and (names or target == CORE)
            published = names if target == CORE else exported(f"{target}/__init__.py")
            if not by_its_name or not set(names) <= set(published) or any(name.startswith("_") for name in names):
                wrong.append(f"{file}:{line}: {module} {names}")
    assert not wrong


def test_folders_import_their_own_modules_relatively() -> None:
    """In a checkout `openrouter_video.flows` is an alias without submodules, so a folder's own are reached by a dot."""
    files = [(folder, file) for folder in FOLDERS[1:] for file in sources(folder)]
    absolute = [
        f"{file}:{node.lineno}"
        for folder, file in files
        for node in ast.walk(tree(file))
        if (isinstance(node, ast.ImportFrom) and not node.level and folder_of(node.module or "") == folder)
        or (isinstance(node, ast.Import) and any(folder_of(alias.name) == folder for alias in node.names))
    ]
    assert files
    assert not absolute


def test_no_flow_file_hides_another_module() -> None:
    """Prefect puts flows/ first on sys.path, so a file there must not bear the name of anything importable."""
    taken = set(sys.stdlib_module_names) | set(importlib.metadata.packages_distributions())
    taken |= {path.stem for path in ROOT.iterdir()}
    assert sources("flows")
    assert not [file for file in sources("flows") if file.split("/")[1].removesuffix(".py") in taken - {"__init__"}]


def test_pure_modules_know_values_only() -> None:
    """Pydantic, slugify, the calculating part of the standard library: no clock, environment, log or disk."""
    wrong, waiting, seen = [], [f"{CORE}.{name}" for name in PURE], set[str]()
    while waiting:
        seen.add(waiting[-1])
        file = f"{waiting.pop().replace('.', '/')}.py"
        for module, names, line in early_imports(file):
            top = module.split(".")[0]
            if top == CORE:
                waiting += [home for name in names if (home := home_of(module, name)) not in {*seen, *waiting}]
            elif top not in {"pydantic", "slugify"} and (top not in sys.stdlib_module_names or top in IMPURE_MODULES):
                wrong.append(f"{file}:{line}: import {module}")
        for node in ast.walk(tree(file)):
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            if (type(node), name) in IMPURE_NAMES:
                wrong.append(f"{file}:{node.lineno}: {name}")  # type: ignore[attr-defined]
    assert not wrong


def test_importing_is_silent_and_the_core_brings_no_prefect() -> None:
    """No import reads a variable of ours or opens a connection; neither the core nor the command loads Prefect."""
    code = """if True:
        import importlib, os, sys
        noise = []
        read = os._Environ.__getitem__
        def watched(self, key):
            if str(key).startswith("OPENROUTER"):
                noise.append(f"{current}: reads {key}")
            return read(self, key)
        def heard(event, args):
            if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen"}:
                noise.append(f"{current}: {event} {args[1:]}")
        os._Environ.__getitem__ = watched
        current = "before"
        sys.addaudithook(heard)
        core, rest = sys.argv[1].split(), sys.argv[2].split()
        for current in core:
            importlib.import_module(current)
            if "prefect" in sys.modules:
                sys.exit(f"{current} imports prefect")
        for current in rest:
            importlib.import_module(current)
        sys.exit("\\n".join(noise) or None)
    """
    core = [CORE, *(name for name in module_names(CORE) if name != CORE)]
    done = run(code, " ".join(core), " ".join(module_names(*FOLDERS[1:])))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("argv", ["--help", "--version", "fan-out --help"])
def test_help_and_version_need_no_prefect(argv: str) -> None:
    """`openrouter-video --help` answers without the second or more that importing Prefect costs."""
    code = """if True:
        import sys
        from openrouter_video.cli import main
        sys.argv[0] = "openrouter-video"
        try:
            status = main()
        except SystemExit as stop:
            status = stop.code
        sys.exit("prefect was imported" if "prefect" in sys.modules else status)
    """
    done = run(code, *argv.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
