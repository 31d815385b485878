"""`parlour storage`, on a real Valkey."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy
import pytest
from parlour.actors.messages import RoomKey
from parlour.runtime import room_storage
from parlour.storage import Alarm, EmbeddedServer, OwnedStorage, RedisBackend
from parlour.storage.index import ShardIndex
from parlour.storage.inspection import Inspector
from parlour.storage.keys import shard_key
from parlour.storage.redis_cluster import connect

from ..support.storable_values import difference
from .operators import Operator

LOBBY = RoomKey("chat", "lobby")
COPY = RoomKey("chat", "copy")
SHARED: list[Any] = [1, 2]
CYCLE: dict[Any, Any] = {"shared": (SHARED, SHARED), 1: {2, 3}}
CYCLE["self"] = CYCLE
VALUES: dict[str, object] = {
    "array": numpy.arange(6, dtype="<i2").reshape(2, 3),
    "bytes": b"\x00\xff",
    "cycle": CYCLE,
    "dec": Decimal("1.50"),
    "huge": -(2**5000),
    "id": UUID(int=5),
    "text": "a\nb",
    "when": datetime(2030, 1, 2, tzinfo=UTC),
    "\x00ä": None,
}


Stored = tuple[dict[str, Any], Any, dict[str, Alarm]]


async def stored(url: str, key: RoomKey, owner: str) -> Stored:
    """All that a room finds when it wakes: values, the large one, alarms."""
    connection = await connect(url)
    backend = RedisBackend(connection)
    claim = await backend.claim(key.space, owner=owner, address="")
    storage = OwnedStorage(backend, claim)
    found = await storage.list(), await storage.get_large("film"), dict(storage.named_alarms())
    await backend.release(key.space, owner=claim.owner, epoch=claim.epoch)
    await connection.close()
    return found


def woken(operator: Operator, key: RoomKey, owner: str = "woken") -> Stored:
    """Likewise, not in an event loop."""
    return asyncio.run(stored(operator.url, key, owner))


@pytest.fixture
def operator(valkey_url: str) -> Operator:
    """A room that hibernates, with values of many types, a large value and an alarm."""
    operator = Operator(valkey_url)
    operator.store(LOBBY, VALUES)
    return operator


def test_values_are_read_as_json(operator: Operator) -> None:
    """Where they are JSON; else with a tag."""
    assert operator.json("storage", "get", "chat/lobby", "text") == "a\nb"
    assert operator.json("storage", "get", "chat/lobby", "dec") == {"$decimal": "1.50"}
    assert operator.done("storage", "get", "chat/lobby", "\x00ä") == "null\n"
    film = operator.json("storage", "get", "chat/lobby", "film", "--large")
    assert len(film["$bytes"]) == 4_000_000


def test_reading_neither_claims_nor_wakes_a_room(operator: Operator) -> None:
    """Its epoch is as it was."""
    operator.done("storage", "get", "chat/lobby", "text")
    operator.done("storage", "list", "chat/lobby")
    operator.done("storage", "export", "chat/lobby")
    assert operator.json("room", "show", "chat/lobby", "--json")["epoch"] == 1


@pytest.mark.parametrize("key", ["none", "film"])
def test_a_key_that_is_not_there_is_one_sentence(operator: Operator, key: str) -> None:
    """A large value is another thing than a key of the same name."""
    assert f"has no key '{key}'" in operator.refused("storage", "get", "chat/lobby", key)
    assert "has no large value 'text'" in operator.refused(
        "storage", "get", "chat/lobby", "text", "--large"
    )


def test_keys_are_listed_in_order_a_line_each(operator: Operator) -> None:
    """All, a range, so many, and on from there."""

    def listed(*options: str) -> list[str]:
        lines = operator.done("storage", "list", "chat/lobby", *options).splitlines()
        return [json.loads(line)["key"] for line in lines]

    assert listed() == sorted(VALUES)
    assert listed("--prefix", "c") == ["cycle"]
    assert listed("--start", "bytes", "--end", "huge") == ["bytes", "cycle", "dec"]
    assert listed("--after", "text") == ["when"]
    result = operator.run("storage", "list", "chat/lobby", "--limit", "2")
    assert len(result.stdout.splitlines()) == 2
    assert "--after array" in result.stderr
    assert operator.done("storage", "list", "chat/lobby", "--large") == '{"large": "film"}\n'
    both = operator.run("storage", "list", "chat/lobby", "--start", "a", "--after", "b")
    assert both.exit_code == 2


def test_values_are_put_and_deleted(operator: Operator) -> None:
    """As JSON and with tags, large ones too; the room wakes with them."""
    operator.done("storage", "put", "chat/lobby", "text", '{"a": [1, {"$tuple": [2]}]}')
    operator.done("storage", "put", "chat/lobby", "film", '"short"', "--large")
    operator.done("storage", "put", "chat/lobby", "huge", "-5")
    operator.done("storage", "delete", "chat/lobby", "array")
    values, film, alarms = woken(operator, LOBBY)
    assert values.keys() == VALUES.keys() - {"array"}
    assert values["text"] == {"a": [1, (2,)]}
    assert values["huge"] == -5
    assert film == "short"
    assert len(alarms) == 1
    operator.done("storage", "delete", "chat/lobby", "film", "--large")
    assert woken(operator, LOBBY)[1] is None


def test_what_cannot_be_put_is_one_sentence(operator: Operator) -> None:
    """What is no JSON, no value, too large, or no key."""
    put = ("storage", "put", "chat/lobby")
    assert "with quotes" in operator.refused(*put, "text", "hello")
    assert "cannot be read back" in operator.refused(*put, "text", '{"$same": "."}')
    assert "at most 2,048" in operator.refused(*put, "x" * 2049, "1")
    assert "131,072" in operator.refused(*put, "text", json.dumps("x" * 131_072))
    assert woken(operator, LOBBY)[0]["text"] == "a\nb"


def test_deleting_what_is_not_there_is_one_sentence(operator: Operator) -> None:
    """So that a misspelt key is noticed."""
    sentence = operator.refused("storage", "delete", "chat/lobby", "none")
    assert "has no key 'none'" in sentence


def same(left: Stored, right: Stored) -> None:
    """Two rooms wake with the same."""
    values, others = left[0], right[0]
    arrays = values.pop("array"), others.pop("array")
    assert arrays[0].dtype == arrays[1].dtype
    assert numpy.array_equal(*arrays)
    assert difference(values, others) == ""
    assert left[1:] == right[1:]


def test_an_export_brings_back_all_of_a_room(operator: Operator, tmp_path: Path) -> None:
    """Through a file: values with types, identities and cycles, the large value, the alarm."""
    file = str(tmp_path / "lobby.jsonl")
    assert operator.done("storage", "export", "chat/lobby", "-o", file) == ""
    result = operator.run("storage", "import", "chat/copy", file)
    assert (result.exit_code, result.stderr) == (0, "imported 11 lines\n")
    same(woken(operator, LOBBY), woken(operator, COPY))
    assert [path.name for path in tmp_path.iterdir()] == ["lobby.jsonl"]


def test_an_export_travels_through_a_pipe(operator: Operator) -> None:
    """Standard output and input are the same lines."""
    lines = operator.run("storage", "export", "chat/lobby").stdout_bytes
    operator.done("storage", "import", "chat/copy", input=lines)
    same(woken(operator, LOBBY), woken(operator, COPY))
    ours, theirs = lines, operator.run("storage", "export", "chat/copy").stdout_bytes
    assert ours.splitlines()[1:-1] == theirs.splitlines()[1:-1]


def test_an_import_into_a_room_that_stores_something_is_a_choice(operator: Operator) -> None:
    """Refused, or what is there is kept, or deleted first."""
    lines = operator.run("storage", "export", "chat/lobby").stdout_bytes
    operator.done("storage", "put", "chat/copy", "old", "1")
    operator.done("storage", "put", "chat/copy", "text", "2")
    sentence = operator.refused("storage", "import", "chat/copy", input=lines)
    assert "--replace" in sentence
    assert "--merge" in sentence
    assert woken(operator, COPY)[0] == {"old": 1, "text": 2}
    operator.done("storage", "import", "chat/copy", "--merge", input=lines)
    values = woken(operator, COPY)[0]
    assert values.keys() == {*VALUES, "old"}
    assert values["text"] == "a\nb"
    operator.done("storage", "import", "chat/copy", "--replace", input=lines)
    same(woken(operator, LOBBY), woken(operator, COPY))
    both = operator.run("storage", "import", "chat/copy", "--replace", "--merge", input=lines)
    assert both.exit_code == 2


def test_a_large_room_is_imported_in_several_flushes(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And comes out the same."""
    monkeypatch.setattr(room_storage, "IMPORT_FLUSH_BYTES", 40)
    lines = operator.run("storage", "export", "chat/lobby").stdout_bytes
    operator.done("storage", "import", "chat/copy", input=lines)
    assert operator.json("room", "show", "chat/copy", "--json")["flush"] > 3
    same(woken(operator, LOBBY), woken(operator, COPY))


def damaged(lines: list[str]) -> dict[str, list[str]]:
    """An export in which something is wrong, by what it is."""
    alarm = json.loads(lines[-2])
    entry = json.loads(lines[1])
    return {
        "cut off": lines[:-1],
        "should hold": lines[:3] + lines[4:],
        "cannot be decoded": [lines[0], json.dumps({**entry, "encoded": "gGM="}), *lines[2:]],
        "note reads": [*lines[:-2], json.dumps({**alarm, "note": "x"}), lines[-1]],
        "no room keeps": [*lines[:-2], json.dumps({**alarm, "alarm": "x"}), lines[-1]],
    }


@pytest.mark.parametrize(
    "problem", ["cut off", "should hold", "cannot be decoded", "note reads", "no room keeps"]
)
def test_a_file_that_is_not_sound_changes_nothing(
    operator: Operator, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is checked before anything is written, also what --replace would delete."""
    monkeypatch.setattr(room_storage, "IMPORT_FLUSH_BYTES", 1)  # each line would be a flush
    lines = operator.done("storage", "export", "chat/lobby").splitlines()
    operator.done("storage", "put", "chat/copy", "old", "1")
    broken = "\n".join(damaged(lines)[problem])
    sentence = operator.refused("storage", "import", "chat/copy", "--replace", input=broken)
    assert problem in sentence
    assert "line " in sentence
    assert woken(operator, COPY) == ({"old": 1}, None, {})


def test_a_live_room_is_read_and_not_written(operator: Operator) -> None:
    """What is read is said to be what is durable; what is to be written waits for hibernation."""
    live = RoomKey("chat", "live")
    operator.store(live, {"a": 1}, owner="room")
    lines = operator.run("storage", "export", "chat/lobby").stdout_bytes
    with operator.alive("room"):
        for command in (("get", "chat/live", "a"), ("list", "chat/live"), ("export", "chat/live")):
            result = operator.run("storage", *command)
            assert result.exit_code == 0
            assert "chat/live is live: this is what is durable now" in result.stderr
        for change in (("put", "chat/live", "a", "2"), ("delete", "chat/live", "a")):
            assert "hibernate the room first" in operator.refused("storage", *change)
        sentence = operator.refused("storage", "import", "chat/live", "--merge", input=lines)
        assert "hibernate the room first" in sentence
    assert woken(operator, live, "room")[0] == {"a": 1}


def test_a_room_that_is_not_there_is_one_sentence(operator: Operator) -> None:
    """And is not made by looking for it."""
    for command in (("get", "chat/no", "a"), ("list", "chat/no"), ("delete", "chat/no", "a")):
        assert "there is no room chat/no" in operator.refused("storage", *command)
    assert "there is no room chat/no" in operator.refused("storage", "export", "chat/no")
    assert "there is no room chat/no" in operator.refused("room", "show", "chat/no")


def test_files_that_cannot_be_used_are_one_sentence(operator: Operator, tmp_path: Path) -> None:
    """And an export that fails leaves no part of itself."""
    none = str(tmp_path / "none" / "x")
    assert "cannot be read" in operator.refused("storage", "import", "chat/copy", none)
    assert "cannot be written" in operator.refused("storage", "export", "chat/lobby", "-o", none)
    file = str(tmp_path / "x")
    assert "no room" in operator.refused("storage", "export", "chat/no", "-o", file)
    assert list(tmp_path.iterdir()) == []


def test_stored_bytes_that_are_no_value_are_named_by_their_key(operator: Operator) -> None:
    """Whoever has put them there: get, list and export say which key it is."""

    async def spoil() -> None:
        connection = await connect(operator.url)
        state = await Inspector(connection).state(LOBBY.space)
        assert state is not None
        home = ShardIndex(state.shards).home("text")
        assert home is not None
        name = shard_key(LOBBY.space, home.shard)
        await connection.execute("HSET", name, "text".removeprefix(home.prefix), b"\x80c")
        await connection.close()

    asyncio.run(spoil())
    for command in (("get", "chat/lobby", "text"), ("export", "chat/lobby")):
        result = operator.run("storage", *command)
        assert result.exit_code == 1
        assert "value stored at 'text' cannot be decoded" in result.stderr


def test_the_rooms_of_a_data_folder_are_found_running_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The private server is used where it runs, else started for the command."""
    monkeypatch.setitem(sys.modules, "ray", None)  # it would take long to import, for nothing
    folder = str(tmp_path / "data")
    operator = Operator("")
    with EmbeddedServer(tmp_path / "data" / "storage") as server:
        Operator(server.url).store(LOBBY, {"a": 1})
        assert operator.json("storage", "get", "chat/lobby", "a", "--data", folder) == 1
        operator.done("storage", "put", "chat/lobby", "a", "2", "--data", folder)
        assert server.pid is not None
    assert operator.json("storage", "get", "chat/lobby", "a", "--data", folder) == 2
    operator.done("storage", "put", "chat/lobby", "a", "3", "--data", folder)
    assert operator.json("storage", "get", "chat/lobby", "a", "--data", folder) == 3
