"""Chats in Python as people write them today: FastAPI, Django Channels, python-socketio.

Each is one short file in apps/, runs under uvicorn with uvloop and httptools, in an environment of
its own, and uses a Valkey of its own (`appendfsync everysec`, on a Unix socket) the way its
documentation says, so that more processes could serve the same rooms. An echo needs no other
process and does without it where the framework does.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.installed import python_with
from benchmarks.peers.process import ServerProcess, free_port

if TYPE_CHECKING:
    from parlour.storage import EmbeddedServer

APPS = Path(__file__).parent / "apps"
UVICORN = ("uvicorn[standard]==0.54.0", "uvloop==0.23.0", "httptools==0.9.0", "websockets==17.4")
REDIS = ("redis==8.1.0", "hiredis==3.5.0")


class AsgiServer:
    """`uvicorn <app>:app` on a free port."""

    app: str  # the file in apps/, without its ending
    requirements: tuple[str, ...]
    url = "ws://127.0.0.1:{port}/parties/{{party}}/{{room}}"

    def __init__(self, folder: Path) -> None:
        self._environment = folder / f"{self.app}-environment"
        self._process = ServerProcess(self.app, folder)
        self._valkey_folder = folder / f"{self.app}-valkey"
        self._valkey: EmbeddedServer | None = None

    def start(self) -> str:
        """Install if need be, start both; the URL of any room."""
        from parlour.storage import EmbeddedServer  # here: other peers need no Parlour

        python, port = python_with(self._environment, self.requirements), free_port()
        shutil.rmtree(self._valkey_folder, ignore_errors=True)
        self._valkey = EmbeddedServer(self._valkey_folder, durability="everysec")
        self._valkey.start()
        command = [str(python), "-m", "uvicorn", "--app-dir", str(APPS), f"{self.app}:app"]
        options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
        environment = {**os.environ, "REDIS_URL": self._valkey.url}
        self._process.start([*command, *options, "--no-access-log"], environment)
        self._process.wait_for_port(port)
        return self.url.format(port=port)

    def stop(self) -> int:
        """End both; how many processes the server left behind."""
        left = self._process.stop()
        if self._valkey is not None:
            self._valkey.stop()
        shutil.rmtree(self._valkey_folder, ignore_errors=True)
        return left

    def versions(self) -> dict[str, str]:
        """The pinned ones."""
        pins = (requirement.split("==") for requirement in self.requirements)
        return {name.partition("[")[0]: version for name, version in pins}


class FastApiServer(AsgiServer):
    """FastAPI, rooms joined by Redis pub/sub."""

    app = "fastapi_chat"
    requirements = ("fastapi==0.163.2", *UVICORN, *REDIS)


class ChannelsServer(AsgiServer):
    """Django Channels with the channel layer of channels_redis."""

    app = "channels_chat"
    # 5.2, the release with long support: it runs on every Python that Parlour runs on.
    requirements = (
        *("django==5.2.19", "channels==4.3.2", "channels_redis==4.3.0"),
        *(*UVICORN, *REDIS),
    )


class SocketIoServer(AsgiServer):
    """python-socketio with its Redis manager; clients speak Socket.IO."""

    app = "socketio_chat"
    requirements = ("python-socketio==5.18.1", "python-engineio==4.15.1", *UVICORN, *REDIS)
    url = "socketio://127.0.0.1:{port}/{{party}}/{{room}}"
