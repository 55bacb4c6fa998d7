"""The tables of the documentation against the code: what it lists is there, and what is there it lists."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, get_args

import pytest
from prefect import Flow
from pydantic import BaseModel

from openrouter_video import errors
from openrouter_video.api import DownloadLimits, Timeouts
from openrouter_video.api.answers import NOTHING_ACCEPTED
from openrouter_video.api.catalog import VideoModel
from openrouter_video.api.job import JobStatus
from openrouter_video.batch.columns import KNOWN
from openrouter_video.batch.paths import FIELDS
from openrouter_video.blocks import OpenRouterCredentials, OpenRouterVideoJob, VideoStore
from openrouter_video.cli import main
from openrouter_video.flows import (
    batch_videos,
    chain_video,
    check_recipes,
    collect_videos,
    fan_out_video,
    generate_video,
)
from openrouter_video.ledger.records import Claim, EntryState
from openrouter_video.limits import Limits
from openrouter_video.outcome import Outcome, OutcomeStatus
from openrouter_video.planning.passthrough import PROVIDER_SLUGS
from openrouter_video.request import InputReference, VideoSettings
from openrouter_video.rows import COLUMNS
from openrouter_video.run.submission import SubmitPolicy
from tests.house import test_architecture as house
from tests.support.markdown import DOCS, ROOT
from tests.support.wings import drawing

CODE = re.compile(r"`([^`]+)`")
COMMANDS = (
    "models",
    "plan",
    "generate",
    "fan-out",
    "batch",
    "chain",
    "concat",
    "collect",
    "check-recipes",
    "gallery",
    "ledger list",
    "ledger settle",
    "ledger repair",
    "ledger export",
    "spend",
    "sandbox",
    "webhooks",
)
CHAIN = "Parameters of `chain_video`"
COLLECT = "Parameters of `collect_videos`"
CHECK = "Parameters of `check_recipes`"
PLACES = {"openrouter_video", "flows", "tasks", "blocks", "deployments"}


class Table:
    """A table of a page: its header, and its rows as texts."""

    def __init__(self, page: str, heading: str, number: int = 0) -> None:
        """Take a table, counted from 0, below a heading of a page."""
        text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
        section = re.split(r"^#+ ", text.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
        found = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in found[number].splitlines()]
        self.rows = [[cell.strip() for cell in cells] for cells in lines[2:]]
        assert {len(row) for row in self.rows} == {len(lines[0])}

    def names(self, column: int = 0) -> list[str]:
        """All that stands in code in a column."""
        return [name for row in self.rows for name in CODE.findall(row[column])]

    def column(self, number: int) -> dict[str, str]:
        """A column by the first, both without their marks of code."""
        return {row[0].strip("`"): row[number].strip("`") for row in self.rows}


def written(default: Any) -> str:
    """A default as the tables write it."""
    if default in {inspect.Parameter.empty, ...}:
        return "required"
    named = getattr(default, "__name__", None)
    home = {"asyncio.tasks": "asyncio"}.get(getattr(default, "__module__", ""), getattr(default, "__module__", ""))
    return f"{home}.{named}" if named else str(default)


def parameters(flow: Flow[..., Any]) -> dict[str, str]:
    """A flow's parameters with their defaults."""
    return {name: written(one.default) for name, one in inspect.signature(flow.fn).parameters.items()}


def test_the_flows_parameters() -> None:
    """Each of them, with its default, and no other."""
    wanted = {**parameters(fan_out_video), **parameters(generate_video)}
    assert Table("options", "Parameters of the flows").column(2) == wanted
    assert Table("options", "Parameters of `batch_videos`").column(2) == parameters(batch_videos)
    assert Table("options", CHAIN).column(2) == parameters(chain_video)
    assert Table("options", "Parameters of `collect_videos`").column(2) == parameters(collect_videos)
    assert Table("options", CHECK).column(2) == parameters(check_recipes)


@pytest.mark.parametrize(
    ("heading", "number", "model"),
    [
        ("Settings", 0, VideoSettings),
        ("Settings", 1, InputReference),
        ("Blocks", 0, OpenRouterCredentials),
        ("Blocks", 1, VideoStore),
        ("Blocks", 2, OpenRouterVideoJob),
    ],
)
def test_the_fields(heading: str, number: int, model: type[BaseModel]) -> None:
    """Of settings and blocks, in their order."""
    inherited = {name for base in model.__mro__[1:] for name in getattr(base, "model_fields", ())}
    fields = {name: field for name, field in model.model_fields.items() if name not in inherited}
    table = Table("options", heading, number)
    assert table.names() == list(fields)
    if heading == "Blocks":
        defaults = {name: "required" if field.is_required() else str(field.default) for name, field in fields.items()}
        assert table.column(1) == defaults


@pytest.mark.parametrize(("number", "kind"), list(enumerate([Limits, Timeouts, SubmitPolicy, DownloadLimits])))
def test_the_limits(number: int, kind: Any) -> None:
    """Each field of each, with its default."""
    defaults = {
        name: f"{type(value).__name__}()" if isinstance(value, tuple) else written(value)
        for name, value in kind()._asdict().items()
    }
    assert Table("options", "Limits", number).column(1) == defaults


def offered(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The options that a command's help shows."""
    main([*command.split(), "--help"])
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", capsys.readouterr().out.partition("Examples:")[0]))


def test_the_commands_options(capsys: pytest.CaptureFixture[str]) -> None:
    """What each command's help offers is in a table for that command, and no table names another."""
    assert Table("options", "The command").names() == list(COMMANDS)
    shared = {
        name
        for heading in ("Parameters of the flows", "Parameters of `batch_videos`", "Settings", COLLECT, CHECK, CHAIN)
        for name in Table("options", heading).names(1)
        if name.startswith("--")
    }
    own: dict[str, set[str]] = {command: set() for command in COMMANDS}
    for option, commands in Table("options", "The command", 1).column(1).items():
        for command in CODE.findall(f"`{commands}`"):
            own[command].add(option)
    found = {command: offered(command, capsys) for command in COMMANDS}
    assert [(command, option) for command, options in found.items() for option in options - shared - own[command]] == []
    assert [(command, option) for command, options in own.items() for option in options - found[command]] == []
    assert shared <= set.union(*found.values())


@cache
def strings() -> tuple[str, ...]:
    """Every text in the code."""
    return tuple(_strings())


def _strings() -> Iterator[str]:
    """Every text in the code, of formatted ones what stands between the values."""
    for folder in sorted(PLACES):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
                elif isinstance(node, ast.JoinedStr):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)


def test_the_environment_variables() -> None:
    """Each variable of ours that the code names, and no other."""
    named = {name for text in strings() for name in re.findall(r"OPENROUTER(?:_[A-Z]+)+", text)}
    assert set(Table("options", "Environment variables").names()) >= named
    assert set(Table("options", "Environment variables").column(0)) == named


def test_the_states_and_fields_of_the_ledger() -> None:
    """The states of a key, the statuses of an outcome, and its fields."""
    assert set(Table("ledger", "States").names()) == set(get_args(EntryState))
    told = set(Table("ledger", "What to do when").names())
    assert set(get_args(OutcomeStatus)) | {"in flight", "begun", "unreadable"} <= told
    assert set(Table("ledger", "Records", 2).names()) == set(Claim.model_fields)
    assert Table("ledger", "An outcome, field by field").names() == list(Outcome.model_fields)
    assert set(Table("ledger", "The ledger as a table").names()) == set(COLUMNS)


def test_what_the_api_says() -> None:
    """The fields of a model that are read, the statuses of a job, the refusals, and the table of slugs."""
    lists = [Table("api", heading).names() for heading in ("`GET /videos/models`", "`GET /models`")]
    fields = {name.rpartition(".")[2] for names in lists for name in names}
    assert fields == set(VideoModel.model_fields) - {"unreadable"}
    posted = Table("api", "`POST /videos`")
    assert {"model", "prompt", *VideoSettings.model_fields} <= {*posted.names(0), *posted.names(1)}
    assert set(Table("api", "`GET /videos/{id}`", 1).names()) == {status.value for status in JobStatus}
    answers = Table("api", "What an answer to a submission proves").column(1)
    refusals = {said.split()[0] for said, proof in answers.items() if said.endswith("in the error envelope")}
    assert refusals == {str(status) for status in NOTHING_ACCEPTED}
    assert Table("api", "Provider slugs").column(1) == dict(PROVIDER_SLUGS)


def test_the_columns_of_a_table_and_the_fields_of_a_path() -> None:
    """Each that is read, and each that a template may have besides the columns of a table."""
    assert set(Table("batches", "Columns").names()) == set(KNOWN)
    # The last one stands for any column.
    assert Table("batches", "Where the videos go").names()[:-1] == [f"{{{name}}}" for name in FIELDS]


def test_every_error_is_explained() -> None:
    """Each kind of error that this package raises on purpose."""
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert set(Table("operations", "Errors").names()) == kinds


def test_the_drawing_is_that_of_the_imports() -> None:
    """Else: ``python -m tests.support.wings > docs/wings.svg``."""
    assert (DOCS / "wings.svg").read_text(encoding="utf-8") == drawing()


def test_the_house_is_told_in_its_order() -> None:
    """Each wing and each module of the ground has a line, in the order of the imports."""
    assert Table("house", "The wings").names() == list(house.ORDER[len(house.GROUND) :])
    assert set(Table("house", "The wings", 1).names()) == set(house.GROUND)
    assert set(Table("house", "The folders").names()) >= {f"{folder}/" for folder in house.FOLDERS}


def test_the_walks_lead_through_the_code() -> None:
    """Each step names a file and what in it does the step."""
    page = (DOCS / "house.md").read_text(encoding="utf-8")
    steps = re.findall(r"`([\w/]+\.py)`,\s+`(\w+)`", page.partition("## Two walks")[2])
    assert len(steps) >= 20
    lost = [
        (file, name)
        for file, name in steps
        if not re.search(rf"^ *(?:async )?(?:def|class) {name}\b", (ROOT / file).read_text("utf-8"), re.MULTILINE)
    ]
    assert lost == []


def quoted(messages: Iterable[str]) -> set[str]:
    """What stands in double quotes."""
    return {found for text in messages for found in re.findall(r'"([^"]+)"', text)}


def test_the_messages_are_those_of_the_code() -> None:
    """A sentence that the ledger's page promises something about is one that somebody can read."""
    said = quoted(row[0] for row in Table("ledger", "What a message promises").rows)
    said |= quoted(row[0] for row in Table("ledger", "What to do when").rows)
    everything = "\n".join(strings())
    assert said
    assert {message for message in said if message not in everything} == set()
