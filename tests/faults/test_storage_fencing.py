"""Two owners of one room: the older one, paused past its lease and resumed, can write nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest
from parlour.storage import OwnedStorage, RedisBackend, RedisConnection

SPACE = "chat/lobby"

# Writes and reports each write that is durable, until it is told that it is not the owner.
OLDER_OWNER = f"""
import asyncio, sys
from parlour.storage import NotOwner, RedisBackend, RedisConnection, OwnedStorage

async def main():
    backend = RedisBackend(RedisConnection(sys.argv[1]))
    claim = await backend.claim({SPACE!r}, owner="older", address="")
    storage = OwnedStorage(backend, claim)
    for number in range(10**9):
        storage.put({{"first": number, "second": number, f"key{{number % 500}}": number}})
        try:
            await storage.sync()
        except NotOwner as error:
            print("NotOwner", error.epoch, error.epoch_now, flush=True)
            break
        print(number, flush=True)
    try:
        storage.put("late", 1)
    except NotOwner:
        print("refused", flush=True)
    await backend.close()

asyncio.run(main())
"""


@pytest.mark.parity("uniqueness")
async def test_a_paused_owner_is_fenced_off(valkey_url: str) -> None:
    """Stopped, taken over and continued: none of its writes lands, and it learns why."""
    older = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OLDER_OWNER, valkey_url, stdout=asyncio.subprocess.PIPE
    )
    assert older.stdout is not None
    backend = RedisBackend(RedisConnection(valkey_url))
    try:
        while int(await older.stdout.readline()) < 100:
            pass
        os.kill(older.pid, signal.SIGSTOP)

        claim = await backend.claim(SPACE, owner="newer", address="", takeover_epoch=1)
        newer = OwnedStorage(backend, claim)
        found = await newer.list()
        assert found["first"] == found["second"]
        newer.put("second", "newer")
        await newer.sync()
        os.kill(older.pid, signal.SIGCONT)

        *_, end, refused = (await older.stdout.read()).decode().split("\n")[:-1]
        assert end == "NotOwner 1 2"
        assert refused == "refused"
        assert await older.wait() == 0
        newer.put("third", "newer")
        await newer.close()
        claim = await backend.claim(SPACE, owner="newer", address="")
        expected = {**found, "second": "newer", "third": "newer"}
        assert await OwnedStorage(backend, claim).list() == dict(sorted(expected.items()))
    finally:
        if older.returncode is None:
            os.kill(older.pid, signal.SIGKILL)
            await older.wait()
        await backend.close()
