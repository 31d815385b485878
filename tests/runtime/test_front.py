"""The gateway's port: who takes over after the head, and heads that nobody takes."""

from __future__ import annotations

import asyncio
import socket

import pytest
from parlour.runtime import front
from parlour.runtime.handshake import HEAD_BYTES_MAX

from .doors import Door
from .raw_client import PONG, Frame, RawClient, frame, raw_client, upgrade


async def test_a_request_for_a_websocket_goes_to_the_doorkeeper(
    door: Door, client: RawClient
) -> None:
    """With everything that the client asked for."""
    await client.open("/party/a%20b?_pk=ada")
    asked = door.upgrades[0]
    assert (asked.path, asked.host) == ("/party/a%20b?_pk=ada", "h")
    assert ("Sec-WebSocket-Version", "13") in asked.headers


async def test_a_head_may_come_in_pieces(door: Door, client: RawClient) -> None:
    """Of a byte each."""
    for byte in upgrade():
        client.send(bytes([byte]))
        await asyncio.sleep(0)
    await client.opened()


@pytest.mark.parametrize(
    ("request_text", "answer"),
    [
        ("GET /a HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a 0"),
        ("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "POST /a 5"),
        ("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "PUT /a 0"),
        (
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n0\r\n\r\n",
            "POST /a 5",
        ),
    ],
)
async def test_other_requests_go_to_http_byte_for_byte(
    client: RawClient, request_text: str, answer: str
) -> None:
    """Whole or in pieces, and the connection is kept for the next one."""
    client.send(request_text.encode())
    assert (await client.answer()).body == answer.encode()
    client.send(request_text.encode())
    assert (await client.answer()).body == answer.encode()
    for byte in request_text.encode():
        client.send(bytes([byte]))
        await asyncio.sleep(0)
    assert (await client.answer()).body == answer.encode()


async def test_a_first_request_in_pieces_reaches_http_whole(door: Door, client: RawClient) -> None:
    """Body included."""
    for byte in b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello":
        client.send(bytes([byte]))
        await asyncio.sleep(0)
    assert (await client.answer()).body == b"POST /a 5"


async def test_two_requests_in_one_packet_are_both_answered(client: RawClient) -> None:
    """Pipelining is HTTP's affair."""
    client.send(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n")
    assert [(await client.answer()).body for _ in range(2)] == [b"GET /a 0", b"GET /b 0"]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (upgrade("/nowhere"), 404),
        (upgrade(Sec_WebSocket_Version="8"), 426),
        (upgrade(Sec_WebSocket_Key="short"), 400),
        (upgrade(Connection="keep-alive"), 400),
        (upgrade(Host=None), 400),
        (upgrade(Content_Length="3"), 400),
        (upgrade(Transfer_Encoding="chunked"), 400),
        (upgrade().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (upgrade().replace(b"HTTP/1.1", b"HTTP/9"), 400),
        (upgrade().replace(b"Host: h", b"Host: h\r\nno colon"), 400),
        (upgrade().replace(b"Host: h", b"Host: h\r\nA: \x00"), 400),
        (upgrade(Content_Length="many"), 400),
        (upgrade("http://[::1"), 400),
        (upgrade("/" + "x" * 9000), 400),
        (upgrade() + frame(0x1, b"early"), 400),
        (upgrade() + upgrade(), 400),
    ],
)
async def test_a_bad_request_for_a_websocket_is_answered_and_ended(
    door: Door, client: RawClient, caplog: pytest.LogCaptureFixture,
    request_bytes: bytes, status: int,
) -> None:  # fmt: skip
    """With what is wrong, in words; the doorkeeper hears of none, and the log neither."""
    client.send(request_bytes)
    answer = await client.answer()
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    assert answer.body
    assert await client.ended() == b""
    assert door.sockets == []
    assert caplog.records == []


async def test_the_versions_that_are_spoken_are_told(client: RawClient) -> None:
    """RFC 6455 section 4.4."""
    client.send(upgrade(Sec_WebSocket_Version="8"))
    assert (await client.answer()).headers["sec-websocket-version"] == "13"


async def test_firefox_is_understood(client: RawClient) -> None:
    """Its Connection header is a list."""
    client.send(upgrade(Connection="keep-alive, Upgrade"))
    await client.opened()
    client.send(frame(0x9, b"x"))
    assert await client.frame() == Frame(PONG, b"x")


@pytest.mark.parametrize("whole", [False, True], ids=["endless", "whole"])
async def test_a_head_that_is_too_large_is_refused(
    door: Door, client: RawClient, whole: bool
) -> None:
    """Whether or not its end has come."""
    lines = "".join(f"X-{n}: {'x' * 100}\r\n" for n in range(HEAD_BYTES_MAX // 100))
    head = upgrade().replace(b"Host: h\r\n", b"Host: h\r\n" + lines.encode())
    client.send(head if whole else head[:-2])
    assert (await client.answer()).status == 431
    assert door.sockets == []


@pytest.mark.parametrize(
    "start",
    [b"", b"\r\n", b"G", b"GET / HTTP/1.1\r\nHost", b"PUT", b"POST / HTTP/1.1\r\nHost: h\r\n"],
)
async def test_a_head_that_does_not_come_is_not_waited_for_for_ever(
    door: Door, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    """Whatever its method: a slow client gets 408 and the end."""
    monkeypatch.setattr(front, "HEAD_TIMEOUT_S", 0.02)
    async with raw_client(door.port) as client:
        client.send(start)
        assert (await client.answer()).status == 408
        assert await client.ended() == b""


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"\x00" * 50])
async def test_what_is_not_http_is_answered_400(client: RawClient, garbage: bytes) -> None:
    """A TLS client, for one; at once, not after a timeout."""
    client.send(garbage)
    assert (await client.head()).status == 400


async def test_a_client_that_leaves_without_a_word_leaves_nothing(
    door: Door, client: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Port scanners do."""
    client.send(b"GET /")
    client.writer.write_eof()
    assert await client.ended() == b""
    assert caplog.records == []


async def test_the_system_looks_after_vanished_clients(door: Door, client: RawClient) -> None:
    """Keep-alive probes are on for every client."""
    await client.open()
    held: socket.socket = door.transports[0].get_extra_info("socket")
    assert held.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert held.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == front.KEEPALIVE_IDLE_S
