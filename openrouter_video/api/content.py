"""The bytes of one download: fetched in a thread of their own, so that whoever takes them never waits for the network.

However the network behaves (no answer, headers and then silence, a byte in two seconds, no end), the taker wakes up
several times a second, hears that it is to stop, and measures what came against the limits.
"""

from __future__ import annotations

import queue
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any, NamedTuple, Self

import httpx

from openrouter_video.api.answers import ContentAnswer, ContentUnavailable
from openrouter_video.api.transport import cause_of
from openrouter_video.errors import ConfigurationError, VideoError
from openrouter_video.media_types import is_page, peek, sniff
from openrouter_video.text import clip

__all__ = ["Download", "DownloadLimits", "Head", "Trace", "beginning_of", "download_limits", "video_body"]

COLLECT = "`openrouter-video collect`"
WAKE_SECONDS = 0.25
LEAVE_SECONDS = 1.0
CHUNKS_AHEAD = 8
BEGINNING_BYTES = 64 * 1024
INFLATED_BYTES = 2**20
MOST_ENCODINGS = 2
PAGE_BYTES = 4 * 1024
GZIP_BEGINS = b"\x1f\x8b"
# What httpx raises, and what its parts and the system's resolver do besides.
NETWORK_ERRORS = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, RuntimeError)


class DownloadLimits(NamedTuple):
    """How long a download may take in seconds, how slow and how large it may be.

    ``bytes_per_second`` is the least rate over each ``rate_seconds`` that were spent waiting for the network; what the
    store takes does not count against it. ``largest_bytes`` counts what comes out where the answer is compressed.
    """

    seconds: float = 3600.0
    bytes_per_second: float = 8192.0
    rate_seconds: float = 30.0
    largest_bytes: int = 16 * 2**30


LIMIT_VARIABLES: Mapping[str, str] = {
    "seconds": "OPENROUTER_VIDEO_DOWNLOAD_SECONDS",
    "bytes_per_second": "OPENROUTER_VIDEO_DOWNLOAD_LEAST_RATE",
    "largest_bytes": "OPENROUTER_VIDEO_DOWNLOAD_LARGEST",
}
"""Where a user changes what a paid video may run against: the command has no other place for it."""


def download_limits(environ: Mapping[str, str]) -> DownloadLimits:
    """Return the limits of a download as the environment sets them.

    Raises:
        ConfigurationError: if one is not a number that makes sense.
    """
    given: dict[str, Any] = {}
    for field, variable in LIMIT_VARIABLES.items():
        text = environ.get(variable, "").strip()
        if not text:
            continue
        if not re.fullmatch(r"[0-9]{1,15}", text) or (int(text) == 0 and field != "bytes_per_second"):
            unit = "seconds" if field == "seconds" else "bytes"
            raise ConfigurationError(f"{variable} is {clip(text)[:40]!r}; give a whole number of {unit} above 0")
        given[field] = int(text)
    return DownloadLimits(**given)


Trace = Callable[[str, Mapping[str, Any]], None]


class Head(NamedTuple):
    """The status and the headers of an answer."""

    status: int
    headers: Mapping[str, str]


class _End(NamedTuple):
    error: BaseException | None = None


class Download:
    """One GET under way; ``send`` opens it, in the thread that reads it as well, and tells what it connects to.

    Leave it as a context: the connection is then broken off, and its thread ends by itself.
    """

    def __init__(
        self,
        send: Callable[[Trace], AbstractContextManager[httpx.Response]],
        limits: DownloadLimits,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self.limits = limits
        self._stop = stop
        self._clock = clock
        self._begun = clock()
        self._items: queue.Queue[Head | bytes | _End] = queue.Queue(CHUNKS_AHEAD)
        self._left = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._read, name="openrouter-video-content", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        if self._socket is not None and self._thread.is_alive():
            # Not by the method of a TLS socket, which would wait for the other side.
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        self._thread.join(LEAVE_SECONDS)

    def head(self, patience: float) -> Head:
        """Wait for the status and the headers, all of them within so many seconds.

        Raises:
            ContentUnavailable: if they do not come.
        """
        item = self._take(patience)
        if isinstance(item, Head):
            return item
        if item is None:
            raise ContentUnavailable(ContentAnswer(f"no answer came within {patience:g} s", again=True))
        raise self._broken(item)

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            ContentUnavailable: if it breaks off, or runs against a limit.
        """
        limits, waited, rated, size = self.limits, 0.0, 0, 0
        while True:
            before = self._clock()
            item = self._take(limits.rate_seconds - waited)
            waited += self._clock() - before
            if isinstance(item, _End):
                if item.error is not None:
                    raise self._broken(item)
                return
            if isinstance(item, bytes):
                size += len(item)
                rated += len(item)
                _check_size(size, limits)
            if waited >= limits.rate_seconds:
                _check_rate(rated, waited, limits)
                waited, rated = 0.0, 0
            if isinstance(item, bytes):
                yield item

    def _take(self, patience: float) -> Head | bytes | _End | None:
        """Return the next item, or None after so many seconds without one."""
        until = self._clock() + patience
        while True:
            if self._stop.is_set():
                raise ContentUnavailable(ContentAnswer("the download was stopped", again=False))
            now = self._clock()
            if now - self._begun > self.limits.seconds:
                raise _given_up(f"it was not complete after {self.limits.seconds:g} s", "seconds", "higher")
            with suppress(queue.Empty):
                return self._items.get(timeout=max(0.0, min(WAKE_SECONDS, until - now)))
            if now >= until:
                return None

    def _read(self) -> None:
        error: BaseException | None = RuntimeError("its thread died")
        try:
            with self._send(self._trace) as got:
                self._put(Head(got.status_code, got.headers))
                for chunk in got.iter_raw():
                    if not self._put(chunk):
                        return
            error = None
        except (VideoError, *NETWORK_ERRORS) as caught:
            error = caught
        finally:
            self._put(_End(error))

    def _trace(self, event: str, told: Mapping[str, Any]) -> None:
        """Take note of the socket as soon as there is one: headers may never end."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._socket = told["return_value"].get_extra_info("socket")
            if self._left.is_set():
                raise OSError("it is not waited for any more")

    def _put(self, item: Head | bytes | _End) -> bool:
        while not self._left.is_set():
            with suppress(queue.Full):
                self._items.put(item, timeout=WAKE_SECONDS)
                return True
        return False

    def _broken(self, item: object) -> ContentUnavailable:
        error = item.error if isinstance(item, _End) else None
        if isinstance(error, ContentUnavailable):
            return error
        cause = cause_of(error) if isinstance(error, httpx.HTTPError) else clip(str(error or "no answer came"))
        return ContentUnavailable(ContentAnswer(f"the download broke off: {cause}", again=True))


def _given_up(reason: str, limit: str, change: str) -> ContentUnavailable:
    """Leave the job open without another attempt in this run: what is slow or endless would only hold up others.

    A collection runs into the same limit, so the words say which one to change.
    """
    then = f"If it is a video all the same, set {LIMIT_VARIABLES[limit]} {change}: then {COLLECT} finishes it"
    return ContentUnavailable(ContentAnswer(f"the download was given up: {reason}. {then}", again=False))


def _check_rate(came: int, seconds: float, limits: DownloadLimits) -> None:
    """Try again after silence, in which a connection has died; a trickle would be one the next time as well."""
    if not came and limits.bytes_per_second > 0:
        raise ContentUnavailable(
            ContentAnswer(f"the download broke off: no byte arrived for {seconds:.0f} s", again=True)
        )
    if came < limits.bytes_per_second * seconds:
        least = f"the lowest allowed rate is {limits.bytes_per_second:g} bytes per second"
        raise _given_up(f"{came} bytes arrived in {seconds:.0f} s, and {least}", "bytes_per_second", "lower")


def _check_size(size: int, limits: DownloadLimits) -> None:
    if size > limits.largest_bytes:
        most = f"{limits.largest_bytes} bytes is the most that is allowed"
        raise _given_up(f"it is too large: {most}", "largest_bytes", "higher")


def beginning_of(download: Download, headers: Mapping[str, str]) -> bytes:
    """Return the first 64 KiB of a body, or what came of it: enough to see why it is not a video."""
    body = bytearray()
    with suppress(ContentUnavailable):
        for chunk in _decoded(download, headers):
            body += chunk
            if len(body) >= BEGINNING_BYTES:
                break
    return bytes(body[:BEGINNING_BYTES])


def video_body(
    download: Download,
    headers: Mapping[str, str],
    without_key: Callable[[bytes], bytes],
    *,
    quoted: bool = True,
) -> Iterator[bytes]:
    """Return the body, unless its beginning shows an error page: the label is only a hint, the bytes decide.

    Raises:
        ContentUnavailable: if it is HTML, JSON, XML or other text; what it says is repeated without the key, if it may
            be ``quoted``. Also if its stated length is too large, or its encoding cannot be undone; in the iteration
            whatever goes wrong on the way.
    """
    length = headers.get("content-length", "")
    _check_size(int(length) if length.isascii() and length.isdigit() else 0, download.limits)
    head, body = peek(_decoded(download, headers))
    if head and is_page(head):
        media_type = clip(without_key(headers.get("content-type", "").encode()).decode("utf-8", "replace"))
        label = f", labelled {media_type}" if media_type else ""
        page = b""
        # A page may repeat the key, which is only found whole: more is read than is repeated.
        with suppress(ContentUnavailable):
            while quoted and len(page) < PAGE_BYTES and (chunk := next(body, b"")):
                page += chunk
        said = f": it begins {clip(without_key(page)[:200].decode('utf-8', 'replace'))!r}" if quoted else ""
        reason = f"the content is {sniff(head)}{label}, not a video{said}"
        raise ContentUnavailable(ContentAnswer(reason, again=True))
    return body


def _decoded(download: Download, headers: Mapping[str, str]) -> Iterator[bytes]:
    """Return the body as it was before something on the way compressed it (RFC 9110, 8.4)."""
    chunks = download.chunks()
    names = [name.strip() for name in headers.get("content-encoding", "").lower().split(",")]
    encodings = [name for name in names if name not in {"", "identity"}]
    unknown = [name for name in encodings if name not in {"gzip", "x-gzip", "deflate"}]
    if unknown or len(encodings) > MOST_ENCODINGS:
        what = f"as {clip(unknown[0])!r}" if unknown else f"{len(encodings)} times over"
        known = f"no compression was asked for, and only gzip and deflate can be decoded, {MOST_ENCODINGS} at most"
        raise ContentUnavailable(ContentAnswer(f"the content is compressed {what}; {known}", again=True))
    for name in reversed(encodings):
        chunks = _inflated(chunks, name, download.limits)
    return chunks


class _Inflater:
    """Undoes gzip or deflate, of one part or several, a piece at a time: a bomb of few bytes never fills the memory."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._window = zlib.MAX_WBITS if name == "deflate" else zlib.MAX_WBITS | 16
        self._part = zlib.decompressobj(self._window)
        self._begun = False
        self._over = False
        self._held = b""  # of the two bytes by which a part is known

    @property
    def ended(self) -> bool:
        """Whether the last part came to its proper end."""
        return self._part.eof

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes out for some bytes; what stands behind the end and is not a further part is passed over."""
        while data:
            if self._over:
                return
            if self._part.eof or not self._begun:
                data, self._held = self._held + data, b""
                if len(data) < len(GZIP_BEGINS):
                    self._held = data
                    return
                if self._part.eof:
                    self._over = not data.startswith(GZIP_BEGINS)
                    self._part, self._begun = zlib.decompressobj(self._window) if not self._over else self._part, False
                    continue
            try:
                piece = self._part.decompress(data, INFLATED_BYTES)
            except zlib.error as error:
                if self._begun or self._name != "deflate" or self._window < 0:
                    reason = f"the content is damaged: it is not {self._name} ({clip(str(error))})"
                    raise ContentUnavailable(ContentAnswer(reason, again=True)) from None
                # Some send deflate without its header.
                self._window = -zlib.MAX_WBITS
                self._part = zlib.decompressobj(self._window)
                continue
            self._begun = True
            data = self._part.unused_data if self._part.eof else self._part.unconsumed_tail
            if piece:
                yield piece

    def rest(self) -> bytes:
        """Return what zlib held back at the end."""
        return self._part.flush()


def _inflated(chunks: Iterable[bytes], name: str, limits: DownloadLimits) -> Iterator[bytes]:
    inflater, size = _Inflater(name), 0
    for chunk in chunks:
        for piece in inflater.pieces(chunk):
            size += len(piece)
            _check_size(size, limits)
            yield piece
    if rest := inflater.rest():
        yield rest
    if not inflater.ended:
        raise ContentUnavailable(ContentAnswer(f"the download broke off: its {name} has no end", again=True))
