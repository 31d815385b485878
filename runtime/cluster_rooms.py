"""What an operator does with the live rooms of a cluster. Blocking calls, as a driver of it."""

from __future__ import annotations

from ..actors.messages import RoomKey
from .cluster import call_controller
from .live_rooms import MOVE_TIMEOUT_S, ORDER_TIMEOUT_S


def order(what: str, key: RoomKey) -> None:
    """Have a live room "hibernate" or "reset"; returns when it has.

    Raises:
        ClusterError: If it is not live or does not; says why.
    """
    call_controller(lambda controller: controller.order_room.remote(what, key), ORDER_TIMEOUT_S * 2)


def move(key: RoomKey, to: str | None) -> str:
    """Have a live room wake on another node, by default on a chosen one; returns its address.

    Raises:
        ClusterError: If it is not live or does not move, or there is no such node; says why.
    """
    host: str = call_controller(
        lambda controller: controller.move_room.remote(key, to), MOVE_TIMEOUT_S
    )
    return host
