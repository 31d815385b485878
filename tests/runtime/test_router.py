"""The router: events reach their room in order, or their senders hear that they do not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors import messages
from parlour.actors.frames import GONE_LOST, Kind
from parlour.actors.messages import ConnectionRecord, Hello, Refused, RoomKey
from parlour.runtime import room_finder
from parlour.runtime.manager_client import Managers
from parlour.runtime.room_finder import NOTHING_FREE, WAKE_PATIENCE_S
from parlour.runtime.route import Route
from parlour.runtime.router import Router

from ..actors.staging import until
from .listening import Listener
from .peers import Manager, RoomActor

KEY = RoomKey("chat", "lobby")
ME = Hello("gateway", "g1", 1)


class Stage:
    """A router with a manager and a room actor."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 0.0
        self.folder = folder
        self.manager = Manager(folder)
        self.actor = RoomActor(folder)
        self.listener = Listener()
        self.router = Router(
            ME, Managers(self.manager.address, ME), self.listener, lambda: self.now_s
        )

    @property
    def route(self) -> Route:
        return self.router.route(KEY)

    def send(self, *texts: str) -> None:
        for text in texts:
            self.router.send(self.route, Kind.TEXT, 1, text.encode())

    async def live(self, *texts: str) -> int:
        """Send events to a room that wakes for them; returns its channel."""
        self.send(*texts)
        channel, _ = await self.actor.attached()
        assert await self.actor.events(len(texts)) == [text.encode() for text in texts]
        self.actor.say(Kind.READY, channel)
        return channel

    async def said(self, channel: int) -> None:
        """Wait until the router has read what the room actor said so far."""
        before = len(self.listener.said)
        self.actor.say(Kind.SEND_TEXT, channel, 1)
        await self.listener.count(said=before + 1)


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A router whose pauses between attempts take no time."""
    monkeypatch.setattr(room_finder, "BACKOFF_MAX_S", 0.0)
    stage = Stage(tmp_path)
    await stage.manager.start()
    await stage.actor.start()
    stage.manager.place = stage.actor.address
    yield stage
    await stage.router.close()
    stage.manager.close()
    stage.actor.close()


async def test_the_first_event_wakes_the_room_and_the_others_follow_in_order(stage: Stage) -> None:
    """One question to the manager, one attachment; what comes meanwhile waits behind it."""
    stage.send("a", "b")
    channel, attach = await stage.actor.attached()
    assert (attach.key, attach.connections, attach.careful_until) == (KEY, [], 0)
    stage.send("c")
    events = [await stage.actor.event() for _ in range(3)]
    assert [(e.kind, e.channel, e.payload) for e in events] == [
        (Kind.TEXT, channel, text) for text in (b"a", b"b", b"c")
    ]
    assert [e.sequence for e in events] == sorted({e.sequence for e in events})
    assert stage.manager.asked == [KEY]


async def test_what_a_room_says_reaches_the_listener(stage: Stage) -> None:
    """With kind, number and payload; READY and DONE are the router's own."""
    channel = await stage.live("a")
    stage.actor.say(Kind.SEND_TEXT, channel, 7, 0, b"hi")
    stage.actor.say(Kind.DONE, channel, 0, 99)
    stage.actor.say(Kind.CLOSE, channel, 8)
    await stage.listener.count(said=2)
    assert stage.listener.said == [(Kind.SEND_TEXT, 7, b"hi"), (Kind.CLOSE, 8, b"")]
    assert not stage.route.pending


async def test_frames_of_a_channel_that_is_over_are_ignored(stage: Stage) -> None:
    """Nothing that a room says after it has gone counts."""
    channel = await stage.live("a")
    stage.actor.say(Kind.GONE, channel)
    stage.actor.say(Kind.DONE, channel, 0, 99)
    stage.actor.say(Kind.SEND_TEXT, channel, 7)
    stage.actor.say(Kind.SEND_TEXT, 12345, 7)
    again, _ = await stage.actor.attached()
    assert again != channel
    assert stage.listener.said == []
    assert len(stage.route.pending) == 1


async def test_two_rooms_share_one_link_to_a_room_actor(stage: Stage) -> None:
    """Each with a channel of its own."""
    other = RoomKey("chat", "other")
    stage.router.send(stage.router.route(KEY), Kind.TEXT, 1, b"a")
    stage.router.send(stage.router.route(other), Kind.TEXT, 2, b"b")
    channels = set()
    for _ in range(2):
        frame = await stage.actor.inbox.take()
        channels.add(frame.channel)
        await stage.actor.event()
    assert len(channels) == 2
    assert len(stage.actor.links) == 1


async def test_events_that_were_not_done_are_sent_again_when_the_room_is_lost(
    stage: Stage,
) -> None:
    """In order, those that came meanwhile behind them, with the demand to be careful."""
    channel = await stage.live("a", "b", "c")
    stage.actor.say(Kind.DONE, channel, 0, stage.route.pending[0].sequence)
    await stage.said(channel)
    last = stage.route.pending[-1].sequence
    stage.actor.die()
    again, attach = await stage.actor.attached()
    assert attach.careful_until == last
    assert await stage.actor.events(2) == [b"b", b"c"]
    stage.send("d")
    assert await stage.actor.events(1) == [b"d"]
    assert again != channel
    assert stage.listener.failed == []


async def test_an_event_that_kills_its_room_twice_is_given_up(stage: Stage) -> None:
    """Its sender is told; those behind it go on."""
    await stage.live("poison", "b")
    poison = stage.route.pending[0].sequence
    stage.actor.die()
    channel, _ = await stage.actor.attached()
    await stage.actor.events(2)
    stage.actor.say(Kind.TRYING, channel, 0, poison)
    await stage.said(channel)
    stage.actor.die()
    await stage.actor.attached()
    assert await stage.actor.events(1) == [b"b"]
    assert stage.listener.failed == [(b"poison", "the room died handling this", False)]


async def test_a_room_that_says_that_it_broke_counts_as_dead(stage: Stage) -> None:
    """Although its process lives on."""
    channel = await stage.live("a")
    stage.actor.say(Kind.GONE, channel, payload=b"broken")
    channel, attach = await stage.actor.attached()
    assert attach.careful_until > 0
    await stage.actor.events(1)
    stage.actor.say(Kind.TRYING, channel, 0, attach.careful_until)
    stage.actor.say(Kind.GONE, channel, payload=b"broken")
    await stage.listener.count(failed=1)


async def test_a_room_whose_process_lost_its_lease_blames_no_event(stage: Stage) -> None:
    """However often the rooms' server is away: the events wait and are sent again."""
    channel = await stage.live("a")
    for _ in range(3):
        stage.actor.say(Kind.GONE, channel, payload=GONE_LOST)
        channel, attach = await stage.actor.attached()
        assert attach.careful_until == 0
        assert await stage.actor.events(1) == [b"a"]
    assert stage.listener.failed == []


async def test_a_room_that_hibernates_with_events_behind_it_is_woken_again(stage: Stage) -> None:
    """Without care: nothing has died."""
    channel = await stage.live("a")
    stage.actor.say(Kind.DONE, channel, 0, stage.route.pending[0].sequence)
    stage.send("b")
    assert await stage.actor.events(1) == [b"b"]
    stage.actor.say(Kind.GONE, channel)
    _, attach = await stage.actor.attached()
    assert attach.careful_until == 0
    assert await stage.actor.events(1) == [b"b"]
    assert len(stage.manager.asked) == 2


async def test_a_room_that_hibernates_with_nothing_behind_it_sleeps_on(stage: Stage) -> None:
    """It is woken by its next event, and its connections come with it."""
    stage.router.send_connect(stage.route, ConnectionRecord(1, "ada", "ws://h/", []))
    channel, attach = await stage.actor.attached()
    assert attach.connections == []
    connect = await stage.actor.event()
    assert messages.decode(connect.payload, ConnectionRecord).id == "ada"
    stage.actor.say(Kind.DONE, channel, 0, connect.sequence)
    stage.actor.say(Kind.SEND_TEXT, channel, 1)
    stage.actor.say(Kind.GONE, channel)
    await stage.listener.count(said=1)
    await until(lambda: stage.route.link is None)
    assert len(stage.manager.asked) == 1

    stage.send("hello")
    _, attach = await stage.actor.attached()
    assert [each.id for each in attach.connections] == ["ada"]
    assert await stage.actor.events(1) == [b"hello"]


async def test_a_client_that_is_met_anew_brings_what_an_earlier_meeting_left(stage: Stage) -> None:
    """Its tags and state, so that letting it in once more does not lose them."""
    record = ConnectionRecord(1, "ada", "ws://h/", [])
    stage.router.send_connect(stage.route, record)
    channel, _ = await stage.actor.attached()
    await stage.actor.event()
    stage.actor.say(Kind.READY, channel)
    await stage.said(channel)
    record.state, record.tags = b"state", ["tag"]
    stage.actor.die()
    await stage.actor.attached()
    again = messages.decode((await stage.actor.event()).payload, ConnectionRecord)
    assert (again.state, again.tags) == (b"state", ["tag"])


async def test_a_room_that_cannot_start_fails_the_event_that_woke_it(stage: Stage) -> None:
    """That one alone; the next one tries again."""
    stage.actor.refusal = Refused("start failed", "the room's on_start raised")
    stage.send("a", "b")
    await stage.actor.attached()
    await stage.listener.count(failed=1)
    assert stage.listener.failed == [(b"a", "the room's on_start raised", False)]
    stage.actor.refusal = None
    await stage.actor.events(2)
    await stage.actor.attached()
    assert await stage.actor.events(1) == [b"b"]


async def test_an_unknown_party_fails_everything_that_waits(stage: Stage) -> None:
    """There is nothing to wait for, and nothing left of the route."""
    stage.actor.refusal = Refused("unknown party", "no such party")
    route = stage.route
    stage.send("a", "b")
    await stage.listener.count(failed=2)
    assert stage.listener.failed == [
        (b"a", "no such party", False),
        (b"b", "no such party", False),
    ]
    assert stage.route is not route


async def test_a_room_that_is_held_elsewhere_is_asked_for_again(stage: Stage) -> None:
    """Until the manager knows better."""
    elsewhere = RoomActor(stage.folder, "b")
    await elsewhere.start()
    stage.actor.refusal = Refused("held", "somebody has it", elsewhere.address)
    stage.send("a")
    await stage.manager.was_asked(3)
    stage.manager.place = elsewhere.address
    await elsewhere.attached()
    assert await elsewhere.events(1) == [b"a"]
    assert stage.listener.failed == []
    elsewhere.close()


@pytest.mark.parametrize("trouble", ["no place", "no room actor", "no manager", "always refused"])
async def test_a_room_that_cannot_be_woken_is_given_up_after_a_while(
    stage: Stage, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything that waits fails and may be tried again; not before its patience is over.

    Why is for the log alone.
    """
    if trouble == "no place":
        stage.manager.error = "all are taken"
    elif trouble == "no room actor":
        stage.manager.place = str(stage.folder / "nobody.sock")
    elif trouble == "no manager":
        stage.manager.close()
    else:
        stage.actor.refusal = Refused("held", "somebody has it")
    stage.send("a", "b")
    route = stage.route
    await until(lambda: route.failures > 3)
    stage.now_s = WAKE_PATIENCE_S - 0.1
    await until(lambda: route.failures > 10)
    assert stage.listener.failed == []

    stage.now_s = WAKE_PATIENCE_S + 0.1
    await stage.listener.count(failed=2)
    assert stage.listener.failed == [
        (b"a", "the room cannot be woken now", True),
        (b"b", "the room cannot be woken now", True),
    ]
    assert stage.route is not route
    why = {"no place": "all are taken", "no room actor": "[Errno 2]", "no manager": ""}
    if trouble in why:
        assert f"was not woken in time: {why[trouble]}" in caplog.text


async def test_a_very_long_outage_is_survived(stage: Stage) -> None:
    """Thousands of failures in a row are only a number."""
    stage.route.failures = 5_000
    stage.send("a")
    await stage.actor.attached()


async def test_patience_begins_anew_with_each_wake(stage: Stage) -> None:
    """A room that lived is not given up for how long ago it was woken."""
    channel = await stage.live("a")
    await stage.said(channel)
    stage.now_s = 10 * WAKE_PATIENCE_S
    stage.manager.error = "all are taken"
    stage.actor.say(Kind.GONE, channel)
    await stage.manager.was_asked(5)
    assert stage.listener.failed == []
    stage.manager.error = ""
    await stage.actor.attached()
    assert await stage.actor.events(1) == [b"a"]


async def test_a_manager_that_comes_back_is_found_again(stage: Stage) -> None:
    """The line is opened anew with the next question."""
    await stage.live("a")
    stage.manager.close()
    stage.actor.die()
    again = Manager(stage.folder)
    again.place = stage.actor.address
    await again.start()
    await stage.actor.attached()
    assert await stage.actor.events(1) == [b"a"]
    assert again.asked == [KEY]
    again.close()


async def test_a_route_of_which_nothing_is_left_is_forgotten(stage: Stage) -> None:
    """A million rooms that were visited once take no memory."""
    channel = await stage.live("a")
    route = stage.route
    stage.actor.say(Kind.DONE, channel, 0, route.pending[0].sequence)
    await stage.said(channel)
    assert stage.route is route
    stage.actor.say(Kind.GONE, channel)
    await until(lambda: stage.route is not route)


async def test_a_room_that_waits_for_resources_is_told_so(stage: Stage) -> None:
    """When the patience with it is over: to try again may help, as a node may come."""
    stage.manager.error, stage.manager.lacking = "rooms of party chat need num_gpus=1", True
    stage.send("a")
    await stage.manager.was_asked(1)
    stage.now_s = WAKE_PATIENCE_S + 0.1
    await stage.listener.count(failed=1)
    assert stage.listener.failed == [(b"a", NOTHING_FREE, True)]
