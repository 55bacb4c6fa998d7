"""A server that does nothing but send one large MP4, chunked and without a length, as the API does.

    python -m tests.benchmarks.file_server MEGABYTES

A real video of a second, and behind it a ``free`` box that holds the rest: whole to every reader of MP4.
"""

from __future__ import annotations

import io
import socket
import struct
import sys
import threading
from fractions import Fraction

import av

BLOCK = 2**20
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"


def main(megabytes: int) -> None:
    """Serve until the input ends."""
    start = _small_video()
    start += struct.pack(">I4sQ", 1, b"free", megabytes * BLOCK + 16)
    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listening.getsockname()[1]} {len(start) + megabytes * BLOCK}\n")
    sys.stdout.flush()
    threading.Thread(target=_accept, args=(listening, start, megabytes), daemon=True).start()
    sys.stdin.read()


def _small_video() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=4, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(4):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.pts, frame.time_base = number, Fraction(1, 4)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _accept(listening: socket.socket, start: bytes, megabytes: int) -> None:
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=_answer, args=(connection, start, megabytes), daemon=True).start()


def _answer(connection: socket.socket, start: bytes, megabytes: int) -> None:
    block = b"%x\r\n%b\r\n" % (BLOCK, bytes(range(256)) * (BLOCK // 256))
    with connection:
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += connection.recv(65536)
        connection.sendall(HEAD + b"%x\r\n%b\r\n" % (len(start), start))
        for _ in range(megabytes):
            connection.sendall(block)
        connection.sendall(b"0\r\n\r\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
