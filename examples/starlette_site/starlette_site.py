"""A site made with Starlette, and a room beside it: a page that shows who else is looking at it.

Run it with `parlour dev examples/starlette_site/starlette_site.py` (it wants `pip install
starlette`) and open the address in two tabs. Starlette makes the pages and streams what is long;
Parlour runs a room for each page.
"""

import contextlib
import json
import time
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from parlour import Connection, Room, asgi
from parlour import Request as RoomRequest

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">
<title>{name}</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 2rem auto; }}</style>
<h1>{name}</h1>
<p><b id="readers">?</b> looking at this page now. The site is up since {since}.</p>
<p><a href="/tea">Tea</a> <a href="/coffee">Coffee</a>
   <a href="/{path}/numbers">a million numbers</a></p>
<script>
  const url = new URL("/party/{path}", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const show = (text) => (document.getElementById("readers").textContent = text);
  new WebSocket(url).onmessage = (event) => show(JSON.parse(event.data).readers);
</script>
"""
PAGES = {"home": "Home", "tea": "Tea", "coffee": "Coffee"}
NUMBERS = 1_000_000
NUMBERS_A_PIECE = 10_000


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
    """What is opened here, as a pool of connections to a database, is there for each request."""
    yield {"since": time.strftime("%H:%M:%S")}


def page(request: Request) -> Response:
    """A page."""
    path = request.path_params.get("name", "home")
    if path not in PAGES:
        return Response("there is no such page\n", 404, media_type="text/plain")
    return HTMLResponse(PAGE.format(name=PAGES[path], path=path, since=request.state.since))


def numbers(request: Request) -> Response:
    """A long answer: it is made as fast as the client reads it, and never whole in memory."""

    async def lines() -> AsyncIterator[str]:
        for begin in range(0, NUMBERS, NUMBERS_A_PIECE):
            yield "".join(f"{number}\n" for number in range(begin, begin + NUMBERS_A_PIECE))

    return StreamingResponse(lines(), media_type="text/plain")


async def length(request: Request) -> Response:
    """A long body, read as it comes."""
    size_bytes = 0
    async for piece in request.stream():
        size_bytes += len(piece)
    return Response(f"{size_bytes} bytes\n", media_type="text/plain")


app = Starlette(
    routes=[
        Route("/", page),
        Route("/length", length, methods=["POST"]),
        Route("/{name}", page),
        Route("/{name}/numbers", numbers),
    ],
    lifespan=lifespan,
)


class Main(Room):
    on_fetch = asgi(app)

    def on_connect(self, connection: Connection, request: RoomRequest) -> None:
        self.tell()

    def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
        self.tell()

    def tell(self) -> None:
        self.broadcast(json.dumps({"readers": len(self.connections())}))
