"""Looking at spaces without a claim, on one server and on a cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from parlour.storage import Alarm, EmbeddedServer, NotOwner, OwnedStorage, RedisBackend
from parlour.storage import inspection as inspection_module
from parlour.storage.alarms import UNNAMED
from parlour.storage.backend import FIRST_SHARD
from parlour.storage.claim_errors import FlushMissing
from parlour.storage.embedded_process import find_server
from parlour.storage.inspection import (
    Cursor,
    Inspector,
    Page,
    SpaceSummary,
    UnknownCursor,
)
from parlour.storage.keys import (
    DELETED,
    EPOCH,
    alarm_index_keys,
    alarm_index_of,
    lease_key,
    metadata_key,
)
from parlour.storage.redis_cluster import connect
from parlour.storage.redis_connection import RedisClient

from ..support.redis_process import RedisProcess

SPACES = [f"chat/{number}" for number in range(30)]


@dataclass
class Server:
    """A connection, and what looks and writes over it."""

    connection: RedisClient

    @property
    def backend(self) -> RedisBackend:
        return RedisBackend(self.connection)

    @property
    def inspector(self) -> Inspector:
        return Inspector(self.connection)

    async def store(self, space: str, *, owner: str = "owner", stays: bool = False) -> OwnedStorage:
        """Store two keys in a space, and give its claim back unless it `stays`."""
        claim = await self.backend.claim(space, owner=owner, address=f"{owner}.sock")
        storage = OwnedStorage(self.backend, claim)
        storage.put({"a": 1, "b": space})
        await storage.sync()
        if not stays:
            await storage.close()
            await self.backend.release(space, owner=owner, epoch=claim.epoch)
        return storage

    async def live(self, owner: str) -> None:
        """Give a process a lease for longer than the test."""
        await self.connection.execute("SET", lease_key(owner), "", "PX", 60_000)

    async def all_pages(
        self, limit: int, *, prefix: str = "", live: bool | None = None
    ) -> list[Page]:
        """Every page, each begun with the cursor of the one before as a person types it."""
        pages = [await self.inspector.page(limit=limit, prefix=prefix, live=live)]
        while (cursor := pages[-1].cursor) is not None:
            after = Cursor.parse(str(cursor))
            pages.append(
                await self.inspector.page(limit=limit, prefix=prefix, live=live, after=after)
            )
        return pages


@pytest.fixture(params=["valkey", "cluster"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """An empty Valkey, and an empty cluster of three."""
    connection = await connect(request.getfixturevalue(f"{request.param}_url"))
    yield Server(connection)
    await connection.close()


def names(pages: list[Page]) -> list[str]:
    """The spaces of these pages, in order."""
    return sorted(summary.space for page in pages for summary in page.spaces)


@pytest.mark.parametrize("limit", [1, 7, 30, 1000])
async def test_pages_list_every_space_once(server: Server, limit: int) -> None:
    """Each as long as it may be but the last ones; what else is stored is in none."""
    await asyncio.gather(*(server.store(space) for space in SPACES))
    await server.connection.execute("SET", metadata_key("chat/fake"), "no hash of ours")
    await server.connection.execute("HSET", "elsewhere", "e", "1")
    pages = await server.all_pages(limit)
    assert names(pages) == sorted(SPACES)
    assert all(len(page.spaces) == limit for page in pages[:-1])


async def test_many_spaces_take_many_steps(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one step of the server's scan, and how far it is is told."""
    monkeypatch.setattr(inspection_module, "KEYS_PER_STEP", 100)
    spaces = [f"chat/{number}" for number in range(500)]
    await asyncio.gather(*(server.store(space) for space in spaces))
    told: list[int] = []
    page = await server.inspector.page(limit=10_000, on_step=told.append)
    assert names([page]) == sorted(spaces)
    assert len(told) > 2
    assert told[-1] == len(spaces)
    assert names(await server.all_pages(100)) == sorted(spaces)


async def test_a_space_that_stays_is_listed_while_others_come_and_go(server: Server) -> None:
    """In at least one page, also when the server's tables grow and shrink in between."""
    await asyncio.gather(*(server.store(space) for space in SPACES))
    seen: set[str] = set()
    cursor: Cursor | None = None
    for round_ in range(100):
        page = await server.inspector.page(limit=3, after=cursor)
        seen.update(summary.space for summary in page.spaces)
        cursor = page.cursor
        if cursor is None:
            break
        others = [f"other/{round_}-{number}" for number in range(20)]
        if round_ < 5:
            await asyncio.gather(*(server.store(space) for space in others))
    assert cursor is None
    assert seen >= set(SPACES)


async def test_no_space_is_left_out_when_those_before_it_go(server: Server) -> None:
    """The next page goes on in the same step of the scan, of which the first spaces are gone."""
    gone = [f"a/{number}" for number in range(20)]
    await asyncio.gather(*(server.store(space) for space in [*gone, *SPACES]))
    page = await server.inspector.page(limit=10)
    seen = set(names([page]))
    await asyncio.gather(*(server.connection.execute("DEL", metadata_key(space)) for space in gone))
    while page.cursor is not None:
        page = await server.inspector.page(limit=10, after=page.cursor)
        seen.update(names([page]))
    assert seen >= set(SPACES)


async def test_a_prefix_is_taken_literally(server: Server) -> None:
    """What means something in a pattern does not there."""
    for space in ("a*b/1", "a*b/2", "aXb/1", "a*/1", "a?b/1", "a[xy]b/1", "axb/1"):
        await server.store(space)
    assert names(await server.all_pages(10, prefix="a*b/")) == ["a*b/1", "a*b/2"]
    assert names(await server.all_pages(10, prefix="a?b/")) == ["a?b/1"]
    assert names(await server.all_pages(10, prefix="a[xy]b/")) == ["a[xy]b/1"]


async def test_a_space_is_live_if_its_owner_has_a_lease(server: Server) -> None:
    """One whose owner has died hibernates, though its claim was never given back."""
    await server.store("chat/hibernated")
    await server.store("chat/crashed", owner="dead", stays=True)
    await server.store("chat/live", owner="alive", stays=True)
    await server.live("alive")
    assert names(await server.all_pages(1, live=True)) == ["chat/live"]
    assert names(await server.all_pages(1, live=False)) == ["chat/crashed", "chat/hibernated"]
    found = {s.space: s for page in await server.all_pages(9) for s in page.spaces}
    size_bytes = len("a") + 1 + len("b") + 1 + len("chat/live")
    assert found["chat/live"] == SpaceSummary(
        "chat/live", True, "alive.sock", 2, size_bytes, next_alarm_ms=None
    )
    assert found["chat/crashed"].address == ""


async def test_a_state_tells_everything(server: Server) -> None:
    """Epoch, owner, lease, shards, sizes, alarms and progress."""
    claim = await server.backend.claim("chat/a", owner="alive", address="alive.sock")
    storage = OwnedStorage(
        server.backend,
        claim,
        progress=lambda: {"gateway": 7},
        holders=lambda: {"gateway": "/run/g", "gone": ""},
    )
    for number in range(1000):
        storage.put(f"{number:04}", number)
    due_ms = int(time.time() + 60) * 1000
    storage.set_alarm(due_ms / 1000)
    await storage.sync()
    await server.live("alive")
    state = await server.inspector.state("chat/a")
    assert state is not None
    assert state.is_live
    assert state.lease_ms is not None
    assert 0 < state.lease_ms <= 60_000
    assert (state.metadata.epoch, state.metadata.owner) == (1, "alive")
    assert (state.metadata.address, state.metadata.flush_number) == ("alive.sock", 1)
    assert state.metadata.progress == {"gateway": 7}
    assert state.metadata.holders == {"gateway": "/run/g"}
    assert state.metadata.alarms == {UNNAMED: Alarm(due_ms)}
    assert state.next_alarm_ms == due_ms
    assert len(state.shards) > 2
    assert (state.keys, state.size_bytes) == await storage.size()
    summary = (await server.inspector.page(limit=1)).spaces[0]
    assert (summary.keys, summary.size_bytes) == await storage.size()
    assert summary.next_alarm_ms == due_ms


async def test_there_is_no_state_of_a_space_that_never_was(server: Server) -> None:
    """And looking makes none."""
    assert await server.inspector.state("chat/nobody") is None
    assert names(await server.all_pages(9)) == []


async def test_a_forgotten_space_is_gone_but_for_its_epoch(server: Server) -> None:
    """Keys, alarms, their entry among the due times and its place in the pages."""
    storage = await server.store("chat/a", stays=True)
    storage.set_alarm(time.time() - 60)
    await storage.sync()
    storage.delete_all()
    await storage.sync()
    # As a late answer of an older flush would leave it.
    part = alarm_index_of("chat/a")
    await server.connection.execute("ZADD", alarm_index_keys(part)[0], 1, "chat/a")
    for _ in range(2):  # the answer to the first may be lost
        await server.backend.forget("chat/a", owner="owner", epoch=1, flush_number=3)
    assert await server.inspector.state("chat/a") is None
    assert names(await server.all_pages(9)) == []
    assert await server.backend.take_due(10**15, until_ms=0, count_max=9) == []
    kept = await server.connection.execute("HGETALL", metadata_key("chat/a"))
    assert kept == [EPOCH, b"1", DELETED, b"1"]


async def test_a_former_owner_cannot_write_to_a_space_that_is_new(server: Server) -> None:
    """A flush from before the deletion comes late, and is refused by the epoch that was kept."""
    old = await server.store("chat/a", owner="old", stays=True)
    claim = await server.backend.claim("chat/a", owner="new", address="", takeover_epoch=1)
    await server.backend.forget("chat/a", owner="new", epoch=claim.epoch, flush_number=1)
    new = await server.store("chat/a", owner="newest", stays=True)
    old.put("a", "late")
    with pytest.raises(NotOwner):
        await old.sync()
    assert await new.get("a") == 1
    state = await server.inspector.state("chat/a")
    assert state is not None
    assert state.metadata.epoch == 3


async def test_a_space_that_somebody_else_owns_is_not_forgotten(server: Server) -> None:
    """The epoch has moved on."""
    await server.store("chat/a")
    await server.store("chat/a")
    with pytest.raises(NotOwner):
        await server.backend.forget("chat/a", owner="owner", epoch=1, flush_number=1)
    state = await server.inspector.state("chat/a")
    assert state is not None
    assert state.keys == 2


async def test_a_space_is_not_forgotten_over_a_hole(server: Server) -> None:
    """A fail-over may have lost the flush that emptied it: shards would be left."""
    storage = await server.store("chat/a", stays=True)
    storage.put({f"{number:03}": number for number in range(100)})
    await storage.sync()
    with pytest.raises(FlushMissing, match=r"cannot follow flush 2.* it lost 1 ack"):
        await server.backend.forget("chat/a", owner="owner", epoch=1, flush_number=3)
    assert (await server.store("chat/a")).durable == 3
    state = await server.inspector.state("chat/a")
    assert state is not None
    assert state.keys == 102


async def test_a_forgotten_space_begins_small_again(server: Server) -> None:
    """One that had grown out of its own hash, with nothing of before but the epoch."""

    async def encoding() -> object:
        name = metadata_key("chat/a")
        return await server.connection.execute("OBJECT", "ENCODING", name, key=name)

    storage = await server.store("chat/a", stays=True)
    for number in range(1000):
        storage.put(f"{'a long key':60} {number:03}", number)
    await storage.sync()
    storage.delete_all()
    await storage.sync()
    assert await encoding() == b"hashtable"
    await server.backend.forget("chat/a", owner="owner", epoch=1, flush_number=storage.durable)
    assert await encoding() == b"listpack"
    await server.store("chat/a")
    state = await server.inspector.state("chat/a")
    assert state is not None
    assert (state.metadata.epoch, state.metadata.flush_number) == (2, 1)
    assert [(info.shard, info.key_count) for info in state.shards] == [(FIRST_SHARD, 2)]


@pytest.mark.parametrize(
    "text", ["", "5", "a.b.c.d", "1.2.3", "127.0.0.1:1/0.0.0.0", "-/x.0.0.0", "x.0.0.0"]
)
async def test_a_cursor_that_leads_nowhere_is_refused(server: Server, text: str) -> None:
    """Rather than beginning again in silence."""
    with pytest.raises(UnknownCursor, match="begin again without one"):
        await server.inspector.page(limit=1, after=Cursor.parse(text))


async def page_of(url: str, after: str | None) -> Page:
    """The next few rooms."""
    connection = await connect(url)
    try:
        cursor = None if after is None else Cursor.parse(after)
        return await Inspector(connection).page(limit=20, after=cursor)
    finally:
        await connection.close()


async def store_many(url: str, spaces: list[str]) -> None:
    """Store something in each."""
    connection = await connect(url)
    await asyncio.gather(*(Server(connection).store(space) for space in spaces))
    await connection.close()


async def test_pages_of_the_private_server_go_on_after_it_was_restarted(tmp_path: Path) -> None:
    """As a command may start it for each page: no room is left out."""
    spaces = [f"chat/{number}" for number in range(200)]
    pages: list[Page] = []
    with EmbeddedServer(tmp_path) as private:
        await store_many(private.url, spaces)
    after: str | None = None
    while not pages or after is not None:
        with EmbeddedServer(tmp_path) as private:
            pages.append(await page_of(private.url, after))
        cursor = pages[-1].cursor
        after = None if cursor is None else str(cursor)
    assert len(pages) >= 10
    assert set(names(pages)) == set(spaces)


async def test_a_cursor_from_before_a_restart_is_refused(tmp_path: Path) -> None:
    """By a server that scatters its keys anew at each start: it would leave rooms out."""
    arguments = ("--appendonly", "yes", "--appendfsync", "always")
    with RedisProcess(find_server(), tmp_path, *arguments) as own:
        await store_many(own.url, SPACES)
        cursor = (await page_of(own.url, None)).cursor
        assert (await page_of(own.url, str(cursor))).spaces
        own.stop()
        own.start()
        with pytest.raises(UnknownCursor, match="has restarted since"):
            await page_of(own.url, str(cursor))
