"""The rooms that Parlour runs in the benchmarks; peers/workerd/worker.js does the same work.

Each answers a message with the message, to its sender or to everybody, after its work is done.
"""

from parlour import Connection, Response, Room
from parlour import Request as HttpRequest

KEYS = 1000
AT_ONCE = 128  # keys in one put
VALUE = "x" * 64
MANY, LARGE_VALUE = 20_000, "x" * 1024  # more than a room's cache of 16 MiB holds


class Echo(Room):
    """Answers at once."""

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        """Answer."""
        connection.send(message)


class EchoShared(Echo):
    """The same in rooms that share processes, as a class with many of them would have it."""

    rooms_per_actor = 50


class Request(Room):
    """Answers requests with their body."""

    def on_request(self, request: HttpRequest) -> Response:
        """Answer."""
        return Response(request.body)


class Relay(Room):
    """Answers with what another room answers, one message after the other."""

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        """Call and answer."""
        connection.send(await self.parties.said.get("other").say(message))


class RelayInterleaved(Relay):
    """The same with the rule of Durable Objects: other messages are handled during the call."""

    interleave = True


class Said(Room):
    """The room that is called."""

    def say(self, message: str | bytes) -> str | bytes:
        """Give it back."""
        return message


class Fanout(Room):
    """Answers to everybody, the sender included."""

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        """Pass it on."""
        self.broadcast(message)


class Put(Room):
    """Stores the message; the answer leaves once that is durable."""

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        """Store under one of 1,000 keys and answer."""
        self.storage.put(key_of(message), message)
        connection.send(message)


class PutShared(Put):
    """The same in small rooms that share processes, as a class with many of them would have it."""

    rooms_per_actor = 50


class Get(Room):
    """Answers once it has read a key."""

    async def on_start(self) -> None:
        """Write what will be read."""
        await fill(self, KEYS)

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        """Read one of 1,000 keys and answer."""
        if await self.storage.get(key_of(message)) == VALUE:
            connection.send(message)


class GetMany(Room):
    """Answers once it has read a key that was not read for longest, among more than are cached."""

    async def on_start(self) -> None:
        """Write what will be read."""
        self.turn = 0
        await fill(self, MANY, LARGE_VALUE)

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        """Read the key whose turn it is and answer."""
        self.turn = (self.turn + 1) % MANY
        if await self.storage.get(f"key-{self.turn:08}") == LARGE_VALUE:
            connection.send(message)


class List100(Room):
    """Answers once it has listed 100 keys with their values."""

    async def on_start(self) -> None:
        """Write what will be listed."""
        await fill(self, 100)

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        """List and answer."""
        if len(await self.storage.list()) == 100:
            connection.send(message)


class List10000(Room):
    """Answers once it has listed 10,000 keys with their values."""

    async def on_start(self) -> None:
        """Write what will be listed."""
        await fill(self, 10_000)

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        """List and answer."""
        if len(await self.storage.list()) == 10_000:
            connection.send(message)


class Cold(Room):
    """Counts its messages in storage: what nearly every room does when it wakes and after."""

    rooms_per_actor = 100

    async def on_start(self) -> None:
        """Go on where the room had stopped."""
        self.count: int = await self.storage.get("count", 0)
        self.handled = 0  # by this instance: lost when the room hibernates

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        """Count, store, and tell how many this instance has handled."""
        connection.send(self.counted())

    def on_request(self, request: HttpRequest) -> str:
        """The same over HTTP."""
        return self.counted()

    def counted(self) -> str:
        """One more."""
        self.count += 1
        self.handled += 1
        self.storage.put("count", self.count)
        return f"{self.handled} of {self.count}"


class ColdAlone(Cold):
    """The default: each room has a process of its own."""

    rooms_per_actor = 1


class Dense(Cold):
    """Stays awake while it has connections, even if other rooms wait for a place."""

    rooms_per_actor = 500
    hibernate = False


class Asleep(Cold):
    """Hibernates after the default time."""

    rooms_per_actor = 500


def key_of(message: str | bytes) -> str:
    """The key that a message is about: by the low half of its number."""
    return f"key-{int(message[8:16], 16) % KEYS:08}"


async def fill(room: Room, count: int, value: str = VALUE) -> None:
    """Store so many keys."""
    for start in range(0, count, AT_ONCE):
        keys = range(start, min(start + AT_ONCE, count))
        await room.storage.put({f"key-{key:08}": value for key in keys})
