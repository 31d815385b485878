"""Clients that do not read, or break a rule, as their room sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.connection import ClientError, Connection
from parlour.actors.room import Room
from parlour.runtime import client_socket

from ..actors.staging import until
from .housed import PATH, House, house_of
from .raw_client import CLOSE, TEXT, RawClient, frame, raw_client

MESSAGE = "x" * (1 << 14)


class Talker(Room):
    """Notes what becomes of its clients."""

    send_buffer = 1 << 18
    noted: list[tuple[str, int]] = []

    def on_error(self, connection: Connection, error: ClientError) -> None:
        self.noted.append(("error", error.code))

    def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
        self.noted.append(("close", code))


class Dropper(Talker):
    """Has messages dropped that are not read."""

    slow_client = "drop_oldest"


@pytest.fixture(params=[Talker, Dropper])
async def house(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    """A room of either class, behind its gateway."""
    monkeypatch.setattr(client_socket, "CLOSE_TIMEOUT_S", 0.05)
    Talker.noted.clear()
    async with house_of(tmp_path, request.param) as house:
        yield house


async def behind(house: House, client: RawClient) -> Connection:
    """A client that has not read what its room has sent it; how the room sees it."""
    await client.open(PATH)
    (connection,) = house.room.open_connections()
    async with asyncio.timeout(10):
        while not connection.buffered_bytes:
            connection.send(MESSAGE)
            await asyncio.sleep(0)
    return connection


async def test_a_room_sees_who_is_behind_and_who_has_caught_up(house: House) -> None:
    """It may send less meanwhile: nothing is dropped and nobody closed."""
    async with raw_client(house.port, receive_bytes=4096) as client:
        connection = await behind(house, client)
        assert 1 << 16 < connection.buffered_bytes < 1 << 20
        connection.send("last")
        while (await client.frame()).payload != b"last":
            pass
        await until(lambda: connection.buffered_bytes < 1 << 16)
    await until(lambda: Talker.noted == [("close", 1006)])


async def test_the_class_says_what_becomes_of_a_client_that_does_not_read(house: House) -> None:
    """Closed with 1013, an error to its room; or kept, with what it is sent last."""
    async with raw_client(house.port, receive_bytes=4096) as client:
        connection = await behind(house, client)
        gateway = house.gateway_
        for number in range(1000):
            connection.send(f"{number} {MESSAGE}")
            if number % 10 == 0:
                await asyncio.sleep(0)
        if type(house.room._room) is Talker:
            await until(lambda: Talker.noted == [("error", 1013), ("close", 1006)])
            assert gateway.counts.slow_clients == 1
            return
        connection.send("last")
        while (payload := (await client.frame()).payload) != b"last":
            previous = payload
        assert previous.startswith(b"999 ")
        assert gateway.counts.dropped > 500
        assert Talker.noted == []


async def test_a_client_that_breaks_a_rule_is_an_error_and_then_an_end(house: House) -> None:
    """Once each, with the code that the client got."""
    async with raw_client(house.port) as client:
        await client.open(PATH)
        client.send(frame(TEXT, b"\xff"))
        assert await client.closed() == 1007
        client.send(frame(CLOSE, b"\x03\xef"))
        await until(lambda: len(Talker.noted) == 2)
    assert Talker.noted == [("error", 1007), ("close", 1007)]
