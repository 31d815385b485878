"""Becomes the private server, tied to the life of the process that started it.

Run by embedded.py as `python -I -S embedded_launcher.py <starter's pid> <server> <argument>...`.
A program of its own, not a function between fork and exec: in a process with threads (Ray, gRPC)
Python code there can deadlock, and fork itself copies page tables of gigabytes.

Promise (Linux): when the starter ends, by `kill -9` too, the kernel sends the server SIGTERM, on
which it writes out its log and ends. Elsewhere there is no such request; embedded.py then ends
a server that was left behind at the next start on its folder.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(starter_pid: int, server: str, arguments: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        # The starter may have ended before the request above: nobody would send the signal.
        if os.getppid() != starter_pid:
            sys.exit("the process that started this server has ended")
    os.execv(server, [server, *arguments])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
