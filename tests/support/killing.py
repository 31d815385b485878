"""End processes the hard way and wait until they are gone."""

from __future__ import annotations

import os
import select
import signal

from parlour.storage.embedded import EmbeddedServer


def wait_for_end(pid: int, wait_s: float = 10.0) -> bool:
    """Wait until a process, not necessarily a child, has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], wait_s)[0])
    finally:
        os.close(pidfd)


def kill_9(server: EmbeddedServer) -> None:
    """`kill -9` of the server; returns when it is gone, so that start() starts it again."""
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert wait_for_end(pid)
    assert server.pid is None
