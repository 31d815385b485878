"""Rows about what a class says before its rooms: a test for each, named after it."""

from __future__ import annotations

import pytest
from parlour.testing import Refused, Rooms
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from parlour import Connection, Lobby, Request, Response, Room, asgi


class Guarded(Room):
    """Lets in who says so; tells its rooms who came, by a header that no client can set."""

    @staticmethod
    def on_before_connect(request: Request, lobby: Lobby) -> Request | Response | None:
        return judge(request, lobby)

    @classmethod
    async def on_before_request(cls, request: Request, lobby: Lobby) -> Request | Response | None:
        return judge(request, lobby)

    def on_connect(self, connection: Connection, request: Request) -> None:
        connection.send(request.headers.get("x-lobby", "as it came"))

    def on_request(self, request: Request) -> str:
        return request.headers.get("x-lobby", "as it came")


def judge(request: Request, lobby: Lobby) -> Request | Response | None:
    token = request.query.get("token", "")
    if token == "raise":
        raise RuntimeError("secret")
    if token == "no":
        return Response("not you", 403)
    if token == "changed":
        return request.replace(headers={"x-lobby": f"{lobby.name} {lobby.id}"})
    return None


@pytest.mark.parity(
    "onBeforeConnect (PartyKit)",
    "onBeforeConnect (partyserver)",
    "Lobby (PartyKit)",
    "Lobby (partyserver)",
)
async def test_on_before_connect(rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    """A changed request, a response, or nothing; a raise is 401, and its text is not sent."""
    door = rooms.room(Guarded, "a b")
    plain = await door.connect()
    changed = await door.connect(query={"token": "changed"})

    assert await plain.received() == ["as it came"]
    assert await changed.received() == ["guarded a b"]
    with pytest.raises(Refused) as refused:
        await door.connect(query={"token": "no"})
    assert (refused.value.status, refused.value.text) == (403, "not you")
    with pytest.raises(Refused) as refused:
        await door.connect(query={"token": "raise"})
    assert refused.value.status == 401
    assert "secret" not in refused.value.text
    assert "secret" in caplog.text
    assert not hasattr(Lobby, "storage")


@pytest.mark.parity("onBeforeRequest")
async def test_on_before_request(rooms: Rooms) -> None:
    """The same for HTTP; and a room is not woken for who is not let in."""
    door = rooms.room(Guarded, "a b")
    refused = [await door.request(query={"token": token}) for token in ("no", "raise")]
    assert [answer.status for answer in refused] == [403, 401]
    assert "secret" not in refused[1].text
    assert not door.is_live

    assert (await door.request()).text == "as it came"
    assert (await door.request(query={"token": "changed"})).text == "guarded a b"


@pytest.mark.parity("onFetch", "no match")
async def test_on_fetch(rooms: Rooms) -> None:
    """Of `main`, for what is no room's; None is 404, a raise 500 without its text."""

    class Main(Room):
        @staticmethod
        def on_fetch(request: Request, lobby: Lobby) -> str | None:
            if request.path == "/raise":
                raise RuntimeError("secret")
            return "a site" if request.path == "/site" else None

        def on_request(self, request: Request) -> str:
            return "a room"

    rooms.deploy(Main)

    assert (await rooms.request("GET", "/site")).text == "a site"
    assert (await rooms.request("GET", "/party/site")).text == "a room"
    assert (await rooms.request("GET", "/elsewhere")).status == 404
    failed = await rooms.request("GET", "/raise")
    assert (failed.status, "secret" in failed.text) == (500, False)


@pytest.mark.parity("room.env")
async def test_room_env(rooms: Rooms) -> None:
    """The project's variables, in a room as at the edge; nothing of the machine's."""

    class Configured(Room):
        def on_request(self, request: Request) -> dict[str, str]:
            return dict(self.env)

        @staticmethod
        def on_before_request(request: Request, lobby: Lobby) -> Response | None:
            return Response.json(dict(lobby.env)) if request.path == "/edge" else None

    rooms.env["KEY"] = "value"
    room = rooms.room(Configured)

    assert (await room.request()).json() == {"KEY": "value"}
    assert (await room.request(path="/edge")).json() == {"KEY": "value"}


@pytest.mark.parity("web-framework middleware")
async def test_web_framework_middleware(rooms: Rooms) -> None:
    """The framework answers what is no room's, and a room's paths stay the room's."""

    async def hello(request: StarletteRequest) -> PlainTextResponse:
        return PlainTextResponse(f"hello {request.path_params['name']}")

    class Main(Room):
        on_fetch = asgi(Starlette(routes=[Route("/hello/{name}", hello)]))

        def on_request(self, request: Request) -> str:
            return "a room"

    rooms.deploy(Main)

    assert (await rooms.request("GET", "/hello/world")).text == "hello world"
    assert (await rooms.request("GET", "/party/hello/world")).text == "a room"
    assert (await rooms.request("GET", "/elsewhere")).status == 404
    with pytest.raises(Refused, match="404"):
        await rooms.connect("/hello/world")
