"""The chat's own tests: the room class in this process, see docs/testing.md."""

import json

from parlour.testing import Client, Rooms

from examples.chat.chat import KEPT, SHOWN, Chat


async def people(client: Client) -> list[str]:
    """Who is in the room, as a client was told last."""
    told = [m["names"] for m in await client.received_json() if m["type"] == "people"]
    return sorted(told[-1])


async def test_everybody_sees_who_is_there(rooms: Rooms) -> None:
    """By the names that they gave themselves, also after the room has slept."""
    lobby = rooms.room(Chat)
    alice = await lobby.connect("alice", query={"name": "Alice"})
    bob = await lobby.connect("bob")
    assert await people(alice) == ["Alice", "Somebody"]

    await lobby.hibernate()
    await bob.send_json({"rename": " Bob "})
    assert await people(alice) == ["Alice", "Bob"]

    await bob.vanish()
    assert await people(alice) == ["Alice"]


async def test_what_is_said_is_heard_and_shown_to_newcomers(rooms: Rooms) -> None:
    """The newest of it, oldest first, and after a crash too."""
    lobby = rooms.room(Chat)
    alice = await lobby.connect()
    await alice.send(*(json.dumps({"name": "Alice", "text": f"{n}"}) for n in range(SHOWN + 3)))
    await alice.send("plain text", b"bytes", "", '{"text": " "}')

    await lobby.crash()
    bob = await lobby.connect()

    history = await bob.receive_json()
    texts = [message["text"] for message in history["messages"]]
    assert texts == [*(f"{n}" for n in range(5, SHOWN + 3)), "plain text", "bytes"]
    assert history["messages"][0]["name"] == "Alice"
    heard = [m for m in await alice.received_json() if m["type"] == "message"]
    assert len(heard) == SHOWN + 5


async def test_old_messages_are_forgotten(rooms: Rooms) -> None:
    """The room keeps so many and no more."""
    lobby = rooms.room(Chat)
    alice = await lobby.connect()

    await alice.send(*("x" for _ in range(KEPT + 2)))

    assert len(await lobby.stored()) == KEPT
    assert (await lobby.request()).json() == {"room": "lobby", "messages": KEPT + 2}
