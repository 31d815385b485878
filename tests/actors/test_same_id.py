"""Clients that come with the id of one that is there: the newer one wins, nobody else notices."""

from __future__ import annotations

from typing import Any

import pytest
from parlour.actors import messages
from parlour.actors.connection import REPLACED
from parlour.actors.frames import Kind, unpack_close
from parlour.actors.messages import Standing
from parlour.actors.room import Room

from .linked import Frame
from .staging import Diary, Gateway, Stage, record, until


class Chat(Diary):
    """Says which connections it has, and whether `ada` is among them."""

    def on_message(self, connection: Any, message: Any) -> None:
        ada = self.connection("ada")
        ids = [c.id for c in self.connections()]
        connection.send(f"{ids} {ada is not None and ada.number}")

    def on_close(self, connection: Any, code: int, reason: str, was_clean: bool) -> None:
        there = self.connection(connection.id)
        self.diary.append(("close", connection.number, code, there and there.number))

    def on_connect(self, connection: Any, request: Any) -> None:
        self.diary.append(("connect", connection.number))


@pytest.fixture(autouse=True)
def new_diary() -> None:
    Chat.diary = []


def closes(frames: list[Frame]) -> list[tuple[int, int]]:
    """Which sockets are to be closed because of a newer one, and with which code."""
    return [
        (frame.number, unpack_close(frame.payload)[0])
        for frame in frames
        if frame.kind is Kind.REPLACED
    ]


async def said(gateway: Gateway, number: int) -> bytes:
    """What the room says of its connections."""
    frames = await gateway.done(gateway.text(number, "who?"))
    return next(frame.payload for frame in frames if frame.kind is Kind.SEND_TEXT)


async def test_the_newer_of_two_connections_with_one_id_takes_the_place_of_the_older(
    stage: Stage,
) -> None:
    """4409 for the older; its on_close runs before on_connect of the newer, which is there then."""
    stage.start(Chat)
    gateway = await stage.attached()
    await gateway.done(gateway.connect(1, "ada"))
    frames = await gateway.done(gateway.connect(2, "ada"))
    assert closes(frames) == [(1, REPLACED)]
    assert Chat.diary == ["start", ("connect", 1), ("close", 1, REPLACED, 2), ("connect", 2)]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_the_end_of_the_older_socket_changes_nothing(
    stage: Stage, order: tuple[int, int]
) -> None:
    """The room has heard of it; the newer one has an end of its own."""
    stage.start(Chat)
    gateway = await stage.attached(7)
    await gateway.done(gateway.connect(1, "ada"))
    await gateway.done(gateway.connect(2, "ada"))
    if order == (1, 2):
        await gateway.done(gateway.close(1))
        assert await said(gateway, 2) == b"['c7', 'ada'] 2"
        await gateway.done(gateway.close(2))
    else:
        await gateway.done(gateway.close(2))
        await gateway.done(gateway.close(1))
    assert await said(gateway, 7) == b"['c7'] False"
    ends = [entry[1:3] for entry in Chat.diary if entry[0] == "close"]
    assert ends == [(1, REPLACED), (2, 1000)]


async def test_what_the_older_socket_had_said_last_is_not_heard(stage: Stage) -> None:
    """It has ended, as far as the room is concerned."""
    stage.start(Chat)
    gateway = await stage.attached()
    await gateway.done(gateway.connect(1, "ada"))
    gateway.connect(2, "ada")
    frames = await gateway.done(gateway.text(1, "who?"))
    assert Kind.SEND_TEXT not in [frame.kind for frame in frames]


async def test_a_third_takes_the_place_of_the_second(stage: Stage) -> None:
    """However often a client reconnects, one connection of it is there."""
    stage.start(Chat)
    gateway = await stage.attached()
    for number in (1, 2, 3):
        last = gateway.connect(number, "ada")
    assert closes(await gateway.done(last)) == [(1, REPLACED), (2, REPLACED)]
    assert await said(gateway, 3) == b"['ada'] 3"


async def test_a_newer_connection_at_another_gateway_takes_the_place(stage: Stage) -> None:
    """The gateway of the older one is told to close it."""
    stage.start(Chat)
    first = await stage.attached()
    await first.done(first.connect(1, "ada"))
    second = await stage.attached(gateway_id="g2")
    await second.done(second.connect(1, "ada"))
    assert closes(await first.until(Kind.REPLACED)) == [(1, REPLACED)]
    assert await said(second, 1) == b"['ada'] 1"
    await first.done(first.close(1))
    assert await said(second, 1) == b"['ada'] 1"


async def standing(gateway: Gateway) -> Standing:
    """What the gateway is to keep of the connection that is let in next."""
    return messages.decode((await gateway.until(Kind.ACCEPT))[-1].payload, Standing)


@pytest.mark.parametrize("newer_comes", ["first", "last"])
async def test_of_two_that_come_back_from_different_gateways_the_newer_one_stays(
    stage: Stage, newer_comes: str
) -> None:
    """Also if the room had died before the gateway of the older one heard; whoever attaches first.

    Their order is the room's own, and holds across its wakes.
    """
    stage.start(Chat)
    gateway = await stage.attached()
    gateway.connect(1, "ada")
    older = (await standing(gateway)).place
    stage.room.leave("deploy")
    await gateway.until(Kind.GONE)
    await stage.ended()
    stage.start(Chat)
    gateway.attach()
    gateway.connect(2, "ada")
    newer = (await standing(gateway)).place
    assert newer > older
    stage.room.leave("deploy")
    await gateway.until(Kind.GONE)
    await stage.ended()

    Chat.diary.clear()
    stage.start(Chat)
    other = await stage.gateway("g2")
    gateway.channel = 0
    if newer_comes == "first":
        gateway.attach(record(2, "ada", place=newer))
        await gateway.until(Kind.READY)
        other.attach(record(1, "ada", place=older))
    else:
        other.attach(record(1, "ada", place=older))
        await other.until(Kind.READY)
        gateway.attach(record(2, "ada", place=newer))
    assert closes(await other.until(Kind.REPLACED)) == [(1, REPLACED)]
    await other.done(other.close(1))
    assert await said(gateway, 2) == b"['ada'] 2"
    await until(lambda: ("close", 1, REPLACED, 2) in Chat.diary)
    assert [entry[0] for entry in Chat.diary[1:]] == ["close"]


async def test_a_connection_that_comes_back_over_a_new_link_is_the_same(stage: Stage) -> None:
    """Its gateway had lost the link to the room, and has the socket still: no end, no beginning."""
    stage.start(Chat)
    first = await stage.attached()
    first.connect(1, "ada")
    place = (await standing(first)).place
    again = await stage.gateway("g1", first_sequence=10)
    again.attach(record(1, "ada", place=place))
    await again.until(Kind.READY)
    assert Kind.REPLACED not in [frame.kind for frame in first.inbox.left()]
    first.link.abort()
    await until(lambda: stage.room.attachments.gateway_count == 1 and stage.room.idle)
    assert await said(again, 1) == b"['ada'] 1"
    await again.done(again.close(1))
    assert Chat.diary == ["start", ("connect", 1), ("close", 1, 1000, None)]


async def test_a_replacement_that_was_durable_when_the_room_died_is_told_again(
    stage: Stage,
) -> None:
    """No hook runs for it anew, but the older socket is closed."""

    class Keeping(Chat):
        def on_connect(self, connection: Any, request: Any) -> None:
            super().on_connect(connection, request)
            self.storage.put("last", connection.number)

    Keeping.diary = []
    stage.start(Keeping)
    gateway = await stage.attached()
    await gateway.done(gateway.connect(1, "ada"))
    second = gateway.connect(2, "ada")
    await gateway.done(second)
    stage.room.break_off("its process is killed")
    await gateway.until(Kind.GONE)
    await stage.ended()
    Keeping.diary.clear()
    stage.start(Keeping)
    gateway.attach(record(1, "ada", place=2**32 + 1))
    gateway.connect(2, "ada", second)
    assert closes(await gateway.done(second)) == [(1, REPLACED)]
    assert Keeping.diary == ["start"]
    assert await said(gateway, 2) == b"['ada'] 2"


async def test_with_interleaving_the_last_of_many_stays(stage: Stage) -> None:
    """Also while on_close of the one before takes its time."""
    order: list[Any] = []

    class Slow(Room):
        interleave = True

        async def on_close(self, connection: Any, code: int, reason: str, clean: bool) -> None:
            await self.storage.sync()
            order.append(connection.number)

        def on_message(self, connection: Any, message: Any) -> None:
            connection.send(str([c.number for c in self.connections()]))

    stage.start(Slow)
    gateway = await stage.attached()
    for number in (1, 2, 3):
        last = gateway.connect(number, "ada")
    await gateway.done(last)
    frames = await gateway.done(gateway.text(3, "who?"))
    assert [f.payload for f in frames if f.kind is Kind.SEND_TEXT] == [b"[3]"]
    assert sorted(order) == [1, 2]
