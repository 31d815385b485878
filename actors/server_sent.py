"""Server-sent events (the HTML standard, section 9.2): what `EventSource` in a browser reads."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

KEEP_ALIVE_S = 15.0  # of silence; proxies commonly end what is silent for 30 to 60 s
_COMMENT = b": keep-alive\n\n"
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event of a stream that `Response.events` sends.

    Attributes:
        data: The text; it may have several lines.
        event: Its type, for `addEventListener`; "message" if it has none.
        id: What a client that reconnects sends as `Last-Event-ID`.
        retry: Milliseconds that the client waits before it reconnects.

    Raises:
        ValueError: If `event` or `id` has a line end in it, or `retry` is below 0.
    """

    data: str = ""
    event: str | None = None
    id: str | None = None
    retry: int | None = None

    def __post_init__(self) -> None:
        for name, text in (("event", self.event), ("id", self.id)):
            if text is not None and set(text) & set("\r\n\0"):
                raise ValueError(f"{name}={text!r} was given; it must be one line")
        if self.retry is not None and self.retry < 0:
            raise ValueError(f"retry={self.retry} was given; it is milliseconds, 0 or more")

    def encode(self) -> bytes:
        """As it is sent."""
        lines = [
            f"{name}: {value}"
            for name, value in (("event", self.event), ("id", self.id), ("retry", self.retry))
            if value is not None
        ]
        lines += [f"data: {line}" for line in _LINE_END.split(self.data)]
        return ("\n".join(lines) + "\n\n").encode()


async def event_stream(
    events: AsyncIterable[ServerSentEvent | str], keep_alive_s: float
) -> AsyncIterator[bytes]:
    """The events as they are sent, with a comment whenever none came for so long."""
    iterator = aiter(events)
    upcoming: asyncio.Task[ServerSentEvent | str | None] | None = None
    try:
        while True:
            if upcoming is None:
                upcoming = asyncio.ensure_future(_next(iterator))
            await asyncio.wait([upcoming], timeout=keep_alive_s)
            if not upcoming.done():
                yield _COMMENT
                continue
            event, upcoming = upcoming.result(), None
            if event is None:
                return
            yield (ServerSentEvent(event) if isinstance(event, str) else event).encode()
    finally:
        if upcoming is not None:
            upcoming.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await upcoming
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


async def _next(
    iterator: AsyncIterator[ServerSentEvent | str],
) -> ServerSentEvent | str | None:
    try:
        return await anext(iterator)
    except StopAsyncIteration:
        return None
