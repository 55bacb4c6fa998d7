"""The bytes of one download: undone as they were compressed, bounded, and never waited for without end."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrouter_video.api.client import ContentUnavailable, Timeouts, VideoClient
from openrouter_video.api.content import Download, DownloadLimits, download_limits, video_body
from openrouter_video.errors import ConfigurationError

BODY = b"\0\0\0\x18ftypisom" + bytes(range(256)) * 40
RAW_DEFLATE = zlib.compressobj(wbits=-15)
RAW = RAW_DEFLATE.compress(BODY) + RAW_DEFLATE.flush()
PACKED = gzip.compress(BODY)


def received(wire: bytes, encoding: str, step: int = 1000, limits: DownloadLimits | None = None) -> bytes:
    """What is taken for the body of an answer that came like this, in pieces of ``step`` bytes."""
    pieces = (wire[start : start + step] for start in range(0, len(wire), step))
    answer = httpx.Response(200, headers={"content-encoding": encoding}, content=pieces)
    limits = limits or DownloadLimits()
    with Download(lambda _: nullcontext(answer), limits, threading.Event()) as download:
        return b"".join(video_body(download, download.head(5).headers, bytes))


@pytest.mark.parametrize("step", [1, 7, 1000, 10**6])
@pytest.mark.parametrize(
    ("encoding", "wire"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", PACKED),
        ("GZIP", PACKED),
        ("x-gzip", PACKED),
        ("gzip", gzip.compress(BODY[:5000]) + gzip.compress(BODY[5000:])),
        ("gzip", PACKED + bytes(20)),
        ("gzip", PACKED + b"garbage"),
        ("deflate", zlib.compress(BODY)),
        ("deflate", RAW),
        ("gzip, gzip", gzip.compress(PACKED)),
        ("deflate, gzip", gzip.compress(zlib.compress(BODY))),
    ],
)
def test_a_compressed_body_is_undone(encoding: str, wire: bytes, step: int) -> None:
    """By what the header says, however it was cut into pieces, with what stands behind its end passed over."""
    assert received(wire, encoding, step) == BODY


@pytest.mark.parametrize(
    ("encoding", "wire", "words"),
    [
        ("gzip", PACKED[:-8], "its gzip has no end"),
        ("gzip", PACKED[:-1], "its gzip has no end"),
        ("gzip", PACKED[: len(PACKED) // 2], "its gzip has no end"),
        ("gzip", b"", "its gzip has no end"),
        ("gzip", gzip.compress(BODY) + gzip.compress(BODY)[:-9], "its gzip has no end"),
        ("deflate", zlib.compress(BODY)[:-4], "its deflate has no end"),
        ("deflate", RAW[:-1], "its deflate has no end"),
        ("gzip", BODY, "it is not gzip"),
        ("deflate", b"\xff" * 99, "it is not deflate"),
        ("gzip", PACKED[:-8] + bytes(8), "it is not gzip"),
        ("br", BODY, "compressed as 'br'; no compression was asked for, and only gzip and deflate can be decoded"),
        ("gzip, gzip, gzip", PACKED, "compressed 3 times over"),
        (", ".join(["gzip"] * 5000), PACKED, "compressed 5000 times over"),
        ("gzip, zstd", PACKED, "compressed as 'zstd'"),
    ],
)
def test_a_cut_or_unreadable_body_is_refused(encoding: str, wire: bytes, words: str) -> None:
    """Also where zlib by itself says nothing."""
    with pytest.raises(ContentUnavailable, match=words) as caught:
        received(wire, encoding)
    assert caught.value.answer.again


@given(st.binary(max_size=3000), st.integers(1, 50), st.booleans())
def test_whatever_was_packed_comes_out(content: bytes, step: int, deflate: bool) -> None:
    """Byte for byte."""
    body = BODY[:100] + content
    wire = zlib.compress(body) if deflate else gzip.compress(body)
    assert received(wire, "deflate" if deflate else "gzip", step) == body


def test_a_bomb_fills_neither_disk_nor_memory() -> None:
    """A megabyte that stands for a gigabyte is given up at the largest size, a piece at a time."""
    packer = zlib.compressobj(wbits=31)
    block = bytes(2**20)
    bomb = b"".join([packer.compress(BODY), *(packer.compress(block) for _ in range(256)), packer.flush()])
    tracemalloc.start()
    with pytest.raises(ContentUnavailable, match="it is too large: 20000000 bytes is the most"):
        received(bomb, "gzip", 10**6, DownloadLimits(largest_bytes=20_000_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60_000_000  # what was taken before, and a few pieces


def test_the_environment_sets_the_limits_of_a_download() -> None:
    """The command has no other place for them, and a download given up for one names its variable."""
    given = {"SECONDS": " 7200 ", "LARGEST": "5", "LEAST_RATE": "0", "OTHER": "x"}
    environ = {f"OPENROUTER_VIDEO_DOWNLOAD_{name}": value for name, value in given.items()}
    assert download_limits(environ) == DownloadLimits(seconds=7200, largest_bytes=5, bytes_per_second=0)
    assert download_limits({"OPENROUTER_VIDEO_DOWNLOAD_SECONDS": ""}) == DownloadLimits()
    for value in ("0", "-1", "1h", "1e3", "٣", "9" * 5000):
        with pytest.raises(ConfigurationError, match=r"_DOWNLOAD_SECONDS is .* whole number of seconds"):
            download_limits({"OPENROUTER_VIDEO_DOWNLOAD_SECONDS": value})


def test_a_stated_length_beyond_the_largest_size_is_not_begun() -> None:
    """No byte of it is taken."""
    answer = httpx.Response(200, headers={"content-length": "1000000"}, content=iter([BODY]))
    limits = DownloadLimits(largest_bytes=999_999)
    with Download(lambda _: nullcontext(answer), limits, threading.Event()) as download:
        head = download.head(5)
        with pytest.raises(ContentUnavailable, match="it is too large"):
            video_body(download, head.headers, bytes)


def test_what_the_store_takes_does_not_count_against_the_rate() -> None:
    """Only waiting for the network does."""
    now = iter(range(0, 10**9, 1))
    answer = httpx.Response(200, content=(BODY for _ in range(8)))
    limits = DownloadLimits(rate_seconds=100.0, bytes_per_second=1.0, seconds=10**9)

    def clock() -> float:
        return next(now)

    with Download(lambda _: nullcontext(answer), limits, threading.Event(), clock) as download:
        got = b""
        download.head(10**9)
        for chunk in download.chunks():
            for _ in range(10**4):
                clock()  # a store that takes its time
            got += chunk
    assert got == BODY * 8


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Serve one connection as a function says; returns the base URL of that API."""
    threads: list[threading.Thread] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def run(answer: Callable[[socket.socket], None]) -> None:
        peer, _ = listening.accept()
        with peer:
            peer.recv(65536)
            answer(peer)

    def start(answer: Callable[[socket.socket], None]) -> str:
        threads.append(threading.Thread(target=run, args=(answer,)))
        threads[0].start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}/api/v1"

    yield start
    for thread in threads:
        thread.join()
    listening.close()


def _drip(line: bytes, peer: socket.socket) -> None:
    """Send a byte in a tenth of a second until nobody listens."""
    try:
        for byte in line * 50:
            peer.send(bytes([byte]))
            time.sleep(0.05)
    except OSError:
        return


def test_headers_that_drip_are_not_waited_for(serve: Callable[[Callable[[socket.socket], None]], str]) -> None:
    """Each byte of them comes in time, and still they never end."""
    base_url = serve(partial(_drip, b"HTTP/1.1 200 OK\r\nX-Slow: 1\r\n"))
    client = VideoClient("key", base_url, timeouts=Timeouts(connect=0.3, content=0.4))
    with pytest.raises(ContentUnavailable, match=r"no answer came within 0\.7 s"), client.content("j1"):
        pytest.fail("there is no answer")


def test_an_error_that_drips_is_not_waited_for(serve: Callable[[Callable[[socket.socket], None]], str]) -> None:
    """Its status is told all the same."""

    def answer(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 9999\r\n\r\n")
        _drip(b"x", peer)

    client = VideoClient("key", serve(answer))
    limits = DownloadLimits(rate_seconds=0.4)
    with pytest.raises(ContentUnavailable, match="HTTP 503: it begins 'xx"), client.content("j1", limits=limits):
        pytest.fail("there is no video")


def test_a_stop_is_heard_before_there_is_an_answer(serve: Callable[[Callable[[socket.socket], None]], str]) -> None:
    """And the other side sees the connection go, so that its thread ends too."""
    gone = threading.Event()

    def answer(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + BODY[:100])
        peer.recv(1)
        gone.set()

    stop = threading.Event()
    client = VideoClient("key", serve(answer))
    with client.content("j1", stop=stop) as chunks:
        next(chunks)
        stop.set()
        with pytest.raises(ContentUnavailable, match="was stopped"):
            next(chunks)
    assert gone.wait(60)
