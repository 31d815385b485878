"""One question to the edge, as the edge has it, until its answer is whole."""

from __future__ import annotations

import asyncio

from .body_stream import BodyBroken, IncomingBody, OutgoingBody
from .edge_messages import EdgeAnswer, EdgeQuestion
from .frames import Kind, pack, pack_parts
from .link import Link
from .messages import encode


class Exchange:
    """One question of a gateway, until its answer is whole."""

    def __init__(self, link: Link, number: int, question: EdgeQuestion, body: bytes) -> None:
        self.link = link
        self.number = number
        self.question = question
        self.incoming = IncomingBody(link, number)
        self.outgoing = OutgoingBody(link, number)
        self.task: asyncio.Task[None] | None = None
        self.answered = False
        if not question.streams:
            self.incoming.on_part(body)
            self.incoming.on_end()

    def answer(self, answer: EdgeAnswer, body: bytes = b"") -> None:
        """Answer; once."""
        self.answered = True
        payload = pack_parts(encode(answer), body)
        self.link.write(pack(Kind.ANSWER, number=self.number, payload=payload))

    async def body(self, bytes_max: int) -> bytes:
        """The request's body, whole.

        Raises:
            BodyBroken: If it never comes, or is over the limit.
        """
        parts, size_bytes = [], 0
        while part := await self.incoming.next():
            size_bytes += len(part)
            if size_bytes > bytes_max:
                raise BodyBroken(f"a body of more than {bytes_max} bytes")
            parts.append(part)
        return b"".join(parts)
