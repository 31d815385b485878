"""The rooms that Parlour runs in the benchmarks; peers/workerd/worker.js does the same work."""

from parlour import Connection, Room


class Echo(Room):
    """Answers each message with itself."""

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        """Answer."""
        connection.send(message)


class Fanout(Room):
    """Sends each message to everybody, the sender included."""

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        """Pass it on."""
        self.broadcast(message)
