"""How the edge answers: with what a hook has returned, or with what an ASGI application sends."""

from __future__ import annotations

import contextlib
import math

from .asgi import AsgiCall, http_scope
from .asgi_sites import Site
from .edge_exchange import Exchange
from .edge_hands import Hands
from .edge_messages import EdgeAnswer
from .headers import header_pairs
from .messages import RequestHead, ResponseHead
from .request import Request, check_request_line
from .response import Response


def head_of(request: Request) -> RequestHead:
    """The head of a request that a hook has made.

    Raises:
        TypeError, ValueError: If it cannot be sent.
    """
    check_request_line(request)
    return RequestHead(request.method, request.url, request.path, header_pairs(request.headers))


def respond(exchange: Exchange, response: Response) -> None:
    """Answer with a whole response.

    Raises:
        TypeError: If it is streamed.
    """
    if response.streamed:
        raise TypeError(
            f"{exchange.question.hook} returned a streamed Response; it answers with a whole "
            "body, on_fetch with either"
        )
    exchange.answer(EdgeAnswer("response", response=_head(response)), response.body)


async def stream(exchange: Exchange, response: Response) -> None:
    """Answer with a response piece by piece.

    Raises:
        BodyBroken: If nobody reads it any more.
        Exception: What its iterator raised.
    """
    exchange.answer(EdgeAnswer("response", response=_head(response), streams=True))
    async with contextlib.aclosing(response.pieces()) as pieces:
        async for piece in pieces:
            await exchange.outgoing.send(piece)
    exchange.end()


async def hand_over(exchange: Exchange, site: Site, hands: Hands, within_s: float) -> None:
    """Have an application answer, which has to begin `within_s` after the last of the body came.

    Raises:
        Busy, TookTooLong, Exception: As `Hands.run`.
    """
    begun = False

    async def begin(head: ResponseHead, body: bytes, follows: bool) -> None:
        nonlocal begun
        begun = True
        exchange.answer(EdgeAnswer("response", response=head, streams=follows), body)

    async def more(body: bytes, follows: bool) -> None:
        await exchange.outgoing.send(body)
        if not follows:
            exchange.end()

    def give_up_s() -> float:
        # A body may take as long to come as it needs, and the response to go.
        return math.inf if begun else exchange.incoming.moved_s + within_s

    question = exchange.question
    call = AsgiCall(exchange.incoming.next, begin, more)
    scope = http_scope(question.head, question.client, site.lifespan.state)
    await hands.run(call.run(site.app, scope), give_up_s)


def _head(response: Response) -> ResponseHead:
    return ResponseHead(response.status, header_pairs(response.headers))
