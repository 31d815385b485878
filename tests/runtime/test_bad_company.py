"""Clients that do not do their part, beside one that does: it notices nothing; they are bounded."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
from parlour.runtime import client_socket, front, room_requests

from .raw_client import BINARY, CONTINUATION, PING, TEXT, frame, raw_client, upgrade
from .whole_node import PATH, WholeNode, Witness, bystander
from .whole_node import whole as whole

CROWD = 50
TIMEOUT_S = 10.0


async def until_alone(whole: WholeNode) -> None:
    """Wait until the bystander's is the only WebSocket that is left."""
    async with asyncio.timeout(TIMEOUT_S):
        while whole.sockets > 1:  # noqa: ASYNC110  # a number of the gateway, without an event
            await asyncio.sleep(0.01)


async def test_a_crowd_that_never_reads_is_closed(
    whole: WholeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a bound of what waits for it; the one who reads is answered meanwhile."""
    monkeypatch.setattr(client_socket, "CLOSE_TIMEOUT_S", 0.05)
    async with bystander(whole.port) as other, asyncio.TaskGroup() as crowd:

        async def never_read() -> None:
            async with raw_client(whole.port, receive_bytes=4096) as client:
                await client.open(PATH)
                client.writer.transport.pause_reading()  # type: ignore[attr-defined]
                while not client.writer.transport.is_closing():
                    client.send(frame(BINARY, bytes(50_000)))
                    try:
                        await client.writer.drain()
                    except ConnectionError:
                        return
                    await asyncio.sleep(0)

        for _ in range(5):
            crowd.create_task(never_read())
        for _ in range(20):
            await other.talk()
        await until_alone(whole)
    assert whole.node.gateway.counts.slow_clients == 5


async def test_a_crowd_that_sends_byte_after_byte_is_heard_when_it_has_finished(
    whole: WholeNode,
) -> None:
    """A frame may take as long as it likes: it holds up nobody, and its bytes are its own."""
    data = frame(TEXT, b"slowly", fin=False) + frame(CONTINUATION, b", very slowly")
    async with bystander(whole.port) as other, asyncio.TaskGroup() as crowd:

        async def drip() -> None:
            async with raw_client(whole.port) as client:
                await client.open(PATH)
                for byte in data:
                    client.send(bytes([byte]))
                    await client.writer.drain()
                    await asyncio.sleep(0)
                assert (await client.frame()).payload == b"slowly, very slowly"

        for _ in range(CROWD):
            crowd.create_task(drip())
        for _ in range(20):
            await other.talk()


async def test_a_crowd_that_never_finishes_its_head_is_sent_away(
    whole: WholeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 408, a byte every now and then or not."""
    monkeypatch.setattr(front, "HEAD_TIMEOUT_S", 0.2)
    async with bystander(whole.port) as other, asyncio.TaskGroup() as crowd:

        async def watched(drips: bool) -> None:
            async with raw_client(whole.port) as client:
                client.send(b"GET ")
                sending = asyncio.create_task(drip_on(client.send)) if drips else None
                assert (await client.head()).status == 408
                if sending is not None:
                    sending.cancel()

        for number in range(CROWD):
            crowd.create_task(watched(drips=number % 2 == 0))
        for _ in range(20):
            await other.talk()


async def test_a_crowd_that_never_finishes_its_body_is_sent_away(
    whole: WholeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 408 as well; the room hears of none of them."""
    monkeypatch.setattr(room_requests, "BODY_TIMEOUT_S", 0.2)
    head = f"POST {PATH} HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n".encode()
    async with bystander(whole.port) as other, asyncio.TaskGroup() as crowd:

        async def stall() -> None:
            async with raw_client(whole.port) as client:
                client.send(head)
                sending = asyncio.create_task(drip_on(client.send))
                assert (await client.head()).status == 408
                sending.cancel()

        for _ in range(CROWD):
            crowd.create_task(stall())
        for _ in range(20):
            await other.talk()
    assert Witness.heard == []


async def drip_on(send: Callable[[bytes], None]) -> None:
    """A byte every now and then, for ever."""
    while True:
        send(b"x")
        await asyncio.sleep(0.02)


async def test_a_crowd_that_vanishes_leaves_nothing(whole: WholeNode) -> None:
    """In the middle of a head, a frame, a message or a close; by a reset as well."""
    beginnings = [
        upgrade(PATH)[:30],
        upgrade(PATH),
        frame(TEXT, b"half")[:4],
        frame(TEXT, b"half", fin=False),
        frame(BINARY, bytes(70_000))[:100],
        frame(PING, b"x")[:1],
    ]
    async with bystander(whole.port) as other:
        for number in range(CROWD):
            beginning = beginnings[number % len(beginnings)]
            async with raw_client(whole.port) as client:
                if not beginning.startswith(b"GET"):
                    await client.open(PATH)
                client.send(beginning)
                await client.writer.drain()
                if number % 3 == 0:
                    plain: socket.socket = client.writer.get_extra_info("socket")
                    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1]) + bytes(7))
            if number % 10 == 0:
                await other.talk()
        await until_alone(whole)


async def test_a_half_open_client_is_one_that_has_left(whole: WholeNode) -> None:
    """Who has shut his side cannot answer pings or a close: his socket is not kept."""
    async with bystander(whole.port), raw_client(whole.port) as client:
        await client.open(PATH)
        client.send(frame(TEXT, b"the last word"))
        client.writer.write_eof()

        await client.ended()
        await until_alone(whole)


async def test_pings_of_a_crowd_hold_up_nobody(whole: WholeNode) -> None:
    """Thousands of them at once."""
    async with bystander(whole.port) as other, raw_client(whole.port) as client:
        await client.open(PATH)
        client.send(*(frame(PING, b"%d" % n) for n in range(5_000)))
        await other.talk()
        for number in range(5_000):
            assert (await client.frame()).payload == b"%d" % number
