"""workerd, the runtime of Durable Objects, with a Worker that does the same work.

Installed with npm from its registry, once, at a pinned version, into the build folder.

A Durable Object can take its WebSockets in two ways, and both are measured. With `accept()` it is
faster, but stays in memory as long as a socket is open: the peer `workerd`, to which the ratios
refer. With the hibernation API (`acceptWebSocket()`) its sockets outlive it, as those of a Parlour
room do: the peer `workerd-hibernating`. See workerd/worker.js.
"""

from pathlib import Path

from benchmarks.peers.installed import node_modules_with
from benchmarks.peers.process import PeerFailed, ServerProcess, free_port

VERSION = "1.20261117.1"
CONFIG = Path(__file__).parent / "workerd" / "config.capnp"


class WorkerdServer:
    """`workerd serve` on a free port with a storage folder of its own."""

    parties = "parties"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "workerd"
        self._process = ServerProcess("workerd", folder)

    def start(self) -> str:
        """Install if need be, start; the URL of any room."""
        program, port = install(self._folder), free_port()
        address, disk = f"http=127.0.0.1:{port}", f"disk={self._process.data}"
        options = ["--socket-addr", address, "--directory-path", disk]
        self._process.start([str(program), "serve", str(CONFIG), *options])
        self._process.wait_for_port(port)
        return f"ws://127.0.0.1:{port}/{self.parties}/{{party}}/{{room}}"

    @property
    def pid(self) -> int:
        """The id of its one process."""
        return self._process.pid

    def stop(self) -> int:
        """End the process."""
        return self._process.stop()

    def versions(self) -> dict[str, str]:
        """The pinned one."""
        return {"workerd": VERSION}


class HibernatingWorkerdServer(WorkerdServer):
    """The same, with Durable Objects that use the hibernation API."""

    parties = "hibernating"


def install(folder: Path) -> Path:
    """The workerd program, installed if it is not there in the pinned version.

    Raises:
        PeerFailed: npm is missing or could not install it.
    """
    modules = node_modules_with(folder, [f"workerd@{VERSION}"])
    # The executable itself comes in a package named after the platform.
    program = next((modules / "@cloudflare").glob("workerd-*/bin/workerd"), None)
    if program is None:
        raise PeerFailed(f"workerd {VERSION} has no program for this platform")
    return program
