"""A lobby that lists the tables where people are, by asking each of them.

Run it with `parlour dev examples/lobby/lobby.py` and open the address in two windows. A table tells
the lobby how it is whenever somebody comes or goes. Who comes to the lobby gets a fresh list: the
lobby asks all tables that it knows, all at once. Its clients get the list as JSON whenever it
changes, those of a table what the others there say.
"""

import asyncio
import json

from parlour import CallError, Connection, Request, Room

LOBBY = "lobby"  # there is one
TABLES_MAX = 50  # that it knows; the one that was heard of least recently is forgotten
TEXT_CHARS_MAX = 500


class Table(Room):
    """One table: who sits there hears what the others say."""

    async def on_start(self) -> None:
        self.last_words = await self.storage.get("last words", "")

    def on_connect(self, connection: Connection, request: Request) -> None:
        self.tell_lobby()

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        if isinstance(message, str) and message.strip():
            self.last_words = message.strip()[:TEXT_CHARS_MAX]
            self.storage.put("last words", self.last_words)
            self.broadcast(self.last_words)

    def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
        self.tell_lobby()

    def describe(self) -> dict[str, object]:
        """What the lobby asks for."""
        return {"table": self.id, "people": len(self.connections()), "said": self.last_words}

    def tell_lobby(self) -> None:
        # Not awaited: nothing here depends on it, and whoever waits for this table need not.
        self.parties.lobby.get(LOBBY).heard_of(self.describe())


class Lobby(Room):
    async def on_start(self) -> None:
        # What each table said last, the one that was heard of last first.
        self.tables: dict[str, dict[str, object]] = await self.storage.get("tables", {})

    async def on_connect(self, connection: Connection, request: Request) -> None:
        await self.ask_all()
        connection.send(self.listing())

    async def on_request(self, request: Request) -> str:
        await self.ask_all()
        return self.listing()

    def heard_of(self, told: dict[str, object]) -> None:
        """What a table tells when somebody has come or gone."""
        table = str(told["table"])
        others = {name: kept for name, kept in self.tables.items() if name != table}
        self.tables = dict(list({table: told, **others}.items())[:TABLES_MAX])
        self.storage.put("tables", self.tables)
        self.broadcast(self.listing())

    async def ask_all(self) -> None:
        """Ask all tables; of one that cannot answer now, what it said last stays."""
        asked = (self.parties.table.get(table).describe() for table in self.tables)
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, dict):
                self.tables[str(answer["table"])] = answer
            elif not isinstance(answer, CallError):
                raise answer

    def listing(self) -> str:
        """The tables where people are."""
        return json.dumps({"tables": [told for told in self.tables.values() if told["people"]]})
