"""A video or sound that a request refers to: what it is, and the signed address by which OpenRouter can fetch it.

OpenRouter takes no video and no sound within a request, only https URLs. What lies in a store is sent as an address
that the store signs. That is made in the moment of the submission, since it does not hold for ever, and the plan, which
may wait for hours, holds the place in the store instead, which is not secret and always the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from openrouter_video.api import DEFAULT_BASE_URL, fetch_problem, is_loopback
from openrouter_video.errors import BrokenVideo, Problem, StorageError
from openrouter_video.request.input_file import InputRefused, open_input, shown_source
from openrouter_video.request.inputs import Input
from openrouter_video.request.settings import InputReference, needs_signature
from openrouter_video.stores import Store, answered_in_time, open_store, path_of_file_url
from openrouter_video.videos import InputFacts, read_input_facts

__all__ = ["Clip", "load_clip", "sign_source"]

LARGEST_CLIP_BYTES = 4 * 2**30
"""OpenRouter publishes no limit; what is larger is not a clip."""
READING_SECONDS = 30.0
TRY_SECONDS = 60

NOUNS = {"video_url": "video", "audio_url": "sound"}
CURE = "Cut it or compress it more, or give it as an https URL."
SERVED = "http://127.0.0.1:8000/"
WHERE = "put it in S3, Google Cloud Storage or Azure, with credentials that can sign, or give an https URL"


class Clip(NamedTuple):
    """What is known of a clip, and why it cannot be sent all the same."""

    known: Input
    problem: Problem | None = None


def load_clip(
    reference: InputReference,
    *,
    field: str,
    base_url: str | None,
    storage_options: Mapping[str, Any] | None = None,
    limit_bytes: int = LARGEST_CLIP_BYTES,
) -> Clip:
    """Return what is known of a video or sound, and why it cannot be sent if it cannot.

    A web address is not looked at. ``field`` names the request's field in a problem.
    ``base_url`` is the API's; None for one of which nothing is known.
    """
    source, noun = reference.url, NOUNS[reference.type]
    if not needs_signature(source):
        why = fetch_problem(source, base_url)
        message = f"{field}: {shown_source(source)} {why}. OpenRouter fetches a {noun} itself: {WHERE}."
        return Clip(Input(source), Problem(field, message) if why else None)
    known = Input(source)
    try:
        with open_input(source, storage_options, noun=noun, limit_bytes=limit_bytes, cure=CURE) as (store, size):
            facts = _checked_facts(store, noun)
            known = Input(source, facts.seconds, facts.width, facts.height, size)
            _check_signing(store, noun, base_url)
    except InputRefused as refused:
        return Clip(known, Problem(field, f"{field}: {refused}"))
    return Clip(known)


def sign_source(source: str, storage_options: Mapping[str, Any] | None, seconds: int, base_url: str) -> str:
    """Return the address by which OpenRouter can fetch a source for so long: a secret; blocks.

    Raises:
        StorageError, ConfigurationError: It cannot be signed, or not now.
    """

    def sign() -> str:
        with closing(open_store(source, storage_options)) as store:
            return _signed(store, seconds, base_url)

    return answered_in_time(sign, shown_source(source))


def _check_signing(store: Store, noun: str, base_url: str | None) -> None:
    try:
        _signed(store, TRY_SECONDS, base_url or DEFAULT_BASE_URL)
    except StorageError as error:
        advice = f"OpenRouter fetches a {noun} itself: {WHERE}.{_advice_on_this_machine(store, base_url)}"
        raise InputRefused(f"{error} {advice}") from None


def _signed(store: Store, seconds: int, base_url: str) -> str:
    url = store.sign("", seconds)
    if why := fetch_problem(url, base_url):
        raise StorageError(f"The address that the store signs for {store.url} {why}, and only https is taken.")
    return url


def _advice_on_this_machine(store: Store, base_url: str | None) -> str:
    """Say how an API on this machine, such as the sandbox, can fetch a file of its disk."""
    path = path_of_file_url(store.url)
    if path is None or base_url is None or not is_loopback(base_url):
        return ""
    server = "`python -m http.server --bind 127.0.0.1` in its folder"
    return f" The sandbox can fetch it from this machine too: run {server}, and give {SERVED}{quote(Path(path).name)}."


def _checked_facts(store: Store, noun: str) -> InputFacts:
    def read() -> InputFacts:
        with store.reading() as file:
            return read_input_facts(file)

    needed = f"a {noun} is needed here"
    try:
        facts = answered_in_time(read, store.url, seconds=READING_SECONDS)
    except BrokenVideo as broken:
        raise InputRefused(f"{store.url} {str(broken).rstrip('.')}; {needed}.") from None
    if noun == "video" and not facts.has_pictures:
        raise InputRefused(f"{store.url} is a sound without pictures; {needed}.")
    if noun == "sound" and facts.has_sound is False:
        raise InputRefused(f"{store.url} is a video without sound; {needed}.")
    return facts
