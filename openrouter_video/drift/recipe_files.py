"""Recipes in files: read from a file, or from all of a folder, in any store; and one written to a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from datetime import date
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from openrouter_video.drift.recipes import Recipe, parse_recipe
from openrouter_video.errors import ConfigurationError, Problem, RequestRefused, StorageError
from openrouter_video.stores import OptionsFor, Store, open_store, parse_store_url, safe_url
from openrouter_video.text import clip

__all__ = ["read_recipes", "write_recipe"]

ENDINGS = (".json", ".yaml", ".yml")
MOST_BYTES = 2**20
"""More than Prefect keeps with a run: a table of rows belongs into a file of its own."""
OF_WRONG_TAGS = (LookupError, AttributeError, TypeError)
"""What the reader of YAML raises where a tag and its value do not fit, such as ``!!int ''``."""


def read_recipes(url: str, options_for: OptionsFor) -> list[Recipe]:
    """Return the recipe in a file, or those in a folder; what is not one is told by its problems. Blocks."""
    is_file = url.lower().endswith(ENDINGS)
    folder, name = _parts(url) if is_file else (url, "")
    try:
        with closing(open_store(folder, options_for(url))) as store:
            names = [name] if is_file else [one for one in store.list_names() if _is_recipe(one)]
            if not names:
                why = f"there is no recipe in it: none of its files ends in {', '.join(ENDINGS)}"
                return [Recipe(store.url, problems=(why,))]
            return [_read(store, one) for one in names]
    except (ConfigurationError, StorageError) as error:
        return [Recipe(safe_url(url), problems=(clip(f"it cannot be read. {error}"),))]


def write_recipe(url: str, form: Mapping[str, Any]) -> str:
    """Write a recipe as JSON, in the place of an earlier one, and return where it is. Blocks.

    Raises:
        RequestRefused: if that is not the name of a recipe.
        ConfigurationError, StorageError: if it cannot be written.
    """
    if not url.lower().endswith(".json") or parse_store_url(url).ends_with_the_process:
        message = (
            f"a recipe is saved as JSON in a lasting place; {safe_url(url)} is not one, such as recipes/orchid.json"
        )
        raise RequestRefused([Problem("save_recipe", message)])
    folder, name = _parts(url)
    with closing(open_store(folder)) as store:
        store.write_bytes(name, f"{json.dumps(form, indent=2, ensure_ascii=False)}\n".encode())
        return store.url_of(name)


def _parts(url: str) -> tuple[str, str]:
    folder, slash, name = url.rpartition("/")
    return folder or slash or ".", name


def _is_recipe(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith((".", "_"))


def _read(store: Store, name: str) -> Recipe:
    where = store.url_of(name)
    try:
        size = store.size_of(name)
        if size is None:
            return Recipe(where, problems=("there is no such file; check the path",))
        if size > MOST_BYTES:
            return Recipe(where, problems=(f"it has {size:,} bytes, and a recipe at most {MOST_BYTES:,}",))
        return parse_recipe(where, _document(name, (store.read_bytes(name) or b"").decode("utf-8-sig")))
    except UnicodeDecodeError:
        return Recipe(where, problems=("it is not text in UTF-8",))
    except StorageError as error:
        return Recipe(where, problems=(clip(f"it cannot be read. {error}"),))
    except RequestRefused as refused:
        return Recipe(where, problems=tuple(map(str, refused.problems)))


def _document(name: str, text: str) -> object:
    is_json = name.lower().endswith(".json")
    try:
        # YAML 1.2, in which 16:9 is a text.
        return json.loads(text) if is_json else _written_out(YAML(typ="safe", pure=True).load(text))
    except (ValueError, RecursionError, YAMLError, *OF_WRONG_TAGS) as error:
        why = f"it is not {'JSON' if is_json else 'YAML'}: {' '.join(str(error).split())}"
        raise RequestRefused([Problem("recipe", clip(why))]) from None


def _written_out(document: object) -> object:
    """Return a document as JSON has it: dates as texts, and what aliases repeat written out, within bounds."""
    pieces, size = list[str](), 0
    for piece in json.JSONEncoder(ensure_ascii=False, default=_dated).iterencode(document):
        size += len(piece)
        if size > MOST_BYTES:
            raise ValueError(f"written out, with what its aliases repeat, it has more than {MOST_BYTES:,} characters")
        pieces.append(piece)
    return json.loads("".join(pieces))


def _dated(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"it holds a {type(value).__name__}, which JSON does not have")
