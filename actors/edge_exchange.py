"""One question to the edge, as the edge has it, until its answer is whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .edge_bodies import EdgeBodies
from .edge_messages import EdgeAnswer, EdgeQuestion
from .frames import Kind, pack, pack_parts
from .link import Link
from .messages import encode


class Exchange(EdgeBodies):
    """One question of a gateway, until its answer is whole."""

    def __init__(self, link: Link, number: int, question: EdgeQuestion, body: bytes) -> None:
        super().__init__(link, number)
        self.question = question
        self.task: asyncio.Task[None] | None = None
        self.answered = False
        self.held_bytes = 0  # of the request's body, kept whole for a hook
        if not question.streams:
            self.incoming.on_piece(body)
            self.incoming.on_end()

    def answer(self, answer: EdgeAnswer, body: bytes = b"") -> None:
        """Answer; once."""
        self.answered = True
        payload = pack_parts(encode(answer), body)
        self.link.write(pack(Kind.ANSWER, number=self.number, payload=payload))

    async def body(self, hold: Callable[[int], None]) -> bytes:
        """The request's body, whole; `hold` is told of each piece, and may refuse it.

        Raises:
            BodyBroken: If it never comes.
        """
        parts = []
        while part := await self.incoming.next():
            self.held_bytes += len(part)
            hold(len(part))
            parts.append(part)
        return b"".join(parts)
