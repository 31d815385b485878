"""How much memory this machine has, and has left."""

from __future__ import annotations

import os

BYTES_PER_LIVE_ROOM = 80 * 1024 * 1024  # a room actor, and what a room usually adds
LIVE_ROOMS_MIN = 8
FREE_SHARE_MIN = 20  # one part in so many of the memory stays free
_MEMINFO = "/proc/meminfo"


def total_bytes() -> int:
    """The memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def default_live_rooms_max() -> int:
    """As many rooms as half of the memory has room for, were each a room actor of its own."""
    return max(LIVE_ROOMS_MIN, total_bytes() // 2 // BYTES_PER_LIVE_ROOM)


def default_free_bytes_min() -> int:
    """What should stay free of memory."""
    return total_bytes() // FREE_SHARE_MIN


def available_bytes() -> int:
    """What programs could still get without swapping; all of it where the system does not tell."""
    try:
        with open(_MEMINFO, encoding="ascii") as meminfo:
            for line in meminfo:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return total_bytes()
