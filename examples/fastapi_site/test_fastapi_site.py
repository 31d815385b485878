"""The guest book's own tests."""

import pytest
from parlour.testing import Refused, Rooms

from examples.fastapi_site import fastapi_site
from examples.fastapi_site.fastapi_site import Main


@pytest.fixture(autouse=True)
def deployed(rooms: Rooms) -> None:
    """The site, before anybody comes."""
    rooms.deploy(fastapi_site)


async def token_of(rooms: Rooms, name: str) -> str:
    """What the site gives to who logs in."""
    answer = await rooms.request("POST", "/api/login", json={"name": name})
    assert answer.status == 200
    token: str = answer.json()["token"]
    return token


async def test_who_has_logged_in_may_talk(rooms: Rooms) -> None:
    """Under the name that the site has given the token for."""
    book = rooms.room(Main, "book", party="main")
    ada = await book.connect("a", query={"token": await token_of(rooms, "Ada")})
    bob = await book.connect("b", query={"token": await token_of(rooms, "Bob")})

    await ada.send("hello")

    assert [each["line"] for each in await bob.received_json()] == ["Bob is here", "Ada: hello"]


@pytest.mark.parametrize("token", ["", "Ada", "Ada:0000"])
async def test_who_has_not_is_not_let_in(rooms: Rooms, token: str) -> None:
    """Nobody makes tokens but the site."""
    with pytest.raises(Refused) as refused:
        await rooms.room(Main, "book", party="main").connect("a", query={"token": token})
    assert refused.value.status == 401


async def test_fastapi_says_what_is_wrong(rooms: Rooms) -> None:
    """As it does elsewhere; and it has its docs."""
    assert (await rooms.request("POST", "/api/login", json={"name": ""})).status == 422
    assert (await rooms.request("GET", "/api/nothing")).json() == {"detail": "Not Found"}
    assert "Guest book" in (await rooms.request("GET", "/docs")).text
