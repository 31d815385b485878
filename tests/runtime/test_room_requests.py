"""HTTP requests to rooms: what reaches them, what clients get, and all that is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from parlour.actors.body_stream import GRANT_STEP_BYTES, PIECE_BYTES_MAX
from parlour.actors.frames import Kind, pack_amount
from parlour.actors.messages import ResponseHead
from parlour.actors.options import options_of
from parlour.actors.room import Room
from parlour.runtime import client_request
from parlour.runtime.exchange import RoomUnavailable

from .asking import BODY_BYTES_MAX, Rooms, request
from .raw_client import RawClient, raw_client


@pytest.fixture
async def rooms() -> AsyncIterator[Rooms]:
    """A port with rooms behind it."""
    rooms = Rooms(None)
    await rooms.start()
    yield rooms
    await rooms.stop()


@pytest.fixture
async def client(rooms: Rooms) -> AsyncIterator[RawClient]:
    """A connection to it."""
    async with raw_client(rooms.port) as client:
        yield client


async def test_a_room_gets_the_request_as_the_client_made_it(
    rooms: Rooms, client: RawClient
) -> None:
    """Method, full URL, what is below the room, headers in order, body."""
    target = "/parties/chat/a%20b/x%2Fy/?q=1&q=%20"
    client.send(request(target, "POST", b"hello", "X-Tag: 1", "x-tag: 2"))
    assert (await client.answer()).body == b"ok"
    address, head, body = rooms.asked[0]
    assert (address.key.party, address.key.id, address.path) == ("chat", "a b", "/x%2Fy/")
    assert (head.method, head.url, head.path) == ("POST", f"http://h:1999{target}", "/x%2Fy/")
    assert [value for name, value in head.headers if name.lower() == "x-tag"] == ["1", "2"]
    assert body == b"hello"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_body_that_is_not_what_it_says_is_the_clients_mistake(
    rooms: Rooms, client: RawClient, coding: str
) -> None:
    """400, and no room hears of it."""
    client.send(request("/party/x", "POST", b"hello", f"Content-Encoding: {coding}"))
    answer = await client.answer()
    assert (answer.status, answer.body[:25]) == (400, b"the body cannot be read: ")
    await client.ended()
    assert rooms.asked == []


async def test_the_client_gets_the_answer_as_the_room_made_it(
    rooms: Rooms, client: RawClient
) -> None:
    """Status, headers, also repeated ones, and body; no header that the room did not set."""
    rooms.answer = (418, [("X-A", "1"), ("Set-Cookie", "a"), ("Set-Cookie", "b")], b"\x00" * 500)
    client.send(request("/party/x"))
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 418 ")
    assert [line for line in head.split(b"\r\n") if line.startswith(b"Set-Cookie")] == [
        b"Set-Cookie: a",
        b"Set-Cookie: b",
    ]
    assert b"X-A: 1" in head
    assert b"Content-Length: 500" in head
    assert await client.reader.readexactly(500) == b"\x00" * 500


@pytest.mark.parametrize(
    "header",
    [
        ("Content-Length", "2"),
        ("content-length", "5000"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Connection", "upgrade"),
        ("Upgrade", "websocket"),
        ("Keep-Alive", "timeout=1"),
    ],
)
async def test_a_room_cannot_break_the_connection_that_it_answers_over(
    rooms: Rooms, client: RawClient, header: tuple[str, str]
) -> None:
    """How long an answer is, and what becomes of the connection, is said by the gateway."""
    rooms.answer = (200, [header, ("X-A", "1")], b"hello")
    for _ in range(2):
        client.send(request("/party/x"))
        answer = await client.answer()
        assert (answer.body, answer.headers["x-a"]) == (b"hello", "1")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_an_answer_that_has_no_body_has_none(
    rooms: Rooms, client: RawClient, method: str, status: int
) -> None:
    """Whatever the room returned; the next answer is not mistaken for it."""
    rooms.answer = (status, [], b"body")
    client.send(request("/party/x", method))
    assert (await client.head()).status == status
    rooms.answer = (200, [], b"next")
    client.send(request("/party/x"))
    assert (await client.answer()).body == b"next"


@pytest.mark.parametrize("size_bytes", [0, 1, BODY_BYTES_MAX])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_up_to_the_limit_reaches_the_room(
    rooms: Rooms, client: RawClient, size_bytes: int, chunked: bool
) -> None:
    """Declared or in chunks."""
    body = bytes(size_bytes)
    if chunked:
        chunks = b"%x\r\n%s\r\n" % (size_bytes, body) if body else b""
        client.send(request("/party/x", "PUT", b"", "Transfer-Encoding: chunked"))
        client.send(chunks + b"0\r\n\r\n")
    else:
        client.send(request("/party/x", "PUT", body))
    assert (await client.answer()).status == 200
    assert rooms.asked[0][2] == body


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused_without_reading_on(
    rooms: Rooms, client: RawClient, chunked: bool
) -> None:
    """413 with the limit, and the end of the connection once the client has read it."""
    if chunked:
        client.send(request("/party/x", "PUT", b"", "Transfer-Encoding: chunked"))
        client.send(b"%x\r\n%s\r\n" % (BODY_BYTES_MAX + 1, bytes(BODY_BYTES_MAX + 1)))
    else:
        client.send(request("/party/x", "PUT", b"", f"Content-Length: {BODY_BYTES_MAX + 1}"))
    answer = await client.answer()
    assert (answer.status, b"1000 bytes" in answer.body) == (413, True)
    assert answer.headers["connection"].lower() == "close"
    client.writer.write_eof()
    assert await client.ended() == b""
    assert rooms.asked == []


async def test_a_client_that_waits_before_it_sends_its_body_is_told_to_go_on(
    rooms: Rooms, client: RawClient
) -> None:
    """`Expect: 100-continue`, as curl sends it; not for a body that is too large anyway."""
    head = request("/party/x", "POST", b"hello", "Expect: 100-continue").removesuffix(b"hello")
    client.send(head)
    assert (await client.head()).status == 100
    client.send(b"hello")
    assert (await client.answer()).status == 200
    client.send(head.replace(b"Length: 5", b"Length: 5000"))
    assert (await client.answer()).status == 413


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (RoomUnavailable(503, "the room has too much to do"), 503),
        (RoomUnavailable(500, "the room died handling this"), 500),
        (TimeoutError(), 504),
    ],
)
async def test_a_room_that_does_not_answer_is_said_so(
    rooms: Rooms, client: RawClient, problem: Exception, status: int
) -> None:
    """With a status that says whether to try again."""
    rooms.problem = problem
    client.send(request("/party/x"))
    answer = await client.answer()
    assert answer.status == status
    assert answer.body


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/party/", 400),
        ("/party/%ff", 400),
        ("/party/" + "x" * 1025, 400),
        ("/parties/nobody/x", 404),
        ("/party/x\x01", 400),
    ],
)
async def test_a_url_that_names_no_room_is_refused(
    rooms: Rooms, client: RawClient, target: str, status: int
) -> None:
    """In words, and no room hears of it."""
    client.send(request(target))
    answer = await client.answer()
    assert (answer.status, bool(answer.body), rooms.asked) == (status, True, [])


async def test_a_client_that_does_not_wait_for_its_answer_harms_nobody(
    rooms: Rooms, client: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Browsers go away all the time."""
    rooms.answer = None
    client.send(request("/party/x"))
    await rooms.until(lambda: rooms.asked)
    client.writer.transport.abort()
    async with raw_client(rooms.port) as other:
        rooms.answer = (200, [], b"ok")
        other.send(request("/party/x"))
        assert (await other.answer()).status == 200
    assert caplog.records == []


# CORS


def allow(rooms: Rooms, cors: object) -> None:
    """Give the rooms' class this option."""
    rooms.options = options_of(type("Chat", (Room,), {"cors": cors, "body_limit": 1000}))


ORIGIN = "Origin: https://example.org"


async def test_a_preflight_is_answered_before_any_room(rooms: Rooms, client: RawClient) -> None:
    """204 with what the class allows; the room is not woken for it."""
    allow(rooms, True)
    client.send(request("/party/x", "OPTIONS", b"", ORIGIN, "Access-Control-Request-Method: POST"))
    answer = await client.answer()
    assert (answer.status, answer.body, rooms.asked) == (204, b"", [])
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, POST, HEAD, OPTIONS"
    assert answer.headers["access-control-max-age"] == "86400"


async def test_without_the_option_the_room_hears_of_options(
    rooms: Rooms, client: RawClient
) -> None:
    """And no answer has such a header."""
    client.send(request("/party/x", "OPTIONS", b"", ORIGIN))
    answer = await client.answer()
    assert (answer.body, rooms.asked[0][1].method) == (b"ok", "OPTIONS")
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_an_answer_says_who_may_read_it(rooms: Rooms, client: RawClient) -> None:
    """Once, and the room may say it itself."""
    allow(rooms, ["https://example.org"])
    rooms.answer = (200, [("Vary", "Cookie"), ("X-A", "1")], b"ok")
    client.send(request("/party/x", "GET", b"", ORIGIN))
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert b"Access-Control-Allow-Origin: https://example.org\r\n" in head
    assert (b"Vary: Cookie\r\n" in head, b"Vary: Origin\r\n" in head) == (True, True)
    await client.reader.readexactly(2)
    rooms.answer = (200, [("access-control-allow-origin", "https://own.example")], b"ok")
    client.send(request("/party/x", "GET", b"", ORIGIN))
    head = (await client.reader.readuntil(b"\r\n\r\n")).lower()
    assert head.count(b"access-control-allow-origin") == 1
    assert b"https://own.example" in head


@pytest.mark.parametrize(
    ("problem", "body", "status"),
    [
        (RoomUnavailable(503, "the room has too much to do"), b"", 503),
        (TimeoutError(), b"", 504),
        (None, bytes(1001), 413),
    ],
)
async def test_a_page_may_read_why_it_gets_no_answer(
    rooms: Rooms, client: RawClient, problem: Exception | None, body: bytes, status: int
) -> None:
    """Else a browser shows it as an error of the network."""
    allow(rooms, True)
    rooms.problem = problem
    client.send(request("/party/x", "POST", body, ORIGIN))
    answer = await client.answer()
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "*")


# Streams


async def test_a_streamed_answer_is_sent_as_it_comes(rooms: Rooms, client: RawClient) -> None:
    """In chunks; the room is told what the client has read, and not that it left."""
    rooms.answer = None
    client.send(request("/party/x"))
    await rooms.until(lambda: rooms.exchanges)
    exchange = rooms.exchanges[0]
    exchange.on_response(ResponseHead(201, [("X-A", "1"), ("Content-Length", "9")], True), b"")
    head = await client.head()
    assert (head.status, head.headers["transfer-encoding"]) == (201, "chunked")
    assert "content-length" not in head.headers
    exchange.on_frame(Kind.PIECE, b"x" * GRANT_STEP_BYTES)
    await rooms.until(lambda: rooms.told)
    assert rooms.told == [(Kind.GRANT, pack_amount(GRANT_STEP_BYTES))]
    exchange.on_frame(Kind.END, b"")
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (GRANT_STEP_BYTES, b"x" * GRANT_STEP_BYTES)
    assert await client.reader.readexactly(len(chunked)) == chunked
    assert len(rooms.told) == 1


async def test_a_client_of_http_1_0_gets_a_stream_without_chunks(
    rooms: Rooms, client: RawClient
) -> None:
    """Up to the end of its connection, which is an orderly one only if that was all."""
    rooms.answer = None
    client.send(b"GET /party/x HTTP/1.0\r\nHost: h\r\n\r\n")
    await rooms.until(lambda: rooms.exchanges)
    exchange = rooms.exchanges[0]
    exchange.on_response(ResponseHead(200, [], True), b"")
    exchange.on_frame(Kind.PIECE, b"hello")
    exchange.on_frame(Kind.END, b"")
    assert "transfer-encoding" not in (await client.head()).headers
    assert await client.ended() == b"hello"


async def test_what_was_sent_before_an_answer_is_cut_is_not_lost(
    rooms: Rooms, client: RawClient
) -> None:
    """The client has all of it, and sees that there was to be more."""
    rooms.answer = None
    client.send(request("/party/x"))
    await rooms.until(lambda: rooms.exchanges)
    exchange = rooms.exchanges[0]
    exchange.on_response(ResponseHead(200, [], True), b"")
    for _ in range(20):
        exchange.on_frame(Kind.PIECE, b"x" * 50_000)
    exchange.on_frame(Kind.END, b"cut")
    await client.head()
    body = await client.ended()
    assert body.count(b"x") == 1_000_000
    assert not body.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_a_streamed_answer_without_a_body_has_none(
    rooms: Rooms, client: RawClient, method: str, status: int
) -> None:
    """Its room is told that nobody reads on."""
    rooms.answer = None
    client.send(request("/party/x", method))
    await rooms.until(lambda: rooms.exchanges)
    rooms.exchanges[0].on_response(ResponseHead(status, [], True), b"")
    assert (await client.head()).status == status
    await rooms.until(lambda: rooms.told)
    assert rooms.told == [(Kind.LEFT, b"")]
    rooms.answer = (200, [], b"next")
    client.send(request("/party/x"))
    assert (await client.answer()).body == b"next"


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_client_that_leaves_is_not_waited_with(
    rooms: Rooms, client: RawClient, streaming: bool
) -> None:
    """A room that streams to it is told so."""
    rooms.answer = None
    client.send(request("/party/x"))
    await rooms.until(lambda: rooms.exchanges)
    if streaming:
        rooms.exchanges[0].on_response(ResponseHead(200, [], True), b"")
        await client.head()
    client.writer.transport.abort()
    await rooms.until(lambda: rooms.left)
    assert rooms.told == ([(Kind.LEFT, b"")] if streaming else [])


def stream(rooms: Rooms) -> None:
    """Have the rooms' class stream bodies."""
    rooms.options = options_of(
        type("Chat", (Room,), {"stream_bodies": True, "body_limit": BODY_BYTES_MAX})
    )
    rooms.answer = None


async def test_a_body_is_sent_to_its_room_when_that_wants_it(
    rooms: Rooms, client: RawClient
) -> None:
    """As much as it wants, then the end; the head says that the body is not in it."""
    stream(rooms)
    client.send(request("/party/x", "PUT", bytes(100_000)))
    await rooms.until(lambda: rooms.asked)
    (_, head, body), exchange = rooms.asked[0], rooms.exchanges[0]
    assert (head.streamed, body, rooms.told) == (True, b"", [])
    exchange.on_frame(Kind.WANTED, pack_amount(1))
    await rooms.until(lambda: len(rooms.told) == 2)
    assert rooms.told[0] == (Kind.BODY, b"")
    sent = len(rooms.told[1][1])
    assert 0 < sent <= PIECE_BYTES_MAX
    exchange.on_frame(Kind.WANTED, pack_amount(100_000))
    await rooms.until(lambda: rooms.told[-1][0] == Kind.BODY_END)
    assert sum(len(payload) for kind, payload in rooms.told if kind == Kind.BODY) == 100_000
    assert rooms.told[-1] == (Kind.BODY_END, b"")
    exchange.on_response(ResponseHead(200, []), b"read")
    assert (await client.answer()).body == b"read"


async def test_a_body_that_stops_coming_is_given_up(
    rooms: Rooms, client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room hears why; its answer is sent all the same."""
    monkeypatch.setattr(client_request, "PIECE_TIMEOUT_S", 0.02)
    stream(rooms)
    client.send(request("/party/x", "PUT", bytes(5000))[:-1])
    await rooms.until(lambda: rooms.asked)
    rooms.exchanges[0].on_frame(Kind.WANTED, pack_amount(1 << 20))
    await rooms.until(lambda: rooms.told and rooms.told[-1][0] == Kind.BODY_END)
    assert b"nothing of it came" in rooms.told[-1][1]
    rooms.exchanges[0].on_response(ResponseHead(400, []), b"too slow")
    assert (await client.answer()).status == 400


async def test_a_room_that_is_lost_while_it_reads_is_said_to_its_client(
    rooms: Rooms, client: RawClient
) -> None:
    """502; whoever asks for the body after that is told that there is none."""
    stream(rooms)
    client.send(request("/party/x", "PUT", bytes(5000)))
    await rooms.until(lambda: rooms.asked)
    exchange = rooms.exchanges[0]
    assert not exchange.begun
    exchange.on_frame(Kind.WANTED, pack_amount(1000))
    assert exchange.begun
    exchange.lose_room()
    exchange.on_frame(Kind.WANTED, pack_amount(1000))
    assert (await client.answer()).status == 502
    assert rooms.told[-1][0] == Kind.BODY_END
    assert rooms.told[-1][1]
