"""Who is let through to a room: `on_before_connect` and `on_before_request` of its class.

The gateway asks only for classes that have the hook, and waits for the answer beside everything
else it does. Not here: what runs the hooks (`actors/edge.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..actors.edge_messages import EdgeQuestion
from ..actors.messages import RequestHead, ResponseHead
from .addresses import RoomAddress
from .edge_client import EdgeClient, EdgeUnavailable

NOT_LET_IN = "this request is not let in"  # all that a client is told of a hook that raised


class NotLetIn(Exception):
    """A request that does not reach its room, and what its client is answered instead."""

    def __init__(self, head: ResponseHead, body: bytes) -> None:
        super().__init__(f"answered {head.status}")
        self.head = head
        self.body = body

    @classmethod
    def plainly(cls, status: int, text: str) -> NotLetIn:
        """With a short text."""
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        return cls(ResponseHead(status, headers), text.encode() + b"\n")


@dataclass(frozen=True)
class Asked:
    """A request to a room, as its client has made it or as a hook has changed it."""

    address: RoomAddress
    head: RequestHead
    body: bytes = b""
    client: str = ""  # its address


async def admit(
    edge: EdgeClient, hook: str, asked: Asked, hook_s_max: float
) -> tuple[RequestHead, bytes]:
    """Show a request to a before-hook; returns what goes on to the room: head and body.

    Raises:
        NotLetIn: If the hook has answered, or raised, or does not answer.
    """
    key = asked.address.key
    question = EdgeQuestion(hook, key.party, key.id, asked.head, asked.client)
    try:
        async with edge.ask(question, asked.body) as exchange:
            answer, body = await exchange.answer(hook_s_max)
    except EdgeUnavailable as error:
        raise NotLetIn.plainly(error.status, str(error)) from error
    if answer.outcome == "pass":
        return asked.head, asked.body
    if answer.outcome == "request" and answer.request is not None:
        return answer.request, asked.body if answer.same_body else body
    if answer.outcome == "response" and answer.response is not None:
        raise NotLetIn(answer.response, body)
    raise NotLetIn.plainly(401, NOT_LET_IN)
