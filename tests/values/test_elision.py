"""What of a request may be recorded and shown: no query, fragment or user of a URL, and no inline data."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openrouter_video.elision import elide, elide_source, parse_data_url, redact, source_name
from openrouter_video.errors import ConfigurationError, RequestRefused
from openrouter_video.ledger.records import Claim, differences
from openrouter_video.request.images import load_image
from openrouter_video.request.request import parse_request
from openrouter_video.request.settings import VideoSettings

OBJECT = "https://bucket.s3.amazonaws.com/frame.png"
SECRET = "canary-7f1e"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + SECRET.encode() * 3).decode()

SIGNERS = {
    "AWS, version 4": "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK&X-Amz-Date={0}&X-Amz-Signature={0}",
    "AWS, version 2": "?AWSAccessKeyId=AK&Expires={0}&Signature={0}",
    "Google, version 4": "?X-Goog-Algorithm=G&X-Goog-Date={0}&X-Goog-Signature={0}",
    "Google, version 2": "?GoogleAccessId=me&Expires={0}&Signature={0}",
    "Azure": "?sv=2024&se={0}&sr=b&sp=r&sig={0}%3D",
    "CloudFront": "?Expires={0}&Key-Pair-Id=K&Signature={0}",
    "Alibaba": "?OSSAccessKeyId=K&Expires={0}&Signature={0}",
    "Discord": "?ex={0}&is={0}&hm={0}",
}


@pytest.mark.parametrize("signed", SIGNERS.values(), ids=SIGNERS)
def test_a_url_that_is_signed_anew_is_the_same(signed: str) -> None:
    """Its object is the same, so that a retry that signs it again finds its own video; nothing of it is shown."""
    first, again = elide(OBJECT + signed.format("1canary")), elide(OBJECT + signed.format("2canary"))
    assert first == again == f"{OBJECT}?…"
    assert elide(OBJECT.replace("frame", "other") + signed.format("1")) != first
    assert elide(f"{OBJECT}{signed.format('1')}&versionId=7") != first


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{OBJECT}?id=1", f"{OBJECT}?id=2"),
        (f"{OBJECT}?id=1", OBJECT),
        (f"{OBJECT}?canary", f"{OBJECT}?yranac"),
        (f"{OBJECT}?a=1&b=2", f"{OBJECT}?a=1"),
        (f"{OBJECT}#a", f"{OBJECT}#b"),
        ("data:image/png;base64,AAAA", "data:image/png;base64,AAAB"),
        ("s3://bucket/a#1.png", "s3://bucket/a#2.png"),
        ("abfss://one@account/a.png", "abfss://two@account/a.png"),
        ("a prompt about https://a.b/?x=1", "a prompt about https://a.b/?x=2"),
    ],
)
def test_what_may_be_another_object_is_another_request(one: str, other: str) -> None:
    """By a digest in the place of what is not shown."""
    assert elide(one) != elide(other)


@pytest.mark.parametrize(
    ("text", "recorded", "said"),
    [
        ("https://me:canary@a.b/c", "https://***@a.b/c", "https://***@a.b/c"),
        ("https://canary@a.b", "https://***@a.b", "https://***@a.b"),
        ("HTTPS://a.b:8443/c?canary", "HTTPS://a.b:8443/c?…sha256=", "HTTPS://a.b:8443/c?…"),
        ("https:\\/\\/a.b\\/c?canary", "https:\\/\\/a.b\\/c?…sha256=", "https:\\/\\/a.b\\/c?…"),
        ("https://me:ca/nary@a.b/c", "https://***@…?…sha256=", "https://***@…?…"),
        ("https://me:ca?nary@a.b/c", "https://***@…?…sha256=", "https://***@…?…"),
        ("https://a.b/c#canary", "https://a.b/c?…sha256=", "https://a.b/c?…"),
        ("wss://a.b/c?canary", "wss://a.b/c?…sha256=", "wss://a.b/c?…"),
        ("s3://key:canary@bucket/a", "s3://***@bucket/a", "s3://***@bucket/a"),
        ("az://box/a?sig=canary", "az://box/a?…", "az://box/a?…"),
        ("of https://a.b/c?d='e'&sig=canary", "of https://a.b/c?…sha256=", "of https://a.b/c?…"),
        ("'https://a.b?canary', 'x'", "'https://a.b?…sha256=", "'https://a.b?…', 'x'"),
        ("[it](data:;base64,canary)", "[it](data:;sha256=", "[it](data:,…"),
        ("sftp://user@host/a#1", "sftp://user@host/a#1", "sftp://user@host/a#1"),
        (f"{OBJECT}?", f"{OBJECT}?", f"{OBJECT}?"),
        (OBJECT, OBJECT, OBJECT),
        ("see (https://a.b/c?canary) and", "see (https://a.b/c?…sha256=", "see (https://a.b/c?… and"),
        ('{"url": "https://a.b/c?canary"}', '{"url": "https://a.b/c?…sha256=', '{"url": "https://a.b/c?…"}'),
        ("why? 10:30, at C:/x?y", "why? 10:30, at C:/x?y", "why? 10:30, at C:/x?y"),
        ("see data:image/png;base64,canary now", "see data:image/png;sha256=", "see data:image/png,… now"),
        ("give data:image/png;base64,… or", "give data:image/png;base64,… or", "give data:image/png;base64,… or"),
    ],
)
def test_what_is_recorded_and_what_is_said(text: str, recorded: str, said: str) -> None:
    """Scheme, host and path stay, wherever in a text the URL stands."""
    assert elide(text).startswith(recorded)
    assert redact(text) == said
    assert "nary" not in elide(text)
    assert elide(elide(text)) == elide(text)


@pytest.mark.parametrize("signed", [one for name, one in SIGNERS.items() if name != "Discord"])
def test_an_answer_that_quotes_a_part_of_a_signed_url(signed: str) -> None:
    """Without its scheme, or as a parameter of another; the signature is in no message all the same."""
    query = signed.format(f"{SECRET}%2Bc0ffee/c0ffee")
    for said in (f"bucket.s3.amazonaws.com/a.mp4{query} cannot be read", f"GET /a.mp4{query}", f"url={quote(query)}"):
        shown = redact(said)
        assert re.findall(r"(?:signature|sig)(?:=|%3D)([^ &]*)", shown, re.IGNORECASE) == ["…"]
        assert redact(shown) == shown
    assert redact("design=a-long-name-of-a-file signature=short") == "design=a-long-name-of-a-file signature=short"


@pytest.mark.parametrize("piece", ["data:a/", "data:;", "data:a/b;", "data:", "a://", "signature=", "data:a/b,…"])
def test_a_long_hostile_answer_is_redacted_at_once(piece: str) -> None:
    """Some of them took time by the cube of their length: an answer of 8 kB two minutes, with the whole process."""
    hostile = piece * (2**16 // len(piece))
    assert redact(f"{hostile} data:image/png;base64,{PNG}").endswith(" data:image/png,…")


@given(st.text(st.sampled_from("ahtps:/?#@.,;=&… \"'<>\\*[]1"), max_size=60) | st.text())
@example("data:,https://a?b")
@example("https://a?…sha256=0123456789abcdef")
@example("https://x:y@z:a?b")
def test_eliding_twice_is_eliding_once(text: str) -> None:
    """A record is compared with what was recorded, and shown again and again."""
    assert elide(elide(text)) == elide(text)
    assert redact(redact(text)) == redact(text)


DATA_URLS = [
    "data:image/png;base64,{0}",
    "DATA:image/PNG;BASE64,{0}",
    "data:image/png;;base64,{0}",
    "data:image/png;name=a.png;base64,{0}",
    "data:image/png; base64,{0}",
    "data: image/png ; base64 ,{0}",
    "data:image/png;charset=ü;base64,{0}",
    " data:image/png;base64,{0}",
    "data:;base64,{0}",
    "data:,{0}",
    "data:image/svg+xml,%3Csvg%3E{0}",
    "data:text/plain;charset=utf-8,{0} with blanks",
    "data:image/png\n;base64,{0}",
    "data:image;base64,{0}",
]


@pytest.mark.parametrize("template", DATA_URLS)
@pytest.mark.parametrize("place", ["first_frame", "reference", "option", "trace", "user", "prompt"])
def test_no_inline_data_is_recorded(template: str, place: str) -> None:
    """Accepted or refused, in whatever spelling and field: one judge says what a data: URL is."""
    url = template.format(PNG)
    in_settings: dict[str, dict[str, Any]] = {
        "first_frame": {"first_frame": url},
        "reference": {"input_references": [{"url": url}]},
        "trace": {"trace": {"picture": [url]}},
        "user": {"user": url},
    }
    options = {"xai": {"image": {"deep": [url]}}} if place == "option" else None
    request = parse_request(url if place == "prompt" else "p", in_settings.get(place), options)
    assert PNG not in json.dumps(request.asked())
    assert "length=" in json.dumps(request.asked())
    result: str | RequestRefused
    try:
        result = load_image(url.strip())
    except RequestRefused as refused:
        result = refused
    if isinstance(result, RequestRefused):
        assert PNG not in result.problems[0].message
    else:
        assert parse_data_url(result) is not None
        assert PNG not in elide(result)


@given(st.text(max_size=30), st.text(max_size=10))
def test_every_data_url_that_is_accepted_is_elided(head: str, tail: str) -> None:
    """Whatever stands between the colon and the comma."""
    url = f"data:{head},{PNG}{tail}"
    try:
        accepted = load_image(url)
    except RequestRefused:
        return
    assert PNG not in elide(accepted)
    assert PNG not in elide_source(accepted)


def test_every_place_of_a_request(settings_with_secrets: dict[str, Any]) -> None:
    """Frames, references, callback, user, trace, options by name and value, and the prompt itself."""
    options = {"xai": {"image": f"https://a.b/i?{SECRET}", f"https://a.b/?{SECRET}": 1}}
    request = parse_request(f"like https://a.b/c?{SECRET}", settings_with_secrets, options)
    assert SECRET not in json.dumps(request.asked())
    assert SECRET in request.model_dump_json()


@pytest.fixture
def settings_with_secrets() -> dict[str, Any]:
    """A secret wherever a URL may stand."""
    return {
        "input_references": [
            {"type": kind, "url": f"https://{SECRET}@a.b/{kind}?x={SECRET}#{SECRET}"}
            for kind in ("image_url", "audio_url", "video_url")
        ],
        "callback_url": f"https://me:{SECRET}@a.b/hook?token={SECRET}",
        "user": f"https://a.b/?{SECRET}",
        "trace": {"page": [f"https://a.b/#{SECRET}"], f"https://a.b/?{SECRET}": "x"},
    }


def test_a_claim_of_an_older_version_is_read_without_its_secrets() -> None:
    """It holds whole URLs; read today it equals what is asked today, so that its key is no conflict."""
    url = f"{OBJECT}?X-Amz-Signature={SECRET}&versionId=1"
    request = parse_request("p", VideoSettings(first_frame=url, callback_url="https://a.b/?t=1"))
    old = {"prompt": "p", "settings": {"first_frame": url, "callback_url": "https://a.b/?t=1"}}
    body = {"frame_images": [{"type": "image_url", "image_url": {"url": url}}]}
    fields = {"key": "k", "model": "a/b", "take": 1, "base_url": "", "output": "", "path": "p"}
    claim = Claim.model_validate({"at": "2026-11-01", "asked": old, "sent": body, **fields})
    assert differences(claim.asked, request.asked()) == []
    assert SECRET not in claim.model_dump_json()


@pytest.mark.parametrize("kind", [ConfigurationError, RequestRefused])
def test_no_message_repeats_a_secret(kind: type[Exception]) -> None:
    """Whatever was put into it."""
    text = f"no such thing as https://me:{SECRET}@a.b/c?{SECRET}#{SECRET} or data:image/png;base64,{SECRET}"
    refused = parse_refusal(text) if kind is RequestRefused else kind(text)
    assert SECRET not in str(refused)


def parse_refusal(text: str) -> RequestRefused:
    """A refusal that repeats a text."""
    with pytest.raises(RequestRefused) as refused:
        parse_request("p", {"size": text, "duration": text, text: 1}, [text], text, {text: 1})  # type: ignore[dict-item]
    return refused.value


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://x.example/clips/orchid.mp4?token=SECRET", "orchid.mp4"),
        ("https://user:SECRET@x.example/a/b.mp4", "b.mp4"),
        ("s3://bucket/a/orchid.mp4", "orchid.mp4"),
        ("/data/orchid in bloom.png", "orchid in bloom.png"),
        ("C:\\clips\\orchid.mp4", "orchid.mp4"),
        ("https://x.example/", "x.example"),
        ("data:image/png;base64,AAAA", "image"),
        ("data:;base64,AAAA", "file"),
        ("gen-vid-1790983457-abc", "gen-vid-1790983457-abc"),
        ("/", "/"),
    ],
)
def test_the_name_of_what_a_source_leads_to(source: str, name: str) -> None:
    """Without its folder, its data and its secrets; once it is recorded it is the same."""
    assert source_name(source) == name
    assert source_name(elide_source(source)) == name
