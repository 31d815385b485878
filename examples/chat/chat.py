"""A chat: whoever is in a room sees what is said there, newcomers see the last messages.

Run it with `parlour dev examples/chat/chat.py` and open the address in two browser tabs. Clients
send JSON, {"name": ..., "text": ...}, or plain text; what they get is JSON with a "type".
"""

import json
import time

from parlour import Connection, Request, Response, Room

SHOWN = 50  # messages that a newcomer gets
KEPT = 1_000  # messages that a room keeps; older ones are forgotten
NAME_CHARS_MAX = 40
TEXT_CHARS_MAX = 2_000


class Chat(Room):
    async def on_start(self) -> None:
        newest = await self.storage.list(prefix="message:", reverse=True, limit=1)
        self.number = max((int(key.removeprefix("message:")) for key in newest), default=0)

    async def on_connect(self, connection: Connection, request: Request) -> None:
        newest = await self.storage.list(prefix="message:", reverse=True, limit=SHOWN)
        messages = list(newest.values())[::-1]
        connection.send(json.dumps({"type": "history", "messages": messages}))
        self.tell_how_many()

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        said = read(message)
        if not said["text"]:
            return
        self.number += 1
        self.storage.put(f"message:{self.number:012}", said)
        self.storage.delete(f"message:{self.number - KEPT:012}")
        self.broadcast(json.dumps({"type": "message", "message": said}))

    def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
        self.tell_how_many()

    def on_request(self, request: Request) -> Response:
        return Response.json({"room": self.id, "messages": self.number})

    def tell_how_many(self) -> None:
        self.broadcast(json.dumps({"type": "people", "count": len(self.connections())}))


def read(message: str | bytes) -> dict[str, str | int]:
    """What a client said, cut to size, with the time at which it was."""
    try:
        sent = json.loads(message)
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        text = message if isinstance(message, str) else message.decode(errors="replace")
        sent = {"text": text}
    return {
        "author": str(sent.get("author", ""))[:NAME_CHARS_MAX],  # which browser tab it was
        "name": str(sent.get("name", "")).strip()[:NAME_CHARS_MAX] or "Somebody",
        "text": str(sent.get("text", "")).strip()[:TEXT_CHARS_MAX],
        "at": int(time.time() * 1000),
    }
