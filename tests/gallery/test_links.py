"""Links from a page to files: relative in its own store, web addresses elsewhere, and nothing else."""

from __future__ import annotations

import pytest

from openrouter_video.gallery.links import Link, Place


@pytest.mark.parametrize(
    ("store", "folder", "url", "href"),
    [
        ("file:///v", "run", "file:///v/run/a.mp4", "a.mp4"),
        ("file:///v", "run", "file:///v/other/a.mp4", "../other/a.mp4"),
        ("file:///v", "", "file:///v/run/a.mp4", "run/a.mp4"),
        ("file:///v", "a/b", "file:///v/a/b/c/d.mp4", "c/d.mp4"),
        ("file:///", "v", "file:///v/a.mp4", "a.mp4"),
        # A file URL is percent-encoded, a URL of any other store is not.
        ("file:///my%20videos", "", "file:///my%20videos/a%20b%23%3F%25%C3%BC.mp4", "a%20b%23%3F%25%C3%BC.mp4"),
        ("s3://b/my videos", "", "s3://b/my videos/a b#?%ü.mp4", "a%20b%23%3F%25%C3%BC.mp4"),
        # No name is a scheme or another host.
        ("s3://b", "", "s3://b/javascript:alert(1).mp4", "javascript%3Aalert%281%29.mp4"),
        ("memory://", "", "memory://a/b.mp4", "a/b.mp4"),
        ("s3://b/v", "", 's3://b/v/"><script>.mp4', "%22%3E%3Cscript%3E.mp4"),
    ],
)
def test_inside_its_store_a_link_is_relative_and_encoded(store: str, folder: str, url: str, href: str) -> None:
    """So it works from a disk, a server and a bucket."""
    link = Place(store, folder).link(url)
    assert (link.href, link.inside) == (href, True)


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://cdn.example/a%20b.mp4", Link("https://cdn.example/a%20b.mp4", "https://cdn.example/a%20b.mp4")),
        ("s3://other/a.mp4", Link("s3://other/a.mp4")),
        ("file:///elsewhere/a.mp4", Link("file:///elsewhere/a.mp4")),
        ("file:///videos-of-another/a.mp4", Link("file:///videos-of-another/a.mp4")),
        ("javascript:alert(1)", Link("javascript:alert(1)")),
        ("data:text/html,AAAA", Link("data:text/html,…")),
        ("//evil.example/a.mp4", Link("//evil.example/a.mp4")),
        # What may be a secret is neither shown nor linked.
        ("https://cdn.example/a.mp4?X-Amz-Signature=abc", Link("https://cdn.example/a.mp4?…")),
        ("https://me:secret@cdn.example/a.mp4", Link("https://***@cdn.example/a.mp4")),
        ('https://cdn.example/"onclick="x', Link('https://cdn.example/"onclick="x')),
    ],
)
def test_elsewhere_only_a_plain_web_address_is_linked(url: str, link: Link) -> None:
    """All else is text that says where the file is."""
    assert Place("file:///videos").link(url) == link
