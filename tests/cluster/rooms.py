"""Rooms for the tests on hosts; deployed as a file, as a user's would be."""

import os
import socket

from parlour import Connection, Request, Room


class Talk(Room):
    """Counts what is said, tells everybody, and says where it runs when it is asked."""

    hibernate_after = 60

    async def on_start(self) -> None:
        self.said: int = await self.storage.get("said", 0)

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        if message == "where?":
            connection.send(f"{socket.gethostname()} {os.getpid()}")
            return
        self.say(str(message))

    def say(self, text: str) -> str:
        """Say something here, also from another room; returns where that was."""
        self.said += 1
        self.storage.put("said", self.said)
        self.broadcast(f"{self.said}: {text}")
        return socket.gethostname()

    def on_request(self, request: Request) -> dict[str, int | str]:
        return {"said": self.said, "where": socket.gethostname()}


class Rare(Talk):
    """The same where there is something that most nodes have not."""

    resources = {"parlour_test": 1}


class Chat(Talk):
    """The same under the name that the documentation uses."""


class Caller(Room):
    """Says in rooms of `Talk` what their names are, and tells where that was."""

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        where = await self.parties.talk.get(str(message)).say(f"here is {message!s}")
        connection.send(f"from {socket.gethostname()} to {where}")
