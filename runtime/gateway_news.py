"""What a gateway is told of what is deployed, by the controller, and by itself when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..actors.options import RoomOptions
from .deployment import Deployment
from .release import Assets, Limits


@dataclass(frozen=True)
class GatewayNews:
    """As it is now.

    Attributes:
        version: Of the deployed classes; 0: nothing is deployed.
        patient: Events wait for rooms that cannot start, as their version may be given up.
    """

    version: int = 0
    parties: Mapping[str, RoomOptions] = field(default_factory=dict)
    patient: bool = False
    assets: Assets = field(default_factory=Assets)
    limits: Limits = field(default_factory=Limits)

    @property
    def has_edge(self) -> bool:
        """Whether a class has edge hooks."""
        return any(options.edge_hooks for options in self.parties.values())


def gateway_news(deployed: Deployment | None, *, patient: bool) -> GatewayNews:
    """What gateways have to know of a version."""
    if deployed is None:
        return GatewayNews(patient=patient)
    parties = deployed.code.parties
    return GatewayNews(deployed.version, parties, patient, deployed.assets, deployed.limits)
