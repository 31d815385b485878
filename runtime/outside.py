"""Rooms as a program sees them that is no room: the same stubs, over HTTP, with a token.

Calls of one room are sent one after the other, so they keep their order. A call is one POST whose
answer is the room's; one that fails on its way is not tried again, since it may have been done.
"""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Callable, Collection, Coroutine
from types import TracebackType
from typing import Any, Self
from weakref import WeakValueDictionary

import aiohttp

from ..actors import messages
from ..actors.call_errors import AnswerLost, CallError, CallTimeout, RoomUnavailable
from ..actors.calls import CALL_BYTES_MAX, read_response, read_result
from ..actors.chain import chain_to
from ..actors.frames import pack_parts
from ..actors.messages import CallHead, RequestHead, RoomKey
from ..actors.response import Response
from ..actors.stubs import HOST, Parties
from .call_endpoint import HEADS_BYTES_MAX, PATH
from .room_socket import RoomSocket
from .room_url import server_url

URL_VARIABLE, TOKEN_VARIABLE = "PARLOUR_URL", "PARLOUR_TOKEN"
CONNECT_TIMEOUT_S = 10.0


def connect(url: str | None = None, *, token: str | None = None) -> Rooms:
    """The rooms of a running Parlour, for a program outside of them.

        async with parlour.connect() as rooms:
            await rooms.parties.counter.get("a").add(2)

    In a driver, a task or an actor of its Ray cluster nothing need be given. Elsewhere `url` is
    that of a gateway (`http://host:1999`), and `token` what `parlour token` shows; the environment
    variables PARLOUR_URL and PARLOUR_TOKEN stand for them.

    Raises:
        ValueError: If the URL is none.
    """
    url = url or os.environ.get(URL_VARIABLE)
    return Rooms(
        str(server_url(url)) if url else None, token or os.environ.get(TOKEN_VARIABLE) or None
    )


class Rooms:
    """What `connect` gives. Use it as `async with`; `parties` are as in a room."""

    def __init__(self, url: str | None, token: str | None) -> None:
        self._url = url
        self._token = token
        self._caller: HttpCaller | None = None

    def __repr__(self) -> str:
        return f"<Rooms of {self._url or 'this Ray cluster'}>"

    @property
    def parties(self) -> Parties:
        """The parties: `parties.chat.get("lobby")` is a stub of a room. See `Stub`."""
        if self._caller is None:
            raise RuntimeError("use it inside `async with parlour.connect(...) as rooms:`")
        return Parties(self._caller)

    async def __aenter__(self) -> Self:
        url, token = self._url, self._token
        if url is None or token is None:
            from .outside_ray import find_gateway

            found = await asyncio.to_thread(find_gateway)
            url, token = url or found.url, token or found.token
        self._caller = HttpCaller(url, token)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._caller is not None:
            await self._caller.close()
            self._caller = None


class HttpCaller:
    """Takes calls to rooms by way of a gateway's port."""

    def __init__(self, url: str, token: str) -> None:
        self.parties: Collection[str] = ()  # the gateway knows
        self._url = url
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {token}"}
        self._session = aiohttp.ClientSession(timeout=timeout, headers=headers)
        self._turns: WeakValueDictionary[RoomKey, asyncio.Lock] = WeakValueDictionary()
        self._sockets: set[RoomSocket] = set()

    def call(
        self, key: RoomKey, method: str, arguments: bytes, timeout_s: float
    ) -> asyncio.Future[Any]:
        """See `Stub`."""
        head = CallHead(method, chain=chain_to(key))
        return self._post(key, head, arguments, read_result, timeout_s)

    def fetch(
        self, key: RoomKey, request: RequestHead, body: bytes, timeout_s: float
    ) -> asyncio.Future[Response]:
        """See `Stub`."""
        head = CallHead("", request, chain_to(key))
        return self._post(key, head, body, read_response, timeout_s)

    async def connect(
        self, key: RoomKey, request: RequestHead, connection_id: str | None, timeout_s: float
    ) -> RoomSocket:
        """Open a socket as any client does: edge hooks run, and it reconnects by itself."""
        below = request.url.removeprefix(f"ws://{HOST}/parties/{key.party}/{key.quoted_id}")
        headers = {name: value for name, value in request.headers if value != HOST}
        socket = RoomSocket(
            self._url, key.id, party=key.party, id=connection_id, path=below or "/", headers=headers
        )
        self._sockets.add(socket)
        socket.start()
        try:
            async with asyncio.timeout(timeout_s):
                await socket.opened()
        except BaseException as error:
            await socket.close()
            if isinstance(error, TimeoutError):
                raise CallTimeout(
                    f"room {key} did not let this in within {timeout_s:g} s"
                ) from None
            raise
        return socket

    async def close(self) -> None:
        """Close the connections."""
        for socket in self._sockets:
            await socket.close()
        await self._session.close()

    def _post(
        self,
        key: RoomKey,
        head: CallHead,
        body: bytes,
        read: Callable[[bytes], Any],
        timeout_s: float,
    ) -> asyncio.Future[Any]:
        call = pack_parts(messages.encode(head), body)
        sending = self._send_in_turn(key, pack_parts(messages.encode(key), call), read, timeout_s)
        return asyncio.get_running_loop().create_task(sending)

    def _send_in_turn(
        self, key: RoomKey, body: bytes, read: Callable[[bytes], Any], timeout_s: float
    ) -> Coroutine[Any, Any, Any]:
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = asyncio.Lock()

        async def send() -> Any:
            try:
                async with asyncio.timeout(timeout_s), turn:
                    answer = await self._send(key, body)
            except TimeoutError:
                raise CallTimeout(
                    f"room {key} did not answer within {timeout_s:g} s; what it was asked may "
                    "have been done, or will be"
                ) from None
            return read(answer)

        return send()

    async def _send(self, key: RoomKey, body: bytes) -> bytes:
        try:
            async with self._session.post(self._url + PATH, data=io.BytesIO(body)) as response:
                if response.status != 200:
                    text = (await response.text(errors="replace")).strip()
                    raise CallError(
                        f"the gateway at {self._url} answered {response.status}: {text}"
                    )
                return await self._read(response)
        except aiohttp.ClientConnectorError as error:
            raise RoomUnavailable(f"no gateway answers at {self._url}: {error}") from None
        except aiohttp.ClientError as error:
            raise AnswerLost(
                f"the gateway at {self._url} was lost before room {key} had answered: "
                f"{type(error).__name__}; what was asked may have been done"
            ) from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        limit = CALL_BYTES_MAX + HEADS_BYTES_MAX
        data = await response.content.read(limit + 1)
        while not response.content.at_eof() and len(data) <= limit:
            data += await response.content.read(limit + 1 - len(data))
        if len(data) > limit:
            raise CallError(f"the answer is over {limit} bytes")
        return data
