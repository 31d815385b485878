"""What the load generator does with its sockets: the loop that serves them, and the works.

A work checks each answer, byte for byte and in its order, and sends what comes next.
Not here: what answers look like on the wire (client.py, dialects.py), the command (load.py).
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.client import BadAnswer, Connection

if TYPE_CHECKING:
    from benchmarks.dialects import Dialect

STALL_S = 15.0  # without any answer for so long, the server has failed
FIRST_ANSWERS_S = 60.0  # for all sockets together, before the time of the warm-up starts
# For a message to reach all receivers before it is tried again: so long, and for each receiver as
# long as a slow server needs.
PROBE_PATIENCE_S, PROBES_PER_S = 0.5, 2000
LATENCY_MAX_US = 1_000_000  # longer ones are counted as this long in percentiles (max is exact)
EVENTS_AT_ONCE = 256  # sockets served before the clock is looked at again


class Latencies:
    """Counts per microsecond: bounded memory however long the run."""

    def __init__(self) -> None:
        self._counts = [0] * (LATENCY_MAX_US + 1)
        self.longest_ns = 0

    def add(self, latency_ns: int) -> None:
        """Count one answer."""
        if latency_ns > self.longest_ns:
            self.longest_ns = latency_ns
        us = latency_ns // 1000
        self._counts[us if us < LATENCY_MAX_US else LATENCY_MAX_US] += 1

    def percentile_us(self, percent: float) -> float:
        """The least latency that so many percent of the answers did not exceed."""
        wanted, seen = sum(self._counts) * percent / 100, 0
        for us, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return float(us)
        return 0.0


class Load:
    """Sockets and the loop that serves them; the works below say what an answer means."""

    def __init__(self, dialect: Dialect, urls: list[str]) -> None:
        self.messages = dialect.messages
        self.clients = [dialect.connect(url) for url in urls]
        self.latencies = Latencies()
        self.answers = 0
        self._by_fd = {client.socket.fileno(): client for client in self.clients}
        self._poll = select.epoll(len(urls))
        for fd in self._by_fd:
            self._poll.register(fd, select.EPOLLIN)

    def serve(self, seconds: float, on_frames: Callable[[Connection, bytes], None]) -> None:
        """Hand what arrives to `on_frames` until the time is up."""
        now, by_fd, poll = time.perf_counter, self._by_fd, self._poll.poll
        end = now() + seconds
        while now() < end:
            events = poll(STALL_S, EVENTS_AT_ONCE)
            if not events:
                raise BadAnswer(f"no answer for {STALL_S:.0f} s; {self.answers} came before")
            for fd, _ in events:
                client = by_fd[fd]
                frames = client.read()
                if frames:
                    on_frames(client, frames)

    def read_some(self, wait_s: float) -> list[tuple[Connection, bytes]]:
        """What has arrived, or arrives within the given time."""
        ready = [self._by_fd[fd] for fd, _ in self._poll.poll(wait_s, EVENTS_AT_ONCE)]
        return [(client, frames) for client in ready if (frames := client.read())]

    def close(self) -> None:
        """Drop all connections."""
        for client in self.clients:
            client.close()
        self._poll.close()


class Echo:
    """Closed loop: one message in flight on each socket."""

    def __init__(self, load: Load) -> None:
        self.load = load

    def begin(self) -> None:
        """Wait for a first answer on every socket, as rooms may have to start; then go on."""
        unanswered = set(self.load.clients)
        for index, client in enumerate(self.load.clients):
            client.turns = self.load.messages.turns(index << 40)  # no two send the same message
            self._send_next(client)
        end = time.perf_counter() + FIRST_ANSWERS_S
        while unanswered:
            if time.perf_counter() > end:
                sockets = len(self.load.clients)
                raise BadAnswer(f"{len(unanswered)} of {sockets} sockets got no first answer")
            for client, frames in self.load.read_some(FIRST_ANSWERS_S / 100):
                if frames != client.expected:
                    raise _wrong_answer(client, frames)
                unanswered.remove(client)
        for client in self.load.clients:
            self._send_next(client)

    def on_frames(self, client: Connection, frames: bytes) -> None:
        """Check the one answer that is due and send the next message."""
        received_at_ns = time.perf_counter_ns()
        if frames != client.expected:
            raise _wrong_answer(client, frames)
        self.load.answers += 1
        self.load.latencies.add(received_at_ns - client.sent_at_ns)
        self._send_next(client)

    def _send_next(self, client: Connection) -> None:
        frame, client.expected = next(client.turns)
        client.sent_at_ns = time.perf_counter_ns()
        client.send(frame)


def _wrong_answer(client: Connection, frames: bytes) -> BadAnswer:
    return BadAnswer(f"sent {client.expected[:40]!r}..., the answer was {frames[:120]!r}")


class Fanout:
    """One sender, all sockets receive; `window` messages are on their way at a time."""

    def __init__(self, load: Load, window: int) -> None:
        self.load = load
        self.window = window
        self._sender = load.clients[0]
        self._sent = 0  # number of the newest message
        self._frames: dict[int, bytes] = {}  # of the messages in flight, as they must arrive
        self._missing: dict[int, int] = {}  # message in flight -> receivers that lack it
        self._sent_at_ns: dict[int, int] = {}

    def begin(self) -> None:
        """Wait until every socket is known to have joined, then fill the window."""
        self._settle()
        for client in self.load.clients:
            client.number = self._sent + 1
        for _ in range(self.window):
            self._send_next()

    def on_frames(self, client: Connection, frames: bytes) -> None:
        """Check the deliveries and send the next message when one has reached everybody."""
        received_at_ns = time.perf_counter_ns()
        start = 0
        while start < len(frames):
            number = client.number
            frame = self._frames.get(number, b"")
            if not frame or not frames.startswith(frame, start):
                raise BadAnswer(f"message {number} is due, {frames[start : start + 40]!r} came")
            start += len(frame)
            client.number = number + 1
            client.expected = self._frames.get(number + 1, b"")
            self.load.answers += 1
            self.load.latencies.add(received_at_ns - self._sent_at_ns[number])
            self._missing[number] -= 1
            if not self._missing[number]:
                del self._missing[number], self._frames[number], self._sent_at_ns[number]
                self._send_next()

    def _send_next(self) -> None:
        self._sent += 1
        number = self._sent
        self._frames[number] = self.load.messages.from_server(number)
        self._missing[number] = len(self.load.clients)
        self._sent_at_ns[number] = time.perf_counter_ns()
        self._sender.send(self.load.messages.from_client(number))

    def _settle(self) -> None:
        """A socket may be open before its room knows it: send probes until one has reached all."""
        newest = dict.fromkeys(self.load.clients, 0)
        end = time.perf_counter() + FIRST_ANSWERS_S
        while min(newest.values()) < self._sent or not self._sent:
            if time.perf_counter() > end:
                joined = sum(1 for number in newest.values() if number)
                raise BadAnswer(
                    f"{joined} of {len(newest)} sockets receive after {FIRST_ANSWERS_S:.0f} s"
                )
            self._sent += 1
            self._sender.send(self.load.messages.from_client(self._sent))
            self._await_probe(newest)

    def _await_probe(self, newest: dict[Connection, int]) -> None:
        """Note which probe each socket got, until all have the newest or it takes too long."""
        end = time.perf_counter() + PROBE_PATIENCE_S + len(newest) / PROBES_PER_S
        while min(newest.values()) < self._sent and time.perf_counter() < end:
            for client, frames in self.load.read_some(PROBE_PATIENCE_S / 10):
                newest[client] = self.load.messages.number_of_last(frames)
