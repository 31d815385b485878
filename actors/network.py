"""How processes of different nodes reach each other: addresses, the secret, TLS, dead peers.

A process that accepts links is reached over a Unix socket on its own node and over TCP from the
others. Its address names both: `path` alone, or `path@host:port`. Over TCP both ends prove that
they know the cluster's secret (`link_handshake.py`); what follows is encrypted where Ray's own
traffic is (`RAY_USE_TLS`), and otherwise the network between the nodes has to be trusted, as it
has to be for Ray.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

PEER_SILENCE_MS = 2_500  # without an answer from the other kernel: its node is dead or cut off
PROBE_IDLE_S, PROBE_INTERVAL_S, PROBES = 1, 1, 3
PORT_MAX = 65535
FOLDER_ID_CHARACTERS = 16  # of a node's id in the name of its folder: a socket's path is short
_PLACE = re.compile(r"(\[[^\[\]]*:[^\[\]]*\]|[^\[\]:]+):([1-9][0-9]{0,4})")


class Address(NamedTuple):
    """Where a process accepts links: a Unix socket, and host and port if other nodes may come."""

    path: str
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if not self.port:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.path}@{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read what `str` wrote.

        Raises:
            ValueError: If it is no address.
        """
        path, at, place = text.rpartition("@")
        if text and (not at or "/" in place):  # a folder may have an @ in its name, too
            return cls(text)
        found = _PLACE.fullmatch(place)
        if not path or found is None or int(found[2]) > PORT_MAX:
            raise ValueError(f"{text!r} is no address; it is a path, or path@host:port")
        return cls(path, found[1].strip("[]"), int(found[2]))

    @property
    def folder(self) -> str:
        """The folder of the Unix socket, which each node has for itself alone."""
        return os.path.dirname(self.path)


class TlsFiles(NamedTuple):
    """A node's certificate with its key, and the authority that all nodes' certificates are of."""

    certificate: str
    key: str
    authority: str


@dataclass(frozen=True)
class Network:
    """A node among others.

    Attributes:
        folder: Of this node's Unix sockets.
        host: This node's address, as the others reach it.
        secret: Known to every process of the cluster and to nobody else.
        tls: What to encrypt with; None for plain TCP.
        ports: The first and the last port to accept links on; None for any that is free.
    """

    folder: str
    host: str
    secret: bytes = field(repr=False)
    tls: TlsFiles | None = None
    ports: tuple[int, int] | None = None

    def is_here(self, address: Address) -> bool:
        """Whether a process is on this node."""
        return address.folder == self.folder

    def accepting_tls(self) -> ssl.SSLContext | None:
        """For the end that accepts; it asks for the other's certificate, too."""
        return self._context(ssl.Purpose.CLIENT_AUTH)

    def opening_tls(self) -> ssl.SSLContext | None:
        """For the end that opens. Nodes are known by their authority, whatever their names."""
        return self._context(ssl.Purpose.SERVER_AUTH)

    def _context(self, purpose: ssl.Purpose) -> ssl.SSLContext | None:
        if self.tls is None:
            return None
        context = ssl.create_default_context(purpose, cafile=self.tls.authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.tls.certificate, self.tls.key)
        return context


def node_folder(node_id: str) -> str:
    """Where a node that is one of several has its Unix sockets."""
    return f"/tmp/parlour-{node_id[:FOLDER_ID_CHARACTERS]}"


def manager_address(folder: str) -> str:
    """Where the hibernation manager listens for processes of its own node."""
    return f"{folder}/manager.sock"


def tls_of_ray(environment: Mapping[str, str]) -> TlsFiles | None:
    """The files that Ray's own TLS uses on this node; None where it is off.

    Raises:
        ValueError: If it is on and a file is not named.
    """
    if environment.get("RAY_USE_TLS", "0").lower() not in ("1", "true"):
        return None
    names = ("RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT")
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise ValueError(f"RAY_USE_TLS is on, and {', '.join(missing)} is not set on this node")
    return TlsFiles(*(environment[name] for name in names))


def notice_dead_peer(transport: asyncio.BaseTransport) -> None:
    """Have the system end a TCP connection whose other node has vanished without a word.

    The other kernel answers these probes, so a process that is busy, or stopped, is not cut off.
    """
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    probe(connection, PROBE_IDLE_S, PROBE_INTERVAL_S, PROBES, PEER_SILENCE_MS)


def probe(
    connection: socket.socket, idle_s: int, interval_s: int, probes: int, silence_ms: int
) -> None:
    """Have the system ask the other end of an idle TCP connection whether it is there.

    It ends the connection when so many probes are not answered, or, on Linux, when what was sent
    is not acknowledged for so long.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, probes)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence_ms)
