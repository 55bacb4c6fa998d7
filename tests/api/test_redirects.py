"""A redirect to a signed URL: where it may lead, and that the key stays at home."""

from __future__ import annotations

import datetime as dt
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from operator import eq
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from openrouter_video.api.client import ContentUnavailable, VideoClient
from openrouter_video.api.redirects import Redirects, Target, is_public, redirect_target
from openrouter_video.sandbox import Fault, Sandbox

URL = "https://openrouter.ai/api/v1/videos/j1/content"
NAME = "cdn.example"
BODY = b'{"model": "x-ai/grok-imagine-video", "prompt": "A flower", "duration": 1, "resolution": "480p"}'


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        *((address, False) for address in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254")),
        *((address, False) for address in ("0.0.0.1", "100.64.0.1", "192.0.2.1", "224.0.0.1", "255.255.255.255")),
        *(
            (address, False)
            for address in ("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1")
        ),
        *((address, False) for address in ("::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "2002:7f00:1::")),
        *((address, False) for address in ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "::127.0.0.1", "fec0::1")),
        *((address, False) for address in ("", "cdn.example", "127.1", "0x7f000001")),
    ],
)
def test_only_addresses_of_the_internet_are_public(address: str, public: bool) -> None:
    """Neither this machine, nor its network, nor an address that stands for one of theirs."""
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://cdn.example/v.mp4?sig=abc", Target("cdn.example", 443, b"/v.mp4?sig=abc")),
        ("https://cdn.example:8443/v", Target("cdn.example", 8443, b"/v")),
        ("//cdn.example/v", Target("cdn.example", 443, b"/v")),
        ("/stored/v.mp4", Target("openrouter.ai", 443, b"/stored/v.mp4")),
        ("https://[2606:4700::1]/v", Target("2606:4700::1", 443, b"/v")),
        ("https://füße.example/", Target("xn--fe-mia9l.example", 443, b"/")),
    ],
)
def test_where_a_redirect_leads(location: str, target: Target) -> None:
    """An https URL, absolute or relative."""
    found = redirect_target(URL, location)
    assert (found.port, found.path) == (target.port, target.path)
    assert found.host == target.host or found.host.startswith("xn--")


@pytest.mark.parametrize(
    ("location", "words"),
    [
        (None, "names no address"),
        ("", "names no address"),
        ("http://cdn.example/v?sig=canary", "leads to http://cdn.example, and only https"),
        ("ftp://cdn.example/v?sig=canary", "only https"),
        ("file:///etc/passwd?canary", "only https"),
        ("https://user:canary@cdn.example/v", "has no host, or has a user name"),
        ("https://cdn.example:canary/v", "is not a URL"),
        ("https://cdn.example/\x00canary", "is not a URL"),
        ("https://xn--a/canary", "is not a URL"),
    ],
)
def test_where_no_redirect_is_followed_to(location: str | None, words: str) -> None:
    """In words that name the redirect and hold nothing of a signature."""
    with pytest.raises(ContentUnavailable, match=f"redirect, which was not followed: .*{words}") as caught:
        redirect_target(URL, location)
    assert "canary" not in str(caught.value)
    assert not caught.value.answer.again


class Origin(NamedTuple):
    """An https server of another origin, and what it was asked."""

    port: int
    verify: ssl.SSLContext
    seen: list[tuple[str, dict[str, str]]]


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *private))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def origin(tmp_path: Path, make_mp4: Callable[..., bytes]) -> Iterator[Origin]:
    """An https server on this machine whose certificate is for cdn.example."""
    seen: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            wanted = {"/again": 302, "/expired": 403, "/gone": 410}
            status = wanted.get(self.path.partition("?")[0], 200)
            # As Express and S3 do it.
            said = f"<html>Cannot GET {self.path}".encode()
            body = said if status != 200 or "page" in self.path else make_mp4()
            self.send_response(status)
            self.send_header("Location", "https://elsewhere.example/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    certificate, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Origin(server.server_port, ssl.create_default_context(cafile=str(certificate)), seen)
    server.shutdown()
    thread.join()
    server.server_close()


class Names:
    """A resolver that is asked, and would lie the second time."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        """Say where the host is."""
        self.asked.append(host)
        return ["127.0.0.1"] if len(self.asked) == 1 else ["192.0.2.1"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An API with one finished job."""
    with Sandbox(job_seconds=0) as running:
        yield running


def _read(sandbox: Sandbox, redirects: Redirects, location: str) -> bytes:
    client = VideoClient(sandbox.api_key, sandbox.base_url, redirects=redirects)
    job_id = client.submit(BODY, "session").job_id or pytest.fail("no job")
    sandbox.add_fault(Fault(on="content", status=302, redirect_to=location))
    with client.content(job_id) as chunks:
        return b"".join(chunks)


def test_a_signed_url_is_followed_without_the_key(
    sandbox: Sandbox, origin: Origin, make_mp4: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """The name is looked up once, its certificate is checked, and the signature is in no line of any log."""
    for name in ("", "httpcore.http11", "httpx"):
        caplog.set_level("DEBUG", name)
    names = Names()
    redirects = Redirects(lambda: origin.verify, names, allowed=lambda address: address == "127.0.0.1")
    location = f"https://{NAME}:{origin.port}/v.mp4?signature=canary"
    assert _read(sandbox, redirects, location) == make_mp4()
    ((path, headers),) = origin.seen
    assert (path, headers["host"]) == ("/v.mp4?signature=canary", f"{NAME}:{origin.port}")
    assert not {"authorization", "cookie", "x-openrouter-title"} & set(headers)
    assert sandbox.api_key not in str(headers)
    assert names.asked == [NAME]
    assert "response_headers.complete" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    ("path", "words", "status"),
    [
        ("/again?canary", "redirect to cdn.example ends in HTTP 302", None),
        ("/expired?canary", "HTTP 403", 403),
        ("/gone?canary", "HTTP 410", 404),
        ("/page?canary", "the content is an HTML page, not a video$", None),
    ],
)
def test_one_hop_and_no_more(sandbox: Sandbox, origin: Origin, path: str, words: str, status: int | None) -> None:
    """What the other origin answers is told, with its name and without the signature that its words may repeat.

    It is not the API's word: another URL may do better, and the video is not gone before its time.
    """
    redirects = Redirects(lambda: origin.verify, Names(), allowed=lambda _: True)
    with pytest.raises(ContentUnavailable, match=words) as caught:
        _read(sandbox, redirects, f"https://{NAME}:{origin.port}{path}")
    answer = caught.value.answer
    assert (answer.again, answer.final) == (True, False)
    assert status in {None, answer.status}
    assert "canary" not in str(caught.value)
    assert len(origin.seen) == 1


def test_a_name_that_is_not_of_the_internet_is_not_asked(sandbox: Sandbox, origin: Origin) -> None:
    """Nor one of which a single address is private."""
    for found in (["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], []):
        redirects = Redirects(lambda: origin.verify, lambda *_, found=found: found)
        with pytest.raises(ContentUnavailable, match=f"redirect, which was not followed: {NAME} is not an address"):
            _read(sandbox, redirects, f"https://{NAME}:{origin.port}/v?canary")
    with pytest.raises(ContentUnavailable, match="is not an address of the public internet"):
        _read(sandbox, Redirects(), f"https://localhost:{origin.port}/v?canary")
    assert origin.seen == []


def _read_copy(sandbox: Sandbox, redirects: Redirects, url: str) -> bytes:
    client = VideoClient(sandbox.api_key, sandbox.base_url, redirects=redirects)
    job_id = client.submit(BODY, "session").job_id or pytest.fail("no job")
    sandbox.add_fault(Fault(on="poll", body={"status": "completed", "urls": ["https://cdn.example/other", url]}))
    with client.stored_copy(job_id, 1) as chunks:
        return b"".join(chunks)


def test_a_stored_copy_is_fetched_by_the_same_rules(
    sandbox: Sandbox, origin: Origin, make_mp4: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """Without the key, from a public address, by the certificate of the name; and the signature is nowhere."""
    for name in ("", "httpcore.http11", "httpx"):
        caplog.set_level("DEBUG", name)
    redirects = Redirects(lambda: origin.verify, Names(), allowed=lambda address: address == "127.0.0.1")
    url = f"https://{NAME}:{origin.port}/v.mp4?signature=canary"
    assert _read_copy(sandbox, redirects, url) == make_mp4()
    ((path, headers),) = origin.seen
    assert (path, "authorization" in headers) == ("/v.mp4?signature=canary", False)
    for there, words, final in (
        (url, "its signed URL was not asked: cdn.example is not an address of the public internet$", False),
        (url.replace("https", "http"), "its signed URL was not asked: it leads to http://cdn.example, and only", False),
        (url.replace("/v.mp4", "/expired"), "^cdn.example answered HTTP 403$", True),
        (url.replace("/v.mp4", "/again"), "^cdn.example answered HTTP 302$", False),
        (url.replace("/v.mp4", "/page"), "the content is an HTML page, not a video$", False),
    ):
        address = "8.8.8.8" if "public" in words else "127.0.0.1"
        redirects = Redirects(lambda: origin.verify, Names(), allowed=partial(eq, address))
        with pytest.raises(ContentUnavailable, match=words) as caught:
            _read_copy(sandbox, redirects, there)
        assert (caught.value.answer.final, "canary" in str(caught.value)) == (final, False)
    assert "canary" not in caplog.text


def test_a_certificate_of_another_name_is_refused(sandbox: Sandbox, origin: Origin) -> None:
    """The connection goes to an address, but the certificate must be the name's."""
    redirects = Redirects(lambda: origin.verify, Names(), allowed=lambda _: True)
    with pytest.raises(ContentUnavailable, match="CERTIFICATE_VERIFY_FAILED") as caught:
        _read(sandbox, redirects, f"https://other.example:{origin.port}/v?canary")
    assert "canary" not in str(caught.value)
    assert origin.seen == []
