"""The room class that is put under load while things fail."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from parlour import Connection, Request, Room

RESULTS_KEPT = 16  # of each client: more than it ever has on the way


class Ledger(Room):
    """Registers, a counter and a list, changed by requests that clients number.

    A request is `{client, seq, op, ...}`, for one that writes also `{write, fresh, retry}`, where
    `write` counts the client's writes. The number of the last one of each client and the results
    of its last ones are stored in the same flush as what the request did: one that comes again
    (`retry`) is answered as it was. What must not happen is answered with `fault`: a write that is
    handled again although nobody sent it twice, and a missing one. `fresh` marks the first of a
    connection: those before it may have been lost with the connection before.

    Reads write nothing: nothing but the room's lease keeps their answers from being stale.
    """

    hibernate_after = 1.0

    async def on_start(self) -> None:
        """Count the starts: what an earlier one says must not come after what a later one said."""
        self.start = await self.storage.get("starts", 0) + 1
        self.storage.put("starts", self.start)

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        request = json.loads(message)
        answer = await (self.write(request) if "write" in request else self.read(request))
        connection.send(json.dumps({"seq": request["seq"], "start": self.start, **answer}))

    async def write(self, request: dict[str, Any]) -> dict[str, Any]:
        """Handle a request that writes, at most once."""
        key, number = f"client:{request['client']}", request["write"]
        last, results = await self.storage.get(key, (0, {}))
        if number <= last and not request["retry"]:
            return {"fault": f"{key}: write {number} came again when {last} were handled"}
        if number <= last:
            return {"result": results[number]}
        if number > last + 1 and not request["fresh"]:
            return {"fault": f"{key}: write {number} came after {last}"}
        result = await self.perform(request)
        kept = {n: told for n, told in results.items() if n > number - RESULTS_KEPT}
        self.storage.put(key, (number, {**kept, number: result}))
        return {"result": result}

    async def perform(self, request: dict[str, Any]) -> int | None:
        """Do what a request asks for."""
        if request["op"] == "write":
            self.storage.put(f"register:{request['register']}", request["value"])
            return None
        if request["op"] == "append":
            length: int = await self.storage.get("length", 0) + 1
            self.storage.put({"length": length, f"item:{length:09}": request["value"]})
            return length
        count: int = await self.storage.get("count", 0) + 1
        self.storage.put("count", count)
        return count

    async def read(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a request that only reads."""
        if request["op"] == "read":
            return {"result": await self.storage.get(f"register:{request['register']}")}
        return {"result": await self.storage.get(request["op"], 0)}

    async def on_request(self, request: Request) -> dict[str, Any]:
        """Everything, for the comparison at the end."""
        return {
            "starts": self.start,
            "count": await self.storage.get("count", 0),
            "items": list((await self.storage.list(prefix="item:")).values()),
        }


class Stayer(Ledger):
    """One that does not hibernate while it has clients, also where places are short."""

    hibernate = False


class LateStarter(Ledger):
    """One that takes its time to start."""

    async def on_start(self) -> None:
        await asyncio.sleep(0.5)
        await super().on_start()
