"""How requests travel: a connection for each that is under way, and certificates as this machine has them."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections import Counter
from pathlib import Path

import certifi
import httpx
import pytest

from openrouter_video.api.transport import Connections, client_options, tls_context
from openrouter_video.errors import ConfigurationError
from openrouter_video.sandbox import Sandbox


class Origin:
    """A transport that is no network; it notes how many requests each client has under way."""

    def __init__(self) -> None:
        self.made: list[httpx.Limits] = []
        self.closed = 0
        self.under_way, self.most, self.seen = Counter[str](), Counter[str](), Counter[str]()

    def make(self, limits: httpx.Limits) -> httpx.AsyncClient:
        """Make a client that names itself in each request."""
        self.made.append(limits)
        origin = self

        class Transport(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                return await origin.answer(request)

            async def aclose(self) -> None:
                origin.closed += 1

        return httpx.AsyncClient(transport=Transport(), headers={"client": str(len(self.made))})

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer after a moment, or fail where the path asks for it."""
        client = request.headers["client"]
        self.under_way[client] += 1
        self.most[client] = max(self.most[client], self.under_way[client])
        self.seen[client] += 1
        await asyncio.sleep(0.001)
        self.under_way[client] -= 1
        if request.url.path == "/refuse":
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200)


async def ask(connections: Connections, path: str = "/") -> None:
    """Send one request by a client that is lent for it."""
    async with connections.lend() as client:
        await client.get(f"http://api.test{path}")


async def test_each_request_has_a_connection_of_its_own() -> None:
    """Thirty at once go by three clients, each with one connection and one request at a time."""
    origin = Origin()
    connections = Connections(origin.make, most=3)
    await asyncio.gather(*(ask(connections) for _ in range(30)))
    assert origin.made == [httpx.Limits(max_connections=1)] * 3
    assert origin.seen.total() == 30
    assert set(origin.most.values()) == {1}
    await connections.aclose()
    assert origin.closed == 3


async def test_requests_in_turn_share_one_connection() -> None:
    """The client that was used last comes first; no other is made while one is free."""
    origin = Origin()
    connections = Connections(origin.make, most=3)
    for _ in range(10):
        await ask(connections)
    assert origin.seen == {"1": 10}


async def test_a_client_that_was_used_in_vain_is_closed_and_its_turn_is_free() -> None:
    """The next request gets a new one at once."""
    origin = Origin()
    connections = Connections(origin.make, most=1)
    for _ in range(5):
        with pytest.raises(httpx.ConnectError):
            await asyncio.wait_for(ask(connections, "/refuse"), 1)
    await asyncio.wait_for(ask(connections), 1)
    assert (len(origin.made), origin.closed) == (6, 5)


async def test_a_request_cancelled_at_any_step_does_no_harm_to_the_next() -> None:
    """Over a real socket: a cancelled connection may be stuck in its pool, which would serve nobody any more."""
    with Sandbox(job_seconds=0) as sandbox:
        url = f"{sandbox.base_url}/videos/models"
        timeout = httpx.Timeout(5, pool=0.5)
        connections = Connections(lambda limits: httpx.AsyncClient(limits=limits, timeout=timeout), most=1)

        async def get() -> int:
            async with connections.lend() as client:
                return (await client.get(url)).status_code

        cancelled = 0
        for steps in range(120):
            request = asyncio.create_task(get())
            for _ in range(steps):
                await asyncio.sleep(0)
            request.cancel()
            (end,) = await asyncio.gather(request, return_exceptions=True)
            cancelled += isinstance(end, asyncio.CancelledError)
            assert await get() == 200, steps
            await connections.aclose()
        assert cancelled > 10  # how many steps a request has depends on how soon its answer comes


def test_certificates_of_a_variable(tmp_path: Path) -> None:
    """SSL_CERT_FILE is trusted, and nothing else."""
    first = certifi.contents().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    (tmp_path / "one.pem").write_text(first)
    assert len(tls_context({"SSL_CERT_FILE": str(tmp_path / "one.pem")}).get_ca_certs()) == 1
    assert tls_context({"SSL_CERT_DIR": str(tmp_path)}).get_ca_certs() == []
    assert tls_context({"SSL_CERT_DIR": f"{tmp_path}/no:{tmp_path}"}).get_ca_certs() == []
    assert tls_context({"SSL_CERT_FILE": ""}).verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\0\xff"], ids=["absent", "empty", "text", "bytes"])
def test_a_variable_that_holds_none(content: bytes | None, tmp_path: Path) -> None:
    """It says which variable, which value, why, and what to do."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE is .*ca.pem.*name a file with certificates"):
        tls_context({"SSL_CERT_FILE": str(file)})
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        tls_context({"SSL_CERT_FILE": str(tmp_path)})
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_DIR is .*not a folder"):
        tls_context({"SSL_CERT_DIR": str(tmp_path / "no")})


def test_a_machine_without_certificates() -> None:
    """It trusts certifi's, as httpx by itself would."""
    code = """if True:
        import ssl
        ssl.SSLContext.set_default_verify_paths = lambda self: None
        from openrouter_video.api.transport import tls_context
        import certifi
        theirs = ssl.create_default_context(cafile=certifi.where())
        assert tls_context({}).cert_store_stats() == theirs.cert_store_stats()
        assert theirs.cert_store_stats()["x509_ca"] > 50
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_plain_http_shares_one_context_that_trusts_nobody() -> None:
    """None is made for each client, and a server with TLS is not talked to by mistake."""
    context = client_options("http://127.0.0.1:8000/api/v1")["verify"]
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.cert_store_stats()["x509_ca"] == 0
