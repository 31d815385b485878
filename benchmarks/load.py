"""The load generator: a process of its own that drives one server and prints one line of JSON.

    python -m benchmarks.load echo   --url 'ws://127.0.0.1:1999/parties/echo/{room}' --sockets 50
    python -m benchmarks.load fanout --url 'ws://127.0.0.1:1999/parties/fanout/{room}' --sockets 100

echo: each socket keeps one message in flight and sends the next when its answer came.
http: the same over HTTP: each connection is kept alive and has one request on its way.
fanout: one of the sockets sends; each message must reach all of them; `--window` are in flight.
Each answer is checked, byte for byte and in its order: a wrong one ends the run with status 1.
The load is closed: a slow server gets less of it, so latencies are those at the reached throughput.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
import time
from dataclasses import asdict, dataclass

from benchmarks import ray_load
from benchmarks.client import BadAnswer
from benchmarks.dialects import dialect_of
from benchmarks.works import Echo, Fanout, Latencies, Load

SATURATED_CPU = (
    0.9  # of a core: from here on the figure may be the generator's limit, not the peer's
)


@dataclass(frozen=True)
class Result:
    """What one run measured. Latency: from just before the send to just after the receipt."""

    work: str
    sockets: int
    rooms: int
    size_bytes: int
    seconds: float
    answers: int  # echoes, or deliveries of a fan-out
    per_second: float
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float
    cpu: float  # of one core, used by this process
    cpu_kernel: float  # the part of it that was spent in the kernel
    saturated: bool


class _Clock:
    """Time that passed and that this process used, from its making to `stop`."""

    def __init__(self) -> None:
        self._wall_s, self._times = time.perf_counter(), os.times()

    def stop(self) -> None:
        """Both are over; CPU in cores."""
        now = os.times()
        self.wall_s = time.perf_counter() - self._wall_s
        self.cpu_kernel = (now.system - self._times.system) / self.wall_s
        self.cpu = self.cpu_kernel + (now.user - self._times.user) / self.wall_s


def measure(arguments: argparse.Namespace) -> Result:
    """Connect, warm up, measure."""
    rooms = [f"{arguments.room}-{index}" for index in range(arguments.rooms)]
    urls = [
        arguments.url.replace("{room}", rooms[index % len(rooms)])
        for index in range(arguments.sockets)
    ]
    if arguments.url.startswith("ray-actor:"):
        return _measure_calls(arguments)
    dialect = dialect_of(arguments.url, arguments.work, arguments.size)
    load = Load(dialect, urls)
    work = Fanout(load, arguments.window) if arguments.work == "fanout" else Echo(load)
    work.begin()
    load.serve(arguments.warmup, work.on_frames)
    load.latencies, load.answers = Latencies(), 0
    clock = _Clock()
    load.serve(arguments.seconds, work.on_frames)
    clock.stop()
    load.close()
    answers = load.answers * dialect.messages.answers_each
    return _result(arguments, load.latencies, answers, clock)


def _measure_calls(arguments: argparse.Namespace) -> Result:
    calls = ray_load.connect(arguments.url, arguments.size)
    asyncio.run(calls.run(arguments.sockets, arguments.warmup))
    calls.latencies, calls.answers = Latencies(), 0
    clock = _Clock()
    asyncio.run(calls.run(arguments.sockets, arguments.seconds))
    clock.stop()
    return _result(arguments, calls.latencies, calls.answers, clock)


def _result(
    arguments: argparse.Namespace, latencies: Latencies, answers: int, clock: _Clock
) -> Result:
    return Result(
        work=arguments.work,
        sockets=arguments.sockets,
        rooms=arguments.rooms,
        size_bytes=arguments.size,
        seconds=clock.wall_s,
        answers=answers,
        per_second=answers / clock.wall_s,
        p50_us=latencies.percentile_us(50),
        p90_us=latencies.percentile_us(90),
        p99_us=latencies.percentile_us(99),
        max_us=latencies.longest_ns / 1000,
        cpu=clock.cpu,
        cpu_kernel=clock.cpu_kernel,
        saturated=clock.cpu > SATURATED_CPU,
    )


def main() -> int:
    """Run one measurement; JSON on standard output, what went wrong on standard error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("work", choices=["echo", "fanout", "http"])
    parser.add_argument("--url", required=True, help="with {room} where the room's name goes")
    parser.add_argument("--room", default="load", help="the rooms are named so, with -0, -1, ...")
    parser.add_argument("--rooms", type=int, default=1, help="sockets are dealt out over so many")
    parser.add_argument("--sockets", type=int, default=1)
    parser.add_argument("--size", type=int, default=64, help="bytes of a message")
    parser.add_argument("--window", type=int, default=1, help="fanout: messages in flight")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--warmup", type=float, default=1.0, help="seconds")
    arguments = parser.parse_args()
    gc.disable()  # nothing here makes cycles, and a collection would look like a slow server
    try:
        result = measure(arguments)
    except (BadAnswer, OSError) as error:
        print(f"{arguments.work}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
