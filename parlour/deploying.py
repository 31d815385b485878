"""`parlour.deploy`: from a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .actors import Room


def deploy(
    *rooms: type[Room],
    parties: Mapping[str, type[Room]] | None = None,
    name: str = "",
    address: str | None = None,
    within_s: float | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    crons: Mapping[str, str] | None = None,
) -> int:
    """Deploy room classes on a Ray cluster where Parlour runs; returns their version.

    See `parlour.runtime.deploying.deploy`, whose arguments these are.
    """
    # Here, not above: room actors import this package, and most programs need no Ray for it.
    from .runtime.deploying import deploy as deploy_on_cluster

    return deploy_on_cluster(
        *rooms,
        parties=parties,
        name=name,
        address=address,
        within_s=within_s,
        runtime_env=runtime_env,
        env=env,
        crons=crons,
    )
