"""The processes of a running Parlour: found by their parents, signalled without mistaking them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NamedTuple

ROOM_ACTOR, GATEWAY = "ray::RayRoomActor", "ray::RayGateway"
MANAGER, CONTROLLER = "ray::RayManager", "ray::RayController"


class Process(NamedTuple):
    """A process as the system shows it."""

    pid: int
    parent: int
    name: str  # its command line

    def send(self, number: signal.Signals) -> bool:
        """Signal it; tells whether it was still there and still itself."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if read_process(self.pid) != self:
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True


def read_process(pid: int) -> Process | None:
    """A process; None if there is none, or it has ended."""
    folder = Path("/proc") / str(pid)
    try:
        # After the name in parentheses, which may hold anything: state, parent.
        state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        name = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else Process(pid, int(parent), name)


def descendants(pid: int, name: str = "") -> list[Process]:
    """Its children, theirs, and so on, of those whose command line begins with `name`."""
    children: dict[int, list[Process]] = {}
    for entry in os.listdir("/proc"):
        process = read_process(int(entry)) if entry.isdigit() else None
        if process is not None:
            children.setdefault(process.parent, []).append(process)
    found, todo = [], [pid]
    while todo:
        for child in children.get(todo.pop(), ()):
            todo.append(child.pid)
            if child.name.startswith(name):
                found.append(child)
    return found


def open_sockets(pid: int) -> int:
    """How many sockets a process has open."""
    folder = Path("/proc") / str(pid) / "fd"
    count = 0
    for descriptor in os.listdir(folder):
        try:
            count += os.readlink(folder / descriptor).startswith("socket:")
        except FileNotFoundError:
            continue
    return count
