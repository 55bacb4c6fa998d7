"""Where OpenRouter is to tell that a job has ended: the address of a webhook receiver, checked before anything is sent.

Pure. The path or the query may hold a secret of the receiver's, so that only the host of an address is ever shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from openrouter_video.api.web_urls import https_problem, is_loopback
from openrouter_video.errors import ConfigurationError

__all__ = ["callback_url", "shown_callback_url", "webhook_url", "without_callback_url"]

VARIABLE = "OPENROUTER_VIDEO_WEBHOOK_URL"
EXAMPLE = "https://videos.example.com/hooks"
LONGEST_URL = 2000
_SENT = re.compile(rb'"callback_url": "([^"\\]+)"')


def webhook_url(environ: Mapping[str, str], base_url: str) -> str | None:
    """Return the address of the receiver that the environment names; None if it names none.

    ``base_url``: the API's; only one on this machine may be given an address without encryption on this machine.

    Raises:
        ConfigurationError: if it is not an address that OpenRouter can be given.
    """
    url = environ.get(VARIABLE, "").strip()
    if not url:
        return None
    local = is_loopback(url) and is_loopback(base_url) and url.lower().startswith("http://")
    problem = https_problem(f"https{url[4:]}" if local else url) or _other_problem(url)
    if problem:
        raise ConfigurationError(f"{VARIABLE} {problem}; it is an address such as {EXAMPLE}, or unset for none")
    return url


def _other_problem(url: str) -> str | None:
    if not url.isascii():
        return "contains a character that URLs do not have"
    if "@" in urlsplit(url).netloc:
        return "must not contain a user name or password"
    if "#" in url:
        return "must not contain a fragment (#)"
    if any(name == "key" for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)):
        return "must not have a key in its query, which is the name of what is added to it"
    if len(url) > LONGEST_URL:
        return f"is longer than {LONGEST_URL:,} characters"
    return None


def callback_url(receiver: str, key: str) -> str:
    """Return the address by which the receiver learns which submission a webhook is about."""
    parts = urlsplit(receiver)
    query = "&".join(filter(None, [parts.query, f"key={key}"]))
    return urlunsplit(parts._replace(query=query))


def shown_callback_url(receiver: str) -> str:
    """Return what may be recorded and shown of it: where it leads, and nothing by which it could be used."""
    parts = urlsplit(receiver)
    return f"{parts.scheme}://{parts.netloc}/…"


def without_callback_url(answer: bytes, body: bytes) -> bytes:
    """Blot the address that a request names out of its answer: a refusal may repeat it, and is recorded."""
    for found in _SENT.findall(body):
        url = found.decode(errors="replace")
        for text in (url, url.partition("?")[0]):
            for written in (text, text.replace("/", r"\/")):
                answer = answer.replace(written.encode(), shown_callback_url(url).encode())
    return answer
