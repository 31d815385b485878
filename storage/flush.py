"""Write coalescing: many writes, one flush on the wire, in order.

Guarantees. Writes without an await between them are in one flush: it is sealed one turn of the
event loop after its first write. A flush is committed whole or not at all. Flushes commit in the
order they were sealed, one at a time; what is written meanwhile is the next one. Of large values
the pieces may come before the flush, unseen (large_flush.py). A flush that
fails for good ends the storage: nothing that was pending lands, and every later call raises.
Between two flushes the claim can be taken on under another name (`reclaim`).
Not here: what a flush holds (cache.py), where keys go (index.py), by what right (tenure.py), how
Redis is asked.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from weakref import WeakSet

from .alarms import Alarm, is_earlier, next_due_ms
from .awaitables import BeforeSeal
from .backend import Backend, Batch, Claim
from .cache import Cache, Known
from .claim_errors import StorageClosed, StorageReset
from .errors import StorageError, WrongThread
from .index import ShardIndex
from .large_flush import ahead_of, drop_stale
from .limits import StorageLimits
from .reading import Reader
from .tenure import Tenure

_log = logging.getLogger(__name__)


class Flusher:
    """Brings the writes of one space to its backend.

    Attributes:
        sealed: Number of the newest flush that is sealed.
        durable: Every flush up to this number is in Redis.
        committed: The same as the backend counts, where one flush may take several numbers.
        gate: Number of the newest flush, sealed or being filled, with a write to be confirmed.
        alarms: The alarms by name as they stand after all writes.
        on_alarms: Called when they have changed; none at first.
        on_flushed: Called with the seconds that a commit took; none at first.
        before_seal: Called, if still referenced, when the next flush is sealed.
    """

    def __init__(
        self,
        backend: Backend,
        claim: Claim,
        cache: Cache,
        index: ShardIndex,
        limits: StorageLimits,
        *,
        progress: Callable[[], Mapping[str, int]] | None,
        holders: Callable[[], Mapping[str, str]] | None,
        on_durable: Callable[[], None] | None,
        on_failed: Callable[[StorageError], None] | None,
    ) -> None:
        self.sealed = self.durable = self.gate = self.committed = claim.flush_number
        self.alarms = dict(claim.alarms)
        self.on_alarms: Callable[[], None] | None = None
        self.on_flushed: Callable[[float], None] | None = None
        self.before_seal: WeakSet[BeforeSeal] = WeakSet()
        self.reader = Reader(backend, claim.space, cache, index, limits, self.check_alive)
        self._backend = backend
        self._tenure = Tenure(backend, claim)
        self._cache = cache
        self._index = index
        self._limits = limits
        self._progress = progress
        self._holders = holders
        self._on_durable = on_durable
        self._thread_id = threading.get_ident()  # of the event loop, which nothing here may leave
        self._on_failed = on_failed
        self._pending = False  # something is to be flushed and not sealed
        self._alarms_changed: dict[str, Alarm | None] = {}
        self._show_alarm = False  # the index may be wrong
        self._alarm_sealed_ms = claim.alarm_at_ms  # the first, after the newest sealed flush
        self._task: asyncio.Task[None] | None = None
        self._landing: asyncio.Future[None] | None = None  # resolved at the next landing or end
        self._closed = False  # no more calls, but what is pending is still flushed
        self._ended: StorageError | None = None  # nothing is flushed any more

    def check_usable(self) -> None:
        """Raise what ended this storage, if something did.

        Raises:
            StorageReset: After a failed flush, or after `abandon`; its kinds `NotOwner` and
                `FlushMissing` if that was why.
            StorageClosed: After `close`.
            WrongThread: In another thread than the room's.
        """
        if threading.get_ident() != self._thread_id:
            raise WrongThread(self._tenure.space)
        self.check_alive()
        if self._closed:
            raise StorageClosed(self._tenure.space)

    def check_alive(self) -> None:
        """Raise what ended this storage; not that it is closed: what was begun is finished.

        Raises:
            StorageReset: As above.
        """
        if self._ended is not None:
            raise type(self._ended)(*self._ended.args) from self._ended.__cause__

    def touched(self, *, confirm: bool) -> None:
        """Note that something was written. `confirm`: nothing may leave before it is durable."""
        self._pending = True
        if confirm:
            self.gate = self.sealed + 1
        if self._landing is None:
            self._landing = asyncio.get_running_loop().create_future()
        if self._task is None:
            # The task's first step is the next loop turn: that is where the flush is sealed.
            self._task = asyncio.get_running_loop().create_task(self._run())

    def set_alarm(self, name: str, alarm: Alarm | None) -> None:
        """Set an alarm, or delete it; `touched` has to follow."""
        if alarm is None:
            self.alarms.pop(name, None)
        else:
            self.alarms[name] = alarm
        self._alarms_changed[name] = alarm
        if self.on_alarms is not None:
            self.on_alarms()

    def show_alarm(self) -> None:
        """Have the index of due times corrected by a flush."""
        self._show_alarm = True
        self.touched(confirm=False)

    async def sync(self) -> None:
        """Wait until everything written so far is durable."""
        self.check_alive()
        target = self.sealed + 1 if self._pending else self.sealed
        while self._ended is None and self.durable < target:
            await self._next_landing()
        if self.durable < target:
            self.check_alive()

    async def below_dirty_limit(self) -> None:
        """Wait while more is unflushed than `limits.dirty_bytes_max`."""
        while self._cache.unflushed_bytes > self._limits.dirty_bytes_max:
            await self._next_landing()
            self.check_alive()

    async def reclaim(self, owner: str) -> None:
        """Go on under another name, once the flush on the wire has landed.

        Raises:
            NotOwner: If somebody else has, or has had, the space: the storage has ended.
            FlushMissing: If the server has lost flushes that it had acknowledged; likewise.
            StorageReset: If the storage ended for another reason.
        """
        self.check_alive()
        settled = self._tenure.ask(owner)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        await asyncio.wait([settled])
        self.check_alive()

    async def release(self) -> None:
        """Give the claim back. Does nothing if it is not ours any more."""
        await self._tenure.release()

    async def close(self) -> None:
        """Refuse new calls, finish reads and flush what is pending."""
        self._closed = True
        await self.sync()
        if self.reader.running:
            await asyncio.wait(set(self.reader.running))

    def abandon(self, problem: str) -> None:
        """Drop what is pending and refuse use."""
        if self._ended is None:
            self._end(StorageReset(self._tenure.space, problem))
        if self._task is not None:
            self._task.cancel()

    async def _next_landing(self) -> None:
        assert self._landing is not None
        await asyncio.wait([self._landing])

    async def _run(self) -> None:
        try:
            while self._ended is None:
                while self._tenure.next_owner is not None:
                    await self._tenure.move_on(self.committed)
                if not self._pending:
                    break
                if self._cache.dirty_large:
                    await drop_stale(self._backend, self._tenure.space, self._cache, self._index)
                batch, entries, large = self._seal()
                # A later write must not show in an earlier read: reading.py, rule 2.
                if self.reader.running:
                    await asyncio.wait(set(self.reader.running))
                began_s = time.monotonic()
                slices, rest = ahead_of(entries, () if batch.clear else large)
                for pieces in slices:
                    await self._commit(self._tenure.batch(), pieces)
                await self._commit(batch, rest)
                if self.on_flushed is not None:
                    self.on_flushed(time.monotonic() - began_s)
                self._landed()
        except StorageError as error:
            self._fail(error)
        except Exception as error:
            _log.exception("flush of %s failed", self._tenure.space)
            self._fail(error)
        finally:
            self._task = None

    async def _commit(self, batch: Batch, entries: Mapping[str, Known]) -> None:
        """Bring entries to the backend with all else that is in `batch`."""
        limits = self._limits
        batch.flush_number = self.committed + 1
        batch.writes = self._index.changes(entries, batch.clear)
        batch.size_bytes = sum(map(len, filter(None, entries.values())))
        if not batch.clear:
            batch.merges = self._index.merges(limits.shard_fields_max, limits.shard_bytes_max)
        self._index.apply(await self._backend.commit(batch))
        self.committed += 1

    def _seal(self) -> tuple[Batch, dict[str, Known], list[str]]:
        """Take what is pending: all but its keys, its keys, and which of them are large values'."""
        for waiting in list(self.before_seal):
            waiting.before_seal()
        self.before_seal.clear()
        large = list(self._cache.dirty_large)
        entries, clear = self._cache.seal()
        self.sealed += 1
        self._pending = False
        self.reader.landing = self._landing
        alarm_at_ms = next_due_ms(self.alarms.values())
        batch = self._tenure.batch()
        batch.clear = clear
        batch.alarms = self._alarms_changed
        batch.alarm_changed = bool(self._alarms_changed) or self._show_alarm
        batch.alarm_at_ms = alarm_at_ms
        batch.alarm_advances = is_earlier(alarm_at_ms, self._alarm_sealed_ms)
        batch.progress = dict(self._progress()) if self._progress is not None else {}
        batch.holders = dict(self._holders()) if self._holders is not None else {}
        self._alarms_changed, self._show_alarm = {}, False
        self._alarm_sealed_ms = alarm_at_ms
        return batch, entries, large

    def _landed(self) -> None:
        self._cache.landed()
        self.durable = self.sealed
        self._resolve_landing()
        if self._on_durable is not None:
            self._on_durable()

    def _resolve_landing(self) -> None:
        landing, self._landing = self._landing, None
        self.reader.landing = None
        if self._pending and self._ended is None:
            self._landing = asyncio.get_running_loop().create_future()
        if landing is not None and not landing.done():
            landing.set_result(None)

    def _fail(self, error: Exception) -> None:
        if self._ended is not None:
            return
        if isinstance(error, StorageReset):  # NotOwner, FlushMissing
            ended: StorageError = error
        else:
            ended = StorageReset(self._tenure.space, f"a flush failed for good: {error}")
            ended.__cause__ = error
        self._end(ended)
        if self._on_failed is not None:
            self._on_failed(ended)

    def _end(self, error: StorageError) -> None:
        self._ended = error
        self._pending = False
        self._resolve_landing()
        self._tenure.settle()
