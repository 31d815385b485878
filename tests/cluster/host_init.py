"""The first process of a host: gives it a file system and a name of its own, then waits.

Run by host.py in new namespaces, as `python -I -S host_init.py <settings as JSON>`. Prints its
process id as the starter sees it, then reads its standard input until that ends, which it does
with the starter, however that ends. The kernel then ends every process of the host at once and
takes back its network. What loses its parent on the host leaves no zombie.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

HOME = Path("/run/home")
DETOUR = Path("/run/kept")


def main(name: str, folder: Path, kept: list[str]) -> None:
    """`folder` holds what the host has for itself, `kept` what it sees although it is in /tmp."""
    pid = os.readlink("/proc/self")  # while /proc is still the starter's
    make_file_system(folder, [path for path in kept if Path(path).is_relative_to("/tmp")])
    socket.sethostname(name)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel takes the zombies away
    print(pid, flush=True)
    sys.stdin.read()


def make_file_system(folder: Path, kept: list[str]) -> None:
    """Users, host names, /tmp, /run, /dev/shm and the home folder are the host's own."""
    for name in ("passwd", "hosts"):
        mount("--bind", folder / name, Path("/etc") / name)
    mount("-t", "tmpfs", "none", "/run")
    HOME.mkdir()
    mount("--bind", folder / "home", HOME)
    mount("-t", "tmpfs", "none", "/dev/shm")
    detours = {path: DETOUR / str(number) for number, path in enumerate(kept)}
    for path, detour in detours.items():
        detour.mkdir(parents=True)
        mount("--bind", path, detour)
    mount("--bind", folder / "tmp", "/tmp")
    for path, detour in detours.items():
        Path(path).mkdir(parents=True, exist_ok=True)
        mount("--bind", detour, path)
    mount("-t", "proc", "proc", "/proc")


def mount(*arguments: str | Path) -> None:
    """What the command does; raises where it fails."""
    subprocess.run(["mount", *map(str, arguments)], check=True)


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    main(settings["name"], Path(settings["folder"]), settings["kept"])
