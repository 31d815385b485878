"""A room in a process: its mailbox, its gates and the one task that runs it.

The task claims the room, runs `on_start`, then handles events (`handling.py`) until the room has
to leave. An event is *done* when its handler has returned, its writes are durable and what it
sent is on its way; only then does its gateway forget it. A room that breaks sends nothing more:
its gateways still hold every event that was not done.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping

from ..storage import Claim, ClaimHeld, NotOwner, OwnedStorage, Storage, StorageError
from . import messages
from .alarms import RoomAlarms
from .attachments import Attachments
from .calls import RoomCalls
from .chain import Chain, errand
from .close_codes import ABNORMAL
from .connection import Connection
from .counts import PartyCounts
from .frames import GONE_BROKEN, GONE_LOST, GONE_RETURN, Kind, unpack_amount, unpack_parts
from .gates import OutputGate, Sink
from .handling import Handling
from .hooks import call_hook, take_cancellation
from .lifecycle import State, Step, next_state
from .link import Link
from .mailbox import Event, Mailbox
from .messages import Attach, CallHead, Hop, Refused, RoomKey
from .options import RoomOptions
from .room import Room
from .streams import Streams
from .surroundings import Surroundings
from .unsaid import tell_lost
from .watch import current_room

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 10.0  # for on_stop
RELEASE_TIMEOUT_S = 1.0  # for a room that broke to give its claim back


class LiveRoom:
    """One room while a process has it."""

    def __init__(
        self,
        key: RoomKey,
        room_class: type[Room],
        options: RoomOptions,
        around: Surroundings,
        counts: PartyCounts | None = None,
    ) -> None:
        """`counts` are those of its party in this process."""
        self.key = key
        self.state = State.ABSENT
        self.last_event_s = self.started_s = around.clock()
        self.start_failed = False  # on_start raised
        self.hop = Hop(key.space, is_busy=not options.interleave)
        self.own_chain: Chain = (self.hop,)  # of what it calls where nobody waits for it
        is_alone = around.summoner is None
        self.attachments = Attachments(self, None if is_alone else self._record_holders)
        self.streams = Streams(self)
        self.calls = RoomCalls(around.line, lambda: self.output)
        self.owned: OwnedStorage
        self.storage: Storage  # the same, as the room sees it
        self.output: OutputGate
        self._room_class = room_class
        self._options = options
        self.watch = around.watch
        self._around = around
        self._counts = counts or PartyCounts()
        self._mailbox = Mailbox()
        self.alarms = RoomAlarms(
            key, self._mailbox.put, self.attachments.are_careful, around.wall_clock, self._counts
        )
        self._claimed = False
        self._room: Room
        self._handling: Handling | None = None  # from on_start on
        self.leave_reason: str | None = None  # once it is to leave
        self._resumed: asyncio.Future[None] | None = None  # while the process has no lease
        self._leaving = False  # the claim is being given back
        self._gone_how = GONE_BROKEN
        self._task: asyncio.Task[None] | None = None
        self._begun = False  # the task has

    def __repr__(self) -> str:
        return f"<LiveRoom {self.key} {self.state.value}, {len(self._mailbox)} queued>"

    # What a Room uses

    @property
    def env(self) -> Mapping[str, str]:
        return self._around.env

    def open_connections(self) -> list[Connection]:
        return self.attachments.open_connections()

    def connection(self, connection_id: str) -> Connection | None:
        return self.attachments.connection(connection_id)

    def broadcast(self, message: str | bytes, without: Iterable[str]) -> None:
        self.attachments.broadcast(message, without)

    def set_auto_response(self, request: str | None, response: str) -> None:
        self.attachments.set_auto_response(request, response)

    # What the room actor calls

    @property
    def idle(self) -> bool:
        """Live, with nothing in hand, nothing waiting and nothing that it streams."""
        return (
            self.state is State.LIVE
            and self._handling is not None
            and self._handling.idle
            and not self._mailbox
            and not self.streams
            and not self.calls.busy
        )

    @property
    def instance(self) -> Room:
        """The object of the application's class; there once `on_start` is being run."""
        return self._room

    def start(self) -> None:
        """Claim the room and run it in a task of its own."""
        self._step(Step.WAKE)
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"room {self.key}")

    def attach(self, link: Link, channel: int, attach: Attach) -> None:
        """Serve a gateway: its connections are the room's from now on."""
        attachment, replaced = self.attachments.add(link, channel, attach)
        for connection in replaced:
            self._mailbox.put(
                Event(Kind.REPLACED, connection.attachment, connection.number, 0, b"")
            )
        if self.state in (State.LIVE, State.PAUSED):
            self.attachments.met(attachment)
            self.attachments.tell_ready(attachment)
        elif self._around.summoner is not None:
            self._around.summoner.attached(self.key, attachment.gateway_id)

    def deliver(
        self, link: Link, channel: int, kind: int, number: int, sequence: int, payload: bytes
    ) -> None:
        """Queue an event of a gateway; one of a channel that is not attached is dropped."""
        attachment = self.attachments.by_channel.get((link, channel))
        if attachment is not None:
            self._mailbox.put(Event(kind, attachment, number, sequence, payload))

    def hear(self, link: Link, channel: int, kind: int, number: int, payload: bytes) -> None:
        """Take what a gateway says aside: no event, and not to wait for one."""
        attachment = self.attachments.by_channel.get((link, channel))
        if attachment is None:
            return
        if kind != Kind.BUFFERED:
            self.streams.hear(attachment, kind, number, payload)
        elif (connection := attachment.connections.get(number)) is not None:
            connection.buffered_bytes = unpack_amount(payload)

    def detach(self, link: Link) -> None:
        """A gateway is gone: its connections are lost."""
        lost = messages.encode(messages.Closed(ABNORMAL, "the gateway was lost", False))
        for attachment in self.attachments.remove(link):
            self._mailbox.drop(attachment)
            self.streams.lose(attachment)
            for number in list(attachment.connections):
                self._mailbox.put(Event(Kind.CLOSED, attachment, number, 0, lost))

    def leave(self, reason: str) -> None:
        """Leave this process in good order; to hibernate only if the room is still idle."""
        if reason == "hibernate" and not self.idle:
            return
        if self.leave_reason is None:
            self.leave_reason = reason
            self.wake_up()

    def break_off(self, why: str) -> None:
        """Stop at once: nothing leaves any more, what is not durable is dropped."""
        if self._resumed is not None:
            self.lose(why, gone_how=GONE_BROKEN)  # links still hold what was durable
        else:
            self._break(why)

    def lose(self, why: str, *, gone_how: bytes = GONE_LOST, undone: bool = False) -> None:
        """Stop at once where what is durable may go unsaid, as the room may be another's by now.

        `undone`: nothing has landed of what waits for its flush, so that its events come again.
        """
        if self.state not in (State.ABSENT, State.BROKEN):
            self._gone_how = gone_how
            dropped = self._break(why)
            tell_lost(self.attachments, [] if undone else dropped)

    def _break(self, why: str) -> list[tuple[Sink, bytes]]:
        """Returns the frames that waited for their flush and are dropped."""
        if self.state in (State.ABSENT, State.BROKEN):
            return []
        log.error("room %s is reset: %s", self.key, why)
        self._counts.resets += 1
        self._step(Step.BREAK)
        self.alarms.stop()
        self.calls.end()
        dropped: list[tuple[Sink, bytes]] = []
        if self._handling is not None:
            dropped = self.output.shut()
            self.owned.abandon()
            self._handling.cancel()
            self.streams.cancel()
        # A task that is cancelled before its first step never takes one, and never clears up.
        if self._begun and self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        return dropped

    def pause(self) -> None:
        """The lease ran out: begin nothing until `resume`. What is in hand goes on, unheard."""
        if self.state is State.LIVE:
            self._step(Step.PAUSE)
        elif self.state is not State.DRAINING:
            self.lose("the lease of its process ran out while it woke")
        self._resumed = asyncio.get_running_loop().create_future()
        self.wake_up()

    async def claim_again(self, owner: str) -> None:
        """Take the claim on under another name; a room that cannot is lost."""
        if self.state is State.PAUSED or (self.state is State.DRAINING and not self._leaving):
            with contextlib.suppress(StorageError):
                await self.owned.reclaim(owner)

    def resume(self) -> None:
        """There is a lease again, and the claim was made anew under it."""
        if self.state is State.PAUSED:
            self._step(Step.RESUME)
        if self._resumed is not None:
            self._resumed.set_result(None)
            self._resumed = None

    def wake_up(self) -> None:
        """Have the task look at how things stand."""
        self._mailbox.wake()

    def stream_ended(self) -> None:
        """An answer is streamed no more: the room may be idle from now on."""
        self.last_event_s = self._around.clock()

    def check_time(self) -> None:
        """Cancel a hook that is over its time limit; called every now and then."""
        if self._handling is not None:
            self._handling.check_time()

    async def ended(self) -> None:
        """Wait until the room has left this process."""
        if self._task is not None:
            await asyncio.wait([self._task])

    # The task

    async def _run(self) -> None:
        self._begun = True
        current_room.set(self.key)
        try:
            handling = await self._wake() if self.state is State.WAKING else None
            if handling is not None:
                await self._live(handling)
            if self.state is State.LIVE and handling is not None:
                await self._drain(handling)
        except asyncio.CancelledError:
            # By break_off; or by a hook that cancelled the task that it runs in.
            take_cancellation()
            self.break_off("its task was cancelled")
        except Exception as error:
            log.exception("room %s failed", self.key)
            self.break_off(f"{type(error).__name__}: {error}")
        except BaseException as error:
            # What is no Exception has to be told of by a reset, too: a room without its task would
            # look live, and answer nothing.
            self.break_off(type(error).__name__)
            raise
        finally:
            if self.state is State.BROKEN:
                await self._clear()
            self._around.on_absent(self)

    async def _wake(self) -> Handling | None:
        try:
            claim = await self._around.claim(self.key.space)
        except ClaimHeld as held:
            self._refuse(Refused("held", str(held), held.address))
            return None
        except StorageError as error:
            log.warning("room %s could not be claimed: %s", self.key, error)
            self._refuse(Refused("storage", str(error)))
            return None
        self._open(claim)
        await self._gather()
        try:
            handling: Handling = await call_hook(self._build)
            async with asyncio.timeout(self._options.handler_s_max):
                with errand(self._waiting_chain()):
                    await call_hook(self._room.on_start)
        except Exception:
            log.exception("party %s, room %s: on_start raised", self.key.party, self.key.quoted_id)
            self.calls.end()
            self.start_failed = True
            self._counts.failed_starts += 1
            self.output.shut()
            self.owned.abandon()
            await self.owned.release()
            self._refuse(Refused("start failed", "the room's on_start raised"))
            return None
        self._step(Step.STARTED)
        for attachment in self.attachments:
            self.attachments.met(attachment)
        self._counts.wakes.observe(self._around.clock() - self.started_s)
        self.alarms.go_live()
        for attachment in self.attachments:
            self.attachments.tell_ready(attachment)
        return handling

    async def _gather(self) -> None:
        """Have every gateway that holds clients of the room be here before anything is said."""
        summoner, absent = self._around.summoner, self.attachments.absent_holders()
        if summoner is not None and absent:
            await summoner.gather(self.key, absent, self.attachments.forget_holder)

    def _open(self, claim: Claim) -> None:
        self._claimed = True
        self.owned = OwnedStorage(
            self._around.backend,
            claim,
            progress=self.attachments.finished_events,
            holders=None if self._around.summoner is None else self.attachments.holder_changes,
            on_durable=self._on_durable,
            on_failed=self._on_storage_failed,
            on_alarms=self.alarms.set_timer,
            on_flushed=self._counts.flushes.observe,
        )
        self.storage = self.owned.for_room
        self.alarms.open(self.owned)
        self.output = OutputGate(self.owned)
        self.attachments.resume_from(claim.progress, claim.epoch, claim.holders)

    def _build(self) -> Handling:
        self._room = self._room_class._build(self)
        self._handling = Handling(
            self, self._room, self._mailbox, self._options, self._counts, self._around.clock
        )
        return self._handling

    async def _live(self, handling: Handling) -> None:
        await handling.run()
        while self.state is State.PAUSED:
            await self._pause_over()
            await handling.run()

    async def _pause_over(self) -> None:
        while self._resumed is not None:
            await asyncio.wait([self._resumed])

    async def _drain(self, handling: Handling) -> None:
        self._step(Step.LEAVE)
        self.alarms.stop()
        await handling.finish()
        await self.streams.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                with errand((Hop(self.key.space, is_busy=True),)):
                    await call_hook(self._room.on_stop, self.leave_reason)
        except Exception:
            log.exception("party %s, room %s: on_stop raised", self.key.party, self.key.quoted_id)
        await self.owned.close()
        self.calls.end()
        self.attachments.tell_done()
        # Nothing but the good-bye may be unsaid once the room can be somebody else's.
        self.attachments.flush()
        await self._pause_over()
        self._leaving = True
        await self.owned.release()
        self._step(Step.LEFT)
        reason = self.leave_reason or "shutdown"
        self._counts.left[reason] = self._counts.left.get(reason, 0) + 1
        goes_on = reason != "hibernate" and self.attachments.gateway_count > 1
        self.attachments.tell_gone(GONE_RETURN if goes_on else b"")

    def _waiting_chain(self) -> Chain:
        """Who waits for on_start: the room itself, and who has called it by then."""
        calls = [event.payload for event in self._mailbox.waiting() if event.kind == Kind.CALL]
        heads = [messages.decode(unpack_parts(payload)[0], CallHead) for payload in calls]
        hops = dict.fromkeys(hop for head in heads for hop in head.chain)
        return (*hops, Hop(self.key.space, is_busy=True))

    # Small steps

    def _step(self, step: Step) -> None:
        self.state = next_state(str(self.key), self.state, step)

    def _refuse(self, refused: Refused) -> None:
        self._step(Step.START_FAILED)
        self.attachments.tell_refused(refused)

    async def _clear(self) -> None:
        if self._claimed:
            # This process may live on, and its lease with it: nobody could take the room over.
            try:
                async with asyncio.timeout(RELEASE_TIMEOUT_S):
                    await self.owned.release()
            except (StorageError, TimeoutError) as error:
                log.warning("the claim of room %s is left to its lease: %r", self.key, error)
        self._step(Step.CLEARED)
        self.attachments.tell_lost(self._gone_how)

    def _record_holders(self) -> None:
        self.owned.record_holders()

    def _on_durable(self) -> None:
        self.output.release()

    def _on_storage_failed(self, error: StorageError) -> None:
        if isinstance(error, NotOwner):
            self.lose(str(error), undone=self.owned.is_undone(error))
        else:
            self.break_off(str(error))
