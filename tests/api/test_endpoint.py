"""Where a key may go, and which keys can be sent at all."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from openrouter_video.api.endpoint import DEFAULT_BASE_URL, base_url_of, origin, parse_api_key, parse_base_url
from openrouter_video.api.web_urls import is_loopback
from openrouter_video.errors import ConfigurationError


@pytest.mark.parametrize(
    ("given", "used"),
    [
        (DEFAULT_BASE_URL, DEFAULT_BASE_URL),
        (" https://openrouter.ai/api/v1/ \n", DEFAULT_BASE_URL),
        ("https://gateway.example:8443/openrouter", "https://gateway.example:8443/openrouter"),
        ("http://localhost:8000/api/v1", "http://localhost:8000/api/v1"),
        ("http://127.8.9.1:80", "http://127.8.9.1:80"),
        ("http://[::1]:9", "http://[::1]:9"),
    ],
)
def test_a_good_base_url(given: str, used: str) -> None:
    """Https anywhere, http on this machine; no slash at the end."""
    assert parse_base_url(given) == used
    assert base_url_of({"OPENROUTER_BASE_URL": given}) == used
    assert base_url_of({"OPENROUTER_BASE_URL": ""}) == base_url_of({}) == DEFAULT_BASE_URL


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "'' is not an http"),
        ("openrouter.ai/api/v1", "'openrouter.ai/api/v1' is not an http"),
        ("ftp://openrouter.ai", "is not an http"),
        ("https://", "is not an http"),
        ("https://[::1", "is not an http"),
        ("https://host:port/v1", "is not an http"),
        ("https://host:99999", "is not an http"),
        ("https://user:canary@host/v1", "of host must not contain a user name, password"),
        ("https://@host/v1", "of host must not contain a user name"),
        ("https://host/v1?key=canary", "of host must not contain a user name, password, query"),
        ("https://host/v1?", "query"),
        ("https://host/v1#", "fragment"),
        ("https://host/a path", "space"),
        ("https://ho\nst/v1", "space"),
        ("ftp://user:canary@host", "'…@host' is not an http"),
        ("https://user:canary@host:99999", "'…@host:99999' is not an http"),
        ("sk-or-v1-canary", "which looks like an API key"),
        ("http://openrouter.ai/api/v1", "unencrypted to openrouter.ai; use https"),
        ("http://localhost.evil.example", "unencrypted to localhost.evil.example"),
        ("http://10.0.0.1:8000", "unencrypted to 10.0.0.1"),
    ],
)
def test_a_bad_base_url(url: str, message: str) -> None:
    """Each says what is wrong and what would be right, and shows no password and no key."""
    with pytest.raises(ConfigurationError) as refused:
        parse_base_url(url)
    assert message in str(refused.value)
    assert "https" in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://exa mple/v1",
        "https://a..b",
        "https://.a",
        f"https://{'a' * 64}.example",
        f"https://{'a.' * 127}b",
        "https://xn--…",
        "https://xn--zzzzzzz99999",
        "https://xn--ls8h.la",
        "https://☃.net",
        "https://300.1.1.1",
        "https://1.2.3.4.5/v1",
        "https://-a",
        "https://%41.example",
        "https://ex,ample",
        "https://ex\x00ample",
        "https://\ud800.example",
        f"https://host/{'a' * 70000}",
    ],
)
def test_an_impossible_base_url(url: str) -> None:
    """It is refused as such, where a resolver or httpx would raise what nobody catches."""
    with pytest.raises(ConfigurationError, match="the base URL") as refused:
        parse_base_url(url)
    assert "the default is https://openrouter.ai/api/v1" in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "url", ["https://münchen.example/v1", "https://xn--mnchen-3ya.example", "https://a_b.example."]
)
def test_unusual_hosts_that_exist(url: str) -> None:
    """International names in either form, an underscore, and a full stop at the end."""
    assert parse_base_url(url) == url


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_base_url_is_a_traceback(host: str, path: str) -> None:
    """Whatever stands there: a URL that httpx and the resolver take, or a refusal on one line."""
    for url in (host, f"https://{host}", f"https://{host}/{path}", f"http://[{host}]:{path}"):
        try:
            good = parse_base_url(url)
        except ConfigurationError:
            continue
        else:
            httpx.URL(f"{good}/videos").host.encode("idna")


@pytest.mark.parametrize(
    "given_key",
    [
        "sk-canary",
        " sk-canary\t",
        SecretStr("sk-canary"),
        "sk-canary\n",
        "\r\nsk-canary\r\n",
        "\ufeffsk-canary\n",
        "\xa0sk-canary",
    ],
)
def test_a_good_key(given_key: str | SecretStr) -> None:
    """What clipboards, editors and secret stores leave around it is no part of it."""
    assert parse_api_key(given_key).get_secret_value() == "sk-canary"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, "there is no API key; set OPENROUTER_API_KEY, or use --sandbox"),
        ("  ", "there is no API key"),
        (SecretStr(""), "there is no API key"),
        ("\r\n", "there is no API key"),
        ("sk-\ncanary\n", "a line break"),
        ("sk-\u2028canary", "a line break"),
        ("sk-\r\ncanary", "a line break"),
        ("Bearer sk-canary", "a space"),
        ("sk-canary\x7f", "a character that keys do not have"),
        ("sk-canarÿ", "a character that keys do not have"),
    ],
)
def test_a_bad_key(key: str | SecretStr | None, message: str) -> None:
    """The message says what is wrong with the key, and never shows any of it."""
    with pytest.raises(ConfigurationError, match=message) as refused:
        parse_api_key(key)
    assert "sk-" not in str(refused.value)
    assert "canar" not in str(refused.value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://openrouter.ai/api/v1", "https://OpenRouter.ai:443/other", True),
        ("http://localhost/v1", "http://localhost:80", True),
        ("https://openrouter.ai", "http://openrouter.ai", False),
        ("https://localhost:8000", "http://localhost:8000", False),
        ("https://openrouter.ai", "https://openrouter.ai:8443", False),
        ("https://openrouter.ai", "https://evil-openrouter.ai", False),
        ("https://openrouter.ai", "https://openrouter.ai.evil.example", False),
        ("https://openrouter.ai", "https://openrouter.ai@evil.example", False),
        ("https://openrouter.ai", "/api/v1/videos/1", False),
        ("https://openrouter.ai", "https://[openrouter.ai", False),
    ],
)
def test_origins(one: str, other: str, same: bool) -> None:
    """Scheme, host and port, and nothing that merely looks alike."""
    assert (origin(one) == origin(other)) is same


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://LOCALHOST", True),
        ("http://127.0.0.1:1", True),
        ("http://[::1]", True),
        ("http://0.0.0.0", False),
        ("http://192.168.0.1", False),
        ("https://example.com", False),
        ("no url", False),
    ],
)
def test_this_machine(url: str, local: bool) -> None:
    """By name or by address."""
    assert is_loopback(url) is local
