"""What a gateway asks the edge of its node, and what that answers."""

from __future__ import annotations

import msgspec

from .messages import RequestHead, ResponseHead


class EdgeQuestion(msgspec.Struct):
    """A request that an edge hook is to be shown."""

    hook: str
    party: str
    room: str | None  # the id of the room that is asked for
    head: RequestHead
    client: str = ""  # its address
    streams: bool = False  # the body follows in pieces; otherwise it came with the question


class EdgeAnswer(msgspec.Struct):
    """What the hook made of it."""

    outcome: str  # of OUTCOMES
    request: RequestHead | None = None  # with "request": what is to go on instead
    same_body: bool = True  # with "request": its body is the one that was asked about
    response: ResponseHead | None = None  # with "response"
    streams: bool = False  # with "response": the body follows in pieces


# "pass": the request goes on as it is, or, in on_fetch, there is nothing at its path.
# "raised", "late", "busy": there is no answer, as the hook raised, took too long, or could not
# begin as too much was asked at once.
OUTCOMES = ("pass", "request", "response", "raised", "late", "busy")
