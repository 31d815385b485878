"""The gateways of a room: their connections, broadcasts to them, and what they are told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from parlour.actors import messages
from parlour.actors.frames import Kind, unpack_broadcast
from parlour.actors.messages import Standing
from parlour.storage import encode

from .staging import Diary, Stage, record, until

PLACE = 2**32 + 1  # the first connection of a room that was claimed once


async def test_events_of_a_channel_that_is_not_attached_are_dropped(stage: Stage) -> None:
    """They belong to a room that has left; their gateway still holds them."""

    class Chat(Diary):
        pass

    stage.start(Chat)
    gateway = await stage.attached(1)
    channel, gateway.channel = gateway.channel, 99
    gateway.text(1, "stray")
    gateway.channel = channel
    await gateway.done(gateway.text(1, "a"))
    assert Chat.diary[-1] == ("c1", "a")
    assert ("c1", "stray") not in Chat.diary


async def test_a_broadcast_is_one_frame_for_each_gateway(stage: Stage) -> None:
    """With the connections to leave out, by that gateway's own numbers."""

    class Chat(Diary):
        def on_message(self, connection: Any, message: Any) -> None:
            self.broadcast(message, without=["c2", "nobody"])
            self.broadcast(b"\x00")

    stage.start(Chat)
    first = await stage.attached(1, 2)
    second = await stage.attached(3, gateway_id="g2")
    first.text(1, "hi")
    for gateway, left_out in ((first, (2,)), (second, ())):
        text = (await gateway.until(Kind.BROADCAST_TEXT))[-1]
        assert unpack_broadcast(text.payload) == (left_out, b"hi")
        data = (await gateway.until(Kind.BROADCAST_BINARY))[-1]
        assert unpack_broadcast(data.payload) == ((), b"\x00")


@pytest.mark.parametrize(
    ("message", "without", "error"),
    [
        (1, (), TypeError),
        ("x", "c1", TypeError),
        ("x", [1], TypeError),
        (b"x" * 11, (), ValueError),
    ],
)
async def test_a_broadcast_that_cannot_be_is_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, message: Any, without: Any, error: type
) -> None:
    """The same limits as for one connection; a str is no list of ids."""
    monkeypatch.setattr("parlour.actors.connection.MESSAGE_BYTES_MAX", 10)

    class Chat(Diary):
        def on_request(self, request: Any) -> str:
            with pytest.raises(error):
                self.broadcast(message, without)
            return "refused"

    stage.start(Chat)
    gateway = await stage.attached(1)
    gateway.request(2)
    assert (await gateway.answer())[1] == b"refused"


async def test_a_gateway_that_attaches_to_a_live_room_is_served_at_once(stage: Stage) -> None:
    """With the connections it brings, their tags and their states."""

    class Chat(Diary):
        def on_message(self, connection: Any, message: Any) -> None:
            connection.send(repr([(each.id, each.state) for each in self.connections()]))

    stage.start(Chat)
    await stage.attached(1)
    second = await stage.gateway("g2")
    second.attach(record(1, "grace", encode([1])))
    await second.until(Kind.READY)
    second.text(1, "who?")
    sent = (await second.until(Kind.SEND_TEXT))[-1]
    assert (sent.number, sent.payload) == (1, b"[('c1', None), ('grace', [1])]")
    assert ("connect", "grace") not in Chat.diary


async def test_a_lost_gateway_loses_its_connections_and_no_others(stage: Stage) -> None:
    """on_close once for each, 1006 and not clean, after what they had sent."""

    class Chat(Diary):
        def on_close(self, connection: Any, code: int, reason: str, was_clean: bool) -> None:
            super().on_close(connection, code, reason, was_clean)
            self.diary.append([each.id for each in self.connections()])

    stage.start(Chat)
    lost = await stage.attached(1, 2)
    kept = await stage.attached(3, gateway_id="g2")
    lost.link.close()
    await lost.inbox.lost()
    await until(lambda: len(Chat.diary) == 8)
    await kept.done(kept.text(3, "still here"))
    assert Chat.diary[4:] == [
        ("close", "c1", 1006, False),
        ["c3"],
        ("close", "c2", 1006, False),
        ["c3"],
        ("c3", "still here"),
    ]


async def test_every_connect_has_one_close_when_a_gateway_is_lost(stage: Stage) -> None:
    """Also for a client whose on_connect had not begun when the gateway was lost."""
    going_on = asyncio.Event()

    class Chat(Diary):
        async def on_message(self, connection: Any, message: Any) -> None:
            await going_on.wait()

    stage.start(Chat)
    lost = await stage.attached(1)
    kept = await stage.attached(9, gateway_id="g2")
    lost.text(1, "block")
    lost.connect(2)
    lost.close(1)
    await until(lambda: "2 queued" in repr(stage.room))
    lost.link.close()
    await until(lambda: len(list(stage.room.attachments)) == 1)
    going_on.set()
    await kept.done(kept.close(9))
    hooks = [entry[:2] for entry in Chat.diary if isinstance(entry, tuple)]
    assert hooks.count(("close", "c1")) == 1
    assert hooks.count(("close", "c2")) == hooks.count(("connect", "c2"))


async def test_an_automatic_response_is_known_to_every_gateway(stage: Stage) -> None:
    """Those that are attached and those that attach later; None takes it back."""

    class Chat(Diary):
        def on_message(self, connection: Any, message: Any) -> None:
            self.set_auto_response(None if message == "off" else message, "pong")

    stage.start(Chat)
    first = await stage.attached(1)
    first.text(1, "ping")
    pair = messages.decode(
        (await first.until(Kind.AUTO_RESPONSE))[-1].payload, messages.AutoResponse
    )
    assert (pair.request, pair.response) == (b"ping", b"pong")
    second = await stage.attached(gateway_id="g2")
    assert (await second.until(Kind.AUTO_RESPONSE))[-1].payload == messages.encode(pair)
    first.text(1, "off")
    cleared = (await second.until(Kind.AUTO_RESPONSE))[-1].payload
    assert messages.decode(cleared, messages.AutoResponse).request is None


@pytest.mark.parametrize(
    ("request_text", "response", "error"),
    [
        (b"ping", "pong", TypeError),
        (1, "pong", TypeError),
        ("ping", b"pong", TypeError),
        ("é" * 1025, "pong", ValueError),
        ("ping", "x" * 2049, ValueError),
    ],
)
async def test_an_automatic_response_that_cannot_be_is_refused(
    stage: Stage, request_text: Any, response: Any, error: type
) -> None:
    """Text of at most 2,048 bytes, both."""

    class Chat(Diary):
        def on_request(self, request: Any) -> str:
            with pytest.raises(error):
                self.set_auto_response(request_text, response)
            return "refused"

    stage.start(Chat)
    gateway = await stage.attached()
    gateway.request(1)
    assert (await gateway.answer())[1] == b"refused"


async def test_the_standing_of_a_connection_reaches_the_gateway(stage: Stage) -> None:
    """What is set in on_connect with ACCEPT, later changes as they are made."""

    class Chat(Diary):
        def on_connect(self, connection: Any, request: Any) -> None:
            connection.set_state("early")

        def on_message(self, connection: Any, message: Any) -> None:
            connection.set_state(message)

    stage.start(Chat)
    gateway = await stage.attached()
    gateway.connect(1)
    accept = (await gateway.until(Kind.ACCEPT))[-1]
    assert messages.decode(accept.payload, Standing) == Standing([], encode("early"), PLACE)
    gateway.text(1, "late")
    standing = (await gateway.until(Kind.STANDING))[-1]
    assert messages.decode(standing.payload, Standing) == Standing([], encode("late"), PLACE)
