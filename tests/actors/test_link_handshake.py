"""The handshake between nodes: who knows the secret is trusted, whatever else is tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parlour.actors.frames import FrameReader, Kind, pack
from parlour.actors.link_handshake import FRAME_BYTES_MAX, NONCE_BYTES, Handshake, NotTrusted

SECRET = b"a secret of this cluster"
MAC_BYTES = 32


def unpacked(frame: bytes | None) -> tuple[int, bytes]:
    """Kind and payload of a frame."""
    assert frame is not None
    found: list[tuple[int, bytes]] = []
    FrameReader(lambda kind, _channel, _number, _sequence, data: found.append((kind, data))).feed(
        frame
    )
    return found[0]


class Ends:
    """Two ends, and what they have said to each other so far."""

    def __init__(self, accepting_secret: bytes = SECRET, opening_secret: bytes = SECRET) -> None:
        self.accepting = Handshake(accepting_secret, accepts=True)
        self.opening = Handshake(opening_secret, accepts=False)
        assert self.opening.begin() is None
        self.challenge = unpacked(self.accepting.begin())

    def proof(self) -> tuple[int, bytes]:
        return unpacked(self.opening.answer(*self.challenge))

    def welcome(self) -> tuple[int, bytes]:
        return unpacked(self.accepting.answer(*self.proof()))


def test_both_ends_trust_each_other_once_both_have_proved_themselves() -> None:
    """The accepting end first, as it hears the first proof."""
    ends = Ends()
    proof = ends.proof()
    assert (ends.accepting.done, ends.opening.done) == (False, False)
    welcome = unpacked(ends.accepting.answer(*proof))
    assert (ends.accepting.done, ends.opening.done) == (True, False)
    assert ends.opening.answer(*welcome) is None
    assert ends.opening.done


def test_its_frames_fit_the_limit_before_trust() -> None:
    """Each of the three, head included."""
    ends = Ends()
    for kind, payload in (ends.challenge, ends.proof(), Ends().welcome()):
        assert len(pack(kind, payload=payload)) <= FRAME_BYTES_MAX


@pytest.mark.parametrize("other", [b"", b"a secret of this cluste", SECRET + b"2", b"x" * 100])
def test_another_secret_is_not_trusted_by_either_end(other: bytes) -> None:
    """Neither by who accepts nor, should that one pretend, by who opens."""
    with pytest.raises(NotTrusted, match="does not know the secret"):
        Ends(opening_secret=other).welcome()

    ends = Ends(opening_secret=other)
    proof = ends.proof()
    pretending = Handshake(other, accepts=True)  # accepts what the honest end would not
    pretending._nonce = ends.challenge[1]
    assert unpacked(pretending.answer(*proof))[0] == Kind.WELCOME
    honest = Handshake(SECRET, accepts=False)
    honest.answer(*ends.challenge)
    with pytest.raises(NotTrusted, match="does not know the secret"):
        honest.answer(*unpacked(pretending.answer(*proof)))
    assert not honest.done


def test_a_recorded_proof_proves_nothing_to_another() -> None:
    """Each end has a nonce of its own, new each time."""
    recorded = Ends().proof()
    other = Ends()
    with pytest.raises(NotTrusted, match="does not know the secret"):
        other.accepting.answer(*recorded)
    assert not other.accepting.done


def test_a_recorded_welcome_proves_nothing_to_another() -> None:
    """Although it was right once."""
    recorded = Ends().welcome()
    other = Ends()
    other.proof()
    with pytest.raises(NotTrusted, match="does not know the secret"):
        other.opening.answer(*recorded)
    assert not other.opening.done


def test_what_an_end_has_said_itself_proves_nothing_to_it() -> None:
    """A peer without the secret cannot play an end's own words back to it."""
    ends = Ends()
    with pytest.raises(NotTrusted, match="does not know the secret"):
        ends.accepting.answer(Kind.PROOF, ends.challenge[1] + ends.challenge[1])
    _, proof = ends.proof()
    mac = proof[NONCE_BYTES:]
    with pytest.raises(NotTrusted, match="does not know the secret"):
        ends.opening.answer(Kind.WELCOME, mac)
    assert (ends.accepting.done, ends.opening.done) == (False, False)


def test_a_proof_of_the_accepting_role_is_none_of_the_opening_role() -> None:
    """The welcome for the same two nonces is no proof for them."""
    ends = Ends()
    _, proof = ends.proof()
    _, welcome = unpacked(ends.accepting.answer(Kind.PROOF, proof))
    again = Handshake(SECRET, accepts=True)
    again._nonce = ends.challenge[1]
    with pytest.raises(NotTrusted, match="does not know the secret"):
        again.answer(Kind.PROOF, proof[:NONCE_BYTES] + welcome)


@pytest.mark.parametrize("kind", [*Kind, 0, 255])
def test_nothing_but_the_next_frame_is_answered(kind: int) -> None:
    """Neither before the first one nor between two; what a node says to itself neither."""
    for accepts, first in ((True, Kind.PROOF), (False, Kind.CHALLENGE)):
        if kind != first:
            handshake = Handshake(SECRET, accepts=accepts)
            with pytest.raises(NotTrusted, match="something else"):
                handshake.answer(kind, bytes(NONCE_BYTES))
            assert not handshake.done
    if kind != Kind.WELCOME:
        ends = Ends()
        ends.proof()
        with pytest.raises(NotTrusted, match="something else"):
            ends.opening.answer(kind, bytes(NONCE_BYTES))


@given(st.integers(0, NONCE_BYTES + MAC_BYTES + 5))
def test_payloads_of_the_wrong_size_are_refused(size_bytes: int) -> None:
    """Cut off or with something behind them; a short nonce above all."""
    ends = Ends()
    if size_bytes != NONCE_BYTES:
        with pytest.raises(NotTrusted, match="wrong size"):
            Handshake(SECRET, accepts=False).answer(Kind.CHALLENGE, bytes(size_bytes))
    kind, proof = ends.proof()
    if size_bytes != len(proof):
        with pytest.raises(NotTrusted):
            ends.accepting.answer(kind, (proof + bytes(5))[:size_bytes])
    kind, welcome = unpacked(ends.accepting.answer(kind, proof))
    if size_bytes != len(welcome):
        with pytest.raises(NotTrusted):
            ends.opening.answer(kind, (welcome + bytes(NONCE_BYTES + 5))[:size_bytes])


@given(st.data())
def test_one_changed_bit_is_noticed(data: st.DataObject) -> None:
    """In the nonce of the proof or in either mac."""
    ends = Ends()
    kind, proof = ends.proof()
    bit = data.draw(st.integers(0, 8 * len(proof) - 1))
    changed = bytearray(proof)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NotTrusted):
        ends.accepting.answer(kind, bytes(changed))
    assert not ends.accepting.done
