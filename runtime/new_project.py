"""The project that `parlour init` writes: it runs, it has a page, and its tests pass."""

from __future__ import annotations

import re
from pathlib import Path

from .code import CannotLoad

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

_TOML = """\
name = "{name}"

[parties]                     # which class answers at /parties/<party>/<room>
main = "rooms:Counter"        # and, for main, at /party/<room>

[assets]
folder = "public"             # static files, served at /

[env]                         # Room.env; .env and the environment may say otherwise
GREETING = "Hello"

# [crons]                     # call the main class's `on_cron(cron, lobby)`, in UTC
# sweep = "0 3 * * *"
"""

_ROOMS = '''\
"""Counters: one per room, shared by whoever looks at it."""

from parlour import Connection, Request, Room


class Counter(Room):
    async def on_start(self) -> None:
        self.count = await self.storage.get("count", 0)

    def on_connect(self, connection: Connection, request: Request) -> None:
        connection.send(str(self.count))

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        self.count += 1
        self.storage.put("count", self.count)
        self.broadcast(str(self.count))  # leaves once the count is durable

    def on_request(self, request: Request) -> dict[str, object]:
        return {"greeting": self.env["GREETING"], "room": self.id, "count": self.count}
'''

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{name}</title>
<style>
  body { font: 1.2rem system-ui, sans-serif; display: grid; place-items: center; height: 90vh; }
  button { font: inherit; padding: .6em 1.2em; }
</style>
<main>
  <p>Clicked <strong id="count">...</strong> times, by everybody who has this page open.</p>
  <button>Click</button>
</main>
<script>
  const room = new URLSearchParams(location.search).get("room") || "lobby";
  const url = `${location.protocol.replace("http", "ws")}//${location.host}/party/${room}`;
  let socket;
  function connect() {
    socket = new WebSocket(url);
    socket.onmessage = (event) => (document.getElementById("count").textContent = event.data);
    socket.onclose = () => setTimeout(connect, 1000 + 1000 * Math.random());
  }
  connect();
  document.querySelector("button").onclick = () => socket.send("click");
</script>
</html>
"""

_TEST = '''\
"""The rooms' tests: `pip install "parlour[testing]"`, then `pytest`."""

import pytest

from rooms import Counter

pytestmark = pytest.mark.asyncio


async def test_everybody_sees_a_click(rooms):
    lobby = rooms.room(Counter, "lobby")
    alice, bob = await lobby.connect("alice"), await lobby.connect("bob")

    await alice.send("click")

    assert await bob.received() == ["0", "1"]


async def test_a_click_that_was_shown_is_never_lost(rooms):
    lobby = rooms.room(Counter, "lobby")
    alice = await lobby.connect("alice")
    await alice.send("click")

    await lobby.crash()
    await alice.send("click")

    assert await alice.received() == ["0", "1", "2"]
    assert await lobby.stored() == {"count": 2}
'''

_CONFTEST = """\
pytest_plugins = ["parlour.testing"]
"""

_GITIGNORE = """\
.env
.parlour/
.venv/
__pycache__/
"""

FILES = {
    "parlour.toml": _TOML,
    "rooms.py": _ROOMS,
    "public/index.html": _PAGE,
    "test_rooms.py": _TEST,
    "conftest.py": _CONFTEST,
    ".gitignore": _GITIGNORE,
}


def write(folder: Path) -> list[str]:
    """Write a project into a new folder, or an empty one; returns its files.

    Raises:
        CannotLoad: If the folder has something in it, cannot be written, or has a name that no
            project can have.
    """
    name = folder.resolve().name
    if not _NAME.fullmatch(name):
        raise CannotLoad(
            f"{name!r} cannot be the name of a project; use letters, digits, `_`, `-` and `.`"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CannotLoad(f"{folder} has files in it; name a folder that is new, or empty")
        for path, text in FILES.items():
            file = folder / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text.replace("{name}", name))
    except OSError as error:
        raise CannotLoad(f"{folder} cannot be written: {error.strerror or error}") from error
    return list(FILES)
