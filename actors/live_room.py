"""A room in a process: its mailbox, its gates and the one task that handles its events.

The task claims the room, runs `on_start`, then handles one event after the other until the room
has to leave. An event is *done* when its handler has returned, its writes are durable and what
it sent is on its way; only then does its gateway forget it. A room that breaks sends nothing
more: its gateways still hold every event that was not done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..storage import Backend, Claim, ClaimHeld, Storage, StorageError
from . import messages
from .attachment import Attachment
from .connection import Connection, sendable
from .frames import Kind, pack, pack_broadcast
from .gates import OutputGate
from .hooks import call_hook, handle_event
from .lifecycle import State, Step, next_state
from .link import Link
from .mailbox import Event, Mailbox
from .messages import Attach, Refused, RoomKey
from .room import Room

log = logging.getLogger(__name__)

EVENTS_PER_REPORT_MAX = 32  # handled before the gateways are told, when more wait


@dataclass(frozen=True)
class Surroundings:
    """What every room of a process shares."""

    backend: Backend
    owner: str  # this process, as the claims name it
    address: str
    clock: Callable[[], float]
    on_absent: Callable[[LiveRoom], None]


class LiveRoom:
    """One room while a process has it."""

    def __init__(self, key: RoomKey, room_class: type[Room], around: Surroundings) -> None:
        self.key = key
        self.state = State.ABSENT
        self.last_event_s = self.started_s = around.clock()
        self.room_class = room_class
        self.output: OutputGate
        self.storage: Storage
        self._around = around
        self._mailbox = Mailbox()
        self._attachments: dict[tuple[Link, int], Attachment] = {}
        self._progress: dict[str, int] = {}  # gateway id -> last event whose writes are durable
        self._room: Room
        self._leave_reason: str | None = None
        self._handling = False
        self._opened = False
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<LiveRoom {self.key} {self.state.value}, {len(self._mailbox)} queued>"

    # What a Room and its connections use

    def open_connections(self) -> list[Connection]:
        return [
            connection
            for attachment in self._attachments.values()
            for connection in attachment.connections.values()
            if not connection.closing
        ]

    def broadcast(self, message: str | bytes, without: Iterable[str]) -> None:
        if isinstance(without, str):
            raise TypeError(f"without={without!r} was given; give a list of connection ids")
        left_out = set(without)
        if isinstance(message, str):
            kind, data = Kind.BROADCAST_TEXT, sendable(message.encode())
        else:
            kind, data = Kind.BROADCAST_BINARY, sendable(message)
        for attachment in self._attachments.values():
            numbers = (
                [n for n, c in attachment.connections.items() if c.id in left_out]
                if left_out
                else ()
            )
            payload = pack_broadcast(numbers, data)
            self.output.send(attachment.link, pack(kind, attachment.channel, 0, 0, payload))

    # What the room actor calls

    @property
    def idle(self) -> bool:
        """Live, with nothing in hand and nothing waiting."""
        return self.state is State.LIVE and not self._handling and not self._mailbox

    @property
    def connection_count(self) -> int:
        """Connections of all gateways."""
        return sum(len(a.connections) for a in self._attachments.values())

    def start(self) -> None:
        """Claim the room and run it in a task of its own."""
        self._step(Step.WAKE)
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"room {self.key}")

    def attach(self, link: Link, channel: int, attach: Attach) -> None:
        """Serve a gateway: its connections are the room's from now on."""
        assert link.peer is not None
        attachment = Attachment(link, channel, link.peer.id, attach.careful_until)
        self._attachments[link, channel] = attachment
        attachment.finished = attachment.reported = self._progress.get(link.peer.id, 0)
        for record in attach.connections:
            attachment.connections[record.number] = Connection(
                self, attachment, record, accepted=True
            )
        if self.state is State.LIVE:
            link.write(pack(Kind.READY, channel))

    def deliver(self, link: Link, channel: int, event: tuple[int, int, int, bytes]) -> None:
        """Queue an event of a gateway; one of a channel that is not attached is dropped."""
        attachment = self._attachments.get((link, channel))
        if attachment is not None:
            kind, number, sequence, payload = event
            self._mailbox.put(Event(kind, attachment, number, sequence, payload))

    def detach(self, link: Link) -> None:
        """A gateway is gone: its connections are lost."""
        lost = messages.encode(messages.Closed(1006, "the gateway was lost", False))
        for attached_link, channel in list(self._attachments):
            if attached_link is link:
                attachment = self._attachments.pop((link, channel))
                self._progress[attachment.gateway_id] = attachment.finished
                for number in list(attachment.connections):
                    self._mailbox.put(Event(Kind.CLOSED, attachment, number, 0, lost))

    def leave(self, reason: str) -> None:
        """Leave this process in good order; to hibernate only if the room is still idle."""
        if reason == "hibernate" and not self.idle:
            return
        if self._leave_reason is None:
            self._leave_reason = reason
            self._mailbox.wake()

    def break_off(self, why: str) -> None:
        """Stop at once: nothing leaves any more, what is not durable is dropped."""
        if self.state in (State.ABSENT, State.BROKEN):
            return
        log.error("room %s is reset: %s", self.key, why)
        self._step(Step.BREAK)
        if self._task is not None:
            self._task.cancel()

    async def ended(self) -> None:
        """Wait until the room has left this process."""
        if self._task is not None:
            await asyncio.wait([self._task])

    # The task

    async def _run(self) -> None:
        try:
            if await self._wake():
                await self._handle_events()
                await self._drain()
        except asyncio.CancelledError:
            if self.state is not State.BROKEN:
                raise
        except Exception as error:
            log.exception("room %s failed", self.key)
            self.break_off(f"{type(error).__name__}: {error}")
        finally:
            if self.state is State.BROKEN:
                self._clear()
            self._around.on_absent(self)

    async def _wake(self) -> bool:
        try:
            claim = await self._claim()
        except ClaimHeld as held:
            self._refuse(Refused("held", str(held), held.address))
            return False
        except StorageError as error:
            log.warning("room %s could not be claimed: %s", self.key, error)
            self._refuse(Refused("storage", str(error)))
            return False
        self._open(claim)
        try:
            self._room = self.room_class._build(self)
            await call_hook(self._room.on_start)
        except Exception:
            log.exception("party %s, room %s: on_start raised", self.key.party, self.key.id)
            self.output.discard()
            self.storage.abandon()
            await self._around.backend.release(self.key.space, epoch=claim.epoch)
            self._refuse(Refused("start failed", "the room's on_start raised"))
            return False
        self._step(Step.STARTED)
        for (link, channel), _ in self._attachments.items():
            self.output.send(link, pack(Kind.READY, channel))
        return True

    async def _claim(self) -> Claim:
        around = self._around
        try:
            return await around.backend.claim(
                self.key.space, owner=around.owner, address=around.address
            )
        except ClaimHeld as held:
            if await around.backend.lease_alive(held.owner):
                raise
            return await around.backend.claim(
                self.key.space,
                owner=around.owner,
                address=around.address,
                takeover_epoch=held.epoch,
            )

    def _open(self, claim: Claim) -> None:
        self._epoch = claim.epoch
        self._progress = dict(claim.progress)
        self.storage = Storage(
            self._around.backend,
            claim,
            progress=self._finished_events,
            on_durable=self._on_durable,
            on_failed=lambda error: self.break_off(str(error)),
        )
        self.output = OutputGate(self.storage)
        self._opened = True
        for attachment in self._attachments.values():
            attachment.finished = attachment.reported = self._progress.get(attachment.gateway_id, 0)

    async def _handle_events(self) -> None:
        since_report = 0
        while self._leave_reason is None:
            event = self._mailbox.take()
            if event is None:
                self._report_done()
                since_report = 0
                await self._mailbox.wait()
                continue
            await self._handle(event)
            since_report += 1
            if since_report >= EVENTS_PER_REPORT_MAX or self.output.full:
                since_report = 0
                self._report_done()
                await self._pause_for_readers()

    async def _handle(self, event: Event) -> None:
        attachment = event.attachment
        if event.sequence and event.sequence <= attachment.finished:
            attachment.reported = 0  # its writes are durable already; say so again
            return
        self.last_event_s = self._around.clock()
        self._handling = True
        try:
            await handle_event(self, self._room, event)
        finally:
            self._handling = False
        if event.sequence:
            attachment.finished = event.sequence
            if event.sequence <= attachment.careful_until:
                # An earlier process died on one of these: the gateway must know which.
                await self.storage.sync()
                self._report_done()
                attachment.link.flush()

    async def _pause_for_readers(self) -> None:
        if self.output.full:
            await self.storage.sync()
        for attachment in list(self._attachments.values()):
            if attachment.link.paused:
                await attachment.link.drained()
        await asyncio.sleep(0)  # let the links of this process read and write

    async def _drain(self) -> None:
        self._step(Step.LEAVE)
        await self.storage.close()
        self._report_done()
        await self._around.backend.release(self.key.space, epoch=self._epoch)
        self._step(Step.LEFT)
        self._tell_gone(b"")

    # Small steps

    def _step(self, step: Step) -> None:
        self.state = next_state(str(self.key), self.state, step)

    def _refuse(self, refused: Refused) -> None:
        self._step(Step.START_FAILED)
        payload = messages.encode(refused)
        for (link, channel), _ in self._attachments.items():
            link.write(pack(Kind.REFUSED, channel, payload=payload))

    def _clear(self) -> None:
        if self._opened:
            self.output.discard()
            self.storage.abandon()
        self._step(Step.CLEARED)
        self._tell_gone(b"broken")

    def _tell_gone(self, how: bytes) -> None:
        for (link, channel), _ in self._attachments.items():
            link.write(pack(Kind.GONE, channel, payload=how))

    def _finished_events(self) -> Mapping[str, int]:
        return {
            attachment.gateway_id: attachment.finished
            for attachment in self._attachments.values()
            if attachment.finished
        }

    def _on_durable(self) -> None:
        self.output.release()

    def _report_done(self) -> None:
        for attachment in self._attachments.values():
            if attachment.finished > attachment.reported:
                attachment.reported = attachment.finished
                self.output.send(
                    attachment.link,
                    pack(Kind.DONE, attachment.channel, 0, attachment.finished),
                )
