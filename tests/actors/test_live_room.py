"""A live room: it starts, handles events in their order and keeps what must wait."""

from __future__ import annotations

import asyncio
from typing import Any

from parlour.actors import handling
from parlour.actors.frames import Kind
from parlour.actors.lifecycle import State

from .staging import KEY, Counter, Diary, Stage, until


async def test_a_room_starts_then_handles_events_in_their_order(stage: Stage) -> None:
    """on_start first, then every event as it came, each reported done."""

    class Chat(Diary):
        pass

    gateway = await stage.gateway()
    stage.start(Chat)
    gateway.attach()
    gateway.connect(7, "ada")
    for text in ("a", "b", "c"):
        gateway.text(7, text)
    gateway.send(Kind.BINARY, 7, b"\x00")
    last = gateway.close(7, 4001)
    kinds = [frame.kind for frame in await gateway.done(last)]

    assert [kind for kind in kinds if kind is not Kind.DONE] == [
        Kind.READY,
        Kind.TAKEN,
        Kind.ACCEPT,
    ]
    assert Chat.diary == [
        "start",
        ("connect", "ada"),
        *[("ada", message) for message in ("a", "b", "c", b"\x00")],
        ("close", "ada", 4001, True),
    ]
    assert stage.room.state is State.LIVE


async def test_events_wait_while_on_start_runs(stage: Stage) -> None:
    """However long it takes; nothing is lost and nothing is ready before."""
    going_on = asyncio.Event()

    class Slow(Diary):
        async def on_start(self) -> None:
            await going_on.wait()
            self.diary.append("start")

    stage.start(Slow)
    gateway = await stage.gateway()
    gateway.attach()
    sequence = gateway.connect(1)
    await until(lambda: repr(stage.room).endswith("1 queued>"))
    assert Slow.diary == []
    assert gateway.inbox.left() == []
    assert stage.room.state is State.WAKING

    going_on.set()
    await gateway.done(sequence)
    assert Slow.diary == ["start", ("connect", "c1")]


async def test_what_on_connect_sends_arrives_before_the_client_is_let_in(stage: Stage) -> None:
    """TAKEN, so that broadcasts reach it; then the sends; then ACCEPT."""

    class Greeter(Diary):
        def on_connect(self, connection: Any, request: Any) -> None:
            connection.send(f"hello {request.query['_pk']}")
            self.broadcast("somebody came")

    stage.start(Greeter)
    gateway = await stage.attached()
    gateway.connect(1, "ada")
    frames = await gateway.until(Kind.ACCEPT)
    assert [frame.kind for frame in frames] == [
        Kind.TAKEN,
        Kind.SEND_TEXT,
        Kind.BROADCAST_TEXT,
        Kind.ACCEPT,
    ]
    assert frames[1].payload == b"hello ada"


async def test_a_room_may_use_itself_in_its_constructor(stage: Stage) -> None:
    """Id, name and storage are there before `__init__` of the class runs."""

    class Eager(Diary):
        def __init__(self) -> None:
            self.storage.put("made", f"{self.name} {self.id}")

    stage.start(Eager)
    await stage.attached()
    stage.room.leave("shutdown")
    await stage.ended()
    assert await stage.stored("made") == "chat lobby"


async def test_a_room_answers_requests(stage: Stage) -> None:
    """With what its hook returned; a room without the hook answers 404."""

    class Api(Diary):
        async def on_request(self, request: Any) -> Any:
            return {"method": request.method, "path": request.path, "body": request.text()}

    stage.start(Api)
    gateway = await stage.attached()
    gateway.request(5, "POST", b"hi")
    status, body, headers = await gateway.answer()
    assert (status, body) == (200, b'{"method":"POST","path":"/x","body":"hi"}')
    assert headers["content-type"] == "application/json"

    class Silent(Diary):
        pass

    stage.start(Silent)
    gateway = await stage.attached()
    gateway.request(6)
    assert (await gateway.answer())[0] == 404


async def test_done_is_said_now_and_then_while_much_waits(stage: Stage) -> None:
    """A gateway need not keep a thousand events because the thousandth is not handled yet."""

    class Chat(Diary):
        pass

    stage.start(Chat)
    gateway = await stage.attached(1)
    sequences = [gateway.text(1, "x") for _ in range(4 * handling.EVENTS_PER_REPORT_MAX)]
    frames = await gateway.done(sequences[-1])
    done = [frame.sequence for frame in frames if frame.kind is Kind.DONE]
    assert done == sorted(done)
    assert len(done) >= 4


async def test_a_client_that_the_room_does_not_know_is_ignored(stage: Stage) -> None:
    """A message or an end of a connection that is closing or gone calls no hook."""

    class Chat(Diary):
        def on_message(self, connection: Any, message: Any) -> None:
            super().on_message(connection, message)
            connection.close(4000)

    stage.start(Chat)
    gateway = await stage.attached(1)
    gateway.text(1, "close me")
    gateway.text(1, "too late")
    gateway.close(1, 4000)
    gateway.close(1, 4000)
    gateway.text(2, "who?")
    await gateway.done(gateway.close(2))
    assert Chat.diary[2:] == [("c1", "close me"), ("close", "c1", 4000, True)]


async def test_a_closed_connection_is_not_among_the_open_ones(stage: Stage) -> None:
    """Neither while on_close runs nor after the room closed it; sends to it are dropped."""

    class Chat(Diary):
        def on_message(self, connection: Any, message: Any) -> None:
            connection.close()
            self.diary.append([each.id for each in self.connections()])

        def on_close(self, connection: Any, code: int, reason: str, was_clean: bool) -> None:
            connection.send("never")
            self.diary.append([each.id for each in self.connections()])

    stage.start(Chat)
    gateway = await stage.attached(1, 2, 3)
    gateway.text(2, "")
    frames = await gateway.done(gateway.close(1))
    assert Chat.diary[-2:] == [["c1", "c3"], ["c3"]]
    assert Kind.SEND_TEXT not in {frame.kind for frame in frames}


async def test_nothing_leaves_before_the_writes_before_it_are_durable(stage: Stage) -> None:
    """Neither the send nor the word that the event is done; later events go on meanwhile."""
    stage.start(Counter)
    gateway = await stage.attached(1)
    stage.backend.hold()
    gateway.text(1, "a")
    last = gateway.text(1, "b")
    await until(lambda: len(Counter.diary) == 3)
    await asyncio.wait_for(stage.backend.asked.wait(), 5)
    assert gateway.inbox.left() == []

    stage.backend.go_on()
    frames = await gateway.done(last)
    assert [f.payload for f in frames if f.kind is Kind.SEND_TEXT] == [b"1", b"2"]


async def test_the_room_tells_when_it_last_had_something_to_do(stage: Stage) -> None:
    """On the clock that it was given: what decides who hibernates."""

    class Chat(Diary):
        pass

    room = stage.start(Chat)
    gateway = await stage.attached(1)
    assert (room.started_s, room.last_event_s) == (100.0, 100.0)
    stage.now_s = 107.0
    await gateway.done(gateway.text(1, "a"))
    assert (room.started_s, room.last_event_s) == (100.0, 107.0)
    assert room.attachments.connection_count == 1
    assert str(KEY) in repr(room)
