"""Addresses at which no connection to an API can be made, for one reason or another."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FAILURES = ("refused", "name", "no TLS", "self-signed", "hangs up")


@contextmanager
def nobody_there(failure: str, folder: Path) -> Iterator[str]:
    """Lend a base URL to which no connection can be made, for one reason or another."""
    if failure == "name":
        yield "https://openrouter.invalid/api/v1"
        return
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if failure == "refused":
            listening.close()
            yield f"http://127.0.0.1:{port}/api/v1"
            return
        context = _self_signed(folder) if failure == "self-signed" else None
        greeting = b"HTTP/1.1 400 Bad Request\r\n\r\n" if failure == "no TLS" else b""
        thread = threading.Thread(target=_greet_badly, args=(listening, context, greeting))
        thread.start()
        try:
            yield f"https://127.0.0.1:{port}/api/v1"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _greet_badly(listening: socket.socket, context: ssl.SSLContext | None, greeting: bytes) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            if context is not None:
                context.wrap_socket(connection, server_side=True)
            elif greeting:
                connection.recv(4096)
                connection.sendall(greeting)


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    encoding, encryption = serialization.Encoding.PEM, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, encryption))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    return context
