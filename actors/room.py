"""`Room`: what an application subclasses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from ..storage import Storage
from .connection import ClientError, Connection
from .offload import offload
from .request import Request
from .response import Response
from .room_context import RoomContext
from .schedules import AlarmInfo, Schedule
from .stubs import Parties


class Room:
    """A small stateful server: one per chat, document, game or device.

    There is one live instance per party and id. Its hooks are called one at a time; each may be
    `def` or `async def`. Attributes are lost when the room hibernates; `storage` and the
    connections' states are not. A hook that raises is logged and the room goes on.
    """

    hibernate_after: float = 10.0
    """Seconds without an event after which the room leaves its process. Its sockets stay open."""

    hibernate: bool = True
    """False keeps a room in its process as long as it has connections."""

    max_lifetime: float | None = None
    """Seconds after which the room leaves its process, idle or not; its next event wakes it."""

    memory_limit: int = 256 * 1024 * 1024
    """Bytes that the room's process may grow by; past it the room is reset, and logged.

    A value of 64 MiB takes some 150 MiB while `put_large` stores it, and as many while it is read.
    """

    rooms_per_actor: int = 1
    """Rooms of this class that may share a process. With 1 each is a Ray actor of its own."""

    interleave: bool = False
    """True lets other events begin while a hook awaits something other than storage.

    After a crash, events that were under way are handled again, and with them those that began
    after the oldest of them, even if their writes were durable: make such hooks repeatable.
    """

    handler_timeout: float = 30.0
    """Seconds that a hook may take; then it is cancelled and its client is told."""

    send_buffer: int = 4 * 1024 * 1024
    """Bytes that may wait for a client to read them before the next message; at least 64 KiB."""

    slow_client: str = "close"
    """What happens past `send_buffer`: "close" closes the connection with 1013, "drop_oldest" drops
    the messages that have waited longest, as few as possible, and the connection stays."""

    body_limit: int = 16 * 1024 * 1024
    """Bytes of a request's body that is read whole before the room sees it, 64 MiB at most; a
    longer one is refused with 413, unless `stream_bodies` is True."""

    stream_bodies: bool = False
    """True hands a body over `body_limit`, however long, to `Request.stream()` piece by piece.

    A request with a whole body is handled again after a crash of its process. One that is streamed
    cannot be: its client gets 502.
    """

    cors: bool | list[str] | dict[str, Any] = False
    """Which pages of other origins may read what `on_request` answers; WebSockets heed it not.

    True: any, with GET, POST, HEAD and OPTIONS, remembered for a day. A list: these origins. A
    dict: some of `origins`, `methods`, `headers`, `expose`, `max_age` (seconds) and `credentials`.
    If it is set the gateway answers OPTIONS by itself, before any hook.
    """

    num_cpus: float = 0
    """Processors that Ray sets aside for each room actor of this class; it may wait for them.

    With this or one of the three below a room wakes on a node that has what it asks for, and no
    process is kept waiting for it: it wakes in the seconds that one takes to start. Ray keeps books
    of what is asked for and limits nothing.
    """

    num_gpus: float = 0
    """GPUs for each room actor, or a part of one; those that it may use Ray names to it."""

    memory: int = 0
    """Bytes of its node's memory that Ray sets aside for each room actor; see `memory_limit`."""

    resources: Mapping[str, float] = {}
    """Resources by the names that nodes were started with (`ray start --resources`)."""

    _context: RoomContext

    @classmethod
    def _build(cls, context: RoomContext) -> Room:
        # Before __init__, so that a room's own __init__ may already use id, name and storage.
        room = cls.__new__(cls)
        room._context = context
        room.__init__()  # type: ignore[misc]
        return room

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._context.key}>"

    @property
    def id(self) -> str:
        """The room's id, decoded from the URL."""
        return self._context.key.id

    @property
    def name(self) -> str:
        """The room's party: the name under which its class is deployed."""
        return self._context.key.party

    @property
    def storage(self) -> Storage:
        """The room's own key-value storage."""
        return self._context.storage

    @property
    def env(self) -> Mapping[str, str]:
        """The project's variables: those of its `parlour.toml` and `.env`, and nothing else."""
        return self._context.env

    @property
    def parties(self) -> Parties:
        """Other rooms: `self.parties.chat.get("lobby")` is a stub of one. See `Stub`.

        A call leaves once every earlier write of this room is durable. While this room waits for
        an answer it handles no other event, unless `interleave` is True.
        """
        return Parties(self._context.calls)

    def connections(self, tag: str | None = None) -> list[Connection]:
        """The open connections, oldest first; with `tag`, those that have it."""
        connections = self._context.open_connections()
        return connections if tag is None else [c for c in connections if tag in c.tags]

    def connection(self, connection_id: str) -> Connection | None:
        """The open connection with an id, or None.

        There is never more than one: when a client connects with the id of one that is open, the
        newer takes its place. The older is closed with 4409, and `on_close` runs for it before
        `on_connect` does for the newer.
        """
        return self._context.connection(connection_id)

    def broadcast(self, message: str | bytes, without: Iterable[str] = ()) -> None:
        """Send to every open connection but those whose ids are listed.

        Never blocks; leaves once every earlier write is durable, like `Connection.send`.

        Raises:
            TypeError: If `message` is neither str nor bytes, or `without` is no list of
                ids.
            ValueError: If the message is over the limit that `Connection.send` has.
        """
        self._context.broadcast(message, without)

    def set_auto_response(self, request: str | None, response: str = "") -> None:
        """Have the gateway answer the exact text `request` with `response`, for every connection.

        The room is neither woken nor told. There is one such pair per room; it is kept while the
        room has connections. None clears it. Use it for the pings of clients.

        Raises:
            TypeError: If either is not str.
            ValueError: If either is over `AUTO_RESPONSE_BYTES_MAX` bytes.
        """
        self._context.set_auto_response(request, response)

    async def offload(
        self,
        fn: Callable[..., Any],
        *args: Any,
        num_cpus: float = 1,
        num_gpus: float = 0,
        **kwargs: Any,
    ) -> Any:
        """Run `fn(*args, **kwargs)` as a Ray task, without holding up the room's process.

        The function and its arguments travel to another process; it must not use the room. With
        the default of `interleave = False` the room's next event waits for the result all the
        same; with True it does not. A crash of the task is raised here and not tried again.

        Raises:
            Exception: What the function raised, as itself.
        """
        return await offload(fn, *args, num_cpus=num_cpus, num_gpus=num_gpus, **kwargs)

    def schedule(
        self, name: str, *, at: datetime | float | None = None, cron: str | None = None
    ) -> None:
        """Have `on_alarm` called at a time, or whenever a cron expression says, under a name.

        `at` is a datetime (one without a time zone is local time) or seconds since the epoch; a
        time that has passed is due at once. `cron` is minute, hour, day of the month, month and
        day of the week, as in "*/5 * * * *", in UTC; a sixth field in front is the second. A
        schedule of that name is replaced. Like `storage.set_alarm`, which sets the room's one
        unnamed alarm, it is part of what is written with it, in a transaction too.

        Raises:
            InvalidSchedule: If the name has not 1 to 256 bytes, the expression is none or never
                fires, or the room has 1,000 schedules already.
            ValueError: If `at` is not between 1970 and 10000.
        """
        self._context.alarms.schedule(name, at, cron)

    def unschedule(self, name: str) -> bool:
        """Delete a schedule; tells whether it existed. One that is running is not tried again."""
        return self._context.alarms.unschedule(name)

    def schedules(self) -> dict[str, Schedule]:
        """The schedules by name, the next one first, without one that fires once and is running."""
        return self._context.alarms.schedules()

    # Hooks. The edge hooks - `on_before_connect`, `on_before_request`, `on_fetch`, `on_cron` - are
    # not among them, as having one costs each request a question: see `actors/edge_hooks.py`.

    def on_start(self) -> Any:
        """Runs before any other hook, at first use and after every wake.

        If it raises, the event that woke the room fails and the next one tries again.
        """

    def get_connection_tags(self, connection: Connection, request: Request) -> Any:
        """The tags of a new connection: up to 9 str of up to 256 characters; the id is one anyway.

        Runs before `on_connect`. If it raises, or gives other tags, the connection is closed with
        1011.
        """
        return ()

    def on_connect(self, connection: Connection, request: Request) -> Any:
        """A client wants in. It is let in when this returns; what is sent here arrives first.

        If it raises or takes too long, the connection is closed with 1011, and `on_close` does not
        run for it.
        """

    def on_message(self, connection: Connection, message: str | bytes) -> Any:
        """A message came: text as str, binary as bytes. If it raises, the connection stays."""

    def on_error(self, connection: Connection, error: ClientError) -> Any:
        """A client broke the protocol or a limit, and is being closed for it; `on_close` follows.

        `error.code` is the close code: 1002 for a breach of the WebSocket protocol, 1007 for text
        that is not UTF-8, 1009 for a message that is too long, 1013 for a client that did not read
        what it was sent. A connection that was lost is none of these: it has `on_close` alone.
        """

    def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> Any:
        """A connection has ended, and is not among `connections()` any more.

        Runs once per connection; `code` is 1006 and `was_clean` False for one that was lost.
        """

    def on_alarm(self, info: AlarmInfo) -> Any:
        """An alarm or a schedule is due: at least once, after its time, hibernated or not.

        If it raises, or takes too long, it is tried again after 2 seconds, doubling, six times;
        what it has written stays. It is not among `schedules()` or `get_alarm()` while it runs;
        setting it anew replaces the retry. What was missed while the room could not run fires
        once, late, not once per missed tick. Of a class without this method alarms are dropped.
        """

    def on_stop(self, reason: str) -> Any:
        """The room is about to leave its process in good order; no event is in hand.

        `reason` is "hibernate", "deploy", "move", "shutdown", "memory" or "lifetime". What is
        written here is stored. It may take `STOP_TIMEOUT_S` seconds, and does not run in a crash.
        """

    def on_request(self, request: Request) -> Any:
        """An HTTP request to the room. Return a `Response`, str, bytes or a dict (JSON).

        HEAD comes here too, and is answered without the body. If it raises, the client gets status
        500 and not the reason.
        """
        return Response("this room answers no HTTP requests: it has no on_request\n", 404)
