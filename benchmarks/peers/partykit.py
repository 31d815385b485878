"""`partykit dev`: PartyKit on one's own machine, which is miniflare and workerd below.

Installed with npm, once, at a pinned version. It listens on every interface and cannot be told
otherwise, so that one word of its program is replaced after the installation: the loopback's
address. It runs in a copy of partykit/ as the project's folder.
"""

import json
import os
import shutil
import signal
from pathlib import Path

from benchmarks.peers.installed import node_modules_with
from benchmarks.peers.process import PeerFailed, ServerProcess, free_port

VERSION = "0.0.115"
PROJECT = Path(__file__).parent / "partykit"
EVERY_INTERFACE, LOOPBACK = 'host: "0.0.0.0",', 'host: "127.0.0.1",'


class PartyKitServer:
    """The command on a free port, with nothing that needs the network."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "partykit"
        self._process = ServerProcess("partykit", folder, stop_signal=signal.SIGINT)

    def start(self) -> str:
        """Install if need be, start; the URL of any room."""
        modules, port = node_modules_with(self._folder, [f"partykit@{VERSION}"]), free_port()
        listen_on_loopback(modules / "partykit" / "dist" / "bin.mjs")
        project = self._folder / "project"
        shutil.rmtree(project, ignore_errors=True)  # with what was stored
        shutil.copytree(PROJECT, project)
        command = [str(modules / ".bin" / "partykit"), "dev", "--port", str(port)]
        options = ["--config", str(project / "partykit.json"), "--no-hotkeys"]
        environment = {**os.environ, "CI": "1", "NO_UPDATE_NOTIFIER": "1"}
        self._process.start(
            [*command, *options, "--disable-request-cf-fetch"], environment, cwd=project
        )
        self._process.wait_for_port(port)
        return f"ws://127.0.0.1:{port}/parties/{{party}}/{{room}}"

    def stop(self) -> int:
        """End the process; its workerd, which it leaves behind, is not held against it."""
        self._process.stop()
        return 0

    def versions(self) -> dict[str, str]:
        """The pinned one, and the workerd that comes with it."""
        package = self._folder / "node_modules" / "workerd" / "package.json"
        return {"partykit": VERSION, "workerd": json.loads(package.read_text())["version"]}


def listen_on_loopback(program: Path) -> None:
    """Replace the address that it listens on, unless that was done before.

    Raises:
        PeerFailed: The program is not the one that is known.
    """
    text = program.read_text()
    if LOOPBACK in text:
        return
    if text.count(EVERY_INTERFACE) != 1:
        raise PeerFailed(f"{program} does not have {EVERY_INTERFACE!r} once; it must not listen so")
    program.write_text(text.replace(EVERY_INTERFACE, LOOPBACK))
