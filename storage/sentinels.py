"""Asking Sentinels where the primary is, and connecting to it.

Promise. What is connected to has said itself that it is a primary: a Sentinel may be late. All
Sentinels are asked at once, and the address that most of them name is taken, as one that is cut
off together with an old primary goes on naming it.
Not here: when to ask (redis_connection.py), the URL (sentinel_url.py).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .redis_socket import RedisSocket, ServerNotReady, ServerSide, open_socket
from .redis_url import RedisUrl
from .sentinel_url import Address, Sentinels, show
from .server_errors import ServerError, ServerRefused, UnknownService

# One Sentinel's time to answer. A fail-over takes its own time to notice a failure, in seconds.
ANSWER_S = 1.0
# The primary's time to let us in: while we wait for one that is gone, another may be named.
CONNECT_S = 2.0
# Between two looks whether the primary is still the same one.
LOOK_S = 1.0


@dataclass(frozen=True)
class Answer:
    """What one Sentinel said: an address, or the services that it knows, or why it said nothing."""

    sentinel: Address
    primary: Address | None = None
    services: tuple[str, ...] = ()
    problem: Exception | None = None


def choose(answers: Sequence[Answer], sentinels: Sentinels, url: str) -> Address:
    """The primary that most of those name which name one.

    Raises:
        UnknownService: If Sentinels answer and none knows the service.
        ServerRefused: If none lets us in.
        ServerNotReady: If none answers, or not enough of them are there to tell.
    """
    named = _named(answers)
    if named:
        return named.most_common(1)[0][0]
    silent = [answer for answer in answers if answer.problem is not None]
    if len(silent) < len(answers):
        known = sorted({name for answer in answers for name in answer.services})
        raise UnknownService(url, sentinels.service, tuple(known))
    reasons = "; ".join(f"{show(answer.sentinel)}: {_reason(answer)}" for answer in silent)
    if all(isinstance(answer.problem, ServerRefused) for answer in silent):
        raise ServerRefused(url, f"its Sentinels do not let us in ({reasons})")
    raise ServerNotReady(f"none of its {len(answers)} Sentinels answers ({reasons})")


class SentinelGroup:
    """The Sentinels of one URL, each with a socket that is kept from one question to the next."""

    def __init__(self, url: RedisUrl, name: str) -> None:
        """`name` is shown by CLIENT LIST."""
        assert url.sentinels is not None
        self._url = url
        self._sentinels = url.sentinels
        self._name = name
        self._sockets: dict[Address, RedisSocket] = {}
        self._questions: dict[Address, asyncio.Task[Answer]] = {}

    async def find_primary(self) -> Address:
        """Ask all; returns as soon as more than half of them agree, within `ANSWER_S`.

        Raises:
            ServerNotReady: If nobody tells, for the moment.
            ServerRefused: If a password or the service's name is wrong.
        """
        asked = [self._question(address) for address in self._sentinels.addresses]
        waiting: set[asyncio.Task[Answer]] = set(asked)
        while waiting:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            answers = [question.result() for question in asked if question not in waiting]
            if any(2 * count > len(asked) for count in _named(answers).values()):
                break
        return choose(answers, self._sentinels, str(self._url))

    async def open_primary(
        self, previous: ServerSide | None
    ) -> tuple[RedisSocket, ServerSide, Address]:
        """Connect to the primary and have it say that it is one; see `open_socket`.

        Raises:
            ServerNotReady: If no primary is to be had, for the moment.
            ServerRefused: If a password or the service's name is wrong.
            OSError: If the primary cannot be reached within `CONNECT_S`.
        """
        address = await self.find_primary()
        try:
            async with asyncio.timeout(CONNECT_S):
                socket, side = await open_socket(
                    self._url.at(*address), self._name, previous, must_be_primary=True
                )
        except OSError as error:
            problem = str(error) or "it does not answer"
            raise ConnectionError(f"its Sentinels name {show(address)}: {problem}") from error
        return socket, side, address

    async def close(self) -> None:
        """End the sockets."""
        questions = list(self._questions.values())
        for question in questions:
            question.cancel()
        if questions:
            await asyncio.wait(questions)
        for socket in self._sockets.values():
            socket.abort("closed by us")
        self._sockets.clear()

    def _question(self, sentinel: Address) -> asyncio.Task[Answer]:
        """The question to one Sentinel, a new one if none is open: so there is one at most."""
        question = self._questions.get(sentinel)
        if question is None or question.done():
            question = asyncio.get_running_loop().create_task(self._ask(sentinel))
            self._questions[sentinel] = question
        return question

    async def _ask(self, sentinel: Address) -> Answer:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._ask_socket(sentinel, await self._socket(sentinel))
        except (OSError, ServerNotReady, ServerError) as error:
            # Silent ones too: TimeoutError is an OSError. What they may still say is not awaited.
            socket = self._sockets.pop(sentinel, None)
            if socket is not None:
                socket.abort(str(error))
            return Answer(sentinel, problem=error)

    async def _socket(self, sentinel: Address) -> RedisSocket:
        socket = self._sockets.get(sentinel)
        if socket is None or not socket.is_open:
            socket, _ = await open_socket(self._url.of_sentinel(sentinel), self._name, None)
            self._sockets[sentinel] = socket
        return socket

    async def _ask_socket(self, sentinel: Address, socket: RedisSocket) -> Answer:
        service = self._sentinels.service
        reply = await socket.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
        if reply is not None:
            return Answer(sentinel, (reply[0].decode(), int(reply[1])))
        services = [
            fields[at + 1].decode()
            for fields in await socket.ask("SENTINEL", "MASTERS")
            for at in range(0, len(fields), 2)
            if fields[at] == b"name"
        ]
        return Answer(sentinel, services=tuple(services))


def _named(answers: Iterable[Answer]) -> Counter[Address]:
    return Counter(answer.primary for answer in answers if answer.primary is not None)


def _reason(answer: Answer) -> str:
    problem = answer.problem
    if isinstance(problem, ServerRefused):
        return f"{problem.problem}; look at sentinel_username and sentinel_password"
    return str(problem) or f"silent for {ANSWER_S:g} s"
