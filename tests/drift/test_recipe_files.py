"""Recipes in files and folders of any store, the records of their checks, and one that is saved."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from openrouter_video.drift.recipe_files import MOST_BYTES, read_recipes, write_recipe
from openrouter_video.drift.recipe_records import RecipeRecords
from openrouter_video.drift.recipes import Recipe
from openrouter_video.drift.verdicts import RecipeRecord
from openrouter_video.errors import LedgerError, RequestRefused, StorageError
from openrouter_video.stores import Store, open_store

YAML = """# quoted or not
prompt: A white orchid
models: [google/veo-3.1-lite]
settings: {duration: 4, aspect_ratio: 16:9, generate_audio: false}
"""


def read(url: object) -> list[Recipe]:
    """The recipes at a path or URL."""
    return read_recipes(str(url), lambda _url: None)


def test_a_folder_has_many(tmp_path: Path) -> None:
    """JSON and YAML, by their endings; what is not one is told beside the others."""
    (tmp_path / "a.json").write_text('{"model": "a/b"}', encoding="utf-8-sig")
    (tmp_path / "b.yaml").write_text(YAML)
    for name, content in (("c.yml", "a: [1"), ("d.json", "{"), ("e.json", "[]"), ("f.json", b"\xff\xfe\x00")):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "g.json").write_bytes(b" " * (MOST_BYTES + 1))
    for other in ("notes.txt", "_h.json", ".i.yaml"):
        (tmp_path / other).write_text("{")
    found = {recipe.name.rpartition("/")[2]: recipe for recipe in read(tmp_path)}
    assert list(found) == ["a.json", "b.yaml", "c.yml", "d.json", "e.json", "f.json", "g.json"]
    assert (found["a.json"].flow, found["a.json"].form) == ("generate_video", {"model": "a/b"})
    assert found["b.yaml"].form["settings"] == {"duration": 4, "aspect_ratio": "16:9", "generate_audio": False}
    said = {name: recipe.problems[0] for name, recipe in found.items() if recipe.problems}
    assert said["c.yml"].startswith("it is not YAML: ")
    assert said["d.json"].startswith("it is not JSON: ")
    assert said["e.json"].startswith("it is not a recipe")
    assert said["f.json"] == "it is not text in UTF-8"
    assert said["g.json"] == "it has 1,048,577 bytes, and a recipe at most 1,048,576"


BOMB = "".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghij"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("prompt: x\nmodels: !!int ''\n", "string index out of range"),
        ("prompt: !!timestamp x\nmodels: [a/b]\n", ""),
        ("prompt: !!bool x\nmodels: [a/b]\n", ""),
        ("prompt: !!binary aGVsbG8=\nmodels: [a/b]\n", "it holds a bytes, which JSON does not have"),
        ("prompt: x\nmodels: !!set {a/b}\n", "it holds a set, which JSON does not have"),
        ("prompt: x\nmodels: &m [a/b, *m]\n", "Circular reference"),
        (f"a: &a [x, x]\n{BOMB}prompt: x\nmodels: *j\n", "written out, with what its aliases repeat, it has more than"),
        ("prompt: x\nprompt: y\nmodels: [a/b]\n", "duplicate key"),
    ],
)
def test_what_yaml_has_and_json_does_not_breaks_one_recipe_and_no_check(
    tmp_path: Path, content: str, said: str
) -> None:
    """The recipe is told as broken, at once, and all others are checked."""
    (tmp_path / "a.yaml").write_text(content)
    (tmp_path / "b.yaml").write_text("prompt: 2026-10-09\nmodels: [a/b]\n")
    broken, dated = read(tmp_path)
    assert broken.problems[0].startswith("it is not YAML: ")
    assert said in broken.problems[0]
    assert (dated.problems, dated.form["prompt"]) == ((), "2026-10-09")


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    """A slip of the keyboard must not look like a check in which all is well."""
    (missing,) = read(tmp_path / "a.json")
    assert missing.problems == ("there is no such file; check the path",)
    (empty,) = read(tmp_path / "recipes")
    assert "there is no recipe in it" in empty.problems[0]
    (nowhere,) = read("no-such-store://host/a.json")
    assert "No store is known by no-such-store://" in nowhere.problems[0]


@pytest.mark.parametrize("store", ["memory", "local"], indirect=True)
def test_any_store_will_do(store: Store) -> None:
    """By its URL, as a file and as a folder."""
    store.write_bytes("recipes/a.json", b'{"model": "a/b"}')
    assert read(store.url_of("recipes")) == read(store.url_of("recipes/a.json"))
    assert read(store.url_of("recipes"))[0].name == store.url_of("recipes/a.json")


def test_one_is_saved_in_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    """As JSON, since that is what Prefect's command takes."""
    target = tmp_path / "recipes" / "a.json"
    for prompt in ("An orchid", "Ein Mädchenauge"):
        where = write_recipe(str(target), {"prompt": prompt, "models": ["a/b"]})
    assert where == target.as_uri()
    assert json.loads(target.read_text(encoding="utf-8"))["prompt"] == "Ein Mädchenauge"
    assert read(target)[0].flow == "fan_out_video"
    for bad in ("a.yaml", f"{tmp_path}/", "memory://x/a.json", ""):
        with pytest.raises(RequestRefused, match="a recipe is saved as JSON in a lasting place"):
            write_recipe(bad, {})


@pytest.mark.parametrize("store", ["local"], indirect=True)
def test_records_are_kept_by_name_and_apart_for_a_sandbox(store: Store) -> None:
    """One that nobody can read is none: the check writes it anew."""
    records = RecipeRecords(store)
    record = RecipeRecord(name="a.json", checked_at=datetime(2026, 11, 16, tzinfo=UTC), entries={"a/b": {"seed": True}})
    records.put(record, sandbox=False)
    assert records.get("a.json", sandbox=False) == record
    assert (records.get("b.json", sandbox=False), records.get("a.json", sandbox=True)) == (None, None)
    (name,) = store.list_names("_recipes")
    store.write_bytes(f"_recipes/{name}", b"{")
    assert records.get("a.json", sandbox=False) is None
    with closing(open_store(store.url)) as elsewhere:
        (Path(store.root) / "_recipes" / name).unlink()
        (Path(store.root) / "_recipes").rmdir()
        (Path(store.root) / "_recipes").write_text("a file")
        with pytest.raises(LedgerError, match="cannot be read"):
            RecipeRecords(elsewhere).get("a.json", sandbox=False)
        with pytest.raises(LedgerError, match="cannot be written"):
            RecipeRecords(elsewhere).put(record, sandbox=False)


@pytest.mark.parametrize("store", ["local"], indirect=True)
def test_the_record_of_a_recipe_that_is_gone_goes_with_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a check has just written stays whatever its clock says; so does what nobody can read, or may remove."""
    then, since = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 8, 18, tzinfo=UTC)
    earlier = RecipeRecords(store)
    for name, at in (("gone", then), ("kept", since), ("here", then)):
        earlier.put(RecipeRecord(name=name, checked_at=at), sandbox=False)
    earlier.put(RecipeRecord(name="gone", checked_at=then), sandbox=True)
    store.write_bytes("_recipes/odd.json", b"{")
    records = RecipeRecords(store)
    records.put(RecipeRecord(name="here", checked_at=then), sandbox=False)
    assert records.forget(since) == ["gone", "gone"]
    assert len(store.list_names("_recipes")) == 3
    assert records.forget(since) == []

    def refuse(_self: Store, _relative: str) -> None:
        raise StorageError("only writing is allowed")

    with monkeypatch.context() as only_writing:
        only_writing.setattr(type(store), "remove", refuse)
        assert RecipeRecords(store).forget(since) == []
    assert RecipeRecords(store).forget(since) == ["here"]
