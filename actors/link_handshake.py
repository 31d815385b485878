"""Two ends of a link over TCP prove to each other that they know the cluster's secret.

    accepting end                                          opening end
      CHALLENGE  its nonce                       ->
                                                 <-   PROOF    own nonce, mac("open", nonces)
      WELCOME    mac("accept", nonces)           ->

The macs are HMAC-SHA256 with the secret over both nonces and the role, so that neither a recorded
proof nor one's own can be played back. Nothing else is read from a peer before it has proved
itself. Not here: encryption, which is TLS's. Pure: frames in, frames out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from .frames import Kind, pack

NONCE_BYTES = 32
FRAME_BYTES_MAX = 256  # of what a peer may send before it is trusted


class NotTrusted(Exception):
    """The peer does not know the secret, or does not speak this protocol."""


class Handshake:
    """One end's side of it."""

    def __init__(self, secret: bytes, *, accepts: bool) -> None:
        self.done = False
        self._secret = secret
        self._accepts = accepts
        self._nonce = secrets.token_bytes(NONCE_BYTES)
        self._opening_nonce = b""

    def begin(self) -> bytes | None:
        """What this end says first."""
        return pack(Kind.CHALLENGE, payload=self._nonce) if self._accepts else None

    def answer(self, kind: int, payload: bytes) -> bytes | None:
        """What this end says to a frame of the peer's; `done` is set when it is trusted.

        Raises:
            NotTrusted: If it must not be.
        """
        if self._accepts and kind == Kind.PROOF:
            nonce, mac = payload[:NONCE_BYTES], payload[NONCE_BYTES:]
            self._check(mac, b"open", self._nonce, nonce)
            return pack(Kind.WELCOME, payload=self._mac(b"accept", self._nonce, nonce))
        if not self._accepts and kind == Kind.CHALLENGE and not self._opening_nonce:
            if len(payload) != NONCE_BYTES:
                raise NotTrusted("its challenge has the wrong size")
            self._opening_nonce = payload
            return pack(Kind.PROOF, payload=self._nonce + self._mac(b"open", payload, self._nonce))
        if not self._accepts and kind == Kind.WELCOME and self._opening_nonce:
            self._check(payload, b"accept", self._opening_nonce, self._nonce)
            return None
        raise NotTrusted("it says something else than the handshake asks for")

    def _check(self, mac: bytes, role: bytes, accepting: bytes, opening: bytes) -> None:
        if len(opening) != NONCE_BYTES or not hmac.compare_digest(
            mac, self._mac(role, accepting, opening)
        ):
            raise NotTrusted("it does not know the secret of this cluster")
        self.done = True

    def _mac(self, role: bytes, accepting: bytes, opening: bytes) -> bytes:
        return hmac.digest(self._secret, role + accepting + opening, hashlib.sha256)
