"""Where the videos of a batch go: a template of fields, filled for each of them, and what keeps a path from being one.

Pure. What comes from a row becomes part of a path only as a slug of letters, digits and hyphens, so that no slash, no
HTML and no control character gets there. A path without the ``{hash}`` of what is asked may be that of an older video.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from openrouter_video.batch.cells import as_text
from openrouter_video.batch.rows import BatchRow
from openrouter_video.batch.table import RowProblem
from openrouter_video.batch.template import Template
from openrouter_video.elision import redact
from openrouter_video.errors import Problem
from openrouter_video.ledger import Scope
from openrouter_video.run import PlannedVideo
from openrouter_video.text import shown
from openrouter_video.videos import folder_of_batch, model_slug, slug, take_suffix

__all__ = [
    "FIELDS",
    "PathTemplate",
    "field_problems",
    "length_problems",
    "overwritten",
    "parse_path_template",
    "row_fields",
    "same_paths",
    "video_path",
]

FIELDS = ("batch", "row", "id", "slug", "hash", "model", "take")
FIELD = "path_template"
LONGEST_PART = 160
"""A file system allows 255 bytes; the rest is for a take, a damaged video, and a file that is not finished."""
LONGEST_PATH = 600
SHOWN = 60
PLAIN = re.compile(r"[A-Za-z0-9._/-]*")
TAKEN_SUFFIX = re.compile(
    r"\.(mp4|mov|webm|mkv|avi|jpe?g|png|webp|heic|avif|bin|json|jsonl|html|parquet|part)$", re.IGNORECASE
)
OURS = re.compile(r"\.take-|\.damaged", re.IGNORECASE)


class PathTemplate(NamedTuple):
    """A template of paths that can be filled; ``columns`` are those of its fields that are columns of the table."""

    template: Template
    columns: tuple[str, ...] = ()


def parse_path_template(text: str, columns: Iterable[str]) -> tuple[PathTemplate | None, list[Problem]]:
    """Take a template of paths apart; with all that is wrong with it, whatever the rows say."""
    try:
        template = Template.parse(text.strip().removesuffix(".mp4"))
    except ValueError as error:
        return None, [Problem(FIELD, f"path_template cannot be read: {error}")]
    names = list(columns)
    known = [*FIELDS, *(name for name in names if name not in FIELDS)]
    whys = template.unknown(known, "a field of a path")
    whys += _shape_problems(template)
    if whys:
        return None, [Problem(FIELD, f"path_template {shown(text)}: {why}") for why in whys]
    own = tuple(name for name in template.fields if name not in FIELDS)
    return PathTemplate(template, own), []


def _shape_problems(template: Template) -> list[str]:
    """Find what keeps a template from being a path, whatever its fields hold."""
    whys = []
    if strange := "".join(dict.fromkeys(PLAIN.sub("", template.words))):
        whys.append(f"it has {shown(strange)}; beside fields there may be letters, digits and - _ . /")
    parts = template.fill(lambda _: "x").split("/")
    if parts[0] == "" and len(parts) > 1:
        whys.append("it begins with a slash; a path begins in the folder of the output")
    elif "" in parts:
        whys.append("a part of it is empty; write one slash between two parts, and none at the end")
    if ".." in template.words:
        whys.append("it contains '..', which leads out of the folder of the output")
    elif any(part.startswith((".", "_")) or part.endswith(".") for part in parts):
        whys.append("a part of it begins with . or _ or ends with a dot; such names are kept for records")
    if taken := next((part for part in parts if TAKEN_SUFFIX.search(part)), None):
        whys.append(f"{shown(taken)} is the name of a file that is written beside videos; leave its ending out")
    if OURS.search(template.words):
        whys.append("'.take-' and '.damaged' are added where they are needed; leave them out")
    return whys


def row_fields(template: PathTemplate, batch: str, row: BatchRow, scope: Scope) -> dict[str, str]:
    """Return what fills a template for each video of a row; an empty text where the row has nothing for a field."""
    told: Mapping[str, Callable[[], str]] = {
        "batch": lambda: folder_of_batch(batch),
        "row": lambda: f"{row.number:04}",
        "id": lambda: slug(row.id or ""),
        "slug": lambda: slug(row.run.request.title) or "video",
        "hash": lambda: scope.short,
    }
    fields = {name: told[name]() for name in template.template.fields if name in told}
    return fields | {name: slug(redact(_text(row.cells.get(name)))) for name in template.columns}


def video_path(template: PathTemplate, fields: Mapping[str, str], model: str, take: int) -> str:
    """Return where a video goes; from the second take on its name says which one it is, whatever the template."""
    values = {**fields, "model": model_slug(model), "take": str(take)}
    return f"{template.template.fill(values.__getitem__)}{take_suffix(take)}.mp4"


def field_problems(fields: Mapping[str, str], row: BatchRow) -> list[RowProblem]:
    """Find fields of a template that a row has nothing for."""
    message = "the path of its videos is made with {{{}}}, and there are no letters or digits in it"
    return [row.problem(name, message.format(name)) for name, value in fields.items() if not value]


def length_problems(path: str, row: BatchRow) -> list[RowProblem]:
    """Find a path that is longer than a file's may be."""
    longest = max(path.split("/"), key=len)
    if len(longest) > LONGEST_PART:
        message = f"the path of its videos has a part of {len(longest)} characters, and at most {LONGEST_PART} are good"
        return [row.problem(FIELD, f"{message}: {longest[:SHOWN]}…")]
    if len(path) > LONGEST_PATH:
        return [
            row.problem(FIELD, f"the path of its videos has {len(path)} characters, at most {LONGEST_PATH} are good")
        ]
    return []


def _text(value: object) -> str:
    """Return what a cell says for a path; nothing of a list or an object."""
    try:
        return "" if value is None else as_text(value)
    except ValueError:
        return ""


def same_paths(videos: Iterable[PlannedVideo]) -> list[RowProblem]:
    """Find videos with the path of an earlier one, also on a file system that ignores case."""
    seen: dict[str, PlannedVideo] = {}
    found = []
    for video in videos:
        first = seen.setdefault(video.path.casefold(), video)
        if first is video:
            continue
        if first.row == video.row:
            message = f"{video.path} is the path of two of its videos; write {{model}} into it"
        else:
            message = (
                f"{video.path} is also the path of a video of row {first.row:,}; write {{row}} or {{hash}} into it"
            )
        found.append(RowProblem(video.row, FIELD, message, video.row_id, video.plan.model))
    return found


def overwritten(videos: Iterable[PlannedVideo], taken: Mapping[str, str]) -> list[RowProblem]:
    """Find videos whose path is that of another video already: what is paid for is never written over.

    ``taken`` holds the keys of videos that are there or on their way, by the paths that were planned for them.
    """
    keys = {path.casefold(): key for path, key in taken.items()}
    message = (
        "{} is the path of another request's video already (key {}); write {{hash}} and {{model}} into path_template, "
        "or move the file once it is there"
    )
    return [
        RowProblem(video.row, FIELD, message.format(video.path, key), video.row_id, video.plan.model)
        for video in videos
        if (key := keys.get(video.path.casefold(), video.key)) != video.key
    ]
