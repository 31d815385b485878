"""Static files over a real socket: types, caches, parts, and what is shown where nothing is."""

from __future__ import annotations

import gzip
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from parlour.runtime.answers import plain
from parlour.runtime.static_files import StaticFiles, content_type

from .asking import request
from .doors import Door
from .raw_client import HttpAnswer, RawClient, raw_client

DATA = bytes(range(100))
NAVIGATES = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"


class Files:
    """Serves a folder and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.files = StaticFiles(str(folder))
        self.door = Door(handler=self.handle)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        found = await self.files.answer(request)
        if found is None:
            found = await self.files.fallback(request)
        return plain(404, "nothing") if found is None else found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of one file of bytes, and some others."""
    (tmp_path / "data.bin").write_bytes(DATA)
    (tmp_path / "index.html").write_text("<p>the page")
    (tmp_path / "sub").mkdir()
    return tmp_path


@pytest.fixture
async def files(folder: Path) -> AsyncIterator[Files]:
    files = Files(folder)
    await files.door.start()
    yield files
    await files.door.stop()


@pytest.fixture
async def client(files: Files) -> AsyncIterator[RawClient]:
    async with raw_client(files.door.port) as client:
        yield client


async def get(client: RawClient, target: str = "/data.bin", *headers: str) -> HttpAnswer:
    """The answer to a GET."""
    client.send(request(target, "GET", b"", *headers))
    return await client.answer()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.JS", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.woff2", "font/woff2"),
        ("a.wasm", "application/wasm"),
        ("a.unheard-of", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_a_file_has_the_type_of_its_name(name: str, expected: str) -> None:
    """The same on every machine; text is UTF-8."""
    assert content_type(Path(name)) == expected


@pytest.mark.parity("static assets")
async def test_a_file_that_a_client_has_is_not_sent_again(client: RawClient, folder: Path) -> None:
    """By its tag, or by its time; one that has changed is."""
    first = await get(client)
    assert (first.status, first.body) == (200, DATA)
    tag, modified = first.headers["etag"], first.headers["last-modified"]
    for condition in (f"If-None-Match: {tag}", f"If-Modified-Since: {modified}"):
        client.send(request("/data.bin", "GET", b"", condition))
        answer = await client.head()
        assert (answer.status, answer.headers["etag"]) == (304, tag)
    (folder / "data.bin").write_bytes(DATA[::-1])
    os.utime(folder / "data.bin", (1, 1))
    answer = await get(client, "/data.bin", f"If-None-Match: {tag}")
    assert (answer.status, answer.body) == (200, DATA[::-1])
    assert answer.headers["etag"] != tag


@pytest.mark.parity("static assets")
@pytest.mark.parametrize(
    ("wanted", "body", "told"),
    [
        ("bytes=10-19", DATA[10:20], "bytes 10-19/100"),
        ("bytes=90-", DATA[90:], "bytes 90-99/100"),
        ("bytes=-5", DATA[-5:], "bytes 95-99/100"),
        ("bytes=95-1000", DATA[95:], "bytes 95-99/100"),
    ],
)
async def test_a_part_of_a_file_is_sent(
    client: RawClient, wanted: str, body: bytes, told: str
) -> None:
    """As players of videos and resumed downloads want it."""
    answer = await get(client, "/data.bin", f"Range: {wanted}")
    assert (answer.status, answer.body) == (206, body)
    assert answer.headers["content-range"] == told


@pytest.mark.parametrize(
    "wanted", ["bytes=0-1,5-6", "lines=0-1", "bytes=a-b", "bytes=5-2", "bytes=-0", "bytes=-", "x"]
)
async def test_what_is_not_one_part_is_ignored(client: RawClient, wanted: str) -> None:
    """The file is sent whole, as RFC 9110 has it where a range is none."""
    answer = await get(client, "/data.bin", f"Range: {wanted}")
    assert (answer.status, answer.body) == (200, DATA)


async def test_hidden_files_are_not_served(client: RawClient, folder: Path) -> None:
    """`.env` and `.git` are nobody's business; RFC 8615's folder is."""
    for name in (".env", ".git/config", "sub/.secret", ".well-known/security.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    (folder / "alias").symlink_to(folder / ".env")
    for path in ("/.env", "/.git/config", "/sub/.secret", "/%2eenv", "/alias"):
        assert (await get(client, path)).status == 404
    assert (await get(client, "/.well-known/security.txt")).status == 200


async def test_a_part_that_is_not_there_is_refused(client: RawClient) -> None:
    """416, with the size that there is."""
    answer = await get(client, "/data.bin", "Range: bytes=100-")
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */100")


async def test_a_download_of_an_older_file_is_not_resumed(client: RawClient, folder: Path) -> None:
    """Half of the old one and half of the new one would be neither."""
    tag = (await get(client)).headers["etag"]
    same = await get(client, "/data.bin", "Range: bytes=50-", f"If-Range: {tag}")
    assert (same.status, same.body) == (206, DATA[50:])
    (folder / "data.bin").write_bytes(DATA + b"more")
    changed = await get(client, "/data.bin", "Range: bytes=50-", f"If-Range: {tag}")
    assert (changed.status, changed.body) == (200, DATA + b"more")


async def test_head_tells_what_get_would_send(client: RawClient) -> None:
    """Without the body."""
    full = await get(client)
    client.send(request("/data.bin", "HEAD"), request("/data.bin"))
    head = await client.head()
    for name in ("content-length", "content-type", "etag", "last-modified", "accept-ranges"):
        assert head.headers[name] == full.headers[name]
    assert (await client.answer()).body == DATA


async def test_a_compressed_copy_is_sent_to_who_takes_it(client: RawClient, folder: Path) -> None:
    """With the type of what it is a copy of."""
    (folder / "app.js").write_text("let a")
    (folder / "app.js.gz").write_bytes(gzip.compress(b"let a"))
    packed = await get(client, "/app.js", "Accept-Encoding: gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert "javascript" in packed.headers["content-type"]
    assert gzip.decompress(packed.body) == b"let a"
    assert (await get(client, "/app.js")).body == b"let a"


async def test_a_page_for_what_is_not_there(files: Files, client: RawClient, folder: Path) -> None:
    """404.html, with that status, to who navigates; others are told in short."""
    assert (await get(client, "/missing", NAVIGATES)).body == b"nothing\n"
    (folder / "404.html").write_text("<p>not here")
    for extra in ((), ("Range: bytes=0-1",), ("If-None-Match: *",)):
        answer = await get(client, "/missing", NAVIGATES, *extra)
        assert (answer.status, answer.body) == (404, b"<p>not here")
    assert (await get(client, "/missing.js")).body == b"nothing\n"


@pytest.mark.parity("static assets")
async def test_a_single_page_answers_every_navigation(files: Files, folder: Path) -> None:
    """What is a file stays one; a script that is missing is still missing."""
    files.files = StaticFiles(str(folder), single_page=True)
    async with raw_client(files.door.port) as client:
        for target in ("/shop/cart", "/sub/", "/", "/a.b"):
            answer = await get(client, target, NAVIGATES)
            assert (answer.status, answer.body) == (200, b"<p>the page")
        assert (await get(client, "/data.bin", NAVIGATES)).body == DATA
        assert (await get(client, "/missing.js", "Accept: */*")).status == 404
        client.send(request("/shop", "POST", b"x", NAVIGATES))
        assert (await client.answer()).status == 404


async def test_the_folder_is_looked_at_anew_each_time(client: RawClient, folder: Path) -> None:
    """A build that replaces its files needs no restart."""
    assert (await get(client, "/new.txt")).status == 404
    (folder / "new.txt").write_text("new")
    assert (await get(client, "/new.txt")).body == b"new"
