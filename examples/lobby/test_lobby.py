"""The lobby's own tests."""

from parlour.testing import Client, Rooms

from examples.lobby.lobby import TABLES_MAX, Lobby, Table


async def people(client: Client) -> dict[str, int]:
    """How many are at each table, as a client of the lobby was told last."""
    told = (await client.received_json())[-1]
    return {table["table"]: table["people"] for table in told["tables"]}


async def test_the_lobby_lists_tables_where_people_are(rooms: Rooms) -> None:
    """At once, as they come and go, and what was said there last."""
    lobby = rooms.room(Lobby)
    rooms.deploy(Table)
    watcher = await lobby.connect("watcher")
    assert await people(watcher) == {}

    alice, bob = await rooms.room(Table, "a").connect(), await rooms.room(Table, "b").connect()
    await rooms.room(Table, "a").connect()
    assert await people(watcher) == {"a": 2, "b": 1}

    await bob.vanish()
    assert await people(watcher) == {"a": 2}
    await alice.send("hello")
    [table] = (await lobby.request()).json()["tables"]
    assert table == {"table": "a", "people": 2, "said": "hello"}


async def test_it_remembers_the_tables_and_they_their_words(rooms: Rooms) -> None:
    """Also when all of them have slept."""
    lobby, table = rooms.room(Lobby), rooms.room(Table, "a")
    alice = await table.connect()
    await alice.send("good night")
    await rooms.advance(60)
    assert not lobby.is_live
    assert not table.is_live

    [found] = (await lobby.request()).json()["tables"]

    assert found == {"table": "a", "people": 1, "said": "good night"}


async def test_it_knows_so_many_tables_and_no_more(rooms: Rooms) -> None:
    """The one that was heard of least recently is forgotten."""
    lobby = rooms.room(Lobby)
    for number in range(TABLES_MAX + 2):
        await rooms.room(Table, f"{number}").connect()

    known = (await lobby.stored())["tables"]

    assert list(known) == [f"{number}" for number in range(TABLES_MAX + 1, 1, -1)]
