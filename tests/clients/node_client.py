"""A Node program that does with partysocket what it is told, and tells what happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TIMEOUT_S = 30.0  # a gateway that was killed is started by Ray
RECONNECT_MS = 50  # partysocket waits for seconds by default


class NodeClient:
    """Runs driver.js. Its sockets have names; `await event(name, "open")` waits for theirs."""

    def __init__(self, program: Path, host: str) -> None:
        self.host = host
        self._program = program
        self._process: asyncio.subprocess.Process
        self._events: list[dict[str, Any]] = []
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            "node",
            str(self._program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(TIMEOUT_S):
            await self._process.wait()
            await self._reader

    def tell(self, do: str, **arguments: object) -> None:
        """Have it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")

    async def open(
        self, name: str, party: str, room: str, first: list[str] | None = None, **options: object
    ) -> dict[str, Any]:
        """Make a socket, and return how it stands at once; `first` is sent before it is open."""
        given: Mapping[str, object] = {
            "host": self.host,
            "party": party,
            "room": room,
            "minReconnectionDelay": RECONNECT_MS,
            **options,
        }
        self.tell("open", name=name, options=given, first=first or [])
        return await self.event(name, "state")

    async def ask(self, do: str, name: str, answer: str, **arguments: object) -> dict[str, Any]:
        """Have a socket do something, and return the event that tells of it."""
        self.tell(do, name=name, **arguments)
        return await self.event(name, answer)

    async def event(self, name: str | None, *kinds: str) -> dict[str, Any]:
        """The next event of a socket that is of one of these kinds; it is taken."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                for place, event in enumerate(self._events):
                    if event.get("name") == name and event["event"] in kinds:
                        return self._events.pop(place)
                self._changed.clear()
                await self._changed.wait()

    async def message(self, name: str) -> Any:
        """The next message of a socket."""
        return (await self.event(name, "message"))["data"]

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._events.append(json.loads(line))
            self._changed.set()
