"""An ASGI application that does what paths say, well or badly."""

from __future__ import annotations

import asyncio
from typing import Any

from parlour.actors.asgi import AsgiMessage

from .raw_client import RawClient

PIECE = b"x" * 100_000


class App:
    """An ASGI application that does what paths say.

    Attributes:
        scopes: What it was told of requests.
        lifespan: What it was told of its life.
        sent_bytes: How much of an endless response it could send.
        left: The clients of endless responses that it has seen leave.
    """

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.lifespan: list[str] = []
        self.sent_bytes = 0
        self.left = 0
        self.fails = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        self.scopes.append(scope)
        await getattr(self, scope["path"].strip("/").replace("/", "_"))(receive, send)

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["since"] = "start"
        self.lifespan.append((await receive())["type"])
        if self.fails:
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            return
        await send({"type": "lifespan.startup.complete"})
        self.lifespan.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})

    async def hello(self, receive: Any, send: Any) -> None:
        await start(send, 201, (b"X-Who", b"app"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))
        await send({"type": "http.response.body", "body": b"hello"})

    async def echo(self, receive: Any, send: Any) -> None:
        await start(send, 200)
        while True:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})
            if not more:
                return

    async def endless(self, receive: Any, send: Any) -> None:
        await start(send, 200)
        try:
            while True:
                await send({"type": "http.response.body", "body": PIECE, "more_body": True})
                self.sent_bytes += len(PIECE)
        finally:
            self.left += 1

    async def quiet(self, receive: Any, send: Any) -> None:
        await start(send, 200)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self.left += 1

    async def breaks(self, receive: Any, send: Any) -> None:
        await start(send, 200)
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise ValueError("halfway")

    async def short(self, receive: Any, send: Any) -> None:
        await start(send, 200, (b"content-length", b"10"))
        await send({"type": "http.response.body", "body": b"five!", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def sized(self, receive: Any, send: Any) -> None:
        await start(send, 200, (b"content-length", b"10"))
        await send({"type": "http.response.body", "body": b"12345", "more_body": True})
        await send({"type": "http.response.body", "body": b"67890"})

    async def raises(self, receive: Any, send: Any) -> None:
        raise ValueError("the secret reason")

    async def nothing(self, receive: Any, send: Any) -> None:
        return

    async def nonsense(self, receive: Any, send: Any) -> None:
        await send({"type": "http.response.body", "body": b"no head"})

    async def hang(self, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def file(self, receive: Any, send: Any) -> None:
        await start(send, 200)
        await send({"type": "http.response.body", "body": b"not the file"})


async def start(send: Any, status: int, *headers: tuple[bytes, bytes]) -> None:
    """The head of a response."""
    message: AsgiMessage = {"type": "http.response.start", "status": status, "headers": headers}
    await send(message)


app = App()


async def chunked(client: RawClient) -> bytes:
    """The rest of a response without a length."""
    body = b""
    async with asyncio.timeout(10):
        while size := int(await client.reader.readline(), 16):
            body += await client.reader.readexactly(size)
            await client.reader.readexactly(2)
        await client.reader.readexactly(2)
    return body
