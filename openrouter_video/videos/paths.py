"""Where a video lies in its store; pure, so that a second run finds what the first one left."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

from slugify import slugify

__all__ = [
    "FILE_SUFFIXES",
    "claimed_path",
    "folder_of_batch",
    "kept_names",
    "kept_path",
    "model_slug",
    "numbered_path",
    "output_count",
    "possible_names",
    "poster_path",
    "sidecar_path",
    "slug",
    "take_suffix",
    "video_path",
    "with_suffix",
    "written_path",
]

FILE_SUFFIXES = (".mp4", ".mov", ".webm", ".mkv", ".avi", ".jpg", ".png", ".webp", ".heic", ".avif", ".bin")
_UNCHECKED = frozenset({".webm", ".mkv", ".avi"})
_DAMAGED = ".damaged"  # before the suffix
_NUMBER = re.compile(r"\.take-\d+\.(\d+)(?:\.damaged)?\.[a-z0-9]+$")
_NUMBERED = re.compile(r"(?P<stem>.*\.take-\d+)\.\d+", re.IGNORECASE)

_LONGEST_SLUG = 48
_LONGEST_MODEL = 80
_HASH_DIGITS = 12
_SEGMENT = r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?"
_PLAIN_MODEL = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})?")
_LOOKS_LIKE_OURS = re.compile(r"--|\.\.|\.take-\d+(\.\d+)?$|\.damaged$")


def video_path(prompt: str, identity_hex8: str, model: str, take: int = 1) -> str:
    """Return a video's path: ``<prompt's slug>-<identity>/<model's slug>[.take-2].mp4``.

    Different models and takes never share a path, on a file system that ignores case neither.

    Raises:
        ValueError: The identity is not eight hexadecimal digits in lower case, or the take is out of range.
    """
    if not re.fullmatch(r"[0-9a-f]{8}", identity_hex8):
        raise ValueError(f"An identity has eight hexadecimal digits in lower case, unlike {identity_hex8!r}.")
    if take < 1:
        raise ValueError(f"Takes count from 1, unlike take {take}.")
    return f"{slug(prompt) or 'video'}-{identity_hex8}/{model_slug(model)}{take_suffix(take)}.mp4"


def folder_of_batch(batch: str) -> str:
    """Return the folder that the page and the manifest of a batch are in."""
    return slug(batch) or "batch"


def take_suffix(take: int) -> str:
    """Return what tells a take from the first in a file's name."""
    return f".take-{take}" if take > 1 else ""


def numbered_path(path: str, take: int, index: int) -> str:
    """Return the path of one of several videos of a job, from the path that its only video would have.

    Such a name always states its take, for ``veo-3.1`` is a model as well.
    """
    stem = path.removesuffix(".mp4")
    return f"{stem}{'.take-1' if take == 1 else ''}.{index}.mp4"


def claimed_path(path: str) -> str:
    """Return the path that a job's only video would have, by that of any file which the job has left.

    It undoes ``numbered_path``, ``with_suffix`` and ``kept_path``.
    """
    suffix = next((one for one in FILE_SUFFIXES if path.lower().endswith(one)), "")
    stem = path[: len(path) - len(suffix)].removesuffix(_DAMAGED)
    if numbered := _NUMBERED.fullmatch(stem):
        stem = numbered["stem"].removesuffix(".take-1")
    return f"{stem}.mp4"


def sidecar_path(video: str) -> str:
    """Return the path of the record beside a video, by its job's claimed path."""
    return f"{video.removesuffix('.mp4')}.json"


def poster_path(video: str) -> str:
    """Return the path of the still picture of a video.

    Nothing else of its job is called so: of several outputs each has a number, and is either a video or a picture.
    """
    return with_suffix(video, ".jpg")


def with_suffix(path: str, suffix: str) -> str:
    """Return the path for a video that turned out to be of another kind than MP4."""
    return f"{path.removesuffix('.mp4')}{suffix}"


def kept_path(path: str, suffix: str) -> str:
    """Return the path of what is kept although it is not a whole video, or of a kind that nobody here can check."""
    return with_suffix(path, suffix if suffix in _UNCHECKED else f"{_DAMAGED}{suffix}")


def kept_names(path: str) -> set[str]:
    """Return the names under which what is not a whole video may have been kept."""
    return {kept_path(path.rpartition("/")[2], suffix) for suffix in FILE_SUFFIXES}


def possible_names(path: str) -> set[str]:
    """Return the names under which the video of a path may have been written."""
    name = path.rpartition("/")[2]
    return {with_suffix(name, suffix) for suffix in FILE_SUFFIXES} | kept_names(path)


def written_path(path: str, url: str | None) -> str:
    """Return where the video of a claim's path was really written, by the URL in its outcome.

    Only the last part of the URL counts, and only if the claim's video may bear that name.
    """
    folder, _, name = path.rpartition("/")
    written = (url or "").rpartition("/")[2]
    stem = name.removesuffix(".mp4")
    ours = written.startswith(f"{stem}.") and written.endswith(FILE_SUFFIXES) and written.isascii()
    return f"{folder}/{written}".lstrip("/") if ours else path


def output_count(urls: Sequence[str | None]) -> int:
    """Return how many outputs a job had at least, by the numbers in the names of those that were saved."""
    numbers = [int(found[1]) for url in urls if (found := _NUMBER.search(url or ""))]
    return max([len(urls), *numbers])


def slug(text: str) -> str:
    """Return a text as a short part of a path, of letters, digits and hyphens; nothing if it has none of these."""
    decomposed = unicodedata.normalize("NFKD", text)
    if not text.isascii() and any(map(_of_another_script, decomposed)):
        return slugify(text, entities=False, decimal=False, hexadecimal=False, max_length=_LONGEST_SLUG)
    plain = decomposed.encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_SLUG].strip("-")


def _of_another_script(character: str) -> bool:
    return not character.isascii() and character.isalpha() and "LATIN" not in unicodedata.name(character, "LATIN")


def model_slug(model: str) -> str:
    """Return a model's id as a part of a path, different for different models."""
    if _PLAIN_MODEL.fullmatch(model) and not _LOOKS_LIKE_OURS.search(model) and len(model) < _LONGEST_MODEL:
        return model.replace("/", "--")
    digest = hashlib.sha256(model.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", model.replace("/", "--"))
    # Three hyphens stand in no plain slug.
    return f"{re.sub(r'[.]+', '.', plain)[:_LONGEST_MODEL].strip('.-_') or 'model'}---{digest}"
