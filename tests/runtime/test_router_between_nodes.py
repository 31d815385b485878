"""The router among nodes: a room that is live on another one is reached there."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.frames import GONE_LOST, GONE_RETURN, Kind
from parlour.actors.messages import ConnectionRecord, Hello, Refused, RoomKey
from parlour.actors.network import Address
from parlour.runtime import directory as directory_module
from parlour.runtime import room_finder
from parlour.runtime.directory import Directory
from parlour.runtime.manager_client import Managers
from parlour.runtime.room_finder import WAKE_PATIENCE_S
from parlour.runtime.route import Route
from parlour.runtime.router import Router
from parlour.storage.keys import ADDRESS, metadata_key
from redis.asyncio import Redis

from ..actors.nodes import node
from ..actors.staging import until
from .claims import Claims
from .listening import Listener
from .peers import Manager, RoomActor

KEY = RoomKey("chat", "lobby")
ME = Hello("gateway", "g1", 1)


class Stage:
    """A router on one node, a room actor on it and another one on another node."""

    def __init__(self, folder: Path, redis_url: str, claims: Claims) -> None:
        self.now_s = 0.0
        self.redis_url = redis_url
        self.claims = claims
        self.here, self.there = node("here", parent=folder), node("there", parent=folder)
        self.manager = Manager(Path(self.here.folder))
        self.own = RoomActor(Path(self.here.folder), "own", self.here)
        self.remote = RoomActor(Path(self.there.folder), "remote", self.there)
        self.listener = Listener()
        self.router = Router(
            ME,
            Managers(self.manager.address, ME, self.here),
            self.listener,
            lambda: self.now_s,
            self.here,
            Directory(redis_url),
        )

    async def start(self) -> None:
        for each in (self.manager, self.own, self.remote):
            await each.start()
        self.manager.place = self.own.address

    async def close(self) -> None:
        await self.router.close()
        for each in (self.manager, self.own, self.remote):
            each.close()

    @property
    def route(self) -> Route:
        return self.router.route(KEY)

    def send(self, *texts: str) -> None:
        for text in texts:
            self.router.send(self.route, Kind.TEXT, 1, text.encode())

    async def live_there(self, *texts: str) -> int:
        """Have the room live on the other node, and events reach it; returns its channel."""
        await self.claims.hold(KEY, "remote", self.remote.address)
        self.send(*texts)
        channel, attach = await self.remote.attached()
        assert attach.only_live
        assert await self.remote.events(len(texts)) == [text.encode() for text in texts]
        self.remote.say(Kind.READY, channel)
        return channel


@pytest.fixture
async def stage(
    tmp_path: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    """A router whose pauses between attempts take no time."""
    monkeypatch.setattr(room_finder, "BACKOFF_MAX_S", 0.0)
    async with Claims(valkey_url) as claims:
        stage = Stage(tmp_path, valkey_url, claims)
        await stage.start()
        yield stage
        await stage.close()


async def test_a_room_that_is_live_on_another_node_is_reached_there(stage: Stage) -> None:
    """Over the network and only if it is still live; no manager is asked, nothing wakes here."""
    channel = await stage.live_there("a", "b")
    stage.remote.say(Kind.SEND_TEXT, channel, 7, 0, b"hi")
    await stage.listener.count(said=1)
    assert stage.listener.said == [(Kind.SEND_TEXT, 7, b"hi")]
    assert stage.manager.asked == []


async def test_a_room_that_nobody_has_is_woken_by_the_own_manager(stage: Stage) -> None:
    """And without any condition."""
    stage.send("a")
    _, attach = await stage.own.attached()
    assert not attach.only_live
    assert stage.manager.asked == [KEY]


async def test_a_room_of_the_own_node_is_the_managers(stage: Stage) -> None:
    """It knows more of its own room actors than the directory does."""
    await stage.claims.hold(KEY, "gone", f"{stage.here.folder}/room-gone.sock@127.0.0.1:1")
    stage.send("a")
    _, attach = await stage.own.attached()
    assert not attach.only_live
    assert stage.manager.asked == [KEY]


async def test_a_claim_of_a_dead_process_does_not_count(stage: Stage) -> None:
    """Once its lease is gone the room wakes where it is asked for."""
    await stage.claims.hold(KEY, "remote", stage.remote.address)
    await stage.claims.die("remote")
    stage.send("a")
    await stage.own.attached()
    assert stage.manager.asked == [KEY]


async def test_a_room_that_has_left_meanwhile_is_looked_up_again(stage: Stage) -> None:
    """It is not woken where an outdated pointer leads to."""
    stage.remote.refusal = Refused("absent", "the room is not live here")
    await stage.claims.hold(KEY, "remote", stage.remote.address)
    stage.send("a", "b")
    channel, attach = await stage.remote.attached()
    assert attach.only_live
    await stage.claims.release(KEY)
    _, attach = await stage.own.attached()
    assert not attach.only_live
    assert await stage.own.events(2) == [b"a", b"b"]
    assert stage.listener.failed == []
    assert attach.careful_until == 0


async def test_who_has_the_claim_and_not_the_room_may_take_it_up_again(stage: Stage) -> None:
    """A second pointer to the same address: nobody else can have the room."""
    stage.remote.refusal = Refused("absent", "the room is not live here")
    await stage.claims.hold(KEY, "remote", stage.remote.address)
    stage.send("a")
    _, attach = await stage.remote.attached()
    assert attach.only_live
    stage.remote.refusal = None
    assert await stage.remote.events(1) == [b"a"]
    _, attach = await stage.remote.attached()
    assert not attach.only_live
    assert await stage.remote.events(1) == [b"a"]
    assert stage.manager.asked == []


async def test_a_pointer_to_a_third_process_is_followed_with_the_condition(stage: Stage) -> None:
    """That it was absent at one says nothing about another."""
    with contextlib.closing(RoomActor(Path(stage.there.folder), "third", stage.there)) as third:
        await third.start()
        await stage.claims.hold(KEY, "remote", stage.remote.address)
        stage.remote.refusal = Refused("absent", "the room is not live here")
        stage.send("a")
        await stage.remote.attached()
        await stage.claims.hold(KEY, "third", third.address, takeover=True)
        _, attach = await third.attached()
        assert attach.only_live
        assert await third.events(1) == [b"a"]


async def test_a_room_that_was_met_since_is_asked_for_with_the_condition_again(
    stage: Stage,
) -> None:
    """An answer from long ago does not have an outdated pointer wake a room."""
    stage.remote.refusal = Refused("absent", "the room is not live here")
    await stage.claims.hold(KEY, "remote", stage.remote.address)
    stage.send("a")
    await stage.remote.attached()
    stage.remote.refusal = None
    await stage.remote.events(1)
    channel, attach = await stage.remote.attached()
    assert not attach.only_live
    await stage.remote.events(1)
    stage.remote.say(Kind.READY, channel)
    stage.remote.say(Kind.GONE, channel)
    _, attach = await stage.remote.attached()
    assert attach.only_live
    await stage.remote.events(1)


async def test_a_node_that_vanished_blames_no_event(stage: Stage) -> None:
    """The events are sent again as they were, however often."""
    await stage.live_there("a", "b")
    link = stage.route.link
    assert link is not None
    await stage.claims.die("remote")
    # As the loop tells it when the other kernel has not answered for long.
    link.connection_lost(OSError(errno.ETIMEDOUT, "no answer"))
    _, attach = await stage.own.attached()
    assert attach.careful_until == 0
    assert await stage.own.events(2) == [b"a", b"b"]
    assert stage.listener.failed == []
    link.abort()


async def test_a_process_of_another_node_that_died_may_have_died_of_an_event(
    stage: Stage,
) -> None:
    """Its kernel has ended the link: the events are handled one by one, as on the same node."""
    await stage.live_there("a", "b")
    last = stage.route.pending[-1].sequence
    await stage.claims.die("remote")
    stage.remote.die()
    _, attach = await stage.own.attached()
    assert attach.careful_until == last
    assert await stage.own.events(2) == [b"a", b"b"]


async def test_a_node_that_cannot_be_reached_is_tried_until_its_lease_is_gone(
    stage: Stage,
) -> None:
    """Then the room wakes here; nothing fails meanwhile."""
    await stage.claims.hold(KEY, "cut off", f"{stage.there.folder}/room-x.sock@127.0.0.1:1")
    stage.send("a")
    route = stage.route
    await until(lambda: route.failures > 3)
    assert stage.manager.asked == []
    await stage.claims.die("cut off")
    await stage.own.attached()
    assert await stage.own.events(1) == [b"a"]
    assert stage.listener.failed == []


@pytest.mark.parametrize("trouble", ["no server", "no address"])
async def test_a_directory_that_cannot_be_read_is_asked_again(
    stage: Stage, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the patience with the room is over: then its events fail, and may be tried again."""
    monkeypatch.setattr(directory_module, "PATIENCE_S", 0.05)
    if trouble == "no server":
        stage.router._finder._directory = Directory("unix:///nowhere/at-all.sock")
    else:
        await stage.claims.hold(KEY, "remote", stage.remote.address)
        async with Redis.from_url(stage.redis_url) as server:
            await server.hset(metadata_key(KEY.space), ADDRESS, "no@address")
    stage.send("a")
    route = stage.route
    await until(lambda: route.failures > 0)
    assert stage.listener.failed == []
    stage.now_s = WAKE_PATIENCE_S + 0.1
    await stage.listener.count(failed=1)
    assert stage.listener.failed == [(b"a", "the room cannot be woken now", True)]
    assert stage.manager.asked == []


async def test_the_manager_may_send_to_a_room_actor_of_another_node(stage: Stage) -> None:
    """Where this one is short of something: the room wakes there, without any condition."""
    stage.manager.place = stage.remote.address
    stage.send("a")
    _, attach = await stage.remote.attached()
    assert not attach.only_live
    assert Address.parse(stage.route.address).folder == stage.there.folder


async def test_rooms_that_cannot_start_wait_while_their_version_is_on_probation(
    stage: Stage,
) -> None:
    """It may be rolled back; once it is not on probation any more, the event is to blame."""
    stage.own.refusal = Refused("start failed", "the room's on_start raised")
    stage.listener.patient = True
    stage.send("a", "b")
    for _ in range(3):
        await stage.own.attached()
        assert await stage.own.events(2) == [b"a", b"b"]
    assert stage.listener.failed == []

    stage.listener.patient = False
    await stage.listener.count(failed=1)
    assert stage.listener.failed[0] == (b"a", "the room's on_start raised", False)


async def test_a_version_that_was_rolled_back_serves_the_events_that_waited(stage: Stage) -> None:
    """Nobody notices but for the time."""
    stage.own.refusal = Refused("start failed", "the room's on_start raised")
    stage.listener.patient = True
    stage.send("a")
    await stage.own.attached()
    await stage.own.events(1)
    stage.own.refusal = None
    channel, attach = await stage.own.attached()
    assert attach.careful_until == 0
    assert await stage.own.events(1) == [b"a"]
    stage.own.say(Kind.DONE, channel, 0, stage.route.pending[0].sequence)
    await until(lambda: not stage.route.pending)
    assert stage.listener.failed == []


async def test_patience_ends_on_probation_too(stage: Stage) -> None:
    """Events do not wait for a roll-back for ever."""
    stage.own.refusal = Refused("start failed", "the room's on_start raised")
    stage.listener.patient = True
    stage.send("a")
    await stage.own.attached()
    stage.now_s = WAKE_PATIENCE_S + 0.1
    await stage.listener.count(failed=1)
    assert stage.listener.failed == [(b"a", "the room cannot be woken now", True)]


async def test_a_room_that_left_for_another_process_is_joined_at_once(stage: Stage) -> None:
    """By a gateway that has clients and nothing to say: another one may have it woken."""
    channel = await stage.live_there("a")
    record = ConnectionRecord(7, "ada", "ws://x/", [])
    stage.router.send_connect(stage.route, record)
    await stage.remote.event()
    stage.remote.say(Kind.DONE, channel, 0, 2)
    stage.remote.say(Kind.GONE, channel, payload=GONE_RETURN)

    again, attach = await stage.remote.attached()

    assert again != channel
    assert [each.number for each in attach.connections] == [7]


async def test_a_room_that_hibernated_is_left_alone(stage: Stage) -> None:
    """Until somebody has something for it."""
    channel = await stage.live_there("a")
    stage.router.send_connect(stage.route, ConnectionRecord(7, "ada", "ws://x/", []))
    await stage.remote.event()
    stage.remote.say(Kind.DONE, channel, 0, 2)
    stage.remote.say(Kind.GONE, channel)
    await until(lambda: stage.route.link is None)

    assert not stage.route.placing


# Summons


async def with_client(stage: Stage) -> None:
    """A client whose room has left the other node in good order."""
    channel = await stage.live_there("a")
    stage.router.send_connect(stage.route, ConnectionRecord(7, "ada", "ws://x/", []))
    await stage.remote.event()
    stage.remote.say(Kind.DONE, channel, 0, 2)
    stage.remote.say(Kind.GONE, channel)
    await until(lambda: stage.route.link is None)


async def test_a_gateway_comes_when_it_is_called(stage: Stage) -> None:
    """With its clients, to where the room is, if it is; nobody else is asked."""
    await with_client(stage)
    assert stage.router.come(KEY, stage.remote.address)
    _, attach = await stage.remote.attached()
    assert attach.only_live
    assert [each.number for each in attach.connections] == [7]
    assert stage.manager.asked == []


async def test_a_gateway_without_clients_does_not_come(stage: Stage) -> None:
    """It says so; events that wait for the room find it themselves."""
    assert not stage.router.come(KEY, stage.remote.address)
    stage.manager.silent = True
    stage.send("a")
    assert not stage.router.come(KEY, stage.remote.address)
    assert stage.route.placing


async def test_a_gateway_that_looks_for_the_room_comes_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it waits for: an answer of its manager, or the time to try again."""
    await with_client(stage)
    await stage.claims.die("remote")
    stage.manager.silent = True
    stage.send("b")
    await stage.manager.was_asked(1)
    assert stage.router.come(KEY, stage.remote.address)
    channel, _ = await stage.remote.attached()
    assert await stage.remote.events(1) == [b"b"]

    monkeypatch.setattr(room_finder, "BACKOFF_MIN_S", 1e6)
    monkeypatch.setattr(room_finder, "BACKOFF_MAX_S", 1e6)
    stage.remote.say(Kind.GONE, channel, payload=GONE_LOST)
    await until(lambda: stage.route.placing)
    assert stage.router.come(KEY, stage.remote.address)
    await stage.remote.attached()
    assert await stage.remote.events(1) == [b"b"]


async def test_a_call_from_where_the_room_is_not_any_more_does_no_harm(stage: Stage) -> None:
    """It is refused there, and looked for as always."""
    await with_client(stage)
    await stage.claims.die("remote")
    stage.remote.refusal = Refused("absent", "the room is not live here")
    stage.router.come(KEY, stage.remote.address)
    await stage.remote.attached()
    await stage.own.attached()


async def test_a_gateway_leaves_a_room_actor_that_has_lost_the_room(stage: Stage) -> None:
    """One that was cut off and does not know: the claim tells that the room is elsewhere."""
    await stage.live_there("a")
    stage.router.send_connect(stage.route, ConnectionRecord(7, "ada", "ws://x/", []))
    await stage.remote.event()
    assert stage.router.come(KEY, stage.remote.address)  # as it is there already
    with contextlib.closing(RoomActor(Path(stage.there.folder), "third", stage.there)) as third:
        await third.start()
        stage.router.come(KEY, third.address)  # which is not what the claim says
        await stage.router._finder._directory.find(KEY)  # type: ignore[union-attr]
        assert stage.route.address == stage.remote.address

        await stage.claims.hold(KEY, "third", third.address, takeover=True)
        stage.router.come(KEY, third.address)
        _, attach = await third.attached()
        assert attach.only_live
        assert stage.route.address == third.address
