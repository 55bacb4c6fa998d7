"""The tables of docs/api.md against the types of the official SDK, field by field, and against what this package does.

A field that the SDK knows is in the table of fields, which are sent or read, or in that of what is left out, with the
reason; a name that covers several fields, such as ``pricing``, stands for all below it. So a new SDK with a new field
fails here until somebody has decided about it.
"""

from __future__ import annotations

import ast
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import pytest
from openrouter.components import (
    GenerationResponseData,
    ListEndpointsResponse,
    Model,
    VideoGenerationRequest,
    VideoGenerationRequestOptions,
    VideoGenerationResponse,
    VideoModel,
)
from openrouter.components.videogenerationresponse import VideoGenerationResponseStatus
from openrouter.operations import GetCurrentKeyData
from pydantic import BaseModel

from openrouter_video.api import VideoJob
from openrouter_video.api import VideoModel as OurModel
from openrouter_video.planning.passthrough import PROVIDER_SLUGS
from openrouter_video.planning.plan import plan_model
from openrouter_video.request.request import parse_request
from openrouter_video.webhooks.notice import ENDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
CODE = re.compile(r"`([^`]+)`")


class Part(NamedTuple):
    """A section of the page, the SDK's type of what it tells of, and the modules that read it (none: it is sent)."""

    heading: str
    kind: type[BaseModel]
    modules: tuple[str, ...] = ()


PARTS = (
    Part("`GET /videos/models`", VideoModel, ("api/catalog.py",)),
    Part("`GET /models`", Model, ("api/catalog.py",)),
    Part("`POST /videos`", VideoGenerationRequest),
    Part("`GET /videos/{id}`", VideoGenerationResponse, ("api/answers.py", "api/job.py", "api/stored_copy.py")),
    Part("`GET /key`", GetCurrentKeyData, ("api/key_budget.py",)),
    Part("`GET /models/{author}/{slug}/endpoints`", ListEndpointsResponse, ("api/endpoints.py",)),
    Part("`GET /generation`", GenerationResponseData, ("api/generations.py",)),
)
each_part = pytest.mark.parametrize("part", PARTS, ids=[part.heading.strip("`") for part in PARTS])

# ---- What the page says ----------------------------------------------------------------------------------------------


def tables(heading: str) -> list[tuple[str, list[list[str]]]]:
    """The tables below a heading: what the first cell of each header says, and the cells of its rows."""
    section = re.split(r"^#+ ", PAGE.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    found = []
    for text in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE):
        header, _, *rows = ([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines())
        found.append((header[0], rows))
    return found


def named(heading: str, title: str) -> list[str]:
    """The names in code in the first column of the tables of this title."""
    rows = [row for header, of_table in tables(heading) if header.startswith(title) for row in of_table]
    return [name for row in rows for name in CODE.findall(row[0])]


# ---- What the SDK knows ----------------------------------------------------------------------------------------------


def leaves(kind: type[BaseModel], within: str = "") -> Iterator[str]:
    """The fields of a type with those of the types in them: ``endpoints[].tag``."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for name, field in kind.model_fields.items():
        hint = hints[name]
        path = f"{within}{field.alias or name}"
        inner = list(models_in(hint))
        for model in inner:
            yield from leaves(model, f"{path}[]." if is_list(hint) else f"{path}.")
        if not inner:
            yield path


def models_in(hint: Any) -> Iterator[type[BaseModel]]:
    """The models that a field may hold: one, one or another, or a list of them."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    elif get_origin(hint) is not dict:
        for part in get_args(hint):
            yield from models_in(part)


def is_list(hint: Any) -> bool:
    """Whether a field holds several."""
    return get_origin(hint) is list or any(is_list(part) for part in get_args(hint))


def covering(names: Iterable[str], leaf: str) -> str | None:
    """The longest of some names that is a field or stands above it."""
    above = [name for name in names if leaf == name or leaf.startswith((f"{name}.", f"{name}[]"))]
    return max(above, key=len, default=None)


def differences(names: Iterable[str], kind: type[BaseModel]) -> tuple[list[str], list[str]]:
    """The fields of a type that no name covers, and the names that cover none."""
    known = list(leaves(kind))
    undecided = [leaf for leaf in known if covering(names, leaf) is None]
    return undecided, [name for name in names if not any(covering([name], leaf) for leaf in known)]


# ---- What this package does ------------------------------------------------------------------------------------------


def strings_of(modules: Iterable[str]) -> set[str]:
    """The texts and the names of fields in some modules."""
    found = set[str]()
    for module in modules:
        for node in ast.walk(ast.parse((ROOT / "openrouter_video" / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
    return found


def paths(value: Any, within: str = "") -> Iterator[str]:
    """The fields of a body, as ``leaves`` names them."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from paths(inner, f"{within}.{name}" if within else name)
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{within}[]")
    else:
        yield within


def bodies() -> Iterator[dict[str, Any]]:
    """Bodies that set everything which can be set."""
    plain = {
        "duration": 4,
        "generate_audio": True,
        "seed": 7,
        "callback_url": "https://example.com/hook",
        "user": "me",
        "trace": {"trace_id": "t"},
        "upscale_factor": 2,
        "creativity": 1,
        "previous_job_id": "gen-vid-1-x",
    }
    frames = {
        "first_frame": "https://example.com/a.png",
        "last_frame": "https://example.com/b.png",
        "resolution": "720p",
        "aspect_ratio": "16:9",
    }
    kinds = ("image_url", "audio_url", "video_url")
    references = {
        "size": "1280x720",
        "input_references": [{"type": kind, "url": "https://example.com/x"} for kind in kinds],
    }
    model = OurModel(
        id="bytedance/seedance-2.0",
        supported_durations=(4,),
        supported_resolutions=("720p",),
        supported_aspect_ratios=("16:9",),
        supported_sizes=("1280x720",),
        supported_frame_images=("first_frame", "last_frame"),
        upscale_factor=(1.0, 4.0),
        creativity=(1, 2),
        allowed_passthrough_parameters=("watermark",),
    )
    for settings in ({**plain, **frames}, {**references}):
        plan = plan_model(parse_request("x", settings, {"seed": {"watermark": False}}), model)
        assert plan.problems == ()
        yield plan.body


# ---- The comparison --------------------------------------------------------------------------------------------------


@each_part
def test_each_field_of_the_sdk_is_used_or_left_out_with_a_reason(part: Part) -> None:
    """And each name of the page is a field of the SDK."""
    names = [*named(part.heading, "field"), *named(part.heading, "left out")]
    assert len({*names}) == len(names), "a field stands twice"
    undecided, unheard_of = differences(names, part.kind)
    assert undecided == [], "the SDK knows these: send or read them, or name them as left out, with the reason"
    assert unheard_of == [], "the SDK does not know these"
    reasons = [row[1] for title, rows in tables(part.heading) if title.startswith("left out") for row in rows]
    assert all(reasons)


@each_part
def test_each_field_of_the_page_is_sent_or_read(part: Part) -> None:
    """A field that is read is named in the module that reads it; one that is sent stands in a body."""
    used = named(part.heading, "field")
    if part.modules:
        known = strings_of(part.modules)
        parts = {name: set(re.split(r"\[\]\.|\.", name)) for name in used}
        assert {name: words - known for name, words in parts.items() if words - known} == {}
        return
    sent = {path for body in bodies() for path in paths(body)}
    assert [name for name in used if not any(covering([name], path) for path in sent)] == []
    assert [path for path in sorted(sent) if covering(used, path) is None] == []


def test_the_words_that_the_sdk_knows() -> None:
    """Each status of its list stands in ours, and each provider of ours in its; an end is terminal, others go on."""
    statuses = set(
        get_args(next(part for part in get_args(VideoGenerationResponseStatus) if get_origin(part) is Literal))
    )
    ends = {"completed", "failed", "cancelled", "expired"}
    assert statuses == {"pending", "in_progress", *ends}
    [rows] = [rows for title, rows in tables("`GET /videos/{id}`") if title == "`status`"]
    assert {name for row in rows for name in CODE.findall(row[0])} == {*statuses, "dead"}
    assert {status for status in (*statuses, "dead") if VideoJob(id="x", status=status).terminal} == {*ends, "dead"}
    assert set(named("Webhooks", "`type`")) == {*ENDS} == {f"video.generation.{end}" for end in ends}
    slugs = {field.alias or name for name, field in VideoGenerationRequestOptions.model_fields.items()}
    assert set(PROVIDER_SLUGS.values()) <= slugs


class Novelty(BaseModel):
    """What a newer SDK may know."""

    shade: str


class Newer(VideoModel):
    """A model in it."""

    novelties: list[Novelty] | None = None


def test_a_newer_sdk_and_a_wrong_page_are_found() -> None:
    """A field that comes, also within another one, and a name that there is not."""
    names = [*named("`GET /videos/models`", "field"), *named("`GET /videos/models`", "left out")]
    assert differences([*names, "colour"], Newer) == (["novelties[].shade"], ["colour"])
    assert differences([*names, "novelties"], Newer) == ([], [])
