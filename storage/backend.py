"""What storage asks of the place where spaces are kept, and the words it asks in.

A backend keeps for each space: metadata, an index of shards, and the shards. The claimant of a
space is its only writer, so it holds the index in memory and says in which shard a key belongs;
the backend splits shards and reports what became of the index.

A backend promises: a commit is applied whole or not at all; a commit of another claim than the
recorded one is refused, and one that is not the next after the last one applied; the same commit
sent twice is applied once. Reads are not fenced.
Not here: caching, encoding of values, when to commit (flush.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from .alarms import Alarm, next_due_ms

FIRST_SHARD = 0  # the number of the shard that an empty space gets with its first key


class Home(NamedTuple):
    """Where keys are: in which shard, and what its field names leave out (prefix.py)."""

    shard: int
    prefix: str = ""


class ShardInfo(NamedTuple):
    """One entry of the index: a shard holds the keys from `first` up to the next shard's first."""

    shard: int
    first: str
    key_count: int
    size_bytes: int  # of its keys and values
    prefix: str = ""  # every key begins with it

    @property
    def home(self) -> Home:
        """Where its keys are."""
        return Home(self.shard, self.prefix)


@dataclass(slots=True)
class Claim:
    """The right to be the only writer of a space, and what its first reads need.

    Attributes:
        flush_number: The last flush applied, by any epoch; the next one is this plus 1.
        progress: Gateway id -> event number, as recorded with that flush.
        holders: Gateway id -> address, of gateways that hold connections of the room.
        next_shard: The lowest shard number never used; `FIRST_SHARD` is used over and over.
        shards: The whole index, in any order.
        values: All keys with their encoded values, if the space is small; None if it is not.
    """

    space: str
    owner: str
    epoch: int
    flush_number: int
    progress: dict[str, int]
    alarms: dict[str, Alarm]
    next_shard: int
    shards: list[ShardInfo]
    values: dict[str, bytes] | None
    holders: dict[str, str] = field(default_factory=dict)

    @property
    def alarm_at_ms(self) -> int | None:
        """When the first alarm is due."""
        return next_due_ms(self.alarms.values())


@dataclass(slots=True)
class ShardWrites:
    """What one flush changes in one shard.

    Attributes:
        prefix: What all its keys begin with once they are set: the prefix in its index entry or a
            part of it; anything for a shard without keys.
    """

    sets: dict[str, bytes] = field(default_factory=dict)
    deletes: list[str] = field(default_factory=list)
    prefix: str = ""


@dataclass(slots=True)
class Batch:
    """One flush: applied whole, in this order: clear, writes, merges, splits, alarms, progress.

    Attributes:
        flush_number: The one before plus 1: it is applied after that one and no other.
        size_bytes: About what it brings.
        clear: Drop every shard first.
        writes: Shard -> its changes. If the index has no shard (any longer, after `clear`) all go
            to `FIRST_SHARD`, which is made and starts at the empty key.
        merges: Pairs of neighbours (left, right) to be joined if they are still small.
        alarms: Alarms to set, and with None to delete.
        alarm_changed: Whether `alarm_at_ms` is to be recorded and shown in the index of due times.
        alarm_at_ms: When the first alarm is due after all this; None if there is none.
        alarm_advances: It is earlier than before, so the index has to show it beforehand.
        progress: Gateway id -> event number; a negative number forgets the gateway.
        holders: Gateway id -> address, for those that hold connections since; "" forgets one.
    """

    space: str
    owner: str
    epoch: int
    flush_number: int
    size_bytes: int = 0
    clear: bool = False
    writes: dict[int, ShardWrites] = field(default_factory=dict)
    merges: list[tuple[int, int]] = field(default_factory=list)
    alarms: Mapping[str, Alarm | None] = field(default_factory=dict)
    alarm_changed: bool = False
    alarm_at_ms: int | None = None
    alarm_advances: bool = False
    progress: Mapping[str, int] = field(default_factory=dict)
    holders: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Committed:
    """What a flush did to the index.

    Attributes:
        shards: Entries that are new or changed.
        removed: Shards that are gone.
        whole_index: `shards` is the whole index: everything else is gone.
        alarm_at_ms: When the first alarm is due now.
    """

    flush_number: int
    shards: list[ShardInfo]
    removed: list[int]
    whole_index: bool
    alarm_at_ms: int | None


class AlarmSource(Protocol):
    """Tells which spaces want to be woken: every backend does."""

    async def take_due(self, now_ms: int, *, until_ms: int, count_max: int) -> list[str]:
        """Take about `count_max` spaces with an alarm due by `now_ms`.

        Who takes one sees to it that it is woken. It is due again at `until_ms`, unless its
        alarms have moved.
        """
        ...

    async def put_off(self, space: str, until_ms: int) -> None:
        """Have a space that cannot be woken now not be due before `until_ms`."""
        ...

    async def close(self) -> None:
        """Give up the connection, if there is one."""
        ...


class Backend(Protocol):
    """Keeps spaces. One per process, shared by all its spaces."""

    async def claim(
        self, space: str, *, owner: str, address: str, takeover_epoch: int | None = None
    ) -> Claim:
        """Become the only writer of `space`; the epoch grows by 1.

        Granted if nobody holds the space, if `owner` itself does, or if the recorded epoch is
        still `takeover_epoch`; the caller has checked that the recorded owner's lease is gone.

        Raises:
            ClaimHeld: If somebody else holds it; tells who, where and with which epoch.
        """
        ...

    async def release(self, space: str, *, owner: str, epoch: int) -> None:
        """Give the claim back. Does nothing if it is not ours any more."""
        ...

    async def reclaim(self, space: str, *, owner: str, epoch: int, new_owner: str) -> int:
        """Go on with a claim under another name of its owner; the epoch grows by 1.

        Returns the number of the last flush applied. Asked again, it is granted again.

        Raises:
            NotOwner: If the claim is not the recorded one: somebody else has the space, or had.
        """
        ...

    async def commit(self, batch: Batch) -> Committed:
        """Apply one flush.

        Raises:
            NotOwner: If the claim is not the recorded one; nothing was applied.
            FlushMissing: If the backend has lost the flush before this one; nothing was applied.
            StorageError: If it is not known to be applied and will not be tried again.
        """
        ...

    async def lease_alive(self, owner: str) -> bool:
        """Tell whether the process `owner` still renews its lease."""
        ...

    def read_fields(
        self, space: str, wanted: Mapping[Home, Sequence[str]]
    ) -> Awaitable[dict[str, bytes | None]]:
        """Read keys, given by where they are; None for those that are not there.

        This and the two below are asked when called, not when awaited: a commit that is called
        later does not show in what they return.
        """
        ...

    def read_shards(
        self, space: str, shards: Sequence[Home]
    ) -> Awaitable[dict[int, dict[str, bytes]]]:
        """Read whole shards; a shard that does not exist is empty."""
        ...

    def read_shard_keys(
        self, space: str, shards: Sequence[Home]
    ) -> Awaitable[dict[int, list[str]]]:
        """Read the keys of shards without their values, in any order."""
        ...

    async def close(self) -> None:
        """Give up the connection, if there is one. Claims stay."""
        ...
