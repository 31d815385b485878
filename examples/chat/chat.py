"""A chat: whoever is in a room sees who else is and what is said; newcomers see the last messages.

Run it with `parlour dev examples/chat/chat.py` and open the address in two browser tabs. Clients
send JSON, {"name": ..., "text": ...}, or plain text; what they get is JSON with a "type". Who a
client is it says with `?name=` when it connects, and with {"rename": ...} later.
"""

import json
import time

from parlour import Connection, Request, Response, Room

SHOWN = 50  # messages that a newcomer gets
KEPT = 1_000  # messages that a room keeps; older ones are forgotten
NAME_CHARS_MAX = 40
TEXT_CHARS_MAX = 2_000
NAMES_TOLD = 20  # of those who are in the room
SOMEBODY = "Somebody"


class Chat(Room):
    async def on_start(self) -> None:
        newest = await self.storage.list(prefix="message:", reverse=True, limit=1)
        self.number = max((int(key.removeprefix("message:")) for key in newest), default=0)

    async def on_connect(self, connection: Connection, request: Request) -> None:
        newest = await self.storage.list(prefix="message:", reverse=True, limit=SHOWN)
        messages = list(newest.values())[::-1]
        connection.send(json.dumps({"type": "history", "messages": messages}))
        connection.set_state(name_of(request.query.get("name")))  # kept while the room sleeps
        self.tell_who_is_here()

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        sent = parsed(message)
        if "rename" in sent:
            connection.set_state(name_of(sent["rename"]))
            self.tell_who_is_here()
        said = said_in(sent)
        if not said["text"]:
            return
        self.number += 1
        self.storage.put(f"message:{self.number:012}", said)
        self.storage.delete(f"message:{self.number - KEPT:012}")
        self.broadcast(json.dumps({"type": "message", "message": said}))

    def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
        self.tell_who_is_here()

    def on_request(self, request: Request) -> Response:
        return Response.json({"room": self.id, "messages": self.number})

    def tell_who_is_here(self) -> None:
        names = [connection.state or SOMEBODY for connection in self.connections()]
        people = {"type": "people", "count": len(names), "names": names[:NAMES_TOLD]}
        self.broadcast(json.dumps(people))


def parsed(message: str | bytes) -> dict[str, object]:
    """What a client sent; what is no JSON object is a text."""
    try:
        sent = json.loads(message)
    except (ValueError, RecursionError):
        sent = None
    if isinstance(sent, dict):
        return sent
    return {"text": message if isinstance(message, str) else message.decode(errors="replace")}


def said_in(sent: dict[str, object]) -> dict[str, str | int]:
    """What a client said, cut to size, with the time at which it was."""
    return {
        "author": str(sent.get("author", ""))[:NAME_CHARS_MAX],  # which browser tab it was
        "name": name_of(sent.get("name")),
        "text": str(sent.get("text", "")).strip()[:TEXT_CHARS_MAX],
        "at": int(time.time() * 1000),
    }


def name_of(given: object) -> str:
    """The name that a client gave itself, cut to size."""
    return str(given or "").strip()[:NAME_CHARS_MAX] or SOMEBODY
