"""Live rooms across nodes: what the controller asks of which node, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from parlour.actors.messages import RoomKey
from parlour.runtime.live_rooms import LiveRooms
from parlour.runtime.node_keeper import NodeKeeper
from parlour.runtime.placement import NodeLoad
from parlour.runtime.room_orders import OrderRefused
from parlour.runtime.settings import ClusterSettings, node_settings

A = RoomKey("chat", "a")


class ScriptedNode(NodeKeeper):
    """A node whose processes answer by a script.

    Attributes:
        live: The rooms that it has.
        silent: Its processes do not answer.
        calls: What it was asked to do: method and arguments.
    """

    def __init__(self, name: str, calls: list[tuple[str, str]], free_places: int = 5) -> None:
        settings = ClusterSettings("redis://none", "0.0.0.0", 1999)
        super().__init__(node_settings(settings, name, f"host-{name}"))
        self.name = name
        self.live: set[RoomKey] = set()
        self.silent = False
        self.calls = calls
        self.own_load = NodeLoad(name, f"manager of {name}", free_places, 0.1)

    @property
    def load(self) -> NodeLoad | None:
        return None if self.silent else self.own_load

    async def call(self, process: str, method: str, *arguments: Any, timeout_s: float) -> Any:
        if self.silent:
            raise TimeoutError
        if method == "room_state":
            return "live" if arguments[0] in self.live else ""
        what = " ".join(str(each) for each in arguments)
        self.calls.append((self.name, f"{method} {what}"))
        if method == "order":
            self.live.discard(arguments[1])
        if method == "wake" and not arguments[1]:
            self.live.add(arguments[0])
        return None


@pytest.fixture
def calls() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def nodes(calls: list[tuple[str, str]]) -> dict[str, ScriptedNode]:
    """Three nodes; room `a` is live on the first."""
    nodes = {name: ScriptedNode(name, calls) for name in ("one", "two", "three")}
    nodes["one"].live.add(A)
    return nodes


@pytest.fixture
def rooms(nodes: dict[str, ScriptedNode]) -> LiveRooms:
    return LiveRooms(nodes, lambda: ["chat"])


async def test_an_order_reaches_the_node_that_has_the_room(
    rooms: LiveRooms, calls: list[tuple[str, str]]
) -> None:
    """And no other."""
    await rooms.order("hibernate", A)
    assert calls == [("one", "order hibernate chat/a")]


async def test_a_room_moves_in_the_order_that_keeps_it_from_waking_in_between(
    rooms: LiveRooms, nodes: dict[str, ScriptedNode], calls: list[tuple[str, str]]
) -> None:
    """All nodes know its new place, it leaves and wakes there, its clients follow, all forget."""
    assert await rooms.move(A, nodes["three"]) == (nodes["one"], nodes["three"])
    redirected = [(name, "redirect chat/a manager of three 30.0") for name in nodes]
    assert calls == [
        *redirected,
        ("one", "order leave chat/a"),
        ("three", "wake chat/a False"),
        ("one", "wake chat/a True"),
        ("two", "wake chat/a True"),
        *[(name, "redirect chat/a manager of three 0.0") for name in nodes],
    ]


async def test_without_a_node_the_placement_chooses(
    rooms: LiveRooms, nodes: dict[str, ScriptedNode], calls: list[tuple[str, str]]
) -> None:
    """As for a room that wakes while its own node takes none."""
    nodes["two"].own_load = NodeLoad("two", "manager of two", 5, cpu_load=3.0)
    _, there = await rooms.move(A, None)
    assert there is nodes["three"]


async def test_a_node_that_takes_no_room_is_refused_before_anything_happens(
    rooms: LiveRooms, nodes: dict[str, ScriptedNode], calls: list[tuple[str, str]]
) -> None:
    """With the reason."""
    with pytest.raises(OrderRefused, match="is on host-one already"):
        await rooms.move(A, nodes["one"])
    nodes["two"].own_load = NodeLoad("two", "manager of two", 5, 0.1, leaving=True)
    with pytest.raises(OrderRefused, match="takes no room now: it is leaving"):
        await rooms.move(A, nodes["two"])
    nodes["three"].silent = True
    with pytest.raises(OrderRefused, match="host-three does not answer"):
        await rooms.move(A, nodes["three"])
    with pytest.raises(OrderRefused, match="no other node has a place"):
        await rooms.move(A, None)
    assert calls == []


async def test_a_room_that_no_node_has_is_not_live(
    rooms: LiveRooms, nodes: dict[str, ScriptedNode]
) -> None:
    """The answer says which nodes could not be asked, and what is deployed."""
    with pytest.raises(OrderRefused, match="^chat/b is not live$"):
        await rooms.order("reset", RoomKey("chat", "b"))
    nodes["two"].silent = True
    with pytest.raises(OrderRefused, match="on a node that answers; host-two did not"):
        await rooms.order("reset", RoomKey("chat", "b"))
    with pytest.raises(OrderRefused, match="its party is not deployed; deployed: chat"):
        await rooms.order("reset", RoomKey("none", "b"))
