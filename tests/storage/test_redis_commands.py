"""CommandQueue: order and accounting under any history, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from parlour.storage import redis_commands
from parlour.storage.redis_commands import Command, CommandQueue, ConnectionLimits, Script, pack
from parlour.storage.server_errors import CommandFailed, ConnectionLost, ServerUnavailable

LIMITS = ConnectionLimits()
SCRIPT = Script("return 1")


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that makes futures and is never run."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


class FakeServer:
    """Executes what is written, in order, and answers as far as it is let."""

    def __init__(self) -> None:
        self.executed: list[bytes] = []
        self.unread: list[bytes] = []

    def answer(self, queue: CommandQueue) -> None:
        """Execute one command and give its reply."""
        packed = self.unread.pop(0)
        self.executed.append(packed)
        queue.settle(packed)


STEPS = st.lists(
    st.sampled_from(["add", "add repeat", "take", "answer", "execute", "cut", "cancel"]),
    max_size=60,
)


@given(steps=STEPS)
@example(steps=["add repeat", "take", "add repeat", "cut"])  # the older one first
@settings(max_examples=500)
def test_any_history_keeps_order_and_forgets_nothing(
    steps: list[str], loop: asyncio.AbstractEventLoop
) -> None:
    """Whatever the order of writes, answers and cuts: each command is answered with its own
    reply or fails with ConnectionLost, and the server's last executions are in order of adding."""
    queue, server = CommandQueue("test", LIMITS), FakeServer()
    commands: list[Command] = []

    def cut() -> None:
        server.unread.clear()
        queue.lost("cut")

    for step in steps:
        if step.startswith("add"):
            parts = ("SET", len(commands))
            commands.append(Command(parts, loop.create_future(), repeat="repeat" in step))
            assert queue.add(commands[-1])
        elif step == "take":
            server.unread += queue.take(set())
        elif step == "answer" and server.unread:
            server.answer(queue)
        elif step == "execute" and server.unread:
            server.executed.append(server.unread[0])  # and the answer is lost with the next cut
            cut()
        elif step == "cut":
            cut()
        elif step == "cancel" and commands and not commands[-1].reply.done():
            commands[-1].reply.cancel()
    server.unread += queue.take(set())
    while server.unread:
        server.answer(queue)

    assert len(queue) == 0
    assert queue._bytes == 0
    for command in commands:
        if command.reply.cancelled():
            continue
        error = command.reply.exception()
        if error is None:
            assert command.reply.result() == command.packed
        else:
            assert isinstance(error, ConnectionLost)
            assert not command.repeat
    last_executions = list(dict.fromkeys(reversed(server.executed)))
    added = [command.packed for command in commands]
    assert last_executions == [packed for packed in reversed(added) if packed in last_executions]


def test_what_the_server_did_not_execute_goes_back_in_order(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Several scripts that it did not know, between commands that it executed."""
    queue = CommandQueue("test", LIMITS)
    scripts = [Command((0, n), loop.create_future(), script=SCRIPT) for n in range(2)]
    plain = Command(("PING",), loop.create_future())
    for command in (scripts[0], plain, scripts[1]):
        queue.add(command)
    assert queue.take({SCRIPT.sha1}) == [scripts[0].packed, plain.packed, scripts[1].packed]
    unknown = CommandFailed("NOSCRIPT No matching script.")
    assert [queue.settle(reply) for reply in (unknown, b"PONG", unknown)] == [
        "NOSCRIPT",
        None,
        "NOSCRIPT",
    ]
    queue.requeue()
    later = Command(("PING",), loop.create_future())
    queue.add(later)
    texts = [pack(("EVAL", SCRIPT.text, 0, n)) for n in range(2)]
    assert queue.take({SCRIPT.sha1}) == [*texts, later.packed]


def test_a_script_is_loaded_before_its_first_use_and_asked_for_last(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """ASKING must stand directly before the command that it is for."""
    queue = CommandQueue("test", LIMITS)
    command = Command((1, "k"), loop.create_future(), script=SCRIPT, asking=True)
    queue.add(command)
    assert queue.take(set()) == [SCRIPT.load, pack(("ASKING",)), command.packed]
    for reply in (b"sha", b"OK", 7):
        queue.settle(reply)
    assert command.reply.result() == 7


def test_an_expired_command_keeps_its_place_in_flight(loop: asyncio.AbstractEventLoop) -> None:
    """Its late reply is not given to the next command."""
    queue = CommandQueue("test", LIMITS)
    late, next_one = (
        Command(("ECHO", n), loop.create_future(), deadline_s=deadline_s)
        for n, deadline_s in ((1, 10.0), (2, 20.0))
    )
    queue.add(late)
    queue.add(next_one)
    queue.take(set())
    queue.expire(10.0, 30.0, "it does not answer")
    assert isinstance(late.reply.exception(), ServerUnavailable)
    queue.settle(b"1")
    queue.settle(b"2")
    assert next_one.reply.result() == b"2"


def test_a_retired_queue_tells_which_commands_were_never_seen(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Those may be sent elsewhere even if they may not be repeated."""
    queue = CommandQueue("test", LIMITS)
    written, waiting = (Command(("GET", n), loop.create_future()) for n in range(2))
    queue.add(written)
    queue.take(set())
    queue.add(waiting)
    queue.retire("gone")
    errors = [written.reply.exception(), waiting.reply.exception()]
    assert [isinstance(e, ConnectionLost) and e.maybe_executed for e in errors] == [True, False]
    assert len(queue) == 0


def test_a_script_of_several_files_is_one_text() -> None:
    """Each part stands where the script names it, once, and nothing else of it is changed."""
    folder = Path(redis_commands.__file__).with_name("scripts")
    whole = (folder / "commit.lua").read_text("utf-8")
    text = Script.named("commit").text
    for part in ("commit_shards", "commit_splits"):
        before, named, after = whole.partition(f"-- Here goes {part}.lua")
        assert named
        _, _, rest = after.partition("\n")
        inserted = (folder / f"{part}.lua").read_text("utf-8")
        whole = f"{before}{inserted}\n{rest}"
    assert text == whole
