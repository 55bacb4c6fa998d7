"""Looks for what the page of a run can show: small pictures, and addresses that a browser can open. Blocks."""

from __future__ import annotations

import base64
import io
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from urllib.parse import quote

from PIL import Image

from openrouter_video.errors import ConfigurationError, StorageError
from openrouter_video.gallery.links import path_inside
from openrouter_video.gallery.run_page import MOST_PICTURES, MOST_VIDEOS, Sights
from openrouter_video.outcome import Outcome
from openrouter_video.stores import Store, open_store, parse_store_url

__all__ = ["LINKS_LAST", "find_sights", "small_picture", "web_root"]

LINKS_LAST = timedelta(hours=24)
"""A signed link is a secret that everybody sees who sees the page: long enough for a day's work, and no longer."""

BOX = (240, 180)
QUALITIES = (70, 55, 40, 25)
LARGEST_PICTURE = 5_000
LARGEST_POSTER = 4 * 2**20
WITHIN_SECONDS = 20.0
ADDRESS = re.compile(r"https?://[^\s<>()\"]+")


def find_sights(
    outcomes: Sequence[Outcome], store: Store | None, environ: Mapping[str, str], now: datetime, *more: str | None
) -> Sights:
    """Return pictures and links of finished videos, and links to ``more`` files; what cannot be had is left out.

    Raises:
        ConfigurationError: if the environment's web address is none.
    """
    made = [outcome for outcome in outcomes if outcome.status == "completed"][:MOST_VIDEOS]
    urls = [url for url in (*(outcome.url for outcome in made), *more) if url]
    links = _addresses(urls, web_root(environ))
    rest = [url for url in urls if url not in links]
    signed = _signed(rest, store) if store and parse_store_url(store.url).is_shared else {}
    posters = [outcome.poster_url for outcome in made if outcome.poster_url][:MOST_PICTURES]
    pictures = _pictures(posters, store) if store else {}
    return Sights(pictures, {**links, **signed}, now + LINKS_LAST if signed else None)


def web_root(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the URL of the environment's output, and the address at which a web server shows what is in it.

    Raises:
        ConfigurationError: if it is no address.
    """
    address = environ.get("OPENROUTER_VIDEO_WEB_URL", "").strip()
    output = environ.get("OPENROUTER_VIDEO_OUTPUT", "").strip()
    if not address or not output:
        return None
    if not ADDRESS.fullmatch(address) or "?" in address or "#" in address:
        raise ConfigurationError(
            "OPENROUTER_VIDEO_WEB_URL is not a web address, such as https://videos.example.com/orchids"
        )
    parsed = parse_store_url(output)
    if parsed.kind != "local":
        return parsed.shown, address.rstrip("/")
    with closing(open_store(output)) as store:
        return store.url, address.rstrip("/")


def _addresses(urls: Iterable[str], web: tuple[str, str] | None) -> dict[str, str]:
    links = {}
    for url in urls:
        if ADDRESS.fullmatch(url):
            links[url] = url
        elif web and (path := path_inside(url, web[0])):
            links[url] = f"{web[1]}/{quote(path.encode('utf-8', 'surrogateescape'))}"
    return links


def _signed(urls: Iterable[str], store: Store) -> dict[str, str]:
    """Sign what lies in the store, until one cannot be signed: then none can."""
    links = {}
    for url in urls:
        if (path := path_inside(url, store.url)) is None:
            continue
        try:
            address = store.sign(path, int(LINKS_LAST.total_seconds()))
        except StorageError:
            break
        if not ADDRESS.fullmatch(address):
            break
        links[url] = address
    return links


def _pictures(posters: Iterable[str], store: Store) -> dict[str, str]:
    until, pictures = time.monotonic() + WITHIN_SECONDS, {}
    for url in posters:
        path = path_inside(url, store.url)
        if path is None or time.monotonic() > until:
            continue
        try:
            poster = store.read_bytes(path)
        except StorageError:
            continue
        if poster and (picture := small_picture(poster)):
            pictures[url] = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
    return pictures


def small_picture(poster: bytes) -> bytes | None:
    """Return a JPEG of a poster in about 5 kB; None if it is no picture, or cannot be made so small."""
    if len(poster) > LARGEST_POSTER:
        return None
    try:
        with Image.open(io.BytesIO(poster)) as image:
            image.draft("RGB", BOX)
            small = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    small.thumbnail(BOX)
    for quality in QUALITIES:
        written = io.BytesIO()
        small.save(written, "JPEG", quality=quality, optimize=True)
        if written.tell() <= LARGEST_PICTURE:
            return written.getvalue()
    return None
