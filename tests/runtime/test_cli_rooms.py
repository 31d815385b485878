"""`parlour rooms` and `parlour room`, on a real Valkey."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import redis
from parlour.actors import schedules
from parlour.actors.messages import RoomKey
from parlour.storage.alarms import running
from parlour.storage.embedded import EmbeddedServer
from parlour.storage.keys import ALARM, alarm_index_keys, alarm_index_of, metadata_key

from ..support.killing import kill_9
from .operators import Operator

LOBBY = RoomKey("chat", "lobby")
ODD = RoomKey("chat", "a b/{ä}\n")


@pytest.fixture
def operator(valkey_url: str) -> Operator:
    """Three rooms: one that hibernates, one with an odd id, and one whose owner is `room`."""
    operator = Operator(valkey_url)
    operator.store(LOBBY, {"a": 1})
    operator.store(ODD, {"a": 1, "b": 2})
    operator.store(RoomKey("game", "1"), {"a": 1}, owner="room")
    return operator


def test_rooms_are_listed_with_how_they_stand(operator: Operator) -> None:
    """Also those that hibernate; an id that would break the lines is percent-encoded."""
    with operator.alive("room"):
        lines = operator.done("rooms").splitlines()
    assert lines[0].split() == ["ROOM", "STATE", "KEYS", "BYTES", "NEXT", "ALARM", "WHERE"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:]}
    assert set(rows) == {"chat/lobby", "chat/a%20b%2F%7B%C3%A4%7D%0A", "game/1"}
    assert rows["chat/lobby"][:2] == ["hibernated", "5"]
    assert rows["chat/lobby"][-1] == "-"
    assert rows["game/1"][0] == "live"
    assert rows["game/1"][-1] == "/run/room.sock"


def test_rooms_are_listed_as_json(operator: Operator) -> None:
    """With ids as they are."""
    found = operator.json("rooms", "--json")
    assert found["cursor"] is None
    assert {(room["party"], room["id"], room["live"]) for room in found["rooms"]} == {
        ("chat", "lobby", False),
        ("chat", "a b/{ä}\n", False),
        ("game", "1", False),
    }
    assert all(room["next_alarm"].endswith("+00:00") for room in found["rooms"])


def test_a_page_ends_with_what_the_next_one_begins_with(operator: Operator) -> None:
    """Until there is no more; the text says how to go on."""
    seen: list[str] = []
    after: list[str] = []
    for _ in range(3):
        found = operator.json("rooms", "--json", "--limit", "1", *after)
        seen += [room["id"] for room in found["rooms"]]
        last, after = after, ["--after", found["cursor"]]
    assert sorted(seen) == sorted(["lobby", ODD.id, "1"])
    assert found["cursor"] is None
    assert "--after" not in operator.done("rooms", "--limit", "1", *last)
    assert "There are more: add --after " in operator.done("rooms", "--limit", "1")


def test_rooms_are_chosen_by_party_and_state(operator: Operator) -> None:
    """One party, the live ones, the others."""

    def chosen(*options: str) -> set[str]:
        return {room["party"] for room in operator.json("rooms", "--json", *options)["rooms"]}

    with operator.alive("room"):
        assert chosen("--party", "chat") == {"chat"}
        assert chosen("--live") == {"game"}
        assert chosen("--hibernated") == {"chat"}
        assert chosen("--party", "chat", "--live") == set()
        assert "no such rooms" in operator.done("rooms", "--party", "none")
    assert operator.run("rooms", "--live", "--hibernated").exit_code == 2


def test_a_wrong_cursor_is_one_sentence(operator: Operator) -> None:
    """With what to do."""
    assert "begin again without one" in operator.refused("rooms", "--after", "x")


def test_a_room_is_shown_whole(operator: Operator) -> None:
    """As text and as JSON; a live one with its lease."""
    text = operator.done("room", "show", "chat/lobby")
    for line in ("room      chat/lobby", "state     hibernated", "epoch     1", "owner     none"):
        assert line in text.splitlines()
    assert "alarm     (unnamed) at 2" in text
    found = operator.json("room", "show", ODD.party + "/" + ODD.id, "--json")
    assert (found["id"], found["keys"], found["live"]) == (ODD.id, 6, False)
    assert "whose lease is gone" in operator.done("room", "show", "game/1")
    with operator.alive("room"):
        assert "owner     room, its lease has" in operator.done("room", "show", "game/1")
        found = operator.json("room", "show", "game/1", "--json")
    assert (found["owner"], found["address"], found["live"]) == ("room", "/run/room.sock", True)
    assert 0 < found["lease_ms"] <= 60_000


def test_the_alarms_of_a_room_are_shown_by_name(operator: Operator) -> None:
    """With their cron expressions, the next one first; also one that no room has written."""
    daily = schedules.recurring("daily", "0 4 * * *", 1_000_000)
    with redis.Redis.from_url(operator.url) as client:
        name = metadata_key("chat/lobby")
        client.hset(name, ALARM + f"{schedules.NAMED}daily".encode(), daily.packed())
        client.hset(name, ALARM + f"{running(schedules.NAMED)}tick".encode(), "5000 5000 2 1 ")
        client.hset(name, ALARM + b"odd", "7000 what?")
    lines = operator.done("room", "show", "chat/lobby").splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("alarm")][:3] == [
        "tick at 1970-01-01T00:00:05.000+00:00, failed 2 times, being run",
        "odd at 1970-01-01T00:00:07.000+00:00",
        "daily at 1970-01-01T04:00:00.000+00:00, cron 0 4 * * *",
    ]
    found = operator.json("room", "show", "chat/lobby", "--json")["alarms"]
    assert [alarm["name"] for alarm in found] == ["tick", "odd", "daily", ""]
    assert found[2]["cron"] == "0 4 * * *"


@pytest.mark.parametrize("name", ["lobby", "Chat/lobby", "chat/", "chat/" + "x" * 1025, "{a}/b"])
def test_what_names_no_room_is_a_usage_error(operator: Operator, name: str) -> None:
    """Status 2, and what is allowed."""
    result = operator.run("room", "show", name)
    assert result.exit_code == 2
    assert "PARTY/ID" in result.stderr


def test_a_room_that_is_not_there_is_one_sentence(operator: Operator) -> None:
    """And neither looking nor deleting makes it."""
    for command in (("show",), ("delete", "--yes")):
        assert "there is no room chat/nobody" in operator.refused("room", *command, "chat/nobody")
    assert len(operator.json("rooms", "--json")["rooms"]) == 3


def test_a_room_is_deleted_whole_once_that_is_confirmed(operator: Operator) -> None:
    """Keys, large values, alarms and their entry among the due times; its epoch is kept."""
    assert operator.run("room", "delete", "chat/lobby", input="n\n").exit_code == 1
    assert operator.json("room", "show", "chat/lobby", "--json")["keys"] == 5
    operator.done("room", "delete", "chat/lobby", input="y\n")
    assert "there is no room" in operator.refused("room", "show", "chat/lobby")
    assert "there is no room" in operator.refused("room", "delete", "chat/lobby", "--yes")
    with redis.Redis.from_url(operator.url) as client:
        assert client.keys("parlour:{chat/lobby}:*") == [metadata_key("chat/lobby").encode()]
        for name in alarm_index_keys(alarm_index_of("chat/lobby")):
            assert b"chat/lobby" not in client.execute_command(
                *(("ZRANGE", name, 0, -1) if not name.endswith(":f") else ("HKEYS", name))
            )
    operator.store(LOBBY, {"a": 1})
    assert operator.json("room", "show", "chat/lobby", "--json")["epoch"] == 3


def test_a_live_room_is_not_deleted(operator: Operator) -> None:
    """The sentence says to hibernate it first."""
    with operator.alive("room"):
        assert "hibernate" in operator.refused("room", "delete", "game/1", "--yes")
        assert operator.json("room", "show", "game/1", "--json")["keys"] == 5


def test_a_server_that_cannot_be_reached_is_one_sentence() -> None:
    """With its address, without its password."""
    operator = Operator("redis://user:hunter2@127.0.0.1:1/0?nonsense=1")
    assert "hunter2" not in operator.refused("rooms")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("parlour.runtime.rooms_server.PATIENCE_S", 0.2)
        sentence = Operator("redis://user:hunter2@127.0.0.1:1/0").refused("rooms")
    assert "127.0.0.1:1" in sentence
    assert "hunter2" not in sentence


def test_a_server_that_does_not_answer_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a bounded time: one that is away while its starter is there, and one that is stuck."""
    monkeypatch.setattr("parlour.storage.visiting.STARTING_S", 0.2)
    monkeypatch.setattr("parlour.runtime.rooms_server.PATIENCE_S", 0.2)
    with EmbeddedServer(tmp_path / "storage") as server:
        kill_9(server)
        for command in (["rooms"], ["room", "show", "a/b"], ["storage", "list", "a/b"]):
            sentence = Operator("").refused(*command, "--data", str(tmp_path))
            assert "has not answered for 0.2 s; that process starts it again" in sentence
        server.start()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        assert "has not answered" in Operator("").refused("rooms", "--data", str(tmp_path))
        assert "no answer from unix:" in Operator(server.url).refused("rooms")
        os.kill(server.pid, signal.SIGCONT)
        assert Operator("").run("rooms", "--data", str(tmp_path)).exit_code == 0


def test_a_folder_without_rooms_is_one_sentence(tmp_path: Path) -> None:
    """It says where else to look, and makes nothing there."""
    result = Operator("").run("rooms", "--data", str(tmp_path / "data"))
    assert result.exit_code == 1
    assert "there are no rooms in" in result.stderr
    assert list(tmp_path.iterdir()) == []
