"""Requests of Python programs to rooms."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from parlour.runtime import room_fetch

from parlour.client import fetch


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A server that says what it was asked."""

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/gzip"):
            body, headers = gzip.compress(b"small"), {"content-encoding": "gzip"}
            return web.Response(body=body, headers=headers)
        if request.path.endswith("/away"):
            return web.Response(status=302, headers={"location": "/elsewhere"})
        said = f"{request.method} {request.raw_path} {await request.text()}"
        headers = {"X-Seen": request.headers.get("X-Own", "")}
        return web.Response(text=said, status=201, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_request_reaches_its_room(url: str) -> None:
    """Room id and query are encoded, the response comes back whole."""
    response = await fetch(
        url, "a b/ü", party="chat", path="/x?y=1", query={"z": "&"}, method="PUT",
        headers={"X-Own": "1"}, body="ü",
    )  # fmt: skip
    path = "/parties/chat/a%20b%2F%C3%BC/x?y=1&z=%26"
    assert (response.status, response.body.decode()) == (201, f"PUT {path} ü")
    assert response.headers["x-seen"] == "1"


async def test_what_the_way_did_to_it_is_undone(url: str) -> None:
    """A compressed body is read as it was; a redirect is the caller's to follow."""
    async with aiohttp.ClientSession() as session:
        response = await fetch(url, "a", path="/gzip", session=session)
        assert response.body == b"small"
        assert "content-encoding" not in response.headers
        response = await fetch(url, "a", path="/away", session=session)
        assert (response.status, response.headers["location"]) == (302, "/elsewhere")


async def test_a_response_is_bounded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In size."""
    monkeypatch.setattr(room_fetch, "RESPONSE_BYTES_MAX", 10)
    with pytest.raises(ValueError, match="over 10 bytes"):
        await fetch(url, "a")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"url": "lobby"}, "no URL of a server"),
        ({"room": ""}, "empty room id"),
        ({"party": "no/party"}, "is no name"),
        ({"path": "x"}, "begins with `/`"),
    ],
)
async def test_what_names_no_room_is_refused(given: dict[str, str], problem: str) -> None:
    """Before anything is sent."""
    where = {"url": "http://h", "room": "a", **given}
    with pytest.raises(ValueError, match=problem):
        await fetch(where.pop("url"), where.pop("room"), **where)  # type: ignore[arg-type]
