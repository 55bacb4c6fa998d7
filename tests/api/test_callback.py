"""The address of a webhook receiver: which are taken, what a submission is given, and what of it may be shown."""

from __future__ import annotations

import json

import pytest

from openrouter_video.api import VideoClient
from openrouter_video.api.callback import callback_url, shown_callback_url, webhook_url
from openrouter_video.errors import ConfigurationError
from openrouter_video.sandbox import Fault, Sandbox

OPENROUTER, SANDBOX = "https://openrouter.ai/api/v1", "http://127.0.0.1:8787/api/v1"
KEY = "0123456789abcdef" * 2


def read(url: str, base_url: str = OPENROUTER) -> str | None:
    """What the variable means."""
    return webhook_url({"OPENROUTER_VIDEO_WEBHOOK_URL": url}, base_url)


@pytest.mark.parametrize(
    ("url", "sent", "shown"),
    [
        ("https://h.example.com", f"https://h.example.com?key={KEY}", "https://h.example.com/…"),
        (" https://h.example.com/in ", f"https://h.example.com/in?key={KEY}", "https://h.example.com/…"),
        ("https://h.example.com/in?", f"https://h.example.com/in?key={KEY}", "https://h.example.com/…"),
        (
            "https://h.example.com:8443/s3cr3t?token=t0k3n&x=",
            f"https://h.example.com:8443/s3cr3t?token=t0k3n&x=&key={KEY}",
            "https://h.example.com:8443/…",
        ),
        ("HTTPS://[::1]/", f"https://[::1]/?key={KEY}", "https://[::1]/…"),
    ],
)
def test_an_address_is_sent_with_the_key_and_shown_without_secrets(url: str, sent: str, shown: str) -> None:
    """A query that is there is kept; neither it nor the path is shown."""
    receiver = read(url)
    assert receiver is not None
    assert (callback_url(receiver, KEY), shown_callback_url(receiver)) == (sent, shown)


@pytest.mark.parametrize("url", ["", " "])
def test_without_an_address_nothing_is_sent(url: str) -> None:
    """An empty variable is none."""
    assert read(url) is None
    assert webhook_url({}, OPENROUTER) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hooks.example.com", "must begin with https://"),
        ("http://hooks.example.com/s3cr3t", "must begin with https://"),
        ("http://127.0.0.1:4230", "must begin with https://"),
        ("ftp://hooks.example.com", "must begin with https://"),
        ("https://", "names a host that cannot exist"),
        ("https://h.example.com:port", "names a host that cannot exist"),
        ("https://h.example.com/a b", "contains a space"),
        ("https://h.example.com/a\nb", "contains a space"),
        ("https://h.example.com/ä", "contains a character that URLs do not have"),
        ("https://u:s3cr3t@h.example.com", "must not contain a user name or password"),
        ("https://h.example.com/#s3cr3t", "must not contain a fragment"),
        ("https://h.example.com/?s3cr3t=1&key=", "must not have a key in its query"),
        (f"https://h.example.com/{'s3cr3t' * 400}", "is longer than 2,000 characters"),
    ],
)
def test_another_address_is_refused(url: str, words: str) -> None:
    """In words, and without what may be a secret in it."""
    with pytest.raises(ConfigurationError, match=words) as refused:
        read(url)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "base_url", "taken"),
    [
        ("http://127.0.0.1:4230/in", SANDBOX, True),
        ("http://localhost:4230", SANDBOX, True),
        ("http://[::1]:4230", SANDBOX, True),
        ("http://hooks.example.com", SANDBOX, False),
        ("http://u@127.0.0.1", SANDBOX, False),
        ("http://localhost:4230", OPENROUTER, False),
    ],
)
def test_without_encryption_it_is_for_a_sandbox_alone(url: str, base_url: str, taken: bool) -> None:
    """OpenRouter takes https only, and what is on this machine it cannot reach."""
    if taken:
        assert read(url, base_url) == url
        return
    with pytest.raises(ConfigurationError):
        read(url, base_url)


@pytest.mark.parametrize(
    "repeated", ["https://h.example.com/s3cr3t/in?t=s3cr3t&key=abc", "https:\\/\\/h.example.com\\/s3cr3t\\/in?t=x"]
)
def test_a_refusal_that_repeats_the_address_shows_its_host(sandbox: Sandbox, repeated: str) -> None:
    """What is refused is recorded, and stands on pages."""
    body = {"model": "m", "callback_url": "https://h.example.com/s3cr3t/in?t=s3cr3t&key=abc"}
    refused = b'{"error": {"code": 400, "message": "callback_url %s is not allowed"}}' % repeated.encode()
    sandbox.add_fault(Fault(on="submit", status=400, body=refused.decode()))
    client = VideoClient(sandbox.api_key, sandbox.base_url)
    answer = client.submit(json.dumps(body, ensure_ascii=False).encode(), "a" * 32)
    assert answer.proof == "refused"
    assert "callback_url https://h.example.com/…" in answer.reason
    assert "s3cr3t" not in answer.reason
