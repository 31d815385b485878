"""What a gateway shows of the requests that it has answered, to a developer who wants to see them.

Their path, without the query, which may hold a client's token; the answer's status; how long it
took. They travel the way that rooms' events do (`tail.py`); what is not fetched in time is dropped.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from ..actors import messages
from ..actors.frames import Kind
from ..actors.watch import NAME_CHARACTERS_MAX, SEND_S, Seen, Watch
from .manager_client import Managers


class RequestNotes:
    """Of one gateway; `on` decides whether anything is noted."""

    def __init__(self, on: bool, managers: Managers) -> None:
        self.on = on
        self._managers = managers
        self._notes = Watch()  # for its bounds
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<RequestNotes {'on' if self.on else 'off'}>"

    def start(self) -> None:
        """Begin to send them."""
        if self.on:
            self._task = asyncio.get_running_loop().create_task(self._keep_sending())

    def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    def note(self, method: str, raw_path: str, status: int, took_s: float = 0.0) -> None:
        """Something was answered."""
        if self.on:
            path = raw_path.partition("?")[0][:NAME_CHARACTERS_MAX]
            who = f"{method} {path} {status}"
            self._notes.note(Seen("http", time.time() - took_s, who=who, duration_s=took_s))

    async def _keep_sending(self) -> None:
        while True:
            await asyncio.sleep(SEND_S)
            batch = self._notes.take()
            if batch is not None:
                await self._managers.tell(Kind.SEEN, messages.encode(batch))


class NotingLogger(AbstractAccessLogger):
    """Told by aiohttp of each response that has left; its logger is a `RequestNotes`."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        # A WebSocket is told of where it is refused, or by its room.
        if request.headers.get("upgrade", "").lower() != "websocket":
            notes: Any = self.logger
            notes.note(request.method, request.raw_path, response.status, time)
