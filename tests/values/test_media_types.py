"""What some bytes are, told from the first of them."""

from __future__ import annotations

import pytest

from openrouter_video.media_types import is_page, peek, sniff, suffix_of

MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"", "empty"),
        (b"  <svg xmlns=", "an SVG image"),
        (b"<?xml version='1.0'?><svg>", "an SVG image"),
        (b"<?xml version='1.0'?>", "an XML document"),
        (b"\0\0\0\x18ftypheic", "a HEIC image"),
        (b"\0\0\0\x18ftypavif", "an AVIF image"),
        (b"\0\0\0\x18ftypmp42", "an MP4 video"),
        (b"%PDF-1.7", "a PDF document"),
        (b"hello", "plain text"),
        (b"\x07hello", "data of an unknown kind"),
        (b"\0\0\0\x0cftypqt  ", "a QuickTime video"),
        (b"\x5b\0\0\0mdat", "a QuickTime video"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a WebP image"),
        (b"RIFF\0\0\0\0AVI LIST", "an AVI video"),
    ],
)
def test_sniff_names_what_it_sees(head: bytes, name: str) -> None:
    """The first bytes are enough to name what somebody sent instead."""
    assert sniff(head) == name


@pytest.mark.parametrize(
    "head", [b"", b"<html>", b"<?xml ?><Error>", b'{"error"', b" [1]", b"Bad gateway", b"Ger\xe4t"]
)
def test_a_page_is_no_video_under_any_label(head: bytes) -> None:
    """Error pages and empty bodies are told from whatever may be a file."""
    assert is_page(head)
    assert not is_page(MP4)
    assert not is_page(b"\x1aE\xdf\xa3")


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (MP4, ".mp4"),
        (b"\0\0\0\x0cftypqt  ", ".mov"),
        (b"\0\0\0\x08wide", ".mov"),
        (b"\x1aE\xdf\xa3\x9fB\x82\x84webm", ".webm"),
        (b"\x1aE\xdf\xa3\x9fB\x82\x88matroska", ".mkv"),
        (b"\xff\xd8\xff\xe0", ".jpg"),
        (b"\x07", ".bin"),
    ],
)
def test_the_bytes_decide_on_the_suffix(head: bytes, suffix: str) -> None:
    """Whatever the label says."""
    assert suffix_of(head) == suffix


@pytest.mark.parametrize("chunks", [[], [b"", b"ab"], [b"a" * 63, b"b", b"c"], [b"a" * 100, b"b"]])
def test_looking_at_the_first_bytes_takes_none_away(chunks: list[bytes]) -> None:
    """At most 64 of them, however they arrive."""
    head, body = peek(chunks)
    whole = b"".join(chunks)
    assert (head, b"".join(body)) == (whole[:64], whole)
