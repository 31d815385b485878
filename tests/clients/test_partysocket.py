"""`partysocket`, unchanged, under Node: it connects, and what it promises holds."""

from __future__ import annotations

import json
import signal
import uuid

import pytest

from tests.support.processes import GATEWAY, descendants
from tests.support.running import RunningParlour

from .node_client import NodeClient


@pytest.fixture
def room() -> str:
    """A room of this test's own."""
    return uuid.uuid4().hex


async def test_it_connects_and_talks(node: NodeClient, room: str) -> None:
    """In text and in bytes, to the room at the path that it makes."""
    state = await node.open("a", "echo", room)
    assert state["roomUrl"] == f"ws://{node.host}/parties/echo/{room}"
    await node.event("a", "open")

    assert (await node.ask("send", "a", "sent", data="grüße ✓"))["now"] is True
    assert await node.message("a") == "grüße ✓"
    await node.ask("send", "a", "sent", bytes=[0, 255])
    assert await node.message("a") == [0, 255]


async def test_what_it_sends_before_it_is_open_arrives_first_and_in_order(
    node: NodeClient, room: str
) -> None:
    """It keeps it, and sends it when the room has let it in."""
    await node.open("a", "echo", room, first=["one", "two"])
    await node.event("a", "open")
    await node.ask("send", "a", "sent", data="three")

    assert [await node.message("a") for _ in range(3)] == ["one", "two", "three"]


async def test_what_on_connect_sends_is_its_first_message(node: NodeClient, room: str) -> None:
    """And the room knows it by the id that it has made for itself."""
    state = await node.open("a", "greeter", room)

    assert await node.message("a") == f"hello {state['id']}"


async def test_it_stays_connected_while_its_room_dies(node: NodeClient, room: str) -> None:
    """The socket is the gateway's: nothing is closed, and what the room had stored is there."""
    await node.open("a", "shared", room)
    await node.event("a", "open")
    await node.ask("send", "a", "sent", data="x")
    before, pid = (await node.message("a")).split()

    await node.ask("send", "a", "sent", data="die")
    assert (await node.event("a", "close"))["code"] == 1011  # this message has killed it twice
    await node.event("a", "open")
    await node.ask("send", "a", "sent", data="x")
    after, other_pid = (await node.message("a")).split()

    assert (before, after) == ("1", "2")
    assert pid != other_pid


async def test_others_in_a_room_that_dies_notice_nothing(node: NodeClient, room: str) -> None:
    """Only the connection whose message kills it is closed, and connects again."""
    await node.open("a", "faulty", room)
    await node.event("a", "open")
    await node.open("b", "faulty", room)
    await node.event("b", "open")

    await node.ask("send", "b", "sent", data="die")
    await node.event("b", "close")
    await node.event("b", "open")
    await node.ask("send", "a", "sent", data="x")

    assert await node.message("a") == "still here"
    assert (await node.ask("state", "a", "state"))["retryCount"] == 0


@pytest.mark.parity("_pk")
async def test_it_comes_back_with_its_id_when_the_gateway_was_killed(
    node: NodeClient, parlour: RunningParlour, room: str
) -> None:
    """What it wanted to say meanwhile arrives; the room has forgotten nothing."""
    state = await node.open("a", "sleeper", room, query={"name": "me"})
    await node.event("a", "open")
    await node.ask("send", "a", "sent", data="x")
    assert (await node.message("a")).startswith("1 ")
    assert await node.message("a") == "me of 1"

    [gateway] = descendants(parlour.session, GATEWAY)
    assert gateway.send(signal.SIGKILL)
    assert (await node.event("a", "close"))["code"] == 1006
    assert (await node.ask("send", "a", "sent", data="while it was down"))["now"] is False
    await node.event("a", "open")

    assert (await node.message("a")).startswith("2 ")
    assert await node.message("a") == "me of 1"
    assert (await node.ask("state", "a", "state"))["id"] == state["id"]


async def test_its_query_is_asked_for_anew_with_each_connection(
    node: NodeClient, room: str
) -> None:
    """As for tokens that do not last."""
    await node.open("a", "sleeper", room, names=["first", "second"])
    for name in ("first", "second"):
        await node.event("a", "open")
        await node.ask("send", "a", "sent", data="x")
        await node.message("a")
        assert (await node.message("a")).startswith(f"{name} of ")
        node.tell("reconnect", name="a")


async def test_it_moves_to_another_room(node: NodeClient, room: str) -> None:
    """`updateProperties` and `reconnect`."""
    await node.open("a", "greeter", room, id="me")
    assert await node.message("a") == "hello me"

    node.tell("move", name="a", options={"room": f"{room}-2"})

    assert await node.message("a") == [0, 1]
    assert await node.message("a") == "hello me"
    assert (await node.ask("state", "a", "state"))["room"] == f"{room}-2"


async def test_it_hears_why_it_was_closed_and_connects_again(node: NodeClient, room: str) -> None:
    """Code and reason of the room's; every close but its own has it connect again."""
    await node.open("a", "faulty", room)
    await node.event("a", "open")

    await node.ask("send", "a", "sent", data="close")

    closed = await node.event("a", "close")
    assert (closed["code"], closed["reason"]) == (4001, "as you wish")
    await node.event("a", "open")


async def test_its_own_close_is_the_end(node: NodeClient, room: str) -> None:
    """The room hears code and reason."""
    await node.open("a", "greeter", room)
    await node.event("a", "open")
    state = await node.open("b", "greeter", room)
    await node.event("b", "open")
    for name in ("a", "b"):
        await node.message(name)
        await node.message(name)

    node.tell("close", name="b", code=4000, reason="enough")

    assert await node.message("a") == f"{state['id']} 4000 enough True 1"


async def test_a_room_that_does_not_start_is_tried_again(node: NodeClient, room: str) -> None:
    """It is let in to be told, 1011, and comes back until it works."""
    await node.open("a", "faulty", f"unstartable-{room}", maxRetries=2)

    codes = [(await node.event("a", "close"))["code"] for _ in range(2)]

    assert codes == [1011, 1011]


async def test_fetch_asks_the_room_over_http(node: NodeClient, room: str) -> None:
    """`PartySocket.fetch`, with a path, a query and a body."""
    options = {"host": node.host, "party": "echo", "room": room, "path": "below/it"}
    node.tell(
        "fetch",
        options={**options, "query": {"q": "1"}},
        init={"method": "POST", "body": "hello"},
    )

    answer = await node.event(None, "answer")

    assert answer["status"] == 200
    heard = json.loads(answer["body"])
    assert (heard["id"], heard["path"], heard["body"]) == (room, "/below/it", "hello")
    assert heard["query"] == {"q": "1"}
