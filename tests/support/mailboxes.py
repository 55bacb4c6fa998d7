"""An address of this machine at which the notes of Prefect's automations arrive."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import UUID

from prefect.blocks.notifications import CustomWebhookNotificationBlock

__all__ = ["Mailbox"]


class Mailbox:
    """Keeps the notes that come, until the stack is closed."""

    def __init__(self, stack: ExitStack) -> None:
        notes: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                notes.append(self.rfile.read(int(self.headers["content-length"])).decode())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.notes = notes
        running = HTTPServer(("127.0.0.1", 0), Handler)
        stack.callback(running.server_close)
        threading.Thread(target=running.serve_forever, daemon=True).start()
        stack.callback(running.shutdown)
        self.url = f"http://127.0.0.1:{running.server_port}/"

    async def block(self) -> UUID:
        """Make the notification block that sends its notes here, and return its id."""
        words = {"subject": "{{subject}}", "body": "{{body}}"}
        block = CustomWebhookNotificationBlock(name="mailbox", url=self.url, json_data=words)
        saved: UUID = await block.save("mailbox", overwrite=True)
        return saved
