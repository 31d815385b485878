"""A main class with every edge hook, for the tests of a running Parlour."""

from __future__ import annotations

import os
import threading
from typing import Any

from parlour import Connection, Lobby, Request, Response, Room, asgi

seen: list[str] = []


async def site(scope: Any, receive: Any, send: Any) -> None:
    """Streams back what it is sent, and says which process it is."""
    assert scope["type"] == "http"
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"x-process", str(os.getpid()).encode())],
        }
    )
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


class Main(Room):
    """Lets in who has a token, and hands the rest of the site over."""

    @staticmethod
    def on_before_connect(request: Request, lobby: Lobby) -> Request | Response | None:
        return check(request)

    @staticmethod
    async def on_before_request(request: Request, lobby: Lobby) -> Request | Response | None:
        return check(request)

    @staticmethod
    def on_fetch(request: Request, lobby: Lobby) -> Any:
        if request.path == "/exit":
            os._exit(1)
        return asgi(site) if request.path == "/site" else None

    def on_connect(self, connection: Connection, request: Request) -> None:
        connection.send(f"hello {connection.id}")

    def on_request(self, request: Request) -> str:
        return request.headers["x-user"]


def check(request: Request) -> Request | Response | None:
    """Changes the id to whom the token is of."""
    token = request.query.get("token", "")
    if token == "block":
        threading.Event().wait(3)
    if token == "raise":
        raise PermissionError("secret")
    if not token.startswith("of-"):
        return Response("no token", 403)
    user = token.removeprefix("of-")
    url = request.url.replace("_pk=", "was=") + f"&_pk={user}"
    return request.replace(url=url, headers={"x-user": user})
