"""HTTP at the gateway's port: rooms that answer, files that are served, and all that is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors import messages
from parlour.actors.frames import Kind, unpack_parts
from parlour.actors.messages import Hello, RequestHead, ResponseHead
from parlour.actors.options import options_of
from parlour.actors.room import Room
from parlour.runtime.addresses import RoomAddress, room_address
from parlour.runtime.edge_client import EdgeClient
from parlour.runtime.http_front import HttpFront, RoomUnavailable
from parlour.runtime.settings import GatewaySettings
from parlour.runtime.static_files import StaticFiles

from .doors import Door
from .raw_client import TEXT, RawClient, frame, raw_client, upgrade

BODY_BYTES_MAX = 1000


class Rooms(Door):
    """Rooms that answer what they are told to, behind a port with a public folder.

    Attributes:
        asked: The requests that reached a room: where, head and body.
        answer: What they answer: status, headers, body.
        problem: What happens instead, if anything.
        hangs: Whether they never answer.
    """

    def __init__(self, public: Path | None) -> None:
        settings = GatewaySettings(
            host="127.0.0.1",
            port=0,
            manager_address="",
            redis_url="",
            body_bytes_max=BODY_BYTES_MAX,
        )
        self.parties = dict.fromkeys(("main", "chat"), options_of(Room))
        self.files = StaticFiles(str(public or ""))
        self.edge = EdgeClient(Hello("gateway", "g", 0))
        super().__init__(handler=HttpFront(self, settings).handle)
        self.asked: list[tuple[RoomAddress, RequestHead, bytes]] = []
        self.answer: tuple[int, list[tuple[str, str]], bytes] = (200, [], b"ok")
        self.problem: Exception | None = None
        self.hangs = False

    def known_room(self, raw_path: str) -> RoomAddress | None:
        address = room_address(raw_path)
        if address is not None and address.key.party not in ("main", "chat"):
            raise LookupError(f"there is no party {address.key.party!r}")
        return address

    async def ask_room(
        self, address: RoomAddress, head: RequestHead, payload: bytes
    ) -> tuple[ResponseHead, bytes]:
        head_data, body = unpack_parts(payload)
        assert messages.decode(head_data, RequestHead) == head
        self.asked.append((address, head, body))
        self._changed.set()
        if self.hangs:
            await asyncio.Event().wait()
        if self.problem is not None:
            raise self.problem
        status, headers, answer = self.answer
        return ResponseHead(status, headers), answer


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """A public folder, with a secret beside it."""
    folder = tmp_path / "public"
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / "index.html").write_text("<p>home")
    (folder / "app.js").write_text("let a")
    (folder / "a b.txt").write_text("spaced")
    (folder / "sub" / "index.html").write_text("<p>sub")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "leak.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "outside").symlink_to(tmp_path)
    (folder / "linked").mkdir()
    (folder / "linked" / "index.html").symlink_to(tmp_path / "secret.txt")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "alias.js").symlink_to(folder / "app.js")
    return folder


@pytest.fixture
async def rooms(public: Path) -> AsyncIterator[Rooms]:
    """A port with rooms and files behind it."""
    rooms = Rooms(public)
    await rooms.start()
    yield rooms
    await rooms.stop()


@pytest.fixture
async def client(rooms: Rooms) -> AsyncIterator[RawClient]:
    """A connection to it."""
    async with raw_client(rooms.port) as client:
        yield client


def request(target: str, method: str = "GET", body: bytes = b"", *headers: str) -> bytes:
    """A request as bytes."""
    lines = [f"{method} {target} HTTP/1.1", "Host: h:1999", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


# Rooms


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
    rooms.hangs = True
    client.send(request("/party/x"))
    await rooms.until(lambda: rooms.asked)
    client.writer.transport.abort()
    async with raw_client(rooms.port) as other:
        rooms.hangs = False
        other.send(request("/party/x"))
        assert (await other.answer()).status == 200
    assert caplog.records == []


# WebSockets on a connection that served HTTP before


async def test_a_kept_connection_can_become_a_websocket(rooms: Rooms, client: RawClient) -> None:
    """As browsers and proxies reuse connections."""
    client.send(request("/"), request("/party/x"))
    assert [(await client.answer()).status for _ in range(2)] == [200, 200]
    await client.open("/party/x?_pk=ada")
    client.send(frame(TEXT, b"hello"))
    await rooms.until(lambda: rooms.messages == [(Kind.TEXT, b"hello")])
    assert rooms.upgrades[0].path == "/party/x?_pk=ada"
    client.writer.transport.abort()
    assert await rooms.end() == (1006, "", False)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (upgrade(Sec_WebSocket_Version="8"), 426),
        (upgrade(Sec_WebSocket_Key="x"), 400),
        (upgrade().replace(b"GET", b"POST"), 400),
        (upgrade("/parties/nobody/x"), 404),
    ],
)
async def test_a_bad_request_for_a_websocket_on_a_kept_connection_is_refused(
    rooms: Rooms, client: RawClient, asked: bytes, status: int
) -> None:
    """As on a new one."""
    client.send(request("/"))
    assert (await client.answer()).status == 200
    client.send(asked)
    assert (await client.answer()).status == status
    assert (rooms.sockets, rooms.asked) == ([], [])


# Files


@pytest.mark.parametrize(
    ("target", "body", "content_type"),
    [
        ("/", b"<p>home", "text/html"),
        ("/index.html", b"<p>home", "text/html"),
        ("/?room=a", b"<p>home", "text/html"),
        ("/app.js", b"let a", "javascript"),
        ("/alias.js", b"let a", "javascript"),
        ("/a%20b.txt", b"spaced", "text/plain"),
        ("/sub/", b"<p>sub", "text/html"),
        ("/sub/../app.js", b"let a", "javascript"),
    ],
)
async def test_files_of_the_public_folder_are_served(
    client: RawClient, target: str, body: bytes, content_type: str
) -> None:
    """With their type, and to be asked for anew each time; HEAD tells the same without the body."""
    client.send(request(target))
    answer = await client.answer()
    assert (answer.status, answer.body) == (200, body)
    assert content_type in answer.headers["content-type"]
    assert answer.headers["cache-control"] == "no-cache"
    client.send(request(target, "HEAD"))
    head = await client.head()
    assert (head.status, head.headers["content-length"]) == (200, str(len(body)))


@pytest.mark.parametrize(
    "target",
    [
        "/missing",
        "/sub/empty/",
        "/app.js/",
        "/app.js/x",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/sub/../../secret.txt",
        "/sub/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/....//secret.txt",
        "/..%5csecret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/leak.txt",
        "/outside/secret.txt",
        "/linked/",
        "/linked/index.html",
        "/loop",
        "/a%00b",
        "/app.js%00.txt",
        "/%ff",
        "/%ed%a0%80",
        "/" + "x" * 300,
        "/" + "x/" * 2000,
        "/~root/.profile",
    ],
)
async def test_nothing_else_is_served(
    client: RawClient, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    """404 for what is not there and for what is outside, by whatever way; and no trace in a log."""
    client.send(request(target))
    answer = await client.answer()
    assert answer.status == 404
    assert b"secret" not in answer.body.replace(target.encode(), b"")
    assert caplog.records == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_files_are_only_read(client: RawClient, method: str) -> None:
    """Other methods find nothing."""
    client.send(request("/app.js", method))
    assert (await client.answer()).status == 404


async def test_a_project_without_a_public_folder_serves_no_files() -> None:
    """Its rooms are there all the same."""
    rooms = Rooms(None)
    await rooms.start()
    async with raw_client(rooms.port) as client:
        for target, status in (("/", 404), ("/etc/passwd", 404), ("/party/x", 200)):
            client.send(request(target))
            assert (await client.answer()).status == status
    await rooms.stop()


@pytest.mark.parametrize(
    "bad",
    [
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
        b"GET\r\n\r\n",
        b"BREW / COFFEE/1.0\r\n\r\n",
    ],
)
async def test_what_is_not_valid_http_is_refused(client: RawClient, bad: bytes) -> None:
    """400, and the end of the connection."""
    client.send(bad)
    assert (await client.answer()).status == 400
    assert await client.ended() == b""
