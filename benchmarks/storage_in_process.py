"""Storage as a room's own code feels it, and what a key costs in Redis: no sockets, no Ray.

    python -m benchmarks.storage_in_process

Against a private Valkey with `appendfsync always` (and `everysec` where it matters) on a Unix
socket. Each figure is the median of some rounds; each round has a space of its own.
"""

import argparse
import asyncio
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

import uvloop
from parlour.storage import (
    EmbeddedServer,
    OwnedStorage,
    RedisBackend,
    RedisConnection,
    StorageLimits,
    encode,
)

from benchmarks import report
from benchmarks.harness import FOLDER, ROOT

VALUE = "x" * 64
SMALL_VALUE = "x" * 8  # as a name, a counter or a flag: what the memory of a key is asked for
MANY = 10_000  # keys in the spaces that are read
AT_ONCE = 128  # keys in one put
GROUP = 1000  # puts before a sync, where the puts themselves are measured
UNCACHED = StorageLimits(claim_bytes_max=0, cache_bytes_max=4096)  # nearly every read is a miss
# Rooms, keys in each, and whether the keys all begin alike.
MEMORY_LAYOUTS = ((2000, 10, True), (1000, 100, True), (10, 10_000, True), (1000, 100, False))
PIPELINED = 1000  # commands in flight

Call = Callable[[int], Awaitable[object]]  # what is timed; gets the number of the call


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    unit: str
    values: list[float]  # one per round
    at_most: float | None = None  # what was asked, if anything was

    def __str__(self) -> str:
        spread = f"{min(self.values):,.2f} - {max(self.values):,.2f}"
        line = f"{self.name:<50}{median(self.values):>12,.2f} {self.unit:<6}{spread:>22}"
        if self.at_most is None:
            return line
        verdict = "met" if median(self.values) <= self.at_most else "missed"
        return f"{line}   asked: at most {self.at_most:g}: {verdict}"


class Bench:
    """Measures on one server."""

    def __init__(self, url: str, rounds: int) -> None:
        self.url = url
        self.connection = RedisConnection(url)
        self.rounds = rounds
        self.figures: list[Figure] = []
        self._spaces = 0

    async def space(self, keys: int = 0, limits: StorageLimits | None = None) -> OwnedStorage:
        """A new space with so many keys, claimed again with these limits after they were put."""
        self._spaces += 1
        name = f"bench/{self._spaces}"
        storage = await self.claim(name)
        for start in range(0, keys, AT_ONCE):
            some = range(start, min(start + AT_ONCE, keys))
            await storage.put({key_of(index): VALUE for index in some})
        await storage.close()
        return await self.claim(name, limits)

    async def claim(self, name: str, limits: StorageLimits | None = None) -> OwnedStorage:
        """A space by its name."""
        backend = RedisBackend(self.connection, limits=limits)
        claim = await backend.claim(name, owner="bench", address="")
        return OwnedStorage(backend, claim, limits=limits or StorageLimits())

    async def time(
        self,
        name: str,
        calls: int,
        make: Callable[[], Awaitable[Call]],
        at_most: float | None = None,
    ) -> None:
        """Microseconds of a call, one after the other; `make` prepares a round."""
        values = []
        for _ in range(self.rounds):
            call = await make()
            for index in range(calls // 10):
                await call(index)
            start = time.perf_counter()
            for index in range(calls):
                await call(index)
            values.append((time.perf_counter() - start) / calls * 1e6)
        self.add(Figure(name, "µs", values, at_most))

    def add(self, figure: Figure) -> None:
        """Keep a figure and show it."""
        self.figures.append(figure)
        print(figure, flush=True)

    async def close(self) -> None:
        """Give up the connection."""
        await self.connection.close()


def key_of(index: int) -> str:
    """Keys in the order of their numbers."""
    return f"key-{index % MANY:08}"


def unlike_key_of(index: int) -> str:
    """Keys of the same length that have nothing in common."""
    return hashlib.sha256(key_of(index).encode()).hexdigest()[: len(key_of(index))]


async def measure_reads(bench: Bench) -> None:
    """What a room waits for when it reads, from its cache and from Redis."""

    async def cached_get() -> Call:
        storage = await bench.space(100)
        return lambda index: storage.get(key_of(index % 100))

    async def uncached_get() -> Call:
        storage = await bench.space(MANY, UNCACHED)
        return lambda index: storage.get(key_of(index * 7919))

    async def bare_hget() -> Call:
        await bench.connection.execute("HSET", "bare", "key", encode(VALUE))
        return lambda index: bench.connection.execute("HGET", "bare", "key")

    async def cached_list() -> Call:
        storage = await bench.space(MANY)
        await storage.list()
        return lambda index: storage.list(limit=100, start=key_of(index * 100 % (MANY - 100)))

    async def uncached_list() -> Call:
        storage = await bench.space(MANY, UNCACHED)
        return lambda index: storage.list(limit=100, start=key_of(index * 7919 % (MANY - 100)))

    async def cached_list_of_all() -> Call:
        storage = await bench.space(MANY)
        await storage.list()
        return lambda index: storage.list()

    async def uncached_list_of_all() -> Call:
        storage = await bench.space(MANY, UNCACHED)
        return lambda index: storage.list()

    await bench.time("get, cached", 50_000, cached_get, at_most=5.0)
    await bench.time("get, not cached", 2000, uncached_get)
    await bench.time("  the limit: HGET on the same connection", 2000, bare_hget)
    await bench.time("list of 100 among 10,000, cached", 500, cached_list)
    await bench.time("list of 100 among 10,000, not cached", 500, uncached_list)
    await bench.time("list of 10,000, cached", 10, cached_list_of_all)
    await bench.time("list of 10,000, not cached", 10, uncached_list_of_all)


async def measure_writes(bench: Bench, fsync: str) -> None:
    """What a write costs, alone and in company."""

    async def put_and_sync() -> Call:
        storage = await bench.space()

        async def call(index: int) -> None:
            storage.put(key_of(index), VALUE)
            await storage.sync()

        return call

    async def puts_and_a_sync() -> Call:
        storage = await bench.space()

        async def call(index: int) -> None:
            storage.put(key_of(index), VALUE)
            if index % GROUP == GROUP - 1:
                await storage.sync()

        return call

    await bench.time(f"put, then sync ({fsync})", 1000, put_and_sync)
    await bench.time(f"put, a sync each {GROUP:,} ({fsync})", 20 * GROUP, puts_and_a_sync)


async def measure_memory(bench: Bench) -> None:
    """Bytes in Redis of one small key: Parlour's shards, and a hash with a sorted set per room."""
    for rooms, count, alike in MEMORY_LAYOUTS:
        keys = [key_of(index) if alike else unlike_key_of(index) for index in range(count)]
        ratios, layout = [], f"{rooms:,} rooms of {count:,} {'' if alike else 'unlike '}keys"
        figures: dict[str, list[float]] = {}
        await _memory(bench, rooms, keys, _fill_shards)  # so that the server has its own buffers
        for _ in range(bench.rounds):
            shards = await _memory(bench, rooms, keys, _fill_shards)
            plain = await _memory(bench, rooms, keys, _fill_plain)
            ratios.append(shards[0] / plain[0])
            for name, (usage, used) in {"shards": shards, "hash + sorted set": plain}.items():
                figures.setdefault(f"{name}, MEMORY USAGE", []).append(usage / rooms / count)
                figures.setdefault(f"{name}, used_memory", []).append(used / rooms / count)
        for name, values in figures.items():
            bench.add(Figure(f"{layout}: {name}", "B/key", values))
        bench.add(Figure(f"{layout}: ratio", "x", ratios, at_most=0.5))


Fill = Callable[[Bench, str, list[str]], Awaitable[None]]


async def _memory(bench: Bench, rooms: int, keys: list[str], fill: Fill) -> tuple[int, int]:
    """Bytes after filling an empty server: the sum over its keys, and what it says it uses."""
    await bench.connection.execute("FLUSHALL", "SYNC")
    before = await _used_memory(bench)
    filler = Bench(bench.url, 1)  # its buffers in the server go with it
    for room in range(rooms):
        await fill(filler, f"bench/room-{room:04}", keys)
    await filler.close()
    used = await _used_memory(bench) - before
    names = await bench.connection.execute("KEYS", "*")
    usages = [bench.connection.execute("MEMORY", "USAGE", name, "SAMPLES", 0) for name in names]
    return sum(await asyncio.gather(*usages)), used


async def _fill_shards(bench: Bench, room: str, keys: list[str]) -> None:
    storage = await bench.claim(room)
    for start in range(0, len(keys), AT_ONCE):
        await storage.put(dict.fromkeys(keys[start : start + AT_ONCE], SMALL_VALUE))
    await storage.close()


async def _fill_plain(bench: Bench, room: str, keys: list[str]) -> None:
    value = encode(SMALL_VALUE)
    for start in range(0, len(keys), PIPELINED):
        some = keys[start : start + PIPELINED]
        pairs = [part for key in some for part in (key, value)]
        scores = [part for key in some for part in (0, key)]
        await bench.connection.execute("HSET", f"hash:{room}", *pairs)
        await bench.connection.execute("ZADD", f"order:{room}", *scores)


async def _used_memory(bench: Bench) -> int:
    info: bytes = await bench.connection.execute("INFO", "memory")
    return int(info.partition(b"used_memory:")[2].split(b"\r", 1)[0])


async def measure(rounds: int, urls: dict[str, str]) -> list[Figure]:
    """All figures, on the servers given by their appendfsync."""
    always, everysec = Bench(urls["always"], rounds), Bench(urls["everysec"], rounds)
    try:
        await measure_reads(always)
        await measure_writes(always, "always")
        await measure_writes(everysec, "everysec")
        await measure_memory(everysec)
    finally:
        await always.close()
        await everysec.close()
    return always.figures + everysec.figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure on two private servers, print, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storage_in_process")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    rounds = parser.parse_args(arguments).rounds
    folders = {fsync: FOLDER / f"storage-{fsync}" for fsync in ("always", "everysec")}
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
    print(f"Storage in process; medians of {rounds} rounds, min - max\n", flush=True)
    with (
        EmbeddedServer(folders["always"]) as always,
        EmbeddedServer(folders["everysec"], durability="everysec") as everysec,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        urls = {"always": always.url, "everysec": everysec.url}
        figures = runner.run(measure(rounds, urls))
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
    content = {**report.circumstances(), "figures": [asdict(figure) for figure in figures]}
    path = FOLDER / "storage_in_process.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"\nAll rounds: {path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
