"""What the processes of a node have counted, those that are gone included. Pure.

Each process says its numbers from its own beginning; so one report that is lost costs nothing, and
a hibernation manager that was restarted knows again what the processes that live have counted.
"""

from __future__ import annotations

from typing import Generic

from ..actors.counts import CountsT, GatewayCounts, GatewayReport, ProcessCounts, total


class Totals(Generic[CountsT]):
    """Over all processes of a kind."""

    def __init__(self, kind: type[CountsT]) -> None:
        self._kind = kind
        self._gone = kind()  # of the processes that have ended
        self._latest: dict[str, CountsT] = {}

    def __repr__(self) -> str:
        return f"<Totals of {len(self._latest)} processes, {self._kind.__name__}>"

    def take(self, process_id: str, counts: CountsT) -> None:
        """A process has said its numbers."""
        self._latest[process_id] = counts

    def forget(self, process_id: str) -> None:
        """A process has ended: what it had counted is kept in the sum."""
        counts = self._latest.pop(process_id, None)
        if counts is not None:
            self._gone = total(self._kind, [self._gone, counts])

    def sum(self) -> CountsT:
        """Everything together."""
        return total(self._kind, [self._gone, *self._latest.values()])


class NodeCounts:
    """Of a node's room actors and its gateway."""

    def __init__(self) -> None:
        self.room_actors = Totals(ProcessCounts)
        self.gateways = Totals(GatewayCounts)
        self._sockets: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<NodeCounts {self.room_actors!r}, {self.gateways!r}>"

    @property
    def sockets(self) -> int:
        """Clients that are connected now."""
        return sum(self._sockets.values())

    def gateway_reports(self, gateway_id: str, report: GatewayReport) -> None:
        """A gateway has said its numbers."""
        self._sockets[gateway_id] = report.sockets
        self.gateways.take(gateway_id, report.counts)

    def gateway_gone(self, gateway_id: str) -> None:
        """A gateway has ended, and its sockets with it."""
        self._sockets.pop(gateway_id, None)
        self.gateways.forget(gateway_id)
