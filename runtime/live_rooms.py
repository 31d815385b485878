"""What an operator asks of a live room of the cluster: the controller's part, across nodes.

A room is found by asking the hibernation manager of every node, as only they know who really has
it. Each call returns when it has happened, or raises why it has not; no socket is closed by it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from ray.exceptions import RayError

from ..actors.lifecycle import State
from ..actors.messages import RoomKey
from .node_keeper import LOOK_TIMEOUT_S, NodeKeeper
from .placement import elsewhere
from .room_orders import END_PATIENCE_S, LEAVE_PATIENCE_S, RESET_PATIENCE_S, OrderRefused

ORDER_TIMEOUT_S = max(LEAVE_PATIENCE_S, RESET_PATIENCE_S + END_PATIENCE_S) + 5.0
REDIRECT_S = 30.0  # in which whoever asks for a room that moves is sent to its new node
WAKE_PATIENCE_S = 15.0  # for it to be live there
LOOK_AGAIN_S = 0.05
MOVE_TIMEOUT_S = LOOK_TIMEOUT_S * 2 + ORDER_TIMEOUT_S + WAKE_PATIENCE_S  # for everything together


class LiveRooms:
    """The live rooms of all nodes."""

    def __init__(
        self, nodes: Mapping[str, NodeKeeper], parties: Callable[[], Collection[str]]
    ) -> None:
        """`nodes`, and what `parties` says is deployed, are looked at with each call."""
        self._nodes = nodes
        self._parties = parties

    def __repr__(self) -> str:
        return f"<LiveRooms of {len(self._nodes)} nodes>"

    async def order(self, what: str, key: RoomKey) -> None:
        """Have a room hibernate ("hibernate") or be thrown out ("reset").

        Raises:
            OrderRefused: If it is not live, or the order is not carried out.
        """
        await self._order(await self._find(key), what, key)

    async def move(self, key: RoomKey, target: NodeKeeper | None) -> tuple[NodeKeeper, NodeKeeper]:
        """Have a room leave its node and wake on another; returns both.

        Without `target` the node is chosen as for a room that wakes while its own takes none.

        Raises:
            OrderRefused: If the room is not live, there is no node for it, or it does not leave or
                wake.
        """
        here = await self._find(key)
        there = self._chosen(here, target, key)
        told = await self._redirect(key, there, REDIRECT_S)
        for node in (here, there):
            if node not in told:
                raise OrderRefused(f"node {node.settings.host} does not answer")
        await self._order(here, "leave", key)
        await self._wake(key, there)
        # Where it is live is known from its claim; were its node to die, it may wake anywhere.
        await self._redirect(key, there, 0.0)
        return here, there

    # Steps

    async def _find(self, key: RoomKey) -> NodeKeeper:
        keepers = list(self._nodes.values())
        answers = await asyncio.gather(
            *(self._ask(keeper, "manager", "room_state", key) for keeper in keepers)
        )
        for keeper, state in zip(keepers, answers, strict=True):
            if state:
                return keeper
        silent = [
            keeper.settings.host
            for keeper, answer in zip(keepers, answers, strict=True)
            if answer is None
        ]
        parties = self._parties()
        if key.party not in parties:
            known = ", ".join(sorted(parties)) or "none"
            raise OrderRefused(f"{key} is not live: its party is not deployed; deployed: {known}")
        why = f" on a node that answers; {', '.join(silent)} did not" if silent else ""
        raise OrderRefused(f"{key} is not live{why}")

    def _chosen(self, here: NodeKeeper, target: NodeKeeper | None, key: RoomKey) -> NodeKeeper:
        if target is here:
            raise OrderRefused(f"{key} is on {here.settings.host} already")
        if target is not None:
            if target.load is None:
                raise OrderRefused(f"node {target.settings.host} does not answer")
            if not target.load.has_place:
                raise OrderRefused(
                    f"node {target.settings.host} takes no room now: it is "
                    f"{'leaving' if target.load.leaving else 'full'}"
                )
            return target
        loads = {k.load.node_id: k.load for k in self._nodes.values() if k.load and k is not here}
        mine = here.load
        found = elsewhere(replace(mine, leaving=True), list(loads.values())) if mine else None
        if found is None:
            raise OrderRefused(f"no other node has a place for {key}")
        return self._nodes[found.node_id]

    async def _redirect(self, key: RoomKey, there: NodeKeeper, for_s: float) -> list[NodeKeeper]:
        """Tell every node where the room is to wake for so long; returns those that know it."""
        address = there.load.manager_address if there.load is not None else ""
        keepers = list(self._nodes.values())
        told = await asyncio.gather(
            *(
                self._ask(keeper, "manager", "redirect", key, address, for_s, answer=True)
                for keeper in keepers
            )
        )
        return [keeper for keeper, done in zip(keepers, told, strict=True) if done]

    async def _wake(self, key: RoomKey, there: NodeKeeper) -> None:
        """Have it wake on its new node, and the gateways that hold its clients find it there."""
        await self._ask(there, "gateway", "wake", key, False)
        give_up_s = time.monotonic() + WAKE_PATIENCE_S
        while await self._ask(there, "manager", "room_state", key) in (
            None,
            "",
            State.WAKING.value,
        ):
            if time.monotonic() > give_up_s:
                raise OrderRefused(
                    f"{key} has left its node and is not live on {there.settings.host} after "
                    f"{WAKE_PATIENCE_S:.0f} s; its next event wakes it"
                )
            await asyncio.sleep(LOOK_AGAIN_S)
        others = [keeper for keeper in self._nodes.values() if keeper is not there]
        await asyncio.gather(*(self._ask(each, "gateway", "wake", key, True) for each in others))

    # Calls

    async def _order(self, keeper: NodeKeeper, what: str, key: RoomKey) -> None:
        try:
            await keeper.call("manager", "order", what, key, timeout_s=ORDER_TIMEOUT_S)
        except TimeoutError as error:
            host = keeper.settings.host
            raise OrderRefused(f"node {host} has {key} and does not answer any more") from error
        except RayError as error:
            cause = getattr(error, "cause", None)
            raise (
                cause
                if isinstance(cause, OrderRefused)
                else OrderRefused(
                    f"the manager of {keeper.settings.host} is being restarted; try again"
                )
            ) from error

    async def _ask(
        self, keeper: NodeKeeper, process: str, method: str, *arguments: Any, answer: Any = None
    ) -> Any:
        """What a process of a node answers, or `answer` for nothing; None if it does not."""
        try:
            found = await keeper.call(process, method, *arguments, timeout_s=LOOK_TIMEOUT_S)
        except (RayError, TimeoutError):
            return None
        return answer if found is None else found
