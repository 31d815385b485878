"""Fail-overs by Sentinel: what storage keeps, what it says, and when it goes on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from parlour.storage import (
    FlushMissing,
    NotOwner,
    OwnedStorage,
    RedisBackend,
    RedisConnection,
    StorageReset,
)
from parlour.storage.opening import look_at_server, open_blocking
from parlour.storage.redis_commands import ConnectionLimits
from parlour.storage.server_errors import ServerUnavailable, UnknownService

from ..support.sentinels import SERVICE, WatchedServers

FAILOVER_S = 15.0  # from the death of the primary to the next acknowledged write
NOTICED_S = 3.0  # from the naming of another primary to a connection to it
WRITERS = 4


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServers]:
    """For tests that leave them as they were, and one that comes last."""
    with WatchedServers(tmp_path_factory.mktemp("watched")) as servers:
        yield servers


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[WatchedServers]:
    """For one test: Sentinels take 20 s after a fail-over until all is as at the start."""
    with WatchedServers(tmp_path) as servers:
        yield servers


@contextlib.asynccontextmanager
async def _backend(servers: WatchedServers) -> AsyncIterator[RedisBackend]:
    backend = RedisBackend(RedisConnection(servers.url, name="writer"))
    try:
        yield backend
    finally:
        await backend.close()


async def _claim(backend: RedisBackend, space: str, owner: str = "owner") -> OwnedStorage:
    return OwnedStorage(backend, await backend.claim(space, owner=owner, address=""))


async def _read(backend: RedisBackend, space: str) -> dict[str, object]:
    """What a new owner finds."""
    storage = await _claim(backend, space)
    found = await storage.list()
    await storage.close()
    return found


class Writer:
    """Appends to the log of a space, each entry a flush, until told to stop or it is reset."""

    def __init__(self, backend: RedisBackend, space: str) -> None:
        self.space = space
        self.acknowledged = 0
        self.ended: StorageReset | None = None
        self._backend = backend
        self._stop = False
        self._moved = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def wait_for_more(self) -> None:
        """Return at the next acknowledgement, or the end."""
        self._moved.clear()
        await self._moved.wait()

    async def stop(self) -> None:
        self._stop = True
        await self._task

    async def _run(self) -> None:
        try:
            storage = await _claim(self._backend, self.space)
            while not self._stop:
                number = self.acknowledged + 1
                storage.put(f"log{number:06}", number)
                await storage.sync()
                self.acknowledged = number
                self._moved.set()
        except StorageReset as error:
            self.ended = error
        finally:
            self._moved.set()


async def test_the_server_is_looked_at_through_its_sentinels(servers: WatchedServers) -> None:
    """It is the primary that is asked, and what a fail-over can lose is said."""
    promises = await look_at_server(servers.url)
    assert (promises.durability, promises.replicas) == ("fsync", 1)
    assert promises.describe().endswith(
        "; a fail-over to its 1 replica can lose the newest ones, and one that is cut off goes on "
        "taking writes that will be lost: set min-replicas-to-write to 1"
    )
    servers.primary.ask("CONFIG", "SET", "min-replicas-to-write", 1)
    promises = await look_at_server(servers.url)
    servers.primary.ask("CONFIG", "SET", "min-replicas-to-write", 0)
    assert promises.describe().endswith("newest ones, of up to 10 s (min-replicas-max-lag)")


async def test_a_wrong_service_is_refused_at_once(servers: WatchedServers) -> None:
    """Waiting would not mend it; the error names what there is."""
    with pytest.raises(UnknownService, match="no service 'romms', but 'rooms'; give the name"):
        await look_at_server(servers.url_of("romms"))


async def test_sentinels_that_cannot_be_reached_are_named() -> None:
    """Each with what went wrong there."""
    limits = ConnectionLimits(patience_s=0.5)
    connection = RedisConnection("redis+sentinel://127.0.0.1:1,127.0.0.1:2/rooms", limits=limits)
    try:
        with pytest.raises(
            ServerUnavailable,
            match=r"no answer from redis\+sentinel://127.0.0.1:1,127.0.0.1:2/rooms within 0.5 s: "
            r"none of its 2 Sentinels answers \(127.0.0.1:1: .*; 127.0.0.1:2: .*\)",
        ):
            await connection.connect()
    finally:
        await connection.close()


async def test_one_sentinel_is_enough(servers: WatchedServers) -> None:
    """Those that are down, and those nobody listed, are not needed."""
    up = servers.sentinels[1].port
    url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{up},127.0.0.1:2/rooms"
    assert (await look_at_server(url)).replicas == 1
    client = await asyncio.to_thread(open_blocking, url, timeout_s=1.0)
    assert await asyncio.to_thread(client.set, "lease", "1")
    client.close()


async def _wait_for_all(writers: list[Writer], count: int) -> None:
    """Until each has so many more acknowledgements, or has ended."""
    for writer in writers:
        wanted = writer.acknowledged + count
        while writer.acknowledged < wanted and writer.ended is None:
            await writer.wait_for_more()


async def _check_logs(backend: RedisBackend, writers: list[Writer], fed: list[int]) -> None:
    """Nothing that the new primary was fed is gone, nothing is out of order, no loss is silent."""
    for writer, count in zip(writers, fed, strict=True):
        await writer.stop()
        found = list((await _read(backend, writer.space)).values())
        assert found == list(range(1, len(found) + 1))
        assert len(found) >= count
        if writer.ended is None:
            assert len(found) == writer.acknowledged
        else:
            assert isinstance(writer.ended, FlushMissing)
            assert len(found) == writer.ended.last_flush < writer.acknowledged


async def test_kill_9_of_the_primary_under_load(servers: WatchedServers) -> None:
    """Owners go on by themselves within seconds; the old primary comes back as a replica."""
    client = await asyncio.to_thread(open_blocking, servers.url, timeout_s=1.0)
    async with _backend(servers) as backend:
        writers = [Writer(backend, f"chat/killed{number}") for number in range(WRITERS)]
        await _wait_for_all(writers, 50)
        fed = [writer.acknowledged for writer in writers]
        await asyncio.to_thread(servers.wait_until_fed)
        old = servers.primary

        old.process.kill()
        killed_s = time.monotonic()
        await _wait_for_all(writers, 50)
        assert time.monotonic() - killed_s < FAILOVER_S
        assert await asyncio.to_thread(client.set, "lease", "1")  # as the thread of a lease does
        client.close()

        old.process.start()
        await asyncio.to_thread(servers.wait_until_replica, old)
        await _check_logs(backend, writers, fed)


async def test_a_planned_failover_under_load(own_servers: WatchedServers) -> None:
    """The old primary takes writes until it is demoted, seconds later; it gets them for one."""
    async with _backend(own_servers) as backend:
        writers = [Writer(backend, f"chat/moved{number}") for number in range(WRITERS)]
        await _wait_for_all(writers, 50)
        fed = [writer.acknowledged for writer in writers]
        await asyncio.to_thread(own_servers.wait_until_fed)
        old = own_servers.primary

        own_servers.sentinels[0].ask("SENTINEL", "FAILOVER", SERVICE)
        await asyncio.to_thread(own_servers.wait_for_failover, old)
        named_s = time.monotonic()
        assert old.ask("ROLE")[0] == b"master"  # still: this is what has to be noticed
        await asyncio.to_thread(own_servers.primary.wait_for_client, "writer")
        assert time.monotonic() - named_s < NOTICED_S
        await _wait_for_all(writers, 50)
        await _check_logs(backend, writers, fed)


async def test_what_the_replica_lacked_is_missed_and_never_built_upon(
    own_servers: WatchedServers,
) -> None:
    """A lost flush resets its room; a lost claim is none, also where its epoch is given again."""
    async with _backend(own_servers) as backend:
        late = await _claim(backend, "chat/late")
        for number in range(5):
            late.put(f"key{number}", number)
            await late.sync()
        await asyncio.to_thread(own_servers.wait_until_fed)
        own_servers.cut_replication()
        late.put("key5", 5)
        await late.sync()
        unknown = await _claim(backend, "chat/unknown", "older")
        old = own_servers.primary
        old.process.kill()
        await asyncio.to_thread(own_servers.wait_for_failover, old)

        late.put("key6", 6)
        with pytest.raises(FlushMissing, match=r"cannot follow flush 5.* it lost 1 acknowledged"):
            await late.sync()
        assert list(await _read(backend, "chat/late")) == [f"key{number}" for number in range(5)]

        claim = await backend.claim("chat/unknown", owner="newer", address="")
        assert claim.epoch == 1  # the same as that of the claim that was lost
        newer = OwnedStorage(backend, claim)
        newer.put("key", "newer")
        await newer.sync()
        unknown.put("key", "older")
        with pytest.raises(NotOwner):
            await unknown.sync()
        assert await newer.get("key") == "newer"
        await newer.close()


async def test_a_primary_left_alone_acknowledges_nothing(own_servers: WatchedServers) -> None:
    """With min-replicas-to-write: what it refuses waits, and lands on the next primary."""
    old = own_servers.primary
    old.ask("CONFIG", "SET", "min-replicas-to-write", 1)
    async with _backend(own_servers) as backend:
        storage = await _claim(backend, "chat/alone")
        storage.put("before", 1)
        await storage.sync()
        await asyncio.to_thread(own_servers.wait_until_fed)
        own_servers.cut_replication()
        await asyncio.to_thread(old.wait_until_alone)

        storage.put("after", 2)
        waiting = asyncio.create_task(storage.sync())
        await asyncio.to_thread(old.wait_until_refusing)
        assert not waiting.done()
        old.process.kill()
        await waiting
        assert await _read(backend, "chat/alone") == {"after": 2, "before": 1}
