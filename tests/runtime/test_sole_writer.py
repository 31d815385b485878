"""A command as the only writer of a room that hibernates."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from parlour.actors.messages import RoomKey
from parlour.runtime.rooms_server import NotDone, RoomsServer
from parlour.runtime.sole_writer import sole_writer
from parlour.storage import Claim, ClaimHeld, NotOwner, OwnedStorage
from parlour.storage.inspection import Inspector, SpaceState
from parlour.storage.keys import lease_key
from parlour.storage.redis_cluster import connect

KEY = RoomKey("chat", "lobby")


@pytest.fixture
async def server(valkey_url: str) -> AsyncIterator[RoomsServer]:
    """An empty Valkey."""
    connection = await connect(valkey_url)
    yield RoomsServer(valkey_url, connection)
    await connection.close()


async def state(server: RoomsServer) -> SpaceState:
    """How the room stands."""
    found = await Inspector(server.connection).state(KEY.space)
    assert found is not None
    return found


async def claim(server: RoomsServer, owner: str, takeover_epoch: int | None = None) -> Claim:
    """Claim the room as a room actor does."""
    return await server.backend.claim(
        KEY.space, owner=owner, address="", takeover_epoch=takeover_epoch
    )


async def test_what_is_written_is_durable_and_the_claim_is_given_back(server: RoomsServer) -> None:
    """The epoch has grown by one; no owner and no lease is left."""
    async with sole_writer(server, KEY) as (storage, _):
        storage.put("a", 1)
    found = await state(server)
    assert (found.metadata.epoch, found.metadata.owner, found.keys) == (1, None, 1)
    assert await server.connection.execute("KEYS", lease_key("*")) == []


async def test_the_room_is_live_meanwhile(server: RoomsServer) -> None:
    """A room actor that wants to wake it is refused, finds the lease and waits."""
    async with sole_writer(server, KEY) as (storage, _):
        with pytest.raises(ClaimHeld) as held:
            await claim(server, "room actor")
        assert await server.backend.lease_alive(held.value.owner)
        assert (await state(server)).is_live
        storage.put("a", 1)
    woken = await claim(server, "room actor")
    assert woken.epoch == 2
    assert woken.values is not None
    assert list(woken.values) == ["a"]


async def test_a_live_room_is_left_alone(server: RoomsServer) -> None:
    """A claim with a live lease is never taken; the sentence says what to do."""
    held = await claim(server, "room actor")
    await server.connection.execute("SET", lease_key("room actor"), "", "PX", 60_000)
    with pytest.raises(NotDone, match="chat/lobby is live.*hibernate the room first"):
        async with sole_writer(server, KEY):
            pass
    assert (await state(server)).metadata.epoch == held.epoch
    await OwnedStorage(server.backend, held).sync()
    await server.connection.execute("DEL", lease_key("room actor"))


async def test_the_claim_of_a_dead_owner_is_taken(server: RoomsServer) -> None:
    """Its lease is gone; should it still be there after all, its flushes are refused."""
    dead = OwnedStorage(server.backend, await claim(server, "dead"))
    async with sole_writer(server, KEY) as (storage, _):
        storage.put("a", "ours")
    dead.put("a", "late")
    with pytest.raises(NotOwner):
        await dead.sync()
    assert (await state(server)).metadata.epoch == 2


async def test_a_command_that_lost_the_room_is_told(server: RoomsServer) -> None:
    """Its lease ran out and the room has woken: nothing of what it writes then lands."""
    writing = sole_writer(server, KEY)
    storage, ours = await writing.__aenter__()
    woken = await claim(server, "room actor", takeover_epoch=ours.epoch)
    storage.put("a", "late")
    with pytest.raises(NotOwner):
        await writing.__aexit__(None, None, None)
    assert await OwnedStorage(server.backend, woken).get("a") is None
    assert (await state(server)).metadata.owner == "room actor"


async def test_what_goes_wrong_inside_gives_the_claim_back(server: RoomsServer) -> None:
    """And nothing that was not flushed is written."""

    async def fail() -> None:
        async with sole_writer(server, KEY) as (storage, _):
            storage.put("a", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    found = await state(server)
    assert (found.metadata.owner, found.keys) == (None, 0)
