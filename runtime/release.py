"""What somebody wants deployed: room classes, and what their project says beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .code import Code


@dataclass(frozen=True)
class Release:
    """Room classes, as they are before they have the number of a version.

    Attributes:
        name: Shown with the version.
        runtime_env: What Ray prepares for the processes that run them: packages, variables, files.
        env: The project's variables, as `Room.env` has them; some are secrets.
        crons: Name -> cron expression, for the main party's `on_cron`.
    """

    code: Code
    name: str = ""
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    crons: Mapping[str, str] = field(default_factory=dict)
