"""An operator at the command line, and rooms for him to look at."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import redis
from click.testing import CliRunner, Result
from parlour.actors.messages import RoomKey
from parlour.storage import OwnedStorage, RedisBackend
from parlour.storage.keys import lease_key
from parlour.storage.redis_cluster import connect

from parlour.cli import main


class Operator:
    """Runs commands on the server at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, *arguments: str, input: bytes | str | None = None) -> Result:
        """What a command did."""
        return CliRunner().invoke(
            main, list(arguments), input=input, env={"PARLOUR_REDIS": self.url}
        )

    def done(self, *arguments: str, input: bytes | str | None = None) -> str:
        """What a command that works printed."""
        result = self.run(*arguments, input=input)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """What a command printed as JSON."""
        return json.loads(self.done(*arguments))

    def refused(self, *arguments: str, input: bytes | str | None = None) -> str:
        """The one sentence of a command that does nothing."""
        result = self.run(*arguments, input=input)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        return result.stderr

    def store(self, key: RoomKey, values: dict[str, object], *, owner: str | None = None) -> None:
        """Store values, an alarm and a large value in a room, which `owner` keeps claimed."""
        asyncio.run(self._store(key, values, owner))

    async def _store(self, key: RoomKey, values: dict[str, object], owner: str | None) -> None:
        connection = await connect(self.url)
        backend = RedisBackend(connection)
        claim = await backend.claim(key.space, owner=owner or "gone", address="/run/room.sock")
        storage = OwnedStorage(backend, claim)
        storage.put(values)
        storage.put_large("film", bytes(3_000_000))
        storage.set_alarm(time.time() + 3600)
        await storage.close()
        if owner is None:
            await backend.release(key.space, owner=claim.owner, epoch=claim.epoch)
        await connection.close()

    @contextlib.contextmanager
    def alive(self, owner: str) -> Iterator[None]:
        """The process `owner` has a lease meanwhile."""
        with redis.Redis.from_url(self.url) as client:
            client.set(lease_key(owner), "", px=60_000)
            yield
            client.delete(lease_key(owner))
