"""The peers by name.

A peer is measured alone: it is started, driven and stopped before the next one starts. All serve
the same work under the same path, `<base>/<party>/<room>`, with one text message in, and the same
message out to its sender (or, in a fan-out, to everybody).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from benchmarks.peers.asgi_servers import ChannelsServer, FastApiServer, SocketIoServer
from benchmarks.peers.bare_ray import BareRay
from benchmarks.peers.bare_redis import BareRedis, EverysecBareRedis
from benchmarks.peers.bare_ws import BareServer
from benchmarks.peers.parlour_server import EverysecParlourServer, ParlourServer
from benchmarks.peers.partykit import PartyKitServer
from benchmarks.peers.workerd import HibernatingWorkerdServer, WorkerdServer


class Peer(Protocol):
    """One server on this machine, with its data in a folder that it is given."""

    def start(self) -> str:
        """Start with empty storage; the URL of any room, with {party} and {room} to fill in.

        Raises:
            PeerFailed: It could not be installed or did not come up; says why.
        """

    def stop(self) -> int:
        """End every process it started, remove its data; how many it left behind itself.

        Safe to call at any time.
        """

    def versions(self) -> dict[str, str]:
        """Names and versions of what is measured."""


# What a Python programmer would use instead, for questions that ask them.
PYTHON_PEERS = ("fastapi", "channels", "socketio")

# What nobody passes who does the same in Python, without Parlour's promises.
LIMITS = ("bare", "ray", "redis", "redis-everysec")

PEERS: dict[str, Callable[[Path], Peer]] = {
    "bare": BareServer,
    "ray": BareRay,
    "redis": BareRedis,
    "redis-everysec": EverysecBareRedis,
    "workerd": WorkerdServer,
    "workerd-hibernating": HibernatingWorkerdServer,
    "partykit": PartyKitServer,
    "fastapi": FastApiServer,
    "channels": ChannelsServer,
    "socketio": SocketIoServer,
    "parlour": ParlourServer,
    "parlour-everysec": EverysecParlourServer,
}
