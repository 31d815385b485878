"""A server's URL, read once into what a connection needs. Its password never shows.

redis-py reads the URL; here is decided which of its parts are understood, and an option that is
not is refused by name: a misspelt one would otherwise be ignored in silence.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from . import sentinel_url
from .sentinel_url import Address, Sentinels
from .server_errors import InvalidServerUrl

DEFAULT_PORT = 6379
_OPTIONS = {"host", "port", "path", "db", "username", "password", "connection_class"}
_TLS_OPTIONS = {
    "ssl_ca_certs",  # file of the authorities to trust; without it the system's
    "ssl_certfile",  # our certificate, where the server asks for one
    "ssl_keyfile",
    "ssl_cert_reqs",  # none, optional or required; required is the default
    "ssl_check_hostname",  # true is the default
}


@dataclass(frozen=True)
class RedisUrl:
    """Where a server is and how to be let in.

    Attributes:
        socket_path: Of its Unix socket; None where it is reached over TCP.
        tls: The context to connect with; None for a plain connection.
        tls_options: What it was made from, as redis-py names it.
        sentinels: Who knows where the server is; then `host` and `port` mean nothing.
    """

    host: str = "localhost"
    port: int = DEFAULT_PORT
    socket_path: str | None = None
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    tls_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sentinels: Sentinels | None = None

    @classmethod
    def parse(cls, url: str) -> RedisUrl:
        """Read `redis://`, `rediss://` (TLS), `unix://` or, see sentinel_url.py, `redis+sentinel://`.

        TLS takes its files from the URL's options: ssl_ca_certs, ssl_certfile, ssl_keyfile,
        ssl_cert_reqs, ssl_check_hostname.

        Raises:
            InvalidServerUrl: If the URL names no server or has an option that is not understood.
        """
        # Here, not above: it takes half a second to import, and `parlour --help` must not.
        from redis.asyncio.connection import SSLConnection, parse_url

        scheme = url.partition("://")[0]
        if scheme in sentinel_url.SCHEMES:
            sentinels, server = sentinel_url.split(url)
            return replace(cls.parse(server), sentinels=sentinels)
        if scheme not in ("redis", "rediss", "unix"):
            raise InvalidServerUrl(f"begins with {scheme[:20]!r}")
        try:
            parts: dict[str, Any] = dict(parse_url(url))
        except ValueError as error:
            raise InvalidServerUrl(f"cannot be read: {error}") from None
        is_tls = parts.get("connection_class") is SSLConnection
        unknown = sorted(parts.keys() - _OPTIONS - (_TLS_OPTIONS if is_tls else set()))
        if unknown:
            raise InvalidServerUrl(f"has the option {unknown[0]!r}, which is not understood")
        if scheme == "unix" and not parts.get("path"):
            raise InvalidServerUrl("has no path of a socket")
        return cls(
            host=parts.get("host", "localhost"),
            port=parts.get("port", DEFAULT_PORT),
            socket_path=parts.get("path"),
            database=parts.get("db", 0),
            username=parts.get("username"),
            password=parts.get("password"),
            tls=_tls_context(parts) if is_tls else None,
            tls_options={name: parts[name] for name in sorted(_TLS_OPTIONS & parts.keys())},
        )

    def at(self, host: str, port: int) -> RedisUrl:
        """A server that lets us in the same way: a node of the same cluster, or the primary now."""
        return replace(self, host=host, port=port, socket_path=None, sentinels=None)

    def of_sentinel(self, address: Address) -> RedisUrl:
        """One of the Sentinels, as a server."""
        assert self.sentinels is not None
        host, port = address
        return RedisUrl(
            host,
            port,
            username=self.sentinels.username,
            password=self.sentinels.password,
            tls=self.tls if self.sentinels.tls else None,
        )

    def __str__(self) -> str:
        """The URL without user and password, for logs and errors."""
        if self.socket_path is not None:
            return f"unix://{quote(self.socket_path)}" + (
                f"?db={self.database}" * bool(self.database)
            )
        scheme = "rediss" if self.tls else "redis"
        where = sentinel_url.show((self.host, self.port))
        if self.sentinels is not None:
            scheme, where = f"{scheme}+sentinel", str(self.sentinels)
        return f"{scheme}://{where}" + (f"/{self.database}" * bool(self.database))


def _tls_context(parts: Mapping[str, object]) -> ssl.SSLContext:
    def text(name: str) -> str | None:
        value = parts.get(name)
        return None if value is None else str(value)

    try:
        context = ssl.create_default_context(cafile=text("ssl_ca_certs"))
        context.check_hostname = parts.get("ssl_check_hostname", True) is not False
        required = text("ssl_cert_reqs") or "required"
        if required == "none":
            context.check_hostname = False
        context.verify_mode = {
            "none": ssl.CERT_NONE,
            "optional": ssl.CERT_OPTIONAL,
            "required": ssl.CERT_REQUIRED,
        }[required]
        certfile = text("ssl_certfile")
        if certfile is not None:
            context.load_cert_chain(certfile, text("ssl_keyfile"))
    except KeyError as error:
        raise InvalidServerUrl(
            f"has ssl_cert_reqs={error.args[0]!r}, allowed are none, optional and required"
        ) from None
    except OSError as error:  # ssl.SSLError too
        raise InvalidServerUrl(f"names TLS files that cannot be used: {error}") from error
    return context
