"""What somebody wants deployed: room classes, and what their project says beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .code import Code


@dataclass(frozen=True)
class Assets:
    """Static files.

    Attributes:
        folder: Where they are on every node that serves them; empty: there are none.
        single_page: See `StaticFiles`.
        pack: The name of a pack that each node unpacks, instead of a folder.
    """

    folder: str = ""
    single_page: bool = False
    pack: str = ""


@dataclass(frozen=True)
class Limits:
    """What clients may do, as far as a project decides it; rooms have options of their own.

    Attributes:
        message_bytes_max: Of one WebSocket message.
        request_timeout_s: For a room to answer a request.
    """

    message_bytes_max: int = 1024 * 1024
    request_timeout_s: float = 60.0


@dataclass(frozen=True)
class Release:
    """Room classes, as they are before they have the number of a version.

    Attributes:
        name: Shown with the version.
        runtime_env: What Ray prepares for the processes that run them: packages, variables, files.
        env: The project's variables, as `Room.env` has them; some are secrets.
        crons: Name -> cron expression, for the main party's `on_cron`.
        assets_pack: The static files for nodes that have not their folder; see `asset_pack.py`.
    """

    code: Code
    name: str = ""
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    crons: Mapping[str, str] = field(default_factory=dict)
    assets: Assets = field(default_factory=Assets)
    limits: Limits = field(default_factory=Limits)
    assets_pack: bytes = field(default=b"", repr=False)
