"""Stubs: other rooms, as whoever calls them sees them.

`parties.chat.get("lobby")` stands for the room `lobby` of the party `chat`, whether it is live or
not: what is asked of it wakes it. A room has `parties` as `self.parties`; a program outside of all
rooms gets the same from `parlour.connect`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, Protocol

from .call_errors import NoSuchParty
from .calls import CALL_TIMEOUT_S, checked_size, pack_arguments
from .headers import header_pairs
from .messages import CONNECTION_ID_CHARACTERS_MAX, ROOM_ID_BYTES_MAX, RequestHead, RoomKey
from .response import Response

HOST = "parlour"  # in the URLs of requests that no client has sent


class Caller(Protocol):
    """Who takes calls to rooms."""

    @property
    def parties(self) -> Collection[str]:
        """Those that are known to be deployed; empty if that is not known here."""

    def call(
        self, key: RoomKey, method: str, arguments: bytes, timeout_s: float
    ) -> asyncio.Future[Any]: ...

    def fetch(
        self, key: RoomKey, request: RequestHead, body: bytes, timeout_s: float
    ) -> asyncio.Future[Response]: ...

    def connect(
        self, key: RoomKey, request: RequestHead, connection_id: str | None, timeout_s: float
    ) -> Coroutine[Any, Any, Any]: ...


class Parties:
    """The parties that are deployed: `parties.chat`, or `parties["chat"]` for any name."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __repr__(self) -> str:
        return f"<Parties {', '.join(sorted(self._caller.parties))}>"

    def __getitem__(self, name: str) -> Party:
        known = self._caller.parties
        if known and name not in known:
            raise NoSuchParty(f"there is no party {name!r}; deployed: {', '.join(sorted(known))}")
        return Party(self._caller, name)

    def __getattr__(self, name: str) -> Party:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]


class Party:
    """The rooms of a party."""

    def __init__(self, caller: Caller, name: str) -> None:
        self._caller = caller
        self._name = name

    def __repr__(self) -> str:
        return f"<Party {self._name}>"

    def get(self, room_id: str, *, timeout: float = CALL_TIMEOUT_S) -> Stub:
        """A stub of the room of that id; nothing is asked of it yet.

        `timeout` is in seconds, for each thing that is asked over the stub.

        Raises:
            TypeError: If the id is no str.
            ValueError: If no room can have this id (1 to 1,024 bytes of UTF-8), or `timeout` is
                not above 0.
        """
        if not isinstance(room_id, str):
            raise TypeError(f"room id {room_id!r} was given; it is a str")
        size_bytes = len(room_id.encode())
        if not 0 < size_bytes <= ROOM_ID_BYTES_MAX:
            raise ValueError(
                f"a room id of {size_bytes} bytes was given; it has 1 to {ROOM_ID_BYTES_MAX}"
            )
        if not timeout > 0:
            raise ValueError(f"a timeout of {timeout!r} s was given; it must be above 0")
        return Stub(self._caller, RoomKey(self._name, room_id), timeout)


class Stub:
    """Another room. Its public methods are called as if they were here: `await stub.add(2, 3)`.

    Public are the methods that its class, or a base of it other than `Room`, defines with `def` or
    `async def`, whose names do not begin with `_` and are not in `Room`. Arguments and results are
    copied: they must be storable values. A call is made, and takes its place in the order of the
    calls of this stub, when the method is called; what that returns is a future to be awaited.

    Each way to ask raises, when it is made or when it is awaited:
        Exception: What the method raised, if that is one of Python's own.
        RemoteError: Otherwise.
        DeadlockError: If the call would wait for the room that makes it.
        NoSuchParty, NoSuchMethod: If there is none.
        RoomUnavailable: If the room cannot be woken, has too much to do, or dies of it, twice.
        CallTimeout: If it does not answer in time.
        AnswerLost: If it has, perhaps, done what was asked, and its answer is gone.
        DataCloneError, CallTooLarge: If arguments or result cannot travel.
    """

    def __init__(self, caller: Caller, key: RoomKey, timeout_s: float) -> None:
        self._caller = caller
        self._key = key
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        return f"<Stub of {self._key}>"

    def __getattr__(self, name: str) -> Callable[..., asyncio.Future[Any]]:
        if name.startswith("_"):
            raise AttributeError(f"{name!r} is no public method: its name begins with `_`")

        def method(*args: Any, **kwargs: Any) -> asyncio.Future[Any]:
            arguments = pack_arguments(args, kwargs)
            return self._caller.call(self._key, name, arguments, self._timeout_s)

        method.__name__ = name
        return method

    def fetch(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | bytes = b"",
    ) -> asyncio.Future[Response]:
        """Send the room a request; what its `on_request` answers comes back whole.

        No edge hook runs. `path` is below the room and may have a query.

        Raises:
            ValueError: If `path` does not begin with `/`, or a header is not one line.
            TypeError: If `body` is neither str nor bytes.
        """
        if isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes | bytearray | memoryview):
            raise TypeError(f"a body of {type(body).__name__} was given; give str or bytes")
        data = checked_size(bytes(body), "a body")
        request = self._request(method, "http", path, headers)
        return self._caller.fetch(self._key, request, data, self._timeout_s)

    def connect(
        self,
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        id: str | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Open a socket to the room, which sees an ordinary connection; await this to get it.

        No edge hook runs. `path` is below the room and may have a query; `id` is the connection's
        id, by default a new one.

        Raises:
            ValueError: If the id is longer than a client's may be, `path` does not begin with `/`,
                or a header cannot be sent.
        """
        if id is not None and len(id) > CONNECTION_ID_CHARACTERS_MAX:
            raise ValueError(
                f"a connection id of {len(id)} characters was given, the most is "
                f"{CONNECTION_ID_CHARACTERS_MAX}"
            )
        request = self._request("GET", "ws", path, headers)
        return self._caller.connect(self._key, request, id, self._timeout_s)

    def _request(
        self, method: str, scheme: str, path: str, headers: Mapping[str, str] | None
    ) -> RequestHead:
        if not path.startswith("/"):
            raise ValueError(f"path {path!r} was given; it begins with `/`, below the room")
        room = f"/parties/{self._key.party}/{self._key.quoted_id}"
        pairs = header_pairs(headers or {})
        if not any(name.lower() == "host" for name, _ in pairs):
            pairs.insert(0, ("host", HOST))
        url = f"{scheme}://{HOST}{room}{'' if path == '/' else path}"
        return RequestHead(method.upper(), url, path.partition("?")[0], pairs)
