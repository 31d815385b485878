"""The two bodies of an exchange between a gateway and an edge, as frames on their link."""

from __future__ import annotations

from .body_stream import IncomingBody, OutgoingBody
from .frames import Kind, pack
from .link import Link


class EdgeBodies:
    """What both ends of an exchange have: a body that each sends, and one that each is sent."""

    def __init__(self, link: Link, number: int) -> None:
        """`number` is that of the exchange on the link."""
        self.link = link
        self.number = number
        self.outgoing = OutgoingBody(self._send)
        self.incoming = IncomingBody(self._grant)

    def end(self) -> None:
        """The outgoing body is whole."""
        self.link.write(pack(Kind.BODY_WHOLE, number=self.number))

    def break_off(self) -> None:
        """The other end is gone, or has given up what is under way."""
        self.incoming.on_end("the rest of this body will never come")
        self.outgoing.break_off()

    def on_frame(self, kind: int, sequence: int, payload: bytes) -> None:
        """BODY_PART, BODY_WHOLE or BODY_USED of this exchange."""
        if kind == Kind.BODY_PART:
            self.incoming.on_piece(payload)
        elif kind == Kind.BODY_WHOLE:
            self.incoming.on_end()
        elif kind == Kind.BODY_USED:
            self.outgoing.grant(sequence)

    def _send(self, piece: bytes) -> None:
        self.link.write(pack(Kind.BODY_PART, number=self.number, payload=piece))

    def _grant(self, used_bytes: int) -> None:
        self.link.write(pack(Kind.BODY_USED, number=self.number, sequence=used_bytes))
