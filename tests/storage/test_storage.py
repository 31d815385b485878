"""What a room finds on `self.storage`."""

from __future__ import annotations

from parlour.storage import MemoryBackend, OwnedStorage, Storage, Transaction

OPERATIONS = {
    *("get", "put", "delete", "delete_all", "list", "keys", "scan"),
    *("get_large", "put_large", "delete_large"),
    *("get_alarm", "set_alarm", "delete_alarm", "transaction"),
}


def offered(given: object) -> set[str]:
    """What completion shows of it."""
    return {name for name in dir(given) if not name.startswith("_")}


async def opened() -> OwnedStorage:
    backend = MemoryBackend()
    return OwnedStorage(backend, await backend.claim("chat/lobby", owner="owner", address=""))


async def test_a_room_sees_the_calls_that_are_its_own_and_no_others() -> None:
    """Not how the claim is given back, nor what is durable by number: the owner has these."""
    owned = await opened()
    assert offered(owned.for_room) == OPERATIONS | {"sync", "size"}
    async with owned.for_room.transaction() as txn:
        assert offered(txn) == OPERATIONS | {"rollback", "is_open"}
    assert isinstance(owned.for_room, Storage)
    assert isinstance(txn, Transaction)
    assert {"gate", "durable", "reclaim", "abandon"} < offered(owned)


async def test_the_room_and_the_owner_have_one_storage() -> None:
    """What one writes the other reads, in the same transaction if it runs in one, and it ends."""
    owned = await opened()
    room = owned.for_room
    room.put("a", 1)
    assert await owned.get("a") == 1
    assert owned.gate == owned.durable + 1
    async with room.transaction() as txn:
        owned.put("b", 2)
        assert await txn.get("b") == 2
        assert owned.reads_pending == 1
        txn.rollback()
    await room.sync()
    assert await room.list() == {"a": 1}
    assert repr(room) == repr(owned)
    await owned.close()
