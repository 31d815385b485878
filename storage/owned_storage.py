"""The storage of one room as its owner has it: what the room sees, and what runs the room needs.

Guarantees. Those of `Storage`, and the numbers `gate` and `durable` tell what is durable. A room
is given `for_room`, which is the same storage without what is the owner's here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from .admission import checked_encoded
from .alarms import Alarm
from .backend import Backend, Claim
from .claim_errors import NotOwner
from .errors import StorageError
from .large_values import write_large
from .limits import StorageLimits
from .space import Space
from .storage import Storage


class OwnedStorage(Storage):
    """The storage of one room, by right of a claim. In the running event loop, not thread-safe.

    Attributes:
        for_room: The same storage, with the calls of a room alone.
    """

    def __init__(
        self,
        backend: Backend,
        claim: Claim,
        *,
        limits: StorageLimits | None = None,
        progress: Callable[[], Mapping[str, int]] | None = None,
        holders: Callable[[], Mapping[str, str]] | None = None,
        on_durable: Callable[[], None] | None = None,
        on_failed: Callable[[StorageError], None] | None = None,
        on_alarms: Callable[[], None] | None = None,
        on_flushed: Callable[[float], None] | None = None,
    ) -> None:
        """Take over a claimed space.

        `progress` is called when a flush is sealed, and what it returns is recorded with it
        (gateway id -> event number; a negative number forgets the gateway), and likewise what has
        changed since with the `holders` of connections (gateway id -> address, or "" to forget
        one). `on_durable` is
        called whenever `durable` grew, `on_failed` once, when a flush has failed for good,
        `on_alarms` when an alarm was set or deleted, for a transaction at its end, `on_flushed`
        after each flush with the seconds that the server took.
        """
        super().__init__(
            Space(
                backend,
                claim,
                limits or StorageLimits(),
                progress=progress,
                holders=holders,
                on_durable=on_durable,
                on_failed=on_failed,
            )
        )
        self._space.flusher.on_alarms = on_alarms
        self._space.flusher.on_flushed = on_flushed
        self.for_room = Storage(self._space)

    # What is durable, and what the gates of the room wait for

    @property
    def gate(self) -> int:
        """Number of the newest flush, sealed or not, that carries a write to be confirmed.

        What leaves the room waits until `durable` is not below what `gate` was when it was sent.
        """
        return self._space.flusher.gate

    @property
    def durable(self) -> int:
        """Every flush up to this number is durable."""
        return self._space.flusher.durable

    @property
    def reads_pending(self) -> int:
        """What keeps the input gate shut: reads from Redis in flight, and an open transaction."""
        return len(self._space.reader.running) + self._space.turns.taken

    async def reads_settled(self) -> None:
        """Wait until `reads_pending` is 0, or was for a moment."""
        while self.reads_pending:
            if self._space.reader.running:
                await asyncio.wait(self._space.reader.running)
            else:
                await self._space.turns.free()

    def record_holders(self) -> None:
        """Ask for what `holders` tells to be recorded: nothing leaves before it is durable."""
        self._space.flusher.touched(confirm=True)

    # The claim, and the end

    async def close(self) -> None:
        """Refuse new calls, then flush what is pending.

        Raises:
            StorageReset: If that failed.
        """
        await self._space.flusher.close()

    def is_undone(self, error: NotOwner) -> bool:
        """Whether nothing that was not known to be durable has landed; False if nobody knows."""
        last_flush = error.last_flush
        return last_flush is not None and last_flush <= self._space.flusher.committed

    async def reclaim(self, owner: str) -> None:
        """Go on with the claim under another name, if nobody else has had the space meanwhile.

        Raises:
            StorageReset: If somebody has (`NotOwner`), or the storage has ended otherwise.
        """
        await self._space.flusher.reclaim(owner)

    async def release(self) -> None:
        """Give the claim back; nothing more may be written. Does nothing if it is not ours now."""
        await self._space.flusher.release()

    def abandon(self) -> None:
        """Drop what is not durable and refuse use: the room starts over."""
        self._space.flusher.abandon("the room starts over from what is durable")

    # Named alarms

    def named_alarms(self) -> Mapping[str, Alarm]:
        """All alarms by name, the room's one among them as `UNNAMED`. Not to be changed."""
        return self._view("named_alarms").alarms

    def change_alarm(
        self, name: str, alarm: Alarm | None, *, allow_unconfirmed: bool = False
    ) -> None:
        """Set an alarm of any name; None deletes what is kept under just that name."""
        self._view("change_alarm").set_alarm(name, alarm, confirm=not allow_unconfirmed)

    def delete_named_alarm(self, name: str, *, allow_unconfirmed: bool = False) -> None:
        """Delete an alarm, if it exists; one that is being run is not tried again."""
        self._delete_alarm(self._view("delete_named_alarm"), name, confirm=not allow_unconfirmed)

    def show_alarm(self) -> None:
        """Correct the index of due times, which has shown an alarm that is not due."""
        self._space.flusher.show_alarm()

    # Imports

    def put_encoded(self, key: str, data: bytes, *, is_large: bool) -> None:
        """Store bytes that `encode` has made, as `put` or `put_large` store a value.

        Raises:
            DecodeError: If they are anything else; names the key.
            KeyTooLarge, InvalidKey, ValueTooLarge, WriteBufferFull: As `put` and `put_large`.
        """
        view = self._view("put_encoded")
        checked_encoded(self._space.limits, key, data, is_large=is_large)
        if is_large:
            write_large(self._space, view, key, data, confirm=True)
        else:
            view.write({key: data}, confirm=True)
