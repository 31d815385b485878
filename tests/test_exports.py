"""The names that an application may import: `from parlour import ...`."""

import inspect

import parlour

PUBLIC = [
    "AlarmInfo",
    "AnswerLost",
    "BodyLost",
    "CallError",
    "CallTimeout",
    "ClientError",
    "Connection",
    "Cron",
    "DeadlockError",
    "FormFile",
    "Lobby",
    "RemoteError",
    "Request",
    "Response",
    "Room",
    "RoomUnavailable",
    "Schedule",
    "ServerSentEvent",
    "asgi",
    "connect",
    "deploy",
]


def test_the_public_names_are_these() -> None:
    """A name is added or taken away on purpose: here, in the changelog and in the docs."""
    assert sorted(parlour.__all__) == PUBLIC


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    """What `help(parlour.Room)` shows is a promise, not an empty line."""
    for name in parlour.__all__:
        value = getattr(parlour, name)
        assert inspect.getdoc(value), f"parlour.{name} has no docstring"
