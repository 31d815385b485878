"""HTTP at the gateway's port: what is a room's, files that are served, and all that is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.frames import Kind

from .asking import Rooms, request
from .raw_client import TEXT, RawClient, frame, raw_client, upgrade


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
@pytest.mark.parity("static assets")
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
