"""The URL of a room, for clients."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from yarl import URL

from ..actors.parties import PARTY_NAME

_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_AS_WEBSOCKET = {"http": "ws", "https": "wss"}


def server_url(url: str) -> URL:
    """The URL of a server, as `http` or `https`, without what may follow host and port.

    Raises:
        ValueError: If it is none.
    """
    parsed = URL(url)
    scheme = _SCHEMES.get(parsed.scheme)
    if scheme is None or not parsed.host:
        raise ValueError(
            f"{url!r} is no URL of a server; give one like http://127.0.0.1:1999, "
            "with http, https, ws or wss"
        )
    return parsed.with_scheme(scheme).origin()


def room_url(
    url: str,
    party: str,
    room: str,
    path: str = "/",
    query: Mapping[str, str] | None = None,
    protocol: str = "http",
) -> URL:
    """The URL of what is below a room; `protocol` is "http" or "ws".

    Raises:
        ValueError: If a part of it is not valid.
    """
    if not path.startswith("/"):
        raise ValueError(f"path {path!r} was given; it begins with `/`, below the room")
    if not PARTY_NAME.fullmatch(party):
        raise ValueError(f"party {party!r} is no name; lower-case letters, digits, `_` and `-` are")
    if not room:
        raise ValueError("an empty room id was given")
    base = server_url(url)
    if protocol == "ws":
        base = base.with_scheme(_AS_WEBSOCKET[base.scheme])
    below, _, own_query = path.partition("?")
    whole = f"{base}/parties/{party}/{quote(room, safe='')}{'' if below == '/' else below}"
    found = URL(whole + (f"?{own_query}" if own_query else ""), encoded=True)
    return found.update_query(query) if query else found
