"""The cursors' own tests."""

import struct

from parlour.testing import Rooms

from examples.cursors.cursors import HAS_LEFT, IS_AT, POINT, YOU_ARE, Cursors


def you_are(number: int) -> bytes:
    return struct.pack("<BH", YOU_ARE, number)


def is_at(number: int, x: int, y: int) -> bytes:
    return struct.pack("<BHHH", IS_AT, number, x, y)


async def test_the_others_see_a_pointer_move(rooms: Rooms) -> None:
    """Newcomers see where it was last; who moved it does not hear of it."""
    page = rooms.room(Cursors, "page")
    alice, bob = await page.connect(), await page.connect()

    await alice.send(POINT.pack(1, 2), POINT.pack(65535, 0))
    carol = await page.connect()

    assert await alice.received() == [you_are(0)]
    assert await bob.received() == [you_are(1), is_at(0, 1, 2), is_at(0, 65535, 0)]
    assert await carol.received() == [you_are(2), is_at(0, 65535, 0)]


async def test_a_pointer_that_left_is_taken_away_and_its_number_is_free(rooms: Rooms) -> None:
    """However it left."""
    page = rooms.room(Cursors, "page")
    alice, bob = await page.connect(), await page.connect()
    await alice.send(POINT.pack(1, 2))
    await bob.received()

    await alice.vanish()
    carol = await page.connect()

    assert await bob.received() == [struct.pack("<BH", HAS_LEFT, 0)]
    assert await carol.received() == [you_are(0)]


async def test_numbers_stay_while_the_room_sleeps(rooms: Rooms) -> None:
    """The room remembers no pointer, the connections who they are."""
    page = rooms.room(Cursors, "page")
    alice, bob = await page.connect(), await page.connect()
    await rooms.advance(60)
    assert not page.is_live

    await bob.send(POINT.pack(3, 4))

    assert await alice.received() == [you_are(0), is_at(1, 3, 4)]


async def test_what_is_no_pointer_ends_the_connection(rooms: Rooms) -> None:
    """With 1003, "unsupported data"."""
    page = rooms.room(Cursors, "page")
    alice, bob = await page.connect(), await page.connect()

    await alice.send("left a bit")
    await bob.send(b"12345")

    assert alice.closed is not None
    assert bob.closed is not None
    assert (alice.closed.code, bob.closed.code) == (1003, 1003)
