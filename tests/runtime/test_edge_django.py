"""A Django site behind the rooms, as docs/edge.md has it made: by a function, in the edge."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.asgi import asgi
from parlour.actors.room import Room

from . import django_site
from .asgi_app import chunked
from .asking import request
from .edge_stage import EdgeStage, edge_stage
from .raw_client import RawClient, raw_client


class Site(Room):
    """Rooms, and all else by Django."""

    on_fetch = asgi(factory=django_site.make_app)


@pytest.fixture
async def site(tmp_path: Path, public: Path) -> AsyncIterator[EdgeStage]:
    """The site, deployed with static files."""
    async with edge_stage(tmp_path, {"main": Site}, public) as stage:
        yield stage


@pytest.fixture
async def visitor(site: EdgeStage) -> AsyncIterator[RawClient]:
    async with raw_client(site.port) as client:
        yield client


@pytest.mark.parity("web-framework middleware")
async def test_a_view_has_what_it_needs_of_a_request(visitor: RawClient) -> None:
    """The URL, the client, the project's variables, and a session that a cookie keeps."""
    visitor.send(request("/visit/?q=1"))
    first = await visitor.answer()
    assert json.loads(first.body) == {
        "visits": 1,
        "url": "http://h:1999/visit/?q=1",
        "from": "127.0.0.1",
        "key": "hello",
    }
    cookie = first.headers["set-cookie"].partition(";")[0]
    visitor.send(request("/visit/", "GET", b"", f"Cookie: {cookie}"))
    assert json.loads((await visitor.answer()).body)["visits"] == 2
    visitor.send(request("/visit"))
    moved = await visitor.answer()
    assert (moved.status, moved.headers["location"]) == (301, "/visit/")


async def test_a_form_with_a_file_arrives(visitor: RawClient) -> None:
    """Also one of many pieces."""
    part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n'
    data = part.format("name").encode() + b"Ada\r\n"
    data += part.format('file"; filename="a.bin').encode() + bytes(300_000) + b"\r\n--x--\r\n"
    visitor.send(request("/upload/", "POST", data, "Content-Type: multipart/form-data; boundary=x"))
    told = json.loads((await visitor.answer()).body)
    assert told == {"fields": {"name": "Ada"}, "files": {"file": ["a.bin", 300_000]}}


async def test_a_streamed_response_is_streamed(visitor: RawClient) -> None:
    """In as many pieces as the view gives."""
    visitor.send(request("/count/"))
    await visitor.head()
    assert await chunked(visitor) == b"012"


async def test_rooms_and_files_come_before_it(site: EdgeStage, visitor: RawClient) -> None:
    """And what it does not know, or fails at, is its own answer."""
    visitor.send(request("/party/x"))
    await site.answer_request(b"the room")
    assert (await visitor.answer()).body == b"the room"
    visitor.send(request("/file"))
    assert (await visitor.answer()).body == b"the file"
    visitor.send(request("/nowhere"), request("/fail/"))
    for status in (404, 500):
        answer = await visitor.answer()
        assert answer.status == status
        assert b"secret" not in answer.body
