"""What the manager's decisions cost in CPU on one node, by the rooms that are live there.

Each figure is the CPU time of this process, of the real code on a pool of that size: the fastest
of some rounds, as whatever else runs can only add to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from parlour.actors import messages
from parlour.actors.messages import Report, RoomKey
from parlour.runtime.waiting import WaitingWake, WaitingWakes

from benchmarks.scale_node import LINK, PARTY, SimulatedNode, options

ROUNDS = 3
NEVER_S = 1e9
WAITING = 1000  # rooms that wait for a room actor, where that is what costs


class LookCosts(NamedTuple):
    """CPU of one manager with so many live rooms."""

    rooms: int
    rooms_per_actor: int
    look_ms: float  # nobody has to leave
    pressed_look_ms: float  # a room waits for a place: the longest idle room is looked for
    deploy_look_ms: float  # a version is being rolled out, rooms are due to move
    reports_ms: float  # each room actor once: decode and take in
    wake_us: float  # one room placed
    waiting_ms: float  # 1,000 rooms that wait are tried once and find no place


class Stage:
    """A node with so many live rooms, all idle, in room actors that are full."""

    def __init__(self, rooms: int, rooms_per_actor: int) -> None:
        self.now_s = 1000.0
        parties = options(rooms_per_actor, NEVER_S)
        self.node = SimulatedNode("node", parties, lambda: self.now_s, live_rooms_max=2 * rooms)
        for first in range(0, rooms, rooms_per_actor):
            record = self.node.begin_start()
            self.node.end_start(record)
            for number in range(first, min(rooms, first + rooms_per_actor)):
                self.node.begin(record, RoomKey(PARTY, f"room-{number}"), number / rooms)
            self.node.report(record)

    def look(self) -> None:
        """The manager looks around, nobody waits."""
        assert not self.node.look()

    def pressed_look(self) -> None:
        """One room waits for a place."""
        assert len(self.node.look(waiting=1)) == 1

    def deploy_look(self) -> None:
        """Later than the last one, so that rooms are due again."""
        self.now_s += 3.0
        assert self.node.look()

    def reports(self) -> None:
        """Of each room actor: from bytes, as they arrive."""
        for payload, record in self.payloads:
            report = messages.decode(payload, Report)
            self.node.pool.report(record, report.rooms, report.memory_bytes, self.now_s)

    def prepare_reports(self) -> None:
        """What the room actors would send."""
        self.payloads = [
            (messages.encode(Report(list(self.node.live[record.id].values()), 1, "")), record)
            for record in self.node.pool.actors.values()
        ]

    def wait(self) -> None:
        """Rooms wait, and no room actor has a place."""
        waiting = WaitingWakes()
        for number in range(WAITING):
            waiting.add(WaitingWake(LINK, number, RoomKey(PARTY, f"waits-{number}"), self.now_s))
        waiting.serve(lambda wake: self.node.place(wake.key) is not None)
        assert len(waiting) == WAITING

    def wakes(self, first: int, count: int) -> None:
        """So many rooms are placed in a standby, or beside others."""
        for number in range(first, first + count):
            assert self.node.place(RoomKey(PARTY, f"new-{number}")) is not None


def measure(rooms: int, rooms_per_actor: int) -> LookCosts:
    """All of it for one size."""
    stage = Stage(rooms, rooms_per_actor)
    look_ms = _cpu_ms(stage.look)
    pressed_ms = _cpu_ms(stage.pressed_look)
    stage.prepare_reports()
    reports_ms = _cpu_ms(stage.reports)
    waiting_ms = _cpu_ms(stage.wait)
    # As many as the standbys have places for, or one room actor where many share it.
    count = max(2, rooms_per_actor)
    wakes_ms = []
    for attempt in range(ROUNDS):
        stage.node.fill()
        wakes_ms.append(_cpu_ms(partial(stage.wakes, attempt * count, count), rounds=1))
    wake_us = min(wakes_ms) * 1000 / count
    stage.node.pool.deploy(2, stage.node.pool.options)
    stage.node.fill()
    stage.node.mover.begin(NEVER_S / 1e5)
    deploy_ms = _cpu_ms(stage.deploy_look)
    return LookCosts(
        rooms, rooms_per_actor, look_ms, pressed_ms, deploy_ms, reports_ms, wake_us, waiting_ms
    )


def _cpu_ms(call: Callable[[], None], rounds: int = ROUNDS) -> float:
    fastest_s = float("inf")
    for _ in range(rounds):
        began_s = time.process_time()
        call()
        fastest_s = min(fastest_s, time.process_time() - began_s)
    return fastest_s * 1000
