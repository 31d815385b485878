"""The limit: a WebSocket server in one process that does the work and nothing else.

picows on uvloop: no rooms that outlive a process, no storage, no isolation, no limits. What a room
server in Python could reach at most.
"""

import asyncio
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.process import ServerProcess, free_port


class BareServer:
    """Runs this file as a server."""

    def __init__(self, folder: Path) -> None:
        self._process = ServerProcess("bare", folder)

    def start(self) -> str:
        """Start; the URL of any room."""
        port = free_port()
        self._process.start([sys.executable, "-m", "benchmarks.peers.bare_ws", str(port)])
        self._process.wait_for_port(port)
        return f"ws://127.0.0.1:{port}/parties/{{party}}/{{room}}"

    def stop(self) -> int:
        """End the process."""
        return self._process.stop()

    def versions(self) -> dict[str, str]:
        """aiofastnet: transports that picows uses where they are installed."""
        return {name: version(name) for name in ("picows", "aiofastnet", "uvloop")}


async def serve(port: int) -> None:
    """Broadcast under /parties/fanout/, echo under all else."""
    import picows  # here: only this process needs the package

    rooms: dict[bytes, set[picows.WSTransport]] = {}

    class Echo(picows.WSListener):
        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())

    class Fanout(picows.WSListener):
        def on_ws_connected(self, transport: picows.WSTransport) -> None:
            self.room = rooms.setdefault(transport.request.path, set())
            self.room.add(transport)

        def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
            self.room.discard(transport)

        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            payload = frame.get_payload_as_bytes()
            data = frame_head(len(payload)) + payload  # once: the same bytes serve every socket
            for receiver in self.room:
                receiver.underlying_transport.write(data)

    def listener(request: picows.WSUpgradeRequest) -> picows.WSListener:
        return Fanout() if request.path.startswith(b"/parties/fanout/") else Echo()

    server = await picows.ws_create_server(listener, "127.0.0.1", port)
    await server.serve_forever()


def frame_head(size_bytes: int) -> bytes:
    """First bytes of a whole text frame from a server."""
    if size_bytes < 126:
        return bytes([0x81, size_bytes])
    if size_bytes < 65_536:
        return bytes([0x81, 126]) + size_bytes.to_bytes(2, "big")
    return bytes([0x81, 127]) + size_bytes.to_bytes(8, "big")


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
