"""Clients that keep a record of what they asked, what they were told, and when."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from .linearizability import Operation

WINDOW = 4  # requests on the way
ANSWER_PATIENCE_S = 4.0  # then a request is sent again, or its outcome is unknown
CONNECT_PATIENCE_S = 45.0  # above what a gateway waits for a room
RECONNECT_S = 0.2
THINK_S = 0.03
REGISTERS = 3

# op -> (history it belongs to, kind of operation there); the first three write
WRITES = {"append": ("list", "add"), "add": ("counter", "add")}
READS = {"length": ("list", "count"), "count": ("counter", "count")}


@dataclass
class Call:
    """One request and what became of it."""

    seq: int
    request: dict[str, Any]
    called_s: float
    answered_s: float | None = None
    result: Any = None
    start: int = 0  # of the room that answered

    @property
    def history(self) -> str:
        """The name of the history it belongs to: each is checked by itself."""
        op = self.request["op"]
        if op in ("write", "read"):
            return f"register {self.request['register']}"
        return (WRITES.get(op) or READS[op])[0]

    def operation(self, client: str) -> Operation:
        op = self.request["op"]
        kind = op if op in ("write", "read") else (WRITES.get(op) or READS[op])[1]
        argument = self.request["value"] if op == "write" else None
        return Operation(client, kind, argument, self.result, self.called_s, self.answered_s)


class Client:
    """One of a room's clients: some requests on the way at any time, until it is stopped.

    With `retry` what is not answered is sent again, marked as such, until it is. Without, its
    outcome is unknown. A connection that is lost is opened again.
    """

    def __init__(
        self, name: str, url: str, http: aiohttp.ClientSession, seed: str, *, retry: bool
    ) -> None:
        self.name = name
        self.retry = retry
        self.calls: list[Call] = []
        self.faults: list[str] = []
        self.connections = 0
        self._url = url
        self._http = http
        self._dice = random.Random(seed)
        self._by_seq: dict[int, Call] = {}
        self._waiting: dict[int, Call] = {}
        self._writes = 0
        self._fresh = True

    def __repr__(self) -> str:
        return f"<Client {self.name} of {self._url}: {len(self._waiting)} not answered>"

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until `stop` is set and every request is answered or given up."""
        while not stop.is_set() or self._waiting:
            try:
                async with asyncio.timeout(CONNECT_PATIENCE_S):
                    socket = await self._http.ws_connect(self._url)
                self.connections += 1
                async with socket:
                    await self._talk(socket, stop)
            except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
                await asyncio.sleep(self._dice.uniform(0.1, 1.0) * RECONNECT_S)

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse, stop: asyncio.Event) -> None:
        self._fresh = True
        await self._resend_or_give_up(socket)
        while True:
            while len(self._waiting) < WINDOW and not stop.is_set():
                await self._ask(socket)
            if not self._waiting:
                return
            try:
                message = await socket.receive(timeout=ANSWER_PATIENCE_S)
            except TimeoutError:
                # The process of the room may have died with the answer on its way.
                await self._resend_or_give_up(socket)
                continue
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            await self._take(socket, json.loads(message.data))
            await asyncio.sleep(self._dice.random() * THINK_S)

    async def _resend_or_give_up(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        if not self.retry:
            self._waiting.clear()
        for call in self._waiting.values():
            await self._send(socket, call)

    async def _ask(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        seq = len(self.calls) + 1
        request: dict[str, Any] = {"client": self.name, "seq": seq, "retry": self.retry}
        request |= self._choose(seq)
        call = Call(seq, request, time.monotonic())
        self.calls.append(call)
        self._by_seq[seq] = self._waiting[seq] = call
        await self._send(socket, call)

    def _choose(self, seq: int) -> Mapping[str, Any]:
        op = self._dice.choice(("write", "append", "add", "read", "read", "length", "count"))
        chosen: dict[str, Any] = {"op": op}
        if op in ("write", "read"):
            chosen["register"] = self._dice.randrange(REGISTERS)
        if op in ("write", "append"):
            chosen["value"] = f"{self.name}-{seq}"
        if op == "write" or op in WRITES:
            self._writes += 1
            chosen["write"] = self._writes
        return chosen

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, call: Call) -> None:
        request = call.request
        if "write" in request:
            request = {**request, "fresh": self._fresh}
            self._fresh = False
        await socket.send_str(json.dumps(request))

    async def _take(
        self, socket: aiohttp.ClientWebSocketResponse, answer: Mapping[str, Any]
    ) -> None:
        call = self._by_seq[answer["seq"]]
        if "fault" in answer:
            self.faults.append(answer["fault"])
        elif call.answered_s is None:
            call.answered_s, call.result = time.monotonic(), answer["result"]
            call.start = answer["start"]
        if call.seq in self._waiting:
            # Answers come in order: those of earlier requests died with a process of the room.
            missed = list(itertools.takewhile(lambda seq: seq != call.seq, self._waiting))
            again = [self._waiting.pop(seq) for seq in missed]
            del self._waiting[call.seq]
            if self.retry:
                for lost in again:
                    self._waiting[lost.seq] = lost
                    await self._send(socket, lost)
