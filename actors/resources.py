"""What the room actors of a party ask of Ray: processors, GPUs, memory, resources by name.

Ray keeps the books; nothing here measures or limits what a room really uses.
"""

from __future__ import annotations

from typing import Any

import msgspec


class ActorResources(msgspec.Struct, frozen=True):
    """What one room actor takes of its node while it is there."""

    num_cpus: float = 0.0
    num_gpus: float = 0.0
    memory_bytes: int = 0
    custom: tuple[tuple[str, float], ...] = ()  # by name, in order

    def __bool__(self) -> bool:
        return bool(self.num_cpus or self.num_gpus or self.memory_bytes or self.custom)

    def __str__(self) -> str:
        return ", ".join(f"{name}={amount:.12g}" for name, amount in self._amounts()) or "nothing"

    @property
    def names(self) -> frozenset[str]:
        """The resources of which it takes some."""
        return frozenset(name for name, _ in self._amounts())

    def ray_options(self) -> dict[str, Any]:
        """The same as options of a Ray actor."""
        options: dict[str, Any] = {"num_cpus": self.num_cpus, "resources": dict(self.custom)}
        if self.num_gpus:
            options["num_gpus"] = self.num_gpus
        if self.memory_bytes:
            options["memory"] = self.memory_bytes
        return options

    def _amounts(self) -> list[tuple[str, float]]:
        own = [
            ("num_cpus", self.num_cpus),
            ("num_gpus", self.num_gpus),
            ("memory", float(self.memory_bytes)),
        ]
        return [(name, amount) for name, amount in [*own, *self.custom] if amount]


NO_RESOURCES = ActorResources()
