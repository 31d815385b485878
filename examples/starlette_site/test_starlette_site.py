"""The pages' own tests."""

import pytest
from parlour.testing import Rooms

from examples.starlette_site import starlette_site
from examples.starlette_site.starlette_site import NUMBERS, Main


@pytest.fixture(autouse=True)
def deployed(rooms: Rooms) -> None:
    """The site, before anybody comes."""
    rooms.deploy(starlette_site)


async def test_readers_of_a_page_see_how_many_they_are(rooms: Rooms) -> None:
    """Each page has a room of its own."""
    tea = rooms.room(Main, "tea", party="main")
    alice, bob = await tea.connect("alice"), await tea.connect("bob")
    await rooms.room(Main, "coffee", party="main").connect("carol")
    assert [each["readers"] for each in await alice.received_json()] == [1, 2]

    await bob.close()

    assert await alice.received_json() == [{"readers": 1}]


async def test_starlette_makes_the_pages(rooms: Rooms) -> None:
    """With what its lifespan has opened."""
    page = await rooms.request("GET", "/tea")
    assert (page.status, "<h1>Tea</h1>" in page.text, "up since" in page.text) == (200, True, True)
    assert (await rooms.request("GET", "/%3Cscript%3Ex")).status == 404


async def test_long_bodies_are_streamed(rooms: Rooms) -> None:
    """Both ways."""
    numbers = await rooms.request("GET", "/tea/numbers")
    assert numbers.body.count(b"\n") == NUMBERS
    told = await rooms.request("POST", "/length", body=bytes(1_000_000))
    assert told.text == "1000000 bytes\n"
