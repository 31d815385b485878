"""The pages of the examples in a real browser, over rooms in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from parlour.testing import Rooms
from playwright.async_api import BrowserContext, expect

from examples.cursors.cursors import Cursors
from examples.lobby.lobby import Lobby, Table
from examples.stream.stream import PROMPTS_MAX, Stream
from parlour import Room

from ..support.chromium import browser as browser

EXAMPLES = Path(__file__).parents[2] / "examples"


@asynccontextmanager
async def served(example: str, *classes: type[Room]) -> AsyncIterator[Rooms]:
    """The rooms and the page of an example."""
    async with Rooms(public_folder=str(EXAMPLES / example / "public")) as rooms:
        rooms.deploy(*classes)
        yield rooms


async def test_pointers_move_on_the_other_page(browser: BrowserContext) -> None:
    """And go when their page does."""
    async with served("cursors", Cursors) as rooms:
        alice, bob = await browser.new_page(), await browser.new_page()
        for page in (alice, bob):
            await page.goto(str(rooms.url))
            await expect(page.get_by_role("status")).to_have_text("You are alone")

        await alice.mouse.move(100, 100)
        await expect(bob.get_by_role("status")).to_have_text("1 other pointer")
        await expect(bob.locator(".pointer")).to_contain_text("Person 1")
        await expect(alice.locator(".pointer")).to_have_count(0)

        await alice.close()
        await expect(bob.locator(".pointer")).to_have_count(0)


async def test_an_answer_grows_on_the_page(browser: BrowserContext) -> None:
    """Until the room says that it is enough for now; a page that comes back shows what was said."""
    async with served("stream", Stream) as rooms:
        page = await browser.new_page()
        await page.goto(str(rooms.url))
        for number in range(PROMPTS_MAX):
            await page.get_by_label("Prompt").fill(f"hello {number}")
            await page.get_by_role("button", name="Ask").click()
            await expect(page.locator(".answer")).to_have_count(number + 1)
            await rooms.advance(10)
            await expect(page.locator(".answer").last).to_contain_text(f"“hello {number}”. I am")
            await expect(page.get_by_role("button", name="Ask")).to_be_enabled()
        await page.get_by_label("Prompt").fill("one more")
        await page.get_by_role("button", name="Ask").click()
        await expect(page.get_by_role("status")).to_contain_text("too many prompts")

        await page.reload()
        await expect(page.locator(".prompt")).to_have_count(PROMPTS_MAX)


async def test_tables_are_listed_and_can_be_sat_down_at(browser: BrowserContext) -> None:
    """Who is in the lobby sees them come and go."""
    async with served("lobby", Lobby, Table) as rooms:
        alice, bob = await browser.new_page(), await browser.new_page()
        for page in (alice, bob):
            await page.goto(str(rooms.url))
            await expect(page.get_by_role("status")).to_have_text("Nobody sits anywhere yet")

        await alice.get_by_label("Table").fill("whist & tea")
        await alice.get_by_role("button", name="Sit down").click()
        await bob.get_by_role("button", name="whist & tea").click()
        await bob.get_by_label("Message").fill("<i>hello</i>")
        await bob.get_by_role("button", name="Say").click()
        await expect(alice.locator("#said li")).to_have_text(["<i>hello</i>"])
        await expect(alice.locator("#tables small")).to_contain_text("2 people")

        await alice.close()
        await expect(bob.locator("#tables small")).to_contain_text("1 person")
