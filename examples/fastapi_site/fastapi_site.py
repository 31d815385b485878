"""A site made with FastAPI, and a room beside it: who has logged in at the site may talk.

Run it with `parlour dev examples/fastapi_site/fastapi_site.py` (it wants `pip install fastapi`) and
open the address. FastAPI answers /api and /docs, the folder `public` has the page, and Parlour runs
the rooms. The site gives out tokens; `on_before_connect` looks at them before a client reaches a
room, and tells the room who it is.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping

from fastapi import FastAPI, Request
from pydantic import BaseModel, Field

from parlour import Connection, Lobby, Response, Room, asgi
from parlour import Request as RoomRequest

# KEY in a file `.env` beside this one outlives a restart; without it, so do no tokens.
OWN_KEY = secrets.token_hex()


class Login(BaseModel):
    name: str = Field(min_length=1, max_length=40, pattern=r"^[\w -]+$")


app = FastAPI(title="Guest book")


@app.post("/api/login")
def login(who: Login, request: Request) -> dict[str, str]:
    """A token for whoever asks: a site of yours would look at a password first."""
    return {"token": f"{who.name}:{signature(who.name, request.state.env)}"}


class Main(Room):
    on_fetch = asgi(app)  # what is for no room and no file

    @staticmethod
    def on_before_connect(request: RoomRequest, lobby: Lobby) -> RoomRequest | Response:
        name, _, signed = request.query.get("token", "").rpartition(":")
        if not hmac.compare_digest(signed, signature(name, lobby.env)):
            return Response("log in first\n", 401)
        return request.replace(headers={"x-name": name})

    def on_connect(self, connection: Connection, request: RoomRequest) -> None:
        connection.set_state(request.headers["x-name"])
        self.tell(f"{connection.state} is here")

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        text = message if isinstance(message, str) else message.decode(errors="replace")
        self.tell(f"{connection.state}: {text[:500]}")

    def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
        self.tell(f"{connection.state} has left")

    def tell(self, line: str) -> None:
        self.broadcast(json.dumps({"line": line}))


def signature(name: str, env: Mapping[str, str]) -> str:
    key = env.get("KEY", OWN_KEY)
    return hmac.new(key.encode(), name.encode(), hashlib.sha256).hexdigest()
