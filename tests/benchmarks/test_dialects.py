"""What the load generator says to peers that do not speak plain WebSocket, and what it refuses."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NamedTuple

import pytest
from aiohttp import WSMsgType, web

from benchmarks.client import BadAnswer, Connection, Messages
from benchmarks.dialects import (
    HttpClient,
    RedisClient,
    RedisMessages,
    SocketIoClient,
    dialect_of,
)

SIZE = 64


class Pair(NamedTuple):
    """A connection without a server behind it: the test is the server."""

    near: socket.socket
    far: socket.socket


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Both ends."""
    pair = Pair(*socket.socketpair())
    pair.near.setblocking(False)
    yield pair
    for end in pair:
        end.close()


def over(kind: type[Connection], pair: Pair) -> Connection:
    """A client of some kind on one end of the pair, past its handshake."""
    client = kind.__new__(kind)
    Connection.__init__(client, pair.near)
    return client


def test_an_event_of_socket_io_is_framed_around_the_message() -> None:
    """The masked frame of a client and the plain one of a server carry the same text."""
    messages = dialect_of("socketio://127.0.0.1:1/echo/room", "echo", SIZE).messages
    text = b'42["m","%016x%b"]' % (7, b"x" * (SIZE - 16))

    assert messages.from_server(7) == bytes([0x81, len(text)]) + text
    frame = messages.from_client(7)
    key, body = frame[2:6], frame[6:]
    assert bytes(byte ^ key[index % 4] for index, byte in enumerate(body)) == text
    assert messages.number_of_last(messages.from_server(6) + messages.from_server(7)) == 7


def test_pings_are_answered_and_left_out(pair: Pair) -> None:
    """Neither a ping of Engine.IO nor one of the WebSocket below it is taken for an answer."""
    client = over(SocketIoClient, pair)
    answer = Messages(SIZE, b'42["m","', b'"]').from_server(7)
    pair.far.sendall(b"\x81\x012" + answer + b"\x89\x04ping")

    assert client.read() == answer
    unmasked = unmask(pair.far.recv(100))
    assert sorted(unmasked) == [(0x81, b"3"), (0x8A, b"ping")]


def unmask(frames: bytes) -> Iterator[tuple[int, bytes]]:
    """First bytes and payloads of short frames from a client."""
    while frames:
        size = frames[1] & 0x7F
        key, body = frames[2:6], frames[6 : 6 + size]
        yield frames[0], bytes(byte ^ key[index % 4] for index, byte in enumerate(body))
        frames = frames[6 + size :]


def test_an_answer_over_http_is_its_body(pair: Pair) -> None:
    """However it arrives, in pieces or with a head in other letters."""
    client = over(HttpClient, pair)
    pair.far.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nDate: now\r\n\r\nhe")
    assert client.read() == b""

    pair.far.sendall(b"llo")

    assert client.read() == b"hello"


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 500 No\r\nContent-Length: 5", b"HTTP/1.1 200 OK\r\nServer: x"]
)
def test_another_answer_over_http_is_refused(pair: Pair, head: bytes) -> None:
    """An error is no answer, and one without a length would never end."""
    client = over(HttpClient, pair)
    pair.far.sendall(head + b"\r\n\r\nhello")

    with pytest.raises(BadAnswer, match="is due"):
        client.read()


def test_redis_is_asked_for_many_at_a_time(pair: Pair) -> None:
    """A pipeline is one message, and is answered when all of its commands are."""
    messages = RedisMessages(SIZE, count=3)
    client = over(RedisClient, pair)
    client.expected = messages.from_server(1)
    pair.far.sendall(b"+OK\r\n+OK\r\n")
    assert client.read() == b""

    pair.far.sendall(b"+OK\r\n")

    assert client.read() == client.expected
    commands = messages.from_client(1).split(b"*3\r\n")[1:]
    assert len(commands) == messages.answers_each == 3
    assert {command.split(b"\r\n")[3] for command in commands} == {
        b"key-00000003",
        b"key-00000004",
        b"key-00000005",
    }


def test_an_error_of_redis_is_shown_at_once(pair: Pair) -> None:
    """It is shorter than what is due, and must not be waited on."""
    client = over(RedisClient, pair)
    client.expected = b"+OK\r\n" * 50
    pair.far.sendall(b"-OOM no\r\n")

    assert client.read() == b"-OOM no\r\n"


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[int]]]:
    """Serves everything with one handler; the port."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> int:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_socket_io_shakes_hands_before_it_is_used(
    serve: Callable[[Handler], Awaitable[int]],
) -> None:
    """Opened by the server, connected by the client, then events; the room is in the query."""
    seen: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request.path_qs)
        response = web.WebSocketResponse()
        await response.prepare(request)
        await response.send_str('0{"sid":"a","pingInterval":25000}')
        async for message in response:
            assert message.type is WSMsgType.TEXT
            seen.append(message.data)
            await response.send_str('40{"sid":"b"}')
        return response

    url = f"socketio://127.0.0.1:{await serve(handle)}/fanout/lobby"
    client = await asyncio.to_thread(SocketIoClient, url)
    client.close()

    assert seen == ["/socket.io/?EIO=4&transport=websocket&party=fanout&room=lobby", "40"]


async def test_requests_go_over_one_connection(
    serve: Callable[[Handler], Awaitable[int]],
) -> None:
    """The path is the URL's, the body the message."""
    seen: list[tuple[str, str, object]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peername")
        seen.append((request.method, request.path, peer))
        return web.Response(body=await request.read())

    port = await serve(handle)
    dialect = dialect_of(f"ws://127.0.0.1:{port}/parties/request/room", "http", SIZE)
    client = dialect.connect(f"ws://127.0.0.1:{port}/parties/request/room")

    def ask(number: int) -> bytes:
        client.send(dialect.messages.from_client(number))
        client.socket.setblocking(True)
        answer = b""
        while not answer:
            answer = client.read()
        client.socket.setblocking(False)
        return answer

    for number in (1, 2):
        assert await asyncio.to_thread(ask, number) == dialect.messages.from_server(number)
    client.close()

    assert seen[0] == seen[1]
    assert seen[0][:2] == ("POST", "/parties/request/room")
