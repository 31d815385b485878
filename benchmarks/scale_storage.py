"""What a room takes in Redis: its first key, and each key more. Against the embedded Valkey."""

from __future__ import annotations

import asyncio
import shutil
from typing import NamedTuple

from parlour.actors.messages import RoomKey
from parlour.storage import EmbeddedServer, OwnedStorage, RedisBackend, RedisConnection

from benchmarks.harness import FOLDER

VALUE = "x" * 64
ROOMS = 1000
FEW, MANY = 1, 100  # keys in a room


class RoomBytes(NamedTuple):
    """Memory of the server, as it reports it (`used_memory`)."""

    room: float
    key: float


def measure() -> RoomBytes:
    """From rooms of `FEW` and of `MANY` keys, which nobody owns any more."""
    folder = FOLDER / "scale-storage"
    shutil.rmtree(folder, ignore_errors=True)
    with EmbeddedServer(folder, durability="everysec") as server:
        few, many = asyncio.run(_measure(server.url))
    shutil.rmtree(folder, ignore_errors=True)
    key = (many - few) / (MANY - FEW)
    return RoomBytes(few - FEW * key, key)


async def _measure(url: str) -> tuple[float, float]:
    await _bytes_a_room(url, "warm", MANY)  # so that the server has its own buffers
    return await _bytes_a_room(url, "few", FEW), await _bytes_a_room(url, "many", MANY)


async def _bytes_a_room(url: str, name: str, keys: int) -> float:
    connection = RedisConnection(url)
    await connection.execute("FLUSHALL", "SYNC")
    before = await _used_memory(connection)
    backend = RedisBackend(connection)
    for number in range(ROOMS):
        space = RoomKey("chat", f"{name}-{number:06}").space
        claim = await backend.claim(space, owner=f"owner-{name}", address="/run/parlour/a.sock")
        storage = OwnedStorage(backend, claim)
        storage.put({f"message:{key:04}": VALUE for key in range(keys)})
        await storage.close()
    used = await _used_memory(connection) - before
    await connection.close()
    return used / ROOMS


async def _used_memory(connection: RedisConnection) -> int:
    info: bytes = await connection.execute("INFO", "memory")
    return int(info.partition(b"used_memory:")[2].split(b"\r", 1)[0])
