"""The command that receives webhooks: where and with what it does not begin."""

from __future__ import annotations

import socket

import pytest

from openrouter_video.cli import main

SECRET = "OPENROUTER_VIDEO_WEBHOOK_SECRET"


@pytest.mark.parametrize(
    ("secret", "options", "words"),
    [
        ("", ["--host", "0.0.0.0"], "is not set, and others can reach '0.0.0.0'"),  # noqa: S104 (it is refused)
        ("", ["--host", "::"], "is not set, and others can reach '::'"),
        ("", ["--host", ""], "is not set, and others can reach ''"),
        ("short", [], "has 5 characters; a secret needs at least 16"),
        ("with a space in it", ["--host", "0.0.0.0"], "contains a space, a line break"),  # noqa: S104
        ("sixteen-letters!\n", [], "contains a space, a line break"),
        ("sixteen-letters!", ["--deployment", "collect-videos"], "--deployment is 'collect-videos'; it is the name"),
        ("", ["--deployment", "/a"], "--deployment is '/a'; it is the name of a flow and of its deployment"),
        ("", ["--host", "256.1.1.1"], "is not set, and others can reach '256.1.1.1'"),
        ("sixteen-letters!", ["--host", "256.1.1.1"], "the receiver cannot listen on '256.1.1.1', port 4230"),
        ("", ["--port", "99999"], "the receiver cannot listen on '127.0.0.1', port 99999"),
    ],
)
def test_it_does_not_begin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], secret: str, options: list[str], words: str
) -> None:
    """In words, and without the secret in them."""
    monkeypatch.setenv(SECRET, secret)
    assert main(["webhooks", *options]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert words in said
    assert not secret or secret not in said


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, with a way out."""
    monkeypatch.delenv(SECRET, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["webhooks", "--port", port]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"port {port}: " in said
    assert "choose another --port, or 0 for any that is free" in said
