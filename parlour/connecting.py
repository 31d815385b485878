"""`parlour.connect`: the rooms, for a program outside of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .runtime.outside import Rooms


def connect(url: str | None = None, *, token: str | None = None) -> Rooms:
    """The rooms of a running Parlour: `async with parlour.connect() as rooms:`.

    See `parlour.runtime.outside.connect`, whose arguments these are.
    """
    # Here, not above: room actors import this package, and need no HTTP client for it.
    from .runtime.outside import connect as connect_over_http

    return connect_over_http(url, token=token)
