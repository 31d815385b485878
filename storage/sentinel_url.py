"""The URL of a primary that Sentinels watch over: who to ask, and for what.

    redis+sentinel://[user:password@]s1:26379,s2:26379,s3:26379/SERVICE[/DB][?options]

User, password, database and `ssl_` options are those of the servers, and `rediss+sentinel` is TLS
to them; for the Sentinels there are `sentinel_username`, `sentinel_password` and `sentinel_ssl`.
Not here: what the rest of a URL means (redis_url.py), asking (sentinels.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode

from .server_errors import InvalidServerUrl

SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
DEFAULT_SENTINEL_PORT = 26379
PORT_MAX = 65535

Address = tuple[str, int]


@dataclass(frozen=True)
class Sentinels:
    """Which Sentinels to ask for the primary of which service, and how to be let in there.

    Attributes:
        service: The name that the Sentinels monitor the primary under.
        tls: Whether the Sentinels are spoken to over TLS, with the files of the servers.
    """

    addresses: tuple[Address, ...]
    service: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False

    def __str__(self) -> str:
        return f"{','.join(show(address) for address in self.addresses)}/{self.service}"


def show(address: Address) -> str:
    """As in a URL."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split(url: str) -> tuple[Sentinels, str]:
    """The Sentinels of `url`, and the URL of one server with all the rest of it.

    Raises:
        InvalidServerUrl: If it names no Sentinel or no service, or a port that is none.
    """
    scheme, _, rest = url.partition("://")
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    login, at, hosts = authority.rpartition("@")
    service, _, database = path.partition("/")
    addresses = tuple(_address(host) for host in hosts.split(",") if host)
    if not addresses:
        raise InvalidServerUrl("names no Sentinel")
    if not service:
        raise InvalidServerUrl("names no service after its Sentinels")
    if database and not database.isdecimal():
        raise InvalidServerUrl(f"has the database {database[:20]!r} after its service, no number")
    options = dict(parse_qsl(query, keep_blank_values=True))
    tls = options.pop("sentinel_ssl", "false").lower()
    if tls not in ("true", "false"):
        raise InvalidServerUrl(f"has sentinel_ssl={tls!r}, allowed are true and false")
    if tls == "true" and scheme == "redis+sentinel":
        raise InvalidServerUrl(
            "has sentinel_ssl=true, which takes its TLS from the servers', and no rediss+sentinel"
        )
    sentinels = Sentinels(
        addresses,
        unquote(service),
        options.pop("sentinel_username", None),
        options.pop("sentinel_password", None),
        tls == "true",
    )
    server = f"{SCHEMES[scheme]}://{login}{at}localhost/{database}"
    return sentinels, server + (f"?{urlencode(options)}" * bool(options))


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(DEFAULT_SENTINEL_PORT)
    host = unquote(host.removeprefix("[").removesuffix("]"))
    if not host or not port.isdecimal() or not 0 < int(port) <= PORT_MAX:
        raise InvalidServerUrl(
            f"names the Sentinel {text[:80]!r}; give host:port, or [address]:port for IPv6"
        )
    return host, int(port)
