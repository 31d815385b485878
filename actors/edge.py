"""The edge: the process that runs edge hooks and ASGI applications, one per node and version.

Gateways ask it over a link, as they talk to rooms; it holds the deployed classes and no room. A
hook that raises, hangs or kills this process costs its own client an answer and no room anything.
What clients are told of that are fixed words; the exception is logged.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from .asgi import AsgiSite
from .asgi_sites import Sites
from .body_stream import BodyBroken
from .edge_answers import hand_over, head_of, respond, stream
from .edge_exchange import Exchange
from .edge_hands import Busy, Hands, TookTooLong
from .edge_hooks import BEFORE_CONNECT, BEFORE_REQUEST, CRON, FETCH, OF_MAIN_ALONE, Cron, Lobby
from .edge_messages import EdgeAnswer, EdgeQuestion
from .frames import Kind, pack, unpack_parts
from .hooks import call_hook
from .link import Link, listen
from .messages import decode
from .options import options_of
from .parties import MAIN
from .request import Request
from .response import Response, as_response, refusal_of
from .room import Room

log = logging.getLogger(__name__)

BODIES_BYTES_MAX = 256 * 1024 * 1024  # of all requests that hooks are being shown
CRON_TIMEOUT_S = 15 * 60.0  # for on_cron; Durable Objects' limit of an alarm


@dataclass(frozen=True)
class EdgeSettings:
    """What an edge is started with."""

    address: str  # of its Unix socket, in a folder that only the owner may enter
    version: int
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    crons: Mapping[str, str] = field(default_factory=dict)


class Edge:
    """Runs the edge hooks of the parties it was given."""

    def __init__(self, settings: EdgeSettings, parties: Mapping[str, type[Room]]) -> None:
        self.settings = settings
        self.unused_since_s = time.monotonic()  # no gateway is linked since then
        self._parties = parties
        self._env = MappingProxyType(settings.env)
        self._hands = Hands()
        self._links: set[Link] = set()
        self._exchanges: dict[tuple[Link, int], Exchange] = {}
        self._held_bytes = 0
        self._sites = Sites(self._env)
        self._server: asyncio.AbstractServer | None = None

    def __repr__(self) -> str:
        return f"<Edge of version {self.settings.version}, {len(self._exchanges)} in hand>"

    def exchanges(self) -> list[Exchange]:
        """The questions that are in hand."""
        return list(self._exchanges.values())

    @property
    def linked(self) -> bool:
        """Whether a gateway uses it."""
        return bool(self._links)

    async def start(self) -> None:
        """Start the application that is the main party's `on_fetch`, if it is one, and listen.

        Raises:
            StartFailed: If that cannot start.
            OSError: If it cannot listen.
        """
        site = getattr(self._parties.get(MAIN), FETCH, None)
        if isinstance(site, AsgiSite):
            await self._sites.open(site)
        self._server = await listen(
            self.settings.address, self._on_frame, self._on_lost, on_hello=self._on_hello
        )

    async def stop(self) -> None:
        """End what is in hand, and let the applications stop."""
        if self._server is not None:
            self._server.close()
        for exchange in self.exchanges():
            self._drop(exchange)
        for link in list(self._links):
            link.close()
        await self._sites.close()
        self._hands.close()

    # Links

    def _on_hello(self, link: Link, _: object) -> None:
        self._links.add(link)

    def _on_lost(self, link: Link) -> None:
        self._links.discard(link)
        self.unused_since_s = time.monotonic()
        for exchange in [each for each in self._exchanges.values() if each.link is link]:
            self._drop(exchange)

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        if kind == Kind.ASK:
            head, body = unpack_parts(payload)
            exchange = Exchange(link, number, decode(head, EdgeQuestion), body)
            self._exchanges[link, number] = exchange
            exchange.task = asyncio.get_running_loop().create_task(self._serve(exchange))
            return
        known = self._exchanges.get((link, number))
        if known is None:
            return  # what crossed its end
        if kind == Kind.CANCEL:
            self._drop(known)
        else:
            known.on_frame(kind, sequence, payload)

    def _drop(self, exchange: Exchange) -> None:
        """Nobody waits for its answer any more."""
        exchange.break_off()
        if exchange.task is not None:
            exchange.task.cancel()

    # Questions

    async def _serve(self, exchange: Exchange) -> None:
        question = exchange.question
        try:
            await self._answer(exchange)
        except asyncio.CancelledError:
            pass  # its client, or this process, is going
        except Exception as error:
            outcome = {Busy: "busy", TookTooLong: "late"}.get(type(error), "raised")
            if not (exchange.answered and isinstance(error, BodyBroken)):
                info = error if outcome == "raised" else None
                what = "raised" if outcome == "raised" else f"is not answered: {outcome}"
                log.error("party %s: %s %s", question.party, question.hook, what, exc_info=info)
            if exchange.answered:
                exchange.link.write(pack(Kind.CANCEL, number=exchange.number))
            else:
                exchange.answer(EdgeAnswer(outcome))
        finally:
            self._held_bytes -= exchange.held_bytes
            self._exchanges.pop((exchange.link, exchange.number), None)

    async def _answer(self, exchange: Exchange) -> None:
        question = exchange.question
        hook = getattr(self._parties.get(question.party), question.hook, None)
        if hook is None:  # the gateway has heard of another version
            exchange.answer(EdgeAnswer("pass"))
        elif question.hook in (BEFORE_CONNECT, BEFORE_REQUEST):
            await self._before(exchange, hook)
        elif question.hook == FETCH:
            await self._fetch(exchange, hook)
        else:
            await self._try_cron(exchange)

    def _hold(self, size_bytes: int) -> None:
        self._held_bytes += size_bytes
        if self._held_bytes > BODIES_BYTES_MAX:
            raise Busy

    def _lobby(self, question: EdgeQuestion) -> Lobby:
        room = None if question.hook in OF_MAIN_ALONE else question.room
        return Lobby(room, question.party, self._env)

    def _hook_s_max(self, party: str) -> float:
        return options_of(self._parties[party]).handler_s_max

    async def _request(self, exchange: Exchange) -> Request:
        head = exchange.question.head
        body = await exchange.body(self._hold)
        return Request(head.method, head.url, head.path, head.headers, body)

    async def _before(self, exchange: Exchange, hook: Any) -> None:
        question = exchange.question
        request = await self._request(exchange)
        within_s = self._hook_s_max(question.party)
        result = await self._hands.call(hook, request, self._lobby(question), within_s=within_s)
        if result is None:
            exchange.answer(EdgeAnswer("pass"))
        elif isinstance(result, Request):
            same_body = result.body == request.body
            exchange.answer(
                EdgeAnswer("request", head_of(result), same_body), b"" if same_body else result.body
            )
        elif isinstance(result, Response):
            respond(exchange, result)
        else:
            raise TypeError(
                f"{question.hook} returned {type(result).__name__}; "
                "return a Request, a Response or None"
            )

    async def _fetch(self, exchange: Exchange, hook: Any) -> None:
        question = exchange.question
        within_s = self._hook_s_max(question.party)
        if isinstance(hook, AsgiSite):
            await hand_over(exchange, await self._sites.open(hook), self._hands, within_s)
            return
        request = await self._request(exchange)
        try:
            result = await self._hands.call(hook, request, self._lobby(question), within_s=within_s)
        except Exception as error:
            refusal = refusal_of(request, error)
            if refusal is None:
                raise
            result = refusal
        if result is None:
            exchange.answer(EdgeAnswer("pass"))
        elif isinstance(result, AsgiSite):
            # Its body has been read: the application is given it once more.
            exchange.incoming.give_back(request.body)
            await hand_over(exchange, await self._sites.open(result), self._hands, within_s)
        else:
            response = as_response(result, FETCH)
            if response.streamed:
                await call_hook(stream, exchange, response)  # its iterator is as much the hook
            else:
                respond(exchange, response)

    # Crons

    async def run_cron(self, name: str, scheduled_at: datetime) -> None:
        """Call the main party's `on_cron` for a tick.

        Raises:
            LookupError: If there is no such cron, or no hook.
            Busy, TookTooLong, Exception: As `Hands.call`.
        """
        cron = Cron(name, self._expression(name), scheduled_at)
        hook = getattr(self._parties[MAIN], CRON)
        await self._hands.call(hook, cron, Lobby(None, MAIN, self._env), within_s=CRON_TIMEOUT_S)

    def _expression(self, name: str) -> str:
        expression = self.settings.crons.get(name)
        if expression is None:
            known = ", ".join(sorted(self.settings.crons)) or "none"
            raise LookupError(f"there is no cron {name!r}; the project's are: {known}")
        return expression

    async def _try_cron(self, exchange: Exchange) -> None:
        """A developer asks for a tick now, of the cron that is the question's path."""
        name = exchange.question.head.path
        try:
            expression = self._expression(name)
        except LookupError as error:
            respond(exchange, Response(f"{error.args[0]}\n", 404))
            return
        await self.run_cron(name, datetime.now(UTC))
        respond(exchange, Response(f"ran cron {name}: {expression}\n"))
