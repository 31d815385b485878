"""Links over TCP: nothing passes before both ends have proved that they know the secret."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from parlour.actors import link as link_module
from parlour.actors.frames import Kind, pack
from parlour.actors.link import Link, connect, listen
from parlour.actors.link_handshake import FRAME_BYTES_MAX
from parlour.actors.network import Address

from .linked import GATEWAY, TIMEOUT_S, Inbox, LinkPair
from .nodes import HELLO, SECRET, Intruder, Listener, announced, node, pair_between_nodes

ATTACH = pack(Kind.ATTACH, 1, payload=b"let me in")
TEXT = pack(Kind.TEXT, 1, 1, 1, b"hello?")


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    """A process of another node."""
    async with Listener(node("there")) as listener:
        yield listener


@pytest.fixture
async def pair() -> AsyncIterator[LinkPair]:
    """A link between two nodes."""
    pair = await pair_between_nodes(node("here"), node("there"))
    yield pair
    pair.close()


async def test_frames_pass_both_ways_between_nodes(pair: LinkPair) -> None:
    """In order, of any size that a link allows; the accepting end knows who has come."""
    assert pair.far.peer == GATEWAY
    large = bytes(range(256)) * 1024
    for number in range(100):
        pair.near.write(pack(Kind.TEXT, 1, number, number + 7, b"%d" % number))
    pair.near.write(pack(Kind.BINARY, 2, payload=large))
    pair.far.write(pack(Kind.SEND_BINARY, 3, payload=large))
    arrived = [await pair.far_inbox.take() for _ in range(101)]
    assert arrived[:100] == [(Kind.TEXT, 1, n, n + 7, b"%d" % n) for n in range(100)]
    assert arrived[100].payload == large
    assert (await pair.near_inbox.take()).payload == large


async def test_both_nodes_learn_once_that_their_link_is_lost(pair: LinkPair) -> None:
    """An end in good order is no vanished node."""
    pair.near.close()
    await pair.far_inbox.lost()
    await pair.near_inbox.lost()
    assert (pair.near_inbox.times_lost, pair.far_inbox.times_lost) == (1, 1)
    assert not pair.far.vanished


@pytest.mark.parametrize(
    "said", [HELLO, HELLO + ATTACH, ATTACH, TEXT, pack(Kind.WELCOME, payload=bytes(32)), b"GET / "]
)
async def test_a_peer_without_a_proof_is_cut_and_never_heard(
    listener: Listener, said: bytes
) -> None:
    """Whatever it says first."""
    async with Intruder(listener.port) as intruder:
        assert (await intruder.heard())[0] == Kind.CHALLENGE
        intruder.say(said + bytes(21))
        assert await intruder.cut() == []
    assert listener.heard_nothing


async def test_a_proof_does_not_make_up_for_what_was_said_before_it(listener: Listener) -> None:
    """The first wrong frame is the last one that is read, also of what came with it."""
    async with Intruder(listener.port) as intruder:
        proof = await intruder.proof()
        intruder.say(HELLO + proof + HELLO + ATTACH)
        assert await intruder.cut() == []
    assert listener.heard_nothing


async def test_what_comes_with_the_proof_is_heard_after_it(listener: Listener) -> None:
    """A peer that knows the secret need not wait for the answer."""
    async with Intruder(listener.port) as intruder:
        intruder.say(await intruder.proof() + HELLO + ATTACH)
        assert (await intruder.heard())[0] == Kind.WELCOME
        assert (await listener.inbox.take()).payload == b"let me in"


async def test_a_proof_of_another_secret_is_cut(listener: Listener) -> None:
    """And what comes with it is never heard."""
    async with Intruder(listener.port) as intruder:
        intruder.say(await intruder.proof(b"a guess") + HELLO + ATTACH)
        assert await intruder.cut() == []
    assert listener.heard_nothing


@pytest.mark.parametrize("size_bytes", [FRAME_BYTES_MAX + 1, 10_000_000, 2**32 - 18])
async def test_a_large_frame_is_refused_before_it_is_there(
    listener: Listener, size_bytes: int
) -> None:
    """Nobody keeps much for a peer that has proved nothing: its head alone ends the link."""
    async with Intruder(listener.port) as intruder:
        intruder.say(announced(Kind.PROOF, size_bytes - 17))
        await intruder.cut()
    assert listener.heard_nothing


async def test_a_silent_peer_is_cut_after_a_while(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds a socket for no longer than that, also if it sends the half of a frame."""
    monkeypatch.setattr(link_module, "HANDSHAKE_TIMEOUT_S", 0.02)
    for said in (b"", announced(Kind.PROOF, 64)):
        async with Intruder(listener.port) as intruder:
            intruder.say(said)
            assert [kind for kind, _ in await intruder.cut()] == [Kind.CHALLENGE]
    assert listener.heard_nothing


async def test_a_peer_that_is_trusted_is_not_cut_for_its_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limit is for the handshake alone."""
    monkeypatch.setattr(link_module, "HANDSHAKE_TIMEOUT_S", 0.3)
    pair = await pair_between_nodes(node("here"), node("there"))
    async with Listener(node("third")) as other, Intruder(other.port) as silent:
        await silent.cut()  # so long, at least, has the timer of the first link had
    pair.near.write(TEXT)
    assert (await pair.far_inbox.take()).payload == b"hello?"
    pair.close()


async def test_nodes_with_different_secrets_refuse_each_other(listener: Listener) -> None:
    """Who opens gets an OSError; neither end hears of a link."""
    inbox = Inbox()
    stranger = node("here", b"of another cluster")
    with pytest.raises(OSError, match="ended the link unproved"):
        await connect(listener.address, GATEWAY, inbox.on_frame, inbox.on_lost, network=stranger)
    assert listener.heard_nothing
    assert not inbox.left()
    assert inbox.times_lost == 0


@pytest.mark.parametrize("answer", ["its own secret", "nothing more", "a frame", "a large frame"])
async def test_who_opens_trusts_nobody_without_a_proof(answer: str) -> None:
    """A process that took the place of a room actor learns nothing and is not believed."""
    accepted: list[bytes] = []

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer == "a large frame":
            writer.write(announced(Kind.CHALLENGE, FRAME_BYTES_MAX))
        elif answer == "a frame":
            writer.write(pack(Kind.READY, 1) + pack(Kind.SEND_TEXT, 1, 1, payload=b"believe me"))
        else:
            writer.write(pack(Kind.CHALLENGE, payload=bytes(32)))
            accepted.append(await reader.readexactly(21 + 64))
            if answer == "its own secret":
                writer.write(pack(Kind.WELCOME, payload=bytes(32)))
            else:
                writer.close()
        accepted.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(pretend, "127.0.0.1", 0)
    address = Address("/nowhere/there/a.sock", *server.sockets[0].getsockname())
    inbox = Inbox()
    with pytest.raises(OSError, match="unproved"):
        await connect(str(address), GATEWAY, inbox.on_frame, inbox.on_lost, network=node("here"))
    assert not inbox.left()
    assert GATEWAY.id.encode() not in b"".join(accepted)
    assert SECRET not in b"".join(accepted)
    server.close()


async def test_nobody_at_the_address_of_another_node_is_an_error() -> None:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    inbox = Inbox()
    address = str(Address("/nowhere/there/a.sock", "127.0.0.1", port))
    with pytest.raises(ConnectionRefusedError):
        await connect(address, GATEWAY, inbox.on_frame, inbox.on_lost, network=node("here"))
    assert inbox.times_lost == 0


@pytest.mark.parametrize("waiting", [0, 2])
async def test_a_node_that_does_not_answer_is_not_waited_for_long(
    waiting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that says nothing nor one whose packets are dropped (its queue is full)."""
    monkeypatch.setattr(link_module, "CONNECT_BETWEEN_NODES_TIMEOUT_S", 0.05)
    inbox = Inbox()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        place = deaf.getsockname()
        address = str(Address("/nowhere/there/a.sock", *place))
        queue = [socket.socket() for _ in range(waiting)]
        for each in queue:
            each.setblocking(False)
            each.connect_ex(place)
        async with asyncio.timeout(TIMEOUT_S):
            with pytest.raises(OSError):  # noqa: PT011  # the kind is all that is promised
                await connect(address, GATEWAY, inbox.on_frame, inbox.on_lost, network=node("here"))
        for each in queue:
            each.close()


def test_the_limits_between_nodes_are_shorter_than_a_lease() -> None:
    """A gateway that meets a node that was cut off gets to the next in time."""
    assert 0 < link_module.CONNECT_BETWEEN_NODES_TIMEOUT_S < 3
    assert 0 < link_module.HANDSHAKE_TIMEOUT_S <= 10


@pytest.mark.parametrize(
    ("problem", "vanished"),
    [
        (OSError(errno.ETIMEDOUT, "timed out"), True),
        (OSError(errno.EHOSTUNREACH, "no route"), True),
        (OSError(errno.ENETUNREACH, "no network"), True),
        (OSError(errno.ECONNRESET, "reset"), False),
        (OSError(errno.EPIPE, "broken pipe"), False),
        (None, False),
    ],
)
async def test_a_link_knows_whether_the_other_node_has_vanished(
    problem: OSError | None, vanished: bool
) -> None:
    """As the system tells: without an answer of the other kernel nobody is known to have died."""
    inbox = Inbox()
    link = Link(inbox.on_frame, inbox.on_lost)
    link.connection_lost(problem)
    assert (link.lost, link.vanished, inbox.times_lost) == (True, vanished, 1)


async def test_a_link_that_was_reset_has_not_vanished(listener: Listener) -> None:
    """The other kernel has answered: it is a process that ended."""
    async with Intruder(listener.port) as intruder:
        intruder.say(await intruder.proof() + HELLO)
        async with asyncio.timeout(TIMEOUT_S):
            link = await listener.met.get()
        raw = intruder._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        intruder._writer.transport.abort()
        await listener.inbox.lost()
    assert link.lost
    assert not link.vanished


async def test_on_its_own_node_a_process_is_reached_over_its_unix_socket(tmp_path: Path) -> None:
    """Whatever the address says of the network, and also where there is no other node."""
    here = node("here", parent=tmp_path)
    far = Inbox()
    path = f"{here.folder}/a.sock"
    server = await listen(path, far.on_frame, far.on_lost)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for network in (here, None):
        inbox = Inbox()
        address = str(Address(path, "127.0.0.1", port))
        link = await connect(address, GATEWAY, inbox.on_frame, inbox.on_lost, network=network)
        link.write(TEXT)
        assert (await far.take()).payload == b"hello?"
        link.abort()
    server.close()


def test_links_between_nodes_work_in_the_loop_of_the_processes() -> None:
    """Gateway and room actors run in uvloop, whose transports differ from asyncio's."""
    with_pair: list[Callable[[LinkPair], Awaitable[None]]] = [
        test_frames_pass_both_ways_between_nodes,
        test_both_nodes_learn_once_that_their_link_is_lost,
    ]
    with_listener: list[Callable[[Listener], Awaitable[None]]] = [
        test_a_proof_does_not_make_up_for_what_was_said_before_it,
        test_nodes_with_different_secrets_refuse_each_other,
        test_a_link_that_was_reset_has_not_vanished,
    ]

    async def run() -> None:
        for scenario in with_pair:
            pair = await pair_between_nodes(node("here"), node("there"))
            await scenario(pair)
            pair.close()
        for attempt in with_listener:
            async with Listener(node("there")) as listener:
                await attempt(listener)
        await test_nobody_at_the_address_of_another_node_is_an_error()

    uvloop.run(run())
