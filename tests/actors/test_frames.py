"""Frames: bytes in, frames out, however the stream is cut."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parlour.actors.frames import (
    FRAME_BYTES_MAX,
    FrameError,
    FrameReader,
    Kind,
    pack,
    pack_broadcast,
    pack_close,
    pack_parts,
    unpack_broadcast,
    unpack_close,
    unpack_parts,
)

Frame = tuple[int, int, int, int, bytes]

HEAD_BYTES = 21
FRAMES: list[Frame] = [
    (Kind.HELLO, 0, 0, 0, b""),
    (Kind.TEXT, 1, 2, 3, b"hello"),
    (Kind.BINARY, 2**32 - 1, 2**32 - 1, 2**64 - 1, bytes(range(256))),
    (Kind.DONE, 7, 0, 9, b""),
    (Kind.TEXT, 1, 2, 4, b"x"),
]
STREAM = b"".join(pack(*frame) for frame in FRAMES)

any_frame = st.tuples(
    st.sampled_from(list(Kind)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=200),
)


def read(*chunks: bytes) -> list[Frame]:
    """The frames that a reader finds when the stream arrives in these chunks."""
    found: list[Frame] = []
    reader = FrameReader(lambda *frame: found.append(frame))
    for chunk in chunks:
        reader.feed(chunk)
    return found


def test_the_head_has_the_size_that_the_module_names() -> None:
    """21 bytes before the payload, whose length counts everything after itself."""
    frame = pack(Kind.TEXT, 1, 2, 3, b"abc")
    assert len(frame) == HEAD_BYTES + 3
    assert int.from_bytes(frame[:4], "little") == len(frame) - 4


def test_a_stream_that_arrives_whole_is_cut_into_its_frames() -> None:
    """Several frames in one read come out in order."""
    assert read(STREAM) == FRAMES


@pytest.mark.parametrize("position", range(len(STREAM) + 1))
def test_a_stream_that_is_cut_anywhere_gives_the_same_frames(position: int) -> None:
    """Two reads, cut at every byte there is."""
    assert read(STREAM[:position], STREAM[position:]) == FRAMES


def test_a_stream_that_arrives_byte_by_byte_gives_the_same_frames() -> None:
    """The slowest sender there is."""
    assert read(*(STREAM[i : i + 1] for i in range(len(STREAM)))) == FRAMES


def test_a_frame_comes_out_with_its_last_byte_and_not_before() -> None:
    """Nothing is handed on early, and nothing waits for the next frame."""
    found: list[Frame] = []
    reader = FrameReader(lambda *frame: found.append(frame))
    whole = pack(*FRAMES[1])
    reader.feed(whole[:-1])
    assert found == []
    reader.feed(whole[-1:])
    assert found == [FRAMES[1]]


def test_empty_reads_change_nothing() -> None:
    """A read of no bytes is no end and no frame."""
    assert read(b"", STREAM[:30], b"", b"", STREAM[30:], b"") == FRAMES


@given(st.lists(any_frame, max_size=8), st.randoms(use_true_random=False))
def test_any_frames_survive_any_cutting(frames: list[Frame], cuts: random.Random) -> None:
    """What was packed is what is read, for all heads and payloads."""
    stream = b"".join(pack(*frame) for frame in frames)
    at = sorted(cuts.randrange(len(stream) + 1) for _ in range(cuts.randrange(12)))
    chunks = [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]
    assert read(*chunks) == frames


def test_a_big_frame_in_many_chunks_arrives_whole() -> None:
    """8 MiB in pieces of 64 KiB, with a frame before it and one after it in the same pieces."""
    big = (Kind.BINARY, 1, 1, 2, random.Random(1).randbytes(8 * 1024 * 1024))
    stream = pack(*FRAMES[1]) + pack(*big) + pack(*FRAMES[4])
    chunks = [stream[i : i + 65536] for i in range(0, len(stream), 65536)]
    assert read(*chunks) == [FRAMES[1], big, FRAMES[4]]


def head(length: int) -> bytes:
    """A head that announces a length."""
    return struct.pack("<IBIIQ", length, Kind.TEXT, 0, 0, 0)


@pytest.mark.parametrize("length", [0, 1, HEAD_BYTES - 5, FRAME_BYTES_MAX + 1, 2**32 - 1])
def test_a_length_that_no_frame_has_is_refused(length: int) -> None:
    """Shorter than a head or longer than the limit: said at the head, before anything is kept."""
    with pytest.raises(FrameError, match=f"a frame of {length} bytes.*{FRAME_BYTES_MAX}"):
        read(head(length))


def test_the_largest_length_is_waited_for() -> None:
    """The limit itself is allowed, and is no frame before its payload is there."""
    assert read(head(FRAME_BYTES_MAX)) == []
    assert read(head(HEAD_BYTES - 4)) == [(Kind.TEXT, 0, 0, 0, b"")]


def test_frames_before_a_bad_length_are_handed_on() -> None:
    """What came in order before the stream went wrong did arrive."""
    found: list[Frame] = []
    reader = FrameReader(lambda *frame: found.append(frame))
    with pytest.raises(FrameError):
        reader.feed(STREAM + head(0))
    assert found == FRAMES


@given(st.lists(st.integers(0, 2**32 - 1), max_size=50), st.binary(max_size=50))
def test_a_broadcast_keeps_who_is_left_out_and_the_message(without: list[int], data: bytes) -> None:
    """Also when nobody is left out, and when the message is empty."""
    assert unpack_broadcast(pack_broadcast(without, data)) == (tuple(without), data)


def test_a_broadcast_can_leave_out_very_many() -> None:
    """More than a 16-bit count holds."""
    assert unpack_broadcast(pack_broadcast(range(70_000), b"x")) == (tuple(range(70_000)), b"x")


def test_a_payload_that_no_frame_can_have_is_refused_where_it_is_packed() -> None:
    """The other end would close the link, which other rooms use too."""
    largest = bytes(FRAME_BYTES_MAX - (HEAD_BYTES - 4))
    assert len(pack(Kind.BINARY, payload=largest)) == FRAME_BYTES_MAX + 4
    with pytest.raises(FrameError, match=f"the most is {len(largest)}"):
        pack(Kind.BINARY, payload=largest + b"x")


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (4999, "été"), (1011, "x" * 123)])
def test_a_close_keeps_code_and_reason(code: int, reason: str) -> None:
    """The reason is text."""
    assert unpack_close(pack_close(code, reason)) == (code, reason)


@given(st.binary(max_size=70_000), st.binary(max_size=100))
def test_two_parts_come_apart_where_they_were_joined(first: bytes, second: bytes) -> None:
    """Head and body of any size, also empty."""
    assert unpack_parts(pack_parts(first, second)) == (first, second)


def test_no_two_kinds_have_the_same_number() -> None:
    """An alias would send the one as the other; each fits the byte it travels in."""
    assert len({kind.value for kind in Kind.__members__.values()}) == len(Kind.__members__)
    assert all(0 <= kind < 256 for kind in Kind)
