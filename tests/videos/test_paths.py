"""Where a video lies: readable, the same each time, and never another's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_video.stores.other_store import MemoryStore
from openrouter_video.videos.paths import (
    claimed_path,
    folder_of_batch,
    numbered_path,
    possible_names,
    sidecar_path,
    video_path,
)


def path_of(prompt: str, model: str, take: int, index: int | None) -> str:
    """The path of a job's only video, or of one of several."""
    path = video_path(prompt, "0123abcd", model, take)
    return path if index is None else numbered_path(path, take, index)


PATHS = [
    ("A cat, sleeping!", "google/veo-3.1-lite", 1, None, "a-cat-sleeping-0123abcd/google--veo-3.1-lite.mp4"),
    ("A cat", "google/veo-3.1-lite", 2, None, "a-cat-0123abcd/google--veo-3.1-lite.take-2.mp4"),
    ("A cat", "google/veo-3", 1, 1, "a-cat-0123abcd/google--veo-3.take-1.1.mp4"),
    ("A cat", "google/veo-3", 2, 1, "a-cat-0123abcd/google--veo-3.take-2.1.mp4"),
    ("Füße über Öl", "openai/sora-2", 1, None, "fue-uber-ol-0123abcd/openai--sora-2.mp4"),
    ("猫が寝る", "openai/sora-2", 1, None, "mao-kaqin-ru-0123abcd/openai--sora-2.mp4"),
    ("", "openai/sora-2", 1, None, "video-0123abcd/openai--sora-2.mp4"),
    ("../../etc/passwd\0\n", "openai/sora-2", 1, None, "etc-passwd-0123abcd/openai--sora-2.mp4"),
    ("x" * 300, "openai/sora-2", 1, None, f"{'x' * 48}-0123abcd/openai--sora-2.mp4"),
    ("w" * 47 + " word", "openai/sora-2", 1, None, f"{'w' * 47}-0123abcd/openai--sora-2.mp4"),
]


@pytest.mark.parametrize(("prompt", "model", "take", "index", "path"), PATHS)
def test_the_path_of_a_video(prompt: str, model: str, take: int, index: int | None, path: str) -> None:
    """The path is readable, and follows from the request alone."""
    assert path_of(prompt, model, take, index) == path
    assert sidecar_path(path) == path[:-4] + ".json"


@pytest.mark.parametrize(
    ("prompt", "slug"),
    [
        ("一只白色的兰花在绽放", "yi-zhi-bai-se-de-lan-hua-zai-zhan-fang"),
        ("Большой белый кот", "bolshoi-belyi-kot"),
        ("زهرة بيضاء", "zhr-byd"),
        ("하얀 고양이", "hayan-goyangi"),
        ("Λευκή γάτα", "leuke-gata"),
        ("Ein Кот, 4 s", "ein-kot-4-s"),
        ("白" * 100, "bai-" * 11 + "bai"),
        ("\U00012000", "video"),
        # What is in Latin letters keeps the folder that it always had.
        ("A white orchid, 4K!", "a-white-orchid-4k"),
        ("Rødgrød — “mit” Größe", "rdgrd-mit-groe"),
        ("Tiếng Việt: ﬁn", "tieng-viet-fin"),
        ("🎬 & &amp; &#1078;", "amp-1078"),
    ],
)
def test_a_prompt_in_any_script_has_a_slug_that_says_something(prompt: str, slug: str) -> None:
    """Prompts in other scripts are written in Latin letters."""
    assert video_path(prompt, "0123abcd", "a/b") == f"{slug}-0123abcd/a--b.mp4"


@pytest.mark.parametrize(
    "model", ["../x", "a/../../b", "a/b:free", "a\nb", "a\0b", ".hidden", "", "é/è", "m" * 300, "a--b", "A/B", "a/b/c"]
)
def test_odd_models_get_a_digest(model: str) -> None:
    """What had to be changed in a model's name is made up for by a digest."""
    assert re.fullmatch(
        r"x-0123abcd/[A-Za-z0-9][A-Za-z0-9._-]*---[0-9a-f]{12}\.mp4", video_path("x", "0123abcd", model)
    )


@pytest.mark.parametrize(
    ("identity", "take"),
    [("../x", 1), ("0123ABCD", 1), ("0123abcd", 0)],
)
def test_what_is_no_identity_is_refused(identity: str, take: int) -> None:
    """A path is only made of a proper identity and a proper number."""
    with pytest.raises(ValueError, match="unlike"):
        video_path("x", identity, "a/b", take)


MODELS = st.one_of(
    st.text(max_size=20),
    st.text("ab/.-_:1A", max_size=8),
    st.from_regex(r"[ab]{1,2}/[ab]{1,2}(-[12](\.[12])?)?(\.take-[12](\.[12])?)?", fullmatch=True),
    st.from_regex(r"[ab](/|--|---)[ab](---[0-9a-f]{12})?", fullmatch=True),
)
TAKES_OF = MODELS, st.integers(1, 3), st.none() | st.integers(0, 3)
TAKES = st.tuples(*TAKES_OF)


@given(TAKES, TAKES)
def test_no_two_videos_share_a_path(one: tuple[str, int, int | None], two: tuple[str, int, int | None]) -> None:
    """Different models, takes and indexes have different paths, whatever the case of letters means to a disk."""
    paths = [path_of("x", model, take, index).lower() for model, take, index in (one, two)]
    assert (paths[0] == paths[1]) == (one == two)


@given(*TAKES_OF)
def test_every_file_of_a_job_leads_to_its_record(model: str, take: int, index: int | None) -> None:
    """A numbered one, a picture, a damaged one; and in any case of letters that a disk may give back."""
    path = video_path("x", "0123abcd", model, take)
    folder, _, name = path.rpartition("/")
    written = possible_names(name if index is None else numbered_path(name, take, index))
    assert {claimed_path(f"{folder}/{one}") for one in written} == {path}
    assert claimed_path(path[:-4]) == path
    assert claimed_path(f"{path[:-4]}.MOV") == path


@given(st.text(max_size=400), MODELS | st.text(max_size=400), st.integers(1, 99))
def test_no_path_escapes(prompt: str, model: str, take: int) -> None:
    """Whatever the prompt and the model are, the path is one folder and one file, of harmless characters."""
    path = video_path(prompt, "0123abcd", model, take)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,47}-0123abcd/[A-Za-z0-9][A-Za-z0-9._-]*\.mp4", path)
    assert ".." not in path
    assert max(map(len, path.split("/"))) < 140
    MemoryStore("memory://", None, "").path(path)


def test_the_folder_of_a_batch() -> None:
    """Its name as a part of a path."""
    assert [folder_of_batch(one) for one in ("Orchids 2026-11-26", "日本", "!?")] == [
        "orchids-2026-11-26",
        "ri-ben",
        "batch",
    ]
