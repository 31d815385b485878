"""A Unix socket in front of a server's, whose bytes a test can hold back or cut off."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Self


class CuttableLink:
    """Forwards `listen_path` to `server_path`, both ways.

    Attributes:
        replies_pass: While false, what the server answers is thrown away.
        reply_delay_s: How long each piece of what the server answers is held back.
        accepts: While false, new connections are closed at once.
        connected: How many connections were made so far.
        asked: Every byte that clients have sent, connection by connection.
    """

    def __init__(self, listen_path: Path, server_path: str | os.PathLike[str]) -> None:
        self.replies_pass = True
        self.reply_delay_s = 0.0
        self.accepts = True
        self.connected = 0
        self.asked: list[bytearray] = []
        self._listen_path = listen_path
        self._server_path = str(server_path)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._reply_thrown_away = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"unix://{self._listen_path}"

    async def reply_thrown_away(self) -> None:
        """Wait until the server has answered and the answer was thrown away."""
        await self._reply_thrown_away.wait()
        self._reply_thrown_away.clear()

    def cut(self) -> None:
        """End all connections, both sides."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self._listen_path)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.accepts:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connected += 1
        self.asked.append(asked := bytearray())
        server_reader, server_writer = await asyncio.open_unix_connection(self._server_path)
        ends = {writer, server_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, server_writer, asked))
                group.create_task(self._pass_on(server_reader, writer, None))
        finally:
            self._writers -= ends
            self._tasks.discard(task)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytearray | None
    ) -> None:
        try:
            while data := await reader.read(65536):
                if asked is not None:
                    asked += data
                elif not self.replies_pass:
                    self._reply_thrown_away.set()
                    continue
                elif self.reply_delay_s:
                    await asyncio.sleep(self.reply_delay_s)
                writer.write(data)
        except ConnectionError:
            pass  # an end that was cut: the other one follows below
        finally:
            writer.transport.abort()
