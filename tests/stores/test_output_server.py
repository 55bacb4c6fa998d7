"""The web server for a folder of videos: what it shows, and what it never does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http import HTTPStatus

import httpx
import pytest

from openrouter_video.output_server import serve_output
from tests.support.flow_processes import wait_until

ALLOWED = ("orchid/veo.mp4", "orchid/veo.jpg", "orchid/index.html", "orchid/videos.jsonl", "orchid/veo.json")
HIDDEN = (
    *("_jobs/k/claim-1.json", ".env", "orchid/.hidden/x.mp4", "orchid/_x.mp4", "orchid/notes.txt", "orchid/key"),
    *("records/k/claim-1.json", "linked/k/claim-1.json", "outside.mp4"),
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A folder with videos, with a ledger under another name in it, and links to what is not to be seen."""
    outside = tmp_path_factory.mktemp("served")
    folder = outside / "videos"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    with serve_output(folder, port, folder / "records") as address, httpx.Client(trust_env=False) as client:
        for name in (*ALLOWED, *HIDDEN[:-2]):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"0123456789")
        (outside / "secret.mp4").write_bytes(b"secret")
        (folder / "outside.mp4").symlink_to(outside / "secret.mp4")
        (folder / "linked").symlink_to(folder / "records")
        client.base_url = address
        wait_until(lambda: _answers(client))
        yield client
    assert not _answers(httpx.Client(base_url=address, trust_env=False))


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code == HTTPStatus.NOT_FOUND
    except httpx.ConnectError:
        return False


def test_what_a_run_leaves_can_be_seen(client: httpx.Client) -> None:
    """Each file as its kind, in parts too, and a folder's gallery for the folder."""
    assert [client.get(f"/{name}").status_code for name in ALLOWED] == [200] * len(ALLOWED)
    part = client.get("/orchid/veo.mp4", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert part.headers["content-type"] == "video/mp4"
    assert part.headers["x-content-type-options"] == "nosniff"
    assert client.get("/orchid/").text == "0123456789"


@pytest.mark.parametrize(
    "path",
    [*(f"/{name}" for name in HIDDEN), "/", "/_jobs/", "/_jobs", "/%2e%2e/secret.mp4", "/orchid/..%2f..%2fsecret.mp4"],
)
def test_nothing_else_can(client: httpx.Client, path: str) -> None:
    """No ledger by any name, nothing hidden, no list of a folder, nothing outside."""
    assert client.get(path).status_code == HTTPStatus.NOT_FOUND


def test_only_this_machine_asks_and_only_to_read(client: httpx.Client) -> None:
    """A page elsewhere with a name of its own for this address is refused."""
    hosts = {"evil.example": 400, "localhost:4220": 200}
    assert {h: client.get("/orchid/veo.mp4", headers={"Host": h}).status_code for h in hosts} == hosts
    assert client.post("/orchid/veo.mp4").status_code == HTTPStatus.METHOD_NOT_ALLOWED
