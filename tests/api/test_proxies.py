"""Proxies as the variables of this machine name them: used, ignored or refused in words."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.settings import PREFECT_API_URL, temporary_settings

from openrouter_video.api.client import VideoClient
from openrouter_video.api.endpoint import DEFAULT_BASE_URL
from openrouter_video.api.proxies import changes_for_httpx, choose_proxy
from openrouter_video.errors import ConfigurationError
from openrouter_video.flows import collect_videos, generate_video

API = "https://openrouter.ai/api/v1"
PROXY = "http://proxy.example:3128"
ODD_NO_PROXY = "localhost,127.0.0.1,::1,fd07:b51a:cc66:f0::/64"


@pytest.mark.parametrize(
    ("proxies", "used"),
    [
        ({}, None),
        ({"https": PROXY}, PROXY),
        ({"https": "proxy.example:3128"}, PROXY),
        ({"https": f" {PROXY} "}, PROXY),
        ({"all": PROXY}, PROXY),
        ({"http": "http://[::1", "all": PROXY}, PROXY),
        ({"https": PROXY, "all": "socks://127.0.0.1:9"}, PROXY),
        ({"https": "", "all": " "}, None),
        ({"http": PROXY}, None),
        ({"https": "https://user:pass@proxy.example"}, "https://user:pass@proxy.example"),
        ({"https": PROXY, "no": ODD_NO_PROXY}, PROXY),
        ({"https": PROXY, "no": "*"}, None),
        ({"https": "socks9://[::1", "no": "openrouter.ai"}, None),
    ],
)
def test_the_proxy_that_is_used(proxies: dict[str, str], used: str | None) -> None:
    """The scheme's own before the one for all; what is not used does not matter, however it is written."""
    chosen = choose_proxy(API, proxies)
    assert (chosen.url if chosen else None) == used


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("openrouter.ai", API, True),
        (".openrouter.ai", API, True),
        ("*.openrouter.ai", API, True),
        ("OpenRouter.AI", API, True),
        ("other, openrouter.ai", API, True),
        ("other openrouter.ai", API, True),
        ("ai", API, True),
        ("router.ai", API, False),
        ("openrouter.ai:443", API, True),
        ("openrouter.ai:8443", API, False),
        ("https://openrouter.ai", API, True),
        ("api.openrouter.ai", API, False),
        ("10.0.0.0/8", "https://10.1.2.3/v1", True),
        ("10.0.0.1", "https://10.0.0.1/v1", True),
        ("10.0.0.0/8", API, False),
        ("fd07:b51a:cc66:f0::/64", "https://[fd07:b51a:cc66:f0::9]/v1", True),
        ("[fd07::9]", "https://[fd07::9]/v1", True),
        ("[fd07::9]:8443", "https://[fd07::9]:8443/v1", True),
        ("fd07::/64", "https://[fd08::9]/v1", False),
        ("[::1", API, False),
        (",,/, :, ::, []", API, False),
    ],
)
def test_hosts_without_a_proxy(no_proxy: str, url: str, direct: bool) -> None:
    """Names with their subdomains, addresses, networks of both kinds, with a port or without."""
    assert (choose_proxy(url, {"https": PROXY, "no": no_proxy}) is None) is direct


@pytest.mark.parametrize(
    "text",
    [
        "socks://127.0.0.1:9",
        "socks5://127.0.0.1:9",
        "SOCKS5H://127.0.0.1:9",
        "socks4://127.0.0.1:9",
        "quic://127.0.0.1:9",
        "http://[::1",
        ":8080",
        "http://",
        "http://a..b:80",
        "http://proxy:port",
        "http://proxy:99999",
        "http://proxy:0",
        f"http://{'a' * 64}:80",
        "http://user:canary@[::1",
        "http://user:canary@xn--…:80",
        "http://pro xy:80",
        "http://pro\0xy:80",
        "☃☃☃://x",
    ],
)
@pytest.mark.parametrize("variable", ["https", "all"])
def test_a_proxy_that_cannot_be_used(variable: str, text: str) -> None:
    """Refused in one sentence that names the variable and what may stand there, and no password."""
    with pytest.raises(ConfigurationError, match=f"{variable.upper()}_PROXY is") as refused:
        choose_proxy(API, {variable: text})
    assert "http://" in str(refused.value)
    assert "NO_PROXY" in str(refused.value)
    assert "canary" not in str(refused.value)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_proxy_variable_is_a_traceback(proxy: str, no_proxy: str) -> None:
    """What is taken builds a client; all else is refused."""
    for text in (proxy, f"http://{proxy}", f"http://{proxy}:80", f"https://u:p@[{proxy}]"):
        try:
            chosen = choose_proxy(API, {"https": text, "no": no_proxy})
        except ConfigurationError:
            continue
        else:
            httpx.HTTPTransport(proxy=chosen.url if chosen else None, verify=False).close()


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_client_refuses_it_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the variables of this process, in either case; a client to this machine does not care."""
    for other in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "http://[::1")
    with pytest.raises(ConfigurationError, match="cannot be used as a proxy"):
        VideoClient(None, DEFAULT_BASE_URL)
    VideoClient(None, "http://localhost:9/api/v1")
    monkeypatch.setenv(name, PROXY)
    VideoClient(None, DEFAULT_BASE_URL)


@given(st.dictionaries(st.sampled_from(["HTTP_PROXY", "all_proxy", "NO_PROXY"]), st.text("ab.:/[]☃ ,*0", max_size=20)))
def test_what_other_clients_of_this_process_get(environ: dict[str, str]) -> None:
    """Whatever the variables held, each of httpx's own clients can be made: it looks at all of them."""
    changed = {**environ, **changes_for_httpx(environ)}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            patch.delenv(name, raising=False)
        patch.delenv("NO_PROXY", raising=False)
        patch.delenv("no_proxy", raising=False)
        for name, value in changed.items():
            patch.setenv(name, value)
        if any(name.upper().endswith("_PROXY") and name != "NO_PROXY" for name in environ):
            httpx.Client(verify=False).close()  # noqa: S501 (nothing is sent)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks://h:1"),
        ("HTTPS_PROXY", "socks4://h:1"),
        ("HTTP_PROXY", "::::"),
        ("NO_PROXY", "[::1]:80"),
    ],
)
def test_a_flow_refuses_proxies_that_prefect_cannot_use(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect's own client is made before any line of the flow, and would end it in a traceback."""
    monkeypatch.setenv(name, value)
    if name == "NO_PROXY":
        monkeypatch.setenv("HTTP_PROXY", PROXY)
    words = rf"cannot use the proxy variables .*{name}.*; correct or unset them"
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(ConfigurationError, match=words),
    ):
        asyncio.run(collect_videos() if name == "NO_PROXY" else generate_video("x", "google/veo-3.1-lite"))


def test_proxies_that_work_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what httpx would choke on goes; this machine is reached directly."""
    changed = changes_for_httpx({"HTTPS_PROXY": PROXY, "ALL_PROXY": "socks://x:1", "NO_PROXY": f"a.b,{ODD_NO_PROXY}"})
    assert changed["HTTPS_PROXY"] == PROXY
    assert changed["ALL_PROXY"] == ""
    assert changed["NO_PROXY"] == "a.b,localhost,127.0.0.1,::1"
    assert changes_for_httpx({"HOME": "/"}) == {}
