"""Random histories with crashes, against a dict: what was written is there, whole or not at all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from parlour.storage import (
    Backend,
    MemoryBackend,
    NotOwner,
    OwnedStorage,
    RedisBackend,
    RedisConnection,
    StorageError,
    StorageLimits,
    StorageReset,
    Transaction,
)

from ..support.fragile_backend import Delays, Fault, FragileBackend, turns
from ..support.layout import check_layout

T = TypeVar("T")

SPACE = "chat/model"
SMALL = StorageLimits(
    shard_fields_max=6,
    shard_bytes_max=600,
    large_value_bytes_max=2_000,
    large_chunk_bytes=100,
    read_bytes_max=900,
)
LIMITS = {
    "brings and keeps all": SMALL,
    "brings nothing": replace(SMALL, claim_bytes_max=-1),
    "keeps little": replace(SMALL, claim_bytes_max=-1, cache_bytes_max=1_500),
    "keeps nothing": replace(SMALL, claim_bytes_max=-1, cache_bytes_max=0),
}


@dataclass
class State:
    """What a space should hold."""

    values: dict[str, object] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    alarm_at_s: int | None = None

    def copy(self) -> State:
        return State(dict(self.values), dict(self.large), self.alarm_at_s)


@dataclass(frozen=True)
class Change:
    """Something that a room does to its storage."""

    call: str
    arguments: tuple[Any, ...]

    def run(self, storage: OwnedStorage | Transaction) -> None:
        getattr(storage, self.call)(*self.arguments)

    def apply(self, state: State) -> None:
        """Do to the model what `run` does to storage."""
        match self.call, self.arguments:
            case "put", (dict() as pairs,):
                state.values.update(pairs)
            case "put", (key, value):
                state.values[key] = value
            case "delete", (list() as keys,):
                for key in keys:
                    state.values.pop(key, None)
            case "delete", (key,):
                state.values.pop(key, None)
            case "delete_all", ():
                state.__init__()  # type: ignore[misc]
            case "put_large", (key, value):
                state.large[key] = value
            case "delete_large", (key,):
                state.large.pop(key, None)
            case "set_alarm", (at_s,):
                state.alarm_at_s = at_s
            case "delete_alarm", ():
                state.alarm_at_s = None


keys = st.one_of(
    st.text("ab\0é\uffff😀", max_size=3),
    st.integers(0, 40).map("{:02}".format),
    st.integers(0, 200).map("é/{:03}".format),
)
values = st.one_of(st.integers(), st.none(), st.binary(max_size=200), st.text(max_size=5))
changes = st.one_of(
    st.tuples(keys, values).map(lambda pair: Change("put", pair)),
    st.tuples(keys, values).map(lambda pair: Change("put", pair)),
    st.dictionaries(keys, values, max_size=20).map(lambda pairs: Change("put", (pairs,))),
    keys.map(lambda key: Change("delete", (key,))),
    st.lists(keys, max_size=20).map(lambda some: Change("delete", (some,))),
    st.tuples(st.sampled_from("xy"), st.binary(max_size=1_500)).map(
        lambda pair: Change("put_large", pair)
    ),
    st.sampled_from("xy").map(lambda key: Change("delete_large", (key,))),
    st.integers(1, 10**9).map(lambda at_s: Change("set_alarm", (at_s,))),
    st.just(Change("delete_alarm", ())),
)
groups = st.lists(st.one_of(changes, changes, changes, st.just(Change("delete_all", ()))))
some_turns = st.integers(0, 6)
bound = st.none() | keys
ranges = st.fixed_dictionaries(
    {"reverse": st.booleans()},
    optional={
        "start": keys,
        "end": keys,
        "prefix": keys,
        "limit": st.integers(1, 30),
    },
)


def in_range(values: dict[str, object], wanted: dict[str, Any]) -> dict[str, object]:
    """Do to a dict what `list` does to storage."""
    chosen = [
        key
        for key in sorted(values, key=str.encode, reverse=wanted["reverse"])
        if key.encode() >= wanted.get("start", "").encode()
        and ("end" not in wanted or key.encode() < wanted["end"].encode())
        and key.startswith(wanted.get("prefix", ""))
    ]
    return {key: values[key] for key in chosen[: wanted.get("limit")]}


class StorageMachine(RuleBasedStateMachine):
    """One space through the hands of one owner after another.

    `possible` are the states that a new owner may find: the newest one known to be durable, and
    each one after it that ended without a write under way in the same turn of the loop.
    """

    def __init__(self, make_backend: Callable[[StorageLimits], Backend]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.make_backend = make_backend
        self.state = State()
        self.possible = [State()]
        self.storage: OwnedStorage | None = None
        self.backend: FragileBackend | None = None
        self.limits = SMALL

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @precondition(lambda self: self.storage is None)
    @rule(cache=st.sampled_from(sorted(LIMITS)))
    def wake(self, cache: str) -> None:
        """A new owner claims the space and finds one of the possible states."""
        self.run(self._wake(LIMITS[cache]))

    async def _wake(self, limits: StorageLimits) -> None:
        if self.backend is None:
            self.backend = FragileBackend(self.make_backend(limits))
        self.backend.fault = Fault.NONE
        claim = await self.backend.claim(SPACE, owner="owner", address="")
        self.limits = limits
        if limits.claim_bytes_max < 0:
            claim.values = None
        await check_layout(self.backend, claim, limits)
        self.storage = OwnedStorage(self.backend, claim, limits=limits)
        found = State(
            dict(await self.storage.list()),
            {key: await self.storage.get_large(key) for key in "xy"},
            _seconds(await self.storage.get_alarm()),
        )
        found.large = {key: value for key, value in found.large.items() if value is not None}
        assert found in self.possible
        self.state = found
        self.possible = [found.copy()]

    @precondition(lambda self: self.storage is not None)
    @rule(group=groups, loop_turns=some_turns)
    def write(self, group: list[Change], loop_turns: int) -> None:
        """Some changes without an await between them."""
        self.run(self._write(group, loop_turns))

    async def _write(self, group: list[Change], loop_turns: int) -> None:
        assert self.storage is not None
        for change in group:
            change.run(self.storage)
            change.apply(self.state)
        self.possible.append(self.state.copy())
        await turns(loop_turns)

    @precondition(lambda self: self.storage is not None)
    @rule(outer=groups, inner=groups, keep_outer=st.booleans(), keep_inner=st.booleans())
    def transact(
        self, outer: list[Change], inner: list[Change], keep_outer: bool, keep_inner: bool
    ) -> None:
        """A transaction in a transaction; each commits or is rolled back."""
        self.run(self._transact(outer, inner, keep_outer, keep_inner))

    async def _transact(
        self, outer: list[Change], inner: list[Change], keep_outer: bool, keep_inner: bool
    ) -> None:
        assert self.storage is not None
        before = self.state.copy()
        async with self.storage.transaction() as txn:
            for change in outer:
                change.run(txn)
                change.apply(self.state)
            middle = self.state.copy()
            async with self.storage.transaction() as nested:
                for change in inner:
                    change.run(nested)
                    change.apply(self.state)
                assert await nested.list() == self.state.values
                await turns(1)
                if not keep_inner:
                    nested.rollback()
                    self.state = middle
            assert await txn.list(reverse=True, limit=3) == in_range(
                self.state.values, {"reverse": True, "limit": 3}
            )
            if not keep_outer:
                txn.rollback()
                self.state = before
            else:
                self.possible.append(self.state.copy())

    @precondition(lambda self: self.storage is not None)
    @rule(wanted=ranges, some=st.lists(keys, max_size=5), then=groups, loop_turns=some_turns)
    def read(
        self, wanted: dict[str, Any], some: list[str], then: list[Change], loop_turns: int
    ) -> None:
        """Reads, and changes that are made while they are under way."""
        self.run(self._read(wanted, some, then, loop_turns))

    async def _read(
        self, wanted: dict[str, Any], some: list[str], then: list[Change], loop_turns: int
    ) -> None:
        assert self.storage is not None
        expected = self.state.copy()
        listed = self.storage.list(**wanted)
        names = self.storage.keys(**wanted)
        got = self.storage.get(some)
        large = self.storage.get_large("x")
        existed = self.storage.delete(some)
        Change("delete", (some,)).apply(self.state)
        await self._write(then, loop_turns)
        in_it = in_range(expected.values, wanted)
        assert list((await listed).items()) == list(in_it.items())
        assert await names == list(in_it)
        assert await got == {key: expected.values[key] for key in some if key in expected.values}
        assert await large == expected.large.get("x")
        assert await existed == len(set(some) & set(expected.values))
        assert [item async for item in self.storage.scan(page=3)] == list(
            in_range(self.state.values, {"reverse": False}).items()
        )

    @precondition(lambda self: self.storage is not None)
    @rule()
    def sync(self) -> None:
        """What was written is durable, and counted exactly."""
        assert self.storage is not None
        size = self.run(self.storage.size())
        pieces = sum(1 for key in self.state.large)
        assert size.keys >= len(self.state.values) + pieces
        self.possible = [self.state.copy()]

    @precondition(lambda self: self.backend is not None)
    @rule(delays=st.builds(Delays, some_turns, some_turns, some_turns))
    def answers_take(self, delays: Delays) -> None:
        """From here on the server is quicker or slower."""
        assert self.backend is not None
        self.backend.delays = delays

    @precondition(lambda self: self.storage is not None)
    @rule()
    def answer_is_lost_once(self) -> None:
        """The next flush is sent twice. Nobody notices."""
        assert self.backend is not None
        self.backend.fault = Fault.REPEATED

    @precondition(lambda self: self.storage is not None)
    @rule(fault=st.sampled_from([Fault.NOT_SENT, Fault.UNANSWERED]), group=groups)
    def flush_fails(self, fault: Fault, group: list[Change]) -> None:
        """A flush fails for good: the storage is reset, later calls say so."""
        self.run(self._flush_fails(fault, group))

    async def _flush_fails(self, fault: Fault, group: list[Change]) -> None:
        assert self.storage is not None
        assert self.backend is not None
        await self.storage.sync()
        self.possible = [self.state.copy()]
        self.backend.fault = fault
        await self._write([*group, Change("put", ("doomed", 1))], 2)
        with pytest.raises(StorageReset):
            await self.storage.sync()
        with pytest.raises(StorageReset):
            self.storage.get("doomed")
        self.storage = None

    @precondition(lambda self: self.storage is not None)
    @rule(group=groups, loop_turns=some_turns)
    def crash(self, group: list[Change], loop_turns: int) -> None:
        """The owner ends between flushes, or while one is on the wire."""
        assert self.storage is not None
        self.run(self._write(group, loop_turns))
        self.storage.abandon()
        self.storage = None

    @precondition(lambda self: self.storage is not None)
    @rule(group=groups, loop_turns=some_turns, late=groups)
    def is_taken_over(self, group: list[Change], loop_turns: int, late: list[Change]) -> None:
        """Another owner claims the space: what is flushed later does not land, and says why."""
        self.run(self._is_taken_over(group, loop_turns, late))

    async def _is_taken_over(
        self, group: list[Change], loop_turns: int, late: list[Change]
    ) -> None:
        old = self.storage
        assert old is not None
        await self._write(group, loop_turns)
        self.storage = None
        await self._wake(self.limits)
        try:
            for change in [*late, Change("put", ("late", 1))]:
                change.run(old)
            await old.sync()
        except NotOwner:
            pass
        else:
            raise AssertionError("a write landed after another owner's claim")

    @precondition(lambda self: self.storage is not None)
    @rule(group=groups)
    def hibernate(self, group: list[Change]) -> None:
        """The owner closes the storage: everything is durable."""
        self.run(self._hibernate(group))

    async def _hibernate(self, group: list[Change]) -> None:
        assert self.storage is not None
        await self._write(group, 0)
        await self.storage.close()
        with pytest.raises(StorageError):
            self.storage.put("late", 1)
        self.possible = [self.state.copy()]
        self.storage = None

    def teardown(self) -> None:
        try:
            if self.storage is not None:
                self.run(self._hibernate([]))
            self.run(self._wake(SMALL))
        finally:
            if self.storage is not None:
                self.storage.abandon()
            if self.backend is not None:
                self.run(self.backend.close())
            self.runner.close()


def _seconds(when: datetime | None) -> int | None:
    return None if when is None else round(when.astimezone(UTC).timestamp())


def _settings(examples: int) -> settings:
    """A short run that is the same each time; with PARLOUR_SOAK=<n>, n times as long and random."""
    soak = int(os.environ.get("PARLOUR_SOAK", "0"))
    return settings(
        max_examples=examples * max(1, soak),
        stateful_step_count=30,
        deadline=None,
        derandomize=not soak,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


# 150 histories of up to 30 steps are half a minute on a quiet machine, and more where others run.
@pytest.mark.timeout(180)
def test_random_histories_in_memory() -> None:
    """Over the in-memory backend, which splits and merges shards as Redis does."""
    run_state_machine_as_test(
        lambda: StorageMachine(lambda limits: MemoryBackend(limits=limits)),  # type: ignore[arg-type]
        settings=_settings(150),
    )


def test_random_histories_in_valkey(valkey_url: str) -> None:
    """Over a real Valkey."""
    import redis

    def make(limits: StorageLimits) -> Backend:
        with redis.Redis.from_url(valkey_url) as client:
            client.flushall()
        return RedisBackend(RedisConnection(valkey_url), limits=limits)

    run_state_machine_as_test(
        lambda: StorageMachine(make),  # type: ignore[arg-type]
        settings=_settings(60),
    )
